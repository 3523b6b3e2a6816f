"""Options for one side alone: given with -M, on the server's own command line, or by a forced command.

Every option of the table goes to the other side of a push, of a pull and of a local copy, beside the real rsync: exit
code, output, the log that the server writes, and the tree. An option of the server's own that is not heeded deletes
what its owner protects, or shows what he hides, without a word.

By default each option is tried in one or two of the three ways; INTEROP=all tries it in all of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tain.options.table import ROWS
from tain.options.table import Row as Option
from tests import programs
from tests.parity.harness import Row, differences, perform
from tests.parity.tree import Dir, File, Tree
from tests.sampling import runs_all

#: A value for each option that takes one (more than one where it has several kinds of them).
VALUES: dict[str, list[str]] = {
    "info": ["del2,name2", "all0"],
    "debug": ["none"],
    "stderr": ["all", "client"],
    "backup-dir": ["{w}/bk", "bk"],
    "suffix": [".old"],
    "confine-root": ["{w}/dst"],
    "chmod": ["F777", "Dgo-rwx,Fu=r"],
    "block-size": ["900"],
    "rsh": ["x"],
    "rsync-path": ["x"],
    "max-delete": ["1"],
    "max-size": ["3"],
    "min-size": ["3"],
    "max-alloc": ["64M"],
    "partial-dir": [".part"],
    "usermap": ["0:77"],
    "groupmap": ["0:78"],
    "chown": ["79:80"],
    "timeout": ["90"],
    "contimeout": ["9"],
    "modify-window": ["3600"],
    "temp-dir": ["{w}/bk"],
    "compare-dest": ["{w}/other"],
    "copy-dest": ["{w}/other"],
    "link-dest": ["{w}/other"],
    "compress-choice": ["zlib"],
    "compress-level": ["3"],
    "compress-threads": ["1"],
    "skip-compress": ["gz"],
    "filter": ["P old", "H secret", "- *.o", "R old", "S secret", ": .rules", ". {w}/rules", "-p old", "!"],
    "exclude": ["secret", "/d", "old", "*"],
    "exclude-from": ["{w}/rules", "{w}/nosuch", "{w}/bad"],
    "include": ["secret"],
    "include-from": ["{w}/rules", "{w}/nosuch"],
    "files-from": ["{w}/list", "{w}/nosuch"],
    "copy-as": ["root:root"],
    "address": ["127.0.0.1"],
    "port": ["1"],
    "sockopts": ["SO_KEEPALIVE"],
    "outbuf": ["L"],
    "remote-option": ["--exclude=secret"],
    "out-format": ["%i %n"],
    "log-file": ["{w}/log", "{w}/nosuch/log"],
    "log-file-format": ["%o %n"],
    "password-file": ["{w}/list"],
    "early-input": ["{w}/list"],
    "bwlimit": ["5000"],
    "stop-after": ["10"],
    "stop-at": ["2099-01-01T00:00"],
    "protocol": ["29"],
    "iconv": ["utf-8"],
    "checksum-seed": ["5"],
}

#: Not asked, and why.
LEFT_OUT = {
    "debug": "what a process reports about itself is its own matter; only that it accepts the option counts",
    "hints": "ours alone",
    "no-hints": "ours alone",
    "bar": "ours alone",
    "no-bar": "ours alone",
    "summary": "ours alone",
    "guard": "ours alone",
    "preflight": "ours alone",
    "guard-rules": "ours alone",
    "allow": "ours alone",
    "explain": "ours alone",
    "json": "ours alone",
    "json-file": "ours alone",
    "json-events": "ours alone",
    "json-seconds": "ours alone",
    "jobs": "ours alone",
    "jobs-dir": "ours alone",
    "jobs-limit": "ours alone",
    "jobs-order": "ours alone",
    "jobs-strict": "ours alone",
    "tls": "ours alone",
    "tls-pin": "ours alone",
    "check-config": "ours alone",
    "daemon": "another program",
    "config": "another program",
    "dparam": "another program",
    "detach": "another program",
    "no-detach": "another program",
    "server": "said already",
    "sender": "turns the server round: both wait for one another",
    "version": "names the program",
    "help": "names the program",
    "write-batch": "a server's batch is of no use",
    "only-write-batch": "a marker between client and server",
    "read-batch": "a server reads none",
    "checksum-choice": "as protocol",
    "protocol": "the two ends then misread one another's flags",
}

#: Options that say what the stream holds: given to one side alone, the two ends misread one another, each in its way.
STREAM = (
    "checksum", "no-links", "acls", "xattrs", "no-owner", "no-group", "atimes", "dry-run", "compress", "old-compress",
    "new-compress", "compress-choice", "compress-level", "files-from", "secluded-args", "iconv", "append",
    "append-verify", "hard-links",
)  # fmt: skip
LEFT_OUT |= dict.fromkeys(STREAM, "changes the stream")
#: A forked server of rsync keeps what its parent's line has set, and reads its own words on top of that.
INHERITED = {"local-no-recursive", "local-backup-dir-0", "local-backup-dir-1"}

DAY = 86400
TREE: Tree = [
    "src/ src/f=new;m=0640 src/g=text;m=0604 src/x=prog;m=0755 src/secret/k=s src/d/sub/h=deep;m=0600 src/a.o=obj",
    "src/l->f src/out->/etc/passwd src/e/",
    File("src/d/.rules", content=b"- h\n"),
    File("src/d/.rsync-filter", content=b"- h\n"),
    File("src/big", content=b"long\n" * 1000),
    File("src/zero", content=bytes(70_000)),
    File("src/hard", content=b"hard"),
    "src/hard2=>src/hard",
    "dst/ dst/f=old;t=-9 dst/old=kept dst/dir/in=x dst/b.o=obj dst/g=text;t=5 dst/s->f",
    File("dst/big", content=b"long\n" * 900 + b"LONG\n" * 100, time=-DAY),
    Dir("bk"),
    "other/x=prog;m=0755 other/g=text;m=0604",
    File("dst/dir/.rsync-filter", content=b"P in\n"),
    File("rules", content=b"- secret\n- old\n"),
    File("list", content=b"f\n"),
    File("bad", content=b"- a\n-x b\n"),
]
#: What the server has logged, without dates, process ids and sizes of the stream.
LOG = (
    r"!if [ -f log ]; then sed 's/^[0-9][^]]*\] //; s/[0-9][0-9]* bytes  rec/N bytes  rec/; "
    r"s/received [0-9][0-9]* bytes/received N bytes/' log; rm log; fi"
)


def words_for(option: Option) -> Iterator[tuple[str, str]]:
    """(id, word) of what is said for an option."""
    name = f"--{option.longs[0]}" if option.longs else f"-{option.short}"
    key = option.key
    if not option.kind:
        yield key, name
        if option.longs and option.short and key not in LEFT_OUT:
            yield f"{key}-letter", f"-{option.short}"
        return
    for number, value in enumerate(VALUES[key]):
        yield f"{key}-{number}", f"{name}={value}" if option.longs else f"{name}{value}"


WAYS = {
    "push": ("-ai --delete", "src/ h:{w}/dst/", "shell"),
    "pull": ("-ai --delete", "h:{w}/src/ dst/", "shell"),
    "local": ("-ai --delete", "src/ dst/", "local"),
}


FULL = runs_all("INTEROP")


def rows() -> Iterator[Row]:
    for at, (way, (options, paths, via)) in enumerate(WAYS.items()):
        for number, option in enumerate(ROWS):
            if option.key in LEFT_OUT or not (FULL or (at + number) % 3 == 0):
                continue
            for ident, word in words_for(option):
                if f"{way}-{ident}" in INHERITED:
                    continue
                yield Row(f"{way}-{ident}", TREE, [*options.split(), f"-M{word}", *paths.split()], then=[LOG], via=via)


@pytest.mark.parametrize("row", [pytest.param(row, id=row.id) for row in rows()])
def test_option_of_one_side(row: Row, space: Path, tain: str, rsync: str) -> None:
    programs.need_root()
    same_as_rsync(row, space, tain, rsync)


def same_as_rsync(row: Row, space: Path, tain: str, rsync: str) -> None:
    theirs = perform(row, rsync, space)
    ours = perform(row, tain, space)
    found = differences(row, ours, theirs)
    # rsync's processes race for the order of output and for who ends first.
    for _ in range(4 if found else 0):
        if not differences(row, ours, perform(row, rsync, space)):
            return
    assert not found, "\n".join(found)


def test_every_option_is_asked() -> None:
    for option in ROWS:
        assert option.key in LEFT_OUT or not option.kind or option.key in VALUES, option.key
    assert set(VALUES) <= {option.key for option in ROWS}


#: A remote shell whose account has a command of its own, given first; of the client's words it takes those behind
#: `--server` and `--sender`.
FORCED = File(
    "forced",
    content=b"""#!/bin/sh
command=
while [ "$1" != h ]; do command="$command $1"; shift; done
while [ "$1" != --server ]; do shift; done
shift
[ "$1" != --sender ] || shift
exec $command "$@"
""",
    mode=0o755,
)


def own_line(ident: str, option: str, tree: Tree = TREE) -> Iterator[Row]:
    """The server's own command line: `--rsync-path="rsync OPTION"`, and a forced command that adds it."""
    for way, paths in (("push", "src/ h:{w}/dst/"), ("pull", "h:{w}/src/ dst/")):
        base = ["-ai", "--delete"]
        if ident not in TWICE:
            path = f"--rsync-path={{space}}/far/rsync {option}"
            yield Row(f"path-{way}-{ident}", tree, [*base, path, *paths.split()], then=[LOG], via="shell")
        sender = "--sender " if way == "pull" else ""
        words = f'"{{space}}/far/rsync" --server {sender}{option}'
        forced = [*base, "-e", f"{{w}}/forced {words}", *paths.split()]
        yield Row(f"forced-{way}-{ident}", [*tree, FORCED], forced, then=[LOG])


#: rsync reads what stands in front of `--server` twice: -F counts double, and mistakes are its client's.
TWICE = ("F", "missing", "log-of-a-mistake", "log-of-a-missing-file")

OWN = {
    "exclude": "--exclude=secret",
    "include-exclude": "--include=f --exclude=f",
    "protect": "--filter=P_old",
    "hide": "--filter=H_secret",
    "exclude-from": "--exclude-from={w}/rules",
    "missing": "--exclude-from={w}/nosuch",
    "F": "-F",
    "FF": "-FF",
    "C": "-C",
    "chmod": "--chmod=F777",
    "log": "--log-file={w}/log",
    "log-format": "--log-file={w}/log --log-file-format=%o:%n",
    "log-empty": "--log-file={w}/log --log-file-format=",
    "log-of-a-mistake": "--log-file={w}/log --max-size=1x",
    "log-of-a-missing-file": "--log-file={w}/log --exclude-from={w}/nosuch",
    "fake-super": "--fake-super",
    "no-super": "--no-super",
}


@pytest.mark.parametrize(
    "row", [pytest.param(row, id=row.id) for name, option in OWN.items() for row in own_line(name, option)]
)
def test_option_of_the_servers_own_line(row: Row, space: Path, tain: str, rsync: str) -> None:
    programs.need_root()
    same_as_rsync(row, space, tain, rsync)
