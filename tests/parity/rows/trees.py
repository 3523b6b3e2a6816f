"""Links that lead out of a tree: named by the operator, in lists, in alternate directories; and what is made beside a list.

spec: options 5.3, filters 8, transfer 7, 16
"""

from __future__ import annotations

from tests.parity.harness import Row
from tests.parity.tree import Dir

# ---- links on the way to an argument

PLACES = [
    "data/home/docs/f data/home/docs/d/g data/in/sub/h out/o out/deep/er/e",
    "data/rel->in data/up->../data/home data/out->../out data/in/leaf->../../out/o data/dead->/nowhere/at/all",
    "data/theirs->../out;o=1.1 data/ours->in;o=1.1 data/p/q->../../out",
]
#: The absolute ones: a tree's entries don't know where it stands.
ABSOLUTE = (
    "! ln -s {w}/data/home home; ln -s {w}/out data/abs; ln -s {w}/data/in data/back; ln -s {w}/out theirs;"
    " chown -h 1:1 theirs"
).replace("{w}", "$PWD")
ARGUMENTS = {
    "link": "home",
    "slash": "home/",
    "dot": "home/.",
    "below": "home/docs",
    "file": "home/docs/f",
    "point": "data/./abs/deep",
    "point-in": "data/abs/./deep/er",
    "outward": "data/out/o",
    "outward-slash": "data/./out/",
    "back": "data/back/sub/h",
    "inside": "data/./rel/sub",
    "twice": "data/p/q/deep/er/e",
    "others": "theirs/deep",
    "others-inside": "data/./ours/sub",
    "dead": "data/dead/x",
    "several": "home/docs/f home/docs/d data/./abs/o data/./abs/deep data/out/deep/er",
    "itself-and-below": "data/./abs data/./abs/deep",
    "leading-dot": "./home/docs",
}
ARGUMENT_ROWS = [
    row
    for name, words in ARGUMENTS.items()
    for row in (
        Row(f"F5-argument-{name}", PLACES, ABSOLUTE, then=[f"-aiR {words} dst/"]),
        Row(f"F5-argument-{name}-unimplied", PLACES, ABSOLUTE, then=[f"-aiR --no-implied-dirs {words} dst/"]),
        Row(f"F5-argument-{name}-push", PLACES, ABSOLUTE, then=[f"-aiR {words} h:{{w}}/dst/"], via="shell"),
        Row(
            f"F5-argument-{name}-pull",
            PLACES,
            ABSOLUTE,
            then=["-aiR " + " ".join(f"h:{{w}}/./{word.replace('/./', '/')}" for word in words.split()) + " dst/"],
            via="shell",
        ),
        *(
            Row(f"F5-argument-{name}-{option}", PLACES, ABSOLUTE, then=[f"-aiR {letters} {words} dst/"])
            for option, letters in {
                "list": "--no-i-r",
                "L": "-L",
                "insecure": "--insecure-links",
            }.items()
        ),
    )
]
SNAPSHOT = [
    # As rsnapshot calls it, twice, with the second run linked to the first.
    Row(
        "F5-snapshot",
        PLACES,
        ABSOLUTE,
        then=[
            "-a --delete --numeric-ids --relative --delete-excluded {w}/home/ one/",
            "-ai --delete --numeric-ids --relative --delete-excluded --link-dest={w}/one {w}/home/ two/",
        ],
    ),
    # A filter file behind the link, sums, attributes, and what is removed at the source.
    Row(
        "F5-filter",
        [*PLACES, "data/home/.rsync-filter=-_f", "data/home/docs/.rsync-filter=-_g"],
        ABSOLUTE,
        then=["-aiRFF home/docs dst/"],
    ),
    Row("F5-checksum", PLACES, ABSOLUTE, then=["-aiRc home/docs dst/", "-aiRc home/docs dst/"]),
    Row("F5-attributes", PLACES, ABSOLUTE, then=["-aiRXAH home/docs dst/"]),
    Row("F5-delete", [*PLACES, "dst/home/docs/z"], ABSOLUTE, then=["-aiR --delete home/docs dst/"]),
    Row("F5-user", "data/home/docs/f", "! ln -s $PWD/data/home home", then=["-aiR home/docs dst/"], user=True),
]

# ---- links on the way to a name of a list

NAMES = [
    "abs/o",
    "abs/",
    "abs",
    "abs/deep/er",
    "abs/deep/./er",
    "abs/./deep/er/e",
    "out/o",
    "up/docs",
    "rel/sub/h",
    "back/sub",
    "p/q/deep",
    "p/./q/deep/er",
    "theirs/o",
    "theirs/",
    "theirs",
    "theirs/deep/er/e",
    "ours/sub",
    "in/leaf",
    "dead/x",
    "dead/",
    "dead",
]
LIST_ROWS = [
    Row(
        f"F5-list-{name.replace('/', '_')}-{way}",
        PLACES,
        f"{ABSOLUTE}; echo {name} > list",
        then=[f"{options} --files-from=list {'h:{w}/' if 'pull' in way else ''}data/ dst/"],
        via="shell" if "pull" in way else "local",
    )
    for name in NAMES
    for way, options in {
        "plain": "-ai",
        "r": "-air",
        "dirs": "-ai -d",
        "flat": "-ai --no-R",
        "flat-r": "-air --no-R",
        "unimplied": "-air --no-implied-dirs",
        "L": "-airL",
        "insecure": "-air --insecure-links",
        "pull": "-air",
    }.items()
] + [
    Row(
        f"F5-list-many-{way}",
        PLACES,
        f"{ABSOLUTE}; printf '%s\\n' abs/o out/o out/deep/er/e out/deep in/sub/h up/docs/f > list",
        then=[f"{options} --files-from=list data/ dst/"],
    )
    for way, options in {"plain": "-ai", "r": "-air", "one": "-air --no-i-r", "c": "-airc", "X": "-airXAH"}.items()
]

# ---- a module is a border

MODULE = "path = {w}/mod\nread only = no"
DAEMON_ROWS = [
    Row(
        f"F5-module-{name}-{way}",
        "mod/a mod/rel->in mod/in/f secret/k mod/out->../secret mod/p/q->../../secret",
        "! ln -s $PWD/secret mod/abs; echo out/k > list; echo abs/ >> list; echo rel/f >> list",
        then=[command],
        via="daemon",
        conf=MODULE,
        # Where the server stands is not the client's business, so the texts differ by the way to it.
        stderr=False,
    )
    for name in ("abs/k", "out/k", "p/q/k", "rel/f", "out/")
    for way, command in {
        "R": f"-aiR {{url}}/m/{name} dst/",
        "point": f"-aiR {{url}}/m/./{name} dst/",
        "list": "-air --files-from=list {url}/m/ dst/",
    }.items()
    if way != "list" or name == "abs/k"
] + [
    Row(
        f"F9-module-{kind}-{place}",
        "src/d/f src/a mod/prev/a secret/f mod/prev/d->../../secret mod/other/f mod/in/a mod/in/d->../other",
        "! cp -a src/d/f secret/f; cp -a src/d/f mod/other/f; cp -a src/a mod/prev/a",
        then=[f"-ai --{kind}-dest=/{place} src/ {{url}}/m/dst/"],
        via="daemon",
        conf=MODULE,
    )
    for kind in ("link", "copy", "compare")
    for place in ("prev", "in")
]

# ---- alternate directories

SNAPSHOTS = [
    "src/d/f src/d/e/g src/p/h src/l/sym->T src/l/fifo| prev/p/h prev/real/f prev/real/e/g",
    "ext/f ext/e/g keep/l/sym->T keep/l/fifo|",
]
ALT_LINKS = {
    "abs": "ln -s $PWD/ext prev/d; ln -s $PWD/keep/l prev/l",
    "outward": "ln -s ../ext prev/d; ln -s ../keep/l prev/l",
    "climbing": "ln -s ../prev/real/../../ext prev/d; ln -s ../prev/../keep/l prev/l",
    "inside": "ln -s real prev/d",
    "theirs": "ln -s $PWD/ext prev/d; chown -h 1:1 prev/d; ln -s real prev/l; chown -h 1:1 prev/l",
    "theirs-inside": "ln -s real prev/d; chown -h 1:1 prev/d",
    "dead": "ln -s /nowhere/at/all prev/d",
    "loop": "ln -s d prev/d",
    "chain": "ln -s $PWD/two prev/d; ln -s ext two",
}
ALT_ROWS = [
    Row(
        f"F9-{kind}-{name}-{way}",
        [*SNAPSHOTS, *more],
        f"! {script}",
        then=[f"{options.format(kind=kind)} {source}src/ {target}dst/"],
        via="shell" if source + target else "local",
        inode=True,
        sorted=True,
    )
    for kind in ("link", "copy", "compare")
    for name, script in ALT_LINKS.items()
    for way, options, source, target, more in [
        ("absolute", "-ai --{kind}-dest={{w}}/prev", "", "", []),
        ("relative", "-ai --{kind}-dest=../prev", "", "", []),
        ("dry", "-ain --{kind}-dest={{w}}/prev", "", "", []),
        ("H", "-aiHXA --{kind}-dest=../prev", "", "", []),
        ("second", "-ai --{kind}-dest=../empty --{kind}-dest=../prev", "", "", ["empty/"]),
        ("insecure", "-ai --insecure-links --{kind}-dest=../prev", "", "", []),
        ("K-inside", "-aiK --{kind}-dest=../prev", "", "", ["dst/in/ dst/d->in"]),
        ("basis", "-ai --no-W --{kind}-dest=../prev", "", "", ["dst/d/f=old;t=-9"]),
        ("push", "-ai --{kind}-dest=../prev", "", "h:{w}/", []),
        ("pull", "-ai --{kind}-dest=../prev", "h:{w}/", "", []),
        ("fuzzy", "-aiyy --{kind}-dest=../prev", "", "", []),
    ]
    if kind == "link" or way in ("relative", "dry", "basis", "push")
    # (With --link-dest rsync forgets that it was refused, or ends with a block match that has no basis file.)
    if not (way == "fuzzy" and name.startswith("theirs"))
]

# ---- a link in a backup directory gives way

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

# ---- directories beside the list

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

# ---- a dry run whose directories were only announced

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

# ---- comments in lists that end their names with NUL

COMMENT_ROWS = [
    Row(
        f"B17-{name}",
        ["s/a s/b"],
        "! touch -d @1700000000 's/#c' 's/;s' s; printf '\\0;s\\0#c\\0a\\0./#c\\0' > l0; printf ';s\\n#c\\na\\n./;s\\n' > l",
        then=[command],
        via="shell" if "h:" in command or ":{w}" in command else "local",
    )
    for name, command in {
        "nul": "-ai -0 --files-from=l0 s/ d/",
        "lines": "-ai --files-from=l s/ d/",
        "push-nul": "-ai -0 --files-from=l0 s/ h:{w}/d/",
        "push-nul-theirs": "-ai -0 --files-from=h:{w}/l0 s/ h:{w}/d/",
        "push-lines-theirs": "-ai --files-from=h:{w}/l s/ h:{w}/d/",
        "pull-nul": "-ai -0 --files-from=l0 h:{w}/s/ d/",
        "pull-lines": "-ai --files-from=l h:{w}/s/ d/",
        "pull-nul-theirs": "-ai -0 --files-from=:{w}/l0 h:{w}/s/ d/",
        "pull-lines-theirs": "-ai --files-from=:{w}/l h:{w}/s/ d/",
    }.items()
] + [
    Row(
        "B17-stdin",
        ["s/a", "s/b"],
        "! touch -d @1700000000 's/#c' s",
        then=["-ai -0 --files-from=- s/ d/"],
        stdin=b"#c\0a\0;\0",
    )
]

# ---- how hard links are itemized

SEVERAL = "src/a=1 src/b=>src/a src/z=>src/a src/l1->x src/l2=>src/l1 src/p1| src/p2=>src/p1 src/c1#c1.7 src/c2=>src/c1"


def apart(place: str, odd: str = "") -> str:
    """The same names below another directory, without the links among them; `odd` is what the second ones have."""
    first, second = f"{place}/a=1 {place}/l1->x {place}/p1| {place}/c1#c1.7", f"{place}/z=1"
    second += f" {place}/b=1{odd} {place}/l2->x{odd} {place}/p2|{odd} {place}/c2#c1.7{odd}"
    return f"{place}/ {first} {second}"


STATES = {
    "new": "",
    "apart": apart("dst"),
    "older": apart("dst", ";t=-9"),
    "linked": SEVERAL.replace("src/", "dst/"),
    "first": "dst/ dst/a=1 dst/l1->x dst/p1| dst/c1#c1.7",
    "last": "dst/ dst/z=1 dst/l2->x dst/p2| dst/c2#c1.7",
    "other": "dst/ dst/a=1 dst/b=22 dst/l2->y dst/c2#c1.8",
    "kinds": "dst/ dst/b/ dst/l2=f dst/p2->q dst/c2=f",
}
LINK_OPTIONS = {
    "plain": "-irlpHD",
    "all": "-iirlpHD",
    "t": "-irltpHD",
    "J": "-irltpHDJ",
    "c": "-irlpHDc",
    "size": "-irlpHD --size-only",
    "I": "-irlpHDI",
    "u": "-irlpHDu",
    "dry": "-irlpHDn",
    "dry-t": "-irltpHDn",
    "names": "-rltpHDvv",
}
TOLD_ROWS = [
    Row(f"B20-{state}-{name}", [SEVERAL, tree], f"{options} src/ dst/")
    for state, tree in STATES.items()
    for name, options in LINK_OPTIONS.items()
]
TOLD_ALTERNATES = [
    Row(
        f"B20-{kind}-{place}-{state}-{name}",
        [SEVERAL, tree, STATES[state]],
        f"{options} --{kind}-dest={{w}}/alt src/ dst/",
    )
    for kind in ("link", "copy")
    for place, tree in {
        "same": SEVERAL.replace("src/", "alt/"),
        "apart": apart("alt"),
        "first": STATES["first"].replace("dst/", "alt/"),
        "last": STATES["last"].replace("dst/", "alt/"),
        "mode": "alt/ alt/a=1;m=0600 alt/b=>alt/a alt/z=>alt/a alt/p1|;m=0600 alt/p2=>alt/p1 alt/l1->x alt/l2=>alt/l1",
    }.items()
    for state in ("new", "older")
    for name, options in {
        "plain": "-irlpHD",
        "a": "-aiH",
        "all": "-aiiH",
        "dry": "-aiHn",
        "dry-all": "-aiiHn",
        "names": "-aHvv",
    }.items()
    # (rsync names those twice.)
    if (kind, place, state, name) != ("copy", "last", "new", "names")
]
#: /dev/shm is another file system.
TOLD_ELSEWHERE = [
    Row(
        f"M1-{kind}-{state}-{name}",
        [SEVERAL, SEVERAL.replace("src/", "alt/"), STATES[state]],
        "! rm -rf /dev/shm/tain-alt.$PPID; cp -a alt /dev/shm/tain-alt.$PPID; ln -s /dev/shm/tain-alt.$PPID elsewhere",
        then=[f"{options} --{kind}-dest=../elsewhere src/ dst/", "! rm -r $(readlink elsewhere); rm elsewhere"],
        norm=[(r"\.\./elsewhere/", "ALT/"), (r"/dev/shm/tain-alt\.\d+/", "ALT/")],
    )
    for kind in ("link", "copy")
    for state in ("new", "apart", "older")
    for name, options in {"plain": "-irlpHD", "a": "-aiH", "all": "-aiiH", "dry": "-aiHn", "names": "-aHv"}.items()
]

# ---- an ordinary user's directories that can't be read

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

# ---- links that --copy-unsafe-links can't follow

UNSAFE_ROWS = [
    Row(
        f"C3-{name}",
        "src/abs->/nowhere/at/all src/ok->../out/o src/d/gone->../../out/none src/in->f src/f src/loop->loop out/o",
        command,
        via="shell" if "h:" in command else "local",
    )
    for name, command in {
        "v": "-av --copy-unsafe-links src/ dst/",
        "argument": "-av --copy-unsafe-links src/abs src/ok dst/",
        "R": "-avR --copy-unsafe-links src/abs src/d/gone dst/",
        "push": "-av --copy-unsafe-links src/ h:{w}/dst/",
        "pull": "-av --copy-unsafe-links h:{w}/src/ dst/",
        "silent": "-av --info=symsafe0 --copy-unsafe-links src/ dst/",
        "dry": "-avn --copy-unsafe-links src/ dst/",
    }.items()
]

# ---- --append goes on with what is at the name, and with nothing else

APPEND_ROWS = [
    # (rsync makes no foo.log at all over a link: see "What differs".)
    Row("B2-shorter", "src/foo.log*9000 dst/foo.log.1*4000", "-a --append --fuzzy src/ dst/"),
    Row("B2-local", "src/foo.log*9000 dst/foo.log.1*12000", "-a --append --fuzzy --delete-after src/ dst/"),
]

ROWS = [
    *ARGUMENT_ROWS,
    *SNAPSHOT,
    *LIST_ROWS,
    *DAEMON_ROWS,
    *ALT_ROWS,
    *BACKUP_ROWS,
    *MADE_ROWS,
    *MKPATH_ROWS,
    *COMMENT_ROWS,
    *TOLD_ROWS,
    *TOLD_ALTERNATES,
    *TOLD_ELSEWHERE,
    *CLOSED_ROWS,
    *UNSAFE_ROWS,
    *APPEND_ROWS,
]
