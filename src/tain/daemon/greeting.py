"""The greetings of daemon and client (spec: daemon 4.3, protocol 10.3, protocol-old 2.3 and 10.1)."""

from __future__ import annotations

from tain.daemon.auth import DIGESTS
from tain.daemon.refusal import RefusalError
from tain.session import oldpeer

#: rsync's buffers: for greeting and module, and for the answer to a challenge.
LINE_SIZE = 1024
ANSWER_SIZE = 5120
_BLANKS = b" \t\n\v\f\r"
_PREFIX = b"@RSYNCD:"


def own(protocol: int, early: bytes | None = None) -> bytes:
    """Our line. *early* is the client's greeting, if it arrived before ours was sent."""
    number = listed = None
    if early is not None:
        number, rest = _number(early)
        listed = b" " in rest.lstrip(_BLANKS)
    digests = b" ".join(DIGESTS).decode()
    return oldpeer.LEAD + oldpeer.greeting_tail(protocol, number, bool(listed), digests)


class Greeting:
    """A client's greeting."""

    __slots__ = ("digests", "protocol", "sub")

    def __init__(self, protocol: int, sub: int, digests: list[bytes] | None) -> None:
        self.protocol = protocol
        self.sub = sub
        #: None without a list.
        self.digests = digests

    def agreed(self, ours: int) -> int:
        """The protocol of this connection; our own sub-protocol is 0."""
        if self.protocol > ours:
            return ours
        return self.protocol - (self.sub != 0)


def parse(line: bytes) -> Greeting:
    """Parse a client's greeting as scanf would. Errors: `RefusalError` with rsync's answer."""
    number, rest = _number(line)
    if number is None:
        raise RefusalError("@ERROR: protocol startup error")
    sub = None
    if rest[:1] == b".":
        sub, rest = _integer(rest[1:])
    if sub is None and number >= 30:
        raise RefusalError(b"@ERROR: your client omitted the subprotocol value: " + line)
    names = line[len(_PREFIX) :].lstrip(b" ").partition(b" ")
    digests = names[2].split() if names[1] else None
    if digests is None and number >= 32:
        raise RefusalError(b"@ERROR: your client omitted the digest name list: " + line)
    return Greeting(number, sub or 0, digests)


def _number(line: bytes) -> tuple[int | None, bytes]:
    """The protocol of a greeting and the rest of the line; None for a line that is not a greeting."""
    if not line.startswith(_PREFIX):
        return None, line
    return _integer(line[len(_PREFIX) :].lstrip(_BLANKS))


def _integer(text: bytes) -> tuple[int | None, bytes]:
    """The decimal number at the front and the rest of the text; None without a number."""
    length = 1 if text[:1] in (b"-", b"+") else 0
    start = length
    while text[length : length + 1].isdigit():
        length += 1
    if length == start:
        return None, text
    # No protocol has nine digits. The limit keeps the number small.
    return int(text[: min(length, start + 9)]), text[length:]
