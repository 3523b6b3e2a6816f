"""Every parser of the Python side that reads a peer or a file, with input that is nearly right: nothing but its own
errors may come out, and nothing may hang. The core's parsers have `make fuzz` for this.

The seed is fixed, so that a run means the same everywhere; `RANDOM_INPUT=NUMBER` takes another one.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tain import _core
from tain.daemon import access, arguments, auth, config, lint, proxyheader, request, text
from tain.daemon import greeting as server_greeting
from tain.daemon.conversation import ClosedError, TooManyError
from tain.daemon.conversation import Conversation as Talk
from tain.daemon.parameters import PARAMETERS
from tain.daemon.refusal import RefusalError
from tain.daemon.sections import ExpansionOverflowError, UnsafeExpansionError
from tain.errors import TainError, UnsupportedError
from tain.options.handlers import Finished
from tain.options.hostspec import locate, parse_host, remote_file
from tain.options.parse import parse
from tain.options.refuse import refusals
from tain.options.resolve import resolve
from tain.options.resolved import ResolvedOptions
from tain.session import batch, digests, greeting, handshake, rules
from tain.session.arguments import unescape
from tain.session.environment import Environment
from tests.unit.fake_core import FakeLink

SEED = os.environ.get("RANDOM_INPUT", "1")
CASES = 700
_ODD = (
    b"",
    b"\0",
    b"\n",
    b"\r\n",
    b"\\",
    b"\\\n",
    b" ",
    b"\t",
    b"\x0b",
    b"%",
    b"[",
    b"]",
    b":",
    b"::",
    b"/",
    b"..",
    b"@",
    b"#",
    b"=",
    b",",
    b"-",
    b"--",
    b".",
    b"*",
    b"?",
    b"\xff",
    b"\xc3",
    b"\x1b[",
    b"0",
    b"-1",
    b"9" * 30,
    b"\xb2",
    b"1e9",
)


class Bytes(FakeLink):
    """A link whose peer has said these bytes and gone; what is written to it goes nowhere."""

    def __init__(self, data: bytes) -> None:
        null = os.open(os.devnull, os.O_RDWR)
        super().__init__(null, null)
        os.close(null)
        self._in = data

    def _raw(self, n: int) -> bytes:
        from tain.errors import StreamError

        if n > len(self._in):
            raise StreamError("connection unexpectedly closed")
        out, self._in = self._in[:n], self._in[n:]
        return out

    def flush(self) -> None:
        self._out.clear()

    def read_vstring(self, limit: int) -> bytes:
        length = self.read_byte()
        if length & 0x80:
            length = (length & 0x7F) * 256 + self.read_byte()
        if length > limit:
            raise UnsupportedError("over-long vstring received")
        return self.read(length)


class Silent:
    """Takes the place of `Output`."""

    def info(self, _text: bytes) -> None: ...
    def error(self, _text: bytes) -> None: ...


def inputs(name: str, *seeds: bytes, cases: int = CASES) -> Iterator[bytes]:
    """The seeds, and what a few changes make of them."""
    chance = random.Random(f"{SEED} {name}")
    yield from seeds
    for _ in range(cases):
        data = bytearray(chance.choice(seeds))
        for _ in range(chance.choice((1, 1, 2, 4, 9))):
            at = chance.randrange(len(data) + 1)
            what = chance.randrange(6)
            if what == 0 and at < len(data):
                data[at] ^= 1 << chance.randrange(8)
            elif what == 1:
                data[at:at] = chance.choice(_ODD)
            elif what == 2:
                del data[at : at + chance.choice((1, 2, 8, 1000))]
            elif what == 3:
                other = chance.choice(seeds)
                data[at:] = other[chance.randrange(len(other) + 1) :]
            elif what == 4:
                data[at:at] = data[at : at + 20] * chance.choice((1, 1, 2, 300))
            else:
                data[at : at + 1] = chance.randbytes(chance.choice((1, 1, 4)))
        yield bytes(data[:20000])


def attempt(data: bytes, reader: Callable[[bytes], object], *allowed: type[Exception]) -> None:
    try:
        reader(data)
    except allowed:
        pass
    except Exception as error:
        raise AssertionError(f"{type(error).__name__} for {data!r}") from error


GREETINGS = (
    b"@RSYNCD: 32.0 sha512 sha256 sha1 md5 md4\n",
    b"@RSYNCD: 31.0\n",
    b"@RSYNCD: 29\n",
    b"@RSYNCD: 30.14 md5\n",
)


def test_greeting_of_a_client() -> None:
    for data in inputs("greeting", *(line[:-1] for line in GREETINGS)):
        attempt(data, lambda line: server_greeting.parse(line).agreed(32), RefusalError)


def test_talk_of_a_daemon() -> None:
    env = Environment(argv=[b"rsync"], environ={b"USER": b"joe", b"RSYNC_PASSWORD": b"secret"})
    tails = (
        b"motd\n\nmore\n@RSYNCD: OK\n",
        b"@RSYNCD: AUTHREQD c2FsdA\n@RSYNCD: OK\n",
        b"@ERROR: no\n",
        b"mod\tcomment\n@RSYNCD: EXIT\n",
    )

    def reader(data: bytes) -> None:
        link = Bytes(data)
        try:
            talk = greeting.Conversation(link, ResolvedOptions(), env, Silent(), role="sender")  # type: ignore[arg-type]
            talk.greet()
            if talk.open_module(b"mod", b"joe"):
                talk.send_arguments([b"--server", b".", b"mod/"])
        finally:
            link.close()

    for data in inputs("talk", *(line + tail for line in GREETINGS for tail in tails), cases=400):
        attempt(data, reader, TainError)


def test_arguments_of_a_client() -> None:
    words = (
        b"--server",
        b"--sender",
        b"-vlogDtpre.iLsfxCIvu",
        b"--delete-before",
        b"--max-delete=5",
        b".",
        b"mod/a b",
        b"mod/*",
    )
    more: tuple[bytes, ...] = (
        b"--server",
        b"-se.LsfxCIvu",
        b"--files-from=/x",
        b"--chmod=u+x,D755",
        b"--usermap=*:0",
        b"--stop-at=12:30",
    )
    more = (
        *more,
        b"--max-size=1.5m",
        b"--skip-compress=a/b",
        b"--iconv=.",
        b"--log-format=%i",
        b"--info=all2",
        b".",
        b"mod/..",
    )
    seeds = [b"".join(word + end for word in list_) + end for list_ in (words, more) for end in (b"\0", b"\n")]
    seeds.append(b"--server\0-s\0.\0\0rsync\0--server\0-tre.\0.\0mod/x\0\0")

    def reader(data: bytes) -> None:
        protocol = 32 if b"\0" in data[:40] else 29
        read_fd, write_fd = os.pipe()
        try:
            os.write(write_fd, data)
            os.close(write_fd)
            asked = arguments.read(Talk(read_fd, read_fd), protocol, b"mod")
        finally:
            os.close(read_fd)
        for path in asked.paths:
            cleaned = arguments.clean(path)
            assert not cleaned.startswith(b"/")
            assert b".." not in cleaned.split(b"/")
        request.understand(asked.options, refused)

    refused = refusals(["delete*", "!delete-before", "checksum"])
    for data in inputs("arguments", *seeds, cases=400):
        attempt(data, reader, ClosedError, TooManyError)


def test_command_line_of_a_server() -> None:
    line = b"--server\0--sender\0-vvlogDtpre.iLsfxCIvu\0--log-format=%i\0--partial-dir=x\0--timeout=5\0--bwlimit=1.5m"
    line += b"\0.\0a\0b/"
    long = b"--server\0-se.i\0--compress-choice=zstd\0--zl=3\0--checksum-seed=1\0--block-size=700\0--chmod=a=rX"
    long += b"\0.\0../x\\ y"
    for data in inputs("server", line, long):
        attempt(data, lambda words: resolve(parse(words.split(b"\0")), environ={}), TainError, Finished)
        attempt(data, unescape)


CONFIG = b"""
# comment
motd file = /no/motd
max connections = 3
uid = nobody
[m]
    path = /srv/%RSYNC_USER_NAME%/x
    comment = one \\
       two
    read only = yes
    auth users = joe:rw, @staff:ro bad:deny
    secrets file = /no/secrets
    hosts allow = 10.0.0.0/8 *.example.org
    hosts deny = *
    exclude = a b/ - c
    filter = - *.o :_.f
    refuse options = delete* !delete-before
    syslog facility = daemon
    timeout = 5
[n]
use chroot = false
log format = %t %a %f
&merge /no/file.inc
"""


def test_configuration(tmp_path: Path) -> None:
    file = tmp_path / "rsyncd.conf"

    def reader(data: bytes) -> None:
        file.write_bytes(data)
        loaded = config.load(bytes(file), overrides=[b"port = 1"], environment={b"RSYNC_USER_NAME": b"x"})
        lint.check(loaded)
        for section in (loaded.globals, *loaded.modules[:20]):
            for row in PARAMETERS.values():
                try:
                    section.text(row.name)
                except (UnsafeExpansionError, ExpansionOverflowError):
                    continue
                section.number(row.name), section.flag(row.name), section.tri(row.name)

    for data in inputs("configuration", CONFIG, b"[a]\npath=/\n", b"a=b\n" * 40, cases=120):
        attempt(data, reader)


def test_logins(tmp_path: Path) -> None:
    secrets = tmp_path / "secrets"
    secrets.write_bytes(b"joe:secret\n@staff:word\n")
    secrets.chmod(0o600)
    good = b"joe " + digests.response("md5", b"secret", b"salt")
    rules = auth.rules(b"joe, @nogroup:ro, *x*:deny")

    def login(line: bytes) -> None:
        auth.check(line, digest="md5", text=b"salt", users=rules, secrets_file=bytes(secrets), strict_modes=True)

    for data in inputs("login", good, b"root x", b"@staff x"):
        attempt(data, login)
    for data in inputs("secrets", b"joe:secret\n# x\n@staff:a:b\r\n\n"):
        attempt(data, auth.parse_secrets, auth.SecretsError)
    for data in inputs("users", b"joe:rw, @staff:ro bad:deny\t*"):
        attempt(data, auth.rules, auth.RuleError)


def test_hosts() -> None:
    peer = access.Peer("10.1.2.3", b"peer.example.org")
    peer6 = access.Peer("fe80::1%eth0", b"six")

    def reader(words: bytes) -> None:
        # A file with a NUL is refused as a whole.
        words = words.replace(b"\0", b"")
        for who in (peer, peer6):
            access.allowed(who, words, b"", resolver=None, warn=len)
            access.allowed(who, b"", words, resolver=None, warn=len)

    for data in inputs(
        "hosts", b"10.0.0.0/8, 10.1.2.0/255.255.255.0 *.org", b"::/0 fe80::1/64 @group [p]eer.* 10.66051"
    ):
        attempt(data, reader)
        attempt(data, text.escape)


def test_proxy_headers() -> None:
    class Source:
        def __init__(self, data: bytes) -> None:
            self.data = data

        def read_exact(self, count: int) -> bytes:
            out, self.data = self.data[:count], self.data[count:]
            if len(out) < count:
                raise ClosedError
            return out

    two = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x10" + bytes(16)
    six = b"\r\n\r\n\0\r\nQUIT\n\x21\x21\0\x24" + bytes(36)
    one = b"PROXY TCP4 10.0.0.1 10.0.0.2 1 873\r\n"
    for data in inputs("proxy", one, b"PROXY TCP6 ::1 ::2 1 873\r\n", b"PROXY UNKNOWN\r\n", two, six):
        attempt(data, lambda start: proxyheader.read(Source(start)), proxyheader.BadHeaderError, ClosedError)


def test_places() -> None:
    def reader(word: bytes) -> None:
        parse_host(word)
        remote_file(word)
        for words in ([word, b"d"], [b"s", word], [word], [word, word, b"d"]):
            options = ResolvedOptions()
            options.args = words
            try:
                locate(options)
            except TainError:
                continue

    for data in inputs(
        "places", b"joe@host:path", b"host::mod/x", b"rsync://j@[fe80::1%1]:873/m", b"[::1]:x", b"rsyncs://h/m"
    ):
        attempt(data, reader)


def test_batch_headers() -> None:
    def reader(data: bytes) -> None:
        link = Bytes(data)
        try:
            flags, agreed = batch.read_header(link, ResolvedOptions())
            batch.apply_flags(ResolvedOptions(), flags, agreed.protocol)
        finally:
            link.close()

    new = bytes.fromhex("89000000 20000000 81ff 07000000")
    for data in inputs("batch", new, bytes.fromhex("89000000 1d000000 07000000")):
        attempt(data, reader, TainError)


def test_handshakes() -> None:
    sums, codecs = b"xxh128 xxh3 md5", b"zstd lz4 zlibx none"
    lists = bytes([len(sums)]) + sums + bytes([len(codecs)]) + codecs
    compressed = ResolvedOptions()
    compressed.compress = True
    compressed.capabilities = b".iLsfxCIvu"

    def reader(data: bytes) -> None:
        for options in (ResolvedOptions(), compressed):
            for am_sender in (False, True):
                for shake in (handshake.client_handshake, handshake.server_handshake):
                    link = Bytes(data)
                    try:
                        shake(link, options, am_sender=am_sender, environ={})
                        rules.receive_filters(link)
                    except TainError:
                        pass
                    finally:
                        link.close()

    client = b"\x20\0\0\0" + lists + b"\4\0\0\0- *o\0\0\0\0"
    server = b"\x20\0\0\0\x81\xff" + lists + b"\7\0\0\0"
    for data in inputs("handshake", client, server, b"\x1d\0\0\0\7\0\0\0\0\0\0\0", cases=600):
        attempt(data, reader)


@pytest.mark.parametrize("pattern", [b"*a" * 40, b"**/" * 40, b"[" * 200, b"\\" * 201, b"[[:alpha:]" * 50])
def test_patterns_take_no_time(pattern: bytes) -> None:
    """Names of users and hosts are matched with patterns by what a peer says."""
    _core.wildmatch(pattern, b"a" * 300)
    _core.wildmatch(pattern, b"a/" * 300)
