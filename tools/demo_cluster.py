"""`make demo-cluster`: a tree, two workers with TLS on this machine, one of them killed in the middle, an equal copy.

Everything happens in a temporary directory and on loopback ports, and nothing is left behind.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
import time
from pathlib import Path

TAIN = str(Path(sys.executable).parent / "tain")
#: Seconds after which a server or a run is given up.
LIMIT = 60.0


def say(text: str = "") -> None:
    print(text, flush=True)


def show(text: str) -> None:
    for line in text.splitlines():
        say("  " + line[:150])


def make_source(base: Path) -> Path:
    """The standard library of this Python."""
    library = Path(sysconfig.get_paths()["stdlib"])
    skip = shutil.ignore_patterns("site-packages", "__pycache__", "config-*", "*.so", "*.a")
    shutil.copytree(library, base / "from", symlinks=True, ignore=skip)
    os.link(base / "from/os.py", base / "from/json/the same file")
    return base / "from"


class Demo:
    """Servers and commands in a temporary directory."""

    def __init__(self, base: Path, stack: contextlib.ExitStack) -> None:
        self.base, self._stack = base, stack
        self.tls = ["--tls-dir=tls", "--tls-name=localhost"]

    def words(self, *words: str) -> list[str]:
        return [TAIN, "cluster", *words]

    def run(self, *words: str) -> str:
        done = subprocess.run(self.words(*words), cwd=self.base, capture_output=True, text=True, timeout=LIMIT)
        if done.returncode:
            raise SystemExit(f"tain cluster {' '.join(words)} ended with {done.returncode}: {done.stderr}")
        return done.stdout

    def start(self, *words: str) -> str:
        """Start a server; returns its first line."""
        say(f"$ tain cluster {' '.join(words)} &")
        with open(self.base / "servers.log", "ab") as log:
            server = subprocess.Popen(
                self.words(*words, *self.tls), cwd=self.base, stdout=subprocess.PIPE, stderr=log, text=True
            )
        self._stack.callback(_end, server)
        assert server.stdout is not None
        line = server.stdout.readline()
        if not line:
            raise SystemExit((self.base / "servers.log").read_text()[-2000:])
        show(line)
        return line

    def journal(self) -> list[dict[str, object]]:
        """The lines of the plan's journal."""
        path = self.base / "plan/journal.jsonl"
        if not path.exists():
            return []
        return [json.loads(line) for line in path.read_bytes().split(b"\n")[:-1]]

    def wait_for_done(self, number: int, running: subprocess.Popen[str]) -> None:
        end = time.monotonic() + LIMIT
        while sum(line["op"] == "done" for line in self.journal()) < number:
            if running.poll() is not None or time.monotonic() > end:
                raise SystemExit(f"the run ended early: {running.communicate()}")
            time.sleep(0.05)

    def kill_a_busy_worker(self, running: subprocess.Popen[str]) -> int:
        """Kill the process of a worker that has a run of the plan; returns its id."""
        while running.poll() is None:
            lines = self.journal()
            ended = {(line["shard"], line["attempt"]) for line in lines if line["op"] == "done"}
            busy = [line for line in lines if line["op"] == "lease" and (line["shard"], line["attempt"]) not in ended]
            if busy:
                pid = int(str(busy[-1]["worker"]).rpartition("/")[2])
                os.kill(pid, signal.SIGKILL)
                return pid
            time.sleep(0.01)
        raise SystemExit(f"the run ended early: {running.communicate()}")


def _end(server: subprocess.Popen[str]) -> None:
    server.terminate()
    try:
        server.wait(LIMIT)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


def main() -> int:
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="tain-demo-") as name, contextlib.ExitStack() as stack:
        demo = Demo(Path(name), stack)
        source = make_source(demo.base)
        say(f"a tree of {sum(len(files) for _, _, files in os.walk(source))} files, and certificates:")
        say("$ tain cluster certs tls localhost")
        show(demo.run("certs", "tls", "localhost"))
        line = demo.start("scheduler", "--port=0", "--dashboard=127.0.0.1:0", "--scheduler-file=scheduler.json")
        for number in (1, 2):
            demo.start("worker", "--scheduler-file=scheduler.json", f"--name=worker-{number}")
        pages = line.partition("pages at ")[2].strip()
        say(f"Dask's pages while this runs: {pages}")
        say("$ tain cluster doctor --scheduler-file=scheduler.json from")
        show(demo.run("doctor", "--scheduler-file=scheduler.json", *demo.tls, "from"))
        sync = ["sync", "--scheduler-file=scheduler.json", *demo.tls, "--plan-dir=plan", "--bwlimit=8000"]
        words = [*sync, "--shards=12", "-aHv", "--delete", "from/", "to/"]
        say("$ tain cluster " + " ".join(words))
        running = subprocess.Popen(
            demo.words(*words), cwd=demo.base, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        stack.callback(_end, running)
        demo.wait_for_done(3, running)
        pid = demo.kill_a_busy_worker(running)
        say(f"in the middle, one worker is killed: kill -9 {pid}")
        say("$ tain cluster status plan")
        show(demo.run("status", "plan"))
        out, errors = running.communicate(timeout=LIMIT)
        show(errors + out)
        if running.returncode:
            raise SystemExit(f"the run ended with {running.returncode}")
        say("$ tain cluster status plan")
        show(demo.run("status", "plan"))
        say("$ rsync -anicHAX --delete from/ to/")
        command = ["rsync", "-anicHAX", "--delete", "from/", "to/"]
        left = subprocess.run(command, cwd=demo.base, capture_output=True, text=True, check=True).stdout
        if left:
            show(left)
            raise SystemExit("the copy is not equal")
        say("  (nothing: the copy is equal)")
    say(f"done in {time.monotonic() - began:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
