"""The command line of a server, as a client writes it (spec: protocol 1.3 to 1.8, options 5.5)."""

from __future__ import annotations

from tain.options import levels
from tain.options.paths import has_escape
from tain.session import oldpeer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tain.options.resolved import Options

#: What this program can do, for the server's ``-e``: symlink times, symlink conversion, safe lists, no xattr shortcut,
#: corrected seed order, in-place partial files, varint flags, names of id 0 (spec: protocol 1.5).
ABILITIES = b"LsfxCIvu"

_WILDCARDS = b"*?[]"
_SHELL = b"!#$&;|<>(){}\"'` \t\n\r\\"


class ServerCommand:
    """The words for a server."""

    __slots__ = ("secluded", "visible")

    def __init__(self, visible: list[bytes], secluded: list[bytes] | None) -> None:
        #: Words behind the program name.
        self.visible = visible
        #: Words that travel inside the connection, as its first bytes (see `encode_secluded`), or None.
        self.secluded = secluded


def quote_value(word: bytes) -> bytes:
    """Escape a forwarded option value for a shell; wildcards lose their meaning (spec: protocol 1.7)."""
    special = _WILDCARDS + _SHELL
    return b"".join(b"\\" + word[i : i + 1] if word[i] in special else word[i : i + 1] for i in range(len(word)))


def quote_path(word: bytes) -> bytes:
    """Escape a path for a shell; wildcards stay alive, and an escaped one stays escaped.

    A line end goes into quotes: shells drop one behind a backslash, which is how rsync writes it, and the name with it.
    """
    out = bytearray()
    for index, byte in enumerate(word):
        if byte == 0x0A:
            out.extend(b"'\n'")
            continue
        if byte in _SHELL and not (byte == 0x5C and word[index + 1 : index + 2] and word[index + 1] in _WILDCARDS):
            out.append(0x5C)
        out.append(byte)
    return bytes(out)


def _tilde(path: bytes, options: Options) -> bool:
    """Whether a leading ``~`` of a source must not be expanded, so that names can be checked against it."""
    if path[:1] != b"~":
        return False
    return (bool(options.relative) and b"/./" not in path) or b"/" not in path


def capabilities(options: Options, *, am_sender: bool) -> bytes:
    """The value of the server's ``-e``, empty when our own protocol is too old for it (spec: protocol 1.5)."""
    if options.protocol < 30:
        return b""
    from tain.session.agreement import inc_recurse_allowed

    return b"." + (b"i" if inc_recurse_allowed(options, am_receiver=not am_sender) else b"") + ABILITIES


def _letters(options: Options, am_sender: bool) -> bytes:
    """The compact word without its dash (spec: protocol 1.4)."""
    out = bytearray()

    def put(letter: bytes, times: int | bool = 1) -> None:
        out.extend(letter * int(times))

    put(b"s", options.secluded_args)
    put(b"v", min(options.verbose, 9))
    put(b"q", bool(options.quiet) and options.stderr_mode != "client")
    put(b"b", options.backup)
    put(b"u", options.update)
    put(b"n", options.dry_run)
    put(b"l", options.links)
    dirs_alone = options.dirs > 0 and not options.recurse
    put(b"d", options.dirs in (2, 3) or (dirs_alone and (bool(options.list_only) or (_deletes(options) and am_sender))))
    if am_sender:
        put(b"K", options.keep_dirlinks)
        put(b"m", options.prune_empty_dirs)
        put(b"O", options.omit_dir_times and not options.omit_dir_times_implied)
        put(b"J", options.omit_link_times)
        # The second level looks into basis directories, so without any there is nothing to say.
        put(b"y", 2 if options.fuzzy > 1 and options.alt_dirs else bool(options.fuzzy))
    else:
        put(b"L", options.copy_links)
        put(b"k", options.copy_dirlinks)
    put(b"W", options.whole_file > 0)
    put(b"H", options.hard_links)
    put(b"o", options.owner)
    put(b"g", options.group)
    put(b"D", options.devices)
    put(b"t", options.times)
    put(b"U", options.atimes)
    put(b"N", options.crtimes)
    if options.perms:
        put(b"p")
    else:
        put(b"E", options.executability and am_sender)
    put(b"A", options.acls)
    put(b"X", options.xattrs)
    put(b"r", bool(options.recurse))
    put(b"c", options.checksum)
    put(b"C", options.cvs_exclude)
    put(b"I", options.ignore_times)
    put(b"R", bool(options.relative))
    put(b"x", options.one_file_system)
    put(b"S", options.sparse)
    put(b"z", options.compress_choice == "zlib" or (bool(options.compress_asked) and options.compress_choice is None))
    abilities = capabilities(options, am_sender=am_sender)
    if abilities:
        out.extend(b"e" + abilities)
    return bytes(out)


def _deletes(options: Options) -> bool:
    return options.delete != "never"


def _marker(options: Options) -> bytes:
    """What of the output format the server must know (spec: options 2.11)."""
    shown = options.out_format
    if shown is None:
        return b""
    if options.itemize_level:
        return b"%i%I" if options.itemize_level > 1 else b"%i"
    if has_escape(shown, "o"):
        return b"%o"
    return b"" if options.verbose else b"X"


class _Words:
    """A list of words in the making, with the quoting of values."""

    __slots__ = ("quote", "words")

    def __init__(self, quote: bool) -> None:
        self.words: list[bytes] = []
        self.quote = quote

    def add(self, word: bytes, when: object = True) -> None:
        if when:
            self.words.append(word)

    def value(self, name: bytes, value: bytes) -> None:
        self.words.append(name + b"=" + (quote_value(value) if self.quote else value))

    def split(self, name: bytes, value: bytes) -> None:
        self.words.append(name)
        self.words.append(quote_value(value) if self.quote else value)


def _number(value: int) -> bytes:
    return b"%d" % value


def _long_options(options: Options, am_sender: bool, out: _Words, quote_remote: bool) -> None:
    """Rows 2 to 30 of the table in spec protocol 1.6, in its order."""
    deletes = _deletes(options)
    out.add(b"--list-only", options.list_only > 1)
    out.add(b"--no-r", am_sender and options.dirs > 0 and not options.recurse and deletes)
    if options.compress_level is not None:
        out.value(b"--compress-level", _number(options.compress_level))
    if options.devices:
        out.add(b"--no-specials", not options.specials)
    else:
        out.add(b"--specials", options.specials)
    if am_sender:
        marker = _marker(options)
        if marker:
            # Shells leave the percent sign alone, so no quoting is due.
            out.add(b"--log-format=" + marker)
    if options.stderr_mode != "errors":
        out.add(b"--msgs2stderr" if options.stderr_mode == "all" else b"--no-msgs2stderr")
    out.add(b"-B" + _number(options.block_size), options.block_size)
    out.add(b"--timeout=" + _number(options.timeout), options.timeout)
    out.add(b"--bwlimit=" + _number(options.bwlimit), options.bwlimit)
    if options.backup_dir is not None:
        out.split(b"--backup-dir", options.backup_dir)
    suffix = options.backup_suffix
    if suffix is not None and suffix != (b"" if options.backup_dir is not None else b"~"):
        out.value(b"--suffix", suffix)
    if options.checksum_choice is not None:
        out.value(b"--checksum-choice", options.checksum_choice)
    if options.compress_choice == "zlibx":
        out.add(b"--new-compress")
    elif options.compress_choice == "zlib":
        out.add(b"--old-compress")
    elif options.compress_choice is not None and options.compress_choice_arg is not None:
        out.value(b"--compress-choice", options.compress_choice_arg)
    if am_sender:
        if options.max_delete is not None:
            out.add(b"--max-delete=" + _number(options.max_delete or -1))
        if options.min_size is not None:
            out.add(b"--min-size=" + _number(options.min_size))
        if options.max_size is not None:
            out.add(b"--max-size=" + _number(options.max_size))
        if options.delete in ("before", "during", "delay", "after"):
            # An old server does not take the word for one that deletes (spec: protocol-old 1.3).
            out.add(b"--delete", options.delete == "after" and oldpeer.may_be_old(options))
            out.add(b"--delete-" + options.delete.encode())
        elif deletes:
            out.add(b"--delete", not options.delete_excluded)
        out.add(b"--delete-excluded", options.delete_excluded)
        out.add(b"--force", options.force)
        out.add(b"--only-write-batch=X", options.only_write_batch)
        out.add(b"--super", options.super_user == 1)
        out.add(b"--size-only", options.size_only)
        out.add(b"--stats", options.stats)
    elif options.skip_compress is not None:
        out.value(b"--skip-compress", options.skip_compress)
    if options.max_alloc != 1 << 30 and options.max_alloc_arg is not None:
        out.value(b"--max-alloc", options.max_alloc_arg)
    if options.delete_missing_args:
        out.add(b"--delete-missing-args")
    elif not am_sender:
        out.add(b"--ignore-missing-args", options.ignore_missing_args)
    if am_sender and options.modify_window_given:
        name = b"-@" if options.modify_window < 0 else b"--modify-window="
        out.add(name + _number(options.modify_window))
    out.add(b"--checksum-seed=" + _number(options.checksum_seed), options.checksum_seed)
    if am_sender:
        if options.partial_dir is not None:
            if not options.partial_dir_implied:
                out.split(b"--partial-dir", options.partial_dir)
            out.add(b"--delay-updates", options.delay_updates)
        else:
            out.add(b"--partial", options.partial)
    out.add(b"--ignore-errors", options.ignore_errors)
    out.add(b"--copy-unsafe-links", options.copy_unsafe_links)
    out.add(b"--safe-links", options.safe_links)
    out.add(b"--numeric-ids", options.numeric_ids)
    out.add(b"--use-qsort", options.qsort)
    if am_sender:
        if options.usermap is not None:
            out.value(b"--usermap", options.usermap)
        if options.groupmap is not None:
            out.value(b"--groupmap", options.groupmap)
        out.add(b"--ignore-existing", options.ignore_existing)
        out.add(b"--existing", options.existing)
        if options.temp_dir is not None:
            out.split(b"--temp-dir", options.temp_dir)
        out.add(b"--fsync", options.fsync)
        for directory in options.alt_dirs:
            out.split(f"--{options.alt_dest}-dest".encode(), directory)
    info = levels.forwarded(options.info, options.info_priority, server_sends=not am_sender)
    if info:
        out.add(b"--info=" + info.encode())
    if options.append:
        out.words.extend([b"--append"] * options.append)
    elif options.inplace:
        out.add(b"--inplace")
        # Older receivers would take sparse and in-place together only with deltas off.
        out.add(b"--no-W", am_sender and options.sparse and options.whole_file == 0)
    if options.files_from is not None and (not am_sender or options.files_from_host is not None):
        if options.files_from_host is not None:
            out.split(b"--files-from", options.files_from)
            out.add(b"--from0", options.from0)
        else:
            out.add(b"--files-from=-")
            out.add(b"--from0")
        out.add(b"--no-relative", not options.relative)
    if options.relative and not options.implied_dirs and (not am_sender or options.protocol >= 30):
        out.add(b"--no-implied-dirs")
    out.add(b"--write-devices", am_sender and options.write_devices)
    if options.remove_source_files:
        out.add(b"--remove-sent-files" if options.remove_sent_files else b"--remove-source-files")
    out.add(b"--copy-devices", not am_sender and options.copy_devices)
    out.add(b"--preallocate", am_sender and options.preallocate)
    out.add(b"--open-noatime", options.open_noatime and options.atimes <= 1)
    out.add(b"--mkpath", am_sender and options.mkpath)
    for word in options.remote_options:
        out.add(quote_value(word) if quote_remote else word)


def server_command(
    options: Options, paths: list[bytes], *, am_sender: bool, shell: bool = True, local: bool = False
) -> ServerCommand:
    """All words behind the server's program name.

    *paths* are those of the other machine: the destination, or the sources. *am_sender*: this side sends. *shell*: the
    words will be parsed by a shell, or un-escaped by a daemon; *local*: nobody will parse them.
    """
    raw_level = 2 if local or not shell else options.old_args
    secluded = options.secluded_args and not local
    quote = not secluded and raw_level < 2
    head: list[bytes] = [b"--server"]
    if not am_sender:
        head.append(b"--sender")
    letters = _letters(options, am_sender)
    if letters:
        head.append(b"-" + letters)
    if options.iconv is not None:
        _, comma, remote = options.iconv.partition(b",")
        charset = remote if comma else options.iconv
        head.append(b"--iconv=" + (quote_value(charset) if quote else charset))
    out = _Words(quote)
    _long_options(options, am_sender, out, quote and raw_level == 0)
    out.add(b".")
    for path in paths:
        word = b"./" + path if path[:1] == b"-" else path
        if quote and raw_level == 0:
            tilde = not am_sender and not options.trust_sender and _tilde(word, options)
            word = (b"\\" if tilde else b"") + quote_path(word)
        out.add(word)
    if secluded:
        return ServerCommand(head, out.words)
    return ServerCommand(head + out.words, None)


def server_arguments(options: Options, *, am_sender: bool) -> list[bytes]:
    """The unquoted words up to and with the ``.``; paths follow (a daemon's client, or a test)."""
    return server_command(options, [], am_sender=am_sender, shell=False).visible


def encode_secluded(words: list[bytes]) -> bytes:
    """The bytes in which secluded words travel: NUL-terminated, an extra NUL at the end (spec: protocol 1.8)."""
    return b"rsync\0" + b"".join((word or b".") + b"\0" for word in words) + b"\0"


def daemon_shell_command() -> list[bytes]:
    """Words for a daemon behind a remote shell (spec: protocol 1.2)."""
    return [b"--server", b"--daemon", b"."]


def unquote(word: bytes) -> bytes:
    """Undo `quote_value`, as a daemon does for the option words it gets (spec: daemon 4.6)."""
    if b"\\" not in word:
        return word
    out = bytearray()
    index = 0
    while index < len(word):
        if word[index] == 0x5C and index + 1 < len(word):
            index += 1
        out.append(word[index])
        index += 1
    return bytes(out)


def shell_command(
    options: Options, host: bytes, user: bytes | None, words: list[bytes], *, daemon: bool = False
) -> list[bytes]:
    """The whole argument vector that starts a server on *host* by the remote shell (spec: options 5.4)."""
    from tain.options.hostspec import split_shell

    command = split_shell(options.rsh)
    if daemon and any(word.startswith(b"-l") for word in command[1:]):
        user = None
    if not daemon and b"@" in host:
        # A user may hold an @ of its own; the shell gets what stands before the last one.
        whole = host if user is None else user + b"@" + host
        user, _, host = whole.rpartition(b"@")
    base = command[0].rpartition(b"/")[2] if command else b""
    if user is not None:
        command += [b"-l", user]
    if options.address_family and base == b"ssh":
        command.append(b"-%d" % options.address_family)
    return [*command, host, options.rsync_path, *words]
