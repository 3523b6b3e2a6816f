"""An invented site with a history, the real server over it, and a real browser: for tests and for pictures."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tain.mirror.locks import myself
from tain.mirror.runs import Layout, RunFiles, new_id
from tain.mirror.store import Store

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

HOUR = 3600.0

#: name, description, profile, hours between runs, size in bytes, entries, host of the upstream
JOBS = (
    ("alpine", "Alpine Linux packages", 2, 2_900e9, 1_911_204, "rsync.alpinelinux.org"),
    ("archlinux", "Arch Linux packages and images", 1, 118e9, 93_411, "ftp.acc.umu.se"),
    ("ctan", "TeX packages and documents", 12, 61e9, 331_020, "rsync.dante.ctan.org"),
    ("debian", "Debian packages", 6, 1_912e9, 1_204_623, "ftp.example.kr"),
    ("epel", "Extra packages for Enterprise Linux", 4, 312e9, 61_030, "dl.fedoraproject.org"),
    ("kali", "Kali Linux packages", 6, 2_104e9, 1_488_202, "ftp.nluug.nl"),
    ("openwrt", "OpenWrt firmware and packages", 24, 901e9, 512_208, "downloads.openwrt.org"),
    ("videolan", "VLC and friends", 12, 210e9, 40_120, "rsync.videolan.org"),
)


def build(place: Path, now: float, *, jobs: int = 0) -> Path:
    """A configuration and a state below *place*; returns the configuration. *jobs*: so many more of them."""
    chance = random.Random(19)
    lines = [
        '[site]\nname = "Example Mirrors"\nadmin = "mirror@example.org"\ntimezone = "Asia/Seoul"\n',
        f'[server]\nlisten = ["127.0.0.1:0"]\npublic = "logs"\ntokens_file = "{place}/tokens.toml"\n',
    ]
    layout = Layout(str(place / "state"))
    store = Store.open(layout.database)
    more = tuple((f"more{n:03}", "One of many", 6, 1e9, 1000, f"host{n % 50}") for n in range(jobs))
    for name, description, hours, size, entries, host in (*JOBS, *more):
        lines.append(
            f'[job.{name}]\nsource = "rsync://{host}/{name}/"\ndestination = "{place}/dst/{name}"\n'
            f'every = "{hours}h"\ndescription = "{description}"\nurl = "/{name}/"\nguard = {{ min_free = 0 }}\n'
        )
        _history(store, layout, chance, name, hours * HOUR, size, entries, host, now)
    (place / "dst").mkdir()
    _special(store, layout, now)
    store.close()
    path = place / "mirror.toml"
    path.write_text("".join(lines))
    return path


def _history(
    store: Store, layout: Layout, chance: random.Random, name: str, every: float, size: float, entries: int, host: str,
    now: float,
) -> None:  # fmt: skip
    upstream = f"rsync://{host}/{name}/"
    last: dict[str, Any] = {}
    with store.transaction():
        for number in range(34, 0, -1):
            started = now - number * every + 0.3 * every
            unchanged = chance.random() < 0.25
            share = 0.0 if unchanged else chance.lognormvariate(-6.5, 0.9)
            received = int(size * share) + 12_000
            seconds = 4 + received / 24e6
            last = {
                "id": new_id(started), "job": name, "trigger": "schedule", "queued": started, "started": started,
                "ended": started + seconds, "seconds": seconds, "phase": "ended",
                "result": "unchanged" if unchanged else "success", "exit_code": 0, "why": "", "upstream": upstream,
                "attempts": 1, "files": entries, "bytes": int(size), "new": int(4000 * share * 50) or None,
                "changed": int(900 * share * 40), "deleted": int(1500 * share * 40), "received": received,
            }  # fmt: skip
            store.put_run(last)
    store.put_upstream(
        name, upstream, probed=now - 900, reachable=1, latency_ms=chance.randint(12, 240), content_time=now - 1800,
        rate=chance.uniform(8e6, 60e6),
    )  # fmt: skip
    store.update_job(
        name, next_due=last["started"] + every, last_run=last["id"], last_good=last["ended"], last_check=last["ended"],
        content_time=last["started"] - 600, upstream=upstream, files=entries, bytes=int(size),
    )  # fmt: skip


def _special(store: Store, layout: Layout, now: float) -> None:
    """What a site has on a bad day: a hold, a failing upstream, a running job, one that is paused."""
    held = new_id(now - 2 * HOUR)
    os.makedirs(layout.run("epel", held))
    why = "48,211 of 61,030 entries (79.0 %) would be deleted; the limit is 10 %"
    names = "".join(f"8/Everything/aarch64/Packages/a/package-{n}.el8.aarch64.rpm\0" for n in range(40))
    Path(layout.run("epel", held), "deletes.nul").write_text(names)
    store.put_run(
        {"id": held, "job": "epel", "trigger": "schedule", "queued": now - 2 * HOUR, "started": now - 2 * HOUR,
         "ended": now - 2 * HOUR + 94, "seconds": 94.0, "phase": "ended", "result": "held", "exit_code": 25, "why": why,
         "upstream": "rsync://dl.fedoraproject.org/epel/", "attempts": 1, "new": 14, "changed": 3, "deleted": 0,
         "received": 52_000_000, "planned_deletes": 48_211, "planned_of": 61_030}
    )  # fmt: skip
    store.update_job(
        "epel", hold="deletions", hold_why=why, hold_run=held, hold_at=now - 2 * HOUR, hold_deletes=48_211,
        last_run=held, next_due=now + 2 * HOUR,
    )  # fmt: skip
    error = "no usable upstream: rsync.dante.ctan.org: Connection refused (111)"
    for number in (3, 2, 1):
        failed = new_id(now - number * HOUR)
        store.put_run(
            {"id": failed, "job": "ctan", "trigger": "schedule", "queued": now - number * HOUR,
             "started": now - number * HOUR, "ended": now - number * HOUR + 190, "seconds": 190.0, "phase": "ended",
             "result": "failed", "exit_code": 69, "why": error, "attempts": 4, "hint": "D2",
             "upstream": "rsync://rsync.dante.ctan.org/CTAN/"}
        )  # fmt: skip
        store.put_attempt(
            {"run": failed, "n": 1, "upstream": "rsync://rsync.dante.ctan.org/CTAN/", "error": error,
             "started": now - number * HOUR, "ended": now - number * HOUR + 2, "exit_code": 10}
        )  # fmt: skip
    store.update_job(
        "ctan", failures=3, last_run=failed, last_good=now - 30 * HOUR, content_time=now - 31 * HOUR,
        next_due=now + 0.5 * HOUR,
    )  # fmt: skip
    store.put_upstream("ctan", "rsync://rsync.dante.ctan.org/ctan/", reachable=0, error="Connection refused (111)")
    store.update_job("videolan", paused_by="su", paused_at=now, paused_why="moving disks", paused_until=now + 6 * HOUR)
    holder = myself()
    running = new_id(now - 400)
    os.makedirs(layout.run("kali", running))
    row = {
        "id": running, "job": "kali", "trigger": "schedule", "queued": now - 400, "started": now - 399,
        "boot_id": holder.boot, "pid": holder.pid, "pid_ticks": holder.ticks, "phase": "staging",
        "stage": "payload",
        "upstream": "rsync://ftp.nluug.nl/kali/", "attempts": 1,
    }  # fmt: skip
    store.put_run(row)
    files = RunFiles(layout.run("kali", running))
    files.save({**row, "attempts": 1})
    files.event(
        "progress", phase="transfer", fraction=0.61, bytes=[8_100_000_000, 13_200_000_000], rate=21_000_000.0, left=243,
        entries=1_488_202, files=911, deleted=0,
    )  # fmt: skip
    files.close()


@contextmanager
def serving(config: Path, state: Path) -> Iterator[str]:
    """The real server; gives its address."""
    program = Path(sys.executable).parent / "tain-mirror"
    server = subprocess.Popen(
        [program, "serve", "--drain", "--config", config, "--state", state], stdout=subprocess.PIPE, text=True
    )
    assert server.stdout is not None
    line = server.stdout.readline()
    try:
        yield line.rpartition(": ")[2].strip()
    finally:
        # Not SIGTERM: that would cancel the run of the picture, whose process is this one.
        server.send_signal(signal.SIGKILL)
        server.wait()


@contextmanager
def browser(width: int, height: int, *, dark: bool = False, language: str = "en") -> Iterator[Chrome]:
    """Chromium without a window. Its driver is Debian's; nothing is downloaded."""
    os.environ["SE_OFFLINE"] = "true"
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    for word in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"):
        options.add_argument(word)
    options.add_argument(f"--window-size={width},{height}")
    options.add_argument(f"--lang={language}")
    options.add_experimental_option("prefs", {"intl.accept_languages": language})
    with tempfile.TemporaryDirectory() as profile:
        options.add_argument(f"--user-data-dir={profile}")
        driver = webdriver.Chrome(options=options, service=Service("/usr/bin/chromedriver"))
        try:
            features = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
            driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
            mobile = width < 500
            metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": mobile}
            driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
            yield driver
        finally:
            driver.quit()
