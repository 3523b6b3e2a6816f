"""--write-batch, --only-write-batch, --read-batch (spec: protocol 11, options 6.11)."""

from __future__ import annotations

from typing import Any

from tests.parity.harness import Command, Row
from tests.parity.tree import File, Tree, filler

BATCH_BIG = filler(b"batch", 60_000)

BATCH_EDITED = BATCH_BIG[:20_000] + b"words" + BATCH_BIG[20_000:]

#: The work of a run: new, changed, removed and equal files of several kinds. A file of its own per directory where
#: the order of a list shows.
WORK: Tree = [
    "src/a=new src/same src/l->a src/d/b src/empty/ src/k;m=0600 dst/ dst/a=older;t=-5 dst/same dst/gone dst/k;m=0644",
    File("src/big", content=BATCH_EDITED),
    File("dst/big", content=BATCH_BIG, time=-9),
]

KEEP: Tree = [
    *WORK,
    "other/ other/a=older;t=-5 other/same other/gone other/k;m=0644",
    File("other/big", content=BATCH_BIG, time=-9),
]

#: Copies to a second tree that was equal to the first one.
TWIN = "!cp -a dst first; rm -rf dst; mv other dst"


def batch(ident: str, cmd: Command, tree: Tree = WORK, **more: Any) -> Row:
    return Row(ident, tree, cmd, **more)


def read(ident: str, options: str, *, before: str = "-a", change: str = ":", **more: Any) -> Row:
    """A batch of the work, replayed after *change*."""
    step = f"!{change}"
    return batch(
        ident, f"{before} --only-write-batch=b src/ dst/", then=[step, f"{options} --read-batch=b dst/", "!rm -f b"],
        **more,
    )  # fmt: skip


def replayed(ident: str, options: str, **more: Any) -> list[Row]:
    """Written and read again by the same program: locally, as a push and as a pull. The streams differ in counts and
    orders that are free, so they are taken away before the trees are compared; tests/interop swaps the programs."""
    read = f"{options} --read-batch=b dst/"
    then = [TWIN, read, "!rm -f b"]
    # Below protocol 29 each of two processes prints its own items.
    old = any(word in options for word in ("=27", "=28"))
    push = {"sorted": "--delete" in options or old} | more
    more = {"sorted": old} | more
    return [
        Row(ident, KEEP, f"{options} --write-batch=b src/ dst/", then=then, **more),
        Row(f"{ident}-push", KEEP, f"{options} --write-batch=b src/ h:{{w}}/dst/", via="shell",
            then=[TWIN, read, "!rm -f b b.sh"], **push),
        Row(f"{ident}-pull", KEEP, f"{options} --write-batch=b h:{{w}}/src/ dst/", via="shell",
            then=[TWIN, read, "!rm -f b b.sh"], **more),
    ]  # fmt: skip


WRITTEN = [
    *replayed("OPT-batch", "-aiv"),
    *replayed("OPT-batch-delete", "-ai --delete"),
    *replayed("OPT-batch-stats", "-a --stats"),
    *replayed("OPT-batch-z", "-aiz"),
    *replayed("OPT-batch-c", "-aic"),
    *replayed("OPT-batch-W", "-aiW"),
    *replayed("OPT-batch-no-inc", "-ai --no-inc-recursive"),
    *replayed("OPT-batch-inplace", "-ai --inplace"),
    *replayed("OPT-batch-HAX", "-aiHAX"),
    *(
        entry
        for protocol in (27, 28, 29, 30, 31)
        for entry in replayed(f"PRO-79-{protocol}", f"-ai --protocol={protocol}")
    ),
]


def only(ident: str, options: str) -> list[Row]:
    """Nothing changes but the batch, which then does it all."""
    read = f"{options} --read-batch=b dst/"
    return [
        batch(ident, f"{options} --only-write-batch=b src/ dst/", then=["!cp -a dst before", read, "!rm -f b"]),
        batch(f"{ident}-push", f"{options} --only-write-batch=b src/ h:{{w}}/dst/", sorted="--delete" in options,
            then=["!cp -a dst before; rm b.sh", read, "!rm -f b"], via="shell"),
        batch(f"{ident}-pull", f"{options} --only-write-batch=b h:{{w}}/src/ dst/",
            then=["!cp -a dst before; rm b.sh", read, "!rm -f b"], via="shell"),
    ]  # fmt: skip


ONLY = [
    *only("OPT-only-batch", "-aiv"),
    *only("OPT-only-batch-delete", "-ai --delete"),
    *only("OPT-only-batch-stats", "-a --stats"),
    *only("OPT-only-batch-XA", "-aiXAH"),
    batch("OPT-only-batch-new", "-aiv --only-write-batch=b src/ new/", then=["-ai --read-batch=b new/", "!rm -f b"]),
    batch(
        "OPT-only-batch-backup", "-aib --only-write-batch=b src/ dst/", then=["-aib --read-batch=b dst/", "!rm -f b"]
    ),
    batch("OPT-only-batch-n", "-ain --only-write-batch=b src/ dst/"),
    batch("OPT-batch-n", "-ain --write-batch=b src/ dst/"),
]

BATCH_ONE: Tree = "src/a dst/ f"

READ = [
    read("PRO-79-twice", "-ai", change="cp -a src/. dst/"),
    read("PRO-79-twice-stats", "-a --stats", change="cp -a src/. dst/"),
    read("PRO-79-I", "-aiI", change="cp -a src/k dst/"),
    read("PRO-79-newer", "-aiu", change="touch -d @2000000000 dst/big"),
    read("PRO-79-n", "-aivn"),
    read("PRO-79-existing", "-ai --existing"),
    read("PRO-79-delete-here", "-ai --delete"),
    read("PRO-79-delete-after", "-ai --delete-after"),
    read("PRO-79-backup", "-aib"),
    read("PRO-79-backup-dir", "-ai --backup-dir=old"),
    read("PRO-79-delay", "-ai --delay-updates"),
    read("PRO-79-missing", "-ai", change="rm dst/same"),
    read("PRO-79-missing-no-inc", "-ai", before="-a --no-inc-recursive", change="rm dst/same"),
    read("PRO-79-no-basis", "-aO", before="-aO --no-inc-recursive", change="rm -r dst/big src/d src/empty"),
    read("PRO-79-fewer-options", "-r"),
    read("PRO-79-more-options", "-aHAXc"),
    read("PRO-79-quiet", "-aq", change="cp -a src/a dst/"),
    batch("PRO-79-log", "-a --only-write-batch=b src/ dst/",
        then=["-ai --log-file=log --log-file-format=%i_%n --read-batch=b dst/",
              "!rm -f b; sed -i -e 's/^.*] //' -e '/^sent/d' log; sort -o log log; touch -d @2000000000 log"]),
    batch("PRO-79-log-shown", "-a --only-write-batch=b src/ dst/",
        then=["-a --out-format=%o_%n_%l --read-batch=b dst/", "!rm -f b"]),
    batch("PRO-79-list", "-a --only-write-batch=b src/ dst/", then=["-a --list-only --read-batch=b dst/", "!rm -f b"], sorted=True),
    batch("OPT-batch-iconv", "-a --only-write-batch=b src/ dst/",
        then=["-a --iconv=utf-8 --read-batch=b dst/", "!rm -f b"]),
    batch("OPT-batch-iconv-missing", "-a --iconv=utf-8 --only-write-batch=b src/ dst/",
        then=["-a --read-batch=b dst/", "!rm -f b"]),
    batch("OPT-batch-too-new", "-a --only-write-batch=b src/ dst/",
        then=["-a --protocol=29 --read-batch=b dst/", "!rm -f b"]),
    batch("OPT-batch-inc", "-a --only-write-batch=b src/ dst/",
        then=["-a --delete-before --read-batch=b dst/", "!rm -f b"]),
    batch("OPT-batch-no-file", "-a --read-batch=nosuch dst/", BATCH_ONE),
    batch("OPT-38-dir", "-a --read-batch=src dst/", BATCH_ONE),
    batch("OPT-38-device", "-a --read-batch=/dev/null dst/", BATCH_ONE),
    batch("OPT-batch-empty", "-a --read-batch=f dst/", ["dst/", File("f", content=b"")]),
    batch("OPT-batch-nonsense", "-a --read-batch=f dst/", ["dst/", File("f", content=b"this is no batch at all")]),
    batch("OPT-batch-remote", "-a --read-batch=b h:dst/", BATCH_ONE),
    batch("OPT-batch-extra", "-a --only-write-batch=b src/ dst/", then=["-ai --read-batch=b src/ dst/", "!rm -f b"]),
    batch("OPT-batch-host", "-a --only-write-batch=b src/ dst/", then=["-ai --read-batch=b h:x dst/", "!rm -f b"]),
]  # fmt: skip


def refused(ident: str, cmd: Command, tree: Tree = BATCH_ONE, **more: Any) -> Row:
    return batch(ident, cmd, tree, **more)


CREATED = [
    refused("OPT-batch-nowhere", "-a --write-batch=no/b src/ dst/"),
    refused("OPT-batch-is-dir", "-a --write-batch=dst src/ new/", then=["!rm -f dst.sh"]),
    refused("OPT-batch-no-name", "-a --write-batch= src/ dst/"),
    refused("OPT-batch-long", ["-a", f"--write-batch={'x' * 257}", "src/", "dst/"]),
    refused("OPT-batch-early", "-a --write-batch=b src/ no/dst/x", then=["!rm -f b.sh b"]),
    refused("OPT-batch-newline", ["-a", "-f", "- a\nb", "--write-batch=b", "src/", "dst/"],
            then=["!rm -f b b.sh"], stderr=False, codes=frozenset({1, 12})),
    refused("OPT-batch-zstd", "-a --zc=zstd --write-batch=b src/ dst/", then=["!rm -f b b.sh"]),
    refused("OPT-batch-xxh", "-a --cc=xxh3 --write-batch=b src/ dst/", then=["!rm -f b b.sh"]),
    refused("OPT-batch-zstd-push", "-ai --zc=zstd --write-batch=b src/ h:{w}/dst/", via="shell",
            then=["-ai --zc=zstd --read-batch=b dst2/", "!rm -f b b.sh"]),
    refused("OPT-batch-xxh-pull", "-ai --cc=xxh3 --write-batch=b h:{w}/src/ dst/", via="shell",
            then=["-ai --cc=xxh3 --read-batch=b dst2/", "!rm -f b b.sh"]),
    refused("OPT-only-batch-zstd-push", "-ai --zc=zstd --only-write-batch=b src/ h:{w}/dst/", via="shell",
            then=["!rm -f b b.sh"], norm=[(r"\[(server|Receiver)=", "[SERVER=")]),
    refused("OPT-batch-list", "-a --write-batch=b src/", "src/a", then=["!rm -f b"]),
]  # fmt: skip


def script(ident: str, cmd: str | list[str], tree: Tree = BATCH_ONE, **more: Any) -> Row:
    """The script stays for the comparison, the batch does not."""
    return batch(f"OPT-37-{ident}", cmd, tree, then=["!rm -f b"], **more)


SCRIPTS = [
    script("plain", "-a --write-batch=b src/ dst/"),
    script("last", "-a src/ dst/ --write-batch=b"),
    script("first", "src/ -a dst/ --write-batch=b"),
    script("separate", "-a --write-batch b src/ dst/"),
    script("only", "-a --only-write-batch=b src/ dst/"),
    script("only-separate", "-a --only-write-batch b src/ dst/"),
    script("two-sources", "-a --write-batch=b src/ f dst/"),
    script("same-word", "-a --write-batch=b src/ --suffix src/ src/ dst/", "src/a dst/"),
    script("value-is-source", "-a --temp-dir f --write-batch=b f dst/", "f dst/"),
    script("destination-twice", "-a --write-batch=b dst dst", "dst/x"),
    script("rules", ["-a", "-f", "- x y", "--exclude=*.o", "--include", "q", "-f- z", "-F", "-C", "--write-batch=b",
                     "src/", "dst/"]),
    script("rules-from", "-a --exclude-from=f --include-from f --write-batch=b src/ dst/",
           ["src/a dst/", File("f", content=b"- x\n+ y\nz\n")]),
    script("rules-delete", "-a --delete --delete-excluded --exclude=x --write-batch=b src/ dst/"),
    script("rules-backup", "-ab --delete --exclude=x --write-batch=b src/ dst/"),
    script("rules-partial", "-a --partial-dir=.p --write-batch=b src/ dst/"),
    script("rules-merge", "-a -f :_.f -f ._f --write-batch=b src/ dst/", ["src/a dst/", File("f", content=b"- x\n")]),
    script("value-twice", "-a --write-batch=b f --temp-dir f dst/", "f dst/"),
    script("value-behind", "f -a --write-batch=b dst --temp-dir f", "f dst/"),
    script("rules-cvs", "-a -f :C -f -C --write-batch=b src/ dst/"),
    script("rules-sides", "-a -f H_a -f P_b -f R_c -f S_d -f -p_e -f !_ -f -s_g --write-batch=b src/ dst/"),
    script("rules-old", "-r --protocol=28 --exclude=x --include=y --write-batch=b src/ dst/"),
    script("files-from", "-a --files-from=f --write-batch=b src dst/", ["src/a dst/", File("f", content=b"a\n")]),
    script("files-from-separate", "-a --files-from f --write-batch=b src dst/",
           ["src/a dst/", File("f", content=b"a\n")]),
    script("quotes", ["-a", "--suffix=it's", "--write-batch=b", "src/", "d'st x/"]),
    script("double-dash", "-a --write-batch=b -- src/ dst/"),
    script("shell-push", "-a --write-batch=b src/ h:{w}/dst/", via="shell"),
    script("shell-pull", "-a --write-batch=b h:{w}/src/ dst/", via="shell"),
    script("joined-letters", "-avf- -B700 --write-batch=b src/ dst/", "src/a dst/"),
    script("no-options", "--write-batch=b f dst/", "f dst/"),
    script("quoted-name", ["-a", "--write-batch=b", "--exclude=it's", "src/", "dst/"]),
    script("exclude-empty", ["-a", "--write-batch=b", "--exclude=", "src/", "dst/"]),
]  # fmt: skip

#: The messages about options that the batch overrides.
BATCH = [
    Row(f"OPT-batch-told-{n}", "src/ src/a src/d/b src/l->a dst/", f"{written} --write-batch=b src/ dst/",
        then=["!rm -rf dst; mkdir dst", f"{read} --read-batch=b dst/", "!rm -f b b.sh"], sorted=True)
    for n, (written, read) in enumerate(
        (
            ("-a", "-v"), ("-a", "-rv"), ("-a", "-r"), ("-a", "-av"), ("-a", "-r --info=misc"), ("-a", "-rv --info=misc0"),
            ("-a", "-aHAXcv --inplace"), ("-aHAXc --inplace", "-av"), ("-aHHXX", "-avHX"), ("-aHX", "-avHHXX"),
            ("-a --append", "-av"), ("-a --append", "-av --append-verify"), ("-a --append-verify", "-av --append"),
            ("-rlt", "-av"), ("-d", "-av"), ("-d", "-v"), ("-d", "-dv"), ("-r --no-i-r", "-v"),
            ("-a --protocol=29", "-rvz --append"), ("-az", "-av"), ("-a", "-avn"),
        )
    )
]  # fmt: skip

ROWS: list[Row] = [*WRITTEN, *ONLY, *READ, *CREATED, *SCRIPTS, *BATCH]
