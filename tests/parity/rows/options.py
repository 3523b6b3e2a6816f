"""spec: options 1 to 6 and 11"""

from __future__ import annotations

from tests.parity.harness import Row
from tests.parity.tree import File, Tree

ONE = "src/a"


def plain(ident: str, cmd: str, tree: Tree = ONE, **more: object) -> Row:
    return Row(ident, tree, cmd, **more)  # type: ignore[arg-type]


PARSING = [
    plain("OPT-1", "--verb src/ dst/"),
    plain("OPT-1-value", "--recurs=1 src/ dst/"),
    plain("OPT-2-joined", "-aivB700 src/ dst/"),
    plain("OPT-2-separate", "-aivB 700 src/ dst/"),
    plain("OPT-2-equals", "-ai -B=700 src/ dst/"),
    plain("OPT-2-long", "-ai --block-size=700 src/ dst/"),
    plain("OPT-2-long-separate", "-ai --block-size 700 src/ dst/"),
    plain("OPT-3", "-a --delete=foo src/ dst/"),
    plain("OPT-3-negated", "-a --no-times=foo src/ dst/"),
    plain("OPT-4", "-ai --timeout= src/ dst/"),
    plain("OPT-5", "-a --no-delete src/ dst/"),
    plain("OPT-5-known", "-ai --no-bwlimit src/ dst/"),
    *(
        plain(f"OPT-5-no-{name}", f"-a --no-{name} src/ dst/")
        for name in ["update", "stats", "ignore-times", "existing", "fsync", "archive", "exclude", "rsh", "bogus"]
    ),
    *(
        plain(f"OPT-no-{name}", f"-ai --no-{name} src/ dst/", "src/a src/l->a src/d/b")
        for name in ["verbose", "v", "human-readable", "h", "recursive", "r", "inc-recursive", "i-r", "dirs", "d", "perms", "p", "times", "t", "omit-dir-times", "O", "omit-link-times", "J", "owner", "o", "group", "g", "D", "devices", "specials", "links", "l", "relative", "R", "implied-dirs", "i-d", "one-file-system", "x", "sparse", "S", "inplace", "force", "ignore-errors", "whole-file", "W", "checksum", "c", "compress", "z", "progress", "partial", "itemize-changes", "i", "bwlimit", "from0", "old-args", "secluded-args", "s", "numeric-ids", "timeout", "contimeout", "motd", "8-bit-output", "8", "blocking-io"]
    ),
    plain("OPT-mixed-order", "src/ -a dst/ -i"),
    plain("OPT-dashdash", "-ai -- -src/ dst/", "-src/a"),
    plain("OPT-dash-word", "-ai - dst/", [File("-", content=b"x")]),
    plain("OPT-missing-value", "-a src/ dst/ --max-size"),
    plain("OPT-missing-short", "-a src/ dst/ -e"),
    plain("OPT-bad-int", "-a --timeout=abc src/ dst/"),
    plain("OPT-big-int", "-a --timeout=99999999999 src/ dst/"),
    plain("OPT-int-tail", "-a --timeout=5x src/ dst/"),
    plain("OPT-hex-int", "-ai --timeout=0x10 src/ dst/"),
    plain("OPT-unknown-short", "-Q src/ dst/"),
    plain("OPT-unknown-bundle", "-vQ src/ dst/"),
    plain("OPT-unknown-late", "-a src/ dst/ --version --bogus"),
    plain("OPT-repeat-last", "-ai --max-size=1 --max-size=1k src/ dst/"),
    plain("OPT-no-o-after", "-ai --no-o src/ dst/", "src/a;o=5.6"),
    plain("OPT-no-o-before", "--no-o -ai src/ dst/", "src/a;o=5.6"),
    plain("OPT-no-r-after", "-ai --no-r src/ dst/", "src/a src/d/b"),
    plain("OPT-no-r-before", "--no-r -ai src/ dst/", "src/a src/d/b"),
    plain("OPT-no-D-then-devices", "-ai --no-D --specials src/ dst/", "src/p| src/n#c1.3"),
    plain("OPT-6-help", "-h", norm=[(r"(?s)\A.*\Z", "any help")]),
    plain("OPT-6-hv", "-hv src/ dst/"),
    plain("OPT-6-avh", "-avh --stats src/ dst/", "src/a*1234567"),
    plain("OPT-32-hv", "-hv", norm=[(r"(?s)\A.+\Z", "any help")]),
    plain("OPT-32-v", "-v", norm=[(r"(?s)\A.*(?=rsync error)", "any usage ")]),
    plain("OPT-none", "", norm=[(r"(?s)\A.*(?=rsync error)", "any usage ")]),
    plain("OPT-empty-source", ["-a", "", "dst/"]),  # type: ignore[arg-type]
    plain("OPT-28", ["-a", "src/", ""]),  # type: ignore[arg-type]
    plain("OPT-28-old-args", ["-ai", "--old-args", "src/", ""]),  # type: ignore[arg-type]
    plain("OPT-sender-alone", "--sender src/ dst/", norm=[(r"(?s)\A.*(?=rsync error)", "any usage ")]),
]

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
    plain("OPT-30", ["-a", "--read-batch=b", "--files-from=L", "dst/"], ["src/a", File("L", content=b"a\n")]),  # type: ignore[arg-type]
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

ARGUMENTS = [
    plain("OPT-17", "h1:a h2:b", via="shell"),
    plain("OPT-unexpected-remote", "-a a b:c d", via="shell"),
    plain("OPT-unexpected-local", "-a h:a c d", via="shell"),
    plain("OPT-two-hosts", "-a h:a g:b d", via="shell"),
    plain("OPT-two-specs", "-a h:a h::b d", via="shell"),
    plain("OPT-two-ports", "-a rsync://h:1/m rsync://h:2/m d", via="shell"),
    plain("OPT-dash-host", "-a src/ -- -h:dst/", via="shell"),
    plain("OPT-colon-name", "-ai ./a:b dst/", [File("a:b", content=b"x")]),
    plain("OPT-colon-dir", "-ai d/a:b dst/", [File("d/a:b", content=b"x")]),
    plain("OPT-second-source-colon", "-ai h:{w}/src/a :{w}/src/b dst/", "src/a src/b", via="shell"),
    plain("OPT-second-source-host", "-ai h:{w}/src/a h:{w}/src/b dst/", "src/a src/b", via="shell"),
    plain("OPT-last-colon-list", "h:{w}/src/a :{w}/src/b", "src/a src/b", via="shell"),
    plain("OPT-rsh-quote", '-a -e "\'sh" src/ h:{w}/dst/'),
    plain("OPT-rsh-missing", "-a -e /nonexistent/shell src/ h:{w}/dst/", codes=frozenset({12, 14, 127}), stderr=False),
    plain("OPT-slash-module", "-a src/ rsync://127.0.0.1//x"),
    plain("OPT-no-dst", "src/ "),
    plain("OPT-no-dst-d", "-r src/", "src/a src/d/b"),
    plain("OPT-29", "-v src/a new/"),
    plain("OPT-29-quiet", "src/a new/"),
    plain("OPT-29-deep", "-v src/a x/new/"),
    plain("OPT-dest-file-many", "-a src/ f", "src/a src/b f"),
    plain("OPT-dest-file-dir", "-a src f", "src/ f"),
    plain("OPT-dest-file-slash", "-a src/a f/", "src/a f"),
    plain("OPT-dest-file-one", "-ai src/a f", "src/a f;t=5"),
    plain("OPT-dest-rename", "-ai src/a dst/b", "src/a dst/"),
    plain("OPT-dest-parent-missing", "-ai src/a no/such/b", "src/a"),
    plain("OPT-dest-missing-deep", "-ai src/ no/such/", "src/a"),
    plain("OPT-empty-dir-missing", "-ai src dst", "src/"),
    plain("OPT-dir-missing", "-ai src dst", "src/a"),
    plain("OPT-dir-dot", "-ai src/. dst", "src/a"),
    plain("OPT-dir-dotdot", "-ai src/d/.. dst", "src/a src/d/b"),
    plain("OPT-dot-source", "-ai . ../w/dst", "src/a"),
    plain("OPT-many-sources", "-ai src/a src/b s2 dst", "src/a src/b s2/c"),
    plain("OPT-many-slashes", "-ai src/// dst", "src/a src/b s2/c"),
    plain("OPT-dest-link-dir", "-ai src/ l", "src/a real/ l->real"),
    plain("OPT-dest-link-dangling", "-ai src/ l", "src/a l->nosuch"),
    plain("OPT-mkpath", "-ai --mkpath src/ x/y/z/", "src/a"),
    plain("OPT-mkpath-one", "-ai --mkpath src/a x/y/z", "src/a"),
    plain("OPT-mkpath-v", "-av --mkpath src/a x/y/z/", "src/a"),
    plain("OPT-mkpath-n", "-avn --mkpath src/ x/y/z/", "src/a"),
    plain("OPT-dest-n", "-ain src/ x/y/", "src/a"),
    plain("OPT-dest-parent-file", "-ai src/ f/x/", "src/a f"),
    plain("OPT-d-delete", "-di --delete src/ dst/", "src/a src/d/b dst/x dst/d/y"),
    plain("OPT-d", "-di src/ dst/", "src/a src/d/b"),
    plain("OPT-d-noslash", "-di src dst/", "src/a src/d/b"),
    plain("OPT-old-dirs", "--old-dirs -i src/ dst/", "src/a src/d/b"),
    plain("OPT-nothing", "src dst", "src/a"),
    plain("OPT-nothing-v", "-v src dst", "src/a"),
    plain("OPT-nothing-file", "src/a dst", "src/a"),
]


def server(ident: str, cmd: str, tree: Tree = ONE, **more: object) -> Row:
    """The remote shell writes the words it is given to a file and ends: the server's command line is the result."""
    show: Tree = [tree] if isinstance(tree, str) else tree
    return Row(
        ident,
        [*show, File("show", content=b'#!/bin/sh\nprintf "%s\\n" "$@" >"$PWD/args"\nexit 3\n', mode=0o755)],
        f"-e {{w}}/show {cmd}",
        codes=frozenset({3, 5, 12}),
        stderr=False,
        **more,  # type: ignore[arg-type]
    )


LONG = ["-q", "-u", "-n", "-d", "-l", "-L", "-k", "-K", "-m", "-O", "-J", "-y", "-yy", "-W", "-H", "-o", "-g", "-D", "-t", "-U", "-UU", "-p", "-E", "-A", "-X", "-XX", "-c", "-C", "-I", "-R", "-x", "-xx", "-S", "-z", "-zz", "-b", "-s", "-vvv", "-h", "-P", "-i", "-ii", "--devices", "--specials", "--delete", "--delete-before", "--delete-during", "--delete-delay", "--delete-after", "--delete-excluded", "--force", "--ignore-errors", "--max-delete=0", "--max-delete=5", "--max-size=1.5k", "--min-size=10", "--existing", "--ignore-existing", "--size-only", "--modify-window=2", "-@-1", "--partial", "--partial-dir=.p", "--delay-updates", "--inplace", "--append", "--append-verify", "--preallocate", "--fsync", "--block-size=700", "--timeout=9", "--bwlimit=1.5m", "--bwlimit=100", "--stats", "--super", "--numeric-ids", "--usermap=0:5", "--groupmap=0:5", "--chown=5:6", "--compare-dest=/x", "--copy-dest=x", "--link-dest=../x", "--backup-dir=bk", "--suffix=.old", "--temp-dir=/tmp", "--compress-level=3", "--zc=lz4", "--zc=zlib", "--zc=zlibx", "--zc=none", "--old-compress", "--new-compress", "--cc=md5", "--cc=xxh64,md5", "--checksum-seed=5", "--iconv=utf8,latin1", "--protocol=29", "--protocol=30", "--no-inc-recursive", "--info=name2,progress2", "--info=all", "--info=none", "--info=flist2,skip", "--debug=flist", "--stderr=c", "--stderr=all", "--stderr=e", "--list-only", "--safe-links", "--copy-unsafe-links", "--remove-source-files", "--remove-sent-files", "--copy-devices", "--write-devices", "--open-noatime", "--mkpath", "--no-implied-dirs", "-R --no-implied-dirs", "--ignore-missing-args", "--delete-missing-args", "--skip-compress=gz", "--max-alloc=2g", "-M--fake-super", "-M--log-file=x -M-v", "--out-format=%n", "--out-format=%o", "--out-format=%i", "--progress", "--rsync-path=/x/rsync", "--blocking-io", "--qsort", "--chmod=a+x", "--copy-as=root", "--fake-super", "--trust-sender", "--munge-links", "--insecure-links", "--prune-empty-dirs", "--no-W --inplace -S", "--specials --devices", "--no-specials -D", "--exclude=x", "-F", "-4", "-6"]

SERVER = [
    row
    for number, options in enumerate(LONG)
    for row in (
        server(f"OPT-server-push{options.replace(' ', '')}-{number}", f"-r {options} src/ h:dst/"),
        server(f"OPT-server-pull{options.replace(' ', '')}-{number}", f"-r {options} h:src/ dst/"),
    )
]

WORDS = [
    server("OPT-8", "-a --bwlimit=1.5m src/ h:dst/"),
    server("OPT-9", "-avz src/ h:dst/"),
    server("OPT-9-pull", "-avz h:src/ dst/"),
    server("OPT-10", "-a --delete --max-delete=0 src/ h:dst/"),
    server("OPT-11", "-azz src/ h:dst/"),
    server("OPT-13", "-d --delete src/ h:dst/"),
    server("OPT-14", "-a --files-from=L h:src/ dst/", [ONE, File("L", content=b"a\n")]),
    server("OPT-14-r", "-r --files-from=L h:src/ dst/", [ONE, File("L", content=b"a\n")]),
    server("OPT-14-push", "-a --files-from=L src/ h:dst/", [ONE, File("L", content=b"a\n")]),
    server("OPT-14-remote", "-a --files-from=:L h:src/ dst/"),
    server("OPT-14-remote0", "-a -0 --files-from=:L h:src/ dst/"),
    server("OPT-14-remote-push", "-a --files-from=h:L src/ h:dst/"),
    server("OPT-15", "-a 'h:a[1]b?{c,d}$e' dst/"),
    server("OPT-15-more", "-a 'h:a b;c&d|e<f>g(h)i\"j`k\\l!m#n' dst/"),
    server("OPT-15-quote", '-a "h:it\'s*" dst/'),
    server("OPT-16", "-a h:-x dst/"),
    server("OPT-16-tilde", "-a h:~x dst/"),
    server("OPT-16-home", "-a h:~/x dst/"),
    server("OPT-16-home-R", "-aR h:~/x dst/"),
    server("OPT-16-home-R-dot", "-aR h:~/./x dst/"),
    server("OPT-16-push", "-a src/ 'h:~/a b'"),
    server("OPT-18", "h:x"),
    server("OPT-18-r", "-r h:x"),
    server("OPT-18-explicit", "--list-only h:x"),
    server("OPT-18-slash", "h:x/"),
    server("OPT-empty-path", "-a h: dst/"),
    server("OPT-old-args", "-a --old-args 'h:a b;c' dst/"),
    server("OPT-old-args2", "-a --old-args --old-args 'h:a b' dst/"),
    server("OPT-old-args-env", "-a 'h:a b' dst/", env={"RSYNC_OLD_ARGS": "1"}),
    server("OPT-secluded", "-as 'h:a b' dst/"),
    server("OPT-secluded-env", "-a 'h:a b' dst/", env={"RSYNC_PROTECT_ARGS": "1"}),
    server("OPT-user", "-a u@h:x dst/"),
    server("OPT-user-at", "-a u@v@h:x dst/"),
    server("OPT-v6", "-a '[::1]:x' dst/"),
    server("OPT-backup-suffix-quote", "-ab --suffix='*x y' src/ h:dst/"),
    server("OPT-rsync-path-words", "-a --rsync-path='nice rsync' src/ h:dst/"),
    server("OPT-daemon-shell", "-a h::m/x dst/"),
    server("OPT-daemon-shell-user", "-a u@h::m/x dst/"),
    server("OPT-19-28", "-a --protocol=28 src/ h:dst/"),
    server("OPT-log-format-v", "-av src/ h:dst/"),
    server("OPT-log-format-iv", "-aiv src/ h:dst/"),
    server("OPT-log-format-iin", "-aiin src/ h:dst/"),
    server("OPT-partial-env", "-a --partial src/ h:dst/", env={"RSYNC_PARTIAL_DIR": ".pd"}),
    server("OPT-rsh-env", "-a src/ h:dst/", env={"RSYNC_RSH": "false"}),
    server("OPT-multi-paths", "-a h:a h:b :c dst/"),
]

CHMOD: list[tuple[str, str]] = [
    ("u=rwx", "0640"),
    ("go-rwx", "0640"),
    ("a+X", "0640"),
    ("D755,F644", "0640"),
    ("ugo=rwX", "0640"),
    ("g=u", "0640"),
    ("o=g", "0640"),
    ("+w", "0640"),
    ("a+s", "0640"),
    ("u+s", "0640"),
    ("+t", "0640"),
    ("F+x", "0640"),
    ("a=r,u+w", "0640"),
    ("7777", "0640"),
    ("D+X", "0640"),
    ("g+s,o-x", "0640"),
    ("=rx", "0640"),
    ("u=", "0640"),
    ("F-x", "0755"),
    ("u-s", "4755"),
    ("u=rwx", "4755"),
    ("g=u", "4755"),
    ("a+x,F-x --chmod=D700", "0644"),
]

MAPS = [
    Row(f"options-6.2-{number}", f"src/ src/a;o={owner}", f"-ai {options} src/ dst/")
    for number, (options, owner) in enumerate(
        [
            ("--usermap=0:1234", "0.0"),
            ("--usermap=root:1234", "0.0"),
            ("--usermap='r*:1234'", "0.0"),
            ("--usermap=:1234", "0.0"),
            ("--usermap='*:5'", "0.0"),
            ("--usermap=1-5:9,0-3:8", "0.0"),
            ("--numeric-ids --usermap='*:5'", "0.0"),
            ("--numeric-ids --usermap=:5", "0.0"),
            ("--numeric-ids --usermap=root:5", "0.0"),
            ("--usermap=:7", "4321.0"),
            ("--usermap='*:7'", "4321.0"),
            ("--usermap=4000-5000:7,4321:8", "4321.0"),
            ("--usermap='x*:7'", "4321.0"),
            ("--groupmap=0:5", "0.0"),
            ("--groupmap='*:daemon'", "3.4"),
            ("--chown=daemon:sys", "0.0"),
            ("--chown=:sys", "3.4"),
            ("--chown=daemon", "3.4"),
            ("--chown=daemon:", "3.4"),
            ("--usermap=daemon:bin", "1.1"),
            ("--numeric-ids", "1.1"),
            ("", "1.1"),
            ("", "4321.4322"),
        ]
    )
]

ROWS = [
    *PARSING,
    *SIZES,
    *LIMITS,
    *ARGUMENTS,
    *SERVER,
    *WORDS,
    *(
        Row(f"options-6.1-{number}", f"src/ src/a;m={mode} src/d/;m=0755", f"-ai --chmod={text} src/ dst/")
        for number, (text, mode) in enumerate(CHMOD)
    ),
    *MAPS,
]
