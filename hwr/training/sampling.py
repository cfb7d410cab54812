"""Draw the samples of an epoch: how often each, and in which order."""

from __future__ import annotations

import numpy as np
import torch

from hwr.data.inkset import InkSet


def draw(chances: torch.Tensor, n: int, generator: torch.Generator) -> torch.Tensor:
    """Draw ``n`` rows in random order, each as often as its share of n, rounded up or down at random.

    Systematic sampling (Madow 1949): equal steps along the cumulative probabilities in random order.
    """
    shuffled = torch.randperm(len(chances), generator=generator)
    ends = chances[shuffled].double().cumsum(0)
    marks = (torch.arange(n) + torch.rand(1, generator=generator).double()) * (ends[-1] / n)
    rows = shuffled[torch.searchsorted(ends, marks).clamp(max=len(chances) - 1)]
    return rows[torch.randperm(n, generator=generator)]


def chances(train: InkSet, balance: float) -> torch.Tensor | None:
    """Return the probability of each sample, (N,), or None if all are equal."""
    if not balance and train.weights is None:
        return None
    chances = torch.ones(len(train)) if train.weights is None else torch.from_numpy(train.weights).clone()
    often = torch.from_numpy(np.bincount(train.labels, weights=chances)).float()
    return chances * often.clamp_min(1)[torch.from_numpy(train.labels)].pow(-balance)
