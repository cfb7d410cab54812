"""Pen trajectories -> pictures, as the sketchpad would have drawn them: a round pen, antialiased."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

Strokes = Sequence[NDArray[np.generic]]  # one (points, 2) array a stroke; x to the right, y downwards

FRACTION_BITS = 4  # OpenCV takes coordinates as integers: sixteenths of a pixel
THIN, THICK = 0.02, 0.17  # pen widths as a share of the longer side of the drawing


def draw(strokes: Strokes, canvas: tuple[int, int], width: float) -> NDArray[np.uint8]:
    """Strokes in pixels of a canvas (height, width) as ink: uint8, white on black.

    ``width`` is the pen's, in pixels. A stroke of one point is a dot. What lies outside the canvas is cut off.
    """
    ink = np.zeros(canvas, np.uint8)
    scale = 1 << FRACTION_BITS
    for stroke in strokes:
        points = np.rint(np.asarray(stroke, np.float64) * scale).astype(np.int32)
        _dot(ink, points[0], width, scale)
        if len(points) > 1:
            pen = max(1, round(width))
            cv2.polylines(ink, [points], False, 255, pen, cv2.LINE_AA, FRACTION_BITS)
            _dot(ink, points[-1], width, scale)
    return ink


def _dot(ink: NDArray[np.uint8], centre: NDArray[np.int32], width: float, scale: int) -> None:
    radius = max(1, round(width / 2 * scale))
    cv2.circle(ink, (int(centre[0]), int(centre[1])), radius, 255, cv2.FILLED, cv2.LINE_AA, FRACTION_BITS)


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
