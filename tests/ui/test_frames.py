"""UI-4: the block at several widths equals files. ``python -m tests.ui.test_frames`` writes them again."""

from __future__ import annotations

from pathlib import Path

import pyte
import pytest
from rich.cells import cell_len

from tain.report.bar import ASCII, UNICODE, Frame, Glyphs, cut, filled
from tain.report.meter import Current, Shown

HERE = Path(__file__).parent / "frames"
WIDTHS = (20, 39, 40, 60, 80, 200)

COPY = Shown(
    state="copy", fraction=0.3825, at_most=True, done=4_710_000_000, total=12_400_000_000, rate=108e6, left=71,
    silence=0, entries=21632, listed_bytes=41_300_000_000, files=1204, checked=18322, deleted=201, errors=2,
    name=b"www/img/a.jpg", current=None,
)  # fmt: skip

CASES: dict[str, tuple[Shown, Glyphs]] = {
    "copy": (COPY, UNICODE),
    "decided": (COPY.replace(at_most=False, errors=0), UNICODE),
    "ascii": (COPY, ASCII),
    "scan": (COPY.replace(state="scan", fraction=None, left=None, files=312, done=1_100_000_000, rate=96.4e6,
                           errors=0, name="www/그림/2019".encode()), UNICODE),
    "hangul": (COPY.replace(name="www/그림/아주 긴 이름의 파일입니다 정말로 아주 긴 이름.jpg".encode()), UNICODE),
    "invalid": (COPY.replace(name=b"www/\x1b[31m\xff.jpg"), UNICODE),
    "file": (
        COPY.replace(current=Current(name=b"www/img/tour.mp4", size=1_900_000_000, fraction=0.61, left=7)),
        UNICODE,
    ),
    "wait": (COPY.replace(state="wait", silence=242), UNICODE),
    "tidy": (COPY.replace(state="tidy", fraction=0.999), UNICODE),
    "end": (COPY.replace(state="end", fraction=0.999), UNICODE),
    "check": (COPY.replace(state="check", fraction=0.61), UNICODE),
}  # fmt: skip


def drawn(case: str, width: int) -> list[str]:
    shown, glyphs = CASES[case]
    frame = Frame(shown, width, glyphs=glyphs, step=2, host="backup1", timeout=300)
    return [line.plain for line in frame.lines()]


def document(case: str) -> str:
    parts = [f"--- {width} columns\n" + "".join(line + "\n" for line in drawn(case, width)) for width in WIDTHS]
    return "".join(parts)


@pytest.mark.parametrize("case", CASES)
def test_frames_equal_their_files(case: str) -> None:
    assert document(case) == (HERE / f"{case}.txt").read_text()


@pytest.mark.parametrize("width", range(130))
def test_no_line_reaches_the_last_column(width: int) -> None:
    for case in CASES:
        for line in drawn(case, width):
            assert cell_len(line) < max(width, 1), (case, line)


def test_names_of_wide_letters_end_in_the_same_column() -> None:
    """As a terminal shows them: the last cell of the name is that of a narrow name."""
    ends = set()
    for case in ("copy", "scan", "hangul"):
        screen = pyte.Screen(80, 4)
        pyte.Stream(screen).feed("\r\n".join(drawn(case, 80)))
        row = 0 if case == "scan" else 1
        ends.add(max(column for column in range(80) if screen.buffer[row][column].data not in (" ",)))
    # The second half of a wide letter is an empty cell; these names end in a narrow letter.
    assert ends == {76}


@pytest.mark.parametrize("room", range(1, 30))
def test_cut_names_fit(room: int) -> None:
    for name in ("www/img/a-long-name.jpg", "그림/아주 긴 이름의 파일.jpg"):
        assert cell_len(cut(name, room)) <= room
    assert cut("short", 5) == "short"


def test_the_bar_grows_in_eighths() -> None:
    assert filled(0, 3, UNICODE.steps) == "   "
    assert filled(1, 3, UNICODE.steps) == "███"
    assert filled(1 / 24, 3, UNICODE.steps) == "▏  "
    widths = [filled(part / 240, 3, UNICODE.steps) for part in range(241)]
    assert all(len(bar) == 3 for bar in widths)
    assert len(set(widths)) == 25


if __name__ == "__main__":
    for name in CASES:
        (HERE / f"{name}.txt").write_text(document(name))
