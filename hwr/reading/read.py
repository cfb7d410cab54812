"""Several characters: which pieces of ink belong together, and what they say, found as the best way through a lattice.

Every run of neighbouring pieces that could be a character is read, all in one batch; `hwr.reading.lattice` chooses
among them, and `hwr.reading.context` among their answers, once `hwr.reading.views` has looked again at those
that are not sure.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hwr.ink.picture import Gray
from hwr.reading import context, lattice, views
from hwr.reading.lattice import Run
from hwr.reading.segment import Box, Line, Pieces, pieces

SPACE = 0.8  # heights of the line: a gap so wide, and ...
SPACES = 2.5  # ... so many times as wide as the others in the line, parts words
DOUBTFUL = 0.99  # probability of the best answer from which on a character is not looked at again


class Scores(NamedTuple):
    """What the network says of pictures: probabilities of the classes, (N, C), 0 for those that are no answers; that
    it is a character, (N,), and whether surely so, (N,)."""

    classes: NDArray[np.float32]
    valid: NDArray[np.float32]
    confident: NDArray[np.bool_]


class Answers(NamedTuple):
    """The names of what may be answered, (A,), which classes are summed into each, bool (C, A), and those' names."""

    names: Sequence[str]
    sums: NDArray[np.bool_]
    classes: tuple[str, ...]


@dataclass(frozen=True)
class Character:
    """One character of a reading: where it is, and what it may be, best first.

    ``seen`` is what the network saw, uint8 (S, S); ``confident`` is False for what is probably no character.
    """

    box: Box
    probabilities: dict[str, float]
    confident: bool
    seen: Gray


@dataclass(frozen=True)
class Reading:
    """Text, line by line, and its characters in the same order.

    Boxes are in pixels of the picture as it was read: of ``size`` (width, height), the longer side at most 1024.
    """

    text: str
    characters: tuple[Character, ...]
    size: tuple[int, int]


def read(
    ink: Gray, see: Callable[[Gray], Gray | None], ask: Callable[[Gray], Scores], answers: Answers, k: int
) -> Reading:
    """Read ink, uint8 (H, W), white on black.

    ``see`` fits a crop to the network, None if it is blank; ``ask`` reads what it gave, uint8 (N, S, S). Of the
    ``answers`` the ``k`` likeliest of each character are kept.
    """
    found, size = pieces(ink), (ink.shape[1], ink.shape[0])
    candidates = [(line, lattice.runs(found, line)) for line in found.lines]
    seen = {run: view for _, some in candidates for run in some if (view := see(found.crop(*run))) is not None}
    if not seen:
        return Reading("", (), size)
    pictures, number = np.stack(list(seen.values())), {run: i for i, run in enumerate(seen)}
    scores = ask(pictures)
    best = (scores.classes @ answers.sums).max(axis=1)
    lines = _chosen(found, candidates, dict(zip(seen, lattice.doubts(best, scores.valid), strict=True)))
    beside = [number[run] for _, runs in lines if len(runs) > 1 for run in runs]  # one alone is read as by top_k
    doubtful = np.array([i for i in beside if best[i] < DOUBTFUL], np.int64)
    classes = views.settled(scores.classes, pictures, doubtful, lambda more: ask(more).classes)
    texts, characters = [], list[Character]()
    for line, runs in lines:
        rows, boxes = [number[run] for run in runs], [found.box(*run) for run in runs]
        text, likely = _said(classes[rows], boxes, beginnings(boxes, line.height), answers, k)
        texts.append(text)
        characters += map(Character, boxes, likely, scores.confident[rows].tolist(), pictures[rows])
    return Reading("\n".join(texts), tuple(characters), size)


def _chosen(
    found: Pieces, candidates: Sequence[tuple[Line, list[Run]]], against: dict[Run, float]
) -> list[tuple[Line, list[Run]]]:
    """The runs that are characters, in lines that have any; ``against`` are the doubts of all that were asked."""
    ways = ((line, lattice.best_way(line, lattice.costs(found, line, some, against))) for line, some in candidates)
    return [(line, runs) for line, way in ways if (runs := [run for run in way if run in against])]


def beginnings(boxes: Sequence[Box], height: float) -> list[bool]:
    """Where words begin in a line: first, and after gaps that are much wider than the others."""
    sides = np.array(boxes)
    gaps = np.maximum(sides[1:, 0] - np.maximum.accumulate(sides[:, 2])[:-1], 0)
    others = (np.delete(gaps, i) for i in range(len(gaps)))
    usual = [float(np.median(other)) if other.size else 0.0 for other in others]
    return [True, *(bool(gap > max(SPACE * height, SPACES * one)) for gap, one in zip(gaps, usual, strict=True))]


def _said(
    classes: NDArray[np.float32], boxes: Sequence[Box], begins: Sequence[bool], answers: Answers, k: int
) -> tuple[str, list[dict[str, float]]]:
    """The text of a line and the likeliest answers of each of its characters, (N, C), in view of their neighbours."""
    heights = [bottom - top for _, top, _, bottom in boxes]
    settled = context.settled(classes, heights, begins, context.manner(answers.classes)) @ answers.sums
    likely = [{answers.names[j]: float(row[j]) for j in np.argsort(-row, kind="stable")[:k]} for row in settled]
    return "".join(" " * begin + next(iter(one)) for begin, one in zip(begins, likely, strict=True))[1:], likely
