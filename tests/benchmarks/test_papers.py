"""benchmarks/papers.py and pages.py: photographed pages, and how their lines are counted."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks import pages, papers
from hwr.data.lines.composing import Hand


@pytest.mark.parametrize(
    ("lines", "right"),
    [
        (["12", "34", "56"], [True, True, True]),
        (["34", "12", "56"], [True, False, True]),
        (["12", "99", "56"], [True, False, True]),
        ([], [False, False, False]),
    ],
)
def test_lines_count_where_they_stand_in_the_order_of_the_page(lines: list[str], right: list[bool]) -> None:
    found = papers.in_order(["12", "34", "56"], lines)
    assert sum(found) == sum(right)


@pytest.mark.parametrize("name", ["note on a desk", "red boxes of a form"])
def test_pages_show_one_writers_lines(name: str) -> None:
    strokes = [np.array([(0, 0), (10, 0), (3, 20)], np.float32)]
    hand = Hand(characters={digit: [strokes] for digit in "0123456789"}, capital=20, small=12)
    row = next(row for row in pages.ROWS if row.name == name)
    truth, photo = next(pages.pages(row, [hand], range(7, 8)))
    assert len(truth) == pages.LINES and all(line.isdecimal() for line in truth)
    assert photo.shape == (*pages.PAGE, 3)


def test_the_table_shows_intervals_and_the_peer_where_it_was_asked() -> None:
    row = {"n": 60, "right": 0.9, "right_low": 0.8, "right_high": 0.95}
    table = papers.table({"plain": {"hwr": row}})
    assert table.endswith("| plain | 60 | 90% (80% to 95%) | not run |")
