"""popt alias files: options that a site or a user defines for the client (spec: options 1.2)."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

#: The program name in the files, whatever name this program was started under.
PROGRAM = b"rsync"


def split(line: bytes) -> list[bytes] | None:
    """Words of a popt line: blanks separate, quotes group, a backslash takes the next byte. None for an open quote."""
    words: list[bytes] = []
    word = bytearray()
    inside = False
    quote = 0
    index = 0
    while index < len(line):
        byte = line[index]
        if quote:
            if byte == quote:
                quote = 0
            else:
                if byte == 0x5C and index + 1 < len(line):
                    index += 1
                    if line[index] != quote:
                        word.append(byte)
                    byte = line[index]
                word.append(byte)
        elif byte in b" \t\r\n\v\f":
            if inside:
                words.append(bytes(word))
                word.clear()
                inside = False
        else:
            inside = True
            if byte in b"'\"":
                quote = byte
            else:
                if byte == 0x5C:
                    index += 1
                    if index == len(line):
                        return None
                    byte = line[index]
                word.append(byte)
        index += 1
    if quote:
        return None
    if inside:
        words.append(bytes(word))
    return words


def read(text: bytes, into: dict[bytes, list[bytes]]) -> None:
    """Add the aliases of one file's *text*. Lines for other programs and malformed lines are skipped."""
    for line in text.replace(b"\\\n", b"").split(b"\n"):
        body = line.strip()
        if not body or body.startswith(b"#"):
            continue
        words = split(body)
        if words is None or len(words) < 4 or words[0] != PROGRAM or words[1] != b"alias":
            continue
        name = words[2]
        if not (name.startswith(b"--") and len(name) > 2) and not (name.startswith(b"-") and len(name) == 2):
            continue
        expansion = [word for word in words[3:] if not word.startswith((b"--POPTdesc=", b"--POPTargs="))]
        if expansion:
            into[name] = expansion


def load(environ: Mapping[bytes, bytes]) -> dict[bytes, list[bytes]]:
    """The aliases of ``/etc/popt``, ``/etc/popt.d/*`` and ``~/.popt``; later files win."""
    paths = [b"/etc/popt"]
    try:
        paths.extend(b"/etc/popt.d/" + name for name in sorted(os.listdir(b"/etc/popt.d")) if name[:1] != b".")
    except OSError:
        pass
    home = environ.get(b"HOME")
    if home:
        paths.append(home + b"/.popt")
    found: dict[bytes, list[bytes]] = {}
    for path in paths:
        try:
            with open(path, "rb") as file:
                read(file.read(1 << 20), found)
        except OSError:
            continue
    return found
