"""benchmarks/: what the README's figures are measured with."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks import accuracy, robustness, speed
from hwr import Recognizer, sources
from hwr.config import DIGITS

PENS = Path(__file__).parent / "data" / "pens.npz"


def test_accuracy_counts_the_right_answers_of_the_asked_classes(recognizer: Recognizer) -> None:
    digits = accuracy.Row("digits", "sample", "digits", DIGITS)
    measured = accuracy.measure(recognizer, digits, Path())
    source = sources.read("sample", "test", Path())
    rows = np.flatnonzero(source.labels < 10)
    found = recognizer.probabilities([source.ink(i) for i in rows], "digits").argmax(1)
    assert measured["n"] == len(rows) == 1000
    assert measured["accuracy"] == pytest.approx((found == source.labels[rows]).mean())
    assert measured["accuracy_low"] < measured["accuracy"] < measured["accuracy_high"]


@pytest.mark.parametrize(("label", "answer"), [("7", 7), ("A", 10), ("a", 36), ("c", 12), ("C", 12), ("?", None)])
def test_merged_classes_lose_the_case_that_emnist_drops(label: str, answer: int | None) -> None:
    assert accuracy.answer_of(label, tuple(accuracy.MERGED)) == answer


def test_trajectories_are_sketches_anywhere_on_the_canvas() -> None:
    source = sources.read(str(PENS), "test", Path())
    corners = []
    for i in range(40):
        sketch = accuracy.picture(source, i)
        assert sketch.shape == (accuracy.CANVAS, accuracy.CANVAS)
        assert sketch[0].min() == sketch[-1].min() == sketch[:, 0].min() == sketch[:, -1].min() == 255, "cut off"
        corners.append([side.min() for side in np.nonzero(sketch < 128)])
    assert np.ptp(corners, axis=0).min() > 80


def test_every_way_to_draw_gives_dark_ink_on_light_paper_of_its_size() -> None:
    source = sources.read(str(PENS), "test", Path())
    assert source.trajectory is not None
    for name, drawing in robustness.ways():
        picture = robustness.draw(source.trajectory(3), drawing, seed=3)
        assert picture.shape == (drawing.canvas, drawing.canvas), name
        assert np.median(picture) > float(picture.min()) + 20, name


def test_tilt_is_clockwise() -> None:
    up = np.array([[0, 0], [0, -10]])  # y grows downwards
    np.testing.assert_allclose(robustness.turned(up, 90)[1], [10, 0], atol=1e-9)


def test_speed_compares_in_pairs() -> None:
    calls: list[str] = []
    first, second = speed.pairs(lambda: calls.append("a"), lambda: calls.append("b"), 5)
    assert "".join(calls) == "ab" * 25
    assert first >= 0 <= second
    assert Recognizer.from_pretrained().top_k(speed.editor_value(), 1, "digits").keys() == {"7"}
