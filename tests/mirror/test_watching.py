"""What a run looks at while it goes on: the timetable, the pace, the stamp, the source before deletions."""

from __future__ import annotations

import http.server
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import pytest

from tain.mirror import http as client
from tain.mirror import words
from tain.mirror.bandwidth import Pace, Rate
from tain.mirror.guards import judge_again
from tain.mirror.model import Guard, Job, Upstream
from tests.mirror.site import Site, daemon, names
from tests.mirror.test_runs import is_copying, wait_for
from tests.mirror.test_upstreams import stamp

HOURS = [{"from": "Mon-Fri 08:00", "rate": "10M"}, {"from": "Mon-Fri 19:00", "rate": "none"}]


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        ("2026-11-30 07:59", None),
        ("2026-11-30 08:00", 10 << 20),
        ("2026-11-30 18:59", 10 << 20),
        ("2026-11-30 19:00", None),
        # The last entry holds until Monday.
        ("2026-11-28 12:00", None),
        ("2026-12-04 12:00", 10 << 20),
    ],
)
def test_bandwidth_by_time_of_the_week(moment: str, expected: int | None) -> None:
    table = words.timetable(HOURS)
    assert table is not None and table.at(datetime.fromisoformat(moment)) == expected


@pytest.mark.parametrize(
    "value", [[], ["x"], [{"from": "Mon 25:00", "rate": "1M"}], [{"from": "Xyz 08:00", "rate": 1}], [{"from": "08:00"}]]
)
def test_a_timetable_that_cannot_be_read(value: object) -> None:
    with pytest.raises(ValueError, match=r"entry|moment|empty"):
        words.timetable(value)


def test_the_smallest_rate_counts() -> None:
    job = Job.model_validate({"destination": "/x", "resources": {"bandwidth": HOURS}, "timezone": "UTC"})
    rate = Rate(job, Upstream(url="x", bandwidth=30 << 20), 20 << 20, None)
    noon = datetime.fromisoformat("2026-11-30T12:00:00Z").timestamp()
    assert rate.now(noon) == 10 << 20 and rate.now(noon + 8 * 3600) == 20 << 20
    # The server's share takes the place of what the site gave at the start.
    assert rate.now(noon + 8 * 3600, 25 << 20) == 25 << 20


def test_mir_17_a_slow_upstream_is_left() -> None:
    pace = Pace(1000)
    assert not any(pace.is_slow(float(now), now * 1001, "copy") for now in range(1000))
    pace = Pace(1000)
    found = [now for now in range(1000) if pace.is_slow(float(now), now * 500, "copy")]
    assert found[0] == 600
    pace = Pace(1000)
    assert not any(pace.is_slow(float(now), 0, "scan") for now in range(1000))
    assert not any(Pace(None).is_slow(float(now), 0, "copy") for now in range(1000))


@pytest.mark.parametrize(
    ("busy", "marker_found", "reachable", "kind"),
    [
        ("", True, True, None),
        ("Update", None, True, "busy"),
        ("", False, True, "marker"),
        # Refused by `max connections`: the first look stands.
        ("", False, False, None),
    ],
)
def test_mir_27_the_source_is_looked_at_again(
    busy: str, marker_found: bool | None, reachable: bool, kind: str | None
) -> None:
    refusal = judge_again(Guard(marker="m"), busy, marker_found, reachable)
    assert (None if refusal is None else refusal.kind) == kind


def test_mir_27_a_marker_that_goes_while_the_run_goes_on(site: Site) -> None:
    """The deletions are held, the updates are made."""
    source = site.root / "src"
    (source / "marker").write_text("")
    site.job(more='guard = { marker = "marker" }\n')
    site.run("run", "one")
    (source / "d0/f0").unlink()
    (source / "big").write_bytes(os.urandom(3 << 20))
    with daemon(source) as server:
        site.job(source=server.url("pub"), more='guard = { marker = "marker" }\n')
        site.write(site.file.read_text().replace("nice = 0", "nice = 0, bandwidth = '1M'"))
        started = site.start("run", "one")
        wait_for(lambda: is_copying(site))
        (source / "marker").unlink()
        out = started.communicate(timeout=60)[0].decode()
    assert started.returncode == 25, out
    assert "held: the source has lost marker. Nothing was deleted" in out
    assert {"d0/f0", "big", "marker"} <= names(site.root / "dst")


def test_mir_22_a_stamp_that_changes_during_the_run(site: Site) -> None:
    """Content is as new as the stamp before the transfer, so the same run goes on with a second pass."""
    source = site.root / "src"
    stamp(source, 2)
    (source / "big").write_bytes(os.urandom(3 << 20))
    with daemon(source) as server:
        site.job(source=server.url("pub"), more='probe = { file = "stamp" }\n')
        site.write(site.file.read_text().replace("nice = 0", "nice = 0, bandwidth = '1M'"))
        started = site.start("run", "one")
        wait_for(lambda: is_copying(site))
        (source / "late").write_text("x")
        stamp(source, 1)
        out = started.communicate(timeout=60)[0].decode()
    assert started.returncode == 0, out
    assert "one: once more: the upstream has changed during the run" in out
    assert "late" in names(site.root / "dst")
    assert 3000 < site.status()["content_age"] < 4000


@contextmanager
def web(directory: Path) -> Iterator[str]:
    """A web server for *directory*."""

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *words: object) -> None:
            super().__init__(*words, directory=str(directory))  # type: ignore[arg-type]

        def log_message(self, format: str, *words: object) -> None: ...

        def do_GET(self) -> None:
            if self.path.startswith("/away"):
                self.send_response(302)
                self.send_header("Location", "file:///etc/passwd")
                self.end_headers()
                return
            super().do_GET()

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_mir_18_stamps_by_http(site: Site) -> None:
    source = site.root / "src"
    stamp(source, 1)
    with daemon(source) as server, web(source) as url:
        site.job(more='probe = { file = "stamp", via = "http" }\n')
        text = site.file.read_text().replace(f'source = "{source}/"\n', "")
        site.write(f'{text}[[job.one.upstream]]\nurl = "{server.url("pub")}"\nhttp = "{url}/"\n')
        site.run("run", "one")
        assert 3500 < site.status()["content_age"] < 4000
        assert "unchanged: the stamp" in site.run("run", "one")
    # A web server that does not answer is an upstream that does not.
    assert "no usable upstream" in site.run("run", "one", code=69)


def test_fetches_have_limits(tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(b"x" * 100_000)
    with web(tmp_path) as url:
        answer = client.fetch(url + "/large", 1000)
        assert answer is not None and answer.data == b"x" * 1000 and abs(answer.mtime - time.time()) < 60
        assert client.fetch(url + "/none", 1000) is None
        with pytest.raises(client.FetchError, match="redirected to another scheme"):
            client.fetch(url + "/away", 1000)
    with pytest.raises(client.FetchError):
        client.fetch(url + "/large", 1000, timeout=2.0)
