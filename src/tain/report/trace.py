"""What ``--debug`` shows of a client's own steps (spec: output 4); the core writes the lines of the transfer."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tain.report.output import Output

_PLAIN = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789,.-_=+@/")
#: Character sets by the names that the C library gives them.
_CHARSETS = {"utf-8": "UTF-8", "ascii": "ANSI_X3.4-1968"}


def show_words(words: Sequence[bytes]) -> bytes:
    """A command line as the lines of ``--debug=CMD`` show it."""
    shown = [word if word and _PLAIN.issuperset(word) else b'"' + word + b'"' for word in words]
    return b"%s  (%d args)\n" % (b" ".join(shown), len(words))


class Trace:
    """Writes a line when the level of its word is high enough."""

    def __init__(self, out: Output, levels: Mapping[str, int]) -> None:
        self._out = out
        self._levels = levels

    def level(self, word: str) -> int:
        """The level of a word of ``--debug``; 0 is off."""
        return self._levels.get(word, 0)

    def write(self, text: str) -> None:
        """One line, without its end."""
        self._out.info(text.encode("utf-8", "surrogateescape") + b"\n")

    def at(self, word: str, level: int, text: str) -> None:
        """One line for *word* at *level* or above."""
        if self.level(word) >= level:
            self.write(text)

    def words(self, label: bytes, words: Sequence[bytes]) -> None:
        """A list of words (``--debug=CMD``)."""
        if self.level("CMD"):
            self._out.info(label + show_words(words))

    def command(
        self, argv: Sequence[bytes], *, shell: bytes | None, host: bytes | None, user: bytes | None, path: bytes | None
    ) -> None:
        """The server's command and its parts (``--debug=CMD2``)."""
        if self.level("CMD") < 2:
            return
        parts = [(b"cmd", shell), (b"machine", host), (b"user", user), (b"path", path)]
        self._out.info(b" ".join(name + b"=" + (value or b"<NULL>") for name, value in parts) + b"\n")
        self._out.info(b"".join(b"cmd[%d]=%s " % (n, word) for n, word in enumerate(argv)) + b"\n")

    def connecting(self, host: bytes, port: int) -> None:
        """The address of a daemon (``--debug=CONNECT``)."""
        if self.level("CONNECT"):
            self._out.info(b"opening tcp connection to %s port %d\n" % (host, port))

    def charset(self, name: str) -> None:
        """The character set of messages (``--debug=ICONV2``)."""
        self.at("ICONV", 2, f"msg checking charset: {_CHARSETS.get(name, name)}")

    def local_protocol(self, protocol: int) -> None:
        """The protocol that both ends of a local copy agree on (``--debug=PROTO``)."""
        for side in ("Server", "Client"):
            self.at("PROTO", 1, f"({side}) Protocol versions: remote={protocol}, negotiated={protocol}")

    def exit(self, role: str, own: int, code: int, *, dry_run: bool) -> None:
        """The end of a client (``--debug=EXIT``): *own* is the code of its role, *code* that of the run."""
        head = f"[{role}] _exit_cleanup(code={own}, file=client.py, line=1): "
        self.at("EXIT", 2, head + "entered")
        self.at("EXIT", 1, head + f"about to call exit({code}){' (DRY RUN)' * dry_run}")
