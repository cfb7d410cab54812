"""Strokes broken by gaps far narrower than the pen, as scratches and bad copies leave them, made whole."""

from __future__ import annotations

import cv2
import numpy as np

from hwr.ink.line import INK_EDGE, pen_width
from hwr.ink.picture import Gray

MANY = 6  # pieces: fewer are characters, dots and strokes ...
FEWER = 3  # ... and if they are crumbs of the same strokes, so many times fewer are left without the gaps
SIDES = (3, 5, 7, 9)  # pixels: gaps narrower than one of these are closed ...
PEN = 3.0  # ... which the pen is at least so many times as wide as


def mended(ink: Gray) -> Gray:
    """Ink, uint8 (H, W), with the gaps in its strokes filled; as it is where they are not what parts it."""
    mask = (ink >= max(1, int(np.ceil(INK_EDGE * int(ink.max(initial=0)))))).view(np.uint8)
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
