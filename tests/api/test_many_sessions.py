"""CCH-8: 200 sessions of all kinds at once in one process give the same results as one by one."""

from __future__ import annotations

import itertools
import os
import random
import socket
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import tain
from tain import transports
from tain.options.parse import parse
from tain.options.resolve import resolve
from tain.session import server
from tain.session.environment import Environment
from tests import programs
from tests.interop.ends import Daemon

SESSIONS = 200


class InThisProcess:
    """A server in a thread of this process, with a directory, an environment and a umask of its own."""

    def __init__(self, cwd: Path, umask: int, err: Path) -> None:
        self.cwd, self.umask, self.err = cwd, umask, err
        self.threads: list[threading.Thread] = []
        self.codes: list[int] = []

    def connect(self, command: Sequence[bytes], environ: Mapping[bytes, bytes]) -> transports.Connection:
        ours, theirs = socket.socketpair()

        def serve() -> None:
            words = list(command[1:])
            err = os.open(self.err, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            with theirs:
                fd = theirs.fileno()
                env = Environment(
                    argv=list(command),
                    environ={b"LC_ALL": b"C"},
                    cwd=os.fsencode(self.cwd),
                    stdin=fd,
                    stdout=fd,
                    stderr=err,
                    umask=self.umask,
                )
                self.codes.append(server.run(resolve(parse(words), environ=env.environ), words, env))
            os.close(err)

        thread = threading.Thread(target=serve, daemon=True)
        self.threads.append(thread)
        thread.start()

        def wait() -> int:
            thread.join(programs.LIMIT)
            ours.close()
            return self.codes[0]

        return transports.Fds(read=ours, write=ours, wait=wait)


def plant(base: Path, number: int) -> None:
    """A tree that is another one for each number; src/ and a destination that has something already."""
    rng = random.Random(number)
    for n in range(rng.randrange(3, 9)):
        folder = base / f"src/d{n}"
        folder.mkdir(parents=True)
        for k in range(rng.randrange(1, 5)):
            file = folder / f"f{number}-{k}"
            file.write_bytes(rng.randbytes(rng.randrange(3000)))
            file.chmod(rng.choice((0o600, 0o644, 0o666, 0o755)))
            os.utime(file, (1_000_000_000 + number, 1_000_000_000 + k))
    (base / "dst/d0").mkdir(parents=True)
    (base / "dst/d0/extra").write_text(str(number))
    for path in [*base.glob("src/*"), base / "src", base / "dst/d0/extra", base / "dst/d0", base / "dst"]:
        os.utime(path, (1_100_000_000, 1_100_000_000 + number))


def picture(base: Path) -> list[tuple[str, int, int, bytes]]:
    found = []
    for path in sorted(base.rglob("*")):
        status = path.lstat()
        if not path.is_dir():
            found.append((str(path.relative_to(base)), status.st_mode, int(status.st_mtime), path.read_bytes()))
        else:
            found.append((str(path.relative_to(base)), status.st_mode, 0, b""))
    return found


Kind = Callable[[Path, int, str], tain.Result]


def remote(base: Path, number: int, pull: bool, **keywords: Any) -> tain.Result:
    """With a server in this process; the remote path is relative to the server's directory."""
    far = InThisProcess(base, (0o022, 0o077, 0o002)[number % 3], base / "err")
    here, there = (base / "dst", "far:src/") if pull else (f"{base}/src/", "far:dst/")
    pair = (there, here) if pull else (here, there)
    return tain.sync(*pair, transport=far, guard=None, items=True, **keywords)


KINDS: dict[str, Kind] = {
    "local": lambda b, n, _: tain.sync(f"{b}/src/", b / "dst", items=True),
    "local-delete": lambda b, n, _: tain.sync("src/", "dst/", cwd=b, delete=True, items=True, guard=None),
    "dry": lambda b, n, _: tain.sync("src/", "dst/", cwd=b, dry_run=True, verbose=2, items=True),
    "missing": lambda b, n, _: tain.sync(f"nothing{n}", "dst/", cwd=b),
    "push": lambda b, n, _: remote(b, n, False),
    "push-no-perms": lambda b, n, _: remote(b, n, False, perms=False, delete=True, compress=True),
    "pull": lambda b, n, _: remote(b, n, True),
    "pull-checksum": lambda b, n, _: remote(b, n, True, checksum=True, exclude=["*-1"], verbose=1),
    "pull-daemon": lambda b, n, url: tain.sync(f"{url}/{b.name}/src/", b / "dst", guard=None, delete=True, items=True),
    "refused": lambda b, n, url: tain.sync(f"{url}x/", b / "dst"),
}


def outcome(result: tain.Result) -> tuple[object, ...]:
    """All of a result that two equal runs have in common."""
    items = sorted((item.operation, item.itemized, item.name, item.length, item.mode) for item in result.items or ())
    return result.code, items, sorted(map(str, result.messages)), sorted(map(str, result.errors))


@pytest.fixture
def url(space: Path, place: Path, tain: str) -> Iterator[str]:
    config = f"use chroot = no\n{'uid = 0' if os.geteuid() == 0 else ''}\n[m]\npath = {place}/many\n"
    with Daemon(tain, space, programs.environment(str(space)), config, "many") as daemon:
        yield f"rsync://127.0.0.1:{daemon.port}/m"


def run_all(base: Path, url: str, at_once: int) -> list[tuple[object, object]]:
    """The outcome and the tree of each session."""
    for n in range(SESSIONS):
        plant(base / f"{n}", n)
    kinds = list(itertools.islice(itertools.cycle(KINDS.values()), SESSIONS))
    barrier = threading.Barrier(at_once)

    def run(n: int) -> tain.Result:
        if at_once > 1:
            barrier.wait(programs.LIMIT)
        return kinds[n](base / f"{n}", n, url)

    with ThreadPoolExecutor(at_once) as pool:
        results = list(pool.map(run, range(SESSIONS)))
    return [(outcome(result), picture(base / f"{n}/dst")) for n, result in enumerate(results)]


def test_all_at_once(place: Path, url: str) -> None:
    before = os.getcwd(), os.umask(0o022)
    os.umask(before[1])
    one_by_one = run_all(place / "many", url, 1)
    (place / "many").rename(place / "first")
    at_once = run_all(place / "many", url, SESSIONS)
    for n, (alone, together) in enumerate(zip(one_by_one, at_once, strict=True)):
        assert together == alone, f"session {n}: {list(KINDS)[n % len(KINDS)]}"
    codes = {kind: {one_by_one[n][0][0] for n in range(i, SESSIONS, len(KINDS))} for i, kind in enumerate(KINDS)}  # type: ignore[index]
    assert codes == {kind: {{"missing": 23, "refused": 5}.get(kind, 0)} for kind in KINDS}
    assert (os.getcwd(), os.umask(0o022)) == before
    os.umask(before[1])
