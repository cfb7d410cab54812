"""Losses and figures as pure functions of logits and labels. A letter of unknown case allows two classes."""

from __future__ import annotations

import math

import torch
from torch.nn import functional as F

ECE_BINS = 15
TEMPERATURES = torch.logspace(math.log10(0.2), math.log10(5), 161)  # 2 % apart
ACCEPTED = 0.99  # share of validation pictures that the rejection threshold lets through


def log_likelihood(logits: torch.Tensor, allowed: torch.Tensor) -> torch.Tensor:
    """Return log P(any allowed class), (N,), for logits (N, C) and allowed bool (N, C)."""
    return F.log_softmax(logits, 1).masked_fill(~allowed, -torch.inf).logsumexp(1)


def loss(logits: torch.Tensor, allowed: torch.Tensor, smoothing: float = 0.0) -> torch.Tensor:
    """Return the mean cross entropy, (), with label smoothing towards the uniform distribution."""
    return -((1 - smoothing) * log_likelihood(logits, allowed) + smoothing * _uniform(logits)).mean()


def soft_loss(
    logits: torch.Tensor, allowed: torch.Tensor, prior: torch.Tensor, weight: float, smoothing: float = 0.0
) -> torch.Tensor:
    """Return each sample's loss, (N,), a share ``weight`` of it against the fixed shares ``prior`` of allowed classes.

    Where one class is allowed this is ``loss``. For a letter of unknown case, 0 leaves the case to the network and 1
    teaches the prior.
    """
    fixed = (prior * F.log_softmax(logits, 1)).sum(1)
    likely = torch.lerp(log_likelihood(logits, allowed), fixed, weight)
    return -((1 - smoothing) * likely + smoothing * _uniform(logits))


def distillation_loss(logits: torch.Tensor, taught: torch.Tensor) -> torch.Tensor:
    """Return the cross entropy (N,) with a teacher's probabilities (N, C) (Hinton, Vinyals and Dean 2015, at T = 1)."""
    return F.cross_entropy(logits, taught, reduction="none")


def reshared(probabilities: torch.Tensor, allowed: torch.Tensor, prior: torch.Tensor) -> torch.Tensor:
    """Return probabilities (N, C) in which the allowed classes, bool (N, C), divide their sum by ``prior`` (N, C)."""
    sums = (probabilities * allowed).sum(1, keepdim=True)
    return torch.where(allowed, sums * prior, probabilities)


def _uniform(logits: torch.Tensor) -> torch.Tensor:
    return F.log_softmax(logits, 1).mean(1)


def hits(scores: torch.Tensor, allowed: torch.Tensor) -> torch.Tensor:
    """Return whether the best class is an allowed one, bool (N,)."""
    return allowed.gather(1, scores.argmax(1, keepdim=True)).squeeze(1)


def accuracy(scores: torch.Tensor, allowed: torch.Tensor) -> float:
    """Return the share of samples whose best class is allowed."""
    return hits(scores, allowed).double().mean().item()


def calibration_error(probabilities: torch.Tensor, right: torch.Tensor, bins: int = ECE_BINS) -> float:
    """Return the mean gap of confidence and accuracy over equal-width bins (Guo et al. 2017)."""
    sure = probabilities.amax(1).double()
    index = (sure * bins).long().clamp(max=bins - 1)
    gaps = torch.zeros(bins, dtype=torch.float64).index_add_(0, index, sure - right.double())
    return (gaps.abs().sum() / len(sure)).item()


def fit_temperature(logits: torch.Tensor, allowed: torch.Tensor) -> float:
    """Return the temperature in TEMPERATURES that makes validation labels most likely (Guo et al. 2017)."""
    logits = logits.float()
    likelihood = [log_likelihood(logits / t, allowed).mean() for t in TEMPERATURES]
    return float(TEMPERATURES[int(torch.stack(likelihood).argmax())])


def confidence(logits: torch.Tensor, other: int | None) -> torch.Tensor:
    """Return the confidence that a picture shows a character at all, (N,), from calibrated logits (N, C).

    One minus the probability of the class ``other``, ink that is no character; without that class, the probability
    of the best answer (Hendrycks and Gimpel 2017).
    """
    probabilities = logits.softmax(1)
    return probabilities.amax(1) if other is None else 1 - probabilities[:, other]


def fit_threshold(sure: torch.Tensor, accepted: float = ACCEPTED) -> float:
    """Return the threshold that a share ``accepted`` of the confidences (N,) reaches."""
    return float(sure.quantile(1 - accepted))


def wilson(right: int, n: int, z: float = 1.96) -> tuple[float, float]:
    """Return Wilson's 95 % interval of a share."""
    share = right / n
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    reach = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return middle - reach, middle + reach


def summary(logits: torch.Tensor, allowed: torch.Tensor, temperature: float = 1.0) -> dict[str, float]:
    """Return n, accuracy with its 95 % interval, and calibration error of a set of samples."""
    probabilities = (logits.float() / temperature).softmax(1)
    right = hits(probabilities, allowed)
    low, high = wilson(int(right.sum()), len(right))
    return {
        "n": len(right),
        "accuracy": right.double().mean().item(),
        "accuracy_low": low,
        "accuracy_high": high,
        "calibration_error": calibration_error(probabilities, right),
    }


def top_k_accuracy(scores: torch.Tensor, allowed: torch.Tensor, k: int) -> float:
    """Return the share of samples with an allowed class among the k best."""
    best = scores.topk(min(k, scores.shape[1]), dim=1).indices
    return allowed.gather(1, best).any(1).double().mean().item()


def calibration_curve(probabilities: torch.Tensor, right: torch.Tensor, bins: int = ECE_BINS) -> torch.Tensor:
    """Return counts, mean confidences and accuracies over equal-width bins of confidence: float64 (bins, 3).

    The bins are those of `calibration_error`. An empty bin's means are NaN.
    """
    sure = probabilities.amax(1).double()
    index = (sure * bins).long().clamp(max=bins - 1)
    columns = torch.stack([torch.ones_like(sure), sure, right.double()], 1)
    sums = torch.zeros(bins, 3, dtype=torch.float64).index_add_(0, index, columns)
    return torch.cat([sums[:, :1], sums[:, 1:] / sums[:, :1]], 1)


def risk_coverage(sure: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    """Return threshold, coverage and risk, float64 (M, 3), surest first.

    Samples at or above a threshold are answered; risk is their share of errors (El-Yaniv and Wiener 2010). Ties stay
    together.
    """
    levels, counts = sure.double().unique(return_counts=True)
    order = sure.double().sort(descending=True).indices
    answered = counts.flip(0).cumsum(0)
    errors = (~right[order]).cumsum(0)[answered - 1]
    return torch.stack([levels.flip(0), answered / len(sure), errors / answered], 1).double()


def area_under_risk(curve: torch.Tensor) -> float:
    """Return the mean risk over all coverages of a `risk_coverage` curve (Geifman and El-Yaniv 2017)."""
    steps = curve[:, 1].diff(prepend=torch.zeros(1, dtype=curve.dtype))
    return (steps * curve[:, 2]).sum().item()
