"""A second look at a character: smaller, and turned or slanted a little, as another might have written it.

The mean of what the network says of such views is right oftener than what it says of one (test-time augmentation, as in
Krizhevsky, Sutskever and Hinton 2012).
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from hwr.ink.picture import Gray

Classes = NDArray[np.float32]  # probabilities (N, C)

# Tried on strings composed as in benchmarks/reading.py, of other seeds: without the smaller size they helped less.
SMALLER = 0.9  # times as large
TURN = np.deg2rad(6.0)  # radians, either way
SLANT = 0.15  # pixels sideways for each pixel up or down, either way
CHANGES = SMALLER * np.array(
    [
        *([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]] for angle in (TURN, -TURN)),
        *([[1.0, slant], [0.0, 1.0]] for slant in (SLANT, -SLANT)),
    ]
)  # (4, 2, 2)


def settled(classes: Classes, seen: Gray, doubtful: NDArray[np.int64], ask: Callable[[Gray], Classes]) -> Classes:
    """``classes`` of pictures (N, S, S) where those of the ``doubtful`` ones, (D,), are the mean of all views.

    ``ask`` reads pictures, uint8 (M, S, S), in one batch.
    """
    if not len(doubtful):
        return classes
    others = ask(np.concatenate([changed(seen[doubtful], change) for change in CHANGES]))
    found = classes.copy()
    found[doubtful] += others.reshape(len(CHANGES), len(doubtful), -1).sum(axis=0)
    found[doubtful] /= 1 + len(CHANGES)
    return found


def changed(seen: Gray, change: NDArray[np.float64]) -> Gray:
    """Pictures (N, S, S) with a linear change, (2, 2), around their middles."""
    size = seen.shape[-1]
    middle = np.full((2, 1), (size - 1) / 2)
    move = np.hstack([change, middle - change @ middle])
    return np.stack([cv2.warpAffine(one, move, (size, size), flags=cv2.INTER_LINEAR) for one in seen]).astype(np.uint8)
