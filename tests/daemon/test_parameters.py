"""Parameters of a module, one after the other, in both daemons (spec: daemon 3, 7, 8, 9, 13.2)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from .pairs import DATE, Pair, fill

CONF = b"""log file = DIR/log
use chroot = no
reverse lookup = no
uid = 0
gid = 0
read only = no
path = DIR/up
[up]
[ro]
 path = DIR/tree
 read only = yes
[wo]
 write only = yes
[delete-during]
 refuse options = delete-* !delete-during c* checksum
[refuse-all]
 refuse options = *
[refuse-all-down]
 path = DIR/tree
 refuse options = *
[archive]
 refuse options = archive
[partial]
 refuse options = partial
[compress]
 refuse options = compress
 path = DIR/tree
[delete]
 refuse options = delete
[source]
 path = DIR/tree
 refuse options = delete bogus
[only]
 path = DIR/tree
 refuse options = * !a !v !recursive !links !perms !times !group !owner !devices !specials !D
[in-chmod]
 incoming chmod = Du=rwx,Dgo=rx,Fu=rw,Fgo-rwx
[bad-chmod]
 incoming chmod = u=zz
[out-chmod]
 path = DIR/tree
 outgoing chmod = D711,F600
[exclude]
 path = DIR/tree
 exclude = secret /sub/*** *.gz
[exclude-up]
 exclude = secret /hid
[filter]
 path = DIR/tree
 filter = + /a - /sub/ P x
[include]
 path = DIR/tree
 include = /a /link
 exclude = *
[from]
 path = DIR/tree
 exclude from = DIR/exclude
 include from = DIR/include
[fake]
 fake super = yes
[no-temp]
 temp dir = /nonexistent
[temp]
 temp dir = /tmp.dir
[unreadable]
 path = DIR/tree
 ignore nonreadable = yes
 uid = nobody
 gid = nogroup
[nobody]
 path = DIR/tree
 uid = nobody
 gid = nogroup
[silent]
 path = DIR/tree
 max verbosity = 0
[uncompressed]
 path = DIR/tree
 dont compress = *
[charset]
 path = DIR/tree
 charset = utf-8
[chroot]
 path = DIR/tree
 use chroot = yes
[chroot-up]
 use chroot = yes
[inner]
 path = DIR/./tree
 use chroot = yes
[inner-up]
 path = DIR/./up
 use chroot = yes
[dot]
 path = DIR/./tree
[munge]
 path = DIR/tree
 munge symlinks = yes
[raw]
 path = DIR/tree
 munge symlinks = no
[insecure]
 path = DIR/tree
 insecure links = yes
[numeric]
 path = DIR/tree
 numeric ids = yes
[timeout]
 path = DIR/tree
 timeout = 50
"""

DOWN = "HOST/{}/ DIR/d/"
UP = "DIR/send/ HOST/{}/"

CASES: dict[str, list[str]] = {
    "dmn-03-write-only": ["HOST/wo/", "-a HOST/wo/ DIR/d/", "-a DIR/send/ HOST/wo/"],
    "dmn-33-wildcards": [
        "-a DIR/send/ HOST/delete-during/", "-a --delete DIR/send/ HOST/delete-during/",
        "-a --delete-after DIR/send/ HOST/delete-during/", "-ac DIR/send/ HOST/delete-during/",
        "-ac DIR/send/ HOST/refuse-all/", "-n HOST/refuse-all-down/ DIR/d/", "HOST/refuse-all-down/a DIR/d/",
        "-a HOST/only/ DIR/d/", "-av HOST/only/ DIR/d/",
    ],
    "dmn-34-always": ["-r --insecure-links HOST/ro/ DIR/d/", "-r --write-devices DIR/send/ HOST/up/"],
    "dmn-52-partial": [
        "-r --partial DIR/send/ HOST/partial/", "-rP DIR/send/ HOST/partial/", "-r --inplace DIR/send/ HOST/partial/",
        "-r --append DIR/send/ HOST/partial/", "-r --partial-dir=x DIR/send/ HOST/partial/",
        "-r --delay-updates DIR/send/ HOST/partial/",
    ],
    "dmn-53-archive": ["-a DIR/send/ HOST/archive/", "-r DIR/send/ HOST/archive/", "-l DIR/send/ HOST/archive/"],
    "delete": ["-r --delete DIR/send/ HOST/delete/", "-r --delete-missing-args DIR/send/ HOST/delete/"],
    "chmod": [
        "-a DIR/send/ HOST/in-chmod/", "-r DIR/send/ HOST/in-chmod/", "-a DIR/send/ HOST/bad-chmod/",
        "-a HOST/out-chmod/ DIR/d/", "-r HOST/out-chmod/",
    ],
    "dmn-35-filters": [
        "-av HOST/exclude/ DIR/d/", "-av HOST/exclude/secret DIR/d/", "-av HOST/exclude/sub/b DIR/d/",
        "-av HOST/exclude/sub DIR/d/", "-av HOST/exclude/s* DIR/d/", "-av DIR/send/ HOST/exclude-up/",
        "-a DIR/send/ HOST/exclude-up/hid", "-a DIR/send/n1 HOST/exclude-up/hid",
        "-a DIR/send/n1 HOST/exclude-up/secret",
        "-a --delete DIR/send/ HOST/exclude-up/", "-a HOST/filter/ DIR/d/", "-a HOST/include/ DIR/d/",
        "-a HOST/from/ DIR/d/", "-a -b --backup-dir=hid DIR/send/ HOST/exclude-up/",
        "-a --temp-dir=hid DIR/send/ HOST/exclude-up/", "-a --partial-dir=hid DIR/send/ HOST/exclude-up/",
        "-a --files-from=:/a HOST/exclude/ DIR/d/", "-a --filter=:_secret HOST/exclude/ DIR/d/",
        "-a --filter=:_/secret HOST/exclude/ DIR/d/", "-a --filter=:_../secret HOST/exclude/ DIR/d/",
        "-a --filter=:_secret HOST/numeric/ DIR/d/", "-a --filter=:_/secret HOST/exclude/priv DIR/d/",
    ],
    "identity": ["-a HOST/unreadable/ DIR/d/", "-a HOST/nobody/ DIR/d/", "-a HOST/numeric/ DIR/d/"],
    "fake-super": ["-a DIR/send/ HOST/fake/"],
    "temp-dir": ["-a DIR/send/ HOST/no-temp/", "-a DIR/send/ HOST/temp/", "-a --temp-dir=/tt DIR/send/ HOST/up/"],
    "small": [
        "-avv HOST/silent/ DIR/d/", "-avv --info=flist2 HOST/silent/ DIR/d/", "-avz HOST/uncompressed/ DIR/d/",
        "-av --iconv=utf-8 HOST/charset/ DIR/d/", "-a --timeout=99 HOST/timeout/ DIR/d/",
    ],
    "dmn-59-names": ["HOST/chroot/none", "HOST/inner/none", "HOST/dot/none", "HOST/ro/none"],
    "dmn-30-links": [
        "-a HOST/munge/ DIR/d/", "-a HOST/raw/ DIR/d/", "-a HOST/chroot/ DIR/d/", "-a HOST/inner/ DIR/d/",
        "-r HOST/inner/", "-av DIR/send/ HOST/chroot-up/", "-av DIR/send/ HOST/inner-up/",
    ],
    "roots": [
        "-a HOST/inner/../up DIR/d/", "-a DIR/send/ HOST/chroot-up/x/y", "-a DIR/send/ HOST/inner-up/x/y",
        "-a --mkpath DIR/send/ HOST/inner-up/x/y", "-a --mkpath DIR/send/ HOST/chroot-up/x/y",
        "-a --mkpath DIR/send/ HOST/up/x/y", "-a -b --backup-dir=/bk DIR/send/ HOST/inner-up/",
        "-a --copy-dest=/send DIR/send/ HOST/chroot-up/", "-a HOST/ro/../../../../etc/passwd DIR/d/",
    ],
    "following": [
        "-rL HOST/ro/abs DIR/d/", "-rL HOST/dot/abs DIR/d/", "-rL HOST/raw/abs DIR/d/", "-rL HOST/ro/ DIR/d/",
        "-rL HOST/insecure/abs DIR/d/", "-rL HOST/ro/etc/passwd DIR/d/", "-rL HOST/ro/out DIR/d/",
        "-r --copy-unsafe-links HOST/ro/abs DIR/d/", "-r --copy-unsafe-links HOST/ro/ DIR/d/", "-rk HOST/ro/ DIR/d/",
        "-rL HOST/ro/link DIR/d/", "-rL HOST/ro/sub/inside DIR/d/", "-rL HOST/ro/etc/ DIR/d/",
        "-r HOST/ro/etc/passwd DIR/d/",
    ],
}  # fmt: skip


def _make(place: Path) -> None:
    fill(place)
    (place / "tree" / "sub" / "inside").symlink_to("../a")
    (place / "tree" / "out").symlink_to("../secrets")
    (place / "tree" / "etc").symlink_to("/etc")
    for path in (place / "tree").rglob("*"):
        os.utime(path, (DATE, DATE), follow_symlinks=False)
    os.utime(place / "tree", (DATE, DATE))
    (place / "exclude").write_text("secret\n# c\n; d\n\n- /sub\n+ x\n")
    (place / "include").write_text("priv\n")


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    with Pair(tmp_path_factory.mktemp("parameters"), CONF, make=_make) as pair:
        yield pair


@pytest.mark.parametrize("words", [pytest.param(w, id=f"{name}-{w}") for name, rows in CASES.items() for w in rows])
def test_parameter(pair: Pair, words: str) -> None:
    pair.same(words, reset="d" if "DIR/d" in words else "up")


REFUSED_PULLS = [
    "-nr HOST/refuse-all-down/ DIR/d/", "HOST/refuse-all-down/", "-z HOST/refuse-all-down/a DIR/d/",
    "-rz HOST/compress/ DIR/d/", "-r --zc=zlib HOST/compress/ DIR/d/", "-r --remove-source-files HOST/source/ DIR/d/",
    "-rS HOST/only/ DIR/d/", "-r --iconv=utf-8 HOST/ro/ DIR/d/", "-r -M--log-file=x HOST/ro/ DIR/d/",
    "-r -M--daemon HOST/ro/ DIR/d/", "-r -M--copy-devices HOST/ro/ DIR/d/", "-r -M--foo HOST/ro/ DIR/d/",
]  # fmt: skip


@pytest.mark.parametrize("words", REFUSED_PULLS)
def test_dmn_54_refused_pull_ends_with_4(pair: Pair, words: str) -> None:
    pair.refused(words, reset="d")
