"""The rows, one module for each chapter of the spec."""

from __future__ import annotations

from tests.parity.harness import Row
from tests.parity.rows import commands, daemon, errors, filters, metadata, options, output, transfer, words

ROWS: list[Row] = [
    *options.ROWS,
    *words.ROWS,
    *commands.ROWS,
    *filters.ROWS,
    *transfer.ROWS,
    *metadata.ROWS,
    *output.ROWS,
    *errors.ROWS,
    *daemon.ROWS,
]

_ids = [row.id for row in ROWS]
_twice = {i for i in _ids if _ids.count(i) > 1}
assert not _twice, f"ids used twice: {sorted(_twice)}"
