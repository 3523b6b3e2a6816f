"""Run a row with rsync and with tain in equal trees and say what differs."""

from __future__ import annotations

import difflib
import os
import re
import shlex
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests import programs
from tests.daemon.harness import CACHE, WORKERS, children, held, is_listening, wait_until
from tests.parity.tree import Tree, build, inodes, picture, wipe
from tests.ports import free_port

SHELL = """#!/bin/sh
# A remote shell that stays on this machine: drops its own options and the host, then does as a login shell would.
user=
while :; do
  case "$1" in
    -l) user=$2; shift 2 ;;
    -*) shift ;;
    *) break ;;
  esac
done
shift
exec sh -c "$*"
"""


#: The words after a program's name; a string is split as a shell would.
Command = str | Sequence[str | bytes]


@dataclass
class Row:
    """One comparison. `id` begins with an id of a checklist or table of the spec."""

    id: str
    tree: Tree
    """What is there before the first step."""
    cmd: Command
    """`{w}` is the working directory."""
    then: Sequence[str | Callable[[Path], None]] = ()
    """Further steps: a command line, a shell script after `!` (what it prints is compared too), or a function of the
    working directory."""
    via: str = "local"
    """local, shell (a stand-in remote shell is added as -e), or daemon (a module `m` on `{w}/mod`)."""
    user: bool = False
    """Run as an ordinary user, who owns the tree."""
    env: Mapping[str, str] = field(default_factory=dict)
    """Added to the environment; `{w}` and the like are replaced as in `cmd`."""
    stdin: bytes = b""
    umask: int = 0o022
    norm: Sequence[tuple[str, str]] = ()
    """More replacements (regular expression, text) for this row's output."""
    sorted: bool = False
    """Compare the lines of stdout without their order: for rows in which rsync's own order is a race."""
    holes: bool = False
    atimes: bool = False
    inode: bool = False
    nsec: bool = True
    codes: frozenset[int] = frozenset()
    """Where rsync's own exit code is a race: the codes of rsync that are accepted for the one tain must give."""
    conf: str = ""
    """Lines of the module for `daemon` rows; `{w}` is replaced."""
    globals: str = ""
    stderr: bool = True
    """False: the text of stderr is rsync's own matter (it names its internals); the exit code still counts."""
    pty: bool = False


@dataclass
class Result:
    steps: list[tuple[int, str, str]]
    tree: dict[str, str]
    volumes: list[list[int]] = field(default_factory=list)
    """The byte counts that each step reported; its output hides them."""


#: Two sound streams for one transfer differ in the sizes of frames and greetings, and a little in what is compressed.
SPARE, SHARE = 4096, 0.1
VOLUME = re.compile(rb"(?m)^sent ([0-9,]+) bytes  received ([0-9,]+) bytes|^Total bytes (?:sent|received): ([0-9,]+)$")

NUMBER = r"-?[0-9][0-9.,]*[KMGTP]?"
COMMON: list[tuple[str, str]] = [
    # The program's own name, and places in its source.
    (r"(?m)^tain( error| warning|):", r"rsync\1:"),
    (r"(?m)(^|\[)(rsync|tain)\[\d+\]", r"\1rsync[PID]"),
    (r" at [\w./-]+\(\d+\) \[", " at FILE(LINE) ["),
    (r"\[(\w+)=[0-9][\w.+-]*\]", r"[\1=V]"),
    # Byte counts of the stream, rates and times.
    (
        rf"(?m)^sent {NUMBER} bytes  received {NUMBER} bytes  {NUMBER} bytes/sec",
        "sent N bytes  received N bytes  N bytes/sec",
    ),
    (rf"(?m)speedup is {NUMBER}", "speedup is N"),
    (rf"(?m)^(Total bytes (?:sent|received)): {NUMBER}", r"\1: N"),
    (r"(?m)^(File list size): [1-9][0-9.,KMGTP]*", r"\1: N"),
    (r"(?m)^(File list (?:generation|transfer) time): [0-9.]+ seconds", r"\1: N seconds"),
    (r"[ 0-9.]{7}[kMG]B/s +(?:\d+:\d\d:\d\d|\?\?:\?\?:\?\?)", " RATE TIME"),
    (r"\(\d+ bytes received so far\)", "(N bytes received so far)"),
    # rsync's processes end one another by a signal, sooner or later; tain has no such process.
    (r"(?m)^rsync error: received SIGUSR1 \(code 19\).*\n", ""),
    # Whether a process still notices the end of one that has already reported its error is a race.
    (r"(?m)^rsync: \[\w+\] (?:read error: Connection reset by peer \(104\)|write error: Broken pipe \(32\))\n", ""),
    # Names that carry random characters.
    (r"(\.[^\s/\"]+)\.[A-Za-z0-9]{6}(?=\"| |$)", r"\1.XXXXXX"),
]


class Inetd:
    """Accepts connections on a loopback port and gives each to a fresh daemon on its stdin, as inetd does."""

    def __init__(self, program: str, config: Path, env: Mapping[str, str], cwd: Path) -> None:
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.command = [program, "--daemon", f"--config={config}"]
        self.env, self.cwd = env, cwd
        self.children: list[subprocess.Popen[bytes]] = []
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self) -> None:
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            with connection:
                self.children.append(
                    subprocess.Popen(
                        self.command,
                        stdin=connection.fileno(),
                        stdout=connection.fileno(),
                        stderr=subprocess.DEVNULL,
                        env=self.env,
                        cwd=self.cwd,
                    )
                )

    def close(self) -> None:
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        self.thread.join()
        for child in self.children:
            try:
                child.wait(5)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()


class StandAlone:
    """A daemon that listens itself, as one with workers must."""

    def __init__(self, program: str, config: Path, env: Mapping[str, str], cwd: Path) -> None:
        self.port = free_port()
        self.process = subprocess.Popen(
            [program, "--daemon", "--no-detach", "--address=127.0.0.1", f"--port={self.port}", f"--config={config}"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=env,
            cwd=cwd,
            start_new_session=True,
        )
        wait_until(lambda: is_listening(self.port) or self.process.poll() is not None, "the daemon to listen")

    def close(self) -> None:
        """End the daemon when its connections have ended."""
        try:
            wait_until(lambda: not held(self.port) and not children(self.process.pid), "the connections to end")
        finally:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


def words(cmd: Command, fill: Mapping[str, str]) -> list[bytes]:
    parts: Sequence[str | bytes] = shlex.split(cmd) if isinstance(cmd, str) else cmd
    filled: list[bytes] = []
    for part in parts:
        word = os.fsencode(part)
        for key, value in fill.items():
            word = word.replace(b"{" + key.encode() + b"}", os.fsencode(value))
        filled.append(word)
    return filled


def perform(row: Row, program: str, space: Path, far: str | None = None) -> Result:
    """Build the tree, run the row's steps with `program` (and `far` at the other end), and look at the result."""
    work, home = space / "w", space / "home"
    wipe(work)
    home.mkdir(exist_ok=True)
    shell = space / "sh"
    if not shell.exists():
        shell.write_text(SHELL)
        shell.chmod(0o755)
    # `tain` and `rsync` differ in length and the name shows in messages, so both are started by one name.
    named, other = space / "bin" / "rsync", space / "far" / "rsync"
    for name, target in ((named, program), (other, far or program)):
        name.parent.mkdir(exist_ok=True)
        name.unlink(missing_ok=True)
        name.symlink_to(target)
    owner = (programs.NOBODY.pw_uid, programs.NOBODY.pw_gid) if row.user else None
    build(str(work), row.tree, owner)
    if row.inode:
        before = inodes(str(work))
    fill = {"w": str(work), "space": str(space), "prog": str(named), "peer": programs.PEER}
    env = programs.environment(str(home), PATH=f"{named.parent}:/usr/bin:/bin:/usr/sbin:/sbin")
    env |= {name: os.fsdecode(words([value], fill)[0]) for name, value in row.env.items()}
    daemon: Inetd | StandAlone | None = None
    add: list[str] = []
    if row.via == "daemon":
        (work / "mod").mkdir(exist_ok=True)
        config = space / "rsyncd.conf"
        lines = f"use chroot = no\nlog file = {space}/rsyncd.log\n{row.globals}\n"
        # No worker has root's powers, and none writes.
        shared = WORKERS and "read only = no" not in row.conf + row.globals
        user = "uid = nobody\ngid = nogroup" if shared else "uid = 0\ngid = 0"
        lines += f"[m]\npath = {work}/mod\n{user}\n{row.conf}\n"
        config.write_text(lines.replace("{w}", str(work)).replace("{space}", str(space)))
        ours = shared and Path(far or program).name == "tain"
        if ours:
            config.write_text(
                f"tain workers = yes\ntain cache = {CACHE.decode()}\ntain control socket =\n{config.read_text()}"
            )
        daemon = (StandAlone if ours else Inetd)(str(other), config, env, space)
        fill["url"] = f"rsync://127.0.0.1:{daemon.port}"
        fill["port"] = str(daemon.port)
    elif row.via == "shell":
        add = ["-e", str(shell), f"--rsync-path={other}"]
    since = time.time()
    steps: list[tuple[int, str, str]] = []
    told: list[list[int]] = []
    try:
        for step in [row.cmd, *row.then]:
            if callable(step):
                step(work)
            elif isinstance(step, str) and step.startswith("!"):
                script = subprocess.run(["sh", "-ec", step[1:]], cwd=work, check=True, capture_output=True)
                if script.stdout:
                    steps.append((0, clean(script.stdout, row, fill), ""))
            else:
                argv: list[str | bytes] = [str(named), *add, *words(step, fill)]
                outcome = programs.run(
                    argv, cwd=work, env=env, stdin=row.stdin, user=row.user, umask=row.umask, limit=40
                )
                steps.append((outcome.code, clean(outcome.out, row, fill), clean(outcome.err, row, fill)))
                told.append(volumes(outcome.out))
    finally:
        if daemon:
            daemon.close()
    tree = picture(
        str(work),
        since=since,
        holes=row.holes,
        atimes=row.atimes,
        before=before if row.inode else None,
        nsec=row.nsec,
    )
    tree = {
        re.sub(r"\.[A-Za-z0-9]{6}'$", ".XXXXXX'", k) if re.match(r"'(.*/)?\.", k) else k: v for k, v in tree.items()
    }
    wipe(work)
    return Result(steps, tree, told)


def volumes(output: bytes) -> list[int]:
    """The byte counts in an output."""
    found = (number for match in VOLUME.finditer(output) for number in match.groups() if number)
    return [int(number.replace(b",", b"")) for number in found]


def clean(output: bytes, row: Row, fill: Mapping[str, str]) -> str:
    text = output.decode("utf-8", "backslashreplace")
    if "port" in fill:
        text = text.replace(fill["port"], "PORT")
    for pattern, replacement in [*COMMON, *row.norm]:
        text = re.sub(pattern, replacement, text)
    return text


def by_line(text: str, ordered: bool) -> list[str]:
    """The lines of a text; those that rsync's generator prints itself stand behind the sender's, each in their order.

    Where `skipping non-regular file` stands among the items is a race of rsync's processes (14 of 150 runs).
    """
    lines = text.split("\n")
    return sorted(lines, key=lambda line: line.startswith("skipping non-regular file")) if ordered else sorted(lines)


def differences(row: Row, ours: Result, theirs: Result) -> list[str]:
    """Lines that say what differs, empty when nothing does."""
    found: list[str] = []
    for number, (mine, peer) in enumerate(zip(ours.steps, theirs.steps, strict=True), 1):
        if mine[0] != peer[0] and not (row.codes and peer[0] in row.codes and mine[0] in row.codes):
            found.append(f"step {number}: exit code {mine[0]}, rsync {peer[0]}")
        found += compare(f"step {number} stdout", by_line(mine[1], not row.sorted), by_line(peer[1], not row.sorted))
        # Two processes write to stderr directly, so its order is a race in rsync itself.
        if row.stderr:
            found += compare(f"step {number} stderr", by_line(mine[2], False), by_line(peer[2], False))
    for number, (our_counts, their_counts) in enumerate(zip(ours.volumes, theirs.volumes, strict=True), 1):
        for our, their in zip(our_counts, their_counts, strict=False):
            if abs(our - their) > SPARE + SHARE * max(our, their):
                found.append(f"run {number}: {our} bytes in the stream, rsync {their}")
    if ours.tree != theirs.tree:
        mine_lines = [f"{k} {v}" for k, v in ours.tree.items()]
        peer_lines = [f"{k} {v}" for k, v in theirs.tree.items()]
        found += compare("tree", mine_lines, peer_lines)
    return found


def compare(what: str, mine: list[str], peer: list[str]) -> list[str]:
    if mine == peer:
        return []
    lines = list(difflib.unified_diff(peer, mine, "rsync", "tain", n=0, lineterm=""))
    return [f"{what}:", *(f"  {line!r}" if not line.isprintable() else f"  {line}" for line in lines[2:40])]
