"""Where several options meet, and messages of runs that cannot begin: what batteries of command lines have shown"""

from __future__ import annotations

from tests.parity.harness import Row
from tests.parity.rows.transfer import both
from tests.parity.tree import Dir, File, Tree

LONG = b"v" * 60
#: What a file has in a snapshot, and the next one, in which some things have changed.
SNAPSHOT: Tree = [
    *[
        entry
        for top in ("src", "old")
        for entry in (
            Dir(top),
            Dir(f"{top}/d", xattrs={"user.long": LONG}),
            File(f"{top}/d/same", content=b"same", xattrs={"user.long": LONG, "user.s": b"1"}),
            Dir(f"{top}/touched", xattrs={"user.long": LONG}, time=3 if top == "src" else 0),
            File(f"{top}/longer", content=b"x" * (9 if top == "src" else 5), xattrs={"user.long": LONG}),
            File(f"{top}/mode", content=b"m", mode=0o600 if top == "src" else 0o644, xattrs={"user.long": LONG}),
            File(f"{top}/later", content=b"l", time=8 if top == "src" else 0, xattrs={"user.long": LONG}),
        )
    ],
]
#: Values of more than 32 bytes travel only where no file at hand has them: one in an alternate directory is at hand.
XATTRS = [
    *[
        item
        for kind in ("link", "copy", "compare")
        for item in both(f"TRF-11-{kind}-X-long", f"-aiiX --{kind}-dest=../old", SNAPSHOT)
    ],
    *both("TRF-11-X-second", "-aiiX --link-dest=../none --link-dest=../old --delete", [*SNAPSHOT, "dst/extra"]),
    *both("TRF-11-X-rsnapshot", "-aiXH --delete --numeric-ids --delete-excluded --link-dest=../old", SNAPSHOT),
]

#: Directories below a backup directory look like those whose files they keep; what they would inherit goes.
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
                File("src/a", xattrs={"user.k": b"1", "user.long": LONG}),
                "src/b=>src/a src/d/c=>src/a",
                Dir("old"),
                File("old/a", xattrs={"user.k": b"1", "user.long": LONG}),
                "old/b=>old/a old/d/c=>old/a",
            ],
        )
    ],
]

SENT = [
    *both("options-2-sent-nodes", "-aiD --remove-sent-files", "src/ src/a src/p| src/n#c1.3 src/l->a dst/ dst/p=file"),
    *both("options-2-source-nodes", "-aiD --remove-source-files", "src/ src/a src/p| src/n#c1.3 src/l->a dst/ dst/p=f"),
]

CLOSED = [
    Row(f"ERR-{ident}", tree, cmd, user=True)  # type: ignore[arg-type]
    for ident, tree, cmd in (
        ("inplace-closed", ["src/a", Dir("dst", mode=0o555)], "-ri --inplace src/a dst/"),
        ("inplace-closed-old", ["src/a=new", "dst/a=o", Dir("dst", mode=0o555)], "-ri --inplace src/a dst/"),
        ("inplace-closed-below", ["src/ src/d/;m=0555 src/d/a dst/ dst/d/;m=0555"], "-ai --inplace src/ dst/"),
        ("destination-closed", ["src/a", Dir("dst", mode=0)], "-ai src/a dst/"),
        ("destination-closed-r", ["src/a", Dir("dst", mode=0o600)], "-ri src/ dst"),
        ("destination-closed-n", ["src/a", Dir("dst", mode=0o400)], "-rin src/ dst"),
        ("foreign-closed", ["src/ src/d/;m=0500 src/d/a", Dir("dst/d", owner=(0, 0))], "-ai src/ dst/"),
    )
]

GIVE = "src/ src/a;m=0755 src/b;m=4711 src/c;m=0057 src/d/ src/d/e;m=0111 src/q/;m=0711"
#: Who can't give files away: what is left of them.
SUPER = [
    *[
        Row(f"options-2-super-{ident}", [GIVE, *more], f"{options} src/ dst/", user=True)  # type: ignore[arg-type]
        for ident, options, more in (
            ("user", "-ai --super --chown=0:0", ["dst/"]),
            ("user-new", "-ai --super --chown=0:0", []),
            ("user-old", "-ai --super --chown=0:0", ["dst/ dst/a=old;m=0600 dst/d/"]),
            ("user-r", "-ri --super --chown=0:0", ["dst/"]),
            ("user-O", "-aiO --super --chown=0:0", ["dst/"]),
            ("user-inplace", "-ai --inplace --super --chown=0:0", ["dst/"]),
        )
    ],
    # Bookkeeping is written although the directory that is there may not be.
    *both("TRF-15-readonly", "-ai --fake-super", ["src/ src/d/;m=0555 dst/ dst/d/;m=0555"], user=True),
    *both(
        "TRF-15-readonly-owner", "-ai --fake-super --chown=0:0", ["src/ src/d/;m=0555 dst/ dst/d/;m=0555"], user=True
    ),
]

#: The directory of an argument is named as it was typed.
TYPED = [
    Row(f"ERR-typed-{number}", "src/ src/a dst/", f"-a {source} dst/", norm=[(r"\.SIGUSR1.*\n", "")])
    for number, source in enumerate(
        [
            "src/./nope/",
            "src//nope/",
            "src/../src/nope/",
            "src/./nope/./x",
            "./nope/",
            "nope/./",
            "nope/.",
            "././nope/ .//nope/x",
            "./nope/..",
            "{w}/src/./nope/",
            "{w}/src//nope//x",
            "{w}//nope//",
            "./src/a/",
            "-R nope/./x ./nope/././x",
            "-R nope//./x",
        ]
    )
]

LISTS = [
    Row("filters-13.2-directory", "src/ src/a dst/", "-ai --files-from=src src/ dst/", stderr=False),
    Row("filters-13.2-directory-root", "src/ src/a dst/", "-ai --files-from=/ src/ dst/"),
    Row(
        "filters-13.2-directory-pull",
        "src/ src/a dst/",
        "-ai --files-from=src h:{w}/src/ dst/",
        via="shell",
    ),
    Row(
        "filters-13.2-directory-remote",
        "src/ src/a dst/",
        "-ai --files-from=:{w}/src h:{w}/src/ dst/",
        via="shell",
        stderr=False,
    ),
    Row(
        "filters-13.2-directory-remote-push",
        "src/ src/a dst/",
        "-ai --files-from=:{w}/src src/ h:{w}/dst/",
        via="shell",
    ),
]

SHELLS = [
    Row(f"ERR-no-shell-{number}", "src/ src/a dst/", f"-e /nonexistent {words}", codes=frozenset({5, 12}))
    for number, words in enumerate(["h::m", "h::m/ dst/", "src/a h::m/"])
]

ROWS = [*XATTRS, *BACKUP_ACLS, *FOLLOWERS, *SENT, *CLOSED, *SUPER, *TYPED, *LISTS, *SHELLS]
