"""Make docs/parity.md from what the parity rows showed: parity_page.py JSON PAGE."""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path

CHAPTERS = {
    "OPT": "Options (checklist)",
    "options": "Options (tables)",
    "FLT": "Filters (checklist)",
    "filters": "Filters (tables)",
    "TRF": "Transfer (checklist)",
    "transfer": "Transfer (tables)",
    "OUT": "Output (checklist)",
    "output": "Output (samples)",
    "ERR": "Errors and exit codes",
    "DMN": "Daemon",
}
SIGNS = {"passed": "same", "failed": "**differs**", "later": "later"}


def page(records: dict[str, dict[str, str]]) -> str:
    total = Counter(record["outcome"] for record in records.values())
    lines = [
        "# Parity with rsync 3.5.0",
        "",
        "Made by `make parity`; do not edit. Each row is run by rsync and by tain in equal trees; exit code, output",
        "and the resulting tree are compared. *later* means that the row asks for something that is not there yet.",
        "",
        f"{len(records)} rows: {total['passed']} same, {total['failed']} differ, {total['later']} later.",
    ]
    for prefix, title in CHAPTERS.items():
        rows = {ident: record for ident, record in records.items() if ident.split("-")[0] == prefix}
        if not rows:
            continue
        count = Counter(record["outcome"] for record in rows.values())
        lines += [
            "",
            f"## {title}",
            "",
            f"{count['passed']} of {len(rows)} the same.",
            "",
            "| row | command | result |",
            "|---|---|---|",
        ]
        for ident, record in rows.items():
            command = record["command"].replace("|", "\\|").replace("`", "'").replace("\n", "\\n")
            lines.append(f"| {ident} | `{command}` | {SIGNS.get(record['outcome'], record['outcome'])} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    source, target = map(Path, sys.argv[1:3])
    records = json.loads(source.read_text())
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(page(records))
    print(f"{target}: {len(records)} rows")


if __name__ == "__main__":
    main()
