"""--list-only (spec: output 8)."""

from __future__ import annotations

from tests.parity.common import DEEP, SHELL, runs, shown
from tests.parity.harness import Row
from tests.parity.tree import Dir, File

LISTING = [
    shown("OUT-13", "src/"),
    shown("OUT-13-a", "-a src/"),
    shown("OUT-13-r", "-r src/"),
    shown("OUT-13-no-h", "-a --no-h src/"),
    shown("OUT-13-h", "-ah src/"),
    shown("OUT-13-v", "-av src/"),
    shown("OUT-13-noslash", "src"),
    shown("OUT-13-file", "src/a"),
    shown("OUT-13-files", "--list-only src/a src/d dst"),
    shown(
        "OUT-13-modes",
        "-a src/",
        "src/ src/a;m=4755 src/b;m=2644 src/c;m=1777 src/d;m=4644 src/e/;m=1777 src/f/;m=1770 src/g;m=2755 src/s!",
    ),
    shown("OUT-13-exclude", "-a --exclude=a src/"),
    shown("OUT-13-stats", "-a --stats src/"),
    shown("OUT-13-missing", "nosuch"),
    shown("OUT-13-U", "-aU src/", "src/ src/a"),
    shown("OUT-13-pull", "h:{w}/src/", via="shell"),
    shown("OUT-13-pull-a", "-a h:{w}/src/", via="shell"),
    shown("OUT-13-pull-v", "-av h:{w}/src/", via="shell"),
    shown("OUT-13-list-push", "-a --list-only src/ h:{w}/dst/", via="shell"),
    shown("OUT-13-list-pull", "-a --list-only h:{w}/src/ dst/", via="shell"),
    shown("OUT-13-out-format", "-a --out-format=%n src/"),
    shown("OUT-13-i", "-ai src/"),
    shown("OUT-13-large", "-a src/", [Dir("src"), File("src/a", size=5_000_000_000_000)]),
    shown("OUT-13-large-h", "-ah src/", [Dir("src"), File("src/a", size=5_000_000_000_000)]),
    shown("OUT-13-c", "-ac src/", "src/ src/a"),
    shown("OUT-13-n", "-an src/", "src/ src/a"),
    shown("OUT-13-times", "-a src/", "src/;t=0 src/a;t=-1699999999 src/b;t=1000000000"),
    shown("OUT-13-noinc", "-a --no-inc-recursive src/", "src/a src/d/b"),
]

LISTED = [
    "-r",
    "-a",
    "-d",
    "-rl",
    "-rh",
    "-rhh",
    "-r --no-h",
    "-rc",
    "-r --no-i-r",
    "-r --size-only",
    "-rL",
    "-rn",
    "-rq",
    "-r8",
    "-rD",
    "-r --max-size=3",
    "-rm",
    "-r --exclude=c",
    "-r --numeric-ids",
    "-aR",
]

LISTINGS = [
    runs(
        "OUT-13-deep",
        [f"{one} --no-U {place}" if "U" not in one else f"{one} {place}" for one in LISTED for place in ["src/"]],
    ),
    runs("OUT-13-deep-pull", [f"{SHELL} {one} h:{{w}}/src/" for one in LISTED[:-1]]),
    runs(
        "OUT-13-deep-named",
        [
            "-r src",
            "-r src/a",
            "-r src/b/c/",
            "-r src/./b",
            "-rR src/./b",
            "-d src/b",
            "-d src/b/",
            "src/b/.",
            "-r src/l",
            "-r src/l/",
            "--list-only src/6 src/z",
        ],
    ),
    runs(
        "OUT-13-deep-v",
        [
            "-rv src/",
            "-rvv src/",
            "-rv --stats src/",
            "-ri src/",
            "-r --out-format='%n %l' src/",
            "-r --progress src/",
            "-r --info=name2 src/",
            "-r --delete src/",
            "-ri --list-only src/ dst/",
        ],
        norm=[(r"(?m)^total: .*$", "T")],
    ),
    Row(
        "OUT-13-deep-daemon",
        ["mod/6 mod/a/4 mod/b/1 mod/b/c/2"],
        "-r {url}/m/",
        then=[
            "-av {url}/m/",
            "{url}/m",
            "{url}/m/b/",
            "-d {url}/m/b",
            "-rh {url}/m/b {url}/m/a",
            "--no-motd {url}/",
            "-q {url}/m/",
        ],
        via="daemon",
    ),
    Row(
        "OUT-13-deep-user",
        DEEP.replace(" src/n#b7.3", ""),
        "-r src/",
        then=["-a src/", f"{SHELL} -rv h:{{w}}/src/"],
        user=True,
    ),
]

ROWS: list[Row] = [*LISTING, *LISTINGS]
