"""The ink of one line of writing, as the line network takes it: one height, any width."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

Gray = NDArray[np.uint8]

INK_EDGE = 0.4  # share of the ink's peak above which a pixel belongs to a stroke
MARGIN = 0.08  # of the height, left free above and below the ink, and as much on both sides
PEN_HEIGHTS = 4.0  # a line counts as at least this many pen widths high, so that a dash is not blown up to full height
PAPER = 0.06  # share of the peak below which ink is paper
PEAK_SHARE = 0.9  # of the pixels of strokes are at most as bright as the grey level that becomes full white
MAX_ASPECT = 48.0  # width of a line in heights; a longer one is squeezed to it


class FittedLine(NamedTuple):
    """A line as the network takes it: uint8 (height, W). Its column x is column ``left + x / scale`` of the ink."""

    picture: Gray
    left: float
    scale: float


def fit_line(ink: Gray, height: int, stretch: float = 1.0) -> FittedLine | None:
    """Scale the ink of one line to ``height`` pixels; None where there is no ink.

    ``ink`` is uint8 (H, W), white on black, holding one line of writing alone. It is cropped to its strokes, scaled
    with antialiasing so that they fill the height but for a margin, widened by ``stretch``, and its contrast is
    stretched to the full range.
    """
    if not ink.any():
        return None
    mask = stroke_mask(ink)
    x, y, width, tall = cv2.boundingRect(mask)
    inner = height * (1 - 2 * MARGIN)
    scale = inner / max(tall, PEN_HEIGHTS * pen_width(mask[y : y + tall, x : x + width]))
    wide = min(max(1, round(width * scale * stretch)), round(MAX_ASPECT * height))
    high = max(1, round(tall * scale))
    cropped = ink[y : y + tall, x : x + width]
    shrinks = high < tall or wide < width
    fitted = cv2.resize(cropped, (wide, high), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    side = round(MARGIN * height * stretch)
    canvas = np.zeros((height, wide + 2 * side), np.uint8)
    top = (height - high) // 2
    canvas[top : top + high, side : side + wide] = _stretch_contrast(np.asarray(fitted, np.uint8))
    ratio = wide / width
    return FittedLine(canvas, x - side / ratio, ratio)


def stroke_mask(ink: Gray) -> Gray:
    """Return which pixels of ink, uint8 (H, W), belong to strokes: 0 or 1, uint8 (H, W)."""
    return (ink >= max(1, int(np.ceil(INK_EDGE * int(ink.max(initial=0)))))).view(np.uint8)


def pen_width(mask: Gray) -> float:
    """Return the typical width of the strokes of a mask, 0 or 1, in pixels: twice their area over their outline."""
    area = cv2.countNonZero(mask)
    inside = cv2.countNonZero(cv2.erode(mask, np.ones((3, 3), np.uint8), borderValue=0))
    return 2.0 * area / max(area - inside, 1)


def _stretch_contrast(fitted: Gray) -> Gray:
    """Scale the grey levels so that strokes are white and faint paper is black."""
    strokes = fitted[fitted >= max(1, int(INK_EDGE * int(fitted.max())))]
    above = int(PEAK_SHARE * (len(strokes) - 1))
    peak = max(int(np.partition(strokes, above)[above]), 1)
    levels = (np.arange(256) / peak - PAPER) / (1 - PAPER)
    return np.rint(np.clip(levels, 0, 1) * 255).astype(np.uint8)[fitted]
