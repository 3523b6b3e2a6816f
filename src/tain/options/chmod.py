"""The check of a ``--chmod`` argument (spec: options 6.1). The core applies it."""

from __future__ import annotations

from tain.errors import UsageError
from tain.escape import printable


def check_chmod(text: bytes) -> None:
    """Errors: `UsageError` with rsync's text, when *text* is not a list of clauses."""
    from tain import _core

    if not _core.is_chmod(text):
        raise UsageError(f"rsync: Invalid argument passed to --chmod ({printable(text)})")
