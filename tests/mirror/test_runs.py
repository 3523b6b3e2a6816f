"""MIR-17 to MIR-23, MIR-41 to MIR-58: the life of a run, what is left when it is killed, what the commands say."""

from __future__ import annotations

import base64
import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import time
from datetime import datetime
from pathlib import Path

import pytest

from tain.mirror.locks import Holder, is_alive, myself
from tain.mirror.runs import Kept, Layout, clean_up, new_id
from tain.mirror.words import DAY, visible
from tests import programs
from tests.mirror.site import DEBIAN, Site, daemon, fill, names
from tests.ports import free_port


def wait_for(condition: object, limit: float = 30.0) -> None:
    """Wait until *condition*, a function, is true."""
    assert callable(condition)
    end = time.monotonic() + limit
    while not condition():
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.02)


def slow(site: Site, size: int = 4 << 20) -> None:
    """A job that takes some seconds: *size* bytes at 1 MB/s."""
    (site.root / "src/big").write_bytes(os.urandom(size))
    site.job()
    site.write(site.file.read_text().replace("nice = 0", "nice = 0, bandwidth = '1M'"))


def is_running(site: Site) -> bool:
    lock = site.state / "jobs/one/lock"
    if not lock.exists() or not lock.read_text():
        return False
    fields = json.loads(lock.read_text())
    return is_alive(Holder(fields["pid"], fields["ticks"], fields["boot"]))


def is_copying(site: Site, least: int = 1) -> bool:
    """Whether *least* bytes have been received, and the run goes on."""
    moments = [json.loads(line) for line in _events(site) if '"ev": "progress"' in line and line.endswith("}")]
    return is_running(site) and any(moment["bytes"][0] >= least for moment in moments)


def _events(site: Site) -> list[str]:
    path = site.state / "jobs/one/latest/events.jsonl"
    return path.read_text().splitlines() if path.exists() else []


# ---- upstreams and attempts


def test_mir_17_an_upstream_that_is_gone(site: Site) -> None:
    """The second upstream serves the run; the events have the reason."""
    with daemon(site.root / "src") as server:
        site.job()
        dead = f"rsync://127.0.0.1:{free_port()}/pub/"
        text = site.file.read_text().replace(f'"{site.root}/src/"', f'["{dead}", "{server.url("pub")}"]')
        site.write(text.replace("attempts = 1", "attempts = 2, wait = 0"))
        out = site.run("run", "one")
    assert out.startswith("one: from 127.0.0.1 (1 of 2 usable)\n")
    (choice,) = [json.loads(line) for line in _events(site) if '"choice"' in line]
    assert "Connection refused (111)" in choice["reasons"][dead]
    assert "one: success in " in out and " from 127.0.0.1: " in out
    assert names(site.root / "dst") == names(site.root / "src")
    (run,) = site.runs()
    assert run["attempts"] == 1 and run["upstream"] == server.url("pub")


def test_mir_17_no_upstream_at_all(site: Site) -> None:
    site.job(source=f"rsync://127.0.0.1:{free_port()}/pub/")
    text = site.run("run", "one", code=69)
    assert "one: failed after " in text and "no usable upstream: " in text and "Connection refused (111)" in text
    assert "  hint D2: nothing listens there" in text
    site.run("run", "one", code=69)
    assert site.status()["state"] == "failing"
    text = site.run("status", "--check", code=2)
    assert text.startswith("CRITICAL - one failing (failed: no usable upstream: ")


def test_mir_18_stages_bring_indices_last(site: Site) -> None:
    """The payload stage leaves the indices and deletes nothing; the last stage does both."""
    for name in ("Packages", "pool/a.deb", "dists/x/by-hash/1"):
        path = site.root / "src" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    site.job(more=DEBIAN)
    assert site.run("run", "one", "--stage", "payload").splitlines()[0] == "one: from local"
    assert "dists/x/by-hash/1" in names(site.root / "dst") and "Packages" not in names(site.root / "dst")
    (site.root / "src/d0/f0").unlink()
    site.run("run", "one", "--stage", "payload")
    assert "d0/f0" in names(site.root / "dst")
    text = site.run("run", "one")
    assert [line.split()[0] for line in text.splitlines()] == ["one:", "payload", "delete", "indices", "one:"]
    assert names(site.root / "dst") == names(site.root / "src")


def test_mir_23_a_password_and_its_absence(site: Site) -> None:
    secret = site.root / "secrets"
    secret.write_text("user:word\n")
    secret.chmod(0o600)
    (site.root / "pw").write_text("word\n")
    (site.root / "pw").chmod(0o600)
    with daemon(site.root / "src", **{"auth users": "user", "secrets file": str(secret)}) as server:
        url = server.url("pub").replace("//", "//user@")
        site.job()
        text = site.file.read_text().replace(
            f'source = "{site.root}/src/"', f'upstream = [{{ url = "{url}", password_file = "{site.root}/pw" }}]'
        )
        site.write(text)
        site.run("run", "one")
        # Neither the user nor the word is anywhere that others read.
        for output in (site.run("status", "one"), site.run("history"), site.run("check", "--effective", "one")):
            assert "user@" not in output and "word\n" not in output
        (site.root / "pw").write_text("wrong\n")
        assert "auth failed" in site.run("run", "one", code=69)


# ---- one run at a time


def test_mir_43_a_second_run_is_deferred(site: Site) -> None:
    slow(site)
    first = site.start("run", "one")
    wait_for(lambda: is_copying(site))
    # It may take as long as these commands need.
    os.kill(site.runner(), signal.SIGSTOP)
    status = site.status()
    assert status["state"] == "running" and status["run"]["stage"] == "mirror"
    text = site.run("run", "one", code=75)
    assert "one: deferred: the job runs already (run 20" in text and f"process {site.runner()}" in text
    # Somebody who waits gets the lock.
    waiting = site.start("run", "one", "--wait", "1m")
    wait_for(lambda: len(site.runs()) == 3)
    os.kill(site.runner(), signal.SIGCONT)
    assert first.wait(60) == 0 and waiting.wait(60) == 0
    assert [run["result"] for run in site.runs()].count("success") == 2


def test_mir_55_stop_from_elsewhere(site: Site) -> None:
    # Much longer than the command that stops it needs to start.
    slow(site, 32 << 20)
    started = site.start("run", "one")
    wait_for(lambda: is_copying(site))
    text = site.run("stop", "one")
    assert "one: stopping run 20" in text and "(partial data kept)" in text
    assert started.wait(30) == 20
    assert site.runs()[0]["result"] == "cancelled"
    assert "does not run" in site.run("stop", "one", code=69)
    # What was received is continued.
    assert any((site.root / "dst/.~tmp~").iterdir())
    site.job()
    site.run("run", "one")
    assert names(site.root / "dst") == names(site.root / "src")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_mir_55_a_signal_cancels(number: signal.Signals, site: Site) -> None:
    slow(site, 32 << 20)
    started = site.start("run", "one")
    wait_for(lambda: is_copying(site))
    started.send_signal(number)
    assert started.wait(30) == 20
    assert not is_running(site) and site.runs()[0]["result"] == "cancelled"


def test_mir_42_a_run_outlives_its_command(site: Site) -> None:
    slow(site)
    started = site.start("run", "one")
    wait_for(lambda: is_copying(site))
    started.kill()
    started.wait()
    # It may take as long as this command needs.
    os.kill(site.runner(), signal.SIGSTOP)
    assert site.status()["state"] == "running"
    os.kill(site.runner(), signal.SIGCONT)
    wait_for(lambda: not is_running(site))
    assert site.status()["last"]["result"] == "success"


def test_a_run_that_takes_too_long_or_moves_nothing(site: Site) -> None:
    slow(site, 32 << 20)
    site.write(site.file.read_text() + "max_runtime = 1\n")
    assert "the run has taken 1s" in site.run("run", "one", code=30)


# ---- killed


def is_whole(text: str) -> bool:
    """Whether *text* is all of what one version of a file had."""
    head = " ".join(text.split(" ")[:2]) + " "
    return text == head * 2000 or (len(text) == 20_000 and text.rstrip("x").strip().isdigit())


def test_mir_41_killed_runners(site: Site) -> None:
    """SIGKILL at random moments: history says `lost` once, nothing is torn, the next run reaches the source's state."""
    chance = random.Random(41)
    site.job()
    fill(site.root / "src", 400, size=20_000)
    # Slow enough for every kill to hit.
    site.write(site.file.read_text().replace("nice = 0", "nice = 0, bandwidth = '100K'"))
    rounds = 6
    for number in range(rounds):
        for index in range(10):
            path = site.root / f"src/d{chance.randrange(40)}/f{index}"
            path.write_text(f"{number} {index} " * 2000)
            os.utime(path, (number, number))
        started = site.start("run", "one")
        wait_for(lambda: is_running(site))
        time.sleep(chance.random() * 0.4)
        try:
            site.kill_runner()
        except ProcessLookupError:
            pass
        started.wait(30)
        lost = [run for run in site.runs() if run["result"] == "lost"]
        assert len([run for run in site.runs() if run["result"] is None]) == 0
        assert len({run["id"] for run in lost}) == len(lost) <= number + 1
        for path in (site.root / "dst").rglob("f*"):
            if path.is_file() and ".~tmp~" not in path.parts and not path.name.startswith("."):
                assert is_whole(path.read_text()), path
    assert [run for run in site.runs() if run["result"] == "lost"], "none of the kills hit a run"
    site.job()
    site.run("run", "one")
    assert names(site.root / "dst") == names(site.root / "src")
    for path in (site.root / "src").rglob("f*"):
        assert path.read_bytes() == (site.root / "dst" / path.relative_to(site.root / "src")).read_bytes()


def test_mir_44_another_boot(site: Site) -> None:
    """After the power failed, the number of the runner may be that of any process."""
    site.job()
    site.run("run", "one")
    with sqlite3.connect(site.state / "state.db") as database:
        database.execute(
            "INSERT INTO run (id, job, queued, boot_id, pid, pid_ticks, phase) "
            "VALUES (?, 'one', 1, 'other', ?, 0, 'staging')",
            ("20260101T000000Z-0000", os.getpid()),
        )
    database.close()
    found = {run["id"]: run for run in site.runs()}
    assert found["20260101T000000Z-0000"]["result"] == "lost"
    assert found["20260101T000000Z-0000"]["why"] == "the runner vanished while staging"


@pytest.mark.parametrize("harm", ["deleted", "truncated", "garbage"])
def test_mir_47_the_database_is_lost(harm: str, site: Site) -> None:
    """It is made again from the files of the runs; pauses and holds are not lost."""
    site.job()
    site.run("run", "one")
    for path in sorted((site.root / "src").rglob("f*"))[:22]:
        path.unlink()
    site.run("run", "one", code=25)
    site.run("hold", "one", "--why", "moving disks")
    before = site.status()
    path = site.state / "state.db"
    for tail in ("-wal", "-shm"):
        Path(f"{path}{tail}").unlink(missing_ok=True)
    if harm == "deleted":
        path.unlink()
    elif harm == "truncated":
        os.truncate(path, 5000)
    else:
        path.write_bytes(b"x" * 9000)
    after = site.status()
    for key in ("state", "paused", "size", "upstream"):
        assert after[key] == before[key], key
    assert after["hold"]["deletions"] == 22
    # Both may have begun in one second.
    assert sorted(run["result"] for run in site.runs()) == ["held", "success"]
    if harm != "deleted":
        assert len(list(site.state.glob("state.db.bad-*"))) == 1


def test_mir_47_a_newer_state_is_refused(site: Site) -> None:
    site.job()
    site.run("run", "one")
    with sqlite3.connect(site.state / "state.db") as database:
        database.execute("PRAGMA user_version = 99")
    database.close()
    assert "was written by a newer version" in site.run("status", code=73)


def test_mir_45_the_state_directory_is_full(site: Site) -> None:
    """The transfer goes on, and its result is not lost."""
    programs.need_root()
    site.job()
    site.state.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "disk", site.state], check=True)
    try:
        site.run("status")
        (site.state / "filler").write_bytes(bytes(1 << 19))
        with (site.state / "more").open("wb") as file:
            try:
                while True:
                    file.write(bytes(4096))
                    file.flush()
                    if os.statvfs(site.state).f_bavail * os.statvfs(site.state).f_frsize < 150_000:
                        break
            except OSError:
                pass
        fill(site.root / "src", 3000)
        site.run("run", "one", code=None)
        assert names(site.root / "dst") == names(site.root / "src")
        (site.state / "more").unlink()
        assert site.status()["last"]["result"] == "success"
    finally:
        subprocess.run(["umount", site.state], check=True)


def test_mir_45_the_state_cannot_be_made(site: Site) -> None:
    site.job()
    site.state.write_text("a file")
    assert "tain mirror: " in site.run("run", "one", code=73)


def test_the_destination_cannot_be_made(site: Site) -> None:
    site.job()
    site.write(site.file.read_text().replace("/dst", "/no/dst"))
    assert "no/dst cannot be created: No such file or directory" in site.run("run", "one", code=73)


# ---- what the commands say


def test_mir_51_the_samples_of_the_specification(site: Site) -> None:
    with daemon(site.root / "src") as server:
        site.job(source=server.url("pub"))
        lines = site.run("run", "one").splitlines()
    assert lines[0] == "one: from 127.0.0.1"
    assert lines[1].startswith("mirror   30 files, 300 B  done in ")
    assert lines[2].startswith("one: success in ") and ": 33 new, 0 changed, 0 deleted; received " in lines[2]
    head, row, summary = site.run("status").splitlines()
    assert head.split() == ["JOB", "STATE", "CONTENT", "LAST", "GOOD", "NEXT", "SIZE", "UPSTREAM", "NOTE"]
    assert row.split()[:2] == ["one", "fresh"] and "300 B" in row and row.endswith("127.0.0.1")
    assert summary == "1 job: 1 fresh"
    table = site.run("history", "one").splitlines()
    assert table[0].split()[0] == "RUN" and table[1].split()[-1] == "hand" and "33/0/0" in table[1]
    assert site.run("status", "--check") == "OK - 1 jobs | fresh=1 running=0 held=0 failing=0 stale=0\n"


def test_mir_52_json(site: Site) -> None:
    site.job()
    events = [json.loads(line) for line in site.run("run", "one", "--json").splitlines()]
    assert [event["n"] for event in events[:-1]] == [*range(1, len(events))]
    assert events[-1]["schema"] == "tain.mirror.run/1" and events[-1]["result"] == "success"
    document = site.json("status")
    assert document["schema"] == "tain.mirror.status/1" and document["counts"] == {"fresh": 1}
    assert document["jobs"][0]["size"] == {"files": 33, "bytes": 300}
    error = site.json("run", "nobody", code=64)
    assert error["schema"] == "tain.mirror.error/1" and error["errors"][0]["text"] == "there is no job nobody"


def test_mir_53_quiet_runs_say_only_what_is_wrong(site: Site) -> None:
    site.job()
    assert site.run("run", "-q", "one") == ""
    shutil.rmtree(site.root / "src")
    (site.root / "src").mkdir()
    assert "held" in site.run("run", "-q", "one", code=77)


def test_mir_53_several_jobs_and_the_worst_exit_code(site: Site) -> None:
    site.job()
    text = site.file.read_text()
    site.write(text + text.replace("[job.one]", "[job.two]").replace("/dst", "/dst2").replace("/src/", "/gone/"))
    out = site.run("run", "--all", "-j", "2", code=69)
    assert "one: success" in out and "two: failed" in out
    site.run("run", "o*")
    assert "there is no job x*" in site.run("run", "x*", code=64)
    assert site.run("run", code=64).splitlines()[0].startswith("Usage: ")


def test_mir_53_due_jobs(site: Site) -> None:
    """`--due` runs what is due, once; a manual job never is."""
    site.job()
    text = site.file.read_text()
    site.write(
        text.replace('every = "6h"', 'every = "1s"\njitter = 0')
        + text.replace("[job.one]", "[job.two]").replace("/dst", "/dst2").replace('every = "6h"', "manual = true")
        + text.replace("[job.one]", "[job.off]").replace("/dst", "/dst3") + "enabled = false\n"
    )  # fmt: skip
    time.sleep(1.1)
    site.run("run", "--due")
    time.sleep(1.1)
    site.run("run", "--due")
    assert {(run["job"], run["trigger"]) for run in site.json("history")["runs"]} == {("one", "schedule")}
    site.run("hold", "one")
    count = len(site.runs())
    time.sleep(1.1)
    site.run("run", "--due")
    assert len(site.runs()) == count, "a paused job does not start by its schedule"
    site.run("release", "one")
    assert {job["name"]: job["state"] for job in site.json("status")["jobs"]} == {
        "one": "fresh", "two": "new", "off": "disabled"
    }  # fmt: skip


def test_mir_54_a_dry_run_changes_nothing(site: Site) -> None:
    site.job()
    # The destination is new too.
    assert "one: dry run: 34 new, 0 changed, 0 deleted" in site.run("run", "one", "-n")
    assert {path.name for path in site.root.iterdir()} == {"mirror.toml", "src", "state"} and site.runs() == []
    assert ">f+++++++++ d0/f0" in site.run("run", "one", "-n", "-v")


def test_mir_54_no_delete(site: Site) -> None:
    site.job()
    site.run("run", "one")
    (site.root / "src/d0/f0").unlink()
    site.run("run", "one", "--no-delete")
    assert (site.root / "dst/d0/f0").exists()


def test_mir_56_names_and_banners_of_others_are_harmless(site: Site) -> None:
    """Escape sequences in names, in a greeting and in an error do not reach the terminal."""
    evil = "evil\x1b]0;x\x07\u202e\x9b"
    (site.root / "src" / evil).write_text("x")
    (site.root / "motd").write_text("hello \x1b[31m\n")
    os.mkdir(os.fsencode(site.root / "src") + b"/\xff\x1bdir")
    with daemon(site.root / "src") as server:
        site.job(source=server.url("pub"))
        site.run("run", "one")
        (site.root / "src" / evil).unlink()
        os.rmdir(os.fsencode(site.root / "src") + b"/\xff\x1bdir")
        outputs = [site.run("run", "one"), site.run("log", "one"), site.run("log", "one", "--deletes")]
        site.job(source=json.dumps(server.url("pub") + evil + "/")[1:-1])
        outputs += [site.run("run", "one", code=None), site.run("status"), site.run("history"), site.run("check")]
    for text in outputs:
        assert not set(text) & set("\x1b\x07\u202e\x9b"), text
    assert "evil\\u{1b}]0;x\\u{7}\\u{202e}\\u{9b}" in outputs[2] and "\\xff\\u{1b}dir" in outputs[2]


def test_mir_57_completion_knows_the_names(site: Site) -> None:
    site.job("debian")
    environment = {
        **site.environment(), "_TAIN_MIRROR_COMPLETE": "bash_complete", "COMP_WORDS": "tain-mirror run de",
        "COMP_CWORD": "2", "TAIN_MIRROR_CONFIG": str(site.file),
    }  # fmt: skip
    program = "from tain.mirror.cli import group; group().main(prog_name='tain-mirror')"
    python = str(programs.ROOT / ".venv/bin/python")
    done = subprocess.run([python, "-c", program], env=environment, capture_output=True, text=True, check=False)
    assert "plain,debian" in done.stdout


def test_mir_58_log_and_forget(site: Site) -> None:
    site.job()
    assert "there is no run here" in site.run("log", "one", code=69)
    site.run("run", "one")
    assert ">f+++++++++ d0/f0" in site.run("log", "one")
    assert site.run("log", "one", "--errors") == ""
    run = site.runs()[0]["id"]
    assert site.run("log", "one", run) == site.run("log", "one", "-f")
    assert "is no name of a run" in site.run("log", "one", "../x", code=64)
    assert site.json("log", "one")["ev"] == "end"
    site.run("forget", "one")
    assert site.runs() == [] and not (site.state / "jobs/one").exists()
    assert "there is no job two" in site.run("forget", "two", code=64)


def test_mir_58_hold_until(site: Site) -> None:
    site.job()
    assert "one: paused until " in site.run("hold", "one", "--why", "moving", "--until", "2h")
    status = site.status()
    assert status["state"] == "paused" and status["paused"]["why"] == "moving"
    assert "paused by" in site.run("status")
    assert site.run("release", "one") == "one: resumed\n"
    assert "nothing is held" in site.run("release", "one", code=65)


def test_old_logs_are_compressed_and_removed(tmp_path: Path) -> None:
    layout = Layout(str(tmp_path))
    now = time.time()
    for day in range(6):
        run = tmp_path / f"jobs/one/runs/2026010{day}T000000Z-0000"
        run.mkdir(parents=True)
        (run / "run.json").write_text("{}")
        (run / "output.log").write_text("line\n")
        os.utime(run / "output.log", (now, now - (6 - day) * 10 * DAY))
    failed = frozenset({"20260102T000000Z-0000"})
    removed = clean_up(layout, "one", Kept(5, 35 * DAY, 90 * DAY), now, failed=failed)
    assert removed == ["20260100T000000Z-0000"]
    logs = {path.parent.name[:8]: path.name for path in tmp_path.rglob("output.log*")}
    assert logs == {
        "20260102": "output.log.gz",
        "20260103": "output.log.gz",
        "20260104": "output.log.gz",
        "20260105": "output.log",
    }


def test_a_holder_is_one_process() -> None:
    own = myself()
    assert is_alive(own) and not is_alive(Holder(own.pid, own.ticks + 1, own.boot))
    assert not is_alive(Holder(own.pid, own.ticks, "another boot"))


def test_what_came_from_outside_is_shown() -> None:
    assert visible("a\x1b[0m\u202eb\udcff\n") == "a\\u{1b}[0m\\u{202e}b\\xff\\u{a}"
    assert visible("한글 é") == "한글 é"


def test_names_of_runs_of_one_second_are_in_order() -> None:
    for start in ("0000", "fff0", "ffff"):
        names = [f"20270101T000000Z-{start}"]
        for _ in range(40):
            second = datetime.strptime(names[-1][:16], "%Y%m%dT%H%M%S%z").timestamp()
            names.append(new_id(second + 0.5, names[-1]))
        assert names == sorted(set(names))


@pytest.mark.parametrize("mode", ["in-place", "swap"])
def test_mir_58_paths_that_are_no_utf_8(mode: str, site: Site) -> None:
    """Given in Base64, and shown with their bytes escaped."""
    source, place = (os.fsencode(site.root) + name for name in (b"/caf\xe9/", b"/d\xffst"))
    shutil.copytree(site.root / "src", os.fsdecode(source))
    words = [base64.b64encode(path).decode() for path in (source, place)]
    site.write(
        f'[job.one]\nsource_b64 = "{words[0]}"\ndestination_b64 = "{words[1]}"\nevery = "6h"\n'
        f"publish = {{ mode = '{mode}' }}\nverify = {{ sample = 3 }}\n"
    )
    assert "\\xe9/: 33 new" in site.run("run", "one")
    assert names(Path(os.fsdecode(place))) == names(site.root / "src")
    assert "0 new" in site.run("run", "one")
    for command in ("status", "history", "check", "upstreams"):
        site.run(command, *(["one"] if command in ("history", "upstreams") else []))
    assert "caf\\xe9" in site.run("status", "one")
    for key in ("source", "destination"):
        site.write(site.file.read_text().replace(f'{key}_b64 = "', f'{key}_b64 = "%'))
    text = site.run("check", code=78)
    assert text.count("is no Base64") == 2
