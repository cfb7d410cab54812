"""Ink -> pieces in reading order: lines from top to bottom, pieces of strokes from left to right.

A piece is a connected stroke, or a part of one where it may have to be cut because neighbours touch. Characters are
runs of neighbouring pieces: which runs, `hwr.reading.read` decides by what the network makes of them.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from hwr.ink.picture import Gray
from hwr.ink.preprocess import EDGE, MIN_INK
from hwr.reading import seams, skeleton
from hwr.reading.lines import BAR, Boxes, height_of, in_lines

MOST_PIECES = 400  # in a picture: a page of print is no handwriting, and would take minutes
SPECK = 0.35  # of a square as wide as the pen: smaller pieces are dirt, as no pen writes them
FRAME = 0.7  # of the picture's side: what is so long and touches the edge is the rim of the paper, not writing
BLOT = 4.0  # pen widths: what touches the edge and is so thick is a shadow or the desk ...
CRUMBS = 2.0  # ... and so are strokes within so many pen widths of it
CUT_WIDTH = 0.5  # of the line's height: narrower strokes are not cut
THICKEST = 0.3  # of the line's height: blots are not cut
MOST_PARTS = 60  # of a stroke: scribbles that would be cut into more stay whole
WIDE_PART = 0.6  # of the line's height: wider parts between crossings are cut again, at their thinnest

Box = tuple[int, int, int, int]  # left, top, right, bottom, in pixels; right and bottom are just outside


@dataclass(frozen=True)
class Joint:
    """What lies between a piece and the one before it in its line, in heights of the line.

    ``gap``: white between it and all before, negative where it reaches under them. ``cut``: a stroke goes on here.
    """

    gap: float
    cut: bool


@dataclass(frozen=True)
class Line:
    """Neighbouring pieces: their numbers in ``Pieces.owner``, what joins them, and the height of a character."""

    pieces: range
    joints: tuple[Joint, ...]  # one a piece; the first says nothing
    height: float  # pixels


@dataclass(frozen=True)
class Pieces:
    """Ink, uint8 (H, W), and which piece owns each of its pixels: ``owner`` (H, W), 0 for paper, numbered from 1."""

    ink: Gray
    owner: NDArray[np.int32]
    boxes: NDArray[np.int64]  # (pieces + 1, 4): row n is the Box of piece n
    lines: tuple[Line, ...]

    def box(self, first: int, last: int) -> Box:
        """Around the pieces ``first`` to ``last``, both included."""
        rows = self.boxes[first : last + 1]
        (left, top), (right, bottom) = rows[:, :2].min(axis=0).tolist(), rows[:, 2:].max(axis=0).tolist()
        return left, top, right, bottom

    def crop(self, first: int, last: int) -> Gray:
        """The ink of the pieces ``first`` to ``last`` alone, uint8 (h, w), with a margin for soft edges."""
        left, top, right, bottom = self.box(first, last)
        part = (slice(max(top - 2, 0), bottom + 2), slice(max(left - 2, 0), right + 2))
        mine = ((self.owner[part] >= first) & (self.owner[part] <= last)).view(np.uint8)
        near = cv2.dilate(mine, np.ones((3, 3), np.uint8))  # soft edges belong to no piece
        near[(self.owner[part] > 0) & (mine == 0)] = 0
        return np.asarray(self.ink[part] * near)


def pieces(ink: Gray) -> Pieces:
    """The pieces of ink (uint8, white on black), in reading order."""
    strokes, boxes, pen = _strokes(ink)
    owner, lines, found = np.zeros(ink.shape, np.int32), [], [np.zeros(4, np.int64)]
    for members in in_lines(boxes, pen):
        height = height_of(boxes[members], pen)
        parts = [part for member in members for part in _parts(strokes, boxes[member], member, pen, height)]
        parts.sort(key=lambda part: int(part.box[0] + part.box[2]))
        first = len(found)
        for number, part in enumerate(parts, first):
            left, top, right, bottom = part.box
            owner[top:bottom, left:right][part.mask] = number
            found.append(np.array(part.box))
        lines.append(Line(range(first, len(found)), _joints(parts, height), height))
    return Pieces(ink, owner, np.stack(found), tuple(lines))


class Part(NamedTuple):
    """A part of a stroke: which stroke, where, and its pixels in that box."""

    stroke: int
    box: Box
    mask: NDArray[np.bool_]


def _parts(strokes: NDArray[np.int32], box: NDArray[np.int64], stroke: int, pen: float, height: float) -> list[Part]:
    left, top, right, bottom = box.tolist()
    mask = strokes[top:bottom, left:right] == stroke
    several = right - left > CUT_WIDTH * height and bottom - top >= BAR * pen and pen < THICKEST * height
    numbers = _cut(mask, pen, height) if several else mask.astype(np.int32)
    found = []
    for number in range(1, int(numbers.max()) + 1):
        x, y, width, tall = cv2.boundingRect((numbers == number).view(np.uint8))
        if width:
            own = numbers[y : y + tall, x : x + width] == number
            found.append(Part(stroke, (left + x, top + y, left + x + width, top + y + tall), own))
    return found


def _cut(mask: NDArray[np.bool_], pen: float, height: float) -> NDArray[np.int32]:
    """A stroke in parts that belong to one character each, numbered from 1: cut at crossings, and wide parts again."""
    parts = skeleton.parts(mask, pen)
    if len(np.unique(parts[mask])) > MOST_PARTS:
        return mask.astype(np.int32)
    numbers, last = np.zeros_like(parts), 0
    for part in np.unique(parts[mask]).tolist():
        x, y, width, tall = cv2.boundingRect((parts == part).view(np.uint8))
        own = parts[y : y + tall, x : x + width] == part
        shares = seams.cut(own, pen, height) if width > WIDE_PART * height else own.astype(np.int32)
        numbers[y : y + tall, x : x + width][own] = shares[own] + last
        last += int(shares.max())
    return numbers


def _joints(parts: list[Part], height: float) -> tuple[Joint, ...]:
    joints, before, reach = [], set[int](), 0
    after = Counter(part.stroke for part in parts)
    for part in parts:
        gap = (part.box[0] - reach) / height if before else 0.0
        joints.append(Joint(gap, any(after[stroke] for stroke in before)))
        before.add(part.stroke)
        after[part.stroke] -= 1
        reach = max(reach, part.box[2])
    return tuple(joints)


def _strokes(ink: Gray) -> tuple[NDArray[np.int32], Boxes, float]:
    """Connected strokes without dirt: their numbers (H, W), their boxes (strokes + 1, 4), the pen's width in pixels."""
    peak = int(ink.max(initial=0))
    mask = (ink >= max(EDGE * peak, 1)).view(np.uint8) if peak >= MIN_INK else np.zeros_like(ink)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    parts = np.asarray(labels, np.int32)
    left, top, width, height, area = stats.astype(np.int64).T
    boxes = np.stack([left, top, left + width, top + height], axis=1)
    pen, deepest = _pen(mask, parts, _at_edge(boxes, ink.shape))
    beyond = _frames(boxes, ink.shape) | _shadows(parts, _at_edge(boxes, ink.shape) & (deepest > BLOT * pen), pen)
    keep = area >= max(SPECK * pen * pen, 2)
    keep[0] = False
    keep = keep & ~beyond if (keep & ~beyond).any() else keep
    keep[np.argsort(np.where(keep, -area, 1), kind="stable")[MOST_PIECES:]] = False
    if keep[1:].all():
        return parts, boxes, pen
    number = np.where(keep, np.cumsum(keep), 0).astype(np.int32)
    return number[parts], np.concatenate([boxes[:1], boxes[keep]]), pen


def _pen(mask: Gray, parts: NDArray[np.int32], edge: NDArray[np.bool_]) -> tuple[float, NDArray[np.float64]]:
    """The pen's width in pixels, twice the depth of the ink along the middle of strokes, and the greatest of each.

    What lies at the picture's ``edge`` may be no stroke: the pen is that of the others, if there are any.
    """
    depth = cv2.distanceTransform(mask, cv2.DIST_L2, 3)
    ridge = (depth >= cv2.dilate(depth, np.ones((3, 3), np.uint8))) & (depth > 0)
    widths, owners = 2 * depth[ridge].astype(np.float64), parts[ridge]
    greatest = np.zeros(len(edge))
    np.maximum.at(greatest, owners, widths)
    inside = widths[~edge[owners]]
    usual = inside if inside.size else widths
    return float(np.median(usual)) if usual.size else 1.0, greatest


def _at_edge(boxes: Boxes, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    height, width = shape
    left, top, right, bottom = boxes.T
    return np.asarray((left <= 1) | (top <= 1) | (right >= width - 1) | (bottom >= height - 1))


def _frames(boxes: Boxes, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Which strokes are the rim of the paper, or what lies beyond it: they touch the edge and run along it."""
    height, width = shape
    left, top, right, bottom = boxes.T
    beside = ((left <= 1) | (right >= width - 1)) & (bottom - top > FRAME * height)
    above = ((top <= 1) | (bottom >= height - 1)) & (right - left > FRAME * width)
    return np.asarray(beside | above)


def _shadows(parts: NDArray[np.int32], blots: NDArray[np.bool_], pen: float) -> NDArray[np.bool_]:
    """Which strokes are blots, and the crumbs around them: a shadow's end at the edge is frayed."""
    blots[0] = False
    if not blots.any():
        return blots
    side = 2 * round(CRUMBS * pen) + 1
    around = cv2.dilate(blots[parts].view(np.uint8), np.ones((side, side), np.uint8))
    return np.bincount(parts[around > 0], minlength=len(blots)) > 0
