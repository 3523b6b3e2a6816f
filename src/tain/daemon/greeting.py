"""The daemon's side of the greetings (spec: daemon 4.3, protocol 10.3, protocol-old 2.3 and 10.1)."""

from __future__ import annotations

from tain.daemon.refusal import RefusalError
from tain.session import oldpeer
from tain.session.greeting import Greeting, parse_greeting, tail

#: rsync's buffers: for greeting and module, and for the answer to a challenge.
LINE_SIZE = 1024
ANSWER_SIZE = 5120


def own(protocol: int, early: bytes | None = None) -> bytes:
    """Our line. *early* is the client's greeting, if it arrived before ours was sent."""
    return oldpeer.LEAD + tail(protocol, None if early is None else parse_greeting(early))


def parse(line: bytes) -> Greeting:
    """Parse a client's greeting. Errors: `RefusalError` with rsync's answer."""
    hello = parse_greeting(line)
    if hello is None:
        raise RefusalError("@ERROR: protocol startup error")
    if hello.sub is None and hello.protocol >= 30:
        raise RefusalError(b"@ERROR: your client omitted the subprotocol value: " + line)
    if hello.digests is None and hello.protocol >= 32:
        raise RefusalError(b"@ERROR: your client omitted the digest name list: " + line)
    return hello
