"""Protocols 20 to 26, what a daemon and its client say: PRO-103, PRO-104, and who is served (spec: protocol-old 10)."""

from __future__ import annotations

import base64
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import programs
from tests.interop.ends import Daemon
from tests.protocol.client import push
from tests.protocol.conftest import sent
from tests.protocol.ints import md4
from tests.protocol.link import LIMIT, Session, Wire
from tests.protocol.old import greet, old, old_daemon, run
from tests.protocol.server import start, take_word

# ---- the daemon: passwords and lists

LONG = "p" * 38


@pytest.mark.parametrize(
    ("challenge", "answer", "padded"),
    [
        (b"6EQ/M6n1bt6dWrmDP11rug", b"S+sxKveGA2XJ1nJmfNgk0A", b"KKsWoT73ngLYSOy/Vk9cEw"),
        (b"ByGD9a6G2CQzjnehHBryHA", b"JU2az2PA+LTHdU228V7ESg", b"oUfFmDUKHQv/wE6ZajgCPQ"),
    ],
)
def test_pro_103_samples(challenge: bytes, answer: bytes, padded: bytes) -> None:
    """PRO-103: the samples of 10.2; both sides share the function."""
    from tain.session import digests

    assert digests.choose(None, 26, 26) == "md4-unpadded" and digests.choose(None, 27, 27) == "md4-old"
    assert digests.choose(None, 26, 32) == "md4-old"
    assert digests.response("md4-unpadded", LONG.encode(), challenge) == answer
    assert digests.response("md4-old", LONG.encode(), challenge) == padded


@pytest.mark.parametrize("secret", ["short", LONG, "q" * 102])
@pytest.mark.parametrize("p", [20, 24, 26])
def test_pro_103_a_client_and_an_old_daemon(p: int, secret: str, tain: str, tree: Path, env: dict[str, str]) -> None:
    """PRO-103 (tain): the scripted daemon computes as programs of that time do."""
    answers: list[bytes] = []

    def hello(s: Session) -> None:
        w = s.wire
        w.line()
        w.send(b"@RSYNCD: AUTHREQD 6EQ/M6n1bt6dWrmDP11rug\n")
        answers.append(w.line())
        w.send(b"@RSYNCD: OK\n")
        words: list[str] = []
        while word := take_word(w):
            words.append(word)
        start(s, words)

    with old_daemon(lambda s: push(s, sent(p)), p, hello) as (port, report):
        env = env | {"RSYNC_PASSWORD": secret}
        outcome = run(tain, tree, env, "-rltp", f"rsync://joe@127.0.0.1:{port}/m/", "dst/")
    assert outcome.code == 0 and report.error is None, (outcome, report.error)
    text = bytes(4) + secret.encode() + b"6EQ/M6n1bt6dWrmDP11rug"
    want = base64.b64encode(md4(text, unpadded=True)).rstrip(b"=")
    assert answers == [b"joe " + want]
    if secret == LONG:
        assert want == b"S+sxKveGA2XJ1nJmfNgk0A"


@pytest.fixture(scope="module")
def locked(space: Path, tain: str, rsync: str) -> Iterator[dict[str, int]]:
    """Daemons of both programs with passwords of each kind."""
    (space / "old-secrets").write_text(f"joe:{LONG}\nann:short\n")
    (space / "old-secrets").chmod(0o600)
    (space / "l").mkdir(exist_ok=True)
    (space / "l/f").write_text("locked\n")
    config = (
        f"use chroot = no\n[s]\npath = {space}/l\nauth users = joe, ann\nsecrets file = {space}/old-secrets\n"
        f"comment = locked\n"
    )
    if os.geteuid() == 0:
        config = "uid = 0\ngid = 0\n" + config
    env = programs.environment(str(space))
    with Daemon(rsync, space, env, config, "l-rsync") as theirs, Daemon(tain, space, env, config, "l-tain") as ours:
        yield {"rsync": theirs.port, "tain": ours.port}


@pytest.mark.parametrize(("user", "secret"), [("joe", LONG), ("ann", "short")])
@pytest.mark.parametrize("good", [True, False])
def test_pro_103_a_daemon_and_an_old_client(user: str, secret: str, good: bool, locked: dict[str, int]) -> None:
    """PRO-103 (tain): the scripted client computes as programs of that time do."""
    line, sock = greet(locked["tain"], b"@RSYNCD: 26\n")
    w = Wire(sock)
    with sock:
        assert line == b"@RSYNCD: 26\n"
        w.send(b"s\n")
        challenge = w.line().split()[2]
        text = bytes(4) + (secret if good else secret[1:] + "x").encode() + challenge
        w.send(user.encode() + b" " + base64.b64encode(md4(text, unpadded=True)).rstrip(b"=") + b"\n")
        assert w.line() == (b"@RSYNCD: OK" if good else b"@ERROR: auth failed on module s")


@pytest.mark.parametrize(("who", "of"), [("tain", "rsync"), ("rsync", "tain"), ("tain", "tain")])
@pytest.mark.parametrize("p", [20, 23, 26])
def test_pro_103_with_rsync(
    p: int, who: str, of: str, tain: str, rsync: str, tree: Path, env: dict[str, str], locked: dict[str, int]
) -> None:
    """PRO-103: a later program that speaks it negotiates as ever."""
    name = {"tain": tain, "rsync": rsync}[who]
    url = f"rsync://joe@127.0.0.1:{locked[of]}/s/"
    for secret, code in ((LONG, 0), ("wrong", 5)):
        words = ["-r", f"--protocol={p}", url, "dst/"]
        outcome = run(name, tree, env | {"RSYNC_PASSWORD": secret}, *words)
        assert outcome.code == code, outcome
    assert (tree / "dst/f").read_text() == "locked\n"


@old
def test_pro_104_the_end_of_a_list(p: int, program: str, daemons: dict[str, int]) -> None:
    """PRO-104: EXIT from 25 on, below it the daemon just closes."""
    with socket.create_connection(("127.0.0.1", daemons[program]), LIMIT) as sock:
        sock.sendall(b"@RSYNCD: %d.0 sha512\n\n" % p)
        text = sock.makefile("rb").read()
    lines = text.split(b"\n")
    assert lines[1:3] == [b"m              \tthe place", b"s              \tlocked"]
    assert lines[3:] == ([b"@RSYNCD: EXIT", b""] if p >= 25 else [b""])


@pytest.mark.parametrize("p", [20, 24, 25, 26])
def test_pro_104_a_list_that_is_closed(p: int, tain: str, tree: Path, env: dict[str, str]) -> None:
    """PRO-104 (tain): its end is a good one where the protocol has no other, and only there."""

    def hello(s: Session) -> None:
        assert s.wire.line() == b""
        s.wire.send(b"one            \tfirst\ntwo            \tsecond\n")

    with old_daemon(lambda s: None, p, hello) as (port, report):
        outcome = run(tain, tree, env, f"rsync://127.0.0.1:{port}/")
    assert report.error is None and outcome.out == b"one            \tfirst\ntwo            \tsecond\n"
    assert outcome.code == (0 if p < 25 else 5), outcome


@pytest.mark.parametrize(("who", "of"), [("tain", "rsync"), ("tain", "tain")])
@old
def test_pro_104_lists_of_real_daemons(
    p: int, who: str, of: str, tain: str, rsync: str, tree: Path, env: dict[str, str], daemons: dict[str, int]
) -> None:
    port = daemons[{"tain": tain, "rsync": rsync}[of]]
    outcome = run(tain, tree, env, f"--protocol={p}", f"rsync://127.0.0.1:{port}/")
    assert outcome.code == 0, outcome
    assert b"m              \tthe place\ns              \tlocked\n" in outcome.out


# ---- which protocol is offered


@pytest.mark.parametrize(
    ("least", "number", "refused"), [(27, 26, True), (27, 27, False), (24, 23, True), (24, 24, False)]
)
def test_a_daemon_may_refuse_old_clients(
    least: int, number: int, refused: bool, tain: str, space: Path, env: dict[str, str]
) -> None:
    """`tain oldest protocol` says where it ends; by default nothing is refused that rsync serves."""
    config = f"use chroot = no\ntain oldest protocol = {least}\n[m]\npath = {space}\ncomment = it\n"
    with Daemon(tain, space, env, config, "oldest") as server:
        _, sock = greet(server.port, b"@RSYNCD: %d\n" % number)
        with sock:
            sock.sendall(b"\n")
            text = sock.makefile("rb").read()
    said = b"@ERROR: your client is too old: protocol %d, where %d is the oldest one accepted\n" % (number, least)
    assert text == said if refused else b"it\n" in text
