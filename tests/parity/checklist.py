"""The numbered statements that must have a test of their own: how many of each kind there are.

OPT: options and arguments; FLT: selection; TRF: decisions and writing; OUT: what is shown.
"""

from __future__ import annotations

STATEMENTS = {"OPT": 42, "FLT": 24, "TRF": 33, "OUT": 31}

IDS = [f"{kind}-{number}" for kind, count in STATEMENTS.items() for number in range(1, count + 1)]
