"""Where a stroke may be cut because two characters touch: paths from top to bottom that cross little ink.

More cuts are proposed than are needed; which of them part characters is decided by how well the parts read
(over-segmentation; Casey and Lecolinet 1996 review it). A path may lean and bend, as neighbours reach over each other.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

ROWS = 40  # paths are looked for in a copy of the stroke this high
STEP = 2  # of its pixels: a path is tried at every other column ...
REACH = 7  # ... and may stray so far to either side
INK = 20.0  # price of crossing a pixel of ink, one of white being 1
BEND = 0.5  # price of a step aside
CROSSED = 2.3  # pen widths of ink: a path through more is no cut
APART = 0.07  # of the height: nearer paths are the same
PLATEAU = 0.3  # of the height: nearer paths are the same too, unless ...
BARRIER = 1.0  # ... all paths of some place between them cross so much more ink, in pixels
EDGE_SHARE = 0.1  # of the height: no path so near to either end of the stroke


def cut(stroke: NDArray[np.bool_], pen: float, height: float) -> NDArray[np.int32]:
    """A stroke, bool (h, w), in parts numbered from 1 from left to right, int32 (h, w).

    ``pen`` is the pen's width and ``height`` that of the line, in pixels.
    """
    scale = ROWS / max(stroke.shape[0], height)
    size = (max(round(stroke.shape[1] * scale), 1), max(round(stroke.shape[0] * scale), 1))
    small = np.asarray(cv2.resize(stroke.astype(np.float32), size, interpolation=cv2.INTER_AREA), np.float32)
    paths, crossed = _paths(small)
    columns = np.sort(paths[_chosen(paths, crossed, small, CROSSED * pen * scale)], axis=0)  # none crosses another
    rows = np.minimum((np.arange(stroke.shape[0]) + 0.5) * scale, size[1] - 1).astype(int)
    borders = (columns[:, rows] + 0.5) / scale
    shares = (np.arange(stroke.shape[1])[None, None] >= borders[:, :, None]).sum(axis=0)
    there = np.bincount(shares[stroke], minlength=len(columns) + 1) > 0
    return np.where(stroke, np.cumsum(there)[shares], 0).astype(np.int32)


def _paths(small: NDArray[np.float32]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The cheapest path around every other column: its columns (paths, rows) and the ink on it, in pixels."""
    rows = len(small)
    padded = np.pad(small, ((0, 0), (REACH, REACH)))
    bands = np.lib.stride_tricks.sliding_window_view(padded, 2 * REACH + 1, axis=1)[:, ::STEP]  # rows, paths, columns
    price = 1 + INK * bands.astype(np.float64)
    total, came = price[0], np.zeros(price.shape, np.int64)
    for row in range(1, rows):
        around = np.pad(total, ((0, 0), (1, 1)), constant_values=np.inf)
        ways = np.stack([around[:, :-2] + BEND, around[:, 1:-1], around[:, 2:] + BEND])
        best = ways.argmin(axis=0)
        came[row] = best - 1
        total = np.take_along_axis(ways, best[None], 0)[0] + price[row]
    place = total.argmin(axis=1)
    every = np.arange(len(place))
    path, ink = np.zeros((len(place), rows), np.int64), np.zeros(len(place))
    for row in range(rows - 1, -1, -1):
        path[:, row] = place
        ink += bands[row, every, place]
        place = place + came[row, every, place]
    return path + (every * STEP - REACH)[:, None], ink


def _chosen(
    paths: NDArray[np.int64], crossed: NDArray[np.float64], small: NDArray[np.float32], most: float
) -> NDArray[np.int64]:
    """Which paths are cuts, from left to right: the cheapest of all that are alike, not too near to an end.

    Along a smooth stroke all paths cost the same, and one of them is enough: another is taken only beyond a barrier.
    """
    margin = EDGE_SHARE * ROWS
    middle = paths.mean(axis=1)
    inside = (middle >= margin) & (middle <= small.shape[1] - margin) & (crossed <= max(most, 1.0))
    chosen: list[int] = []
    for path in np.argsort(crossed, kind="stable").tolist():
        if inside[path] and not any(_alike(path, other, paths, crossed) for other in chosen):
            chosen.append(path)
    return np.array(sorted(chosen, key=lambda path: float(middle[path])), np.int64)


def _alike(path: int, other: int, paths: NDArray[np.int64], crossed: NDArray[np.float64]) -> bool:
    apart = float(np.abs(paths[path] - paths[other]).mean()) / ROWS
    between = crossed[min(path, other) : max(path, other) + 1].max()
    return apart < APART or (apart < PLATEAU and between < crossed[path] + BARRIER)
