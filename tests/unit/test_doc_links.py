"""Every link in the documents leads to a file and heading that exist; README.md leads to every page."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from urllib.parse import unquote

import pytest

from tests.programs import ROOT

PAGES = sorted(
    path
    for pattern in ("*.md", "docs/**/*.md", "tests/**/*.md", "bench/*.md", "packaging/**/*.md")
    for path in ROOT.glob(pattern)
)


def prose(page: Path) -> str:
    """The text of a page without code."""
    text = re.sub(r"(?ms)^```.*?^```", "", page.read_text())
    return re.sub(r"`[^`\n]*`", lambda match: match[0] if "](" in match[0] else "code", text)


@cache
def links(page: Path) -> tuple[str, ...]:
    found = re.findall(r"\]\(([^)\s]+)\)|<img [^>]*src=\"([^\"]+)\"|srcset=\"([^\"]+)\"", prose(page))
    return tuple(next(filter(None, groups)) for groups in found)


@cache
def anchors(page: Path) -> frozenset[str]:
    """What GitHub makes of the headings of a page."""
    text = re.sub(r"(?ms)^```.*?^```", "", page.read_text())
    headings = re.findall(r"(?m)^#+ +(.+?) *#*$", text)
    plain = [re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading) for heading in headings]
    return frozenset(re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in plain)


def target(page: Path, link: str) -> tuple[Path, str]:
    path, _, anchor = unquote(link).partition("#")
    return (page.parent / path).resolve() if path else page, anchor


@pytest.mark.parametrize("page", [pytest.param(page, id=str(page.relative_to(ROOT))) for page in PAGES])
def test_links_lead_somewhere(page: Path) -> None:
    broken = []
    for link in links(page):
        if re.match(r"[a-z]+:", link):
            continue
        path, anchor = target(page, link)
        if (
            not path.exists()
            or not path.is_relative_to(ROOT)
            or (anchor and path.suffix == ".md" and anchor not in anchors(path))
        ):
            broken.append(link)
    assert broken == []


def test_every_page_is_reached_from_the_front() -> None:
    reached = {ROOT / "README.md"}
    ahead = list(reached)
    while ahead:
        page = ahead.pop()
        for link in links(page):
            path, _ = target(page, link)
            if path in PAGES and path not in reached:
                reached.add(path)
                ahead.append(path)
    documents = [page for page in PAGES if page.is_relative_to(ROOT / "docs") or page.parent == ROOT]
    assert [str(page.relative_to(ROOT)) for page in documents if page not in reached] == []
