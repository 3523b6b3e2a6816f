"""The ``--chmod`` language: parsing, and its effect on a mode (spec: options 6.1).

Transfers apply it in the core; `apply_chmod` is the same rule in Python, for tests and for the API.
"""

from __future__ import annotations

from tain.errors import UsageError
from tain.escape import printable

#: One clause: scope ("", "D" or "F"), operator ("+", "-", "=" or "8" for octal), classes, bits, copied class.
#: For octal the bits are the mode. ``classes`` is a mask of 0o700, 0o070, 0o007; 0 when no class was named.
Clause = tuple[str, str, int, int, bool, str]

_WHO = {0x75: 0o700, 0x67: 0o070, 0x6F: 0o007, 0x61: 0o777}
_PERM = {0x72: 0o444, 0x77: 0o222, 0x78: 0o111}


def _set_ids(classes: int) -> int:
    return (0o4000 if classes & 0o700 else 0) | (0o2000 if classes & 0o070 else 0)


def _bad(text: bytes) -> UsageError:
    return UsageError(f"rsync: Invalid argument passed to --chmod ({printable(text)})")


def _clause(clause: bytes) -> Clause | None:
    index = 0
    scope = ""
    while clause[index : index + 1] in (b"D", b"F"):
        letter = clause[index : index + 1].decode()
        if scope not in ("", letter):
            return None
        scope = letter
        index += 1
    rest = clause[index:]
    if rest and rest.isdigit():
        if any(byte > 0x37 for byte in rest) or len(rest.lstrip(b"0")) > 4:
            return None
        return scope, "8", 0o777, int(rest, 8), False, ""
    who = 0
    while index < len(clause) and clause[index] in _WHO:
        who |= _WHO[clause[index]]
        index += 1
    if index >= len(clause) or clause[index : index + 1] not in (b"+", b"-", b"="):
        return None
    operator = clause[index : index + 1].decode()
    rest = clause[index + 1 :]
    if rest in (b"u", b"g", b"o"):
        return scope, operator, who, 0, False, rest.decode()
    bits = 0
    cond = False
    for byte in rest:
        if byte in _PERM:
            bits |= _PERM[byte]
        elif byte == 0x58:
            cond = True
        elif byte == 0x73:
            # For the classes that have such a bit. Without one of them it means set-user-id.
            bits |= _set_ids(who) or 0o4000
        elif byte == 0x74:
            bits |= 0o1000
        else:
            return None
    return scope, operator, who, bits, cond, ""


def parse_chmod(text: bytes) -> list[Clause]:
    """The clauses of one ``--chmod`` argument. Errors: `UsageError` with rsync's text."""
    clauses = []
    for part in text.split(b","):
        clause = _clause(part)
        if clause is None:
            raise _bad(text)
        clauses.append(clause)
    return clauses


def apply_chmod(mode: int, clauses: list[Clause], *, is_dir: bool, umask: int) -> int:
    """The permission bits of *mode* after all *clauses*; its type bits stay."""
    had_x = bool(mode & 0o111)
    for scope, operator, who, bits, cond, copied in clauses:
        if scope == ("F" if is_dir else "D"):
            continue
        if operator == "8":
            mode = (mode & ~0o7777) | bits
            continue
        classes = who or 0o777
        allowed = who or (0o777 & ~umask)
        if copied:
            shift = {"u": 6, "g": 3, "o": 0}[copied]
            triple = (mode >> shift) & 7
            value = (triple * 0o111) & allowed
            special = _set_ids(classes) | (0o1000 if classes & 0o007 else 0)
        else:
            if cond and (is_dir or had_x):
                bits |= 0o111
            value = (bits & 0o777 & allowed) | (bits & 0o7000)
            # Only clauses with `s` or `t` clear the set-id bits of the named classes.
            special = _set_ids(who) if bits & 0o7000 else 0
        if operator == "+":
            mode |= value
        elif operator == "-":
            mode &= ~value
        else:
            mode = (mode & ~(classes | special)) | value
    return mode
