"""-A and -X, alone and with alternates and backups (spec: transfer 5.5, 5.6)."""

from __future__ import annotations

from tests.parity.common import LONG_VALUE, LONG_XATTR, both, row
from tests.parity.harness import Row
from tests.parity.tree import Device, Dir, File, Link, Tree

OTHER = b"A value of more than thirty-two bytes"

XATTRS = [
    *both("MET-X-new", "-aiX", [Dir("src"), File("src/a", xattrs={"user.k": b"1", "user.long": LONG_XATTR}), "src/b"]),
    *both(
        "MET-X-second",
        "-aiX",
        [Dir("src", xattrs={"user.d": LONG_XATTR}), File("src/a", xattrs={"user.k": b"1", "user.long": LONG_XATTR})],
        then=["-aiiX src/ dst/"],
    ),
    *both(
        "MET-X-long-differs",
        "-aiX",
        [Dir("src"), File("src/a", xattrs={"user.l": LONG_XATTR}), Dir("dst"), File("dst/a", xattrs={"user.l": OTHER})],
    ),
    *both(
        "MET-X-data-too",
        "-aiX",
        [
            Dir("src"),
            File("src/a", content=b"new", xattrs={"user.l": LONG_XATTR, "user.s": b"1"}),
            Dir("dst"),
            File("dst/a", time=-3, xattrs={"user.l": LONG_XATTR, "user.x": b"2"}),
        ],
    ),
    *both(
        "MET-X-removed",
        "-aiX",
        [Dir("src"), "src/a src/d/", Dir("dst"), File("dst/a", xattrs={"user.l": LONG_XATTR, "trusted.t": b"1"})],
    ),
    *both(
        "MET-X-shared",
        "-aiX",
        [Dir("src"), *[File(f"src/{n}", xattrs={"user.l": LONG_XATTR}) for n in "abcde"], Dir("dst"), "dst/b dst/c"],
    ),
    *both(
        "MET-X-dirs",
        "-aiX",
        [
            Dir("src", xattrs={"user.k": b"1"}),
            Dir("src/d", xattrs={"user.k": LONG_XATTR}),
            "src/e/",
            Dir("dst"),
            "dst/e/",
        ],
    ),
    *both(
        "MET-X-others",
        "-aiX",
        [
            Dir("src"),
            Link("src/l", target="x", xattrs={"trusted.k": b"1"}),
            Device("src/n", xattrs={"trusted.k": LONG_XATTR}),
        ],
        then=["-aiiX src/ dst/"],
    ),
    *both(
        "MET-X-others-change",
        "-aiX",
        [
            Dir("src"),
            Link("src/l", target="x", xattrs={"trusted.k": b"1"}),
            Dir("dst"),
            Link("dst/l", target="x", xattrs={"trusted.k": b"2"}),
        ],
    ),
    *both(
        "MET-X-namespaces",
        "-aiX",
        [
            Dir("src"),
            File("src/a", xattrs={"user.k": b"1", "trusted.t": b"1", "security.s": b"1", "user.rsync.x": b"1"}),
        ],
    ),
    row(
        "MET-X-namespaces-user",
        "-aiX src/ dst/",
        [Dir("src"), File("src/a", xattrs={"user.k": b"1", "security.s": b"1"}), Dir("dst")],
        user=True,
    ),
    *both("MET-X-internal", "-aiX", [Dir("src"), File("src/a", xattrs={"user.rsync.%z": b"1", "user.%z": b"1"})]),
    *both("MET-XX-internal", "-aiXX", [Dir("src"), File("src/a", xattrs={"user.rsync.%z": b"1", "user.%z": b"1"})]),
    *both(
        "MET-X-internal-extra",
        "-aiX",
        [Dir("src"), "src/a", Dir("dst"), File("dst/a", xattrs={"user.rsync.%z": b"1", "user.q": b"1"})],
    ),
    *both(
        "MET-X-rule",
        "-aiX -f'-x user.no*'",
        [
            Dir("src"),
            File("src/a", xattrs={"user.k": b"1", "user.no": b"1"}),
            Dir("dst"),
            File("dst/a", xattrs={"user.not": b"1", "user.q": b"1"}),
        ],
    ),
    row(
        "MET-X-rule-only",
        "-aiX -f'+x user.k' -f'-x *' src/ dst/",
        [Dir("src"), File("src/a", xattrs={"user.k": b"1", "user.z": b"1", "trusted.k": b"1"})],
    ),
    row(
        "MET-X-rule-user",
        "-aiX -f'-x nosuch' src/ dst/",
        [Dir("src"), File("src/a", xattrs={"user.k": b"1", "security.s": b"1"}), Dir("dst")],
        user=True,
    ),
    *both("MET-X-dry", "-aiXn", [Dir("src"), File("src/a", xattrs={"user.k": LONG_XATTR}), Dir("dst"), "dst/a"]),
    *both(
        "MET-X-hard",
        "-aiXH",
        [Dir("src"), File("src/a", xattrs={"user.k": LONG_XATTR}), "src/b=>src/a", Dir("dst"), "dst/a"],
    ),
    *[
        row(
            f"MET-X-{kind}",
            f"-aiX --{kind}-dest=../alt src/ dst/",
            [
                Dir("src"),
                File("src/a", xattrs={"user.k": LONG_XATTR}),
                File("src/b", xattrs={"user.k": b"1"}),
                "src/c",
                Dir("alt"),
                File("alt/a", xattrs={"user.k": LONG_XATTR}),
                File("alt/b", xattrs={"user.k": b"2"}),
                File("alt/c", xattrs={"user.k": b"2"}),
            ],
        )
        for kind in ["link", "copy", "compare"]
    ],
    row(
        "MET-X-inplace",
        "-aiX --inplace src/ dst/",
        [Dir("src"), File("src/a", content=b"n", xattrs={"user.k": b"1"}), Dir("dst"), "dst/a=old"],
    ),
    row(
        "MET-X-readonly",
        "-aiX src/ dst/",
        [
            Dir("src"),
            File("src/a", mode=0o400, xattrs={"user.k": b"1"}),
            Dir("dst"),
            File("dst/a", mode=0o400, xattrs={"user.j": b"1"}),
        ],
        user=True,
    ),
    row("MET-X-follow", "-aLiX src/ dst/", [Dir("src"), File("f", xattrs={"user.k": b"1"}), "src/l->../f"]),
    row(
        "MET-X-unreadable",
        "-aiX src/ dst/",
        [File("src/a", mode=0o200, xattrs={"user.k": b"1"}), "src/b"],
        user=True,
        norm=[(r"/src/\./", "/src/")],
    ),
    # What is missing from the list for a reason like this must not be deleted at the destination.
    *[
        one
        for name, options in [("", "-aiX --delete"), ("-after", "-aiX --delete-after"), ("-all", "-ai -XX --delete")]
        for one in both(
            f"MET-X-unreadable-delete{name}",
            options,
            [File("src/a", mode=0o200, xattrs={"user.k": b"1"}), "src/b", "src/d/c", "dst/a", "dst/e", "dst/d/f"],
            user=True,
            norm=[(r"/src/\./", "/src/")],
        )
    ],
]

ACLS = [
    *both(
        "MET-A-new",
        "-aiA",
        [
            Dir("src", acl="u:5:rwx", default_acl="u:5:rwx,g:6:r"),
            File("src/a", acl="u:5:r,g:6:rw,u:1:-"),
            File("src/b", acl="m::r"),
            "src/c",
            Dir("src/d", default_acl="g::r"),
        ],
        then=["-aiiA src/ dst/"],
    ),
    *both(
        "MET-A-mode", "-aiA", [Dir("src"), File("src/a", acl="u:5:r"), Dir("dst"), File("dst/a", acl="u:5:r,m::rwx")]
    ),
    *both(
        "MET-A-group",
        "-aiA",
        [Dir("src"), File("src/a", acl="u:5:r"), Dir("dst"), File("dst/a", acl="u:5:r,g::-,m::r")],
    ),
    *both("MET-A-gone", "-aiA", [Dir("src"), "src/a;m=0640", Dir("dst"), File("dst/a", acl="u:5:rw,g:1:r")]),
    *both("MET-A-default-gone", "-aiA", ["src/ src/d/", Dir("dst"), Dir("dst/d", default_acl="u:5:rw")]),
    *both("MET-A-inherit", "-aiA", ["src/ src/a src/d/b", Dir("dst", default_acl="u:5:rw")]),
    *both("MET-A-not", "-ai", [Dir("src"), File("src/a", acl="u:5:r"), "src/b", Dir("dst", default_acl="u:6:rw")]),
    *both("MET-A-setid", "-aiA", [Dir("src"), File("src/a", mode=0o4755, acl="u:5:r"), "src/l->a src/p|"]),
    row("MET-A-chmod", "-aiA --chmod=g-w,o+r src/ dst/", [Dir("src"), File("src/a", acl="u:5:rw,o::-")]),
    row("MET-A-dry", "-ainA src/ dst/", [Dir("src"), File("src/a", acl="u:5:rw"), "dst/ dst/a"]),
    row("MET-A-map", "-aiA --usermap=5:7 --groupmap=6:8 src/ dst/", [Dir("src"), File("src/a", acl="u:5:rw,g:6:r")]),
    row("MET-A-numeric", "-aiA --numeric-ids src/ dst/", [Dir("src"), File("src/a", acl="u:5:rw,g:4321:r")]),
    row(
        "MET-A-link",
        "-aiA --link-dest=../alt src/ dst/",
        [
            Dir("src"),
            File("src/a", acl="u:5:r"),
            File("src/b", acl="u:5:r"),
            Dir("alt"),
            File("alt/a", acl="u:5:r"),
            File("alt/b", acl="u:6:r"),
        ],
    ),
    *[
        row(
            f"MET-default-{number}",
            f"{options} src/ dst/",
            ["src/ src/a;m=0777 src/b;m=0644 src/d/;m=0777 src/d/x;m=0666", Dir("dst", default_acl=acl)],
        )
        for number, (options, acl) in enumerate(
            [
                ("-ri", "u::rwx,g::r-x,o::---"),
                ("-ri", "u:5:r,g::rwx,o::r"),
                ("-rEi", "u:5:r,g::rwx,o::r"),
                ("-rpi", "u:5:r,g::rwx,o::r"),
                ("-rAi", "u:5:r,g::rwx,o::r"),
                ("-ri --chmod=ugo=rwX", "u::rwx,g::r-x,o::---"),
            ]
        )
    ],
]

XATTR = [
    *both(
        "TRF-X",
        "-aiX",
        [Dir("src", xattrs={"user.d": b"1"}), File("src/a", xattrs={"user.k": b"v" * 100, "trusted.t": b"x"})],
    ),
    row(
        "TRF-X-change",
        "-aiX src/ dst/",
        [
            Dir("src"),
            File("src/a", xattrs={"user.k": b"v"}),
            Dir("dst"),
            File("dst/a", xattrs={"user.k": b"w", "user.l": b"m"}),
        ],
    ),
    row("TRF-X-not", "-ai src/ dst/", [Dir("src"), File("src/a", xattrs={"user.k": b"v"})]),
    *both("TRF-A", "-aiA", [Dir("src", default_acl="u:5:rwx"), File("src/a", acl="u:5:r,g:6:rw"), "src/b"]),
    row(
        "TRF-A-change",
        "-aiA src/ dst/",
        [
            Dir("src"),
            File("src/a", acl="u:5:r"),
            Dir("dst"),
            File("dst/a", acl="u:6:r"),
            File("dst/b", acl="u:6:r"),
            "src/b",
        ],
    ),
    row(
        "TRF-A-default-umask",
        "-rti src/ dst/",
        [Dir("src"), "src/a;m=0777 src/d/;m=0777", Dir("dst", default_acl="u::rwx,g::r-x,o::---")],
    ),
]

#: What a file has in a snapshot, and the next one, in which some things have changed.
SNAPSHOT: Tree = [
    *[
        entry
        for top in ("src", "old")
        for entry in (
            Dir(top),
            Dir(f"{top}/d", xattrs={"user.long": LONG_VALUE}),
            File(f"{top}/d/same", content=b"same", xattrs={"user.long": LONG_VALUE, "user.s": b"1"}),
            Dir(f"{top}/touched", xattrs={"user.long": LONG_VALUE}, time=3 if top == "src" else 0),
            File(f"{top}/longer", content=b"x" * (9 if top == "src" else 5), xattrs={"user.long": LONG_VALUE}),
            File(f"{top}/mode", content=b"m", mode=0o600 if top == "src" else 0o644, xattrs={"user.long": LONG_VALUE}),
            File(f"{top}/later", content=b"l", time=8 if top == "src" else 0, xattrs={"user.long": LONG_VALUE}),
        )
    ],
]

#: Values of more than 32 bytes are sent only if the receiver has no file with them; alternate directories count.
XATTR_ALTERNATES = [
    *[
        item
        for kind in ("link", "copy", "compare")
        for item in both(f"TRF-11-{kind}-X-long", f"-aiiX --{kind}-dest=../old", SNAPSHOT)
    ],
    *both("TRF-11-X-second", "-aiiX --link-dest=../none --link-dest=../old --delete", [*SNAPSHOT, "dst/extra"]),
    *both("TRF-11-X-rsnapshot", "-aiXH --delete --numeric-ids --delete-excluded --link-dest=../old", SNAPSHOT),
]

#: Directories below a backup directory get the attributes of the originals, and lose inherited ones.
BACKUP_ACLS = [
    row
    for ident, options in (("A", "-aiA"), ("HXA", "-aiHXA"), ("plain", "-ai"), ("notime", "-rltiA"))
    for row in both(
        f"TRF-21-dir-acl-{ident}",
        f"{options} -b --delete --backup-dir={{w}}/bk/in",
        [
            "src/ src/d/a=new src/q",
            Dir("dst"),
            Dir("dst/d", acl="u:77:rwx"),
            "dst/d/a=old;t=-5",
            Dir("dst/gone", mode=0o750, acl="u:8:rx", default_acl="u:7:rx"),
            "dst/gone/f",
            Dir("bk", default_acl="u:9:rx"),
        ],
        sorted=True,
    )
]

ROWS: list[Row] = [*XATTRS, *ACLS, *XATTR, *XATTR_ALTERNATES, *BACKUP_ACLS]
