"""Trajectories and pen strokes become what a sketchpad draws."""

from typing import Any

import numpy as np
import pytest

from hwr import UserError
from hwr.ink.preprocess import to_ink
from hwr.ink.strokes import THICK, THIN, draw, ink, place, random_width, sketch

LINE = [np.array([(20.0, 50.0), (80.0, 50.0)])]


@pytest.mark.parametrize("width", [1, 4, 9, 18])
def test_a_line_has_the_width_of_its_pen_and_round_ends(width: int) -> None:
    ink = draw(LINE, (100, 100), width)
    assert ink[:, 50].sum() / 255 == pytest.approx(width, abs=1)
    reach = np.flatnonzero(ink[50] > 127)
    assert reach[0] == pytest.approx(20 - width / 2, abs=1.5)
    assert reach[-1] == pytest.approx(80 + width / 2, abs=1.5)


def test_strokes_are_antialiased() -> None:
    ink = draw([np.array([(10.0, 10.0), (90.0, 47.0)])], (100, 100), 6)
    assert ((ink > 0) & (ink < 255)).any()


def test_one_point_is_a_round_dot() -> None:
    ink = draw([np.array([(50.0, 50.0)])], (100, 100), 20)
    assert (ink > 127).sum() == pytest.approx(np.pi * 100, rel=0.1)


def test_what_lies_outside_the_canvas_is_cut_off() -> None:
    assert draw([np.array([(-500.0, 50.0), (500.0, 50.0)])], (100, 60), 6).shape == (100, 60)


def test_place_keeps_the_aspect_and_centres() -> None:
    points = place([np.array([(0, 0), (100, 50)])], (10, 20, 40))[0]
    np.testing.assert_allclose(points, [(10, 30), (50, 50)])


def test_a_single_point_can_be_placed_and_sketched() -> None:
    assert sketch([np.array([(7, 7)])], np.random.default_rng(0)).max() == 255


def test_pens_vary_between_thin_and_thick() -> None:
    rng = np.random.default_rng(0)
    widths = [random_width(rng, 100) for _ in range(1000)]
    assert 100 * THIN <= min(widths) < 100 * THIN * 1.1
    assert 100 * THICK * 0.9 < max(widths) <= 100 * THICK


def test_the_same_seed_draws_the_same_picture() -> None:
    first, second = (sketch(LINE, np.random.default_rng(4)) for _ in range(2))
    np.testing.assert_array_equal(first, second)


def drawing(*strokes: dict[str, Any], width: float = 100, height: float = 60) -> dict[str, Any]:
    return {"width": width, "height": height, "strokes": list(strokes)}


def test_strokes_of_a_page_are_drawn_as_a_trajectory_is() -> None:
    line = {"x": [10, 90], "y": [30, 30.5], "t": [0, 16], "pen": 8}
    expected = draw([np.array([(10, 30), (90, 30.5)])], (60, 100), 8)
    np.testing.assert_array_equal(ink(drawing(line)), expected)
    np.testing.assert_array_equal(to_ink(drawing(line)), expected)


def test_an_eraser_takes_away_what_was_drawn_before_and_nothing_after() -> None:
    line, eraser = {"x": [10, 90], "y": [30, 30], "pen": 8}, {"x": [50, 50], "y": [0, 59], "pen": 20, "erases": True}
    erased = ink(drawing(line, eraser))
    assert erased[:, 45:55].max() == 0
    assert erased[30, 20] == 255
    np.testing.assert_array_equal(ink(drawing(line, eraser, line)), ink(drawing(line)))


def test_a_large_canvas_is_drawn_smaller() -> None:
    assert ink(drawing({"x": [0], "y": [0], "pen": 9}, width=4000, height=1000)).shape == (256, 1024)


def test_no_strokes_are_nothing() -> None:
    assert to_ink(drawing()) is None


@pytest.mark.parametrize(
    "given",
    [
        {"strokes": []},
        {"strokes": [], "width": "100", "height": 60},
        {"strokes": [], "width": float("nan"), "height": 60},
        {"strokes": [], "width": 10**9, "height": 60},
        {"strokes": 5, "width": 100, "height": 60},
        drawing({"x": [1, 2], "y": [1], "pen": 5}),
        drawing({"x": [], "y": [], "pen": 5}),
        drawing({"x": [[1]], "y": [[1]], "pen": 5}),
        drawing({"x": [None], "y": [1], "pen": 5}),
        drawing({"x": [float("inf")], "y": [1], "pen": 5}),
        drawing({"x": [1], "y": [1], "pen": 0}),
        drawing({"x": [1], "y": [1]}),
        drawing(*[{"x": [1] * 6000, "y": [1] * 6000, "pen": 5}] * 9),
    ],
)
def test_what_is_no_drawing_is_refused_with_a_sentence(given: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=r"drawing|stroke"):
        ink(given)
