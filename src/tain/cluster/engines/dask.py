"""The engine on a Dask cluster: many machines, which come and go.

A work is a task of Dask that may run on one worker only, the one that was chosen for it. If that worker is gone, Dask
does not begin the task again elsewhere, as it would otherwise: only the coordinator knows when that is safe.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import queue
import threading
import time
from collections import deque
from concurrent.futures import Future

from tain.cluster.documents import DocumentError
from tain.cluster.engines import dask_worker
from tain.cluster.messages import Report
from tain.errors import for_code
from tain.release import VERSION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
    from typing import Any

    from tain.cluster.messages import Work
    from tain.cluster.roots import Root

#: Seconds between two looks at the list of workers.
INTERVAL = 1.0
#: Seconds after which the scheduler is given up.
PATIENCE = 30.0
#: Seconds after which one look at the list is given up, and tried again.
_ANSWER = 5.0
#: Seconds of the leases of workers.
LEASE = 60.0
#: Seconds in which running works may end when the engine is closed.
_GRACE = 5.0


class LostWorkerError(ConnectionError):
    """The worker of an attempt is gone. The attempt may still run, unless `Dask.lost` was called for it."""

    def __init__(self, worker: str, text: str) -> None:
        super().__init__(text)
        #: The name of the worker, as in `Dask.slots`.
        self.worker = worker


class _Worker:
    """A worker that has answered."""

    def __init__(self, address: str, found: Mapping[str, Any], slots: int, resource: bool) -> None:
        self.address, self.slots, self.resource = address, slots, resource
        self.name, self.token, self.process = str(found["name"]), str(found["token"]), dict(found["process"])
        self.running: set[str] = set()


class _Task:
    """A work that was handed out."""

    def __init__(self, work: Work) -> None:
        self.work = work
        self.future: Future[Report] = Future()
        # It cannot be taken back by its future.
        self.future.set_running_or_notify_cancel()
        #: The future of Dask and the worker, once there is one.
        self.inner: Any = None
        self.worker: _Worker | None = None
        self.figures: dict[str, Any] = {}


class Dask:
    """Runs work on the workers of a Dask cluster. All methods may be called from any thread.

    Errors of the constructor: `TainError` (code 10) if the scheduler does not answer.
    """

    def __init__(
        self,
        target: Any,
        *,
        security: Any = None,
        roots: Sequence[Root] = (),
        directory: bytes | None = None,
        on_worker: Callable[[str, str, str], object] | None = None,
        owned: Sequence[Any] = (),
    ) -> None:
        """*target*: the address of a scheduler, or a `distributed.Client`. *roots*: the directories that must be the
        same on each worker. *directory*: that of the plan, which each worker must be able to write.

        *on_worker* is called with ``joined``, ``refused`` or ``lost``, the name of a worker, and the reason; from a
        thread of the engine. *owned*: what is closed with the engine.
        """
        self.lost: Callable[[Work], None] = _ignore
        self.lease = LEASE
        #: Why the scheduler is given up; empty while it answers.
        self.broken = ""
        #: The workers that may take no work, by name, with the reason.
        self.refused: dict[str, str] = {}
        #: How many workers were lost with work.
        self.lost_workers = 0
        self._roots, self._directory = list(roots), directory
        self._on_worker = on_worker or _ignore_worker
        self._owned = list(owned)
        self._client: Any = target
        if isinstance(target, str):
            self._client = connect(target, security)
            self._owned.insert(0, self._client)
        self._lock = threading.RLock()
        self._workers: dict[tuple[str, str], _Worker] = {}
        self._known: set[tuple[str, str]] = set()
        #: The addresses of workers that were asked what they are.
        self._greeted: set[str] = set()
        self._tasks: dict[str, _Task] = {}
        self._waiting: deque[tuple[_Task, frozenset[str]]] = deque()
        #: Attempts of workers that are gone, not known to have ended, with the worker and the time to stop asking.
        self._fading: list[tuple[Work, _Worker, float]] = []
        self._topics: set[str] = set()
        self._calls: queue.SimpleQueue[Callable[[], object] | None] = queue.SimpleQueue()
        self._wake = threading.Event()
        self._closed = False
        self._client.subscribe_topic("all", self._take_event)
        self._threads = [
            threading.Thread(target=function, name=f"dask {function.__name__}", daemon=True)
            for function in (self._watch, self._complete)
        ]
        for thread in self._threads:
            thread.start()

    # ---- the engine

    def expect(self, roots: Sequence[Root], directory: bytes) -> None:
        """From now on workers must have the same *roots*, and be able to write *directory*. Workers are asked again."""
        with self._lock:
            self._roots, self._directory = list(roots), directory
            self._known.clear()
            self.refused.clear()
            for key in [key for key, worker in self._workers.items() if not worker.running]:
                del self._workers[key]
        self._wake.set()

    def submit(self, work: Work, avoid: Collection[str] = ()) -> Future[Report]:
        """Run *work*, if possible on none of the workers named in *avoid*; as soon as one is free."""
        task = _Task(work)
        topic = dask_worker.topic_of(work.plan)
        with self._lock:
            if self.broken or self._closed:
                task.future.set_exception(LostWorkerError("", self.broken or "the engine is closed"))
                return task.future
            if topic not in self._topics:
                self._topics.add(topic)
                self._client.subscribe_topic(topic, self._take_event)
            self._tasks[work.key] = task
            self._waiting.append((task, frozenset(avoid)))
            self._assign()
        return task.future

    def slots(self) -> Mapping[str, int]:
        """How much more each worker can take now, by its name; nothing, by its address, if it has not answered yet."""
        with self._lock:
            if self.broken:
                return {}
            found = dict.fromkeys(self._greeted, 0)
            for worker in self._workers.values():
                found[worker.name] = 0 if self._waiting else max(worker.slots - len(worker.running), 0)
            return found

    def send(self, work: Work, verb: str) -> bool:
        """Send a verb of `tain.cluster.control.send` to a run; does not wait for the worker."""
        with self._lock:
            task = self._tasks.get(work.key)
            if task is None or task.worker is None or self.broken:
                return False
            address = task.worker.address
        self._in_loop(lambda: self._client._run(dask_worker.send_verb, work.key, verb, workers=[address]))
        return True

    def figures(self) -> dict[str, dict[str, Any]]:
        """The last figures of each running work, by its key; they are up to 5 s old."""
        with self._lock:
            return {key: task.figures for key, task in self._tasks.items() if task.figures}

    def wait_for_workers(self, timeout: float) -> bool:
        """Wait until a worker can take work, at most *timeout* seconds; whether there is one."""
        end = time.monotonic() + timeout
        while not self._workers and not self.broken and time.monotonic() < end:
            time.sleep(0.05)
        return bool(self._workers)

    def close(self) -> None:
        """End. What still runs is cancelled, and has a few seconds for its report."""
        with self._lock:
            tasks = list(self._tasks.values())
            self._closed = True
        for task in tasks:
            self.send(task.work, "cancel")
        end = time.monotonic() + _GRACE
        while self._tasks and not self.broken and time.monotonic() < end:
            time.sleep(0.02)
        self._wake.set()
        self._calls.put(None)
        for thread in self._threads:
            thread.join(_ANSWER)
        self._fail_all("the engine is closed")
        for each in self._owned:
            with contextlib.suppress(OSError, TimeoutError, RuntimeError):
                each.close()

    # ---- tasks

    def _assign(self) -> None:
        """Hand waiting works to workers with a free slot. The lock is held."""
        while self._waiting:
            task, avoid = self._waiting[0]
            free = [worker for worker in self._workers.values() if len(worker.running) < worker.slots]
            if not free:
                return
            self._waiting.popleft()
            worker = max(free, key=lambda each: (each.name not in avoid, each.slots - len(each.running)))
            worker.running.add(task.work.key)
            task.worker = worker
            inner = self._client.submit(
                dask_worker.run_task,
                worker.token,
                task.work.to_bytes(),
                key=task.work.key,
                pure=False,
                retries=0,
                workers=[worker.address],
                allow_other_workers=False,
                resources={"tain": 1} if worker.resource else None,
                priority=0,
            )
            task.inner = inner
            inner.add_done_callback(lambda done, task=task: self._calls.put(lambda: self._end(task, done)))

    def _end(self, task: _Task, inner: Any) -> None:
        """Take in how a task has ended. An event may have brought its report already."""
        if task.future.done():
            return
        if self._is_cut_off():
            self._break("the connection to the scheduler is lost")
            return
        try:
            if inner.status == "finished":
                self._finish(task, inner.result(timeout=PATIENCE))
                return
            error = inner.exception(timeout=PATIENCE) if inner.status == "error" else None
            self._fail(task, error or LostWorkerError("", f"{task.work.key} was cancelled"))
        except Exception as error:
            # Its result cannot be fetched: the worker is gone.
            self._fail(task, LostWorkerError(task.worker.name if task.worker else "", str(error)))

    def _finish(self, task: _Task, data: bytes) -> None:
        """The report of *task* has come."""
        self._remove(task)
        if task.future.done():
            return
        try:
            report = Report.parse(data)
            if not report.answers(task.work):
                raise DocumentError(f"{task.work.key}: the report is that of another work")
            task.future.set_result(report)
        except DocumentError as error:
            task.future.set_exception(error)

    def _fail(self, task: _Task, error: BaseException) -> None:
        self._remove(task)
        if not task.future.done():
            task.future.set_exception(error)

    def _remove(self, task: _Task) -> None:
        """Release a task: Dask would run a finished one again if the worker that has its result died."""
        with self._lock:
            self._tasks.pop(task.work.key, None)
            if task.worker is not None:
                task.worker.running.discard(task.work.key)
            inner, task.inner = task.inner, None
            if not self.broken:
                self._assign()
        if inner is not None:
            with contextlib.suppress(Exception):
                inner.release()

    def _complete(self) -> None:
        """In a thread: take in what has ended, one after the other."""
        while (call := self._calls.get()) is not None:
            call()

    def _take_event(self, event: tuple[float, Any]) -> None:
        """An event of the scheduler or of a worker; in the thread of the client."""
        message = event[1]
        if not isinstance(message, dict):
            return
        if message.get("action") in ("add-worker", "remove-worker"):
            self._wake.set()
            return
        with self._lock:
            task = self._tasks.get(str(message.get("key")))
        if task is None:
            return
        if message.get("op") == "done" and isinstance(message.get("report"), str):
            report = message["report"].encode()
            self._calls.put(lambda: self._finish(task, report))
        elif message.get("op") == "figures" and isinstance(message.get("figures"), dict):
            task.figures = message["figures"]

    # ---- workers

    def _watch(self) -> None:
        """In a thread: look who has come and gone."""
        failing = 0.0
        while not self._closed:
            try:
                found = self._client.sync(_workers_of, self._client, callback_timeout=_ANSWER)
                failing = 0.0
            except Exception as error:
                # Dask's client has many kinds of errors.
                failing = failing or time.monotonic()
                if self._is_cut_off() or time.monotonic() - failing > PATIENCE:
                    self._break(f"the scheduler does not answer: {error}")
                    return
                found = None
            if found is not None:
                self._compare(found)
            self._ask_fading()
            self._wake.wait(INTERVAL)
            self._wake.clear()

    def _compare(self, found: Mapping[str, Any]) -> None:
        """Take in the workers that the scheduler has now."""
        present = {
            (address, str(info.get("local_directory"))): info
            for address, info in found.items()
            if info.get("status") in ("running", "paused")
        }
        everybody = {(address, str(info.get("local_directory"))) for address, info in found.items()}
        with self._lock:
            new = {key: info for key, info in present.items() if key not in self._known}
            self._known |= set(new)
            self._greeted |= {address for address, _ in new}
            gone = [worker for key, worker in self._workers.items() if key not in everybody]
            for key in [key for key in self._workers if key not in present]:
                # One that is about to close takes no more, and its works may still end.
                if key not in everybody or not self._workers[key].running:
                    del self._workers[key]
                else:
                    self._workers[key].slots = 0
        for worker in gone:
            self._lose(worker)
        for key, info in new.items():
            threading.Thread(target=self._greet, args=(key, info), name=f"hello {key[0]}", daemon=True).start()

    def _greet(self, key: tuple[str, str], info: Mapping[str, Any]) -> None:
        """Ask a new worker what it is; in a thread of its own, since a worker with a hung mount answers late."""
        try:
            self._ask(key, info)
        finally:
            with self._lock:
                self._greeted.discard(key[0])

    def _ask(self, key: tuple[str, str], info: Mapping[str, Any]) -> None:
        address = key[0]
        with self._lock:
            roots, directory = self._roots, self._directory
        request = request_of(roots, directory)
        try:
            answer = self._client.run(dask_worker.hello, request, workers=[address], on_error="return")[address]
            if isinstance(answer, BaseException):
                raise answer
            found = json.loads(answer)
            problem, name = str(found["problem"]), str(found["name"])
            resources = info.get("resources") or {}
            slots = int(resources.get("tain", info.get("nthreads", 1)))
            worker = None if problem else _Worker(address, found, slots, "tain" in resources)
        except OSError:
            # It is gone again, or did not answer: it is asked again while the scheduler has it.
            time.sleep(INTERVAL)
            with self._lock:
                self._known.discard(key)
            return
        except Exception as error:
            # Whatever another version of this package, or none, makes of the question.
            worker, slots, name = None, 0, str(info.get("name") or address)
            problem = f"{type(error).__name__}: {error}; is tain {VERSION} installed there, with the same Dask?"
        if worker is None:
            host = name.partition("/")[0]
            self.refused[name] = f"{host}: {problem}"
            self._on_worker("refused", name, self.refused[name])
            return
        with self._lock:
            if (roots, directory) != (self._roots, self._directory) or key in self._workers:
                return
            self._workers[key] = worker
            self._assign()
        self._on_worker("joined", name, f"{slots} streams")

    def _lose(self, worker: _Worker) -> None:
        """The scheduler has no longer this worker."""
        with self._lock:
            tasks = [self._tasks[key] for key in sorted(worker.running) if key in self._tasks]
            if tasks:
                self.lost_workers += 1
        ended = bool(tasks) and self._has_ended(worker)
        for task in tasks:
            if ended:
                self.lost(task.work)
            else:
                self._fading.append((task.work, worker, time.monotonic() + max(task.work.lease, PATIENCE) * 2))
            self._fail(task, LostWorkerError(worker.name, f"the worker {worker.name} is gone"))
        self._on_worker("lost", worker.name, f"with {len(tasks)} streams" if tasks else "")

    def _has_ended(self, worker: _Worker) -> bool:
        """Whether the process of a worker is known to have ended: by this machine, or by another worker of its own."""
        if dask_worker.has_ended(worker.process):
            return True
        with self._lock:
            beside = [other.address for other in self._workers.values() if _same_machine(other, worker)]
        for address in beside:
            try:
                if self._client.run(dask_worker.has_ended, worker.process, workers=[address])[address]:
                    return True
            except Exception:
                # That one is gone as well; ask the next.
                continue
        return False

    def _ask_fading(self) -> None:
        """Report attempts whose worker is now known to have ended."""
        still = []
        for work, worker, end in self._fading:
            if self._has_ended(worker):
                self.lost(work)
            elif time.monotonic() < end:
                still.append((work, worker, end))
        self._fading = still

    # ---- the end

    def _is_cut_off(self) -> bool:
        """The client has lost the scheduler, and has given up all tasks. It would connect again, but to no task."""
        return bool(self._client.status != "running")

    def _break(self, text: str) -> None:
        """The scheduler is gone: nothing more can be sent, and nothing will come."""
        self.broken = self.broken or text
        self._fail_all(text)

    def _fail_all(self, text: str) -> None:
        with self._lock:
            tasks = list(self._tasks.values())
            self._waiting.clear()
        for task in tasks:
            self._fail(task, LostWorkerError(task.worker.name if task.worker else "", text))

    def _in_loop(self, call: Callable[[], Awaitable[object]]) -> None:
        """Begin *call* in the thread of the client, and do not wait for it."""

        async def run() -> None:
            # A worker that is gone gets no verbs; the watcher finds out.
            with contextlib.suppress(Exception):
                await asyncio.wait_for(call(), PATIENCE)

        self._client.loop.add_callback(run)


def connect(address: str, security: Any) -> Any:
    """A client of the scheduler at *address*. Errors: `TainError` (code 10) if it does not answer or refuses."""
    from distributed import Client

    try:
        return Client(address, security=security, set_as_default=False, timeout=PATIENCE, name="tain")
    except (OSError, TimeoutError, TypeError, ValueError) as error:
        raise for_code(10, f"tain cluster: {address}: {error.__cause__ or error}") from error


def request_of(roots: Sequence[Root], directory: bytes | None) -> bytes:
    """The question of `dask_worker.hello`."""
    from tain.cluster.documents import dump, name_to_json

    place = None if directory is None else name_to_json(directory)
    return dump({"version": VERSION, "roots": [root.to_json() for root in roots], "directory": place})


async def _workers_of(client: Any) -> dict[str, Any]:
    """The workers that the scheduler has now, by address."""
    found: dict[str, Any] = (await client.scheduler.identity(n_workers=-1))["workers"]
    return found


def _same_machine(one: _Worker, other: _Worker) -> bool:
    return one is not other and all(one.process[name] == other.process[name] for name in ("boot", "space"))


def _ignore(_work: Work) -> None:
    return


def _ignore_worker(_op: str, _name: str, _reason: str) -> None:
    return
