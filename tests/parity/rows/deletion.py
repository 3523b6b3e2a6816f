"""--delete and its moments, --max-delete, --force, --ignore-errors, --delete-missing-args (spec: transfer 12)."""

from __future__ import annotations

from tests.parity.common import NO_TOTALS, Turns, both, row
from tests.parity.harness import Row
from tests.parity.tree import File

EXTRA = "src/ src/a src/d/b dst/ dst/a dst/x dst/y/z dst/y/w/v dst/d/b dst/d/c dst/d/e/f dst/l->x dst/p|"

IN_THE_WAY = "src/ src/f src/sub/w src/e->q src/new/ dst/f/deep/2 dst/f/1 dst/e/ dst/sub/w/v/3 dst/x/4 dst/zz dst/new"

WHEN = ["--delete-before", "--delete-during", "--delete-delay", "--delete-after"]

ways = Turns(4)
MOMENTS = [
    *(
        item
        for when in WHEN
        for item in [
            *ways(f"TRF-12{when}-v", f"-av {when}", EXTRA, sorted=True, norm=NO_TOTALS),
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

DELETE_TREE = "src/ src/a src/d/b dst/ dst/a dst/x dst/y/z dst/d/b dst/d/c dst/d/e/f"

DELETED = [
    *(
        item
        for when in ["", "-before", "-during", "-delay", "-after"]
        for item in both(f"TRF-12-delete{when}", f"-ai --delete{when}", DELETE_TREE)
    ),
    row("TRF-12-v", "-av --delete src/ dst/", DELETE_TREE, sorted=True),
    row("TRF-12-n", "-ain --delete src/ dst/", DELETE_TREE),
    row("TRF-12-excluded", "-ai --delete-excluded --exclude=x --exclude=c src/ dst/", DELETE_TREE),
    row("TRF-12-deep", "-ai --delete src/ dst/", "src/ src/a dst/q/r/s/t dst/q/b dst/q/r/c"),
    row("TRF-12-order", "-ai --delete src/ dst/", "src/ dst/a dst/b/ dst/c dst/.h dst/ab dst/b-x"),
    row("TRF-12-stats", "-a --delete --stats src/ dst/", DELETE_TREE),
    row("TRF-12-stats-kinds", "-a --delete --stats src/ dst/", "src/ dst/a dst/l->x dst/d/ dst/p| dst/n#c1.3"),
    row("TRF-13", "-ai --delete --max-delete=1 src/ dst/", "src/ src/a dst/x dst/y dst/z"),
    row("TRF-13-0", "-ai --delete --max-delete=0 src/ dst/", "src/ src/a dst/x dst/y dst/z"),
    row("TRF-13-dir", "-ai --delete --max-delete=2 src/ dst/", "src/ src/a dst/x/a dst/x/b dst/x/c dst/y"),
    row("TRF-13-enough", "-ai --delete --max-delete=3 src/ dst/", "src/ src/a dst/x dst/y dst/z"),
    row("TRF-25", "-ai --delete src/ nosuch/ dst/", "src/ src/a dst/x"),
    row("TRF-25-ignore", "-ai --delete --ignore-errors src/ nosuch/ dst/", "src/ src/a dst/x"),
    row("TRF-30-glob", "-ai --delete src/a src/b dst/", "src/a src/b dst/x"),
    row("TRF-30-union", "-ai --delete s1/ s2/ dst/", "s1/a s2/b dst/a dst/b dst/c"),
    row("TRF-30-noslash", "-ai --delete src dst/", "src/a dst/src/b dst/c"),
    row("TRF-d-delete", "-dti --delete src/ dst/", "src/a src/d/x dst/b dst/e/f dst/d/y"),
    row("TRF-delete-missing-src", "-ai --delete nosuch/ dst/", "dst/x"),
    row("TRF-delete-n-i", "-n -a -i --delete-after src/ dst/", DELETE_TREE),
    row("TRF-delete-nodir", "-ai --delete src/ dst/", "src/ src/a"),
    row(
        "TRF-delete-special",
        "-ai --delete src/ dst/",
        "src/ src/a dst/p| dst/n#c1.3 dst/l->nosuch dst/dl->d dst/d/ dst/d/k",
    ),
    row(
        "TRF-delete-protected-dir",
        "-aiv --delete --exclude=keep src/ dst/",
        "src/ src/a dst/d/keep dst/d/x",
        sorted=True,
    ),
    row("TRF-delete-type-change", "-ai --delete src/ dst/", "src/ src/x/y dst/ dst/x=f dst/z"),
    row("TRF-prune", "-aim src/ dst/", "src/ src/e/ src/d/f/ src/d/g/h src/k/l->x"),
    row("TRF-prune-filter", "-aim -f'- *.o' src/ dst/", "src/ src/e/a.o src/d/b"),
    row("TRF-prune-delete", "-aim --delete src/ dst/", "src/ src/e/ src/d/x dst/e/y dst/d/x"),
    row("TRF-missing", "-ai src/nosuch src/a dst/", "src/a"),
    row("TRF-missing-ignore", "-ai --ignore-missing-args src/nosuch src/a dst/", "src/a"),
    row("TRF-missing-delete", "-ai --delete-missing-args src/gone src/a dst/", "src/a dst/gone dst/other"),
    row("TRF-missing-delete-dir", "-ai --delete-missing-args src/gone src/a dst/", "src/a dst/gone/x dst/other"),
    row(
        "TRF-remove-source",
        "-ai --remove-source-files src/ dst/",
        "src/ src/a src/b=new src/d/c src/l->a dst/ dst/a dst/b=o",
    ),
    row("TRF-remove-source-v", "-av --info=remove --remove-source-files src/ dst/", "src/a src/d/c", sorted=True),
    row("TRF-remove-source-n", "-ain --remove-source-files src/ dst/", "src/a src/d/c"),
    row("TRF-remove-sent", "-ai --remove-sent-files src/ dst/", "src/ src/a src/b=new dst/ dst/a dst/b=o"),
    Row("TRF-remove-source-push", "src/a src/d/c", "-ai --remove-source-files src/ h:{w}/dst/", via="shell"),
    Row("TRF-remove-source-pull", "src/a src/d/c", "-ai --remove-source-files h:{w}/src/ dst/", via="shell"),
]

NOT_EMPTY = [
    # A directory below the one that is removed is tried once more when something in it stays.
    *(
        Row(f"TRF-12-not-empty-{number}", "src/ dst/ dst/x/y/z/q dst/x/w~ dst/x/y/w~ dst/u/v", f"-ai {cmd} src/ dst/")
        for number, cmd in enumerate(
            [
                "--delete -f 'P q'",
                "--delete -b",
                "--delete-excluded -b",
                "--delete -f 'P q' -n --stats",
                "--delete -f 'P q' --max-delete=2",
                "--delete -f 'P q' --max-delete=4 -n",
                "--delete -b --max-delete=3",
                "--delete-delay -f 'P q' --debug=del3",
            ]
        )
    ),
    Row("TRF-12-not-empty-push", "src/ dst/ dst/x/y/z/q dst/x/w", "-ai --delete -f 'P q' src/ h:{w}/dst/", via="shell", sorted=True),
    Row("TRF-14-not-empty", "src/ src/x dst/ dst/x/y/z/q", "-a --force -b src/ dst/"),
    Row("TRF-21-closed-directory", "src/ dst/ dst/d/;m=0555 dst/d/f", "-ai --delete -b src/ dst/", user=True),
]  # fmt: skip

ROWS: list[Row] = [*MOMENTS, *DELETED, *NOT_EMPTY]
