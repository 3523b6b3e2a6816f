"""Bytes from a peer made fit to be shown (spec: daemon 12.1, security SEC-37)."""

from __future__ import annotations

# Letters that would break a line or turn the direction of the text around: C1, bidi marks, line separators.
_UNSAFE = frozenset(
    [*range(0x80, 0xA0), 0x061C, 0x200E, 0x200F, *range(0x2028, 0x202F), *range(0x2066, 0x206A), 0xFEFF]
)
_PLAIN = bytes([9, *range(0x20, 0x7F)])


def _octal(data: bytes) -> bytes:
    return b"".join(b"\\#%03o" % byte for byte in data)


def escape(data: bytes) -> bytes:
    """Control bytes, invalid 0x80-0x9f and a backslash that looks like an escape become ``\\#ooo``; UTF-8 stays."""
    if b"\\#" not in data and not data.translate(None, _PLAIN):
        return data
    out = bytearray()
    text = data.decode("utf-8", "surrogateescape")
    for at, letter in enumerate(text):
        number = ord(letter)
        if letter == "\\":
            tail = text[at + 1 : at + 5]
            looks = len(tail) == 4 and tail[0] == "#" and tail[1:].isascii() and tail[1:].isdigit()
            out += b"\\#134" if looks else b"\\"
        elif (number < 0x20 and letter != "\t") or number == 0x7F or number in _UNSAFE:
            out += _octal(letter.encode())
        elif 0xDC80 <= number <= 0xDCFF:
            byte = bytes([number - 0xDC00])
            out += _octal(byte) if byte < b"\xa0" else byte
        else:
            out += letter.encode("utf-8", "surrogateescape")
    return bytes(out)


def blanks(data: bytes) -> list[bytes]:
    """Words split on blanks and commas."""
    return data.replace(b",", b" ").split()


def comma_list(data: bytes) -> list[bytes]:
    """The comma rule (spec: daemon 2, rule 14): a leading comma means that only commas split."""
    data = data.strip()
    if data.startswith(b","):
        return [item for item in (part.strip() for part in data.split(b",")) if item]
    return blanks(data)


def wild(pattern: bytes, text: bytes, *, fold: bool = False, path: bool = False) -> bool:
    """Shell wildcards ``* ? [ ]`` over the whole text; with ``path`` a slash is matched only by itself and ``**``."""
    if fold:
        pattern, text = pattern.lower(), text.lower()
    # Greedy with one point to come back to: linear in practice, never exponential in hostile input.
    p = t = 0
    star = resume = -1
    while t < len(text):
        step = _one(pattern, p, text[t], path)
        if p < len(pattern) and pattern[p] == 0x2A:
            star, resume = p, t
            p += 1
        elif step:
            p, t = step, t + 1
        elif star >= 0 and not (path and text[resume] == 0x2F):
            resume += 1
            p, t = star + 1, resume
        else:
            return False
    return not pattern[p:].strip(b"*")


def _one(pattern: bytes, p: int, byte: int, path: bool) -> int:
    """Where the pattern goes on after it took one byte, or 0 when it does not take it."""
    if p >= len(pattern):
        return 0
    c = pattern[p]
    if c == 0x3F:
        return 0 if path and byte == 0x2F else p + 1
    if c == 0x5C and p + 1 < len(pattern):
        return p + 2 if pattern[p + 1] == byte else 0
    if c != 0x5B:
        return p + 1 if c == byte else 0
    end = p + 1
    negate = pattern[end : end + 1] in (b"!", b"^")
    end += negate
    found, first = False, True
    while end < len(pattern) and (pattern[end] != 0x5D or first):
        first = False
        if pattern[end] == 0x5C and end + 1 < len(pattern):
            end += 1
        low = high = pattern[end]
        if pattern[end + 1 : end + 2] == b"-" and pattern[end + 2 : end + 3] not in (b"", b"]"):
            high = pattern[end + 2]
            end += 2
        found = found or low <= byte <= high
        end += 1
    if end >= len(pattern) or (path and byte == 0x2F):
        return 0
    return end + 1 if found != negate else 0


def has_wildcard(text: bytes) -> bool:
    return any(byte in b"*?[" for byte in text)
