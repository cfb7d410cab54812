"""Read single characters, in the boxes of a form or alone on a page, with the character model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from hwr.ink.line import stroke_mask
from hwr.reading.reader import LEGIBLE, REFUSED
from hwr.reading.result import Box, Character, Reading, TextLine, Word, around

Gray = NDArray[np.uint8]
Boxes = NDArray[np.int64]  # (N, 4): left, top, right, bottom in pixels, the last two just outside
Answer = tuple[Mapping[str, float], bool]  # probabilities, best first, and whether they are sure
Ask = Callable[[Sequence[Gray]], Sequence[Answer]]  # what single characters are, each uint8 (h, w)

WIDEST = 1.6  # width over height: a wider box is meant for a word
HIGHEST = 3.0  # height over width: a higher box is a column of a table
LEAST = 0.15  # share of a box's shorter side: smaller ink is dust
EDGE = 0.1  # share of a box's size: a piece of ink within this distance of a side is a remnant of the printed frame
WHOLE = 0.7  # share of a piece's pixels inside one box from which the whole piece belongs to that box
ACROSS = 0.2  # largest share of the ink in boxes that may belong to pieces divided by a border
BEYOND = 0.5  # share of a box's size by which a character may extend beyond it
TALL = 0.5  # share of the height of the ink in a box from which one piece may be a character of its own
APART = 0.12  # share of the ink's longer side: a gap of this width separates two characters
SURE = 0.5  # smallest share of characters read with confidence for the boxes to count as those of a form


class Single(NamedTuple):
    """One character on a page: its box, and its ink, uint8 (h, w), without the ink of its neighbours."""

    box: Box
    ink: Gray


class Form(NamedTuple):
    """The rows of characters in boxes, from top to bottom, and all other ink; None if there is no other ink."""

    rows: list[list[Single]]
    rest: Gray | None


def read(ink: Gray, cells: Boxes, ask: Ask, read_lines: Callable[[Gray], Reading]) -> Reading:
    """Read the writing on a page, ink uint8 (H, W), whose boxes are ``cells``.

    ``ask`` reads characters in boxes and a character alone on the page; ``read_lines`` reads all other ink. A row of
    boxes becomes a line of one word, in which empty boxes leave no gap. If few of the characters in boxes are read with
    confidence, the boxes are squares of the paper and not those of a form: then ``read_lines`` reads everything.
    """
    rows, rest = form(ink, cells)
    lines = _lines(rows, ask) if rows else []
    if rows and not _are_sure(lines):
        return read_lines(ink)
    reading = Reading(size=(ink.shape[1], ink.shape[0])) if rest is None else read_lines(rest)
    if rows:
        return _together(lines, reading)
    return _alone(ink, ask, reading) if len(reading.characters) <= 1 and not len(cells) else reading


def form(ink: Gray, cells: Boxes) -> Form:
    """Divide ink, uint8 (H, W), into characters in boxes and other ink, which includes rows of boxes with words."""
    mask = stroke_mask(ink)
    owner = _owners(mask, cells) if len(cells) else None
    if owner is None:
        return Form([], ink)
    rows, taken = [], np.zeros(len(cells) + 2, bool)
    taken[-1] = True  # the entry for remnants of printed frames, which are not read
    for row in _rows(cells):
        found = [one for n in row if (one := _content(ink, mask, owner, cells, n)) is not None]
        if _are_for_characters(cells[row]) and all(map(_is_one_character, found)):
            taken[row] = True
            rows += [found] if found else []
    other = ((mask > 0) & ~taken[owner]).view(np.uint8)
    return Form(rows, np.where(_with_rim(other), ink, np.uint8(0)) if other.any() else None)


# --- assigning ink to boxes ---


def _with_rim(mask: Gray) -> NDArray[np.bool_]:
    """A mask of strokes with their antialiased rim."""
    return np.asarray(cv2.dilate(mask, np.ones((3, 3), np.uint8)) > 0)


def _owners(mask: Gray, cells: Boxes) -> NDArray[np.int64] | None:
    """Return the number of the box that each pixel belongs to, (H, W).

    With N boxes, N stands for ink outside of boxes and N + 1 for remnants of printed frames. Returns None if much of
    the writing runs across the borders of boxes: then they are the squares of the paper.
    """
    place = np.full(mask.shape, len(cells), np.int64)
    for n, (left, top, right, bottom) in enumerate(cells.tolist()):
        place[top:bottom, left:right] = n
    count, numbers, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    width = len(cells) + 1
    shared = np.bincount((numbers * width + place).ravel(), minlength=count * width).reshape(count, width)
    best = shared[:, :-1].argmax(axis=1)
    whole = shared[np.arange(count), best] >= WHOLE * shared.sum(axis=1)
    whole[0] = False
    inside = shared[1:, :-1].sum(axis=1)
    if inside[~whole[1:]].sum() > ACROSS * inside.sum():
        return None
    best[_is_of_frame(np.asarray(stats, np.int64), cells[best])] = len(cells) + 1
    return np.where(whole[numbers], best[numbers], place)


def _is_of_frame(stats: NDArray[np.int64], cells: Boxes) -> NDArray[np.bool_]:
    """Return which pieces of ink, with OpenCV's statistics, lie entirely beside a side of their boxes, (N, 4)."""
    low = stats[:, :2] - cells[:, :2]
    high = cells[:, 2:] - stats[:, :2] - stats[:, 2:4]
    size = cells[:, 2:] - cells[:, :2]
    return np.asarray(((low + stats[:, 2:4] <= EDGE * size) | (high + stats[:, 2:4] <= EDGE * size)).any(axis=1))


def _rows(cells: Boxes) -> list[NDArray[np.int64]]:
    """Return the numbers of the boxes of each row. Boxes are in reading order, so a new row begins farther left."""
    return np.split(np.arange(len(cells)), np.flatnonzero(np.diff(cells[:, 0]) < 0) + 1)


def _are_for_characters(row: Boxes) -> bool:
    width, height = np.median(row[:, 2:] - row[:, :2], axis=0).tolist()
    return bool(width <= WIDEST * height and height <= HIGHEST * width)


def _content(ink: Gray, mask: Gray, owner: NDArray[np.int64], cells: Boxes, n: int) -> Single | None:
    """Return the character in a box; None if the box is empty."""
    size = cells[n, 2:] - cells[n, :2]
    left, top = np.maximum(cells[n, :2] - BEYOND * size, 0).astype(int).tolist()
    right, bottom = (cells[n, 2:] + BEYOND * size).astype(int).tolist()
    area = slice(top, bottom), slice(left, right)
    found = _single(ink[area], mask[area] * (owner[area] == n))
    if found is None or max(found.ink.shape) < LEAST * size.min():
        return None
    x0, y0, x1, y1 = found.box
    return Single((left + x0, top + y0, left + x1, top + y1), found.ink)


def _single(ink: Gray, mask: Gray) -> Single | None:
    """Return the ink under a mask, cropped to it; None for an empty mask."""
    x, y, width, height = cv2.boundingRect(mask)
    if not width:
        return None
    area = slice(max(y - 1, 0), y + height + 1), slice(max(x - 1, 0), x + width + 1)
    return Single((x, y, x + width, y + height), np.where(_with_rim(mask[area]), ink[area], np.uint8(0)))


def _is_one_character(one: Single) -> bool:
    """Return False if tall pieces of ink stand side by side with a gap between them."""
    _, _, stats, _ = cv2.connectedComponentsWithStats(stroke_mask(one.ink), connectivity=8)
    left, width, height = stats[1:, [cv2.CC_STAT_LEFT, cv2.CC_STAT_WIDTH, cv2.CC_STAT_HEIGHT]].T
    order = np.argsort(left[height >= TALL * one.ink.shape[0]])
    left, width = (side[height >= TALL * one.ink.shape[0]][order] for side in (left, width))
    gaps = left[1:] - np.maximum.accumulate(left + width)[:-1]
    return not (gaps > APART * max(one.ink.shape)).any()


# --- reading with the character model ---


def _lines(rows: Sequence[Sequence[Single]], ask: Ask) -> list[TextLine]:
    """Return each row as a line of one word. The character model reads all characters in one batch."""
    answers = iter(ask([one.ink for row in rows for one in row]))
    characters = [
        [Character(one.box, dict(shares), sure) for one, (shares, sure) in zip(row, answers, strict=False) if shares]
        for row in rows
    ]
    return [_line(row) for row in characters if row]


def _are_sure(lines: Sequence[TextLine]) -> bool:
    sure = [one.confident for line in lines for word in line.words for one in word.characters]
    return sum(sure) >= SURE * len(sure)


def _line(characters: Sequence[Character]) -> TextLine:
    text = "".join(one.text for one in characters)
    shares = [one.confidence for one in characters]
    whole, sure = float(np.prod(shares)), all(one.confident for one in characters)
    word = Word(text, around([one.box for one in characters]), {text: whole}, whole, sure, tuple(characters))
    return TextLine(text, word.box, float(np.mean(shares)), (word,))


def _together(lines: Sequence[TextLine], other: Reading) -> Reading:
    """Merge lines read from boxes with the other lines of the page, from top to bottom."""
    legible = [line for line in lines if line.confidence >= LEGIBLE]
    if not legible:
        return other if other.lines else Reading(size=other.size, refused=REFUSED)
    ordered = sorted((*legible, *other.lines), key=lambda line: line.box[1] + line.box[3])
    return Reading("\n".join(line.text for line in ordered), tuple(ordered), other.size)


def _alone(ink: Gray, ask: Ask, reading: Reading) -> Reading:
    """Read a page with at most one character by the character model.

    If the character model is not confident, a letter or digit read by the line reader is not confident either.
    """
    one = _single(ink, stroke_mask(ink))
    if one is None or not _is_one_character(one):
        return reading
    lines = _lines([[one]], ask)
    if lines and lines[0].words[0].confident:
        return Reading(lines[0].text, tuple(lines), reading.size)
    return replace(reading, lines=tuple(map(_doubted, reading.lines))) if reading.text.isalnum() else reading


def _doubted(line: TextLine) -> TextLine:
    def unsure(word: Word) -> Word:
        characters = tuple(replace(one, confident=False) for one in word.characters)
        return replace(word, confident=False, characters=characters)

    return replace(line, words=tuple(map(unsure, line.words)))
