"""spec: transfer 5.6, 6: writing in place, beside and elsewhere, partial files, fake-super"""

from __future__ import annotations

from tests.parity.harness import Row
from tests.parity.rows.decisions import SUFFIX, ways
from tests.parity.rows.transfer import BIG, EDITED, row
from tests.parity.tree import Dir, File, filler

GROWN = [Dir("src"), File("src/a", content=BIG), Dir("dst"), File("dst/a", content=BIG[:100_000], time=-9)]
WRITING = [
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
FAKE = [
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

ROWS: list[Row] = [*WRITING, *FAKE]
