"""Writes docs/exit-codes.md from the exceptions: `python tools/exit_codes.py docs/exit-codes.md`."""

from __future__ import annotations

import sys
from pathlib import Path

from tain import errors


def page() -> str:
    classes: dict[int, list[str]] = {}
    for cls in errors.TainError.__subclasses__():
        if cls is not errors.PeerExit:
            classes.setdefault(cls.code, []).append(cls.__name__)
    lines = [
        "# Exit codes",
        "",
        "Made by `tools/exit_codes.py` from `tain.errors`; do not edit. The texts are those of the closing line.",
        "",
        "| code | text | exception of `Result.check()` |",
        "|---:|---|---|",
    ]
    for code, text in errors.EXIT_TEXTS.items():
        name = type(errors.for_code(code)).__name__
        lines.append(f"| {code} | {text} | `{name}` |")
    lines += [
        "",
        "A code of a peer or of a remote shell that is not in the table is passed on; its exception is `PeerExit`.",
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(page())
