"""Which part of a large product of cases runs by default.

A product of 12 filters and 24 requests has 288 cases, and most of them show what others show. By default a sample
runs, the same one every time, in which each value of each axis stands in several combinations. A variable of the
environment with the value `all` runs the whole product: PARITY, INTEROP, DAEMON, FAULT or INJECTED. `make test-all`
sets them all; docs/testing.md says what each stands for.
"""

from __future__ import annotations

import heapq
import os
import random
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from itertools import product
from typing import Any, TypeVar

import pytest

T = TypeVar("T")


def runs_all(variable: str) -> bool:
    """Whether the environment asks for the whole of the products that `variable` stands for."""
    return os.environ.get(variable) == "all"


def sample(
    variable: str, *axes: Iterable[str] | Mapping[str, Any], times: int = 2, always: Iterable[tuple[str, ...]] = ()
) -> list[Any]:
    """Combinations of one value of each axis, as parameters of a test; a mapping gives ids and values.

    A value of the longest axis stands in `times` combinations, one of a shorter axis in more. `always` names
    combinations, by id, that no sample leaves out.
    """
    named = [dict(axis) if isinstance(axis, Mapping) else {text: text for text in axis} for axis in axes]
    ids = [list(axis) for axis in named]
    kept = set(product(*ids)) if runs_all(variable) else {*always, *chosen(ids, times)}
    return [
        pytest.param(*(axis[key] for axis, key in zip(named, keys, strict=True)), id="-".join(keys))
        for keys in product(*ids)
        if keys in kept
    ]


def chosen(axes: list[list[str]], times: int) -> set[tuple[str, ...]]:
    """Diagonals of the product. Each round, and each pass through a shorter axis, is shifted by another width."""
    longest = max(map(len, axes))
    return {
        tuple(axis[(at + (round_ + at // len(axis)) * number) % len(axis)] for number, axis in enumerate(axes))
        for round_ in range(times)
        for at in range(longest)
    }


def covering(cases: Sequence[T], kinds: Callable[[T], Iterable[Hashable]]) -> list[T]:
    """Few cases that show every kind: each is the one of all that adds most of the kinds that none before it has.

    What a case adds only shrinks as others are taken, so the heap holds upper bounds, and a case is asked again only
    when its bound is the highest.
    """
    order = list(cases)
    random.Random("tain").shuffle(order)
    of = [frozenset(kinds(case)) for case in order]
    missing = set().union(*of)
    bounds = [(-len(some), at) for at, some in enumerate(of)]
    heapq.heapify(bounds)
    found: list[T] = []
    while missing:
        bound, at = heapq.heappop(bounds)
        adds = len(of[at] & missing)
        if adds < -bound:
            heapq.heappush(bounds, (-adds, at))
            continue
        found.append(order[at])
        missing -= of[at]
    return found
