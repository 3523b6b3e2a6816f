"""spec: transfer 2 to 13: what is decided for each entry, statement by statement; each third also over a link"""

from __future__ import annotations

from itertools import cycle

from tests.parity.harness import Row
from tests.parity.rows.transfer import KINDS, LINK_TREE, row
from tests.parity.tree import Dir, File, Tree

_turn = cycle(["push", "none", "pull", "none", "up", "none", "down", "none"])


def ways(ident: str, options: str, tree: Tree, **more: object) -> list[Row]:
    """The same copy locally and, by turns, also as a push or pull over a shell or with a daemon."""
    parts = list(tree) if not isinstance(tree, str) else [tree]
    rows = [Row(ident, parts, f"{options} src/ dst/", **more)]  # type: ignore[arg-type]
    turn = next(_turn)
    if more.get("user") and turn in ("up", "down"):
        turn = "push"
    # Deletions reach a pushing client by another way than the item lines, so their order is a race.
    push = {"sorted": "--del" in options} | more
    conf = "path = {w}\nread only = no\nmunge symlinks = no"
    if turn == "push":
        rows.append(Row(f"{ident}-push", parts, f"{options} src/ h:{{w}}/dst/", via="shell", **push))  # type: ignore[arg-type]
    elif turn == "pull":
        rows.append(Row(f"{ident}-pull", parts, f"{options} h:{{w}}/src/ dst/", via="shell", **more))  # type: ignore[arg-type]
    elif turn == "up":
        rows.append(Row(f"{ident}-up", parts, f"{options} src/ {{url}}/m/dst/", via="daemon", conf=conf, **push))  # type: ignore[arg-type]
    elif turn == "down":
        rows.append(Row(f"{ident}-down", parts, f"{options} {{url}}/m/src/ dst/", via="daemon", conf=conf, **more))  # type: ignore[arg-type]
    return rows


SUFFIX = [(r"\.[A-Za-z0-9]{6}\"( \(in m\))? failed", r'.XXXXXX"\1 failed')]
# (rsync 3.5.0 hangs with --compare-dest and -H when only some of a group are in the alternate directory, and when a
# directory that can't be removed stands in the way of a group: there are no rows for those.)

# The name that mkstemp could not make tells how temporary names are formed.
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

OWNERS = "src/ src/a;o=5.6;m=4755 src/b;o=5.6;m=2750 src/l->a;o=7.8 src/d/;o=5.6;m=2775 src/p|;o=3.4"
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

EXIST = [
    *ways("TRF-7-existing-kinds", "-ai --existing", [KINDS, "dst/ dst/p| dst/l->z dst/d/"]),
    *ways("TRF-7-ignore-kinds", "-ai --ignore-existing", [KINDS, "dst/ dst/p=x dst/l->z dst/d/b=q dst/empty=f"]),
    *ways("TRF-7-existing-type", "-ai --existing", "src/ src/a src/b/x src/c->y dst/ dst/a/ dst/b=f dst/c=f"),
    *ways("TRF-7-existing-delete", "-ai --existing --delete", "src/ src/a src/d/x dst/ dst/b dst/e/f"),
    *ways("TRF-7-ignore-delete", "-ai --ignore-existing --delete", "src/ src/a=x src/d/x dst/ dst/a=o dst/e/f"),
    *ways("TRF-7-ignore-hard", "-aiH --ignore-existing", "src/ src/a=n src/b=>src/a src/c=>src/a dst/ dst/b=o"),
    *ways("TRF-7-existing-hard", "-aiH --existing", "src/ src/a=n src/b=>src/a src/c=>src/a dst/ dst/b=o"),
    # Who sends has absolute names as such, who receives has them below the destination.
    *(
        Row(f"OPT-R-absolute-{number}", "src/d/a src/d/b/c dst/", f"{options} {{w}}/src/d dst/")
        for number, options in enumerate(["-aRii", "-aRvv", "-aR --out-format=%n|%f|%i"])
    ),
    Row("OPT-R-absolute-push", "src/d/a src/d/b/c dst/", "-aR --out-format=%n|%f {w}/src/d h:{w}/dst/", via="shell"),
    Row("OPT-R-absolute-pull", "src/d/a src/d/b/c dst/", "-aR --out-format=%n|%f h:{w}/src/d dst/", via="shell"),
    Row("OPT-R-root", "dst/", "-aR --exclude=/* --out-format=%n|%f|%i / dst/"),
    Row("OPT-R-root-push", "dst/", "-aR --exclude=/* --out-format=%n|%f|%i / h:{w}/dst/", via="shell"),
    Row("OPT-R-root-pull", "dst/", "-aR --exclude=/* --out-format=%n|%f|%i h:/ dst/", via="shell"),
    Row("OPT-root-f", "dst/", "-a --exclude=/* --out-format=%n|%f|%i / dst/"),
    # An empty directory has no list of its own in which what is below it could be marked as left out.
    *ways("TRF-7-existing-empty", "-aii --existing", "src/ src/empty/ src/sub/deep/x src/sub/c dst/sub/"),
    *ways("TRF-7-empty-in-the-way", "-aii", "src/ src/empty/ src/sub/deep/x src/sub/c dst/empty dst/sub/", user=True),
    *ways("TRF-7-ignore-empty", "-aii --ignore-existing", "src/ src/empty/ src/sub/deep/x dst/empty=f dst/sub/deep/"),
    *ways("TRF-7-existing-dry", "-ain --existing", "src/ src/a=n src/d/x src/e/y dst/e/"),
    *ways("TRF-31-min", "-ai --delete --min-size=5", "src/ src/a*10 src/b*3 dst/b*2 dst/c"),
    *ways("TRF-31-update", "-aiu --delete", "src/ src/a=x src/b dst/a=y;t=4 dst/c"),
    *ways("TRF-31-max-prune", "-aim --max-size=5", "src/ src/d/a*10 src/e/"),
    *ways("TRF-31-max-hard", "-aiH --max-size=5", "src/ src/a*10 src/b=>src/a src/c*3 src/d=>src/c dst/"),
    *ways("TRF-31-max-backup", "-aib --delete --max-size=5", "src/ src/a*10 src/b*3 dst/a*3 dst/b*2 dst/c"),
    *ways(
        "TRF-32-dirs", "-ai --existing --ignore-existing --delete", "src/ src/d/a=new src/n/q dst/d/a=o dst/d/x dst/y/z"
    ),
    *ways(
        "TRF-32-n", "-ain --existing --ignore-existing --delete", "src/ src/d/a=new src/n/q dst/d/a=o dst/d/x dst/y/z"
    ),
]

UNSAFE = "src/in->d/b src/up->../x src/abs->/etc/hostname src/d/b src/d/ok->../in src/deep->d/../../q src/dir->d src/odir->../o src/dead->none o/x x"
SYMLINKS = [
    *(
        item
        for number, options in enumerate(
            [
                "-L",
                "-k",
                "-lk",
                "-l --copy-unsafe-links",
                "--copy-unsafe-links",
                "-l --safe-links",
                "--safe-links",
                "-l",
                "",
                "-Lk",
                "-k --copy-unsafe-links",
                "-lk --copy-unsafe-links",
                "-k --safe-links",
                "-L --copy-unsafe-links",
                "-lLk --safe-links --copy-unsafe-links",
                "--copy-unsafe-links --safe-links",
                "-K",
                "-kK",
            ]
        )
        for item in ways(f"TRF-33-{number}", f"-rti {options}", LINK_TREE, sorted=True)
    ),
    *(
        item
        for number, options in enumerate(["-L", "-lk", "-l --copy-unsafe-links", "-l --safe-links", "-l", ""])
        for item in ways(
            f"TRF-33-again-{number}",
            f"-rtii {options}",
            [UNSAFE, "dst/ dst/in->d/b dst/up->../x dst/dir->d dst/odir->../o dst/dead=file dst/deep/"],
            sorted=True,
        )
    ),
    *ways("TRF-33-v", "-rtlv --safe-links", UNSAFE, sorted=True),
    *ways("TRF-33-symsafe", "-rtl --copy-unsafe-links --info=symsafe", UNSAFE, sorted=True),
    *ways("TRF-33-symsafe-safe", "-rtl --safe-links --info=symsafe", UNSAFE),
    *ways("TRF-33-delete", "-rtli --safe-links --delete", [UNSAFE, "dst/ dst/up->../x dst/odir=f dst/gone"]),
    *ways("TRF-33-n", "-rtlin --copy-unsafe-links", UNSAFE, sorted=True),
    row("TRF-33-arg", "-ti --copy-unsafe-links src/up src/in src/dead dst/", UNSAFE),
    row("TRF-33-arg-L", "-Lti src/up src/in src/dead src/odir dst/", UNSAFE),
    row("TRF-33-arg-k", "-rkti src/up src/dir src/dead src/odir dst/", UNSAFE),
    row("TRF-33-arg-l", "-lti --safe-links src/up src/in src/dead dst/", UNSAFE),
    *ways("TRF-26-K-deep", "-aiK", "src/d/e/f dst/x/ dst/d->x dst/x/e->../y dst/y/"),
    *ways("TRF-26-K-file", "-aiK", "src/d/a dst/f dst/d->f"),
    *ways("TRF-26-K-dead", "-aiK", "src/d/a dst/ dst/d->nowhere"),
    *ways("TRF-26-K-insecure", "-aiK --insecure-links", "src/d/a dst/ real/ dst/d->../real"),
    *ways("TRF-26-K-delete-outside", "-aiK --delete", "src/d/a dst/ real/keep dst/d->../real"),
    *ways("TRF-26-K-n", "-ainK", "src/d/a dst/ real/ dst/d->../real"),
    *ways("TRF-26-no-K-delete", "-ai --delete", "src/d/a dst/real/x dst/d->real"),
    *ways("TRF-26-backup", "-aib", "src/d/a dst/real/x dst/d->real"),
    *ways("TRF-23-deep", "-ai", "src/d/e/a out/e/ dst/d/ dst/d/e->../../out/e"),
    *ways("TRF-23-delete", "-ai --delete", "src/d/a out/keep dst/ dst/d->../out dst/e->../out"),
    *ways("TRF-23-R", "-aiR", "src/a dst/ out/ dst/src->../out"),
    row("TRF-23-R-name", "-aiR src/d/a dst/", "src/d/a out/ dst/src/ dst/src/d->../../out"),
    row("TRF-23-R-noimplied", "-aiR --no-implied-dirs src/d/a dst/", "src/d/a out/ dst/src/ dst/src/d->../../out"),
    row("TRF-23-R-noimplied-in", "-aiR --no-implied-dirs src/d/a dst/", "src/d/a dst/src/x/ dst/src/d->x"),
    row("TRF-23-relative-partial", "-ai --partial-dir=.p src/ dst/", "src/ src/a=new out/ dst/a=o dst/.p->../out"),
    row("TRF-23-backup-in", "-ai --backup-dir=bk src/ dst/", "src/ src/a=new out/ dst/a=o dst/bk->../out"),
    row("TRF-23-munge", "-ai --munge-links src/ dst/", UNSAFE, then=["-ai --munge-links dst/ back/"]),
]

ROWS: list[Row] = [*TEMP, *ATTRS, *EXIST, *SYMLINKS]
