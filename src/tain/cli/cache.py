"""``tain cache``: what the workers of a daemon on this machine do.

Exit codes: 0; 1 when there is nothing of that name or number, and when ``check`` has found a difference; 2 for usage;
69 without a daemon.
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
    from collections.abc import Callable, Sequence
    from typing import Any

FOUND_NOTHING, USAGE, NO_DAEMON = 1, 2, 69

_HELP = """\
tain cache status [MODULE]         the modules, their workers and lists
tain cache connections             who is connected, and where
tain cache stop NUMBER             end one connection, by the number in the log
tain cache metrics                 counters, as text for Prometheus
tain cache refresh MODULE [PATH]   verify the lists at and below a path before their next use
tain cache drop MODULE             forget the lists of a module; --all: of all modules
tain cache check MODULE            compare lists with the disk

  --sample=N         check: so many directories, chosen at random (100)
  --public           metrics: only of modules with `tain status = yes`
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


class Words:
    """The words of one call."""

    def __init__(self, words: list[str]) -> None:
        self.command = words[0]
        self.file, self.socket, self.sample = os.fsdecode(SYSTEM_FILE), "", 100
        self.as_json = self.all = self.public = False
        self.names: list[str] = []
        rest = iter(words[1:])
        for word in rest:
            name, equals, value = word.partition("=")
            if word == "--json":
                self.as_json = True
            elif word == "--all" and self.command == "drop":
                self.all = True
            elif word == "--public" and self.command == "metrics":
                self.public = True
            elif name in ("--config", "--socket") and equals:
                setattr(self, "file" if name == "--config" else "socket", value)
            elif name == "--sample" and self.command == "check":
                self.sample = _count(value if equals else next(rest, ""))
            elif word.startswith("-"):
                raise UsageProblem(f"{word} is not understood")
            else:
                self.names.append(word)

    def request(self) -> dict[str, Any]:
        """What the daemon is asked. Errors: `UsageProblem`."""
        command, names = self.command, self.names
        least, most = _NAMES.get(command, (0, 0))
        if self.all:
            least = most = 0
        if len(names) > most:
            raise UsageProblem(f"{names[most]} is one word too many")
        if len(names) < least:
            raise UsageProblem(f"{command} needs {_NEEDS.get(command, 'a module')}")
        if command in ("status", "metrics"):
            return {"command": "status"}
        if command == "stop":
            if not names[0].isdecimal():
                raise UsageProblem(f"stop needs {_NEEDS[command]}")
            return {"command": command, "number": int(names[0])}
        if command in _OF_CACHES:
            path = names[1].strip("/") if len(names) > 1 else ""
            return {"command": command, "module": "" if self.all else names[0], "path": path, "sample": self.sample}
        return {"command": command}


#: The least and the most names of a command.
_NAMES = {"status": (0, 1), "stop": (1, 1), "refresh": (1, 2), "drop": (1, 1), "check": (1, 1)}
_NEEDS = {"stop": "the number of one connection", "drop": "a module or --all"}
_OF_CACHES = ("refresh", "drop", "check")


def _count(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) < 1 << 31:
        raise UsageProblem("--sample needs a number")
    return int(text)


def _run(words: list[str]) -> int:
    if "--help" in words or "-h" in words:
        print(_HELP, end="")
        return 0
    said = Words(words)
    request = said.request()
    path = os.fsencode(said.socket)
    path = path or load(os.fsencode(said.file), globals_only=True).globals.text("tain control socket")
    answer = control.ask(path, request)
    if "error" in answer:
        raise OSError(answer["error"])
    code = _finding(said, answer)
    show: dict[str, Callable[[dict[str, Any]], list[str]]] = {
        "status": status_lines, "connections": connection_lines, "check": check_lines,
        "metrics": lambda answer: metric_lines(answer, public=said.public),
    }  # fmt: skip
    if said.as_json and said.command != "metrics":
        import json

        print(json.dumps(answer))
    elif said.command in show:
        print("".join(f"{line}\n" for line in show[said.command](answer)), end="")
    return code


def _finding(said: Words, answer: dict[str, Any]) -> int:
    """Report what was not found, or what differs. Returns the exit code."""
    command, names = said.command, said.names
    problem = ""
    if command == "status" and names:
        answer["modules"] = [row for row in answer["modules"] if row["module"] == names[0]]
        answer["workers"] = [row for row in answer["workers"] if row["module"] == names[0]]
        problem = "" if answer["modules"] else f"there is no module {names[0]}"
    elif command == "stop" and not answer["stopped"]:
        problem = "no worker has a connection of that number"
    elif command in _OF_CACHES and not said.all and not answer["caches"]:
        problem = f"no worker has lists of a module {names[0]}"
    elif command in _OF_CACHES:
        problem = next((one["error"] for one in answer["caches"] if "error" in one), "")
    if problem:
        print(f"tain cache: {problem}", file=sys.stderr)
        return FOUND_NOTHING
    return FOUND_NOTHING if any(one.get("count") for one in answer.get("caches", ())) else 0


def check_lines(answer: dict[str, Any]) -> list[str]:
    """The directories that differ, and a line for each worker."""
    lines = []
    for one in answer["caches"]:
        lines += [f"differs: {name or '.'}" for name in one["differ"]]
        lines.append(f"worker {one['pid']}: {one['checked']} directories compared, {one['count']} differ")
    return lines


_HEADS = (
    "module", "mode", "state", "entries", "dirs", "memory", "bound", "hits", "live", "refreshed", "missed", "overflow",
    "worker", "conns",
)  # fmt: skip
_WIDTHS = (16, 10, 8, 9, 7, 7, 6, 8, 6, 9, 6, 8, 8, 5)


def status_lines(answer: dict[str, Any]) -> list[str]:
    """A table: a line for each worker, and for each module without one."""
    lines = [_row(_HEADS)]
    for row in answer["modules"]:
        workers = [one for one in answer["workers"] if one["module"] == row["module"]]
        lines += [_row(_cells(one)) for one in workers]
        if not workers:
            mode = "-" if row["obstacle"] or row["cache"] == "off" else row["cache"]
            state = "processes: " + row["obstacle"] if row["obstacle"] else "no worker yet"
            lines.append(f"{row['module']:16} {mode:10} {state}")
    return lines


def _cells(one: dict[str, Any]) -> list[str]:
    """The cells of a worker: its lists' figures, if it has any, and its own memory otherwise."""
    cache = one["cache"] or {}
    state = cache.get("state", one["state"]) if one["state"] == "serving" else one["state"]
    ends = [str(one["pid"]), str(one["conns"])]
    memory = f"{cache.get('bytes', one['memory']) >> 20} MB"
    if not cache:
        return [one["module"], "-", state, "-", "-", memory, *"-" * 6, *ends]
    figures = (
        cache["lists_cached"], sum(cache["lists_live"].values()), cache["refreshed_names"], cache["missed"],
        cache["overflows"],
    )  # fmt: skip
    return [
        one["module"], cache["mode"], state, str(cache["entries"]), str(cache["directories"]), memory,
        f"{cache['bound']} s", *map(str, figures), *ends,
    ]  # fmt: skip


def _row(cells: Sequence[str]) -> str:
    left = [f"{cell:{width}}" for cell, width in zip(cells[:3], _WIDTHS[:3], strict=True)]
    right = [f"{cell:>{width}}" for cell, width in zip(cells[3:], _WIDTHS[3:], strict=True)]
    return " ".join(left + right)


def connection_lines(answer: dict[str, Any]) -> list[str]:
    """A line for each connection."""
    now = time.time()
    lines = [f"{'number':>10} {'seconds':>8} {'place':8} {'module':16} address"]
    for row in answer["connections"]:
        seconds = max(0, int(now) - row["since"])
        lines += [f"{row['number']:10} {seconds:8} {row['place']:8} {row['module']:16} {row['address']}"]
    lines += [f"{pid:10} {'':8} {'process':8}" for pid in answer["processes"]]
    return lines


#: Counters and gauges of a cache: the name after `tain_daemon_`, and the figure of `DirectoryCache.status`.
_OF_A_CACHE = (
    ("cache_entries", "gauge", "entries"),
    ("cache_directories", "gauge", "directories"),
    ("cache_stale_directories", "gauge", "stale"),
    ("cache_bytes", "gauge", "bytes"),
    ("cache_watches", "gauge", "watches"),
    ("cache_watches_missing", "counter", "watches_missing"),
    ("cache_reads_total", "counter", "reads"),
    ("cache_refreshed_names_total", "counter", "refreshed_names"),
    ("cache_overflows_total", "counter", "overflows"),
    ("cache_missed_total", "counter", "missed"),
    ("cache_evictions_total", "counter", "evictions"),
    ("cache_oldest_unverified_seconds", "gauge", "oldest_seconds"),
)


def metric_lines(answer: dict[str, Any], *, public: bool = False) -> list[str]:
    """The figures in the text format of Prometheus. *public*: only of modules that may be shown to everybody."""
    shown = {row["module"] for row in answer["modules"] if row["public"] or not public}
    workers = [one for one in answer["workers"] if one["module"] in shown]
    caches = [(one["module"], one["cache"]) for one in workers if one["cache"]]
    lines: list[str] = []
    if not public:
        lines += _family(
            "connections_total", "counter", [({"how": k}, v) for k, v in answer["connections_total"].items()]
        )
        restarts = answer["worker_restarts_total"]
        lines += _family("worker_restarts_total", "counter", [({"why": why}, n) for why, n in restarts.items()])
    lines += _family("connections", "gauge", [({"module": one["module"]}, one["conns"]) for one in workers])
    lines += _family(
        "session_cpu_seconds_total", "counter", [({"module": one["module"]}, one["cpu"]) for one in workers]
    )
    lines += _family("worker_bytes", "gauge", [({"module": one["module"]}, one["memory"]) for one in workers])
    for name, kind, figure in _OF_A_CACHE:
        lines += _family(name, kind, [({"module": module}, cache[figure]) for module, cache in caches])
    lists: list[tuple[dict[str, str], float]] = []
    for module, cache in caches:
        lists.append(({"module": module, "class": "cached", "why": ""}, cache["lists_cached"]))
        lists += [({"module": module, "class": "live", "why": why}, n) for why, n in cache["lists_live"].items()]
    return lines + _family("cache_lists_total", "counter", lists)


def _family(name: str, kind: str, samples: list[tuple[dict[str, str], float]]) -> list[str]:
    """The lines of one name. Samples with equal labels, of two workers of a module, are added up."""
    sums: dict[str, float] = {}
    for labels, value in samples:
        text = ",".join(f'{label}="{_escaped(text)}"' for label, text in labels.items())
        text = f"{{{text}}}" if text else ""
        sums[text] = sums.get(text, 0) + value
    lines = [f"# TYPE tain_daemon_{name} {kind}"] if sums else []
    return lines + [f"tain_daemon_{name}{text} {value}" for text, value in sums.items()]


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
