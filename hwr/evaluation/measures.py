"""Figures of a model on a test set: per class, per writer, by confidence, and the worst mistakes."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from hwr import metrics, predictions
from hwr.config import OTHER, ModelConfig

MISTAKES = 60  # worst mistakes shown on one sheet
CURVE_POINTS = 200  # points kept of a risk-coverage curve
FALSE_POSITIVES = np.logspace(-4, 0, 81)  # false positive rates at which ROC curves are sampled: 20 a decade

Measures = dict[str, Any]


class Answers(NamedTuple):
    """A model's answers to N pictures among A classes: ``probabilities`` and ``allowed`` (bool) are (N, A)."""

    names: tuple[str, ...]
    probabilities: torch.Tensor
    allowed: torch.Tensor

    @property
    def right(self) -> torch.Tensor:
        """Return whether each best answer is allowed, bool (N,)."""
        return metrics.hits(self.probabilities, self.allowed)

    @property
    def given(self) -> NDArray[np.int64]:
        """Return the best answer for each picture, (N,)."""
        return self.probabilities.argmax(1).numpy()

    @property
    def truth(self) -> NDArray[np.int64]:
        """Return the class of each picture, (N,); for a letter of unknown case the more probable one."""
        return self.probabilities.masked_fill(~self.allowed, -1).argmax(1).numpy()


def among_present(logits: torch.Tensor, allowed: torch.Tensor, config: ModelConfig) -> Answers:
    """Restrict calibrated logits (N, C) to the classes that a test set has."""
    present = allowed.any(0)
    names = tuple(label for label, there in zip(config.labels, present.tolist(), strict=True) if there)
    return Answers(names, logits[:, present].double().softmax(1), allowed[:, present])


def by_alphabet(logits: torch.Tensor, allowed: torch.Tensor, config: ModelConfig) -> Measures:
    """Return the `summary` for each alphabet of the model, on the pictures that belong to it."""
    found = {}
    for name, entries in config.alphabets().items():
        sums = torch.from_numpy(predictions.sums(entries, len(config.labels)))
        inside = ~(allowed & ~sums.any(1)).any(1)
        if inside.any():
            masked = logits[inside].double().masked_fill(~sums.any(1), -torch.inf)
            right = (allowed[inside].float() @ sums.float()) > 0
            answers = Answers(tuple(answer for answer, _ in entries), masked.softmax(1) @ sums.double(), right)
            found[name] = summary(answers)
    return found


def summary(answers: Answers) -> Measures:
    """Return n, accuracy with its interval, calibration error and top-3 accuracy."""
    logits = answers.probabilities.clamp_min(1e-300).log()
    return metrics.summary(logits, answers.allowed) | {
        "top3": metrics.top_k_accuracy(answers.probabilities, answers.allowed, 3),
        "answers": len(answers.names),
    }


def per_class(answers: Answers) -> Measures:
    """Return n, precision, recall and F1 of each class, and their means; that of recall is balanced accuracy."""
    from sklearn.metrics import precision_recall_fscore_support

    classes = np.unique(answers.truth)
    found = precision_recall_fscore_support(answers.truth, answers.given, labels=classes, zero_division=0.0)
    names = ("precision", "recall", "f1")
    rows = zip(classes, *found, strict=True)
    each = {
        answers.names[c]: dict(zip(names, map(float, values), strict=True)) | {"n": int(n)} for c, *values, n in rows
    }
    means = {name: float(np.mean(column)) for name, column in zip(names, found, strict=False)}
    return {"each": each, "mean": means | {"balanced_accuracy": means["recall"]}}


def confusions(answers: Answers) -> list[tuple[str, str, int]]:
    """Return (class, answer, count) of the confusion matrix's nonzero cells, most frequent first."""
    from sklearn.metrics import confusion_matrix

    counts = confusion_matrix(answers.truth, answers.given, labels=np.arange(len(answers.names)))
    rows, columns = np.nonzero(counts)
    order = np.argsort(-counts[rows, columns], kind="stable")
    names = answers.names
    return [(names[i], names[j], int(counts[i, j])) for i, j in zip(rows[order], columns[order], strict=True)]


def roc(answers: Answers) -> Measures:
    """Return, for each class against all others, the area under the ROC curve and the curve at FALSE_POSITIVES.

    Pictures that may be of several classes (letters of unknown case) are left out for these classes.
    """
    from sklearn.metrics import auc, roc_curve

    single = answers.allowed.sum(1) == 1
    curves = {}
    for column, name in enumerate(answers.names):
        used = single | ~answers.allowed[:, column]
        positive = answers.allowed[used, column].numpy()
        if 0 < positive.sum() < len(positive):
            false, true, _ = roc_curve(positive, answers.probabilities[used, column].numpy())
            curves[name] = {"auc": float(auc(false, true)), "curve": np.interp(FALSE_POSITIVES, false, true).tolist()}
    mean = float(np.mean([curve["auc"] for curve in curves.values()])) if curves else None
    return {"mean_auc": mean, "false_positive_rates": FALSE_POSITIVES.tolist(), "each": curves}


def calibration(answers: Answers) -> list[Measures]:
    """Return n, mean confidence and accuracy in each of ECE_BINS bins of confidence; None for empty bins."""
    curve = metrics.calibration_curve(answers.probabilities, answers.right).tolist()
    return [
        {"n": int(n), "confidence": sure if n else None, "accuracy": right if n else None} for n, sure, right in curve
    ]


def rejection(logits: torch.Tensor, answers: Answers, config: ModelConfig) -> Measures:
    """Return the risk-coverage curve over thresholds of confidence, and the point of the model's own threshold."""
    other = config.labels.index(OTHER) if OTHER in config.labels else None
    sure = metrics.confidence(logits.double(), other)
    curve = metrics.risk_coverage(sure, answers.right)
    accepted = sure >= config.rejection_threshold
    right = answers.right[accepted]
    sampled = curve[np.unique(np.linspace(0, len(curve) - 1, CURVE_POINTS).round().astype(int))]
    return {
        "threshold": config.rejection_threshold,
        "accepted": accepted.double().mean().item(),
        "accuracy_of_accepted": right.double().mean().item() if len(right) else None,
        "area_under_risk": metrics.area_under_risk(curve),
        "curve": [dict(zip(("threshold", "coverage", "risk"), point, strict=True)) for point in sampled.tolist()],
    }


def mistakes(answers: Answers, most: int = MISTAKES) -> list[Measures]:
    """Return the most confident wrong answers: row, true class, answer, probability."""
    wrong = np.flatnonzero(~answers.right.numpy())
    sure = answers.probabilities.amax(1).numpy()
    worst = wrong[np.argsort(-sure[wrong], kind="stable")][:most]
    given = answers.given
    return [
        {
            "row": int(row),
            "truth": [name for name, right in zip(answers.names, answers.allowed[row], strict=True) if right],
            "answer": answers.names[given[row]],
            "probability": float(sure[row]),
        }
        for row in worst
    ]


def by_writer(right: torch.Tensor, written_by: NDArray[np.int64]) -> Measures | None:
    """Return the accuracy per writer, worst first, and its spread; None for fewer than two writers.

    ``right`` bool (N,), ``written_by`` the writer of each, (N,).
    """
    writers, rows = np.unique(written_by, return_inverse=True)
    if len(writers) < 2:
        return None
    n = np.bincount(rows)
    shares = np.bincount(rows, weights=right.numpy()) / n
    low, median, high = np.quantile(shares, (0.1, 0.5, 0.9))
    order = np.argsort(shares, kind="stable")
    return {
        "n": len(writers),
        "mean": float(shares.mean()),
        "tenth": float(low),
        "median": float(median),
        "nine_tenths": float(high),
        "each": [{"writer": int(writers[i]), "n": int(n[i]), "accuracy": float(shares[i])} for i in order],
    }
