"""Which of a line reader's characters may be answered, and which of them count as one: an alphabet."""

from __future__ import annotations

import string
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SPACE = " "  # in every alphabet: it parts words


@dataclass(frozen=True)
class LineAlphabet:
    """Answers, (A,), and the characters that are summed into each, (C, A), 1 where character c is part of answer a."""

    answers: tuple[str, ...]
    sums: NDArray[np.float64]

    def text(self, columns: tuple[int, ...]) -> str:
        """Return the text that columns of folded frames stand for; column 0, the blank, is none of them."""
        return "".join(self.answers[c - 1] for c in columns)

    def columns(self, text: str) -> tuple[int, ...]:
        """Return the columns of a text. Raises ValueError for a character outside the alphabet."""
        return tuple(self.answers.index(character) + 1 for character in text)


def of(characters: str, groups: dict[str, str]) -> LineAlphabet:
    """Return the alphabet of these answers: each with the characters that are summed into it."""
    sums = np.zeros((len(characters), len(groups)))
    for column, members in enumerate(groups.values()):
        sums[[characters.index(member) for member in members if member in characters], column] = 1
    return LineAlphabet(tuple(groups), sums)


def alphabets(characters: str) -> dict[str, LineAlphabet]:
    """Return the alphabets that a reader of these characters allows.

    ``all`` and ``printable`` are all characters, ``digits`` the ten digits, ``letters`` 26 letters in capitals with
    both cases summed. The space is part of each.
    """
    every = {character: character for character in characters}
    found = {"all": of(characters, every), "printable": of(characters, every)}
    if set(string.digits) <= set(characters):
        found["digits"] = of(characters, {c: c for c in SPACE + string.digits})
    if all(c in characters or c.lower() in characters for c in string.ascii_uppercase):
        found["letters"] = of(characters, {SPACE: SPACE} | {c: c + c.lower() for c in string.ascii_uppercase})
    return found


def case_folded(characters: str) -> LineAlphabet:
    """Return the alphabet for words of a list: the two cases of a letter count as one, written small."""
    small = dict.fromkeys(character.lower() for character in characters)
    return of(characters, {c: c + c.upper() if c.isalpha() else c for c in small})
