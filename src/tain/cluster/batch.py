"""``tain cluster work DIR``: take runs of a plan by claims, for machines that share its directory and nothing else.

The first phase and the shards are done this way. ``tain cluster resume`` takes the claims into the journal and does the
phases behind them, which need the whole.
"""

from __future__ import annotations

import fcntl
import os
import sys
import threading
import time

from tain.cluster import control
from tain.cluster.claims import LEASE, RENEWAL, Claims
from tain.cluster.coordinator import CANCEL, RETRIED
from tain.cluster.files import PlanFiles
from tain.cluster.journal import LOCK, Journal
from tain.cluster.plan import Plan
from tain.cluster.words import Given, reported
from tain.cluster.work import perform
from tain.errors import FileError, UsageError
from tain.report.output import WHOLE_RUN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tain.cluster.messages import Report, Work
    from tain.cluster.plan import Shard

#: Attempts of one run.
_ATTEMPTS = 3
#: Seconds between two looks at the claims of others.
_TICK = 0.2
#: What is done by claims.
_KINDS = ("whole", "spine", "shard")


def work(words: list[str]) -> int:
    """Take runs until none is left; returns the exit code."""

    def command() -> int:
        place = Given(words, valued=(), flags=(), strict=True).one_directory()
        try:
            with PlanFiles(os.fsencode(os.path.abspath(place))) as files:
                return _Worker(files).run()
        except OSError as error:
            raise FileError(f"tain: {place}: {error.strerror or error}") from error

    return reported(command)


class _Worker:
    """One process that takes runs."""

    def __init__(self, files: PlanFiles) -> None:
        self._files = files
        self._plan = Plan.read(files)
        with Journal(files) as journal:
            self._state = journal.state
        self._codes: dict[int, int] = {}

    def run(self) -> int:
        """Errors: `OSError`; `UsageError` if a coordinator is at work."""
        from tain.cluster.sums import exit_code

        fd = self._files.open(LOCK, os.O_RDWR | os.O_CREAT)
        try:
            try:
                fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except OSError as error:
                raise UsageError("tain: a coordinator works on this plan") from error
            for kind in _KINDS:
                while not self._is_done(kind):
                    if self._files.exists(CANCEL):
                        return 20
                    if not self._take_one(kind):
                        time.sleep(_TICK)
                if any(code not in WHOLE_RUN for code in self._codes.values()):
                    break
        finally:
            os.close(fd)
        code = exit_code(code for _, code in sorted(self._codes.items()))
        if self._plan.order != ("whole",) or code not in WHOLE_RUN:
            print("tain: to go on: tain cluster resume " + os.fsdecode(self._files.directory), file=sys.stderr)
        return code

    def _shards(self, kind: str) -> list[Shard]:
        return [shard for shard in self._plan.shards if shard.kind == kind and shard.number not in self._state.done]

    def _is_done(self, kind: str) -> bool:
        """Whether each run of the kind has a report that counts, or had its attempts."""
        claims = Claims(self._files)
        return all(self._has_ended(claims, shard.number) for shard in self._shards(kind))

    def _has_ended(self, claims: Claims, run: int) -> bool:
        attempt = claims.attempts.get(run, 0)
        report = claims.report(run, attempt, self._plan.id)
        if report is None:
            return False
        counts = not report.void and report.code not in RETRIED
        if counts or attempt - self._state.attempts.get(run, 0) >= _ATTEMPTS:
            self._codes[run] = report.code or (12 if report.void else 0)
            return True
        return False

    def _take_one(self, kind: str) -> bool:
        """Take and do one run; False if there is none that is free."""
        claims = Claims(self._files)
        for shard in self._shards(kind):
            if self._has_ended(claims, shard.number) or claims.is_held(shard.number):
                continue
            attempt = max(claims.attempts.get(shard.number, 0), self._state.attempts.get(shard.number, 0)) + 1
            if claims.take(shard.number, attempt):
                report = self._perform(self._work(shard, attempt, claims), claims)
                self._files.replace(f"claims/{shard.number}.{attempt}.done", report.to_bytes())
                sys.stderr.write(report.errors)
                if report.void:
                    print(f"tain: {report.void}", file=sys.stderr)
                return True
        return False

    def _work(self, shard: Shard, attempt: int, claims: Claims) -> Work:
        said: list[str] = []
        if shard.kind == "shard":
            first = claims.report(0, claims.attempts.get(0, 0), self._plan.id)
            done = self._state.done.get(0)
            found = first.files if first is not None else done["files"] if done is not None else ()
            said = [file.name for file in found]
        roots = self._state.roots or self._plan.roots
        made = self._plan.work(shard, attempt, self._files.directory, said=said, roots=roots)
        return made.replace(lease=LEASE)

    def _perform(self, made: Work, claims: Claims) -> Report:
        ended = threading.Event()

        def renew() -> None:
            while not ended.wait(RENEWAL):
                try:
                    claims.touch(made.shard, made.attempt)
                except OSError:
                    # Nobody can see that this run goes on: it ends itself before others take it.
                    continue
                control.send(made.key, f"lease={LEASE}")

        thread = threading.Thread(target=renew, name="claim", daemon=True)
        thread.start()
        try:
            return perform(made)
        finally:
            ended.set()
            thread.join()
