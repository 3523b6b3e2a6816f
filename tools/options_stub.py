#!/usr/bin/env python3
"""Write the sentence below each field of `tain.Options`, and the keywords for type checkers, from the option table.

The fields and their order stand in src/tain/keywords.py; everything else about them is made here:
``tools/options_stub.py`` writes src/tain/keywords.py and src/tain/keyword_fields.py (a test compares them).
"""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "src"))

from tain.keywords import _NAMES, Options  # noqa: E402
from tain.options.table import ROWS  # noqa: E402

KEYWORDS = ROOT / "src/tain/keywords.py"
FIELDS = ROOT / "src/tain/keyword_fields.py"

#: Fields that are more, or other, than the option of their name.
OWN = {
    "delete": "Delete extraneous files from destination directories; a word says when, True leaves it to the protocol.",
    "append": "Append data to shorter files; 'verify' compares the old data too.",
    "compress": "Compress file data during the transfer; a word is the codec: 'zstd', 'lz4', 'zlib', 'zlibx'.",
    "filters": "Whole filter rules in their order, as for --filter; before `include` and `exclude`.",
    "filter": "The same as `filters`, whose rules come first.",
    "include": "Don't exclude files matching these patterns; after `filters`, before `exclude`.",
    "exclude": "Exclude files matching these patterns; after `filters` and `include`.",
    "address_family": "Prefer IPv4 (4) or IPv6 (6).",
    "extra": "Further words of a command line, unchanged and behind all others.",
    "timeout": "Set I/O timeout in seconds.",
    "contimeout": "Set daemon connection timeout in seconds.",
    "jobs": "Transfer in this number of streams at once, 1 to 64.",
    "jobs_limit": "Limit the streams: 'connections=N,start-gap=SECONDS'.",
    "bwlimit": "Limit socket I/O bandwidth: KiB per second, or text with a unit ('1.5m').",
    "max_size": "Don't transfer any file larger than this: bytes, or text with a unit.",
    "min_size": "Don't transfer any file smaller than this: bytes, or text with a unit.",
    "block_size": "Force a fixed checksum block-size: bytes, or text with a unit.",
    "modify_window": "Set the accuracy for mod-time comparisons in seconds; -1 compares nanoseconds.",
    "verbose": "Increase verbosity of `Result.output` by this many levels.",
    "human_readable": "How numbers are written: 0 plain digits, 1 separators, 2 units of 1000, 3 units of 1024.",
    "stop_after": "Stop after this many minutes have elapsed.",
    "stop_at": "Stop at this point in time: year-month-dayThour:minute.",
    "motd": "Show the daemon's message of the day in `Result.output`.",
    "implied_dirs": "Send implied directories with `relative`.",
    "max_delete": "Don't delete more than this many files.",
    "log_file": "Log what happens to this file.",
    "rsh": "The remote shell to use, with its arguments.",
    "rsync_path": "The rsync to run on the remote machine.",
    "port": "The port of the daemon.",
    "protocol": "Force an older protocol version.",
    "copy_as": "User and optional group for the copy (USER[:GROUP]); refused here: a program keeps its identity.",
    "qsort": "Sort the file list with another algorithm; for compatibility.",
    "archive": "The same as recursive, links, perms, times, group, owner, devices and specials; on by default.",
    "stderr": "Which messages go to standard error: 'errors', 'all', or 'client'.",
    "outbuf": "Set output buffering to None ('N'), Line ('L') or Block ('B').",
    "crtimes": "Preserve create times; refused on this platform, which cannot set them.",
    "stats": "Add file-transfer statistics to `Result.output`; `Result.statistics` has them always.",
}

HEAD = '''"""The keywords of `tain.Options` for functions that forward them. Written by ``tools/options_stub.py``."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Literal, TypedDict

#: A file name: text is encoded with the encoding of the file system, bytes are used as they are.
StrOrBytesPath = str | bytes | os.PathLike[str] | os.PathLike[bytes]
#: One value or several.
Texts = str | bytes | Sequence[str | bytes]
Paths = StrOrBytesPath | Sequence[StrOrBytesPath]
#: Bytes, or with a unit as on the command line (``"1.5m"``).
Size = int | str
DeleteWhen = Literal["before", "during", "delay", "after"]


class OptionFields(TypedDict, total=False):
    """The keywords of `Options`: see there for what all have in common."""

'''


def sentence(name: str) -> str:
    """What a field does, in one sentence."""
    if name in OWN:
        return OWN[name]
    option = _NAMES.get(name, name).replace("_", "-")
    helps = {long: row.help for row in ROWS for long in row.longs if row.help}
    text = helps.get(option) or helps[f"no-{option}"]
    text = re.sub(r"\s+", " ", text.format(name="the transfer")).strip()
    return text[0].upper() + text[1:].rstrip(".") + "."


def docstring(name: str) -> str:
    return f'    """{sentence(name)}"""\n'


def fields(text: str) -> list[tuple[str, str]]:
    """Names and types of the fields of `Options` in its source."""
    (body,) = [node for node in ast.parse(text).body if isinstance(node, ast.ClassDef) and node.name == "Options"]
    return [
        (node.target.id, ast.unparse(node.annotation).replace("'", '"'))
        for node in body.body
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
    ]


def pages() -> dict[Path, str]:
    """The two files as they should be."""
    text = KEYWORDS.read_text()
    names = [name for name, _ in fields(text)]
    assert names == list(Options._names)
    start, end = text.index("    # ---- attributes."), text.index("    if not TYPE_CHECKING:")
    body = re.sub(r'^    """.*"""\n', "", text[start:end], flags=re.M)
    for name in names:
        body = re.sub(
            rf"^(    {name}: .*\n)",
            lambda match: match[1] + docstring(match[1].split(":")[0].strip()),
            body,
            flags=re.M,
        )
    typed = "".join(f"    {name}: {kind}\n{docstring(name)}" for name, kind in fields(text))
    return {KEYWORDS: text[:start] + body + text[end:], FIELDS: HEAD + typed}


if __name__ == "__main__":
    for path, page in pages().items():
        path.write_text(page)
