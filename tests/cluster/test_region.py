"""SCL-6..9: regions divide every tree, also names that appear later, and rules hide what a region does not have.

``REGION_CASES`` is the number of random cases of each property (default: some thousands altogether).
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tain import _core
from tain.cluster.region import Piece, Region, cut, cut_all, give, is_hidden, rules, spine, spine_allowed
from tests.interop.ends import shell
from tests.programs import PEER, PROGRAM

CASES = int(os.environ.get("REGION_CASES", "1500"))
every_case = settings(max_examples=CASES, deadline=None)

#: Bytes that mean something to patterns, the ends of the range, and some ordinary ones: names that are near each other.
ALPHABET = [bytes((byte,)) for byte in b"ab-!^]\\*?[~# \n\x01\xfe\xff"]
names = st.lists(st.sampled_from(ALPHABET), min_size=1, max_size=4).map(b"".join)
paths = st.lists(names, min_size=1, max_size=4).map(b"/".join)
trees = st.lists(paths, max_size=20)


def order(path: bytes) -> list[bytes]:
    return path.split(b"/")


@st.composite
def divisions(draw: st.DrawFn) -> list[Region]:
    """Regions that come of any cuts, and of directories that running streams give away."""
    regions = cut_all(Region(), sorted(draw(st.lists(paths, max_size=5)), key=order))
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(regions) - 1))
        kept, given_away = give(regions[at], draw(st.lists(paths, max_size=3)))
        if not given_away.pieces:
            kept, given_away = cut(regions[at], draw(paths))
        regions[at : at + 1] = [region for region in (kept, given_away) if region.pieces]
    return regions


@every_case
@given(divisions(), trees, trees)
def test_scl_6_every_name_is_in_one_region(regions: list[Region], tree: list[bytes], later: list[bytes]) -> None:
    shared = set(spine(regions))
    for path in {*tree, *later}:
        owners = [region for region in regions if region.contains(path)]
        assert len(owners) == (0 if path in shared else 1), (path, regions)
        for region in regions:
            allowed = region.allowed()
            # A stream lists what it has, and the directories above that.
            above = any(piece.directory == path or piece.directory.startswith(path + b"/") for piece in region.pieces)
            assert is_hidden(allowed, path) == (not region.contains(path) and not above)


@every_case
@given(divisions(), trees)
def test_scl_6_the_spine_lists_nothing_else(regions: list[Region], tree: list[bytes]) -> None:
    shared = spine(regions)
    allowed = spine_allowed(shared)
    for path in {*tree, *filter(None, shared)}:
        assert is_hidden(allowed, path) == (path not in shared)


def matches(texts: list[bytes], path: bytes) -> bool:
    """Whether one of the rules matches *path*, a directory, or one above it, by the core's wildcards."""
    parts = path.split(b"/")
    tops = [b"/" + b"/".join(parts[: n + 1]) for n in range(len(parts))]
    for text in texts:
        assert text.startswith(b"-sr /")
        pattern = text[4:]
        plain = not set(b"*?[").intersection(pattern)
        if any(top == pattern if plain else _core.wildmatch(pattern, top) for top in tops):
            return True
    return False


@every_case
@given(divisions(), trees)
def test_scl_7_rules_hide_what_is_hidden(regions: list[Region], tree: list[bytes]) -> None:
    for region in regions:
        allowed = region.allowed()
        texts = rules(allowed)
        for path in tree:
            assert matches(texts, path) == is_hidden(allowed, path), (path, texts)


@every_case
@given(st.lists(paths, min_size=1, max_size=4, unique=True), trees)
def test_scl_6_cuts_keep_the_order(places: list[bytes], tree: list[bytes]) -> None:
    parts = cut_all(Region(), sorted(places, key=order))
    found = [next((n for n, part in enumerate(parts) if part.contains(path)), -1) for path in sorted(tree, key=order)]
    owned = [number for number in found if number >= 0]
    assert sorted(owned) == owned


def test_scl_8_classes_have_every_byte() -> None:
    for byte in range(1, 256):
        if byte == 0x2F:
            continue
        middle = bytes((byte,))
        lower, upper = cut(Region(), b"d/" + middle)
        for other in range(1, 256):
            if other != 0x2F:
                name = b"d/" + bytes((other,)) + b"x"
                assert matches(rules(lower.allowed()), name) == (name[2:] >= middle)
                assert matches(rules(upper.allowed()), name) == (name[2:] < middle)


def test_boundaries_between_neighbours() -> None:
    assert Piece(directory=b"d", start=b"m", end=b"m").is_empty and not Piece(start=b"m", end=b"m\0").is_empty
    assert Piece(end=b"\x01").is_empty and Piece(end=b"").is_empty
    assert rules(Region().allowed()) == []
    kept, given_away = give(Region(), [b"a/b", b"x"])
    assert spine([kept, given_away]) == [b"", b"a", b"a/b", b"x"]
    assert kept.contains(b"a/c") and given_away.contains(b"a/b/c") and not kept.contains(b"x/y")


# ---- with programs


def odd_names(count: int) -> list[bytes]:
    seeds = (b"a", b"a-b", b"~x", b"#x", b"- x", b"[a]", b"*", b"?", b"\\", b"!", b"^", b"]", b"\n", b"\xff", b"\x80")
    return [seeds[n % len(seeds)] + (b"%d" % n if n >= len(seeds) else b"") for n in range(count)]


def files_below(top: Path) -> set[bytes]:
    root = os.fsencode(top)
    return {os.path.relpath(os.path.join(base, name), root) for base, _, found in os.walk(root) for name in found}


@pytest.mark.parametrize("program", ["rsync", "tain"])
@pytest.mark.parametrize("over", ["local", "push", "pull"])
def test_scl_9_parts_make_the_whole(tmp_path: Path, program: str, over: str) -> None:
    """Each part by its rules alone, with --delete-excluded: nothing of other parts is deleted, and all is copied."""
    source, target = tmp_path / "src", tmp_path / "dst"
    folders = odd_names(5)
    for number, name in enumerate(odd_names(60)):
        folder = os.path.join(os.fsencode(source), b"" if number % 3 == 0 else folders[number % 5] + b".d")
        os.makedirs(folder, exist_ok=True)
        with open(os.path.join(folder, name), "wb") as file:
            file.write(name)
    (source / ".rsync-filter").write_text("!\n- *5\n")
    target.mkdir()
    found = sorted(files_below(source), key=order)
    here, there = f"{source}/", f"{target}/"
    ends = {"local": (here, there), "push": (here, "h:" + there), "pull": ("h:" + here, there)}[over]
    remote = [] if over == "local" else ["-e", str(shell(tmp_path)), f"--rsync-path={PEER}"]
    command = PEER if program == "rsync" else PROGRAM or ""
    for region in cut_all(Region(), found[7::11]):
        words = [word for text in rules(region.allowed()) for word in (b"-f", text)]
        line = [command, "-aF", "--delete-excluded", *remote]
        run = subprocess.run(
            [*map(os.fsencode, line), *words, *map(os.fsencode, ends)], capture_output=True, timeout=60
        )
        assert (run.returncode, run.stderr) == (0, b"")
    assert files_below(target) == {place for place in found if not place.endswith(b"5")}
