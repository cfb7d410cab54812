"""Grey values -> ink: which side is the paper, is it even, and does anything but noise lie on it."""

from __future__ import annotations

import math
from typing import Any, NamedTuple, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from hwr.ink.picture import Gray, shrink

Floats = NDArray[np.float32]
Number = TypeVar("Number", np.uint8, np.float32)

EVEN_SHARE = 0.85  # of the border's pixels ...
EVEN_LEVELS = 1  # ... within so many grey levels of their median: even paper, which no camera saw
CONTRAST = 18.0  # grey levels: least difference between ink and paper
DARKEST_PAPER = 40.0  # grey levels: darker paper is not brightened further
FAINT = 0.4  # share of the strongest ink's contrast below which nothing is ink: printed rules, paper grain
PALE = 0.4  # of that contrast: fainter rules are left to the threshold, which drops them whole
ALONG = 9  # pixels along a line that are averaged: its noise becomes a third
NOISE_FACTOR = 3.0  # ink stands out of the paper's noise by so many standard deviations
REACH_OF_NOISE = 1.44  # standard deviations within which EVEN_SHARE of normal noise lies
GRAIN_FACTOR = 6.0  # standard deviations of the border's noise: paper grain and JPEG reach so far, ink farther
CORRELATION = 0.3  # least likeness of neighbouring pixels along some direction: strokes have it, noise has not
STROKE_SHARE = 0.35  # of the picture's longer side: wider than any stroke
DIGITAL_SHARE = 0.1  # of the pixels are pure white or pure black: paper that no camera saw ...
PHOTO_SIDE = 64  # ... asked of pictures smaller than this only, in pixels: an overexposed photo has such paper too
SURROUNDINGS = 0.2  # of the picture's longer side: the window around a stroke
SURVEY_SIDE = 160  # pixels: the paper is surveyed on a picture of this size


class Lifted(NamedTuple):
    """Ink, uint8 (H, W), white on black; and where faint lines may run, 0 or 1, across and down, if any are kept."""

    ink: Gray
    faint: tuple[Gray, Gray] | None = None


def lift_ink(gray: Gray) -> Lifted | None:
    """Ink on paper as ink; None if the paper is blank or holds only noise.

    Even paper, known by its border, is subtracted as it is, so that a clean picture keeps its exact values.
    Uneven paper (photos, scans, tight crops) is surveyed and flattened first.
    """
    low, high, *_ = cv2.minMaxLoc(gray)
    if high - low < CONTRAST or _is_noise(gray):
        return None
    even = _even_paper(gray)
    return _from_uneven(gray) if even is None else _from_even(gray, even)


def is_even(gray: Gray) -> bool:
    """Whether the border shows paper of one exact grey, which no camera saw."""
    return _even_paper(gray) is not None


def _is_noise(gray: Gray) -> bool:
    """True if no direction is found in which neighbours resemble each other."""
    small = _coarse(gray)
    mean = cv2.sumElems(small)[0] / small.size
    variance = _about(mean, small)
    pairs = (
        (small[:, 1:], small[:, :-1]),
        (small[1:], small[:-1]),
        (small[1:, 1:], small[:-1, :-1]),
        (small[1:, :-1], small[:-1, 1:]),
    )
    likeness = (_covariance(mean, a, b) / variance for a, b in pairs if a.size)
    return not variance or all(found < CORRELATION for found in likeness)  # of strokes the first tells enough


def _coarse(gray: Gray) -> Gray:
    """A whole number of times smaller, which is quick, without the last rows and columns if they do not fill one."""
    times = math.ceil(max(gray.shape) / SURVEY_SIDE)
    if times == 1:
        return gray
    height, width = (max(side // times, 1) for side in gray.shape)
    whole = gray[: height * times, : width * times]
    return np.asarray(cv2.resize(whole, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def _about(mean: float, values: Gray) -> float:
    """The mean square of what values differ from ``mean``."""
    return (cv2.norm(values, cv2.NORM_L2SQR) - 2 * mean * cv2.sumElems(values)[0]) / values.size + mean**2


def _covariance(mean: float, a: Gray, b: Gray) -> float:
    """The mean product of what two pictures of one size differ from ``mean``, by sums of bytes alone."""
    return (_about(mean, a) + _about(mean, b) - cv2.norm(a, b, cv2.NORM_L2SQR) / a.size) / 2


class _Even(NamedTuple):
    """Even paper, as the border shows it: its grey, its noise (standard deviation), and the border's extremes."""

    level: int
    noise: float
    darkest: int
    lightest: int


def _even_paper(gray: Gray) -> _Even | None:
    """None if the paper is uneven."""
    border = np.sort(_border(gray))
    darkest, lightest = int(border[0]), int(border[-1])
    if darkest == lightest:
        return _Even(darkest, 0.0, darkest, lightest)
    border = border.astype(np.int16)
    level = int(border[(border.size - 1) // 2] + border[border.size // 2]) // 2  # as np.median, which is slow on so few
    rank = min(int(EVEN_SHARE * border.size), border.size - 1)
    reach = float(np.partition(np.abs(border - level), rank)[rank])
    return _Even(level, reach / REACH_OF_NOISE, darkest, lightest) if reach <= EVEN_LEVELS else None


def _border(values: NDArray[Number]) -> NDArray[Number]:
    return np.concatenate([values[0], values[-1], values[:, 0], values[:, -1]])


def _from_even(gray: Gray, even: _Even) -> Lifted | None:
    paper, darker = np.full_like(gray, even.level), cv2.sumElems(gray)[0] < even.level * gray.size
    ink = np.asarray(cv2.subtract(paper, gray) if darker else cv2.subtract(gray, paper), np.uint8)  # at least 0
    if ink.max() < max(CONTRAST, GRAIN_FACTOR * even.noise):
        return None
    return Lifted(ink)


def _survey(gray: Gray) -> Floats:
    return shrink(gray, SURVEY_SIDE).astype(np.float32)


def _from_uneven(gray: Gray) -> Lifted | None:
    small = _survey(gray)
    sign = _sign_of_ink(small)
    if max(gray.shape) < PHOTO_SIDE and _has_digital_paper(gray, sign):
        return Lifted(255 - gray if sign < 0 else gray)
    paper = _paper_surface(small, sign)
    full = cv2.resize(paper, (gray.shape[1], gray.shape[0]), interpolation=cv2.INTER_LINEAR)
    rise = sign * (gray.astype(np.float32) - full)
    if sign < 0:  # ink swallows a share of the light that reaches it, less of it in a shadow
        rise *= 255 / np.maximum(full, DARKEST_PAPER)
    threshold = _otsu(rise)
    strong = float(np.percentile(rise[rise > threshold], 90)) if (rise > threshold).any() else 0.0
    mask = rise > max(threshold, FAINT * strong)
    if not mask.any() or mask.all():
        return None
    contrast, noise = float(np.median(rise[mask])), _spread(rise[~mask])
    if contrast < max(CONTRAST, NOISE_FACTOR * noise):
        return None
    near = _grown(mask.astype(np.uint8), 3, 3)
    low = min(2 * noise, contrast / 3)
    high = float(np.percentile(rise[mask], 80))
    ink: Gray = np.rint(np.clip((rise - low) / max(high - low, 1.0), 0, 1) * near * 255).astype(np.uint8)
    pale = max(PALE * max(threshold, FAINT * strong), noise)
    across, down = ((cv2.blur(rise, along) > pale).view(np.uint8) for along in ((ALONG, 1), (1, ALONG)))
    return Lifted(ink, (across, down))


def _has_digital_paper(gray: Gray, sign: int) -> bool:
    """Pure white paper under pure black ink, or the reverse, and a good part of the picture is that paper."""
    return np.ptp(gray) == 255 and float((gray == (255 if sign < 0 else 0)).mean()) >= DIGITAL_SHARE


def _sign_of_ink(small: Floats) -> int:
    """-1 for dark ink, 1 for light.

    Two witnesses: paper fills the border, the corners and most of the area, which holds even where bold strokes
    fill the frame; and thin strokes stand out of their surroundings to one side only, which holds even in a hard
    shadow, whose edge leans to both sides alike.
    """
    mask = small > _level(small, small > small.mean())
    light = mask.astype(np.float32)
    corners = light[[0, 0, -1, -1], [0, -1, 0, -1]]
    votes = float(_border(light).mean()) + float(light.mean()) + float(corners.mean()) - 1.5
    window = max(3, round(SURROUNDINGS * max(small.shape)) | 1)
    local = small - cv2.blur(small, (window, window))
    square = local * local  # a power of three takes ten times as long
    skew = float((square * local).mean()) / max(float(square.mean()), 1e-6) ** 1.5
    return -1 if 2 * votes - skew > 0 else 1


def _level(small: Floats, light: NDArray[np.bool_]) -> float:
    """Halfway between the two sides."""
    if light.all() or not light.any():
        return float(small.mean())
    return (float(small[light].mean()) + float(small[~light].mean())) / 2


def _paper_surface(small: Floats, sign: int) -> Floats:
    """The paper's own grey at every pixel: strokes closed over, while the edges of shadows stay."""
    side = max(3, round(STROKE_SHARE * max(small.shape)) | 1)
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    calm = cv2.GaussianBlur(small, (0, 0), 0.8)
    closed = cv2.morphologyEx(
        calm, cv2.MORPH_CLOSE if sign < 0 else cv2.MORPH_OPEN, disc, borderType=cv2.BORDER_REPLICATE
    )
    return np.asarray(closed, np.float32)


def _otsu(values: Floats) -> float:
    low, high = float(values.min()), float(values.max())
    step = max(high - low, 1e-6) / 255
    levels = np.rint((values - low) / step).astype(np.uint8)
    threshold, _ = cv2.threshold(levels, 0, 255, cv2.THRESH_OTSU)
    return low + float(threshold) * step


def _spread(values: Floats) -> float:
    """Standard deviation as the median absolute deviation tells it: a stray stroke does not move it."""
    return 1.4826 * float(np.median(np.abs(values - np.median(values)))) if values.size else 0.0


def _grown(mask: NDArray[Any], rows: int, columns: int) -> Gray:
    return np.asarray(cv2.dilate(mask, np.ones((rows, columns), np.uint8)), np.uint8)
