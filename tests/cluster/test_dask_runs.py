"""`tain cluster sync` on a Dask cluster: the same results as one run, also when parts of the cluster die."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.servers import LIMIT, Site, site, wait_for
from tests.programs import PEER, PROGRAM, environment
from tests.sampling import runs_all


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with site(tmp_path_factory.mktemp("cluster")) as found:
        found.start_worker("--name=one", "--streams=2")
        found.start_worker("--name=two", "--streams=2")
        yield found


class Space:
    """A source, a destination and a plan."""

    def __init__(
        self, place: Path, cluster: Site, *, directories: int = 6, files: int = 12, size: int = 20_000
    ) -> None:
        self.place, self.cluster = place, cluster
        self.env = environment(str(place))
        for directory in range(directories):
            for file in range(files):
                path = place / f"src/{directory}/{file % 3}/file {file}"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(f"{directory} {file} ".encode() * (size // 6))
            os.link(path, place / f"src/{(directory + 1) % directories}-link")
        (place / "src/last").symlink_to("0")
        os.chmod(place / "src/0/0", 0o2750)
        for path in sorted((place / "src").rglob("*"), reverse=True):
            os.utime(path, (1_000_000_000, 1_000_000_000 + len(path.name)), follow_symlinks=False)

    def words(self, *words: str, plan: str = "plan") -> list[str]:
        sync = ["sync", f"--scheduler-file={self.cluster.file}", *self.cluster.words("client"), f"--plan-dir={plan}"]
        return [PROGRAM or "", "cluster", *sync, *words, "src/", "dst/"]

    def start(self, words: list[str]) -> subprocess.Popen[str]:
        return subprocess.Popen(
            words, cwd=self.place, env=self.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def run(self, words: list[str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(words, cwd=self.place, env=self.env, capture_output=True, text=True, timeout=2 * LIMIT)

    def resume(self) -> subprocess.CompletedProcess[str]:
        sync = [f"--scheduler-file={self.cluster.file}", *self.cluster.words("client")]
        return self.run([PROGRAM or "", "cluster", "resume", *sync, "plan"])

    def journal(self, op: str) -> list[dict[str, object]]:
        """The lines of the journal with this operation; the last one may be torn."""
        path = self.place / "plan/journal.jsonl"
        if not path.exists():
            return []
        lines = [json.loads(line) for line in path.read_bytes().split(b"\n")[:-1]]
        return [line for line in lines if line["op"] == op]

    def wait_for_done(self, number: int, running: subprocess.Popen[str]) -> None:
        """Wait until *number* runs of the plan are done."""
        wait_for(lambda: len(self.journal("done")) >= number or running.poll() is not None, f"{number} runs")
        assert running.poll() is None, running.communicate()

    def differences(self) -> str:
        """What rsync would still do."""
        command = [PEER, "-anicHAX", "--delete", "src/", "dst/"]
        return subprocess.run(command, cwd=self.place, capture_output=True, text=True, check=True).stdout


def kill_a_busy_worker(space: Space) -> None:
    """Kill the process of a worker that has a run of the plan."""

    def killed() -> bool:
        done = {(line["shard"], line["attempt"]) for line in space.journal("done")}
        running = [line for line in space.journal("lease") if (line["shard"], line["attempt"]) not in done]
        for line in reversed(running):
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(str(line["worker"]).rpartition("/")[2]), signal.SIGKILL)
                return True
        return False

    wait_for(killed, "a worker that has a run")


def test_the_same_result_as_in_this_process(cluster: Site, tmp_path: Path) -> None:
    """SCL-47: through Dask and through threads: tree, statistics, lines, code; deletions are counted once."""
    found = {}
    for name in ("dask", "local"):
        space = Space(tmp_path / name, cluster)
        (space.place / "dst/0/old").mkdir(parents=True)
        (space.place / "dst/0/old/file").write_text("x")
        words = space.words("-aHi", "--delete", "--stats", "--shards=6")
        if name == "local":
            words = [word for word in words if not word.startswith(("--tls", "--scheduler"))] + ["--local=3"]
        run = space.run(words)
        assert (run.returncode, run.stderr) == (0, "")
        assert space.differences() == ""
        lines = space.run([PROGRAM or "", "cluster", "log", "--order", "plan"]).stdout
        assert "*deleting   0/old/file" in lines
        figures = [line for line in run.stdout.splitlines() if line.startswith(("Number", "Total file", "Literal"))]
        found[name] = (figures, lines)
    assert found["dask"] == found["local"]


def test_a_worker_is_killed(cluster: Site, tmp_path: Path) -> None:
    """SCL-51, SCL-53: a worker dies twice; what is done is not begun again."""
    space = Space(tmp_path, cluster)
    # What a killed process leaves, this one deletes.
    running = space.start(space.words("-aH", "--delete", "--shards=8", "--bwlimit=1000"))
    for number in (2, 4):
        space.wait_for_done(number, running)
        kill_a_busy_worker(space)
    _, errors = running.communicate(timeout=2 * LIMIT)
    assert running.returncode == 0, errors
    assert space.differences() == ""
    done = [line["shard"] for line in space.journal("done")]
    assert len(done) == len(set(done))
    assert not list((tmp_path / "dst").rglob(".file*"))


def test_old_versions_are_in_their_backups_once(cluster: Site, tmp_path: Path) -> None:
    """SCL-55: a lost run with --backup begins again only when the first attempt has ended."""
    space = Space(tmp_path, cluster)
    old = {}
    for path in sorted((tmp_path / "src").rglob("file *")):
        target = tmp_path / "dst" / path.relative_to(tmp_path / "src")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(f"old {path}")
        old[target] = target.read_bytes()
    running = space.start(space.words("-a", "--backup", "--shards=8", "--bwlimit=1000"))
    space.wait_for_done(2, running)
    kill_a_busy_worker(space)
    _, errors = running.communicate(timeout=2 * LIMIT)
    assert running.returncode == 0, errors
    assert {path.with_name(path.name + "~"): text for path, text in old.items()} == {
        path: path.read_bytes() for path in (tmp_path / "dst").rglob("*~")
    }
    assert all(path.read_bytes() != text for path, text in old.items())


def test_the_coordinator_is_killed_and_resumed(cluster: Site, tmp_path: Path) -> None:
    """SCL-52, SCL-54: what is done is not done again; the streams of the dead one end by themselves."""
    space = Space(tmp_path, cluster)
    running = space.start(space.words("-aH", "--delete", "--shards=8", "--bwlimit=1000"))
    space.wait_for_done(3, running)
    running.kill()
    running.communicate()
    before = {(line["shard"], line["attempt"]) for line in space.journal("done")}
    resumed = space.resume()
    assert resumed.returncode == 0, resumed.stderr
    assert space.differences() == ""
    after = [(line["shard"], line["attempt"]) for line in space.journal("done")]
    assert before <= set(after)
    assert len({shard for shard, _ in after}) == len(after)
    again = space.resume()
    assert (again.returncode, "is finished" in again.stderr) == (0, True)


@pytest.mark.skipif(not runs_all("FAULT"), reason="one of many: FAULT=all runs it")
def test_the_scheduler_dies(tmp_path: Path) -> None:
    """The coordinator ends with 12 and says how to go on; another scheduler finishes the plan."""
    with site(tmp_path / "site") as cluster:
        cluster.start_worker()
        space = Space(tmp_path, cluster)
        running = space.start(space.words("-aH", "--shards=8", "--bwlimit=1000"))
        space.wait_for_done(2, running)
        cluster.scheduler.process.kill()
        _, errors = running.communicate(timeout=2 * LIMIT)
        assert running.returncode == 12, errors
        assert f"tain cluster resume {tmp_path}/plan" in errors
        cluster.scheduler = cluster.start_scheduler()
        cluster.start_worker()
        resumed = space.resume()
        assert resumed.returncode == 0, resumed.stderr
        assert space.differences() == ""


@pytest.mark.skipif(not runs_all("FAULT"), reason="one of many: FAULT=all runs it")
def test_a_cancelled_run_goes_on(cluster: Site, tmp_path: Path) -> None:
    space = Space(tmp_path, cluster)
    running = space.start(space.words("-aH", "--shards=8", "--bwlimit=500"))
    space.wait_for_done(2, running)
    running.terminate()
    _, errors = running.communicate(timeout=2 * LIMIT)
    assert running.returncode == 20, errors
    assert space.resume().returncode == 0
    assert space.differences() == ""


def test_workers_with_another_directory_get_nothing(cluster: Site, tmp_path: Path) -> None:
    """SCL-49: nothing is deleted when the source is another one than that of the plan."""
    space = Space(tmp_path, cluster)
    words = space.words("-a", "--delete")
    assert space.run([*words[:2], "plan", *words[3:]]).returncode == 0
    (tmp_path / "dst").mkdir()
    (tmp_path / "dst/precious").write_text("x")
    (tmp_path / "src").rename(tmp_path / "elsewhere")
    (tmp_path / "src").mkdir()
    resumed = space.resume()
    assert resumed.returncode == 12, resumed.stderr
    assert "is another directory: inode" in resumed.stderr
    assert "no worker is left that may have work" in resumed.stderr
    assert (tmp_path / "dst/precious").exists()


def test_no_secret_leaves_this_process(cluster: Site, tmp_path: Path) -> None:
    """SCL-75: passwords are refused; paths of keys are in no task, no plan and no log."""
    space = Space(tmp_path, cluster)
    space.env["RSYNC_PASSWORD"] = "open sesame"
    run = space.run(space.words("-a"))
    assert (run.returncode, "RSYNC_PASSWORD" in run.stderr) == (1, True)
    del space.env["RSYNC_PASSWORD"]
    assert space.run(space.words("-a", plan="other")).returncode == 0
    for path in (tmp_path / "other").rglob("*"):
        if path.is_file():
            assert b"sesame" not in path.read_bytes()
            assert b"client.key" not in path.read_bytes()
            assert not stat.S_IMODE(path.stat().st_mode) & 0o077
    for server in cluster.servers:
        assert "sesame" not in server.log.read_text()


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--scheduler=tcp://192.0.2.1:8786"], "is not encrypted"),
        (["--scheduler=tls://192.0.2.1:8786"], "needs --tls-dir"),
        (["--scheduler=nowhere"], "is not the address of a scheduler"),
        (["--scheduler-file=none"], "none: No such file"),
    ],
)
def test_schedulers_that_are_refused(words: list[str], text: str, tmp_path: Path) -> None:
    """SCL-71."""
    (tmp_path / "src").mkdir()
    command = [PROGRAM or "", "cluster", "sync", *words, "--plan-dir=plan", "-a", "src/", "dst/"]
    run = subprocess.run(command, cwd=tmp_path, env=environment(str(tmp_path)), capture_output=True, text=True)
    assert run.returncode in (1, 11)
    assert text in run.stderr
    assert not (tmp_path / "dst").exists()


SBATCH = """#!/bin/sh
# A batch system of one machine: runs the script at once, and prints a number.
grep '^#SBATCH' "$1" >> {place}/directives
cp "$1" {place}/script.$$
setsid sh {place}/script.$$ > {place}/job.$$ 2>&1 < /dev/null &
echo $! >> {place}/pids
echo "Submitted batch job $!"
"""
SCANCEL = """#!/bin/sh
for job; do kill -TERM -"$job" 2>/dev/null; done
exit 0
"""


def test_workers_of_a_batch_system(tmp_path: Path) -> None:
    """`--slurm`, with a batch system that is a script."""
    space = Space(tmp_path, Site.__new__(Site), directories=4)
    for name, text in (("sbatch", SBATCH), ("scancel", SCANCEL)):
        path = tmp_path / "bin" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text.format(place=tmp_path))
        path.chmod(0o755)
    space.env["PATH"] = f"{tmp_path}/bin:{space.env['PATH']}"
    slurm = "--slurm=-p io -t 1:00:00 -N 2"
    run = space.run([PROGRAM or "", "cluster", "sync", slurm, "--plan-dir=plan", "-aHv", "src/", "dst/"])
    logs = [path.read_text() for path in tmp_path.glob("job.*")]
    assert run.returncode == 0, (run.stderr, logs)
    assert space.differences() == ""
    directives = (tmp_path / "directives").read_text()
    assert directives.count("#SBATCH -p io\n") == directives.count("#SBATCH -t 1:00:00\n") == 2
    assert "--mem" not in directives
    # The second one may come too late for a short run.
    assert len(re.findall(r"worker \S+ joined", run.stderr)) in (1, 2)
    # The jobs end with the run.
    pids = (tmp_path / "pids").read_text().split()
    wait_for(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in pids), "the jobs end")
    assert stat.S_IMODE((tmp_path / "plan/tls/node.key").stat().st_mode) == 0o600
