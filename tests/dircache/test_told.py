"""CCH-20: listings that are trusted until a job announces changes; messages lost, late, twice and forged."""

from __future__ import annotations

from pathlib import Path

import pytest

from tain import _core
from tain.errors import UsageError
from tests.dircache.seam import cache_of, lists, sender_words

WORDS = sender_words([b"-logDtpr"], [b"./"])


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    top = tmp_path / "tree"
    for path in ("job/d/e/f", "job/d/g", "other/h", "i"):
        (top / path).parent.mkdir(parents=True, exist_ok=True)
        (top / path).write_text(path)
    return top


@pytest.fixture
def cache(tree: Path) -> _core.DirectoryCache:
    cache = cache_of(tree, told=True)
    lists(WORDS, tree, listings=cache)
    return cache


def is_right(tree: Path, cache: _core.DirectoryCache) -> bool:
    return lists(WORDS, tree, listings=cache) == lists(WORDS, tree)


def change(tree: Path) -> None:
    (tree / "job/d/e/new").write_text("new")
    (tree / "job/d/g").unlink()


def reads(cache: _core.DirectoryCache) -> int:
    return cache.status()["reads"]


def test_commit(tree: Path, cache: _core.DirectoryCache) -> None:
    """Exactly the directories of the commit are read again, and their entries in their parents."""
    change(tree)
    assert not is_right(tree, cache)
    before = reads(cache)
    cache.commit(b"job", [b"job/d/e", b"job/d"])
    assert is_right(tree, cache)
    # Those two, and the parent of the upper one.
    assert reads(cache) - before == 3
    assert cache.status()["jobs"] == 0


def test_between_begin_and_commit(tree: Path, cache: _core.DirectoryCache) -> None:
    """While a job runs, its part of the tree is looked at each time."""
    cache.begin(b"job")
    assert cache.status()["jobs"] == 1
    assert is_right(tree, cache)
    (tree / "job/d/g").write_text("changed")
    before = reads(cache)
    assert is_right(tree, cache)
    assert reads(cache) - before == 3
    cache.commit(b"job", [b"job/d"])
    assert is_right(tree, cache)
    before = reads(cache)
    assert is_right(tree, cache)
    assert reads(cache) == before


def test_abort(tree: Path, cache: _core.DirectoryCache) -> None:
    """What a job has done that ended without a commit is unknown: everything below its root is verified once."""
    cache.begin(b"job")
    change(tree)
    cache.abort(b"job")
    before = reads(cache)
    assert is_right(tree, cache)
    assert reads(cache) - before == 3
    assert is_right(tree, cache)
    assert reads(cache) - before == 3


def test_twice(tree: Path, cache: _core.DirectoryCache) -> None:
    """A message that comes twice does no more than one."""
    cache.begin(b"job")
    cache.begin(b"job")
    change(tree)
    for _ in range(2):
        cache.commit(b"job", [b"job/d/e", b"job/d"])
        assert cache.status()["jobs"] == 0
        assert is_right(tree, cache)
    cache.abort(b"job")
    cache.abort(b"job")
    assert is_right(tree, cache)


def test_lost_and_late(tree: Path, cache: _core.DirectoryCache) -> None:
    """A commit without a begin, and one after an abort."""
    (tree / "job/d/e/half").write_text("a list of the middle of a job")
    lists(WORDS, tree, listings=cache)
    change(tree)
    cache.commit(b"job", [b"job/d/e", b"job/d"])
    assert is_right(tree, cache)
    cache.begin(b"job")
    cache.abort(b"job")
    (tree / "job/d/late").write_text("late")
    cache.commit(b"job", [b"job/d"])
    assert is_right(tree, cache)


def test_two_jobs(tree: Path, cache: _core.DirectoryCache) -> None:
    """A job within the tree of another one: the end of one does not end the other."""
    cache.begin(b"")
    cache.begin(b"job/d")
    cache.commit(b"job/d", [b"job/d"])
    (tree / "job/d/more").write_text("of the outer job")
    assert is_right(tree, cache)
    cache.commit(b"", [])
    before = reads(cache)
    assert is_right(tree, cache)
    assert reads(cache) == before


@pytest.mark.parametrize("path", [b"/job", b"job/", b"job//d", b"../tree/job", b"job/../other", b"./job", b"."])
def test_forged(path: bytes, tree: Path, cache: _core.DirectoryCache) -> None:
    """Paths that are not beneath the root are refused; a directory outside of a job's root is worth nothing."""
    for call in (cache.begin, cache.abort, lambda root: cache.commit(root, [])):
        with pytest.raises(UsageError, match="not a path beneath the root"):
            call(path)
    change(tree)
    for directory in (path, b"other", b"jobs", b""):
        with pytest.raises(UsageError, match="not below the job's root"):
            cache.commit(b"job", [b"job/d", directory])
        assert is_right(tree, cache)


def test_directories_come_and_go(tree: Path, cache: _core.DirectoryCache) -> None:
    """A directory that is replaced by another one of the same name is read, although it is not in the list."""
    (tree / "job/d/e").rename(tree / "job/old")
    (tree / "job/d/e").mkdir()
    (tree / "job/d/e/other").write_text("other")
    cache.commit(b"job", [b"job", b"job/d"])
    assert is_right(tree, cache)
    entries = cache.status()["directories"]
    (tree / "job/d/e/other").unlink()
    (tree / "job/d/e").rmdir()
    cache.commit(b"job", [b"job/d"])
    assert is_right(tree, cache)
    assert cache.status()["directories"] == entries - 1


def test_with_watches(tree: Path) -> None:
    """With watches messages change nothing: each change is reported by itself."""
    cache = cache_of(tree, told=True, watch=True)
    lists(WORDS, tree, listings=cache)
    cache.begin(b"job")
    before = reads(cache)
    assert is_right(tree, cache)
    change(tree)
    assert is_right(tree, cache)
    assert reads(cache) == before
    cache.commit(b"job", [b"job/d/e", b"job/d"])
    assert is_right(tree, cache)
