"""Ink of a page -> its lines of writing, in reading order, each cut out without its neighbours."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from hwr.ink.line import pen_width, stroke_mask
from hwr.reading.lines import height_of, in_lines
from hwr.reading.result import Box

Gray = NDArray[np.uint8]

SPECK = 0.35  # of the pen's width: components that are smaller in both directions are specks
MAX_COMPONENTS = 1500  # of a page; the largest are kept
LOW = 0.2  # of the height of the tallest line: lower ones are specks and dashes of the paper
STEEP = 0.03  # slope from which a line is turned level
LONG = 3.0  # times as wide as high: shorter lines have no slope that could be measured
MAX_SLOPE = 0.35  # steeper ones are not lines of writing


@dataclass(frozen=True)
class InkLine:
    """One line: its box on the page, and its ink, uint8 (h, w), with the ink of other lines taken out.

    ``slope`` is how far the line falls to the right, in pixels for each pixel; the ink has been turned level.
    """

    box: Box
    ink: Gray
    slope: float = 0.0

    @property
    def pieces(self) -> int:
        """Return the number of connected pieces of ink and of holes in them, without specks: 2 for a 6, 3 for an 8."""
        mask = stroke_mask(self.ink)
        outlines, _ = cv2.findContours(mask, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
        least = SPECK * pen_width(mask)
        return sum(max(cv2.boundingRect(outline)[2:]) > least for outline in outlines)


def lines_of(ink: Gray) -> list[InkLine]:
    """Find the lines of writing in ink, uint8 (H, W), white on black, from top to bottom."""
    if not ink.any():
        return []
    mask = stroke_mask(ink)
    pen = pen_width(mask)
    _, numbered, measured, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    stats: NDArray[np.int64] = np.asarray(measured, np.int64)
    labels: NDArray[np.int32] = np.asarray(numbered, np.int32)
    kept = [n for n in range(1, len(stats)) if stats[n, cv2.CC_STAT_WIDTH : cv2.CC_STAT_HEIGHT + 1].max() > SPECK * pen]
    if not kept:
        return []
    if len(kept) > MAX_COMPONENTS:
        kept = sorted(sorted(kept, key=lambda n: -int(stats[n, cv2.CC_STAT_AREA]))[:MAX_COMPONENTS])
    boxes = np.concatenate([np.zeros((1, 4), np.int64), [_box(stats[n]) for n in kept]])
    rows = in_lines(boxes, pen)
    heights = [int(np.ptp(boxes[row][:, [1, 3]])) for row in rows]
    tallest = height_of(boxes[1:], pen)
    owner = np.zeros(len(stats), np.int64)
    for i, row in enumerate(rows):
        owner[[kept[n - 1] for n in row]] = i + 1
    return [
        _cut(ink, labels, owner, i + 1, boxes[row])
        for i, (row, height) in enumerate(zip(rows, heights, strict=True))
        if height > LOW * tallest
    ]


def _box(stat: NDArray[np.int64]) -> list[int]:
    left, top, width, height = stat[:4].tolist()
    return [left, top, left + width, top + height]


def _cut(
    ink: Gray, labels: NDArray[np.int32], owner: NDArray[np.int64], number: int, boxes: NDArray[np.int64]
) -> InkLine:
    """The ink of one line alone, turned level where it slopes."""
    left, top = boxes[:, :2].min(axis=0).tolist()
    right, bottom = boxes[:, 2:].max(axis=0).tolist()
    box = (max(left - 1, 0), max(top - 1, 0), min(right + 1, ink.shape[1]), min(bottom + 1, ink.shape[0]))
    area = slice(box[1], box[3]), slice(box[0], box[2])
    others = owner[labels[area]]
    alien = ((others != number) & (labels[area] > 0)).astype(np.uint8)
    alien = cv2.dilate(alien, np.ones((3, 3), np.uint8)) * (others != number)  # with the antialiased rim of strokes
    cut = np.where(alien > 0, np.uint8(0), ink[area])
    slope = _slope(boxes)
    if not STEEP < abs(slope) < MAX_SLOPE:
        return InkLine(box, cut)
    return InkLine(box, _level(cut, slope), slope)


def _slope(boxes: NDArray[np.int64]) -> float:
    """How far a line falls for each pixel to the right, from the middles of its components; 0 where it is short."""
    width, height = (boxes[:, 2:].max(axis=0) - boxes[:, :2].min(axis=0)).tolist()
    if len(boxes) < 4 or width < LONG * height / 2:
        return 0.0
    tall = boxes[boxes[:, 3] - boxes[:, 1] >= 0.5 * np.median(boxes[:, 3] - boxes[:, 1])]
    if len(tall) < 4:
        return 0.0
    x, y = (tall[:, 0] + tall[:, 2]) / 2, (tall[:, 1] + tall[:, 3]) / 2
    across, down = x[None, :] - x[:, None], y[None, :] - y[:, None]
    far = across > width / 4
    return float(np.median(down[far] / across[far])) if far.any() else 0.0


def _level(ink: Gray, slope: float) -> Gray:
    """Shear ink so that a line of this slope becomes level; columns stay where they are."""
    tall, wide = ink.shape
    drop = slope * wide
    move = np.array([[1, 0, 0], [-slope, 1, max(drop, 0.0)]])
    size = (wide, tall + int(np.ceil(abs(drop))))
    return np.asarray(cv2.warpAffine(ink, move, size, flags=cv2.INTER_LINEAR), np.uint8)
