"""What was read from a picture: text, and its lines, words and characters with their places and probabilities."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

SEVERAL = 6  # characters from which on a text is unlikely to be read by chance from a page on its side

Box = tuple[int, int, int, int]  # left, top, right, bottom in pixels, the last two just outside


def around(boxes: Sequence[Box]) -> Box:
    """Return the smallest box that contains all of several boxes."""
    lefts, tops, rights, bottoms = zip(*boxes, strict=True)
    return min(lefts), min(tops), max(rights), max(bottoms)


@dataclass(frozen=True)
class Character:
    """One character: its box, its likeliest readings with their probabilities, best first, and whether it is sure."""

    box: Box
    probabilities: dict[str, float]
    confident: bool

    @property
    def text(self) -> str:
        """The likeliest character."""
        return next(iter(self.probabilities), "")

    @property
    def confidence(self) -> float:
        """The probability of the likeliest character."""
        return next(iter(self.probabilities.values()), 0.0)


@dataclass(frozen=True)
class Word:
    """Characters without a space between them; ``probabilities`` are of whole words, the likeliest first."""

    text: str
    box: Box
    probabilities: dict[str, float]
    confidence: float
    confident: bool
    characters: tuple[Character, ...]


@dataclass(frozen=True)
class TextLine:
    """One line of writing and its words from left to right."""

    text: str
    box: Box
    confidence: float
    words: tuple[Word, ...]


@dataclass(frozen=True)
class Reading:
    """Everything that was read, lines from top to bottom.

    Boxes are in pixels of the picture as it was read: of ``size`` (width, height), the longer side at most 1024.
    ``refused`` says why nothing was read although there is ink; it is empty otherwise.
    """

    text: str = ""
    lines: tuple[TextLine, ...] = ()
    size: tuple[int, int] = (0, 0)
    refused: str = field(default="")

    def placed(self, place: Callable[[Box], Box], size: tuple[int, int]) -> Reading:
        """The same reading with every box where ``place`` moves it, in a picture of ``size`` (width, height)."""

        def word(one: Word) -> Word:
            characters = tuple(replace(c, box=place(c.box)) for c in one.characters)
            return replace(one, box=place(one.box), characters=characters)

        lines = tuple(replace(one, box=place(one.box), words=tuple(map(word, one.words))) for one in self.lines)
        return replace(self, lines=lines, size=size)

    @property
    def is_sure(self) -> bool:
        """Return whether there are at least SEVERAL characters, and a third of the words are read with confidence."""
        sure = sum(word.confident for word in self.words)
        return len(self.characters) >= SEVERAL and sure >= len(self.words) / 3

    @property
    def words(self) -> tuple[Word, ...]:
        """The words of all lines, in reading order."""
        return tuple(word for line in self.lines for word in line.words)

    @property
    def characters(self) -> tuple[Character, ...]:
        """The characters of all lines, in reading order, without spaces."""
        return tuple(character for word in self.words for character in word.characters)
