"""Grey values -> ink: which side is the paper, is it even, and does anything but noise lie on it."""

from __future__ import annotations

from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

Gray = NDArray[np.uint8]
Floats = NDArray[np.float32]
Number = TypeVar("Number", np.uint8, np.float32)

EVEN_SHARE = 0.85  # of the border's pixels ...
EVEN_LEVELS = 8  # ... within so many grey levels of their median: even paper
CONTRAST = 18.0  # grey levels: least difference between ink and paper
NOISE_FACTOR = 3.0  # ink stands out of the paper's noise by so many standard deviations
CORRELATION = 0.3  # least likeness of neighbouring pixels along some direction: strokes have it, noise has not
SURVEY_SIDE = 160  # pixels: the paper is surveyed on a picture of this size
RULE_SPAN = 0.9  # share of the picture's side that a ruled line covers ...
RULE_THICKNESS = 0.03  # ... and the largest thickness it has, as a share of the other side
RULE_MIN_SIDE = 64  # pixels: smaller pictures are crops of characters, where a long bar belongs to the character


def lift_ink(gray: Gray) -> Gray | None:
    """Ink on paper as ink: uint8 (H, W), white on black; None if the paper is blank or holds only noise.

    Even paper, known by its border, is subtracted as it is, so that a clean picture keeps its exact values.
    Uneven paper (photos, scans, tight crops) is surveyed and flattened first.
    """
    low, high = int(gray.min()), int(gray.max())
    if high - low < CONTRAST or _is_noise(gray):
        return None
    level = _even_level(gray)
    return _from_uneven(gray) if level is None else _from_even(gray, level)


def _is_noise(gray: Gray) -> bool:
    """True if no direction is found in which neighbours resemble each other."""
    small = _survey(gray)
    values = small - small.mean()
    variance = float((values * values).mean())
    pairs = [
        (values[:, 1:], values[:, :-1]),
        (values[1:], values[:-1]),
        (values[1:, 1:], values[:-1, :-1]),
        (values[1:, :-1], values[:-1, 1:]),
    ]
    likeness = [float((a * b).mean()) / variance for a, b in pairs if a.size] if variance else [0.0]
    return max(likeness, default=1.0) < CORRELATION


def _even_level(gray: Gray) -> int | None:
    border = _border(gray).astype(np.int16)
    level = int(np.median(border))
    near = np.abs(border - level) <= EVEN_LEVELS
    return level if near.mean() >= EVEN_SHARE else None


def _border(values: NDArray[Number]) -> NDArray[Number]:
    return np.concatenate([values[0], values[-1], values[:, 0], values[:, -1]])


def _from_even(gray: Gray, level: int) -> Gray:
    paper = np.uint8(level)
    darker, lighter = paper - np.minimum(gray, paper), np.maximum(gray, paper) - paper
    return darker if darker.sum(dtype=np.int64) > lighter.sum(dtype=np.int64) else lighter


def _survey(gray: Gray) -> Floats:
    scale = SURVEY_SIDE / max(gray.shape)
    if scale >= 1:
        return gray.astype(np.float32)
    size = (max(1, round(gray.shape[1] * scale)), max(1, round(gray.shape[0] * scale)))
    return cv2.resize(gray, size, interpolation=cv2.INTER_AREA).astype(np.float32)


def _from_uneven(gray: Gray) -> Gray | None:
    small = _survey(gray)
    sign = _sign_of_ink(small)
    paper = _paper_surface(small, sign)
    full = cv2.resize(paper, (gray.shape[1], gray.shape[0]), interpolation=cv2.INTER_LINEAR)
    rise = sign * (gray.astype(np.float32) - full)
    threshold = _otsu(rise)
    mask = rise > threshold
    if not mask.any() or mask.all():
        return None
    contrast, noise = float(np.median(rise[mask])), _spread(rise[~mask])
    if contrast < max(CONTRAST, NOISE_FACTOR * noise):
        return None
    near = cv2.dilate(_without_rules(mask.astype(np.uint8)), np.ones((3, 3), np.uint8))
    low = min(2 * noise, contrast / 3)
    high = float(np.percentile(rise[mask], 80))
    ink: Gray = np.rint(np.clip((rise - low) / max(high - low, 1.0), 0, 1) * near * 255).astype(np.uint8)
    return ink


def _sign_of_ink(small: Floats) -> int:
    """-1 for dark ink, 1 for light: paper fills the border, the corners and most of the area."""
    mask = small - _blur(small, 0.5) > 0
    mask = small - _level(small, mask) > 0
    light = mask.astype(np.float32)
    corners = light[[0, 0, -1, -1], [0, -1, 0, -1]]
    votes = float(_border(light).mean()) + float(light.mean()) + float(corners.mean())
    return -1 if votes > 1.5 else 1


def _level(small: Floats, light: NDArray[np.bool_]) -> float:
    """Halfway between the two sides."""
    if light.all() or not light.any():
        return float(small.mean())
    return (float(small[light].mean()) + float(small[~light].mean())) / 2


def _paper_surface(small: Floats, sign: int) -> Floats:
    """The paper's own grey at every pixel: a wide average of what is not ink, refined three times."""
    paper = np.ones_like(small)
    surface = _blur(small, 0.25)
    for share in (0.25, 0.15, 0.1):
        rise = sign * (small - surface)
        ink = (rise > max(_otsu(rise), CONTRAST / 2)).astype(np.uint8)
        paper = 1 - cv2.dilate(ink, np.ones((3, 3), np.uint8)).astype(np.float32)
        weight = _blur(paper, share)
        mean = _blur(small * paper, share) / np.maximum(weight, 1e-3)
        overall = float((small * paper).sum() / max(float(paper.sum()), 1.0))
        surface = np.where(weight > 1e-2, mean, overall if paper.any() else float(small.mean())).astype(np.float32)
    return surface


def _blur(values: Floats, share: float) -> Floats:
    sigma = max(share * max(values.shape), 0.5)
    return np.asarray(cv2.GaussianBlur(values, (0, 0), sigma, borderType=cv2.BORDER_REFLECT), dtype=np.float32)


def _otsu(values: Floats) -> float:
    low, high = float(values.min()), float(values.max())
    step = max(high - low, 1e-6) / 255
    levels = np.rint((values - low) / step).astype(np.uint8)
    threshold, _ = cv2.threshold(levels, 0, 255, cv2.THRESH_OTSU)
    return low + float(threshold) * step


def _spread(values: Floats) -> float:
    """Standard deviation as the median absolute deviation tells it: a stray stroke does not move it."""
    return 1.4826 * float(np.median(np.abs(values - np.median(values)))) if values.size else 0.0


def _without_rules(mask: Gray) -> Gray:
    """The mask without ruled lines; where a stroke crosses a line, the crossing stays."""
    if min(mask.shape) < RULE_MIN_SIDE:
        return mask
    for _ in range(2):  # horizontal, then, turned, vertical
        mask = np.ascontiguousarray(_without_horizontal_rules(mask).T)
    return mask


def _without_horizontal_rules(mask: Gray) -> Gray:
    height, width = mask.shape
    runs = cv2.morphologyEx(mask, cv2.MORPH_OPEN, np.ones((1, max(3, width // 8)), np.uint8))
    joined = cv2.dilate(runs, np.ones((3, max(3, width // 16)), np.uint8))
    count, pieces, stats, _ = cv2.connectedComponentsWithStats(joined)
    thickness = max(2, round(RULE_THICKNESS * height))
    taller = cv2.morphologyEx(mask, cv2.MORPH_OPEN, np.ones((thickness + 2, 1), np.uint8))
    for piece in range(1, count):
        if stats[piece, cv2.CC_STAT_WIDTH] < RULE_SPAN * width:
            continue
        line = (pieces == piece) & (runs > 0) & (taller == 0)
        if line.sum() <= thickness * width:
            mask = np.where(line, np.uint8(0), mask)
    return mask
