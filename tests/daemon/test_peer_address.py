"""The address of a client behind a program, a remote shell and a unix socket, compared with rsync."""

from __future__ import annotations

import os
import re
import socket
import subprocess
from pathlib import Path

import pytest

from tests import programs

#: Modules by the hosts that they allow.
RULES = {
    "any": "",
    "loopback": "hosts allow = 127.0.0.0/8",
    "one": "hosts allow = 127.0.0.1",
    "every-network": "hosts allow = 0.0.0.0/0 ::/0",
    "no-address": "hosts allow = 0.0.0.0",
    "local-name": "hosts allow = localhost",
    "local-pattern": "hosts allow = loc*",
    "star": "hosts allow = *",
    "deny-name": "hosts deny = localhost",
    "deny-network": "hosts deny = 0.0.0.0/0",
    "deny-pattern": "hosts deny = loc*",
    "deny-star": "hosts deny = *",
    "no-forward": "hosts allow = localhost\nforward lookup = no",
}


def configure(place: Path, reverse: bool) -> Path:
    (place / "m").mkdir()
    lines = [f"use chroot = no\nlog file = {place}/log\nreverse lookup = {'yes' if reverse else 'no'}"]
    hook = f"echo $RSYNC_HOST_ADDR $RSYNC_HOST_NAME >>{place}/env"
    lines += [
        f"[{name}]\npath = {place}/m\nuid = 0\ngid = 0\nearly exec = {hook}\n{rule}" for name, rule in RULES.items()
    ]
    config = place / "conf"
    config.write_text("\n".join(lines) + "\n")
    return config


def seen(place: Path) -> list[str]:
    """The log's lines about the peer and the variables of hooks, with their counts."""
    log = place / "log"
    lines = [re.sub(r"^.*?\] ", "", line) for line in log.read_text().splitlines()] if log.exists() else []
    hooks = place / "env"
    told = hooks.read_text().splitlines() if hooks.exists() else []
    words = ("connect from", "denied", "allowed", "malformed", "lookup")
    return [line for line in lines if any(word in line for word in words)] + told


def unix_request(program: str, place: Path, module: str) -> bytes:
    """Start a daemon as inetd does, on a unix socket; returns its answer to the request for a module."""
    ours, theirs = socket.socketpair()
    env = programs.environment(str(place))
    with subprocess.Popen(
        [program, "--daemon", f"--config={place}/conf"], stdin=theirs.fileno(), stdout=theirs.fileno(), env=env
    ) as process:
        theirs.close()
        with ours, ours.makefile("rb") as stream:
            ours.settimeout(programs.LIMIT)
            assert stream.readline().startswith(b"@RSYNCD:")
            ours.sendall(b"@RSYNCD: 31.0 sha512 md5\n" + module.encode() + b"\n")
            answer = stream.readline()
            ours.shutdown(socket.SHUT_WR)
            while stream.read(4096):
                pass
        process.wait(programs.LIMIT)
    return answer


def compare(place: Path, programs_asked: list[str], ask: object) -> None:
    found = []
    for number, program in enumerate(programs_asked):
        work = place / str(number) / "same"
        work.mkdir(parents=True)
        found.append(ask(program, work))  # type: ignore[operator]
    assert found[0] == found[1]


@pytest.mark.parametrize("reverse", [True, False], ids=["reverse", "no-reverse"])
@pytest.mark.parametrize("module", RULES)
def test_unix_socket(place: Path, tain: str, rsync: str, module: str, reverse: bool) -> None:
    programs.need_root()

    def ask(program: str, work: Path) -> tuple[bytes, list[str]]:
        configure(work, reverse)
        return unix_request(program, work, module), seen(work)

    compare(place, [rsync, tain], ask)


@pytest.mark.parametrize("module", ["any", "loopback", "one", "every-network", "star", "deny-name", "deny-network"])
def test_connect_program(place: Path, tain: str, rsync: str, module: str) -> None:
    """The client is at the other end of a TCP connection."""
    programs.need_root()

    def ask(program: str, work: Path) -> tuple[int, list[str]]:
        config = configure(work, True)
        env = programs.environment(str(work), RSYNC_CONNECT_PROG=f"{program} --daemon --config={config}")
        outcome = programs.run([program, f"rsync://h/{module}/"], cwd=work, env=env)
        return outcome.code, seen(work)

    compare(place, [rsync, tain], ask)


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"SSH_CONNECTION": "192.0.2.7 5 192.0.2.8 22"},
        {"REMOTE_HOST": "127.0.0.1"},
    ],
    ids=["none", "ssh", "remote"],
)
@pytest.mark.parametrize("module", ["any", "loopback", "one"])
def test_remote_shell(place: Path, tain: str, rsync: str, module: str, environ: dict[str, str]) -> None:
    programs.need_root()

    def ask(program: str, work: Path) -> tuple[bool, list[str]]:
        config = configure(work, True)
        shell = work / "rsh"
        shell.write_text(f"#!/bin/sh\nexec {program} --server --daemon --config={config} .\n")
        shell.chmod(0o755)
        env = programs.environment(str(work), **environ)
        outcome = programs.run([program, "-e", os.fspath(shell), f"h::{module}/"], cwd=work, env=env)
        # rsync's processes race for the code of a failure.
        return outcome.code == 0, seen(work)

    compare(place, [rsync, tain], ask)
