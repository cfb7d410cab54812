"""Straight bars in ink: where a long, thin, nearly horizontal or vertical line runs, printed or drawn."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from hwr.ink.picture import Gray

Floats = NDArray[np.float32]

GAP = 5  # pixels: shorter gaps in a line are noise of the camera
HALF = 12  # pixels above and below a line's middle that are looked at: thicker lines are no rules
MOST = 600  # straight pieces: a picture with more of them is a texture or a page of print
STEEP = 0.15  # pixels down for each pixel across: steeper bars are found once the picture is turned
ROUGH = 1.2  # pixels: mean distance of a bar's middle from a straight line (from a parabola, for a long one)
SHORT = 0.15  # of the length of the shorter piece: a gap over which a bar may go on
APART = 2.5  # pixels: pieces of one bar are out of line by no more
MOST_OF_A_ROW = 0.6  # of a piece's width: rows so full are lines of their own where strokes connect several
LONG = 300  # pixels: longer bars may be bent a little, as rules are on paper that is not flat


@dataclass(frozen=True, eq=False)  # compared by identity
class Bar:
    """A straight bar: ``middle`` float32 (right - left,) is its height in each column from ``left`` on, in pixels.

    ``cover`` is the share of its columns that hold ink. Of a vertical bar rows and columns are exchanged.
    """

    left: int
    right: int
    middle: NDArray[np.float32]
    thickness: float
    cover: float

    @property
    def length(self) -> int:
        """Pixels from end to end."""
        return self.right - self.left

    @property
    def slope(self) -> float:
        """Pixels down for each pixel across, from end to end."""
        return float(self.middle[-1] - self.middle[0]) / max(self.length - 1, 1)

    def at(self, column: float) -> float:
        """The height of its middle at a column, beyond its ends too."""
        if self.left <= column < self.right:
            return float(self.middle[int(column) - self.left])
        end = self.left if column < self.left else self.right - 1
        return float(self.middle[end - self.left]) + self.slope * (column - end)

    def extended(self, width: int) -> Bar:
        """The same bar, gone on to the picture's borders, but by no more than its own length at either end."""
        left, right = max(0, self.left - self.length), min(width, self.right + self.length)
        before = self.middle[0] - self.slope * np.arange(self.left - left, 0, -1)
        after = self.middle[-1] + self.slope * np.arange(1, right - self.right + 1)
        middle = np.concatenate([before, self.middle, after]).astype(np.float32)
        return replace(self, left=left, right=right, middle=middle)

    @property
    def columns(self) -> NDArray[np.int64]:
        """Its columns, (right - left,)."""
        return np.arange(self.left, self.right)


def find(mask: Gray, piece: int) -> list[Bar]:
    """Nearly horizontal bars of a mask, uint8 0 or 1, from ``piece`` pixels of length on; [] for a texture."""
    grown = cv2.dilate(mask, np.ones((3, 1), np.uint8))
    joined = cv2.morphologyEx(grown, cv2.MORPH_CLOSE, np.ones((1, GAP), np.uint8))
    straight = cv2.morphologyEx(joined, cv2.MORPH_OPEN, np.ones((1, piece), np.uint8))
    count, numbers, stats, _ = cv2.connectedComponentsWithStats(straight, connectivity=8)
    if count > MOST:
        return []
    owner = np.asarray(numbers, np.int32)
    chains = _chained([line for n, box in enumerate(stats) if n for line in _lines(owner, n, box[:4].tolist())])
    measured = (_measured(mask, line) for line in chains)
    return [bar for bar in measured if bar is not None and bar.length >= piece]


@dataclass(frozen=True)
class _Line:
    """A piece: its columns and middles, and the polynomial through them, around the column ``centre``."""

    left: int
    right: int
    columns: Floats
    heights: Floats
    centre: float
    fit: tuple[float, float, float]  # constant, linear, quadratic

    def at(self, column: float) -> float:
        return float(_value(self.fit, column - self.centre))


def _value(fit: tuple[float, float, float], x: Any) -> Any:
    return fit[0] + x * (fit[1] + x * fit[2])


def _lines(numbers: NDArray[np.int32], number: int, box: list[int]) -> list[_Line]:
    """The line through the middle of a connected piece; several where strokes connect parallel lines; [] for none."""
    x, y, width, height = box
    own = (numbers[y : y + height, x : x + width] == number).astype(np.float32)
    full = np.flatnonzero(own.sum(axis=1) >= MOST_OF_A_ROW * width)
    runs = np.split(full, np.flatnonzero(np.diff(full) > 1) + 1) if full.size else []
    whole = _fitted(own, x, y) if len(runs) < 2 else None  # the middle of several would be taken for a line
    if whole is not None:
        return [whole]
    fits = (_fitted(own[rows[0] : rows[-1] + 1], x, y + int(rows[0])) for rows in runs)
    return [line for line in fits if line is not None]


def _fitted(own: Floats, x: int, y: int) -> _Line | None:
    """The line through the middle of a piece, 0 or 1, whose upper left corner is at (x, y); None for no line."""
    height, width = own.shape
    weight = own.sum(axis=0)
    heights = y + np.arange(height, dtype=np.float32) @ own / np.maximum(weight, 1)
    there = weight > 0
    return _line(x, x + width, np.arange(x, x + width, dtype=np.float32)[there], heights[there])


def _line(left: int, right: int, columns: Floats, heights: Floats) -> _Line | None:
    """A robust fit: columns in which a stroke crosses are left out."""
    centre = (left + right) / 2
    x = columns - np.float32(centre)
    kept = np.abs(heights - np.median(heights)) <= STEEP * (right - left) / 2 + ROUGH
    for _ in range(3):
        if kept.sum() < max(0.4 * len(columns), 5):
            return None
        fit = _polynomial(x[kept], heights[kept], bent=right - left > LONG)
        off = np.abs(_value(fit, x) - heights)
        usual = float(np.median(off))
        kept = off <= max(ROUGH, 2 * usual)
    if usual > ROUGH or abs(fit[1]) > STEEP:
        return None
    return _Line(left, right, columns[kept], heights[kept], centre, fit)


def _polynomial(x: Floats, y: Floats, bent: bool) -> tuple[float, float, float]:
    """Least squares: constant, linear, and quadratic coefficient where ``bent``."""
    if bent:
        square, linear, constant = np.polyfit(x, y, 2).tolist()
        return constant, linear, square
    mean_x, mean_y = float(x.mean()), float(y.mean())
    off = x - np.float32(mean_x)
    slope = float(off @ y) / max(float(off @ off), 1e-6)
    return mean_y - slope * mean_x, slope, 0.0


def _chained(lines: list[_Line]) -> list[_Line]:
    """Pieces of one bar joined: each goes on where the one before it would be."""
    found: list[_Line] = []
    for line in sorted(lines, key=lambda one: one.left):
        before = next((i for i, other in enumerate(found) if _goes_on(other, line)), None)
        joined = None if before is None else _joined(found[before], line)
        if before is None or joined is None:
            found.append(line)
        else:
            found[before] = joined
    return found


def _goes_on(a: _Line, b: _Line) -> bool:
    """Whether ``b``, which begins later, is in line with ``a``, after a gap that is short beside both."""
    gap, shorter = b.left - a.right, min(b.right - b.left, a.right - a.left)
    if not -shorter / 2 < gap <= SHORT * shorter:
        return False
    seam = (a.right + b.left) / 2
    far = (b.left + b.right) / 2
    return abs(a.at(seam) - b.at(seam)) <= APART and abs(a.at(far) - b.at(far)) <= APART + 0.02 * (b.right - a.left)


def _joined(a: _Line, b: _Line) -> _Line | None:
    columns, heights = np.concatenate([a.columns, b.columns]), np.concatenate([a.heights, b.heights])
    return _line(a.left, max(a.right, b.right), columns, heights)


def profile(mask: Gray, columns: NDArray[np.int64], middle: NDArray[np.float32]) -> NDArray[np.bool_]:
    """The mask around a line, (2 * HALF + 1, columns): row HALF is its middle, False outside of the picture."""
    rows = np.rint(middle).astype(np.int64) + np.arange(-HALF, HALF + 1)[:, None]
    inside = (rows >= 0) & (rows < mask.shape[0])
    return np.asarray((mask[rows.clip(0, mask.shape[0] - 1), columns] > 0) & inside)


def reach(around: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """How far ink goes up and down from a line's middle without a gap, in pixels, (columns,) each; 0 for none.

    A middle that is one pixel off still counts.
    """
    solid = around.copy()
    solid[HALF] |= around[HALF - 1] | around[HALF + 1]
    up = np.cumprod(solid[HALF::-1], axis=0).sum(axis=0)
    down = np.cumprod(solid[HALF:], axis=0).sum(axis=0)
    return up, down


def _measured(mask: Gray, line: _Line) -> Bar | None:
    columns = np.arange(line.left, line.right)
    middle = np.asarray(_value(line.fit, columns - line.centre), np.float32)
    up, down = reach(profile(mask, columns, middle))
    covered = up > 0
    if not covered.any():
        return None
    runs = (up + down - 1)[covered]
    thickness = max(float(np.percentile(runs, 40)), 1.0)
    if thickness > HALF or line.right - line.left < 5 * thickness:
        return None
    return Bar(line.left, line.right, middle, thickness, float(covered.mean()))
