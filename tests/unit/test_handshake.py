"""Handshakes: with ourselves, and with the real program at the other end."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tain.errors import MemoryLimitError, ProtocolError, TainError, UnsupportedError, UsageError
from tain.options.resolved import ResolvedOptions
from tain.session import agreement, handshake, rules
from tests.unit.fake_core import FakeLink

RSYNC = shutil.which("rsync")
CAPS = b".iLsfxCIvu"


def make_options(**values: object) -> ResolvedOptions:
    options = ResolvedOptions()
    options.recurse = 2
    for name, value in values.items():
        setattr(options, name, value)
    return options


class Peers:
    """Our client and our server at the two ends of a socket pair, each in its own thread."""

    def __init__(
        self,
        client: ResolvedOptions,
        server: ResolvedOptions,
        *,
        client_env: dict[bytes, bytes],
        server_env: dict[bytes, bytes],
    ):
        ours, theirs = socket.socketpair()
        self.result: dict[str, agreement.Agreed | TainError] = {}

        def serve() -> None:
            link = FakeLink(theirs.fileno(), theirs.fileno())
            theirs.close()
            try:
                self.result["server"] = handshake.server_handshake(
                    link, server, am_sender=server.sender, environ=server_env
                )
                self.filters = rules.receive_filters(link)
            except TainError as error:
                self.result["server"] = error
            link.close()

        thread = threading.Thread(target=serve)
        thread.start()
        link = FakeLink(ours.fileno(), ours.fileno())
        ours.close()
        try:
            self.result["client"] = handshake.client_handshake(
                link, client, am_sender=not server.sender, environ=client_env
            )
            rules.send_filters(link, [b"- *.o", b"+ x/"])
        except TainError as error:
            self.result["client"] = error
        link.close()
        thread.join()

    def agreed(self, side: str) -> agreement.Agreed:
        result = self.result[side]
        if isinstance(result, TainError):
            raise result
        return result


def meet(
    client: ResolvedOptions,
    server: ResolvedOptions,
    client_env: dict[bytes, bytes] | None = None,
    server_env: dict[bytes, bytes] | None = None,
) -> Peers:
    return Peers(client, server, client_env=client_env or {}, server_env=server_env or {})


@pytest.mark.parametrize("protocol", range(27, 33))
@pytest.mark.parametrize("sender", [False, True])
def test_both_ends_agree(protocol: int, sender: bool) -> None:
    peers = meet(
        make_options(protocol=protocol, compress=True), make_options(capabilities=CAPS, sender=sender, compress=True)
    )
    ours, theirs = peers.agreed("client"), peers.agreed("server")
    for name in ("protocol", "compat", "xfer_sum", "file_sum", "compress", "level", "seed"):
        assert getattr(ours, name) == getattr(theirs, name), name
    assert ours.protocol == protocol
    assert ours.xfer_sum == ("xxh128" if protocol >= 30 else "md4-old")
    assert ours.compress == ("zstd" if protocol >= 30 else "zlib")
    assert peers.filters == [b"- *.o", b"+ x/"]


@pytest.mark.parametrize(
    ("client", "server", "chosen"),
    [
        (b"md5 xxh64", b"", "md5"),
        (b"", b"sha1 & md4 md5", "md5"),
        (b"XXHASH", b"", "xxh64"),
        (b"sha1 md5 & md4", b"", "sha1"),
        (b"bogus md4", b"", "md4"),
    ],
)
def test_lists_of_the_environment(client: bytes, server: bytes, chosen: str) -> None:
    name = b"RSYNC_CHECKSUM_LIST"
    peers = meet(make_options(), make_options(capabilities=CAPS), {name: client}, {name: server})
    assert peers.agreed("client").xfer_sum == peers.agreed("server").xfer_sum == chosen


def test_nothing_in_common() -> None:
    name = b"RSYNC_CHECKSUM_LIST"
    peers = meet(make_options(), make_options(capabilities=CAPS), {name: b"foo"}, {name: b"md5"})
    with pytest.raises(
        UnsupportedError, match=r"^Failed to negotiate a checksum choice\.\nServer list: md5\nClient list: INVALID$"
    ):
        peers.agreed("client")
    with pytest.raises(UnsupportedError, match=r"^$"):
        peers.agreed("server")


def test_forced_choices() -> None:
    options = {"checksum_names": ("md5", "sha1"), "compress": True, "compress_choice": "zlibx", "compress_level": 4}
    peers = meet(make_options(**options), make_options(capabilities=CAPS, **options))
    for side in ("client", "server"):
        agreed = peers.agreed(side)
        assert (agreed.xfer_sum, agreed.file_sum, agreed.compress, agreed.level) == ("md5", "sha1", "zlibx", 4)


def test_a_server_list_limits_forced_choices() -> None:
    peers = meet(
        make_options(checksum_choice=b"md4", checksum_names=("md4", "md4")),
        make_options(capabilities=CAPS, checksum_choice=b"md4", checksum_names=("md4", "md4")),
        server_env={b"RSYNC_CHECKSUM_LIST": b"md5"},
    )
    with pytest.raises(UnsupportedError, match=r"^Your --checksum-choice value \(md4\) was refused by the server.$"):
        peers.agreed("server")


@pytest.mark.parametrize(
    ("values", "protocol", "text"),
    [
        ({"acls": True}, 29, "--acls requires protocol 30 or higher (negotiated 29)."),
        ({"xattrs": 1}, 28, "--xattrs requires protocol 30 or higher (negotiated 28)."),
        ({"fuzzy": 1}, 28, "--fuzzy requires protocol 29 or higher (negotiated 28)."),
        (
            {"alt_dest": "copy", "alt_dirs": [b"a", b"b"]},
            28,
            "Using more than one --copy-dest option requires protocol 29 or higher (negotiated 28).",
        ),
        (
            {"alt_dest": "link", "alt_dirs": [b"a"], "inplace": True},
            28,
            "--link-dest with --inplace requires protocol 29 or higher (negotiated 28).",
        ),
        ({"prune_empty_dirs": True}, 28, "--prune-empty-dirs requires protocol 29 or higher (negotiated 28)."),
    ],
)
def test_options_that_need_a_protocol(values: dict[str, object], protocol: int, text: str) -> None:
    with pytest.raises(ProtocolError) as caught:
        agreement.check_protocol(make_options(**values), protocol)
    assert str(caught.value) == text
    if "acls" in values or "xattrs" in values:
        agreement.check_protocol(make_options(**values), protocol, local=True)


@pytest.mark.parametrize(
    ("own", "remote", "text"),
    [
        (32, 19, "is your shell clean"),
        (32, 0x6C6C6568, "is your shell clean"),
        (19, 32, "at least 20 on the Client"),
        (33, 33, "no more than 32 on the Client"),
    ],
)
def test_numbers_that_do_not_fit(own: int, remote: int, text: str) -> None:
    with pytest.raises(ProtocolError, match=text):
        agreement.agree_protocol(own, remote, server=False)
    assert agreement.agree_protocol(32, 40, server=False) == 32
    assert agreement.agree_protocol(33, 32, server=False) == 32


@pytest.mark.parametrize(
    ("capabilities", "limit"),
    [(b".iLsfxCIvu", 32), (b"32.3LsfxCIvu", 31), (b"31.5L", 30), (b"33.1L", 32), (b"31.0L", 32), (b"", 32)],
)
def test_pre_release_clients(capabilities: bytes, limit: int) -> None:
    assert agreement.released_limit(capabilities, 32) == limit


def test_compat_flags() -> None:
    options = make_options()
    assert agreement.server_compat(options, CAPS, am_sender=False) == 0x1FF
    assert agreement.server_compat(options, CAPS.replace(b"i", b""), am_sender=False) == 0x1FE
    options.delay_updates = True
    assert agreement.server_compat(options, CAPS, am_sender=False) == 0x1FE
    assert agreement.server_compat(options, CAPS, am_sender=True) == 0x1FF


def test_obsolete_capability_gets_one_raw_byte() -> None:
    ours, theirs = socket.socketpair()
    a, b = FakeLink(ours.fileno(), ours.fileno()), FakeLink(theirs.fileno(), theirs.fileno())
    a.write_int(31)
    a.flush()
    options = make_options(capabilities=b".LsfxCIV", checksum_seed=7)
    agreed = handshake.server_handshake(b, options, am_sender=True, environ={})
    assert (agreed.compat, agreed.xfer_sum) == (0xFE, "md5")
    assert a.read(9) == bytes.fromhex("20000000 fe 07000000")
    for one in (a, b, ours, theirs):
        one.close()


def test_sub_lists_that_were_not_offered() -> None:
    ours, theirs = socket.socketpair()
    theirs.sendall(bytes.fromhex("20000000 81ff"))
    link = FakeLink(ours.fileno(), ours.fileno())
    with pytest.raises(UsageError, match=r"^Incompatible options specified for inc-recursive connection\.$"):
        handshake.client_handshake(link, make_options(), am_sender=False, environ={}, offered_inc_recurse=False)
    for one in (link, ours, theirs):
        one.close()


def test_a_rule_that_is_too_long() -> None:
    ours, theirs = socket.socketpair()
    a, b = FakeLink(ours.fileno(), ours.fileno()), FakeLink(theirs.fileno(), theirs.fileno())
    a.write_int(5120)
    a.flush()
    with pytest.raises(MemoryLimitError):
        rules.receive_filters(b)
    a.write_int(-1)
    a.flush()
    with pytest.raises(MemoryLimitError):
        rules.receive_filters(b)
    for one in (a, b, ours, theirs):
        one.close()


# ---------------------------------------------------------------------------------------------- the real program


@pytest.fixture
def real() -> Iterator[str]:
    if RSYNC is None:
        if os.environ.get("CI"):
            pytest.fail("rsync is not installed")
        pytest.skip("rsync is not installed")
    yield RSYNC


@pytest.mark.parametrize("protocol", range(27, 33))
@pytest.mark.parametrize("environment", [{}, {b"RSYNC_CHECKSUM_LIST": b"md5 xxh64"}])
def test_client_with_the_real_server(real: str, protocol: int, environment: dict[bytes, bytes], tmp_path: Path) -> None:
    """The file list of an empty filter list comes back well-formed, so both have read the same handshake."""
    words = [real, "--server", "--sender", "-rz"]
    if protocol >= 30:
        words[-1] += "e.LsfxCIvu"
    child = subprocess.Popen([*words, ".", "."], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=str(tmp_path))
    assert child.stdin is not None and child.stdout is not None
    link = FakeLink(child.stdout.fileno(), child.stdin.fileno())
    agreed = handshake.client_handshake(
        link, make_options(protocol=protocol, compress=True), am_sender=False, environ=environment
    )
    rules.send_filters(link, [])
    assert agreed.protocol == protocol
    assert agreed.compat == (0x1FE if protocol >= 30 else 0)
    if protocol >= 30:
        assert agreed.xfer_sum == ("md5" if environment else "xxh128")
        assert agreed.compress == "zstd"
    assert link.read(1) != b"\0"
    child.kill()
    link.close()
    child.stdin.close()
    child.stdout.close()
    child.wait()


#: A remote shell that leads to an open descriptor.
RELAY = """
import os, select, sys
far = int(sys.argv[1])
ways = {0: far, far: 1}
while True:
    for fd in select.select(list(ways), [], [])[0]:
        data = os.read(fd, 4096)
        if not data:
            sys.exit()
        os.write(ways[fd], data)
"""


@pytest.mark.parametrize("protocol", range(27, 33))
def test_server_with_the_real_client(real: str, protocol: int, tmp_path: Path) -> None:
    """A real client is run with a shell that hands us its server's streams; it sends its filter list after us."""
    ours, theirs = socket.socketpair()
    relay = tmp_path / "relay.py"
    relay.write_text(RELAY)
    shell = f"{sys.executable} {relay} {theirs.fileno()}"
    child = subprocess.Popen(
        [real, "-rz", f"--protocol={protocol}", "--exclude=*.o", "-e", shell, "h:x", str(tmp_path)],
        pass_fds=[theirs.fileno()],
        stderr=subprocess.DEVNULL,
    )
    theirs.close()
    link = FakeLink(ours.fileno(), ours.fileno())
    ours.close()
    capabilities = CAPS if protocol >= 30 else None
    options = make_options(sender=True, capabilities=capabilities, compress=True)
    agreed = handshake.server_handshake(link, options, am_sender=True, environ={})
    assert agreed.protocol == protocol
    assert rules.receive_filters(link) == [b"- *.o" if protocol >= 29 else b"*.o"]
    child.kill()
    child.wait()
    link.close()
