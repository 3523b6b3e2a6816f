"""Names, and texts of peers, in a form that a screen can show: other bytes as ``\\#ooo`` (spec: output 11).

The core does the same for its own lines.
"""

from __future__ import annotations

#: Bytes that are never escaped: ASCII, TAB, and the end of a line.
_PLAIN = bytes([9, 10, *range(0x20, 0x80)])


def printable(word: bytes) -> str:
    """*word* as part of an error text: control bytes are escaped, and so is a backslash that looks like an escape.

    High bytes stay: `for_screen` decides about them when the text is printed.
    """
    text = word.decode("utf-8", "surrogateescape")
    if "\\#" in text:
        parts = text.split("\\#")
        text = parts[0] + "".join(
            ("\\#134#" if len(part) > 2 and part[:3].isascii() and part[:3].isdigit() else "\\#") + part
            for part in parts[1:]
        )
    if text.isprintable():
        return text
    return "".join(f"\\#{ord(c):03o}" if c < " " and c != "\t" else c for c in text)


def restore(text: bytes) -> bytes:
    """The bytes of a text whose names went through `printable`: a peer escapes them in its own way."""
    import re

    return re.sub(rb"\\#([0-3][0-7][0-7])", lambda match: bytes([int(match[1], 8)]), text)


def for_screen(data: bytes, charset: str, *, eight_bit: bool = False) -> bytes:
    """Whole lines with ``\\#ooo`` for control bytes and for bytes that are no text in *charset*.

    Names in them have been through `printable`. *charset* is ``ascii``, ``utf-8`` or ``other`` (from
    `tain.session.environment.charset`); *eight_bit* leaves all high bytes alone.
    """
    if not data.translate(None, _PLAIN):
        return data
    every_byte = eight_bit or charset == "other"
    # A byte that is no text becomes a surrogate.
    text = data.decode("utf-8" if charset == "utf-8" and not every_byte else "ascii", "surrogateescape")
    out = bytearray()
    for letter in text:
        raw = letter.encode("utf-8", "surrogateescape")
        plain = every_byte if "\udc80" <= letter <= "\udcff" else letter >= "\x80" or raw[0] in _PLAIN
        out += raw if plain else b"\\#%03o" % raw[0]
    return bytes(out)
