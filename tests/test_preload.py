"""Under libraries that are preloaded in front of the C library: fakeroot and faketime."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests import programs
from tests.sampling import sample

#: The C library's functions that change or show owners, modes, times and names, as preloaded libraries replace them.
#: (`statx` is asked for the time of creation alone.)
CALLS = [
    "fchmod", "fchmodat", "fchown", "fchownat", "fstatat", "futimens", "geteuid", "getegid", "linkat", "mkdirat",
    "mknodat", "openat", "renameat", "symlinkat", "unlinkat", "utimensat",
    *(f"{kind}{call}xattr" for kind in ("", "l", "f") for call in ("get", "set", "list", "remove")),
]  # fmt: skip

TREE = """
umask 022; mkdir s s/dir
echo 1 >s/f; chown 5000:5002 s/f; chmod 4755 s/f
echo 2 >s/dir/g; chown 70:80 s/dir/g; chmod 0600 s/dir/g; chown 7:8 s/dir; chmod 3775 s/dir
echo 3 >s/ro; chmod 0400 s/ro; chown 33:34 s/ro; ln s/ro s/dir/ro2
ln -s f s/l; chown -h 9:10 s/l
mknod s/blk b 42 69; chmod 640 s/blk; chown 3:4 s/blk; mknod s/chr c 1 3; mkfifo s/p; chown 11:12 s/p
setfattr -n user.a -v 1 s/f; setfattr -n trusted.b -v 2 s/dir
touch -hd 2001-02-03T04:05:06 s/* s/dir/* s
"""
#: What an earlier run left, and what else is in the way.
OLD = """
mkdir d d/dir d/dir/gonedir; echo old >d/f; chown 1:1 d/f; chmod 600 d/f; echo x >d/dir/gone; chown 99:99 d/dir/gone
chmod 4777 d/dir/gone; echo other >d/blk; chown 44:44 d/blk; mknod d/l c 5 6; mknod d/chr c 1 5; mkdir d/p
"""
SHOW = """
cd {place} && find . | LC_ALL=C sort | while read name; do
  stat -c '%n %A %u:%g %t,%T %h %Y' "$name"; [ -L "$name" ] || getfattr -d -m- "$name" | grep -v '^#' || true
done
"""
WAYS = {
    "local": "{prog} {options} s/ d/",
    "push": "{prog} {options} -e {space}/rsh --rsync-path={prog} s/ h:{space}/w/d/",
    "pull": "{prog} {options} -e {space}/rsh --rsync-path={prog} h:{space}/w/s/ d/",
    "daemon": "{prog} {options} s/ rsync://h/m/",
    "daemon-as-root": "{prog} {options} s/ rsync://h/root/",
}
STATES = {"new": False, "old": True}
OPTIONS = ["-ai", "-aiHX", "-aiHXA --delete", "-ai --chown=3:4", "-ai --chmod=u+s,o-r", "-ai --inplace", "-aib"]


@pytest.fixture
def open_way() -> None:
    programs.need_root()


def as_user(place: Path, script: str, env: dict[str, str], program: str = "fakeroot") -> programs.Outcome:
    words = [program, "sh", "-c", script] if program else ["sh", "-c", script]
    return programs.run(words, cwd=place, env=env, user=True)


def scene(base: Path, name: str) -> Path:
    space = base / name
    (space / "w").mkdir(parents=True)
    (space / "rsh").write_text('#!/bin/sh\nshift\nexec "$@"\n')
    (space / "rsh").chmod(0o755)
    module = f"path = {space}/w/d\nread only = no\n"
    (space / "rsyncd.conf").write_text(f"use chroot = no\n[m]\n{module}[root]\n{module}uid = 0\ngid = 0\n")
    for path in (space, space / "w"):
        os.chown(path, programs.NOBODY.pw_uid, programs.NOBODY.pw_gid)
    return space


def perform(base: Path, program: str, way: str, options: str, *, old: bool) -> tuple[list[str], list[str], str]:
    """The lines of a run and of a second one, and what it left."""
    # Both programs are run by one name.
    space = scene(base, os.path.basename(program))
    prog = space / "rsync"
    prog.symlink_to(program)
    command = WAYS[way].format(prog=prog, options=options, space=space)
    env = programs.environment(
        str(space), RSYNC_CONNECT_PROG=f"{prog} --daemon --config={space}/rsyncd.conf", SHELL="/bin/sh"
    )
    script = (
        f"{TREE}{OLD if old else 'mkdir d'}\n{command} >{space}/first 2>&1; echo $? >>{space}/first\n"
        f"{command} >{space}/second 2>&1; echo $? >>{space}/second\n({SHOW.format(place='d')}) >{space}/tree"
    )
    done = as_user(space / "w", script, env)
    assert done.code == 0, done

    def lines(name: str) -> list[str]:
        return sorted((space / name).read_text().replace(str(space), "").splitlines())

    # Whatever was not given its time has that of the run.
    tree = re.sub(r"(?m) 1[1-9]\d{8}$", " now", (space / "tree").read_text())
    return lines("first"), lines("second"), tree


@pytest.mark.parametrize(("way", "options", "old"), sample("FAULT", WAYS.keys(), OPTIONS, STATES, times=4))
def test_fakeroot_shows_the_same_after_rsync(
    way: str, options: str, old: bool, place: Path, tain: str, open_way: None
) -> None:
    programs.need("fakeroot", "setfattr")
    if way == "daemon" and "X" in options:
        # The module's user may not set owners. fakeroot then shows the id that it met first for a file, by an order of
        # calls that is rsync's own; what counts, modes and attributes, is compared with the other options.
        options = options.replace("XA", "").replace("X", "")
    base = place.resolve()
    base.chmod(0o755)
    ours = perform(base, tain, way, options, old=old)
    theirs = perform(base, programs.PEER, way, options, old=old)
    assert ours[2] == theirs[2]
    assert ours[1] == theirs[1]
    assert ours[0] == theirs[0]


def test_all_calls_go_through_the_c_library(tain: str) -> None:
    """What is not among the imported symbols is made as a bare system call, which no preloaded library sees."""
    programs.need("nm")
    (extension,) = (programs.ROOT / "src/tain").glob("_core*.so")
    table = subprocess.run(["nm", "-D", "--undefined-only", extension], capture_output=True, text=True, check=True)
    imported = {line.split()[-1].partition("@")[0].removesuffix("64") for line in table.stdout.splitlines()}
    assert [call for call in CALLS if call not in imported] == []


@pytest.mark.parametrize("moment", ["2001-01-01 00:00:00", "@2100-01-01 00:00:00"])
@pytest.mark.parametrize("way", ["local", "push", "pull"])
def test_faketime_changes_no_preserved_time(way: str, moment: str, place: Path, tain: str) -> None:
    programs.need("faketime")
    space = scene(place, "t")
    source = space / "w/s"
    (source / "d").mkdir(parents=True)
    for name in ("a", "d/b"):
        (source / name).write_text(name)
        os.utime(source / name, (1_000_000_000, 1_000_000_000.25))
    os.utime(source / "d", (999_999_999, 999_999_999))
    command = WAYS[way].format(prog=tain, options="-ai", space=space).split()
    env = programs.environment(str(space))
    first, second = (programs.run(["faketime", "-f", moment, *command], cwd=space / "w", env=env) for _ in range(2))
    assert (first.code, second.code) == (0, 0), (first, second)
    assert (second.out, second.err) == (b"", b"")
    for name in ("a", "d/b", "d"):
        assert os.stat(space / "w/d" / name).st_mtime_ns == os.stat(source / name).st_mtime_ns, name
