"""-R, -d, -m, --mkpath, implied directories, and the directories that a run makes (spec: transfer 2, options 5)."""

from __future__ import annotations

from tests.parity.common import row
from tests.parity.harness import Row
from tests.parity.tree import Dir

RELATIVE_TREE = "src/a src/d/b src/d/e/c other/x"

RELATIVE = [
    row("TRF-R", "-aiR src/d/b dst/", RELATIVE_TREE),
    row("TRF-R-dir", "-aiR src/d dst/", RELATIVE_TREE),
    row("TRF-R-slash", "-aiR src/d/ dst/", RELATIVE_TREE),
    row("TRF-R-dot", "-aiR src/./d/b dst/", RELATIVE_TREE),
    row("TRF-R-dot-dir", "-aiR src/./d/ dst/", RELATIVE_TREE),
    row("TRF-R-many", "-aiR src/a src/d/e other dst/", RELATIVE_TREE),
    row("TRF-R-abs", "-aiR {w}/src/./d dst/", RELATIVE_TREE),
    row("TRF-R-noimplied", "-aiR --no-implied-dirs src/d/e dst/", RELATIVE_TREE),
    row("TRF-R-implied-attrs", "-aiR src/d/e/c dst/", ["src/;m=0700;t=3 src/d/;m=0711;t=4 src/d/e/c dst/"]),
    row(
        "TRF-R-implied-exists",
        "-aiR --no-implied-dirs src/d/e/c dst/",
        ["src/;m=0700;t=3 src/d/;m=0711;t=4 src/d/e/c dst/src/d/"],
    ),
    row("TRF-R-dotdot", "-aiR src/../src/d dst/", RELATIVE_TREE),
    row("TRF-R-dotdot-head", "-aiR ../w/src/a dst/", RELATIVE_TREE),
    row("TRF-R-delete", "-aiR --delete src/d dst/", [RELATIVE_TREE, "dst/src/x dst/src/d/y dst/z"]),
    row("TRF-R-link-parent", "-aiR src/l/b dst/", "src/d/b src/l->d"),
    row("TRF-R-d", "-diR src/d dst/", RELATIVE_TREE),
    row("TRF-R-noR", "-ai --relative --no-relative src/d dst/", RELATIVE_TREE),
    Row("TRF-R-push", RELATIVE_TREE, "-aiR src/./d/b src/a h:{w}/dst/", via="shell"),
    Row("TRF-R-pull", RELATIVE_TREE, "-aiR h:{w}/src/./d/b :{w}/./src/a dst/", via="shell"),
    Row("TRF-R-pull-noimplied", RELATIVE_TREE, "-aiR --no-implied-dirs h:{w}/src/./d/b dst/", via="shell"),
    row("TRF-R-missing", "-aiR src/nosuch/x src/a dst/", RELATIVE_TREE),
    row("TRF-R-exclude", "-aiR --exclude=d src/d/b src/a dst/", RELATIVE_TREE),
    row("TRF-R-anchor", "-aiR --exclude=/src/d src/ dst/", RELATIVE_TREE),
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

# --mkpath, and a dry run whose directories were only announced.
MKPATH_ROWS = [
    Row(f"B16-{name}-{number}{way}", "from/f from/l->x from/d/g", command, via=via)
    for number, options in enumerate(
        ["-ain", "-an", "-ainv", "-ainvv", "-ain --delete", "-ainR", "-ainH", "-ain -b --backup-dir=bk", "-ain -T ."]
    )
    for name, words in {
        "file": "from/f a/b/c",
        "link": "from/l a/b/c",
        "one-level": "from/f a/c",
        "slash": "from/f a/b/",
        "dir": "from/d a/b",
        "contents": "from/d/ a/b/c",
        "climbing": "from/f from/../a/b",
    }.items()
    for way, via, command in [
        ("", "local", f"{options} --mkpath {words}"),
        (
            "-push",
            "shell",
            f"{options} --mkpath {words.replace(' a/', ' h:{w}/a/').replace(' from/../', ' h:{w}/from/../')}",
        ),
        ("-pull", "shell", f"{options} --mkpath h:{{w}}/{words}"),
        ("-not", "local", f"{options} {words}"),
    ]
    if (not way or number in (0, 4)) and (name == "file" or number in (0, 3, 7, 8))
]

ACLS = {
    "open": "u::rwx,g::rwx,o::rwx",
    "group": "u::rwx,g::rx,o::-",
    "named": "u::rwx,u:1:rwx,g::rx,m::rwx,o::-",
    "": "",
}

MAKERS = {
    "mkpath": ("src/x/f", "-r --mkpath src/ t/a/b/"),
    "mkpath-file": ("src/x/f", "-r --mkpath src/x/f t/a/b/name"),
    "destination": ("src/f src/g", "-r src/f src/g t/new/"),
    "destination-d": ("src/f", "-d src/f t/new/"),
    "unimplied": ("src/x/f", "-rR --no-implied-dirs src/x/f t/new/"),
    "unimplied-link": ("src/x/y->T", "-rlR --no-implied-dirs src/x/y t/new/"),
    "unimplied-dir": ("src/x/y/", "-rR --no-implied-dirs src/x/y t/new/"),
    "implied": ("src/x/f", "-rR src/x/f t/new/"),
    "listed": ("src/x/f", "-r src/ t/new/"),
    "backup": ("src/x/f=n dst/x/f=o", "-rIb --backup-dir={w}/t/p/bak src/ dst/"),
    "backup-delete": ("src/x/ dst/x/f=o dst/g", "-r --delete -b --backup-dir={w}/t/bak src/ dst/"),
    "link-dest": ("src/x/f alt/src/x/f", "-rtR --no-implied-dirs --link-dest={w}/alt src/x/f t/new/"),
    "copy-dest": ("src/x/f alt/src/x/f", "-rtR --no-implied-dirs --copy-dest={w}/alt src/x/f t/new/"),
    "partial": ("src/x/f", "-r --delay-updates --partial-dir=.p src/ t/new/"),
}

# Directories that a run creates beside its list.
MADE_ROWS = [
    Row(
        f"B14-{name}-{acl or 'none'}-{mask:o}{'-push' if via == 'shell' else ''}",
        [tree, Dir("t", default_acl=rights)],
        options if via == "local" else options.replace(" t/", " h:{w}/t/"),
        umask=mask,
        via=via,
        # Temporary names and races aside, only modes are looked at.
        sorted=True,
    )
    for name, (tree, options) in MAKERS.items()
    for acl, rights in ACLS.items()
    for mask, via in ((0o077, "local"), (0o002, "local"), (0o077, "shell"))
    if via == "local" or " t/" in options
]

POINTS = [
    # The part of the path that -R keeps, behind a daemon; ways out of the destination for files beside it.
    *(
        Row(f"OPT-R-point-{number}", "mod/src/a mod/src/d/b", f"{options} {{url}}/m/{path} dst/", via="daemon")
        for number, (options, path) in enumerate(
            (options, path)
            for options in ("-aiR", "-ai", "-aiR --no-implied-dirs")
            for path in ("src/./d/b", "src/d/./b", "src/d/../d/./b", "src/./d/", "././src//d/b", "src/d/b/.")
        )
    ),
]  # fmt: skip

# An ordinary user's directories that cannot be read.
CLOSED_ROWS = [
    Row(
        f"C4-{mode}-{name}",
        "src/d/f src/d/e/g",
        f"{options} --chmod=D{mode} src/ dst/",
        then=[
            f"{options} --chmod=D{mode} src/ dst/",
            "! rm src/d/e/g",
            f"{options} --delete --chmod=D{mode} src/ dst/",
        ],
        user=True,
    )
    for mode in ("300", "100", "500", "355", "311")
    for name, options in {"a": "-ai", "list": "-ai --no-i-r", "no-p": "-rlti", "R": "-aiR"}.items()
]

ROWS: list[Row] = [*RELATIVE, *PRUNE, *MKPATH_ROWS, *MADE_ROWS, *POINTS, *CLOSED_ROWS]
