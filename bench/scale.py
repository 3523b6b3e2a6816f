"""Several streams against one: what they gain where a stream waits, and what they cost where it does not.

    .venv/bin/python bench/scale.py                                   # some minutes
    .venv/bin/python bench/scale.py --scale full --runs 5             # the sizes of the goals
    .venv/bin/python bench/scale.py --rows jobs-mount-new,delete

Each row runs its contenders one after the other, again and again, so that a busy machine slows all of them. Figures
are medians; a ratio is the median of the ratios of the same round. Each copy is compared with its source, and one
that is not right ends the program with status 1. No figure does.

The far machine of the rows `jobs-window-big` and `jobs-rate-small` is this one behind bench/relay.py: 40 ms round
trip and 2 MiB under way for each connection, with a rate for the second row. The slow mount of `jobs-mount-new` and
`jobs-mount-nochange` has source and copy on it, and is bench/slow_mount.c: 200 us for each call that NFS would send
to a server. fpsync (Debian: fpart) is left out if it is not installed, the row `dask` without tain[cluster], and the
slow mount without a C compiler. Two cores cannot show what more processors, disks or machines gain.
"""

from __future__ import annotations

import argparse
import contextlib
import filecmp
import importlib.util
import os
import random
import resource
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

HERE = Path(__file__).resolve().parent
#: Seconds after which a run has failed.
LIMIT = 900
JOBS = 8
RELAY = f"{sys.executable} -I -S {HERE / 'relay.py'} --rtt 40ms --window 2MiB"
SLOW_US = 200
#: A time in the past, in seconds.
OLD = 1_000_000_000
FPSYNC = "fpsync -n 8"
#: What makes fpsync's copies those of `-a`; fpsync gives names, so that -r is not among them.
FPSYNC_OPTIONS = "-lptgoD"


@dataclass(frozen=True)
class Scale:
    """Numbers of files, and the bytes of each of the eight big ones."""

    big: int
    rate: int
    mount: int
    delete: int
    memory: int
    dask: int


SCALES = {
    "tiny": Scale(256 << 10, 200, 100, 500, 500, 100),
    "quick": Scale(16 << 20, 4000, 2000, 10_000, 20_000, 10_000),
    "full": Scale(32 << 20, 10_000, 10_000, 50_000, 50_000, 50_000),
}


@dataclass
class Contender:
    """One side of a row: a command, and what happens before its time is taken."""

    name: str
    words: list[str]
    prepare: Callable[[], object]
    environ: dict[str, str] = field(default_factory=dict)
    #: fpsync copies parts of a directory in several runs, which leaves the time of the directory to chance.
    folder_times: bool = True


@dataclass
class Spent:
    """What one run took: seconds, CPU seconds of all its processes, KiB (PSS) at the worst moment, delayed calls."""

    wall: float
    cpu: float
    memory: int
    calls: int


@dataclass
class Row:
    """Contenders over one tree. The first is one stream, the second what is measured against it."""

    name: str
    #: A field of `Spent`.
    measure: str
    #: The highest ratio of the second to the first that is aimed at, and of the second to fpsync.
    goal: float
    fpsync_goal: float | None
    source: Path
    copy: Path
    contenders: list[Contender]


class Wrong(Exception):
    """A run failed, or its copy is not right."""


def make_tree(root: Path, files: int, size: Callable[[random.Random], int], in_directory: int = 50) -> None:
    rng = random.Random(files)
    for n in range(files):
        folder = root / f"d{n // in_directory // 20:03}" / f"e{n // in_directory % 20:02}"
        if n % in_directory == 0:
            folder.mkdir(parents=True)
        (folder / f"file{n:06}").write_bytes(rng.randbytes(size(rng)))
    set_folder_times(root, OLD)


def set_folder_times(root: Path, at: int) -> None:
    """Give all directories a time in seconds. rsync does not repair a fraction if the second is right."""
    for folder, _, _ in os.walk(root):
        os.utime(folder, (at, at))


def entries(root: Path) -> Iterator[tuple[str, os.stat_result]]:
    for folder, names, files in os.walk(root):
        for name in [*names, *files]:
            path = os.path.join(folder, name)
            yield os.path.relpath(path, root), os.lstat(path)


def compare(source: Path, copy: Path, folder_times: bool) -> None:
    """Names, types, modes, times and contents; raises `Wrong`."""
    want, found = dict(entries(source)), dict(entries(copy))
    if odd := want.keys() ^ found.keys():
        raise Wrong(f"{len(odd)} names are on one side only, such as {min(odd)}")
    for name, here in want.items():
        there = found[name]
        timed = folder_times or not stat.S_ISDIR(here.st_mode)
        if here.st_mode != there.st_mode or (timed and here.st_mtime_ns != there.st_mtime_ns):
            wrong = f"{there.st_mode:o} {there.st_mtime_ns}, not {here.st_mode:o} {here.st_mtime_ns}"
            raise Wrong(f"mode and time of {name} are {wrong}")
        if stat.S_ISREG(here.st_mode) and not filecmp.cmp(source / name, copy / name, shallow=False):
            raise Wrong(f"the contents of {name} are not those of the source")


def processes(first: int) -> list[int]:
    """A process and all below it."""
    found = [first]
    for pid in found:
        with contextlib.suppress(OSError):
            for task in os.listdir(f"/proc/{pid}/task"):
                found += map(int, Path(f"/proc/{pid}/task/{task}/children").read_text().split())
    return found


def memory(first: int) -> int:
    """KiB that a process and all below it would free (PSS)."""
    total = 0
    for pid in processes(first):
        with contextlib.suppress(OSError):
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
            total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total


def run(one: Contender, scratch: Path, watch_memory: bool) -> Spent:
    """Run a contender once."""
    one.prepare()
    counter, log = scratch / "calls", scratch / "log"
    counter.unlink(missing_ok=True)
    environ = {**os.environ, "LC_ALL": "C.UTF-8", **one.environ}
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    with open(log, "wb") as out:
        child = subprocess.Popen(one.words, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=environ)
    most = 0
    try:
        while watch_memory and child.poll() is None and time.perf_counter() < start + LIMIT:
            most = max(most, memory(child.pid))
            time.sleep(0.005)
        code = child.wait(LIMIT)
    except BaseException:
        child.kill()
        child.wait()
        raise
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    if code:
        raise Wrong(f"{' '.join(one.words)} ended with {code}:\n{log.read_text(errors='replace')[-2000:]}")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    calls = int.from_bytes(counter.read_bytes(), sys.byteorder) if counter.exists() else 0
    if "LD_PRELOAD" in one.environ and not calls:
        raise Wrong(f"no call of {one.name} was delayed: the program does not call through the C library")
    return Spent(wall, cpu, most, calls)


class Bench:
    """The rows, in a scratch directory."""

    def __init__(self, scratch: Path, wanted: argparse.Namespace) -> None:
        self.scratch = scratch
        self.tain, self.scale = str(wanted.tain), SCALES[wanted.scale]
        self.jobs = [f"--jobs-limit=start-gap={wanted.start_gap}"] if wanted.start_gap is not None else []
        self.fpsync = shutil.which("fpsync") is not None

    def tree(self, name: str, files: int) -> Path:
        """A tree of files of 0 to 4 KB."""
        source = self.scratch / name / "source"
        make_tree(source, files, lambda rng: rng.randrange(4000))
        return source

    def one_and_many(self, source: Path, copy: Path, words: list[str], jobs: int) -> list[Contender]:
        def none() -> None:
            shutil.rmtree(copy, ignore_errors=True)

        ours = [self.tain, "-a", *words]
        ends = [f"{source}/", f"far:{copy}/" if words else f"{copy}/"]
        return [
            Contender("tain", [*ours, *ends], none),
            Contender(f"tain --jobs={jobs}", [*ours, f"--jobs={jobs}", *self.jobs, *ends], none),
            Contender("rsync", ["rsync", *[word for word in ours[1:] if "rsync-path" not in word], *ends], none),
        ]

    def with_fpsync(self, found: list[Contender], source: Path, copy: Path, far: str, files: int) -> list[Contender]:
        """Add fpsync with two parts for each of its eight runs, its own files elsewhere."""
        if self.fpsync:
            own = self.scratch / "fpsync"
            words = [*FPSYNC.split(), "-f", str(max(files // (2 * JOBS), 1)), "-t", str(own), "-o", FPSYNC_OPTIONS]
            words += [f"{source}/", f"far:{copy}/" if far else f"{copy}/"]
            environ = {"RSYNC_RSH": far} if far else {}

            def prepare() -> None:
                found[0].prepare()
                shutil.rmtree(own, ignore_errors=True)
                own.mkdir()
                copy.mkdir(exist_ok=True)

            found.append(Contender(FPSYNC, words, prepare, environ, folder_times=False))
        return found

    def far(self, name: str, shell: str, source: Path, files: int, goal: float, fpsync_goal: float) -> Row:
        copy = source.parent / "copy"
        found = self.one_and_many(source, copy, [f"--rsh={shell}", f"--rsync-path={self.tain}"], JOBS)
        found = self.with_fpsync(found, source, copy, shell, files)
        return Row(name, "wall", goal, fpsync_goal, source, copy, found)

    def window_big(self) -> Iterator[Row]:
        source = self.scratch / "big" / "source"
        source.mkdir(parents=True)
        for n in range(8):
            (source / f"big{n}").write_bytes(random.Random(n).randbytes(self.scale.big))
        yield self.far("jobs-window-big", RELAY, source, 8, 0.30, 0.9)

    def rate_small(self) -> Iterator[Row]:
        source = self.tree("rate", self.scale.rate)
        yield self.far("jobs-rate-small", f"{RELAY} --rate 4.5MB/s", source, self.scale.rate, 0.35, 0.5)

    def slow_mount(self) -> dict[str, str]:
        """Build the shim; returns the environment that makes the scratch directory slow."""
        shim = self.scratch / "slow_mount.so"
        if not shim.exists():
            words = ["-O2", "-shared", "-fPIC", "-Wno-nonnull-compare", "-o", str(shim), str(HERE / "slow_mount.c")]
            subprocess.run(["cc", *words], check=True)
        return {
            "LD_PRELOAD": str(shim),
            "SLOW_MOUNT_ROOT": str(self.scratch / "mount"),
            "SLOW_MOUNT_US": str(SLOW_US),
            "SLOW_MOUNT_COUNT": str(self.scratch / "calls"),
        }

    def mount(self, name: str, full: bool) -> Iterator[Row]:
        environ = self.slow_mount()
        source = self.tree("mount", self.scale.mount)
        copy = source.parent / "copy"
        found = self.one_and_many(source, copy, [], JOBS)
        for one in self.with_fpsync(found, source, copy, "", self.scale.mount):
            one.environ |= environ
            if full:
                own = one.prepare

                def fill(own: Callable[[], object] = own) -> None:
                    own()
                    subprocess.run(["cp", "-a", f"{source}/.", str(copy)], check=True)

                one.prepare = fill
        yield Row(name, "wall", 0.25, 0.5, source, copy, found)

    def mount_new(self) -> Iterator[Row]:
        yield from self.mount("jobs-mount-new", False)

    def mount_nochange(self) -> Iterator[Row]:
        yield from self.mount("jobs-mount-nochange", True)

    def delete(self) -> Iterator[Row]:
        """A fifth of the names is to be deleted; the others are up to date."""
        full = self.tree("delete", self.scale.delete)
        source, copy = full.parent / "less", full.parent / "copy"
        subprocess.run(["cp", "-a", str(full), str(source)], check=True)
        for number, (name, there) in enumerate(sorted(entries(source))):
            if number % 5 == 0 and stat.S_ISREG(there.st_mode):
                (source / name).unlink()
        set_folder_times(source, OLD + 1)

        def fill() -> None:
            shutil.rmtree(copy, ignore_errors=True)
            subprocess.run(["cp", "-al", str(full), str(copy)], check=True)

        found = self.one_and_many(source, copy, [], 4)
        for one in found:
            one.words[2:2] = ["--delete"]
            one.prepare = fill
        yield Row("delete", "cpu", 1.10, None, source, copy, found)

    def memory(self) -> Iterator[Row]:
        source = self.tree("memory", self.scale.memory)
        copy = source.parent / "copy"
        yield Row("memory", "memory", 2.5, None, source, copy, self.one_and_many(source, copy, [], JOBS))

    def dask(self) -> Iterator[Row]:
        """Two workers of one stream each, which are up before the time is taken."""
        source = self.tree("dask", self.scale.dask)
        copy, plan, tls = (source.parent / name for name in ("copy", "plan", "tls"))
        subprocess.run([self.tain, "cluster", "certs", str(tls), "localhost"], stdout=subprocess.DEVNULL, check=True)
        trust = [f"--tls-dir={tls}", "--tls-name=localhost", f"--scheduler-file={source.parent / 'scheduler.json'}"]
        with contextlib.ExitStack() as stack:
            scheduler = ["scheduler", "--port=0", "--dashboard=127.0.0.1:0"]
            for words in (scheduler, ["worker", "--name=1", "--streams=1"], ["worker", "--name=2", "--streams=1"]):
                stack.enter_context(server([self.tain, "cluster", *words, *trust], source.parent / "log"))
            _, many, _ = self.one_and_many(source, copy, [], 2)

            def none() -> None:
                many.prepare()
                shutil.rmtree(plan, ignore_errors=True)

            words = ["cluster", "sync", *trust, f"--plan-dir={plan}", "--shards=50", "-a"]
            cluster = Contender("tain cluster", [self.tain, *words, f"{source}/", f"{copy}/"], none)
            yield Row("dask", "wall", 1.15, None, source, copy, [many, cluster])


@contextlib.contextmanager
def server(words: list[str], log: Path) -> Iterator[None]:
    """A server that prints a line when it is ready."""
    with open(log, "ab") as errors:
        child = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors)
    assert child.stdout is not None
    try:
        if not child.stdout.readline():
            raise Wrong(f"{' '.join(words)} did not start: {log.read_text()[-2000:]}")
        yield
    finally:
        child.terminate()
        try:
            child.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            child.kill()
            child.communicate()


ROWS: dict[str, Callable[[Bench], Iterator[Row]]] = {
    "jobs-window-big": Bench.window_big,
    "jobs-rate-small": Bench.rate_small,
    "jobs-mount-new": Bench.mount_new,
    "jobs-mount-nochange": Bench.mount_nochange,
    "delete": Bench.delete,
    "memory": Bench.memory,
    "dask": Bench.dask,
}
UNITS = {"wall": "wall s", "cpu": "CPU s", "memory": "PSS MiB"}


def figure(spent: Spent, measure: str) -> float:
    return spent.memory / 1024 if measure == "memory" else spent.cpu if measure == "cpu" else spent.wall


def ratio(rounds: list[list[float]], one: int, other: int) -> float:
    return median(figures[one] / max(figures[other], 1e-6) for figures in rounds)


def measure_row(row: Row, runs: int, scratch: Path) -> None:
    """Measure a row, check all its copies, and print its lines of the table."""
    spent: list[list[Spent]] = []
    for _ in range(runs):
        spent.append([])
        for one in row.contenders:
            spent[-1].append(run(one, scratch, row.measure == "memory"))
            try:
                compare(row.source, row.copy, one.folder_times)
            except Wrong as error:
                raise Wrong(f"{one.name}: {error}") from None
            shutil.rmtree(row.copy)
    rounds = [[figure(one, row.measure) for one in each] for each in spent]
    for number, one in enumerate(row.contenders):
        first = row.name if number == 0 else ""
        value = median(figures[number] for figures in rounds)
        against = f"{ratio(rounds, number, 0):.2f}" if number else ""
        goal = reached = ""
        if number == 1:
            goal, reached = f"{row.goal:.2f}", "yes" if ratio(rounds, 1, 0) <= row.goal else "no"
        calls = median(each[number].calls for each in spent)
        note = f"{calls:.0f} delayed calls" if calls else ""
        print(f"| {first} | {one.name} | {value:.2f} {UNITS[row.measure]} | {against} | {goal} | {reached} | {note} |")
    names = [one.name for one in row.contenders]
    if FPSYNC in names and row.fpsync_goal:
        against_fpsync = ratio(rounds, 1, names.index(FPSYNC))
        reached = "yes" if against_fpsync <= row.fpsync_goal else "no"
        print(f"| | {names[1]} / {FPSYNC} | | {against_fpsync:.2f} | {row.fpsync_goal:.2f} | {reached} | |")
    sys.stdout.flush()


def left_out(row: str) -> str:
    """Why this machine cannot show a row; empty if it can."""
    if row.startswith("jobs-mount") and not shutil.which("cc"):
        return "a C compiler (cc) is not installed"
    if row == "dask" and not importlib.util.find_spec("distributed"):
        return "tain[cluster] is not installed in this Python"
    return ""


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", choices=list(SCALES), default="quick", help="sizes; without it quick")
    parser.add_argument("--rows", default=",".join(ROWS), help="names with commas between them: %(default)s")
    parser.add_argument("--runs", type=int, default=3, help="rounds; without it 3")
    parser.add_argument("--tain", type=Path, default=HERE.parent / ".venv/bin/tain", help="without it .venv/bin/tain")
    parser.add_argument("--start-gap", metavar="SECONDS", help="time between two connections; without it tain's own")
    parser.add_argument("--directory", help="where to copy; without it /dev/shm if it can be written")
    wanted = parser.parse_args()
    wanted.rows = [name for name in wanted.rows.split(",") if name]
    if unknown := [name for name in wanted.rows if name not in ROWS]:
        parser.error(f"there is no row {', '.join(unknown)}")
    if wanted.runs < 1:
        parser.error("--runs must be at least 1")
    # Not resolved: a virtual environment is found by the place of its link.
    wanted.tain = wanted.tain.absolute()
    for program in (str(wanted.tain), "rsync"):
        if not shutil.which(program):
            parser.error(f"{program} is not installed")
    return wanted


def main() -> int:
    wanted = arguments()
    # The scratch directory is removed, and servers end.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    base = wanted.directory or ("/dev/shm" if os.access("/dev/shm", os.W_OK) else None)
    with tempfile.TemporaryDirectory(prefix="tain-scale-", dir=base) as folder:
        bench = Bench(Path(folder).resolve(), wanted)
        if not bench.fpsync:
            print("fpsync is not installed (Debian: fpart); its lines are left out\n")
        print("| row | contender | median | ratio | goal | reached | |\n|---|---|---|---|---|---|---|")
        try:
            for name in wanted.rows:
                if why := left_out(name):
                    print(f"| {name} | left out: {why} | | | | | |")
                    continue
                for row in ROWS[name](bench):
                    measure_row(row, wanted.runs, bench.scratch)
                    # The next row may use the same place.
                    shutil.rmtree(row.source.parent)
        except (Wrong, OSError, subprocess.SubprocessError) as error:
            print(f"{name}: {error}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
