"""Make bytes from a peer safe to print (spec: daemon 12.1, security SEC-37)."""

from __future__ import annotations

# Characters that would break a line or change the text direction: C1, bidi marks, line separators.
_UNSAFE = frozenset([*range(0x80, 0xA0), 0x061C, 0x200E, 0x200F, *range(0x2028, 0x202F), *range(0x2066, 0x206A)])
_PLAIN = bytes([9, *range(0x20, 0x7F)])


def _octal(data: bytes) -> bytes:
    return b"".join(b"\\#%03o" % byte for byte in data)


def escape(data: bytes, *, again: bool = False) -> bytes:
    """Escape control bytes, invalid 0x80-0x9f and a backslash that looks like an escape as ``\\#ooo``; keep UTF-8.

    *again*: names in *data* have been escaped, so such a backslash is an escape and stays.
    """
    if (again or b"\\#" not in data) and not data.translate(None, _PLAIN):
        return data
    out = bytearray()
    text = data.decode("utf-8", "surrogateescape")
    for at, letter in enumerate(text):
        number = ord(letter)
        if letter == "\\":
            tail = text[at + 1 : at + 5]
            looks = len(tail) == 4 and tail[0] == "#" and tail[1:].isascii() and tail[1:].isdigit()
            out += b"\\#134" if looks and not again else b"\\"
        elif (number < 0x20 and letter != "\t") or number == 0x7F or number in _UNSAFE:
            out += _octal(letter.encode())
        elif 0xDC80 <= number <= 0xDCFF:
            byte = bytes([number - 0xDC00])
            out += _octal(byte) if byte < b"\xa0" else byte
        else:
            out += letter.encode("utf-8", "surrogateescape")
    return bytes(out)


def blanks(data: bytes) -> list[bytes]:
    """The words between blanks and commas."""
    return data.replace(b",", b" ").split()


def has_wildcard(text: bytes) -> bool:
    return any(byte in b"*?[" for byte in text)


def comma_list(data: bytes) -> list[bytes]:
    """The comma rule (spec: daemon 2, rule 14): a leading comma means that only commas split."""
    data = data.strip()
    if data.startswith(b","):
        return [item for item in (part.strip() for part in data.split(b",")) if item]
    return blanks(data)
