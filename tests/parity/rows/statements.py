"""Statements of the text, and options, that no other row shows (spec: options 2, transfer 2 to 16, output 2 to 13)."""

from __future__ import annotations

from tests.parity.harness import Row
from tests.parity.rows.decisions import ways
from tests.parity.rows.transfer import row
from tests.parity.tree import Dir, File, Link

TREE = "src/ src/a src/d/b src/d/e/c src/l->a src/dl->d"
COPY = "src/ src/a src/d/b src/d/e/c src/l->a src/dl->d dst/ dst/a=o;t=-9 dst/d/b dst/x dst/d/y"
STALL = "!printf '#!/bin/sh\\nexec sleep 5\\n' >stall; chmod +x stall"

#: Options that were in few rows, or in none of this kind.
OPTIONS = [
    *ways("options-2-i-r", "-ai --no-i-r --i-r", COPY),
    *ways("options-2-no-inc", "-aiv --no-inc-recursive --delete", COPY, sorted=True),
    *ways("options-2-implied", "-ai --no-implied-dirs --implied-dirs -R", TREE),
    *ways("options-2-old-dirs", "-ti --old-dirs", TREE),
    *ways("options-2-old-d", "-lti --old-d --delete", COPY),
    *ways("options-2-crtimes", "-aN", TREE),
    *ways("options-2-no-crtimes", "-ai --no-crtimes", TREE),
    *ways("options-2-no-N", "-ai --no-N", TREE),
    *ways("options-2-trust", "-ai --trust-sender", TREE),
    *ways("options-2-skip-compress", "-aiz --skip-compress=txt/g[zx]", TREE),
    *ways("options-2-threads", "-aiz --zc=zstd --compress-threads=2", TREE),
    *ways("options-2-zt", "-aiz --zt=-4", TREE),
    *ways("options-2-seed", "-aic --checksum-seed=7", COPY),
    *ways("options-2-drop-D", "-ai --drop-D", "src/p| src/n#c1.3 src/a dst/p=x"),
    *ways("options-2-no-drop-D", "-ai --drop-D --no-drop-D", "src/p| src/n#c1.3 src/a dst/p=x"),
    *ways("options-2-stop-after", "-ai --stop-after=9", TREE),
    *ways("options-2-time-limit", "-ai --time-limit=9", TREE),
    *ways("options-2-noatime", "-ai --open-noatime", TREE),
    *ways("options-2-UU", "-aiUU", TREE),
    *ways("options-2-no-blocking", "-ai --blocking-io --no-blocking-io", TREE),
    *ways("options-2-8", "-ai -8", ["src/", File(b"src/\xc3\xa4\xff", content=b"x")]),
    *ways("options-2-4", "-ai -4", TREE),
    *ways("options-2-from0", "-ai -0 --exclude-from=L", [TREE, File("L", content=b"a\0d/\0")]),
    *ways("options-2-whole", "-ai --whole-file --stats", COPY),
    *ways("options-2-old-args", "-ai --old-args", TREE),
    *ways("options-2-s", "-ais", TREE),
    *ways("options-2-preallocate", "-ai --preallocate", COPY),
    *ways("options-2-fsync", "-ai --fsync", COPY),
    *ways("options-2-mkpath", "-ai --mkpath", COPY),
    *ways("options-2-super", "-ai --super", COPY),
    *ways("options-2-no-super", "-ai --no-super", "src/a;o=5.6 dst/"),
    *ways("options-2-munge", "-ai --munge-links", "src/l->/rsyncd-munged/a src/k->b src/b"),
    *ways("options-2-confine", "-aib --backup-dir={w}/bk --confine-root={w}", COPY),
    *ways("options-2-confined", "-ai --confine-root={w}/src", COPY),
    *ways("options-2-confined-link", "-ai --link-dest={w}/alt --confine-root={w}/src", [COPY, "alt/d/e/c alt/a"]),
    *ways("options-2-confined-partial", "-ai --partial-dir={w}/pp --confine-root={w}/src", COPY),
    row("options-2-confined-backup", "-aib --backup-dir={w}/bk --confine-root={w}/src src/ dst/", COPY),
    row("options-2-confined-temp", "-ai --temp-dir={w}/tmp --confine-root={w}/src src/ dst/", [COPY, "tmp/"]),
    *ways("options-2-sparse", "-aiS", [Dir("src"), File("src/z", content=b"a" + bytes(100_000) + b"b")], holes=True),
    *ways("options-2-fuzzy", "-aiyy --no-W", "src/ src/ab1*9000 dst/ dst/ab0*9000"),
    *ways("options-2-list-only", "-a --list-only", TREE),
    *ways("options-2-remove", "-ai --remove-source-files", COPY),
    *ways("options-2-sent", "-ai --remove-sent-files", COPY),
    *ways("options-2-log-format", "-a --log-format=%n:%l", COPY),
    *ways("options-2-bwlimit", "-ai --bwlimit=10m", COPY),
    *ways("options-2-max-alloc", "-ai --max-alloc=2m", COPY),
    *ways("options-2-iconv-dot", "-ai --iconv=.", COPY),
    *ways("options-2-q", "-aiq", COPY),
    *ways("options-2-stderr-all", "-ai --stderr=all", "src/a src/p| dst/a/x"),
    *ways("options-2-stderr-client", "-ai --stderr=client", "src/a src/p| dst/a/x", sorted=True),
    *(
        row(f"options-2-outbuf-{mode}", f"-aiv --outbuf={mode} src/ dst/", TREE)
        for mode in ("N", "u", "none", "L", "line", "b", "Full", "x", "")
    ),
]

#: Words of the daemon's table without the word that asks for it (spec: options 8).
OPTIONS += [
    row(f"options-8-alone-{number}", f"{words} src/ dst/", TREE)
    for number, words in enumerate(["-a --detach", "-a --no-detach", "-a --config=c", "-a --dparam=a=b", "--detach=x"])
]

#: Peers that say nothing: exit 30 after the time that was given.
STALLED = [
    Row(
        f"options-2.5-stalled-{number}",
        "src/a",
        STALL,
        then=[f"-e {{w}}/stall --timeout=1 {words}"],
        norm=[(r"\[(Receiver|sender|receiver)\] io timeout", r"[\1] io timeout")],
    )
    for number, words in enumerate(["-a src/ h:dst/", "-a h:src/ dst/", "h:src/", "h::m/ dst/"])
]
STALLED += [
    Row(
        f"options-2.5-silent-daemon-{number}",
        "src/a",
        f"-a --timeout=1 {words}",
        env={"RSYNC_CONNECT_PROG": "sleep 5"},
    )
    for number, words in enumerate(["src/ h::m/", "h::m/ dst/", "h::"])
]

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

DECISIONS = [
    *ways("transfer-3-type-changes", "-ai", "src/a src/b->x src/c| src/d/x src/e dst/a->q dst/b dst/c dst/d dst/e|"),
    *ways("transfer-3-type-force", "-ai --force", "src/a src/b->x src/c| dst/a/x dst/b/y/z dst/c/w", sorted=True),
    *ways("transfer-3-type-blocked", "-ai", "src/a src/b->x src/c| src/n#c1.3 dst/a/x dst/b/y/z dst/c/w dst/n/v"),
    *ways("transfer-3.4-limits", "-ai --max-size=20 --min-size=6", "src/a*5 src/b*6 src/c*20 src/d*21 dst/a=o dst/d=o"),
    *ways("transfer-3.4-limits-vv", "-avv --max-size=20 --min-size=6", "src/a*5 src/b*6 src/c*21 dst/"),
    *ways("transfer-3.4-update-window", "-aiu -@2", "src/a=11;t=1 src/b=1;t=3 src/c=1;t=9 dst/a=2;t=2 dst/b=2 dst/c=2"),
    *ways("transfer-3.4-update-type", "-aiu", "src/a=1 src/b->x dst/a->q;t=9 dst/b=1;t=9"),
    *ways(
        "transfer-3.4-append", "-ai --append", "src/a=12345678 src/b=12 src/c=12 dst/a=1234;t=3 dst/b=1234;t=3 dst/c=ab"
    ),
    *ways(
        "transfer-3.4-append-verify", "-ai --append-verify", "src/a=12345678 src/b=12345 dst/a=1234;t=3 dst/b=xx;t=3"
    ),
    *ways("transfer-3-existing-notes", "-avv --existing", "src/a src/d/b src/n/ dst/d/"),
    *ways("transfer-3-ignore-notes", "-avv --ignore-existing", "src/a=1 src/d/b src/l->x dst/a=2 dst/d/ dst/l->y"),
    *ways(
        "transfer-3-skip2",
        "-a --info=skip2 --ignore-existing",
        "src/a=1 src/b src/c src/l->x dst/a=22 dst/b dst/c| dst/l->y",
    ),
    *ways("transfer-2.2-none", "-rti", TREE),
    *ways("transfer-2.2-L", "-aiL", TREE),
    *ways("transfer-2.2-L-dangling", "-aiL", "src/l->nosuch src/a dst/"),
    *ways("transfer-2.2-k", "-aik", TREE),
    *ways("transfer-2.2-unsafe", "-ai --copy-unsafe-links", "src/in->a src/a src/out->../o src/abs->/etc/hostname o=x"),
    *ways("transfer-2.2-safe", "-ai --safe-links", "src/in->a src/a src/out->../o src/abs->/etc/hostname o=x"),
    *ways("transfer-2.2-safe-v", "-av --safe-links", "src/in->a src/a src/out->../o o=x"),
    *ways("transfer-2-dir-arg", "-ti", "src/a src/d/b"),
    *ways("transfer-2-dirs", "-dti", "src/a src/d/b"),
    *ways("transfer-2-dirs-delete", "-dti --delete", "src/a src/d/b dst/x dst/d/y"),
    *ways("transfer-8-links", "-aiH", "src/ src/a src/b=>src/a src/c=>src/a dst/ dst/b=o;t=-4"),
    *ways("transfer-8-existing", "-aiiH", "src/ src/a src/b=>src/a dst/ dst/a dst/b=>dst/a"),
    *ways("transfer-8-split", "-aiH", "src/ src/a src/b dst/ dst/a dst/b=>dst/a"),
    *ways("transfer-8-n", "-aiHn", "src/ src/a src/b=>src/a dst/"),
    *ways("transfer-8-v", "-avvH", "src/ src/a src/b=>src/a dst/ dst/a dst/b=>dst/a"),
    *ways("transfer-12-order", "-ai --delete", "src/ dst/a dst/d/e/f dst/d/g dst/z/y dst/l->a"),
    *ways("transfer-12-max", "-ai --delete --max-delete=2", "src/ dst/a dst/d/e/f dst/d/g dst/z/y"),
    *ways("transfer-12-max-0", "-ai --delete --max-delete=0", "src/ dst/a dst/d/e"),
    *ways("transfer-12-protect", "-ai --delete -f'P *.k'", "src/ dst/d/a.k dst/d/b dst/e/f"),
    *ways("transfer-12-excluded", "-ai --delete-excluded --exclude=*.k", "src/a.k dst/d/a.k dst/d/b dst/a.k"),
    *ways("transfer-12-stats", "-a --delete --stats", "src/ src/a dst/x dst/d/y dst/l->z dst/p|"),
    *ways("transfer-14-n", "-aivn --delete --stats", COPY, sorted=True),
    *ways("transfer-14-n-new", "-aivn", TREE),
]

SHOWN = [
    *ways("output-4-v", "-av", COPY),
    *ways("output-4-v-delete", "-av --delete", COPY, sorted=True),
    *ways("output-5-h", "-ah --stats", "src/a*5000 src/b*70000 dst/"),
    *ways("output-5-hh", "-ahh --stats", "src/a*5000 src/b*70000 dst/"),
    *ways("output-5-no-h", "-a --no-h --stats", "src/a*5000 src/b*70000 dst/"),
    *ways("output-6-ii", "-aii", COPY),
    *ways("output-6-vvi", "-avvi", "src/a src/d/b dst/a", sorted=True),
    *ways("output-7-formats", "-a --out-format='%n|%f|%l|%o|%i|%B|%L|%M|%%|%x'", COPY),
    *ways("output-7-widths", "-a --out-format='[%10l][%-10l][%'\"'\"'l][%3i]'", "src/a*12345 dst/"),
    *ways("output-7-owner", "-a --out-format='%U:%G %n'", "src/a;o=5.6 dst/"),
    *ways("output-7-C", "-a --out-format='%C %n'", COPY),
    *ways("output-7-after", "-a --out-format='%n %''l %c'", "src/a*9 dst/"),
    *ways("output-7-empty", "-a --out-format=", COPY),
    *ways("output-7-deleting", "-a --delete --out-format='%n'", COPY, sorted=True),
    *ways("output-7-del", "-a --delete --out-format='%o %l %B %M %n'", COPY, sorted=True),
    row(
        "output-7-del-modes",
        "-a --delete --out-format='%o %B %n' h:{w}/src/ dst/",
        "src/a dst/b;m=0600 dst/c;m=4755 dst/d/;m=0711 dst/l->x dst/p|;m=0602",
        via="shell",
        sorted=True,
    ),
    *ways("output-9-info", "-a --info=progress2,name0", "src/a*1000 dst/", norm=[(r"\r[^\r\n]*", "")]),
    *ways(
        "output-11-names", "-av", ["src/", File(b"src/a\nb\\#123\x01\t", content=b"x"), File(b"src/\xff", content=b"y")]
    ),
]

RULED = "src/ src/foo src/bar.o src/d/foo src/d/q src/d/e/foo src/d/core src/x_y src/z~ dst/ dst/foo dst/d/foo dst/g/foo dst/g/h"
RULES = [
    row(f"filters-2-rule-{number}", ["-ai", "--delete", *options.split("|"), "src/", "dst/"], RULED, sorted=True)  # type: ignore[arg-type]
    for number, options in enumerate(
        [
            "-f|- foo",
            "-f|-_foo",
            "-f|-! foo",
            "-f|-,! foo",
            "-f|exclude,! foo",
            "-f|exclude foo",
            "-f|hide foo",
            "-f|H,p foo",
            "-f|protect foo",
            "-f|P,p foo",
            "-f|risk foo|-f|P *",
            "-f|show foo|-f|H foo",
            "-f|S_foo|-f|-_foo",
            "-f|-s foo",
            "-f|-r foo",
            "-f|-sr foo",
            "-f|-p foo",
            "-f|- /foo",
            "-f|- d/",
            "-f|- d/***",
            "-f|+ d/|-f|+ d/foo|-f|- *",
            "-f|- **/foo",
            "-f|- d/**",
            "-f|- [!a-f]*",
            "-f|- [[:alpha:]]oo",
            "-f|- [[:nosuch:]]oo",
            "-f|- f?o",
            "-f|- \\foo",
            "-f|- foo|-f|!",
            "-f|clear|-f|- q",
            "-f|! x",
            "-f|",
            "-f|Z foo",
            "-f|-q foo",
            "-f|-",
            "-f|-C",
            "-C",
            "-C|--delete-excluded",
            "-f|:C",
            "-f|- x_y",
            "--exclude=- foo",
            "--exclude=+ foo",
            "--include=foo|--exclude=*",
            "--include=- foo",
            "--exclude=H foo",
            "--exclude=!",
            "--exclude=foo|--exclude=!",
            "--exclude=! x",
            "--exclude=",
            "--delete-excluded|-f|- foo",
            "--delete-excluded|-f|P foo",
            "--delete-excluded|-f|-r foo",
            "--delete-excluded|-f|-p foo",
            "-f|-/ {w}/src/d",
            "-f|-/ {w}/dst/g",
            "-f|-x user.*|-X",
        ]
    )
]
MERGED = [
    row(
        f"filters-4-merge-{number}",
        ["-ai", *options.split("|"), "src/", "dst/"],  # type: ignore[arg-type]
        [
            "src/ src/foo src/q src/d/foo src/d/q src/d/e/foo src/d/e/q src/other dst/d/q dst/zap",
            File("src/.r", content=b"- foo\n# c\n; d\n\n"),
            File("src/d/.r", content=content),
        ],
        sorted=True,
    )
    for number, (options, content) in enumerate(
        (options, content)
        for options in ("-f|: .r", "-f|:e .r", "-f|:n .r", "-f|:s .r|--delete", "-f|:- .r", "-f|:w- .r", "-FF|--delete")
        for content in (b"+ foo\n", b"!\n- q\r\n", b"- /q\n- e/foo", b"- d/q\n: .r2\n")
    )
]

ROWS = [*OPTIONS, *STALLED, *ATTRIBUTES, *DECISIONS, *SHOWN, *RULES, *MERGED]
