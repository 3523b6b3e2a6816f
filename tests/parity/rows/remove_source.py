"""--remove-source-files, unreadable sources, --copy-devices, --write-devices (spec: transfer 13)."""

from __future__ import annotations

from tests.parity.common import KINDS, Turns, both, row
from tests.parity.harness import Row
from tests.parity.tree import Device, Dir, File

ways = Turns(7)
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

SENT = [
    *both("options-2-sent-nodes", "-aiD --remove-sent-files", "src/ src/a src/p| src/n#c1.3 src/l->a dst/ dst/p=file"),
    *both("options-2-source-nodes", "-aiD --remove-source-files", "src/ src/a src/p| src/n#c1.3 src/l->a dst/ dst/p=f"),
]

REMOVED_BEFORE = [
    *both("TRF-19-removed-before", "-a --remove-source-files", "src/ src/e/l->no dst/", sorted=True),
    Row("TRF-19-removed-twice", "src/ src/e/l->no dst/", "-a --remove-source-files src/e src/e/l dst/"),
    Row("TRF-19-removed-twice-quiet", "src/ src/e/l->no dst/", "-aq --remove-source-files src/e src/e/l dst/"),
    Row("TRF-19-removed-twice-pull", "src/ src/e/l->no dst/", "-a --remove-source-files h:{w}/src/e :{w}/src/e/l dst/", via="shell"),
]  # fmt: skip

ROWS: list[Row] = [*SOURCES, *SENT, *REMOVED_BEFORE]
