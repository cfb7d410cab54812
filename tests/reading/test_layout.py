"""hwr/reading/layout.py: lines of writing on a page."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from hwr.reading.layout import lines_of

Gray = NDArray[np.uint8]


def page(*texts: tuple[str, int, int], size: tuple[int, int] = (400, 700)) -> Gray:
    """Words at (x, y) of their baselines, in a drawn font."""
    ink = np.zeros(size, np.uint8)
    for text, x, y in texts:
        cv2.putText(ink, text, (x, y), cv2.FONT_HERSHEY_SCRIPT_SIMPLEX, 2, 255, 4)
    return ink


def test_an_empty_page_has_no_lines() -> None:
    assert lines_of(np.zeros((50, 80), np.uint8)) == []


def test_lines_come_from_top_to_bottom_and_hold_their_own_ink_alone() -> None:
    ink = page(("second", 30, 300), ("first", 60, 100))
    lines = lines_of(ink)
    assert len(lines) == 2
    assert lines[0].box[3] < lines[1].box[1]
    assert sum(int((line.ink > 127).sum()) for line in lines) == int((ink > 127).sum())


def test_a_descender_that_reaches_into_the_next_line_stays_in_its_own() -> None:
    ink = page(("goggy", 30, 120), ("hello", 330, 190))
    lines = lines_of(ink)
    assert len(lines) == 2
    tops = [line.box[1] for line in lines]
    assert tops == sorted(tops)


def test_words_far_apart_at_one_height_are_one_line() -> None:
    assert len(lines_of(page(("one", 20, 150), ("two", 480, 150)))) == 1


def test_a_rising_line_is_turned_level() -> None:
    ink = page(("e e e e e e", 40, 200))
    turned = cv2.warpAffine(ink, np.array([[1.0, 0, 0], [-0.15, 1, 60]]), (700, 400))
    (line,) = lines_of(np.asarray(turned, np.uint8))
    columns = np.array([np.mean(np.flatnonzero(column > 127)) for column in line.ink.T if (column > 127).any()])
    assert line.slope < -0.1
    assert abs(np.polyfit(np.arange(len(columns)), columns, 1)[0]) < 0.03


def test_specks_are_no_lines() -> None:
    ink = page(("word", 100, 200))
    ink[20, 20] = ink[380, 600] = 255
    assert len(lines_of(ink)) == 1
