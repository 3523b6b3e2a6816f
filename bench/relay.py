"""A remote shell to a far machine that is this one: it runs the command here, behind a link of a chosen kind.

    rsync -a -e 'python bench/relay.py --rtt 40ms --window 2MiB' src/ far:/copy/

Each direction takes half of the round trip. At most the window is under way on a connection: bytes count from when
they are read until half a round trip after they were delivered, which is when an acknowledgement would be back. So
one connection carries at most the window in each round trip. With a rate, bytes also leave one after the other at
that rate.

It ends when the command has ended and all its output is delivered, with the exit code of the command; 255 is the
relay's own, as ssh's. Linux only.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections import deque

#: Bytes of one read. A pipe of this size fills in one system call.
CHUNK = 256 * 1024
#: Seconds that a chunk may take on a link with a rate, so that its first byte does not wait long for its last.
STEP = 0.005
TIMES = {"us": 1e-6, "ms": 1e-3, "s": 1.0}
SIZES = {"": 1, "k": 1000, "kb": 1000, "mb": 1000**2, "gb": 1000**3, "kib": 1024, "mib": 1024**2, "gib": 1024**3}


def number(text: str, units: dict[str, float] | dict[str, int], what: str) -> float:
    """A positive number with a unit."""
    digits = text.rstrip("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
    factor = units.get(text[len(digits) :].lower())
    try:
        value = float(digits) * factor if factor else 0.0
    except ValueError:
        value = 0.0
    if not 0 < value < 1e15:
        raise argparse.ArgumentTypeError(f"{text!r} is not {what}")
    return value


def seconds(text: str) -> float:
    return 0.0 if text == "0" else number(text, TIMES, "a time such as 40ms")


def size(text: str) -> int:
    return max(int(number(text, SIZES, "a size such as 2MiB")), 1)


def rate(text: str) -> float:
    return number(text.removesuffix("/s"), SIZES, "a rate such as 4.5MB/s")


class Direction:
    """Bytes from one descriptor to another. Times are of the monotonic clock, in seconds."""

    def __init__(self, source: int, sink: int, link: argparse.Namespace) -> None:
        self.source, self.sink = source, sink
        self._half: float = link.rtt / 2
        self._window: int = link.window
        self._rate: float | None = link.rate
        self._chunk = min(CHUNK, max(int(link.rate * STEP), 1)) if link.rate else CHUNK
        #: When the last byte has left, on a link with a rate.
        self._left = 0.0
        #: Chunks and the times at which they arrive. An empty chunk is the end.
        self._under_way: deque[tuple[float, memoryview]] = deque()
        #: Delivered bytes and the times at which their acknowledgements are back.
        self._acknowledged: deque[tuple[float, int]] = deque()
        self.in_flight = self.most = self.total = 0
        self._at_end = self.closed = False
        # Everything must be ready for a reader that comes late; a write must not block the other direction.
        os.set_blocking(sink, False)

    def reads(self) -> bool:
        return not self._at_end and self.in_flight < self._window

    def writes(self, now: float) -> bool:
        return bool(self._under_way) and self._under_way[0][0] <= now

    def next_time(self, now: float) -> float | None:
        """When something happens that no descriptor announces."""
        times = [self._acknowledged[0][0]] if self._acknowledged else []
        if self._under_way and self._under_way[0][0] > now:
            times.append(self._under_way[0][0])
        return min(times, default=None)

    def read(self, now: float) -> None:
        data = os.read(self.source, min(self._chunk, self._window - self.in_flight))
        self._at_end = not data
        self.in_flight += len(data)
        self.total += len(data)
        self.most = max(self.most, self.in_flight)
        if self._rate:
            self._left = max(now, self._left) + len(data) / self._rate
            now = self._left
        self._under_way.append((now + self._half, memoryview(data)))

    def advance(self, now: float) -> None:
        """Deliver what has arrived, as far as the sink takes it."""
        while self._acknowledged and self._acknowledged[0][0] <= now:
            self.in_flight -= self._acknowledged.popleft()[1]
        while self.writes(now):
            arrival, data = self._under_way.popleft()
            if not data:
                self._close()
                return
            try:
                written = os.write(self.sink, data)
            except BlockingIOError:
                written = 0
            except OSError:
                # The reader has gone. What is under way is lost, and the writer learns it as on a pipe.
                os.close(self.source)
                self._at_end = True
                self._close()
                return
            if written:
                self._acknowledged.append((now + self._half, written))
            if written < len(data):
                self._under_way.appendleft((arrival, data[written:]))
                return

    def _close(self) -> None:
        self._under_way.clear()
        self.closed = True
        os.set_blocking(self.sink, True)
        os.close(self.sink)


def relay(child: subprocess.Popen[bytes], link: argparse.Namespace) -> int:
    """Carry bytes until the command has ended; returns its exit code, as a shell has it."""
    assert child.stdin is not None and child.stdout is not None
    for pipe in (child.stdin, child.stdout):
        try:
            fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, CHUNK)
        except OSError:
            # The user's limit for pipes is used up; a small pipe only costs more system calls.
            pass
    # The directions close the descriptors.
    to = Direction(0, os.dup(child.stdin.fileno()), link)
    back = Direction(os.dup(child.stdout.fileno()), 1, link)
    child.stdin.close()
    child.stdout.close()
    end = os.pidfd_open(child.pid)
    running = True
    while True:
        now = time.monotonic()
        for direction in (to, back):
            direction.advance(now)
        if not running and back.closed:
            break
        readers = [direction.source for direction in (to, back) if direction.reads()]
        writers = [direction.sink for direction in (to, back) if direction.writes(now)]
        times = [at for direction in (to, back) if (at := direction.next_time(now)) is not None]
        if running:
            readers.append(end)
        ready, _, _ = select.select(readers, writers, [], max(min(times) - now, 0.0) if times else None)
        now = time.monotonic()
        for direction in (to, back):
            if direction.source in ready:
                direction.read(now)
        running = running and end not in ready
    if link.report:
        counts = {"to": [to.total, to.most], "back": [back.total, back.most]}
        with open(link.report, "a") as file:
            file.write(json.dumps(counts) + "\n")
    code = child.wait()
    return code if code >= 0 else 128 - code


class Parser(argparse.ArgumentParser):
    def error(self, message: str) -> None:  # type: ignore[override]
        self.exit(255, f"relay: {message}\n")


def main() -> int:
    parser = Parser("relay", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rtt", type=seconds, default="40ms", help="round trip; without it 40ms")
    parser.add_argument(
        "--window", type=size, default="2MiB", help="bytes under way in each direction; without it 2MiB"
    )
    parser.add_argument("--rate", type=rate, help="bytes a second in each direction, such as 4.5MB/s")
    parser.add_argument(
        "--report", help="append a line of JSON to this file: bytes, and the most under way, each direction"
    )
    parser.add_argument("-l", dest="user", help="ignored: the command runs as the caller")
    parser.add_argument("host", help="ignored: the command runs on this machine")
    parser.add_argument("command", nargs=argparse.REMAINDER, help="given to sh, as ssh does")
    link = parser.parse_args()
    if link.command[:1] == ["-l"]:
        del link.command[:2]
    if not link.command:
        parser.error("a command is needed")
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        child = subprocess.Popen(["sh", "-c", " ".join(link.command)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        return relay(child, link)
    except OSError as error:
        print(f"relay: {error}", file=sys.stderr)
        return 255


if __name__ == "__main__":
    sys.exit(main())
