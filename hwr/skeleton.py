"""The middle lines of strokes, and the parts between crossings and corners: what touching characters are made of."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from hwr.picture import Gray

SPUR = 0.5  # pen widths: shorter parts are the thinning's own
ARM = 0.2  # of the line's height: corners are looked for between two arms so long
BENT = 0.34  # of an arm, from a point to the middle of what is around it: 0 in a straight line, 0.35 at a right angle
ARMS = (1.5, 2.5)  # times an arm's length there is around a corner: less at the end of a line, more beside another
MOST_LINES = 100  # of a stroke: scribbles have more, and so ...
LONGEST = 2  # ... are lines so many times as long as the box around them is wide and high together
AT_ONCE = 256  # points compared with all others at a time, for the memory
AROUND = ((-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1))  # neighbours, clockwise from the top


def parts(stroke: NDArray[np.bool_], pen: float, height: float) -> NDArray[np.int32]:
    """Every pixel of a stroke, bool (h, w), numbered from 1 by the part of the middle line that is nearest, int32.

    A part ends where strokes cross, branch or touch, and at sharp corners, where the end of one stroke may touch that
    of another. ``pen`` is the pen's width and ``height`` that of the line, in pixels.
    """
    middle = thin(stroke, passes=2 + int(pen))
    crossings = ((middle == 1) & (np.add.reduce(_rises(_neighbours(middle)), dtype=np.uint8) >= 3)).astype(np.uint8)
    free = _without(middle, crossings)
    free = _without(free, corners(free, max(round(ARM * height), round(pen), 3)))
    _, numbers, stats, _ = cv2.connectedComponentsWithStats(free, connectivity=8)
    long = stats[:, cv2.CC_STAT_AREA] >= max(SPUR * pen, 2)
    long[0] = False
    if not long.any():
        return stroke.astype(np.int32)
    kept = long[numbers].astype(np.uint8)
    _, nearest = cv2.distanceTransformWithLabels(1 - kept, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_CCOMP)
    return np.asarray(np.where(stroke, nearest, 0), np.int32)


def corners(middle: Gray, arm: int) -> Gray:
    """Where lines one pixel wide, uint8 0 or 1, turn sharply: the points that are bent most, uint8 0 or 1.

    Of each connected line alone; ``arm`` pixels to either side of a point are looked at. Of scribbles none is found.
    """
    found = np.zeros_like(middle)
    count, numbers, stats, _ = cv2.connectedComponentsWithStats(middle, connectivity=8)
    if count > MOST_LINES:
        return found
    for number in range(1, count):
        left, top, width, height, length = stats[number].tolist()
        if ARMS[0] * arm <= length <= LONGEST * (width + height):
            part = found[top : top + height, left : left + width]
            points = np.argwhere(numbers[top : top + height, left : left + width] == number)
            part[tuple(_corners_of(points.astype(np.float32), arm).T)] = 1
    return found


def _corners_of(points: NDArray[np.float32], arm: int) -> NDArray[np.int64]:
    """Those points of one line, (N, 2), that are its corners."""
    bent = np.concatenate([_bent(some, points, arm) for some in np.array_split(points, len(points) // AT_ONCE + 1)])
    sharp = np.flatnonzero(bent >= BENT * arm)
    beside = np.abs(points[sharp, None] - points[None]).max(axis=2) <= arm
    most = np.where(beside, bent, 0).max(axis=1, initial=0)
    return np.asarray(points[sharp[bent[sharp] == most]], np.int64)


def _bent(some: NDArray[np.float32], points: NDArray[np.float32], arm: int) -> NDArray[np.float32]:
    """How far the middle of what is around each of some points is from it, in pixels; 0 where there are no two arms."""
    near = (np.square(some[:, None] - points[None]).sum(axis=2) <= (arm + 0.5) ** 2).astype(np.float32)
    around = near.sum(axis=1)
    alone = (around >= ARMS[0] * arm) & (around <= ARMS[1] * arm)
    return np.where(alone, np.linalg.norm(near @ points / around[:, None] - some, axis=1), 0).astype(np.float32)


def _without(lines: Gray, points: Gray) -> Gray:
    """Lines, parted at these points and their neighbours."""
    return np.asarray(lines * (1 - cv2.dilate(points, np.ones((3, 3), np.uint8))))


def thin(stroke: NDArray[np.bool_], passes: int) -> Gray:
    """A stroke's middle line, one pixel wide, uint8 0 or 1 (Zhang and Suen 1984).

    A pass takes a pixel off every side; blots wider than twice ``passes`` stay thick.
    """
    mask = np.pad(stroke.view(np.uint8), 1)
    for _ in range(passes):
        removed = False
        for first in (True, False):
            top, _, right, _, bottom, _, left, _ = around = _neighbours(mask)
            count = np.add.reduce(around)
            edges = np.add.reduce(_rises(around), dtype=np.uint8)
            sides = right & bottom & (top | left) if first else top & left & (right | bottom)
            peel = (mask == 1) & (count >= 2) & (count <= 6) & (edges == 1) & (sides == 0)
            removed |= bool(peel.any())
            mask[peel] = 0
        if not removed:
            break
    return np.asarray(mask[1:-1, 1:-1])


def _neighbours(mask: Gray) -> list[Gray]:
    """The mask's eight neighbours of every pixel, clockwise from the one above; beyond the edge is 0."""
    padded = np.pad(mask, 1)
    height, width = mask.shape
    return [padded[1 + y : 1 + y + height, 1 + x : 1 + x + width] for y, x in AROUND]


def _rises(around: list[Gray]) -> list[NDArray[np.bool_]]:
    """Where going round from one neighbour to the next steps onto the line."""
    return [(before == 0) & (after == 1) for before, after in zip(around, [*around[1:], around[0]], strict=True)]
