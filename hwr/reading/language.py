"""A character n-gram of the words that a reader learnt from: which letters are likely after others.

It is built from words and their counts in a fraction of a second, so that a model directory holds the words alone, as
text: ``words.tsv``, a word and its count on each line. Case is ignored, and digits are never judged: every digit is as
likely as any other. Smoothing after Witten and Bell, 1991, "The zero-frequency problem".
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from hwr.config import UserError
from hwr.files import read_verified

FILE = "words.tsv"
ORDER = 5  # characters of an n-gram
WEIGHT = 0.7  # of the log probabilities of characters, relative to those of the ink: python -m benchmarks.language
BONUS = 1.9  # added for every character, so that longer texts are not at a disadvantage; chosen likewise
EQUAL = 1 / 30  # probability of a character in a word that is like no other, such as a code or a name
UNSEEN = 1 / 70  # of a character that no n-gram has
DAMPING = 0.5  # exponent of the counts: frequent words do not drown rare ones
MAX_WORDS, MAX_BYTES = 200_000, 2**23
BOUNDARY = " "


class Language:
    """Weighted log probabilities of characters, given the ones before them."""

    def __init__(self, words: Mapping[str, int], weight: float = WEIGHT, bonus: float = BONUS) -> None:
        """Count the n-grams of words, each as often as its count says."""
        self.weight, self.bonus = weight, bonus
        self._counts: Counter[str] = Counter()
        for word, count in words.items():
            text = BOUNDARY + word.lower() + BOUNDARY
            for end in range(2, len(text) + 1):
                for start in range(max(end - ORDER, 0), end):
                    self._counts[text[start:end]] += count**DAMPING
        self._totals: Counter[str] = Counter()
        self._kinds: Counter[str] = Counter()
        for gram, count in self._counts.items():
            self._totals[gram[:-1]] += count
            self._kinds[gram[:-1]] += 1
        self._known: dict[tuple[str, str], float] = {}

    def score(self, text: str, character: str) -> float:
        """Return the weighted log probability of a character after a text; 0 for a digit."""
        if character.isdigit():
            return 0.0
        key = (BOUNDARY + text[-ORDER:]).lower()[1 - ORDER :], character.lower()
        if key not in self._known:
            self._known[key] = self.weight * math.log(self._probability(*key)) + self.bonus
        return self._known[key]

    def score_of(self, text: str) -> float:
        """Return the weighted log probability of a whole text.

        Each of its words counts as one like those learnt from, or as one of equally likely characters, such as a code.
        """
        total, start = 0.0, 0
        for word in text.split(BOUNDARY):
            part = text[start : start + len(word) + 1]  # with the space after it
            learnt = sum(self.score(text[: start + i], character) for i, character in enumerate(part))
            equal = sum(self.weight * math.log(EQUAL) + self.bonus for character in part if not character.isdigit())
            total += float(np.logaddexp(learnt, equal)) - math.log(2)  # both are as likely
            start += len(part)
        return total

    def _probability(self, before: str, character: str) -> float:
        found = UNSEEN
        for length in range(min(ORDER - 1, len(before)) + 1):
            context = before[len(before) - length :]
            total = self._totals.get(context)
            if not total:
                break
            kinds = self._kinds[context]
            found = (self._counts.get(context + character, 0) + kinds * found) / (total + kinds)
        return found


def words_of(texts: Iterable[str]) -> dict[str, int]:
    """Count the words of texts, case ignored, the most frequent first; those without a letter are left out."""
    counts = Counter(word.lower() for text in texts for word in text.split() if any(c.isalpha() for c in word))
    return dict(counts.most_common(MAX_WORDS))


def to_bytes(words: Mapping[str, int]) -> bytes:
    """Return words and their counts as the content of words.tsv."""
    return "".join(f"{word}\t{count}\n" for word, count in words.items()).encode()


def read(path: Path, sha256: str) -> dict[str, int]:
    """Return the words of a words.tsv whose digest is ``sha256``. Raises UserError for any other file."""
    content = read_verified(path, sha256, MAX_BYTES)
    try:
        pairs = [line.split("\t") for line in content.decode().splitlines()]
        return {word: int(count) for word, count in pairs}
    except ValueError:
        raise UserError(f"{path} is damaged: expected a word, a tab and a count on every line") from None
