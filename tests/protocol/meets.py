"""A program that meets a hostile peer, and what must hold afterwards."""

from __future__ import annotations

import resource
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests import programs
from tests.protocol.client import Piped
from tests.protocol.link import Job, Session, handshake
from tests.protocol.server import ALL, daemon, linger

BIG31 = 0x7FFFFFFF
OLD = b"as it was"


def check(outcome: programs.Outcome, tree: Path, codes: set[int]) -> None:
    said = outcome.out + outcome.err
    for word in (b"panicked", b"Traceback", b"PanicException"):
        assert word not in said, outcome
    assert outcome.code in codes, outcome
    assert (tree / "dst/a").read_bytes() in (OLD, b"hello")
    assert not (tree / "up").exists() and not Path("/tain-escaped").exists()
    # No more memory than the list can need, whatever size was announced.
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss < 2_000_000


def client_meets(
    program: str,
    tree: Path,
    env: dict[str, str],
    talk: Callable[[Session], object],
    codes: set[int],
    *,
    p: int = 32,
    compat: int = ALL,
    options: str = "-rlt",
) -> None:
    (tree / "dst/a").write_bytes(OLD)

    def speak(s: Session) -> None:
        talk(s)
        s.wire.flush()
        # A side that has reported an error waits until the other side has answered or closed.
        s.wire.sock.shutdown(socket.SHUT_WR)
        linger(s)

    with daemon(speak, p=p, compat=compat) as (port, _):
        url = f"rsync://127.0.0.1:{port}/m/"
        outcome = programs.run([program, *options.split(), "--timeout=50", url, "dst/"], cwd=tree, env=env)
    check(outcome, tree, codes)


def server_meets(
    program: str, tree: Path, env: dict[str, str], talk: Callable[[Session], object], codes: set[int], **job: Any
) -> Session:
    (tree / "dst/a").write_bytes(OLD)
    words: dict[str, Any] = {"sender": False, "compact": "lDtpr", "paths": ["dst/"]}
    with Piped(program, Job(**{**words, **job}), tree, env) as s:
        handshake(s)
        s.wire.flush()
        talk(s)
        s.wire.flush()
    assert s.code is not None
    check(programs.Outcome(s.code, b"", s.err), tree, codes)
    return s
