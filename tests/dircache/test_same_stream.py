"""CCH-16, I7: on a tree at rest a sender with listings sends the very bytes that one without them sends.

`DIRCACHE_CASES` is the number of random cases (300); `DIRCACHE_START` the first of them.
"""

from __future__ import annotations

import os
import random
import shutil
from pathlib import Path

import pytest

from tain import _core
from tests.dircache.seam import cache_of, lists, sender_words
from tests.dircache.trees import Maker

PORTIONS = 6
CASES = int(os.environ.get("DIRCACHE_CASES", "300"))
START = int(os.environ.get("DIRCACHE_START", "0"))
#: Cases that share a tree and its caches.
ON_ONE_TREE = 25

RECURSE = [[b"-r"], [b"-logDtpr"], [b"-logDtpr"], [b"-ltr"], [b"-ogr"], [b"-Dr"], [b"-lpogtr"], [b"-d"]]
MORE = [
    [b"-H"], [b"-x"], [b"-x", b"-x"], [b"-i"], [b"-n"], [b"-u"], [b"-W"], [b"-m"], [b"-v"],
    [b"--numeric-ids"], [b"--delete"], [b"--delete-after"], [b"--delay-updates"], [b"--existing"],
    [b"--max-size=100"], [b"--bwlimit=10000"], [b"--list-only"], [b"--safe-links"], [b"--hard-links", b"--numeric-ids"],
    # Of the class "live".
    [b"-c"], [b"-L"], [b"-k"], [b"-R"], [b"-vv"], [b"--copy-unsafe-links"], [b"-A"], [b"-X"],
]  # fmt: skip
RULES = [
    [], [], [], [b"- *.o"], [b"- /core"], [b"+ */", b"- *"], [b"- **/a*"], [b"- b/"], [b"H *.tar", b"S /z"],
    [b"+ /a***", b"- /*"], [b"- [!a-m]*"], [b": .rules"], [b"- *1*", b"- README", b"- /pkg-*", b"- x?o"],
]  # fmt: skip
CAPABILITIES = [b"LsfxCIvu", b"iLsfxCIvu", b"iLsfxCIvu", b"LsfxCI", b"iLsfxCI"]


def arguments(rng: random.Random, top: Path) -> list[bytes]:
    """Paths of a request, as a shell would give them."""
    base = os.fsencode(top)
    inner = sorted(os.path.relpath(at, base) for at, _, _ in os.walk(base) if at != base)
    any_entry = sorted(os.listdir(base))
    kind = rng.randrange(8)
    if kind < 3 or not inner:
        return [b"./"]
    if kind == 3:
        return [rng.choice(inner)]
    if kind == 4:
        return [rng.choice(inner) + b"/"]
    if kind == 5:
        return [b"."]
    chosen = rng.sample(any_entry, min(len(any_entry), rng.randrange(1, 4)))
    return [b"./" + name + (b"/" if rng.random() < 0.3 else b"") for name in chosen]


def one(rng: random.Random, top: Path, caches: list[_core.DirectoryCache]) -> None:
    options = rng.choice(RECURSE) + [word for _ in range(rng.randrange(3)) for word in rng.choice(MORE)]
    protocol = rng.choice([27, 28, 29, 30, 31, 32, 32, 32])
    needs = {b"-A": 30, b"-X": 30}
    options = [word for word in options if protocol >= needs.get(word, 0)]
    words = sender_words(options, arguments(rng, top), rng.choice(CAPABILITIES))
    rules = rng.choice(RULES)
    plain = lists(words, top, protocol=protocol, rules=rules)
    for cache in caches:
        found = lists(words, top, protocol=protocol, rules=rules, listings=cache)
        assert found == plain, (words, protocol, rules)


@pytest.mark.parametrize("portion", range(PORTIONS))
def test_same_stream(portion: int, tmp_path: Path) -> None:
    cases = range(START + portion, START + CASES, PORTIONS)
    made = 0
    caches: list[_core.DirectoryCache] = []
    for number, case in enumerate(cases):
        if number % ON_ONE_TREE == 0:
            if made:
                shutil.rmtree(tmp_path / str(made))
            made += 1
            Maker(tmp_path / str(made), case).make(random.Random(case).choice([0, 5, 60, 400]))
            caches = [
                cache_of(tmp_path / str(made), max_age=3600.0),
                cache_of(tmp_path / str(made), watch=True),
                # Too little for anything but a few directories.
                cache_of(tmp_path / str(made), told=True, memory=6000),
            ]
        one(random.Random(case), tmp_path / str(made), caches)
    if caches:
        status = caches[0].status()
        assert status["lists_cached"], status
