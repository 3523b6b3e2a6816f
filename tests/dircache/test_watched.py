"""Listings that are trusted until the kernel reports a change."""

from __future__ import annotations

import mmap
import os
import random
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tain import _core
from tests import programs
from tests.dircache.seam import Sent, cache_of, lists, sender_words
from tests.dircache.trees import Maker

WORDS = sender_words([b"-logDtpr", b"-H"], [b"./"])


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    top = tmp_path / "tree"
    (top / "d/e/x").mkdir(parents=True)
    (top / "o").mkdir()
    for name in ("f", "d/f", "d/e/g", "d/e/x/h", "o/i", "o/j"):
        (top / name).write_text(name)
    os.link(top / "d/f", top / "o/linked")
    return top


def both(tree: Path, cache: _core.DirectoryCache) -> Sent:
    """The lists with listings, which are those without them."""
    found = lists(WORDS, tree, listings=cache)
    assert found == lists(WORDS, tree)
    return found


def truncate(path: Path) -> None:
    os.truncate(path, 1)


#: A change, and the most directories that are read as a whole for it. Names are looked at one by one.
CHANGES: dict[str, tuple[Callable[[Path], object], int]] = {
    "create": (lambda top: (top / "d/e/new").write_text("1"), 0),
    "write": (lambda top: (top / "d/e/g").write_text("longer than before"), 0),
    "append": (lambda top: (top / "d/e/g").open("a").write("more"), 0),
    "truncate": (lambda top: truncate(top / "d/e/g"), 0),
    "delete": (lambda top: (top / "d/e/g").unlink(), 0),
    "rename": (lambda top: (top / "d/e/g").rename(top / "d/e/k"), 0),
    "rename over": (lambda top: (top / "f").rename(top / "d/e/g"), 0),
    "rename from outside": (lambda top: (top.parent / "outside").rename(top / "d/in"), 0),
    "rename to the outside": (lambda top: (top / "d/e/g").rename(top.parent / "out"), 0),
    "mode": (lambda top: (top / "d/e/g").chmod(0o600), 0),
    "times": (lambda top: os.utime(top / "d/e/g", (1, 1)), 0),
    "owner": (lambda top: os.chown(top / "d/e/g", os.geteuid(), os.getegid()), 0),
    "symlink": (lambda top: (top / "d/l").symlink_to("f"), 0),
    "fifo": (lambda top: os.mkfifo(top / "d/p"), 0),
    "make a directory": (lambda top: (top / "d/new").mkdir(), 1),
    "remove a directory": (lambda top: shutil.rmtree(top / "d/e/x"), 0),
    "move a directory": (lambda top: (top / "d/e").rename(top / "o/e"), 2),
    "move a directory away": (lambda top: (top / "d/e").rename(top.parent / "e"), 0),
    "swap directories": (lambda top: swap(top / "d", top / "o"), 4),
    "replace a directory by a link": (lambda top: by_link(top / "d/e"), 0),
    "mode of a directory": (lambda top: (top / "d").chmod(0o700), 3),
    "times of a directory": (lambda top: os.utime(top / "d/e", (1, 1)), 2),
    "mode of the root": (lambda top: top.chmod(0o700), 5),
    "many names": (lambda top: [(top / "o" / str(n)).write_text("") for n in range(100)], 1),
    "second link": (lambda top: os.link(top / "d/e/g", top / "o/second"), 0),
    "second link of the root": (lambda top: os.link(top / "o/i", top / "second"), 0),
    "write through a link": (lambda top: (top / "o/linked").write_text("through the link"), 0),
    "unlink a link": (lambda top: (top / "o/linked").unlink(), 0),
    "replace a link": (lambda top: (top / "o/i").rename(top / "d/f"), 0),
    "second link and write": (lambda top: link_and_write(top / "f", top / "o/f"), 0),
}


def link_and_write(old: Path, new: Path) -> None:
    os.link(old, new)
    new.write_text("changed")


def swap(one: Path, other: Path) -> None:
    aside = one.parent / "aside"
    one.rename(aside)
    other.rename(one)
    aside.rename(other)


def by_link(directory: Path) -> None:
    aside = directory.parent.parent / "aside"
    directory.rename(aside)
    directory.symlink_to("../aside")
    shutil.rmtree(aside)


@pytest.mark.parametrize("name", CHANGES)
def test_changes(name: str, tree: Path) -> None:
    """CCH-17: each change is in the next list, and only what it touches is read again."""
    (tree.parent / "outside").write_text("outside")
    cache = cache_of(tree, watch=True)
    old = both(tree, cache)
    before = cache.status()
    assert (before["reads"], before["watches"]) == (5, 5)
    assert both(tree, cache) == old
    change, most = CHANGES[name]
    change(tree)
    assert both(tree, cache) != old or name == "owner"
    after = cache.status()
    assert after["reads"] - before["reads"] <= most
    assert after["directories_live"] == {}
    again = both(tree, cache)
    assert both(tree, cache) == again
    assert cache.status()["reads"] == after["reads"]
    # The watches of what is gone are gone.
    directories = sum(1 for _ in os.walk(tree))
    assert cache.status()["watches"] == cache.status()["directories"] == directories


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("hard_links", [False, True])
@pytest.mark.parametrize("listed", ["none", "before", "between"])
def test_second_link(listed: str, hard_links: bool, reverse: bool, tree: Path) -> None:
    """A file gets its second link in another directory, and is then written through it: in every order of lists."""
    words = sender_words([b"-logDtpr", *([b"-H"] if hard_links else [])], [b"./"])
    here, there = ("o", "d/e") if reverse else ("d/e", "o")
    cache = cache_of(tree, watch=True)

    def look() -> None:
        assert lists(words, tree, listings=cache) == lists(words, tree)

    if listed != "none":
        look()
    name = next(path for path in sorted((tree / here).iterdir()) if path.is_file())
    os.link(name, tree / there / "second")
    if listed == "between":
        look()
    (tree / there / "second").write_text("written through the second name")
    look()
    name.unlink()
    look()


def hide_a_write(old: Path, new: Path) -> None:
    """Write through a link that is gone before anybody has seen it."""
    link_and_write(old, new)
    new.unlink()


def hide_a_renamed_write(old: Path, new: Path) -> None:
    link_and_write(old, new)
    other = new.with_name("renamed")
    new.rename(other)
    other.unlink()


def hide_a_replaced_write(old: Path, new: Path) -> None:
    link_and_write(old, new)
    (old.parent / "x/h").rename(new)


def hide_a_moved_write(old: Path, new: Path) -> None:
    """The link goes to a directory that is not watched."""
    link_and_write(old, new)
    new.rename(new.parent.parent.parent / "away")


def hide_a_directory(old: Path, new: Path) -> None:
    link_and_write(old, new)
    new.parent.rename(new.parent.parent.parent / "away")


@pytest.mark.parametrize(
    "change", [hide_a_write, hide_a_renamed_write, hide_a_replaced_write, hide_a_moved_write, hide_a_directory]
)
def test_link_that_no_list_has_shown(change: Callable[[Path, Path], None], tree: Path) -> None:
    """CCH-15: a file is changed through a link that has appeared and is gone between two lists."""
    cache = cache_of(tree, watch=True)
    both(tree, cache)
    change(tree / "d/e/g", tree / "o/second")
    both(tree, cache)


def test_unseen_names_cost_nothing_without_links(tree: Path) -> None:
    """Where no file has several links, a temporary file is no reason to read anything again."""
    (tree / "o/linked").unlink()
    cache = cache_of(tree, watch=True)
    both(tree, cache)
    before = cache.status()["reads"]
    (tree / "o/temporary").write_text("x")
    (tree / "o/temporary").unlink()
    both(tree, cache)
    assert cache.status()["reads"] == before


def test_link_in_a_directory_that_is_not_kept(tree: Path) -> None:
    """CCH-15: a file is changed through a link in a directory that is too large for the memory."""
    big = tree / "z"
    big.mkdir()
    for number in range(700):
        (big / f"{number:04}").touch()
    os.link(tree / "d/e/g", big / "second")
    cache = cache_of(tree, watch=True, memory=40_000)
    both(tree, cache)
    both(tree, cache)
    assert cache.status()["directories_live"]["memory"]
    (big / "second").write_text("through the link")
    both(tree, cache)


def test_link_from_an_unlisted_directory(tree: Path) -> None:
    """A link that was made in a directory that nobody has listed is seen when that directory is listed, and the file's
    other name with the next list."""
    cache = cache_of(tree, watch=True)
    part = sender_words([b"-logDtpr", b"-H"], [b"./d/"])
    assert lists(part, tree, listings=cache) == lists(part, tree)
    os.link(tree / "d/e/g", tree / "o/second")
    (tree / "o/second").write_text("through the second name")
    lists(WORDS, tree, listings=cache)
    both(tree, cache)
    assert lists(part, tree, listings=cache) == lists(part, tree)


def test_many_random_changes(tmp_path: Path) -> None:
    """CCH-17: a long row of random changes; after each of them the list is that of a scan."""
    top = tmp_path / "tree"
    maker = Maker(top, 11)
    maker.make(120)
    cache, rng = cache_of(top, watch=True), random.Random(11)
    for _ in range(150):
        for _ in range(rng.choice([1, 1, 2, 5])):
            if one_change(maker, rng):
                # A link in a directory that was never listed is not noticed.
                both(top, cache)
        both(top, cache)
    status = cache.status()
    assert status["refreshed_names"] and status["directories_live"].keys() <= {"changing"}


def one_change(maker: Maker, rng: random.Random) -> bool:
    """Change something; whether a directory has a new path now."""
    paths = [os.path.join(at, name) for at, dirs, files in os.walk(maker.top) for name in dirs + files]
    path, other = rng.choice(paths), rng.choice(paths)
    maker.dirs = [maker.top, *(p for p in paths if os.path.isdir(p) and not os.path.islink(p))]
    maker.files = [p for p in paths if os.path.isfile(p) and not os.path.islink(p)]
    kind = rng.randrange(7)
    try:
        if kind == 0:
            fresh = maker.fresh()
            if fresh:
                maker.entry(fresh)
        elif kind == 1:
            os.rename(path, other)
            return path in maker.dirs
        elif kind == 2 and len(paths) > 50:
            shutil.rmtree(path) if path in maker.dirs else os.unlink(path)
        elif kind == 3 and path in maker.files:
            with open(path, "r+b") as file:
                file.truncate(rng.randrange(5000))
        elif kind == 4:
            maker.dress(path)
        elif kind == 5 and path in maker.files:
            os.rename(path, other + b".moved")
        else:
            os.mkdir(rng.choice(maker.dirs) + b"/dir%d" % rng.randrange(1000))
            return True
    except (OSError, shutil.Error):
        # A directory into itself, or over one that is not empty: no change.
        pass
    return False


def queue_limit() -> Path:
    return Path("/proc/sys/fs/inotify/max_queued_events")


def test_overflow(tree: Path) -> None:
    """CCH-18: when the kernel has lost events, everything is verified before it is used."""
    cache = cache_of(tree, watch=True)
    both(tree, cache)
    one, other = tree / "o/one", tree / "o/other"
    one.write_text("")
    for _ in range(int(queue_limit().read_text()) // 2 + 10):
        one.rename(other)
        other.rename(one)
    (tree / "d/e/g").write_text("after the overflow")
    both(tree, cache)
    status = cache.status()
    assert status["overflows"] == 1
    assert status["reads"] >= 10
    both(tree, cache)
    assert cache.status()["reads"] == status["reads"]


#: Lists a tree twice where the user may have three watches.
FEW_WATCHES = """
import sys
from pathlib import Path
from tests.dircache.seam import cache_of
from tests.dircache.test_watched import both
tree = Path(sys.argv[1])
cache = cache_of(tree, watch=True)
for _ in range(2):
    both(tree, cache)
status = cache.status()
assert status["watches"] <= 3, status
assert status["watches_missing"] > 0, status
assert status["directories_live"]["watches"] >= 2, status
"""


def test_no_watches_left(tree: Path) -> None:
    """A directory that cannot be watched is scanned for each list, and that is counted."""
    # The limit is that of a name space of its own: other tests need their watches.
    limit = "echo 3 >/proc/sys/user/max_inotify_watches"
    alone = ["unshare", "-Ur", "sh", "-c"]
    tried = subprocess.run([*alone, limit], capture_output=True, text=True)
    if tried.returncode:
        # Some kernels and containers allow no user name space, and only in one is the limit not that of all tests.
        pytest.skip(f"this machine allows no name space of a user: {tried.stderr.strip()}")
    command = [*alone, limit + ' && exec "$@"', "sh", sys.executable, "-c", FEW_WATCHES, str(tree)]
    done = subprocess.run(command, cwd=programs.ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_missed_changes(tree: Path) -> None:
    """CCH-19: what no event has told is found by a sweep, corrected and counted."""
    cache = cache_of(tree, watch=True)
    both(tree, cache)
    # A name outside of what is watched.
    os.link(tree / "d/e/g", tree.parent / "foreign")
    both_before = lists(WORDS, tree, listings=cache)
    (tree.parent / "foreign").write_text("through a foreign link")
    assert lists(WORDS, tree, listings=cache) == both_before
    checked, missed = cache.sweep(100)
    assert (checked, missed) == (5, [b"d/e"])
    both(tree, cache)
    assert cache.status()["missed"] == 1
    assert cache.sweep(100) == (5, [])
    # A write through a mapping is reported when the file is closed.
    with open(tree / "d/f", "r+b") as file, mmap.mmap(file.fileno(), 0) as mapping:
        os.utime(tree / "d/f", (1, 1))
        both(tree, cache)
        mapping[0] = ord("x")
        mapping.flush()
        cache.sweep(100)
        both(tree, cache)


def test_sweep_in_parts(tree: Path) -> None:
    cache = cache_of(tree, watch=True)
    both(tree, cache)
    assert [cache.sweep(2)[0] for _ in range(5)] == [2] * 5
    (tree / "o/k").write_text("a change that was reported is not missed")
    assert cache.sweep(100)[1] == []
    both(tree, cache)


def test_too_many_missed(tmp_path: Path) -> None:
    """With more than 100 missed changes in one sweep, listings are only trusted for a time."""
    top, away = tmp_path / "tree", tmp_path / "away"
    away.mkdir()
    for number in range(110):
        path = top / f"d{number}" / "file"
        path.parent.mkdir(parents=True)
        path.write_text("")
        os.link(path, away / str(number))
    cache = cache_of(top, watch=True, max_age=0.0)
    both(top, cache)
    for path in away.iterdir():
        path.write_text("changed")
    assert len(cache.sweep(1000)[1]) == 110
    assert cache.status()["fallen"] is True
    assert cache.status()["watches"] == 0
    both(top, cache)
    (top / "d1/file").write_text("changed again")
    both(top, cache)


def test_mount(tree: Path) -> None:
    """A mount over a directory has no event: the table of mounts has."""
    programs.need_root()
    cache = cache_of(tree, watch=True)
    both(tree, cache)
    done = subprocess.run(["mount", "-t", "tmpfs", "none", str(tree / "o")], capture_output=True)
    if done.returncode:
        # Root in a container may not mount.
        pytest.skip(f"this machine does not let root mount: {os.fsdecode(done.stderr).strip()}")
    try:
        (tree / "o/new").write_text("on the mount")
        found = both(tree, cache)
        assert found == both(tree, cache)
        assert cache.status()["directories_live"] == {"mount": 2}
    finally:
        subprocess.run(["umount", str(tree / "o")], check=True)
    both(tree, cache)


def test_root_replaced(tree: Path) -> None:
    """The root of the view is one directory; another one of the same name is not it."""
    cache = cache_of(tree, watch=True)
    both(tree, cache)
    tree.rename(tree.parent / "old")
    (tree / "d").mkdir(parents=True)
    (tree / "d/other").write_text("another tree")
    both(tree, cache)


def test_readers_beside_a_writer(tree: Path) -> None:
    """What a writer has finished before a list begins is in it, from any thread."""
    cache, stop = cache_of(tree, watch=True), threading.Event()
    failures: list[str] = []

    def read() -> None:
        while not stop.is_set():
            lists(WORDS, tree, listings=cache)

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    end = time.monotonic() + 3
    number = 0
    while time.monotonic() < end:
        number += 1
        name = b"new-%d" % number
        (tree / "d/e" / os.fsdecode(name)).write_text("x" * number)
        if name not in lists(WORDS, tree, listings=cache).data:
            failures.append(os.fsdecode(name))
        (tree / "d/e" / os.fsdecode(name)).unlink()
    stop.set()
    for reader in readers:
        reader.join()
    assert number > 20
    assert failures == []
