"""hwr/reading/ctc.py against sums over every possible path."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from numpy.typing import NDArray

from hwr.reading import ctc

FRAMES = np.random.default_rng(0).dirichlet([0.5] * 4, 6)
TEXTS = [(), (1,), (1, 1), (1, 2, 3), (2, 2, 1)]


def by_enumeration(frames: NDArray[np.float64]) -> dict[tuple[int, ...], float]:
    """The probability of every text: the oracle."""
    found: dict[tuple[int, ...], float] = {}
    for path in itertools.product(range(frames.shape[1]), repeat=len(frames)):
        text = tuple(c for c, before in zip(path, (None, *path), strict=False) if c != before and c != ctc.BLANK)
        found[text] = found.get(text, 0.0) + float(np.prod(frames[np.arange(len(frames)), path]))
    return found


def test_the_likelihood_of_texts_is_the_sum_over_all_their_paths() -> None:
    oracle = by_enumeration(FRAMES)
    assert np.exp(ctc.log_likelihood(FRAMES, TEXTS)) == pytest.approx([oracle[text] for text in TEXTS])


def test_a_wide_beam_finds_the_likeliest_texts_and_their_probabilities() -> None:
    oracle = by_enumeration(FRAMES)
    best = sorted(oracle, key=oracle.__getitem__, reverse=True)[:3]
    found = ctc.beam_search(FRAMES, width=200, least=0.0)[:3]
    assert [text for text, _ in found] == best
    assert np.exp([score for _, score in found]) == pytest.approx([oracle[text] for text in best], rel=1e-4)


def test_a_sure_line_is_read_along_its_best_path() -> None:
    frames = np.eye(4)[[0, 1, 1, 0, 1, 2, 0]] * 0.996 + 0.001
    assert ctc.beam_search(frames)[0][0] == ctc.best_path(frames) == (1, 1, 2)


def test_characters_outside_an_alphabet_leave_a_gap_and_change_no_neighbour() -> None:
    frames = np.eye(4)[[1, 3, 2]]
    sums = np.array([[1.0, 0], [0, 1], [0, 0]])
    folded = ctc.fold(frames, sums)
    assert folded.shape == (3, 3)
    assert ctc.best_path(folded) == (1, 2)
    assert folded.sum(axis=1) == pytest.approx(1)


def test_answers_are_placed_where_the_frames_say() -> None:
    frames = np.eye(4)[[0, 1, 1, 0, 1, 2, 0]] * 0.9 + 0.025
    assert ctc.align(frames, (1, 1, 2)) == [(1, 3), (4, 5), (5, 6)]


def test_a_text_that_does_not_fit_into_the_frames_is_refused() -> None:
    with pytest.raises(ValueError, match="2 frames are too few for a text of 2"):
        ctc.align(FRAMES[:2], (1, 1))


def test_alternatives_at_a_place_are_probabilities_with_the_likeliest_first() -> None:
    frames = np.array([[0.0, 0.7, 0.3, 0.0], [1.0, 0, 0, 0], [0.0, 0.0, 0.1, 0.9]]) + 1e-9
    options = ctc.alternatives(frames, (1, 3), ctc.align(frames, (1, 3)), 2)
    assert [list(one) for one in options] == [[1, 2], [3, 2]]
    assert options[0][1] == pytest.approx(0.7, abs=0.01) and options[1][3] == pytest.approx(0.9, abs=0.01)


def test_a_language_model_settles_what_the_frames_leave_open() -> None:
    frames = np.array([[0.0, 1.0, 0.0, 0.0], [0.02, 0.0, 0.5, 0.48]])
    assert ctc.beam_search(frames)[0][0] == (1, 2)
    assert ctc.beam_search(frames, language=lambda text, c: -5.0 if c == 2 else 0.0)[0][0] == (1, 3)
