"""-i, --out-format, and the lines of attributes alone (spec: output 6, 7)."""

from __future__ import annotations

from tests.parity.common import CHANGES, SHELL, in_new_places, runs, shown, three_ways
from tests.parity.harness import Row
from tests.parity.tree import Dir, File, Link, Tree, filler

SAMPLES: list[tuple[str, str, Tree]] = [
    ("perm-time", "-ai", "src/ src/d/f;m=0600;t=9 dst/ dst/d/f"),
    ("perm", "-ai", "src/ src/a;m=0600 dst/ dst/a"),
    ("size-T", "-rpi", "src/ src/a=abc dst/ dst/a=ab"),
    ("size-T-same-size", "-rpi", "src/ src/a=abc;t=4 dst/ dst/a=abd"),
    ("link-target", "-ai", "src/ src/l->t2 dst/ dst/l->t1"),
    ("link-target-T", "-rli", "src/ src/l->t3 dst/ dst/l->t1"),
    ("link-time", "-ai", [Dir("src"), Link("src/l", target="t", time=7), Dir("dst"), Link("dst/l", target="t")]),
    ("device-number", "-ai", "src/ src/n#c1.3 dst/ dst/n#c1.5"),
    ("link-over-dir", "-ai --force", "src/ src/l->t3 dst/ dst/l/x"),
    ("owner", "-ai", "src/ src/f;o=5.6 dst/ dst/f"),
    ("group", "-ai", "src/ src/f;o=0.6 dst/ dst/f"),
    ("dir-owner", "-ai", "src/;o=5.6 dst/"),
    ("checksum", "-aic", "src/ src/a=one dst/ dst/a=two"),
    ("checksum-time", "-aic", "src/ src/a=one;t=5 dst/ dst/a=two"),
    ("all", "-aic", "src/ src/a=onex;t=5;m=0600;o=5.6 dst/ dst/a=two"),
    ("special-perm", "-ai", "src/ src/p|;m=0600 dst/ dst/p|;m=0644"),
    ("dir-perm", "-ai", "src/ src/d/;m=0700 dst/ dst/d/"),
    ("no-p", "-rti", "src/ src/a=x;m=0600 dst/ dst/a=y;m=0644;t=3"),
    ("no-o", "-rltpgi", "src/ src/f;o=5.6 dst/ dst/f"),
    ("omit-dir-times", "-aiO", "src/;t=9 src/a dst/"),
    ("size-only", "-rlpi --size-only", "src/ src/a=one;t=4;m=0600 dst/ dst/a=two"),
    ("type-file-dir", "-ai", "src/ src/x/ dst/ dst/x=f"),
    ("type-dir-file", "-ai", "src/ src/x=f dst/ dst/x/"),
    ("xattr", "-aiX", [Dir("src"), File("src/f", xattrs={"user.a": b"1"}), Dir("dst"), File("dst/f")]),
    ("acl", "-aiA", [Dir("src"), File("src/f", acl="u:5:r"), Dir("dst"), File("dst/f")]),
    ("atime", "-aiU", [Dir("src"), File("src/f"), Dir("dst"), File("dst/f", content=b"q")]),
]

ITEMIZED = [
    *(shown(f"output-6-{name}", f"{options} src/ dst/", tree) for name, options, tree in SAMPLES),
    *(
        Row(f"output-6-{name}-push", tree, f"{options} src/ h:{{w}}/dst/", via="shell")
        for name, options, tree in SAMPLES
    ),
]

SHOWN_BIG = filler(b"big", 300_000)

ESCAPES = [
    *(
        shown(
            f"OUT-format-{number}",
            ["-a", f"--out-format={text}", "src/", "dst/"],
            "src/ src/a src/d/b src/l->a src/big*123456 src/p|;m=0640",
        )
        for number, text in enumerate(
            [
                "%n",
                "%f",
                "%i %n%L",
                "%l",
                "%10l|%-10l|",
                "%'l %''l %'''l",
                "%o %n",
                "%B %n",
                "%M %n",
                "%U %G",
                "%b %n",
                "%c %n",
                "%C %n",
                "%%",
                "%x %a %h %P %u [%m]",
                "%",
                "",
                "plain",
                "%5",
                "%20n|",
                "%-20n|",
                "%n%n%n",
                "%i",
                "%L|",
                "%'b",
                "%010l",
                "%'10l",
                "%i %b %c",
            ]
        )
    ),
    shown("OUT-format-p", "-a --out-format=%p src/ dst/", "src/a", norm=[(r"(?m)^\d+$", "PID")]),
    shown(
        "OUT-format-t", "-a '--out-format=%t %n' src/ dst/", "src/a", norm=[(r"\d{4}/\d\d/\d\d \d\d:\d\d:\d\d", "NOW")]
    ),
    shown("OUT-format-long", "-a --out-format=" + "x" * 5000 + " src/ dst/", "src/a"),
    shown("OUT-10", "-ac '--out-format=%C %n' src/ dst/", "src/ src/a src/d/b dst/a dst/d/b"),
    shown("OUT-10-md5", "-ac --cc=md5 '--out-format=%C %n' src/ dst/", "src/ src/a src/d/b"),
    shown("OUT-31", "-a --delete '--out-format=%B %o %i %l %M %n' src/ dst/", "src/a dst/x dst/y/z"),
    shown("OUT-31-n", "-a --delete '--out-format=%n' src/ dst/", "src/a dst/x dst/y/z", sorted=True),
    *three_ways("OUT-format-o", "-a '--out-format=%o %n %l'", "src/ src/a src/d/b src/l->a"),
    *three_ways(
        "OUT-format-b",
        "-a --no-W '--out-format=%b %c %n'",
        [Dir("src"), File("src/a", content=SHOWN_BIG), "src/d/b"],
        norm=[(r"(?m)^\d+ \d+ ", "N N ")],
    ),
    *three_ways("OUT-12", "-a '--out-format=%l %C %n'", "src/ src/a src/d/b"),
    *three_ways("OUT-format-M", "-a '--out-format=%M %U %G %B %f'", "src/ src/a;o=5.6 src/d/b"),
    *three_ways("OUT-format-v", "-av '--out-format=%n %l'", "src/ src/a src/d/b src/l->a"),
    shown("OUT-format-n", "-an '--out-format=%i %n %b %C' src/ dst/", "src/ src/a src/d/b"),
    shown("OUT-format-old", "-a --log-format=%n src/ dst/", "src/ src/a"),
]

ITEMS = [
    runs("OUT-11", in_new_places([f"-a '--out-format=%{letter} %n'" for letter in "ahmPuzZkwRq"])),
    runs(
        "OUT-11-widths",
        in_new_places(
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
        in_new_places(
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
        in_new_places(
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
ONE_CHANGE: dict[str, Tree] = {
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
    for name, tree in ONE_CHANGE.items()
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

# A dry run has zeros for the sum of what would be sent.
SUMS = [
    Row(f"OUT-10-dry-{name}{number}", CHANGES, f"-an {options} --out-format='%i %n|%C|' {paths}", via=via)
    for name, paths, via in [
        ("", "src/ dst/", "local"),
        ("push-", "src/ h:{w}/dst/", "shell"),
        ("pull-", "h:{w}/src/ dst/", "shell"),
    ]
    for number, options in enumerate(["", "-c", "-ii", "--cc=md5"])
]

LINK_OPTIONS = {
    "plain": "-irlpHD",
    "all": "-iirlpHD",
    "t": "-irltpHD",
    "J": "-irltpHDJ",
    "c": "-irlpHDc",
    "size": "-irlpHD --size-only",
    "I": "-irlpHDI",
    "u": "-irlpHDu",
    "dry": "-irlpHDn",
    "dry-t": "-irltpHDn",
    "names": "-rltpHDvv",
}

SEVERAL = "src/a=1 src/b=>src/a src/z=>src/a src/l1->x src/l2=>src/l1 src/p1| src/p2=>src/p1 src/c1#c1.7 src/c2=>src/c1"


def apart(place: str, odd: str = "") -> str:
    """The same names below another directory, without the links among them; `odd` is what the second ones have."""
    first, second = f"{place}/a=1 {place}/l1->x {place}/p1| {place}/c1#c1.7", f"{place}/z=1"
    second += f" {place}/b=1{odd} {place}/l2->x{odd} {place}/p2|{odd} {place}/c2#c1.7{odd}"
    return f"{place}/ {first} {second}"


STATES = {
    "new": "",
    "apart": apart("dst"),
    "older": apart("dst", ";t=-9"),
    "linked": SEVERAL.replace("src/", "dst/"),
    "first": "dst/ dst/a=1 dst/l1->x dst/p1| dst/c1#c1.7",
    "last": "dst/ dst/z=1 dst/l2->x dst/p2| dst/c2#c1.7",
    "other": "dst/ dst/a=1 dst/b=22 dst/l2->y dst/c2#c1.8",
    "kinds": "dst/ dst/b/ dst/l2=f dst/p2->q dst/c2=f",
}

# How hard links, and files that an alternate directory has, are itemized.
KEPT_ROWS = [
    Row(f"B20-{state}-{name}", [SEVERAL, tree], f"{options} src/ dst/")
    for state, tree in STATES.items()
    for name, options in LINK_OPTIONS.items()
]

KEPT_ALTERNATES = [
    Row(
        f"B20-{kind}-{place}-{state}-{name}",
        [SEVERAL, tree, STATES[state]],
        f"{options} --{kind}-dest={{w}}/alt src/ dst/",
    )
    for kind in ("link", "copy")
    for place, tree in {
        "same": SEVERAL.replace("src/", "alt/"),
        "apart": apart("alt"),
        "first": STATES["first"].replace("dst/", "alt/"),
        "last": STATES["last"].replace("dst/", "alt/"),
        "mode": "alt/ alt/a=1;m=0600 alt/b=>alt/a alt/z=>alt/a alt/p1|;m=0600 alt/p2=>alt/p1 alt/l1->x alt/l2=>alt/l1",
    }.items()
    for state in ("new", "older")
    for name, options in {
        "plain": "-irlpHD",
        "a": "-aiH",
        "all": "-aiiH",
        "dry": "-aiHn",
        "dry-all": "-aiiHn",
        "names": "-aHvv",
    }.items()
    # (rsync names those twice.)
    if (kind, place, state, name) != ("copy", "last", "new", "names")
]

#: /dev/shm is another file system.
KEPT_ELSEWHERE = [
    Row(
        f"M1-{kind}-{state}-{name}",
        [SEVERAL, SEVERAL.replace("src/", "alt/"), STATES[state]],
        "! rm -rf /dev/shm/tain-alt.$PPID; cp -a alt /dev/shm/tain-alt.$PPID; ln -s /dev/shm/tain-alt.$PPID elsewhere",
        then=[f"{options} --{kind}-dest=../elsewhere src/ dst/", "! rm -r $(readlink elsewhere); rm elsewhere"],
        norm=[(r"\.\./elsewhere/", "ALT/"), (r"/dev/shm/tain-alt\.\d+/", "ALT/")],
    )
    for kind in ("link", "copy")
    for state in ("new", "apart", "older")
    for name, options in {"plain": "-irlpHD", "a": "-aiH", "all": "-aiiH", "dry": "-aiHn", "names": "-aHv"}.items()
]

CHANGED_MODES = [
    # `%B` on the side that receives.
    *(
        Row(f"OUT-31-chmod-{number}", "src/ src/d/e src/c dst/", ["--out-format=%o %B %n", *words.split(), "h:{w}/src/", "dst/"], via="shell")
        for number, words in enumerate(["-a --chmod=o=", "-r --chmod=D700,F600", "-r --chmod=a+w", "-dlt --chmod=u-w"])
    ),
]  # fmt: skip

ROWS: list[Row] = [
    *ITEMIZED,
    *ESCAPES,
    *ITEMS,
    *CHANGED,
    *SUMS,
    *KEPT_ROWS,
    *KEPT_ALTERNATES,
    *KEPT_ELSEWHERE,
    *CHANGED_MODES,
]
