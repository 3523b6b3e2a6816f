"""The state of all jobs in one SQLite file. Times are seconds since 1970."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from collections.abc import Iterator
from typing import Any

from tain.mirror.checks import network_file_system

VERSION = 3
_BUSY_MS = 10_000
#: How long a full disk is waited for before the result is left to the reconciliation.
_PATIENCE = 60.0

_SCHEMA = """
CREATE TABLE job (
 name TEXT PRIMARY KEY, added REAL, next_due REAL, paused_by TEXT, paused_at REAL, paused_until REAL, paused_why TEXT,
 hold TEXT, hold_why TEXT, hold_run TEXT, hold_at REAL, hold_deletes INTEGER, failures INTEGER NOT NULL DEFAULT 0,
 partials INTEGER NOT NULL DEFAULT 0, last_run TEXT, last_good REAL, last_check REAL, content_time REAL,
 content_stamp TEXT, upstream TEXT,
 files INTEGER, bytes INTEGER, source_dev TEXT, dest_dev TEXT);
CREATE TABLE run (
 id TEXT PRIMARY KEY, job TEXT NOT NULL, trigger TEXT, requested_by TEXT, queued REAL, started REAL, ended REAL,
 seconds REAL, boot_id TEXT, pid INTEGER, pid_ticks INTEGER, phase TEXT, result TEXT, exit_code INTEGER, why TEXT,
 hint TEXT, stage TEXT, upstream TEXT, attempts INTEGER, config_hash TEXT, files INTEGER, bytes INTEGER, new INTEGER,
 changed INTEGER, deleted INTEGER, planned_deletes INTEGER, planned_of INTEGER, received INTEGER, sent INTEGER,
 literal INTEGER, matched INTEGER, speedup REAL);
CREATE INDEX run_by_job ON run (job, id);
CREATE TABLE attempt (
 run TEXT NOT NULL, n INTEGER NOT NULL, upstream TEXT, stage TEXT, started REAL, ended REAL, exit_code INTEGER,
 error TEXT, received INTEGER, rate REAL, PRIMARY KEY (run, n));
CREATE TABLE upstream (
 job TEXT NOT NULL, url TEXT NOT NULL, probed REAL, reachable INTEGER, latency_ms REAL, stamp TEXT,
 content_time REAL, rate REAL, cooldown_until REAL, error TEXT,
 PRIMARY KEY (job, url));
CREATE TABLE ticket (
 id INTEGER PRIMARY KEY, job TEXT NOT NULL, run TEXT, max_deletes INTEGER NOT NULL, by TEXT, at REAL, expires REAL,
 used_by TEXT, used_at REAL);
CREATE TABLE event (
 id INTEGER PRIMARY KEY, at REAL NOT NULL, job TEXT, run TEXT, kind TEXT NOT NULL, severity TEXT, who TEXT, text TEXT);
"""
#: What makes a state of each version one of the next version.
_MIGRATIONS = {
    1: """
CREATE TABLE request (
 id INTEGER PRIMARY KEY, job TEXT NOT NULL, trigger TEXT NOT NULL, by TEXT, at REAL NOT NULL,
 at_once INTEGER NOT NULL DEFAULT 0);
CREATE INDEX run_open ON run (id) WHERE result IS NULL;
CREATE TABLE total (
 job TEXT NOT NULL, result TEXT NOT NULL, count INTEGER NOT NULL, received INTEGER NOT NULL, deleted INTEGER NOT NULL,
 PRIMARY KEY (job, result));
INSERT INTO total SELECT job, result, count(*), total(received), total(deleted) FROM run WHERE result IS NOT NULL
 GROUP BY job, result;
"""
    + "".join(
        f"CREATE TRIGGER total_{when} AFTER {event} ON run WHEN {condition} BEGIN INSERT INTO total VALUES "
        "(new.job, new.result, 1, ifnull(new.received, 0), ifnull(new.deleted, 0)) ON CONFLICT (job, result) DO UPDATE "
        "SET count = count + 1, received = received + excluded.received, deleted = deleted + excluded.deleted; END;\n"
        for when, event, condition in (
            ("insert", "INSERT", "new.result IS NOT NULL"),
            ("update", "UPDATE OF result", "new.result IS NOT NULL AND old.result IS NULL"),
        )
    ),
    2: """
ALTER TABLE request ADD COLUMN stage TEXT;
ALTER TABLE job ADD COLUMN reported_kind TEXT;
ALTER TABLE job ADD COLUMN reported_at REAL;
CREATE TABLE message (
 id INTEGER PRIMARY KEY, at REAL NOT NULL, job TEXT, run TEXT, kind TEXT NOT NULL, title TEXT, body TEXT, sent REAL);
""",
}

Row = dict[str, Any]


class StateError(Exception):
    """The state cannot be made or read: exit code 73."""


class Store:
    """One connection to the state. Each method is one short transaction. Errors: `StateError` from `open`."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection
        self._db.row_factory = sqlite3.Row

    @classmethod
    def open(cls, path: str) -> Store:
        """Open, create or migrate the state; what is broken is put aside and made again, empty."""
        try:
            os.makedirs(os.path.dirname(path), mode=0o750, exist_ok=True)
            try:
                return cls._connect(path)
            except sqlite3.DatabaseError as error:
                if isinstance(error, sqlite3.OperationalError) and "malformed" not in str(error):
                    raise
                aside = f"{path}.bad-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}"
                os.replace(path, aside)
                for tail in ("-wal", "-shm"):
                    with contextlib.suppress(FileNotFoundError):
                        os.replace(path + tail, aside + tail)
                store = cls._connect(path)
                store.event("config", f"the state was broken ({error}); it is kept as {aside}", severity="error")
                return store
        except (OSError, sqlite3.Error) as error:
            raise StateError(f"{path}: {error}") from error

    @classmethod
    def _connect(cls, path: str) -> Store:
        connection = sqlite3.connect(path, timeout=_BUSY_MS / 1000, isolation_level=None, check_same_thread=False)
        try:
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            if version > VERSION:
                raise StateError(f"{path} was written by a newer version of tain mirror (state {version})")
            mode = "DELETE" if network_file_system(os.path.dirname(path)) else "WAL"
            connection.execute(f"PRAGMA journal_mode={mode}")
            connection.execute("PRAGMA synchronous=NORMAL")
            if version < VERSION:
                _migrate(connection, path)
            connection.execute("SELECT count(*) FROM job").fetchone()
            return cls(connection)
        except BaseException:
            connection.close()
            raise

    def close(self) -> None:
        self._db.close()

    def generation(self) -> tuple[int, int]:
        """Two numbers that change when anybody has changed the state."""
        return self._db.execute("PRAGMA data_version").fetchone()[0], self._db.total_changes

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """Several changes as one; a full disk is waited for up to a minute. Errors: `sqlite3.Error`."""
        end = time.monotonic() + _PATIENCE
        while True:
            try:
                self._db.execute("BEGIN IMMEDIATE")
                break
            except sqlite3.OperationalError as error:
                if "full" not in str(error) or time.monotonic() > end:
                    raise
                time.sleep(1.0)
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            # A failed commit may have ended the transaction already.
            with contextlib.suppress(sqlite3.Error):
                self._db.execute("ROLLBACK")
            raise

    def rows(self, text: str, *values: object) -> list[Row]:
        """The rows of a query of this package. Errors: `sqlite3.Error`."""
        return [dict(row) for row in self._db.execute(text, [_stored(value) for value in values])]

    def _row(self, text: str, *values: object) -> Row | None:
        return next(iter(self.rows(text, *values)), None)

    def _write(self, text: str, *values: object) -> int:
        return self._db.execute(text, [_stored(value) for value in values]).lastrowid or 0

    # ---- jobs

    def job(self, name: str) -> Row:
        """The row of a job, made if there is none."""
        row = self._row("SELECT * FROM job WHERE name = ?", name)
        if row is None:
            self._write("INSERT OR IGNORE INTO job (name, added) VALUES (?, ?)", name, time.time())
            row = self._row("SELECT * FROM job WHERE name = ?", name)
            assert row is not None
        return row

    def jobs(self) -> dict[str, Row]:
        """The rows of all jobs."""
        return {row["name"]: row for row in self.rows("SELECT * FROM job")}

    def update_job(self, name: str, **values: object) -> None:
        """Set columns of a job, whose names come from our own code."""
        self.job(name)
        columns = ", ".join(f"{key} = ?" for key in values)
        self._write(f"UPDATE job SET {columns} WHERE name = ?", *values.values(), name)

    def forget(self, name: str) -> None:
        """Remove everything about a job."""
        with self.transaction():
            self._write("DELETE FROM attempt WHERE run IN (SELECT id FROM run WHERE job = ?)", name)
            for table in ("run", "upstream", "ticket", "event", "request", "total", "message"):
                self._write(f"DELETE FROM {table} WHERE job = ?", name)
            self._write("DELETE FROM job WHERE name = ?", name)

    # ---- runs

    def put_run(self, values: Row) -> None:
        """Insert a run, or replace the columns in *values* of a run that is known."""
        names = list(values)
        updates = ", ".join(f"{name} = excluded.{name}" for name in names if name != "id")
        marks = ", ".join("?" * len(names))
        text = f"INSERT INTO run ({', '.join(names)}) VALUES ({marks}) ON CONFLICT (id) DO UPDATE SET {updates}"
        self._write(text, *values.values())

    def run(self, run: str) -> Row | None:
        return self._row("SELECT * FROM run WHERE id = ?", run)

    def runs(
        self, name: str | None = None, *, since: float = 0.0, result: str | None = None, limit: int = 200
    ) -> list[Row]:
        """Runs, newest first."""
        text, values = "SELECT * FROM run WHERE queued >= ?", [since]
        conditions: list[object] = list(values)
        if name is not None:
            text += " AND job = ?"
            conditions.append(name)
        if result is not None:
            text += " AND result = ?"
            conditions.append(result)
        return self.rows(text + " ORDER BY id DESC LIMIT ?", *conditions, limit)

    def unfinished(self) -> list[Row]:
        """Runs without a result: they run, or their runner has vanished."""
        return self.rows("SELECT * FROM run WHERE result IS NULL ORDER BY id")

    def trim_runs(self, name: str, keep: int) -> None:
        """Keep the newest runs of a job only."""
        old = "SELECT id FROM run WHERE job = ? ORDER BY id DESC LIMIT -1 OFFSET ?"
        with self.transaction():
            self._write(f"DELETE FROM attempt WHERE run IN ({old})", name, keep)
            self._write(f"DELETE FROM run WHERE id IN ({old})", name, keep)

    def put_attempt(self, values: Row) -> None:
        names = ", ".join(values)
        self._write(
            f"INSERT OR REPLACE INTO attempt ({names}) VALUES ({', '.join('?' * len(values))})", *values.values()
        )

    def attempts(self, run: str) -> list[Row]:
        return self.rows("SELECT * FROM attempt WHERE run = ? ORDER BY n", run)

    # ---- requests

    def ask(
        self, job: str, trigger: str, by: str, at: float, *, at_once: bool = False, stage: str | None = None
    ) -> int:
        """Ask the server for a run; *trigger*: ``hand`` or ``push``. Requests that wait for one run are one run.
        *stage*: only a part of one is asked for (`tain.mirror.pushes`)."""
        text = "INSERT INTO request (job, trigger, by, at, at_once, stage) VALUES (?, ?, ?, ?, ?, ?)"
        return self._write(text, job, trigger, by, at, int(at_once), stage)

    def requests(self) -> dict[str, Row]:
        """The newest open request of each job; `at_once` if any of them is, `stage` if all of them are for it."""
        found: dict[str, Row] = {}
        for row in self.rows("SELECT * FROM request ORDER BY id"):
            before = found.get(row["job"], row)
            row["at_once"] = row["at_once"] or before["at_once"]
            row["stage"] = row["stage"] if row["stage"] == before["stage"] else None
            found[row["job"]] = row
        return found

    def answer(self, job: str, newest: int) -> None:
        """A run has started that is what the requests up to *newest* asked for."""
        self._write("DELETE FROM request WHERE job = ? AND id <= ?", job, newest)

    # ---- upstreams

    def put_upstream(self, job: str, url: str, **values: object) -> None:
        self._write("INSERT OR IGNORE INTO upstream (job, url) VALUES (?, ?)", job, url)
        columns = ", ".join(f"{key} = ?" for key in values)
        self._write(f"UPDATE upstream SET {columns} WHERE job = ? AND url = ?", *values.values(), job, url)

    def upstreams(self, job: str) -> dict[str, Row]:
        return {row["url"]: row for row in self.rows("SELECT * FROM upstream WHERE job = ?", job)}

    # ---- messages

    def add_message(self, at: float, job: str, run: str, kind: str, title: str, body: str) -> None:
        """A message to be sent."""
        self._write(
            "INSERT INTO message (at, job, run, kind, title, body) VALUES (?, ?, ?, ?, ?, ?)",
            at, job, run, kind, title, body,
        )  # fmt: skip

    def messages(self) -> list[Row]:
        """The messages that are not sent yet, oldest first."""
        return self.rows("SELECT * FROM message WHERE sent IS NULL ORDER BY id")

    def end_messages(self, last: int, sent: float) -> None:
        """The messages up to *last* need no more attempts."""
        self._write("UPDATE message SET sent = ? WHERE sent IS NULL AND id <= ?", sent, last)
        self._write("DELETE FROM message WHERE id <= ? - 1000", last)

    # ---- tickets and events

    def add_ticket(self, job: str, run: str | None, most: int, by: str, at: float, expires: float) -> None:
        """Allow one completed deletion of at most *most* entries."""
        self._write(
            "INSERT INTO ticket (job, run, max_deletes, by, at, expires) VALUES (?, ?, ?, ?, ?, ?)",
            job, run, most, by, at, expires,
        )  # fmt: skip

    def ticket(self, job: str, now: float) -> Row | None:
        """The open ticket of a job for most deletions."""
        text = (
            "SELECT * FROM ticket WHERE job = ? AND used_by IS NULL AND expires > ? ORDER BY max_deletes DESC LIMIT 1"
        )
        return self._row(text, job, now)

    def use_ticket(self, ticket: int, run: str, at: float) -> None:
        self._write("UPDATE ticket SET used_by = ?, used_at = ? WHERE id = ?", run, at, ticket)

    def event(
        self, kind: str, text: str, *, job: str | None = None, run: str | None = None, severity: str = "info",
        who: str | None = None,
    ) -> None:  # fmt: skip
        """Write to the audit log."""
        self._write(
            "INSERT INTO event (at, job, run, kind, severity, who, text) VALUES (?, ?, ?, ?, ?, ?, ?)",
            time.time(), job, run, kind, severity, who, text,
        )  # fmt: skip

    def events(self, job: str | None = None, limit: int = 200) -> list[Row]:
        """The audit log, newest first."""
        if job is None:
            return self.rows("SELECT * FROM event ORDER BY id DESC LIMIT ?", limit)
        return self.rows("SELECT * FROM event WHERE job = ? ORDER BY id DESC LIMIT ?", job, limit)


def _migrate(connection: sqlite3.Connection, path: str) -> None:
    """Bring a state up to this version; what it was is kept beside it."""
    connection.execute("BEGIN IMMEDIATE")
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    steps = [_SCHEMA] if version == 0 else []
    steps += [_MIGRATIONS[number] for number in range(max(version, 1), VERSION)]
    if 0 < version < VERSION:
        with (
            contextlib.closing(sqlite3.connect(path)) as source,
            contextlib.closing(sqlite3.connect(f"{path}.version-{version}")) as copy,
        ):
            source.backup(copy)
    for step in steps:
        for statement in step.split(";\n"):
            if statement.strip():
                connection.execute(statement)
    connection.execute(f"PRAGMA user_version={VERSION}")
    connection.execute("COMMIT")


def _stored(value: object) -> object:
    """Names that are no text are kept with their bytes visible: SQLite's text is UTF-8."""
    if not isinstance(value, str):
        return value
    try:
        return value.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:
        # A surrogate that is no byte.
        return value.encode("utf-8", "backslashreplace").decode()
