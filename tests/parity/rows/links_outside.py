"""Links that lead out of a tree: in arguments, in lists of names, in modules (spec: options 5.3, filters 8, transfer 16)."""

from __future__ import annotations

from tests.parity.harness import Row

#: The absolute links: the entries of a tree don't know the path of the tree.
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

PLACES = [
    "data/home/docs/f data/home/docs/d/g data/in/sub/h out/o out/deep/er/e",
    "data/rel->in data/up->../data/home data/out->../out data/in/leaf->../../out/o data/dead->/nowhere/at/all",
    "data/theirs->../out;o=1.1 data/ours->in;o=1.1 data/p/q->../../out",
]

# Links on the way to an argument.
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

# Links on the way to a name of a list.
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

MODULE = "path = {w}/mod\nread only = no"

# A module is a border.
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

ROWS: list[Row] = [*ARGUMENT_ROWS, *SNAPSHOT, *LIST_ROWS, *DAEMON_ROWS]
