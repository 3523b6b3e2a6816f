"""Telling people and programs of the end of a run: messages, pings, downstreams.

``python -m tain.mirror.notify DIRECTORY MOMENT`` does that for one run, in a process of its own: it never delays a run.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import sqlite3
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tain.mirror import http
from tain.mirror.loading import read_config
from tain.mirror.model import Downstream, Job, Notify
from tain.mirror.notices import decide
from tain.mirror.runs import Layout, Log, read_json
from tain.mirror.schedules import stale_after
from tain.mirror.store import Store
from tain.mirror.texts import end_lines, first_names

_TRIES = 3
_TRY_WAIT = 5.0
#: Seconds for a program, and for a trigger.
_TIMEOUT = 30.0
#: Bytes of the log that a ping carries.
_TAIL = 10_000
_NAMESPACE = uuid.UUID("6f5e0d83-52ce-4a54-9a5e-6f1d2c0d7a11")
#: Where the result of a run is reported; any other is logged only.
_PINGS = {"success": "", "unchanged": "", "failed": "/fail", "lost": "/fail", "held": "/fail"}


def start(directory: str, moment: str = "end") -> None:
    """Report a moment of a run: its ``begin``, its ``end``, or that the ``payload`` is there; does not wait for it."""
    config = read_json(os.path.join(directory, "config.json"))
    if config is None or not _is_wanted(config, moment):
        return
    begins = moment == "begin"
    with contextlib.suppress(OSError), open(os.path.join(directory, "ping.lock"), "ab") as lock:
        if begins:
            # The end is reported after the beginning: the lock passes to the process that reports it.
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        subprocess.Popen(
            [sys.executable, "-P", "-m", "tain.mirror.notify", directory, moment],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/",
            start_new_session=True, pass_fds=(lock.fileno(),) if begins else (),
        )  # fmt: skip


def _is_wanted(config: dict[str, Any], moment: str) -> bool:
    values = config["values"]
    if config["flags"].get("dry_run"):
        return False
    downstreams = values.get("downstream") or []
    if moment == "payload":
        return any(one.get("on") == "payload" for one in downstreams)
    return bool(values.get("healthchecks")) or (moment == "end" and bool(config.get("notify") or downstreams))


class Report:
    """What is sent about one run."""

    def __init__(self, directory: str, config: dict[str, Any]) -> None:
        self.directory, self.config = directory, config
        self.name: str = config["name"]
        self.job = Job.model_validate(config["values"])
        self.log = Log(os.path.join(directory, "notify.log"))
        # The child of a runner that has vanished has its document from the database.
        self.document: dict[str, Any] = read_json(os.path.join(directory, "run.json")) or {}

    # ---- pings

    def ping(self, ending: str, data: bytes = b"") -> None:
        """Tell a monitor of missed runs."""
        if self.job.healthchecks is None:
            return
        rid = uuid.uuid5(_NAMESPACE, self.config["run"])
        url = f"{self.job.healthchecks.rstrip('/')}{ending}?rid={rid}"
        for number in self._tries():
            try:
                status = http.post(url, data)
            except http.FetchError as error:
                self.log.note(f"ping {number}: {error}")
                continue
            if status < 300:
                return
            self.log.note(f"ping {number}: status {status}")

    def _tries(self) -> Iterator[int]:
        for number in range(1, _TRIES + 1):
            if number > 1:
                time.sleep(_TRY_WAIT)
            yield number

    def _tail(self) -> bytes:
        with contextlib.suppress(OSError), open(os.path.join(self.directory, "output.log"), "rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - _TAIL))
            return file.read(_TAIL)
        return b""

    # ---- downstreams

    def trigger(self, one: Downstream, what: str) -> None:
        """Tell a downstream that there is something new. *what*: ``all``, or ``stage1`` for the payload only."""
        for number in self._tries():
            problem = self._push(one, what)
            if problem is None:
                return
            self.log.note(f"downstream {one.name}, attempt {number}: {problem}")

    def _push(self, one: Downstream, what: str) -> str | None:
        """Why a downstream could not be told; None: it was."""
        scheme, _, rest = one.trigger.partition("://")
        if scheme == "ssh":
            words = ["ssh", "-o", "BatchMode=yes", "-o", f"ConnectTimeout={int(_TIMEOUT)}"]
            words += [] if one.key is None else ["-i", one.key, "-o", "IdentitiesOnly=yes"]
            host, colon, port = rest.rstrip("/").rpartition(":")
            words += ["-p", port, host] if colon and port.isdigit() else [rest.rstrip("/")]
            try:
                done = subprocess.run(
                    [*words, f"sync:{what}"],
                    stdin=subprocess.DEVNULL,
                    capture_output=True,
                    timeout=_TIMEOUT,
                    check=False,
                )
            except (OSError, subprocess.TimeoutExpired) as error:
                return str(error)
            text = done.stderr.decode("utf-8", "replace").strip()
            return None if done.returncode == 0 else f"ssh ended with {done.returncode}: {text[-200:]}"
        token = ""
        try:
            if one.token_file is not None:
                with open(one.token_file, encoding="utf-8") as file:
                    token = file.readline().strip()
            headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
            status = http.post(one.trigger, json.dumps({"what": what}).encode(), headers, timeout=_TIMEOUT)
        except (OSError, http.FetchError) as error:
            return str(error)
        return None if status < 300 else f"status {status}"

    # ---- messages

    def queue(self, store: Store, rules: Notify) -> bool:
        """Write down the message of the run, if there is one; whether there is."""
        now, document = time.time(), self.document
        with store.transaction():
            row = store.job(self.name)
            fresh = row["content_time"] or row["last_good"]
            stale = fresh is not None and now - fresh > stale_after(self.job)
            kind, columns = decide(rules, document, row, now, stale=stale)
            if columns:
                store.update_job(self.name, **columns)
            if kind is None:
                return False
            lines = end_lines(document, first=first_names(os.path.join(self.directory, "deletes.nul")))
            title = lines[0] if kind != "recovered" else f"{self.name}: recovered; {lines[0].partition(': ')[2]}"
            body = "\n".join([*lines, f"log: {os.path.join(self.directory, 'output.log')}"])
            store.add_message(now, self.name, document["id"], kind, title, body)
            return True

    def report_payload(self) -> None:
        """The stages before the last one have ended."""
        with ThreadPoolExecutor(max_workers=16) as pool:
            for one in self.job.downstream:
                if one.on == "payload":
                    pool.submit(self.trigger, one, "stage1")

    def report(self) -> None:
        """Everything that follows the end of a run."""
        document = self.document
        config = read_config(self.config["notify"]) if self.config.get("notify") else None
        layout = Layout(self.config["state"])
        if config is not None and config.notify.sends:
            store = Store.open(layout.database)
            try:
                if self.queue(store, config.notify):
                    Sender(store, config.notify, layout, self.log).send_all()
            finally:
                store.close()
        with ThreadPoolExecutor(max_workers=16) as pool:
            if document["result"] == "success":
                for one in self.job.downstream:
                    pool.submit(self.trigger, one, "all")
            pool.submit(self.ping, _PINGS.get(document["result"], "/log"), self._tail())


class Sender:
    """Sends what is waiting, several messages as one."""

    def __init__(self, store: Store, rules: Notify, layout: Layout, log: Log) -> None:
        self.store, self.rules, self.layout, self.log = store, rules, layout, log

    def send_all(self) -> None:
        """Send all messages. Another process that is about to send takes ours with it."""
        with open(os.path.join(self.layout.state, "notify.lock"), "ab") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return
            while self.store.messages():
                time.sleep(self.rules.group)
                waiting = self.store.messages()
                problem = self._send(waiting)
                text = f"{len(waiting)} messages sent" if problem is None else f"not sent: {problem}"
                severity = "info" if problem is None else "error"
                self.store.event("notification", text, severity=severity)
                self.store.end_messages(waiting[-1]["id"], time.time())

    def _send(self, waiting: list[dict[str, Any]]) -> str | None:
        """Why the messages could not be sent; None: they were."""
        title = waiting[0]["title"] if len(waiting) == 1 else f"{len(waiting)} messages of mirror jobs"
        body = "\n\n".join(message["body"] for message in waiting)
        problem: str | None = None
        for number in range(1, _TRIES + 1):
            if number > 1:
                time.sleep(_TRY_WAIT)
            problem = self._hook(waiting) or self._apprise(title, body)
            if problem is None:
                return None
            self.log.note(f"attempt {number}: {problem}")
        return problem

    def _hook(self, waiting: list[dict[str, Any]]) -> str | None:
        if not self.rules.hook:
            return None
        keys = ("job", "run", "kind", "title", "body", "at")
        document = {
            "schema": "tain.mirror.notification/1",
            "messages": [{key: message[key] for key in keys} for message in waiting],
        }
        try:
            done = subprocess.run(
                self.rules.hook, input=json.dumps(document).encode(), capture_output=True, timeout=_TIMEOUT, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            return f"{self.rules.hook[0]}: {error}"
        return None if done.returncode == 0 else f"{self.rules.hook[0]} ended with {done.returncode}"

    def _apprise(self, title: str, body: str) -> str | None:
        urls = list(self.rules.apprise)
        try:
            if self.rules.apprise_file is not None:
                with open(self.rules.apprise_file, encoding="utf-8") as file:
                    urls += [line.strip() for line in file if line.strip() and not line.startswith("#")]
        except OSError as error:
            return f"{self.rules.apprise_file}: {error.strerror}"
        if not urls:
            return None
        try:
            import apprise
        except ImportError:
            return "messages by apprise need: pip install 'tain[notify]'"
        target = apprise.Apprise()
        for number, url in enumerate(urls, 1):
            if not target.add(url):
                return f"address {number} of apprise is not understood"
        return None if target.notify(title=title, body=body) else "apprise could not deliver to all addresses"


def main() -> None:
    """Report the run of the directory in the first argument."""
    directory = sys.argv[1]
    config = read_json(os.path.join(directory, "config.json"))
    if config is None:
        return
    report = Report(directory, config)
    try:
        moment = sys.argv[2]
        if moment == "begin":
            report.ping("/start")
            return
        if moment == "payload":
            report.report_payload()
            return
        with open(os.path.join(directory, "ping.lock"), "ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
        if report.document.get("result"):
            report.report()
    except (OSError, sqlite3.Error) as error:
        report.log.note(str(error))
    finally:
        report.log.close()


if __name__ == "__main__":
    main()
