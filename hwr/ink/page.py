"""The page in a photo: a light, even sheet on something darker is found, cut out and straightened."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from hwr.ink.picture import Gray, Pixels, shrink

Corners = NDArray[np.float32]  # (4, 2): x and y of a page, clockwise from the upper left

SURVEY = 256  # pixels: the page is looked for in a picture of this size
LEAST_SIDE = 160  # pixels: smaller pictures are crops of writing, and show no desk
STROKE = 0.06  # of the survey's side: darker strokes and specks of light are closed over
SHARES = (0.06, 0.985)  # of the picture that a page takes
DARKER = 25  # grey levels by which the desk is darker than the page, all along its sides ...
MUCH_DARKER = 0.5  # of the page's grey: beyond one side alone less dark things are taken for a shadow
DARKER_SHARE = 0.8  # ... or along this share of a side at least
SOLID = 0.94  # of its convex hull: a page has no bays
TOLERANCES = (0.02, 0.03, 0.045, 0.06)  # of the outline's length: how far a corner may be from it
FOUR = (0.9, 1.05)  # area of the hull, as a share of the quadrilateral's
BORDER = 3  # pixels of the survey: a side so near to the picture's border is no edge of the page
INSET = 0.012  # of the page's size: its rim is cut away with the desk
RIM = 0.04  # of the page's size: what touches its border and reaches no farther in is its edge
FRAME = 0.07  # of the picture's shorter side: a thicker frame is none
SMALLEST = 16  # pixels: smaller pictures are no cells
FRAMED = 40  # grey levels between a frame and what it holds ...
ALL_ALONG = 0.97  # ... along so much of every side


def find(gray: Gray) -> Corners | None:
    """The corners of the page in a photo, in its pixels; None where no desk is seen around it.

    At least two sides of the page must be seen, or one beyond which it is much darker: the edge of a shadow looks
    like one side of a page, too.
    """
    if min(gray.shape) < LEAST_SIDE:
        return None
    small = shrink(gray, SURVEY)
    side = max(3, round(STROKE * SURVEY) | 1)
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    calm = cv2.GaussianBlur(small, (0, 0), 1.0)
    closed = np.asarray(cv2.morphologyEx(calm, cv2.MORPH_CLOSE, disc, borderType=cv2.BORDER_REPLICATE), np.uint8)
    opened = np.asarray(cv2.morphologyEx(closed, cv2.MORPH_OPEN, disc, borderType=cv2.BORDER_REPLICATE), np.uint8)
    hull = _sheet(opened)
    corners = None if hull is None else _quadrilateral(hull)
    if hull is None or corners is None:
        return None
    if not _stands_out(corners, opened):
        return None
    return _clockwise(corners) * np.float32(max(gray.shape) / max(small.shape))


def straightened(picture: Pixels, corners: Corners) -> tuple[Pixels, NDArray[np.float64]]:
    """The page alone, upright and rectangular, without its rim, and the (3, 3) transform that led there."""
    width = (np.linalg.norm(corners[1] - corners[0]) + np.linalg.norm(corners[2] - corners[3])) / 2
    height = (np.linalg.norm(corners[3] - corners[0]) + np.linalg.norm(corners[2] - corners[1])) / 2
    x, y = INSET * width, INSET * height
    size = max(1, round(width - 2 * x)), max(1, round(height - 2 * y))
    target = np.array([[-x, -y], [width - x, -y], [width - x, height - y], [-x, height - y]], np.float32)
    move = cv2.getPerspectiveTransform(corners, target)
    sheet = cv2.warpPerspective(picture, move, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(sheet, np.uint8), np.asarray(move, np.float64)


def frame(gray: Gray) -> int:
    """How thick a frame of one grey runs around the picture, in pixels; 0 without one.

    All four sides have to be of that grey, and what lies within must differ from it: a cell that was cut out along
    its printed lines.
    """
    height, width = gray.shape
    deepest = int(FRAME * min(height, width))
    if deepest < 1 or min(height, width) < SMALLEST:
        return 0
    inner = np.median(_ring(gray, deepest + 1))
    if abs(float(np.median(_ring(gray, 0))) - float(inner)) < FRAMED:
        return 0
    for depth in range(deepest + 1):
        sides = _sides(gray, depth)
        off = [float((np.abs(side.astype(np.int16) - inner) >= FRAMED / 2).mean()) for side in sides]
        if min(off) < ALL_ALONG:
            return min(depth + 1, deepest + 1) if depth else 0
    return 0


def without_rim(ink: Gray) -> Gray:
    """The ink of a page without what lies along its borders: the page's own edge, seen from the side."""
    mask = (ink > 0).view(np.uint8)
    _, numbers, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    height, width = ink.shape
    x, y, w, h, _ = stats.T
    flat = (h <= RIM * height) & ((y <= 1) | (y + h >= height - 1))
    steep = (w <= RIM * width) & ((x <= 1) | (x + w >= width - 1))
    drop = flat | steep
    drop[0] = False
    return np.where(drop[numbers], np.uint8(0), ink) if drop.any() else ink


def _sides(gray: Gray, depth: int) -> tuple[Gray, Gray, Gray, Gray]:
    inner = gray[depth : gray.shape[0] - depth, depth : gray.shape[1] - depth]
    return inner[0], inner[-1], inner[:, 0], inner[:, -1]


def _ring(gray: Gray, depth: int) -> Gray:
    return np.concatenate(_sides(gray, depth))


def _sheet(calm: Gray) -> NDArray[np.int32] | None:
    """The hull of the largest light, solid region, (N, 1, 2); None if it is all of the picture, or no sheet."""
    level, _ = cv2.threshold(calm, 0, 255, cv2.THRESH_OTSU)
    light = (calm > level).view(np.uint8)
    count, numbers, stats, _ = cv2.connectedComponentsWithStats(light, connectivity=4)
    if count < 2:
        return None
    largest = 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax())
    contours, _ = cv2.findContours((numbers == largest).view(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    contour = max(contours, key=cv2.contourArea)
    hull = cv2.convexHull(contour)
    area = cv2.contourArea(hull)
    share = area / calm.size
    if not SHARES[0] <= share <= SHARES[1] or cv2.contourArea(contour) < SOLID * area:
        return None
    return np.asarray(hull, np.int32)


def _quadrilateral(hull: NDArray[np.int32]) -> Corners | None:
    """The four corners of a hull, whose own may be rounded; None if it has another shape."""
    length, area = cv2.arcLength(hull, True), cv2.contourArea(hull)
    tries = (cv2.approxPolyDP(hull, tolerance * length, True).reshape(-1, 2) for tolerance in TOLERANCES)
    rough = next((found for found in tries if len(found) == 4), cv2.boxPoints(cv2.minAreaRect(hull)))
    corners = _sharpened(np.asarray(rough, np.float64), hull.reshape(-1, 2))
    return corners if FOUR[0] <= area / max(cv2.contourArea(corners), 1.0) <= FOUR[1] else None


def _sharpened(rough: NDArray[np.float64], hull: NDArray[np.int32]) -> Corners:
    """Where straight lines through the middles of the sides meet, float32 (4, 2)."""
    outline = _dense(hull)
    lines = []
    for a, b in zip(rough, np.roll(rough, -1, axis=0), strict=True):
        along = (outline - a) @ (b - a) / max(float((b - a) @ (b - a)), 1e-6)
        off = np.abs((b - a)[0] * (outline - a)[:, 1] - (b - a)[1] * (outline - a)[:, 0]) / max(
            float(np.linalg.norm(b - a)), 1e-6
        )
        near = outline[(along > 0.15) & (along < 0.85) & (off < 0.06 * SURVEY)]
        ends = near if len(near) >= 2 else np.stack([a, b])
        vx, vy, x, y = cv2.fitLine(ends.astype(np.float32), cv2.DIST_HUBER, 0, 0.01, 0.01).ravel().tolist()
        lines.append((vy, -vx, vy * x - vx * y))  # n . p = c
    corners = []
    for (a0, b0, c0), (a1, b1, c1), old in zip([lines[-1], *lines[:-1]], lines, rough, strict=True):
        across = a0 * b1 - a1 * b0
        met = ((c0 * b1 - c1 * b0) / across, (a0 * c1 - a1 * c0) / across) if abs(across) > 0.2 else tuple(old)
        corners.append(met)
    return np.asarray(corners, np.float32)


def _dense(hull: NDArray[np.int32]) -> NDArray[np.float64]:
    """Points about a pixel apart along a closed polygon, (N, 2)."""
    found = []
    for a, b in zip(hull, np.roll(hull, -1, axis=0), strict=True):
        steps = max(round(float(np.linalg.norm(b - a))), 1)
        found.append(a + (b - a) * np.arange(steps)[:, None] / steps)
    return np.concatenate(found)


def _clockwise(corners: Corners) -> Corners:
    """From the upper left on."""
    middle = corners.mean(axis=0)
    order = np.argsort(np.arctan2(corners[:, 1] - middle[1], corners[:, 0] - middle[0]))
    ordered = corners[order]
    return np.asarray(np.roll(ordered, -int(ordered.sum(axis=1).argmin()), axis=0))


def _stands_out(corners: Corners, calm: Gray) -> bool:
    """Whether the sides within the picture have something darker beyond them; much darker, if it is one side alone."""
    height, width = calm.shape
    middle, ratios = corners.mean(axis=0), []
    for a, b in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        along = np.linspace(0.1, 0.9, 30)[:, None]
        points = a + along * (b - a)
        normal = np.array([b[1] - a[1], a[0] - b[0]]) / max(float(np.linalg.norm(b - a)), 1e-6)
        normal *= np.sign(np.dot((a + b) / 2 - middle, normal)) or 1.0
        edge = np.minimum(points, np.array([width - 1, height - 1]) - points).min(axis=1)
        if np.median(edge) <= BORDER:
            continue
        beyond = points + normal * 6
        seen = ((beyond >= 0) & (beyond <= (width - 1, height - 1))).all(axis=1)
        if seen.sum() < len(seen) / 3:
            continue
        inner, outer = (_at(calm, points[seen] + normal * step).astype(np.float64) for step in (-6, 6))
        if float((inner - outer >= DARKER).mean()) < DARKER_SHARE:
            return False
        ratios.append(float(np.median(outer / np.maximum(inner, 1))))
    return len(ratios) >= 2 or (len(ratios) == 1 and ratios[0] <= MUCH_DARKER)


def _at(gray: Gray, points: NDArray[np.float64]) -> Gray:
    x, y = np.rint(points).astype(int).T
    return np.asarray(gray[y.clip(0, gray.shape[0] - 1), x.clip(0, gray.shape[1] - 1)])
