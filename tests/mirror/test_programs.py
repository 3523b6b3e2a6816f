"""Jobs of `kind = "command"`: a program with the schedule, lock, log and status of a job (MIR-3, 8, 41, 43, 55)."""

from __future__ import annotations

import json
import os
import pwd
import re
import tempfile
from pathlib import Path

import pytest

from tain.mirror.programs import Output
from tests import programs
from tests.mirror.site import Site
from tests.mirror.test_check import found
from tests.mirror.test_runs import wait_for


def command_job(site: Site, script: str, more: str = "") -> None:
    """One job that runs *script* in a shell."""
    program = site.root / "program"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    site.write(
        f'[job.one]\nkind = "command"\ncommand = ["{program}", "a word"]\n'
        f'destination = "{site.root}/dst"\nevery = "6h"\n'
        f"retry = {{ attempts = 1 }}\nresources = {{ ionice = 'none', nice = 0 }}\n{more}"
    )


def test_a_command_runs_in_the_destination_with_its_variables(site: Site) -> None:
    command_job(
        site,
        'echo "$1 in $PWD: $TAIN_MIRROR_JOB $TUNASYNC_WORKING_DIR $TUNASYNC_UPSTREAM_URL $OWN"\n'
        'echo made > file; echo "total size 1.5G"',
        'source = "https://example.org/x"\ncompat = "tunasync"\nenv = { OWN = "mine" }\n'
        'size_pattern = "size ([0-9.]+[KMG])"\n',
    )
    assert site.run("run", "one").splitlines()[-1].startswith("one: success in ")
    place = site.root / "dst"
    assert (place / "file").read_text() == "made\n"
    log = site.run("log", "one")
    assert f"a word in {place}: one {place} https://example.org/x mine" in log
    job = site.status()
    assert (job["state"], job["size"]["bytes"], job["upstream"]) == ("fresh", 1610612736, "https://example.org/x")
    assert "example.org" in site.run("status")
    # A run that prints no size keeps the last one, and needs no upstream.
    command_job(site, "true")
    site.run("run", "one")
    assert site.status()["size"]["bytes"] == 1610612736


@pytest.mark.parametrize(
    ("script", "more", "code", "text"),
    [
        ("exit 7", "", 7, "program ended with 7"),
        ("exit 7", "success_codes = [0, 7]\n", 0, "success"),
        ("exit 75", "", 75, "deferred: "),
        ("echo 'fine'; echo 'ERROR: no'", 'fail_on_match = "^ERROR"\n', 1, "its output says: ERROR: no"),
        ("kill -9 $$", "", 137, "program ended with 137"),
    ],
)
def test_a_commands_exit_code(script: str, more: str, code: int, text: str, site: Site) -> None:
    command_job(site, script, more)
    assert text in site.run("run", "one", code=code)


def test_a_command_that_fails_is_tried_again(site: Site) -> None:
    command_job(site, f"echo x >> {site.root}/tries; test $(wc -l < {site.root}/tries) = 3")
    site.write(site.file.read_text().replace("attempts = 1", "attempts = 3, wait = 0"))
    site.run("run", "one")
    assert site.runs()[0]["attempts"] == 3
    site.run("run", "one", "--dry-run", code=64)


def test_mir_55_a_command_is_stopped_with_what_it_has_started(site: Site) -> None:
    command_job(site, f"sleep 600 &\necho $! > {site.root}/child\nwait")
    process = site.start("run", "one")
    wait_for(lambda: (site.root / "child").exists() and (site.root / "child").read_text(), 60)
    site.run("stop", "one")
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 20, output
    child = int((site.root / "child").read_text())
    wait_for(lambda: not Path(f"/proc/{child}").exists() or " Z " in Path(f"/proc/{child}/stat").read_text(), 60)


def test_mir_43_no_second_run_while_the_command_of_a_killed_runner_goes_on(site: Site) -> None:
    """Two programs never work on one tree."""
    command_job(
        site, f"echo $$ > {site.root}/pid\nwhile test ! -e {site.root}/go; do sleep 0.1; done\necho end > ended"
    )
    process = site.start("run", "one")
    wait_for(lambda: (site.root / "pid").exists() and (site.root / "pid").read_text(), 60)
    site.kill_runner()
    process.communicate(timeout=60)
    assert [run["result"] for run in site.runs()] == ["lost"]
    assert "deferred: the program of an earlier run still runs" in site.run("run", "one", code=75)
    (site.root / "go").touch()
    wait_for(lambda: (site.root / "dst/ended").exists(), 60)
    site.run("run", "one", "--wait", "60")
    assert [run["result"] for run in site.runs()][:1] == ["success"]


def test_a_command_that_takes_too_long(site: Site) -> None:
    command_job(site, "trap '' TERM; exec sleep 600", "max_runtime = 1\n")
    assert "the run has taken 1s" in site.run("run", "one", code=30)


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ('command = ["/bin/true"]', ['5: job.a.command: needs kind = "command"']),
        ('kind = "command"', ['1: job.a: needs "command"']),
        ('kind = "command"\ncommand = "true"', ['6: job.a.command: "true" is not an absolute path']),
        ('kind = "command"\ncommand = "/nonexistent/x"', [
            '6: job.a.command: "/nonexistent/x" is missing, or cannot be run']),
        ('kind = "command"\ncommand = ["a", "b"]\nshell = true', [
            "6: job.a.command: with shell = true it is one text"]),
        ('kind = "command"\ncommand = "/bin/true"\ntimeout = 3\nguard = { max_delete = 3, min_free = 0 }', [
            '7: job.a.timeout: is nothing that a job of kind = "command" has',
            '8: job.a.guard.max_delete: is nothing that a job of kind = "command" has']),
        ('kind = "command"\ncommand = "/bin/true"\npublish = { mode = "swap" }', [
            '7: job.a.publish.mode: "swap" cannot be used with kind = "command"']),
        ('kind = "command"\ncommand = "/bin/true"\nfail_on_match = "("', [
            '7: job.a.fail_on_match: "(" is not a regular expression: missing ), unterminated subpattern at position '
            "0"]),
    ],
)  # fmt: skip
def test_mir_3_keys_of_the_other_kind(lines: str, expected: list[str], tmp_path: Path) -> None:
    job = "[job.a]\nsource = 'h::m/'\ndestination = '/srv/a'\nevery = '6h'\n"
    assert found(tmp_path, f"{job}{lines}\n") == expected


def test_mir_3_defaults_are_for_all_kinds(tmp_path: Path) -> None:
    job = '[job.a]\nkind = "command"\ncommand = "/bin/true"\ndestination = "/srv/a"\nevery = "1d"\n'
    text = "[defaults]\ntimeout = 3\n" + job
    assert found(tmp_path, text) == []


def test_lines_of_the_output() -> None:
    output = Output("^fatal", r"(?:size|bytes): ([0-9,.]+ ?[KMGT]?B?)")
    for byte in b"a\xff\nsize: 1,024\nfatal: \xec\x95\x88\xeb\x85\x95\r\nfatal: second\nbytes: 2 KB":
        output.feed(bytes([byte]))
    assert output.size == 1024
    output.feed(b"", final=True)
    assert (output.size, output.failure) == (2000, "fatal: 안녕")


def test_a_command_logs_both_streams_and_no_secret(site: Site) -> None:
    site.env["RSYNC_PASSWORD"] = "hidden"
    command_job(site, "echo out; echo err >&2; echo pw=$RSYNC_PASSWORD.")
    site.run("run", "one")
    assert site.run("log", "one").splitlines() == ["out", "err", "pw=."]
    directory = os.path.realpath(site.state / "jobs/one/latest")
    assert json.loads(Path(directory, "run.json").read_text())["kind"] == "command"


def test_a_command_runs_as_another_account(site: Site) -> None:
    """Its groups, its home, and a destination of its own; nothing of root is left."""
    programs.need_root()
    # Other sessions of pytest take the rights of its own directories away from others.
    with tempfile.TemporaryDirectory(prefix="tain-mirror-") as name:
        place = Path(name)
        place.chmod(0o755)
        command_job(site, "true")
        text = site.file.read_text().replace("nice = 0", "nice = 0, user = 'nobody', group = 'nogroup'")
        script = "id -un; id -Gn; echo $HOME; touch made; grep CapEff /proc/self/status | tr -d '\\t'"
        text = re.sub(r"command = .*", lambda _: f'command = """{script}"""\nshell = true', text)
        site.write(text.replace(f"{site.root}/dst", f"{place}/dst"))
        site.run("run", "one")
        lines = site.run("log", "one").splitlines()
        assert lines[:2] == ["nobody", "nogroup"] and lines[2] == pwd.getpwnam("nobody").pw_dir
        assert int(lines[3].removeprefix("CapEff:"), 16) == 0
        assert (place / "dst/made").owner() == "nobody" and (place / "dst").owner() == "nobody"


def test_mir_3_accounts(tmp_path: Path) -> None:
    command = 'kind = "command"\ncommand = "/bin/true"\n'
    job = "[job.a]\nsource = 'h::m/'\ndestination = '/srv/a'\nevery = '6h'\n"
    text = f"{job}resources = {{ user = 'nobody' }}\n"
    assert found(tmp_path, text) == [
        '5: job.a.resources.user: needs kind = "command"; a transfer runs as the user of tain mirror'
    ]
    text = f"{job}{command}resources = {{ user = 'nobody-at-all', group = 'none-at-all' }}\n"
    expected = ['"nobody-at-all" is no user of this machine', '"none-at-all" is no group of this machine']
    if os.geteuid() != 0:
        expected = ["needs root", "needs root"]
    assert [line.partition(": job.a.resources.")[2].partition(": ")[2] for line in found(tmp_path, text)] == expected
