"""How words become options: spelling, bundles, values, negation, order, aliases (spec: options 1, 6.5, 6.7, 7)."""

from __future__ import annotations

from typing import Any

from tests.parity.common import ONE, plain
from tests.parity.harness import Row
from tests.parity.tree import File, Tree

INTEGERS = [
    "modify-window",
    "max-delete",
    "compress-level",
    "timeout",
    "contimeout",
    "port",
    "protocol",
    "checksum-seed",
]

NEVER = """
delete update stats ignore-times existing fsync archive exclude rsh del size-only delete-after cvs-exclude quiet
ignore-existing remove-source-files dry-run append-verify max-size backup-dir partial-dir chmod filter files-from
executability copy-links safe-links preallocate list-only fake-super log-file compress-choice q n u I E b F C e P a L k K 0
M 4 stderr info debug trust-sender link-dest delete-excluded
""".split()

# Every spelling that takes no argument, and every one that takes one.
PLAIN = """
help version verbose no-verbose no-v msgs2stderr no-msgs2stderr quiet motd no-motd stats human-readable
no-human-readable no-h dry-run archive recursive no-recursive no-r inc-recursive no-inc-recursive i-r no-i-r dirs no-dirs
no-d old-dirs old-d perms no-perms no-p executability acls no-acls no-A xattrs no-xattrs no-X times no-times no-t atimes
no-atimes no-U open-noatime no-open-noatime crtimes no-crtimes no-N omit-dir-times no-omit-dir-times no-O
omit-link-times no-omit-link-times no-J super no-super fake-super owner no-owner no-o group no-group no-g no-D
devices no-devices copy-devices write-devices no-write-devices specials no-specials drop-D no-drop-D links no-links no-l
copy-links copy-unsafe-links safe-links insecure-links no-insecure-links munge-links no-munge-links copy-dirlinks
keep-dirlinks hard-links no-hard-links no-H relative no-relative no-R implied-dirs no-implied-dirs i-d no-i-d
ignore-times size-only one-file-system no-one-file-system no-x update existing ignore-non-existing ignore-existing sparse
no-sparse no-S preallocate inplace no-inplace append append-verify no-append del delete delete-before delete-during
delete-delay delete-after delete-excluded delete-missing-args ignore-missing-args remove-source-files remove-sent-files
force no-force ignore-errors no-ignore-errors cvs-exclude whole-file no-whole-file no-W checksum no-checksum no-c fuzzy
no-fuzzy no-y compress no-compress no-z old-compress new-compress progress no-progress partial no-partial delay-updates
no-delay-updates prune-empty-dirs no-prune-empty-dirs no-m itemize-changes no-itemize-changes no-i no-bwlimit backup
no-backup list-only from0 no-from0 old-args no-old-args secluded-args no-secluded-args protect-args no-protect-args no-s
trust-sender numeric-ids no-numeric-ids no-timeout no-contimeout fsync no-iconv ipv4 ipv6 8-bit-output no-8-bit-output
no-8 mkpath no-mkpath qsort blocking-io no-blocking-io server sender
""".split()

SIZES = ["max-size", "min-size", "block-size", "bwlimit", "max-alloc"]

VALUED = """
info debug stderr modify-window chmod filter exclude include exclude-from include-from max-size min-size max-alloc
compare-dest copy-dest link-dest compress-choice zc skip-compress compress-level zl compress-threads zt max-delete
partial-dir log-file log-file-format out-format log-format bwlimit backup-dir suffix read-batch write-batch
only-write-batch files-from timeout contimeout rsh rsync-path temp-dir iconv checksum-seed address port sockopts
password-file early-input outbuf remote-option protocol checksum-choice cc usermap groupmap chown copy-as stop-after
time-limit stop-at confine-root block-size
""".split()


def steps(ident: str, cmds: list[str], tree: Tree = ONE, **more: Any) -> Row:
    """Many short runs in one tree: most of them end with an error before anything is touched."""
    return Row(ident, tree, cmds[0], then=cmds[1:], **more)


def chunks(ident: str, cmds: list[str], size: int = 12, tree: Tree = ONE, **more: Any) -> list[Row]:
    return [
        steps(f"{ident}-{start // size}", cmds[start : start + size], tree, **more)
        for start in range(0, len(cmds), size)
    ]


OPTION_WORDS: list[Row] = [
    *chunks("OPT-3-each", [f"-a --{name}=foo src/ dst/" for name in PLAIN]),
    *chunks("OPT-3-empty", [f"-a --{name}= src/ dst/" for name in ["delete", "no-r", "times", "qsort", "sender"]]),
    *chunks("OPT-missing-each", [f"-a src/ dst/ --{name}" for name in VALUED]),
    *chunks("OPT-missing-letter", [f"-a src/ dst/ -{name}" for name in "BTMef@"] + ["-avB", "-B", "-avT", "-Bv="]),
    *chunks("OPT-1-cut", [f"-a --{name[:-1]} src/ dst/" for name in PLAIN[::4] + VALUED[::3] if len(name) > 5]),
    *chunks("OPT-5-each", [f"-a --no-{name} src/ dst/" for name in NEVER]),
    *chunks(
        "OPT-unknown-each",
        [f"-{letter} src/ dst/" for letter in "GQYZjw123579.,:?!"]
        + ["-a-", "-v-a", "---", "--=x", "--a", "--v", "-=a"],
    ),
    *chunks(
        "OPT-unknown-odd", ["--Archive src/ dst/", "--no-no-times src/ dst/", "--no_times src/ dst/", "-é src/ dst/"]
    ),
    *(
        steps(
            f"OPT-int-{name}",
            [
                f"-aiz --delete --{name}={text} src/ dst/"
                for text in [
                    "abc",
                    "5x",
                    "0x",
                    "1.5",
                    "99999999999",
                    "2147483648",
                    "-2147483649",
                    "--5",
                    "0b1",
                    "1_0",
                    "+",
                ]
            ],
        )
        for name in INTEGERS
    ),
    steps(
        "OPT-4-each",
        [f"-ain --{name}= src/ dst/" for name in ["modify-window", "max-delete", "timeout", "checksum-seed"]]
        + [f"-ain --timeout={text} src/ dst/" for text in ["+5", "010", "0X1f", "'\t5'", "' 5'", "'5 '", "08"]],
    ),
    *chunks(
        "OPT-7-each",
        [
            f"-ain --{name}={text} src/ dst/"
            for name in SIZES
            for text in [
                "1.5k",
                "2kb",
                "3kib",
                "1q",
                "1k+1",
                "5-1",
                "1k+1x",
                "1..5k",
                "1ki",
                "0",
                "''",
                "-1",
                "+5",
                "1e3",
                "' 5'",
                "0x10",
            ]
            # An allocation without limit is refused on purpose (OPT-31).
            if not (name == "max-alloc" and text in ("0", "''"))
        ],
        16,
        "src/a*1536 src/b*5000 src/c*3",
    ),
    *chunks(
        "OPT-7-exact",
        [
            f"-ain --delete --max-size={text} src/ dst/"
            for text in [
                "1.5K+1",
                "1kb",
                "1536",
                "1.5k-1",
                "1.5kB+36",
                "0.001mb",
                "1000b",
                "1.5",
                "1KIB",
                "1Kb",
                "1000B+1",
                "9.99999999k",
            ]
        ],
        16,
        "src/a*1536 src/b*1537 src/c*1000 src/d*1001 src/e*1535 src/f*1",
    ),
    # Where options and words may stand.
    steps(
        "OPT-2-bundle",
        ["-aivB700 src/ dst/", "-aivB=700 src/ dst/", "-aiv -B =700 src/ dst/", "-a=v src/ dst/", "-av= src/ dst/"],
    ),
    steps(
        "OPT-2-values", ["-ain -f-_a src/ dst/", "-ain -f=-_a src/ dst/", "-ainf -_a src/ dst/", "-ainf=-_a src/ dst/"]
    ),
    steps(
        "OPT-2-dashed", ["-ain --exclude -a src/ dst/", "-ain --exclude --verbose src/ dst/", "-ain -f -- src/ dst/"]
    ),
    steps(
        "OPT-words",
        ["-ain -- src/ dst/", "-ain src/ -- dst/", "-ain -- -- src/", "-ain src/ dst/ -- -v", "-ain src/ dst/ --"],
    ),
    steps(
        "OPT-repeat",
        [
            "-ain --suffix=a --suffix=b -b src/ dst/",
            "-ain --exclude=a --exclude=b src/ dst/",
            "-ai --chmod=F600 --chmod=F+x src/ dst/",
        ],
    ),
    steps(
        "OPT-order",
        [
            "--no-p -ai src/ dst/",
            "-ai --no-p src/ dst2/",
            "-ai --no-t --times src/ dst3/",
            "-ri --no-r src/ dst4/",
            "-ai --no-l src/ dst5/",
            "--no-D -ai src/ dst6/",
        ],
        "src/ src/a;m=0600 src/l->a src/p|",
    ),
    steps(
        "OPT-order-verbose",
        ["-avi --no-v src/ dst/", "--no-v -av src/ dst2/", "-avv --no-v -v src/ dst3/"],
        "src/ src/a",
    ),
    steps("OPT-order-human", ["-an --no-h -h --stats src/ dst/", "-anhh --no-h --stats src/ dst/"], "src/ src/a*12345"),
    steps("OPT-order-itemize", ["-aii --no-i src/ dst/", "-a --no-i -i src/ dst2/"], "src/ src/a"),
    steps(
        "OPT-order-z", ["-aiz --no-z src/ dst/", "-ai --zc=lz4 --no-z src/ dst2/", "-aizz --no-compress -z src/ dst3/"]
    ),
    steps(
        "OPT-order-one",
        ["-aixx --no-x src/ dst/", "-aiHH --no-H src/ dst2/", "-aiXX --no-X src/ dst3/", "-aiUU --no-U src/ dst4/"],
    ),
    steps(
        "OPT-after-error",
        [
            "--bogus --max-size=q src/ dst/",
            "--max-size=q --bogus src/ dst/",
            "--info=help --bogus",
            "--bogus --info=help",
            "--version --max-size=q",
            "--max-alloc=1 --bogus src/ dst/",
        ],
        norm=[(r"(?s)\A.*?protocol version (\d+)\n.*\Z", r"protocol \1")],
    ),
    # A word of a message is escaped; no byte above 0x7f counts as text before the locale has been looked at.
    *chunks(
        "OUT-17-words",
        [
            *(
                f"{words} src/ dst/"
                for words in [
                    "--é",
                    "$'--x\\ny'",
                    "-a --max-size=é",
                    "--info=é",
                    "--debug='a\\#012'",
                    "--stderr=é",
                    "--files-from=é",
                    "-a -Mé",
                    "-a --filter=é",
                    "-ab --suffix=é/",
                    "-a --zc=é",
                    "-a --cc=é",
                    "-a --chmod=é",
                    "-a --stop-at=é",
                    "-a --usermap=é",
                    "-a --temp-dir=é",
                    "-a --log-file=é/é",
                    "-a --link-dest=é",
                    "-a src b:é",
                    "--config=é --é",
                    "--daemon --é",
                    "--daemon --dparam=é",
                ]
            ),
            "-a src/ dst/é/é/é",
            "-a h:x é y",
            "-a nosuché dst/",
        ],
        13,
    ),
    # Both ends of rsync's local copy fail here; whether the other end's lines, or SIGUSR1's, are seen is chance.
    steps(
        "OUT-17-words-iconv",
        ["-a --iconv=nosuché src/ dst/"],
        norm=[
            (r"(?m)^iconv_open\(.*\\#303.*\n", ""),
            (r"(?m)^rsync error: (requested action not supported.*\[Receiver=|received SIGUSR1 ).*\n", ""),
        ],
    ),
    # Texts asked for.
    steps(
        "OPT-6-others",
        ["-hn", "-h -v", "-hV", "-Vh", "-h --help", "--help --bogus"],
        norm=[
            (r"(?s)\A.*Usage: .*\Z", "help"),
            (r"(?s)\A.*?protocol version (\d+)\n.*\Z", r"protocol \1"),
            (r"(?s)\A.*(?=rsync error)", "any usage "),
        ],
    ),
    steps(
        "OPT-32-others",
        ["-a", "--delete", "-av --stats", "-q", "--info=name2"],
        norm=[(r"(?s)\A.*(?=rsync error)", "any usage ")],
    ),
    # Aliases of popt.
    Row(
        "OPT-40",
        [
            ONE,
            File(
                ".popt", content=b"rsync alias --mine -ai --exclude=x\nrsync alias -Z --mine\nother alias --theirs -v\n"
            ),
        ],
        "--mine src/ dst/",
        then=["-Z src/ dst2/", "-nZ src/ dst3/", "--mine=3 src/ dst/", "--theirs src/ dst/", "--server --mine . dst4/"],
        env={"HOME": "{w}"},
    ),
    Row(
        "OPT-40-value",
        [
            ONE,
            "src/b",
            File(".popt", content=b"# a comment\nrsync alias --not --exclude=!#:+\nrsync alias --twice --not=b -ai\n"),
        ],
        "-ai --not=a src/ dst/",
        then=["-ai --not a src/ dst2/", "--twice src/ dst3/", "-ai src/ dst4/ --not"],
        env={"HOME": "{w}"},
    ),
    Row(
        "OPT-40-server",
        [ONE, File(".popt", content=b"rsync alias --server -v\nrsync alias --daemon -v\nrsync alias -a -rt\n")],
        "-a src/ dst/",
        then=["-ai src/ h:{w}/dst2/"],
        env={"HOME": "{w}"},
        via="shell",
    ),
]

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
        for name in [
            "verbose",
            "v",
            "human-readable",
            "h",
            "recursive",
            "r",
            "inc-recursive",
            "i-r",
            "dirs",
            "d",
            "perms",
            "p",
            "times",
            "t",
            "omit-dir-times",
            "O",
            "omit-link-times",
            "J",
            "owner",
            "o",
            "group",
            "g",
            "D",
            "devices",
            "specials",
            "links",
            "l",
            "relative",
            "R",
            "implied-dirs",
            "i-d",
            "one-file-system",
            "x",
            "sparse",
            "S",
            "inplace",
            "force",
            "ignore-errors",
            "whole-file",
            "W",
            "checksum",
            "c",
            "compress",
            "z",
            "progress",
            "partial",
            "itemize-changes",
            "i",
            "bwlimit",
            "from0",
            "old-args",
            "secluded-args",
            "s",
            "numeric-ids",
            "timeout",
            "contimeout",
            "motd",
            "8-bit-output",
            "8",
            "blocking-io",
        ]
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
    plain("OPT-32-v", "-v", norm=[(r"(?s)\A.*(?=rsync error)", "any usage "), (r"\[\w+=V\]", "")]),
    plain("OPT-none", "", norm=[(r"(?s)\A.*(?=rsync error)", "any usage ")]),
    plain("OPT-empty-source", ["-a", "", "dst/"]),
    plain("OPT-28", ["-a", "src/", ""]),
    plain("OPT-28-old-args", ["-ai", "--old-args", "src/", ""]),
    plain("OPT-sender-alone", "--sender src/ dst/", norm=[(r"(?s)\A.*(?=rsync error)", "any usage ")]),
]

ROWS: list[Row] = [*OPTION_WORDS, *PARSING]
