"""Which requests are served from listings, memory, and views."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from tain import _core
from tain.errors import FileError, UsageError
from tests.dircache.seam import cache_of, lists, sender_words

ARCHIVE = [b"-logDtpr"]

#: CCH-12: options, paths, rules, protocol, and why such a list is scanned; nothing: it is not.
CLASSES: dict[str, tuple[list[bytes], list[bytes], list[bytes], int, str]] = {
    "archive": (ARCHIVE, [b"./"], [], 32, ""),
    "protocol 29": (ARCHIVE, [b"./"], [], 29, ""),
    "one list": ([*ARCHIVE, b"--delay-updates"], [b"./"], [], 31, ""),
    "subdirectory": (ARCHIVE, [b"d/e/"], [], 32, ""),
    "named directory": (ARCHIVE, [b"d"], [], 32, ""),
    "several arguments": (ARCHIVE, [b"d", b"f"], [], 32, ""),
    "other options": ([*ARCHIVE, b"-ni", b"-u", b"--existing", b"-m", b"--max-size=9"], [b"./"], [], 32, ""),
    "deletion": ([*ARCHIVE, b"--delete", b"--numeric-ids"], [b"./"], [], 32, ""),
    "without recursion": ([b"-d"], [b"./"], [], 32, ""),
    "one file system": ([*ARCHIVE, b"-x"], [b"./"], [], 32, ""),
    "hard links": ([*ARCHIVE, b"-H"], [b"./"], [], 32, ""),
    "filters": (ARCHIVE, [b"./"], [b"- *.o", b"- /d/e", b"+ **/x", b"- b/", b"H h", b"S s"], 32, ""),
    "protocol 28": (ARCHIVE, [b"./"], [], 28, "protocol"),
    "merge files": (ARCHIVE, [b"./"], [b": .rules"], 32, "merge-files"),
    "relative": ([*ARCHIVE, b"-R"], [b"d/e"], [], 32, "relative"),
    "checksums": ([*ARCHIVE, b"-c"], [b"./"], [], 32, "checksum"),
    "attributes": ([*ARCHIVE, b"-X"], [b"./"], [], 32, "xattrs"),
    "access lists": ([*ARCHIVE, b"-A"], [b"./"], [], 32, "acls"),
    "access times": ([*ARCHIVE, b"-U"], [b"./"], [], 32, "atimes"),
    "no access times": ([*ARCHIVE, b"--open-noatime"], [b"./"], [], 32, "atimes"),
    "followed links": ([*ARCHIVE, b"-L"], [b"./"], [], 32, "links"),
    "links to directories": ([*ARCHIVE, b"-k"], [b"./"], [], 32, "links"),
    "unsafe links": ([*ARCHIVE, b"--copy-unsafe-links"], [b"./"], [], 32, "links"),
    "devices as files": ([*ARCHIVE, b"--copy-devices"], [b"./"], [], 32, "copy-devices"),
    "fake super": ([*ARCHIVE, b"--fake-super"], [b"./"], [], 32, "fake-super"),
    "converted names": ([*ARCHIVE, b"--iconv=utf-8"], [b"./"], [], 32, "iconv"),
    "listed names": ([*ARCHIVE, b"--files-from=LIST"], [b"./"], [], 32, "files-from"),
    "verbose": ([*ARCHIVE, b"-vv"], [b"./"], [], 32, "verbose"),
    "names that meet": (ARCHIVE, [b"d/", b"d/e/"], [], 32, "duplicates"),
    "one name twice": (ARCHIVE, [b"d/e", b"e"], [], 32, "duplicates"),
}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    top = tmp_path / "tree"
    (top / "d/e/x").mkdir(parents=True)
    (top / "e").mkdir()
    for name in ("f", "d/f", "d/e/g.o", "d/e/x/h", "e/i"):
        (top / name).write_text(name)
    return top


@pytest.mark.parametrize("name", CLASSES)
def test_classes(name: str, tree: Path) -> None:
    """CCH-12: a row for each class of requests; the class is counted."""
    options, paths, rules, protocol, why = CLASSES[name]
    (tree.parent / "list").write_text("d\n")
    options = [word.replace(b"LIST", os.fsencode(tree.parent / "list")) for word in options]
    cache = cache_of(tree)
    for _ in range(2):
        plain = lists(sender_words(options, paths), tree, protocol=protocol, rules=rules)
        assert lists(sender_words(options, paths), tree, protocol=protocol, rules=rules, listings=cache) == plain
    status = cache.status()
    assert status["lists_live"] == ({why: 2} if why else {})
    assert status["lists_cached"] == (0 if why else 2)
    assert status["directories_live"] == {}
    if why:
        assert status["directories"] == status["reads"] == 0
    elif name != "several arguments":
        assert 0 < status["reads"] == status["directories"] == status["directories_cached"] / 2


def test_link_as_argument(tree: Path) -> None:
    """A source that links lead to is scanned: its path says nothing about the directory."""
    (tree / "way").symlink_to("d")
    cache = cache_of(tree)
    words = sender_words(ARCHIVE, [b"way/e/"])
    assert lists(words, tree, listings=cache) == lists(words, tree)
    assert cache.status()["reads"] == 0


@pytest.mark.parametrize(
    "field",
    [
        {"daemon_rules": [b"- *.o"]},
        {"daemon_chmod": b"F600"},
        {"munge_links": True},
        {"ignore_nonreadable": True},
        {"umask": 0o077},
        {"insecure_links": True},
        {"module_root": b"/"},
    ],
    ids=lambda field: next(iter(field)),
)
def test_other_view(field: dict[str, object], tree: Path) -> None:
    """I5: a session whose view is another one gets nothing from the listings."""
    fields: dict[str, object] = {"am_root": os.geteuid() == 0, "umask": 0o022} | field
    cache = _core.DirectoryCache(_core.Plan(**fields), os.fsencode(tree))  # type: ignore[arg-type]
    words = sender_words(ARCHIVE, [b"./"])
    assert lists(words, tree, listings=cache) == lists(words, tree)
    assert cache.status()["lists_live"] == {"view": 1}


def test_elsewhere(tree: Path) -> None:
    """A tree that is not below the root of the cache is scanned."""
    cache = cache_of(tree / "d")
    words = sender_words(ARCHIVE, [b"./"])
    assert lists(words, tree, listings=cache) == lists(words, tree)
    assert cache.status()["reads"] == 0


def test_unreadable_directory(tree: Path) -> None:
    """A directory that cannot be read is scanned for each list, with the messages of a scan."""
    (tree / "d/e/x/h").unlink()
    (tree / "d/e/x").rmdir()
    name = b"x" * 255
    path = os.fsencode(tree)
    # A path of more than 4095 bytes from the root.
    here = os.open(path, os.O_RDONLY)
    for _ in range(17):
        os.mkdir(name, dir_fd=here)
        inner = os.open(name, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = inner
    os.close(here)
    cache = cache_of(tree)
    words = sender_words(ARCHIVE, [b"./"])
    for _ in range(2):
        plain = lists(words, tree)
        found = lists(words, tree, listings=cache)
        assert found == plain
    assert (plain.code, plain.errors[:25]) == (23, b"skipping overly long name")
    assert sum(cache.status()["directories_live"].values()) == 2


def test_age(tree: Path) -> None:
    """Without watches a listing is trusted for *max_age*, and then read again."""
    words = sender_words(ARCHIVE, [b"./"])
    cache, old = cache_of(tree, max_age=0.2), lists(words, tree)
    begun = time.monotonic()
    assert lists(words, tree, listings=cache) == old
    (tree / "d/new").write_text("new")
    found = lists(words, tree, listings=cache)
    if time.monotonic() - begun < 0.2:
        assert found == old
    time.sleep(0.25)
    assert lists(words, tree, listings=cache) == lists(words, tree) != old
    cache.refresh(b"")
    before = cache.status()["reads"]
    lists(words, tree, listings=cache)
    assert cache.status()["reads"] == before + 5
    cache.clear()
    assert cache.status()["directories"] == cache.status()["bytes"] == 0


def test_once_for_all(tree: Path) -> None:
    """Senders that want a directory at the same time cost one reading of it."""
    for number in range(20):
        for inner in range(40):
            path = tree / f"many{number}" / f"file{inner}"
            path.parent.mkdir(exist_ok=True)
            path.write_text("")
    cache = cache_of(tree, max_age=60.0)
    words = sender_words(ARCHIVE, [b"./"])
    plain, found = lists(words, tree), []
    threads = [threading.Thread(target=lambda: found.append(lists(words, tree, listings=cache))) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [plain] * 12
    assert cache.status()["reads"] == cache.status()["directories"] == 25


def fill(top: Path, dirs: int, files: int) -> None:
    for number in range(dirs):
        inner = top / f"pool-{number % 7}" / f"package-{number:04}"
        inner.mkdir(parents=True)
        for file in range(files):
            (inner / f"package-{number:04}_1.{file}-1_amd64.deb").write_text("")


def test_bytes_for_an_entry(tmp_path: Path) -> None:
    """CCH-11: 48 bytes for an entry and 300 for a directory."""
    fill(tmp_path / "tree", 60, 15)
    cache = cache_of(tmp_path / "tree", watch=True)
    lists(sender_words(ARCHIVE, [b"./"], b"LsfxCIvu"), tmp_path / "tree", listings=cache)
    status = cache.status()
    assert (status["entries"], status["directories"]) == (60 * 16 + 7, 68)
    assert status["bytes"] <= 48 * status["entries"] + 300 * status["directories"]


def test_cap(tmp_path: Path) -> None:
    """CCH-13: listings stay below the cap, and every list is right."""
    top = tmp_path / "tree"
    fill(top, 60, 15)
    words, plain = sender_words(ARCHIVE, [b"./"]), lists(sender_words(ARCHIVE, [b"./"]), top)
    for watch in (False, True):
        cache = cache_of(top, watch=watch, memory=20_000)
        for _ in range(3):
            assert lists(words, top, listings=cache) == plain
            assert cache.status()["bytes"] <= 20_000
        assert cache.status()["evictions"] > 50
        assert cache.status()["watches"] < 68


def test_errors(tree: Path) -> None:
    with pytest.raises(FileError, match="No such file"):
        cache_of(tree / "none")
    with pytest.raises(UsageError):
        cache_of(tree, max_age=-1.0)
