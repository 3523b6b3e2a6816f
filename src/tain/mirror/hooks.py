"""Programs of the administrator at the moments of a run; ``python -m tain.mirror.hooks DIRECTORY`` runs those of
``finally`` for a run whose process has vanished."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from typing import Any

from tain.mirror.clock import SYSTEM, Clock
from tain.mirror.model import Hook, Job
from tain.mirror.outcome import End
from tain.mirror.runs import Log, read_json
from tain.mirror.states import EXIT_DEFERRED
from tain.mirror.words import duration_text

_STEP = 0.05
#: Seconds between the polite and the other end of a program that takes too long.
_PATIENCE = 2.0
#: Never given to a program.
_SECRETS = ("RSYNC_PASSWORD", "CREDENTIALS_DIRECTORY")


class Hooks:
    """The hooks of one run. *document* is its `run.json` as it is now."""

    def __init__(
        self, job: Job, directory: str, state: str, document: Mapping[str, Any], log: Log, clock: Clock = SYSTEM
    ) -> None:
        self._job, self._directory, self._state, self._log, self._clock = job, directory, state, log, clock
        self._document = document

    def run(self, point: str, *, stage: str = "") -> None:
        """Run the programs of a moment, one after another. Errors: `End`, if a required one says no."""
        for hook in self._job.hook:
            if point not in hook.on:
                continue
            code = self._run(hook, point, stage)
            if code == 0:
                continue
            name = hook.run[0] if not hook.shell else "a shell"
            text = f"the hook {name} of {point} " + (
                f"took more than {duration_text(hook.timeout)}" if code is None else f"ended with {code}"
            )
            self._log.note(text)
            if not hook.is_required(point):
                continue
            if code == EXIT_DEFERRED:
                raise End("deferred", text)
            raise End("failed", text, 1)

    def _run(self, hook: Hook, point: str, stage: str) -> int | None:
        """The exit code of a program; None: it took too long."""
        words = ["/bin/sh", "-c", hook.run[0]] if hook.shell else hook.run
        with tempfile.TemporaryFile() as document, open(os.path.join(self._directory, "output.log"), "ab") as output:
            document.write(json.dumps({**self._document, "event": point}, ensure_ascii=True).encode())
            document.seek(0)
            try:
                process = subprocess.Popen(
                    words, stdin=document, stdout=output, stderr=output, cwd="/", start_new_session=True,
                    env=self._environment(hook, point, stage),
                )  # fmt: skip
            except OSError as error:
                self._log.note(f"{words[0]}: {error.strerror}")
                return 127
            return _wait(process, hook.timeout, self._clock)

    def _environment(self, hook: Hook, point: str, stage: str) -> dict[str, str]:
        document = self._document
        values = {
            "JOB": document["job"], "RUN": document["id"], "EVENT": point, "RESULT": document.get("result"),
            "PHASE": document.get("phase"), "STAGE": stage or document.get("stage"),
            "UPSTREAM": document.get("upstream"), "DESTINATION": self._job.destination,
            "EXIT_CODE": document.get("exit"), "ATTEMPT": document.get("attempts"),
            "LOG": os.path.join(self._directory, "output.log"), "CHANGES": os.path.join(self._directory, "dirs.nul"),
            "STATE_DIR": self._state,
        }  # fmt: skip
        own = {f"TAIN_MIRROR_{key}": "" if value is None else str(value) for key, value in values.items()}
        inherited = {key: value for key, value in os.environ.items() if key not in _SECRETS}
        return {**inherited, **own, **hook.env}


def _wait(process: subprocess.Popen[bytes], timeout: float, clock: Clock) -> int | None:
    end = clock.monotonic() + timeout
    while process.poll() is None and clock.monotonic() < end:
        clock.sleep(_STEP)
    if process.poll() is not None:
        return process.returncode
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            # Its own group: what it has started ends with it.
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_PATIENCE)
            break
    process.wait()
    return None


def start_finally(directory: str) -> None:
    """Run the hooks of ``finally``, and nothing else, for a run that has vanished; does not wait for them."""
    config = read_json(os.path.join(directory, "config.json"))
    if config is None or not any("finally" in hook.get("on", ()) for hook in config["values"].get("hook", ())):
        return
    with contextlib.suppress(OSError):
        subprocess.Popen(
            [sys.executable, "-P", "-m", "tain.mirror.hooks", directory],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/",
            start_new_session=True,
        )  # fmt: skip


def main() -> None:
    """Run the hooks of ``finally`` for the directory in the first argument."""
    directory = sys.argv[1]
    config = read_json(os.path.join(directory, "config.json"))
    if config is None:
        return
    document = {"id": config["run"], "job": config["name"], **(read_json(os.path.join(directory, "run.json")) or {})}
    document.update(result="lost", ended=time.time())
    log = Log(os.path.join(directory, "output.log"))
    try:
        Hooks(Job.model_validate(config["values"]), directory, config["state"], document, log).run("finally")
    except End as end:
        log.note(end.why)
    finally:
        log.close()


if __name__ == "__main__":
    main()
