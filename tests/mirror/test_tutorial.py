"""MIR-85: the pages about the server do what they show, with every command typed as it stands there."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import sqlite3
import subprocess
from pathlib import Path

from tain.mirror.locks import holder_of
from tests import programs
from tests.mirror.site import Site, fill
from tests.mirror.test_docs import normal
from tests.mirror.test_runs import wait_for

DOCS = programs.ROOT / "docs"


def examples(page: str) -> list[tuple[str, str]]:
    """The commands of a page and what they print."""
    found = []
    for block in re.findall(r"<!-- run -->\n```sh\n(.*?)```", (DOCS / page).read_text(), re.DOTALL):
        for command in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            line, _, expected = command.partition("\n")
            found.append((line, expected))
    return found


def plain(text: str, root: Path) -> str:
    """*text* without what differs between two runs, nor the number of spaces."""
    text = re.sub(r"http://127\.0\.0\.1:\d+/", "URL", normal(text, root))
    text = re.sub(r"pid \w+", "pid PID", text)
    text = re.sub(r"\d{8}T\d{6}Z-\w{4} \d\d \w{3} \d\d:\d\d", "ID STARTED", text)
    text = re.sub(r"[\d.]+ (?:B|kB|MB)\b|SIZE|BYTES", "BYTES", text)
    # Sentences that the page cuts.
    text = re.sub(
        r"(11 of 42 entries).*|^ +(content|last good|last check|next|files|bytes|upstream) .*\n",
        r"\1",
        text,
        flags=re.M,
    )
    return re.sub(r" +", " ", text).strip()


def test_mir_85_the_tutorial(tmp_path: Path, tain: str) -> None:
    commands = examples("tutorial/first-mirror-job.md")
    assert len(commands) == 9
    environment = {
        **programs.environment(str(tmp_path)), "STATE_DIRECTORY": str(tmp_path / "state"), "TERM": "dumb",
        "PATH": f"{Path(tain).parent}:/usr/bin:/bin", "HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path / "none"),
        "TAIN_MIRROR_CONFIG": "",
    }  # fmt: skip
    server: subprocess.Popen[str] | None = None
    runs = 0
    try:
        for line, expected in commands:
            words = ["sh", "-c", line.replace("/srv", str(tmp_path))]
            if line.endswith(" &"):
                # Another server may have the usual port.
                words[2] = "exec " + words[2].removesuffix(" &") + " --listen 127.0.0.1:0"
                server = subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, text=True)
                assert server.stdout is not None
                shown = server.stdout.readline() + server.stdout.readline()
            else:
                done = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=60, check=False)
                shown = done.stdout + done.stderr
            assert plain(shown, tmp_path) == plain(expected, tmp_path), line
            if " start " in line or line.endswith(" &"):
                runs += 1
                wait_for(lambda count=runs: _ended(tmp_path / "state") == count)
    finally:
        assert server is not None
        server.send_signal(signal.SIGTERM)
        assert server.wait(60) == 0


def _ended(state: Path) -> int:
    """How many runs have ended, with their results in the database and their processes gone."""
    database = state / "state.db"
    if not database.exists() or holder_of(str(state / "jobs/tree/lock")) is not None:
        return 0
    with contextlib.closing(sqlite3.connect(database)) as connection:
        found: int = connection.execute("SELECT count(*) FROM run WHERE result IS NOT NULL").fetchone()[0]
        (last,) = connection.execute("SELECT max(id) FROM run").fetchone()
        (known,) = connection.execute("SELECT max(last_run) FROM job").fetchone()
    return found if last == known else 0


def test_the_http_reference(site: Site) -> None:
    commands = examples("reference/mirror-http.md")
    assert len(commands) == 6
    fill(site.root / "src", 40)
    site.job("tree")
    site.write(f'[server]\nlisten = ["127.0.0.1:0"]\ntokens_file = "{site.root}/tokens.toml"\n' + site.file.read_text())
    variables = {
        "TOKEN": site.run("token", "add", "me", "--role", "operator").strip(),
        "PUSH": site.run("token", "add", "upstream", "--role", "push:tree").strip(),
    }
    site.run("run", "tree")
    server = site.start("serve")
    try:
        wait_for(lambda: (site.state / "server.json").exists())
        address = json.loads((site.state / "server.json").read_text())["addresses"][0]
        environment = {**os.environ, **variables, "URL": address.rstrip("/")}
        for line, expected in commands:
            done = subprocess.run(
                ["sh", "-c", line], env=environment, capture_output=True, text=True, timeout=60, check=True
            )
            sizes = r'("bytes":)\d+'
            assert re.sub(sizes, r"\1", done.stdout.strip()) == re.sub(sizes, r"\1", expected.strip()), line
    finally:
        server.send_signal(signal.SIGTERM)
        server.communicate(timeout=60)


def test_every_route_is_in_the_reference() -> None:
    from tain.mirror.web import app

    text = (DOCS / "reference/mirror-http.md").read_text()
    source = Path(app.__file__).read_text()
    for path in re.findall(r'\("(/[^"]+)", (?:pages|api|self)\.', source):
        last = re.sub(r"\{\w+\}", "", path).rstrip("/").rsplit("/", 1)[-1]
        assert last in text or path.startswith("/assets"), path
