"""What the server of mirror jobs costs at scale: 500 jobs, 200,000 runs in the history.

    .venv/bin/python bench/mirror_page.py [JOBS] [RUNS OF EACH]

Prints the times of the page and of documents, the memory of the server, and its processor time while nothing happens.
The aims: the page in 150 ms, 120 MB, 0.2 % of a processor. Nothing fails here: a busy machine measures itself.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tain.mirror.store import Store  # noqa: E402

#: Seconds without a request over which the idle server is measured, and requests of one address.
IDLE, REQUESTS = 60.0, 20


def build(place: Path, jobs: int, runs: int) -> Path:
    """A configuration, and a state with its history."""
    now = time.time()
    lines = ['[server]\nlisten = ["127.0.0.1:0"]\n']
    store = Store.open(str(place / "state/state.db"))
    for number in range(jobs):
        name = f"job{number:03}"
        lines.append(
            f'[job.{name}]\nsource = "rsync://host{number % 60}/{name}/"\ndestination = "{place}/dst/{name}"\n'
            f'every = "6h"\ndescription = "Packages of {name}"\n'
        )
        with store.transaction():
            for back in range(runs, 0, -1):
                started = now - back * 21600 / 4
                stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(started))
                store.put_run(
                    {"id": f"{stamp}-{number:04x}", "job": name, "trigger": "schedule", "queued": started,
                     "started": started, "ended": started + 60, "seconds": 60.0, "phase": "ended", "exit_code": 0,
                     "result": "success" if back % 4 else "unchanged", "received": 1 << 20, "new": 5, "changed": 2,
                     "deleted": 1, "upstream": f"rsync://host{number % 60}/{name}/"}
                )  # fmt: skip
            store.update_job(
                name, last_run=f"{stamp}-{number:04x}", last_good=now - 3600, last_check=now - 3600, files=1000,
                content_time=now - 3600, bytes=1 << 30, next_due=now + 3600 + number * 30,
                upstream=f"rsync://host{number % 60}/{name}/",
            )  # fmt: skip
    store.close()
    (place / "dst").mkdir()
    config = place / "mirror.toml"
    config.write_text("".join(lines))
    return config


def main() -> None:
    jobs = int(sys.argv[1]) if len(sys.argv) > 1 else 500
    runs = int(sys.argv[2]) if len(sys.argv) > 2 else 400
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        config = build(place, jobs, runs)
        words = [Path(sys.executable).parent / "tain-mirror", "--config", config, "--state", place / "state"]
        server = subprocess.Popen([*words, "serve"], stdout=subprocess.PIPE, text=True)
        try:
            assert server.stdout is not None
            address = server.stdout.readline().rpartition(": ")[2].strip()
            print(f"{jobs} jobs, {jobs * runs:,} runs")
            for path in ("", "?sort=age", "job/job007", "api/v1/status", "jobs", "metrics"):
                times = []
                for _ in range(REQUESTS):
                    begun = time.perf_counter()
                    with urllib.request.urlopen(address + path) as answer:
                        size = len(answer.read())
                    times.append(1000 * (time.perf_counter() - begun))
                print(
                    f"/{path:<16} median {statistics.median(times):6.1f} ms, first {times[0]:6.1f} ms, {size:,} bytes"
                )
            begun = time.perf_counter()
            subprocess.run([*words, "status"], stdout=subprocess.DEVNULL, check=True)
            print(f"tain mirror status: {1000 * (time.perf_counter() - begun):.0f} ms")
            process = psutil.Process(server.pid)
            print(f"memory: {process.memory_info().rss / 1e6:.0f} MB")
            before = sum(process.cpu_times()[:2])
            time.sleep(IDLE)
            used = sum(process.cpu_times()[:2]) - before
            print(f"idle: {100 * used / IDLE:.2f} % of a processor")
        finally:
            server.terminate()
            server.wait()


if __name__ == "__main__":
    main()
