"""Pen trajectories -> pictures, as the sketchpad would have drawn them: a round pen, antialiased."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

Strokes = Sequence[NDArray[np.generic]]  # one (points, 2) array a stroke; x to the right, y downwards

FINER = 4  # drawn so many times larger, then averaged
FRACTION_BITS = 4  # OpenCV takes coordinates as integers: sixteenths of a pixel
ONE_PIXEL = 1 << FRACTION_BITS
THIN, THICK = 0.02, 0.22  # pen widths as a share of the longer side of the drawing


def draw(strokes: Strokes, canvas: tuple[int, int], width: float) -> NDArray[np.uint8]:
    """Strokes in pixels of a canvas (height, width) as ink: uint8, white on black.

    ``width`` is the pen's, in pixels. A stroke of one point is a dot. What lies outside the canvas is cut off.
    """
    # OpenCV's own antialiasing draws thick lines up to 2.4 pixels too thick, so they are drawn large and averaged.
    fine = np.zeros((canvas[0] * FINER, canvas[1] * FINER), np.uint8)
    pen = max(1, round(width * FINER))
    for stroke in strokes:
        points = np.rint((np.asarray(stroke, np.float64) + 0.5) * FINER * ONE_PIXEL).astype(np.int32)
        cv2.polylines(fine, [points], False, 255, pen, cv2.LINE_8, FRACTION_BITS)
        for x, y in points[[0, -1]].tolist():
            cv2.circle(fine, (x, y), pen * ONE_PIXEL // 2, 255, cv2.FILLED, cv2.LINE_8, FRACTION_BITS)
    return np.asarray(cv2.resize(fine, (canvas[1], canvas[0]), interpolation=cv2.INTER_AREA), np.uint8)


def place(strokes: Strokes, box: tuple[float, float, float]) -> list[NDArray[np.float64]]:
    """Strokes moved and scaled, aspect kept, so that their longer side fills ``(left, top, side)``."""
    points = np.concatenate([np.asarray(stroke, np.float64) for stroke in strokes])
    low, high = points.min(axis=0), points.max(axis=0)
    left, top, side = box
    scale = side / max(float((high - low).max()), 1e-9)
    offset = np.array([left, top]) + (side - (high - low) * scale) / 2
    return [(np.asarray(stroke, np.float64) - low) * scale + offset for stroke in strokes]


def random_width(rng: np.random.Generator, side: float) -> float:
    """A pen's width in pixels for a drawing with this longer side: any in [THIN, THICK], thin as likely as thick."""
    return float(side * np.exp(rng.uniform(np.log(THIN), np.log(THICK))))


def sketch(strokes: Strokes, rng: np.random.Generator, side: int = 96) -> NDArray[np.uint8]:
    """A trajectory as ink, its longer side ``side`` pixels, drawn with a round pen of random width."""
    width = random_width(rng, side)
    margin = int(width) + 2
    placed = place(strokes, (margin, margin, side))
    return draw(placed, (side + 2 * margin, side + 2 * margin), width)
