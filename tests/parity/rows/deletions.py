"""spec: transfer 12, 13: deleting, making room, mount points, and removing what was sent"""

from __future__ import annotations

from tests.parity.harness import Row
from tests.parity.rows.decisions import ways
from tests.parity.rows.transfer import KINDS, TOTAL, row
from tests.parity.tree import Device, Dir, File

EXTRA = "src/ src/a src/d/b dst/ dst/a dst/x dst/y/z dst/y/w/v dst/d/b dst/d/c dst/d/e/f dst/l->x dst/p|"
IN_THE_WAY = "src/ src/f src/sub/w src/e->q src/new/ dst/f/deep/2 dst/f/1 dst/e/ dst/sub/w/v/3 dst/x/4 dst/zz dst/new"
WHEN = ["--delete-before", "--delete-during", "--delete-delay", "--delete-after"]
DELETE = [
    *(
        item
        for when in WHEN
        for item in [
            *ways(f"TRF-12{when}-v", f"-av {when}", EXTRA, sorted=True, norm=TOTAL),
            *ways(f"TRF-12{when}-n", f"-ain {when}", EXTRA),
            *ways(f"TRF-12{when}-exclude", f"-ai {when} --exclude=z --exclude=c", EXTRA),
            *ways(f"TRF-12{when}-excluded", f"-ai {when} --delete-excluded --exclude=z --exclude=c", EXTRA),
            *ways(f"TRF-12{when}-protect", f"-ai {when} -f'P z' -f'P e/'", EXTRA),
            *ways(f"TRF-12{when}-risk", f"-ai {when} -f'R x' -f'P *'", EXTRA),
            *ways(f"TRF-12{when}-excluded-P", f"-ai {when} --delete-excluded -f'P z' --exclude=b", EXTRA),
            *ways(f"TRF-12{when}-perishable", f"-ai {when} -f'-p z'", EXTRA),
            *ways(f"TRF-12{when}-stats", f"-a {when} --stats", EXTRA),
            *ways(f"TRF-13{when}", f"-ai {when} --max-delete=2", EXTRA),
            *ways(f"TRF-13{when}-0", f"-ai {when} --max-delete=0", EXTRA),
            *ways(f"TRF-13{when}-n", f"-ain {when} --max-delete=2", EXTRA),
            *ways(f"TRF-13{when}-stats", f"-a {when} --max-delete=3 --stats", EXTRA),
            *ways(
                f"TRF-12{when}-force",
                f"-ai {when} --force",
                "src/ src/x=f src/y->q dst/ dst/x/a/b dst/y/c dst/z",
                sorted=True,
            ),
            *ways(
                f"TRF-12{when}-type",
                f"-ai {when}",
                "src/ src/x/y src/f=1 src/l->k dst/ dst/x=f dst/f/g dst/l/m dst/z",
                sorted=True,
            ),
            *ways(f"TRF-12{when}-noinc", f"-ai --no-inc-recursive {when}", EXTRA),
            *ways(f"TRF-12{when}-existing", f"-ai {when} --existing", EXTRA),
            *ways(
                f"TRF-12{when}-merge",
                f"-ai {when} -F",
                [EXTRA, File("src/d/.rsync-filter", content=b"P c\n"), File("dst/y/.rsync-filter", content=b"P w\n")],
            ),
            *(
                # What is inside a directory in the way counts for the limit, the directory itself does not.
                row(
                    f"TRF-13{when}-in-the-way-{limit}",
                    f"-ai {when} --max-delete={limit} src/ dst/",
                    IN_THE_WAY,
                    sorted=True,
                )
                for limit in (0, 1, 4, 5, 6)
            ),
            row(f"TRF-12{when}-d", f"-dti {when} src/ dst/", EXTRA),
            row(f"TRF-12{when}-R", f"-aiR {when} src/d dst/", "src/d/a dst/src/x dst/src/d/b/c dst/y"),
            row(f"TRF-25{when}", f"-ai {when} src/ nosuch/ dst/", "src/ src/a dst/x"),
            row(f"TRF-25{when}-file", f"-ai {when} src/ nosuch dst/", "src/ src/a dst/x"),
            row(f"TRF-25{when}-ignore", f"-ai {when} --ignore-errors src/ nosuch/ dst/", "src/ src/a dst/x"),
            row(
                f"TRF-12{when}-mount",
                "!mkdir -p dst/m dst/k/n; mount -t tmpfs none dst/m; mount -t tmpfs none dst/k/n; echo x >dst/m/x",
                "src/a dst/x",
                then=[f"-ai {when} src/ dst/", "!umount dst/m dst/k/n"],
            ),
            row(
                f"TRF-12{when}-mount-x",
                "!mkdir -p dst/m; mount -t tmpfs none dst/m; echo x >dst/m/x",
                "src/a src/m/b dst/x",
                then=[f"-aix --info=mount {when} src/ dst/", "!cp -a dst/m seen; umount dst/m; touch -d @1 seen/*"],
            ),
        ]
    ),
    *ways("TRF-12-order-all", "-ai --delete", "src/ dst/b dst/a/x dst/a/b/c dst/a-b dst/a.b/c dst/B dst/.z dst/zz/.y"),
    *ways("TRF-12-empty-src", "-ai --delete", "src/ dst/a dst/b/c"),
    *ways("TRF-12-prune", "-aim --delete", "src/ src/e/ src/d/a dst/e/x dst/f/"),
    *ways("TRF-12-force-only", "-ai --force", EXTRA),
    *ways("TRF-14-dir-kinds", "-ai", "src/ src/l->x src/p| src/n#c1.3 src/s! dst/l/a dst/p/a dst/n/a dst/s/a"),
    *ways("TRF-14-dir-kinds-n", "-ain", "src/ src/l->x src/p| src/n#c1.3 src/f dst/l/a dst/p/a dst/n/a dst/f/a"),
    *ways(
        "TRF-14-dir-kinds-force-n",
        "-ain --force",
        "src/ src/l->x src/p| src/n#c1.3 src/f dst/l/a dst/p/a dst/n/a dst/f/a",
    ),
    *ways("TRF-14-protected", "-ai --delete --exclude=keep", "src/ src/x=f dst/x/keep dst/x/y"),
    *ways("TRF-14-protected-force", "-ai --force --exclude=keep", "src/ src/x=f dst/x/keep dst/x/y"),
    *ways("TRF-14-dir-to-file", "-ai", "src/x/y/z dst/ dst/x=f"),
    *ways("TRF-30-files", "-ai --delete --no-dirs --no-r", "src/a dst/x"),
    row("TRF-30-globs", "-ai --delete src/a src/d dst/", "src/a src/d/b dst/x dst/d/y"),
    row("TRF-30-union-dup", "-ai --delete s1/ s2/ dst/", "s1/a=1 s2/a=2 s1/d/x s2/d/y dst/d/z"),
    row("TRF-30-union-type", "-ai --delete s1/ s2/ dst/", "s1/a=1 s2/a/x dst/a/z"),
    row("TRF-30-abs", "-ai --delete {w}/src/ dst/", "src/a dst/x"),
    row(
        "TRF-30-files-from",
        "-ai --delete --files-from=L src/ dst/",
        ["src/a src/d/b dst/x dst/d/y", File("L", content=b"a\nd\n")],
    ),
    row(
        "TRF-30-files-from-r",
        "-air --delete --files-from=L src/ dst/",
        ["src/a src/d/b dst/x dst/d/y", File("L", content=b"a\nd/\n")],
    ),
    *(
        row(f"TRF-missing-{number}", f"-ai {options} src/gone src/a dst/", tree)
        for number, (options, tree) in enumerate(
            [
                ("--delete-missing-args", "src/a dst/gone->x"),
                ("--delete-missing-args --force", "src/a dst/gone/x/y"),
                ("--delete-missing-args --delete", "src/a dst/gone/x/y dst/z"),
                ("--delete-missing-args -n", "src/a dst/gone"),
                ("--delete-missing-args --exclude=gone", "src/a dst/gone"),
                ("--delete-missing-args -f'P gone'", "src/a dst/gone"),
                ("--delete-missing-args -b", "src/a dst/gone"),
                ("--delete-missing-args", "src/a dst/"),
                ("--ignore-missing-args --delete", "src/a dst/gone"),
                ("--delete-missing-args --max-delete=0", "src/a dst/gone"),
                ("--delete-missing-args -R", "src/a dst/src/gone"),
                ("--delete-missing-args -v", "src/a dst/gone dst/"),
                ("--delete-missing-args -n", "src/a dst/gone/x"),
            ]
        )
    ),
    *(
        row(
            f"TRF-missing-parent-{number}",
            f"-ai {options} dst/",
            ["src/a dst/ dst/src/gone dst/src/nod/g dst/gone", File("L", content=b"nod/g\ngone\na\n")],
            # The sender's lines and the receiver's are a race.
            sorted=True,
        )
        for number, options in enumerate(
            [
                "--delete-missing-args -R src/nod/g src/a",
                "--delete-missing-args -R src/nod/g src/nod/h src/x/y",
                "--delete-missing-args --no-i-r -R src/nod/g src/nod/h src/x/y",
                "--delete-missing-args --no-i-r -R src/nod/k/g",
                "--delete-missing-args -R src/./nod/g",
                "--delete-missing-args -R src/nod/./g src/a",
                "--delete-missing-args --files-from=L src/",
                "--delete-missing-args --no-R --files-from=L src/",
                "--delete-missing-args src/nod/g src/a",
                "--delete-missing-args src/nod/ src/a",
                "--ignore-missing-args -R src/nod/g src/a",
                "--ignore-missing-args -R src/nod/./g src/a",
                "--ignore-missing-args src/nod/g src/a",
                "--ignore-missing-args src/nod/ src/a",
                "--ignore-missing-args --files-from=L src/",
                "--ignore-missing-args --no-R --files-from=L src/",
            ]
        )
    ),
    *(
        row(
            f"TRF-missing-dir-{number}",
            f"-ai {options} dst/",
            ["src/a src/d/ dst/src/a dst/src/d/g;t=3 dst/src/d/;t=4", File("L", content=b"d/g\na\n")],
            sorted=True,
        )
        for number, options in enumerate(
            [
                "--delete-missing-args -R src/d/g src/a",
                "--delete-missing-args -R src/d/g",
                "--delete-missing-args --no-i-r -R src/d/g",
                "--delete-missing-args --no-implied-dirs -R src/d/g",
                "--delete-missing-args --files-from=L src/",
            ]
        )
    ),
    # What can't be listed stops the deletions from there on, what can't be opened only those at the end.
    *(
        row(
            f"TRF-25-{what}{options.replace(' ', '')}-{way}",
            f"-ai {options} {'h:{w}/' if way == 'pull' else ''}src/ {'h:{w}/' if way == 'push' else ''}dst/",
            f"src/ src/u src/a/f src/b/f src/c/f src/d/f dst/z dst/a/x dst/b/y dst/c/z dst/d/w {closed};m=0000",
            user=True,
            via="local" if way == "local" else "shell",
            sorted=True,
        )
        for what, closed in (("dir", "src/c/"), ("file", "src/u"), ("late", "src/c/f"))
        for options in (
            "--delete",
            "--delete-delay",
            "--delete-before",
            "--delete-after",
            "--delete -n",
            "--delete --no-i-r",
            "--delete --ignore-errors",
            "--delete-after --ignore-errors",
        )
        for way in ("local", "push", "pull")
    ),
    row(
        "TRF-missing-push",
        "-ai --delete-missing-args src/gone src/a h:{w}/dst/",
        "src/a dst/gone/",
        via="shell",
        sorted=True,
    ),
    row(
        "TRF-missing-pull",
        "-ai --delete-missing-args h:{w}/src/gone :{w}/src/a dst/",
        "src/a dst/gone/",
        via="shell",
        sorted=True,
    ),
    row(
        "TRF-missing-files-from",
        "-ai --delete-missing-args --files-from=L src/ dst/",
        ["src/a dst/gone", File("L", content=b"a\ngone\n")],
        sorted=True,
    ),
]
MOUNTS = [
    row(
        f"TRF-x-{number}",
        "!mkdir -p src/m src/d/n; mount -t tmpfs none src/m; mount -t tmpfs none src/d/n; echo x >src/m/x; echo y >src/d/n/y; touch -d @1700000000 src/m/x src/m src/d/n/y src/d/n src/d src",
        "src/a src/d/b",
        then=[f"{options} src{slash} dst/", "!umount src/m src/d/n"],
    )
    for number, (options, slash) in enumerate(
        [
            ("-ai", "/"),
            ("-aix", "/"),
            ("-aixx", "/"),
            ("-aix", ""),
            ("-aixx --info=mount", ""),
            ("-aixv", "/"),
            ("-aix --delete", "/m src/"),
            ("-aixR", "/m/x src/"),
            ("-aixd --no-r", "/"),
        ]
    )
]
SOURCES = [
    *ways("TRF-19", "-ai --remove-source-files", "src/ src/a src/d/b src/e/ src/l->a src/p| src/n#c1.3 dst/"),
    *ways(
        "TRF-19-same",
        "-ai --remove-source-files",
        SAME_KINDS := "src/ src/a src/l->a src/p| dst/ dst/a dst/l->a dst/p|",
    ),
    *ways("TRF-19-vinfo", "-a --remove-source-files --info=remove", SAME_KINDS, sorted=True),
    *ways("TRF-19-sent", "-ai --remove-sent-files", SAME_KINDS),
    *ways("TRF-19-existing", "-ai --remove-source-files --existing", "src/ src/a=n src/b dst/ dst/a=o"),
    *ways("TRF-19-ignore", "-ai --remove-source-files --ignore-existing", "src/ src/a=n src/b dst/ dst/a=o"),
    *ways("TRF-19-update", "-aiu --remove-source-files", "src/ src/a=n src/b=n dst/ dst/a=o;t=4 dst/b=n"),
    *ways("TRF-19-c", "-aic --remove-source-files", "src/ src/a=n src/b=n dst/ dst/a=o dst/b=n"),
    *ways("TRF-19-max", "-ai --remove-source-files --max-size=3", "src/ src/a*9 src/b*2 dst/"),
    *ways("TRF-19-safe", "-ai --remove-source-files --safe-links", "src/ src/a src/l->/etc/x dst/"),
    *ways("TRF-19-no-l", "-rti --remove-source-files", "src/ src/a src/l->a src/p| dst/"),
    *ways("TRF-19-L", "-aiL --remove-source-files", "src/ src/a src/l->../x x dst/"),
    *ways("TRF-19-delay", "-ai --remove-source-files --delay-updates", "src/ src/a=n src/b dst/ dst/a=o"),
    *ways("TRF-19-inplace", "-ai --remove-source-files --inplace", "src/ src/a=n src/b dst/ dst/a=o"),
    *ways("TRF-19-failed", "-ai --remove-source-files", "src/ src/a src/b dst/a/x"),
    row("TRF-19-itself", "-aiI --remove-source-files src/ src/", "src/a src/d/b"),
    row("TRF-19-itself-uptodate", "-ai --remove-source-files src/ src/", "src/a src/d/b"),
    row("TRF-19-hard-dest", "-aiI --remove-source-files src/ dst/", "src/a dst/a=>src/a"),
    row("TRF-19-user", "-ai --remove-source-files src/ dst/", "src/a src/d/b src/d/;m=0555", user=True),
    row("TRF-18-unreadable", "-ai src/ dst/", "src/ src/a;m=0000 src/b src/d/c;m=0200", user=True),
    row("TRF-18-unreadable-noW", "-ai --no-W --stats src/ dst/", "src/ src/a;m=0000 src/b dst/ dst/a=o", user=True),
    row("TRF-18-unreadable-remove", "-ai --remove-source-files src/ dst/", "src/ src/a;m=0000 src/b", user=True),
    row("TRF-18-unreadable-delete", "-ai --delete src/ dst/", "src/ src/a;m=0000 src/b dst/x", user=True),
    row("TRF-18-unreadable-delete-after", "-ai --delete-after src/ dst/", "src/ src/a;m=0000 src/b dst/x", user=True),
    *ways("TRF-18-missing", "-ai", "src/ src/a"),
    *ways("TRF-nonreg", "-rt --info=nonreg", KINDS),
    *ways("TRF-copy-devices-0", "-ai --copy-devices", "src/ src/n#c1.3 src/p| src/a dst/"),
    row("TRF-copy-devices-exists", "-ai --copy-devices src/ dst/", "src/ src/n#c1.3 dst/ dst/n=old"),
    row("TRF-copy-devices-arg", "-ai --copy-devices src/n dst/x", "src/n#c1.3 dst/"),
    row(
        "TRF-write-devices-c",
        "-ai --write-devices src/n dst/",
        [Dir("dst"), File("src/n", content=b"abc"), Device("dst/n", minor=3)],
    ),
    row(
        "TRF-write-devices-none",
        "-ai --write-devices src/n dst/",
        [Dir("dst"), File("src/n", content=b"abc"), File("dst/n", content=b"o")],
    ),
    row(
        "TRF-write-devices-not", "-ai src/n dst/", [Dir("dst"), File("src/n", content=b"abc"), Device("dst/n", minor=3)]
    ),
    row(
        "TRF-write-devices-push",
        "-ai --write-devices src/n h:{w}/dst/",
        [Dir("dst"), File("src/n", content=b"abc"), Device("dst/n", minor=3)],
        via="shell",
    ),
]

ROWS: list[Row] = [*DELETE, *MOUNTS, *SOURCES]
