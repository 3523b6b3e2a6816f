"""Claims: files by which machines that share nothing but the directory of a plan take its runs.

``claims/RUN.ATTEMPT`` belongs to whoever has created it, as long as it is touched; ``claims/RUN.ATTEMPT.done`` is the
report. The coordinator takes both into the journal.
"""

from __future__ import annotations

import os
import time

from tain.cluster import documents
from tain.cluster.documents import DocumentError
from tain.cluster.files import write_all
from tain.cluster.messages import Report
from tain.cluster.work import worker_name
from tain.report.output import WHOLE_RUN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tain.cluster.files import PlanFiles
    from tain.cluster.journal import Journal

#: Seconds of silence after which a claim is free, and those between two touches.
LEASE, RENEWAL = 60.0, 10.0
#: Seconds that clocks of machines may differ.
_GRACE = 5.0
_LONGEST = 64 << 20


class Claims:
    """The claims of a plan, as they are at one moment. Errors: `OSError`."""

    def __init__(self, files: PlanFiles) -> None:
        self._files = files
        #: The last attempt of each run.
        self.attempts: dict[int, int] = {}
        #: The attempts of which there is a report.
        self.reported: set[tuple[int, int]] = set()
        for name in files.names("claims"):
            run, _, rest = name.partition(".")
            attempt, _, end = rest.partition(".")
            if not (run.isdecimal() and attempt.isdecimal()) or end not in ("", "done"):
                continue
            number = int(run)
            self.attempts[number] = max(self.attempts.get(number, 0), int(attempt))
            if end:
                self.reported.add((number, int(attempt)))

    def report(self, run: int, attempt: int, plan: str) -> Report | None:
        """The report of an attempt; None if there is none, or what stands there is none of this plan."""
        if (run, attempt) not in self.reported:
            return None
        try:
            found = Report.parse(self._files.read(f"claims/{run}.{attempt}.done", _LONGEST))
        except DocumentError:
            return None
        return found if (found.plan, found.shard, found.attempt) == (plan, run, attempt) else None

    def end_of_lease(self, run: int, attempt: int) -> float:
        """When the claim is free, unless it is touched again; 0 for one that is not there."""
        try:
            fd = self._files.open(f"claims/{run}.{attempt}", os.O_RDONLY)
        except FileNotFoundError:
            return 0.0
        try:
            return os.fstat(fd).st_mtime + LEASE + _GRACE
        finally:
            os.close(fd)

    def is_held(self, run: int) -> bool:
        """Whether somebody is at work on the run."""
        attempt = self.attempts.get(run, 0)
        return (run, attempt) not in self.reported and time.time() < self.end_of_lease(run, attempt)

    def take(self, run: int, attempt: int) -> bool:
        """Claim an attempt; False if somebody was faster."""
        try:
            fd = self._files.open(f"claims/{run}.{attempt}", os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        except FileExistsError:
            return False
        try:
            write_all(fd, documents.dump({"worker": worker_name(), "at": int(time.time())}) + b"\n")
            os.fsync(fd)
        finally:
            os.close(fd)
        return True

    def touch(self, run: int, attempt: int) -> None:
        """Renew a claim."""
        fd = self._files.open(f"claims/{run}.{attempt}", os.O_WRONLY)
        try:
            os.utime(fd)
        finally:
            os.close(fd)


def join_claims(files: PlanFiles, journal: Journal) -> None:
    """Take the claims into the journal: reports that count, and leases of runs that somebody may be at work on. Errors:
    `OSError`, `FileError`."""
    from tain.cluster.plan import Plan

    if not files.names("claims"):
        return
    claims, plan = Claims(files), Plan.read(files)
    for run, attempt in sorted(claims.attempts.items()):
        state = journal.state
        if run >= len(plan.shards) or run in state.done or attempt <= state.attempts.get(run, 0):
            continue
        report = claims.report(run, attempt, plan.id)
        worker = worker_name() if report is None else report.worker
        end = 0.0 if report is not None else round(claims.end_of_lease(run, attempt), 3)
        journal.append("lease", shard=run, attempt=attempt, worker=worker, lease=end)
        if report is not None and not report.void and report.code in WHOLE_RUN:
            journal.append("done", **done_fields(report))


def done_fields(report: Report) -> dict[str, object]:
    """The fields of a line ``done`` of the journal."""
    return {
        "shard": report.shard, "attempt": report.attempt, "worker": report.worker, "code": report.code,
        "io_error": report.io_error, "had_entries": report.had_entries, "stats": dict(report.stats),
        "role": report.role, "protocol": report.protocol, "seconds": report.seconds, "errors": report.errors,
        "files": [file.to_json() for file in report.files],
    }  # fmt: skip
