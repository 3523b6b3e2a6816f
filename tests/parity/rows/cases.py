"""What random cases have shown (tests/property), each made small and named by the statement that it is about."""

from __future__ import annotations

from tests.parity.harness import Row

LISTED = "src/ src/a/b/c/f src/a/g src/a/b/h src/a/d/ src/x/y/z src/x/w src/g"


def listed(ident: str, names: bytes, options: str = "") -> Row:
    """`--files-from`, with all that is counted; the names stand on stdin."""
    return Row(
        ident,
        f"{LISTED} dst/",
        f"-lt --files-from=- {options} --stats src/ dst/",
        stdin=names,
        norm=[("speedup.*", "")],
    )


ROWS = [
    # A parent that was listed for an argument before the last one is listed again, counted, and dropped.
    listed("FLT-21-parents-again", b"a/b/c/f\nx/y/z\na/g\n"),
    listed("FLT-21-parents-kept", b"a/b/c/f\na/b/h\na/g\n"),
    listed("FLT-21-parents-deeper", b"a/d\na/b/c\n"),
    listed("FLT-21-parents-of-skipped", b"a/b/c/f\nx/w\na/g\n", "--exclude=w"),
    listed("FLT-21-parents-recursive", b"a/b/c/f\nx/y/z\na/g\n", "-r"),
    listed("FLT-21-parents-whole-list", b"a/b\na/b/c/f\na\n", "-r --no-inc-recursive"),
    listed("FLT-21-dot-once", b"./g\n./x/w\n.\n"),
    listed("FLT-21-line-with-nul", b"g\0x/w\na/g\0\n\0x/y\n"),
    Row("FLT-21-duplicates-told", f"{LISTED} dst/", "-ltvv --files-from=- src/ dst/", stdin=b"a/d\na/b/c\na/g\na/g\n"),
    Row("FLT-21-no-relative", "src/ src/d/d/ dst/", "-r --no-R --files-from=- src/ dst/", stdin=b"/d/x\nd//d/x\nx\n"),
    Row(
        "OUT-12-change-dir-twice",
        "mod/src/e/ dst/",
        "{url}/m/src/e {url}/m/src/x/d/ dst/",
        via="daemon",
    ),
    Row("OUT-12-absolute-name", "src/ src/a dst/", "-rR --debug=filter --include=a {w}/src dst/"),
    # Without --perms a node, and what a generator copies, takes the mode of what it replaces.
    Row("TRF-5-node-for-link", "src/ src/p|;m=0640 src/c#c1.3;m=0640 dst/ dst/p->x dst/c->x", "-rlD src/ dst/"),
    Row("TRF-5-node-for-file", "src/ src/p|;m=0640 dst/ dst/p;m=0604", "-rlD src/ dst/"),
    Row("TRF-5-node-for-dir", "src/ src/p|;m=0640 dst/ dst/p/;m=0711", "-rlD src/ dst/"),
    Row("TRF-5-copy-dest-for-link", "src/ src/f alt/ alt/f dst/ dst/f->x", "-rlt --copy-dest=../alt src/ dst/"),
    Row("TRF-5-copy-dest-for-pipe", "src/ src/f alt/ alt/f dst/ dst/f|;m=0600", "-rlt --copy-dest=../alt src/ dst/"),
    Row("TRF-11-node-set-id", "src/ src/n#c1.3 dst/ dst/n#c1.3;m=02755;o=5.6", "-ai src/ dst/"),
    Row("TRF-10-copy-dest-inplace", "src/ src/f src/e= alt/ alt/f alt/e= tmp/ dst/", "-a --inplace -T {w}/tmp --copy-dest=../alt src/ dst/"),
    Row("TRF-10-copy-dest-append", "src/ src/f*100 alt/ alt/f*100;t=5 dst/", "-ai --append --copy-dest=../alt src/ dst/"),
    Row("TRF-22-alternate", "src/ src/d/f src/d/g alt/ alt/d->x;o=1.1 dst/", "-rti --compare-dest=../alt src/ dst/"),
    Row("TRF-22-alternate-inside", "src/ src/d/f alt/ alt/x/f alt/d->x;o=1.1 dst/", "-rti --link-dest=../alt src/ dst/"),
    Row("TRF-22-rules", "src/ src/d/l->x;o=1.1 dst/ dst/d/l->x;o=1.1", "-a --delete-before -F src/ dst/"),
    Row("TRF-22-rules-after", "src/ src/d/l->x;o=1.1 dst/", "-a --delete-after -F src/ dst/"),
    Row("TRF-28-delete-after-new", "src/ src/a other", "-avn --delete-after src/ dst/"),
    Row("TRF-28-delete-before-new", "src/ src/a other", "-avn --delete-before src/ dst/"),
    Row("TRF-25-known-later", "src/ src/b/x src/d/l->no dst/ dst/z dst/b/z", "-Lrtv --del --existing src/ dst/", sorted=True),
    Row("TRF-25-dry-new", "src/ src/d/l->no", "-Lrtvn --delete-after src/ dst/", sorted=True),
    Row("TRF-20-backup-in-dest", "src/;t=5 src/d/f=new dst/;t=5 dst/d/f=old", "-a -b --backup-dir=bak src/ dst/"),
    Row("TRF-20-backup-by-generator", "src/;t=5 src/d/f->x dst/;t=5 dst/d/f=old", "-a -b --backup-dir=bak src/ dst/"),
    Row("TRF-3-old-protocol", "src/ src/d/;n=5 src/f;n=7 dst/", "-a --protocol=30 src/ dst/"),
    Row("TRF-24-delayed", "src/ src/core=text src/a=>src/core dst/", "-aH --delay-updates h:{w}/src/ dst/", via="shell"),
    Row("TRF-24-delayed-old", "src/ src/core=text src/a=>src/core dst/ dst/core=older", "-aH --delay-updates h:{w}/src/ dst/", via="shell"),
    Row("OUT-16-created-unreadable", "src/ src/d/x;m=0 dst/", "-a --stats src/ h:{w}/dst/", via="shell", user=True),
    # The name that is nearest: what is left out before anything is kept costs its number only.
    *(
        Row(f"OPT-37-fuzzy-{name}", f"src/ src/{name}*3000 dst/ dst/b*2000 dst/z*1900", "-ry --debug=fuzzy src/ dst/")
        for name in ["n", "nl", "nml", "lnn", "xxn"]
    ),
]  # fmt: skip
