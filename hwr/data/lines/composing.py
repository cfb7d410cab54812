"""Pen trajectories of lines of writing: real ones with their text, and lines composed of one writer's characters.

A *line* here is a list of strokes, float32 (points, 2), x to the right and y downwards, in the units of its source.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Line = list[NDArray[np.float32]]

HELD_OUT_BYTES = 26  # of the 256 values of a hash's first byte: about a tenth of all writers
PROFILE_ROWS = 16  # rows in which the distance between two neighbours is measured
SMALL_LETTERS = "aceimnorsuvwxz"
DESCENDERS = "gpqyj"
ASCENDERS = "bdfhklt"
SPACE_WIDTH = (0.3, 0.9)  # of a capital's height
WRITTEN_LOW = ".,_"  # on the baseline
WRITTEN_HIGH = "'\"`^*"  # at the height of a capital's top
WRITTEN_MIDDLE = "-+=~<>:;"  # around the middle of a small letter
SMALL_MARKS = {".": 0.08, ",": 0.2, "'": 0.2, '"': 0.25, "`": 0.2, "-": 0.4, "_": 0.6, "~": 0.4, ":": 0.4, "=": 0.4}
MARK_SIDE = 0.6  # longer side of other marks that are lower than a capital, in capitals' heights


def is_held_out(writer: str) -> bool:
    """True for the tenth of all writers that is kept for validation, by a hash of the writer's name.

    The same name is on the same side in every file, so that a writer's words, characters and symbols stay together.
    """
    return hashlib.sha256(writer.encode()).digest()[0] < HELD_OUT_BYTES


@dataclass(frozen=True)
class Hand:
    """The characters that one writer wrote, and the heights of a capital and a small letter in the source's units."""

    characters: dict[str, list[Line]]
    capital: float
    small: float


def hand_of(samples: Sequence[tuple[str, Line]]) -> Hand:
    """Gather one writer's characters, and measure how high the writer's capitals and small letters are."""
    characters: dict[str, list[Line]] = {}
    for name, line in samples:
        characters.setdefault(name, []).append(line)

    def usual(names: str) -> list[float]:
        return [height_of(line) for name in names for line in characters.get(name, [])]

    tall = usual("ABCDEFGHIJKLMNOPQRSTUVWXYZbdhkl0123456789") or [height_of(line) for _, line in samples]
    capital = max(float(np.median(tall)), 1.0)
    small = usual(SMALL_LETTERS)
    return Hand(characters, capital, float(np.median(small)) if small else 0.6 * capital)


def height_of(line: Line) -> float:
    """Return how high a line's strokes are together."""
    return float(np.ptp(np.concatenate(line)[:, 1]))


def compose(hands: Callable[[str], Hand | None], text: str, gap: float, rng: np.random.Generator) -> Line | None:
    """Write a text with characters of the hands that ``hands`` names for each, beside one another.

    ``gap`` is the usual distance between the ink of neighbours in capitals' heights: below zero they touch or overlap.
    Returns None where a character is not to be had.
    """
    strokes: Line = []
    right = np.full(PROFILE_ROWS, -np.inf)
    cursor = 0.0
    for character in text:
        if character == " ":
            right = np.full(PROFILE_ROWS, max(cursor, 0.0) + rng.uniform(*SPACE_WIDTH))
            cursor = float(right[0])
            continue
        hand = hands(character)
        if hand is None or character not in hand.characters:
            return None
        choices = hand.characters[character]
        drawn = _placed(choices[int(rng.integers(len(choices)))], character, hand, rng)
        points = np.concatenate(drawn)
        rows = np.clip(((points[:, 1] + 1.2) / 2.0 * PROFILE_ROWS).astype(int), 0, PROFILE_ROWS - 1)
        left = np.full(PROFILE_ROWS, np.inf)
        np.minimum.at(left, rows, points[:, 0])
        near = _spread(right)
        meets = float(np.max(np.where(np.isfinite(left), near - left, -np.inf)))
        step = gap + rng.normal(0, 0.03)
        offset = max(meets + step, cursor - 0.5 * float(np.ptp(points[:, 0])) - 0.3) if strokes else 0.0
        if not np.isfinite(offset):
            offset = cursor + step
        moved = [stroke + np.array([offset, 0], np.float32) for stroke in drawn]
        strokes += moved
        np.maximum.at(right, rows, points[:, 0] + offset)
        cursor = max(cursor, float(points[:, 0].max()) + offset)
    return strokes or None


def _spread(profile: NDArray[np.float64]) -> NDArray[np.float64]:
    """The right edge of the ink in each row or in one beside it, so that strokes between two rows are seen."""
    padded = np.concatenate([[-np.inf], profile, [-np.inf]])
    return np.asarray(np.maximum(np.maximum(padded[:-2], padded[1:-1]), padded[2:]))


def _placed(line: Line, character: str, hand: Hand, rng: np.random.Generator) -> Line:
    """One character in capitals' heights: its left side at 0, the baseline at 0, upwards negative."""
    points = np.concatenate(line)
    low, high = points.min(axis=0), points.max(axis=0)
    width, tall = (high - low).tolist()
    if character.isalnum():
        scale = 1 / max(tall, 0.5 * width, 1.0) if character.isdigit() else 1 / hand.capital
        scale *= float(np.exp(rng.normal(0, 0.08)))
        if not 0.15 < tall * scale < 2.0:
            scale = 1 / max(tall, width, 1.0)
    else:
        side = SMALL_MARKS.get(character, MARK_SIDE) * float(np.exp(rng.normal(0, 0.2)))
        longer = max(tall, width, 1.0)
        scale = side / longer if character in SMALL_MARKS else max(side, 0.9) / longer
        if longer == 1.0:
            scale = 1.0
    bottom = _bottom(character, tall * scale, hand.small / hand.capital) + rng.normal(0, 0.03)
    shift = np.array([low[0], high[1]], np.float32)
    return [((stroke - shift) * scale + np.array([0, bottom])).astype(np.float32) for stroke in line]


def _bottom(character: str, tall: float, small: float) -> float:
    """Where a character's lowest point is, below the baseline, in capitals' heights."""
    if character in "gpqy":
        return float(np.clip(tall - small, 0.2 * tall, 0.7 * tall))
    if character == "j" or (character in "fz" and tall > 1.6 * small + 0.5):
        return 0.3 * tall
    if character == ",":
        return 0.6 * tall
    if character in WRITTEN_HIGH:
        return -1.0 + tall
    if character in WRITTEN_MIDDLE:
        return -0.4 + tall / 2
    if character in "()[]{}/\\|@$&;":
        return 0.1
    return 0.0


def join(lines: Sequence[Line], rng: np.random.Generator) -> Line:
    """Set one writer's words beside one another on a common baseline, with spaces between them."""
    heights = [height_of(line) for line in lines]
    unit = max(float(np.median(heights)), 1.0)
    placed: Line = []
    cursor = 0.0
    for line in lines:
        points = np.concatenate(line)
        low = points.min(axis=0)
        base = float(np.quantile(points[:, 1], 0.8)) + rng.normal(0, 0.04) * unit
        placed += [(stroke - np.array([low[0] - cursor, base])).astype(np.float32) for stroke in line]
        cursor += float(np.ptp(points[:, 0])) + rng.uniform(0.35, 1.0) * unit
    return placed


def random_number(rng: np.random.Generator) -> str:
    """A number as people write it: a string of digits, an amount, a date, a time or a telephone number."""

    def digits(low: int, high: int) -> str:
        return "".join(map(str, rng.integers(0, 10, int(rng.integers(low, high + 1)))))

    kind = rng.random()
    if kind < 0.5:
        return digits(2, 8)
    if kind < 0.68:
        thousands = str(rng.choice(["", ",", "."])) + digits(3, 3) if rng.random() < 0.5 else ""
        whole = digits(1, 3) + thousands
        return str(rng.choice(["", "", "$", "#"])) + whole + str(rng.choice([".", ",", ".-", ",-", "-"])) + digits(0, 2)
    if kind < 0.84:
        separator = str(rng.choice(["/", "-", ".", "/"]))
        parts = [digits(1, 2), digits(1, 2), digits(2, 2) if rng.random() < 0.4 else "20" + digits(2, 2)]
        return separator.join(parts if rng.random() < 0.8 else parts[::-1])
    if kind < 0.9:
        return digits(1, 2) + ":" + digits(2, 2)
    return str(rng.choice(["", "(" + digits(3, 3) + ")", "+" + digits(2, 2) + " "])) + digits(3, 3) + "-" + digits(4, 4)
