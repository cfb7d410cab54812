"""Soft labels for letters of unknown case: a teacher's probabilities, shifted to the known frequency of capitals."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch

from hwr.evaluation.inference import BATCH, Labelled

LEVELS = 20  # levels of certainty for each letter; samples of one level get the same soft label
BISECTIONS = 50  # steps of the search for the shift, between -SHIFT and SHIFT nats
SHIFT = 30.0

Classifier = Callable[[torch.Tensor], torch.Tensor]  # pixels in [0, 1], (N, 1, S, S), to probabilities (N, C)


@torch.no_grad()
def with_soft_labels(data: Labelled, teacher: Classifier, trust: float) -> Labelled:
    """Replace the per-letter prior of samples of unknown case by per-sample soft labels.

    The teacher's log odds of the two classes, times ``trust``, are shifted by one constant per letter, so that the mean
    probability is the letter's share (Saerens, Latinne and Decaestecker 2002). ``trust`` is below 1 because a teacher
    that learnt the case from other data is over-confident here.
    """
    labels, allowed, prior = data.labels.clone(), [data.allowed], [data.prior]
    count = len(data.allowed)
    for target in (data.allowed.sum(1) == 2).nonzero()[:, 0].tolist():
        rows = (data.labels == target).nonzero()[:, 0]
        if not len(rows):
            continue
        one, other = data.allowed[target].nonzero()[:, 0].tolist()
        shares = shifted(trust * _log_odds(data, rows, teacher, one, other), float(data.prior[target, one]))
        for level in shares.argsort().tensor_split(min(LEVELS, len(rows))):
            labels[rows[level]] = count
            row = torch.zeros_like(data.prior[:1])
            row[0, one], row[0, other] = shares[level].mean(), 1 - shares[level].mean()
            allowed.append(data.allowed[target : target + 1])
            prior.append(row)
            count += 1
    return replace(data, labels=labels, allowed=torch.cat(allowed), prior=torch.cat(prior))


def shifted(log_odds: torch.Tensor, share: float) -> torch.Tensor:
    """Shift log odds (N,) by one constant so that the mean probability is ``share``; return the probabilities."""
    low, high = -SHIFT, SHIFT
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        low, high = (middle, high) if (log_odds + middle).sigmoid().mean() < share else (low, middle)
    return (log_odds + low).sigmoid()


def _log_odds(data: Labelled, rows: torch.Tensor, teacher: Classifier, one: int, other: int) -> torch.Tensor:
    """Return the teacher's log odds of class ``one`` against ``other``, (N,), clipped to SHIFT / 2 nats."""
    found = torch.cat([teacher(data.pixels(some))[:, [one, other]] for some in rows.split(BATCH)])
    logs = found.clamp_min(1e-9).log()
    return (logs[:, 0] - logs[:, 1]).clamp(-SHIFT / 2, SHIFT / 2)
