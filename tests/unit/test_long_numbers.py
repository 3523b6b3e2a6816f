"""Numbers of thousands of digits, in texts of a user or a peer: a wrong value, never an exception of another kind."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from tain.daemon import access, proxyheader
from tain.digits import INT_MAX, bounded
from tain.errors import SocketError, TainError, UsageError
from tain.keywords import Options
from tain.options import levels, paths, stoptime
from tain.options.parse import integer, parse
from tain.options.resolve import resolve
from tain.options.sizes import parse_size
from tain.session import accounts, agreement
from tain.session.greeting import parse_greeting
from tain.transport import proxy, sockopts

LONG = b"9" * 5000


def test_bounded() -> None:
    assert bounded(b"") == bounded(b"0" * 9000) == 0
    assert bounded(b"0" * 9000 + b"42") == 42
    assert bounded(b"9223372036854775807") == bounded(b"9223372036854775808") == bounded(LONG) == (1 << 63) - 1
    assert [bounded(word, 10) for word in (b"9", b"10", b"11", b"99", b"100")] == [9, 10, 10, 10, 10]


@pytest.mark.parametrize("option", ["max-size", "min-size", "bwlimit", "block-size", "max-alloc"])
@pytest.mark.parametrize("tail", [b"", b"K", b".5", b"." + LONG, b"PiB+1"])
def test_sizes(option: str, tail: bytes) -> None:
    with pytest.raises(UsageError) as caught:
        resolve(parse([b"--%s=%s" % (option.encode(), LONG + tail)]), environ={})
    assert str(caught.value).startswith(f"rsync: --{option}=999")
    assert " is too large" in str(caught.value)
    assert parse_size(b"0" * 9000 + b"1.5K", option) == 1536
    assert parse_size(b"1." + b"5" * 9000, option) == 1


@pytest.mark.parametrize(
    "option",
    ["timeout", "contimeout", "max-delete", "modify-window", "port", "protocol", "checksum-seed", "compress-level"],
)
@pytest.mark.parametrize("number", [LONG, b"-" + LONG, b"0x" + LONG, b"0" + b"7" * 5000])
def test_integers(option: str, number: bytes) -> None:
    with pytest.raises(UsageError, match="number too large or too small"):
        resolve(parse([b"--%s=%s" % (option.encode(), number)]), environ={})


def test_integer_of_many_zeros() -> None:
    assert integer(b"0x" + b"0" * 9000 + b"f") == 15


@pytest.mark.parametrize("word", [b"--info=stats", b"--debug=flist"])
def test_levels_are_clipped(word: bytes) -> None:
    options = resolve(parse([word + LONG]), environ={})
    assert levels.MAX_LEVEL in (options.info["STATS"], options.debug["FLIST"])


def test_stop_after() -> None:
    for value in (LONG, b"+" + LONG, b"9223372036854775807", b"300000000000000000"):
        with pytest.raises(UsageError, match="invalid --stop-after value: "):
            stoptime.stop_after(value, time.time())
    assert stoptime.stop_after(b"0" * 9000 + b"1", 100.0) == 160


@pytest.mark.parametrize("name", [b"RSYNC_OLD_ARGS", b"RSYNC_PROTECT_ARGS"])
def test_variables(name: bytes) -> None:
    resolve(parse([b"a", b"b"]), environ={name: LONG})
    assert paths.number(b"-" + LONG) < 0 < paths.number(LONG)


def test_memory_variable() -> None:
    with pytest.raises(UsageError, match="too large"):
        resolve(parse([b"a", b"b"]), environ={b"RSYNC_MAX_ALLOC": LONG})


def test_proxy() -> None:
    assert proxy.Proxy(b"h:" + LONG).port == b"65535"
    assert proxy.Proxy(b"h:" + b"0" * 9000 + b"80").port == b"80"
    with pytest.raises(SocketError):
        proxy.Proxy(LONG)


def refused(call: Callable[[], object], kind: type[Exception]) -> None:
    with pytest.raises(kind):
        call()


def test_texts_of_peers_and_files() -> None:
    assert agreement.released_limit(LONG + b"." + LONG + b"i", 32) == 32
    for line in (LONG + b".0 md5", b"31." + LONG + b" md5"):
        greeted = parse_greeting(b"@RSYNCD: " + line)
        assert greeted is not None
        assert max(greeted.protocol, greeted.sub or 0) == INT_MAX
    assert accounts.user_number(LONG) is accounts.group_number(LONG) is None
    header = b"PROXY TCP4 192.0.2.1 192.0.2.2 %s 2\r\n" % LONG
    refused(lambda: proxyheader._version1(None, header), proxyheader.BadHeaderError)  # type: ignore[arg-type]
    peer = access.Peer("192.0.2.1", b"name")
    refused(lambda: access.matches(peer, b"192.0.2.0/" + LONG, deny=False, resolver=None), access.BadTokenError)


class Sock:
    """Takes what a socket takes: C integers."""

    def __init__(self) -> None:
        self.values: list[int] = []

    def setsockopt(self, level: int, option: int, value: int) -> None:
        assert -(1 << 31) <= value < 1 << 31
        self.values.append(value)


def test_socket_options() -> None:
    sock = Sock()
    sockopts.apply(sock, b"SO_SNDBUF=" + LONG, lambda line: None)  # type: ignore[arg-type]
    assert sock.values == [(1 << 31) - 1]


def test_keywords_of_the_api() -> None:
    for field in ("timeout", "max_size", "bwlimit", "port"):
        wide: dict[str, Any] = {field: 10**5000}
        refused(Options(**wide).words, TainError)
