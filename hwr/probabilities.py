"""Logits to probabilities in NumPy, for serving without PyTorch. Training and evaluation use `hwr.metrics`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


def softmax(logits: NDArray[Any]) -> NDArray[Any]:
    """Return probabilities (N, C) of logits (N, C), in the type of the logits; 0 where a logit is -inf."""
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(odds / odds.sum(axis=1, keepdims=True))


def log_sum_exp(logits: NDArray[Any]) -> NDArray[Any]:
    """Return the logarithm of the sum of exponentials of each row, (N,)."""
    top = logits.max(axis=1)
    return np.asarray(np.log(np.exp(logits - top[:, None]).sum(axis=1)) + top)


def confidence(logits: NDArray[np.float32], other: int | None) -> NDArray[np.float32]:
    """Return the confidence that each picture is a character, (N,), from calibrated logits (N, C)."""
    probabilities = softmax(logits)
    return np.asarray(probabilities.max(axis=1) if other is None else 1 - probabilities[:, other])


def sums(entries: Sequence[tuple[str, Sequence[int]]], classes: int) -> NDArray[np.bool_]:
    """Return which classes each answer sums, bool (classes, answers), from ``ModelConfig.alphabets``' entries."""
    found = np.zeros((classes, len(entries)), np.bool_)
    for column, (_, members) in enumerate(entries):
        found[list(members), column] = True
    return found
