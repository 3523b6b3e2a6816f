"""Odd values: empty ones, moments that are over, a disk that is full."""

from __future__ import annotations

from tests.parity.harness import Row

_TREE = "src/a src/d/b dst/d/"

ROWS = [
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
    # The second try of a file whose first failed its check (transfer 6, --append-verify).
    *(
        Row(
            f"TRF-17-append-{number}",
            "src/a=xxxxxxxxx src/b src/d/q=rrrrrrrrrr src/d/z dst/a=yyy dst/d/q=rre",
            f"{options} --append-verify src/ dst/",
        )
        for number, options in enumerate(["-ai", "-av --stats", "-ri", "-rv --no-i-r", "-ai --stats --no-i-r"])
    ),
    Row(
        "TRF-27",
        "src/big*900000",
        "-ai --exclude=* src/ small/",
        then=["!mount -t tmpfs -o size=64k none small", "-a src/ small/", "!ls -A small; umount -l small"],
        stderr=False,
    ),
    # The part of the path that -R keeps, behind a daemon; ways out of the destination for files beside it.
    *(
        Row(f"OPT-R-point-{number}", "mod/src/a mod/src/d/b", f"{options} {{url}}/m/{path} dst/", via="daemon")
        for number, (options, path) in enumerate(
            (options, path)
            for options in ("-aiR", "-ai", "-aiR --no-implied-dirs")
            for path in ("src/./d/b", "src/d/./b", "src/d/../d/./b", "src/./d/", "././src//d/b", "src/d/b/.")
        )
    ),
    *(
        Row(
            f"OPT-daemon-above-{number}",
            "src/a mod/dst/x/a=old mod/dst/a=old mod/tt/ mod/dst/tt/",
            f"-ai {option} src/ {{url}}/m/{place}/",
            via="daemon",
            conf="read only = no",
        )
        for number, (option, place) in enumerate(
            (option, place)
            for option in ("--backup-dir=../bk", "--backup-dir=../../bk", "--temp-dir=../tt", "--partial-dir=../pd")
            for place in ("dst", "dst/x")
        )
    ),
    # Links and nodes of another value in an alternate directory.
    *(
        Row(f"TRF-11-other-value-{kind}-{number}", tree, f"{options} --{kind}-dest=../alt --{kind}-dest=../alt2 src/ dst/")
        for kind in ("compare", "copy", "link")
        for number, (options, tree) in enumerate(
            (options, tree)
            for options in ("-aii", "-rli")
            for tree in (
                "src/l->y src/n#c1.3 alt/l->x alt/n#c1.5 alt2/ dst/",
                "src/l->y src/n#c1.3 alt/l->x;t=9 alt/n#c1.5;t=9 alt2/l->y alt2/n#c1.3 dst/",
            )
        )
    ),
]  # fmt: skip
