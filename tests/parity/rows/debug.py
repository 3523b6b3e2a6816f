"""What each role prints with -vvv and --debug (spec: options 4, output 4)."""

from __future__ import annotations

from typing import Any

from tests.parity.harness import Row
from tests.parity.tree import Tree

NORM = [
    (r"pid=\d+", "pid=N"),
    (r"waiting on \d+", "waiting on N"),
    (r"(?m)^(renaming .*)\.[A-Za-z0-9]{6} to ", r"\1.XXXXXX to "),
    (r"file=[\w.]+, line=\d+", "file=FILE, line=N"),
    # Which of several equal blocks is used, and what a server reports about its own end.
    (r"(?m)^(match at|potential match|chunk\[|sum=|hash search s->).*\n", ""),
    (r"(?m)^\[sender\] _exit_cleanup.*entered\n", ""),
    # A list is read from the wire in another order than rsync writes it.
    (r"(?m)^.*activating mergelist.*\n", ""),
]

DEBUG_TREE: Tree = (
    "src/ src/a*3000 src/big*9000 src/l->a src/p| src/d/ src/d/e/ src/d/e/name-2.txt=fz src/d/same=s src/empty/ src/o.o=x"
    " dst/ dst/a*2100 dst/d/ dst/d/same=s;m=0640 dst/d/e/ dst/d/e/name-1.txt=fzz dst/gone/ dst/gone/x/ dst/gone/x/f"
    " dst/gone/g dst/ex.o dst/l->old dst/big*9000;t=99"
)


def debugged(ident: str, options: str, **more: Any) -> list[Row]:
    """The same run on one machine, to a server and from one."""
    return [
        Row(f"OUT-debug-{ident}-local", DEBUG_TREE, f"{options} src/ dst/", sorted=True, norm=NORM, **more),
        Row(
            f"OUT-debug-{ident}-push",
            DEBUG_TREE,
            f"{options} src/ h:{{w}}/dst/",
            via="shell",
            sorted=True,
            norm=NORM,
            **more,
        ),
        Row(
            f"OUT-debug-{ident}-pull",
            DEBUG_TREE,
            f"{options} h:{{w}}/src/ dst/",
            via="shell",
            sorted=True,
            norm=NORM,
            **more,
        ),
    ]


ROWS: list[Row] = [
    *debugged("vvv", "-a -vvv"),
    *debugged("vvv-delete", "-a --delete -y --exclude=*.o -vvv"),
    *debugged("vvvv", "-a --delete -vvvv"),
    *debugged("vvvv-all-at-once", "-a --no-i-r --delete-delay -vvvv"),
    *debugged("vvv-before", "-a --delete-before --max-delete=2 -vvv"),
    *debugged("vvv-dry", "-rtn --delete -vvv"),
    *debugged("vvv-29", "-a --protocol=29 -vvv"),
    *debugged("vvv-27", "-a --protocol=27 -vvv"),
    *debugged("inplace", "-a --inplace -vvv"),
    *debugged("backup", "-ab --delete --debug=backup,del2"),
    *debugged("flist", "-a --debug=flist3"),
    *debugged("send", "-a --debug=send,recv"),
    *debugged("genr", "-a --debug=genr,time2"),
    *debugged("deltasum", "-a --no-W --debug=deltasum2"),
    *debugged("proto", "-a --debug=proto,nstr2"),
    *debugged("cmd", "-a --debug=cmd2,iconv2,exit2"),
    # The shell is reported as the command line has it, and only if it does.
    *(
        Row(f"OUT-debug-cmd-{n}", "src/ src/a=1", f"-a --debug=cmd2 {shell}src/ dst/", env={"RSYNC_RSH": "rsh -q"})
        for n, shell in enumerate(("", "-e 'ssh -p 22' "))
    ),
    Row("OUT-debug-cmd-far", "src/ src/a=1", "-a --debug=cmd2 -e 'sh -x' src/ h:x"),
    *debugged("filter", "-a --debug=filter2 --delete --exclude=*.o"),
    *debugged("own", "-a --debug=own2"),
    # Names in front of another cost their length alone, and the last of equals is taken.
    Row(
        "TRF-9-distance",
        "src/ src/new dst/ dst/big=1 dst/ex.o=1 dst/up=1 dst/z=1",
        "-ay --debug=fuzzy2 src/ dst/",
    ),
    # A hard link with a similar name there does not wait for the other names of its file.
    Row("TRF-9-linked", "src/ src/d/ src/d/y=abc src/new=>src/d/y dst/ dst/z=abc", "-aHyi src/ dst/"),
    Row(
        "TRF-9-linked-vv",
        "src/ src/d/ src/d/y=abc src/new=>src/d/y dst/ dst/z=abc",
        "-aHyvv src/ h:{w}/dst/",
        via="shell",
    ),
    # The first line of progress is that of the first block which was found.
    Row("OUT-14-delta", "src/ src/a*5000 dst/ dst/a*4000", "-a --progress src/ h:{w}/dst/", via="shell"),
    # A server reports a deletion without permissions, so there are none to show.
    Row(
        "OUT-31-push",
        "src/ src/a dst/ dst/x/ dst/x/y dst/z->q",
        ["-a", "--delete", "--out-format=%o|%i|%B|%n", "src/", "h:{w}/dst/"],
        via="shell",
    ),
]
