"""Which runs of pieces are characters: the best way through a lattice of all that could be.

Every run of neighbouring pieces has a price, and the way from the first piece to the last that costs least wins
(over-segmentation and Viterbi, as in Casey and Lecolinet 1996).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hwr.reading.segment import Line, Pieces

LONGEST = 12  # pieces of a character
MOST_RUNS = 1500  # in a picture: a second or two of a processor's time; characters of fewer pieces are tried beyond
WIDEST = 1.7  # heights of the line: wider runs of several pieces with a gap inside are no character, ...
WIDEST_WHOLE = 3.2  # ... nor are wider ones without: an m among low letters may be 3 heights wide
HOLE = 0.5  # heights of the line: no character has so wide a gap inside

# What speaks against a run, in nats: tuned on strings composed as in benchmarks/reading.py, but of other seeds.
LEAST = 1e-6  # probabilities count as no less: one piece must not outvote all others
ANSWER = 1.5  # weight of the best answer's log probability
CHARACTER = 0.5  # weight of the odds against its being a character at all ...
SURE = 5.0  # ... in nats below this: a character's own are about 7, those of two together 2 to 4
CUT = 1.5  # cutting through a stroke before it ...
TOUCH = 3.0  # ... and once a line, that its characters touch at all: more costs touching ones
GAP = 8.0  # a line's height of white inside
UNDER = 8.0  # a line's height that it reaches under what is before it, ...
LEANING = 0.5  # ... beyond so much, which slanting neighbours do: what stands above each other is one sign
WIDE = 1.0  # a line's height more than one of width
LOW = 2.5  # being as low as nothing: dots and scraps are no characters
LOW_SIDE = 0.45  # of the line's height, from which on a character is not too low
UNREADABLE = 50.0  # having nothing but specks


class Run(NamedTuple):
    """Pieces ``first`` to ``last`` of a line as one character."""

    first: int
    last: int


def runs(found: Pieces, line: Line) -> list[Run]:
    """All runs of a line's pieces that could be a character."""
    result, longest = [], min(LONGEST, max(1, MOST_RUNS // len(found.boxes)))
    for first in line.pieces:
        widest = WIDEST_WHOLE
        for last in range(first, min(first + longest, line.pieces.stop)):
            gap = line.joints[last - line.pieces.start].gap
            left, _, right, _ = found.box(first, last)
            if last > first:
                widest = min(widest, WIDEST) if gap > 0 else widest
                if gap > HOLE or right - left > widest * line.height:
                    break
            result.append(Run(first, last))
    return result


def doubts(best: NDArray[Any], valid: NDArray[Any]) -> list[float]:
    """What speaks against each picture's being one character, in nats.

    ``best``, (N,), is the probability of its best answer, ``valid``, (N,), that it is a character at all.
    """
    sure = np.clip(valid.astype(np.float64), LEAST, 1 - LEAST)
    short = np.logaddexp(0, SURE - np.log(sure / (1 - sure)))
    answer = np.log(np.maximum(best.astype(np.float64), LEAST))
    return [float(doubt) for doubt in CHARACTER * short - ANSWER * answer]


def costs(found: Pieces, line: Line, some: Iterable[Run], against: Mapping[Run, float]) -> dict[Run, float]:
    """What speaks against runs of a line, in nats; ``against`` has the doubts of those that are not blank."""
    return {run: cost(found, line, run, against.get(run, UNREADABLE)) for run in some}


def cost(found: Pieces, line: Line, run: Run, doubt: float) -> float:
    """What speaks against a run, in nats: ``doubt`` of it, how it joins what is before, gaps inside, low or wide.

    A long run stands against several short ones, whose doubts add up: so its own counts more.
    """
    start = line.pieces.start
    joints = line.joints[run.first - start : run.last - start + 1]
    left, top, right, bottom = found.box(*run)
    wide, side = (right - left) / line.height, max(bottom - top, right - left) / line.height
    gaps = sum(max(joint.gap, 0) for joint in joints[1:])
    shape = GAP * gaps + WIDE * max(wide - 1, 0) + LOW * max(1 - side / LOW_SIDE, 0)
    before = CUT if joints[0].cut else UNDER * max(-joints[0].gap - LEANING, 0)
    return float(np.sqrt(len(joints))) * doubt + before + shape


def best_way(line: Line, priced: dict[Run, float]) -> list[Run]:
    """The cheapest way through a line, either without any cut, or with cuts that together are worth TOUCH.

    Who writes characters apart writes all of them so: one cut among many gaps is likelier a mistake.
    """
    cut = {run for run in priced if line.joints[run.first - line.pieces.start].cut}
    touching = cheapest_way(line, priced)
    if cut.isdisjoint(touching):
        return touching
    apart = cheapest_way(line, {run: np.inf if run in cut else price for run, price in priced.items()})
    dearer = sum(priced[run] for run in apart) - sum(priced[run] for run in touching)
    return apart if cut.isdisjoint(apart) and dearer <= TOUCH else touching


def cheapest_way(line: Line, priced: dict[Run, float]) -> list[Run]:
    """The runs, one after another, that cover a line at the least cost."""
    best: dict[int, tuple[float, list[Run]]] = {line.pieces.start: (0.0, [])}
    for run in sorted(priced):
        total, way = best[run.first]  # every piece is a run of its own, so every place is reached
        if run.last + 1 not in best or total + priced[run] < best[run.last + 1][0]:
            best[run.last + 1] = (total + priced[run], [*way, run])
    return best[line.pieces.stop][1]
