"""The two ends of a link: a stand-in remote shell, and a stand-alone daemon on a loopback port."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

from tests.parity.harness import SHELL
from tests.ports import free_port
from tests.programs import LIMIT


def shell(space: Path) -> Path:
    path = space / "sh"
    if not path.exists():
        path.write_text(SHELL)
        path.chmod(0o755)
    return path


class Daemon:
    """A stand-alone daemon of one of the programs, for as long as the block lasts."""

    def __init__(self, program: str, space: Path, env: Mapping[str, str], config: str, name: str = "daemon") -> None:
        self.port = free_port()
        self.log = space / f"{name}.log"
        self.config = space / f"{name}.conf"
        self.config.write_text(config)
        self.command = [program, "--daemon", "--no-detach", f"--port={self.port}", "--address=127.0.0.1"]
        self.command += [f"--config={self.config}", f"--log-file={self.log}"]
        self.env, self.cwd = env, space

    def __enter__(self) -> Daemon:
        self.process = subprocess.Popen(
            self.command,
            env=self.env,
            cwd=self.cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        end = time.monotonic() + LIMIT
        while time.monotonic() < end:
            if self.process.poll() is not None:
                raise AssertionError(f"the daemon ended with {self.process.returncode}: {self.said()}")
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return self
            except OSError:
                time.sleep(0.02)
        self.stop()
        raise AssertionError(f"the daemon does not answer: {self.said()}")

    def said(self) -> str:
        assert self.process.stderr
        os.set_blocking(self.process.stderr.fileno(), False)
        log = self.log.read_text() if self.log.exists() else ""
        return f"{(self.process.stderr.read() or b'').decode(errors='replace')} {log}"

    def stop(self) -> None:
        try:
            os.killpg(self.process.pid, signal.SIGTERM)
        except ProcessLookupError:
            pass
        try:
            self.process.wait(LIMIT)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        assert self.process.stderr
        self.process.stderr.close()

    def __exit__(self, *_: object) -> None:
        self.stop()


class Sshd:
    """A private OpenSSH server on a loopback port that knows one key."""

    def __init__(self, space: Path) -> None:
        self.port = free_port()
        self.space = space / "ssh"
        self.space.mkdir(mode=0o700, exist_ok=True)
        os.makedirs("/run/sshd", exist_ok=True)
        for name in ("host", "client"):
            if not (self.space / name).exists():
                subprocess.run(
                    ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.space / name],
                    check=True,
                    stdin=subprocess.DEVNULL,
                )
        self.config = self.space / "config"
        self.config.write_text(
            f"Port {self.port}\nListenAddress 127.0.0.1\nHostKey {self.space}/host\nPidFile none\nUsePAM no\n"
            f"AuthorizedKeysFile {self.space}/client.pub\nStrictModes no\nPermitRootLogin yes\nLogLevel ERROR\n"
        )

    @property
    def rsh(self) -> str:
        return (
            f"ssh -F /dev/null -p {self.port} -i {self.space}/client -o StrictHostKeyChecking=no "
            "-o UserKnownHostsFile=/dev/null -o LogLevel=ERROR -o BatchMode=yes"
        )

    def __enter__(self) -> Sshd:
        self.process = subprocess.Popen(
            ["/usr/sbin/sshd", "-D", "-e", "-f", self.config],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        wait_for(self.port, self.process)
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait(10)
        assert self.process.stderr
        self.process.stderr.close()


class Xinetd:
    """A real xinetd that starts a daemon for each connection."""

    def __init__(self, program: str, space: Path, config: Path) -> None:
        self.port = free_port()
        self.file = space / "xinetd.conf"
        self.file.write_text(
            "service rsync\n{\n type = UNLISTED\n socket_type = stream\n protocol = tcp\n wait = no\n user = root\n"
            f" bind = 127.0.0.1\n port = {self.port}\n server = {program}\n server_args = --daemon --config={config}\n"
            " disable = no\n}\n"
        )
        self.pid = space / "xinetd.pid"

    def __enter__(self) -> Xinetd:
        self.process = subprocess.Popen(
            ["/usr/sbin/xinetd", "-dontfork", "-f", self.file, "-pidfile", self.pid, "-filelog", "/dev/null"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        wait_for(self.port, self.process)
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait(10)
        assert self.process.stderr
        self.process.stderr.close()


def wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + LIMIT
    while time.monotonic() < end:
        if process.poll() is not None:
            assert process.stderr
            raise AssertionError(f"ended with {process.returncode}: {process.stderr.read().decode(errors='replace')}")
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.02)
    process.kill()
    raise AssertionError(f"nothing answers on port {port}")
