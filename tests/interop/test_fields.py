"""Every field and stream of the protocol with rsync at the other end: small trees, many options, protocols 27 to 32.

A row is run by rsync with itself, then with tain as the client and with tain as the server; all three must end alike:
exit code, item lines, statistics, errors, and the trees of both sides. Each runs twice, the second time after edits.
INTEROP=all runs every combination of set, protocol and direction; by default 440 of 1,100 are run.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import pytest

from tests import programs
from tests.interop.ends import shell
from tests.interop.test_matrix import ITEM, STATISTICS, arranged
from tests.parity.harness import COMMON
from tests.parity.tree import Dir, File, Hard, Link, Tree, build, filler, picture, wipe
from tests.sampling import covering, runs_all

ALL = (27, 28, 29, 30, 31, 32)
FROM_28 = ALL[1:]
FROM_29 = ALL[2:]
FROM_30 = ALL[3:]
ENDS = (29, 32)

TEXT = b"".join(b"line %d of a text that is much the same as the line before\n" % n for n in range(900))
BIG = filler(b"fields", 60_000)
MIDDLE = BIG[:20_000] + b"put in" + BIG[20_000:40_000] + b"EDITED" + BIG[40_006:]
LONG = {"user.long": filler(b"value", 2000), "user.short": b"v", "user.edge": b"x" * 32, "user.over": b"y" * 33}

BASE: Tree = [
    "src/a src/b;m=0600;n=7 src/d/e;t=-1000000000 src/d/f/g src/d/k/;m=0711 src/l->a src/empty= src/x;m=4755;o=5.6",
    File("src/big", content=BIG),
    File("src/text", content=TEXT),
    "dst/a=old;t=5 dst/gone dst/old/x dst/old/l->x dst/old/p| dst/old/n#c1.3 dst/d/g dst/x",
    File("dst/big", content=MIDDLE, time=3),
    File("dst/text", content=TEXT[:20_000], time=3),
    File("L", content=b"a\nd/f\n#c\nno-such\n\nd/e\n"),
    File("L0", content=b"a\0d/f\0text\0"),
    "alt/a alt/b;m=0600;n=7 alt/d/e;t=-1000000000 alt2/x;m=4755;o=5.6",
    File("alt2/big", content=MIDDLE, time=3),
]
EDITS: Tree = ["src/a=edited;t=9 src/new;t=9 src/d/f/new2", File("src/text", content=TEXT + b"more", time=12)]
LINKS: Tree = [
    "src/h1 src/d/h2=>src/h1 src/d/z/h3=>src/h1 src/hl->a src/hd#c1.5 src/hp|",
    Hard("src/d/hl2", target="src/hl"),
    Hard("src/d/hd2", target="src/hd"),
    Hard("src/d/hp2", target="src/hp"),
    "src/same1=s src/same2=>src/same1 dst/same1=s dst/same2=s",
]
NODES: Tree = ["src/n1#c1.3 src/n2#c1.300 src/n3#b259.70000 src/n4#c5.1 src/p| src/s! src/d/n5#b7.0 src/d/p2|"]
META: Tree = [
    File("src/acl", acl="u:daemon:rw,g:bin:r,g::x,m::rw"),
    File("src/acl2", acl="u:daemon:rw,g:bin:r,g::x,m::rw"),
    File("src/acl3", acl="u:12345:r"),
    Dir("src/da", acl="u:bin:rx", default_acl="u:daemon:rwx,g::rx,o::-,m::rwx"),
    "src/da/f src/da/sub/",
    File("src/xa", xattrs=LONG),
    File("src/xa2", xattrs=LONG),
    Dir("src/xd", xattrs={"user.d": b"d" * 100}),
    "src/xh;t=2 src/xh2=>src/xh",
    File("src/xsec", xattrs={"user.rsync.%stat": b"100640 0,0 5:6", "user.none": b""}),
    File("dst/xa", xattrs={"user.long": b"other" * 20, "user.more": b"to go", "user.over": b"y" * 33}),
]
FILTERS: Tree = [
    File("src/.rsync-filter", content=b"- *.o\n+ keep.o\n- /d/k/\n"),
    File("src/d/.rsync-filter", content=b"!\n- e\n"),
    File("src/.cvsignore", content=b"cvs1 cvs2\n"),
    "src/keep.o src/not.o src/d/in.o src/cvs1 src/core dst/left.o dst/cvs1 src/sp|",
]
PARTS: Tree = [File("dst/.part/big", content=BIG[:30_000], time=1), Dir("dst/.part", mode=0o700)]


def named(*names: bytes, target: bytes = b"") -> Tree:
    tree: list[str | File | Link | Dir] = [File(b"src/" + name, content=name) for name in names]
    tree += [File(b"src/dir-" + name + b"/" + name) for name in names] + [File(b"dst/dir-" + names[0] + b"/only here")]
    return [*tree, Link(b"src/to", target=target or names[0])]


KOREAN = "\uc81c1\ubd80 \ub098"
CYRILLIC = "\u0444\u0430\u0439\u043b"


def charset(ours: str, theirs: str, text: str) -> dict[str, Tree]:
    """The source's names are written in the charset of the side that has them."""
    return {"push": named(text.encode(ours), b"z"), "pull": named(text.encode(theirs), b"z")}


@dataclass
class Set:
    options: str
    protocols: tuple[int, ...] = ENDS
    tree: Tree | dict[str, Tree] = ()
    """Added to the common tree; or one for each direction."""
    ways: tuple[str, ...] = ("push", "pull")
    sources: tuple[str, ...] = ("src/",)
    once: bool = False
    """Nothing is left to see in a second run."""
    racy: bool = False
    """rsync's own error texts differ from run to run, or the order of its lines."""


SETS: dict[str, Set] = {
    # Fields of the list.
    "links": Set("-aH", ALL, LINKS),
    "links-flat": Set("-aH --no-inc-recursive", (30, 32), LINKS),
    "links-link-dest": Set("-aH --link-dest=../alt", FROM_29, LINKS, once=True),
    "nodes": Set("-aD", ALL, NODES),
    "nodes-devices": Set("-a --no-specials", ALL, NODES),
    "nodes-specials": Set("-a --no-devices", ALL, NODES),
    "nodes-none": Set("-rlpt", ENDS, NODES),
    "sums": Set("-ac", ALL, [*NODES, "dst/b;m=0600;t=1 dst/d/e=odd;t=-1000000000"]),
    "sums-choice": Set("-ac --cc=md5,xxh64", (30, 32)),
    "sums-sha1": Set("-ac --cc=sha1", (30, 32)),
    "atimes": Set("-aU", FROM_28),
    "atimes-2": Set("-aUU", (29, 31, 32)),
    "open-noatime": Set("-a --open-noatime"),
    "times": Set("-aO", ALL),
    "link-times": Set("-aJ", (29, 30, 32)),
    "owners": Set("-a", ALL, ["src/o1;o=1.2 src/o2;o=12345.54321 src/o3;o=2.1 src/od/;o=1.1 src/od/o4;o=1.1"]),
    "owners-numeric": Set("-a --numeric-ids", ALL, ["src/o1;o=1.2 src/o2;o=12345.54321"]),
    "owners-flat": Set("-a --no-inc-recursive", (30, 32), ["src/o1;o=1.2 src/o2;o=12345.54321"]),
    "owners-map": Set("-a --usermap=daemon:bin,12000-13000:7,*:sys --groupmap=bin:9,*:11", ENDS, ["src/o1;o=1.2"]),
    "owners-chown": Set("-a --chown=daemon:bin", (28, 32)),
    "group-only": Set("-rlptg", (28, 30, 32), ["src/o1;o=1.2"]),
    "acls": Set("-aA", FROM_30, META),
    "acls-flat": Set("-aA --no-inc-recursive", (30, 32), META),
    "acls-numeric": Set("-aA --numeric-ids", (30, 32), META),
    "xattrs": Set("-aX", FROM_30, META),
    "xattrs-links": Set("-aXH", FROM_30, META),
    "xattrs-flat": Set("-aX --no-inc-recursive", (30, 32), META),
    "xattrs-all": Set("-aXX", (30, 32), META),
    "xattrs-acls": Set("-aAXHU", FROM_30, [*META, *NODES, *LINKS], racy=True),
    "xattrs-filter": Set("-aX --filter=-x_user.long --filter=-x_user.s*", (30, 32), META),
    "xattrs-dry": Set("-aXn", (30, 32), META),
    "fake-super": Set("-aX --fake-super", (32,), META),
    "fake-super-remote": Set("-aX -M--fake-super", (30, 32), NODES),
    "relative": Set("-aR", ALL, sources=("src/./d/f", "src/a")),
    "relative-deep": Set("-aR", (28, 29, 30, 32), sources=("src/d/f/",)),
    # At 29 rsync's own receiver fails.
    "implied": Set("-aR --no-implied-dirs", (30, 31, 32), sources=("src/d/f", "src/a")),
    "missing": Set("-a", ALL, sources=("src/a", "src/no-such", "src/d")),
    "missing-ignored": Set("-a --ignore-missing-args", ALL, sources=("src/a", "src/gone", "src/d")),
    "missing-deleted": Set("-a --delete-missing-args", ALL, sources=("src/a", "src/gone", "src/d")),
    "one-file": Set("-a", ALL, sources=("src/big",)),
    "no-file": Set("-a", ALL, sources=("src/no-such",)),
    "empty": Set("-a", ALL, sources=("src/d/k/",)),
    "dirs": Set("-dlt", ALL),
    "dirs-delete": Set("-dlt --delete", (29, 30, 32)),
    "long-names": Set(
        "-a", ALL, [File("src/" + "n" * 255), File("src/" + "/".join(["p" * 200] * 4) + "/" + "n" * 250)]
    ),
    "old-times": Set("-a", (28, 32), ["src/t1;t=-1700000000 src/t2;t=447483647 src/t3;t=2594967295"]),
    "nanoseconds": Set("-a", (30, 31, 32), ["src/t1;n=1 src/t2;n=999999999 src/td/;n=5 dst/t1;n=2"]),
    # What the sender is asked for.
    "files-from": Set("-a --files-from=L", ALL),
    "files-from-0": Set("-a --from0 --files-from=L0", ALL),
    "files-from-there": Set("-a --files-from=:{w}/L", ALL),
    "files-from-there-0": Set("-a --from0 --files-from=:{w}/L0", (29, 30, 32)),
    "files-from-empty": Set("-a --files-from=/dev/null", (28, 30, 32)),
    "secluded": Set("-as", FROM_29, [File("src/$x;y"), File("src/*")]),
    "secluded-files": Set("-as --files-from=L", (28, 30, 32)),
    "old-args": Set("-a --old-args", (29, 32)),
    "list": Set("-r", ALL, NODES, ways=("list",)),
    "list-sums": Set("-rc", (29, 32), ways=("list",)),
    # Charsets: this side's, then the other side's.
    "iconv-euc": Set("-a --iconv=EUC-KR,UTF-8", FROM_30, charset("euc-kr", "utf-8", KOREAN)),
    "iconv-cp949": Set("-a --iconv=CP949,EUC-KR", FROM_30, charset("cp949", "euc-kr", KOREAN)),
    "iconv-latin1": Set("-a --delete --iconv=UTF-8,ISO-8859-1", FROM_30, charset("utf-8", "latin-1", "\u00e9t\u00e9")),
    "iconv-koi8": Set("-a --iconv=KOI8-R,WINDOWS-1251", FROM_30, charset("koi8-r", "cp1251", CYRILLIC)),
    "iconv-s": Set("-as --iconv=UTF-8,EUC-KR", (30, 32), charset("utf-8", "euc-kr", KOREAN)),
    # On a push rsync's own receiver loses its place after a name that it cannot convert.
    "iconv-bad": Set(
        "-a --iconv=UTF-8,ISO-8859-1",
        (30, 32),
        named(b"\xff\xfe", "\u20ac".encode(), b"z"),
        ways=("pull",),
        racy=True,
    ),
    "iconv-off": Set("-a --no-iconv", (32,), named("\u00e9".encode("latin-1"), KOREAN.encode())),
    # Streams of data.
    **{f"z-{n}": Set(f"-a --zc=zlib --zl={n}", (30, 32)) for n in (1, 9)},
    "z": Set("-az", ALL),
    "z-zlibx": Set("-a --zc=zlibx --zl=4", FROM_30),
    "z-new": Set("-a -zz", (30, 32)),
    "z-old": Set("-a --old-compress", (30, 32)),
    **{f"z-zstd{n}": Set(f"-a --zc=zstd --zl={n}", (30, 32)) for n in (-5, 1, 12, 19)},
    "z-lz4": Set("-a --zc=lz4", FROM_30),
    "z-0": Set("-az --zl=0 --zc=zlib", (28, 32)),
    "z-skip": Set("-az --skip-compress=text/big", (29, 32), ["src/z.gz*3000 src/z.jpg*3000"]),
    "z-only": Set("-az --skip-compress=", (31,)),
    "append": Set("-a --append", ALL, [File("dst/text", content=TEXT[:20_000], time=3)]),
    "append-verify": Set("-a --append-verify", ALL, racy=True),
    "append-z": Set("-az --append", (29, 30, 32)),
    # The kept part is not what the source has: the sum fails and the file is asked for again.
    "redo": Set("-a --append-verify", ALL, [File("dst/big", content=b"#" + BIG[1:30_000], time=3)], racy=True),
    "redo-z": Set(
        "-az --append-verify", (29, 30, 32), [File("dst/big", content=b"#" + BIG[1:30_000], time=3)], racy=True
    ),
    "inplace": Set("-a --inplace", ALL),
    "inplace-z": Set("-az --inplace", (29, 32)),
    "inplace-backup": Set("-ab --inplace", ALL),
    "partial-dir": Set("-a --partial-dir=.part", ALL, PARTS),
    "sparse": Set("-aS", (28, 32), [File("src/hole", size=90_000, pieces=((40_000, b"m"),))]),
    "blocks": Set("-a -B512", ALL),
    "blocks-odd": Set("-a -B131072", (29, 32)),
    "whole": Set("-aW", (27, 29, 30, 32)),
    "seed": Set("-a --checksum-seed=32761", ALL),
    "seed-z": Set("-az --checksum-seed=-5", (29, 32)),
    "none": Set("-a --cc=none", (30, 32)),
    "fuzzy": Set("-ay", FROM_29, [File("dst/big.old", content=BIG[:50_000], time=0)]),
    "fuzzy-2": Set("-ayy --compare-dest=../alt2", FROM_29),
    "compare-dest": Set("-a --compare-dest=../alt", ALL),
    "copy-dest": Set("-a --copy-dest=../alt --copy-dest=../alt2", FROM_29),
    "link-dest": Set("-a --link-dest=../alt", ALL),
    "write-devices": Set("-a --copy-devices", (30, 32), ways=("pull",)),
    # What follows the data.
    "backup": Set("-ab --suffix=.old", ALL),
    "backup-dir": Set("-ab --backup-dir=../kept --delete", ALL),
    "delay": Set("-a --delay-updates", ALL),
    "delay-delete": Set("-a --delay-updates --delete", (29, 32)),
    "remove": Set("-a --remove-source-files", ALL, LINKS),
    "remove-sent": Set("-a --remove-sent-files", ALL),
    "remove-dry": Set("-an --remove-source-files", (29, 32)),
    **{f"delete-{w}": Set(f"-a --delete-{w}", ALL) for w in ("before", "during", "delay", "after")},
    "delete-max": Set("-a --delete --max-delete=2", FROM_28),
    "delete-max0": Set("-a --delete --max-delete=0", (29, 32)),
    "delete-n": Set("-an --delete", ALL),
    "delete-force": Set("-a --force", ALL, ["dst/big2/in src/big2"]),
    "delete-excluded": Set("-a --delete --delete-excluded --exclude=g* --exclude=old/l", ALL),
    "delete-excluded-not": Set("-a --delete --exclude=old/l --exclude=/gone", ALL),
    "dry": Set("-an", ALL, [*LINKS, *NODES]),
    "dry-sums": Set("-anc", (28, 32)),
    # Rules.
    "filter-F": Set("-aF --delete", FROM_29, FILTERS),
    "filter-FF": Set("-aFF --delete", (29, 32), FILTERS),
    "filter-C": Set("-aC --delete", ALL, FILTERS),
    "filter-old": Set("-a --delete --exclude=*.o --include=+x --exclude=d/k/", ALL, FILTERS),
    "filter-sides": Set("-a --delete --filter=H_*.o --filter=P_left.o --filter=-p_/d/f", FROM_30, FILTERS),
    "prune": Set("-am --exclude=g --exclude=new2 --delete", FROM_29),
    # Receiving side.
    "keep-dirlinks": Set("-aK", (28, 32), ["dst/real/ dst/kd->real src/kd/f"]),
    "copy-links": Set("-aL", (28, 32)),
    "copy-dirlinks": Set("-ak", (28, 32), ["src/kl->d"]),
    "unsafe-links": Set("-a --copy-unsafe-links", (28, 32), ["src/u->../alt/a src/u2->/nowhere"]),
    "safe-links": Set("-a --safe-links", (28, 32), ["src/u->../alt/a"]),
    "munge": Set("-a --munge-links", (28, 32), ways=("push",)),
    "no-links": Set("-rt", (28, 32)),
    "exec": Set("-rltE", (28, 32), ["src/e1;m=0755 dst/e1=old;t=1 dst/a=old;m=0755"]),
    "chmod": Set("-a --chmod=Dg+w,Fo-r", (28, 32)),
    "sizes": Set("-a --max-size=30k --min-size=1", ALL),
    "existing": Set("-a --existing", (28, 32)),
    "ignore-existing": Set("-a --ignore-existing", ALL),
    "update": Set("-au", ALL, ["dst/b=newer;t=500"]),
    "ignore-times": Set("-aI", ALL),
    "window": Set("-a --modify-window=4", (28, 32)),
    "window-nsec": Set("-a -@-1", (30, 32), ["dst/b;m=0600;n=8"]),
    "size-only": Set("-a --size-only", (28, 32)),
    "mkpath": Set("-a --mkpath", (28, 32), sources=("src/a", "src/d")),
    "quiet": Set("-aq --delete", (28, 29, 32)),
    "verbose": Set("-avv --delete", (30, 32), racy=True),
    "verbose-server": Set("-av --no-msgs2stderr", (28, 29, 32), sources=("src/a", "src/no-such")),
    "bwlimit": Set("-a --bwlimit=2m", (28, 32)),
    "timeout": Set("-a --timeout=50", ALL),
    "max-alloc": Set("-a --max-alloc=64m", (32,)),
    "log": Set("-a --delete --log-file={w}/log", (28, 29, 31, 32)),
}


def combinations(every: bool) -> list[tuple[str, int, str]]:
    """All of them, or so few that each set goes in each of its directions, and with an old and a new protocol."""
    whole = [(name, p, way) for name, row in SETS.items() for p, way in product(row.protocols, row.ways)]
    if every:
        return whole
    return sorted(covering(whole, lambda one: [one[::2], one[1:], (one[0], one[1] < 30)]), key=whole.index)


COMBINATIONS = combinations(runs_all("INTEROP"))


@dataclass
class Seen:
    codes: list[int]
    lines: list[str]
    errors: list[str]
    tree: dict[str, str]


def perform(row: Set, p: int, way: str, client: str, server: str, space: Path) -> Seen:
    work = space / "f"
    wipe(work)
    extra = row.tree[way] if isinstance(row.tree, dict) else row.tree
    build(str(work), [*BASE, *extra])
    # Directories last: what is made in them changes their times.
    tops = ["src", "src/d", "src/d/f", "dst", "dst/d", "dst/old", "alt", "alt/d", "alt2"]
    build(str(work), [Dir(path, time=len(path)) for path in tops])
    env = programs.environment(str(space))
    words = [word.replace("{w}", str(work)) for word in fill_rules(row.options)]
    if p != 32:
        words.append(f"--protocol={p}")
    away = f"host:{work}/"
    destination = "dst/new/path/" if "--mkpath" in words else "dst/"
    if way == "push":
        ends = [*row.sources, away + destination]
    else:
        ends = [away + row.sources[0], *(f":{work}/{source}" for source in row.sources[1:])]
        ends += [destination] if way == "pull" else []
    # A word with `./` keeps its place: the absolute path in front of it is cut off by a mark of its own.
    if any("R" in word.split("=")[0] for word in words if re.match(r"-\w", word)) and way == "pull":
        ends[:-1] = [end if "/./" in end else end.replace(f"{work}/", f"{work}/./", 1) for end in ends[:-1]]
    shown = ["-q"] if "-aq" in words else ["-ii", "--stats"]
    command = [client, *([] if way == "list" else shown), "-e", str(shell(space)), f"--rsync-path={server}", *words]
    codes, lines, errors = [], [], []
    since = time.time()
    for phase in range(1 if row.once or way == "list" else 2):
        if phase:
            build(str(work), EDITS)
            build(str(work), [Dir(path, time=30 + len(path)) for path in ("src/d/f", "src/d", "src")])
        outcome = programs.run([*command, *ends], cwd=work, env=env)
        codes.append(outcome.code)
        out = outcome.out.decode("utf-8", "backslashreplace")
        if way == "list":
            lines += out.split("\n")
        items = ITEM.findall(out)
        # Below 30 the order of all lines is a race.
        lines += [f"{phase} {x}" for x in (sorted(items) if p < 30 else arranged(items))]
        lines += [f"{phase} {match.group(0)}" for match in STATISTICS.finditer(out)]
        text = outcome.err.decode("utf-8", "backslashreplace")
        for pattern, replacement in COMMON:
            text = re.sub(pattern, replacement, text)
        errors += [f"{phase} {x}" for x in sorted(text.split("\n")) if x]
    log = work / "log"
    if log.exists():
        text = re.sub(r"(?m)^\S+ \S+ \[\d+\] ", "", log.read_text())
        kept = [x for x in text.split("\n") if ITEM.match(x)]
        lines += [f"log {x}" for x in sorted(kept)]
        log.unlink()
    atimes = "-aU" in words
    return Seen(codes, lines, errors, picture(str(work), since=since, atimes=atimes))


def fill_rules(options: str) -> list[str]:
    """The words; in a filter rule the first underscore stands for the blank."""
    return [re.sub(r"^(--filter=[^_]*)_", r"\1 ", word) for word in options.split()]


@pytest.mark.parametrize(("name", "p", "way"), COMBINATIONS, ids=[f"{n}-{p}-{w}" for n, p, w in COMBINATIONS])
def test_fields(name: str, p: int, way: str, space: Path, tain: str, rsync: str) -> None:
    programs.need_root()
    row = SETS[name]
    right = perform(row, p, way, rsync, rsync, space)
    found: list[str] = []
    for pair, client, server in (("tain to rsync", tain, rsync), ("rsync to tain", rsync, tain)):
        seen = perform(row, p, way, client, server, space)
        if seen.codes != right.codes:
            found.append(f"{pair}: exit {seen.codes}, not {right.codes}: {seen.errors[:4]}")
        for what, mine, theirs in (
            ("lines", seen.lines, right.lines),
            ("errors", [] if row.racy else seen.errors, [] if row.racy else right.errors),
            ("tree", [f"{k} {v}" for k, v in seen.tree.items()], [f"{k} {v}" for k, v in right.tree.items()]),
        ):
            gone, new = [x for x in theirs if x not in mine], [x for x in mine if x not in theirs]
            if gone or new:
                found.append(f"{pair}: {what}: rsync {gone[:4]}, here {new[:4]}")
            elif sorted(mine) != sorted(theirs) or (mine != theirs and not row.racy):
                found.append(f"{pair}: order of {what}")
    if found:
        pytest.fail("\n".join([f"{row.options} --protocol={p} ({way})", *found]), pytrace=False)
