"""A picture of paper -> ink: the page found and straightened, a frame peeled, the ink lifted, print taken out."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from hwr.ink import colour, page, rules
from hwr.ink.broken import mended
from hwr.ink.paper import is_even, lift_ink
from hwr.ink.picture import Gray, Pixels, luminance, shrink
from hwr.ink.printed import NOTHING, Boxes

Move = NDArray[np.float64]  # (3, 3): x, y, 1 of one picture to those of another, as cv2.warpPerspective takes it

TURNED = 0.4  # degrees: rules that are askew by less are straight


class Written(NamedTuple):
    """The writing in a picture, and where it lies there.

    ``ink`` is uint8 (H, W), white on black. ``cells`` are the boxes of a form in reading order, (N, 4): left, top,
    right, bottom in pixels of the ink. ``size`` is the picture's width and height, its longer side shrunk to at most
    MAX_SIDE pixels, and ``home`` leads from pixels of the ink to pixels of that picture.
    """

    ink: Gray
    cells: Boxes
    size: tuple[int, int]
    home: Move

    @property
    def moved(self) -> bool:
        """Whether the ink lies elsewhere than in the picture."""
        return not np.array_equal(self.home, np.eye(3))

    def in_picture(self, boxes: Boxes) -> Boxes:
        """Boxes (N, 4) in pixels of the ink as the boxes around the same things in the picture."""
        left, top, right, bottom = boxes.T.astype(np.float64)
        corners = np.stack([[left, top], [right, top], [right, bottom], [left, bottom]]).transpose(2, 0, 1)
        moved = cv2.perspectiveTransform(corners, self.home) if len(boxes) else corners
        low, high = np.floor(moved.min(axis=1)), np.ceil(moved.max(axis=1))
        found = np.concatenate([low, high], axis=1) if len(boxes) else np.zeros((0, 4))
        return np.asarray(found.clip(0, np.tile(self.size, 2)), np.int64)


def as_it_is(ink: Gray) -> Written:
    """Ink that needs no work."""
    return Written(ink, NOTHING, (ink.shape[1], ink.shape[0]), np.eye(3))


def lifted(pixels: Pixels) -> Written | None:
    """Extract the ink from a picture of paper, uint8 (H, W) or (H, W, 3); None if there is no writing.

    Even paper that no camera saw keeps its exact values, and no page is looked for on it.
    """
    small = shrink(pixels)
    size = small.shape[1], small.shape[0]
    gray, home, corners = _gray(small), np.eye(3), None
    if not is_even(gray):
        corners = page.find(luminance(small) if small.ndim == 3 else small)
    if corners is not None:
        gray, home = _cut_out(pixels, corners, max(size))
    frame = page.frame(gray)
    if frame:
        gray = np.ascontiguousarray(gray[frame:-frame, frame:-frame])
        home = home @ np.array([[1.0, 0, frame], [0, 1, frame], [0, 0, 1]])
    on_paper = lift_ink(gray)
    if on_paper is None:
        return None
    ink = on_paper.ink if corners is None else page.without_rim(on_paper.ink)
    clean = rules.without_print(ink, on_paper.faint)
    if clean.ink is None:
        return None
    found = Written(mended(clean.ink), clean.cells, size, home)
    return found if abs(clean.angle) < TURNED else turned(found, clean.angle)


def _gray(pixels: Pixels) -> Gray:
    return colour.gray_of(pixels) if pixels.ndim == 3 else pixels


def _cut_out(pixels: Pixels, corners: page.Corners, side: int) -> tuple[Gray, Move]:
    """A page, whose corners are in pixels of the picture ``side`` pixels long, and the way back there."""
    scale = max(pixels.shape[:2]) / side
    sheet, move = page.straightened(pixels, corners * np.float32(scale))
    small = shrink(sheet)
    down = max(small.shape[:2]) / max(sheet.shape[:2])
    back = np.diag([1 / scale, 1 / scale, 1.0]) @ np.linalg.inv(move) @ np.diag([1 / down, 1 / down, 1.0])
    return _gray(small), back


def turned(found: Written, angle: float) -> Written:
    """Return the writing rotated by ``angle`` degrees, counter-clockwise, on a canvas that holds all of it."""
    height, width = found.ink.shape
    turn = np.vstack([cv2.getRotationMatrix2D((width / 2, height / 2), angle, 1.0), [0, 0, 1]])
    corners = np.array([[[0, 0], [width, 0], [width, height], [0, height]]], np.float64)
    moved = cv2.perspectiveTransform(corners, turn)[0]
    low = np.floor(moved.min(axis=0))
    turn = np.array([[1, 0, -low[0]], [0, 1, -low[1]], [0, 0, 1]]) @ turn
    wide, high = (np.ceil(moved.max(axis=0)) - low).astype(int).tolist()
    ink = np.asarray(cv2.warpPerspective(found.ink, turn, (wide, high), flags=cv2.INTER_LINEAR), np.uint8)
    cells = found._replace(size=(wide, high), home=turn).in_picture(found.cells)
    return Written(ink, cells, found.size, found.home @ np.linalg.inv(turn))
