"""What must not be quadratic: the processor time of n and of four times n, for everything that may be numerous.

A case makes the place for a number of things and gives the command lines that go through them. What is compared is the
processor time of the program and all its children (not the wall time, which depends on who else is at work), without
what the same run takes for a handful: four times as many things may take some four times as long, where sixteen would
be the square. The least of a few tries counts.
"""

from __future__ import annotations

import os
import resource
import shutil
import socket
import struct
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests import programs
from tests.interop.ends import Daemon, shell

FEW = 8
TIMES = 4
MOST = 8.5
"""Of the time for n, what four times n may take: twice what is linear, half of what is quadratic."""
LEAST = 0.04
"""Less processor time than this for n says nothing: it counts as this."""


@pytest.fixture
def ground() -> Iterator[Path]:
    """An empty directory in memory where there is one: many files are made."""
    where = "/dev/shm" if os.access("/dev/shm", os.W_OK | os.X_OK) else None
    base = Path(tempfile.mkdtemp(prefix="tain-cost-", dir=where))
    yield base
    shutil.rmtree(base, ignore_errors=True)


@dataclass
class Ground:
    """Where a case is set up, and with what it is run."""

    program: str
    place: Path
    rsh: Path

    @property
    def over_shell(self) -> list[str]:
        return ["-e", str(self.rsh), f"--rsync-path={self.program}"]

    def file(self, name: str, text: str) -> Path:
        path = self.place / name
        path.write_text(text)
        return path


Setup = Callable[[Ground, int], Sequence[str]]
"""Makes the place for that many things; the words after the program's name."""


def touch(directory: Path, names: Iterator[str] | Sequence[str], content: bytes = b"") -> None:
    directory.mkdir(parents=True, exist_ok=True)
    handle = os.open(directory, os.O_PATH)
    for name in names:
        file = os.open(name, os.O_WRONLY | os.O_CREAT, 0o644, dir_fd=handle)
        if content:
            os.write(file, content)
        os.close(file)
    os.close(handle)


def numbered(count: int) -> list[str]:
    return [f"file-{n}.txt" for n in range(count)]


def same_times(*directories: Path) -> None:
    for top in directories:
        for where, _, names in os.walk(top):
            for name in names:
                os.utime(os.path.join(where, name), (1_000_000_000, 1_000_000_000))


# ---- the cases


def requested_names(g: Ground, n: int) -> list[str]:
    touch(g.place / "src", numbered(n))
    names = g.file("list", "\n".join(numbered(n)))
    return ["-tn", f"--files-from={names}", *g.over_shell, f"h:{g.place}/src/", "dst/"]


def requested_paths(g: Ground, n: int) -> list[str]:
    """Each in a directory of its own."""
    for k in range(n):
        touch(g.place / f"src/d{k}", ["f"])
    names = g.file("list", "\n".join(f"d{k}/f" for k in range(n)))
    return ["-tn", f"--files-from={names}", *g.over_shell, f"h:{g.place}/src/", "dst/"]


def sent_paths(g: Ground, n: int) -> list[str]:
    return [*requested_paths(g, n)[:2], *g.over_shell, f"{g.place}/src/", "h:dst/"]


def bracketed_names(g: Ground, n: int) -> list[str]:
    """Names that look like wildcards."""
    names = [f"[{k}] x?.mp3" for k in range(n)]
    touch(g.place / "src", names)
    listed = g.file("list", "\n".join(names))
    return ["-tn", f"--files-from={listed}", *g.over_shell, f"h:{g.place}/src/", "dst/"]


def source_arguments(g: Ground, n: int) -> list[str]:
    touch(g.place / "src", numbered(n))
    return ["-tn", *(f"src/{name}" for name in numbered(n)), "dst/"]


def source_directories(g: Ground, n: int) -> list[str]:
    for k in range(n):
        touch(g.place / f"s/{k}", [f"f{k}"])
    return ["-tn", *(f"s/{k}/" for k in range(n)), "dst/"]


def filter_rules(g: Ground, n: int) -> list[str]:
    touch(g.place / "src", numbered(FEW))
    rules = g.file("rules", "".join(f"/no-{k}\n*.no-{k}\nno*{k}/**\n" for k in range(n)))
    return ["-rn", f"--exclude-from={rules}", *g.over_shell, "src/", f"h:{g.place}/dst/"]


def merge_rules(g: Ground, n: int) -> list[str]:
    touch(g.place / "src", ["f"])
    rules = g.file("rules", "".join(f": .rules-{k}\n" for k in range(n)))
    return ["-rn", f"--filter=. {rules}", "src/", "dst/"]


def hard_link_pairs(g: Ground, n: int) -> list[str]:
    touch(g.place / "src", (f"a{k}" for k in range(n)))
    for k in range(n):
        os.link(g.place / f"src/a{k}", g.place / f"src/b{k}")
    return ["-aH", *g.over_shell, "src/", f"h:{g.place}/dst/"]


def hard_link_group(g: Ground, n: int) -> list[str]:
    touch(g.place / "src", ["a"], b"x")
    for k in range(n):
        os.link(g.place / "src/a", g.place / f"src/b{k}")
    return ["-aH", *g.over_shell, "src/", f"h:{g.place}/dst/"]


def hard_link_group_in_directories(g: Ground, n: int) -> list[str]:
    touch(g.place / "src", ["a"], b"x")
    for k in range(n):
        (g.place / f"src/d{k}").mkdir()
        os.link(g.place / "src/a", g.place / f"src/d{k}/b")
    return ["-aH", *g.over_shell, "src/", f"h:{g.place}/dst/"]


def names_in_one_directory(g: Ground, n: int) -> list[str]:
    touch(g.place / "src", numbered(n))
    touch(g.place / "dst", numbered(n))
    same_times(g.place / "src", g.place / "dst")
    return ["-a", *g.over_shell, "src/", f"h:{g.place}/dst/"]


def empty_directories(g: Ground, n: int) -> list[str]:
    for k in range(n):
        (g.place / f"src/d{k}").mkdir(parents=True)
    return ["-a", *g.over_shell, "src/", f"h:{g.place}/dst/"]


def empty_directories_locally(g: Ground, n: int) -> list[str]:
    empty_directories(g, n)
    return ["-a", "src/", "dst/"]


def deep_tree(g: Ground, n: int) -> list[str]:
    handle = os.open(g.place, os.O_PATH)
    for name in ["src", *("d" for _ in range(n))]:
        os.mkdir(name, dir_fd=handle)
        below = os.open(name, os.O_PATH, dir_fd=handle)
        os.close(handle)
        handle = below
    os.close(handle)
    return ["-a", "src/", "dst/"]


def attribute_sets(g: Ground, n: int) -> list[str]:
    touch(g.place / "src", numbered(n))
    for k, name in enumerate(numbered(n)):
        os.setxattr(g.place / "src" / name, "user.mark", b"%d" % k)
    return ["-aX", *g.over_shell, "src/", f"h:{g.place}/dst/"]


def access_lists(g: Ground, n: int) -> list[str]:
    touch(g.place / "src", numbered(n))
    none = 0xFFFFFFFF
    for k, name in enumerate(numbered(n)):
        entries = [(1, 6, none), (2, 4, 10_000 + k), (4, 4, none), (16, 4, none), (32, 4, none)]
        value = struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)
        os.setxattr(g.place / "src" / name, "system.posix_acl_access", value)
    return ["-aA", "--numeric-ids", *g.over_shell, "src/", f"h:{g.place}/dst/"]


def alternate_directories(g: Ground, n: int) -> list[str]:
    """n files and four, or sixteen, directories to look for them in."""
    touch(g.place / "src", numbered(2000))
    for k in range(min(n, 20)):
        (g.place / f"alt{k}").mkdir()
    return ["-an", *(f"--link-dest={g.place}/alt{k}" for k in range(min(n, 20))), "src/", "dst/"]


def delayed_files(g: Ground, n: int) -> list[str]:
    touch(g.place / "src", numbered(n), b"x")
    return ["-a", "--delay-updates", *g.over_shell, "src/", f"h:{g.place}/dst/"]


def deletions(when: str) -> Setup:
    def setup(g: Ground, n: int) -> list[str]:
        touch(g.place / "src", numbered(n))
        touch(g.place / "dst", (f"old-{k}" for k in range(n)))
        for k in range(n // 4):
            touch(g.place / f"dst/d{k}", ["f"])
        return ["-an", when, *g.over_shell, "src/", f"h:{g.place}/dst/"]

    return setup


def missing_arguments(g: Ground, n: int) -> list[str]:
    (g.place / "src").mkdir()
    touch(g.place / "dst", numbered(n))
    names = g.file("list", "\n".join(numbered(n)))
    return ["-a", f"--files-from={names}", "--delete-missing-args", *g.over_shell, "src/", f"h:{g.place}/dst/"]


def removed_sources(g: Ground, n: int) -> list[str]:
    touch(g.place / "src", numbered(n))
    return ["-a", "--remove-source-files", *g.over_shell, "src/", f"h:{g.place}/dst/"]


def user_maps(g: Ground, n: int) -> list[str]:
    touch(g.place / "src", numbered(FEW))
    mapped = ",".join(f"{20_000 + k}:{k}" for k in range(n))
    return ["-an", f"--usermap={mapped}", "src/", "dst/"]


CASES: dict[str, tuple[Setup, int]] = {
    "requested-names": (requested_names, 2500),
    "requested-paths": (requested_paths, 1500),
    "sent-paths": (sent_paths, 1500),
    "requested-names-with-brackets": (bracketed_names, 2000),
    "source-arguments": (source_arguments, 2500),
    "source-directories": (source_directories, 200),
    "filter-rules": (filter_rules, 3000),
    "merge-rules": (merge_rules, 1500),
    "hard-link-pairs": (hard_link_pairs, 1500),
    "hard-link-group": (hard_link_group, 2500),
    "hard-link-group-in-directories": (hard_link_group_in_directories, 1000),
    "names-in-one-directory": (names_in_one_directory, 3000),
    "empty-directories": (empty_directories, 1500),
    "empty-directories-locally": (empty_directories_locally, 1500),
    "deep-tree": (deep_tree, 100),
    "attribute-sets": (attribute_sets, 1000),
    "access-lists": (access_lists, 1000),
    "alternate-directories": (alternate_directories, 4),
    "delayed-files": (delayed_files, 1500),
    "deletions-before": (deletions("--delete-before"), 2000),
    "deletions-during": (deletions("--delete-during"), 2000),
    "deletions-delayed": (deletions("--delete-delay"), 2000),
    "deletions-after": (deletions("--delete-after"), 2000),
    "missing-arguments": (missing_arguments, 2500),
    "removed-sources": (removed_sources, 2000),
    "user-maps": (user_maps, 2000),
}


def processor_time(command: Sequence[str], cwd: Path, env: dict[str, str]) -> float:
    """Of the run and of the processes that it started."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        command, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 0, done.stderr.decode(errors="replace")[:2000]
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def judge(measure: Callable[[int], float], few: int, count: int) -> None:
    """`measure` gives the processor time for a number of things. One more try is made while the answer is no."""
    least: dict[int, float] = {}
    for _ in range(3):
        for number in (few, count, TIMES * count):
            least[number] = min(measure(number), least.get(number, float("inf")))
        one = max(least[count] - least[few], LEAST)
        four = least[TIMES * count] - least[few]
        if four <= MOST * one:
            return
    raise AssertionError(f"{count}: {one:.3f} s, {TIMES * count}: {four:.3f} s, {four / one:.1f} times as much")


@pytest.mark.parametrize("what", CASES)
def test_four_times_as_many(what: str, space: Path, ground: Path, tain: str) -> None:
    setup, count = CASES[what]
    env = programs.environment(str(space))
    few = 1 if what == "alternate-directories" else FEW

    def measure(number: int) -> float:
        place = ground / "w"
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        words = setup(Ground(tain, place, shell(space)), number)
        return processor_time([tain, *words], place, env)

    judge(measure, few, count)


@pytest.mark.parametrize("way", ["local", "push", "pull"])
def test_more_source_directories_than_open_files(way: str, ground: Path, space: Path, tain: str) -> None:
    """`*/` in a large directory: more sources than the usual limit of open files has room for."""
    for k in range(300):
        touch(ground / f"s/{k}", [f"f{k}"])
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    over = ["-e", str(shell(space)), f"--rsync-path={tain}"] if way != "local" else []
    names = [f"{'h:' if way == 'pull' else ''}{ground}/s/{k}/" for k in range(300)]
    target = f"{'h:' if way == 'push' else ''}{ground}/d/"
    done = subprocess.run(
        [tain, "-a", *over, *names, target],
        cwd=ground,
        env=programs.environment(str(space)),
        capture_output=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (128, hard)),
    )
    assert done.returncode == 0, done.stderr.decode()
    assert len(os.listdir(ground / "d")) == 300


# ---- a daemon


def time_of(pid: int) -> float:
    """Of a process and the children that it has waited for."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def children_of(pid: int) -> dict[int, str]:
    """The names of its children by their ids."""
    children = map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())
    found = {}
    for child in children:
        with suppress(OSError):
            found[child] = Path(f"/proc/{child}/comm").read_text().strip()
    return found


@contextmanager
def served(program: str, space: Path, env: dict[str, str], config: str) -> Iterator[Daemon]:
    if os.geteuid() == 0:
        config = "uid = 0\ngid = 0\n" + config
    with Daemon(program, space, env, f"use chroot = no\n{config}", "cost") as daemon:
        yield daemon


def modules(g: Ground, n: int) -> tuple[str, list[str]]:
    return "".join(f"[m{k}]\npath = {g.place}\ncomment = number {k}\n" for k in range(n)), [""]


def secrets(g: Ground, n: int) -> tuple[str, list[str]]:
    lines = [f"user{k}:secret{k}\n" for k in range(n)]
    g.file("secrets", "".join(lines) + "joe:right\n").chmod(0o600)
    (g.place / "m").mkdir()
    config = f"[m]\npath = {g.place}/m\nauth users = joe\nsecrets file = {g.place}/secrets\n"
    return config, ["m/"]


def users(g: Ground, n: int) -> tuple[str, list[str]]:
    config, url = secrets(g, 1)
    names = " ".join(f"user{k}" for k in range(n))
    return config.replace("= joe", f"= {names} joe"), url


def hosts(g: Ground, n: int) -> tuple[str, list[str]]:
    (g.place / "m").mkdir()
    words = " ".join(f"10.{k >> 8 & 255}.{k & 255}.0/24" for k in range(n))
    return f"[m]\npath = {g.place}/m\nhosts deny = {words}\nhosts allow = {words} 127.0.0.1\n", ["m/"]


def daemon_rules(g: Ground, n: int) -> tuple[str, list[str]]:
    touch(g.place / "m", numbered(FEW))
    return f"[m]\npath = {g.place}/m\nexclude = {' '.join(f'/no-{k}' for k in range(n))}\n", ["m/"]


DAEMON_CASES: dict[str, tuple[Callable[[Ground, int], tuple[str, list[str]]], int]] = {
    "modules": (modules, 1500),
    "secrets": (secrets, 30_000),
    "users": (users, 5000),
    "hosts": (hosts, 2000),
    "rules": (daemon_rules, 10_000),
}


@pytest.mark.parametrize("what", DAEMON_CASES)
def test_four_times_as_many_in_a_daemon(what: str, space: Path, ground: Path, tain: str) -> None:
    """The processor time of the daemon alone, its start included."""
    setup, count = DAEMON_CASES[what]
    env = programs.environment(str(space), RSYNC_PASSWORD="right")

    def measure(number: int) -> float:
        place = ground / "w"
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        config, (url,) = setup(Ground(tain, place, shell(space)), number)
        with served(tain, space, env, config) as daemon:
            for _ in range(2):
                outcome = programs.run(
                    [tain, "-r", f"rsync://joe@127.0.0.1:{daemon.port}/{url}"], cwd=place, env=env, limit=120
                )
                assert outcome.code == 0, (outcome, daemon.said())
            end = time.monotonic() + 60
            # The one that looks names up stays as long as the daemon.
            while set((children := children_of(daemon.process.pid)).values()) - {"tain-names"}:
                assert time.monotonic() < end, f"children are left: {children}"
                time.sleep(0.01)
            return time_of(daemon.process.pid) + sum(map(time_of, children))

    judge(measure, FEW, count)


# ---- the search for blocks


def test_one_false_sum_at_each_byte(ground: Path, space: Path, tain: str) -> None:
    """A file of one byte against one of another: with this block length both have the rolling sum 0. The time is that
    of the file's length, not of file times block."""
    env = programs.environment(str(space))
    (ground / "dst").mkdir()
    (ground / "src").mkdir()

    def measure(number: int) -> float:
        (ground / "src/f").write_bytes(b"\xff" * (number << 16))
        (ground / "dst/f").write_bytes(bytes(1 << 20))
        os.utime(ground / "dst/f", (1, 1))
        return processor_time([tain, "-a", "--no-whole-file", "-B131072", "src/", "dst/"], ground, env)

    # 32 MiB: a strong sum at each byte would take some minutes.
    assert measure(512) - measure(1) < 2.0


def test_a_peer_that_invents_sums(ground: Path, space: Path, tain: str) -> None:
    """A client that knows the file asks for it with a sum for each of its places, all of them false."""
    from tests.protocol.client import Piped, read_lists
    from tests.protocol.ints import put_int32, put_shortint
    from tests.protocol.link import TRANSFER, Job, handshake

    (ground / "src").mkdir()
    size, length = 1 << 22, 1 << 17
    (ground / "src/f").write_bytes(b"\xff" * size)
    # One rolling sum and as many strong ones as there may be.
    sums = b"".join(put_int32(0) + k.to_bytes(16, "big") for k in range(100_000))
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with Piped(tain, Job(compact="r", paths=["src/"]), ground, programs.environment(str(space))) as s:
        handshake(s)
        read_lists(s)
        w = s.wire
        w.write(s.ndx_out.put(1) + put_shortint(TRANSFER))
        w.write(put_int32(100_000) + put_int32(length) + put_int32(16) + put_int32(0) + sums)
        w.flush()
        w.sock.shutdown(socket.SHUT_WR)
        w.gone()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 5.0
