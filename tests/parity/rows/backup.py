"""-b, --backup-dir, --suffix (spec: transfer 11)."""

from __future__ import annotations

from tests.parity.common import Turns, both, row
from tests.parity.harness import Row
from tests.parity.tree import Dir, File

OLDER = "src/ src/a=new src/d/b=new src/l->n src/p| src/n#c1.3 dst/ dst/a=o;t=-3;m=0640 dst/d/b=o;t=-3 dst/l->o dst/p=f dst/n#c1.5 dst/x dst/e/y dst/e/k->q"

ways = Turns(6)
BACKUP_BY_TURNS = [
    *ways("TRF-21-kinds", "-aib", OLDER),
    *ways("TRF-21-kinds-delete", "-aib --delete", OLDER),
    *ways("TRF-21-kinds-dir", "-aib --backup-dir={w}/bk --delete", OLDER),
    *ways("TRF-21-dir-rel-delete", "-aib --backup-dir=bk --delete", OLDER),
    *ways("TRF-21-dir-deep", "-aib --backup-dir={w}/b1/b2/b3 --delete", OLDER),
    *ways("TRF-21-dir-both", "-aib --backup-dir={w}/bk --suffix=.s --delete-after", OLDER),
    *ways("TRF-21-before", "-aib --delete-before", OLDER),
    *ways("TRF-21-delay", "-aib --delete-delay", OLDER),
    *ways("TRF-21-after", "-aib --delete-after", OLDER),
    *ways("TRF-21-delay-updates", "-aib --delay-updates", OLDER),
    *ways("TRF-21-delay-updates-dir", "-aib --delay-updates --backup-dir={w}/bk", OLDER),
    *ways("TRF-21-inplace-dir", "-aib --inplace --backup-dir={w}/bk", OLDER),
    *ways("TRF-21-n", "-aibn --delete", OLDER),
    *ways("TRF-21-vinfo", "-aib --info=backup2 --delete", OLDER, sorted=True),
    *ways("TRF-21-in-the-way", "-aib", "src/ src/a=new dst/ dst/a=o dst/a~/x/y", sorted=True),
    *ways(
        "TRF-21-dir-in-the-way",
        "-aib --backup-dir={w}/bk",
        "src/ src/a=new src/d/b=new dst/ dst/a=o dst/d/b=o bk/a/x bk/d=f",
        sorted=True,
    ),
    *ways("TRF-21-exists", "-aib --backup-dir={w}/bk", "src/ src/a=new src/l->n dst/ dst/a=o dst/l->o bk/a=q bk/l=r"),
    *ways(
        "TRF-21-dir-attrs",
        "-aib --backup-dir={w}/bk",
        "src/ src/d/b=new src/d/;m=0700 dst/ dst/d/b=o dst/d/;m=0711;o=5.6;t=8",
    ),
    *ways("TRF-21-safe", "-aib --safe-links", "src/ src/l->in src/m=f dst/ dst/l->/etc/x dst/m->../../y dst/in"),
    *ways("TRF-21-safe-delete", "-aib --safe-links --delete", "src/ src/a dst/ dst/l->/etc/x dst/k->a"),
    *ways("TRF-21-hard", "-aibH", "src/ src/a=n src/b=>src/a dst/ dst/a=o dst/b=>dst/a dst/c=>dst/a"),
    *ways("TRF-21-dir-over", "-aib --force", "src/ src/x=f dst/x/y"),
    *ways("TRF-21-dir-over-delete", "-aib --delete", "src/ src/x=f dst/x/y dst/x/z~"),
    *ways("TRF-21-file-to-dir", "-aib", "src/x/y dst/ dst/x=f"),
    *ways("TRF-21-attrs-only", "-aib", "src/ src/a;m=0600 dst/ dst/a"),
    *ways("TRF-21-excluded", "-aib --delete-excluded --exclude=*~", "src/ src/a=n dst/ dst/a=o dst/z~ dst/y"),
    *ways("TRF-21-max-delete", "-aib --delete --max-delete=1", "src/ src/a dst/ dst/x dst/y"),
    *ways("TRF-21-update", "-aibu", "src/ src/a=n src/b=n dst/ dst/a=o;t=4 dst/b=o;t=-4"),
    *ways(
        "TRF-21-xattr",
        "-aibX",
        [Dir("src"), "src/a=new", Dir("dst"), File("dst/a", content=b"o", xattrs={"user.k": b"1"})],
    ),
    *ways(
        "TRF-21-acl", "-aibA --inplace", [Dir("src"), "src/a=new", Dir("dst"), File("dst/a", content=b"o", acl="u:5:r")]
    ),
    row("TRF-21-empty-suffix", "-aib --suffix= src/ dst/", OLDER),
    row("TRF-21-slash-suffix", "-aib --suffix=a/b src/ dst/", OLDER),
    row("TRF-21-empty-suffix-dir", "-aib --suffix= --backup-dir=bk src/ dst/", OLDER),
    # (The name in the message is cut in a way of rsync's own.)
    row(
        "TRF-21-long",
        "-aib src/ dst/",
        [Dir("src"), File("src/" + "n" * 255, content=b"new"), Dir("dst"), File("dst/" + "n" * 255, content=b"o")],
        stderr=False,
    ),
    row(
        "TRF-21-denied",
        "-aib --backup-dir={w}/bk src/ dst/",
        "src/ src/a=new src/b=n dst/ dst/a=o dst/b=o bk/;m=0555;o=0.0",
        user=True,
    ),
    row(
        "TRF-21-user",
        "-aib --delete src/ dst/",
        "src/ src/a=new src/d/b=n dst/ dst/a=o;m=0400 dst/d/b=o dst/d/;m=0555 dst/x",
        user=True,
    ),
    row("TRF-21-R", "-aibR --backup-dir={w}/bk src/d/b dst/", "src/d/b=new dst/src/d/b=o"),
    row("TRF-21-one", "-aib src/a dst/a", "src/a=new dst/ dst/a=o"),
    row("TRF-21-one-dir", "-aib --backup-dir=bk src/a dst/z", "src/a=new dst/ dst/z=o"),
]

BACKUP_TREE = "src/ src/a=new src/d/b=new src/l->n dst/ dst/a=o;t=-3 dst/d/b=o;t=-3 dst/l->o dst/x dst/e/y"

BACKUPS = [
    *both("TRF-21", "-aib", BACKUP_TREE),
    *both("TRF-21-dir", "-ai --backup-dir=../bk", BACKUP_TREE),
    row("TRF-21-delete", "-aib --delete src/ dst/", BACKUP_TREE),
    row("TRF-21-dir-delete", "-ai --backup-dir=../bk --delete src/ dst/", BACKUP_TREE),
    row("TRF-21-suffix", "-aib --suffix=.old --delete src/ dst/", BACKUP_TREE),
    row("TRF-21-dir-suffix", "-ai --backup-dir=bk --suffix=.old src/ dst/", BACKUP_TREE),
    row("TRF-21-v", "-avb --info=backup src/ dst/", BACKUP_TREE, sorted=True),
    row("TRF-21-dir-v", "-av --backup-dir=bk --info=backup src/ dst/", BACKUP_TREE, sorted=True),
    row("TRF-21-inplace", "-aib --inplace src/ dst/", BACKUP_TREE),
    row("TRF-21-twice", "-aib src/ dst/", [BACKUP_TREE, "dst/a~=older"]),
    row("TRF-21-dir-file", "-ai --backup-dir={w}/f src/ dst/", [BACKUP_TREE, "f"]),
    row("TRF-21-delete-suffix", "-aib --delete src/ dst/", "src/ src/a dst/x~ dst/y"),
]

# A link in a backup directory gives way.
BACKUP_ROWS = [
    Row(
        f"F9-backup-{name}",
        "src/d/f=new dst/d/f=old dst/d/g bak/ ext/ bak/in/",
        f"! {script}",
        then=["-aiI --delete -b --backup-dir={w}/bak src/ dst/"],
    )
    for name, script in {
        "abs": "ln -s $PWD/ext bak/d",
        "outward": "ln -s ../ext bak/d",
        "inside": "ln -s in bak/d",
        "theirs": "ln -s $PWD/ext bak/d; chown -h 1:1 bak/d",
        "dead": "ln -s nowhere bak/d",
    }.items()
]

BACKUP_TIMES = [
    Row("TRF-20-backup-in-dest", "src/;t=5 src/d/f=new dst/;t=5 dst/d/f=old", "-a -b --backup-dir=bak src/ dst/"),
    Row("TRF-20-backup-by-generator", "src/;t=5 src/d/f->x dst/;t=5 dst/d/f=old", "-a -b --backup-dir=bak src/ dst/"),
]  # fmt: skip

ROWS: list[Row] = [*BACKUP_BY_TURNS, *BACKUPS, *BACKUP_ROWS, *BACKUP_TIMES]
