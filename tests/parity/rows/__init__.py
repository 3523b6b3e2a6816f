"""The rows, one module for each group of options. Every module here is such a module; README.md says where a row goes."""

from __future__ import annotations

import importlib
import pkgutil
import shlex
from collections import defaultdict
from collections.abc import Iterator

from tests.parity.harness import Row
from tests.parity.variants import is_variant, variants
from tests.sampling import covering

ROWS: list[Row] = []
for _module in sorted(module.name for module in pkgutil.iter_modules(__path__)):
    ROWS += importlib.import_module(f"{__name__}.{_module}").ROWS

ROWS += variants(ROWS)

_ids = [row.id for row in ROWS]
_twice = {i for i in _ids if _ids.count(i) > 1}
assert not _twice, f"ids used twice: {sorted(_twice)}"

#: Rows that are products of a few lists, by the beginnings of their ids.
PRODUCTS = ("F5-list", "F5-argument", "F9", "B14", "B20", "M1", "OPT-server")


def words(row: Row) -> Iterator[str]:
    """The words of all runs of a row."""
    for step in (row.cmd, *row.then):
        if isinstance(step, str):
            yield from [step] if step.startswith("!") else shlex.split(step)
        elif not callable(step):
            yield from map(repr, step)


def entries(row: Row) -> Iterator[str]:
    """What its tree and its configuration consist of."""
    for part in [row.tree] if isinstance(row.tree, str) else row.tree:
        yield from part.split() if isinstance(part, str) else [repr(part)]
    yield from row.conf.split("\n")


def few() -> list[Row]:
    """All rows but those that show what their neighbours show.

    Of a product, rows in which each word and each entry of a tree stands, by each way. Of the rows that run again by
    another way, those in which each option goes each way.
    """
    products: dict[str, list[Row]] = defaultdict(list)
    again: list[Row] = []
    kept: list[Row] = []
    for row in ROWS:
        if is_variant(row):
            again.append(row)
        elif begin := next((begin for begin in PRODUCTS if row.id.startswith(f"{begin}-")), None):
            products[begin].append(row)
        else:
            kept.append(row)
    for rows in products.values():
        kept += covering(rows, lambda row: [(text, row.via, row.user) for text in (*words(row), *entries(row))])
    kept += covering(again, lambda row: [(text, row.via, row.user) for text in words(row) if text.startswith("-")])
    wanted = {row.id for row in kept}
    return [row for row in ROWS if row.id in wanted]
