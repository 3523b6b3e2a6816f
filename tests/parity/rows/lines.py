"""Lines of output statement by statement: listings, items, figures, logs, levels, exit codes. spec: output"""

from __future__ import annotations

from collections.abc import Sequence

from tests.parity.harness import Row
from tests.parity.tree import Dir, File, Link, Tree

DEEP = "src/ src/6 src/a/4 src/a/e/5 src/b/1 src/b/c/2 src/b/c/d/3 src/z/7 src/l->a src/p| src/n#b7.3"
SHELL = "-e {space}/sh --rsync-path={prog}"


def runs(ident: str, cmds: Sequence[str], tree: Tree = DEEP, **more: object) -> Row:
    return Row(ident, tree, cmds[0], then=cmds[1:], **more)  # type: ignore[arg-type]


def places(options: Sequence[str]) -> list[str]:
    """Each set of options copies into a place of its own."""
    return [f"{one} src/ d{number}/" for number, one in enumerate(options)]


LISTED = [
    "-r",
    "-a",
    "-d",
    "-rl",
    "-rh",
    "-rhh",
    "-r --no-h",
    "-rc",
    "-r --no-i-r",
    "-r --size-only",
    "-rL",
    "-rn",
    "-rq",
    "-r8",
    "-rD",
    "-r --max-size=3",
    "-rm",
    "-r --exclude=c",
    "-r --numeric-ids",
    "-aR",
]
LISTINGS = [
    runs(
        "OUT-13-deep",
        [f"{one} --no-U {place}" if "U" not in one else f"{one} {place}" for one in LISTED for place in ["src/"]],
    ),
    runs("OUT-13-deep-pull", [f"{SHELL} {one} h:{{w}}/src/" for one in LISTED[:-1]]),
    runs(
        "OUT-13-deep-named",
        [
            "-r src",
            "-r src/a",
            "-r src/b/c/",
            "-r src/./b",
            "-rR src/./b",
            "-d src/b",
            "-d src/b/",
            "src/b/.",
            "-r src/l",
            "-r src/l/",
            "--list-only src/6 src/z",
        ],
    ),
    runs(
        "OUT-13-deep-v",
        [
            "-rv src/",
            "-rvv src/",
            "-rv --stats src/",
            "-ri src/",
            "-r --out-format='%n %l' src/",
            "-r --progress src/",
            "-r --info=name2 src/",
            "-r --delete src/",
            "-ri --list-only src/ dst/",
        ],
        norm=[(r"(?m)^total: .*$", "T")],
    ),
    Row(
        "OUT-13-deep-daemon",
        ["mod/6 mod/a/4 mod/b/1 mod/b/c/2"],
        "-r {url}/m/",
        then=[
            "-av {url}/m/",
            "{url}/m",
            "{url}/m/b/",
            "-d {url}/m/b",
            "-rh {url}/m/b {url}/m/a",
            "--no-motd {url}/",
            "-q {url}/m/",
        ],
        via="daemon",
    ),
    Row(
        "OUT-13-deep-user",
        DEEP.replace(" src/n#b7.3", ""),
        "-r src/",
        then=["-a src/", f"{SHELL} -rv h:{{w}}/src/"],
        user=True,
    ),
]
ITEMS = [
    runs("OUT-11", places([f"-a '--out-format=%{letter} %n'" for letter in "ahmPuzZkwRq"])),
    runs(
        "OUT-11-widths",
        places(
            [
                f"-a '--out-format={text}'"
                for text in [
                    "[%5n]",
                    "[%-5n]",
                    "[%05l]",
                    "[%-8l]",
                    "[%3i]",
                    "[%-14i]",
                    "[%300n]",
                    "[%12B]",
                    "[%2o]",
                    "[%%%n%%]",
                    "[%-]",
                    "[% n]",
                    "[%5%]",
                    "[%M]%",
                    "[%40L]",
                    "[%0n]",
                    "[%999999n]",
                    "\\t%n\\n",
                    "%i%I",
                    "%H %n",
                ]
            ]
        ),
    ),
    runs(
        "OUT-11-names",
        places(
            [
                "-a '--out-format=%n|%f|%L'",
                "-aR '--out-format=%n|%f|%L'",
                "-aH '--out-format=%i %n%L'",
                "-an '--out-format=%f %l'",
                "-a --delete '--out-format=%o %n %f'",
            ]
        ),
        "src/ src/a src/d/b src/l->d/b src/h=>src/a",
    ),
    runs(
        "OUT-10-more",
        places(
            [
                "-ac '--out-format=%C %n'",
                "-a '--out-format=%C %n'",
                "-a --cc=xxh64 '--out-format=%C %n'",
                "-ac --cc=sha1 '--out-format=%10C|%n'",
                "-an '--out-format=%C %n'",
                "-anc '--out-format=%C %n'",
                "-ac --cc=none,md5 '--out-format=%C %n'",
            ]
        ),
        "src/ src/a src/d/b src/l->a",
    ),
]
# A file that differs in one way, seen with several sets of options.
CHANGES: dict[str, Tree] = {
    "size": "src/ src/f=abc dst/ dst/f=ab",
    "time": "src/ src/f;t=9 dst/ dst/f",
    "nsec": "src/ src/f;n=500 dst/ dst/f",
    "mode": "src/ src/f;m=0751 dst/ dst/f",
    "suid": "src/ src/f;m=4755 dst/ dst/f;m=0755",
    "owner": "src/ src/f;o=5.6 dst/ dst/f;o=7.8",
    "content": "src/ src/f=abc dst/ dst/f=abd",
    "dirtime": "src/;t=5 src/d/;t=9 dst/ dst/d/",
    "dirmode": "src/ src/d/;m=0700 dst/ dst/d/;m=0755",
    "link": "src/ src/f->a dst/ dst/f->b",
    "linktime": [Dir("src"), Link("src/f", target="a", time=9), Dir("dst"), Link("dst/f", target="a")],
    "fifo": "src/ src/f|;m=0600 dst/ dst/f|",
    "device": "src/ src/f#c1.5 dst/ dst/f#c1.7",
    "type": "src/ src/f=x src/g->f src/h/ src/i| dst/ dst/f->y dst/g=z dst/h=q dst/i/",
    "new": "src/ src/f src/d/ src/l->f src/p| dst/",
    "hard": "src/ src/f src/g=>src/f dst/ dst/f dst/g",
    "gone": "src/ dst/ dst/f dst/d/g dst/l->f",
    "xattr": [Dir("src"), File("src/f", xattrs={"user.a": b"1"}), Dir("dst"), File("dst/f", xattrs={"user.a": b"2"})],
    "acl": [Dir("src"), File("src/f", acl="u:5:r"), Dir("dst"), File("dst/f", acl="u:5:rw")],
}
SETS = [
    "-ani",
    "-anii",
    "-rni",
    "-rlni",
    "-rlptni",
    "-rlnic",
    "-anic",
    "-aniI",
    "-ani --size-only",
    "-aniHAXU",
    "-aniO",
    "-aniJ",
    "-anu -i",
    "-ani --existing",
    "-ani --ignore-existing",
    "-ani --delete",
    "-ani --no-p",
    "-ani --no-o --no-g",
    "-anvv",
    "-aniE --no-p",
    "-ani --checksum --no-t",
    "-ani --modify-window=-1",
    "-ani --chmod=F+w,D-w",
    "-ani --numeric-ids --usermap=5:7",
]
CHANGED = [
    row
    for name, tree in CHANGES.items()
    for row in (
        runs(
            f"output-6-each-{name}",
            [f"{one} src/ dst/" for one in SETS],
            tree,
            norm=[(r"(?m)^total: .*$", "T")],
            sorted=True,
        ),
        runs(
            f"output-6-each-{name}-push",
            [f"{SHELL} {one} src/ h:{{w}}/dst/" for one in SETS[:6]] + [f"{SHELL} -ai src/ h:{{w}}/dst/"],
            tree,
            sorted=True,
        ),
    )
]
FIGURES = [
    runs(
        "OUT-4-numbers",
        [f"-an --stats {one} src/ dst/" for one in ["", "-h", "-hh", "-hhh", "--no-h", "-hhhh", "-h --no-h"]],
        [
            Dir("src"),
            File("src/a", size=999),
            File("src/b", size=1024),
            File("src/c", size=1_048_575),
            File("src/d", size=10**10),
        ],
    ),
    runs(
        "OUT-4-kinds",
        places(
            [
                "-a --stats",
                "-r --stats",
                "-aH --stats",
                "-a --stats --exclude=b",
                "-avn --stats",
                "-aq --stats",
                "-a --info=stats2",
                "-a --info=stats1",
                "-av --info=stats0",
                "-av --info=stats2",
                "-a --stats --info=stats1",
                "-a --stats --max-size=3",
                "-a --stats -i",
            ]
        ),
        DEEP + " src/h=>src/6",
    ),
    runs(
        "OUT-4-again",
        [
            "-a src/ dst/",
            "-a --stats src/ dst/",
            "-ac --stats src/ dst/",
            "-aI --stats src/ dst/",
            "-a --stats --delete src/a/ dst/",
            "-a --stats --link-dest=../dst src/ d2/",
            "-a --stats --copy-dest=../dst src/ d3/",
        ],
    ),
]
LEVELS = [
    runs(
        "OUT-1-info",
        places(
            [
                f"-a --info={words}"
                for words in [
                    "name",
                    "name2",
                    "name0",
                    "flist",
                    "flist2",
                    "flist0",
                    "stats",
                    "del",
                    "misc",
                    "misc2",
                    "skip",
                    "skip2",
                    "copy",
                    "backup",
                    "mount",
                    "remove",
                    "symsafe",
                    "nonreg0",
                    "none",
                    "progress0",
                    "name1,stats1",
                ]
            ]
        ),
        norm=[(r"\r[^\r\n]*  (?=\r)", "")],
    ),
    runs(
        "OUT-1-info-delete",
        [
            f"-an {one} src/a/ src/b/"
            for one in [
                "--delete",
                "--delete -v",
                "--delete --info=del",
                "--delete -v --info=del0",
                "--delete -i --info=del0",
                "--delete -q",
                "--delete --info=name",
                "--delete -vi",
                "--delete --out-format=%n",
                "--delete --out-format=%o",
            ]
        ],
        sorted=True,
    ),
    runs(
        "OUT-1-skips",
        [
            f"-avv {one} src/ dst/"
            for one in [
                "--existing -n",
                "--ignore-existing",
                "--max-size=3 -n",
                "--min-size=9 -n",
                "-u -n",
                "--ignore-non-existing -n",
                "-I -n",
                "--size-only -n",
            ]
        ],
        "src/ src/a=1 src/b=22222 src/d/c=333 src/l->a dst/ dst/a;t=9 dst/d/",
        norm=[(r"(?m)^total: .*$", "T")],
        sorted=True,
    ),
    runs(
        "OUT-q-each",
        places(
            [
                "-aq",
                "-avq",
                "-aqi",
                "-aq --stats",
                "-aq --progress",
                "-rq",
                "-aqq",
                "-aq --info=name",
                "-avn -q",
                "-aq --list-only",
            ]
        ),
    ),
    runs(
        "OUT-20-each",
        [
            f"{one} src/ dst/"
            for one in [
                "-n",
                "-rn",
                "-avn",
                "-ain",
                "-an --stats",
                "-an --delete",
                "-avn --delete",
                "-an --progress",
                "-an --mkpath --info=name",
                "-anP",
                "-an --backup -v",
            ]
        ],
        norm=[(r"\r[^\r\n]*  (?=\r)", "")],
    ),
]
ENDS = [
    runs(
        "OUT-23",
        [f"-ai --delete --max-delete={n} src/ dst/" for n in ("1", "0", "-1")]
        + ["-ain --delete --max-delete=1 src/ dst/", "-ai --delete --max-delete=99 src/ dst/"],
        "src/a dst/x dst/y dst/z",
        sorted=True,
    ),
    runs(
        "OUT-24-lines",
        [
            "-a nosuch dst/",
            "-a nosuch src/ dst/",
            "-a src/ f/",
            "-a src/ f",
            "-a src/ no/such/dst/",
            "-r src/nosuch/x dst/",
            "-a --files-from=nosuch src/ dst/",
            "-aR no/such dst/",
            "-a src/6/ dst/",
            "src dst/",
            "-av --delete nosuch/ dst/",
            "-a --temp-dir=nosuch src/ dst/",
            "-a --temp-dir=f src/ dst/",
            "-ab --backup-dir=../f src/ dst/",
        ],
        [DEEP, "f"],
    ),
    Row(
        "OUT-24-user",
        [DEEP.replace(" src/n#b7.3", ""), "src/no;m=0000 src/nodir/;m=0000 dst/ro/;m=0555 src/ro/x"],
        "-a src/ dst/",
        then=["-ai --delete src/ dst/", "-ai src/no dst/", "-ai src/ dst/ro/x/", "-aio src/ /proc/nosuch/"],
        user=True,
    ),
    Row(
        "OUT-24-user-push",
        [DEEP.replace(" src/n#b7.3", ""), "src/no;m=0000 dst/ro/;m=0555 src/ro/x"],
        f"{SHELL} -ai src/ h:{{w}}/dst/",
        then=[f"{SHELL} -ai h:{{w}}/src/ d2/"],
        user=True,
    ),
    *(
        Row(
            f"OUT-25-{number}",
            "src/a mod/b",
            cmd,
            via="daemon",
            conf=f"read only = no\nrefuse options = {refuse}",
            codes=frozenset({4, 10, 12}),
            norm=[(r"(?m)^rsync: \[\w+\] read error.*\n", ""), (r"(?m)^rsync error: .*code (4|10|12)\).*\n", "")],
        )
        for number, (refuse, cmd) in enumerate(
            [
                ("delete", "-a --delete src/ {url}/m/"),
                ("compress", "-az src/ {url}/m/"),
                ("checksum", "-ac src/ {url}/m/"),
                ("c*", "-ac {url}/m/ dst/"),
                ("* !a !v !delete*", "-av --delete src/ {url}/m/"),
                ("archive", "-a src/ {url}/m/"),
                ("perms", "-rp src/ {url}/m/"),
                ("delete-during", "-a --del src/ {url}/m/"),
                ("partial", "-aP src/ {url}/m/"),
                ("inplace", "-a --append src/ {url}/m/"),
                ("backup", "-ab src/ {url}/m/"),
                ("times", "-rt {url}/m/ dst/"),
                ("verbose", "-rv src/ {url}/m/"),
                ("dry-run", "-rn src/ {url}/m/"),
                ("* !r !n", "-rn src/ {url}/m/"),
            ]
        )
    ),
    Row(
        "OUT-29",
        [File("sh127", content=b"#!/bin/sh\nexit 127\n", mode=0o755), "src/a"],
        "-a -e ./sh127 src/ h:dst/",
        then=["-a -e ./sh127 h:src/ dst/"] * 3,
        codes=frozenset({12, 14, 127}),
        stderr=False,
    ),
    Row(
        "OUT-30",
        "src/a mod/b",
        "-vv {url}/m/",
        then=[
            "-avv src/ {url}/m/",
            "-avv --out-format='%i x' -M--fake-super {url}/m/ dst/",
            "-vvs {url}/m/ 'd 2/'",
            "-avv --timeout=5 --suffix='a b' -b src/ {url}/m/x",
        ],
        via="daemon",
        conf="read only = no",
        norm=[(r"(?m)^total: .*$", "T")],
        sorted=True,
    ),
    Row(
        "OUT-28-each",
        "mod/a",
        "-a {url}/m/x dst/",
        then=["-a {url}/m/d/ dst/", "-a {url}/m/x {url}/m/a dst/"],
        via="daemon",
        norm=[(r"(?m)^rsync: \[\w+\] read error.*\n", "")],
    ),
]
LOGGED = [
    Row(
        f"OUT-21-each-{number}",
        "src/ src/a src/d/b src/l->a dst/ dst/x",
        f"-a {options} --log-file=log src/ dst/",
        then=[
            "!sed -E 's/^[0-9/]+ [0-9:]+ \\[[0-9]+\\] /STAMP /; s/[0-9.,]+ bytes/N bytes/g; s/speedup is .*/speedup/; s/at [a-z.]+\\([0-9]+\\)/at FILE/; s/=[0-9.]+\\]/=V]/' log; rm log"
        ],
    )
    for number, options in enumerate(
        [
            "-i",
            "-v --delete",
            "--log-file-format='%i %n %l %b'",
            "--log-file-format='[%p] %t %n'".replace("[%p] %t ", ""),
            "--log-file-format='%f %U:%G %M %B'",
            "-q --delete",
            "--out-format=%n --log-file-format=%o",
            "--log-file-format='%a %h %m %u %P %n'",
            "-ii",
            "-n --delete -i",
            "-b --delete -v",
        ]
    )
]
ROWS: list[Row] = [*LISTINGS, *ITEMS, *CHANGED, *FIGURES, *LEVELS, *ENDS, *LOGGED]
