"""Close gaps in strokes that are far narrower than the pen, as in scratched or badly copied writing."""

from __future__ import annotations

import cv2
import numpy as np

from hwr.ink.line import pen_width, stroke_mask
from hwr.ink.picture import Gray

MANY = 6  # pieces of ink from which on strokes may be broken; fewer are characters, dots and separate strokes
FEWER = 3  # factor by which closing the gaps must reduce the number of pieces
SIDES = (3, 5, 7, 9)  # pixels: widths of gaps that are tried, the narrowest first
PEN = 3.0  # smallest ratio of the pen's width to the width of the gaps


def mended(ink: Gray) -> Gray:
    """Return ink, uint8 (H, W), with the gaps in its strokes closed; unchanged if its strokes are not broken."""
    mask = stroke_mask(ink)
    pieces = _pieces(mask)
    if pieces < MANY:
        return ink
    for side in SIDES:
        disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
        whole = np.asarray(cv2.morphologyEx(mask, cv2.MORPH_CLOSE, disc), np.uint8)
        if FEWER * _pieces(whole) <= pieces and pen_width(whole) >= PEN * side:
            return np.asarray(cv2.morphologyEx(ink, cv2.MORPH_CLOSE, disc), np.uint8)
    return ink


def _pieces(mask: Gray) -> int:
    return int(cv2.connectedComponents(mask, connectivity=8)[0]) - 1
