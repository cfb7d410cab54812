"""The middle lines of strokes, and the parts between their crossings: what touching characters are made of."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from hwr.ink.picture import Gray

SPUR = 0.5  # pen widths: shorter parts are the thinning's own
AROUND = ((-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1))  # neighbours, clockwise from the top


def parts(stroke: NDArray[np.bool_], pen: float) -> NDArray[np.int32]:
    """Every pixel of a stroke, bool (h, w), numbered from 1 by the part of the middle line that is nearest, int32.

    A part ends where strokes cross, branch or touch. ``pen`` is the pen's width in pixels.
    """
    middle = thin(stroke, passes=2 + int(pen))
    crossings = ((middle == 1) & (np.add.reduce(_rises(_neighbours(middle)), dtype=np.uint8) >= 3)).astype(np.uint8)
    free = middle * (1 - cv2.dilate(crossings, np.ones((3, 3), np.uint8)))
    _, numbers, stats, _ = cv2.connectedComponentsWithStats(free, connectivity=8)
    long = stats[:, cv2.CC_STAT_AREA] >= max(SPUR * pen, 2)
    long[0] = False
    if not long.any():
        return stroke.astype(np.int32)
    kept = long[numbers].astype(np.uint8)
    _, nearest = cv2.distanceTransformWithLabels(1 - kept, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_CCOMP)
    return np.asarray(np.where(stroke, nearest, 0), np.int32)


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
