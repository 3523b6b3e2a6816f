"""Modes, owners, times, --chmod, --chown, id maps, --executability (spec: transfer 3 and 5, options 6.1 to 6.3)."""

from __future__ import annotations

from tests.parity.common import KINDS, Turns, both, row
from tests.parity.harness import Row
from tests.parity.tree import Device, Dir, Fifo, Link

MODES = [
    row("TRF-5", "-rti src/ dst/", "src/ src/a;m=4777 src/b;m=0600 src/c;m=2775 src/d/;m=1777 src/e/;m=2755"),
    row("TRF-5-umask", "-rti src/ dst/", "src/ src/a;m=0777 src/d/;m=0777", umask=0o077),
    row("TRF-5-existing", "-rti src/ dst/", "src/ src/a=new;m=0777 dst/ dst/a=o;m=0600"),
    row("TRF-5-special", "-ai src/ dst/", "src/ src/a;m=4755 src/b;m=2755 src/c;m=1644 src/d/;m=3777 src/z;m=0000"),
    row("TRF-5-user", "-ai src/ dst/", "src/ src/a;m=0400 src/b;m=4755 src/d/c;m=0555", user=True),
    row("TRF-5-user-rdir", "-ai src/ dst/", "src/ src/d/c src/d/;m=0555", user=True),
    row(
        "TRF-5-user-again", "-ai src/ dst/", "src/ src/d/;m=0555;t=9 src/d/c=new dst/d/;m=0555 dst/d/c=older", user=True
    ),
    row("TRF-5-setgid-parent", "-ri src/ dst/", [Dir("src"), "src/d/a", Dir("dst", mode=0o2755, owner=(0, 5))]),
    row(
        "TRF-6",
        "-rtiE src/ dst/",
        "src/ src/a;m=0755 src/b;m=0644 src/c;m=0711 dst/ dst/a;m=0640 dst/b;m=0755 dst/c;m=0604",
    ),
    row("TRF-6-new", "-rtiE src/ dst/", "src/ src/a;m=0755 src/b;m=0644"),
    row("TRF-6-p", "-rtipE src/ dst/", "src/ src/a;m=0755 dst/ dst/a;m=0640"),
    row("TRF-p-only", "-rpi src/ dst/", "src/ src/a;m=0755 src/d/;m=0700 dst/ dst/a;m=0640 dst/d/"),
    row("TRF-O", "-aiO src/ dst/", "src/;t=5 src/d/;t=7 src/d/x dst/ dst/d/"),
    row(
        "TRF-J",
        "-aiJ src/ dst/",
        [Dir("src"), Link("src/l", target="x", time=5), Dir("dst"), Link("dst/l", target="x", time=9)],
    ),
    row("TRF-U", "-aiU src/ dst/", "src/ src/a dst/ dst/a=x", atimes=True),
    row("TRF-owner-user", "-ai src/ dst/", "src/ src/a src/d/b", user=True),
    row("TRF-group-user", "-ai src/ dst/", "src/ src/a;o=65534.5 src/b", user=True),
    row("TRF-device-user", "-ai src/ dst/", [Dir("src"), Device("src/n"), Fifo("src/p"), "src/a"], user=True),
    row("TRF-unreadable", "-ai src/ dst/", "src/ src/a src/secret;m=0000 src/d/;m=0000 src/e/x", user=True),
    row("TRF-unreadable-delete", "-ai --delete src/ dst/", "src/ src/a src/d/;m=0000 dst/ dst/x dst/d/y", user=True),
    *(
        row(
            f"TRF-closed-{number}",
            f"-ai {source} dst/",
            "src/ src/c/f src/r/d/ src/c/;m=0000 src/r/;m=0444 dst/",
            user=True,
        )
        for number, source in enumerate(
            ["src/c/", "src/c", "src/c/f", "src/r/", "src/r", "src/r/d/", "src/c/.", "src/r/d"]
        )
    ),
    *(
        row(
            f"TRF-mkpath-closed-{number}",
            f"-ai --mkpath {names}",
            "src/ src/a src/b dst/f dst/ro/ dst/ro/;o=0.0",
            user=True,
        )
        for number, names in enumerate(
            [
                "src/a dst/ro/p/q/a",
                "src/a dst/ro/p/q/a/",
                "src/a src/b dst/ro/p/q",
                "src/ dst/ro/p/q",
                "src/a dst/f/p/q",
                "src/a dst/f/q/",
                "src/ dst/f/q",
                "src/a dst/p/q/",
            ]
        )
    ),
    *(
        row(
            f"TRF-unwritable-stats-{number}",
            f"-a --stats {names}",
            "src/ src/a*5000 src/ro/b*90000 src/ro/c*3000 dst/ro/b*80000 dst/ro/;o=0.0",
            user=True,
            via=via,
        )
        for number, (names, via) in enumerate(
            [
                ("src/ dst/", "local"),
                ("h:{w}/src/ dst/", "shell"),
                ("src/ h:{w}/dst/", "shell"),
                ("src/a dst/ro/", "local"),
            ]
        )
    ),
    row(
        "TRF-unreadable-ignore",
        "-ai --delete --ignore-errors src/ dst/",
        "src/ src/a src/d/;m=0000 dst/ dst/x dst/d/y",
        user=True,
    ),
    row("TRF-unwritable-dst", "-ai src/ dst/", "src/ src/a dst/;m=0555;o=0.0", user=True),
    row("TRF-unwritable-sub", "-ati -r src/ dst/", "src/ src/d/a src/b dst/ dst/d/;o=0.0", user=True),
    row("TRF-delete-unwritable", "-ai --delete src/ dst/", "src/ src/a dst/ dst/d/;m=0555 dst/d/x;m=0400", user=True),
    row("TRF-delete-foreign", "-ai --delete src/ dst/", "src/ src/a dst/ dst/d/;m=0755;o=0.0 dst/d/x;o=0.0", user=True),
    *both("TRF-dir-mtime", "-ai", "src/;t=1 src/d/;t=2 src/d/e/;t=3 src/d/e/f dst/"),
    *both("TRF-20", "-ai --delete", "src/;t=1 src/d/;t=2 src/d/a dst/ dst/d/x dst/y"),
]

OWNERS = "src/ src/a;o=5.6;m=4755 src/b;o=5.6;m=2750 src/l->a;o=7.8 src/d/;o=5.6;m=2775 src/p|;o=3.4"

ways = Turns(0)
ATTRS = [
    *ways("TRF-1-all", "-aii", "src/ src/a;m=4755;o=5.6 src/d/;m=0700 dst/ dst/a;m=4755;o=5.6 dst/d/;m=0755"),
    *ways("TRF-5-o", "-rltoi", OWNERS),
    *ways("TRF-5-g", "-rltgi", OWNERS),
    *ways("TRF-5-og", "-rltogi", OWNERS),
    *ways("TRF-5-pog", "-rltpogDi", OWNERS),
    *ways("TRF-5-p", "-rltpi", OWNERS),
    *ways("TRF-5-setid-owner", "-ai", "src/ src/a;o=5.6;m=6755 dst/ dst/a;m=6755"),
    *ways("TRF-5-setid-owner-nop", "-rtogi", "src/ src/a;o=5.6 dst/ dst/a;m=6755"),
    *ways("TRF-5-setid-data-nop", "-rti", "src/ src/a=new dst/ dst/a=o;m=6755"),
    *ways("TRF-5-umask-027", "-rti", "src/ src/a;m=0777 src/b;m=0666 src/d/;m=0777", umask=0o027),
    *ways("TRF-5-umask-p", "-ai", "src/ src/a;m=0777 src/d/;m=0777 src/p|;m=0666", umask=0o077),
    *ways("TRF-5-umask-0", "-rDti", "src/ src/a;m=0777 src/p|;m=0666 src/d/;m=1777", umask=0),
    row("TRF-5-umask-R", "-rtiR --no-implied-dirs src/d/e/f dst/", "src/d/e/f src/d/;m=0700", umask=0o027),
    row("TRF-5-umask-mkpath", "-ai --mkpath src/a x/y/z/", "src/a", umask=0o027),
    row("TRF-5-umask-user", "-rti src/ dst/", "src/ src/a;m=0777 src/d/x;m=0666", umask=0o077, user=True),
    *ways(
        "TRF-6-bits", "-rtiE", "src/ src/a;m=0700 src/b;m=0655 src/c;m=0644 dst/ dst/a;m=0444 dst/b;m=0070 dst/c;m=0111"
    ),
    *ways("TRF-6-data", "-rtiE", "src/ src/a=new;m=0755 src/b=new;m=0644 dst/ dst/a=o;m=0640 dst/b=o;m=0755"),
    *ways("TRF-6-setid", "-rtiE", "src/ src/a=new;m=4755 dst/ dst/a=o;m=2644"),
    *ways("TRF-6-dirs", "-rtiE", "src/ src/d/;m=0711 src/e/;m=0600 dst/ dst/d/;m=0755 dst/e/;m=0755"),
    row("TRF-6-new-umask", "-rtiE src/ dst/", "src/ src/a;m=0755 src/b;m=0111", umask=0o077),
    *ways("TRF-6-chmod", "-rtiE --chmod=u+x", "src/ src/a;m=0644 dst/ dst/a;m=0640"),
    *ways("TRF-5-chmod", "-ai --chmod=D2755,F600", "src/ src/a;m=0777 src/d/b;m=4755 dst/ dst/a"),
    *ways("TRF-5-chmod-digits", "-ai --chmod=DD000755,F00600", "src/ src/a;m=0777 src/d/b;m=0644 dst/"),
    *ways("TRF-5-chmod-nop", "-rti --chmod=o-rwx", "src/ src/a;m=0777 src/d/;m=0777 dst/ dst/a"),
    *ways("TRF-5-dir-zero", "-ai", "src/ src/d/;m=0000 dst/"),
    row("TRF-5-dir-user", "-ai src/ dst/", "src/ src/d/b src/d/e/f src/d/;m=0500 src/d/e/;m=0555", user=True),
    row("TRF-5-dir-user-x", "-ai src/ dst/", "src/ src/d/b=new src/d/;m=0700 dst/d/;m=0000", user=True),
    row("TRF-5-dir-user-r", "-ai src/ dst/", "src/ src/d/b=new src/d/;m=0700 dst/d/b=o dst/d/;m=0500", user=True),
    row("TRF-5-dir-user-new", "-ai src/ dst/", "src/ src/d/;m=0444", user=True),
    row("TRF-group-user-member", "-ai src/ dst/", "src/ src/a;o=65534.65534 src/b;o=65534.0", user=True),
    row("TRF-owner-user-existing", "-aii src/ dst/", "src/ src/a;o=65534.5 dst/ dst/a", user=True),
    row("TRF-owner-super-user", "-ai --super src/ dst/", "src/ src/a src/b;o=0.65534", user=True),
    row("TRF-no-super-kinds", "-aii --no-super src/ dst/", KINDS),
    row("TRF-super-devices", "-ai --super src/ dst/", KINDS),
    *ways("TRF-link-owner", "-ai", "src/ src/l->a;o=5.6 dst/ dst/l->a"),
    *ways(
        "TRF-special-attrs",
        "-aii",
        "src/ src/p|;m=0600;t=4;o=5.6 src/n#c1.3;m=0600;t=4 dst/ dst/p|;m=0644 dst/n#c1.3;m=0644",
    ),
    *ways(
        "TRF-3-attrs",
        "-aii",
        "src/ src/a;n=5 src/l->x;n=5 src/d/;n=5 src/p|;n=7 dst/ dst/a;n=6 dst/l->x;n=6 dst/d/;n=7 dst/p|",
    ),
    *ways(
        "TRF-3-window",
        "-aii -@-1",
        "src/ src/a;n=5 src/l->x;n=5 src/d/;n=5 src/p|;n=7 dst/ dst/a;n=6 dst/l->x;n=6 dst/d/;n=7 dst/p|",
    ),
    *ways("TRF-2-window-attrs", "-aii -@2", "src/ src/a;t=1 src/l->x;t=2 src/d/;t=3 dst/ dst/a dst/l->x dst/d/"),
    *ways("TRF-2-I-size", "-aiI --size-only", "src/ src/a=one dst/ dst/a=two"),
    *ways("TRF-2-c-I", "-aicI", "src/ src/a=one src/b=two dst/ dst/a=one dst/b=owt"),
    *ways("TRF-2-c-size", "-aic --size-only", "src/ src/a=one dst/ dst/a=two"),
    *ways("TRF-2-c-L", "-aicL", "src/ src/l->../x x=same dst/ dst/l=same"),
    *ways("TRF-2-c-ns", "-aic", "src/ src/a=one;n=5 dst/ dst/a=one;n=7"),
    *ways("TRF-2-size-attrs", "-aii --size-only", "src/ src/a=one;t=5;m=0600 src/b=longer dst/ dst/a=two dst/b=short"),
    *ways("TRF-4-minus", "-aiu -@-1", "src/ src/a=s src/b=s src/c=s;n=5 dst/ dst/a=d;t=1 dst/b=d;t=2 dst/c=d;n=6"),
    *ways("TRF-4-dirs", "-aiu", "src/ src/d/a;t=3 src/l->x;t=3 dst/ dst/d/a=o;t=9 dst/d/;t=99 dst/l->y;t=9"),
    *ways("TRF-4-kinds", "-aiu", "src/ src/a=f src/b|;t=2 dst/ dst/a|;t=9 dst/b=f;t=9"),
    *ways("TRF-20-O", "-aiO --delete", "src/;t=1 src/d/;t=2 src/d/a dst/ dst/d/x dst/y"),
    *ways("TRF-20-J", "-aiJ", "src/;t=1 src/d/;t=2 src/l->a;t=4 dst/ dst/l->a dst/y"),
    *ways("TRF-20-backup", "-aib", "src/;t=1 src/d/;t=2 src/d/a=new dst/ dst/d/a=o dst/d/;t=9"),
    *ways("TRF-20-backup-dir", "-aib --backup-dir={w}/bk", "src/;t=1 src/d/;t=2 src/d/a=new dst/ dst/d/a=o dst/d/;t=9"),
    *ways(
        "TRF-20-files",
        "-ai",
        "src/;t=1 src/d/;t=2 src/d/e/;t=3 src/d/e/f=new dst/d/e/f=o dst/d/e/;t=3 dst/d/;t=2 dst/;t=1",
    ),
    *ways(
        "TRF-20-delay",
        "-ai --delay-updates --delete-delay",
        "src/;t=1 src/d/;t=2 src/d/a=new dst/d/a=o dst/d/x dst/d/;t=2",
    ),
    *ways("TRF-20-after", "-ai --delete-after", "src/;t=1 src/d/;t=2 src/d/e/;t=3 dst/d/x dst/d/e/y dst/z"),
    *ways("TRF-20-hard", "-aiH", "src/;t=1 src/d/;t=2 src/d/a src/e/;t=3 src/e/b=>src/d/a dst/"),
    *ways("TRF-20-notimes", "-rli --delete", "src/;t=1 src/d/;t=2 src/d/a dst/d/x dst/d/;t=2"),
]

CHMOD: list[tuple[str, str]] = [
    ("u=rwx", "0640"),
    ("go-rwx", "0640"),
    ("a+X", "0640"),
    ("D755,F644", "0640"),
    ("ugo=rwX", "0640"),
    ("g=u", "0640"),
    ("o=g", "0640"),
    ("+w", "0640"),
    ("a+s", "0640"),
    ("u+s", "0640"),
    ("+t", "0640"),
    ("F+x", "0640"),
    ("a=r,u+w", "0640"),
    ("7777", "0640"),
    ("D+X", "0640"),
    ("g+s,o-x", "0640"),
    ("=rx", "0640"),
    ("u=", "0640"),
    ("F-x", "0755"),
    ("u-s", "4755"),
    ("u=rwx", "4755"),
    ("g=u", "4755"),
    ("a+x,F-x --chmod=D700", "0644"),
]

CHMOD_ROWS = [
    *(
        Row(f"options-6.1-{number}", f"src/ src/a;m={mode} src/d/;m=0755", f"-ai --chmod={text} src/ dst/")
        for number, (text, mode) in enumerate(CHMOD)
    ),
]

MAPS = [
    Row(f"options-6.2-{number}", f"src/ src/a;o={owner}", f"-ai {options} src/ dst/")
    for number, (options, owner) in enumerate(
        [
            ("--usermap=0:1234", "0.0"),
            ("--usermap=root:1234", "0.0"),
            ("--usermap='r*:1234'", "0.0"),
            ("--usermap=:1234", "0.0"),
            ("--usermap='*:5'", "0.0"),
            ("--usermap=1-5:9,0-3:8", "0.0"),
            ("--numeric-ids --usermap='*:5'", "0.0"),
            ("--numeric-ids --usermap=:5", "0.0"),
            ("--numeric-ids --usermap=root:5", "0.0"),
            ("--usermap=:7", "4321.0"),
            ("--usermap='*:7'", "4321.0"),
            ("--usermap=4000-5000:7,4321:8", "4321.0"),
            ("--usermap='x*:7'", "4321.0"),
            ("--groupmap=0:5", "0.0"),
            ("--groupmap='*:daemon'", "3.4"),
            ("--chown=daemon:sys", "0.0"),
            ("--chown=:sys", "3.4"),
            ("--chown=daemon", "3.4"),
            ("--chown=daemon:", "3.4"),
            ("--usermap=daemon:bin", "1.1"),
            ("--numeric-ids", "1.1"),
            ("", "1.1"),
            ("", "4321.4322"),
        ]
    )
]

OWNED = "src/ src/a;o=1.1 src/b;o=4321.4322 src/d/;o=2.3 src/l->a"

IDS = [
    row(
        "MET-map",
        "-ai --usermap=1:5,bin:6 --groupmap=*:7 src/ dst/",
        OWNED,
        then=["-aii --usermap=1:5,bin:6 --groupmap=*:7 src/ dst/"],
    ),
    row("MET-map-format", "-a --usermap=1:5 --groupmap=1:6 --out-format='%n %U:%G %i' src/ dst/", OWNED),
    row(
        "MET-map-log",
        "-a --usermap=1:5 --log-file=log --log-file-format='%n %U:%G %i' src/ dst/",
        OWNED,
        then=["!sed -i '/ sent /d; s/^.*] //' log; touch -d @1 log"],
    ),
    row("MET-map-name", "-ai --usermap=daemon:bin,4321:daemon src/ dst/", OWNED),
    row("MET-map-glob", "-ai --usermap='d*:bin,[!x]*:sys' src/ dst/", OWNED),
    row("MET-map-nosuch", "-ai --usermap=1:nosuch,1:7 src/ dst/", OWNED),
    row("MET-map-bad", "-ai --usermap=1x:5 src/ dst/", OWNED),
    row("MET-map-nameless", "-ai --usermap=:7 --groupmap=:8 src/ dst/", OWNED),
    row("MET-map-numeric", "-ai --numeric-ids --usermap=1:5 --groupmap='*:daemon' src/ dst/", OWNED),
    row("MET-chown", "-ai --chown=5:6 src/ dst/", OWNED),
    row("MET-chown-group", "-ai --chown=:6 src/ dst/", OWNED),
    row("MET-chown-r", "-ri --chown=5:6 src/ dst/", OWNED),
    row("MET-map-no-o", "-rlti --usermap=1:5 --no-o src/ dst/", OWNED),
    row("MET-map-link", "-ai --chown=5:6 --link-dest=../alt src/ dst/", [OWNED, "alt/ alt/a;o=5.6 alt/b;o=1.1"]),
    row("MET-user-groups", "-ai src/ dst/", OWNED, user=True, then=["-aii src/ dst/"]),
    row("MET-user-super", "-ai --super src/ dst/", "src/ src/a;o=3.3 dst/", user=True),
    row("MET-user-map", "-ai --usermap='*:5' src/ dst/", "src/ src/a;o=1.1 dst/", user=True),
    row("MET-minus-one", "-ai --usermap='*:4294967295' src/ dst/", "src/ src/a"),
]

TIMES = [
    *both("MET-U", "-aiU", "src/ src/a src/d/b src/l->a dst/ dst/a", atimes=True),
    *both("MET-UU", "-aiUU", "src/ src/a src/d/b dst/ dst/a=x", atimes=True),
    row(
        "MET-U-only",
        "-aiU src/ dst/",
        "src/ src/a dst/ dst/a",
        then=["!touch -a -d @1700000777 dst/a", "-aiU src/ dst/"],
        atimes=True,
    ),
    row("MET-U-no-t", "-rUi src/ dst/", "src/ src/a dst/ dst/a=x", atimes=True),
    row("MET-noatime", "-ai --open-noatime src/ dst/", "src/ src/a dst/", atimes=True),
    # Only the owner of a file or directory may read it so.
    row("MET-noatime-foreign", "-i --open-noatime /etc/passwd dst/", "dst/", user=True),
    row("MET-noatime-foreign-dir", "-ri --open-noatime /etc/skel dst/", "dst/", user=True),
    row("MET-noatime-foreign-links", "-rLi --open-noatime /etc/skel dst/", "dst/", user=True),
    row("MET-U-link", "-aiU --link-dest=../alt src/ dst/", "src/ src/a alt/ alt/a;t=0", atimes=True),
    row("MET-link-time", "-ai src/ dst/", "src/ src/l->a;t=5 dst/ dst/l->a;t=9"),
    row("MET-link-time-J", "-aiJ src/ dst/", "src/ src/l->a;t=5 src/a;t=4 dst/ dst/l->a;t=9"),
    row("MET-link-time-no-t", "-rli src/ dst/", "src/ src/l->a;t=5 dst/ dst/l->b;t=9"),
    row("MET-dir-time-O", "-aiO src/ dst/", "src/ src/d/;t=5 dst/ dst/d/;t=9"),
    row("MET-old", "-ai src/ dst/", "src/ src/a;t=-1700000005 src/b;t=-1800000000;n=7 src/c;t=3000000000"),
    row("MET-old-second", "-ai src/ dst/", "src/ src/a;t=-1700000005 src/b;t=-1800000000;n=7", then=["-aii src/ dst/"]),
    row("MET-N", "-aiN src/ dst/", "src/ src/a"),
]

ways = Turns(1)
ATTRIBUTES = [
    # 5.2: new modes, and what -E makes of old ones.
    *ways("transfer-5.2-new", "-rti", "src/a;m=0640 src/b;m=6755 src/d/;m=2775 src/d/c;m=0604 dst/"),
    *ways("transfer-5.2-old", "-rti", "src/a=1;m=0640 src/b=1;m=6755 dst/a=2;m=0606;t=3 dst/b=2;m=4700;t=3"),
    *ways("transfer-5.2-E", "-rtiE", "src/a=1;m=0640 src/b=1;m=0755 dst/a=2;m=0711;t=3 dst/b=2;m=0644;t=3"),
    *ways("transfer-5.2-E-same", "-rtiE", "src/a;m=0640 src/b;m=0755 dst/a;m=0711 dst/b;m=0604"),
    *ways("transfer-5.2-setgid", "-rti", "src/d/a dst/;m=2775;o=0.5"),
    *ways("transfer-5.2-umask", "-rti", "src/a;m=0666 src/d/;m=0777 dst/", umask=0o027),
    *ways("transfer-5.2-sticky", "-ai", "src/d/;m=1777 src/a;m=1644 dst/d/ dst/a"),
    # 5.3, 5.4
    *ways("transfer-5.3-nobody", "-ai", "src/a;o=65534.65534 src/d/;o=65534.0 dst/a"),
    *ways("transfer-5.3-o", "-rtoi", "src/a;o=4321.1234 dst/a"),
    *ways("transfer-5.3-g", "-rtgi", "src/a;o=4321.1234 dst/a"),
    *ways("transfer-5.4-O", "-aiO", "src/d/a src/d/;t=9 dst/d/a"),
    *ways("transfer-5.4-J", "-aiJ", [Dir("src"), Link("src/l", target="x", time=7), Link("dst/l", target="x")]),
    *ways("transfer-5.4-none", "-rlpi", "src/a=1 src/d/b=1 dst/a=2;t=5 dst/d/b=1"),
    *ways("transfer-5.4-before-epoch", "-ai", "src/a;t=-1700000100 src/d/;t=-1700000200 dst/"),
    *ways("transfer-5.4-far", "-ai", "src/a;t=2700000000 src/d/;t=2800000000 dst/"),
    *ways("transfer-5.4-nsec", "-ai", "src/a=1;n=123456789 src/d/;n=5 dst/a=2;n=7"),
]

REPLACED_MODES = [
    # Without --perms a node, and what a generator copies, takes the mode of what it replaces.
    Row("TRF-5-node-for-link", "src/ src/p|;m=0640 src/c#c1.3;m=0640 dst/ dst/p->x dst/c->x", "-rlD src/ dst/"),
    Row("TRF-5-node-for-file", "src/ src/p|;m=0640 dst/ dst/p;m=0604", "-rlD src/ dst/"),
    Row("TRF-5-node-for-dir", "src/ src/p|;m=0640 dst/ dst/p/;m=0711", "-rlD src/ dst/"),
    Row("TRF-5-copy-dest-for-link", "src/ src/f alt/ alt/f dst/ dst/f->x", "-rlt --copy-dest=../alt src/ dst/"),
    Row("TRF-5-copy-dest-for-pipe", "src/ src/f alt/ alt/f dst/ dst/f|;m=0600", "-rlt --copy-dest=../alt src/ dst/"),
    Row("TRF-11-node-set-id", "src/ src/n#c1.3 dst/ dst/n#c1.3;m=02755;o=5.6", "-ai src/ dst/"),
    Row("TRF-3-old-protocol", "src/ src/d/;n=5 src/f;n=7 dst/", "-a --protocol=30 src/ dst/"),
]  # fmt: skip

GIVEN_AWAY = [
    # What giving a file away leaves of its mode is compared with the mode that it is to have.
    *(
        Row(f"TRF-3-given-{new}-{old}", f"src/ src/c=a;m=0{new} dst/ dst/c=a;m=0{old};o=5.6", "-ai src/ dst/")
        for new in ("755", "644", "4755", "2755", "6711")
        for old in ("755", "4755", "2755", "6755", "4700", "2644")
    ),
    *(
        Row(f"TRF-3-given-name-{new}-{old}", f"src/ src/c=a;m=0{new} dst/ dst/c=a;m=0{old};o=5.6", "-a --info=name2 src/ dst/")
        for new in ("755", "4755")
        for old in ("755", "4755", "2755")
    ),
]  # fmt: skip

ROWS: list[Row] = [*MODES, *ATTRS, *CHMOD_ROWS, *MAPS, *IDS, *TIMES, *ATTRIBUTES, *REPLACED_MODES, *GIVEN_AWAY]
