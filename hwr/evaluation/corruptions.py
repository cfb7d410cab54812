"""Corruptions by paper, pens, hands and cameras, in steps of severity, to measure robustness.

A *page* is a character as a picture of SIDE x SIDE pixels, uint8, dark on white where the model reads ink. It goes
through the whole preprocessing again afterwards, which undoes some corruptions, such as shift and size.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import cv2
import numpy as np

from hwr.ink.picture import Gray

SIDE = 160  # pixels per side of a page
LIMIT = 1000  # pictures of each test set: all of MNIST would take ten minutes instead of one
MARGIN = 8  # pixels around the fitted picture, beside its own margin


class Corruption(NamedTuple):
    """A corruption of a page, its severities and their unit; severity 0 leaves the page unchanged."""

    apply: Callable[[Gray, float, np.random.Generator], Gray]
    severities: tuple[float, ...]
    unit: str


def page(fitted: Gray, ink: bool) -> Gray:
    """Return a fitted picture (S, S) as a page; a plain picture fills it."""
    if not ink:
        return np.asarray(cv2.resize(fitted, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC))
    side = SIDE - 2 * MARGIN
    larger = cv2.resize(fitted, (side, side), interpolation=cv2.INTER_CUBIC)
    return np.asarray(
        255 - cv2.copyMakeBorder(larger, MARGIN, MARGIN, MARGIN, MARGIN, cv2.BORDER_CONSTANT, value=0), np.uint8
    )


def blur(picture: Gray, sigma: float, _: np.random.Generator) -> Gray:
    """Blur by a Gaussian: out of focus."""
    return picture if not sigma else np.asarray(cv2.GaussianBlur(picture, (0, 0), sigma), np.uint8)


def noise(picture: Gray, sigma: float, rng: np.random.Generator) -> Gray:
    """Add Gaussian noise, as of a sensor."""
    return (picture + rng.normal(0, sigma, picture.shape)).clip(0, 255).astype(np.uint8)


def thin(picture: Gray, pixels: float, _: np.random.Generator) -> Gray:
    """Thin strokes by some pixels on each side: a finer pen."""
    return np.asarray(cv2.dilate(picture, _disc(pixels)), np.uint8)


def thick(picture: Gray, pixels: float, _: np.random.Generator) -> Gray:
    """Thicken strokes by some pixels on each side: a broader pen."""
    return np.asarray(cv2.erode(picture, _disc(pixels)), np.uint8)


def _disc(radius: float) -> Gray:
    side = 2 * round(radius) + 1
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)), np.uint8)


def tilt(picture: Gray, degrees: float, _: np.random.Generator) -> Gray:
    """Rotate clockwise."""
    return _moved(picture, cv2.getRotationMatrix2D(((SIDE - 1) / 2, (SIDE - 1) / 2), -degrees, 1.0))


def shift(picture: Gray, share: float, rng: np.random.Generator) -> Gray:
    """Move the character in a random direction, at high severity past the edge."""
    angle = rng.uniform(0, 2 * math.pi)
    x, y = share * SIDE * math.cos(angle), share * SIDE * math.sin(angle)
    return _moved(picture, np.array([[1, 0, x], [0, 1, y]]))


def scale(picture: Gray, smaller: float, _: np.random.Generator) -> Gray:
    """Shrink the character on a page of the same size, so that few pixels are left."""
    if not smaller:
        return picture
    side = max(1, round(SIDE / smaller))
    small = cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA)
    before = (SIDE - side) // 2
    after = SIDE - side - before
    return np.asarray(cv2.copyMakeBorder(small, before, after, before, after, cv2.BORDER_REPLICATE), np.uint8)


def low_contrast(picture: Gray, lost: float, _: np.random.Generator) -> Gray:
    """Lower the contrast by a share: a faint pencil."""
    return np.asarray(np.rint(255 - (1 - lost) * (255.0 - picture)), np.uint8)


def shadow(picture: Gray, darkness: float, rng: np.random.Generator) -> Gray:
    """Darken one side of a soft edge through the centre by a share: a shadow."""
    angle = rng.uniform(0, 2 * math.pi)
    y, x = np.mgrid[-0.5 : 0.5 : SIDE * 1j, -0.5 : 0.5 : SIDE * 1j]
    beyond = (math.cos(angle) * x + math.sin(angle) * y + rng.uniform(-0.2, 0.2)) * 30
    return np.asarray(np.rint(picture * (1 - darkness / (1 + np.exp(-beyond)))), np.uint8)


def _moved(picture: Gray, matrix: Any) -> Gray:
    return np.asarray(cv2.warpAffine(picture, matrix, (SIDE, SIDE), borderMode=cv2.BORDER_REPLICATE), np.uint8)


CORRUPTIONS = {
    "blur": Corruption(blur, (0, 1, 2, 4, 6, 8, 12), f"standard deviation, pixels of {SIDE}"),
    "noise": Corruption(noise, (0, 10, 20, 40, 60, 90), "standard deviation, grey levels"),
    "thin": Corruption(thin, (0, 1, 2, 3, 4, 5), f"pixels of {SIDE} lost on each side"),
    "thick": Corruption(thick, (0, 2, 4, 6, 8, 10), f"pixels of {SIDE} gained on each side"),
    "tilt": Corruption(tilt, (-45, -30, -20, -10, 0, 10, 20, 30, 45), "degrees clockwise"),
    "shift": Corruption(shift, (0, 0.1, 0.2, 0.25, 0.3, 0.4), "share of the page"),
    "scale": Corruption(scale, (0, 2, 4, 6, 8, 12), "times smaller"),
    "low contrast": Corruption(low_contrast, (0, 0.5, 0.8, 0.9, 0.95), "share of the darkness lost"),
    "shadow": Corruption(shadow, (0, 0.2, 0.4, 0.6, 0.8), "share of the light lost"),
}
