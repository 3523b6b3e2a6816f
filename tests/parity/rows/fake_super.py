"""--super and --fake-super (spec: transfer 5.6, options 6.2)."""

from __future__ import annotations

from tests.parity.common import BIG, EDITED, LONG_XATTR, Turns, both, row
from tests.parity.harness import Row
from tests.parity.tree import Dir, File, Link, Tree

FAKE_KINDS = "src/ src/a;o=3.4 src/s;m=04755 src/t/;m=01777 src/l->a src/p| src/n#c1.3 src/k#b7.1 src/r;m=0400"

FAKE_STAT = "user.rsync.%stat"

RECORDED = [
    row("MET-fake", "-ai --fake-super src/ dst/", FAKE_KINDS, then=["-aii --fake-super src/ dst/"]),
    row("MET-fake-user", "-ai --fake-super src/ dst/", [FAKE_KINDS], user=True, then=["-aii --fake-super src/ dst/"]),
    row("MET-fake-back", "-ai --fake-super src/ mid/", FAKE_KINDS, then=["-ai --fake-super mid/ dst/"]),
    row(
        "MET-fake-push",
        "-ai -M--fake-super src/ h:{w}/dst/",
        FAKE_KINDS,
        via="shell",
        then=["-aii -M--fake-super src/ h:{w}/dst/"],
    ),
    row("MET-fake-pull", "-ai --fake-super h:{w}/src/ dst/", FAKE_KINDS, via="shell"),
    row(
        "MET-fake-restore",
        "-ai -M--fake-super src/ h:{w}/mid/",
        FAKE_KINDS,
        via="shell",
        then=["-ai --fake-super mid/ h:{w}/dst/"],
    ),
    row("MET-fake-local-M", "-ai -M--fake-super src/ dst/", FAKE_KINDS),
    row(
        "MET-fake-change",
        "-ai --fake-super src/ dst/",
        [
            "src/ src/a;o=3.4 src/n#c1.3 src/l->x",
            Dir("dst"),
            File("dst/a", xattrs={FAKE_STAT: b"100644 0,0 1:1"}),
            File("dst/n", content=b"", xattrs={FAKE_STAT: b"20644 1,4 0:0"}),
            File("dst/l", content=b"y", xattrs={FAKE_STAT: b"120777 0,0 0:0"}),
        ],
    ),
    row(
        "MET-fake-plain",
        "-ai --fake-super src/ dst/",
        ["src/ src/a", Dir("dst"), File("dst/a", xattrs={FAKE_STAT: b"100600 0,0 1:1"})],
    ),
    row("MET-fake-not", "-ai src/ dst/", [Dir("src"), File("src/a", xattrs={FAKE_STAT: b"104755 0,0 5:6"})]),
    row(
        "MET-fake-corrupt",
        "-ai --fake-super src/ dst/",
        [Dir("src"), File("src/a", xattrs={FAKE_STAT: b"what"})],
        stderr=False,
    ),
    row(
        "MET-fake-corrupt-dst",
        "-ai --fake-super src/ dst/",
        ["src/ src/a dst/", File("dst/a", xattrs={FAKE_STAT: b"what"})],
        stderr=False,
    ),
    row("MET-fake-no-owner", "-rlptDi --fake-super src/ dst/", FAKE_KINDS),
    row(
        "MET-fake-X",
        "-aiX --fake-super src/ dst/",
        [Dir("src"), File("src/a", xattrs={"user.k": b"1", "trusted.t": b"1", "user.rsync.security.s": b"1"})],
        then=["-aiiX --fake-super src/ dst/"],
    ),
    row(
        "MET-fake-X-push",
        "-aiX -M--fake-super src/ h:{w}/dst/",
        [Dir("src"), File("src/a", xattrs={"user.k": b"1", "trusted.t": LONG_XATTR, "user.rsync.security.s": b"1"})],
        via="shell",
    ),
    row(
        "MET-fake-A",
        "-aiA -M--fake-super src/ h:{w}/dst/",
        [Dir("src", default_acl="u:7:rwx"), File("src/a", acl="u:5:r,g:6:rw"), File("src/b", acl="m::r")],
        via="shell",
        then=["-aiiA -M--fake-super src/ h:{w}/dst/"],
    ),
    row(
        "MET-fake-A-local",
        "-aiA --fake-super src/ dst/",
        [Dir("src", default_acl="u:7:rwx"), File("src/a", acl="u:5:r,g:6:rw")],
    ),
    row(
        "MET-fake-link",
        "-ai --fake-super --link-dest=../alt src/ dst/",
        [
            FAKE_KINDS,
            Dir("alt"),
            File("alt/a", xattrs={FAKE_STAT: b"100644 0,0 3:4"}),
            File("alt/l", content=b"a", mode=0o777, xattrs={FAKE_STAT: b"120777 0,0 0:0"}),
        ],
    ),
    row(
        "MET-fake-delete",
        "-ai --fake-super --delete src/ dst/",
        ["src/a dst/", File("dst/n", content=b"", xattrs={FAKE_STAT: b"20644 1,4 0:0"})],
    ),
    row(
        "MET-fake-replace",
        "-ai --fake-super src/ dst/",
        ["src/ src/n=x dst/", File("dst/n", content=b"", xattrs={FAKE_STAT: b"20644 1,4 0:0"})],
    ),
    row("MET-fake-hard", "-aiH --fake-super src/ dst/", "src/ src/a;o=3.4 src/b=>src/a"),
    row("MET-fake-inplace", "-ai --fake-super --inplace src/ dst/", "src/ src/a;o=3.4 dst/ dst/a=old"),
    row(
        "MET-fake-backup",
        "-aib --fake-super src/ dst/",
        ["src/ src/a;o=3.4 dst/", File("dst/a", content=b"old", xattrs={FAKE_STAT: b"100644 0,0 1:1"})],
    ),
]

STAT = "user.rsync.%stat"


def _kept(top: str, records: dict[str, bytes], time: int = 0) -> Tree:
    """Files that stand for what their records say."""
    return [
        Dir(top),
        *(File(f"{top}/{name}", content=b"", xattrs={STAT: value}, time=time) for name, value in records.items()),
    ]


KEPT: Tree = [
    *_kept(
        "src",
        {
            "block": b"60640 42,73 55:66",
            "char": b"20600 1,2 5:6",
            "fifo": b"10622 0,0 9:9",
            "socket": b"140755 0,0 9:9",
            "file": b"104755 0,0 5:6",
            "other-owner": b"100644 0,0 77:88",
        },
    ),
    File("src/plain", content=b"plain", mode=0o640),
    Dir("src/dir", xattrs={STAT: b"43775 0,0 7:8"}),
    File("src/link", content=b"plain", xattrs={STAT: b"120777 0,0 13:14"}),
    Link("src/real", target="plain"),
]

#: The same names, of other kinds and with other owners.
OTHER: Tree = [
    *_kept(
        "dst",
        {
            "block": b"60640 42,74 77:88",
            "char": b"60600 1,3 77:88",
            "fifo": b"140622 0,0 77:88",
            "socket": b"100755 0,0 77:88",
            "file": b"20600 1,3 77:88",
            "other-owner": b"100644 0,0 1:2",
        },
        time=-5,
    ),
    File("dst/plain", content=b"other", mode=0o600, xattrs={STAT: b"100600 0,0 77:88"}, time=-5),
    Dir("dst/dir", xattrs={STAT: b"40700 0,0 77:88"}),
    File("dst/link", content=b"other", xattrs={STAT: b"120777 0,0 13:14"}, time=-5),
    Link("dst/real", target="plain"),
    "dst/unsent;m=0600",
]

#: An owner that is not preserved is recorded as 0, never as that of the process.
OWNERS_KEPT = [
    Row(f"TRF-15-owner-{ident}-{before}{'' if user else '-root'}", tree, f"{options} --fake-super src/ dst/", user=user)
    for before, tree in (("new", KEPT), ("other", [*KEPT, *OTHER]))
    for ident, options in (
        ("r", "-ri"),
        ("D", "-rlDi"),
        ("Dp", "-rlDpi"),
        ("Do", "-rlDoi"),
        ("Dg", "-rlDgi"),
        ("t", "-rlti"),
        ("a", "-ai"),
        ("aI", "-aiI"),
        ("chown", "-ai --chown=3:4"),
        ("chmod", "-rlDpi --chmod=u+s"),
        ("X", "-rlDXi"),
    )
    for user in (True, False)
]

OWNERS_KEPT += [
    row
    for ident, options in (("D", "-rlDi"), ("a", "-ai"))
    for row in (
        Row(f"TRF-15-owner-{ident}-push", [*KEPT, *OTHER], f"{options} --fake-super -M--fake-super src/ h:{{w}}/dst/",
            via="shell", user=True),
        Row(f"TRF-15-owner-{ident}-pull", [*KEPT, *OTHER], f"{options} --fake-super -M--fake-super h:{{w}}/src/ dst/",
            via="shell", user=True),
        Row(f"TRF-15-owner-{ident}-daemon", KEPT, f"{options} --fake-super src/ {{url}}/m/", via="daemon",
            conf="read only = no\nfake super = yes"),
    )
]  # fmt: skip

#: A real pipe cannot take a record, which is an error; a real link is replaced by a recorded one.
OWNERS_KEPT += [
    Row(
        f"TRF-15-real-{ident}",
        "src/ src/p| src/l->x dst/ dst/p| dst/l->x",
        f"{options} --fake-super src/ dst/",
        user=True,
    )
    for ident, options in (("D", "-rlDi"), ("a", "-ai"))
]

ways = Turns(4)
WRITTEN = [
    *ways("TRF-16", "-ai --fake-super", "src/ src/l->target src/d/k->../l src/long->" + "x" * 300),
    *ways(
        "TRF-16-existing",
        "-aii --fake-super",
        [
            "src/ src/l->n src/f=x dst/",
            File("dst/l", content=b"n", mode=0o600, xattrs={"user.rsync.%stat": b"120777 0,0 0:0"}),
            File("dst/f", content=b"q", mode=0o600, xattrs={"user.rsync.%stat": b"120777 0,0 0:0"}),
        ],
    ),
    *ways("TRF-16-munge", "-ai --fake-super --munge-links", "src/ src/l->/abs src/k->rel"),
    *ways("TRF-16-safe", "-ai --fake-super --safe-links", "src/ src/l->/abs src/k->rel"),
    row(
        "TRF-16-back",
        "-ai --fake-super src/ mid/",
        "src/ src/l->target src/d/k->../l;o=5.6",
        then=["-ai --fake-super mid/ dst/", "-aii -M--fake-super mid/ out/"],
    ),
    row("TRF-16-L", "-aiL --fake-super src/ dst/", "src/ src/l->a src/a"),
    *ways(
        "TRF-15-modes",
        "-ai --fake-super",
        "src/ src/a;m=7777;o=1.2 src/b;m=0000 src/c;m=0400;o=0.0 src/d/;m=1000;o=3.4 src/e;m=0644",
    ),
    *ways("TRF-15-nodes", "-ai --fake-super", "src/ src/n#c1.3;m=0600 src/b#b7.255;m=0666;o=5.6 src/p|;m=0640 src/s!"),
    *ways(
        "TRF-15-delta",
        "-ai --no-W --fake-super",
        [
            Dir("src"),
            File("src/a", content=EDITED, mode=0o4711, owner=(5, 6)),
            Dir("dst"),
            File("dst/a", content=BIG, xattrs={"user.rsync.%stat": b"100600 0,0 7:8"}),
        ],
    ),
    *ways(
        "TRF-15-H",
        "-aiH --fake-super",
        "src/ src/n#c1.3;o=5.6 src/m=>src/n src/a;o=5.6 src/b=>src/a src/l->x src/k=>src/l",
        sorted=True,
    ),
    *ways(
        "TRF-15-type",
        "-ai --fake-super",
        [
            "src/ src/a src/n#c1.3 src/d/",
            "dst/",
            File("dst/a", xattrs={"user.rsync.%stat": b"20644 1,3 0:0"}),
            File("dst/n"),
            File("dst/d", xattrs={"user.rsync.%stat": b"120777 0,0 0:0"}),
        ],
    ),
]

#: Of --super, --no-super and --fake-super the last one counts, also behind -M.
WHO = ("--super", "--no-super", "--fake-super")

ORDERS = [[one] for one in WHO] + [[one, two] for one in WHO for two in WHO if one != two]

ORDERS += [["--super", "--fake-super", "--super"], ["--fake-super", "--super", "--fake-super"]]

OWNED = "src/f;m=4755;o=12.34 src/d/;m=0700;o=5.6 src/n#c1.3 src/p|"


def letters(words: list[str]) -> str:
    return "-".join(word.strip("-").split("-")[0] for word in words)


SUPER_ORDERS = [
    row
    for words in ORDERS
    for said in (" ".join(words),)
    for row in (
        Row(
            f"OPT-super-{letters(words)}",
            OWNED,
            "-a --fake-super src/ kept/",
            then=[f"-a {said} src/ out/", f"-a {said} kept/ back/", f"-aX {said} src/ xattrs/"],
        ),
        *(
            Row(
                f"OPT-super-{via}-{way}-{letters(words)}",
                OWNED,
                "-a -M--fake-super src/ {host}kept/".replace("{host}", "h:{w}/" if via == "shell" else ""),
                then=[
                    f"-a {said} {source} {target}"
                    for said in (
                        " ".join(words),
                        " ".join("-M" + word for word in words),
                        f"--super -M{words[-1]}",
                        f"{words[-1]} -M--fake-super",
                    )
                    for source, target in (
                        (near.format(f"{part}/"), far.format(f"out-{part}/")) for part in ("src", "kept")
                    )
                ],
                via=via,
            )
            for via, way, near, far in (
                ("local", "local", "{}", "{}"),
                ("shell", "push", "{}", "h:{{w}}/{}"),
                ("shell", "pull", "h:{{w}}/{}", "{}"),
            )
        ),
    )
]

GIVE = "src/ src/a;m=0755 src/b;m=4711 src/c;m=0057 src/d/ src/d/e;m=0111 src/q/;m=0711"

#: An ordinary user cannot give files away.
ORDINARY_USER = [
    *[
        Row(f"options-2-super-{ident}", [GIVE, *more], f"{options} src/ dst/", user=True)
        for ident, options, more in (
            ("user", "-ai --super --chown=0:0", ["dst/"]),
            ("user-new", "-ai --super --chown=0:0", []),
            ("user-old", "-ai --super --chown=0:0", ["dst/ dst/a=old;m=0600 dst/d/"]),
            ("user-r", "-ri --super --chown=0:0", ["dst/"]),
            ("user-O", "-aiO --super --chown=0:0", ["dst/"]),
            ("user-inplace", "-ai --inplace --super --chown=0:0", ["dst/"]),
        )
    ],
    # The record is written although the existing directory is read-only.
    *both("TRF-15-readonly", "-ai --fake-super", ["src/ src/d/;m=0555 dst/ dst/d/;m=0555"], user=True),
    *both(
        "TRF-15-readonly-owner", "-ai --fake-super --chown=0:0", ["src/ src/d/;m=0555 dst/ dst/d/;m=0555"], user=True
    ),
]

# A record that cannot be read: the file counts as what it is. rsync reads it more often, and reports each failure.
UNREADABLE = [
    Row(f"TRF-15-unreadable-{n}", tree, "-ai --fake-super src/ out/", user=True, stderr=not tree.endswith("0"))
    for n, tree in enumerate(
        [
            "src/a src/b;m=0 src/d/e out/",
            "src/a out/ src/d/;m=0700 src/e;m=0200",
            "src/a src/b src/d/e out/a;m=0100 out/b;m=0",
            "src/a src/b src/d/e out/ out/d/;m=0",
        ]
    )
]

ROWS: list[Row] = [*RECORDED, *OWNERS_KEPT, *WRITTEN, *SUPER_ORDERS, *ORDINARY_USER, *UNREADABLE]
