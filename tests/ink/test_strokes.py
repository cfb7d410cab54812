"""strokes.py: trajectories become what the sketchpad would have drawn."""

import numpy as np
import pytest

from hwr.ink.strokes import THICK, THIN, draw, place, random_width, sketch

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
