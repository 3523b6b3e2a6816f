"""-H, also with alternates and metadata (spec: transfer 8)."""

from __future__ import annotations

from tests.parity.common import BIG, EDITED, LONG_VALUE, NO_TOTALS, Turns, both, over, row, versions
from tests.parity.harness import Row
from tests.parity.tree import Dir, File, Hard, Tree

GROUPS = [
    *both("TRF-24", "-aiH", "src/ src/a src/b=>src/a src/d/c=>src/a"),
    *both("TRF-29", "-aiH", "src/ src/a src/b=>src/a src/c=>src/a src/e=>src/a"),
    *both("TRF-29-second", "-aiiH", "src/ src/a src/b=>src/a src/c dst/ dst/a dst/b=>dst/a dst/c"),
    row("TRF-H-not", "-ai src/ dst/", "src/ src/a src/b=>src/a"),
    row("TRF-H-relink", "-aiH src/ dst/", "src/ src/a src/b=>src/a dst/ dst/a dst/b"),
    row("TRF-H-one-exists", "-aiH src/ dst/", "src/ src/a src/b=>src/a dst/ dst/a"),
    row("TRF-H-last-exists", "-aiH src/ dst/", "src/ src/a src/b=>src/a dst/ dst/b"),
    row("TRF-H-update", "-aiH src/ dst/", "src/ src/a=new src/b=>src/a dst/ dst/a=older;t=-3 dst/b=>dst/a"),
    row("TRF-H-links", "-aiH src/ dst/", "src/ src/l->x src/m=>src/l src/p| src/q=>src/p src/n#c1.3 src/o=>src/n"),
    row("TRF-H-v", "-avH src/ dst/", "src/ src/a src/b=>src/a src/c=>src/a"),
    row("TRF-H-exclude", "-aiH --exclude=a src/ dst/", "src/ src/a src/b=>src/a src/c=>src/a"),
    row("TRF-H-unlink", "-aiH src/ dst/", "src/ src/a src/b dst/ dst/a dst/b=>dst/a"),
    row("TRF-H-stats", "-aH --stats src/ dst/", "src/ src/a*5000 src/b=>src/a src/c=>src/a"),
    row("TRF-H-n", "-ainH src/ dst/", "src/ src/a src/b=>src/a src/c=>src/a"),
    row("TRF-H-inplace", "-aiH --inplace src/ dst/", "src/ src/a=new src/b=>src/a dst/ dst/a=o dst/b=>dst/a"),
    row("TRF-H-delete", "-aiH --delete src/ dst/", "src/ src/a src/b=>src/a dst/ dst/c dst/d=>dst/c"),
    row("TRF-H-noinc", "-aiH --no-inc-recursive src/ dst/", "src/ src/a src/d/b=>src/a src/e/c=>src/a"),
]

ALTERNATE_GROUP = "src/ src/a src/b=>src/a src/d/c=>src/a src/e/f=>src/a"

ways = Turns(2)
# (rsync 3.5.0 hangs with --compare-dest and -H when only some names of a group are in the alternate directory, and when
# a directory that cannot be removed stands in the way of a group: there are no rows for these cases.)
GROUPS_BY_TURNS = [
    *ways("TRF-24-again", "-aiiH", [ALTERNATE_GROUP, "dst/ dst/a dst/b=>dst/a"]),
    *ways("TRF-24-all", "-aiiH", [ALTERNATE_GROUP, "dst/ dst/a dst/b=>dst/a dst/d/c=>dst/a dst/e/f=>dst/a"]),
    *ways("TRF-24-attrs", "-aiiH", ["src/ src/a;m=0600 src/b=>src/a src/c=>src/a dst/ dst/a dst/b=>dst/a dst/c"]),
    *ways(
        "TRF-24-other-group",
        "-aiH",
        ["src/ src/a src/b=>src/a src/c src/d=>src/c dst/ dst/a dst/c=>dst/a dst/b dst/d=>dst/b"],
    ),
    *ways("TRF-24-over-dir", "-aiH --force", ["src/ src/a src/b=>src/a src/c=>src/a dst/ dst/b/x"]),
    *ways("TRF-24-over-link", "-aiH", ["src/ src/a src/b=>src/a src/c=>src/a dst/ dst/b->a dst/a|"]),
    *ways("TRF-24-u", "-aiHu", ["src/ src/a=n src/b=>src/a src/c=>src/a dst/ dst/a=o;t=9 dst/b=o;t=-9"]),
    *ways("TRF-24-max", "-aiH --min-size=9", ["src/ src/a=n src/b=>src/a src/c*20 src/d=>src/c"]),
    *ways("TRF-24-backup", "-aiHb", ["src/ src/a=n src/b=>src/a src/c=>src/a dst/ dst/a=o dst/b=>dst/a dst/c=q"]),
    *ways("TRF-24-delay", "-aiH --delay-updates", ["src/ src/a=n src/b=>src/a src/c=>src/a dst/ dst/a=o dst/b=>dst/a"]),
    *ways("TRF-24-delete-before", "-aiH --delete-before", [ALTERNATE_GROUP, "dst/ dst/x dst/y=>dst/x"]),
    *ways("TRF-24-c", "-aiHc", ["src/ src/a=n;t=4 src/b=>src/a src/c=>src/a dst/ dst/a=n dst/b=o dst/c=n"]),
    *ways("TRF-24-remove", "-aiH --remove-source-files", [ALTERNATE_GROUP]),
    *ways("TRF-24-existing-link", "-aiiH", ["src/ src/a src/b=>src/a dst/ dst/x dst/a=>dst/x dst/b=>dst/x"]),
    *ways(
        "TRF-24-delta",
        "-aiH --no-W --stats",
        [
            Dir("src"),
            File("src/a", content=EDITED),
            Hard("src/b", target="src/a"),
            Dir("dst"),
            File("dst/a", content=BIG, time=-3),
            Hard("dst/b", target="dst/a"),
        ],
    ),
    *ways(
        "TRF-24-delta-b",
        "-aiH --no-W --stats",
        [
            Dir("src"),
            File("src/a", content=EDITED),
            Hard("src/b", target="src/a"),
            Dir("dst"),
            File("dst/b", content=BIG, time=-3),
        ],
    ),
    *ways("TRF-29-dirs", "-aiH", ["src/ src/z/a src/m/b=>src/z/a src/a/c=>src/z/a src/q=>src/z/a"]),
    *ways("TRF-29-v", "-avH", [ALTERNATE_GROUP], sorted=False),
    *ways("TRF-29-vv", "-avvH", [ALTERNATE_GROUP, "dst/ dst/a dst/b=>dst/a"], norm=NO_TOTALS, sorted=True),
    *ways("TRF-29-n", "-aiHn", [ALTERNATE_GROUP, "dst/ dst/b"]),
    row("TRF-24-two-sources", "-aiH s1 s2 dst/", "s1/a s2/b=>s1/a s2/c=>s1/a"),
    row("TRF-24-files", "-aiH src/a src/b dst/", "src/a src/b=>src/a src/c=>src/a"),
    row("TRF-24-user", "-aiH src/ dst/", ALTERNATE_GROUP, user=True),
    row(
        "TRF-24-xattr",
        "-aiHX src/ dst/",
        [Dir("src"), File("src/a", xattrs={"user.k": b"1"}), Hard("src/b", target="src/a"), "dst/ dst/a dst/b"],
    ),
]

GROUP: Tree = ["src/a=new src/d/b=>src/a src/c=>src/a dst/ dst/a=older;t=-5"]

VALUES = {"user.long": b"v" * 50, "user.short": b"s"}

LED: Tree = [
    File("src/f", content=b"a", xattrs=VALUES, acl="u:daemon:rw"),
    Hard("src/d/g", target="src/f"),
    Hard("src/h", target="src/f"),
]

# More lists than a sender sends at a time: names are linked whenever nothing is left to generate.
ROUNDS: Tree = [
    *(File(f"src/d{d}/f{i:03}", content=b"x") for d in range(5) for i in range(300)),
    *(Hard(f"src/d{d}/{name}", target=f"src/d{d}/f000") for d in (0, 2, 4) for name in ("a", "z")),
    Dir("dst"),
]

LINKS = [
    both("TRF-24-rounds", "-aiiH", ROUNDS)[0],
    *both("TRF-24-rounds-dry", "-naiiH", ROUNDS),
    *both("TRF-24-rounds-whole", "-aiiH --no-inc-recursive", ROUNDS),
    *both("TRF-24-idle", "-aiiH", [*ROUNDS[:600], *ROUNDS[1500:1502], "dst/"]),
    # A name is linked to the new file, not to the old file of the same name.
    *versions("TRF-24-delayed", "-aiiH --delay-updates", GROUP, (28, 29, 30, 32)),
    *over("TRF-24-delayed-delete", "-aiiH --delay-updates --delete-delay", GROUP),
    *over("TRF-24-delayed-remove", "-aiiH --delay-updates --remove-source-files", GROUP),
    *both("TRF-24-delayed-three", "-aiiH --delay-updates", [*GROUP, "dst/c=another;t=-3 dst/d/b=third;t=-4"]),
    # ACL and attributes of a name that replaces another file are compared when it is linked.
    *both("TRF-24-metadata", "-aiHXA", [*LED, "dst/f=o;t=-3 dst/d/g=old dst/h=old;m=0600"]),
    *both("TRF-24-metadata-A", "-aiHA", [*LED, "dst/d/g=old"]),
    *both("TRF-24-metadata-leader", "-aiHXA",
          [*LED, File("dst/f", content=b"a", xattrs=VALUES, acl="u:daemon:rw"), "dst/d/g=old dst/h=old"]),
    *both("TRF-24-metadata-dry", "-ainHXA", [*LED, "dst/f=o;t=-3 dst/d/g=old"]),
]  # fmt: skip

GROUPS_TREE: Tree = "src/ src/a src/b=>src/a src/d/c=>src/a src/d/e=>src/a src/f=other src/d/g=>src/f"

LINKED = "src/ src/a src/b=>src/a src/d/c=>src/a old/ old/a old/b=>old/a old/d/c=>old/a"

#: What a further name of a file is compared with, when the file is in an alternate directory.
FOLLOWERS = [
    *both(
        "TRF-24-alt-A",
        "-aiiHA --link-dest=../old",
        [LINKED, File("src/e", acl="u:8:r"), "src/f=>src/e", File("old/e", acl="u:8:r"), "old/f=>old/e"],
    ),
    *[
        item
        for kind in ("link", "copy")
        for item in both(
            f"TRF-24-alt-X-{kind}",
            f"-aiiHX --{kind}-dest=../old",
            [
                Dir("src"),
                File("src/a", xattrs={"user.k": b"1", "user.long": LONG_VALUE}),
                "src/b=>src/a src/d/c=>src/a",
                Dir("old"),
                File("old/a", xattrs={"user.k": b"1", "user.long": LONG_VALUE}),
                "old/b=>old/a old/d/c=>old/a",
            ],
        )
    ],
]

DELAYED = [
    Row("TRF-24-delayed", "src/ src/core=text src/a=>src/core dst/", "-aH --delay-updates h:{w}/src/ dst/", via="shell"),
    Row("TRF-24-delayed-old", "src/ src/core=text src/a=>src/core dst/ dst/core=older", "-aH --delay-updates h:{w}/src/ dst/", via="shell"),
]  # fmt: skip

# Only the sender groups names; the receiver reads the references and makes a file of each name.
SENDER_ONLY = [
    Row(f"TRF-24-sender-only{ident}", GROUPS_TREE, f"-aii {options} -M-H h:{{w}}/src/ dst/", via="shell")
    for ident, options in [
        ("", ""),
        ("-whole-list", "--no-i-r"),
        ("-30", "--protocol=30"),
        ("-31", "--protocol=31"),
        ("-X", "-XA"),
        ("-times", "-UN --old-args"),
        ("-c", "-c --delete"),
    ]
]

ROWS: list[Row] = [*SENDER_ONLY, *GROUPS, *GROUPS_BY_TURNS, *LINKS, *FOLLOWERS, *DELAYED]
