"""What each role tells with -vvv and with the debug words. spec: options 4, output 4

In rsync three processes write these lines, so the order between them is a race; within one it is not.
"""

from __future__ import annotations

from tests.parity.harness import Row
from tests.parity.tree import Tree

TREE: Tree = (
    "src/ src/a*3000 src/big*9000 src/l->a src/p| src/d/ src/d/e/ src/d/e/name-2.txt=fz src/d/same=s src/empty/ src/o.o=x"
    " dst/ dst/a*2100 dst/d/ dst/d/same=s;m=0640 dst/d/e/ dst/d/e/name-1.txt=fzz dst/gone/ dst/gone/x/ dst/gone/x/f"
    " dst/gone/g dst/ex.o dst/l->old dst/big*9000;t=99"
)

NORM = [
    (r"pid=\d+", "pid=N"),
    (r"waiting on \d+", "waiting on N"),
    (r"(?m)^(renaming .*)\.[A-Za-z0-9]{6} to ", r"\1.XXXXXX to "),
    (r"file=[\w.]+, line=\d+", "file=FILE, line=N"),
    # Which of equal blocks is taken, and what a server says of its own end.
    (r"(?m)^(match at|potential match|chunk\[|sum=|hash search s->).*\n", ""),
    (r"(?m)^\[sender\] _exit_cleanup.*entered\n", ""),
    # A list is read from the wire in another order than rsync writes it.
    (r"(?m)^.*activating mergelist.*\n", ""),
]


def told(ident: str, options: str, **more: object) -> list[Row]:
    """The same run on one machine, to a server and from one."""
    return [
        Row(f"OUT-debug-{ident}-local", TREE, f"{options} src/ dst/", sorted=True, norm=NORM, **more),  # type: ignore[arg-type]
        Row(
            f"OUT-debug-{ident}-push", TREE, f"{options} src/ h:{{w}}/dst/", via="shell", sorted=True, norm=NORM, **more
        ),  # type: ignore[arg-type]
        Row(
            f"OUT-debug-{ident}-pull", TREE, f"{options} h:{{w}}/src/ dst/", via="shell", sorted=True, norm=NORM, **more
        ),  # type: ignore[arg-type]
    ]


ROWS: list[Row] = [
    *told("vvv", "-a -vvv"),
    *told("vvv-delete", "-a --delete -y --exclude=*.o -vvv"),
    *told("vvvv", "-a --delete -vvvv"),
    *told("vvvv-all-at-once", "-a --no-i-r --delete-delay -vvvv"),
    *told("vvv-before", "-a --delete-before --max-delete=2 -vvv"),
    *told("vvv-dry", "-rtn --delete -vvv"),
    *told("vvv-29", "-a --protocol=29 -vvv"),
    *told("vvv-27", "-a --protocol=27 -vvv"),
    *told("inplace", "-a --inplace -vvv"),
    *told("backup", "-ab --delete --debug=backup,del2"),
    *told("flist", "-a --debug=flist3"),
    *told("send", "-a --debug=send,recv"),
    *told("genr", "-a --debug=genr,time2"),
    *told("deltasum", "-a --no-W --debug=deltasum2"),
    *told("proto", "-a --debug=proto,nstr2"),
    *told("cmd", "-a --debug=cmd2,iconv2,exit2"),
    # The shell is told as it stands on the command line, and only then.
    *(
        Row(f"OUT-debug-cmd-{n}", "src/ src/a=1", f"-a --debug=cmd2 {shell}src/ dst/", env={"RSYNC_RSH": "rsh -q"})
        for n, shell in enumerate(("", "-e 'ssh -p 22' "))
    ),
    Row("OUT-debug-cmd-far", "src/ src/a=1", "-a --debug=cmd2 -e 'sh -x' src/ h:x"),
    *told("filter", "-a --debug=filter2 --delete --exclude=*.o"),
    *told("own", "-a --debug=own2"),
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
    # A server tells of a deletion without permissions, so there are none to show.
    Row(
        "OUT-31-push",
        "src/ src/a dst/ dst/x/ dst/x/y dst/z->q",
        ["-a", "--delete", "--out-format=%o|%i|%B|%n", "src/", "h:{w}/dst/"],
        via="shell",
    ),
]
