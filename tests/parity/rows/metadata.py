"""spec: transfer 5.2 to 5.6, options 2.3, 6.2, 6.3: ACLs, extended attributes, fake-super, ids, access times, pruning"""

from __future__ import annotations

from tests.parity.harness import Row
from tests.parity.rows.transfer import both, row
from tests.parity.tree import Device, Dir, File, Link

LONG = b"a value of more than thirty-two bytes"
OTHER = b"A value of more than thirty-two bytes"

XATTRS = [
    *both("MET-X-new", "-aiX", [Dir("src"), File("src/a", xattrs={"user.k": b"1", "user.long": LONG}), "src/b"]),
    *both(
        "MET-X-second",
        "-aiX",
        [Dir("src", xattrs={"user.d": LONG}), File("src/a", xattrs={"user.k": b"1", "user.long": LONG})],
        then=["-aiiX src/ dst/"],
    ),
    *both(
        "MET-X-long-differs",
        "-aiX",
        [Dir("src"), File("src/a", xattrs={"user.l": LONG}), Dir("dst"), File("dst/a", xattrs={"user.l": OTHER})],
    ),
    *both(
        "MET-X-data-too",
        "-aiX",
        [
            Dir("src"),
            File("src/a", content=b"new", xattrs={"user.l": LONG, "user.s": b"1"}),
            Dir("dst"),
            File("dst/a", time=-3, xattrs={"user.l": LONG, "user.x": b"2"}),
        ],
    ),
    *both(
        "MET-X-removed",
        "-aiX",
        [Dir("src"), "src/a src/d/", Dir("dst"), File("dst/a", xattrs={"user.l": LONG, "trusted.t": b"1"})],
    ),
    *both(
        "MET-X-shared",
        "-aiX",
        [Dir("src"), *[File(f"src/{n}", xattrs={"user.l": LONG}) for n in "abcde"], Dir("dst"), "dst/b dst/c"],
    ),
    *both(
        "MET-X-dirs",
        "-aiX",
        [Dir("src", xattrs={"user.k": b"1"}), Dir("src/d", xattrs={"user.k": LONG}), "src/e/", Dir("dst"), "dst/e/"],
    ),
    *both(
        "MET-X-others",
        "-aiX",
        [
            Dir("src"),
            Link("src/l", target="x", xattrs={"trusted.k": b"1"}),
            Device("src/n", xattrs={"trusted.k": LONG}),
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
    *both("MET-X-dry", "-aiXn", [Dir("src"), File("src/a", xattrs={"user.k": LONG}), Dir("dst"), "dst/a"]),
    *both(
        "MET-X-hard",
        "-aiXH",
        [Dir("src"), File("src/a", xattrs={"user.k": LONG}), "src/b=>src/a", Dir("dst"), "dst/a"],
    ),
    *[
        row(
            f"MET-X-{kind}",
            f"-aiX --{kind}-dest=../alt src/ dst/",
            [
                Dir("src"),
                File("src/a", xattrs={"user.k": LONG}),
                File("src/b", xattrs={"user.k": b"1"}),
                "src/c",
                Dir("alt"),
                File("alt/a", xattrs={"user.k": LONG}),
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

STAT = "user.rsync.%stat"
FAKE_KINDS = "src/ src/a;o=3.4 src/s;m=04755 src/t/;m=01777 src/l->a src/p| src/n#c1.3 src/k#b7.1 src/r;m=0400"
FAKE = [
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
            File("dst/a", xattrs={STAT: b"100644 0,0 1:1"}),
            File("dst/n", content=b"", xattrs={STAT: b"20644 1,4 0:0"}),
            File("dst/l", content=b"y", xattrs={STAT: b"120777 0,0 0:0"}),
        ],
    ),
    row(
        "MET-fake-plain",
        "-ai --fake-super src/ dst/",
        ["src/ src/a", Dir("dst"), File("dst/a", xattrs={STAT: b"100600 0,0 1:1"})],
    ),
    row("MET-fake-not", "-ai src/ dst/", [Dir("src"), File("src/a", xattrs={STAT: b"104755 0,0 5:6"})]),
    row(
        "MET-fake-corrupt",
        "-ai --fake-super src/ dst/",
        [Dir("src"), File("src/a", xattrs={STAT: b"what"})],
        stderr=False,
    ),
    row(
        "MET-fake-corrupt-dst",
        "-ai --fake-super src/ dst/",
        ["src/ src/a dst/", File("dst/a", xattrs={STAT: b"what"})],
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
        [Dir("src"), File("src/a", xattrs={"user.k": b"1", "trusted.t": LONG, "user.rsync.security.s": b"1"})],
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
            File("alt/a", xattrs={STAT: b"100644 0,0 3:4"}),
            File("alt/l", content=b"a", mode=0o777, xattrs={STAT: b"120777 0,0 0:0"}),
        ],
    ),
    row(
        "MET-fake-delete",
        "-ai --fake-super --delete src/ dst/",
        ["src/a dst/", File("dst/n", content=b"", xattrs={STAT: b"20644 1,4 0:0"})],
    ),
    row(
        "MET-fake-replace",
        "-ai --fake-super src/ dst/",
        ["src/ src/n=x dst/", File("dst/n", content=b"", xattrs={STAT: b"20644 1,4 0:0"})],
    ),
    row("MET-fake-hard", "-aiH --fake-super src/ dst/", "src/ src/a;o=3.4 src/b=>src/a"),
    row("MET-fake-inplace", "-ai --fake-super --inplace src/ dst/", "src/ src/a;o=3.4 dst/ dst/a=old"),
    row(
        "MET-fake-backup",
        "-aib --fake-super src/ dst/",
        ["src/ src/a;o=3.4 dst/", File("dst/a", content=b"old", xattrs={STAT: b"100644 0,0 1:1"})],
    ),
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

EMPTY = "src/ src/e/ src/f/g/ src/h/i/x src/k/l->x src/m/n#c1.3"
PRUNE = [
    row("MET-m", "-aim src/ dst/", EMPTY),
    row("MET-m-name", "-aim src dst/", EMPTY),
    row("MET-m-all", "-aim src/e dst/", EMPTY),
    row("MET-m-all-missing", "-aim src/e dst", EMPTY),
    row("MET-m-several", "-aim src/e src/f/g src/h dst/", EMPTY),
    row("MET-m-protect", "-aim -f'P e/' src/ dst/", EMPTY),
    row("MET-m-protect-deep", "-aim -f'P g/' src/ dst/", EMPTY),
    row("MET-m-risk", "-aim -f'R e/' -f'P *' src/ dst/", EMPTY),
    row("MET-m-hide", "-aim -f'H x' -f'H l' -f'H n' src/ dst/", EMPTY),
    row("MET-m-relative", "-aimR src/e src/h/ dst/", EMPTY),
    row("MET-m-dirs", "-dim src/ dst/", EMPTY),
    row("MET-m-delete", "-aim --delete src/ dst/", [EMPTY, "dst/ dst/e/ dst/f/g/z dst/q/"]),
    row("MET-m-delete-before", "-aim --delete-before src/ dst/", [EMPTY, "dst/ dst/e/ dst/f/g/z dst/q/"]),
    row("MET-m-v", "-avm src/ dst/", EMPTY),
    row("MET-m-no-D", "-rim src/ dst/", EMPTY, sorted=True),
    row("MET-m-pull", "-aim h:{w}/src/ dst/", EMPTY, via="shell"),
    row("MET-m-push", "-aim src/ h:{w}/dst/", EMPTY, via="shell"),
]

ROWS: list[Row] = [*XATTRS, *ACLS, *FAKE, *IDS, *TIMES, *PRUNE]
