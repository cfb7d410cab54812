"""hwr/reading/segment.py: ink in pieces, lines from top to bottom, pieces from left to right."""

import cv2
import numpy as np
import pytest

from hwr.ink import strokes
from hwr.ink.picture import Gray
from hwr.reading import segment

ONE = [[(0, 0), (0, 80)]]
DOT = [[(0, -20)]]
BARS = [[(0, 30), (50, 30)], [(0, 50), (50, 50)]]


def drawn(*placed: tuple[list[list[tuple[int, int]]], int, int], size: tuple[int, int] = (300, 400)) -> Gray:
    """Shapes, each moved by (x, y), drawn with a pen of 8 pixels."""
    moved = [np.array(stroke) + np.array((x, y)) for shape, x, y in placed for stroke in shape]
    return strokes.draw(moved, size, 8)


def test_nothing_has_no_pieces() -> None:
    found = segment.pieces(np.zeros((30, 40), np.uint8))
    assert found.lines == ()
    assert len(found.boxes) == 1


def test_pieces_are_numbered_from_left_to_right_and_their_boxes_are_around_their_ink() -> None:
    found = segment.pieces(drawn((ONE, 200, 50), (ONE, 50, 60), (ONE, 120, 40)))
    assert [line.pieces for line in found.lines] == [range(1, 4)]
    assert sorted(found.boxes[1:, 0].tolist()) == found.boxes[1:, 0].tolist()
    for piece in (1, 2, 3):
        x, y, width, height = cv2.boundingRect((found.owner == piece).astype(np.uint8))
        assert found.box(piece, piece) == (x, y, x + width, y + height)
    assert found.lines[0].height == pytest.approx(88, abs=2)


def test_lines_come_from_top_to_bottom_even_if_they_rise() -> None:
    rising = [(ONE, 40 + 70 * i, 40 - 8 * i) for i in range(5)]
    found = segment.pieces(drawn(*[(shape, x, y + 130) for shape, x, y in rising], *rising))
    assert [len(line.pieces) for line in found.lines] == [5, 5]
    assert found.box(1, 5)[1] < found.box(6, 10)[1]


def test_a_dot_belongs_to_the_line_of_its_letter() -> None:
    first, second = (ONE, 60, 40), (ONE, 60, 180)
    found = segment.pieces(drawn(first, second, (DOT, 60, 180), (ONE, 130, 40), (ONE, 130, 180)))
    assert [len(line.pieces) for line in found.lines] == [2, 3]


def test_two_bars_above_each_other_are_in_one_line() -> None:
    found = segment.pieces(drawn((BARS, 60, 60), size=(160, 160)))
    assert [len(line.pieces) for line in found.lines] == [2]


def test_dirt_is_no_piece() -> None:
    ink = drawn((ONE, 60, 40), size=(160, 160))
    ink[10, 10] = 255
    assert len(segment.pieces(ink).boxes) == 2


def test_the_rim_of_the_paper_is_no_piece_but_a_lone_stroke_at_the_edge_is() -> None:
    ink = drawn((ONE, 60, 40), size=(160, 160))
    rim = np.zeros_like(ink)
    rim[:, :6] = 255
    assert len(segment.pieces(np.maximum(ink, rim)).boxes) == 2
    assert len(segment.pieces(rim).boxes) == 2


def test_a_shadow_at_the_edge_and_its_crumbs_are_no_pieces_and_do_not_widen_the_pen() -> None:
    ink = drawn((ONE, 60, 40), (ONE, 120, 40), size=(200, 240))
    ink[:, 220:][60:] = 255
    ink[70:74, 214:218] = 255
    ink[180:, 150:] = 255
    found = segment.pieces(ink)
    assert len(found.boxes) == 3
    assert found.box(1, 2)[2] < 150
    assert len(segment.pieces(drawn((ONE, 4, 40), (ONE, 60, 40), size=(160, 160))).boxes) == 3, "a stroke at the edge"


def test_a_stroke_wide_enough_for_two_is_cut_and_a_narrow_one_is_not() -> None:
    h = [[(0, 0), (0, 80)], [(0, 40), (50, 40)], [(50, 0), (50, 80)]]
    touching = segment.pieces(drawn((h, 60, 60), (h, 110, 60), size=(200, 250)))
    assert len(touching.boxes) > 3
    assert any(joint.cut for joint in touching.lines[0].joints)
    assert len(segment.pieces(drawn((ONE, 60, 60), size=(200, 160))).boxes) == 2
    owned = touching.owner > 0
    assert owned.sum() == (touching.ink >= segment.EDGE * 255).sum(), "no ink is lost by cutting"


def test_a_crop_has_its_own_pieces_and_nothing_of_others() -> None:
    found = segment.pieces(drawn((ONE, 60, 60), (ONE, 75, 100), size=(250, 160)))
    crops = [found.crop(piece, piece) for piece in (1, 2)]
    assert sum(int((crop > 127).sum()) for crop in crops) == int((found.ink > 127).sum())


def test_gaps_are_in_heights_of_the_line() -> None:
    found = segment.pieces(drawn((ONE, 60, 60), (ONE, 148, 60), size=(200, 250)))
    assert found.lines[0].joints[1].gap == pytest.approx(80 / 88, abs=0.05)
    assert not found.lines[0].joints[1].cut


def test_pages_of_print_are_cut_off_at_the_largest_pieces() -> None:
    ink = np.zeros((600, 600), np.uint8)
    for y in range(5, 600, 20):
        for x in range(5, 600, 20):
            ink[y : y + 8, x : x + 4] = 255
    assert len(segment.pieces(ink).boxes) == segment.MOST_PIECES + 1
