"""Compose lines from pictures of single characters, such as scanned digits and letters."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from hwr.data.lines.composing import ASCENDERS, SMALL_LETTERS
from hwr.data.sources import Source

Gray = NDArray[np.uint8]

CAPITAL = 32  # pixels of a capital's height in the line
SMALL = 0.65  # height of a small letter without ascender, in capitals' heights
BELOW = {"g": 0.35, "j": 0.3, "p": 0.35, "q": 0.35, "y": 0.35}  # depth below the baseline, in capitals' heights
NATURAL = 0.7  # share of the lines whose small letters are smaller than capitals; in the others all have one height
ROOM = 1.5  # height of the canvas above the baseline, in capitals' heights
EDGE = 64  # grey level from which a pixel belongs to a stroke


@dataclass(frozen=True)
class Scans:
    """Pictures of single characters.

    ``pictures`` maps a character to a function that returns a picture's ink, uint8 (H, W), by number, and to the
    numbers of that character's pictures.
    """

    pictures: dict[str, tuple[Callable[[int], Gray | None], NDArray[np.int64]]]

    def draw(self, character: str, rng: np.random.Generator) -> Gray | None:
        """Return one picture of a character, cropped to its ink; None where it is blank."""
        read, rows = self.pictures[character]
        return _cropped(read(int(rng.choice(rows))))

    def known(self, characters: str) -> str:
        """Return the characters that have pictures."""
        return "".join(c for c in characters if c in self.pictures)


def of(sources: Sequence[Source]) -> Scans:
    """Gather pictures by character. Of several sources that have a character the first is used.

    If MNIST comes before EMNIST, no digits of EMNIST are used; many of them are copies of MNIST's test set. Pictures
    of letters whose case is unknown are used for a case without other pictures: its two cases look alike.
    """
    found: dict[str, tuple[Callable[[int], Gray | None], NDArray[np.int64]]] = {}
    for cases in (1, 2):
        for source in sources:
            labels: dict[str, list[int]] = {}
            for label, target in enumerate(source.targets):
                for character in target if len(target) == cases else ():
                    labels.setdefault(character, []).append(label)
            for character, numbers in labels.items():
                rows = np.flatnonzero(np.isin(source.labels, numbers))
                if len(character) == 1 and len(rows):
                    found.setdefault(character, (source.ink, rows))
    return Scans(found)


def compose(scans: Scans, text: str, gap: float, rng: np.random.Generator) -> Gray | None:
    """Lay pictures of a word's characters side by side, uint8 (H, W); None if one of them is blank.

    ``gap`` is the typical distance between the ink of neighbours, in capitals' heights; negative values overlap.
    """
    natural = rng.random() < NATURAL
    canvas = np.zeros((round((ROOM + 0.6) * CAPITAL), round((len(text) + 1) * 2.2 * CAPITAL)), np.uint8)
    baseline = round(ROOM * CAPITAL)
    edge = np.full(len(canvas), -1)  # rightmost ink of every row
    cursor = 0
    for character in text:
        drawn = scans.draw(character, rng)
        if drawn is None:
            return None
        drawn, below = _sized(drawn, character, natural, rng)
        bottom = min(baseline + below + round(rng.normal(0, 0.03) * CAPITAL), len(canvas))
        top = max(bottom - len(drawn), 0)
        drawn = drawn[: bottom - top]
        left = _left_edge(drawn)
        near = _spread(edge)[top:bottom]
        meets = int((near - left)[left < drawn.shape[1]].max()) + 1
        x = max(meets + round((gap + rng.normal(0, 0.03)) * CAPITAL), cursor - drawn.shape[1] // 2, 0)
        part = canvas[top:bottom, x : x + drawn.shape[1]]
        np.maximum(part, drawn[:, : part.shape[1]], out=part)
        columns = np.arange(part.shape[1])
        last = np.where(part >= EDGE, columns, -1).max(axis=1)
        edge[top:bottom] = np.maximum(edge[top:bottom], np.where(last >= 0, last + x, -1))
        cursor = max(cursor, x + drawn.shape[1])
    return _cropped(canvas)


def _cropped(ink: Gray | None) -> Gray | None:
    if ink is None or not (mask := ink >= EDGE).any():
        return None
    x, y, width, height = cv2.boundingRect(mask.view(np.uint8))
    return ink[y : y + height, x : x + width]


def _sized(ink: Gray, character: str, natural: bool, rng: np.random.Generator) -> tuple[Gray, int]:
    """Scale a character to its height in a line, and return its depth below the baseline, in pixels."""
    share = float(np.exp(rng.normal(0, 0.08)))
    below = BELOW.get(character, 0.0) if natural else 0.0
    if natural and (character in SMALL_LETTERS or character in "gpqy"):
        share *= SMALL + below
    elif natural and character.islower() and character not in ASCENDERS:
        share *= 1 + below
    height, width = ink.shape
    scale = share * CAPITAL / max(height, width / 1.6)
    size = (max(1, round(width * scale * float(np.exp(rng.normal(0, 0.1))))), max(1, round(height * scale)))
    flags = cv2.INTER_AREA if size[1] < height else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(ink, size, interpolation=flags), np.uint8), round(below * share * CAPITAL)


def _left_edge(ink: Gray) -> NDArray[np.int64]:
    """Return the column of the leftmost ink of each row; the width for a row without ink."""
    mask = ink >= EDGE
    first: NDArray[np.int64] = np.where(mask.any(axis=1), mask.argmax(axis=1), ink.shape[1])
    return first


def _spread(edge: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the rightmost ink within two rows of each row, so that strokes do not slip between rows."""
    widest: NDArray[np.int64] = np.lib.stride_tricks.sliding_window_view(np.pad(edge, 2, mode="edge"), 5).max(axis=1)
    return widest
