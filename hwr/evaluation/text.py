"""Error rates of texts that were read, against the texts that were written."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from scipy.stats import binomtest


def edit_distance(first: str, second: str) -> int:
    """Return how many characters must be inserted, deleted or replaced to make one text of the other."""
    row = list(range(len(second) + 1))
    for i, a in enumerate(first, 1):
        before, row[0] = row[0], i
        for j, b in enumerate(second, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (a != b))
    return row[-1]


def exactness(pairs: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """Return how many pairs (written, read) are equal, with the 95 % interval (Wilson 1927), and their error rate."""
    exact = sum(written == read for written, read in pairs)
    interval = binomtest(exact, len(pairs)).proportion_ci(method="wilson")
    return {
        "n": len(pairs),
        "exact": exact / len(pairs),
        "exact_low": interval.low,
        "exact_high": interval.high,
        "character_error_rate": error_rate(pairs),
    }


def error_rate(pairs: Sequence[tuple[str, str]]) -> float:
    """Return the character error rate of pairs (written, read): all edits over all characters that were written."""
    return sum(edit_distance(*pair) for pair in pairs) / max(sum(len(text) for text, _ in pairs), 1)


def word_error_rate(pairs: Sequence[tuple[str, str]]) -> float:
    """Return the word error rate of pairs (written, read): edits of whole words over all words that were written."""
    coded: dict[str, str] = {}

    def words(text: str) -> str:
        return "".join(coded.setdefault(word, chr(len(coded))) for word in text.split())

    return error_rate([(words(text), words(found)) for text, found in pairs])
