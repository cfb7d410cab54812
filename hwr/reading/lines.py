"""Strokes -> lines of writing, from top to bottom, and how high a line's characters are."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SMALL = 0.5  # of the height of a line: lower strokes are dots, bars and commas, which found no line of their own
LETTER = 0.25  # of the height of a line: a low stroke so high is a small letter ...
LEVEL = 0.5  # ... and shares so much of its height with a tall stroke of its own line ...
REACH = 4.0  # ... that is at most so many heights away
SHARED = 0.4  # of the lower of two neighbours: the height that they must share to stand in one line
BESIDE = 0.3  # of the lower of two lines, likewise, where one has room for the other ...
ROOM = 0.3  # ... as no more of the narrower one's width lies above or below the other's strokes
BAR = 2.0  # pen widths: lower strokes are bars ...
BAR_SIDE = 0.7  # ... and of characters so high, as a share of their length
FLAT = 2.0  # times as wide as high: a bar
BAR_GAP = 0.8  # of their width: bars that lie so near above each other are one sign

Boxes = NDArray[np.int64]  # (N, 4): left, top, right, bottom in pixels, the last two just outside


def height_of(boxes: Boxes, pen: float) -> float:
    """The height of a line's characters, in pixels: that of its tall strokes; a bar stands for one as high as long."""
    width, height = (boxes[:, 2:] - boxes[:, :2]).T
    sides = np.where(height < BAR * pen, BAR_SIDE * width, height)
    tall = sides[sides >= SMALL * sides.max()]
    return max(float(np.median(tall)), 1.0)


def in_lines(boxes: Boxes, pen: float) -> list[list[int]]:
    """Numbers of strokes by line, top to bottom, and within a line left to right by their middles."""
    numbers = list(range(1, len(boxes)))
    if not numbers:
        return []
    typical = height_of(boxes[1:], pen)
    tall = [n for n in numbers if boxes[n, 3] - boxes[n, 1] >= SMALL * typical] or numbers
    line = _chains(boxes, tall)
    for n in sorted(set(numbers) - set(tall)):
        line[n] = line[_nearest(n, tall, boxes, typical)]
    found: list[list[int]] = []
    for name in dict.fromkeys(line.values()):
        row = [n for n in numbers if line[n] == name]
        mates = [other for other in found if _stand_beside(boxes[row], boxes[other])]
        found = [*(other for other in found if other not in mates), sum(mates, row)]
    middle = (boxes[:, 0] + boxes[:, 2]) / 2
    found.sort(key=lambda row: float(np.mean([boxes[n, 1] + boxes[n, 3] for n in row])))
    return [sorted(row, key=lambda n: float(middle[n])) for row in found]


def _nearest(n: int, tall: list[int], boxes: Boxes, typical: float) -> int:
    """The tall stroke whose line a low one belongs to.

    A small letter belongs to the nearest tall stroke at its own height, however near the line below is; a dot or a
    comma, or a letter with no such neighbour, to the nearest one of all.
    """
    beside = [other for other in tall if _shared(boxes[n], boxes[other], 1) >= LEVEL]
    near = [other for other in beside if _across(boxes[n], boxes[other]) <= REACH * typical]
    if near and boxes[n, 3] - boxes[n, 1] >= LETTER * typical:
        return min(near, key=lambda other: _across(boxes[n], boxes[other]))
    return min(tall, key=lambda other: _distance(boxes[n], boxes[other]))


def _across(a: NDArray[np.int64], b: NDArray[np.int64]) -> int:
    """Pixels between two boxes along the line; 0 where one is above the other."""
    return max(int(a[0] - b[2]), int(b[0] - a[2]), 0)


def _stand_beside(a: Boxes, b: Boxes) -> bool:
    """Whether two lines are one: at one height, and where the shorter one is the other has a gap or an end."""
    (hull, _), (other, long) = sorted(((_hull(row), row) for row in (a, b)), key=lambda one: int(one[0][2] - one[0][0]))
    if _shared(hull, other, 1) < BESIDE:
        return False
    columns = np.arange(hull[0], hull[2])[:, None]
    return bool(((columns >= long[:, 0]) & (columns < long[:, 2])).any(axis=1).mean() <= ROOM)


def _hull(boxes: Boxes) -> Boxes:
    return np.concatenate([boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)])


def _chains(boxes: Boxes, tall: list[int]) -> dict[int, int]:
    """Stroke -> name of its line. Every stroke is chained to the nearest on its right: lines may rise or fall."""
    line = {n: n for n in tall}

    def join(a: int, b: int) -> None:
        old, new = line[b], line[a]
        line.update({n: new for n in tall if line[n] == old})

    for n in tall:
        right = [m for m in tall if m != n and boxes[m, 0] + boxes[m, 2] >= boxes[n, 0] + boxes[n, 2]]
        beside = [m for m in right if _shared(boxes[n], boxes[m], 1) >= SHARED]
        if beside:
            join(n, min(beside, key=lambda m: int(boxes[m, 0])))
        for m in right:
            if _are_bars(boxes[n], boxes[m]):
                join(n, m)
    return line


def _shared(a: NDArray[np.int64], b: NDArray[np.int64], axis: int) -> float:
    """The share of the smaller of two boxes that lies beside the other, along x (0) or y (1)."""
    overlap = min(a[axis + 2], b[axis + 2]) - max(a[axis], b[axis])
    return float(overlap / max(min(a[axis + 2] - a[axis], b[axis + 2] - b[axis]), 1))


def _are_bars(a: NDArray[np.int64], b: NDArray[np.int64]) -> bool:
    """Two bars, one above the other: =."""
    wide = min(a[2] - a[0], b[2] - b[0])
    high = max(a[3] - a[1], b[3] - b[1])
    gap = max(a[1], b[1]) - min(a[3], b[3])
    return bool(wide >= FLAT * high and _shared(a, b, 0) >= SMALL and gap <= BAR_GAP * wide)


def _distance(a: NDArray[np.int64], b: NDArray[np.int64]) -> float:
    """Between two boxes, in pixels; across counts twice: a dot stands above its letter."""
    across = _across(a, b)
    down = max(int(a[1] - b[3]), int(b[1] - a[3]), 0)
    return float(np.hypot(2 * across, down))
