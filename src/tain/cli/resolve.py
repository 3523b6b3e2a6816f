"""From options as typed to options as meant (spec: options 3)."""

from __future__ import annotations

from tain.cli import choices, levels
from tain.cli.options import Options
from tain.cli.parse import show
from tain.cli.paths import clean, has_escape, number
from tain.cli.sizes import parse_size
from tain.errors import TainError, UnsupportedError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tain.cli.parse import RawOptions
    from tain.cli.refuse import Refusals
    from tain.cli.table import Row

__all__ = ["Finished", "Options", "resolve"]

#: Limits of ``--block-size``, by protocol.
BLOCK_MAX, BLOCK_MAX_OLD = 1 << 17, 1 << 29
#: ``--max-alloc``: default and least.
ALLOC_DEFAULT, ALLOC_MIN = 1 << 30, 1 << 20
BASIS_DIRS_MAX = 20
BATCH_NAME_MAX = 256
PATH_MAX = 4096

_DAEMON_HINT = '(Type "rsync --daemon --help" for assistance with daemon mode.)'

#: Handlers by the option they end with; the delete modes exclude one another by group.
_DELETE_GROUPS = {"before": "before", "during": "during", "delay": "during", "after": "after"}


class Finished(Exception):
    """The command line asked for a text and nothing else: print ``text`` on ``stream`` and exit with 0."""

    def __init__(self, text: str, stream: int = 1) -> None:
        super().__init__(text)
        self.text = text
        #: 1, or 2 on a server, whose standard output is the connection.
        self.stream = stream


def _usage(text: str) -> UsageError:
    return UsageError(f"rsync: {text}")


class _Resolver:
    """One pass over the options in order, then everything that depends on several of them."""

    def __init__(self, raw: RawOptions, environ: Mapping[bytes, bytes], program: str, now: Callable[[], float]) -> None:
        self.raw = raw
        self.environ = environ
        self.program = program
        self.now = now
        self.options = Options()
        self.options.server = False
        self.refusals: Refusals | None = None
        self.am_daemon = False
        # Half-settled values; *_given ones are None until a spelling of theirs was seen.
        self.versions = 0
        self.secluded: bool | None = None
        self.old_args: int | None = None
        self.f_count = 0
        self.delete_groups: set[str] = set()
        self.usermap_by = self.groupmap_by = ""
        self.max_alloc_given = False
        self.point = b"."

    # ---- the loop

    def run(self) -> Options:
        raw, options = self.raw, self.options
        for row, _word, name, value in raw.items:
            if self.refusals is not None and self.refusals.refuses(row):
                raise self.refused(row, name)
            action, dest = row.action, row.dest
            if action == "set":
                setattr(options, dest, row.value)
            elif action == "inc":
                setattr(options, dest, getattr(options, dest) + 1)
            elif action in ("text", "int"):
                setattr(options, dest, value)
            else:
                self.call(row, name, value)
        if raw.error is not None:
            if self.refusals is not None:
                raw.error.code = 4
            raise raw.error
        if raw.daemon is not None:
            return resolve_daemon(raw.daemon, program=self.program)
        options.args = list(raw.args)
        self.settle()
        return options

    def call(self, row: Row, name: str, value: bytes | int | None) -> None:
        handler = getattr(self, "on_" + row.dest)
        if row.value is not None:
            handler(row.value)
        elif value is not None:
            handler(value)
        else:
            handler()

    def refused(self, row: Row, name: str) -> TainError:
        if self.refusals is not None:
            return UnsupportedError(f"rsync: The server is configured to refuse {self.refusals.shown(row, name)}")
        return UnsupportedError(f"rsync: This rsync does not support {row.shown}")

    # ---- handlers of single options, in the order of the table

    def on_info(self, value: bytes) -> None:
        self.levels(value, "info", self.options.info, self.options.info_priority)

    def on_debug(self, value: bytes) -> None:
        self.levels(value, "debug", self.options.debug, self.options.debug_priority)

    def levels(self, value: bytes, kind: str, values: dict[str, int], owners: dict[str, int]) -> None:
        try:
            levels.apply(show(value), kind, values, owners, levels.USER, strict=not self.options.server)
        except levels.HelpWanted as wanted:
            raise Finished(str(wanted)) from None

    def on_stderr(self, value: bytes) -> None:
        for mode in ("errors", "all", "client"):
            if value and mode.encode().startswith(value):
                self.options.stderr_mode = mode
                return
        raise _usage(f'--stderr mode "{show(value)}" is not one of errors, all, or client')

    def on_archive(self) -> None:
        options = self.options
        options.recurse = options.recurse or 1
        options.links = options.perms = options.times = options.owner = options.group = True
        options.devices = options.specials = True

    def on_append(self) -> None:
        # A server counts: the second one asks for verification.
        self.options.append = min(self.options.append + 1, 2) if self.options.server else 1

    def on_chmod(self, value: bytes) -> None:
        from tain.cli.chmod import parse_chmod

        parse_chmod(value)
        options = self.options
        options.chmod = options.chmod + b"," + value if options.chmod else value

    def on_acls(self) -> None:
        self.options.acls = self.options.perms = True

    def on_D(self, on: bool) -> None:
        self.options.devices = self.options.specials = on

    def on_crtimes(self) -> None:
        # No file system call on this platform sets a creation time.
        who = "The server" if self.options.server else "This rsync"
        raise UsageError(f"rsync: {who} does not support --crtimes (-N)")

    def on_block_size(self, value: bytes) -> None:
        high = BLOCK_MAX_OLD if self.options.protocol < 30 else BLOCK_MAX
        self.options.block_size = parse_size(value, "block-size", high=high, point=self.point)

    def on_rsh(self, value: bytes) -> None:
        if self.options.server:
            self.options.capabilities = value
        else:
            self.options.rsh, self.options.rsh_given = value, True

    def on_remove_source_files(self) -> None:
        self.options.remove_source_files, self.options.remove_sent_files = True, False

    def on_remove_sent_files(self) -> None:
        self.options.remove_source_files = self.options.remove_sent_files = True

    def on_delete(self) -> None:
        if self.options.delete == "never":
            self.options.delete = "default"

    def delete_when(self, when: str) -> None:
        self.delete_groups.add(_DELETE_GROUPS[when])
        self.options.delete = when

    def on_delete_before(self) -> None:
        self.delete_when("before")

    def on_delete_during(self) -> None:
        self.delete_when("during")

    def on_delete_delay(self) -> None:
        self.delete_when("delay")

    def on_delete_after(self) -> None:
        self.delete_when("after")

    def on_delete_excluded(self) -> None:
        self.options.delete_excluded = True
        self.options.filter_events.append(("delete-excluded",))

    def on_max_size(self, value: bytes) -> None:
        self.options.max_size = parse_size(value, "max-size", point=self.point)

    def on_min_size(self, value: bytes) -> None:
        self.options.min_size = parse_size(value, "min-size", point=self.point)

    def on_max_alloc(self, value: bytes) -> None:
        self.options.max_alloc_arg = value
        self.max_alloc_given = True

    def on_usermap(self, value: bytes) -> None:
        if self.usermap_by:
            if self.usermap_by == "chown":
                raise _usage("--usermap conflicts with prior --chown.")
            raise _usage("You can only specify --usermap once.")
        self.options.usermap, self.options.owner, self.usermap_by = value, True, "usermap"

    def on_groupmap(self, value: bytes) -> None:
        if self.groupmap_by:
            if self.groupmap_by == "chown":
                raise _usage("--groupmap conflicts with prior --chown.")
            raise _usage("You can only specify --groupmap once.")
        self.options.groupmap, self.options.group, self.groupmap_by = value, True, "groupmap"

    def on_chown(self, value: bytes) -> None:
        user, _, group = value.partition(b":")
        if user:
            if self.usermap_by == "usermap":
                raise _usage("--chown conflicts with prior --usermap.")
            if self.usermap_by:
                raise _usage("You can only specify a user-affecting --chown once.")
            self.options.usermap, self.options.owner, self.usermap_by = b"*:" + user, True, "chown"
        if group:
            if self.groupmap_by == "groupmap":
                raise _usage("--chown conflicts with prior --groupmap.")
            if self.groupmap_by:
                raise _usage("You can only specify a group-affecting --chown once.")
            self.options.groupmap, self.options.group, self.groupmap_by = b"*:" + group, True, "chown"

    def on_modify_window(self, value: int) -> None:
        self.options.modify_window, self.options.modify_window_given = value, True

    def basis(self, kind: str, value: bytes) -> None:
        options = self.options
        if options.alt_dest not in ("none", kind):
            raise _usage(f"ERROR: the --{kind}-dest option conflicts with the --{options.alt_dest}-dest option")
        if len(options.alt_dirs) >= BASIS_DIRS_MAX:
            raise _usage(f"ERROR: at most {BASIS_DIRS_MAX} --{kind}-dest args may be specified")
        options.alt_dest = kind
        options.alt_dirs.append(value)

    def on_compare_dest(self, value: bytes) -> None:
        self.basis("compare", value)

    def on_copy_dest(self, value: bytes) -> None:
        self.basis("copy", value)

    def on_link_dest(self, value: bytes) -> None:
        self.basis("link", value)

    def on_no_compress(self) -> None:
        self.options.compress_asked = 0
        self.options.compress_choice_arg = None

    def on_compress_as(self, name: bytes) -> None:
        self.options.compress_choice_arg = name

    def on_compress_choice(self, value: bytes) -> None:
        self.options.compress_choice_arg = value

    def event(self, kind: str, value: bytes) -> None:
        self.options.filter_events.append((kind, value))

    def on_cvs_exclude(self) -> None:
        if not self.options.cvs_exclude:
            self.options.cvs_exclude = True
            self.options.filter_events.append(("cvs",))

    def on_filter(self, value: bytes) -> None:
        self.event("filter", value)

    def on_F(self) -> None:
        self.f_count += 1
        if self.f_count <= 2:
            self.options.filter_events.append(("F", self.f_count))

    def on_exclude(self, value: bytes) -> None:
        self.event("exclude", value)

    def on_exclude_from(self, value: bytes) -> None:
        self.event("exclude-from", value)

    def on_include(self, value: bytes) -> None:
        self.event("include", value)

    def on_include_from(self, value: bytes) -> None:
        self.event("include-from", value)

    def on_old_args(self) -> None:
        self.old_args = (self.old_args or 0) + 1

    def on_no_old_args(self) -> None:
        self.old_args = 0

    def on_secluded_args(self, on: bool) -> None:
        self.secluded = on

    def on_outbuf(self, value: bytes) -> None:
        letter = value[:1].lower()
        known = {b"n": "n", b"u": "n", b"l": "l", b"b": "b", b"f": "b"}
        if letter not in known:
            raise _usage("Invalid --outbuf setting -- specify N, L, or B.")
        if not self.options.server:
            self.options.outbuf = known[letter]

    def on_P(self) -> None:
        self.options.partial = self.options.progress = True

    def on_remote_option(self, value: bytes) -> None:
        if value[:1] != b"-":
            raise _usage(f"Remote option must start with a dash: {show(value)}")
        self.options.remote_options.append(value)

    def on_bwlimit(self, value: bytes) -> None:
        size = parse_size(value, "bwlimit", default=b"K", low=512, zero=True, point=self.point)
        self.options.bwlimit = min((size + 512) // 1024, (1 << 31) - 1)

    def on_stop_after(self, value: bytes) -> None:
        from tain.cli.stoptime import stop_after

        self.options.stop_at = stop_after(value, self.now())

    def on_stop_at(self, value: bytes) -> None:
        from tain.cli.stoptime import stop_at

        self.options.stop_at = stop_at(value, self.now())

    def on_write_batch(self, value: bytes) -> None:
        self.options.write_batch, self.options.only_write_batch = value, False

    def on_only_write_batch(self, value: bytes) -> None:
        self.options.write_batch, self.options.only_write_batch = value, True

    def on_version(self) -> None:
        self.versions += 1

    def on_help(self) -> None:
        from tain.cli.help import usage

        raise Finished(usage(self.program), 2 if self.options.server else 1)

    def on_server(self) -> None:
        self.options.server = True

    def on_sender(self) -> None:
        if not self.options.server:
            raise self.usage()
        self.options.sender = True

    def on_daemon_table(self, _value: object = None) -> None:  # only a running daemon gets here
        error = UnsupportedError("rsync: Attempt to hack rsync thwarted!")
        raise error

    def usage(self) -> UsageError:
        """The whole usage text as an error."""
        from tain.cli.help import usage

        return UsageError(usage(self.program).rstrip("\n"))

    # ---- after the loop

    def settle(self) -> None:
        options = self.options
        if self.raw.word_count == 1 and not options.server and any(name == "h" for _, _, name, _ in self.raw.items):
            self.on_help()
        if self.versions:
            from tain.cli.version import version_json, version_text

            if options.server:
                raise Finished(version_text(self.program), 2)
            raise Finished(version_json(self.program) if self.versions > 1 else version_text(self.program))
        self.settle_memory()
        self.settle_quoting()
        self.settle_sums()
        self.settle_compression()
        self.settle_levels()
        self.settle_conflicts()
        self.settle_selection()
        self.settle_deletion()
        if self.refusals is not None:
            row = self.refusals.implied(options)
            if row is not None:
                raise self.refused(row, row.key)
            self.refusals.choose_delete(options)
        self.settle_paths()
        self.settle_backup()
        self.settle_output()
        self.settle_writing()
        self.settle_files_from()
        options.xattrs = min(options.xattrs, 2)
        options.atimes = min(options.atimes, 2)
        options.hard_links = min(options.hard_links, 2)
        options.one_file_system = min(options.one_file_system, 2)
        options.fuzzy = min(options.fuzzy, 2)
        options.human_readable = min(options.human_readable, 3)
        options.timeout = max(options.timeout, 0)
        options.compress_threads = max(options.compress_threads, 0)
        if options.atimes > 1:
            options.open_noatime = True

    def settle_memory(self) -> None:
        options = self.options
        text = options.max_alloc_arg
        if text is None:
            text = self.environ.get(b"RSYNC_MAX_ALLOC") or None
            options.max_alloc_arg = text
        if text is not None:
            size = parse_size(text, "max-alloc", low=ALLOC_MIN, zero=True, point=self.point)
            if not size:  # rsync takes it as "no limit"; a peer must not be able to ask for that (spec: SEC-20)
                error = _usage("max-alloc must be greater than zero")
                if self.refusals is not None:
                    error.code = 4
                raise error
            options.max_alloc = size

    def settle_quoting(self) -> None:
        options = self.options
        secluded, old = self.secluded, self.old_args
        if old is None:
            value = self.environ.get(b"RSYNC_OLD_ARGS", b"")
            if not options.server and not secluded and value:
                level = number(value)
                old = 1 if level < 0 else level
                secluded = False
            else:
                old = 0
        elif old and secluded:
            raise _usage("--secluded-args conflicts with --old-args.")
        if secluded is None:
            secluded = not options.server and not old and number(self.environ.get(b"RSYNC_PROTECT_ARGS", b"")) != 0
        options.secluded_args = secluded
        options.old_args = min(old, 2)
        if (
            options.iconv is None
            and not options.server
            and not any("iconv" in row.longs or "no-iconv" in row.longs for row, _, _, _ in self.raw.items)
        ):
            options.iconv = self.environ.get(b"RSYNC_ICONV") or None
        if options.iconv == b"-":
            options.iconv = None

    def settle_sums(self) -> None:
        options = self.options
        if options.checksum_choice is None:
            return
        options.checksum_names = choices.checksum_choice(options.checksum_choice)
        if options.checksum_names is None:
            options.checksum_choice = None
            return
        if options.checksum_names[0] == "none":
            options.whole_file = 1

    def settle_compression(self) -> None:
        options = self.options
        if options.compress_choice_arg is None and options.compress_asked > 1:
            options.compress_choice_arg = b"zlibx"
        if options.compress_choice_arg is not None:
            options.compress_choice = choices.compress_name(options.compress_choice_arg)
            if options.compress_choice is None:
                options.compress_choice_arg = None
        if options.compress_level == -(1 << 31):  # the number that means "not given"
            options.compress_level = None
        if options.compress_choice is not None:
            options.compress = options.compress_choice != "none"
        else:
            options.compress = bool(options.compress_asked) or options.compress_level is not None

    def settle_levels(self) -> None:
        options = self.options
        levels.apply_verbosity(
            options.verbose, options.info, options.info_priority, options.debug, options.debug_priority
        )
        if options.stats:
            text = "stats3" if options.verbose > 1 else "stats2"
            levels.apply(text, "info", options.info, options.info_priority, levels.DEFAULT, strict=False)

    def settle_conflicts(self) -> None:
        options = self.options
        if options.fake_super and options.xattrs > 1:
            raise _usage("--fake-super conflicts with -XX")
        if options.write_batch is not None and options.read_batch is not None:
            raise _usage("--write-batch and --read-batch can not be used together")
        if options.read_batch is not None:
            if options.files_from is not None:
                raise _usage("--read-batch cannot be used with --files-from")
            if options.remove_source_files:
                name = "sent" if options.remove_sent_files else "source"
                raise _usage(f"--read-batch cannot be used with --remove-{name}-files")
        if options.write_batch is not None and options.dry_run:
            options.write_batch = None
            options.only_write_batch = False
        for batch in (options.write_batch, options.read_batch):
            if batch is not None and len(batch) > BATCH_NAME_MAX:
                raise _usage(f"the batch-file name must be {BATCH_NAME_MAX} characters or less.")
        if options.temp_dir is not None and len(options.temp_dir) >= PATH_MAX - 10:
            raise _usage("the --temp-dir path is WAY too long.")
        if options.max_delete is not None and options.max_delete < 0:
            options.max_delete = 0

    def settle_selection(self) -> None:
        options = self.options
        if options.files_from is not None:
            if options.recurse == 1:
                options.recurse = 0
            if options.dirs <= 0:
                options.dirs = 1
        if len(options.args) < 2 and not options.server and options.read_batch is None:
            options.list_only |= 1
        if options.dirs >= 4:
            self.event("filter", b"- /*/*")
            options.recurse = options.dirs = 1
        elif options.recurse:
            options.dirs = 1
        elif options.dirs < 0:
            options.dirs = 1 if options.list_only else 0
        if options.relative < 0:
            options.relative = 1 if options.files_from is not None else 0
        if not options.relative:
            options.implied_dirs = False
        if not options.recurse or options.qsort:
            options.inc_recurse = False

    def settle_deletion(self) -> None:
        options = self.options
        if len(self.delete_groups) > 1:
            raise _usage("You may not combine multiple --delete-WHEN options.")
        if options.delete_excluded and options.delete == "never":
            options.delete = "default"
        if options.delete != "never" and options.dirs <= 0:
            raise _usage("--delete does not work without --recursive (-r) or --dirs (-d).")
        if options.delete_missing_args:
            options.ignore_missing_args = True

    def settle_paths(self) -> None:
        options = self.options
        if options.confine_root is not None:
            if self.am_daemon:
                options.confine_root = None
            elif options.confine_root[:1] != b"/":
                raise _usage("--confine-root must be an absolute path")
            elif options.insecure_links:
                raise _usage("--insecure-links cannot be combined with --confine-root")

    def settle_backup(self) -> None:
        options = self.options
        directory = options.backup_dir
        suffix = options.backup_suffix
        if suffix is None:
            suffix = b"" if directory is not None else b"~"
        if b"/" in suffix:
            raise _usage(f"--suffix cannot contain slashes: {show(suffix)}")
        if directory is not None:
            options.backup = True
            while directory[:2] == b"./":
                directory = directory[2:].lstrip(b"/")
            if directory in (b"", b"."):
                if not suffix:
                    raise _usage("--suffix cannot be empty when --backup-dir is the same as the dest dir")
                directory = None
        elif not suffix:
            raise _usage("--suffix cannot be empty without a --backup-dir")
        options.backup_dir, options.backup_suffix = directory, suffix
        if options.backup and directory is None:
            options.omit_dir_times = options.omit_dir_times_implied = True
            if options.delete != "never" and not options.delete_excluded and not options.server:
                self.event("filter", b"P *" + suffix)

    def settle_output(self) -> None:
        """Which format shows items, and what ``--progress`` adds (spec: options 2.11, 3.12; output 9)."""
        options = self.options
        before = False  # items are named before their data goes over
        shown = options.out_format
        if shown is not None:
            if options.server:
                wanted = 2 if has_escape(shown, "I") else 1
            else:
                wanted = min(options.itemize_level, 2) or 1
            options.itemize_level = wanted if has_escape(shown, "i") else 0
            before = not any(has_escape(shown, letter) for letter in "bcC")
        elif options.itemize_level:
            options.itemize_level = min(options.itemize_level, 2)
            options.out_format = b"%i %n%L"
            before = True
        if options.progress and not options.server:
            if not before and options.info["NAME"] == 0:
                levels.apply("name", "info", options.info, options.info_priority, levels.DEFAULT, strict=False)
            levels.apply("flist2,progress", "info", options.info, options.info_priority, levels.DEFAULT, strict=False)
        if options.info["NAME"] and options.out_format is None and not options.server:
            options.out_format = b"%n%L"

    def settle_writing(self) -> None:
        options = self.options
        if options.append:
            if options.whole_file > 0:
                raise _usage("--append cannot be used with --whole-file")
            options.inplace = True
        if options.write_devices:
            options.inplace = True
        if options.delay_updates and options.partial_dir is None:
            options.partial_dir = b".~tmp~"
            options.partial_dir_implied = True
        if options.inplace:
            if options.partial_dir is not None:
                first = "append" if options.append else "inplace"
                second = "delay-updates" if options.delay_updates else "partial-dir"
                raise _usage(f"--{first} cannot be used with --{second}")
            # In place there is no second file that could be kept.
            options.partial = False
            return
        directory = options.partial_dir
        if directory is None and options.partial and not options.server:
            directory = self.environ.get(b"RSYNC_PARTIAL_DIR") or None
        if directory is None:
            return
        directory = clean(directory) if directory else b"."
        options.partial = True
        options.partial_dir = None if directory == b"." else directory
        if options.partial_dir is None:
            options.partial_dir_implied = False

    def settle_files_from(self) -> None:
        options = self.options
        if options.files_from is None:
            return
        if not options.server and options.read_batch is None and len(options.args) != 2:
            raise self.usage()
        if options.server:
            return
        from tain.cli.hostspec import remote_file

        options.files_from_host, options.files_from = remote_file(options.files_from)
        if options.files_from_host is not None and options.files_from == b"-":
            raise _usage("Invalid --files-from remote filename")


def resolve(
    raw: RawOptions,
    *,
    environ: Mapping[bytes, bytes] | None = None,
    program: str = "rsync",
    now: Callable[[], float] | None = None,
    refusals: Refusals | None = None,
    point: bytes = b".",
) -> Options:
    """Give *raw* its meaning.

    *environ* is the environment as bytes (none by default), *program* the name for help texts, *now* the clock for
    ``--stop-at``, *refusals* what a daemon module refuses (then this is a daemon's child), *point* the locale's decimal
    separator. Raises `Finished` when a text is all that was asked for, and exceptions with rsync's words and exit
    codes for everything that is wrong.
    """
    if now is None:
        import time

        now = time.time
    resolver = _Resolver(raw, environ or {}, program, now)
    resolver.options.server = refusals is not None
    resolver.refusals = refusals
    resolver.am_daemon = refusals is not None
    resolver.point = point
    if refusals is not None and raw.daemon is not None:
        resolver.on_daemon_table()
    return resolver.run()


def resolve_daemon(raw: RawOptions, *, program: str = "rsync") -> Options:
    """Give the words of a daemon's command line their meaning (spec: options 8)."""
    options = Options()
    for row, _, _, value in raw.items:
        action, dest = row.action, row.dest
        if action == "set":
            setattr(options, dest, row.value)
        elif action == "inc":
            setattr(options, dest, getattr(options, dest) + 1)
        elif action in ("text", "int"):
            setattr(options, dest, value)
        elif dest == "daemon_help":
            from tain.cli.help import daemon_usage

            raise Finished(daemon_usage(program))
        elif isinstance(value, bytes):
            if b"=" not in value:
                raise UsageError(f"--dparam value is missing an '=': {show(value)}\n{_DAEMON_HINT}")
            options.dparams.append(value)
    if raw.error is not None:
        raise raw.error
    if not options.daemon:
        raise UsageError(f"Daemon option(s) used without --daemon.\n{_DAEMON_HINT}")
    options.args = list(raw.args)
    levels.apply_verbosity(options.verbose, options.info, options.info_priority, options.debug, options.debug_priority)
    return options
