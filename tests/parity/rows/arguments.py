"""Sources and destinations: which argument is what, missing ones, names as they were typed (spec: options 5, transfer 2)."""

from __future__ import annotations

from tests.parity.common import plain
from tests.parity.harness import Row
from tests.parity.tree import File

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

#: The directory of an argument is named as it was typed.
TYPED = [
    Row(f"ERR-typed-{number}", "src/ src/a dst/", f"-a {source} dst/", norm=[(r"\.SIGUSR1.*\n", "")])
    for number, source in enumerate(
        [
            "src/./nope/",
            "src//nope/",
            "src/../src/nope/",
            "src/./nope/./x",
            "./nope/",
            "nope/./",
            "nope/.",
            "././nope/ .//nope/x",
            "./nope/..",
            "{w}/src/./nope/",
            "{w}/src//nope//x",
            "{w}//nope//",
            "./src/a/",
            "-R nope/./x ./nope/././x",
            "-R nope//./x",
        ]
    )
]

NAMED = [
    Row(
        "OUT-12-change-dir-twice",
        "mod/src/e/ dst/",
        "{url}/m/src/e {url}/m/src/x/d/ dst/",
        via="daemon",
    ),
    Row("OUT-12-absolute-name", "src/ src/a dst/", "-rR --debug=filter --include=a {w}/src dst/"),
]  # fmt: skip

TWICE = [
    # A directory that two arguments name is read once, if both spell its parent alike.
    *(
        Row(f"TRF-20-twice-{number}", "src/ src/d/z=0123456789 other/d/y=1 other/e/x dst/", f"-a --stats {arguments} dst/")
        for number, arguments in enumerate(
            [
                "src/d src/",
                "src/ src/d",
                "src/d ./src/d",
                "src/d src/. src/d",
                "src/d src/d src/d src/d",
                "src/d other/e src/d",
                "src/d other/d other/d",
                "src/d src/d other/d other/d",
                "src// src//d ./src/",
                "src/ other/ src/",
            ]
        )
    ),
    Row("TRF-20-twice-push", "src/ src/d/z=0123456789 dst/", "-a --stats src/d src/ h:{w}/dst/", via="shell"),
    Row("TRF-20-twice-pull", "src/ src/d/z=0123456789 dst/", "-a --stats h:{w}/src/d :{w}/src/ dst/", via="shell"),
    Row("TRF-20-twice-whole-list", "src/ src/d/z=0123456789 dst/", "-a --no-i-r --stats src/d src/ dst/"),
]  # fmt: skip

# Files of one name in several arguments: the one that is listed first is sent.
SAME_NAME_TREE = "one/ one/d/ one/d/f=first one/b=12 two/ two/d/ two/d/f=second! two/b=1234 two/c=5 dst/"

SAME_NAME = [
    # Where rsync prints `removing duplicate name` of a later list is a race.
    Row(f"TRF-2-same-name-{ident}{suffix}", SAME_NAME_TREE, f"{options} {arguments} dst/", sorted="-vv" in suffix)
    for suffix, options in [("", "-ai"), ("-whole", "-ai --no-i-r"), ("-dirs", "-dti"), ("-R", "-aiR"), ("-vv", "-avv"), ("-R-whole", "-aiR --no-i-r")]
    for ident, arguments in [
        ("contents-first", "one/./ two/./b two/./d/f"),
        ("file-first", "two/./b two/./d/f one/./"),
        ("between", "one/./d two/./b one/./ two/./"),
        ("three", "two/./d/f one/./ two/./"),
        ("dirs", "one/./ two/./d two/./d/"),
        ("gone", "nosuch one/./ two/./ nosuch2"),
    ]
] + [
    Row(f"TRF-2-same-name-list{suffix}", [*SAME_NAME_TREE.split(), File("L", content=b"one/\ntwo/b\ntwo/d/\none/d/f\n")], f"{options} --files-from=L . dst/")
    for suffix, options in [("", "-ai --no-R"), ("-r", "-air --no-R"), ("-whole", "-air --no-R --no-i-r")]
]  # fmt: skip

ROWS: list[Row] = [*SAME_NAME, *ARGUMENTS, *TYPED, *NAMED, *TWICE]
