"""What a client sends to its server beside options: quoting, arguments, the environment (spec: options 5.4, 5.5, 7)."""

from __future__ import annotations

import shlex
from collections.abc import Mapping

from tests.parity.common import ONE, command, groups, server
from tests.parity.harness import Row
from tests.parity.tree import File, Tree

ALONE: dict[str, list[str]] = {
    # Names and how they are quoted on the way.
    "OPT-15-names": [
        *(
            f"-a {shlex.quote('h:' + name)} dst/"
            for name in [
                "a'b",
                'a"b',
                "a`b",
                "a b",
                "a\tb",
                "a\\b",
                "a\\*b",
                "a\\[b",
                "a*b?c[d]",
                "a{b,c}",
                "a;b&c|d",
                "a<b>c",
                "a(b)",
                "a$b",
                "a!b",
                "a#b",
                "#a",
                "a~b",
                "a^b",
                "a=b",
                "a%b",
                "a@b",
                "a,b",
                "a:b",
                "é",
                "a\x01b",
                "-",
                "--",
                "-a/-b",
                "~",
                "~/",
                "~x/y",
                "~x",
                "x/~y",
                "./~x",
                "\\~x",
            ]
        )
    ],
    "OPT-15-push-names": [
        f"-a src/ {shlex.quote('h:' + name)}"
        for name in ["a b", "a*b", "~x", "~", "~/x", "-x", "a\\b", "a'b", "a[b]", "é", "", ".", "/", "/a b/"]
    ],
    "OPT-15-R": [f"-aR 'h:{name}' dst/" for name in ["~x", "~/x", "~/./x", "/a/./~x", "./~x", "a/~b", "~x/./y"]],
    "OPT-15-trust": [f"-a --trust-sender 'h:{name}' dst/" for name in ["~x", "~/x", "a*"]],
    "OPT-15-lists": [
        "-a h:a :b h:c dst/",
        "-a 'h:a b' ':c d' dst/",
        "-a h: dst/",
        "-a h:a : dst/",
        "h:a",
        "h:",
        "-r h:a :b",
        "-a h:. dst/",
        "-a h:~ :~x dst/",
    ],
    "OPT-15-options": [
        "-ab --suffix='*x y[z]' src/ h:dst/",
        "-a --temp-dir='$x `y`' src/ h:dst/",
        '-a --link-dest="a\'b" src/ h:dst/',
        "-a --partial-dir='a\\b' src/ h:dst/",
        "-ab --backup-dir='~x' src/ h:dst/",
        "-a --copy-dest='-x' src/ h:dst/",
        "-a --temp-dir=é src/ h:dst/",
        "-a --files-from=':a b*' h:src/ dst/",
        "-a --files-from=':-x' h:src/ dst/",
        "-a --files-from=:~/l h:src/ dst/",
        "-ab --suffix='x\ty' src/ h:dst/",
        "-a --skip-compress='a*/b c' -z h:src/ dst/",
    ],
    "OPT-28-words": [
        "-a --old-args src/ 'h:'",
        "-a --old-args 'h:a b*' dst/",
        "-a --old-args --old-args 'h:a b*' dst/",
        "-a --old-args --old-args --suffix='a b' 'h:c d' dst/",
        "-a --old-args --no-old-args 'h:a b' dst/",
        "-a --old-args 'h:-x ~y' dst/",
        "-a --old-args src/ 'h:a b'",
        "-a --old-args -b --suffix='a b' src/ h:x",
    ],
    "OPT-secluded-words": [
        "-as 'h:a b*' dst/",
        "-avvs src/ 'h:a b'",
        "-a --protect-args --suffix='a b' -b src/ h:x",
        "-as --no-s 'h:a b' dst/",
        "-s --iconv=utf8 -r h:x dst/",
        "-as --old-args src/ h:x",
        "-as --protocol=29 src/ h:x",
    ],
    # The shell's own words.
    "OPT-rsh-words": [
        "-a -e '{w}/show -p 22 -i \"a b\"' src/ h:x",
        '-a -e "{w}/show \'a\'\'b\' \\"c\\"\\"d\\"" src/ h:x',
        "-a -e '{w}/show  a   b ' src/ u@h:x",
        "-a -e '{w}/show -l me' u@h:x dst/",
        "-a -e '{w}/show' u@v@h:x dst/",
        "-a -e '{w}/show' @h:x dst/",
        "-a -e '{w}/show a\\ b' src/ h:x",
        "-a -e '{w}/show \"a' src/ h:x",
        "-a -e '' src/ h:x",
        "-4 -a src/ h:x",
        "-6 -a src/ h:x",
        "-46 -a src/ h:x",
        "-a -e '{w}/ssh' -4 src/ h:x",
        "-a -e '{w}/ssh -p 5' -6 src/ u@h:x",
        "-a --rsync-path='sudo rsync' src/ h:x",
        "-a --rsync-path= src/ h:x",
        '-a --rsync-path="a\'b" src/ h:x',
        "-a --blocking-io src/ h:x",
    ],
    "OPT-hosts": [
        f"-a '{name}' dst/"
        for name in [
            "[::1]:x",
            "u@[::1]:x",
            "[::1]x:y",
            "[::1",
            "[h]:x",
            "a[::1]:x",
            "h:/x",
            "h:x:y",
            "h:::x",
            "a/b:c",
            "./a:b",
            "u@h:x@y",
            "u@h/x:y",
            ":x",
            "h.example:x",
            "u@:x",
            "@:x",
            "rsync:x",
            "rsync:/x",
            "rsync:/h/m",
            "RSYNC:x",
            "http://h/x",
            "rsync://h:12x/m",
            "rsync://[::1/m",
            "h_1:x",
            "-h:x",
            "u@-h:x",
            "-u@h:x",
        ]
    ],
    "OPT-hosts-daemon": [
        f"-a -e {{w}}/show '{name}' dst/"
        for name in [
            "h::m",
            "h::m/x",
            "u@h::m",
            "[::1]::m",
            "u@v@h::m/a b",
            "rsync://h/m",
            "rsync://u@h:99/m/",
            "rsync://[::1]:77/m",
            "RSYNC://h/m",
            "h::-m",
            "rsync://h:/m",
            "rsync://u:p@h/m",
            "h::",
            "rsync://h",
            "h::/m",
            "rsync://h//m",
        ]
    ],
    "OPT-42-port": [
        "-a -e {w}/show --port=99 h::m dst/",
        "-a -e {w}/show rsync://h:77/m dst/",
        "-a -e {w}/show --port=99 rsync://h:77/m dst/",
        "-a -e {w}/show h::m dst/",
        "-a -e '{w}/show -l x' u@h::m dst/",
        "-a --port=99 h:x dst/",
    ],
    "OPT-17-others": [
        "h1:a h2:b",
        "-a src h:a b",
        "-a h:a src b",
        "-a h:a h2:b c",
        "-a h:a h::b c",
        "-a h::a h::b h2::c d",
        "-a src h:a h:b",
        "-a rsync://h/m h::x d",
        "-a h:a u@h:b c",
        "-a u@h:a :b c",
        "-a u@h:a h:b c",
        "h:a :b",
        "-a h:a ''",
        "-a '' h:x",
        "-a src '' h:x",
        "-a h:a '' dst",
        "-a src/ ''",
        "-a '' dst/",
    ],
    "OPT-14-words": [
        "-a --files-from={w}/L h:src/ dst/",
        "-a -0 --files-from={w}/L src/ h:dst/",
        "-r --files-from={w}/L h:src/ dst/",
        "-a --files-from={w}/L --no-R h:src/ dst/",
        "-a --files-from={w}/L --no-d h:src/ dst/",
        "-a --files-from=:L h:src/ dst/",
        "-a --files-from=h:L h:src/ dst/",
        "-a --files-from=u@h:L h:src/ dst/",
        "-a --files-from=u@h:L u@h:src/ dst/",
        "-a --files-from=g:L h:src/ dst/",
        "-a --files-from=:L src/ h:dst/",
        "-a --files-from=h:L src/ h:dst/",
        "-a --files-from=:L -0 src/ h:dst/",
        "-a --files-from=:- h:src/ dst/",
        "-a --files-from=h:L src/ dst/",
        "-a --files-from=nosuch src/ h:dst/",
        "-a --files-from={w}/L h:src/ h:x dst/",
        "-a --files-from={w}/L h:src/",
    ],
    "OPT-34-errors": [
        "-a -Mfoo src/ h:x",
        "-a -M= src/ h:x",
        "-a --remote-option=x src/ h:x",
        "-aM src/ h:x",
        "-a -M- src/ h:x",
    ],
    "OPT-contimeout": [
        "-a --contimeout=5 src/ h:x",
        "-a --contimeout=5 -e {w}/show src/ h::m",
        "-a --contimeout=5 src/ dst/",
        "-a --password-file=L src/ h:x",
        "-a --password-file=L src/ dst/",
        "-a --port=5 src/ h:x",
        "-a --address=1.2.3.4 src/ h:x",
        "-a --sockopts=x src/ h:x",
        "-a --early-input=L src/ h:x",
    ],
}

ENVIRONMENT: list[tuple[str, Mapping[str, str], list[str]]] = [
    ("RSYNC_RSH", {"RSYNC_RSH": "{w}/show -x 'y z'"}, ["-a src/ h:x", "-a -e {w}/show src/ h:x"]),
    ("RSYNC_RSH-empty", {"RSYNC_RSH": ""}, ["-a src/ 127.0.0.1:x"]),
    (
        "RSYNC_OLD_ARGS",
        {"RSYNC_OLD_ARGS": "1"},
        ["-a 'h:a b' dst/", "-as 'h:a b' dst/", "-a --no-old-args 'h:a b' dst/", "-a --no-s 'h:a b' dst/"],
    ),
    ("RSYNC_OLD_ARGS-2", {"RSYNC_OLD_ARGS": "2"}, ["-ab --suffix='a b' 'h:a b' dst/"]),
    ("RSYNC_OLD_ARGS-x", {"RSYNC_OLD_ARGS": "x"}, ["-a 'h:a b' dst/"]),
    ("RSYNC_OLD_ARGS-0", {"RSYNC_OLD_ARGS": "0", "RSYNC_PROTECT_ARGS": "1"}, ["-a 'h:a b' dst/"]),
    ("RSYNC_OLD_ARGS-both", {"RSYNC_OLD_ARGS": "1", "RSYNC_PROTECT_ARGS": "1"}, ["-a 'h:a b' dst/"]),
    (
        "RSYNC_PROTECT_ARGS",
        {"RSYNC_PROTECT_ARGS": "1"},
        ["-a 'h:a b' dst/", "-a --old-args 'h:a b' dst/", "-a --no-s 'h:a b' dst/"],
    ),
    ("RSYNC_PROTECT_ARGS-0", {"RSYNC_PROTECT_ARGS": "0"}, ["-a 'h:a b' dst/"]),
    (
        "RSYNC_ICONV",
        {"RSYNC_ICONV": "utf8,latin1"},
        ["-a src/ h:x", "-a --no-iconv src/ h:x", "-a --iconv=. src/ h:x", "-as src/ h:x"],
    ),
    (
        "RSYNC_PARTIAL_DIR",
        {"RSYNC_PARTIAL_DIR": "./.p/"},
        [
            "-a src/ h:x",
            "-aP src/ h:x",
            "-a --partial --inplace src/ h:x",
            "-a --partial-dir=q src/ h:x",
            "-aP h:src/ dst/",
        ],
    ),
    (
        "RSYNC_MAX_ALLOC",
        {"RSYNC_MAX_ALLOC": "2g"},
        ["-a src/ h:x", "-a --max-alloc=1g src/ h:x", "-a --max-alloc=3g h:src/ dst/"],
    ),
    ("RSYNC_MAX_ALLOC-bad", {"RSYNC_MAX_ALLOC": "x"}, ["-a src/ h:x", "-a --max-alloc=1g src/ h:x"]),
    ("RSYNC_CHECKSUM_LIST", {"RSYNC_CHECKSUM_LIST": "md5 xxh64", "RSYNC_COMPRESS_LIST": "zlib"}, ["-az src/ h:x"]),
    ("POSIXLY_CORRECT", {"POSIXLY_CORRECT": "1"}, ["src/ -a h:x"]),
]

WORD_ROWS = [
    *(row for ident, cmds in ALONE.items() for row in groups(ident, cmds)),
    *(
        command(f"options-7-{name}", [f"--timeout=0 {cmd}" for cmd in cmds], env=env)
        if "RSH" not in name
        else Row(
            f"options-7-{name}",
            command("", [""]).tree,
            cmds[0],
            then=cmds[1:],
            env=env,
            codes=frozenset({3, 5, 10, 12, 14, 127, 255}),
            stderr=False,
        )
        for name, env, cmds in ENVIRONMENT
    ),
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

# Patterns that no shell expands: the server does.
PATTERNS = "a* */f [x] l*/ nos* \\[x] * */ ?1/* .* **/f l*/f a[0-9] {a1,x}".split()

PATTERN_TREE: Tree = ["w/a1/f w/x/y w/.h/hid w/ln->a1", File("w/a b/g"), File("w/[x]/lit"), File("w/q\\*")]

EXPANDED = [
    Row(
        "OPT-secluded-patterns",
        PATTERN_TREE,
        "-s -r h:{w}/w/a* dst/",
        then=[f"-s -r 'h:{{w}}/w/{pattern}'" for pattern in PATTERNS]
        + ["-s -r 'h:~/x'", "-s -r 'h:w/a*' 'h:w/?'", "-srv w/a1 'h:{w}/w/x*'"],
        via="shell",
        env={"HOME": "{w}/w"},
    ),
    Row(
        "DMN-patterns",
        [File(f"mod/{name}") for name in ["a1/f", "x/y", ".h/hid", "a b/g", "[x]/lit", "q\\*"]],
        "-r '{url}/m/a*'",
        then=[f"-r '{{url}}/m/{pattern}'" for pattern in PATTERNS] + ["-rs '{url}/m/a*'"],
        via="daemon",
        # rsync shows names that it has found itself with a slash in front.
        norm=[(r'link_stat "/', 'link_stat "')],
    ),
]

ROWS: list[Row] = [*WORD_ROWS, *WORDS, *EXPANDED]
