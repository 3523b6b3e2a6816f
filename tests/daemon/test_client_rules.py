"""Rules that a daemon's client gives the daemon alone (`-M--filter=...`): heeded, with files of the module only.

spec: daemon 7.3; compared with rsync's daemon
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from .harness import RSYNC, Daemon, environment, wait_until

CONF = (
    b"log file = DIR/log\nuse chroot = no\nreverse lookup = no\nuid = 0\ngid = 0\nread only = no\nmunge symlinks = no\n"
    b"[m]\npath = DIR/m\n"
)
#: The client's words, and whether the daemon can do it.
RULES = {
    "exclude": "-M--exclude=f",
    "filter": "-M--filter=-_g",
    "file": "-M--exclude-from=/rules",
    "relative-file": "-M--exclude-from=rules",
    "merge": "-M--filter=._/rules",
    "relative-merge": "-M--filter=._rules",
    "link-inside": "-M--exclude-from=/inner",
    "link-outside": "-M--exclude-from=/out/rules",
    "merge-link-outside": "-M--filter=._/out/rules",
    "climbing": "-M--exclude-from=../secret/rules",
    "merge-climbing": "-M--filter=._../secret/rules",
    "outside": "-M--exclude-from=DIR/secret/rules",
    "merge-outside": "-M--filter=._/etc/hostname",
    "merge-in-a-file": "-M--filter=._/nested",
    "standard-input": "-M--exclude-from=-",
    "missing": "-M--include-from=/nothing",
}


def make(home: Path) -> None:
    for name, text in {"m/f": "1", "m/g": "2", "m/rules": "- g\n", "m/nested": ". /etc/hostname\n"}.items():
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text(text)
    (home / "secret").mkdir()
    (home / "secret/rules").write_text("- f\n")
    (home / "m/out").symlink_to(home / "secret")
    (home / "m/inner").symlink_to("rules")
    (home / "send").mkdir()
    (home / "send/new").write_text("new")


@pytest.fixture(scope="module")
def daemons(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Daemon]]:
    home = tmp_path_factory.mktemp("rules")
    with Daemon("rsync", home / "rsync", CONF) as theirs, Daemon("tain", home / "tain", CONF) as ours:
        yield {"rsync": theirs, "tain": ours}


def ask(daemon: Daemon, words: list[str]) -> tuple[int, list[str], list[str]]:
    """The client's exit code, the resulting names, and its lines about the rule file."""
    home = daemon.dir
    for name in ("m", "secret", "send", "got"):
        shutil.rmtree(home / name, ignore_errors=True)
    make(home)
    url = f"rsync://127.0.0.1:{daemon.port}/m/"
    words = [word.replace("_", " ").replace("DIR", str(home)).replace("HOST", url) for word in words]
    ran = subprocess.run([RSYNC, *words], capture_output=True, text=True, env=environment(), timeout=60)
    wait_until(lambda: not daemon.children(), "the daemon to finish")
    said = [line.replace(str(home), "DIR").split("]")[-1] for line in ran.stderr.splitlines() if "exclude file" in line]
    got = sorted(path.name for path in (home / "got").glob("*"))
    return ran.returncode, got + sorted(path.name for path in (home / "m").iterdir()), said


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("way", ["pull", "push"])
def test_rules_of_one_end(rule: str, way: str, daemons: dict[str, Daemon]) -> None:
    words = ["-r", RULES[rule], *(["HOST", "DIR/got/"] if way == "pull" else ["--delete", "DIR/send/", "HOST"])]
    results = {kind: ask(daemon, words) for kind, daemon in daemons.items()}
    ours, theirs = results["tain"], results["rsync"]
    assert ours[1] == theirs[1]
    # Our daemon lets the client read the reason and end with its code; with rsync's the client ends with 12.
    assert ours[0] == (11 if theirs[0] == 12 else theirs[0])
    if theirs[2]:
        assert [line.partition("failed to open")[1] for line in ours[2]] == ["failed to open"]
    assert "hostname" not in "".join(ours[1])
