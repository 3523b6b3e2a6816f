"""What the code and its tests cite of docs/spec exists: documents, sections, steps, and ids of the checklists."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.programs import ROOT

SPEC = ROOT / "docs/spec"
#: Longest names first, so that `protocol-old` is not read as `protocol`.
DOCUMENTS = sorted((path.stem for path in SPEC.glob("*.md") if path.stem != "README"), key=len, reverse=True)
KINDS = ("DMN", "FLT", "OPT", "OUT", "PRO", "SEC", "SECT", "TRF")

_DOCUMENT = "|".join(DOCUMENTS)
_NUMBER = r"\d+(?:\.\d+)*"
_LIST = rf"{_NUMBER}(?:(?:, | and | to ){_NUMBER}(?![\w-]))*"
#: A comment's line end, with what begins the next line.
_BREAK = re.compile(r"\n *(?:#:?|//[/!]?)? *")
#: In parentheses a citation may run over several lines; without them it ends with its line. `spec: HostSpec` is a type.
_CITATION = re.compile(r"(?:\([^()\n]*\bspec:\s(?![A-Z][a-z])([^()]*)\)|\bspec: (?![A-Z][a-z])([^\n)\"]*))")
_SECTIONS = re.compile(rf"(?<![\w-])({_DOCUMENT}) ({_LIST})(?:, (?:steps?|rules?) ({_LIST}))?")
_WITHIN = re.compile(rf"(?<![\w-])({_DOCUMENT})\.md(?:`|\]\([^)]*\))?,? §?({_NUMBER})")
_ID = re.compile(rf"(?<![A-Za-z0-9])({'|'.join(KINDS)})-0*(\d+)(?![\w.])")
_NAME = re.compile(rf"\b(?:test_)?({'|'.join(kind.lower() for kind in KINDS)})_0*(\d+)(?=_|\b)")


@cache
def sections(document: str) -> frozenset[str]:
    """Numbers of the headings of a document, appendices left out."""
    return frozenset(re.findall(rf"(?m)^#+ ({_NUMBER})[. ]", (SPEC / f"{document}.md").read_text()))


@cache
def steps(document: str, section: str) -> frozenset[str]:
    """Numbers of the list items, and of the rows of numbered tables, of one section without its subsections."""
    text = (SPEC / f"{document}.md").read_text()
    found = re.search(rf"(?ms)^#+ {re.escape(section)}[. ].*?(?=^#+ \d|\Z)", text)
    return frozenset(re.findall(r"(?m)^(?:\| )?(\d+)[. ]", found[0] if found else ""))


@cache
def ids() -> frozenset[str]:
    """Ids of all checklists, and of the requirements of security.md."""
    text = "\n".join(path.read_text() for path in SPEC.glob("*.md"))
    found = re.findall(rf"(?m)^- \*\*((?:{'|'.join(KINDS)})-\d+)\*\*|^\| (SEC-\d+) \|", text)
    return frozenset(first or second for first, second in found)


def sources() -> list[Path]:
    paths = [
        path
        for place, kinds in {"src": ("py", "pyi"), "crates": ("rs",), "tests": ("py",), "docs": ("md",)}.items()
        for kind in kinds
        for path in (ROOT / place).rglob(f"*.{kind}")
    ]
    return sorted(path for path in paths if path != Path(__file__))


def faults(text: str) -> Iterator[str]:
    """What *text* cites and nothing has."""
    for inside, line in _CITATION.findall(text):
        citation = _BREAK.sub(" ", "\n" + (inside or line)).strip()
        if not re.match(rf"(?:{_DOCUMENT})(?![\w-])", citation):
            yield f"spec: {citation} names no document"
        for document, numbers, items in _SECTIONS.findall(citation):
            found = re.findall(_NUMBER, numbers)
            yield from (f"{document} {number}" for number in found if number not in sections(document))
            for item in re.findall(_NUMBER, items):
                if item not in steps(document, found[-1]):
                    yield f"{document} {found[-1]}, step {item}"
    for kind, number in [*_ID.findall(text), *_NAME.findall(text)]:
        if f"{kind.upper()}-{number}" not in ids():
            yield f"{kind.upper()}-{number}"


@pytest.mark.parametrize("path", [pytest.param(path, id=str(path.relative_to(ROOT))) for path in sources()])
def test_citations_lead_somewhere(path: Path) -> None:
    assert sorted(set(faults(path.read_text()))) == []


@pytest.mark.parametrize("document", DOCUMENTS)
def test_documents_cite_each_other_rightly(document: str) -> None:
    text = (SPEC / f"{document}.md").read_text()
    missing = [f"{other} {number}" for other, number in _WITHIN.findall(text) if number not in sections(other)]
    missing += [
        f"§{number}" for number in re.findall(rf"(?<!md )§({_NUMBER})", text) if number not in sections(document)
    ]
    assert missing == []


@pytest.mark.parametrize("document", DOCUMENTS)
def test_ids_are_given_once(document: str) -> None:
    found = re.findall(r"(?m)^- \*\*([A-Z]+-\d+)\*\*", (SPEC / f"{document}.md").read_text())
    assert len(found) == len(set(found))


def test_what_is_wrong_is_found() -> None:
    text = "spec: people 3) (spec: transfer 99.1, 2) (spec: daemon 4, step 77) (spec: filters 2, rule 1)"
    text += " TRF-999-x test_pro_0 (as rsync; spec:\n    /// transfer 3,\n    /// 98)"
    assert set(faults(text)) == {
        "spec: people 3 names no document",
        "transfer 98",
        "transfer 99.1",
        "daemon 4, step 77",
        "filters 2, step 1",
        "TRF-999",
        "PRO-0",
    }
