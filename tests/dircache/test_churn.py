"""CCH-15: what lists show while writers change everything at full speed (I2, I3, and all that stayed is there).

`DIRCACHE_CHURN` is the time in seconds (6).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from tain import _core
from tests import programs
from tests.dircache.seam import cache_of, lists, sender_words
from tests.protocol.entries import Codec, Terms
from tests.protocol.ints import Bytes

SECONDS = float(os.environ.get("DIRCACHE_CHURN", "6"))
WORDS = sender_words([b"-rlt"], [b"./"], b"LsfxCv")
#: A list takes the changes that were reported a moment ago; other threads may run between that and its use.
BOUND = 0.01

#: Lists of a run, however slow the machine is.
LEAST = 20

State = tuple[str, int, float, float, float, float]


@dataclass
class Seen:
    """A list, and between which times it was made."""

    begun: float
    ended: float
    sizes: dict[str, int]


def look(tree: Path, cache: _core.DirectoryCache) -> Seen:
    begun = time.monotonic()
    sent = lists(WORDS, tree, listings=cache)
    ended = time.monotonic()
    assert sent.code in (0, 23, 24), sent.errors
    entries, _ = Codec(Terms(links=True)).read_list(Bytes(sent.data), 0)
    return Seen(begun, ended, {os.fsdecode(e.name): e.length for e in entries if e.is_file})


def faults(states: list[State], seen: Seen) -> list[str]:
    """What the list shows although it was not so, or does not show although it was."""
    out = []
    by_name: dict[str, list[State]] = {}
    for state in states:
        by_name.setdefault(state[0], []).append(state)
    for name, size in seen.sizes.items():
        if name.startswith("aside/"):
            continue
        if not any(s[1] == size and s[2] <= seen.ended and s[5] >= seen.begun - BOUND for s in by_name.get(name, ())):
            out.append(f"{name} with {size} bytes was not there")
    for name, size, _, latest_begin, earliest_end, _ in states:
        if latest_begin < seen.begun - BOUND and earliest_end > seen.ended and seen.sizes.get(name) != size:
            out.append(f"{name} with {size} bytes is listed as {seen.sizes.get(name)}")
    return out


def churn(tree: Path, cache: _core.DirectoryCache, seconds: float, *words: str) -> tuple[list[State], list[Seen]]:
    """Lists from two threads beside three writers with these *words*."""
    for directory in ("d/e", "o", "s/one", "s/two", "aside", *(f"quiet/{n}" for n in range(200))):
        (tree / directory).mkdir(parents=True)
    writers = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.dircache.writer", str(tree), str(seed), *words],
            cwd=programs.ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for seed in (1, 2, 3)
    ]
    for writer in writers:
        assert writer.stdout and writer.stdout.readline() == "begun\n"
    seen: list[Seen] = []
    end = time.monotonic() + seconds

    def read() -> None:
        while time.monotonic() < end or len(seen) < LEAST:
            seen.append(look(tree, cache))

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    states: list[State] = []
    for writer in writers:
        out, _ = writer.communicate("end\n")
        states += [tuple(state) for state in json.loads(out)]
    return states, seen


@pytest.mark.parametrize("words", [(), ("links",)])
def test_churn(words: tuple[str, ...], tmp_path: Path) -> None:
    cache = cache_of(tmp_path, watch=True)
    states, seen = churn(tmp_path, cache, SECONDS, *words)
    assert len(states) > 200
    found = [fault for one in seen for fault in faults(states, one)]
    assert found == []
    # Now all is quiet, and a list is right at once.
    assert lists(WORDS, tmp_path, listings=cache) == lists(WORDS, tmp_path)
    status = cache.status()
    assert status["refreshed_names"] > 100
    assert status["missed"] == 0
    # The quiet part was read once, whatever happened beside it, unless events were lost. A link that was changed and is
    # gone before a list has shown it may be one of any file.
    assert status["reads"] < 5000 or status["overflows"] or words


def test_without_barrier(tmp_path: Path) -> None:
    """The negative control: a cache that trusts its listings for a long time fails the test above."""
    cache = cache_of(tmp_path, max_age=3600.0)
    states, seen = churn(tmp_path, cache, 2.0)
    assert any(faults(states, one) for one in seen[len(seen) // 2 :])
    cache.refresh(b"")
    assert lists(WORDS, tmp_path, listings=cache) == lists(WORDS, tmp_path)


@pytest.mark.parametrize("age", [0.0, 0.3])
def test_age_under_churn(age: float, tmp_path: Path) -> None:
    """Without watches a list is right within the age that is allowed."""
    cache = cache_of(tmp_path, max_age=age)
    states, seen = churn(tmp_path, cache, 2.0)
    wide = [Seen(one.begun - age, one.ended, one.sizes) for one in seen]
    assert [fault for one in wide for fault in faults(states, one)] == []
