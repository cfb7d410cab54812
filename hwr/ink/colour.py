"""Colour pictures as grey: by brightness, or by colour where ink and paper are of one brightness."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from hwr.ink.picture import Gray, luminance

SURVEY = 160  # pixels: whether colour is needed is judged in a picture of this size
STROKE_SHARE = 0.35  # of its side: wider than any stroke
TELLS = 30.0  # grey levels: colour that differs by less is tint, not ink
TIMES = 2.5  # times as far apart in colour as in brightness: then brightness is the worse witness
RARE = 0.5  # per cent of the pixels that are at least as far from the paper as counts


def gray_of(rgb: NDArray[np.uint8]) -> Gray:
    """uint8 (H, W) of (H, W, 3): brightness (ITU-R 601), unless only colour tells ink from paper."""
    towards = _direction(rgb)
    return luminance(rgb) if towards is None else _projected(rgb, towards)


def _direction(rgb: NDArray[np.uint8]) -> NDArray[np.float32] | None:
    """The direction in RGB, of length 1, in which ink differs from paper; None where brightness will do."""
    scale = min(SURVEY / max(rgb.shape[:2]), 1.0)
    size = max(1, round(rgb.shape[1] * scale)), max(1, round(rgb.shape[0] * scale))
    small = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA).astype(np.float32)
    if np.ptp(small, axis=2).max() < TELLS:  # all grey
        return None
    calm = cv2.GaussianBlur(small, (0, 0), 0.8)
    window = max(3, round(STROKE_SHARE * max(size)) | 1)
    off = calm - cv2.medianBlur(calm.astype(np.uint8), window).astype(np.float32)
    bright = off @ np.array([0.299, 0.587, 0.114], np.float32)
    hue = off - bright[..., None]
    far = np.linalg.norm(hue, axis=2)
    colour, light = (float(np.percentile(one, 100 - RARE)) for one in (far, np.abs(bright)))
    if colour < TELLS or colour < TIMES * light:
        return None
    strong = off[far >= 0.6 * colour].mean(axis=0)
    return np.asarray(strong / max(float(np.linalg.norm(strong)), 1e-6), np.float32)


def _projected(rgb: NDArray[np.uint8], towards: NDArray[np.float32]) -> Gray:
    """How far each pixel lies against a direction, as grey: ink is dark."""
    along = rgb.astype(np.float32) @ towards
    low, high = np.percentile(along, (0.1, 99.9))
    share = np.clip((along - low) / max(float(high - low), 1e-6), 0, 1)
    return np.asarray(np.rint(255 * (1 - share)), np.uint8)
