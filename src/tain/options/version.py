"""``--version`` and ``-VV`` (spec: output 10)."""

from __future__ import annotations

from tain.options.choices import CHECKSUMS, COMPRESSIONS, DIGESTS
from tain.release import PROTOCOL, RSYNC_VERSION, VERSION

URL = ""

#: (words in the text, value). The JSON key is made from the words.
CAPABILITIES: tuple[tuple[str, object], ...] = (
    ("64-bit files", 64),
    ("64-bit inums", 64),
    ("64-bit timestamps", 64),
    ("64-bit long ints", 64),
    ("socketpairs", True),
    ("symlinks", True),
    ("symtimes", True),
    ("hardlinks", True),
    ("hardlink-specials", True),
    ("hardlink-symlinks", True),
    ("IPv6", True),
    ("atimes", True),
    ("batchfiles", True),
    ("inplace", True),
    ("append", True),
    ("ACLs", True),
    ("ACL-at", True),
    ("xattrs", True),
    ("secluded-args", "optional"),
    ("iconv", True),
    ("prealloc", True),
    ("stop-at", True),
    ("crtimes", False),
)
OPTIMIZATIONS: tuple[tuple[str, object], ...] = (
    ("SIMD-roll", True),
    ("asm-roll", False),
    ("openssl-crypto", False),
    ("asm-MD5", False),
)

LICENSE = "Apache-2.0"
_NO_WARRANTY = "{name} comes with ABSOLUTELY NO WARRANTY"
_COPYRIGHT = "(C) 2026 by the tain authors."


def called_rsync(program: str) -> bool:
    """Whether the program was started under the name of rsync: scripts that compare versions then find rsync's."""
    return program == "rsync"


def _word(name: str, value: object) -> str:
    if isinstance(value, str):
        return f"{value} {name}"
    return name if value else f"no {name}"


def _wrap(items: list[str]) -> str:
    """Comma list in lines below 75 columns, indented by four."""
    lines: list[str] = []
    line = "   "
    for index, item in enumerate(items):
        text = item + ("," if index + 1 < len(items) else "")
        if len(line) + 1 + len(text) >= 75:
            lines.append(line)
            line = "   "
        line += " " + text
    lines.append(line)
    return "\n".join(lines)


def _names(names: tuple[str, ...]) -> str:
    return "    " + " ".join("xxh64 (xxhash)" if name == "xxh64" else name for name in names)


def version_text(program: str) -> str:
    """The text of ``--version``."""
    if called_rsync(program):
        first = f"rsync  version {RSYNC_VERSION}  protocol version {PROTOCOL}\ntain {VERSION}, not rsync itself\n"
    else:
        first = f"{program}  version {VERSION}  protocol version {PROTOCOL}\n"
    return (
        first
        + f"Copyright {_COPYRIGHT}\n"
        + f"Capabilities:\n{_wrap([_word(*item) for item in CAPABILITIES])}\n"
        + f"Optimizations:\n{_wrap([_word(*item) for item in OPTIMIZATIONS])}\n"
        + f"Checksum list:\n{_names(CHECKSUMS)}\n"
        + f"Compress list:\n    {' '.join(COMPRESSIONS)}\n"
        + f"Daemon auth list:\n    {' '.join(DIGESTS)}\n"
        + f"\n{_NO_WARRANTY.format(name='tain')}.  This is free software, and you\n"
        + "are welcome to redistribute it under the terms of the Apache License,\nVersion 2.0.\n"
    )


def _key(name: str) -> str:
    if name.startswith("64-bit "):
        return name[len("64-bit ") :].replace(" ", "_").rstrip("s") + "_bits"
    return name.replace("-", "_").replace(" ", "_")


def _json(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int) else f'"{value}"'


def version_json(program: str) -> str:
    """The text of ``-VV``."""
    version = RSYNC_VERSION if called_rsync(program) else VERSION
    head = [
        ("program", program),
        ("version", version),
        ("protocol", f"{PROTOCOL}.0"),
        ("copyright", _COPYRIGHT),
        ("url", URL),
    ]
    if called_rsync(program):
        head.insert(2, ("tain_version", VERSION))
    lines = [f'  "{key}": "{value}",' for key, value in head]
    for title, pairs in (("capabilities", CAPABILITIES), ("optimizations", OPTIMIZATIONS)):
        lines.append(f'  "{title}": {{')
        lines.append(_wrap([f'"{_key(name)}": {_json(value)}' for name, value in pairs]))
        lines.append("  },")
    for title, names in (("checksum_list", CHECKSUMS), ("compress_list", COMPRESSIONS), ("daemon_auth_list", DIGESTS)):
        lines.append(f'  "{title}": [')
        lines.append(_wrap([f'"{name}"' for name in names]))
        lines.append("  ],")
    lines.append(f'  "license": "{LICENSE}",')
    lines.append(f'  "caveat": "{_NO_WARRANTY.format(name="tain")}"')
    return "{\n" + "\n".join(lines) + "\n}\n"
