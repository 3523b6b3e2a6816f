"""Samples leave no value out (tests/sampling.py)."""

from __future__ import annotations

from itertools import product

import pytest

from tests.sampling import chosen, covering, sample

SIZES = [(12, 24), (24, 12), (2, 7, 5), (15, 2, 2), (3, 3, 3), (1, 4), (7, 7)]


@pytest.mark.parametrize("sizes", SIZES, ids=str)
@pytest.mark.parametrize("times", [1, 2, 4])
def test_each_value_is_chosen(sizes: tuple[int, ...], times: int) -> None:
    axes = [[f"{axis}.{value}" for value in range(size)] for axis, size in enumerate(sizes)]
    found = chosen(axes, times)
    assert [{combination[axis] for combination in found} for axis in range(len(axes))] == [set(axis) for axis in axes]
    assert len(found) <= max(sizes) * times


def test_all_of_a_product_runs_on_request(monkeypatch: pytest.MonkeyPatch) -> None:
    axes = (["a", "b", "c"], {"one": 1, "two": 2, "three": 3})
    assert len(sample("SAMPLED", *axes, times=1)) == 3
    monkeypatch.setenv("SAMPLED", "all")
    everything = sample("SAMPLED", *axes, times=1)
    assert [case.id for case in everything] == [f"{a}-{b}" for a, b in product(*axes)]
    assert everything[1].values == ("a", 2)


def test_named_combinations_always_run() -> None:
    axes = (["a", "b", "c"], ["x", "y", "z"])
    ids = {case.id for case in sample("SAMPLED", *axes, times=1)}
    missing = next((a, b) for a, b in product(*axes) if f"{a}-{b}" not in ids)
    assert "-".join(missing) in {case.id for case in sample("SAMPLED", *axes, times=1, always=[missing])}


def test_few_cases_cover_every_kind() -> None:
    cases = list(product(range(6), range(5), range(4)))
    found = covering(cases, lambda case: list(enumerate(case)))
    assert {kind for case in found for kind in enumerate(case)} == {kind for case in cases for kind in enumerate(case)}
    assert len(found) == 6
    assert found == covering(cases, lambda case: list(enumerate(case)))
