"""The check of a ``--chmod`` argument (spec: options 6.1). The core applies it."""

from __future__ import annotations

from tain.errors import UsageError
from tain.escape import printable


def _is_clause(clause: bytes) -> bool:
    rest = clause.lstrip(b"DF")
    if len(set(clause[: len(clause) - len(rest)])) > 1:
        return False
    if rest.isdigit():
        return all(byte <= 0x37 for byte in rest) and len(rest.lstrip(b"0")) <= 4
    rest = rest.lstrip(b"ugoa")
    return rest[:1] in (b"+", b"-", b"=") and (rest[1:] in (b"u", b"g", b"o") or not rest[1:].strip(b"rwxXst"))


def check_chmod(text: bytes) -> None:
    """Errors: `UsageError` with rsync's text, when *text* is not a list of clauses."""
    if not all(_is_clause(clause) for clause in text.split(b",")):
        raise UsageError(f"rsync: Invalid argument passed to --chmod ({printable(text)})")
