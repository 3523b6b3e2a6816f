"""Bytes of names and of a peer's texts made fit for a screen (spec: output 11).

The core does the same for its own lines.
"""

from __future__ import annotations

#: What needs no look: ASCII, TAB, and the end of a line.
_PLAIN = bytes([9, 10, *range(0x20, 0x80)])


def escape(data: bytes, charset: str, *, eight_bit: bool = False) -> bytes:
    """*data*, whole lines, with ``\\#ooo`` for control bytes and for what is no text in *charset*.

    A name in it that has such letters of its own has been through `tain.errors.shown`.
    *charset* is ``ascii``, ``utf-8`` or ``other`` (as `tain.session.environment.charset` says); *eight_bit* leaves all
    high bytes alone.
    """
    if not data.translate(None, _PLAIN):
        return data
    out = bytearray()
    at, end = 0, len(data)
    while at < end:
        byte = data[at]
        length = 1
        if byte < 0x80:
            raw = byte in _PLAIN
        elif eight_bit or charset == "other":
            raw = True
        else:
            length = _letter(data, at) if charset == "utf-8" else 0
            raw, length = length > 0, length or 1
        out += data[at : at + length] if raw else b"\\#%03o" % byte
        at += length
    return bytes(out)


def _letter(data: bytes, at: int) -> int:
    """The length of the UTF-8 letter that begins there, or 0."""
    for length in (2, 3, 4):
        try:
            data[at : at + length].decode()
        except UnicodeDecodeError:
            continue
        return min(length, len(data) - at)
    return 0
