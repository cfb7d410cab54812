"""Pen trajectories -> pictures, as a sketchpad draws them: a round pen, antialiased."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from hwr.config import UserError

Strokes = Sequence[NDArray[np.generic]]  # one (points, 2) array a stroke; x to the right, y downwards

FINER = 4  # drawn so many times larger, then averaged
FRACTION_BITS = 4  # OpenCV takes coordinates as integers: sixteenths of a pixel
ONE_PIXEL = 1 << FRACTION_BITS
MAX_CANVAS = 1024  # pixels: the longer side of a drawing that comes as strokes
MAX_SIDE, MAX_STROKES, MAX_POINTS = 4096, 2000, 50_000  # units of its canvas, and what one visitor draws at most
THIN, THICK = 0.02, 0.22  # pen widths as a share of the longer side of the drawing


def draw(strokes: Strokes, canvas: tuple[int, int], width: float) -> NDArray[np.uint8]:
    """Strokes in pixels of a canvas (height, width) as ink: uint8, white on black.

    ``width`` is the pen's, in pixels. A stroke of one point is a dot. What lies outside the canvas is cut off.
    """
    # OpenCV's own antialiasing draws thick lines up to 2.4 pixels too thick, so they are drawn large and averaged.
    fine = np.zeros((canvas[0] * FINER, canvas[1] * FINER), np.uint8)
    for stroke in strokes:
        _paint(fine, np.asarray(stroke, np.float64), width, 255)
    return np.asarray(cv2.resize(fine, (canvas[1], canvas[0]), interpolation=cv2.INTER_AREA), np.uint8)


def _paint(fine: NDArray[np.uint8], points: NDArray[np.float64], width: float, level: int) -> None:
    """Draw one stroke, (N, 2) and its pen's width in pixels of the canvas, into a picture FINER times as large."""
    pen = max(1, round(width * FINER))
    path = np.rint((points + 0.5) * FINER * ONE_PIXEL).astype(np.int32)
    cv2.polylines(fine, [path], False, level, pen, cv2.LINE_8, FRACTION_BITS)
    for x, y in path[[0, -1]].tolist():
        cv2.circle(fine, (x, y), pen * ONE_PIXEL // 2, level, cv2.FILLED, cv2.LINE_8, FRACTION_BITS)


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


class PenStroke(NamedTuple):
    """One stroke of a drawing: its points, float64 (N, 2), the width of the pen, and whether it erases."""

    points: NDArray[np.float64]
    pen: float
    erases: bool


def ink(drawing: Mapping[str, Any]) -> NDArray[np.uint8]:
    """Draw pen strokes that came as JSON: uint8 (H, W), white on black, the longer side at most MAX_CANVAS pixels.

    ``drawing`` has the keys ``width`` and ``height``, the size of the canvas in any unit, and ``strokes``, a list of
    ``{"x": [...], "y": [...], "pen": width}`` in the same unit, in the order of drawing. A stroke with
    ``"erases": true`` takes ink away. Other keys, for one the times ``t`` of the points, are not looked at. Raises
    UserError for anything else, and above MAX_STROKES strokes or MAX_POINTS points.
    """
    canvas, strokes = _canvas(drawing), _strokes(drawing)
    scale = min(1.0, MAX_CANVAS / max(canvas))
    height, width = (max(1, round(side * scale)) for side in canvas)
    fine = np.zeros((height * FINER, width * FINER), np.uint8)
    for stroke in strokes:
        _paint(fine, stroke.points * scale, stroke.pen * scale, 0 if stroke.erases else 255)
    return np.asarray(cv2.resize(fine, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def _canvas(drawing: Mapping[str, Any]) -> tuple[float, float]:
    """The height and the width of the canvas."""
    height, width = _number(drawing.get("height"), "height"), _number(drawing.get("width"), "width")
    if not (1 <= height <= MAX_SIDE and 1 <= width <= MAX_SIDE):
        raise UserError(f"a drawing is {width:g} x {height:g}: expected 1 to {MAX_SIDE} for its width and its height")
    return height, width


def _strokes(drawing: Mapping[str, Any]) -> list[PenStroke]:
    given = drawing.get("strokes")
    if not isinstance(given, list) or len(given) > MAX_STROKES or not all(isinstance(one, Mapping) for one in given):
        raise UserError(f"the strokes of a drawing are at most {MAX_STROKES:,} objects in a list")
    strokes = [_stroke(one) for one in given]
    points = sum(len(stroke.points) for stroke in strokes)
    if points > MAX_POINTS:
        raise UserError(f"a drawing has {points:,} points: at most {MAX_POINTS:,} are drawn")
    return strokes


def _stroke(given: Mapping[str, Any]) -> PenStroke:
    try:
        points = np.array([given.get("x"), given.get("y")], np.float64).T
    except (TypeError, ValueError):  # ragged lists, words
        points = np.zeros(0)
    if points.ndim != 2 or len(points) == 0 or not (np.abs(points) <= MAX_SIDE).all():
        raise UserError(f"a stroke needs as many x as y, at least one, all of them numbers up to {MAX_SIDE}")
    pen = _number(given.get("pen"), "pen")
    if not 0 < pen <= MAX_SIDE:
        raise UserError(f"a stroke is drawn with a pen of {pen:g}: expected a width above 0, at most {MAX_SIDE}")
    return PenStroke(points, pen, given.get("erases") is True)


def _number(value: Any, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise UserError(f"{name} is {str(value)[:20]!r} in a drawing: expected a number")
    return float(value)
