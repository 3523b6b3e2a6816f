"""Names of character sets (``charset``)."""

from __future__ import annotations

import os


def is_charset(name: bytes) -> bool:
    """Whether names can be converted from and to this character set. Loads its codec."""
    import codecs

    try:
        codecs.lookup(os.fsdecode(name).partition(",")[0])
    except LookupError:
        return False
    return True
