"""``tain cache``: what the workers of a daemon on this machine do.

Exit codes: 0; 1 when there is nothing of that name or number; 2 for usage; 69 without a daemon.
"""

from __future__ import annotations

import os
import sys
import time

from tain.daemon import control
from tain.daemon.config import load
from tain.daemon.settings import SYSTEM_FILE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

FOUND_NOTHING, USAGE, NO_DAEMON = 1, 2, 69

_HELP = """\
tain cache status [MODULE]     the modules and their workers
tain cache connections         who is connected, and where
tain cache stop NUMBER         end one connection, by the number in the log
tain cache metrics             counters, as text for Prometheus

  --json             as one JSON document (not for metrics)
  --config=FILE      the daemon's configuration, which names the socket (/etc/rsyncd.conf)
  --socket=PATH      the daemon's `tain control socket`
"""


class UsageProblem(Exception):
    """The words are not understood."""


def main(words: list[str]) -> int:
    """Run one command; returns the exit code. *words* follow ``tain cache``."""
    try:
        return _run(words)
    except UsageProblem as problem:
        print(f"tain cache: {problem}\n{_HELP}", end="", file=sys.stderr)
        return USAGE
    except OSError as error:
        print(f"tain cache: no daemon with workers answers: {error.strerror or error}", file=sys.stderr)
        return NO_DAEMON


def _run(words: list[str]) -> int:
    if "--help" in words or "-h" in words:
        print(_HELP, end="")
        return 0
    command, *rest = words
    as_json, file, socket, names = False, os.fsdecode(SYSTEM_FILE), "", list[str]()
    for word in rest:
        if word == "--json":
            as_json = True
        elif word.startswith("--config="):
            file = word.partition("=")[2]
        elif word.startswith("--socket="):
            socket = word.partition("=")[2]
        elif word.startswith("-"):
            raise UsageProblem(f"{word} is not understood")
        else:
            names.append(word)
    path = os.fsencode(socket) or load(os.fsencode(file), globals_only=True).globals.text("tain control socket")
    request: dict[str, Any] = {"command": "status" if command == "metrics" else command}
    if command == "stop":
        if len(names) != 1 or not names[0].isdecimal():
            raise UsageProblem("stop wants the number of one connection")
        request["number"] = int(names.pop())
    if len(names) > (command == "status"):
        raise UsageProblem(f"{names[-1]} is one word too many")
    answer = control.ask(path, request)
    if "error" in answer:
        raise OSError(answer["error"])
    if names:
        answer["modules"] = [row for row in answer["modules"] if row["module"] == names[0]]
        answer["workers"] = [row for row in answer["workers"] if row["module"] == names[0]]
        if not answer["modules"]:
            print(f"tain cache: there is no module {names[0]}", file=sys.stderr)
            return FOUND_NOTHING
    if command == "stop" and not answer["stopped"]:
        print("tain cache: no worker has a connection of that number", file=sys.stderr)
        return FOUND_NOTHING
    show: dict[str, Callable[[dict[str, Any]], list[str]]] = {
        "status": status_lines, "connections": connection_lines, "stop": lambda _: [], "metrics": metric_lines,
    }  # fmt: skip
    if as_json and command != "metrics":
        import json

        print(json.dumps(answer))
    else:
        print("".join(f"{line}\n" for line in show[command](answer)), end="")
    return 0


def status_lines(answer: dict[str, Any]) -> list[str]:
    """A table: a line for each worker, and for each module without one."""
    lines = [f"{'module':16} {'state':10} {'worker':>8} {'conns':>6} {'served':>8} {'memory':>8}"]
    for row in answer["modules"]:
        workers = [one for one in answer["workers"] if one["module"] == row["module"]]
        for one in workers:
            memory = f"{one['memory'] >> 20} MB"
            lines.append(
                f"{row['module']:16} {one['state']:10} {one['pid']:8} {one['conns']:6} {one['served']:8} {memory:>8}"
            )
        if not workers:
            lines.append(
                f"{row['module']:16} {'processes: ' + row['obstacle'] if row['obstacle'] else 'no worker yet'}"
            )
    return lines


def connection_lines(answer: dict[str, Any]) -> list[str]:
    """A line for each connection."""
    now = time.time()
    lines = [f"{'number':>10} {'seconds':>8} {'place':8} {'module':16} address"]
    for row in answer["connections"]:
        seconds = max(0, int(now) - row["since"])
        lines += [f"{row['number']:10} {seconds:8} {row['place']:8} {row['module']:16} {row['address']}"]
    lines += [f"{pid:10} {'':8} {'process':8}" for pid in answer["processes"]]
    return lines


def metric_lines(answer: dict[str, Any]) -> list[str]:
    """The counters in the text format of Prometheus."""
    lines = ["# TYPE tain_daemon_connections_total counter"]
    lines += [
        f'tain_daemon_connections_total{{how="{how}"}} {count}' for how, count in answer["connections_total"].items()
    ]
    lines += ["# TYPE tain_daemon_worker_restarts_total counter"]
    lines += [f"tain_daemon_worker_restarts_total {answer['worker_restarts_total']}"]
    lines += ["# TYPE tain_daemon_connections gauge"]
    counts: dict[str, int] = {}
    for one in answer["workers"]:
        counts[one["module"]] = counts.get(one["module"], 0) + one["conns"]
    for module, count in counts.items():
        name = module.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        lines.append(f'tain_daemon_connections{{module="{name}"}} {count}')
    return lines
