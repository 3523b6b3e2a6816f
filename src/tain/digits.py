"""Numbers in texts of users and peers: these may have any number of digits, but `int` refuses more than 4300."""

from __future__ import annotations

#: The largest C ``int``, and the largest C ``long``.
INT_MAX = (1 << 31) - 1
LONG_MAX = (1 << 63) - 1


def bounded(digits: bytes, top: int = LONG_MAX) -> int:
    """The value of decimal *digits*, at most *top*; without digits 0."""
    digits = digits.lstrip(b"0")
    return min(int(digits[: len(str(top)) + 1] or b"0"), top)
