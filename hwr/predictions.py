"""Logits to probabilities, confidence and answers, in NumPy, for serving without PyTorch.

Training and evaluation use `hwr.metrics`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hwr.config import OTHER, ModelConfig, UserError

Floats = NDArray[np.float32]


class Answer(NamedTuple):
    """The answer for one picture: probabilities, best first, and whether it counts as a character at all."""

    probabilities: dict[str, float]
    confident: bool


@dataclass(frozen=True)
class Predictions:
    """The predictions for N pictures over the A labels of an alphabet.

    ``probabilities``: float32 (N, A), rows sum to 1; a blank picture's row is all zero. ``confident``: bool (N,), False
    for probable non-characters and for blank pictures.
    """

    labels: tuple[str, ...]
    probabilities: Floats
    confident: NDArray[np.bool_]

    def top_k(self, k: int) -> list[dict[str, float]]:
        """Return the k likeliest labels of each picture and their probabilities, best first; {} for a blank one."""
        if k < 1:
            raise UserError(f"k is {k}: expected at least 1")
        order = np.argsort(-self.probabilities, axis=1, kind="stable")[:, :k]
        found = zip(order.tolist(), self.probabilities.tolist(), strict=True)
        return [{self.labels[j]: row[j] for j in columns if any(row)} for columns, row in found]

    def answers(self, k: int) -> list[Answer]:
        """Return `top_k` and the confidence of each picture."""
        return [Answer(*one) for one in zip(self.top_k(k), self.confident.tolist(), strict=True)]


def joined(parts: Sequence[Predictions]) -> Predictions:
    """Join predictions for several parts, at least one, of a list of pictures."""
    return Predictions(
        parts[0].labels,
        np.concatenate([part.probabilities for part in parts]),
        np.concatenate([part.confident for part in parts]),
    )


class OutputClasses:
    """The answers that a model's classes give in each of its alphabets."""

    def __init__(self, config: ModelConfig) -> None:
        self._other = config.labels.index(OTHER) if OTHER in config.labels else None
        self._symbols = list(config.symbols())
        self._alphabets = config.alphabets()
        self._sums = {name: sums(entries, len(config.labels)) for name, entries in self._alphabets.items()}

    @property
    def alphabets(self) -> tuple[str, ...]:
        """Return the alphabets that the labels allow."""
        return tuple(self._alphabets)

    def labels(self, alphabet: str) -> tuple[str, ...]:
        """Return the answers of an alphabet. Raises UserError if the model does not have it."""
        try:
            return tuple(answer for answer, _ in self._alphabets[alphabet])
        except (KeyError, TypeError):  # TypeError: an unhashable value
            known = ", ".join(self._alphabets)
            raise UserError(f"this model has no alphabet {alphabet!r}: expected one of {known}") from None

    def probabilities(self, logits: Floats, alphabet: str) -> Floats:
        """Return probabilities (N, A) from calibrated logits (N, C): softmax over the alphabet, both cases summed."""
        members = self._sums[alphabet]
        classes = softmax(np.where(members.any(axis=1), logits, np.float32(-np.inf)))
        # Not by @: the threads of NumPy's BLAS keep spinning, which slows the network by a third.
        return np.asarray(np.einsum("nc,ca->na", classes, members))

    def confidence(self, logits: Floats, alphabet: str) -> Floats:
        """Return the confidence that each picture is a character of the alphabet, (N,), from calibrated logits."""
        found = confidence(logits, self._other)
        if alphabet == "printable" or not self._symbols:
            return found
        return np.asarray(found - softmax(logits)[:, self._symbols].sum(axis=1))


def softmax(logits: NDArray[Any]) -> NDArray[Any]:
    """Return probabilities (N, C) of logits (N, C), in the type of the logits; 0 where a logit is -inf."""
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(odds / odds.sum(axis=1, keepdims=True))


def log_sum_exp(logits: NDArray[Any]) -> NDArray[Any]:
    """Return the logarithm of the sum of exponentials of each row, (N,)."""
    top = logits.max(axis=1)
    return np.asarray(np.log(np.exp(logits - top[:, None]).sum(axis=1)) + top)


def confidence(logits: Floats, other: int | None) -> Floats:
    """Return the confidence that each picture is a character, (N,), from calibrated logits (N, C)."""
    probabilities = softmax(logits)
    return np.asarray(probabilities.max(axis=1) if other is None else 1 - probabilities[:, other])


def sums(entries: Sequence[tuple[str, Sequence[int]]], classes: int) -> NDArray[np.bool_]:
    """Return which classes each answer sums, bool (classes, answers), from ``ModelConfig.alphabets``' entries."""
    found = np.zeros((classes, len(entries)), np.bool_)
    for column, (_, members) in enumerate(entries):
        found[list(members), column] = True
    return found
