"""The control socket of a server. Who connects is known by the credentials that the kernel gives."""

from __future__ import annotations

import asyncio
import contextlib
import grp
import json
import os
import pwd
import socket
import stat
import struct
from collections.abc import Awaitable, Callable

from tain.mirror.control import Answer, short_name
from tain.mirror.findings import ConfigError

#: Bytes of a question. A reason for a hold is the longest part of one.
_LONGEST = 64 << 10
_PATIENCE = 30.0

Handler = Callable[[Answer, str], Awaitable[Answer]]


def credentials(sock: socket.socket) -> tuple[int, int]:
    """The process and the user at the other end."""
    data = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    pid, uid, _gid = struct.unpack("3i", data)
    return pid, uid


def may_control(uid: int, group: str | None) -> bool:
    """Whether a user may control this server: root, the server's own user, or a member of *group*."""
    if uid in (0, os.geteuid()):
        return True
    if group is None:
        return False
    try:
        user = pwd.getpwuid(uid)
        return grp.getgrnam(group).gr_gid in os.getgrouplist(user.pw_name, user.pw_gid)
    except KeyError:
        return False


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


class ControlServer:
    """Listens for commands of this machine."""

    def __init__(self, path: str, group: str | None, handler: Handler) -> None:
        self.path, self._group, self._handler = path, group, handler
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Errors: `OSError`; `KeyError`, if there is no such group."""
        os.makedirs(os.path.dirname(self.path), mode=0o750, exist_ok=True)
        with contextlib.suppress(FileNotFoundError):
            # The lock of the server is ours, so this is what a killed one has left.
            if stat.S_ISSOCK(os.lstat(self.path).st_mode):
                os.unlink(self.path)
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        with short_name(self.path) as name:
            sock.bind(name)
        os.chmod(self.path, 0o660)
        if self._group is not None:
            os.chown(self.path, -1, grp.getgrnam(self._group).gr_gid)
        self._server = await asyncio.start_unix_server(self._serve, sock=sock, limit=_LONGEST)

    def close(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
            with contextlib.suppress(OSError):
                os.unlink(self.path)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            _pid, uid = credentials(writer.get_extra_info("socket"))
            if not may_control(uid, self._group):
                await _send(writer, {"error": "permission denied", "code": 77})
                return
            line = await asyncio.wait_for(reader.readline(), _PATIENCE)
            question = json.loads(line)
            if not isinstance(question, dict):
                raise ValueError("no object")
            # Behind sudo, root names the user.
            who = str(question.get("who") or _user(uid)) if uid in (0, os.geteuid()) else _user(uid)
            await _send(writer, await self._handler(question, who))
        except (ValueError, asyncio.LimitOverrunError) as error:
            with contextlib.suppress(OSError):
                await _send(writer, {"error": f"this is no question: {error}", "code": 64})
        except (OSError, TimeoutError):
            pass
        finally:
            writer.close()


async def _send(writer: asyncio.StreamWriter, answer: Answer) -> None:
    writer.write(json.dumps(answer).encode() + b"\n")
    await writer.drain()


def refusal(error: ConfigError) -> Answer:
    """The answer to a reload that finds errors."""
    return {
        "error": "the configuration has errors; the one before stays in force",
        "code": 78,
        "errors": [finding.document() for finding in error.findings],
    }
