"""What the connections of one process share: threads, and the meaning of equal command lines."""

from __future__ import annotations

import _thread
import threading

import pytest

from tain.daemon import request
from tain.daemon.threads import Pool

LIMIT = 60.0
PULL = [b"--server", b"--sender", b"-logDtpre.iLsfxCIvu", b"--include=*.c", b"--info=name"]


def test_a_pool_reuses_its_threads() -> None:
    pool = Pool()
    seen: list[int] = []
    free = threading.Semaphore(0)

    def note(_number: int) -> None:
        seen.append(_thread.get_ident())
        free.release()

    for number in range(50):
        pool.start(note, number)
        assert free.acquire(timeout=LIMIT)
    # A thread that is not back yet may be missed; none was started for each piece of work and kept.
    assert len(seen) == 50
    assert len(pool._idle) <= Pool.MOST_IDLE


def test_a_pool_has_a_thread_for_each_work_at_a_time() -> None:
    pool = Pool()
    together = threading.Barrier(20)
    ended = threading.Semaphore(0)

    def meet(_number: int) -> None:
        together.wait(LIMIT)
        ended.release()

    for _round in range(2):
        for number in range(20):
            pool.start(meet, number)
        for _ in range(20):
            assert ended.acquire(timeout=LIMIT)


def test_equal_words_give_equal_options_that_are_changed_apart() -> None:
    refused = request.refused_by(b"", charset=False)
    first, refusal = request._remembered(PULL, refused)
    assert refusal is None
    plain = vars(request.understand(PULL, refused)[0])
    assert vars(first) == plain
    first.args, first.verbose, first.timeout = [b".", b"one"], 9, 5
    first.info["NAME"] = 7
    first.alt_dirs.append(b"x")
    first.filter_events.clear()
    for _ in range(2):
        again, refusal = request._remembered(PULL, refused)
        assert (vars(again), refusal) == (plain, None)
        again.info.clear()


@pytest.mark.parametrize(
    "words", [[*PULL, b"--stop-after=1"], [*PULL, b"--nonsense"], [*PULL, b"--exclude=" + b"x" * 2000]]
)
def test_what_depends_on_more_than_the_words_is_not_remembered(words: list[bytes]) -> None:
    refused = request.refused_by(b"", charset=False)
    request._remembered(words, refused)
    assert (refused, b"\0".join(words)) not in request._UNDERSTOOD


def test_few_requests_are_remembered() -> None:
    refused = request.refused_by(b"", charset=False)
    for number in range(3 * request._MOST_UNDERSTOOD):
        request._remembered([*PULL, b"--timeout=%d" % (number + 1)], refused)
        assert len(request._UNDERSTOOD) <= request._MOST_UNDERSTOOD
