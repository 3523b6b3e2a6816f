"""Values of options: sizes, numbers, empty and refused ones, and options that exclude one another (spec: options 2 to 8)."""

from __future__ import annotations

from tests.parity.common import ONE, PLAIN_COPY, PLAIN_TREE, Turns, plain, row
from tests.parity.harness import Row
from tests.parity.tree import Dir, File

SIZES = [
    plain(f"OPT-size-{text}", f"-ai --max-size={text} src/ dst/", tree)
    for text, tree in [
        ("1.5K+1", "src/a*1537 src/b*1538"),
        ("1kb", "src/a*1000 src/b*1001"),
        ("1k", "src/a*1024 src/b*1025"),
        ("1KiB", "src/a*1024 src/b*1025"),
        ("1K-1", "src/a*1023 src/b*1024"),
        ("100", "src/a*100 src/b*101"),
        ("100b", "src/a*100 src/b*101"),
        ("0.5k", "src/a*512 src/b*513"),
        (".5k", "src/a*512 src/b*513"),
        ("0", "src/a=x src/b="),
        ("0+1", "src/a=x src/b=xx"),
        ("1.5mb-1", "src/a*10"),
        ("1g", "src/a*10"),
        ("1t", "src/a*10"),
        ("1p", "src/a*10"),
        ("10Q", ONE),
        ("-5", ONE),
        ("k", ONE),
        ("1kx", ONE),
        ("1k+2", ONE),
        ("", ONE),
        ("1,5k", ONE),
        ("abc", ONE),
    ]
]

LIMITS = [
    plain("OPT-block-too-large", "-a --block-size=200000000 src/ dst/"),
    plain("OPT-block-zero", "-ai --block-size=0 src/ dst/"),
    plain("OPT-block-max", "-ai --no-W -B131072 src/ dst/"),
    plain("OPT-block-over", "-ai --no-W -B131073 src/ dst/"),
    plain("OPT-bwlimit-small", "-a --bwlimit=100b src/ dst/"),
    plain("OPT-bwlimit-negative", "-a --bwlimit=-1 src/ dst/"),
    plain("OPT-bwlimit-ok", "-ai --bwlimit=1.5m src/ dst/"),
    plain("OPT-bwlimit-bad", "-ai --bwlimit=abc src/ dst/"),
    plain("OPT-max-alloc-small", "-a --max-alloc=500k src/ dst/"),
    plain("OPT-max-alloc-ok", "-ai --max-alloc=2m src/ dst/"),
    plain("OPT-compress-name", "-az --zc=foo src/ dst/"),
    plain("OPT-checksum-name", "-a --cc=foo src/ dst/"),
    plain("OPT-checksum-none-c", "-ac --cc=none src/ dst/"),
    plain("OPT-checksum-two", "-aci --cc=xxh64,md5 src/ dst/"),
    plain("OPT-checksum-three", "-aci --cc=xxh64,md5,sha1 src/ dst/"),
    *(
        plain(f"OPT-24-cc-{name}", f"-aci --cc={name} src/ dst/")
        for name in ["xxh128", "xxh3", "xxh64", "xxhash", "md5", "md4", "sha1", "auto", "MD5", "sha256"]
    ),
    *(
        plain(f"OPT-24-zc-{name}", f"-aiz --zc={name} src/ dst/")
        for name in ["zstd", "lz4", "zlibx", "zlib", "none", "auto", "ZSTD", "gzip"]
    ),
    plain("OPT-outbuf", "-ai --outbuf=L src/ dst/"),
    plain("OPT-outbuf-bad", "-ai --outbuf=X src/ dst/"),
    plain("OPT-stderr-bad", "-ai --stderr=x src/ dst/"),
    plain("OPT-stderr-all", "-ai --stderr=all src/ dst/", sorted=True),
    plain("OPT-stderr-client", "-ai --stderr=c src/ nosuch dst/"),
    plain("OPT-protocol-low", "-a --protocol=19 src/ h:{w}/dst/", via="shell"),
    plain("OPT-protocol-high", "-a --protocol=33 src/ h:{w}/dst/", via="shell"),
    plain("OPT-insecure-confine", "-a --insecure-links --confine-root=/x src/ dst/"),
    plain("OPT-25-relative", "-a --confine-root=x src/ dst/"),
    plain("OPT-delete-no-r", "-t --delete src/ dst/"),
    plain("OPT-33", "-ai --delete-during --delete-delay src/ dst/", "src/a dst/b"),
    plain("OPT-33-two", "-ai --delete-before --delete-after src/ dst/", "src/a dst/b"),
    plain("OPT-33-delay-after", "-ai --delete-delay --delete-after src/ dst/", "src/a dst/b"),
    plain("OPT-inplace-partial-dir", "-ai --inplace --partial-dir=.p src/ dst/"),
    plain("OPT-inplace-delay", "-ai --inplace --delay-updates src/ dst/"),
    plain("OPT-append-whole", "-ai --append --whole-file src/ dst/"),
    plain("OPT-append-partial-dir", "-ai --append --partial-dir=x src/ dst/"),
    plain("OPT-suffix-slash", "-ab --suffix=a/b src/ dst/"),
    plain("OPT-suffix-empty", "-ab --suffix= src/ dst/"),
    plain("OPT-backup-dir-dot", "-ab --backup-dir=. src/ dst/"),
    plain("OPT-22", "-a --compare-dest=x --link-dest=y src/ dst/"),
    plain("OPT-23", "-a --chown=5:6 --usermap=0:5 src/ dst/"),
    plain("OPT-23-reverse", "-a --usermap=0:5 --chown=5:6 src/ dst/"),
    plain("OPT-23-twice", "-a --usermap=0:5 --usermap=0:6 src/ dst/"),
    plain("OPT-usermap-nocolon", "-ai --usermap=5 src/ dst/"),
    plain("OPT-usermap-noname", "-ai --usermap=5: src/ dst/"),
    plain("OPT-usermap-badnumber", "-ai --usermap=1-x:5 src/ dst/"),
    plain("OPT-36", "-ai --usermap=0:nosuch src/ dst/"),
    plain("OPT-remote-option-dash", "-a -Mfoo src/ dst/"),
    plain("OPT-stop-at-past", "-a --stop-at=2001-01-01T00:00 src/ dst/"),
    plain("OPT-stop-at-bad", "-a --stop-at=xyz src/ dst/"),
    plain("OPT-stop-after-bad", "-a --stop-after=0 src/ dst/"),
    plain("OPT-stop-after-ok", "-ai --stop-after=5 src/ dst/"),
    plain("OPT-30", ["-a", "--read-batch=b", "--files-from=L", "dst/"], ["src/a", File("L", content=b"a\n")]),
    plain("OPT-batch-both", "-a --read-batch=b --write-batch=c src/ dst/"),
    plain("OPT-secluded-old", "-a -s --old-args src/ dst/"),
    plain("OPT-contimeout-local", "-a --contimeout=5 src/ dst/"),
    plain("OPT-contimeout-shell", "-a --contimeout=5 src/ h:{w}/dst/", via="shell"),
    plain("OPT-password-file-local", "-a --password-file=x src/ dst/"),
    plain("OPT-password-file-shell", "-a --password-file=x src/ h:{w}/dst/", via="shell"),
    plain("OPT-info-bad", "-a --info=foo src/ dst/"),
    plain("OPT-debug-bad", "-a --debug=foo src/ dst/"),
    plain("OPT-info-help", "--info=help"),
    plain("OPT-debug-help", "--debug=help"),
    plain(
        "OPT-info-all",
        "-a --info=all src/ dst/",
        norm=[(r"(?ms)^rsync\[PID\].*?(?=^\n|\n\n)", "HEAP"), (r"(?m)^(total:.*|.*heap.*|  .*)$", "X")],
        sorted=True,
    ),
    plain("OPT-info-none", "-av --info=none src/ dst/"),
    plain("OPT-info-name0", "-av --info=name0 src/ dst/"),
    plain("OPT-info-level-cap", "-a --info=name9 src/ dst/"),
    plain("OPT-info-empty", "-ai --info= src/ dst/"),
    plain("OPT-chmod-bad", "-a --chmod=q src/ dst/"),
    plain("OPT-chmod-two-ops", "-a --chmod=go=u-w src/ dst/"),
    plain("OPT-chmod-DF", "-a --chmod=DF755 src/ dst/"),
    plain("OPT-chmod-octal", "-a --chmod=99 src/ dst/"),
    plain(
        "OPT-files-from-3",
        "-a --files-from=L src/ src/ dst/",
        ["src/a", File("L", content=b"a\n")],
        norm=[(r"(?s)\A.*(?=rsync error)", "any usage ")],
    ),
    plain(
        "OPT-files-from-1",
        "-a --files-from=L src/",
        ["src/a", File("L", content=b"a\n")],
        norm=[(r"(?s)\A.*(?=rsync error)", "any usage ")],
    ),
    plain("OPT-daemon-option-alone", "--config=x src/ dst/"),
    plain("OPT-39", "-M N=V --daemon"),
    plain("OPT-dparam-bad", "--daemon --dparam=x"),
    plain("OPT-daemon-unknown", "--daemon --bogus"),
    plain("OPT-35", "-aiAX --protocol=29 src/ dst/"),
    plain("OPT-35-shell", "-aiAX --protocol=29 src/ h:{w}/dst/", via="shell"),
    plain("OPT-fuzzy-28", "-aiy --protocol=28 src/ h:{w}/dst/", via="shell"),
    plain("OPT-prune-28", "-aim --protocol=28 src/ h:{w}/dst/", via="shell"),
]

_TREE = "src/a src/d/b dst/d/"

EMPTY = [
    *(
        Row(f"OPT-4-empty-{name}", _TREE, ["-ri", f"--{name}=", "src/", "dst/"])
        for name in [
            "usermap", "groupmap", "temp-dir", "compare-dest", "copy-dest", "link-dest", "log-file", "backup-dir",
            "partial-dir", "suffix", "chown", "chmod", "iconv", "info", "debug", "skip-compress", "out-format", "filter",
            "password-file", "confine-root", "write-batch", "files-from", "exclude-from", "checksum-choice",
            "compress-choice", "remote-option", "outbuf", "stderr",
        ]
    ),
    *(
        Row(f"OPT-36-{kind}-{number}", _TREE, ["-ri", f"--{kind}={text}", "src/", "dst/"])
        for kind in ("usermap", "groupmap")
        for number, text in enumerate([",", "a:b,", ",a:b", "a:,b:x", "no:no1,b:no2", "*:0,x", "x,*:0", "*:9,0:8"])
    ),
    *(
        Row(f"OPT-27-past-{number}", _TREE, ["-ri", f"--stop-at={text}", "src/", "dst/"])
        for number, text in enumerate(["2001-01-01", "2001-01-01T10:10", "01-1-1", "2001/2/30", "x", "25:00", ":60", ""])
    ),
]  # fmt: skip

#: More digits than any integer type holds.
NINES = "9" * 5000

NUMBERS = [
    Row(f"OPT-digits-{name}", "src/f", ["-a", f"--{name}{NINES}", "src/", "dst/"], stderr=False)
    for name in (
        "max-size=", "min-size=", "bwlimit=", "block-size=", "max-alloc=", "stop-after=", "timeout=",
        "contimeout=", "max-delete=", "compress-level=", "modify-window=", "port=", "protocol=", "checksum-seed=",
        "compress-threads=", "usermap=1:", "groupmap=1:", "chown=", "chmod=", "sockopts=SO_SNDBUF=",
    )
] + [
    Row(f"OPT-digits-sent-{name}", "src/f mod/", ["-a", f"-M--{name}{NINES}", "src/", "{url}/m/"], via="daemon",
        conf="read only = no", stderr=False)
    for name in ("max-size=", "min-size=", "bwlimit=", "max-alloc=", "info=stats", "timeout=", "max-delete=")
]  # fmt: skip

ways = Turns(1)
#: Options in their simplest use, locally and by turns over a link.
OPTIONS = [
    *ways("options-2-i-r", "-ai --no-i-r --i-r", PLAIN_COPY),
    *ways("options-2-no-inc", "-aiv --no-inc-recursive --delete", PLAIN_COPY, sorted=True),
    *ways("options-2-implied", "-ai --no-implied-dirs --implied-dirs -R", PLAIN_TREE),
    *ways("options-2-old-dirs", "-ti --old-dirs", PLAIN_TREE),
    *ways("options-2-old-d", "-lti --old-d --delete", PLAIN_COPY),
    *ways("options-2-crtimes", "-aN", PLAIN_TREE),
    *ways("options-2-no-crtimes", "-ai --no-crtimes", PLAIN_TREE),
    *ways("options-2-no-N", "-ai --no-N", PLAIN_TREE),
    *ways("options-2-trust", "-ai --trust-sender", PLAIN_TREE),
    *ways("options-2-skip-compress", "-aiz --skip-compress=txt/g[zx]", PLAIN_TREE),
    *ways("options-2-threads", "-aiz --zc=zstd --compress-threads=2", PLAIN_TREE),
    *ways("options-2-zt", "-aiz --zt=-4", PLAIN_TREE),
    *ways("options-2-seed", "-aic --checksum-seed=7", PLAIN_COPY),
    *ways("options-2-drop-D", "-ai --drop-D", "src/p| src/n#c1.3 src/a dst/p=x"),
    *ways("options-2-no-drop-D", "-ai --drop-D --no-drop-D", "src/p| src/n#c1.3 src/a dst/p=x"),
    *ways("options-2-stop-after", "-ai --stop-after=9", PLAIN_TREE),
    *ways("options-2-time-limit", "-ai --time-limit=9", PLAIN_TREE),
    *ways("options-2-noatime", "-ai --open-noatime", PLAIN_TREE),
    *ways("options-2-UU", "-aiUU", PLAIN_TREE),
    *ways("options-2-no-blocking", "-ai --blocking-io --no-blocking-io", PLAIN_TREE),
    *ways("options-2-8", "-ai -8", ["src/", File(b"src/\xc3\xa4\xff", content=b"x")]),
    *ways("options-2-4", "-ai -4", PLAIN_TREE),
    *ways("options-2-from0", "-ai -0 --exclude-from=L", [PLAIN_TREE, File("L", content=b"a\0d/\0")]),
    *ways("options-2-whole", "-ai --whole-file --stats", PLAIN_COPY),
    *ways("options-2-old-args", "-ai --old-args", PLAIN_TREE),
    *ways("options-2-s", "-ais", PLAIN_TREE),
    *ways("options-2-preallocate", "-ai --preallocate", PLAIN_COPY),
    *ways("options-2-fsync", "-ai --fsync", PLAIN_COPY),
    *ways("options-2-mkpath", "-ai --mkpath", PLAIN_COPY),
    *ways("options-2-super", "-ai --super", PLAIN_COPY),
    *ways("options-2-no-super", "-ai --no-super", "src/a;o=5.6 dst/"),
    *ways("options-2-munge", "-ai --munge-links", "src/l->/rsyncd-munged/a src/k->b src/b"),
    *ways("options-2-confine", "-aib --backup-dir={w}/bk --confine-root={w}", PLAIN_COPY),
    *ways("options-2-confined", "-ai --confine-root={w}/src", PLAIN_COPY),
    *ways("options-2-confined-link", "-ai --link-dest={w}/alt --confine-root={w}/src", [PLAIN_COPY, "alt/d/e/c alt/a"]),
    *ways("options-2-confined-partial", "-ai --partial-dir={w}/pp --confine-root={w}/src", PLAIN_COPY),
    row("options-2-confined-backup", "-aib --backup-dir={w}/bk --confine-root={w}/src src/ dst/", PLAIN_COPY),
    row("options-2-confined-temp", "-ai --temp-dir={w}/tmp --confine-root={w}/src src/ dst/", [PLAIN_COPY, "tmp/"]),
    *ways("options-2-sparse", "-aiS", [Dir("src"), File("src/z", content=b"a" + bytes(100_000) + b"b")], holes=True),
    *ways("options-2-fuzzy", "-aiyy --no-W", "src/ src/ab1*9000 dst/ dst/ab0*9000"),
    *ways("options-2-list-only", "-a --list-only", PLAIN_TREE),
    *ways("options-2-remove", "-ai --remove-source-files", PLAIN_COPY),
    *ways("options-2-sent", "-ai --remove-sent-files", PLAIN_COPY),
    *ways("options-2-log-format", "-a --log-format=%n:%l", PLAIN_COPY),
    *ways("options-2-bwlimit", "-ai --bwlimit=10m", PLAIN_COPY),
    *ways("options-2-max-alloc", "-ai --max-alloc=2m", PLAIN_COPY),
    *ways("options-2-iconv-dot", "-ai --iconv=.", PLAIN_COPY),
    *ways("options-2-q", "-aiq", PLAIN_COPY),
    *ways("options-2-stderr-all", "-ai --stderr=all", "src/a src/p| dst/a/x"),
    *ways("options-2-stderr-client", "-ai --stderr=client", "src/a src/p| dst/a/x", sorted=True),
    *(
        row(f"options-2-outbuf-{mode}", f"-aiv --outbuf={mode} src/ dst/", PLAIN_TREE)
        for mode in ("N", "u", "none", "L", "line", "b", "Full", "x", "")
    ),
]

#: Words of the daemon's table without the word that asks for it (spec: options 8).
OPTIONS += [
    row(f"options-8-alone-{number}", f"{words} src/ dst/", PLAIN_TREE)
    for number, words in enumerate(["-a --detach", "-a --no-detach", "-a --config=c", "-a --dparam=a=b", "--detach=x"])
]

ROWS: list[Row] = [*SIZES, *LIMITS, *EMPTY, *NUMBERS, *OPTIONS]
