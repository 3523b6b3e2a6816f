"""A job that runs a program (`kind = "command"`): a mirroring tool with the schedule, lock, log and status of a job."""

from __future__ import annotations

import codecs
import contextlib
import fcntl
import os
import re
import selectors
import signal
import subprocess
from typing import IO

import psutil

from tain.mirror import accounts, facts, guards, retry, states, words
from tain.mirror.context import Context
from tain.mirror.guards import Before, Refusal, Start
from tain.mirror.outcome import End, Stop
from tain.mirror.watch import stop_asked
from tain.mirror.words import bytes_text, duration_text, took, visible

#: Seconds between two looks at the control file, and between two looks at the file system and the memory.
_STEP, _SPACE_STEP = 0.25, 10.0
#: Seconds between the polite and the other end of a program.
_PATIENCE = 10.0
#: Bytes of a line in which the patterns of a job are looked for.
_LONGEST = 1 << 14
#: The program is missing or cannot be executed: another attempt would not find it either.
_NEVER_AGAIN = frozenset((126, 127))
#: Never given to a program.
_SECRETS = ("RSYNC_PASSWORD", "CREDENTIALS_DIRECTORY")


class Output:
    """The output of a program: what `fail_on_match` and `size_pattern` find in its lines.

    >>> output = Output("ERROR", r"size ([0-9.]+[KMGT])")
    >>> output.feed(b"total si"); output.feed(b"ze 1.5G" + bytes([10]))
    >>> output.size, output.failure
    (1610612736, None)
    """

    def __init__(self, fail_on_match: str | None, size_pattern: str | None) -> None:
        self._fail = None if fail_on_match is None else re.compile(fail_on_match)
        self._size = None if size_pattern is None else re.compile(size_pattern)
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._rest = ""
        #: The last size that the program has printed, in bytes.
        self.size: int | None = None
        #: The first line that says that the program has failed.
        self.failure: str | None = None

    def feed(self, data: bytes, *, final: bool = False) -> None:
        """Look at further output; *final*: nothing follows."""
        if self._fail is None and self._size is None:
            return
        *lines, self._rest = (self._rest + self._decoder.decode(data, final)).split("\n")
        if final or len(self._rest) > _LONGEST:
            lines.append(self._rest)
            self._rest = ""
        for line in lines:
            self._line(line[:_LONGEST].rstrip("\r"))

    def _line(self, line: str) -> None:
        if self._fail is not None and self.failure is None and self._fail.search(line):
            self.failure = line.strip()
        for found in self._size.finditer(line) if self._size is not None else ():
            text = found[1] if found.re.groups else found[0]
            with contextlib.suppress(ValueError):
                # Programs write 1.5G, 1.5 GB and 1,536: sizes of the tool have neither blanks nor commas.
                self.size = words.size(text.replace(",", "").replace(" ", "").strip())


class Program:
    """The attempts of one run of a command; the runner uses it in the place of `tain.mirror.attempts.Attempts`."""

    vanished = False

    def __init__(self, run: Context, *, further: bool = False) -> None:
        self.run, self.job, self.further, self._lock = run, run.job, further, -1

    def work(self) -> Refusal | None:
        """Make attempts until one ends well; there is nothing to hold then. Errors: `End`."""
        run = self.run
        if run.dry_run:
            raise End("failed", "a command has no dry run", states.EXIT_USAGE)
        run.record.document.update(kind="command")
        self._judge_start()
        self._hold()
        try:
            return self._attempts()
        finally:
            os.close(self._lock)

    def _hold(self) -> None:
        """Hold a lock that the program inherits: no other run begins before it has ended, also if this process is
        killed. It is no lock of ours, and cannot be written: the program may be another user's. Errors: `End`."""
        run = self.run
        path = os.path.join(run.layout.job(run.name), "program.lock")
        fd = os.open(path, os.O_RDONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        end = run.clock.monotonic() + float(run.flags.get("wait") or 0)
        while True:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if run.clock.monotonic() < end and not run.stopped:
                    run.clock.sleep(_STEP)
                    continue
                os.close(fd)
                raise End("deferred", "the program of an earlier run still runs") from None
            self._lock = fd
            return

    def _attempts(self) -> Refusal | None:
        run, job = self.run, self.job
        urls = [run.flags["upstream"]] if run.flags.get("upstream") else [item.url for item in job.upstreams] or [""]
        for number in range(1, job.retry.attempts + 1):
            url = urls[(number - 1) % len(urls)]
            run.record.phase("staging", stage=job.stages[0].name)
            run.record.begin_attempt(number, url)
            output = Output(job.fail_on_match, job.size_pattern)
            code, stop = self._attempt(number, url, output)
            error = self._error(code, output)
            run.record.end_attempt(code, error if stop is None else stop.text)
            if stop is not None:
                raise _end_of(stop)
            if not error:
                if output.size is not None:
                    run.record.document["bytes"] = output.size
                return None
            if code == states.EXIT_DEFERRED:
                raise End("deferred", error)
            if code in _NEVER_AGAIN or number == job.retry.attempts:
                raise End("failed", error, code or 1)
            wait = retry.wait_before(job.retry, number, busy=False, luck=0.0)
            run.record.event("message", text=f"attempt {number} failed: {error}; the next one in {took(wait)}")
            run.pause(wait, "stopped between two attempts")
        raise End("failed", "no attempt", states.EXIT_UNAVAILABLE)

    def judge(self) -> Refusal | None:
        """Deletions of a program are its own."""
        return None

    def verify(self) -> None:
        """The program knows what it has mirrored."""

    def has_moved(self) -> bool:
        """Nothing is known about the upstream of a program."""
        return False

    def _judge_start(self) -> None:
        """Errors: `End`, if the destination is not what it was."""
        run, place = self.run, self.job.destination
        run.facts = facts.space(Start(dest_dev=facts.device_of(place)), place)
        refusal = guards.judge_start(self.job.guard, run.facts, Before(dest_dev=run.before.get("dest_dev")))
        if refusal is not None:
            run.record.event("guard", rule=refusal.kind, text=refusal.text)
            raise End("held", refusal.text, refusal.code, refusal)

    def _error(self, code: int, output: Output) -> str:
        if code not in self.job.success_codes:
            name = "a shell" if self.job.shell else self.job.command[0]
            return f"{name} ended with {code}"
        if output.failure is not None:
            return f"its output says: {visible(output.failure)}"
        return ""

    # ---- one attempt

    def _attempt(self, number: int, url: str, output: Output) -> tuple[int, Stop | None]:
        """Run the program once; its code, and why it was stopped."""
        job = self.job
        line = ["/bin/sh", "-c", job.command[0]] if job.shell else job.command
        try:
            account, variables = accounts.keywords_of(job.resources)
            process = subprocess.Popen(
                line, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=job.destination,
                env={**self._environment(number, url), **variables, **job.env}, start_new_session=True,
                pass_fds=(self._lock,), bufsize=0, **account,
            )  # fmt: skip
        except OSError as error:
            self.run.log.note(f"{line[0]}: {error.strerror or error}")
            return 126 if isinstance(error, PermissionError) else 127, None
        assert process.stdout is not None
        with process.stdout as pipe:
            stop = self._follow(process, pipe, output)
            if stop is not None:
                _kill(process)
            code = process.wait()
        output.feed(b"", final=True)
        return 128 - code if code < 0 else code, stop

    def _follow(self, process: subprocess.Popen[bytes], pipe: IO[bytes], output: Output) -> Stop | None:
        """Write the output to the log until the program ends, or must be stopped."""
        run, clock, space_at = self.run, self.run.clock, 0.0
        os.set_blocking(pipe.fileno(), False)
        with selectors.DefaultSelector() as selector:
            selector.register(pipe, selectors.EVENT_READ)
            while True:
                # A program that it has started may keep the pipe open.
                ended = process.poll() is not None
                selector.select(0 if ended else _STEP)
                data = pipe.read(1 << 16)
                if data:
                    run.log.write(1, data)
                    output.feed(data)
                elif ended:
                    return None
                elif data == b"":
                    # Closed, and the program goes on.
                    clock.sleep(_STEP)
                asked = "stopped by a signal" if run.stopped else stop_asked(run.control)
                if asked is not None:
                    return Stop("stop", asked)
                if clock.monotonic() > run.ends:
                    return Stop("runtime", f"the run has taken {duration_text(self.job.max_runtime)}")
                if clock.monotonic() - space_at > _SPACE_STEP:
                    space_at = clock.monotonic()
                    stop = self._room(process.pid)
                    if stop is not None:
                        return stop

    def _room(self, pid: int) -> Stop | None:
        refusal = guards.judge_space(self.job.guard, facts.space(Start(), self.job.destination))
        if refusal is not None:
            return Stop("disk", refusal.text)
        limit = self.job.resources.max_memory
        if limit is not None:
            used = _memory(pid)
            if used > limit:
                return Stop("memory", f"the program uses {bytes_text(used)}; the limit is {bytes_text(limit)}")
        return None

    def _environment(self, number: int, url: str) -> dict[str, str]:
        run, job = self.run, self.job
        values = {
            "TAIN_MIRROR_JOB": run.name, "TAIN_MIRROR_RUN": str(run.record.document["id"]),
            "TAIN_MIRROR_DESTINATION": job.destination, "TAIN_MIRROR_UPSTREAM": url,
            "TAIN_MIRROR_ATTEMPT": str(number), "TAIN_MIRROR_LOG": run.files.path("output.log"),
            "TAIN_MIRROR_STATE_DIR": run.layout.state,
        }  # fmt: skip
        if job.compat == "tunasync":
            values |= {
                "TUNASYNC_MIRROR_NAME": run.name, "TUNASYNC_WORKING_DIR": job.destination,
                "TUNASYNC_UPSTREAM_URL": url, "TUNASYNC_LOG_DIR": run.directory,
                "TUNASYNC_LOG_FILE": run.files.path("output.log"),
            }  # fmt: skip
        inherited = {key: value for key, value in os.environ.items() if key not in _SECRETS}
        return {**inherited, **values}


def _end_of(stop: Stop) -> End:
    if stop.kind == "stop":
        return End("cancelled", stop.text)
    if stop.kind == "disk":
        return End("held", stop.text, states.EXIT_HELD, Refusal("disk", stop.text))
    return End("failed", stop.text, 22 if stop.kind == "memory" else 30)


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End a program with everything in its group: politely, then not."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_PATIENCE)
            break
    with contextlib.suppress(ProcessLookupError):
        # What the program has left behind in its group.
        os.killpg(process.pid, signal.SIGKILL)


def _memory(pid: int) -> int:
    """Bytes in memory of a process and of those that it has started."""
    total = 0
    with contextlib.suppress(psutil.Error):
        first = psutil.Process(pid)
        for process in [first, *first.children(recursive=True)]:
            with contextlib.suppress(psutil.Error):
                total += process.memory_info().rss
    return total
