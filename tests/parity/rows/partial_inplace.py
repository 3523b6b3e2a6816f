"""How a file is written: --inplace, --append, --partial, --delay-updates, --sparse, temporary files (spec: transfer 6, protocol 6.7)."""

from __future__ import annotations

from tests.parity.common import BIG, EDITED, Turns, both, row
from tests.parity.harness import Row
from tests.parity.tree import Device, Dir, File, Hard, filler

HOLES = [File("src/s", size=1_000_000, pieces=((0, b"head"), (500_000, b"middle"), (999_990, b"tail")))]

ZEROS = [
    Dir("src"),
    File("src/z", content=bytes(200_000) + b"x" + bytes(5000) + b"y" + bytes(500) + b"z" + bytes(70_000)),
]

SPARSE_AND_PARTIAL = [
    *both("TRF-sparse", "-aiS", [Dir("src"), *HOLES], holes=True),
    *both("TRF-sparse-zeros", "-aiS", ZEROS, holes=True),
    *both(
        "TRF-sparse-update",
        "-aiS --no-W",
        [*ZEROS, Dir("dst"), File("dst/z", content=b"q" * 270_000, time=-4)],
        holes=True,
    ),
    *both(
        "TRF-sparse-inplace",
        "-aiS --inplace --no-W",
        [*ZEROS, Dir("dst"), File("dst/z", content=b"q" * 270_000, time=-4)],
        holes=True,
    ),
    row("TRF-sparse-all-zero", "-aiS src/ dst/", [Dir("src"), File("src/z", content=bytes(100_000))], holes=True),
    *both(
        "TRF-10",
        "-ai --inplace",
        [
            Dir("src"),
            File("src/a", content=EDITED),
            Dir("dst"),
            File("dst/a", content=BIG, time=-9),
            Hard("dst/b", target="dst/a"),
        ],
        inode=True,
    ),
    *both(
        "TRF-10-not",
        "-ai",
        [
            Dir("src"),
            File("src/a", content=EDITED),
            Dir("dst"),
            File("dst/a", content=BIG, time=-9),
            Hard("dst/b", target="dst/a"),
        ],
    ),
    *both(
        "TRF-10-shrink",
        "-ai --inplace --no-W",
        [Dir("src"), File("src/a", content=BIG[:100_000]), Dir("dst"), File("dst/a", content=BIG, time=-9)],
        inode=True,
    ),
    *both(
        "TRF-10-shift",
        "-ai --inplace --no-W --stats",
        [Dir("src"), File("src/a", content=b"new" + BIG), Dir("dst"), File("dst/a", content=BIG, time=-9)],
        inode=True,
    ),
    *both(
        "TRF-10-front-cut",
        "-ai --inplace --no-W --stats",
        [Dir("src"), File("src/a", content=BIG[5000:]), Dir("dst"), File("dst/a", content=BIG, time=-9)],
        inode=True,
    ),
    row("TRF-10-readonly", "-ai --inplace src/ dst/", "src/ src/a=new dst/ dst/a=older;m=0444", user=True, inode=True),
    row("TRF-10-new", "-ai --inplace src/ dst/", "src/ src/a=new dst/"),
    *both(
        "TRF-append",
        "-ai --append",
        [
            Dir("src"),
            File("src/a", content=BIG),
            File("src/b", content=b"short"),
            Dir("dst"),
            File("dst/a", content=BIG[:1000]),
            File("dst/b", content=b"longer than"),
        ],
    ),
    *both(
        "TRF-append-other",
        "-ai --append",
        [Dir("src"), File("src/a", content=BIG), Dir("dst"), File("dst/a", content=b"other" * 100)],
    ),
    *both(
        "TRF-append-verify",
        "-ai --append-verify",
        [Dir("src"), File("src/a", content=BIG), Dir("dst"), File("dst/a", content=b"other" * 100)],
    ),
    row("TRF-preallocate", "-ai --preallocate src/ dst/", "src/a*10000"),
    row("TRF-fsync", "-ai --fsync src/ dst/", "src/a*10000"),
    row("TRF-temp-dir", "-ai --temp-dir=tmp src/ dst/", "src/a dst/tmp/"),
    row("TRF-temp-dir-abs", "-ai -T{w}/tmp src/ dst/", "src/a src/d/b tmp/"),
    row("TRF-temp-dir-missing", "-ai --temp-dir=nosuch src/ dst/", "src/a"),
    row("TRF-temp-dir-file", "-ai --temp-dir={w}/f src/ dst/", "src/a f"),
    row("TRF-partial-dir", "-ai --partial-dir=.p src/ dst/", "src/ src/a=new dst/ dst/.p/a=ne"),
    row(
        "TRF-partial-dir-basis",
        "-ai --no-W --partial-dir=.p src/ dst/",
        [Dir("src"), File("src/a", content=EDITED), File("dst/.p/a", content=BIG)],
    ),
    row("TRF-partial-dir-delete", "-ai --delete --partial-dir=.p src/ dst/", "src/ src/a dst/ dst/.p/old dst/x/.p/y"),
    row("TRF-delay", "-ai --delay-updates src/ dst/", "src/ src/a src/d/b dst/ dst/a=x"),
    row("TRF-delay-delete", "-ai --delay-updates --delete src/ dst/", "src/ src/a src/d/b dst/ dst/a=x dst/y"),
    row("TRF-long-name", "-ai src/ dst/", [Dir("src"), File("src/" + "n" * 255), File("src/." + "m" * 254)]),
    row(
        "TRF-write-devices",
        "-ai --write-devices src/n dst/",
        [Dir("dst"), File("src/n", content=b"x"), Device("dst/n", minor=3)],
    ),
    row("TRF-copy-devices", "-ai --copy-devices src/ dst/", [Dir("src"), Device("src/n", minor=3)]),
    row("TRF-drop-D", "-ai --drop-D src/ dst/", "src/a src/p| src/n#c1.3"),
    row("TRF-socket", "-ai src/ dst/", "src/a src/s!"),
    row("TRF-specials-only", "-rti --specials src/ dst/", "src/a src/p| src/n#c1.3"),
    row("TRF-devices-only", "-rti --devices src/ dst/", "src/a src/p| src/n#c1.3"),
    row("TRF-nonregular", "-rt src/ dst/", "src/a src/p| src/n#c1.3 src/l->a"),
    row("TRF-nonregular-quiet", "-rt --info=nonreg0 src/ dst/", "src/a src/p| src/n#c1.3 src/l->a"),
    row("TRF-nonregular-q", "-rtq src/ dst/", "src/a src/p| src/n#c1.3 src/l->a"),
    row("TRF-x", "-aix src/ dst/", "src/a src/d/b"),
    row("TRF-super-user", "-ai --super src/ dst/", "src/ src/a", user=True),
    row("TRF-no-super", "-ai --no-super src/ dst/", "src/ src/a;o=5.6 src/n#c1.3"),
    *both(
        "TRF-fake-super",
        "-ai -M--fake-super",
        "src/ src/a;o=5.6 src/n#c1.3 src/l->a src/p| src/x;m=4755 src/d/;m=1777;o=5.6",
    ),
    row("TRF-15", "-ai --fake-super src/ dst/", "src/ src/a;o=1234.2345;m=0755 src/l->a src/n#c1.3", user=True),
]

GROWN = [Dir("src"), File("src/a", content=BIG), Dir("dst"), File("dst/a", content=BIG[:100_000], time=-9)]

SUFFIX = [(r"\.[A-Za-z0-9]{6}\"( \(in m\))? failed", r'.XXXXXX"\1 failed')]

ways = Turns(5)
IN_PLACE = [
    *ways("TRF-10-append", "-ai --append --stats", GROWN, inode=True),
    *ways("TRF-10-append-verify", "-ai --append-verify --stats", GROWN, inode=True),
    *ways("TRF-10-append-inplace", "-ai --append --inplace", GROWN, inode=True),
    *ways("TRF-10-append-c", "-aic --append", GROWN, inode=True),
    *ways("TRF-10-append-equal", "-aii --append", "src/ src/a=new;t=5 dst/ dst/a=old;m=0600"),
    *ways("TRF-10-append-backup", "-aib --append", GROWN, inode=True),
    *ways("TRF-10-append-new", "-ai --append", "src/ src/a src/d/b dst/"),
    *ways("TRF-10-append-n", "-ain --append", GROWN),
    *ways("TRF-10-append-S", "-aiS --append", GROWN, holes=True),
    *ways(
        "TRF-10-append-other",
        "-ai --append-verify",
        [
            Dir("src"),
            File("src/a", content=BIG),
            File("src/z", content=BIG),
            Dir("dst"),
            File("dst/a", content=b"other" * 100),
        ],
    ),
    *ways(
        "TRF-10-inplace-b",
        "-aib --inplace --no-W",
        [Dir("src"), File("src/a", content=EDITED), Dir("dst"), File("dst/a", content=BIG, time=-9)],
        inode=True,
    ),
    *ways(
        "TRF-10-inplace-same",
        "-aiI --inplace --no-W --stats",
        [Dir("src"), File("src/a", content=BIG), Dir("dst"), File("dst/a", content=BIG)],
        inode=True,
    ),
    *ways("TRF-10-inplace-link", "-ai --inplace", "src/ src/a=new dst/ dst/a->b dst/b=keep"),
    *ways("TRF-10-inplace-dir", "-ai --inplace", "src/ src/a=new dst/a/x"),
    *ways("TRF-10-inplace-empty", "-ai --inplace", "src/ src/a= dst/ dst/a=old", inode=True),
    *ways("TRF-10-inplace-mode", "-ai --inplace", "src/ src/a=new;m=0600 dst/ dst/a=old;m=0755;o=5.6", inode=True),
    *ways(
        "TRF-10-inplace-nop", "-rti --inplace", "src/ src/a=new;m=0600 src/b;m=0777 dst/ dst/a=old;m=4755", inode=True
    ),
    row(
        "TRF-10-inplace-user", "-ai --inplace src/ dst/", "src/ src/a=new dst/ dst/a=old;m=0000", user=True, inode=True
    ),
    row(
        "TRF-10-inplace-foreign",
        "-ai --inplace src/ dst/",
        "src/ src/a=new dst/ dst/a=old;m=0666;o=0.0",
        user=True,
        inode=True,
    ),
    row(
        "TRF-10-append-user", "-ai --append src/ dst/", "src/ src/a=newer dst/ dst/a=new;m=0444", user=True, inode=True
    ),
    *ways(
        "TRF-sparse-2",
        "-aiS",
        [
            Dir("src"),
            File("src/z", content=b"a" + bytes(1023) + b"b" + bytes(1024) + b"c" + bytes(1025) + b"d" + bytes(40_000)),
        ],
        holes=True,
    ),
    *ways(
        "TRF-sparse-prealloc",
        "-aiS --preallocate",
        [Dir("src"), File("src/z", content=b"a" + bytes(200_000) + b"d")],
        holes=True,
    ),
    *ways(
        "TRF-preallocate-holes",
        "-ai --preallocate",
        [Dir("src"), File("src/z", size=500_000, pieces=((0, b"x"),))],
        holes=True,
    ),
    *ways(
        "TRF-preallocate-delta",
        "-ai --preallocate --no-W",
        [Dir("src"), File("src/a", content=BIG[:50_000]), Dir("dst"), File("dst/a", content=BIG, time=-9)],
        holes=True,
    ),
    *ways("TRF-preallocate-inplace", "-ai --preallocate --inplace", GROWN, holes=True, inode=True),
    *ways(
        "TRF-sparse-inplace-new",
        "-aiS --inplace",
        [Dir("src"), File("src/z", content=bytes(100_000) + b"x" + bytes(100_000))],
        holes=True,
    ),
    *ways("TRF-fsync-all", "-ai --fsync --delete", "src/ src/a=new src/d/b src/l->a dst/ dst/a=o dst/x"),
    *ways(
        "TRF-9-basis",
        "-ai --no-W --partial-dir=.p --stats",
        [
            Dir("src"),
            File("src/a", content=EDITED),
            File("src/d/b", content=EDITED),
            File("dst/.p/a", content=BIG),
            File("dst/d/.p/b", content=BIG[:50_000]),
            File("dst/d/b", content=b"other", time=-3),
        ],
    ),
    *ways(
        "TRF-9-abs",
        "-ai --no-W --partial-dir={w}/pd --stats",
        [Dir("src"), File("src/a", content=EDITED), File("pd/a", content=BIG), "dst/"],
    ),
    *ways(
        "TRF-9-other-kept",
        "-ai --no-W --partial-dir=.p",
        [Dir("src"), File("src/a", content=EDITED), File("dst/.p/a", content=BIG), File("dst/.p/z", content=b"z")],
    ),
    *ways("TRF-9-uptodate", "-ai --partial-dir=.p", "src/ src/a dst/ dst/a dst/.p/a=x"),
    *ways("TRF-9-not-regular", "-ai --partial-dir=.p", "src/ src/a=n dst/ dst/a=o dst/.p/a->../x"),
    *ways("TRF-9-dir-file", "-ai --partial-dir=.p", "src/ src/a=n dst/ dst/a=o dst/.p=f"),
    *ways("TRF-9-delete", "-ai --delete --partial-dir=.p", "src/ src/a dst/ dst/.p/old dst/x/.p/y dst/x/z src/.p/q"),
    *ways("TRF-9-delete-excluded", "-ai --delete-excluded --partial-dir=.p", "src/ src/a dst/ dst/.p/old dst/x/.p/y"),
    *ways(
        "TRF-9-delete-delay",
        "-ai --delay-updates --delete-after",
        "src/ src/a=n src/d/b=n dst/ dst/a=o dst/.~tmp~/q dst/z",
    ),
    *ways(
        "TRF-9-delay-basis",
        "-ai --no-W --delay-updates --stats",
        [Dir("src"), File("src/a", content=EDITED), File("dst/.~tmp~/a", content=BIG)],
    ),
    *ways("TRF-9-delay-partial", "-ai --delay-updates --partial-dir=.p", "src/ src/a=n src/d/b dst/ dst/a=o"),
    *ways("TRF-9-delay-abs", "-ai --delay-updates --partial-dir={w}/pd", "src/ src/a=n src/d/b dst/ dst/a=o pd/"),
    *ways("TRF-9-delay-n", "-ain --delay-updates", "src/ src/a=n src/d/b dst/ dst/a=o"),
    *ways("TRF-9-delay-v", "-av --delay-updates", "src/ src/a=n src/d/b dst/ dst/a=o"),
    *ways("TRF-9-delay-type", "-ai --delay-updates", "src/ src/a=n src/b=n dst/ dst/a->x dst/b/"),
    *ways(
        "TRF-9-inplace",
        "-ai --inplace --partial-dir=.p --no-W",
        [Dir("src"), File("src/a", content=EDITED), File("dst/.p/a", content=BIG)],
    ),
    row(
        "TRF-9-fuzzy",
        "-aiy --no-W --partial-dir=.p --stats src/ dst/",
        [
            Dir("src"),
            File("src/a1", content=EDITED),
            File("dst/.p/a1", content=BIG),
            File("dst/a2", content=filler(b"o", 300_000)),
        ],
    ),
    *ways("TRF-temp-cross", "-ai -T/dev/shm", "src/ src/a=new;m=4755;o=5.6 src/d/b dst/ dst/a=o"),
    *ways("TRF-temp-cross-b", "-aib -T/dev/shm", "src/ src/a=new src/d/b dst/ dst/a=o"),
    *ways("TRF-temp-cross-delay", "-ai --delay-updates -T/dev/shm", "src/ src/a=new src/d/b dst/ dst/a=o"),
    *ways(
        "TRF-temp-cross-X",
        "-aiX -T/dev/shm",
        [Dir("src"), File("src/a", content=b"n", xattrs={"user.k": b"v", "trusted.t": b"x"}), "dst/"],
    ),
    *ways("TRF-temp-cross-A", "-aiA -T/dev/shm", [Dir("src"), File("src/a", content=b"n", acl="u:5:r"), "dst/"]),
    *ways("TRF-temp-rel", "-ai -Ttmp", "src/ src/a=new src/d/b dst/tmp/ dst/a=o"),
    *ways("TRF-temp-rel-delete", "-ai -Ttmp --delete", "src/ src/a=new src/d/b dst/tmp/x dst/a=o", norm=SUFFIX),
]

# The name that mkstemp could not create shows how temporary names are formed.
TEMP = [
    row(
        f"TRF-8-{number}",
        "-a src/ dst/",
        [File("src/" + name, content=b"x"), Dir("dst", mode=0o555, owner=(0, 0))],
        user=True,
    )
    for number, name in enumerate(
        [
            "a",
            ".foo",
            "..bar",
            "name.",
            "n" * 240 + ".",
            *("n" * length for length in (244, 245, 246, 247, 248, 249, 255)),
            "x" * 245 + "é" + "y" * 8,
            "x" * 246 + "é" + "y" * 7,
            "x" * 244 + "한" + "y" * 8,
            "." + "m" * 247,
            "m" * 245 + ".." + "z" * 5,
        ]
    )
] + [
    row(
        f"TRF-8-dir-{number}",
        "-a -T{w}/t src/ dst/",
        [File("src/" + name, content=b"x"), Dir("t", mode=0o555, owner=(0, 0))],
        user=True,
        norm=SUFFIX,
    )
    for number, name in enumerate(["a", ".foo", "n" * 255, "d/e"])
]

RETRIES = [
    # The second try of a file whose first try failed its check (transfer 6, --append-verify). rsync asks again when it
    # learns of the failure: before the next directory, or after it.
    *(
        Row(
            f"TRF-17-append-{number}",
            "src/a=xxxxxxxxx src/b src/d/q=rrrrrrrrrr src/d/z dst/a=yyy dst/d/q=rre",
            f"{options} --append-verify src/ dst/",
            sorted="--no-i-r" not in options,
        )
        for number, options in enumerate(["-ai", "-av --stats", "-ri", "-rv --no-i-r", "-ai --stats --no-i-r"])
    ),
    Row(
        "TRF-27",
        "src/big*900000",
        "-ai --exclude=* src/ small/",
        then=["!mount -t tmpfs -o size=64k none small", "-a src/ small/", "!ls -A small; umount -l small"],
        stderr=False,
    ),
]  # fmt: skip

# --append continues the file at the name, and no other file.
APPEND_ROWS = [
    # (rsync makes no foo.log at all over a link: see "What differs".)
    Row("B2-shorter", "src/foo.log*9000 dst/foo.log.1*4000", "-a --append --fuzzy src/ dst/"),
    Row("B2-local", "src/foo.log*9000 dst/foo.log.1*12000", "-a --append --fuzzy --delete-after src/ dst/"),
]

ALTERNATE_BASES = [
    Row("TRF-10-copy-dest-inplace", "src/ src/f src/e= alt/ alt/f alt/e= tmp/ dst/", "-a --inplace -T {w}/tmp --copy-dest=../alt src/ dst/"),
    Row("TRF-10-copy-dest-append", "src/ src/f*100 alt/ alt/f*100;t=5 dst/", "-ai --append --copy-dest=../alt src/ dst/"),
]  # fmt: skip

ROWS: list[Row] = [*SPARSE_AND_PARTIAL, *IN_PLACE, *TEMP, *RETRIES, *APPEND_ROWS, *ALTERNATE_BASES]
