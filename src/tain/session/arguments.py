"""The command line of a server, as a client writes it (spec: protocol 1.3 to 1.8, options 5.5)."""

from __future__ import annotations

from tain.options import levels
from tain.options.paths import has_escape
from tain.options.resolved import ResolvedOptions
from tain.options.table import ROWS, spellings
from tain.session import oldpeer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from tain.options.table import Row

#: The capabilities of this program, for the server's ``-e``: symlink times, symlink conversion, safe lists, no xattr
#: shortcut, corrected seed order, in-place partial files, varint flags, names of id 0 (spec: protocol 1.5).
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


def unescape(word: bytes) -> bytes:
    """Undo `quote_value`: ``\\x`` is ``x``; a backslash at the end stays (spec: daemon 4.6)."""
    if b"\\" not in word:
        return word
    out, at = bytearray(), 0
    while at < len(word):
        if word[at] == 0x5C and at + 1 < len(word):
            at += 1
        out.append(word[at])
        at += 1
    return bytes(out)


def quote_path(word: bytes) -> bytes:
    """Escape a path for a shell; wildcards keep their meaning, and escaped wildcards stay escaped.

    A newline is quoted: shells drop one behind a backslash, which is the form of rsync, and so change the name.
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


def _tilde(path: bytes, options: ResolvedOptions) -> bool:
    """Whether a leading ``~`` of a source must not be expanded, because received names are checked against it."""
    if path[:1] != b"~":
        return False
    return (bool(options.relative) and b"/./" not in path) or b"/" not in path


def capabilities(options: ResolvedOptions, *, am_sender: bool) -> bytes:
    """The value of the server's ``-e``, empty when our own protocol is too old for it (spec: protocol 1.5)."""
    if options.protocol < 30:
        return b""
    from tain.session.agreement import inc_recurse_allowed

    return b"." + (b"i" if inc_recurse_allowed(options, am_receiver=not am_sender) else b"") + ABILITIES


def _deletes(options: ResolvedOptions) -> bool:
    return options.delete != "never"


def _marker(options: ResolvedOptions) -> bytes:
    """The part of the output format that the server must know (spec: options 2.11)."""
    shown = options.out_format
    if shown is None:
        return b""
    if options.itemize_level:
        return b"%i%I" if options.itemize_level > 1 else b"%i"
    if has_escape(shown, "o"):
        return b"%o"
    return b"" if options.verbose else b"X"


#: The letters of the compact word, in its order (spec: protocol 1.4).
_LETTERS = "svqbunldKmOJyLkWHogDtUNpEAXrcCIRxSz"
#: The number of times a letter appears, where the value of its option and the direction do not decide it.
_COUNTS: dict[str, Callable[[ResolvedOptions, bool], int]] = {
    "v": lambda options, pushes: min(options.verbose, 9),
    "q": lambda options, pushes: bool(options.quiet) and options.stderr_mode != "client",
    "d": lambda options, pushes: _dirs(options, pushes),
    "O": lambda options, pushes: pushes and options.omit_dir_times and not options.omit_dir_times_implied,
    # The second level looks into basis directories; without one it means the same as the first.
    "y": lambda options, pushes: pushes * (options.fuzzy if options.alt_dirs else min(options.fuzzy, 1)),
    "W": lambda options, pushes: options.whole_file > 0,
    "D": lambda options, pushes: options.devices,
    "E": lambda options, pushes: pushes and options.executability and not options.perms,
    "z": lambda options, pushes: (
        options.compress_choice == "zlib" or (bool(options.compress_asked) and options.compress_choice is None)
    ),
}


def _dirs(options: ResolvedOptions, pushes: bool) -> bool:
    alone = options.dirs > 0 and not options.recurse
    return options.dirs in (2, 3) or (alone and (bool(options.list_only) or (_deletes(options) and pushes)))


def _letters(options: ResolvedOptions, pushes: bool) -> bytes:
    """The compact word without its dash (spec: protocol 1.4)."""
    rows = spellings(ROWS)
    out = bytearray()
    for letter in _LETTERS:
        row = rows[letter]
        if letter in _COUNTS:
            count = _COUNTS[letter](options, pushes)
        elif row.travels(pushes=pushes):
            value = getattr(options, row.dest)
            count = value if row.action == "inc" else bool(value)
        else:
            continue
        out.extend(letter.encode() * count)
    abilities = capabilities(options, am_sender=pushes)
    if abilities:
        out.extend(b"e" + abilities)
    return bytes(out)


class _Words:
    """The words of a server while they are collected, with the direction and the quoting of one run."""

    __slots__ = ("options", "pushes", "quote", "quote_remote", "words")

    def __init__(self, options: ResolvedOptions, *, pushes: bool, quote: bool, quote_remote: bool) -> None:
        self.options = options
        #: This side sends.
        self.pushes = pushes
        self.quote = quote
        #: The words of ``--remote-option`` are quoted too.
        self.quote_remote = quote_remote
        self.words: list[bytes] = []

    def add(self, word: bytes, when: object = True) -> None:
        if when:
            self.words.append(word)

    def value(self, name: bytes, value: bytes | int, *, split: bool = False) -> None:
        """``NAME=VALUE``; with *split* two words, as rsync writes paths."""
        text = b"%d" % value if isinstance(value, int) else quote_value(value) if self.quote else value
        self.words += [name, text] if split else [name + b"=" + text]

    def plain(self, row: Row) -> None:
        """An option that is forwarded as it was given, when that is not the default."""
        value = getattr(self.options, row.dest)
        if value == getattr(ResolvedOptions, row.dest) or not row.travels(pushes=self.pushes):
            return
        name = b"--" + row.longs[0].encode()
        if row.kind:
            self.value(name, value, split=row.metavar == "DIR")
        else:
            self.words.append(name)


def _compress_words(out: _Words) -> None:
    options = out.options
    if options.compress_choice == "zlibx":
        out.add(b"--new-compress")
    elif options.compress_choice == "zlib":
        out.add(b"--old-compress")
    elif options.compress_choice is not None and options.compress_choice_arg is not None:
        out.value(b"--compress-choice", options.compress_choice_arg)


def _max_delete_words(out: _Words) -> None:
    options = out.options
    if out.pushes and options.max_delete is not None:
        out.value(b"--max-delete", options.max_delete or -1)


def _delete_words(out: _Words) -> None:
    options = out.options
    if not out.pushes or not _deletes(options):
        return
    if options.delete == "default":
        out.add(b"--delete", not options.delete_excluded)
        return
    # An old server does not take the word for one that deletes (spec: protocol-old 1.3).
    out.add(b"--delete", options.delete == "after" and oldpeer.may_be_old(options))
    out.add(b"--delete-" + options.delete.encode())


def _max_alloc_words(out: _Words) -> None:
    if out.options.max_alloc != ResolvedOptions.max_alloc and out.options.max_alloc_arg is not None:
        out.value(b"--max-alloc", out.options.max_alloc_arg)


def _suffix_words(out: _Words) -> None:
    options = out.options
    suffix = options.backup_suffix
    if suffix is not None and suffix != (b"" if options.backup_dir is not None else b"~"):
        out.value(b"--suffix", suffix)


def _stderr_words(out: _Words) -> None:
    mode = out.options.stderr_mode
    if mode != "errors":
        out.add(b"--msgs2stderr" if mode == "all" else b"--no-msgs2stderr")


def _specials_words(out: _Words) -> None:
    # The letter D means devices and specials.
    options = out.options
    if options.devices != options.specials:
        out.add(b"--no-specials" if options.devices else b"--specials")


def _marker_words(out: _Words) -> None:
    marker = _marker(out.options) if out.pushes else b""
    if marker:
        # Shells leave the percent sign alone, so the word needs no quoting.
        out.add(b"--log-format=" + marker)


def _modify_window_words(out: _Words) -> None:
    options = out.options
    if out.pushes and options.modify_window_given:
        name = b"-@" if options.modify_window < 0 else b"--modify-window="
        out.add(name + b"%d" % options.modify_window)


def _partial_words(out: _Words) -> None:
    options = out.options
    if not out.pushes:
        return
    if options.partial_dir is None:
        out.add(b"--partial", options.partial)
        return
    if not options.partial_dir_implied:
        out.value(b"--partial-dir", options.partial_dir, split=True)
    out.add(b"--delay-updates", options.delay_updates)


def _basis_words(out: _Words) -> None:
    for directory in out.options.alt_dirs if out.pushes else ():
        out.value(f"--{out.options.alt_dest}-dest".encode(), directory, split=True)


def _info_words(out: _Words) -> None:
    info = levels.forwarded(out.options.info, out.options.info_priority, server_sends=not out.pushes)
    if info:
        out.add(b"--info=" + info.encode())


def _in_place_words(out: _Words) -> None:
    options = out.options
    if options.append:
        out.words.extend([b"--append"] * options.append)
    elif options.inplace:
        out.add(b"--inplace")
        # Older receivers would take sparse and in-place together only with deltas off.
        out.add(b"--no-W", out.pushes and options.sparse and options.whole_file == 0)


def _files_from_words(out: _Words) -> None:
    options = out.options
    if options.files_from is None or (out.pushes and options.files_from_host is None):
        return
    if options.files_from_host is not None:
        out.value(b"--files-from", options.files_from, split=True)
        out.add(b"--from0", options.from0)
    else:
        out.words += [b"--files-from=-", b"--from0"]
    out.add(b"--no-relative", not options.relative)


def _source_removal_words(out: _Words) -> None:
    options = out.options
    if options.remove_source_files:
        out.add(b"--remove-sent-files" if options.remove_sent_files else b"--remove-source-files")


def _remote_words(out: _Words) -> None:
    for word in out.options.remote_options:
        out.add(quote_value(word) if out.quote_remote else word)


def _flag(word: bytes, when: Callable[[ResolvedOptions, bool], object]) -> Callable[[_Words], None]:
    """The entry of a word that appears under a condition on options and direction."""
    return lambda out: out.add(word, when(out.options, out.pushes))


#: The words behind the letters, in the order of spec protocol 1.6: the name of a row that is forwarded as it was
#: given, or a function for one that is not.
_ORDER: tuple[str | Callable[[_Words], None], ...] = (
    _flag(b"--list-only", lambda options, pushes: options.list_only > 1),
    _flag(b"--no-r", lambda options, pushes: pushes and options.dirs > 0 and not options.recurse and _deletes(options)),
    "compress-level", _specials_words, _marker_words, _stderr_words,
    lambda out: out.add(b"-B%d" % out.options.block_size, out.options.block_size),
    "timeout", "bwlimit", "backup-dir", _suffix_words, "checksum-choice", _compress_words,
    _max_delete_words, "min-size", "max-size", _delete_words, "delete-excluded", "force",
    _flag(b"--only-write-batch=X", lambda options, pushes: pushes and options.only_write_batch),
    _flag(b"--super", lambda options, pushes: pushes and options.super_user == 1),
    "size-only", "stats", "skip-compress",
    _max_alloc_words, "delete-missing-args",
    _flag(b"--ignore-missing-args",
          lambda options, pushes: not pushes and options.ignore_missing_args and not options.delete_missing_args),
    _modify_window_words, "checksum-seed", _partial_words, "ignore-errors", "copy-unsafe-links", "safe-links",
    "numeric-ids", _flag(b"--use-qsort", lambda options, pushes: options.qsort), "usermap", "groupmap",
    "ignore-existing", "existing", "temp-dir", "fsync", _basis_words, _info_words, _in_place_words, _files_from_words,
    _flag(b"--no-implied-dirs",
          lambda options, pushes: options.relative and not options.implied_dirs
          and (not pushes or options.protocol >= 30)),
    "write-devices", _source_removal_words, "copy-devices", "preallocate",
    _flag(b"--open-noatime", lambda options, pushes: options.open_noatime and options.atimes <= 1),
    "mkpath", _remote_words,
)  # fmt: skip


def server_command(
    options: ResolvedOptions, paths: list[bytes], *, am_sender: bool, shell: bool = True, local: bool = False
) -> ServerCommand:
    """All words behind the server's program name.

    *paths* are those of the other machine: the destination, or the sources. *am_sender*: this side sends. *shell*: a
    shell will parse the words, or a daemon will unescape them. *local*: the words are used as they are.
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
    out = _Words(options, pushes=am_sender, quote=quote, quote_remote=quote and raw_level == 0)
    rows = spellings(ROWS)
    for entry in _ORDER:
        if isinstance(entry, str):
            out.plain(rows[entry])
        else:
            entry(out)
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


def encode_secluded(words: list[bytes]) -> bytes:
    """Secluded words in the form for the connection: each ends with NUL, the list with another (spec: protocol 1.8)."""
    return b"rsync\0" + b"".join((word or b".") + b"\0" for word in words) + b"\0"


def daemon_shell_command() -> list[bytes]:
    """Words for a daemon behind a remote shell (spec: protocol 1.2)."""
    return [b"--server", b"--daemon", b"."]


def shell_command(
    options: ResolvedOptions, host: bytes, user: bytes | None, words: list[bytes], *, daemon: bool = False
) -> list[bytes]:
    """The whole argument vector that starts a server on *host* by the remote shell (spec: options 5.4)."""
    from tain.options.hostspec import split_shell

    command = split_shell(options.rsh)
    if daemon and any(word.startswith(b"-l") for word in command[1:]):
        user = None
    if not daemon and b"@" in host:
        # A user name may contain an @; the shell gets the part before the last one.
        whole = host if user is None else user + b"@" + host
        user, _, host = whole.rpartition(b"@")
    base = command[0].rpartition(b"/")[2] if command else b""
    if user is not None:
        command += [b"-l", user]
    if options.address_family and base == b"ssh":
        command.append(b"-%d" % options.address_family)
    return [*command, host, options.rsync_path, *words]
