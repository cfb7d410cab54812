"""Which ink an answer hangs on."""

from __future__ import annotations

import numpy as np
import pytest

from hwr import Recognizer, UserError
from hwr.ink import strokes
from hwr.ink.picture import Gray
from hwr.saliency import GRID, erased, occlusion

TAIL = [(175, 170), (215, 225)]  # pixels: what makes a Q of an O


def letter(*more: list[tuple[int, int]]) -> Gray:
    """An O, and what comes to it: black on white."""
    turns = np.linspace(0, 2 * np.pi, 40)
    circle = np.stack([140 + 80 * np.cos(turns), 140 + 90 * np.sin(turns)], 1)
    return np.subtract(255, strokes.draw([circle, *map(np.array, more)], (280, 280), 16), dtype=np.uint8)


def seen_by(recognizer: Recognizer, picture: Gray) -> Gray:
    seen = recognizer.see(picture)
    assert seen is not None
    return seen


def test_what_makes_a_q_of_an_o_is_its_tail(recognizer: Recognizer) -> None:
    seen = seen_by(recognizer, letter(TAIL))
    assert recognizer.answer(seen, 1, "letters").probabilities.keys() == {"Q"}
    found = recognizer.saliency(seen, "Q", "letters")
    assert found.dtype == np.float32
    assert found.shape == seen.shape
    half = len(seen) // 2
    assert found[half:, half:].sum() > 0.5 * found.sum()


def test_another_answer_hangs_on_other_ink(recognizer: Recognizer) -> None:
    seen = seen_by(recognizer, letter(TAIL))
    q, o = (recognizer.saliency(seen, label, "letters") for label in "QO")
    half = len(seen) // 2
    assert o[half:, half:].sum() / o.sum() < q[half:, half:].sum() / q.sum()


def test_erasing_what_matters_most_costs_more_than_erasing_other_ink(recognizer: Recognizer) -> None:
    seen = seen_by(recognizer, letter(TAIL))
    order = np.argsort(recognizer.saliency(seen, "Q", "letters"), axis=None)
    ink = order[seen.reshape(-1)[order] > 0]
    column = recognizer.labels("letters").index("Q")

    def without(pixels: np.ndarray) -> float:
        left = seen.copy().reshape(-1)
        left[pixels] = 0
        return recognizer.answer(left.reshape(seen.shape), 26, "letters").probabilities[
            recognizer.labels("letters")[column]
        ]

    tenth = len(ink) // 10
    assert without(ink[-tenth:]) < without(ink[:tenth])


def test_paper_never_matters_and_nothing_helps_by_being_there_where_the_answer_is_constant() -> None:
    seen = np.zeros((48, 48), np.uint8)
    seen[10:20, 10:20] = 255
    mass = occlusion(seen, lambda pictures: (1 + pictures.sum((1, 2), dtype=np.float32)) / 1e6)
    assert mass[seen == 0].max() == 0 < mass[seen > 0].min()
    assert not occlusion(seen, lambda pictures: np.full(len(pictures), 0.5, np.float32)).any()


@pytest.mark.parametrize("side", [16, 32, 48, 61])
def test_every_pixel_is_erased_at_least_once_and_never_all_at_once(side: int) -> None:
    pieces = erased(np.full((side, side), 9, np.uint8))
    assert pieces.shape == (GRID * GRID, side, side)
    assert (pieces == 0).any(0).all()
    assert (pieces == 9).any((1, 2)).all()


def test_an_unknown_answer_is_refused_by_name(recognizer: Recognizer) -> None:
    with pytest.raises(UserError, match=r"'é' is no answer of the alphabet 'digits'.*7"):
        recognizer.saliency(seen_by(recognizer, letter()), "é", "digits")
