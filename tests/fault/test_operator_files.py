"""Files that the operator names: links of others, descriptors of the process, a confining root."""

from __future__ import annotations

import os
import re
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests import programs

#: Ways to name the file `real/FILE`, and whether a stranger has made one of their links.
WAYS = {
    "plain": ("real/FILE", False),
    "own-link": ("own", False),
    "own-parent": ("ownparent/FILE", False),
    "foreign-link": ("foreign", True),
    "foreign-parent": ("foreignparent/FILE", True),
    "foreign-behind-own": ("twice", True),
    "dots": ("real/../foreign", True),
}
REFUSAL = "refusing to follow a symlink owned by an untrusted user"


def lay(work: Path, content: str) -> None:
    real = work / "real"
    real.mkdir(parents=True)
    (real / "FILE").write_text(content)
    (real / "FILE").chmod(0o600)
    for name, target in [("own", "real/FILE"), ("ownparent", "real"), ("foreign", "real/FILE"), ("twice", "foreign")]:
        (work / name).symlink_to(target)
    (work / "foreignparent").symlink_to(work / "real")
    for name in ("foreign", "foreignparent"):
        os.lchown(work / name, programs.NOBODY.pw_uid, programs.NOBODY.pw_gid)


def daemon(work: Path, rsync: str) -> dict[str, str]:
    """The environment of a client that talks to a daemon which wants a password in `a` and keeps input in `e`."""
    (work / "m").mkdir()
    secrets = work / "secrets"
    secrets.write_text("u:word\n")
    secrets.chmod(0o600)
    config = work / "conf"
    config.write_text(
        f"use chroot = no\nuid = 0\ngid = 0\nlog file = {work}/log\n[a]\npath = {work}/m\nauth users = u\n"
        f"secrets file = {secrets}\n[e]\npath = {work}/m\nearly exec = cat >{work}/got\n"
    )
    return programs.environment(str(work), RSYNC_CONNECT_PROG=f"{rsync} --daemon --config={config}")


def said(outcome: programs.Outcome, work: Path) -> tuple[int, str]:
    text = outcome.err.decode().replace(str(work), "W")
    return outcome.code, re.sub(r" at [\w.]+\(\d+\)", "", text)


def beside(place: Path, rsync: str, tain: str, ask: Callable[[str, Path], object]) -> list[object]:
    found: list[object] = []
    for program in (rsync, tain):
        work = place / "same"
        work.mkdir()
        found.append(ask(program, work))
        shutil.rmtree(work)
    assert found[1] == found[0]
    return found


@pytest.mark.parametrize("absolute", [True, False], ids=["absolute", "relative"])
@pytest.mark.parametrize("insecure", [True, False], ids=["insecure", "secure"])
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("option", ["password-file", "early-input"])
def test_secrets(place: Path, rsync: str, tain: str, option: str, way: str, insecure: bool, absolute: bool) -> None:
    programs.need_root()
    name, foreign = WAYS[way]

    def ask(program: str, work: Path) -> object:
        lay(work, "word\n")
        env = daemon(work, rsync)
        word = str(work / name) if absolute else name
        url = "rsync://u@h/a/" if option == "password-file" else "rsync://h/e/"
        words = [f"--{option}={word}", *(["--insecure-links"] if insecure else []), url]
        code, text = said(programs.run([program, *words], cwd=work, env=env), work)
        got = work / "got"
        input_read = got.read_text() if got.exists() else ""
        refused = foreign and not insecure
        assert (REFUSAL in text) == refused
        assert (code == 0) == (not refused)
        assert "word" in input_read or option == "password-file" or refused
        return code, text, input_read

    beside(place, rsync, tain, ask)


@pytest.mark.parametrize("name", ["", ".", "nosuch", "real/FILE/x", "real"])
def test_unusable_password_file(place: Path, rsync: str, tain: str, name: str) -> None:
    programs.need_root()

    def ask(program: str, work: Path) -> object:
        lay(work, "word\n")
        env = daemon(work, rsync)
        (work / "real").chmod(0o700)
        return said(programs.run([program, f"--password-file={name}", "rsync://u@h/a/"], cwd=work, env=env), work)

    beside(place, rsync, tain, ask)


@pytest.fixture
def flipped(place: Path) -> Iterator[Path]:
    """A directory whose `way` is, by turns and as fast as can be, a directory with a harmless file and a stranger's
    link to one with a secret."""
    (place / "good").mkdir()
    (place / "bad").mkdir()
    for directory, word in (("good", "harmless"), ("bad", "private")):
        (place / directory / "FILE").write_text(word)
        (place / directory / "FILE").chmod(0o600)
    over = threading.Event()

    def turn() -> None:
        link = place / "link"
        while not over.is_set():
            link.symlink_to("bad")
            os.lchown(link, programs.NOBODY.pw_uid, programs.NOBODY.pw_gid)
            os.rename(place / "good", place / "way")
            os.rename(place / "way", place / "good")
            os.rename(link, place / "way")
            os.unlink(place / "way")

    thread = threading.Thread(target=turn)
    thread.start()
    yield place
    over.set()
    thread.join()


def test_a_race_for_a_directory_of_the_path(flipped: Path) -> None:
    """Whatever is opened, it is never what only a stranger's link leads to."""
    from tain.session import operator_file

    programs.need_root()
    path = os.fsencode(flipped / "way" / "FILE")
    seen: set[bytes] = set()
    end = time.monotonic() + programs.LIMIT
    tries = 0
    while (tries < 3000 or b"harmless" not in seen) and time.monotonic() < end:
        tries += 1
        try:
            fd = operator_file.open_walk(path)
        except OSError:
            continue
        seen.add(os.read(fd, 100))
        os.close(fd)
    assert seen == {b"harmless"}


# ------------------------------------------------------------------------------------------------ descriptors

#: What bash runs; $B is the program. `s` holds f and g, descriptor 7 is the directory d, 8 the file `list` (f).
DESCRIPTORS = {
    "files-from-pipe": "$B -a --files-from=<(echo g) s/ d/",
    "files-from-pipe0": "$B -a --from0 --files-from=<(printf 'g\\0') s/ d/",
    "exclude-from-pipe": "$B -a --exclude-from=<(echo g) s/ d/",
    "include-from-pipe": "$B -a --include-from=<(echo g) --exclude='*' s/ d/",
    "filter-pipe": "$B -a --filter='. '<(echo '- g') s/ d/",
    "files-from-file": "$B -a --files-from=/dev/fd/8 s/ d/",
    "files-from-proc": "$B -a --files-from=/proc/self/fd/8 s/ d/",
    "files-from-stdin": "$B -a --files-from=/dev/stdin s/ d/ <list",
    "files-from-closed": "$B -a --files-from=/dev/fd/99 s/ d/",
    "exclude-from-file": "$B -a --exclude-from=/dev/fd/8 s/ d/",
    "filter-file": "$B -a --filter='. /dev/fd/8' s/ d/",
    "log-directory": "$B -a --log-file=/proc/self/fd/7/x s/ d/; wc -l <d/x",
    "log-pipe": "$B -a --log-file=>(wc -l >n) s/ d/; until [ -s n ]; do sleep 0.01; done; cat n",
    "log-file": "$B -a --log-file=/dev/fd/8 s/ d/; wc -l <list",
    "write-batch": "$B -a --write-batch=/dev/fd/7/b s/ o/; ls d",
    "read-batch": "$B -a --write-batch=b s/ o/; exec 6<b; $B -a --read-batch=/dev/fd/6 d/",
    "read-batch-pipe": "$B -a --write-batch=b s/ o/; $B -a --read-batch=<(cat b) d/",
    "temp-dir": "$B -a --temp-dir=/proc/self/fd/7 s/ d/",
    "backup-dir": "echo old >o/f; $B -a -b --backup-dir=/dev/fd/7 s/ o/",
    "destination": "$B -a s/ /proc/self/fd/7/",
    "destination-dev": "$B -a s/ /dev/fd/7",
    "source": "$B -a /dev/fd/9/ d/",
    "link-dest": "$B -a --link-dest=/dev/fd/9 s/ d/; stat -c %h d/f",
    "compare-dest": "$B -a --compare-dest=/dev/fd/9 s/ d/",
    "own-link-to-pipe": "ln -s /proc/self/fd way; $B -a --files-from=way/8 s/ d/",
    "confined-log-inside": "$B -a --confine-root=$PWD/d --log-file=/proc/self/fd/7/x s/ d/; wc -l <d/x",
    "confined-temp-inside": "$B -a --confine-root=$PWD/d --temp-dir=/proc/self/fd/7 s/ d/",
}
NAMESPACE = ["unshare", "--user", "--map-root-user", "--mount", "--pid", "--fork", "--mount-proc"]


def bash(program: str, work: Path, script: str, *, namespace: bool) -> tuple[tuple[int, str], bytes, list[str]]:
    for name in ("s", "d", "o"):
        (work / name).mkdir()
    (work / "s/f").write_text("1\n")
    (work / "s/g").write_text("2\n")
    (work / "list").write_text("f\n")
    for path in [work, *work.rglob("*")]:
        os.utime(path, (10**9, 10**9))
        os.chown(path, programs.NOBODY.pw_uid, programs.NOBODY.pw_gid)
    env = programs.environment(str(work), B=program)
    words = ["bash", "-c", f"exec 7<d 8<>list 9<s\n{script}"]
    outcome = programs.run([*(NAMESPACE if namespace else []), *words], cwd=work, env=env, user=namespace)
    made = sorted(os.fspath(path.relative_to(work / "d")) for path in (work / "d").rglob("*"))
    return said(outcome, work), outcome.out, made


@pytest.mark.parametrize("namespace", [False, True], ids=["ordinary", "namespace"])
@pytest.mark.parametrize("case", DESCRIPTORS)
def test_descriptors(place: Path, rsync: str, tain: str, case: str, namespace: bool) -> None:
    programs.need_root()
    programs.need("bash", "unshare")
    if namespace and case == "own-link-to-pipe":
        # Made in the namespace it belongs to its root, so there is nothing to refuse.
        pass

    def ask(program: str, work: Path) -> object:
        return bash(program, work, DESCRIPTORS[case], namespace=namespace)

    beside(place, rsync, tain, ask)


@pytest.mark.parametrize("target", ["/proc/self/fd", "/dev/fd"])
def test_a_link_of_another_user_to_descriptors(place: Path, rsync: str, tain: str, target: str) -> None:
    programs.need_root()

    def ask(program: str, work: Path) -> object:
        link = work / "way"
        link.symlink_to(target)
        os.lchown(link, 12345, 12345)
        return bash(program, work, "$B -a --files-from=way/8 s/ d/", namespace=False)

    assert REFUSAL in str(beside(place, rsync, tain, ask)[1])


# ------------------------------------------------------------------------------------------------ --confine-root

OUTSIDE = {
    "plain": "$B -a --confine-root=$PWD/d --files-from=list d/ o/",
    "absolute": "$B -a --confine-root=$PWD/d --files-from=$PWD/list d/ o/",
    "dots": "$B -a --confine-root=$PWD/d --files-from=d/../list d/ o/",
    "link": "ln -s ../list d/way; $B -a --confine-root=$PWD/d --files-from=d/way d/ o/",
    "link-directory": "ln -s .. d/way; $B -a --confine-root=$PWD/d --files-from=d/way/list d/ o/",
    "descriptor": "$B -a --confine-root=$PWD/d --files-from=/dev/fd/8 d/ o/",
    "descriptor-directory": "exec 6<.; $B -a --confine-root=$PWD/d --files-from=/dev/fd/6/list d/ o/",
}
INSIDE = {
    "plain": "cp list d/; $B -a --confine-root=$PWD/d --files-from=d/list d/ o/",
    "link": "cp list d/; ln -s d/list way; $B -a --confine-root=$PWD/d --files-from=way d/ o/",
    "descriptor": "cp list d/; exec 6<d/list; $B -a --confine-root=$PWD/d --files-from=/dev/fd/6 d/ o/",
    "descriptor-directory": "cp list d/; $B -a --confine-root=$PWD/d --files-from=/dev/fd/7/list d/ o/",
    "stdin": "$B -a --confine-root=$PWD/d --files-from=- d/ o/ <list",
    "root": "$B -a --confine-root=/ --files-from=list d/ o/",
}


@pytest.mark.parametrize("case", OUTSIDE)
def test_a_list_outside_of_the_confining_root(place: Path, tain: str, case: str) -> None:
    """rsync as Debian builds it reads the list, and fails on its names; upstream's refuses it like this."""
    programs.need_root()
    work = place / "same"
    work.mkdir()
    ended, _, _ = bash(tain, work, "cp s/f d/; " + OUTSIDE[case], namespace=False)
    code, text = ended
    assert code == 1
    assert re.match(
        r"rsync: failed to open files-from file \S+: Too many levels of symbolic links\nrsync error: .* \(code 1\)",
        text,
    )
    assert not (work / "o/f").exists()


@pytest.mark.parametrize("case", INSIDE)
def test_a_list_inside_of_the_confining_root(place: Path, rsync: str, tain: str, case: str) -> None:
    programs.need_root()

    def ask(program: str, work: Path) -> object:
        found = bash(program, work, "cp -p s/f d/; " + INSIDE[case], namespace=False)
        assert (work / "o/f").exists()
        return found

    beside(place, rsync, tain, ask)


def test_what_is_outside_is_not_cut(place: Path) -> None:
    """The place of a descriptor's file is judged before the open could truncate it."""
    from tain.session import operator_file

    (place / "root").mkdir()
    for name, inside in (("root/in", True), ("out", False)):
        file = place / name
        file.write_text("content")
        with file.open("r+") as held:
            path = os.fsencode(f"/proc/self/fd/{held.fileno()}")
            flags = os.O_WRONLY | os.O_TRUNC | os.O_CREAT
            if inside:
                os.close(operator_file.open_walk(path, flags, confine_root=os.fsencode(place / "root")))
            else:
                with pytest.raises(OSError, match="Too many levels"):
                    operator_file.open_walk(path, flags, confine_root=os.fsencode(place / "root"))
        assert file.read_text() == ("" if inside else "content")
