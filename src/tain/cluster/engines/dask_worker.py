"""What the Dask engine runs in the processes of workers: a work, a look at the machine, verbs and questions.

Functions travel as the names of this module, and take and return bytes of JSON: a worker runs its own installed code.
"""

from __future__ import annotations

import asyncio
import json
import os
import platform
import resource
import secrets
import threading
import time

from tain.cluster import control, documents
from tain.cluster.messages import Work
from tain.cluster.roots import boot_id, first_difference, identify, root
from tain.cluster.work import run_work, worker_name
from tain.escape import printable
from tain.release import VERSION
from tain.system import system_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

#: Seconds between two reports of figures.
INTERVAL = 5.0
#: Seconds between two looks whether Dask's worker closes.
_LOOK_AT_WORKER = 0.5
#: Seconds after which a look at the directories is given up: a file server may hang.
LOOK = 30.0
#: Another text in each process, so that a task which Dask begins again elsewhere is noticed.
TOKEN = secrets.token_hex(8)
#: Figures that Dask's pages and metrics show, by the names that they have there.
METRICS = {"tain_entries": "decided", "tain_bytes": "done_bytes", "tain_errors": "errors"}

_lock = threading.Lock()
_begun: set[str] = set()
_reporting = False
#: How many runs this process has.
_active = 0


def topic_of(plan: str) -> str:
    """The topic of Dask under which the workers of a plan report."""
    return f"tain-{plan}"


# ---- a work


def run_task(token: str, data: bytes) -> bytes:
    """Run the work of *data* in this process; the report.

    *token* is that of the process for which the work was meant. The report is logged as an event as well: an event
    arrives although the worker dies before its result was fetched. Errors: `DocumentError`; `RuntimeError` in another
    process, or for an attempt that has begun here before. Dask would begin a task again elsewhere when its worker dies,
    and only the coordinator knows when that is safe.
    """
    global _active
    from distributed import get_worker

    work = Work.parse(data)
    worker = get_worker()
    with _lock:
        if token != TOKEN or work.key in _begun:
            raise RuntimeError(f"{work.key} is not begun again by Dask")
        _begun.add(work.key)
        _active += 1
    try:
        _report_figures(worker)
        report = run_work(data)
    finally:
        with _lock:
            _active -= 1
    worker.log_event(topic_of(work.plan), {"op": "done", "key": work.key, "report": report.decode()})
    return report


def _report_figures(worker: Any) -> None:
    """Report the figures of all runs of this process, as long as there are some."""
    global _reporting
    with _lock:
        if _reporting:
            return
        _reporting = True
    threading.Thread(target=_report, args=(worker,), name="figures", daemon=True).start()


def _report(worker: Any) -> None:
    """In a thread: report figures, and end all runs when Dask's worker closes, which would wait for them."""
    global _reporting
    pause = threading.Event()
    due = time.monotonic() + INTERVAL
    while True:
        pause.wait(_LOOK_AT_WORKER)
        if worker.status.name in ("closing", "closed", "failed"):
            for key in list(control.keys()):
                control.send(key, "cancel")
        elif time.monotonic() >= due:
            due = time.monotonic() + INTERVAL
            found = {key: figures for key, figures in control.figures().items() if figures}
            for key, figures in found.items():
                worker.log_event(topic_of(_plan_of(key)), {"op": "figures", "key": key, "figures": figures})
        with _lock:
            if not _active:
                _reporting = False
                return


def _plan_of(key: str) -> str:
    """The plan of a work's key."""
    return key.removeprefix("tain-").rsplit("-", 2)[0]


def send_verb(key: str, verb: str) -> bool:
    """Send a verb to a run of this process, as `tain.cluster.control.send`."""
    return control.send(key, verb)


# ---- the machine


async def hello(data: bytes, dask_worker: Any = None) -> bytes:
    """What a worker is, and whether it may take work of a plan.

    *data*: ``{"version", "roots", "directory"}``. The answer: ``{"name", "token", "process", "version", "python",
    "distributed", "problem"}``; `problem` is the reason why it may take nothing, or empty.
    """
    for name, figure in METRICS.items():
        dask_worker.metrics[name] = _metric(figure)
    found = identity()
    try:
        found["problem"] = await asyncio.wait_for(asyncio.to_thread(_problem, data), LOOK)
    except TimeoutError:
        found["problem"] = f"its file systems do not answer within {LOOK:g} s"
    return json.dumps(found).encode()


def identity() -> dict[str, Any]:
    """This process, as the answer of `hello` has it."""
    import distributed

    return {
        "name": worker_name(),
        "token": TOKEN,
        "process": process_here(),
        "version": VERSION,
        "python": platform.python_version(),
        "distributed": distributed.__version__,
    }


def _problem(data: bytes) -> str:
    """Why this process may take no work; empty if it may."""
    found = documents.read(
        documents.parse(data),
        {"version": documents.text, "roots": documents.tuple_of(root), "directory": documents.optional(documents.name)},
    )
    if found["version"] != VERSION:
        return f"tain {VERSION} is installed, and the plan is one of tain {found['version']}"
    if text := first_difference(found["roots"]):
        return text
    directory = found["directory"]
    return "" if directory is None else _unwritable(directory)


def _unwritable(directory: bytes) -> str:
    """Why no file can be made in the *directory* of the plan; empty if one can."""
    place = os.path.join(directory, f".hello-{worker_name().replace('/', '-')}-{TOKEN}".encode())
    try:
        os.close(os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600))
        os.unlink(place)
    except OSError as error:
        return f"{printable(directory)}, the directory of the plan, cannot be written: {system_text(error)}"
    return ""


def _metric(figure: str) -> Any:
    """A figure of all runs of this process, as a metric of Dask."""

    def value(_worker: Any) -> int:
        return sum(int(figures.get(figure, 0)) for figures in control.figures().values())

    return value


# ---- is a process still alive?


def process_here() -> dict[str, Any]:
    """This process: the boot of the machine, the name space of process ids, the id and the start time."""
    return {"boot": boot_id(), "space": _space(), "pid": os.getpid(), "start": _start_time(os.getpid())}


def has_ended(process: dict[str, Any]) -> bool:
    """Whether *process*, of `process_here`, is known to have ended; False also if this process cannot know it."""
    if process["boot"] != boot_id() or not process["boot"] or process["space"] != _space() or not process["space"]:
        return False
    start = _start_time(int(process["pid"]))
    return start is not None and start != process["start"]


def _space() -> str:
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:
        return ""


def _start_time(pid: int) -> int | None:
    """The start of a process in clock ticks since the boot; 0 if there is none, None if it cannot be known."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
        threads = os.listdir(f"/proc/{pid}/task")
    except (FileNotFoundError, ProcessLookupError):
        return 0
    except OSError:
        return None
    # A zombie has ended, and nobody has waited for it. Its threads may still end.
    return 0 if fields[0] in (b"Z", b"X") and len(threads) <= 1 else int(fields[19])


# ---- for `tain cluster doctor`


async def examine(data: bytes, dask_worker: Any = None) -> bytes:
    """What `tain cluster doctor` shows of a worker.

    *data*: ``{"paths", "directory"}``. The answer has the fields of `identity`, ``clock`` in seconds, ``files`` (how
    many may be open), ``certificate`` (the end of its validity in seconds, or null), and for each path its identity,
    the free bytes, or an error.
    """
    found = identity()
    try:
        found |= await asyncio.wait_for(asyncio.to_thread(_examine, data), LOOK)
    except TimeoutError:
        found |= {"paths": {}, "writable": f"its file systems do not answer within {LOOK:g} s"}
    found["clock"] = time.time()
    found["files"] = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    from tain.cluster.certs import end_of

    found["certificate"] = end_of(getattr(dask_worker.security, "tls_worker_cert", None))
    return json.dumps(found).encode()


def _examine(data: bytes) -> dict[str, Any]:
    asked = documents.read(
        documents.parse(data),
        {"paths": documents.tuple_of(documents.name), "directory": documents.optional(documents.name)},
    )
    found: dict[str, Any] = {}
    for path in asked["paths"]:
        try:
            status = os.statvfs(path)
            found[printable(path)] = {**identify(path).to_json(), "free": status.f_bavail * status.f_frsize}
        except OSError as error:
            found[printable(path)] = {"error": system_text(error)}
    directory = asked["directory"]
    return {"paths": found, "writable": "" if directory is None else _unwritable(directory)}


def settings(names: list[str]) -> dict[str, object]:
    """Settings of Dask in this process."""
    import dask.config

    return {name: dask.config.get(name, None) for name in names}
