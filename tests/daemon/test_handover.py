"""CCH-3 and CCH-14: messages of the wrong form or from the wrong sender are refused, and no descriptor is lost."""

from __future__ import annotations

import array
import contextlib
import os
import random
import select
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tain.daemon import handover
from tain.daemon.exchange import SERVING, STARTING, Entry, Exchange
from tain.daemon.handover import (
    ADMIT,
    END,
    FAILED,
    FROM_DOOR,
    FROM_LISTENER,
    FROM_WORKER,
    FULL,
    HAS_LOG,
    HAS_SLOT,
    HEADER,
    LONG_BODY,
    NEW,
    READY,
    BadMessageError,
    ClosedPairError,
    Message,
    Pair,
    Parcel,
    pair,
)
from tain.daemon.log import Log

KEY = b"k" * 16


def descriptors() -> set[str]:
    """What is open. The collector may close what earlier tests have left, so a count would say less."""
    found = set()
    for name in os.listdir("/proc/self/fd"):
        # The directory itself is closed by now.
        with contextlib.suppress(FileNotFoundError):
            found.add(f"{name}: {os.readlink(f'/proc/self/fd/{name}')}")
    return found


def test_header_of_48_bytes() -> None:
    assert HEADER.size == 48


def test_a_message_arrives_whole(tmp_path: Path) -> None:
    ours, theirs = pair(FROM_WORKER, FROM_DOOR)
    fds = [os.open(tmp_path, os.O_RDONLY) for _ in range(2)]
    sent = Message(ADMIT, 1 << 40, flags=HAS_SLOT, code=-7, key=KEY, one=1, two=1 << 63, body=b"x" * 60_000, fds=fds)
    assert ours.send(sent)
    found = theirs.receive()
    assert found is not None
    for slot in set(Message.__slots__) - {"fds"}:
        assert getattr(found, slot) == getattr(sent, slot)
    assert [os.fstat(fd).st_ino for fd in found.fds] == [tmp_path.stat().st_ino] * 2
    assert not any(os.get_inheritable(fd) for fd in found.fds)
    assert theirs.receive() is None
    for message in (sent, found):
        message.close()
    ours.close()
    with pytest.raises(ClosedPairError):
        theirs.receive()
    theirs.close()


@pytest.mark.parametrize("size", [0, 60 << 10, (60 << 10) + 1, 3 << 20])
@pytest.mark.parametrize("flags", [0, HAS_SLOT, HAS_LOG, HAS_SLOT | HAS_LOG])
def test_a_parcel_of_any_size(tmp_path: Path, flags: int, size: int) -> None:
    before = descriptors()
    message = Message(ADMIT, 5, flags=flags)
    message.fds = [os.open(tmp_path, os.O_RDONLY) for _ in range(1 + flags.bit_count())]
    body = random.Random(size).randbytes(size)
    handover.attach(message, body)
    assert bool(message.flags & LONG_BODY) == (size > 60 << 10)
    ours, theirs = pair(FROM_WORKER, FROM_DOOR)
    assert ours.send(message)
    message.close()
    found = theirs.receive()
    assert found is not None
    parcel = Parcel(found)
    assert parcel.body == body
    assert (parcel.slot >= 0, parcel.log >= 0) == (bool(flags & HAS_SLOT), bool(flags & HAS_LOG))
    parcel.close()
    for end in (ours, theirs):
        end.close()
    assert not descriptors() - before


def test_random_messages_lose_no_descriptor() -> None:
    rng = random.Random(3)
    kinds = [*FROM_DOOR, *FROM_WORKER, *FROM_LISTENER, 0, 255]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as extra:
        raw, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        end = Pair(other.detach(), FROM_DOOR)
        before = descriptors()
        outcomes = {"good": 0, "bad": 0}
        for _ in range(4000):
            body = rng.randbytes(rng.choice((0, 1, 100, 65_000)))
            length = rng.choice((len(body), len(body) & 0xFFFF, rng.randrange(65536))) & 0xFFFF
            head = HEADER.pack(
                rng.choice(kinds), rng.choice((0, 1, 2, 3, 7, 255)), length, 0, rng.randrange(100), KEY, 0, 0
            )
            data = rng.choice((head + body, head + body, head[: rng.randrange(48)], rng.randbytes(200)))
            fds = array.array("i", [extra.fileno()] * rng.choice((0, 1, 1, 2, 3, 4, 5, 9)))
            if not data and not fds:
                continue
            raw.sendmsg([data], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds)] if fds else [])
            try:
                message = end.receive()
                assert message is not None
                assert message.kind in FROM_DOOR
                assert len(message.fds) == handover.wanted(message)
                message.close()
                outcomes["good"] += 1
            except BadMessageError:
                outcomes["bad"] += 1
            except ClosedPairError:
                # A message without a byte is the end of the stream, whatever came with it.
                assert not data
            assert not descriptors() - before
        assert min(outcomes.values()) > 20
        raw.close()
        end.close()


def test_a_full_queue_does_not_block() -> None:
    ours, theirs = pair(FROM_WORKER, FROM_LISTENER)
    count = 0
    while ours.send(Message(handover.STOP, body=b"x" * 50_000)):
        count += 1
        assert count < 10_000
    began = time.monotonic()
    assert not ours.send_patiently(Message(handover.STOP, body=b"x" * 50_000), 0.1)
    assert time.monotonic() - began < 5
    theirs.close()
    assert not ours.send_patiently(Message(handover.STOP), 5)
    ours.close()


class Bench:
    """An exchange whose door and workers are played by the test; their processes sleep."""

    def __init__(self, tmp_path: Path) -> None:
        self.ends: dict[int, Pair] = {}
        self.forked: list[int] = []
        log = Log()
        log.path = bytes(tmp_path / "log")
        self.log = tmp_path / "log"
        self.exchange = Exchange(
            log,
            select.poll(),
            spawn=self.spawn,
            run_door=lambda _: 0,
            run_worker=lambda *_: 0,
            fork_admitted=lambda message, _: self.forked.append(message.number),
            fork_new=lambda message, _: self.forked.append(message.number),
        )

    def spawn(self, _: object) -> int:
        pid = os.fork()
        if not pid:
            time.sleep(60)
            os._exit(0)
        return pid

    def start(self, key: bytes, state: str, kinds: frozenset[int]) -> Pair:
        """Start a door or a worker; returns its end of the pair."""
        place = self.exchange._start(key, state, lambda _: 0, kinds)
        assert place is not None
        assert place.pair is not None
        # The sleeping process has no other end: the test takes its place.
        ours, theirs = pair(FROM_LISTENER, kinds)
        old = place.pair
        self.exchange._poll.unregister(old.fileno())
        del self.exchange.places[old.fileno()]
        old.close()
        place.pair = theirs
        self.exchange.places[theirs.fileno()] = place
        self.exchange._poll.register(theirs.fileno(), select.POLLIN)
        self.ends[place.pid] = ours
        if key == handover.NO_KEY:
            self.exchange.door = place
        else:
            self.exchange.workers[key] = place
        return ours

    def turn(self) -> None:
        for fd in list(self.exchange.places):
            self.exchange.handle(fd)

    def end(self) -> None:
        for pid in list(self.exchange.by_pid):
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    found = Bench(tmp_path)
    yield found
    found.end()


@pytest.mark.parametrize(
    ("state", "message"),
    [
        (SERVING, Message(END, 77)),
        (SERVING, Message(READY)),
        (SERVING, Message(FAILED)),
        (STARTING, Message(FULL)),
    ],
    ids=["foreign-end", "ready-twice", "failed-late", "full-early"],
)
def test_a_worker_that_lies_is_ended(bench: Bench, state: str, message: Message) -> None:
    """It ends nobody's connection but its own."""
    door = bench.start(handover.NO_KEY, SERVING, FROM_DOOR)
    end = bench.start(KEY, state, FROM_WORKER)
    exchange = bench.exchange
    assert exchange.door is not None
    exchange.entries[77] = Entry("a", "a", exchange.door)
    exchange.door.numbers.add(77)
    worker = exchange.workers[KEY]
    assert end.send(message)
    bench.turn()
    assert 77 in exchange.entries
    assert exchange.workers == {}
    assert os.waitpid(worker.pid, 0)[1] == signal.SIGKILL
    assert exchange.ended(worker.pid, signal.SIGKILL)
    assert "sent a wrong message" in bench.log.read_text()
    assert door.send(Message(END, 77))
    bench.turn()
    assert exchange.entries == {}


def admit(bench: Bench, door: Pair, number: int) -> None:
    """Have the door admit a connection."""
    exchange = bench.exchange
    assert exchange.door is not None
    exchange.entries[number] = Entry("a", "a", exchange.door)
    exchange.door.numbers.add(number)
    fd = os.open("/dev/null", os.O_RDONLY)
    assert door.send(Message(ADMIT, number, key=KEY, body=b"facts", fds=[fd]))
    os.close(fd)
    bench.turn()


def test_connections_wait_for_a_worker_that_starts(bench: Bench) -> None:
    before = descriptors()
    door = bench.start(handover.NO_KEY, SERVING, FROM_DOOR)
    end = bench.start(KEY, STARTING, FROM_WORKER)
    for number in (5, 6, 7):
        admit(bench, door, number)
    assert end.receive() is None
    assert end.send(Message(READY))
    bench.turn()
    for number in (5, 6, 7):
        message = end.receive()
        assert message is not None
        assert (message.kind, message.number, message.body) == (handover.SERVE, number, b"facts")
        message.close()
    assert bench.exchange.totals["worker"] == 3
    # Two ends for each of two pairs.
    assert len(descriptors() - before) == 4


@pytest.mark.parametrize("how", ["failed", "closed"])
def test_connections_of_a_worker_that_fails_get_processes(bench: Bench, how: str) -> None:
    door = bench.start(handover.NO_KEY, SERVING, FROM_DOOR)
    end = bench.start(KEY, STARTING, FROM_WORKER)
    for number in (5, 6, 7):
        admit(bench, door, number)
    if how == "failed":
        assert end.send(Message(FAILED))
    else:
        end.close()
    bench.turn()
    assert bench.forked == [5, 6, 7]
    assert bench.exchange.totals["fork"] == 3
    if how == "failed":
        # The view is not tried again at once.
        admit(bench, door, 8)
        assert bench.forked == [5, 6, 7, 8]


def test_a_worker_whose_queue_is_full_gets_no_connection(bench: Bench) -> None:
    door = bench.start(handover.NO_KEY, SERVING, FROM_DOOR)
    bench.start(KEY, SERVING, FROM_WORKER)
    worker = bench.exchange.workers[KEY]
    assert worker.pair is not None
    while worker.pair.send(Message(handover.STOP, body=b"x" * 50_000)):
        pass
    while worker.pair.send(Message(handover.STOP)):
        pass
    admit(bench, door, 5)
    assert bench.forked == [5]


def test_a_door_whose_queue_is_full_makes_the_listener_wait(bench: Bench) -> None:
    bench.start(handover.NO_KEY, SERVING, FROM_DOOR)
    exchange = bench.exchange
    assert exchange.door is not None
    assert exchange.door.pair is not None
    while exchange.door.pair.send(Message(NEW, body=b"x" * 100, fds=[0])):
        pass
    exchange.greet(os.open("/dev/null", os.O_RDONLY), "192.0.2.1", "192.0.2.1")
    assert not exchange.accepts()
    (end,) = bench.ends.values()
    while (message := end.receive()) is not None:
        message.close()
    assert exchange.accepts()
    last = end.receive()
    assert last is not None
    assert last.body == b"192.0.2.1"
    last.close()
