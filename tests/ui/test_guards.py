"""UI-11: a guard refuses, and nothing is deleted; an allowed run passes."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

import tain as tain_api
from tests.interop.ends import Daemon
from tests.programs import PROGRAM, environment, need

SHELL = '#!/bin/sh\nshift\nexec sh -c "$*"\n'


def tain(home: Path, *words: str, stdin: str = "") -> tuple[int, str]:
    """Exit code and standard error."""
    assert PROGRAM
    run = subprocess.run(
        [PROGRAM, *words], cwd=home, env=environment(str(home)), input=stdin, capture_output=True, text=True
    )
    return run.returncode, run.stderr


def out(home: Path, *words: str) -> list[str]:
    """Standard output of a run without errors, without the lines of speed."""
    assert PROGRAM
    run = subprocess.run([PROGRAM, *words], cwd=home, env=environment(str(home)), capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return [line for line in run.stdout.splitlines() if "bytes" not in line and "speedup" not in line]


def names(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*"))


@pytest.fixture
def home(tmp_path: Path) -> Path:
    for name in ("s", "d", "empty"):
        (tmp_path / name).mkdir()
    (tmp_path / "s/new").write_text("new")
    for number in range(150):
        (tmp_path / f"d/{number}").write_text("old")
    (tmp_path / "rsh").write_text(SHELL)
    (tmp_path / "rsh").chmod(0o755)
    return tmp_path


#: Rule, words, and the reason that is given.
CASES = [
    ("empty-source", "--guard empty/ d/", "empty/ is empty"),
    ("empty-source", "--guard s/ empty/ d/", "empty/ is empty"),
    ("empty-source", "--guard --exclude=new s/ d/", "the source is empty, and 150 entries would be deleted"),
    ("half", "--guard s/ d/", "150 of 15"),
    ("percent", "--guard-rules=percent=20 s/ d/", "150 of 15"),
    ("max", "--guard-rules=max=149 s/ d/", "150 entries of d/ would be deleted"),
    ("root", "--guard s/ .", "'.' is a whole machine or home directory"),
    ("same", "--guard d/ d/", "d/ is the destination itself"),
    ("same", "--guard d .", "d is the destination itself"),
    ("marker", "--guard-rules=marker=.here s/ d/", "s/ has no .here"),
]


@pytest.mark.parametrize("when", ["--delete", "--delete-before", "--delete-after", "--delete-during"])
@pytest.mark.parametrize(("rule", "words", "why"), CASES)
def test_a_guard_refuses(rule: str, words: str, why: str, when: str, home: Path) -> None:
    if words.endswith(" d ."):
        words += " --allow=root"
    before = [name for name in names(home) if name != "d/new"]
    code, text = tain(home, "-a", when, *words.split())
    assert code == 25, text
    assert f'tain: refused by guard "{rule}": ' in text and why in text and f"allow it: --allow={rule}\n" in text
    assert [name for name in names(home) if name != "d/new"] == before


def test_an_allowed_run_passes(home: Path) -> None:
    assert tain(home, "-a", "--delete", "--guard", "--allow=half", "s/", "d/") == (0, "")
    assert names(home / "d") == ["new"]
    assert tain(home, "-a", "--delete", "--guard", "--allow=empty-source", "empty/", "d/") == (0, "")
    assert names(home / "d") == []


def test_few_deletions_pass(home: Path) -> None:
    for number in range(100):
        (home / f"s/{number}").write_text("old")
    assert tain(home, "-a", "--delete", "--guard", "s/", "d/") == (0, "")
    assert len(names(home / "d")) == 101


def test_a_pull_is_guarded(home: Path) -> None:
    code, text = tain(
        home, "-a", "--delete", "--guard", "-e", f"{home}/rsh", f"--rsync-path={PROGRAM}", f"h:{home}/s/", "d/"
    )
    assert code == 25 and 'refused by guard "half"' in text
    assert len(names(home / "d")) == 151


def test_an_empty_source_is_refused_in_every_direction(home: Path) -> None:
    shell = ["-a", "--delete", "--guard", "-e", f"{home}/rsh", f"--rsync-path={PROGRAM}"]
    for words, why in (
        ((f"h:{home}/empty/", "d/"), "the source is empty, and 150 entries would be deleted"),
        (("empty/", f"h:{home}/d/"), "empty/ is empty"),
    ):
        code, text = tain(home, *shell, *words)
        assert code == 25 and f'refused by guard "empty-source": {why}\n' in text, text
        assert len(names(home / "d")) == 150


def test_an_empty_source_makes_a_new_directory(home: Path) -> None:
    assert tain(home, "-a", "--delete", "--guard", "empty/", "made/") == (0, "")
    assert names(home / "made") == []


def test_a_pull_is_judged_by_its_destination(home: Path) -> None:
    words = ["-a", "--delete", "--guard", "-e", f"{home}/rsh", f"--rsync-path={PROGRAM}", f"h:{home}/s/", "."]
    before = names(home)
    code, text = tain(home, *words)
    assert code == 25 and 'refused by guard "root"' in text
    assert names(home) == before


@pytest.fixture(params=["rsync", "tain"])
def peer(request: pytest.FixtureRequest) -> str:
    """The program at the other end."""
    if request.param == "rsync":
        need("rsync")
        return "rsync"
    assert PROGRAM
    return PROGRAM


@pytest.fixture(params=["shell", "daemon", "shell-daemon"])
def push(request: pytest.FixtureRequest, peer: str, home: Path) -> Iterator[list[str]]:
    """Options and destination of a push into d/, in each way to the other end."""
    config = f"use chroot = no\n[m]\npath = {home}\nread only = no\nuid = {os.getuid()}\ngid = {os.getgid()}\n"
    if request.param == "shell":
        yield ["-e", f"{home}/rsh", f"--rsync-path={peer}", f"h:{home}/d/"]
    elif request.param == "shell-daemon":
        (home / "daemon.conf").write_text(config)
        yield ["-e", f"{home}/rsh", f"--rsync-path={peer} --config={home}/daemon.conf", "h::m/d/"]
    else:
        with Daemon(peer, home, environment(str(home)), config) as daemon:
            yield [f"rsync://127.0.0.1:{daemon.port}/m/d/"]


PUSH_CASES = [
    ("half", "--guard", "150 of 150 entries of "),
    ("half", "--guard-rules=half", "150 of 150 entries of "),
    ("percent", "--guard-rules=percent=99", "would be deleted (100.0%)"),
    ("max", "--guard-rules=max=149", "150 entries of "),
]


@pytest.mark.parametrize(("rule", "words", "why"), PUSH_CASES)
def test_a_push_is_refused(rule: str, words: str, why: str, push: list[str], home: Path) -> None:
    """A dry run counts, so nothing is changed at all."""
    before = names(home / "d")
    code, text = tain(home, "-a", "--delete", words, *push[:-1], "s/", push[-1])
    assert code == 25, text
    first, row, advice, _ = text.splitlines()
    assert first.startswith(f'tain: refused by guard "{rule}": ') and why in first
    assert row == "delete    150 files             ./ 150" and advice == f"allow it: --allow={rule}"
    assert names(home / "d") == before


@pytest.mark.parametrize("allow", ["--guard-rules=max=150", "--allow=half --guard", "--guard-rules=percent=100"])
def test_a_push_that_is_allowed_passes(allow: str, push: list[str], home: Path) -> None:
    assert tain(home, "-a", "--delete", *allow.split(), *push[:-1], "s/", push[-1]) == (0, "")
    assert names(home / "d") == ["new"]


def over_shell(home: Path, peer: str) -> list[str]:
    return ["-a", "--delete", "-e", f"{home}/rsh", f"--rsync-path={peer}"]


def test_a_push_says_with_v_that_it_runs_dry_first(peer: str, home: Path) -> None:
    code, text = tain(home, *over_shell(home, peer), "-v", "--guard-rules=max=150", "s/", f"h:{home}/d/")
    assert (code, text) == (0, "tain: the guard counts the deletions of the other end with a dry run first\n")


def test_a_push_shows_no_more_than_without_a_guard(peer: str, home: Path) -> None:
    words = [*over_shell(home, peer), "-v", "-i", f"--log-file={home}/log"]
    os.utime(home / "d", (1, 1))
    plain = out(home, *words, "s/", f"h:{home}/d/")
    log = (home / "log").read_text()
    for number in range(150):
        (home / f"d/{number}").write_text("old")
    (home / "d/new").unlink()
    (home / "log").unlink()
    os.utime(home / "d", (1, 1))
    assert out(home, *words, "--guard-rules=max=999", "s/", f"h:{home}/d/") == plain

    def events(text: str) -> list[str]:
        return [line.partition("] ")[2] for line in text.splitlines() if "bytes" not in line]

    assert events((home / "log").read_text()) == events(log)


def test_a_push_counts_the_entries_that_stay(peer: str, home: Path) -> None:
    """What the destination has is not what the source has: new entries do not count, and skipped ones neither."""
    for number in range(200):
        (home / f"s/{number + 1000}").write_text("same")
    for number in range(150):
        (home / f"d/{number + 1000}").write_text("same")
    ends = ["s/", f"h:{home}/d/"]
    code, text = tain(home, *over_shell(home, peer), "--guard-rules=percent=40", *ends)
    assert code == 25 and " 150 of 300 entries " in text, text
    code, text = tain(home, *over_shell(home, peer), "--existing", "--guard-rules=percent=40", *ends)
    assert code == 25 and " 150 of 300 entries " in text, text
    # Nobody says which of the large files are at the other end: the guard takes them as absent.
    code, text = tain(home, *over_shell(home, peer), "--max-size=3", "--guard-rules=percent=40", *ends)
    assert code == 25 and " 150 of 150 entries " in text, text
    assert tain(home, *over_shell(home, peer), "--guard", *ends) == (0, "")
    assert len(names(home / "d")) == 201


def test_a_list_on_standard_input_is_read_once(peer: str, home: Path) -> None:
    (home / "d/sub").mkdir()
    (home / "d/sub/gone").write_text("old")
    (home / "s/sub").mkdir()
    words = [*over_shell(home, peer), "-r", "--files-from=-", "--guard-rules=max=0", "s/", f"h:{home}/d/"]
    code, text = tain(home, *words, stdin="sub/\nnew\n")
    assert code == 25 and "1 entries of " in text, text
    words[-3] = "--guard-rules=max=1"
    assert tain(home, *words, stdin="sub/\nnew\n") == (0, "")
    assert (home / "d/new").exists() and names(home / "d/sub") == []


def test_a_dry_run_is_no_event(home: Path) -> None:
    """A dry run that counts for a guard or for a plan is no part of the run: its items are not reported."""
    words = ("-a", "--delete", "--guard-rules=max=200", "--json", "-e./rsh", "s/", "h:d/")
    events = [json.loads(line) for line in out(home, *words)]
    types = [event["type"] for event in events]
    assert (types.count("start"), types.count("delete"), types.count("end")) == (1, 150, 1)
    assert [event["path"] for event in events if event["type"] in ("item", "done")].count("new") == 2


def test_one_dry_run_serves_the_guard_and_a_plan(home: Path) -> None:
    (home / "count").write_text('#!/bin/sh\necho >>$HOME/shells\nshift\nexec sh -c "$*"\n')
    (home / "count").chmod(0o755)
    plans: list[tain_api.Plan] = []

    def confirm(plan: tain_api.Plan) -> bool:
        plans.append(plan)
        return True

    words = {"rsh": str(home / "count"), "cwd": home, "environ": environment(str(home))}
    guard = tain_api.Guard(max=200, percent=None)
    result = tain_api.sync("s/", f"h:{home}/d/", delete=True, guard=guard, confirm=confirm, **words)  # type: ignore[arg-type]
    assert result.ok, result.errors
    assert (plans[0].new.count, plans[0].delete.count) == (1, 150)
    assert (home / "shells").read_text() == "\n\n"
    assert names(home / "d") == ["new"]


def test_a_dry_run_that_fails_is_reported(home: Path) -> None:
    code, text = tain(home, "-a", "--delete", "--guard", "-e", "false", "s/", "h:d/")
    assert code == 12 and "connection unexpectedly closed" in text
    assert text.count("rsync error:") == 1


def test_an_old_peer_does_not_report_enough(home: Path) -> None:
    assert PROGRAM
    words = [*over_shell(home, PROGRAM), "--protocol=28", "s/", f"h:{home}/d/"]
    for rule in ("half", "max=149"):
        code, text = tain(home, f"--guard-rules={rule}", *words)
        assert code == 4 and "needs protocol 29 at least, not 28" in text
    assert len(names(home / "d")) == 150


@pytest.mark.parametrize("words", ["--write-batch=B s/ d/", "--iconv=utf-8,latin1 s/ d/", "-M--inplace s/ d/"])
def test_a_copy_between_two_processes_is_guarded(words: str, home: Path) -> None:
    code, text = tain(home, "-a", "--delete", "--guard", *words.split())
    assert code == 25 and "150 of 150 entries of d/ would be deleted" in text, text
    assert names(home / "d") == sorted(map(str, range(150)))
    assert tain(home, "-a", "--delete", "--guard", "--allow=half", *words.split()) == (0, "")
    assert names(home / "d") == ["new"]


def test_a_program_chooses_the_dry_run_of_a_push(home: Path) -> None:
    """The default guard costs no second connection; a rule that counts and was chosen does."""
    target = f"h:{home}/d/"
    options = tain_api.Options(delete=True, rsh=f"{home}/rsh", rsync_path=PROGRAM)
    items: list[object] = []
    for guard in (tain_api.Guard(max=149), tain_api.Guard()):
        result = tain_api.sync(f"{home}/s/", target, options=options, guard=guard, on_items=items.extend)
        assert result.code == 25 and "150 " in result.messages[0] and "--allow" not in str(result.messages)
        assert len(names(home / "d")) == 150 and not items
    result = tain_api.sync(f"{home}/s/", target, options=options, on_items=items.extend)
    assert result.ok and names(home / "d") == ["new"]
    # The deletions, the new file, and the directory itself.
    assert len(items) in (151, 152)


def test_a_batch_that_is_read_cannot_be_judged(home: Path) -> None:
    code, text = tain(home, "-a", "--delete", "--guard", "--read-batch=B", "d/")
    assert code == 4 and "--guard cannot judge" in text
    assert len(names(home / "d")) == 150


def test_a_refusal_names_the_directories(home: Path) -> None:
    """What would be deleted, by directory and with its size, where this end deletes."""
    for number in range(4):
        (home / f"d/old{number}/a").mkdir(parents=True)
        for name in range(50):
            (home / f"d/old{number}/a/{name}").write_text("12345")
    (home / "s/kept").mkdir()
    (home / "d/kept").mkdir()
    code, text = tain(home, "-a", "--delete", "--guard", "s/", "d/")
    assert code == 25
    assert text.splitlines()[:3] == [
        'tain: refused by guard "half": 358 of 359 entries of d/ would be deleted (99.7%)',
        "delete    350 files   1.45 kB   ./ 150   old0/ 50, all of it   old1/ 50, all of it   old2/ 50, all of it"
        "   old3/ 50, all of it   8 directories",
        "allow it: --allow=half",
    ]


@pytest.mark.parametrize("value", ["nosuch", "max", "max=x", "root=1", "percent="])
def test_wrong_rules(value: str, home: Path) -> None:
    assert tain(home, "-a", f"--guard-rules={value}", "s/", "d/")[0] == 1
