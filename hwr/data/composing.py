"""Several characters of one hand beside one another, composed from pen trajectories.

A hand is what one writer wrote. Digits are brought to similar heights, letters keep the sizes that the writer gave
them. Neighbours stand apart (``wide``, ``near``) or their ink meets (``touching``); both are made sure of in the ink.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from hwr.config import DIGITS, LOWER, UPPER, UserError
from hwr.data.sources import Source
from hwr.ink import strokes
from hwr.ink.picture import Gray

Gap = Literal["wide", "near", "touching"]
Box = tuple[int, int, int, int]  # left, top, right, bottom in pixels, the last two just outside

LENGTHS = (2, 8)  # characters of a line
HEIGHTS = (50.0, 160.0)  # pixels of a digit or a capital
PENS = (0.05, 0.12)  # of that height, as all shares below
WIDEST = 840  # pixels of ink in a line
GAPS = {"wide": (0.25, 0.7), "near": (0.05, 0.14), "touching": (0.0, 0.0)}  # between boxes where wide, else between ink
OVERLAP = 0.1  # of the narrower one's width: how far touching ink is pushed into its neighbour
UNDERCUT = {"near": 0.12, "touching": 0.4}  # how far boxes may overlap
UNEVEN, UNEVEN_LETTER = 0.15, 0.04  # of the character's own height; letters differ by nature
WOBBLE, SLANT = 0.06, 10.0  # of the baseline; degrees
DESCENDING = "gpqy"  # below the baseline with all that is more than a small letter's height; j and a long f in part
SOLID = 127  # ink that counts as such
NEIGHBOURS = 24  # samples in a row that are taken for one hand where the source names no writers
ONE_SIZE = 6.0  # times as high or as low as the hand usually writes


@dataclass(frozen=True)
class Composed:
    """Characters beside one another."""

    picture: Gray  # ink: uint8 (H, W), white on black
    text: str  # lines joined by "\n"
    boxes: tuple[Box, ...]  # of every character's ink, in the order of the text without line ends
    touching: int  # neighbours in a line whose ink meets
    alone: tuple[Gray, ...]  # every character as ink, with nothing beside it: what perfect segmentation would give
    owner: NDArray[np.int64]  # (H, W): the character whose ink is strongest there, from 1 in their order; 0 for paper


@dataclass(frozen=True)
class Hand:
    """What one writer wrote, and how high: in the trajectories' units, a capital and a small letter like n."""

    names: tuple[str, ...]
    trajectories: tuple[strokes.Strokes, ...]
    capital: float
    small: float


class Placed(NamedTuple):
    """A character as ink, (h, w), and where its corner is on the page."""

    ink: Gray
    left: int
    top: int


def hands(source: Source, characters: Collection[str], writers: Collection[int] | None = None) -> list[Hand]:
    """One hand a writer, of all or of these; of NEIGHBOURS samples each where the source names none.

    Raises UserError for a source of pictures.
    """
    if source.trajectory is None:
        raise UserError(f"{source.name} holds pictures: expected pen trajectories")
    names = [source.targets[label][0] for label in source.labels]
    known = np.array([i for i, name in enumerate(names) if name in characters], np.int64)
    groups = source.groups[known] if source.writers else source.groups[known] // NEIGHBOURS
    asked = sorted(set(groups.tolist()) & set(groups.tolist() if writers is None else writers))
    rows = [of_one_size(known[groups == group].tolist(), source.trajectory) for group in asked]
    return [hand_of([names[i] for i in row], [source.trajectory(i) for i in row]) for row in rows if len(row) > 1]


def of_one_size(rows: list[int], trajectory: Callable[[int], strokes.Strokes]) -> list[int]:
    """Samples that fit into one line: some writers of UNIPEN change their scale many times over."""
    spans = np.array([max(np.ptp(np.concatenate(trajectory(i)), axis=0).max(), 1) for i in rows])
    return np.array(rows)[np.abs(np.log(spans / np.median(spans))) <= np.log(ONE_SIZE)].tolist() if rows else rows


def hand_of(names: Sequence[str], trajectories: Sequence[strokes.Strokes]) -> Hand:
    """A hand, the median heights of its letters measured."""
    spans = [float(np.ptp(np.concatenate(t)[:, 1])) for t in trajectories]

    def usual(*preferred: Collection[str]) -> float:
        kinds = ([span for name, span in zip(names, spans, strict=True) if name in kind] for kind in preferred)
        return max(float(np.median(next(filter(None, kinds)))), 1.0)

    capital, small = usual(UPPER, "bdhkl", names), usual("aceimnorsuvwxz", LOWER, names)
    return Hand(tuple(names), tuple(trajectories), capital, small)


def compose(hand: Hand, rng: np.random.Generator, gap: Gap = "near", lines: int = 1, length: int = 0) -> Composed:
    """``lines`` lines of ``length`` characters, 2 to 8 where it is 0, as a sketch with margins.

    Where the ink is to touch, it does so between two neighbours at least, and mostly between all.
    """
    chosen = [choose(hand, length or int(rng.integers(LENGTHS[0], LENGTHS[1] + 1)), rng) for _ in range(lines)]
    room = max(sum(sizes(hand, i)[1] + GAPS[gap][1] for i in line) for line in chosen)
    height = min(np.exp(rng.uniform(*np.log(HEIGHTS))), WIDEST / room)
    pen, slant = height * rng.uniform(*PENS), np.tan(np.deg2rad(rng.uniform(-SLANT, SLANT)))
    written: list[list[Placed]] = []
    for line in chosen:
        drawn = [character(hand, i, height, pen, slant, rng) for i in line]
        written.append(below(written, row(drawn, gap, height, rng), height, rng))
    texts = ["".join(hand.names[i] for i in line) for line in chosen]
    made = page(written, "\n".join(texts), height, rng)
    return made if gap != "touching" or made.touching else compose(hand, rng, gap, lines, length)


def choose(hand: Hand, count: int, rng: np.random.Generator) -> list[int]:
    """Samples of a hand: digits, capitals, small letters, or a capital before small letters."""
    possible = ways(hand)
    first, rest = possible[rng.integers(len(possible))]
    return [int(rng.choice(first)), *(int(i) for i in rng.choice(rest, count - 1, replace=len(rest) < count - 1))]


def ways(hand: Hand) -> list[tuple[list[int], list[int]]]:
    """The samples that a line may begin with and go on with, for every way to fill one."""
    kinds = [[i for i, name in enumerate(hand.names) if name in kind] for kind in (DIGITS, UPPER, LOWER)]
    found = [(kind, kind) for kind in kinds if len(kind) > 1]
    return [*found, (kinds[1], kinds[2])] if len(kinds[1]) > 1 and len(kinds[2]) > 1 else found


def sizes(hand: Hand, i: int) -> tuple[float, float]:
    """Scale of sample i for heights of 1, and how wide it then is."""
    width, height = np.ptp(np.concatenate(hand.trajectories[i]).astype(np.float64), axis=0).tolist()
    scale = 1 / (max(height, 0.6 * width, 1.0) if hand.names[i] in DIGITS else hand.capital)
    return scale, width * scale


def character(hand: Hand, i: int, height: float, pen: float, slant: float, rng: np.random.Generator) -> Placed:
    """Sample i drawn with a slant, its baseline at 0 and its left side at 0."""
    uneven = UNEVEN if hand.names[i] in DIGITS else UNEVEN_LETTER
    scale = sizes(hand, i)[0] * height * rng.uniform(1 - uneven, 1 + uneven)
    shear = np.array([[scale, 0], [-slant * scale, scale]])
    moved = [np.asarray(stroke, np.float64) @ shear for stroke in hand.trajectories[i]]
    low, high = (of(np.concatenate(moved), axis=0) for of in (np.min, np.max))
    margin = int(pen) + 2
    width, tall = np.ceil(high - low).astype(int) + 2 * margin
    ink = strokes.draw([stroke - low + margin for stroke in moved], (tall, width), pen)
    base = (high - low)[1] - scale * descent(hand, hand.names[i], (high - low)[1] / scale)
    return Placed(ink, 0, round(height * rng.uniform(-WOBBLE, WOBBLE) - base) - margin)


def descent(hand: Hand, name: str, span: float) -> float:
    """How much of a letter's height is below the baseline."""
    if name in DESCENDING:
        return float(np.clip(span - hand.small, 0.2 * span, 0.7 * span))
    return 0.4 * span if name == "j" or (name in "fz" and span > 2.2 * hand.small) else 0.0


# --- side by side ---


def row(drawn: Sequence[Placed], gap: Gap, height: float, rng: np.random.Generator) -> list[Placed]:
    """Characters one after another, moved to the left until the gap is as asked."""
    top = min(one.top for one in drawn)
    ends = np.full(max(one.top + len(one.ink) for one in drawn) - top, -np.inf)  # of the ink so far, by row
    result: list[Placed] = []
    for one in drawn:
        left = 0 if not result else beside(one, result[-1], ends[one.top - top :], gap, height, rng)
        result.append(one._replace(left=left))
        reach = left + one.ink.shape[1] - 1 - first_ink(one.ink[:, ::-1])
        ends[one.top - top :][: len(reach)] = np.maximum(ends[one.top - top :][: len(reach)], reach)
    return result


def beside(one: Placed, last: Placed, ends: NDArray[Any], gap: Gap, height: float, rng: np.random.Generator) -> int:
    """Where a character's left side comes, in pixels, after ink that ends at ``ends`` in each of its rows."""
    (start, _, stop, _), (before, _, after, _) = bounds(one), bounds(last)
    asked = height * rng.uniform(*GAPS[gap])
    clear = {"wide": 3, "near": max(round(asked), 3), "touching": 0}[gap]
    around = cv2.copyMakeBorder(one.ink, clear, clear, clear, clear, cv2.BORDER_CONSTANT)
    grown: Gray = np.asarray(
        cv2.dilate(around, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * clear + 1, 2 * clear + 1))), np.uint8
    )
    begins = first_ink(grown[clear : clear + len(one.ink)]) - clear
    pushed = rng.uniform(0, OVERLAP) * min(stop - start, after - before) if gap == "touching" else -1
    meets = float(np.max(ends[: len(begins)] - begins)) - pushed
    return round(max(meets, after - start + (asked if gap == "wide" else -UNDERCUT[gap] * height)))


def first_ink(ink: Gray) -> NDArray[np.float64]:
    """Column of the first ink of every row, (h,); infinite where there is none."""
    solid = ink > SOLID
    return np.where(solid.any(axis=1), solid.argmax(axis=1), np.inf)


def bounds(one: Placed) -> Box:
    """Box of a character's ink on the page."""
    left, top, width, height = cv2.boundingRect((one.ink > SOLID).astype(np.uint8))
    return one.left + left, one.top + top, one.left + left + width, one.top + top + height


def below(lines: list[list[Placed]], line: list[Placed], height: float, rng: np.random.Generator) -> list[Placed]:
    """A line moved under the ones before it, apart from their ink."""
    if not lines:
        return line
    lowest = max(bounds(one)[3] for one in lines[-1])
    down = round(lowest + height * rng.uniform(0.2, 0.6) - min(bounds(one)[1] for one in line))
    right = round(height * rng.uniform(-0.2, 0.2))
    return [Placed(one.ink, one.left + right, one.top + down) for one in line]


def page(lines: list[list[Placed]], text: str, height: float, rng: np.random.Generator) -> Composed:
    """All characters on one canvas with margins."""
    written = [one for line in lines for one in line]
    boxes = np.array([bounds(one) for one in written])
    margins = 3 + np.rint(height * rng.uniform(0.2, 0.8, 4)).astype(int)  # wider than those of the characters' own
    shift = margins[:2] - boxes[:, :2].min(axis=0)
    width, tall = boxes[:, 2:].max(axis=0) + shift + margins[2:]
    layers = [np.zeros((tall, width), np.uint8) for _ in written]
    for layer, one in zip(layers, written, strict=True):
        layer[one.top + shift[1] :, one.left + shift[0] :][: len(one.ink), : one.ink.shape[1]] = one.ink
    ends = set(np.cumsum([len(line) for line in lines]).tolist())
    touching = sum(meet(layers[i - 1], layers[i]) for i in range(1, len(layers)) if i not in ends)
    moved = tuple((int(b[0]), int(b[1]), int(b[2]), int(b[3])) for b in boxes + np.tile(shift, 2))
    picture = np.max(layers, axis=0)
    owner = np.where(picture > 0, 1 + np.argmax(layers, axis=0), 0)
    return Composed(picture, text, moved, touching, tuple(one.ink for one in written), owner)


def meet(first: Gray, second: Gray) -> bool:
    """True if a connected component of both inks together has some of each."""
    both = cv2.connectedComponents((np.maximum(first, second) > SOLID).astype(np.uint8))[1]
    return bool(np.intersect1d(both[first > SOLID], both[second > SOLID]).size)
