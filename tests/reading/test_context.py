"""hwr/reading/context.py: what the neighbours in a line say of a character."""

import numpy as np
import pytest
from numpy.typing import NDArray

from hwr.config import DIGITS, LOWER, UPPER
from hwr.reading import context

LABELS = DIGITS + UPPER + LOWER
MANNER = context.manner(LABELS)


def chances(*of: dict[str, float]) -> NDArray[np.float32]:
    """Probabilities (N, C) of characters: those named, the rest spread over all classes."""
    rows = np.zeros((len(of), len(LABELS)), np.float32)
    for row, named in zip(rows, of, strict=True):
        row[:] = (1 - sum(named.values())) / len(LABELS)
        for name, share in named.items():
            row[LABELS.index(name)] += np.float32(share)
    return rows


def settled(classes: NDArray[np.float32], heights: list[float], begins: str = "") -> str:
    """The best answers; ``begins`` has a space where a character goes on with its word."""
    starts = [mark != " " for mark in begins.ljust(len(heights))] if begins else [i == 0 for i in range(len(heights))]
    found = context.settled(classes, heights, starts, MANNER)
    assert found.shape == classes.shape
    np.testing.assert_allclose(found.sum(axis=1), 1)
    return "".join(LABELS[i] for i in found.argmax(axis=1))


ROUND = {"O": 0.5, "0": 0.3, "o": 0.19}


def test_an_o_among_digits_is_a_zero_and_among_capitals_a_letter() -> None:
    two, six, h, e = ({name: 0.99} for name in "26HE")
    assert settled(chances(two, ROUND, two, six), [80, 80, 80, 80]) == "2026"
    assert settled(chances(h, e, ROUND, h), [80, 80, 80, 80]) == "HEOH"


def test_a_low_loop_among_small_letters_is_an_e_and_a_high_one_an_l() -> None:
    loop = {"e": 0.5, "l": 0.49}
    n, d = {"n": 0.99}, {"d": 0.99}
    assert settled(chances(n, loop, d, loop), [40, 40, 74, 72]) == "nedl"


def test_kinds_and_heights_do_not_reach_over_the_gap_between_words_and_over_lines_of_one_character() -> None:
    two, h = {"2": 0.99}, {"H": 0.99}
    unsure = {"O": 0.6, "0": 0.39}
    assert settled(chances(h, h, unsure, two), [80] * 4, "^ ^ ") == "HH02"
    alone = chances(unsure)
    np.testing.assert_array_equal(context.settled(alone, [80], [True], MANNER), alone)


def test_a_capital_before_small_letters_stays_one() -> None:
    c, a, t = {"C": 0.6, "c": 0.39}, {"a": 0.99}, {"t": 0.99}
    assert settled(chances(c, a, t), [66, 40, 68]) == "Cat"
    assert settled(chances(c, a, t), [40, 40, 68]) == "cat"


def test_classes_that_are_no_answers_stay_impossible_and_the_rest_may_be_overruled() -> None:
    rows = chances({"2": 0.99}, {"O": 0.9}, {"2": 0.99})
    rows[:, [LABELS.index(name) for name in UPPER + LOWER]] = 0
    rows /= rows.sum(axis=1, keepdims=True)
    found = context.settled(rows, [80, 40, 80], [True, False, False], MANNER)
    assert (found[:, [LABELS.index(name) for name in UPPER + LOWER]] == 0).all()
    sure = chances({"2": 1.0}, {"O": 1.0}, {"2": 1.0}, {"6": 1.0})
    assert settled(sure, [80] * 4) == "2O26", "neighbours do not outweigh what is certain"


@pytest.mark.parametrize("scale", [0.01, 1.0, 500.0])
def test_the_size_of_the_writing_does_not_matter(scale: float) -> None:
    rows = chances({"n": 0.9}, {"e": 0.5, "l": 0.49}, {"d": 0.9})
    heights = [40.0, 42.0, 75.0]
    starts = [True, False, False]
    expected = context.settled(rows, heights, starts, MANNER)
    np.testing.assert_allclose(context.settled(rows, [scale * h for h in heights], starts, MANNER), expected, atol=1e-9)


def test_names_that_are_no_letters_have_no_height_and_a_kind_of_their_own() -> None:
    known = context.manner(("heart", "+", "a", "7"))
    assert known.kind.tolist() == [3, 3, 2, 0]
    assert np.isnan(known.height[:2]).all()
    rows = np.array([[0.6, 0.2, 0.1, 0.1], [0.5, 0.4, 0.05, 0.05]], np.float32)
    assert context.settled(rows, [10, 90], [True, False], known).argmax(axis=1).tolist() == [0, 0]
    signs = context.manner(("heart", "star"))
    np.testing.assert_allclose(context.settled(rows[:, :2], [10, 90], [True, False], signs).argmax(axis=1), [0, 0])


def test_a_long_line_of_two_sizes_is_no_numbers_trouble() -> None:
    rows = np.repeat(chances({"n": 0.9}, {"D": 0.9}), 300, axis=0)
    heights = [4.0] * 300 + [400.0] * 300
    found = context.settled(rows, heights, [i == 0 for i in range(600)], MANNER)
    assert np.isfinite(found).all()
    assert {LABELS[i] for i in found.argmax(axis=1)} == {"n", "D"}
