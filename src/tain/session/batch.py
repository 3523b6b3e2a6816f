"""Batch files: a stream for replay, its header and its script (spec: protocol 11, options 6.11)."""

from __future__ import annotations

import os
import stat

from tain.errors import FileError, ProtocolError, SelectionError, StreamError, TainError, UsageError
from tain.session.agreement import PEER_NUMBERS, Agreed
from tain.session.operator_file import open_named, with_link_note
from tain.system import system_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Protocol

    from tain.options.resolved import ResolvedOptions
    from tain.session.environment import Environment

    class HeaderLink(Protocol):
        """The part of `tain._core.Link` that reads a header."""

        def read_int(self) -> int: ...
        def read_varint(self) -> int: ...
        def set_protocol(self, protocol: int) -> None: ...


#: The options of the stream flags, by their bits from 0 on: field, name in messages (none: no message), the first
#: protocol with the bit, and the field's value when only the bit is known.
_FLAGS: tuple[tuple[str, str, int, int], ...] = (
    ("recurse", "--recurse (-r)", 0, 2),
    ("owner", "--owner (-o)", 0, True),
    ("group", "--group (-g)", 0, True),
    ("links", "--links (-l)", 0, True),
    ("devices", "--devices (-D)", 0, True),
    ("hard_links", "--hard-links (-H)", 0, 1),
    ("checksum", "--checksum (-c)", 0, True),
    ("dirs", "--dirs (-d)", 29, 1),
    ("compress", "--compress (-z)", 29, True),
    ("iconv", "", 30, 0),
    ("acls", "--acls (-A)", 30, True),
    ("xattrs", "--xattrs (-X)", 30, 1),
    ("inplace", "--inplace", 30, True),
    ("append", "--append", 30, 1),
    ("append", "--append-verify", 30, 2),
)


def _levels(options: ResolvedOptions) -> list[int]:
    """The level of each option of the stream flags; 0 is off."""
    special = {
        "dirs": max(options.dirs, 0),
        "compress": max(options.compress_asked, 1) if options.compress else 0,
        "iconv": options.iconv is not None,
        "--append": options.append == 1,
        "--append-verify": options.append > 1,
    }
    return [int(special.get(name, special.get(field, getattr(options, field)))) for field, name, _, _ in _FLAGS]


def stream_flags(options: ResolvedOptions) -> int:
    """The option bits of a header. All are written; a reader uses those of its protocol."""
    return sum(1 << bit for bit, level in enumerate(_levels(options)) if level)


def flag_messages(options: ResolvedOptions, flags: int, protocol: int) -> list[str]:
    """A message for each option that the batch changes from the command line.

    An option with several levels counts as set only at the level that ``-a``, or a single letter, gives (observed).
    """
    messages = []
    for bit, (level, (_, name, least, _)) in enumerate(zip(_levels(options), _FLAGS, strict=True)):
        wanted = flags >> bit & 1
        if name and protocol >= least and level != wanted:
            messages.append(f"{'Setting' if wanted else 'Clearing'} the {name} option to match the batchfile.")
    return messages


def apply_flags(options: ResolvedOptions, flags: int, protocol: int) -> ResolvedOptions:
    """The options of the batch: its bits win over the command line. Errors: `UsageError` for ``--iconv``."""
    new = options.copy()
    appends = 0
    for bit, (level, (field, _, least, value)) in enumerate(zip(_levels(options), _FLAGS, strict=True)):
        is_set = bool(flags >> bit & 1)
        if protocol < least:
            continue
        if field == "iconv":
            if is_set != bool(level):
                verb = "Please" if is_set else "Do not"
                raise UsageError(f"{verb} specify the --iconv option to use this batch file.")
        elif field == "append":
            appends = value if is_set else appends
            new.append = appends
        elif isinstance(value, bool):
            setattr(new, field, is_set)
        else:
            setattr(new, field, (level or value) if is_set else 0)
    return new


# ---------------------------------------------------------------------------------------------- reading


def open_batch(name: bytes, env: Environment, options: ResolvedOptions, *, role: str) -> int:
    """A descriptor to read a batch from. Errors: `FileError`."""
    if name == b"-":
        return os.dup(env.stdin)
    path = os.path.join(env.cwd, name)
    shown = path.decode("utf-8", "surrogateescape")
    try:
        fd = open_named(name, env, options)
    except OSError as error:
        raise FileError(_open_error(path, error, role)) from error
    mode = os.fstat(fd).st_mode
    if not stat.S_ISREG(mode) and not stat.S_ISFIFO(mode):
        os.close(fd)
        raise FileError(f'Batch file "{shown}" is neither a regular file nor a FIFO')
    return fd


def read_header(link: HeaderLink, options: ResolvedOptions) -> tuple[int, Agreed]:
    """The stream flags, and the agreement of the writer and its peer without checksums and compression.

    Errors: `ProtocolError`.
    """
    flags = link.read_int()
    protocol = link.read_int()
    if protocol > options.protocol:
        raise ProtocolError(f"The protocol version in the batch file is too new ({protocol} > {options.protocol}).")
    if protocol not in PEER_NUMBERS:
        raise ProtocolError(
            "protocol version mismatch -- is your shell clean?\n(see the rsync manpage for an explanation)"
        )
    link.set_protocol(protocol)
    agreed = Agreed(protocol)
    if protocol >= 30:
        agreed.compat = link.read_varint() & 0x7FFFFFFF
    agreed.seed = link.read_int()
    return flags, agreed


# ---------------------------------------------------------------------------------------------- writing


def first_bytes(options: ResolvedOptions) -> bytes:
    """The part of a batch that is known before the handshake: the stream flags."""
    return stream_flags(options).to_bytes(4, "little")


def header(agreed: Agreed) -> bytes:
    """The bytes between the stream flags and the stream."""
    from tain import _core

    out = agreed.protocol.to_bytes(4, "little")
    if agreed.protocol >= 30:
        out += _core.varint(agreed.compat)
    return out + (agreed.seed & 0xFFFFFFFF).to_bytes(4, "little")


class BatchFile:
    """A batch that is being written, and its script.

    Both files are created before anything is started, so that an error costs nothing; their content depends on the
    handshake.
    """

    __slots__ = ("_script", "fd")

    def __init__(self, options: ResolvedOptions, env: Environment, *, role: str) -> None:
        """Errors: `SelectionError` for the script, `FileError` for the batch."""
        name = options.write_batch
        assert name is not None
        self.fd = -1
        self._script = _create(name + b".sh", 0o700, env, options, SelectionError, role)
        try:
            self.fd = _create(name, 0o600, env, options, FileError, role)
            _write_all(self.fd, first_bytes(options))
        except TainError:
            self.close()
            raise

    def begin(self, options: ResolvedOptions, agreed: Agreed, argv: Sequence[bytes], rules: Sequence[bytes]) -> None:
        """Write the script, and the header before the stream. Errors: `UsageError` for a rule with a newline."""
        args = options.args
        destination = args[-1]
        text = script_text(argv, destination=destination, sources=args[:-1], rules=rules, protocol=agreed.protocol)
        _write_all(self._script, text)
        os.close(self._script)
        self._script = -1
        _write_all(self.fd, header(agreed))

    def close(self) -> None:
        """Close what is still open."""
        for fd in (self.fd, self._script):
            if fd >= 0:
                os.close(fd)
        self.fd = self._script = -1


def _create(
    name: bytes, mode: int, env: Environment, options: ResolvedOptions, failure: type[TainError], role: str
) -> int:
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    try:
        return open_named(name, env, options, flags, mode)
    except OSError as error:
        raise failure(_open_error(os.path.join(env.cwd, name), error, role)) from error


def _open_error(path: bytes, error: OSError, role: str) -> str:
    shown = path.decode("utf-8", "surrogateescape")
    text = f'rsync: [{role}] Batch file "{shown}" open error: {system_text(error)}'
    return with_link_note(error, text)


def _write_all(fd: int, data: bytes) -> None:
    rest = memoryview(data)
    try:
        while rest:
            rest = rest[os.write(fd, rest) :]
    except OSError as error:
        text = f"safe_write failed to write {len(data)} bytes to batch file: {system_text(error)}"
        raise StreamError(f"rsync: [client] {text}") from error


def _quoted(word: bytes) -> bytes:
    return b"'" + word.replace(b"'", b"'\\''") + b"'"


def _plain(rules: Sequence[bytes]) -> list[bytes]:
    """Rules without marks; the global CVS list becomes the rule ``-C`` again."""
    plain: list[bytes] = []
    for rule in rules:
        text = rule
        if rule[:2] in (b"\0g", b"\0h"):
            text = b"-C "
            if plain and plain[-1] == text:
                continue
        elif rule[:1] == b"\0":
            # Behind a NUL is where the rule stands.
            text = rule[2:].partition(b"\0")[0]
        plain.append(text)
    return plain


#: Words that the script leaves out, with the next word if they have no ``=`` (prefixes, as in rsync).
_DROPPED = (b"--files-from", b"--filter", b"--include", b"--exclude")


def script_text(
    argv: Sequence[bytes], *, destination: bytes, sources: Sequence[bytes], rules: Sequence[bytes], protocol: int
) -> bytes:
    """The replay script: the command again, without sources and filters (spec: options 6.11).

    *rules* may carry the marks of a plan's rules.
    """
    rules = _plain(rules)
    if any(b"\n" in rule for rule in rules):
        raise UsageError("cannot write a filter rule containing a newline to the batch replay script")
    words = [_quoted(argv[0])]
    if rules:
        words.append(b"--filter='._-'" if protocol >= 29 else b"--exclude-from='-'")
    # Leave out sources and destination. As in rsync, the search starts at the end, and may find an equal option value
    # instead.
    left = [*sources, destination]
    places: set[int] = set()
    for place in range(len(argv) - 1, 0, -1):
        if left and argv[place] == left[-1]:
            places.add(place)
            left.pop()
    skip = False
    for place, word in enumerate(argv[1:], 1):
        if skip:
            skip = False
            continue
        if place in places:
            continue
        if word.startswith(_DROPPED):
            skip = b"=" not in word
            continue
        if word == b"-f":
            skip = True
            continue
        for prefix in (b"--write-batch", b"--only-write-batch"):
            if word == prefix or word.startswith(prefix + b"="):
                word = b"--read-batch" + word[len(prefix) :]
                break
        option, equals, value = word.partition(b"=")
        if word.startswith(b"--") and equals:
            words.append(option + b"=" + _quoted(value))
        elif word == b"--read-batch":
            words.append(word)
        else:
            words.append(_quoted(word))
    words.append(b"${1:-" + _quoted(_without_host(destination)) + b"}")
    line = b" ".join(words)
    if not rules:
        return line + b"\n"
    return line + b" <<'#E#'\n" + b"".join(rule + b"\n" for rule in rules) + b"#E#\n"


def _without_host(destination: bytes) -> bytes:
    from tain.options.hostspec import parse_host

    place = parse_host(destination)
    return destination if place is None else place.path
