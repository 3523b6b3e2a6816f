"""Write docs/parity.md and docs/parity.json from the outcome of the parity rows: parity_page.py OUTCOME PAGE."""

from __future__ import annotations

import json
import re
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "src")]

from tain.options.table import OURS, Row  # noqa: E402
from tain.options.table import ROWS as OPTIONS  # noqa: E402
from tests.parity import usage  # noqa: E402
from tests.parity.checklist import IDS  # noqa: E402
from tests.parity.harness import Row as Comparison  # noqa: E402
from tests.parity.known import KNOWN  # noqa: E402
from tests.parity.rows import ROWS  # noqa: E402

WAYS = {
    "local": "in a local copy",
    "shell": "over a remote shell",
    "daemon": "with a daemon",
    "user": "as an ordinary user",
}
#: The page is read in a browser and in a terminal: longer commands are cut, the whole one stands in the JSON file.
WIDEST_COMMAND = 100
Records = dict[str, dict[str, str]]


class Results:
    """The outcome of a run, by row, option and statement."""

    def __init__(self, records: Records) -> None:
        self.records = records
        self.rows = [row for row in ROWS if row.id in records]
        #: Ids of the rows that differ, in their order.
        self.differing = {row.id: None for row in self.rows if records[row.id]["outcome"] != "passed"}
        self.ways = {row.id: usage.ways(row) for row in self.rows}
        self.using: dict[str, list[Comparison]] = defaultdict(list)
        for row in self.rows:
            for key in usage.used(row):
                self.using[key].append(row)

    def same(self, rows: Sequence[Comparison]) -> int:
        return sum(self.records[row.id]["outcome"] == "passed" for row in rows)

    def by_way(self, rows: Sequence[Comparison]) -> dict[str, list[int]]:
        """For each way that occurs, how many rows use it and how many of them were the same."""
        found = {way: [row for row in rows if way in self.ways[row.id]] for way in WAYS}
        return {way: [len(mine), self.same(mine)] for way, mine in found.items() if mine}


def other_tests() -> dict[str, set[str]]:
    """Which directories of other tests name a long option."""
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


def compared_options() -> list[Row]:
    return [option for option in OPTIONS if not OURS.intersection(option.longs)]


def reason(ident: str) -> str:
    """Why a row differs, from the table of known differences."""
    text = KNOWN.get(ident, "").removeprefix("deliberate: ")
    return reason(text[3:].split(";")[0]) if text.startswith("as ") else text


def statement(ident: str) -> str:
    """`TRF-21` of `TRF-21-kinds`, `output-6` of `output-6-owner`, else the first two words."""
    found = re.match(r"[A-Za-z]+-[A-Za-z0-9.]+", ident)
    return found[0] if found else ident


def named_tests() -> dict[str, list[str]]:
    """Test functions by the statement in their names."""
    found: dict[str, list[str]] = defaultdict(list)
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        for name, kind, number in re.findall(r"(?m)^def (test_([a-z]{3})_(\d+)_\w+)", path.read_text()):
            found[f"{kind.upper()}-{int(number)}"].append(name)
    return found


def natural(text: str) -> list[tuple[int, str]]:
    """A key that sorts 9 before 10."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", text)]


def details(results: Results) -> dict[str, object]:
    """What docs/parity.json holds."""
    others = other_tests()
    options = {}
    for option in compared_options():
        mine = results.using[option.key]
        places = set().union(*(others.get(name, set()) for name in option.longs))
        options[spelled(option).replace("`", "")] = {
            "rows": results.by_way(mine),
            "differ": [row.id for row in mine if row.id in results.differing],
            "other tests": sorted(places),
        }
    groups: dict[str, list[str]] = defaultdict(list)
    for row in results.rows:
        groups[statement(row.id)].append(row.id)
    tests = named_tests()
    return {
        "about": "Written by `make parity`. Rows are counted as [all, the same as rsync 3.5.0].",
        "rows": results.by_way(results.rows),
        "differences": {
            ident: {"command": results.records[ident]["command"], "reason": reason(ident)}
            for ident in results.differing
        },
        "options": options,
        "tests of statements": {ident: tests[ident] for ident in IDS if tests[ident]},
        "rows of statements": {name: " ".join(groups[name]) for name in sorted(groups, key=natural)},
    }


def lines_of(tables: dict[str, object]) -> str:
    """*tables* as JSON with one line for each entry of a table, so that a change shows in a diff."""
    parts = []
    for name, table in tables.items():
        if isinstance(table, dict):
            entries = [f"  {json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}" for key, value in table.items()]
            parts.append(f" {json.dumps(name)}: {{\n" + ",\n".join(entries) + "\n }")
        else:
            parts.append(f" {json.dumps(name)}: {json.dumps(table)}")
    return "{\n" + ",\n".join(parts) + "\n}\n"


def shown(command: str) -> str:
    if len(command) > WIDEST_COMMAND:
        command = command[:WIDEST_COMMAND] + "…"
    return command.replace("|", "\\|").replace("`", "'").replace("\n", "\\n")


def option_table(results: Results) -> Iterator[str]:
    yield "| option | rows | same | known differences |"
    yield "|---|--:|--:|---|"
    for option in compared_options():
        mine = results.using[option.key]
        differing = [row.id for row in mine if row.id in results.differing]
        if len(differing) > 3:
            listed = f"{len(differing)}, see above"
        else:
            listed = ", ".join(differing)
        yield f"| {spelled(option)} | {len(mine)} | {results.same(mine)} | {listed} |"


def difference_table(results: Results) -> Iterator[str]:
    """The rows that differ, those with one reason together."""
    by_reason: dict[str, list[str]] = defaultdict(list)
    for ident in results.differing:
        by_reason[reason(ident) or "**not known**"].append(ident)
    yield "| what differs | rows | for example |"
    yield "|---|---|---|"
    for why, idents in by_reason.items():
        command = shown(results.records[idents[0]]["command"])
        yield f"| {why} | {', '.join(idents)} | `{command}` |"


def script_differences() -> Iterator[str]:
    yield "| script | what differs |"
    yield "|---|---|"
    for path in sorted((ROOT / "tests/faults/expected").iterdir()):
        for line in path.read_text().splitlines():
            if line.startswith("## "):
                yield f"| {path.name.removesuffix('.txt')} | {line[3:]} |"


def page(results: Results) -> str:
    ways = "; ".join(f"{good} of {all_} {WAYS[way]}" for way, (all_, good) in results.by_way(results.rows).items())
    faults = sum(not reason(ident) for ident in results.differing)
    purpose = f"{faults} of the rows have no known reason: faults." if faults else "All of them are on purpose."
    count, same = len(results.rows), results.same(results.rows)
    lines = [
        "# Parity with rsync 3.5.0",
        "",
        "Written by `make parity`; do not edit. A row is a tree and one or more command lines. rsync and tain run them",
        "in equal trees. Exit codes, output and the resulting trees are compared ([how](testing.md#a-parity-row)).",
        "",
        f"**{count} rows: {same} the same, {count - same} not.** The same are {ways}.",
        "",
        "`make parity OPTION=--chmod` runs the rows of one option. [parity.json](parity.json) has the whole command of",
        "each difference, and the rows of each option and each statement of the [specification](spec/README.md).",
        "",
        "## Known differences",
        "",
        f"{purpose} [differences.md](differences.md) also lists those that no row shows.",
        "",
        *difference_table(results),
        "",
        "In the scripts of faults (`tests/faults/scripts`):",
        "",
        *script_differences(),
        "",
        "## By option",
        "",
        "A difference counts for every option of its row, whichever option it is about.",
        "",
        *option_table(results),
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    source, target = map(Path, sys.argv[1:3])
    results = Results(json.loads(source.read_text()))
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(page(results))
    target.with_suffix(".json").write_text(lines_of(details(results)))
    print(f"{target}: {len(results.rows)} rows")


if __name__ == "__main__":
    main()
