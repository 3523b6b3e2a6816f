"""`tain cache`: what it says of lists from memory, what it changes, and what it compares (CCH-21)."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest

from .harness import Daemon, wait_until
from .test_cache import fill, listing
from .test_control import cache
from .test_workers import worker_of

#: `tain cache` alone makes workers of modules.
CONF = b"""log file = DIR/log
reverse lookup = no
tain control socket = DIR/control
[m]
path = DIR/mod
tain cache = watch
tain status = yes
[hooked]
path = DIR/mod
pre-xfer exec = true
[aged]
path = DIR/mod
tain cache = ttl
tain cache max age = 3600
"""


def ask(daemon: Daemon, *words: str) -> tuple[int, str, str]:
    return cache(*words, f"--config={daemon.conf}")


def figures(daemon: Daemon, module: str = "m") -> dict[str, object]:
    """The figures of a module's only cache."""
    code, out, err = ask(daemon, "status", module, "--json")
    assert (code, err) == (0, "")
    (one,) = json.loads(out)["workers"]
    return dict(one["cache"])


def facts(tmp_path: Path) -> tuple[int, int]:
    """Entries and directories of the module."""
    found = list((tmp_path / "mod").rglob("*"))
    return len(found), 1 + sum(path.is_dir() for path in found)


def test_status_is_what_is_so(tmp_path: Path) -> None:
    top = fill(tmp_path)
    with Daemon("tain", tmp_path, CONF) as daemon:
        listing(daemon)
        entries, directories = facts(tmp_path)
        found = figures(daemon)
        assert (found["mode"], found["state"], found["bound"]) == ("watch", "valid", 0)
        assert (found["entries"], found["directories"], found["watches"]) == (entries, directories, directories)
        assert (found["lists_cached"], found["lists_live"], found["stale"]) == (1, {}, 0)
        assert found["missed"] == found["overflows"] == found["evictions"] == found["watches_missing"] == 0
        # A change is known at once, and the next list looks at what has changed.
        (top / "d1" / "new").write_text("new")
        found = figures(daemon)
        assert (found["state"], found["stale"]) == ("filling", 2)
        listing(daemon)
        listing(daemon, "-c")
        found = figures(daemon)
        assert (found["state"], found["stale"], found["entries"]) == ("valid", 0, entries + 1)
        assert (found["lists_cached"], found["lists_live"]) == (2, {"checksum": 1})
        # Its own name, and the entry of its directory.
        assert (found["reads"], found["refreshed_names"]) == (directories, 2)
        lines = [line.split() for line in ask(daemon, "status")[1].splitlines()]
        heads = "module mode state entries dirs memory bound hits live refreshed missed overflow worker conns"
        assert " ".join(lines[0]) == heads
        assert lines[1] == [
            "m", "watch", "valid", str(entries + 1), str(directories), "0", "MB", "0", "s", "2", "1", "2", "0", "0",
            str(worker_of(daemon)), "0",
        ]  # fmt: skip
        assert [" ".join(line) for line in lines[2:]] == [
            "hooked - processes: tain workers = no", "aged ttl no worker yet",
        ]  # fmt: skip


def test_metrics(tmp_path: Path) -> None:
    fill(tmp_path)
    with Daemon("tain", tmp_path, CONF) as daemon:
        for _ in range(2):
            listing(daemon)
            listing(daemon, "-c")
        daemon.client("-r", "HOST/aged/")
        entries, directories = facts(tmp_path)
        _, out, _ = ask(daemon, "metrics")
        found = dict(re.findall(r"^tain_daemon_(\S+) (\S+)$", out, re.MULTILINE))
        assert len(found) == len([line for line in out.splitlines() if not line.startswith("#")])
        for module in ("m", "aged"):
            assert found[f'cache_entries{{module="{module}"}}'] == str(entries)
            assert found[f'cache_directories{{module="{module}"}}'] == str(directories)
        assert found['cache_lists_total{module="m",class="cached",why=""}'] == "2"
        assert found['cache_lists_total{module="m",class="live",why="checksum"}'] == "2"
        assert found['cache_watches{module="aged"}'] == "0"
        assert float(found['session_cpu_seconds_total{module="m"}']) >= 0
        assert found['connections_total{how="worker"}'] == "5"
        _, out, _ = ask(daemon, "metrics", "--public")
        assert 'cache_entries{module="m"}' in out
        assert "aged" not in out
        assert "connections_total" not in out


def test_refresh_and_drop(tmp_path: Path) -> None:
    """A list that is trusted for an hour is right after `refresh` of where it is wrong, and after `drop`."""
    top = fill(tmp_path)
    conf = CONF.replace(b"tain cache = watch", b"tain cache = ttl\ntain cache max age = 3600")
    with Daemon("tain", tmp_path, conf) as daemon:
        listing(daemon)
        for words in (["refresh", "m", "/pool/d1/"], ["refresh", "m"], ["drop", "m"], ["drop", "--all"]):
            (top / "d1" / words[0]).write_text(" ".join(words))
            os.utime(top / "d1" / words[0], (len(words), 1))
            (top / "d2" / words[0]).write_text(" ".join(words))
            before = listing(daemon)
            assert ask(daemon, *words) == (0, "", "")
            after = listing(daemon)
            assert f"pool/d1/{words[0]}" in after
            if words[-1] == "/pool/d1/":
                assert f"pool/d2/{words[0]}" not in after
            (top / "d1" / words[0]).unlink()
            (top / "d2" / words[0]).unlink()
            assert before != after or len(words) == 2
            ask(daemon, "refresh", "m")


def test_check(tmp_path: Path) -> None:
    """`check` names the directories that differ, and ends with 1."""
    top = fill(tmp_path)
    with Daemon("tain", tmp_path, CONF) as daemon:
        listing(daemon)
        daemon.client("-r", "HOST/aged/")
        (top / "d3" / "new").write_text("new")
        pid = figures_pid(daemon, "m")
        # With watches the change is known, and is no difference: these two directories will be read anyway.
        assert ask(daemon, "check", "m") == (0, f"worker {pid}: 5 directories compared, 0 differ\n", "")
        listing(daemon)
        assert ask(daemon, "check", "m", "--sample", "3")[1] == f"worker {pid}: 3 directories compared, 0 differ\n"
        code, out, _ = ask(daemon, "check", "aged")
        lines = out.splitlines()
        # The entry of the directory in its parent has changed, too. That is known if the directory was compared first.
        assert code == 1
        assert sorted(lines[:-1]) in (["differs: pool/d3"], ["differs: pool", "differs: pool/d3"])
        # What differed is corrected.
        daemon.client("-r", "HOST/aged/")
        assert ask(daemon, "check", "aged", "--sample=5")[0] == 0


def figures_pid(daemon: Daemon, module: str) -> int:
    (one,) = json.loads(ask(daemon, "status", module, "--json")[1])["workers"]
    return int(one["pid"])


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["refresh"], 2),
        (["refresh", "m", "a", "b"], 2),
        (["drop"], 2),
        (["drop", "m", "n"], 2),
        (["drop", "m", "--all"], 2),
        (["check", "m", "--sample"], 2),
        (["check", "m", "--sample=0"], 2),
        (["check", "m", "--all"], 2),
        (["status", "--public"], 2),
        (["check", "m", "--socket=/nowhere/x"], 69),
    ],
)
def test_exit_codes(words: list[str], code: int) -> None:
    assert cache(*words)[0] == code


def test_a_module_without_lists(tmp_path: Path) -> None:
    fill(tmp_path)
    with Daemon("tain", tmp_path, CONF) as daemon:
        wait_until(lambda: ask(daemon, "status")[0] == 0, "the control socket")
        for command in ("refresh", "drop", "check"):
            assert ask(daemon, command, "m")[::2] == (1, "tain cache: no worker has lists of a module m\n")
        assert ask(daemon, "drop", "--all") == (0, "", "")
