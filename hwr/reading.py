"""Several characters: which pieces of ink belong together, and what they say, found as the best way through a lattice.

Every run of neighbouring pieces that could be a character is read, all in one batch; the way from the first piece to
the last that costs least wins (over-segmentation and Viterbi, as in Casey and Lecolinet 1996).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hwr.picture import Gray
from hwr.segment import Box, Line, Pieces, pieces

LONGEST = 12  # pieces of a character
MOST_RUNS = 1500  # in a picture: a second or two of a processor's time; characters of fewer pieces are tried beyond
WIDEST = 1.7  # heights of the line: wider runs of several strokes are no character
HOLE = 0.5  # heights of the line: no character has so wide a gap inside
SPACE = 0.8  # heights of the line: a gap so wide, and ...
SPACES = 2.5  # ... so many times as wide as the others in the line, parts words

# What speaks against a run, in nats: tuned on strings composed as in benchmarks/reading.py, but of other seeds.
LEAST = 1e-6  # probabilities count as no less: one piece must not outvote all others
ANSWER = 1.5  # weight of the best answer's log probability
CHARACTER = 0.5  # weight of the odds against its being a character at all ...
SURE = 6.0  # ... in nats below this: a character's own are about 7, those of two together 2 to 4
CUT = 0.35  # cutting through a stroke before it
GAP = 8.0  # a line's height of white inside
WIDE = 1.0  # a line's height more than one of width
LOW = 2.5  # being as low as nothing: dots and scraps are no characters
LOW_SIDE = 0.45  # of the line's height, from which on a character is not too low
UNREADABLE = 50.0  # having nothing but specks


class Scores(NamedTuple):
    """What the network says of pictures: answers, (N, A); that it is a character, (N,), and whether surely so, (N,)."""

    answers: NDArray[np.float32]
    valid: NDArray[np.float32]
    confident: NDArray[np.bool_]


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


class Run(NamedTuple):
    """Pieces ``first`` to ``last`` of a line as one character."""

    first: int
    last: int


def read(
    ink: Gray, see: Callable[[Gray], Gray | None], ask: Callable[[Gray], Scores], labels: Sequence[str], k: int
) -> Reading:
    """Read ink, uint8 (H, W), white on black.

    ``see`` fits a crop to the network, None if it is blank; ``ask`` reads what it gave, uint8 (N, S, S), as answers
    named ``labels``, of which the ``k`` likeliest are kept.
    """
    found = pieces(ink)
    longest = min(LONGEST, max(1, MOST_RUNS // len(found.boxes)))
    candidates = [(line, runs(found, line, longest)) for line in found.lines]
    seen = {run: view for _, some in candidates for run in some if (view := see(found.crop(*run))) is not None}
    size = (ink.shape[1], ink.shape[0])
    if not seen:
        return Reading("", (), size)
    scores = ask(np.stack(list(seen.values())))
    against = dict(zip(seen, doubts(scores), strict=True))
    characters = {run: _character(found.box(*run), scores, i, labels, k, seen[run]) for i, run in enumerate(seen)}
    texts, read_so_far = [], list[Character]()
    for line, some in candidates:
        costs = {run: cost(found, line, run, against.get(run, UNREADABLE)) for run in some}
        chosen = [characters[run] for run in cheapest_way(line, costs) if run in seen]
        if chosen:
            texts.append(spaced(chosen, line.height))
            read_so_far += chosen
    return Reading("\n".join(texts), tuple(read_so_far), size)


def runs(found: Pieces, line: Line, longest: int = LONGEST) -> list[Run]:
    """All runs of a line's pieces that could be a character."""
    result = []
    for first in line.pieces:
        for last in range(first, min(first + longest, line.pieces.stop)):
            joint = line.joints[last - line.pieces.start]
            left, _, right, _ = found.box(first, last)
            if last > first and (joint.gap > HOLE or right - left > WIDEST * line.height):
                break
            result.append(Run(first, last))
    return result


def doubts(scores: Scores) -> list[float]:
    """What the network has against each picture's being one character, in nats."""
    best = np.log(np.maximum(scores.answers.max(axis=1).astype(np.float64), LEAST))
    valid = np.clip(scores.valid.astype(np.float64), LEAST, 1 - LEAST)
    short = np.logaddexp(0, SURE - np.log(valid / (1 - valid)))
    return [float(doubt) for doubt in CHARACTER * short - ANSWER * best]


def cost(found: Pieces, line: Line, run: Run, doubt: float) -> float:
    """What speaks against a run, in nats: ``doubt`` of it, a cut before it, gaps inside, its being low or wide.

    A long run stands against several short ones, whose doubts add up: so its own counts more.
    """
    start = line.pieces.start
    joints = line.joints[run.first - start : run.last - start + 1]
    left, top, right, bottom = found.box(*run)
    wide, side = (right - left) / line.height, max(bottom - top, right - left) / line.height
    gaps = sum(max(joint.gap, 0) for joint in joints[1:])
    shape = GAP * gaps + WIDE * max(wide - 1, 0) + LOW * max(1 - side / LOW_SIDE, 0)
    return float(np.sqrt(len(joints))) * doubt + CUT * joints[0].cut + shape


def cheapest_way(line: Line, costs: dict[Run, float]) -> list[Run]:
    """The runs, one after another, that cover a line at the least cost."""
    best: dict[int, tuple[float, list[Run]]] = {line.pieces.start: (0.0, [])}
    for run in sorted(costs):
        total, way = best[run.first]  # every piece is a run of its own, so every place is reached
        if run.last + 1 not in best or total + costs[run] < best[run.last + 1][0]:
            best[run.last + 1] = (total + costs[run], [*way, run])
    return best[line.pieces.stop][1]


def spaced(characters: Sequence[Character], height: float) -> str:
    """The best answers of a line, words parted by a space: where the gap is much wider than the others."""
    boxes = np.array([one.box for one in characters])
    gaps = np.maximum(boxes[1:, 0] - np.maximum.accumulate(boxes[:, 2])[:-1], 0)
    text = next(iter(characters[0].probabilities))
    for i, one in enumerate(characters[1:]):
        others = np.delete(gaps, i)
        usual = float(np.median(others)) if others.size else 0.0
        space = " " if gaps[i] > max(SPACE * height, SPACES * usual) else ""
        text += space + next(iter(one.probabilities))
    return text


def _character(box: Box, scores: Scores, i: int, labels: Sequence[str], k: int, seen: Gray) -> Character:
    row = scores.answers[i]
    best = {labels[j]: float(row[j]) for j in np.argsort(-row, kind="stable")[:k]}
    return Character(box, best, bool(scores.confident[i]), seen)
