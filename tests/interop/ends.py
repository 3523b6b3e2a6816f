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


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


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
        end = time.monotonic() + 10
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
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        assert self.process.stderr
        self.process.stderr.close()

    def __exit__(self, *_: object) -> None:
        self.stop()
