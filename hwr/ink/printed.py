"""Rules, boxes and frames that are printed on paper, and their removal from ink without breaking strokes."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from hwr.ink import bars
from hwr.ink.bars import Bar
from hwr.ink.picture import Gray

Boxes = NDArray[np.int64]  # (N, 4): left, top, right, bottom in pixels, the last two just outside

NOTHING = np.zeros((0, 4), np.int64)


class Print(NamedTuple):
    """The print on a page: horizontal bars, vertical bars with rows and columns exchanged, and the cells of boxes."""

    across: list[Bar]
    down: list[Bar]
    cells: Boxes
    angle: float  # degrees by which long rules fall to the right; 0.0 without any


def erased(mask: Gray, found: Print) -> Gray:
    """Remove bars from a mask. Where a stroke crosses a bar or stands on it, the crossing stays."""
    rest = mask.copy()
    for bar in found.across:
        erase(rest, bar)
    turned = np.ascontiguousarray(rest.T)
    for bar in found.down:
        erase(turned, bar)
    rest = np.ascontiguousarray(turned.T)
    return _without_dust(rest, mask - rest, found)


def erase(mask: Gray, bar: Bar) -> None:
    """Remove a bar from a mask, in place."""
    around = bars.profile(mask, bar.columns, bar.middle)
    up, down = bars.reach(around)
    half = bar.thickness / 2 + 1.5
    own = (up > 0) & (up <= half + 0.5) & (down <= half + 0.5)
    middle = np.rint(bar.middle).astype(np.int64)
    for step in range(-int(half + 1), int(half + 1) + 1):
        rows = middle + step
        mine = own & (rows >= 0) & (rows < mask.shape[0]) & (-up < step) & (step < down)
        mask[rows[mine], bar.columns[mine]] = 0


def bands(found: Print, shape: tuple[int, ...]) -> Gray:
    """Return a mask of all bars, one pixel wider than they are on each side."""
    across, down = np.zeros(shape, np.uint8), np.zeros(shape[::-1], np.uint8)
    for canvas, some in ((across, found.across), (down, found.down)):
        for bar in some:
            points = np.stack([bar.columns, np.rint(bar.middle)], axis=1).astype(np.int32)
            cv2.polylines(canvas, [points[:, None]], False, 1, round(bar.thickness) + 3)
    return np.maximum(across, down.T)


def _without_dust(rest: Gray, gone: Gray, found: Print) -> Gray:
    """Remove the small remnants of bars: pieces beside a removed bar that are no larger than bars are thick."""
    size = max((bar.thickness for bar in (*found.across, *found.down)), default=0.0) + 2
    _, numbers, stats, _ = cv2.connectedComponentsWithStats(rest, connectivity=8)
    small = (stats[:, cv2.CC_STAT_HEIGHT] <= size) & (stats[:, cv2.CC_STAT_WIDTH] <= 3 * size)
    small |= (stats[:, cv2.CC_STAT_WIDTH] <= size) & (stats[:, cv2.CC_STAT_HEIGHT] <= 3 * size)
    small[0] = False
    if not small.any():
        return rest
    beside = np.zeros(len(stats), bool)
    beside[np.unique(numbers[cv2.dilate(gone, np.ones((3, 3), np.uint8)) > 0])] = True
    return np.where((small & beside)[numbers], np.uint8(0), rest)


def sizes(mask: Gray) -> tuple[int, float]:
    """Return the longest side of any piece of ink and the typical height of characters, in pixels; 0 for no ink.

    The typical height is the median height of pieces, weighted by their area.
    """
    _, _, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    heights, areas = stats[1:, cv2.CC_STAT_HEIGHT], stats[1:, cv2.CC_STAT_AREA].astype(np.float64)
    if not len(heights):
        return 0, 0.0
    order = np.argsort(heights)
    half = np.searchsorted(np.cumsum(areas[order]), areas.sum() / 2)
    longest = int(stats[1:, cv2.CC_STAT_WIDTH : cv2.CC_STAT_HEIGHT + 1].max())
    return longest, float(heights[order][half])
