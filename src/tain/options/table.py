"""The option table: one row per spelling family (spec: options 2 and 8).

The parser, ``--help``, the refusals of daemons and the words for a server are made from these rows, in the order of
``--help``. A row without a help text is accepted but not listed.

The rows are plain tuples, because every ``--server`` start pays for this module: (long names, short letter, kind of
argument, action, field of Options or handler, value, direction, metavar, help).

- long names: ``[no-]NAME`` stands for two rows. The second one, ``no-NAME`` and ``no-LETTER``, sets the field to false
  or 0.
- kind: "" no argument, "s" text, "i" 32-bit integer, "z" size.
- action: "set" field to value; "inc" field by one; "text" or "int" field to the argument; "call" a handler of the
  resolver.
- direction: in which the client puts the option on the server's command line (spec: options 0, column Fwd): "both",
  "push", "pull", "wire" (over the protocol, not as a word), "" never. `session.arguments` makes the words.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


class Row:
    """One option with its other spellings."""

    __slots__ = ("action", "dest", "forward", "help", "kind", "longs", "metavar", "short", "value")

    def __init__(
        self,
        longs: tuple[str, ...],
        short: str,
        kind: str,
        action: str,
        dest: str,
        value: object,
        forward: str,
        metavar: str,
        help: str | None,
    ) -> None:
        self.longs = longs
        self.short = short
        self.kind = kind
        self.action = action
        self.dest = dest
        self.value = value
        self.forward = forward
        self.metavar = metavar
        self.help = help

    def travels(self, *, pushes: bool) -> bool:
        """Whether a client that sends (*pushes*), or that receives, puts the option on the server's command line."""
        return self.forward in ("both", "push" if pushes else "pull")

    @property
    def key(self) -> str:
        """The name of the row: its first long name, or its letter."""
        return self.longs[0] if self.longs else self.short

    @property
    def shown(self) -> str:
        """``--compress (-z)``: the option in an error text (spec: options 9)."""
        if not self.longs:
            return f"-{self.short}"
        return f"--{self.longs[0]} (-{self.short})" if self.short else f"--{self.longs[0]}"


_Fields = tuple[tuple[str, ...], str, str, str, str, object, str, str, str | None]


def _both_ways(rows: tuple[_Fields, ...]) -> Iterator[Row]:
    """The rows; behind one whose first name has the mark ``[no-]`` stands the row that turns it off."""
    for longs, short, kind, action, dest, value, forward, metavar, text in rows:
        first, *others = longs or ("",)
        name = first.removeprefix("[no-]")
        yield Row((name, *others) if longs else (), short, kind, action, dest, value, forward, metavar, text)
        if name != first:
            off = ("no-" + name, "no-" + short) if short else ("no-" + name,)
            yield Row(off, "", "", "set", dest, False if value is True else 0, "", "", None)


_ROWS: tuple[_Fields, ...] = (
    (("[no-]verbose",), "v", "", "inc", "verbose", None, "both", "", "increase verbosity"),
    (("info",), "", "s", "call", "info", None, "both", "FLAGS", "fine-grained informational verbosity"),
    (("debug",), "", "s", "call", "debug", None, "", "FLAGS", "fine-grained debug verbosity"),
    (("stderr",), "", "s", "call", "stderr", None, "both", "e|a|c", "change stderr output mode (default: errors)"),
    (("msgs2stderr",), "", "", "set", "stderr_mode", "all", "both", "", None),
    (("no-msgs2stderr",), "", "", "set", "stderr_mode", "client", "both", "", None),
    (("quiet",), "q", "", "inc", "quiet", None, "both", "", "suppress non-error messages"),
    (("motd",), "", "", "set", "motd", True, "", "", None),
    (("no-motd",), "", "", "set", "motd", False, "", "", "suppress daemon-mode MOTD"),
    (("[no-]checksum",), "c", "", "set", "checksum", True, "both", "", "skip based on checksum, not mod-time & size"),
    (("archive",), "a", "", "call", "archive", None, "both", "", "archive mode is -rlptgoD (no -A,-X,-U,-N,-H)"),
    (("[no-]recursive",), "r", "", "set", "recurse", 2, "both", "", "recurse into directories"),
    (("inc-recursive", "i-r"), "", "", "set", "inc_recurse", True, "", "", "enable incremental recursion"),
    (("no-inc-recursive", "no-i-r"), "", "", "set", "inc_recurse", False, "", "", "disable incremental recursion"),
    (("[no-]relative",), "R", "", "set", "relative", 1, "both", "", "use relative path names"),
    (("implied-dirs", "i-d"), "", "", "set", "implied_dirs", True, "", "", None),
    (("no-implied-dirs", "no-i-d"), "", "", "set", "implied_dirs", False, "both", "",
     "don't send implied directories with --relative"),
    (("backup",), "b", "", "set", "backup", True, "both", "", "make backups (see --suffix & --backup-dir)"),
    (("no-backup",), "", "", "set", "backup", False, "", "", None),
    (("backup-dir",), "", "s", "text", "backup_dir", None, "both", "DIR", "make backups into hierarchy based in DIR"),
    (("suffix",), "", "s", "text", "backup_suffix", None, "both", "SUFFIX",
     "backup suffix (default ~ w/o --backup-dir)"),
    (("update",), "u", "", "set", "update", True, "both", "", "skip files that are newer on the receiver"),
    (("[no-]inplace",), "", "", "set", "inplace", True, "both", "", "update destination files in-place"),
    (("append",), "", "", "call", "append", None, "both", "", "append data onto shorter files"),
    (("append-verify",), "", "", "set", "append", 2, "both", "", "--append w/old data in file checksum"),
    (("no-append",), "", "", "set", "append", 0, "", "", None),
    (("[no-]dirs",), "d", "", "set", "dirs", 2, "both", "", "transfer directories without recursing"),
    (("old-dirs", "old-d"), "", "", "set", "dirs", 4, "", "", "works like --dirs when talking to old rsync"),
    (("[no-]mkpath",), "", "", "set", "mkpath", True, "push", "", "create destination's missing path components"),
    (("[no-]links",), "l", "", "set", "links", True, "both", "", "copy symlinks as symlinks"),
    (("copy-links",), "L", "", "set", "copy_links", True, "pull", "", "transform symlink into referent file/directory"),
    (("copy-unsafe-links",), "", "", "set", "copy_unsafe_links", True, "both", "",
     "only \"unsafe\" symlinks are transformed"),
    (("safe-links",), "", "", "set", "safe_links", True, "both", "", "ignore symlinks that point outside the tree"),
    (("[no-]insecure-links",), "", "", "set", "insecure_links", True, "", "",
     "follow attacker-owned symlinks in operator paths"),
    (("confine-root",), "", "s", "text", "confine_root", None, "", "DIR",
     "refuse operator paths resolving outside DIR"),
    (("[no-]munge-links",), "", "", "set", "munge_links", True, "", "", "munge symlinks to make them safe & unusable"),
    (("copy-dirlinks",), "k", "", "set", "copy_dirlinks", True, "pull", "",
     "transform symlink to directory into referent directory"),
    (("keep-dirlinks",), "K", "", "set", "keep_dirlinks", True, "push", "",
     "treat symlinked directory on receiver as directory"),
    (("[no-]hard-links",), "H", "", "inc", "hard_links", None, "both", "", "preserve hard links"),
    (("[no-]perms",), "p", "", "set", "perms", True, "both", "", "preserve permissions"),
    (("executability",), "E", "", "set", "executability", True, "push", "", "preserve executability"),
    (("chmod",), "", "s", "call", "chmod", None, "", "CHMOD", "affect file and/or directory permissions"),
    (("acls",), "A", "", "call", "acls", None, "both", "", "preserve ACLs (implies --perms)"),
    (("no-acls", "no-A"), "", "", "set", "acls", False, "", "", None),
    (("[no-]xattrs",), "X", "", "inc", "xattrs", None, "both", "", "preserve extended attributes"),
    (("[no-]owner",), "o", "", "set", "owner", True, "both", "", "preserve owner (super-user only)"),
    (("[no-]group",), "g", "", "set", "group", True, "both", "", "preserve group"),
    (("[no-]devices",), "", "", "set", "devices", True, "both", "", "preserve device files (super-user only)"),
    (("copy-devices",), "", "", "set", "copy_devices", True, "pull", "", "copy device contents as a regular file"),
    (("[no-]write-devices",), "", "", "set", "write_devices", True, "push", "",
     "write to devices as files (implies --inplace)"),
    (("specials",), "", "", "set", "specials", True, "both", "", "preserve special files"),
    (("no-specials",), "", "", "set", "specials", False, "both", "", None),
    (("[no-]drop-D",), "", "", "set", "drop_devices", True, "", "", "receiver refuses to create devices/specials"),
    ((), "D", "", "call", "D", True, "both", "", "same as --devices --specials"),
    (("no-D",), "", "", "call", "D", False, "", "", None),
    (("[no-]times",), "t", "", "set", "times", True, "both", "", "preserve modification times"),
    (("[no-]atimes",), "U", "", "inc", "atimes", None, "both", "", "preserve access (use) times"),
    (("[no-]open-noatime",), "", "", "set", "open_noatime", True, "both", "",
     "avoid changing the atime on opened files"),
    (("crtimes",), "N", "", "call", "crtimes", None, "both", "", "preserve create times (newness)"),
    (("no-crtimes", "no-N"), "", "", "set", "crtimes", False, "", "", None),
    (("[no-]omit-dir-times",), "O", "", "set", "omit_dir_times", True, "push", "", "omit directories from --times"),
    (("[no-]omit-link-times",), "J", "", "set", "omit_link_times", True, "push", "", "omit symlinks from --times"),
    (("[no-]super",), "", "", "set", "super_user", 1, "push", "", "receiver attempts super-user activities"),
    (("fake-super",), "", "", "set", "super_user", 2, "", "", "store/recover privileged attrs using xattrs"),
    (("[no-]sparse",), "S", "", "set", "sparse", True, "both", "", "turn sequences of nulls into sparse blocks"),
    (("preallocate",), "", "", "set", "preallocate", True, "push", "", "allocate dest files before writing them"),
    (("dry-run",), "n", "", "set", "dry_run", True, "both", "", "perform a trial run with no changes made"),
    (("whole-file",), "W", "", "set", "whole_file", 1, "both", "", "copy files whole (w/o delta-xfer algorithm)"),
    (("no-whole-file", "no-W"), "", "", "set", "whole_file", 0, "push", "", "use the delta-xfer algorithm"),
    (("checksum-choice", "cc"), "", "s", "text", "checksum_choice", None, "both", "STR",
     "choose the checksum algorithm (aka --cc)"),
    (("[no-]one-file-system",), "x", "", "inc", "one_file_system", None, "both", "",
     "don't cross filesystem boundaries"),
    (("block-size",), "B", "z", "call", "block_size", None, "both", "SIZE", "force a fixed checksum block-size"),
    (("rsh",), "e", "s", "call", "rsh", None, "", "COMMAND", "specify the remote shell to use"),
    (("rsync-path",), "", "s", "text", "rsync_path", None, "", "PROGRAM",
     "specify the rsync to run on remote machine"),
    (("existing", "ignore-non-existing"), "", "", "set", "existing", True, "push", "",
     "skip creating new files on receiver"),
    (("ignore-existing",), "", "", "set", "ignore_existing", True, "push", "",
     "skip updating files that exist on receiver"),
    (("remove-source-files",), "", "", "call", "remove_source_files", None, "both", "",
     "sender removes synchronized files (non-directory)"),
    (("remove-sent-files",), "", "", "call", "remove_sent_files", None, "both", "", None),
    (("del",), "", "", "call", "delete_when", "during", "push", "", "an alias for --delete-during"),
    (("delete",), "", "", "call", "delete", None, "push", "", "delete extraneous files from dest directories"),
    (("delete-before",), "", "", "call", "delete_when", "before", "push", "",
     "receiver deletes before xfer, not during"),
    (("delete-during",), "", "", "call", "delete_when", "during", "push", "", "receiver deletes during the transfer"),
    (("delete-delay",), "", "", "call", "delete_when", "delay", "push", "", "find deletions during, delete after"),
    (("delete-after",), "", "", "call", "delete_when", "after", "push", "",
     "receiver deletes after transfer, not during"),
    (("delete-excluded",), "", "", "call", "delete_excluded", None, "push", "",
     "also delete excluded files from dest directories"),
    (("ignore-missing-args",), "", "", "set", "ignore_missing_args", True, "pull", "",
     "ignore missing source arguments without error"),
    (("delete-missing-args",), "", "", "set", "delete_missing_args", True, "both", "",
     "delete missing source arguments from destination"),
    (("[no-]ignore-errors",), "", "", "set", "ignore_errors", True, "both", "", "delete even if there are I/O errors"),
    (("[no-]force",), "", "", "set", "force", True, "push", "", "force deletion of directories even if not empty"),
    (("max-delete",), "", "i", "int", "max_delete", None, "push", "NUM", "don't delete more than NUM files"),
    (("max-size",), "", "z", "call", "max_size", None, "push", "SIZE", "don't transfer any file larger than SIZE"),
    (("min-size",), "", "z", "call", "min_size", None, "push", "SIZE", "don't transfer any file smaller than SIZE"),
    (("max-alloc",), "", "z", "call", "max_alloc", None, "both", "SIZE", "change a limit relating to memory alloc"),
    (("[no-]partial",), "", "", "set", "partial", True, "push", "", "keep partially transferred files"),
    (("partial-dir",), "", "s", "text", "partial_dir", None, "push", "DIR",
     "put a partially transferred file into DIR"),
    (("[no-]delay-updates",), "", "", "set", "delay_updates", True, "push", "",
     "put all updated files into place at end"),
    (("[no-]prune-empty-dirs",), "m", "", "set", "prune_empty_dirs", True, "push", "",
     "prune empty directory chains from file-list"),
    (("[no-]numeric-ids",), "", "", "set", "numeric_ids", True, "both", "",
     "don't map uid/gid values by user/group name"),
    (("usermap",), "", "s", "call", "usermap", None, "push", "STRING", "custom username mapping"),
    (("groupmap",), "", "s", "call", "groupmap", None, "push", "STRING", "custom groupname mapping"),
    (("chown",), "", "s", "call", "chown", None, "push", "USER:GROUP", "simple username/groupname mapping"),
    (("[no-]timeout",), "", "i", "int", "timeout", None, "both", "SECONDS", "set I/O timeout in seconds"),
    (("[no-]contimeout",), "", "i", "int", "contimeout", None, "", "SECONDS",
     "set daemon connection timeout in seconds"),
    (("ignore-times",), "I", "", "set", "ignore_times", True, "both", "",
     "don't skip files that match size and time"),
    (("size-only",), "", "", "set", "size_only", True, "push", "", "skip files that match in size"),
    (("modify-window",), "@", "i", "call", "modify_window", None, "push", "NUM",
     "set the accuracy for mod-time comparisons"),
    (("temp-dir",), "T", "s", "text", "temp_dir", None, "push", "DIR", "create temporary files in directory DIR"),
    (("[no-]fuzzy",), "y", "", "inc", "fuzzy", None, "push", "", "find similar file for basis if no dest file"),
    (("compare-dest",), "", "s", "call", "basis", "compare", "push", "DIR",
     "also compare destination files relative to DIR"),
    (("copy-dest",), "", "s", "call", "basis", "copy", "push", "DIR", "... and include copies of unchanged files"),
    (("link-dest",), "", "s", "call", "basis", "link", "push", "DIR", "hardlink to files in DIR when unchanged"),
    (("compress",), "z", "", "inc", "compress_asked", None, "both", "", "compress file data during the transfer"),
    (("no-compress", "no-z"), "", "", "call", "no_compress", None, "", "", None),
    (("old-compress",), "", "", "call", "compress_as", b"zlib", "both", "", None),
    (("new-compress",), "", "", "call", "compress_as", b"zlibx", "both", "", None),
    (("compress-choice", "zc"), "", "s", "call", "compress_choice", None, "both", "STR",
     "choose the compression algorithm (aka --zc)"),
    (("compress-level", "zl"), "", "i", "int", "compress_level", None, "both", "NUM",
     "explicitly set compression level (aka --zl)"),
    (("compress-threads", "zt"), "", "i", "int", "compress_threads", None, "", "NUM",
     "explicitly set compression threads (aka --zt)"),
    (("skip-compress",), "", "s", "text", "skip_compress", None, "pull", "LIST",
     "skip compressing files with suffix in LIST"),
    (("cvs-exclude",), "C", "", "call", "cvs_exclude", None, "both", "",
     "auto-ignore files in the same way CVS does"),
    (("filter",), "f", "s", "call", "event", "filter", "wire", "RULE", "add a file-filtering RULE"),
    ((), "F", "", "call", "F", None, "wire", "",
     "same as --filter='dir-merge /.rsync-filter'\nrepeated: --filter='- .rsync-filter'"),
    (("exclude",), "", "s", "call", "event", "exclude", "wire", "PATTERN", "exclude files matching PATTERN"),
    (("exclude-from",), "", "s", "call", "event", "exclude-from", "wire", "FILE", "read exclude patterns from FILE"),
    (("include",), "", "s", "call", "event", "include", "wire", "PATTERN", "don't exclude files matching PATTERN"),
    (("include-from",), "", "s", "call", "event", "include-from", "wire", "FILE", "read include patterns from FILE"),
    (("files-from",), "", "s", "text", "files_from", None, "both", "FILE",
     "read list of source-file names from FILE"),
    (("from0",), "0", "", "call", "from0", True, "both", "", "all *-from/filter files are delimited by 0s"),
    (("no-from0",), "", "", "call", "from0", False, "", "", None),
    (("old-args",), "", "", "call", "old_args", None, "", "", "disable the modern argument-protection idiom"),
    (("no-old-args",), "", "", "call", "no_old_args", None, "", "", None),
    (("secluded-args", "protect-args"), "s", "", "call", "secluded_args", True, "both", "",
     "use the protocol to safely send the arguments"),
    (("no-secluded-args", "no-protect-args", "no-s"), "", "", "call", "secluded_args", False, "", "", None),
    (("trust-sender",), "", "", "set", "trust_sender", True, "", "", "trust the remote sender's file list"),
    (("copy-as",), "", "s", "text", "copy_as", None, "", "USER[:GROUP]", "specify user & optional group for the copy"),
    (("address",), "", "s", "text", "address", None, "", "ADDRESS", "bind address for outgoing socket to daemon"),
    (("port",), "", "i", "int", "port", None, "", "PORT", "specify double-colon alternate port number"),
    (("sockopts",), "", "s", "text", "sockopts", None, "", "OPTIONS", "specify custom TCP options"),
    (("[no-]blocking-io",), "", "", "set", "blocking_io", 1, "", "", "use blocking I/O for the remote shell"),
    (("outbuf",), "", "s", "call", "outbuf", None, "", "N|L|B", "set out buffering to None, Line, or Block"),
    (("stats",), "", "", "set", "stats", True, "push", "", "give some file-transfer stats"),
    (("[no-]8-bit-output",), "8", "", "set", "eight_bit_output", True, "", "",
     "leave high-bit chars unescaped in output"),
    (("[no-]human-readable",), "h", "", "inc", "human_readable", None, "", "",
     "output numbers in a human-readable format"),
    (("[no-]progress",), "", "", "set", "progress", True, "", "", "show progress during transfer"),
    ((), "P", "", "call", "P", None, "push", "", "same as --partial --progress"),
    (("[no-]itemize-changes",), "i", "", "inc", "itemize_level", None, "push", "",
     "output a change-summary for all updates"),
    (("remote-option",), "M", "s", "call", "remote_option", None, "both", "OPT",
     "send OPTION to the remote side only"),
    (("out-format", "log-format"), "", "s", "text", "out_format", None, "push", "FORMAT",
     "output updates using the specified FORMAT"),
    (("log-file",), "", "s", "text", "log_file", None, "", "FILE", "log what we're doing to the specified FILE"),
    (("log-file-format",), "", "s", "text", "log_file_format", None, "", "FMT", "log updates using the specified FMT"),
    (("password-file",), "", "s", "text", "password_file", None, "", "FILE", "read daemon-access password from FILE"),
    (("early-input",), "", "s", "text", "early_input", None, "", "FILE", "use FILE for daemon's early exec input"),
    (("list-only",), "", "", "set", "list_only", 2, "both", "", "list the files instead of copying them"),
    (("[no-]bwlimit",), "", "z", "call", "bwlimit", None, "both", "RATE", "limit socket I/O bandwidth"),
    (("stop-after", "time-limit"), "", "s", "call", "stop_after", None, "", "MINS",
     "Stop {name} after MINS minutes have elapsed"),
    (("stop-at",), "", "s", "call", "stop_at", None, "", "y-m-dTh:m", "Stop {name} at the specified point in time"),
    (("fsync",), "", "", "set", "fsync", True, "push", "", "fsync every written file"),
    (("write-batch",), "", "s", "call", "write_batch", None, "", "FILE", "write a batched update to FILE"),
    (("only-write-batch",), "", "s", "call", "only_write_batch", None, "push", "FILE",
     "like --write-batch but w/o updating dest"),
    (("read-batch",), "", "s", "text", "read_batch", None, "", "FILE", "read a batched update from FILE"),
    (("protocol",), "", "i", "int", "protocol", None, "", "NUM", "force an older protocol version to be used"),
    (("iconv",), "", "s", "text", "iconv", None, "both", "CONVERT_SPEC", "request charset conversion of filenames"),
    (("no-iconv",), "", "", "set", "iconv", None, "", "", None),
    (("checksum-seed",), "", "i", "int", "checksum_seed", None, "both", "NUM",
     "set block/file checksum seed (advanced)"),
    (("qsort",), "", "", "set", "qsort", True, "both", "", None),
    (("ipv4",), "4", "", "set", "address_family", 4, "", "", "prefer IPv4"),
    (("ipv6",), "6", "", "set", "address_family", 6, "", "", "prefer IPv6"),
    # Names rsync lacks (spec: options 10). Never forwarded.
    (("[no-]hints",), "", "", "set", "hints", True, "", "", "explain likely causes of errors (tain only)"),
    (("[no-]bar",), "", "", "set", "bar", True, "", "", "draw the progress of the whole run on stderr (tain only)"),
    (("summary",), "", "", "set", "summary", True, "", "", "say at the end what was done and what failed (tain only)"),
    (("explain",), "", "", "set", "explain", True, "", "", "change nothing, and say what a run would do (tain only)"),
    (("guard",), "", "", "set", "guard", True, "", "", "refuse deletions that look like a mistake (tain only)"),
    (("guard-rules",), "", "s", "text", "guard_rules", None, "", "LIST", "choose the rules of --guard (tain only)"),
    (("allow",), "", "s", "text", "allow", None, "", "LIST", "leave these rules of --guard out (tain only)"),
    (("json",), "", "", "set", "json", True, "", "", "write lines of JSON to stdout in place of text (tain only)"),
    (("json-file",), "", "s", "text", "json_file", None, "", "FILE", "write lines of JSON to FILE or fd:N (tain only)"),
    (("json-events",), "", "s", "text", "json_events", None, "", "LIST", "choose the events in JSON (tain only)"),
    (("json-seconds",), "", "s", "call", "json_seconds", None, "", "SECONDS",
     "seconds between lines about progress (tain only)"),
    (("preflight",), "", "", "set", "preflight", True, "", "", "begin only if there is room for all of it (tain only)"),
    (("jobs",), "", "s", "call", "jobs", None, "", "N", "transfer in N streams at once (tain only)"),
    (("jobs-dir",), "", "s", "text", "jobs_dir", None, "", "DIR", "keep the plan of --jobs in DIR (tain only)"),
    (("jobs-limit",), "", "s", "text", "jobs_limit", None, "", "LIST", "limit the streams of --jobs (tain only)"),
    (("jobs-order",), "", "s", "call", "jobs_order", None, "", "list|live",
     "show lines of --jobs in the order of the list, or as they come (tain only)"),
    (("jobs-strict",), "", "", "set", "jobs_strict", True, "", "", "fail if --jobs has to use one stream (tain only)"),
    (("tls",), "", "", "set", "tls", True, "", "", "talk TLS to the daemon (tain only)"),
    (("tls-pin",), "", "s", "text", "tls_pin", None, "", "sha256:HEX", "accept only this TLS certificate (tain only)"),
    (("version",), "V", "", "call", "version", None, "", "", "print the version + other info and exit"),
    (("help",), "", "", "call", "help", None, "", "", "show this help (* -h is help only on its own)"),
    # Between two programs only.
    (("server",), "", "", "call", "server", None, "", "", None),
    (("sender",), "", "", "call", "sender", None, "", "", None),
    # These switch to the daemon's table (spec: options 8).
    (("daemon",), "", "", "call", "daemon_table", None, "", "", None),
    (("config",), "", "s", "call", "daemon_table", None, "", "FILE", None),
    (("dparam",), "", "s", "call", "daemon_table", None, "", "OVERRIDE", None),
    (("detach",), "", "", "call", "daemon_table", None, "", "", None),
    (("no-detach",), "", "", "call", "daemon_table", None, "", "", None),
    (("check-config",), "", "", "call", "daemon_table", None, "", "", None),
)  # fmt: skip

#: The table in force after ``--daemon`` (spec: options 8).
_DAEMON_ROWS: tuple[_Fields, ...] = (
    (("daemon",), "", "", "set", "daemon", True, "", "", "run as an rsync daemon"),
    (("address",), "", "s", "text", "address", None, "", "ADDRESS", "bind to the specified address"),
    (("bwlimit",), "", "i", "int", "bwlimit", None, "", "RATE", "limit socket I/O bandwidth"),
    (("config",), "", "s", "text", "config", None, "", "FILE", "specify alternate rsyncd.conf file"),
    (("dparam",), "M", "s", "call", "dparam", None, "", "OVERRIDE", "override global daemon config parameter"),
    (("no-detach",), "", "", "set", "detach", False, "", "", "do not detach from the parent"),
    (("detach",), "", "", "set", "detach", True, "", "", None),
    (("check-config",), "", "", "set", "check_config", True, "", "", "check the config file and exit (tain only)"),
    (("port",), "", "i", "int", "port", None, "", "PORT", "listen on alternate port number"),
    (("log-file",), "", "s", "text", "log_file", None, "", "FILE", 'override the "log file" setting'),
    (("log-file-format",), "", "s", "text", "log_file_format", None, "", "FMT", 'override the "log format" setting'),
    (("sockopts",), "", "s", "text", "sockopts", None, "", "OPTIONS", "specify custom TCP options"),
    (("[no-]verbose",), "v", "", "inc", "verbose", None, "", "", "increase verbosity"),
    (("ipv4",), "4", "", "set", "address_family", 4, "", "", "prefer IPv4"),
    (("ipv6",), "6", "", "set", "address_family", 6, "", "", "prefer IPv6"),
    (("protocol",), "", "i", "int", "protocol", None, "", "NUM", None),
    (("server",), "", "", "set", "server", True, "", "", None),
    (("temp-dir",), "T", "s", "text", "temp_dir", None, "", "DIR", None),
    (("help",), "h", "", "call", "daemon_help", None, "", "", "show this help (when used with --daemon)"),
)  # fmt: skip

#: A client's and server's options.
ROWS = tuple(_both_ways(_ROWS))
DAEMON_ROWS = tuple(_both_ways(_DAEMON_ROWS))

#: Never refused by a wildcard term (spec: options 9).
IMMUNE = frozenset(
    {
        "rsh",
        "from0",
        "secluded-args",
        "dry-run",
        "iconv",
        "no-iconv",
        "checksum-seed",
        "copy-devices",
        "write-devices",
        "out-format",
        "sender",
        "server",
    }
)

#: Names for a person at this end, which rsync does not have: a server does not know them.
CLIENT_ONLY = frozenset(
    {
        "bar",
        "no-bar",
        "summary",
        "explain",
        "guard",
        "guard-rules",
        "allow",
        "json",
        "json-file",
        "json-events",
        "json-seconds",
        "jobs",
        "jobs-dir",
        "jobs-limit",
        "jobs-order",
        "jobs-strict",
    }
)
#: Names that rsync does not have; a daemon accepts none of them from a client.
OURS = CLIENT_ONLY | {"preflight", "hints", "no-hints", "tls", "tls-pin", "check-config"}


def spellings(rows: tuple[Row, ...]) -> dict[str, Row]:
    """The rows by every spelling, without dashes: long names, and letters as one-character keys."""
    found: dict[str, Row] = {}
    for row in rows:
        for name in row.longs:
            found[name] = row
        if row.short:
            found[row.short] = row
    return found
