"""hwr/reading/views.py: a second look at doubtful characters."""

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from hwr.ink.picture import Gray
from hwr.reading import views

SIZE = 64


def bar(angle: float = 0.0, length: int = 40) -> Gray:
    """An upright bar in the middle, turned clockwise by degrees."""
    upright = np.zeros((SIZE, SIZE), np.float32)
    middle = (SIZE - 1) / 2
    turn = cv2.getRotationMatrix2D((middle, middle), -angle, 1.0)
    upright[(SIZE - length) // 2 : (SIZE + length) // 2, SIZE // 2 - 4 : SIZE // 2 + 4] = 255
    return cv2.warpAffine(upright, turn, (SIZE, SIZE)).astype(np.uint8)


def lean(picture: Gray) -> float:
    """How far its principal axis is from upright, clockwise, in degrees."""
    y, x = np.nonzero(picture > 127)
    along = np.linalg.eigh(np.cov(x, y))[1][:, 1]
    return float(np.rad2deg(np.arctan(along[0] / -along[1])))


def test_views_are_smaller_around_the_same_middle_and_lean_either_way() -> None:
    found = [views.changed(bar()[None], change)[0] for change in views.CHANGES]
    assert sorted(map(lean, found)) == pytest.approx([-8.5, -6, 6, 8.5], abs=0.7)  # 8.5: the arc tangent of SLANT
    for one in found:
        y, x = np.nonzero(one > 127)
        assert (y.mean(), x.mean()) == pytest.approx(((SIZE - 1) / 2, (SIZE - 1) / 2), abs=0.1)
        assert np.ptp(y) + 1 == pytest.approx(40 * views.SMALLER, abs=2)
    assert found[0].dtype == np.uint8


def test_a_turn_is_undone_by_its_opposite() -> None:
    there, back = (np.linalg.inv(views.SMALLER * np.eye(2)) @ change for change in views.CHANGES[:2])
    again = views.changed(views.changed(bar()[None], there), back)[0]
    assert np.abs(again.astype(int) - bar()).mean() < 3


def test_doubtful_pictures_get_the_mean_of_all_views_and_others_stay() -> None:
    classes = np.array([[0.6, 0.4], [0.99, 0.01], [0.3, 0.7]], np.float32)
    seen = np.stack([bar(), bar(10), bar(20)])
    said = np.random.default_rng(0).dirichlet([1, 1], len(views.CHANGES) * 2).astype(np.float32)
    asked = []

    def ask(pictures: Gray) -> NDArray[np.float32]:
        asked.append(pictures)
        return said

    found = views.settled(classes, seen, np.array([0, 2]), ask)
    assert len(asked) == 1
    assert asked[0].shape == (8, SIZE, SIZE)
    for row, place in ((0, 0), (2, 1)):
        each = [said[2 * i + place] for i in range(len(views.CHANGES))]
        assert found[row] == pytest.approx(np.mean([classes[row], *each], axis=0), abs=1e-6)
        for i, change in enumerate(views.CHANGES):
            assert (asked[0][2 * i + place] == views.changed(seen[[row]], change)[0]).all()
    assert (found[1] == classes[1]).all()
    assert classes[0, 0] == np.float32(0.6)  # what was given stays as it was


def test_where_nothing_is_doubtful_nothing_is_asked() -> None:
    classes = np.array([[0.995, 0.005]], np.float32)

    def ask(pictures: Gray) -> NDArray[np.float32]:
        raise AssertionError(f"asked for {len(pictures)} pictures")

    assert (views.settled(classes, bar()[None], np.array([], np.int64), ask) == classes).all()
