"""Saliency by occlusion: how much an answer loses when a patch of the drawing is erased (Zeiler and Fergus 2014)."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from hwr.ink.picture import Gray

GRID = 8  # patches per side; a finer grid costs more and shows no more
PIECE = 3 / 16  # of the picture's side: a patch overlaps its neighbours by a third
TINY = 1e-6  # probabilities are clipped to [TINY, 1 - TINY]: closer to 0 or 1 float32 is too coarse for log-odds

Ask = Callable[[Gray], NDArray[np.float32]]  # pictures (N, S, S) -> probabilities (N,) of the answer in question


def occlusion(seen: Gray, ask: Ask) -> NDArray[np.float32]:
    """Return how much the log-odds of an answer fall where ink is erased: float32 (S, S), in nats.

    0 where there is no ink, and where the answer would be as likely or likelier without it. Odds, because the
    probability of a sure answer hardly falls. The last maps of a network for small pictures have 2 x 2 pixels, so that
    methods which look at those (Grad-CAM) show nothing.
    """
    share = np.clip(ask(np.concatenate([seen[None], erased(seen)])).astype(np.float64), TINY, 1 - TINY)
    odds = np.log(share) - np.log1p(-share)
    lost = np.maximum(odds[0] - odds[1:], 0).reshape(GRID, GRID).astype(np.float32)
    spread = cv2.resize(lost, seen.shape[::-1], interpolation=cv2.INTER_CUBIC)
    return np.asarray(np.maximum(spread, 0) * (seen / np.float32(255)), np.float32)


def erased(seen: Gray) -> Gray:
    """Return copies of the picture with one square patch erased in each, row by row: (GRID * GRID, S, S)."""
    side = len(seen)
    middles = (np.arange(GRID) + 0.5) * side / GRID
    inside = np.abs(np.arange(side) + 0.5 - middles[:, None]) < side * PIECE / 2  # (GRID, S)
    pieces = inside[:, None, :, None] & inside[None, :, None, :]
    return np.where(pieces.reshape(-1, side, side), np.uint8(0), seen)
