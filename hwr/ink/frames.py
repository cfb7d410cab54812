"""Boxes, frames and tables: straight bars that begin and end at one another, and the cells that they enclose."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from hwr.ink.bars import Bar
from hwr.ink.printed import NOTHING, Boxes

CORNER = 0.05  # share of a side's length between its end and the side that it meets: corners may be round
NEAR = 5.0  # pixels that this distance may always be
SMALLEST = 14  # pixels: a narrower or lower cell holds no character
FILLED = 0.85  # share of its bounding box that a cell fills, as a rectangle does
USUAL = (0.87, 1.15)  # size of a form's box, relative to the typical width or height of all boxes
PAIR = 0.06  # tolerance of the distance between two opposite sides, relative to the typical size
MOSTLY = 0.5  # smallest share of all cells' area in boxes of the usual size; with less the grid is a table
SHORT = 1.5  # typical sizes of a box: a longer bar cannot be a stroke of a character
SEVERAL = 6  # crossings with other sides from which on a side may extend beyond the outermost one
BEYOND = 0.2  # share of its length by which it may do so: a side of one of the boxes was missed


def boxes_of(across: list[Bar], down: list[Bar], shape: tuple[int, ...]) -> tuple[list[Bar], list[Bar], Boxes]:
    """Return the horizontal and vertical sides of boxes, and their cells, (N, 4), in reading order.

    All three are empty if there are no boxes. A straight stroke that reaches from side to side would divide a box in
    two: where boxes are of one size, such strokes are recognised and left out.
    """
    sides, posts = framing(across, down, shape)
    cells = cells_of(sides, posts, shape)
    kept = _without_strokes(sides, posts, cells)
    if len(kept[0]) + len(kept[1]) < len(sides) + len(posts):
        sides, posts = framing(*kept, shape)
        cells = cells_of(sides, posts, shape)
    return (sides, posts, cells) if len(cells) else ([], [], NOTHING)


def _without_strokes(sides: list[Bar], posts: list[Bar], cells: Boxes) -> tuple[list[Bar], list[Bar]]:
    """Leave out bars that are strokes of characters: short ones that are not beside a box of the usual size."""
    if len(cells) < 2:
        return sides, posts
    size = cells[:, 2:] - cells[:, :2]
    area = size.prod(axis=1)
    width, height = (_typical(size[:, axis], area) for axis in (0, 1))
    usual = (size >= USUAL[0] * np.array([width, height])).all(axis=1)
    usual &= (size <= USUAL[1] * np.array([width, height])).all(axis=1)
    if area[usual].sum() < MOSTLY * area.sum():
        return sides, posts
    boxes, turned = cells[usual], cells[usual][:, [1, 0, 3, 2]]
    return _of_boxes(sides, boxes, width, height), _of_boxes(posts, turned, height, width)


def _of_boxes(found: list[Bar], boxes: Boxes, along: float, across: float) -> list[Bar]:
    """Return the bars that are sides of boxes of this size: beside a box, or one box's height from another bar."""
    return [
        bar
        for bar in found
        if bar.length > SHORT * along
        or _is_beside(bar, boxes)
        or any(_are_a_pair(bar, other, across) for other in found)
    ]


def _are_a_pair(a: Bar, b: Bar, apart: float) -> bool:
    left, right = max(a.left, b.left), min(a.right, b.right)
    if right - left < 0.5 * min(a.length, b.length):
        return False
    middle = (left + right) / 2
    between = abs(a.at(middle) - b.at(middle)) - (a.thickness + b.thickness) / 2
    return abs(between - apart) <= PAIR * apart + 2


def _typical(sizes: NDArray[np.int64], area: NDArray[np.int64]) -> float:
    """Return the median size, weighted by area, so that the many narrow gaps between boxes count little."""
    order = np.argsort(sizes)
    return float(sizes[order][np.searchsorted(np.cumsum(area[order]), area.sum() / 2)])


def _is_beside(bar: Bar, boxes: Boxes) -> bool:
    """Return whether a bar is the upper or lower side of one of the boxes."""
    middle = (boxes[:, 0] + boxes[:, 2]) / 2
    level = np.array([bar.at(x) for x in middle])
    beside = (bar.left < middle) & (middle < bar.right)
    off = np.minimum(np.abs(level - boxes[:, 1]), np.abs(level - boxes[:, 3]))
    return bool((beside & (off <= NEAR + bar.thickness)).any())


def framing(across: list[Bar], down: list[Bar], shape: tuple[int, ...]) -> tuple[list[Bar], list[Bar]]:
    """Return the bars that begin and end at bars of the other direction, as the sides of boxes do."""
    height, width = shape
    sides, posts, before = across, down, -1
    while before != len(sides) + len(posts):
        before = len(sides) + len(posts)
        sides = [bar for bar in sides if _ends_at(bar, posts, width)]
        posts = [bar for bar in posts if _ends_at(bar, sides, height)]
    return sides, posts


def _slack(bar: Bar) -> float:
    """Return the largest distance, in pixels, between the end of a side and the side that it meets."""
    return max(NEAR, CORNER * min(bar.length, 200)) + bar.thickness / 2


def _ends_at(bar: Bar, others: list[Bar], size: int) -> bool:
    """Return whether bars of the other direction meet this one near both of its ends."""
    near = _slack(bar)
    met = [place for other in others if (place := _meeting(bar, other)) is not None]
    if len(met) < 2:
        return False
    if len(met) >= SEVERAL:
        near = max(near, BEYOND * bar.length)
    begins = abs(min(met) - bar.left) <= near or bar.left <= 2
    ends = abs(max(met) - bar.right) <= near or bar.right >= size - 2
    return begins and ends


def _meeting(bar: Bar, other: Bar) -> float | None:
    """Return the column at which a bar of the other direction meets this one; None if it does not."""
    column = other.at(bar.at((bar.left + bar.right) / 2))
    row = bar.at(column)
    along, beyond = _slack(bar), _slack(other)
    on = bar.left - along <= column <= bar.right + along
    return column if on and other.left - beyond <= row <= other.right + beyond else None


def cells_of(sides: list[Bar], posts: list[Bar], shape: tuple[int, ...]) -> Boxes:
    """Return the rectangles between horizontal and vertical sides, (N, 4), in reading order."""
    if len(sides) < 2 or len(posts) < 2:
        return NOTHING
    frame = np.zeros(shape, np.uint8)
    turned = np.zeros(shape[::-1], np.uint8)
    for canvas, some in ((frame, sides), (turned, posts)):
        for bar in some:
            longer = round(_slack(bar))
            ends = (
                (bar.left - longer, round(bar.at(bar.left - longer))),
                (bar.right + longer, round(bar.at(bar.right + longer))),
            )
            cv2.line(canvas, *ends, 1, 3)
    frame |= turned.T
    stats = cv2.connectedComponentsWithStats(1 - frame, connectivity=4)[2]
    x, y, w, h, area = stats[1:].T
    inside = (x > 0) & (y > 0) & (x + w < shape[1]) & (y + h < shape[0])
    whole = inside & (np.minimum(w, h) >= SMALLEST) & (area >= FILLED * w * h)
    return in_order(np.stack([x, y, x + w, y + h], axis=1)[whole].astype(np.int64))


def in_order(cells: Boxes) -> Boxes:
    """Sort cells into reading order: row by row, each row from left to right."""
    rows: list[list[NDArray[np.int64]]] = []
    for cell in sorted(cells, key=lambda one: int(one[1] + one[3])):
        row = next((row for row in rows if row[0][1] < (cell[1] + cell[3]) / 2 < row[0][3]), None)
        rows.append([cell]) if row is None else row.append(cell)
    ordered = [cell for row in rows for cell in sorted(row, key=lambda one: int(one[0]))]
    return np.array(ordered, np.int64).reshape(-1, 4)
