"""The control socket of a daemon with workers: who is served where (spec: daemon 1.5).

The listener accepts and forks; the child reads the request and answers from the state at that moment.
"""

from __future__ import annotations

import os
import signal
import socket
import stat

from tain.daemon import listings, questions, views
from tain.daemon.admitted import Admitted
from tain.daemon.handover import NO_KEY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from tain.daemon.exchange import Exchange, Place
    from tain.daemon.sections import Config

#: The format of the answers.
VERSION = 1
#: Seconds for a request, and for each part of an answer.
_LIMIT = 5.0
#: Seconds for the disk to be compared with lists.
_CHECK_LIMIT = 60.0
_REQUEST = 4096
#: Bytes of one message of an answer.
_PART = 32 << 10


def listen(path: bytes, mode: int = 0o600) -> socket.socket:
    """Listen on *path*; *mode* says who may connect. A socket that nobody listens on is replaced. Errors: `OSError`."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        try:
            os.mkdir(os.path.dirname(path), 0o755)
        except OSError:
            # `bind` reports what matters.
            pass
        if _is_stale(path):
            os.unlink(path)
        # The socket's mode becomes that of the name, so nobody else can connect in between.
        os.fchmod(sock.fileno(), mode)
        sock.bind(path)
        if mode & 0o077:
            # The umask has taken this away.
            os.chmod(path, mode)
        sock.listen(8)
        sock.setblocking(False)
    except OSError:
        sock.close()
        raise
    return sock


def _is_stale(path: bytes) -> bool:
    try:
        if not stat.S_ISSOCK(os.lstat(path).st_mode):
            return False
    except OSError:
        return False
    probe = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        probe.connect(path)
    except ConnectionRefusedError:
        return True
    except OSError:
        return False
    finally:
        probe.close()
    return False


def remove(sock: socket.socket) -> None:
    """Close a listening socket and remove its name."""
    path = sock.getsockname()
    sock.close()
    try:
        os.unlink(path)
    except OSError:
        pass


def ask(path: bytes, request: dict[str, Any]) -> dict[str, Any]:
    """The answer of the daemon that listens on *path*. Errors: `OSError`, also when the daemon does not answer."""
    import json

    sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        sock.settimeout(_CHECK_LIMIT + 2 * _LIMIT)
        sock.connect(path)
        sock.send(json.dumps(request).encode())
        data = bytearray()
        while chunk := sock.recv(_PART):
            data += chunk
    finally:
        sock.close()
    try:
        found: dict[str, Any] = json.loads(data)
    except ValueError:
        raise OSError("the daemon did not answer") from None
    return found


def answer(sock: socket.socket, exchange: Exchange, config: Config, forks: Iterable[int]) -> int:
    """Read a request and answer it, in a child of the listener. *forks* are the processes of single connections."""
    import json

    sock.settimeout(_LIMIT)
    try:
        request = json.loads(sock.recv(_REQUEST))
        found = _found(request, exchange, config, list(forks))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        found = {"error": "the request is not understood"}
    data = json.dumps({"v": VERSION, **found}).encode()
    for at in range(0, len(data), _PART):
        sock.send(data[at : at + _PART])
    return 0


def _found(request: dict[str, Any], exchange: Exchange, config: Config, forks: list[int]) -> dict[str, Any]:
    command = request["command"]
    if command == "status":
        return status(exchange, config, forks)
    if command == "connections":
        return {"connections": connections(exchange), "processes": forks}
    if command in ("refresh", "drop", "check"):
        return _of_caches(request, exchange)
    if command == "stop":
        return {"stopped": _stop(int(request["number"]), exchange, forks)}
    raise ValueError(command)


def status(exchange: Exchange, config: Config, forks: list[int]) -> dict[str, Any]:
    """The modules, the workers and the counters."""
    places = [place for place in exchange.by_pid.values() if not place.is_door]
    caches = {place.pid: answer for place, answer in questions.ask(places, {"ask": "status"}, _LIMIT)}
    return {
        "modules": [
            {
                "module": os.fsdecode(section.name),
                "obstacle": views.obstacle(section),
                "cache": listings.mode(section).decode(),
                "public": section.flag("tain status"),
            }
            for section in config.modules
        ],
        "workers": [_worker(place, caches.get(place.pid)) for place in places],
        "door": None if exchange.door is None else {"pid": exchange.door.pid, "conns": len(exchange.door.numbers)},
        "processes": len(forks),
        "connections_total": exchange.totals,
        "worker_restarts_total": exchange.restarts,
    }


def _worker(place: Place, cache: dict[str, Any] | None) -> dict[str, Any]:
    """*cache*: the figures of its lists; empty without any, None if it did not answer."""
    return {
        "module": module_of(place),
        "pid": place.pid,
        "state": place.state,
        "conns": len(place.numbers),
        "served": place.served,
        "memory": memory_of(place.pid),
        "cpu": cpu_of(place.pid),
        "since": int(place.since),
        "cache": cache,
    }


def _of_caches(request: dict[str, Any], exchange: Exchange) -> dict[str, Any]:
    """Ask the workers of one module, or of all for the empty name, to do something with their lists."""
    module, question = str(request["module"]), {"ask": request["command"]}
    if request["command"] == "refresh":
        question["path"] = str(request["path"])
    elif request["command"] == "check":
        question |= {"sample": int(request["sample"]), "random": int.from_bytes(os.urandom(8), "little")}
    places = [place for place in exchange.by_pid.values() if not place.is_door and module in ("", module_of(place))]
    limit = _CHECK_LIMIT if request["command"] == "check" else _LIMIT
    found = [
        {"module": module_of(place), "pid": place.pid, **answer}
        for place, answer in questions.ask(places, question, limit)
        if answer
    ]
    return {"caches": found}


def module_of(place: Place) -> str:
    """The module of a worker; empty for the door."""
    return "" if place.key == NO_KEY else os.fsdecode(Admitted.decode(place.body).section.name)


def memory_of(pid: int) -> int:
    """Bytes that a process alone would free; 0 if it has ended."""
    try:
        with open(f"/proc/{pid}/smaps_rollup", "rb") as file:
            for line in file:
                if line.startswith(b"Pss:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass
    return 0


def cpu_of(pid: int) -> float:
    """Seconds of CPU time that a process has used; 0 if it has ended."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            words = file.read().rpartition(b")")[2].split()
        return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")
    except (OSError, IndexError, ValueError):
        return 0.0


def connections(exchange: Exchange) -> list[dict[str, Any]]:
    """The connections at the door and in workers."""
    return [
        {
            "number": number,
            "address": entry.address,
            "place": "door" if entry.place.is_door else "worker",
            "module": module_of(entry.place),
            "worker": entry.place.pid,
            "since": int(entry.since),
        }
        for number, entry in exchange.entries.items()
    ]


def _stop(number: int, exchange: Exchange, forks: list[int]) -> bool:
    """End one connection with code 20: by its number, or by the id of its own process."""
    if number not in forks:
        return exchange.stop(number)
    try:
        os.kill(number, signal.SIGTERM)
    except OSError:
        return False
    return True
