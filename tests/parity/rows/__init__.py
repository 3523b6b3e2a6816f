"""The rows, one module for each group of options. Every module here is such a module; README.md says where a row goes."""

from __future__ import annotations

import importlib
import pkgutil

from tests.parity.harness import Row
from tests.parity.variants import variants

ROWS: list[Row] = []
for _module in sorted(module.name for module in pkgutil.iter_modules(__path__)):
    ROWS += importlib.import_module(f"{__name__}.{_module}").ROWS

ROWS += variants(ROWS)

_ids = [row.id for row in ROWS]
_twice = {i for i in _ids if _ids.count(i) > 1}
assert not _twice, f"ids used twice: {sorted(_twice)}"
