"""Make docs/parity.md from what the parity rows showed: parity_page.py JSON PAGE."""

from __future__ import annotations

import json
import re
import shlex
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "src")]

from tain.options.parse import parse  # noqa: E402
from tain.options.table import OURS, ROWS, Row, spellings  # noqa: E402
from tests.parity.checklist import STATEMENTS  # noqa: E402
from tests.parity.harness import Row as Comparison  # noqa: E402
from tests.parity.known import KNOWN  # noqa: E402
from tests.parity.rows import ROWS as COMPARISONS  # noqa: E402

KINDS = {"OPT": "options and arguments", "FLT": "selection", "TRF": "decisions and writing", "OUT": "what is shown"}
WAYS = ("local", "shell", "daemon", "user")
Records = dict[str, dict[str, str]]


def commands(row: Comparison) -> Iterator[Sequence[str | bytes]]:
    """The words of each step that runs the program."""
    for step in (row.cmd, *row.then):
        if isinstance(step, str):
            if not step.startswith("!"):
                yield shlex.split(step)
        elif not callable(step):
            yield step


def options(words: Iterable[str | bytes]) -> set[str]:
    """Keys of the table's rows that the words use, also behind ``-M`` and, as words, in a command that is refused."""
    given = [word.encode("utf-8", "surrogateescape") if isinstance(word, str) else word for word in words]
    raw = parse(given)
    used = {row.key for row, _, _, _ in raw.items}
    for row, _, _, value in raw.items:
        if row.key == "remote-option" and isinstance(value, bytes):
            used |= options([value])
    names = spellings(ROWS)
    for word in given:
        if word[:2] == b"--" and (found := names.get(word[2:].partition(b"=")[0].decode("latin-1"))):
            used.add(found.key)
    return used


def ways(row: Comparison) -> list[str]:
    via = row.via
    if via == "local" and any("rsh" in options(words) for words in commands(row)):
        via = "shell"
    return [via, "user"] if row.user else [via]


def elsewhere() -> dict[str, set[str]]:
    """Which other tests name a long option."""
    found: dict[str, set[str]] = defaultdict(set)
    for path in sorted((ROOT / "tests").rglob("*.py")):
        place = path.relative_to(ROOT / "tests").parts[0].removesuffix(".py")
        if place in ("parity", "programs", "conftest"):
            continue
        for name in re.findall(r"--([a-z0-9][a-z0-9-]+)", path.read_text()):
            found[name].add(place)
    return found


def spelled(row: Row) -> str:
    return ", ".join([f"`--{name}`" for name in row.longs] + ([f"`-{row.short}`"] if row.short else []))


def share(records: Records, rows: Sequence[Comparison]) -> str:
    """How many were the same; of how many, where that is another number."""
    if not rows:
        return ""
    same = sum(records[row.id]["outcome"] == "passed" for row in rows)
    return str(same) if same == len(rows) else f"{same} of {len(rows)}"


def reason(ident: str) -> str:
    text = KNOWN.get(ident, "").removeprefix("deliberate: ")
    return reason(text[3:].split(";")[0]) if text.startswith("as ") else text


def statement(ident: str) -> str:
    """`TRF-21` of `TRF-21-kinds`, `output-6` of `output-6-owner`, else the first two words."""
    found = re.match(r"[A-Za-z]+-[A-Za-z0-9.]+", ident)
    return found[0] if found else ident


def option_table(records: Records, rows: Sequence[Comparison]) -> list[str]:
    using: dict[str, list[Comparison]] = defaultdict(list)
    for row in rows:
        for key in set().union(*(options(words) for words in commands(row))):
            using[key].append(row)
    others = elsewhere()
    lines = [
        "| option | rows | local | shell | daemon | as user | other tests | what differs |",
        "|---|--:|--:|--:|--:|--:|---|---|",
    ]
    for option in ROWS:
        if OURS.intersection(option.longs):
            continue
        mine = using[option.key]
        cells = [share(records, [row for row in mine if way in ways(row)]) for way in WAYS]
        also = ", ".join(sorted(set().union(*(others.get(name, set()) for name in option.longs))))
        differs = sorted({row.id for row in mine if records[row.id]["outcome"] != "passed"})
        told = f"{len(differs)}: " + ", ".join(differs[:4]) + (" …" if len(differs) > 4 else "") if differs else ""
        lines.append(f"| {spelled(option)} | {len(mine)} | {' | '.join(cells)} | {also} | {told} |")
    return lines


def statements(records: Records, rows: Sequence[Comparison]) -> list[str]:
    by_number: dict[str, list[Comparison]] = defaultdict(list)
    for row in rows:
        if found := re.match(r"[A-Z]{3}-\d+(?![\d.])", row.id):
            by_number[found[0]].append(row)
    tests: dict[str, list[str]] = defaultdict(list)
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        for name, kind, number in re.findall(r"(?m)^def (test_([a-z]{3})_(\d+)_\w+)", path.read_text()):
            tests[f"{kind.upper()}-{number}"].append(name)
    lines: list[str] = []
    for kind, count in STATEMENTS.items():
        lines += ["", f"### {kind}: {KINDS[kind]}", "", "| statement | rows | the same | tests |", "|---|--:|--:|---|"]
        for number in range(1, count + 1):
            ident = f"{kind}-{number}"
            mine = by_number[ident]
            same = sum(records[row.id]["outcome"] == "passed" for row in mine)
            lines.append(f"| {ident} | {len(mine) or ''} | {same if mine else ''} | {', '.join(tests[ident])} |")
    return lines


def shown(command: str) -> str:
    if len(command) > 110:
        command = command[:110] + "…"
    return command.replace("|", "\\|").replace("`", "'").replace("\n", "\\n")


def page(records: Records) -> str:
    rows = [row for row in COMPARISONS if row.id in records]
    total = Counter(record["outcome"] for record in records.values())
    differing = [row.id for row in rows if records[row.id]["outcome"] != "passed"]
    by_way = "; ".join(
        f"{share(records, [row for row in rows if way in ways(row)])} {text}"
        for way, text in zip(WAYS, ("locally", "over a shell", "with a daemon", "as an ordinary user"), strict=True)
    )
    lines = [
        "# Parity with rsync 3.5.0",
        "",
        "Made by `make parity`; do not edit. A row is a tree and one or more command lines. rsync and tain run it in",
        "equal trees; exit codes, output and the resulting trees are compared (`docs/testing.md`).",
        "",
        f"{len(records)} rows: {total['passed']} the same, {len(differing)} not. The same are {by_way}.",
        "",
        "## What differs",
        "",
        "All of it on purpose.",
        "",
        "| row | command | reason |",
        "|---|---|---|",
    ]
    for ident in differing:
        why = reason(ident) or "**not known**"
        lines.append(f"| {ident} | `{shown(records[ident]['command'])}` | {why} |")
    lines += [
        "",
        "Differences that no row shows stand in [differences.md](differences.md). In the scripts of faults",
        "(`tests/faults/scripts`):",
        "",
        "| script | why the two differ |",
        "|---|---|",
        *(f"| {name} | {why} |" for name, why in script_differences()),
        "",
        "## Option by option",
        "",
        "In how many rows an option is used, and in how many of them the two were the same: in a local copy, over a",
        "remote shell, with a daemon (the same program at both ends; `tests/interop` has each at one end), and as an",
        "ordinary user. A difference is counted at every option of its row, whichever it is about.",
        "",
        *option_table(records, rows),
        "",
        "## Statement by statement",
        "",
        "The numbered statements of the behaviour specification: the rows named after them, and tests of another kind.",
        *statements(records, rows),
        "",
        "## All rows",
        "",
        "By what they stand for; the command lines are in `tests/parity/rows`.",
        "",
    ]
    groups: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        groups[statement(row.id)].append(row.id)
    for name, members in sorted(groups.items(), key=lambda g: [int(w) if w.isdigit() else w for w in natural(g[0])]):
        rest = [ident.removeprefix(name).lstrip("-") for ident in members]
        lines.append(f"- **{name}** {len(members)}: " + ", ".join(word or "itself" for word in rest))
    return "\n".join(lines) + "\n"


def script_differences() -> Iterator[tuple[str, str]]:
    """Names of scripts of faults, and each reason in what they are expected to print."""
    for path in sorted((ROOT / "tests/faults/expected").iterdir()):
        for line in path.read_text().splitlines():
            if line.startswith("## "):
                yield path.name.removesuffix(".txt"), line[3:]


def natural(text: str) -> list[str]:
    """Sorts 9 before 10: words and numbers in turn, beginning with a word."""
    return re.split(r"(\d+)", text)


def main() -> None:
    source, target = map(Path, sys.argv[1:3])
    records = json.loads(source.read_text())
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(page(records))
    print(f"{target}: {len(records)} rows")


if __name__ == "__main__":
    main()
