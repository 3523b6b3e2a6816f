"""Where sources and destination are: local paths, ``host:path`` and daemon forms (spec: options 5.1, 5.2)."""

from __future__ import annotations

from tain.errors import UsageError
from tain.escape import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tain.options.resolved import ResolvedOptions


class HostSpec:
    """An argument that names a path on another machine."""

    __slots__ = ("daemon", "host", "path", "port", "tls", "url", "user")

    def __init__(
        self,
        host: bytes,
        path: bytes,
        *,
        user: bytes | None = None,
        daemon: bool = False,
        port: int = 0,
        tls: bool = False,
    ) -> None:
        #: Host without brackets; empty means "the same host as the first one".
        self.host = host
        #: The part before the @; None without one.
        self.user = user
        #: Path on that host; for a daemon it begins with the module.
        self.path = path
        #: A ``::`` or URL form.
        self.daemon = daemon
        #: 0 = not given.
        self.port = port
        self.url = False
        #: ``rsyncs://``.
        self.tls = tls

    def __repr__(self) -> str:
        return f"HostSpec({self.host!r}, {self.path!r}, user={self.user!r}, daemon={self.daemon}, port={self.port})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, HostSpec) and all(getattr(self, n) == getattr(other, n) for n in self.__slots__)

    __hash__ = None  # type: ignore[assignment]


class Locations:
    """The host to connect to, and the paths of both ends."""

    __slots__ = ("am_sender", "daemon", "destination", "host", "port", "sources", "tls", "user")

    def __init__(self) -> None:
        #: None: both ends are on this machine.
        self.host: bytes | None = None
        self.user: bytes | None = None
        self.daemon: bool = False
        self.port: int = 0
        self.tls: bool = False
        #: This side has the files and sends them.
        self.am_sender: bool = True
        self.sources: list[bytes] = []
        #: None: the sources are only listed.
        self.destination: bytes | None = None


def _split_host(text: bytes) -> tuple[bytes | None, bytes, bytes] | None:
    """Split ``[USER@]HOST`` off: (user, host, rest), the rest beginning with ``:``, ``/`` or nothing."""
    end = 0
    user: bytes | None = None
    # The user ends at the last @ in front of the first : or /; a bracketed host may hold colons.
    start = 0
    while end < len(text) and text[end] not in b":/":
        if text[end] == 0x40:
            start = end + 1
            if text[start : start + 1] == b"[":
                break
        end += 1
    if text[:1] == b"[":
        start = 0
    if start:
        user = text[: start - 1]
    if text[start : start + 1] == b"[":
        close = text.find(b"]", start)
        if close < 0:
            return None
        host, rest = text[start + 1 : close], text[close + 1 :]
        if not host or b"/" in host or (rest and rest[0] not in b":/"):
            return None
        return user, host, rest
    end = start
    while end < len(text) and text[end] not in b":/":
        if text[end] == 0x5B:  # a bracket belongs at the start of a host
            return None
        end += 1
    return user, text[start:end], text[end:]


def parse_host(text: bytes) -> HostSpec | None:
    """The machine that *text* names, or None for a local path (spec: options 5.1)."""
    scheme, mark, rest = text.partition(b"://")
    if mark and scheme.lower() in (b"rsync", b"rsyncs"):
        found = _split_host(rest)
        if found is not None:
            user, host, tail = found
            port: int | None = 0
            if tail[:1] == b":":
                digits, slash, after = tail[1:].partition(b"/")
                port = int(digits or b"0") if not digits or (digits.isdigit() and len(digits) < 7) else None
                tail = slash + after
            if port is not None:
                spec = HostSpec(host, tail[1:], user=user, daemon=True, port=port, tls=scheme.lower() == b"rsyncs")
                spec.url = True
                return spec
    found = _split_host(text)
    if found is None:
        return None
    user, host, tail = found
    if tail[:1] != b":":
        return None
    if tail[:2] == b"::":
        return HostSpec(host, tail[2:], user=user, daemon=True)
    return HostSpec(host, tail[1:], user=user)


def remote_file(value: bytes) -> tuple[bytes | None, bytes]:
    """``--files-from``: (host with its user or None for a local file, path)."""
    spec = parse_host(value)
    if spec is None:
        return None, value
    return (spec.host if spec.user is None else spec.user + b"@" + spec.host), spec.path


def locate(options: ResolvedOptions, program: str = "rsync") -> Locations:
    """Sort the arguments of a client into sources and destination (spec: options 5.2).

    ``options.args`` does not change. Errors: `UsageError` with rsync's words.
    """
    words = list(options.args)
    out = Locations()
    if not words and options.read_batch is None:
        from tain.options.help import missing_arguments

        raise missing_arguments(program)
    if options.read_batch is not None:
        if len(words) == 1 and parse_host(words[0]) is not None:
            raise UsageError("remote destination is not allowed with --read-batch")
        out.am_sender = False
        out.destination = words[-1] if words else b"."
        return out
    first = parse_host(words[0])
    if first is not None:
        _locate_pull(words, first, options, out)
    elif len(words) == 1:
        out.sources = words
    else:
        last = parse_host(words[-1])
        if last is not None:
            _set_host(out, last, options)
            out.destination = last.path
        else:
            # The receiving end of a local copy must not take the word for an option.
            out.destination = b"./" + words[-1] if words[-1].startswith(b"-") else words[-1]
        out.sources = words[:-1]
        for word in out.sources:
            if parse_host(word) is not None:
                raise UsageError(f"Unexpected remote arg: {printable(word)}")
    if any(not word for word in words[: len(out.sources)]):
        raise UsageError("Empty source arg specified.")
    if out.destination == b"" and out.host is None and not options.old_args:
        raise UsageError('Empty destination arg specified (use "." or see --old-args).')
    if out.host is not None:
        if not out.am_sender:
            out.sources = [path or b"." for path in out.sources] if not out.daemon else out.sources
        elif out.destination == b"" and not out.daemon:
            out.destination = b"."
    if options.contimeout and (not out.daemon or options.rsh_given):
        raise UsageError("The --contimeout option may only be used when connecting to an rsync daemon.")
    if options.password_file is not None and not out.daemon:
        raise UsageError("The --password-file option may only be used when accessing an rsync daemon.")
    if options.files_from_host is not None:
        if out.host is None:
            raise UsageError("--files-from cannot be remote when the transfer is local")
        named = out.host if out.user is None else out.user + b"@" + out.host
        if options.files_from_host and options.files_from_host != named:
            raise UsageError("--files-from hostname is not the same as the transfer hostname")
    return out


def _set_host(out: Locations, spec: HostSpec, options: ResolvedOptions) -> None:
    # A remote shell would take the word for an option. The resolver and RSYNC_CONNECT_PROG accept any word.
    by_shell = not spec.daemon or options.rsh_given
    if by_shell and (((spec.user or b"") + spec.host)[:1] == b"-" or spec.host[:1] == b"-"):
        raise UsageError("Invalid remote host: hostnames may not start with '-'.")
    out.host, out.user, out.daemon, out.port, out.tls = spec.host, spec.user, spec.daemon, spec.port, spec.tls


def _locate_pull(words: list[bytes], first: HostSpec, options: ResolvedOptions, out: Locations) -> None:
    out.am_sender = False
    rest = words[1:]
    if rest and rest[-1][:1] != b":":
        if parse_host(rest[-1]) is not None:
            raise UsageError("The source and destination cannot both be remote.")
        out.destination = rest.pop()
    _set_host(out, first, options)
    out.sources = [first.path]
    for word in rest:
        spec = parse_host(word)
        if spec is None:
            raise UsageError(
                f"Unexpected local arg: {printable(word)}\nIf arg is a remote file/dir, prefix it with a colon (:)."
            )
        if spec.host and (spec.host != first.host or spec.user != first.user):
            raise UsageError("All source args must come from the same machine.")
        if spec.daemon != first.daemon:
            raise UsageError("All source args must use the same hostspec format.")
        if spec.port and spec.port != first.port:
            raise UsageError("All source args must use the same port number.")
        out.sources.append(spec.path)


def split_shell(command: bytes) -> list[bytes]:
    """The words of a remote shell command (spec: options 5.4). Errors: `UsageError` for an open quote."""
    words: list[bytes] = []
    word = bytearray()
    inside = False
    quote = 0
    index = 0
    while index < len(command):
        byte = command[index]
        if quote:
            if byte == quote:
                if command[index + 1 : index + 2] == bytes((quote,)):
                    word.append(byte)
                    index += 1
                else:
                    quote = 0
            else:
                word.append(byte)
        elif byte == 0x20:
            if inside:
                words.append(bytes(word))
                word.clear()
            inside = False
        else:
            inside = True
            if byte in b"'\"":
                quote = byte
            else:
                word.append(byte)
        index += 1
    if quote:
        raise UsageError(f"Missing trailing-{chr(quote)} in remote-shell command.")
    if inside:
        words.append(bytes(word))
    return words
