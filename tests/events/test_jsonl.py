"""EV-1 to EV-8: ``--json`` and ``--json-file`` write lines that the contract describes, whatever becomes of the run."""

from __future__ import annotations

import base64
import json
import os
import random
import re
import runpy
import signal
import subprocess
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest

import tain as tain_module
from tain.errors import UsageError
from tain.report.jsonl import LONGEST, TYPES, choose, encode
from tain.session.client.jsonevents import without_secrets
from tests import programs
from tests.events.test_json import fill, path_of

TOOL = runpy.run_path(str(programs.ROOT / "tools/events_page.py"))
STRICT = jsonschema.Draft202012Validator(TOOL["schema"](strict=True))
OPEN = jsonschema.Draft202012Validator(TOOL["schema"]())
PAGE = programs.ROOT / "docs/reference/events.md"


def read(data: bytes, *, whole: bool = True) -> list[dict[str, Any]]:
    """The events of a stream, each of which the contract describes; *whole*: the run was not killed."""
    assert data.endswith(b"\n") or not whole
    lines = data.split(b"\n")[:-1]
    events = []
    for line in lines:
        assert 0 < len(line) < LONGEST
        event = json.loads(line.decode())
        STRICT.validate(event)
        events.append(event)
    if whole:
        assert [event["type"] for event in events].count("start") == 1 == [e["type"] for e in events].count("end")
        assert (events[0]["type"], events[-1]["type"]) == ("start", "end")
    return events


def of(events: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [event for event in events if event["type"] == kind]


def run(tain: str, place: Path, *words: str | bytes, code: int | None = None) -> tuple[list[dict[str, Any]], bytes]:
    """The events of a run with ``--json``, and its standard error."""
    env = programs.environment(str(place))
    done = programs.run([tain, "--json", *words], cwd=place, env=env)
    events = read(done.out)
    assert events[-1]["code"] == done.code
    if code is not None:
        assert done.code == code, done
    return events, done.err


SHELL = '#!/bin/sh\nshift\nexec "$@"\n'
#: The ends of the recorded runs. PEER is rsync, TAIN is tain, HERE the directory of the run, URL that of a daemon.
WAYS = {
    "local": "src/ dst/",
    "push-rsync": "-e ./shell --rsync-path=PEER src/ h:HERE/dst/",
    "push-tain": "-e ./shell --rsync-path=TAIN src/ h:HERE/dst/",
    "pull-rsync": "-e ./shell --rsync-path=PEER h:HERE/src/ dst/",
    "pull-daemon": "URL/src/ dst/",
    "push-daemon": "src/ URL/dst/",
}
OPTIONS = [
    "-aH --delete", "-anH --delete", "-aH --delete -vv --stats", "-aHi --no-W --inplace --delete-after",
    "-aHq --progress",
    "-rlt -c --link-dest=../src", "-aH --max-delete=0 --delete", "-aH --guard --guard-rules=max=0 --delete",
]  # fmt: skip
#: Runs that list, that fail, that use a batch, and their exit codes.
OTHERS = {
    "src/": 0, "-r src/": 0, "-r -e ./shell --rsync-path=PEER h:HERE/src/": 0, "URL/": 0, "URL/src/": 0,
    "-a --write-batch=batch src/ dst/": 0, "-a --read-batch=batch dst/": 0, "-a nothing src/ dst/": 23,
    "-a src/ no/such/deep/": 11, "--bogus src/ dst/": 1, "-a --json-events=bogus src/ dst/": 1,
    "-a --json-seconds=0 src/ dst/": 1, "-a --json-file=no/such src/ dst/": 1, "a: b: c": 1, "-a": 1,
    "-a -e ./nosuch src/ h:dst/": 14, "-a -e ./denied src/ h:dst/": 255, "rsync://127.0.0.1:1/m/ dst/": 10,
    "URL/nothing/ dst/": 23, "-a --explain src/ dst/": 0, "-a --guard --delete empty/ dst/": 25,
    "-a --json-events=+skip --exclude=*2 src/ dst/": 0, "-a --bar --summary src/ dst/": 0,
    "-a --preflight --delete src/ dst/": 0,
}  # fmt: skip


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """A daemon whose one module is a directory; its address, and the directory."""
    root = tmp_path_factory.mktemp("module")
    module: dict[str, str | int | bool] = {
        "path": str(root),
        "read only": False,
        "use chroot": False,
        "uid": "",
        "gid": "",
    }
    if os.geteuid() == 0:
        module |= {"uid": "0", "gid": "0"}
    with tain_module.Daemon({"m": module}, address="127.0.0.1") as running:
        yield running.url("m").removesuffix("m/").rstrip("/"), root


def arrange(place: Path, words: str, tain: str, url: tuple[str, Path]) -> list[str]:
    """The trees of a run in *place*, a directory of the daemon's module, and its words."""
    fill(place)
    (place / "empty").mkdir()
    (place / "shell").write_text(SHELL)
    (place / "denied").write_text("#!/bin/sh\necho 'Permission denied (publickey).' >&2\nexit 255\n")
    for script in ("shell", "denied"):
        (place / script).chmod(0o755)
    address = url[0] if words == "URL/" else f"{url[0]}/m/{place.name}"
    swaps = {"PEER": programs.PEER, "TAIN": tain, "HERE": str(place), "URL/": f"{address}/"}
    for old, new in swaps.items():
        words = words.replace(old, new)
    return words.split()


def test_recorded_runs(tain: str, daemon: tuple[str, Path]) -> None:
    """EV-1: every line of 70 runs validates, and together they have every type and every field of the contract."""
    cases: list[tuple[str, int | None]] = [(f"{options} {ends}", None) for ends in WAYS.values() for options in OPTIONS]
    cases += list(OTHERS.items())
    assert len(cases) >= 60
    types: dict[str, set[str]] = {}
    words: set[tuple[str, str, str]] = set()
    for number, (line, code) in enumerate(cases):
        place = daemon[1] / f"run{number}"
        place.mkdir()
        argv = arrange(place, line, tain, daemon)
        if "--read-batch" in line:
            programs.run(
                [tain, "-a", "--only-write-batch=batch", "src/", "dst/"], cwd=place, env=programs.environment("/")
            )
        events, _ = run(tain, place, *argv, code=code)
        for event in events:
            OPEN.validate(event)
            types.setdefault(event["type"], set()).update(event)
            words |= {(event["type"], key, value) for key, value in event.items() if isinstance(value, str)}
    assert set(types) == set(TYPES)
    for name, of_type in TYPES.items():
        missing = {field.name for field in of_type.fields if not field.optional} - types[name]
        assert not missing, name
    seen = {value for kind, key, value in words if (kind, key) == ("start", "direction")}
    assert seen == {"local", "push", "pull", "list"}
    assert {value for kind, key, value in words if (kind, key) == ("connected", "transport")} == {
        "shell",
        "tcp",
        "pipe",
    }


def test_the_page_has_the_samples_and_they_validate() -> None:
    """EV-1: the examples of the page are lines of the contract."""
    text = re.search(r"```json\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert text is not None
    samples = [json.loads(line) for line in text[1].splitlines()]
    assert len(samples) >= 11
    for sample in samples:
        STRICT.validate(sample)


def test_the_files_are_those_of_the_table() -> None:
    """EV-8: schema and page are what the table says, and the schema is in the package."""
    for path, text in TOOL["files"]().items():
        assert path.read_text() == text, "run tools/events_page.py"
    jsonschema.Draft202012Validator.check_schema(TOOL["schema"]())


def test_counts(tain: str, tmp_path: Path) -> None:
    """EV-2: items, deletions and figures are those of rsync's ``-i`` and ``--stats``."""
    for tree in ("mine", "theirs"):
        (tmp_path / tree).mkdir()
        fill(tmp_path / tree)
    env = programs.environment(str(tmp_path))
    words = ["-aH", "--delete", "--no-W", "src/", "dst/"]
    theirs = programs.run([programs.PEER, "-i", "--stats", "--no-h", *words], cwd=tmp_path / "theirs", env=env)
    events, _ = run(tain, tmp_path / "mine", *words, code=0)
    lines = theirs.out.decode().split("\n\n")[0].splitlines()
    items = [f"{item['itemized']} {item['path']}" for item in of(events, "item")]
    items += [f"*deleting   {event['path']}" for event in of(events, "delete")]
    assert sorted(items) == sorted(line.partition(" -> ")[0].partition(" => ")[0] for line in lines)
    figures = {name: int(value) for name, value in re.findall(r"^(.+?): (\d+)", theirs.out.decode(), re.MULTILINE)}
    (summary,) = of(events, "summary")
    assert sum(summary["files"].values()) == figures["Number of files"]
    assert sum(summary["created"].values()) == figures["Number of created files"] == summary["new"]
    assert sum(summary["removed"].values()) == figures["Number of deleted files"] == summary["deleted"]
    assert summary["transferred"] == figures["Number of regular files transferred"] == len(of(events, "done"))
    assert summary["total_size"] == figures["Total file size"]
    assert summary["transferred_size"] == figures["Total transferred file size"]
    assert (summary["literal"], summary["matched"]) == (figures["Literal data"], figures["Matched data"])
    deleted = {event["path"]: event["size"] for event in of(events, "delete")}
    assert deleted["old"] == 1 and deleted["olddir/"] == 0


def test_names(tain: str, tmp_path: Path) -> None:
    """EV-3: every name comes back from ``path`` and ``path_b64``."""
    chance = random.Random(11)
    letters = [byte for byte in range(1, 256) if byte != 0x2F]
    names = {bytes(chance.choices(letters, k=chance.randrange(1, 40))) for _ in range(10_000)} - {b".", b".."}
    names |= {"a\u2028b".encode(), b"nl\nx", b"\xed\xa0\x80", b"e" * 255}
    source = os.fsencode(tmp_path / "src")
    os.mkdir(source)
    for name in names:
        os.close(os.open(os.path.join(source, name), os.O_CREAT | os.O_WRONLY))
    events, _ = run(tain, tmp_path, "-an", "src/", "dst/", code=0)
    assert {path_of(event) for event in of(events, "item") if event["kind"] == "file"} == names


def test_long_lines() -> None:
    """EV-4: no line is longer than 64 KiB, and none has a character at which a reader could break it."""
    words = [b"\xff" * 100] * 5000
    fields: dict[str, Any] = {"text": "\x01" * 50_000, "path": "\u2028" * 4096, "path_b64": "A" * 5464}
    fields |= {"argv": [word.decode("latin-1") for word in words], "argv_b64": ["_" * 140] * 5000}
    line = encode("error", 1.0, fields)
    assert len(line) <= LONGEST and line.count(b"\n") == 1
    event = json.loads(line)
    assert event["text"].endswith("…") and event["argv_left_out"] + len(event["argv"]) == 5000
    assert "argv_b64" not in event
    line = encode("message", 0.0, {"text": "\x7f\x85\u2028\u2029é"})
    assert line == '{"type":"message","t":0.0,"text":"\\u007f\\u0085\\u2028\\u2029é"}\n'.encode()
    # json.dumps leaves lone surrogates alone, which are no UTF-8.
    assert json.loads(encode("message", 0.0, {"text": "\ud800"}))["text"] == "?"


def test_long_names(tain: str, tmp_path: Path) -> None:
    """EV-4: a path of 4 KiB, in which nearly every byte needs an escape, is a line like any other."""
    deep, fd = "", os.open(tmp_path, os.O_RDONLY)
    os.mkdir("src", dir_fd=fd)
    root = fd = os.open("src", os.O_RDONLY, dir_fd=fd)
    while len(deep) < 3800:
        name = "\x01" * 250
        os.mkdir(name, dir_fd=fd)
        fd = os.open(name, os.O_RDONLY, dir_fd=fd)
        deep += name + "/"
    os.close(os.open(b"\xff\xfe", os.O_CREAT | os.O_WRONLY, dir_fd=fd))
    assert root >= 0
    events, _ = run(tain, tmp_path, "-an", "src/", "dst/", code=0)
    assert max(len(path_of(event)) for event in of(events, "item")) > 3800


def test_secrets() -> None:
    """EV-7: passwords are not shown."""
    words = [
        b"--password-file=/p", b"--password-file", b"/p", b"-e", b"sshpass -p hunter2 ssh -l u", b"x",
        b"-e", b"env SSHPASS=hunter2 sshpass -e ssh", b"rsync://u:hunter2@h/m/", b"-M--password-file=/p",
        b"--rsync-path=RSYNC_PASSWORD='hunter2' rsync",
    ]  # fmt: skip
    shown = list(without_secrets(words))
    assert not [word for word in shown if b"hunter2" in word or word.endswith(b"/p")]
    assert len(shown) == len(words)
    assert shown[8] == b"rsync://u:***@h/m/" and shown[5] == b"x"


def test_argv_never_shows_a_password(tain: str, tmp_path: Path) -> None:
    """EV-7: neither does a run."""
    (tmp_path / "secret").write_text("hunter2\n")
    (tmp_path / "secret").chmod(0o600)
    words = ["-a", "--password-file=secret", "--contimeout=5", "rsync://u:hunter2@127.0.0.1/m/", "dst/"]
    env = programs.environment(str(tmp_path), RSYNC_PASSWORD="hunter2")
    done = programs.run([tain, "--json", *words], cwd=tmp_path, env=env)
    (start,) = of(read(done.out), "start")
    assert start["argv"][3] == "--password-file=***"
    assert "hunter2" not in json.dumps(start)


# ---------------------------------------------------------------------------------------------- streams


def slow_run(tain: str, place: Path, *words: str) -> subprocess.Popen[bytes]:
    """A run that takes many seconds."""
    (place / "src").mkdir()
    for number in range(40):
        (place / f"src/f{number:02}").write_bytes(os.urandom(200_000))
    return subprocess.Popen(
        [tain, "-a", "--bwlimit=500", *words, "src/", "dst/"],
        cwd=place, env=programs.environment(str(place)), stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def wait_for(path: Path, text: bytes) -> None:
    end = time.monotonic() + 30
    while not (path.exists() and text in path.read_bytes()):
        assert time.monotonic() < end
        time.sleep(0.02)


def test_a_killed_run(tain: str, tmp_path: Path) -> None:
    """EV-6: kill -9 leaves valid lines without ``end``, SIGTERM leaves ``end`` with code 20."""
    for sign, code in ((signal.SIGKILL, -9), (signal.SIGTERM, 20)):
        place = tmp_path / str(int(sign))
        place.mkdir()
        process = slow_run(tain, place, "--json-file=events")
        wait_for(place / "events", b'"done"')
        process.send_signal(sign)
        process.communicate(timeout=30)
        assert process.returncode == code
        events = read((place / "events").read_bytes(), whole=sign == signal.SIGTERM)
        if sign == signal.SIGTERM:
            assert (events[-1]["code"], events[-1]["stopped_by"], events[-1]["complete"]) == (20, "signal", False)
        else:
            assert events and events[-1]["type"] != "end"
        for done in of(events, "done"):
            assert (place / "dst" / done["path"]).read_bytes() == (place / "src" / done["path"]).read_bytes()


def test_progress_is_never_the_same_twice(tain: str, tmp_path: Path) -> None:
    process = slow_run(tain, tmp_path, "--json-file=events", "--json-seconds=0.25", "--json-events=progress")
    wait_for(tmp_path / "events", b'"copy"')
    time.sleep(1.5)
    process.terminate()
    process.communicate(timeout=30)
    events = read((tmp_path / "events").read_bytes())
    assert {event["type"] for event in events} == {"start", "progress", "end"}
    shown = [
        {key: value for key, value in event.items() if key not in ("t", "rate", "left", "path")}
        for event in of(events, "progress")
    ]
    assert len(shown) >= 3
    assert all(one != other for one, other in pairwise(shown))


def test_a_closed_pipe_ends_the_events_and_not_the_run(tain: str, tmp_path: Path) -> None:
    fill(tmp_path)
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [tain, "-a", "--json", f"--json-file=fd:{writer}", "src/", "dst/"],
        cwd=tmp_path, env=programs.environment(str(tmp_path)), pass_fds=[writer], stdout=writer, stderr=subprocess.PIPE,
        timeout=60,
    )  # fmt: skip
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, b"")
    assert (tmp_path / "dst/new").read_bytes() == b"n"


def test_a_slow_reader_slows_the_run(tain: str, tmp_path: Path) -> None:
    """No more is queued than a few megabytes, however much there is to say."""
    (tmp_path / "src").mkdir()
    for number in range(30_000):
        (tmp_path / f"src/{'n' * 100}{number}").touch()
    process = subprocess.Popen(
        [tain, "-a", "--json", "src/", "dst/"], cwd=tmp_path, env=programs.environment(str(tmp_path)),
        stdout=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    time.sleep(1.0)
    assert process.poll() is None
    out = process.stdout.read()
    assert process.wait(30) == 0
    assert len(of(read(out), "done")) == 30_000


def test_both_streams_are_one(tain: str, tmp_path: Path) -> None:
    fill(tmp_path)
    done = programs.run(
        [tain, "-aHv", "--json", "--json-file=events", "src/", "dst/"], cwd=tmp_path, env=programs.environment("/")
    )
    assert done.code == 0
    assert (tmp_path / "events").read_bytes() == done.out


def test_json_file_leaves_the_output_alone(tain: str, tmp_path: Path) -> None:
    """What the run prints is the same with and without, and no printed line about an entry is a message too."""
    seen = []
    for name, words in (("with", ["--json-file=events"]), ("without", [])):
        (tmp_path / name).mkdir()
        fill(tmp_path / name)
        options = ["-aHi", "--delete", "-e", "./shell", f"--rsync-path={programs.PEER}", "src/"]
        (tmp_path / name / "shell").write_text(SHELL)
        (tmp_path / name / "shell").chmod(0o755)
        argv = [tain, *words, *options, f"h:{tmp_path}/{name}/dst/"]
        seen.append(programs.run(argv, cwd=tmp_path / name, env=programs.environment("/")))
    assert (seen[0].code, seen[0].out, seen[0].err) == (seen[1].code, seen[1].out, seen[1].err)
    events = read((tmp_path / "with/events").read_bytes())
    assert of(events, "item") and of(events, "message") == []


def test_messages_and_listings(tain: str, tmp_path: Path) -> None:
    fill(tmp_path)
    events, _ = run(tain, tmp_path, "-av", "src/", "dst/", code=0)
    assert [event["text"] for event in of(events, "message")] == ["sending incremental file list"]
    events, err = run(tain, tmp_path, "-r", "src/", code=0)
    assert err == b"" and of(events, "message") == []
    assert {item["op"] for item in of(events, "item")} == {"list"}
    assert {item["path"] for item in of(events, "item")} >= {"./", "sub/", "sub/changed", "new"}


def test_a_refused_deletion_is_an_event(tain: str, tmp_path: Path) -> None:
    fill(tmp_path)
    events, _ = run(tain, tmp_path, "-a", "--delete", "--guard", "--guard-rules=max=1", "src/", "dst/", code=25)
    (held,) = of(events, "held")
    assert held["guard"] == "max" and held["count"] == 3 and held["of"] > 3
    assert (events[-1]["stopped_by"], of(events, "delete")) == ("guard", [])


def test_the_choice_of_events() -> None:
    usual = frozenset(TYPES) - {"skip"}
    assert choose(None) == choose("") == usual
    assert choose("summary") == {"start", "summary", "end"}
    assert choose("-progress,-item") == usual - {"progress", "item"}
    assert choose("item,done,-done") == {"start", "item", "end"}
    with pytest.raises(UsageError, match="no event"):
        choose("itme")


@pytest.mark.parametrize("option", ["--json", "--json-file=x", "--json-events=item", "--json-seconds=1"])
def test_a_server_does_not_know_them(tain: str, tmp_path: Path, option: str) -> None:
    done = programs.run([tain, "--server", option, ".", "d"], cwd=tmp_path, env=programs.environment("/"))
    assert done.code == 1 and b"unknown option" in done.err
    assert not (tmp_path / "x").exists() and done.out == b""


def test_the_events_of_the_api_are_the_same(tmp_path: Path) -> None:
    """One place makes them: a callback and a file get the same events in the same order."""
    fill(tmp_path)
    seen: list[str] = []
    result = tain_module.sync(
        f"{tmp_path}/src/", tmp_path / "dst", delete=True, extra=[f"--json-file={tmp_path}/events"],
        events="items", on_event=lambda event: seen.append(tain_module.events.KINDS[type(event)]),
    )  # fmt: skip
    assert result.ok
    lines = [event["type"] for event in read((tmp_path / "events").read_bytes())]
    assert seen.count("item") == lines.count("item") and seen.count("done") == lines.count("done")
    rest = ("start", "scan", "summary", "end")
    assert [kind for kind in seen if kind in rest] == [kind for kind in lines if kind in rest] == list(rest)


def test_base64_is_of_the_whole_name(tain: str, tmp_path: Path) -> None:
    os.mkdir(os.fsencode(tmp_path) + b"/\xb9")
    events, _ = run(tain, tmp_path, "-a", b"\xb9/", "dst/", code=0)
    assert [base64.b64decode(word) for word in events[0]["sources_b64"]] == [b"\xb9/"]
