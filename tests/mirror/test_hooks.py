"""Hooks, messages, pings, and pushes in both directions."""

from __future__ import annotations

import contextlib
import http.server
import json
import os
import sqlite3
import stat
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tain.mirror.model import Notify
from tain.mirror.notices import decide
from tain.mirror.pushes import Command, is_for_payload, read_command
from tain.mirror.store import Store
from tests.mirror.site import Site, fill, names
from tests.mirror.test_runs import is_copying, is_running, slow, wait_for

#: A program that writes down when it ran, what it was given, and ends as a file says.
PROGRAM = """#!/bin/sh
echo "$TAIN_MIRROR_EVENT $TAIN_MIRROR_STAGE $TAIN_MIRROR_RESULT $TAIN_MIRROR_EXIT_CODE" >> {root}/calls
env | grep ^TAIN_MIRROR_ > {root}/environment
cat > {root}/document
echo "output of $TAIN_MIRROR_EVENT"
if [ -e {root}/code-$TAIN_MIRROR_EVENT ]; then exit $(cat {root}/code-$TAIN_MIRROR_EVENT); fi
"""
POINTS = (
    "before-run", "before-stage", "after-stage", "before-delete", "before-publish", "success", "partial", "failed",
    "held", "deferred", "recovered", "stale", "finally",
)  # fmt: skip


def program(site: Site) -> Path:
    path = site.root / "program"
    path.write_text(PROGRAM.format(root=site.root))
    path.chmod(0o755)
    return path


def hooked(site: Site, more: str = "") -> None:
    site.job(more=f"{more}[[job.one.hook]]\non = {json.dumps(POINTS)}\nrun = '{program(site)}'\n")


def calls(site: Site) -> list[str]:
    """The moments at which the program ran since the last look."""
    path = site.root / "calls"
    lines = path.read_text().splitlines() if path.exists() else []
    path.unlink(missing_ok=True)
    return [" ".join(line.split()) for line in lines]


def test_hooks_run_at_their_moments(site: Site) -> None:
    hooked(site)
    site.run("run", "one")
    assert calls(site) == [
        "before-run", "before-stage mirror", "after-stage mirror", "before-publish mirror", "success mirror success 0",
        "finally mirror success 0",
    ]  # fmt: skip
    document = json.loads((site.root / "document").read_text())
    assert document["schema"] == "tain.mirror.run/1" and document["event"] == "finally" and document["new"] == 33
    environment = dict(line.split("=", 1) for line in (site.root / "environment").read_text().splitlines())
    assert environment["TAIN_MIRROR_DESTINATION"] == f"{site.root}/dst"
    assert environment["TAIN_MIRROR_STATE_DIR"] == str(site.state)
    assert "output of before-publish" in site.run("log", "one")
    changes = Path(environment["TAIN_MIRROR_CHANGES"]).read_bytes().split(b"\0")
    assert set(changes) == {b".", b"d0", b"d1", b"d2", b""}
    assert sorted(site.run("log", "one", "--dirs").split()) == [".", "d0", "d1", "d2"]
    # Nothing of a dry run is an event for anybody.
    site.run("run", "one", "--dry-run")
    assert calls(site) == []
    # A hook that says no before deletions: nothing is deleted.
    (site.root / "src/d0/f0").unlink()
    (site.root / "code-before-delete").write_text("3")
    assert "the hook" in site.run("run", "one", code=1)
    assert "before-delete mirror" in calls(site) and "d0/f0" in names(site.root / "dst")
    (site.root / "code-before-delete").write_text("75")
    assert "deferred" in site.run("run", "one", code=75)
    assert calls(site)[-2:] == ["deferred mirror deferred 75", "finally mirror deferred 75"]
    (site.root / "code-before-delete").unlink()
    # Any other hook changes no result.
    (site.root / "code-success").write_text("1")
    site.run("run", "one")
    assert "d0/f0" not in names(site.root / "dst")
    assert "ended with 1" in site.run("log", "one")


def test_hooks_that_hang_are_killed_with_their_children(site: Site) -> None:
    site.job(
        more="[[job.one.hook]]\non = ['before-run']\nshell = true\ntimeout = 0.3\n"
        f"run = 'sleep 77 & echo $! > {site.root}/child; wait'\n"
    )
    assert "took more than" in site.run("run", "one", code=1)
    child = int((site.root / "child").read_text())
    wait_for(lambda: not Path(f"/proc/{child}").exists() or b"Z" in Path(f"/proc/{child}/stat").read_bytes())


def test_the_last_hook_runs_for_a_lost_run(site: Site) -> None:
    slow(site)
    site.write(site.file.read_text() + f"[[job.one.hook]]\non = 'finally'\nrun = '{program(site)}'\n")
    started = site.start("run", "one")
    wait_for(lambda: is_copying(site))
    site.kill_runner()
    started.wait(30)
    site.run("status")
    wait_for(lambda: (site.root / "calls").exists() and "lost" in (site.root / "calls").read_text())


def test_mir_3_hooks_add_up(site: Site, tmp_path: Path) -> None:
    hook = "[[{}.hook]]\non = 'success'\nrun = '/bin/true'\n"
    job = f"[job.one]\nsource='{tmp_path}/src/'\ndestination='{tmp_path}/dst'\nmanual=true\n"
    site.write(hook.format("defaults") + job + hook.format("job.one"))
    shown = site.run("check", "--effective", "one")
    assert "hook[1].run" in shown
    lines = [line.rpartition(":")[2] for line in shown.splitlines() if line.startswith("hook[")]
    assert lines == ["2", "3", "9", "10"], shown
    site.write(hook.format("defaults") + job + "inherit_hooks = false\n" + hook.format("job.one"))
    shown = site.run("check", "--effective", "one")
    assert "hook[1]" not in shown and "hook[0].run" in shown
    site.write(job + "[[job.one.hook]]\non = 'sucess'\nrun = ['/nonexistent/x', 'y']\n")
    text = site.run("check", code=78)
    assert '"sucess" is none of before-run,' in text
    site.write(job + "[[job.one.hook]]\non = 'success'\nrun = ['/nonexistent/x', 'y']\n")
    assert '"/nonexistent/x" is missing, or cannot be run' in site.run("check", code=78)


# ---- messages


def document(result: str, **more: object) -> dict[str, Any]:
    return {"result": result, "hold": None, **more}


def test_messages_are_sent_once_and_repeated_rarely() -> None:
    """First after two failures, then once a day, then one that says that it is over."""
    rules, row = Notify(), dict[str, Any]()
    sent = []
    for hour in range(60):
        row["failures"] = hour + 1
        kind, columns = decide(rules, document("failed"), row, hour * 3600.0, stale=False)
        row.update(columns)
        if kind:
            sent.append((hour, kind))
    assert sent == [(1, "failed"), (25, "failed"), (49, "failed")]
    row["failures"] = 0
    kind, columns = decide(rules, document("success"), row, 1e6, stale=False)
    row.update(columns)
    assert kind == "recovered"
    assert decide(rules, document("success"), row, 1e6, stale=False) == (None, {})


@pytest.mark.parametrize(
    ("found", "row", "stale", "kind"),
    [
        (document("held", hold="max_delete"), {}, False, "held"),
        (document("held", hold="disk"), {}, False, "disk"),
        (document("deferred"), {}, False, None),
        (document("deferred"), {}, True, "stale"),
        (document("partial"), {}, False, None),
        (document("lost"), {"failures": 2}, False, "failed"),
        (document("failed"), {"failures": 2, "reported_kind": "held", "reported_at": 99.0}, False, "failed"),
        (document("cancelled"), {"failures": 9}, False, None),
        (document("unchanged"), {"reported_kind": "stale"}, False, "recovered"),
    ],
)
def test_which_runs_are_worth_a_message(found: dict[str, Any], row: dict[str, Any], stale: bool, kind: str) -> None:
    assert decide(Notify(), found, row, 100.0, stale=stale)[0] == kind


@contextmanager
def receiver(status: int = 200) -> Iterator[tuple[str, list[tuple[str, dict[str, str], bytes]]]]:
    """A web server that writes down what it receives."""
    received: list[tuple[str, dict[str, str], bytes]] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def log_message(self, format: str, *words: object) -> None: ...

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            received.append((self.path, dict(self.headers.items()), body))
            self.send_response(status)
            self.end_headers()

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}", received
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_messages_and_pings_reach_real_servers(site: Site) -> None:
    """A failing job: pings of its beginnings and ends, one message that it fails, and one that this is over."""
    sink = site.root / "sink"
    sink.write_text(f"#!/bin/sh\ncat >> {site.root}/messages; echo >> {site.root}/messages\n")
    sink.chmod(0o755)
    with receiver() as (address, received):
        urls = site.root / "urls"
        urls.write_text(f"# secret\njson://{address}/message\n")
        urls.chmod(0o600)
        notify = f"[notify]\napprise_file = '{urls}'\nhook = ['{sink}']\nafter = 1\ngroup = 0\n"
        site.job(more=f"healthchecks = 'http://{address}/ping/'\n" + notify)
        (site.root / "src").rename(site.root / "away")
        site.run("run", "one", code=69)
        wait_for(lambda: len(received) == 3)
        site.run("run", "one", code=69)
        (site.root / "away").rename(site.root / "src")
        wait_for(lambda: len(received) == 5)
        site.run("run", "one")
        wait_for(lambda: len(received) == 8)
        time.sleep(0.2)
    paths = [path.partition("?")[0] for path, _, _ in received]
    assert paths.count("/ping/start") == 3 and paths.count("/ping/fail") == 2 and paths.count("/ping") == 1
    for number, end in ((0, "/fail"), (3, "/fail")):
        rid = received[number][0].partition("?")[2]
        assert paths[number] == "/ping/start" and f"/ping{end}?{rid}" in [path for path, _, _ in received]
    messages = [json.loads(body) for path, _, body in received if path.startswith("/message")]
    assert [message["title"].split(":")[1].split(" ")[1].rstrip(";") for message in messages] == ["failed", "recovered"]
    lines = [json.loads(line) for line in (site.root / "messages").read_text().splitlines() if line]
    assert [message["kind"] for line in lines for message in line["messages"]] == ["failed", "recovered"]
    # The address of a ping is a secret, and so are those of messages.
    for path in site.state.rglob("*"):
        if path.is_file() and path.name in ("notify.log", "output.log", "events.jsonl", "run.json"):
            assert b"/ping" not in path.read_bytes() and b"json://" not in path.read_bytes()
    assert b"json://" not in b"".join(path.read_bytes() for path in site.state.rglob("config.json"))


# ---- pushes


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", Command()),
        ("sync:all", Command()),
        ("sync:stage1", Command(payload=True)),
        ("sync:stage2 sync:mhop sync:callback", Command()),
        ("sync:stage1 sync:archive:two", Command("two", payload=True)),
        ("sync:stage1 sync:stage2", Command()),
    ],
)
def test_words_of_a_push(text: str, expected: Command) -> None:
    assert read_command(text) == expected


@pytest.mark.parametrize("text", ["rm -rf /", "sync:", "sync:archive:", "sync:x", "all"])
def test_other_words_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no word of a push"):
        read_command(text)


def test_a_push_starts_a_run_and_is_not_lost_while_one_goes_on(site: Site) -> None:
    slow(site, 12 << 20)
    site.env["SSH_ORIGINAL_COMMAND"] = "sync:all"
    site.env["SSH_CONNECTION"] = "192.0.2.1 1 192.0.2.2 22"
    assert "one: started run" in site.run("push", "one")
    wait_for(lambda: is_copying(site))
    (site.root / "src/late").write_text("x")
    assert "runs now, and will make another pass" in site.run("push", "one")
    wait_for(lambda: not is_running(site), 60)
    (run,) = site.runs()
    assert run["trigger"] == "push" and run["requested_by"] == "push from 192.0.2.1" and run["result"] == "success"
    assert "late" in names(site.root / "dst")
    assert "once more: asked for by push from 192.0.2.1" in (site.state / "jobs/one/latest/events.jsonl").read_text()
    # A key is for some jobs only, and words of others do nothing.
    site.env["SSH_ORIGINAL_COMMAND"] = "sync:archive:two"
    assert "this key may not push two" in site.run("push", "one", code=77)
    site.env["SSH_ORIGINAL_COMMAND"] = "reboot"
    site.run("push", "one", code=64)
    assert len(site.runs()) == 1


def test_a_push_of_the_payload(site: Site) -> None:
    source = site.root / "src"
    (source / "InRelease").write_text("x")
    site.job(more='profile = "debian"\n')
    site.env["SSH_ORIGINAL_COMMAND"] = "sync:stage1"
    site.run("push", "one")
    wait_for(lambda: not is_running(site) and len(site.runs()) == 1)
    assert "d0/f0" in names(site.root / "dst") and "InRelease" not in names(site.root / "dst")
    # What a push asks for is due at once.
    store = Store.open(str(site.state / "state.db"))
    store.ask("one", "push", "somebody", time.time())
    store.close()
    site.run("run", "--due")
    assert site.runs()[0]["requested_by"] == "somebody"
    assert "InRelease" in names(source)
    assert site.run("run", "--due") == ""


def test_downstreams_are_triggered(site: Site) -> None:
    token = site.root / "token"
    token.write_text("secret\n")
    token.chmod(0o600)
    with receiver(202) as (address, received):
        one = f"[[job.one.downstream]]\nname = 'd'\ntrigger = 'http://{address}/push/x'\ninsecure = true\n"
        site.job(more=f"profile = 'debian'\n{one}token_file = '{token}'\non = 'payload'\n")
        site.run("run", "one")
        wait_for(lambda: len(received) == 2)
    assert {json.loads(body)["what"] for _, _, body in received} == {"stage1", "all"}
    assert {headers["Authorization"] for _, headers, _ in received} == {"Bearer secret"}
    site.job(more=one.replace("insecure = true\n", ""))
    text = site.run("check", code=78)
    assert "set insecure = true" in text and 'needs "token_file"' in text
    token.chmod(0o644)
    site.job(more=f"{one}token_file = '{token}'\n")
    assert "can be read by others" in site.run("check", code=78)
    assert stat.S_IMODE(os.stat(token).st_mode) == 0o644


def test_mir_49_a_state_of_an_older_version(site: Site) -> None:
    """It is copied, and gets what is new."""
    site.job()
    site.run("run", "one")
    path = site.state / "state.db"
    script = "".join(f"ALTER TABLE job DROP COLUMN {name};" for name in ("reported_kind", "reported_at"))
    script += "DROP INDEX run_open; DROP TABLE request; DROP TABLE total;"
    script += "DROP TRIGGER total_insert; DROP TRIGGER total_update;"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.executescript(script + "DROP TABLE message; PRAGMA user_version=1;")
    fill(site.root / "src", 31)
    site.run("run", "one")
    assert len(site.runs()) == 2 and (site.state / "state.db.version-1").exists()


def test_mir_3_notify(site: Site) -> None:
    urls = site.root / "urls"
    urls.write_text("json://127.0.0.1/\n")
    urls.chmod(0o644)
    site.job(more=f"[notify]\napprise_file = '{urls}'\nhook = 'mail'\non = ['failed', 'never']\n")
    assert "notify.on[1]: " in site.run("check", code=78)
    site.write(site.file.read_text().replace(", 'never'", ""))
    text = site.run("check", code=78)
    assert "can be read by others: chmod 600" in text
    assert 'notify.hook: "mail" is not the absolute path of a program' in text


@pytest.mark.parametrize(
    ("body", "payload"),
    [
        (b'{"what": "stage1"}', True),
        (b'{"what": "all"}', False),
        (b"{}", False),
        (b"[", False),
        (b"", False),
        (b"[1]", False),
    ],
)
def test_bodies_of_pushes(body: bytes, payload: bool) -> None:
    assert is_for_payload(body) == payload
