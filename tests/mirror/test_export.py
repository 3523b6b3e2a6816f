"""MIR-77 to MIR-80: jobs for cron and systemd."""

from __future__ import annotations

import json
import subprocess
from datetime import datetime

import pytest
from cronsim import CronSim

from tain.mirror.exporters import calendars, cron_lines, timer
from tain.mirror.model import Job
from tests.mirror.site import Site


def job(**fields: object) -> Job:
    return Job.model_validate({"destination": "/d", **fields})


@pytest.mark.parametrize("every", ["10m", "1h", "6h", "12h", "1d", "1w"])
def test_intervals_as_lines_of_cron(every: str) -> None:
    """The line is due at the interval."""
    (line,) = cron_lines("debian", job(every=every))
    times = CronSim(line, datetime(2026, 11, 30))
    first = next(times)
    gaps = {(next(times) - first).total_seconds() for _ in range(1)}
    assert gaps == {job(every=every).every}
    assert cron_lines("debian", job(every=every)) == [line]


def test_what_cron_cannot_express() -> None:
    assert cron_lines("x", job(cron=["@daily", "5 4 * * 1"])) == ["0 0 * * *", "5 4 * * 1"]
    assert cron_lines("x", job(manual=True)) == []
    with pytest.raises(ValueError, match="cron has no line for every 5h"):
        cron_lines("x", job(every="5h"))


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("0 0 * * *", ["*-*-* 0:0:00"]),
        ("*/15 2-4 * * *", ["*-*-* 2..4:0/15:00"]),
        ("5 1,13 1 jan-mar *", ["*-1..3-1 1,13:5:00"]),
        ("30 2 * * 1-5", ["Mon,Tue,Wed,Thu,Fri *-*-* 2:30:00"]),
        ("30 2 * * sat,7", ["Sun,Sat *-*-* 2:30:00"]),
        ("30 2 * * 5-7", ["Sun,Fri,Sat *-*-* 2:30:00"]),
        # Cron takes either of the two.
        ("0 3 13 * 5", ["*-*-13 3:0:00", "Fri *-*-* 3:0:00"]),
        ("17 0-23/6 * * *", ["*-*-* 0..23/6:17:00"]),
    ],
)
def test_mir_79_lines_of_cron_as_calendars(line: str, expected: list[str]) -> None:
    found = calendars(line)
    assert found == expected
    for text in found:
        subprocess.run(["systemd-analyze", "calendar", text], check=True, capture_output=True)


def test_mir_78_timers() -> None:
    text = timer("one", job(cron="30 2 * * *", jitter="5m", timezone="Asia/Seoul", on_missed="skip"))
    assert "OnCalendar=*-*-* 2:30:00 Asia/Seoul\nPersistent=no\nRandomizedDelaySec=300\n" in text


def test_export(site: Site) -> None:
    site.job()
    text = site.run("export", "cron", "--all", "--user", "mirror")
    assert "/6 * * *  mirror  /" in text and text.endswith("tain mirror run -q one\n")
    units = site.root / "units"
    units.mkdir()
    site.run("export", "systemd", str(units))
    service = (units / "tain-mirror.service").read_text()
    assert f"ReadWritePaths={site.root}\n" in service and f"--config {site.file}\n" in service
    site.run("export", "systemd", str(units), "--timers")
    assert {path.name for path in units.iterdir()} == {
        "tain-mirror.service", "tain-mirror@.service", "tain-mirror@one.timer",
    }  # fmt: skip
    # MIR-77: systemd itself reads them.
    both = [str(units / "tain-mirror.service"), str(units / "tain-mirror@one.timer")]
    done = subprocess.run(["systemd-analyze", "verify", *both], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    site.write(site.file.read_text().replace("6h", "5h"))
    assert "cron has no line for every 5h" in site.run("export", "cron", "one", code=65)
    assert json.loads(site.run("export", "json-schema"))["title"] == "tain mirror"
