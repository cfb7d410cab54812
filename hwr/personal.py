"""Personalisation: adapt the classifier to one visitor from a few taught pictures, in well under a second.

The network is shared: only the head, which turns its features into logits, is personal. A small linear change of the
classifier (L2-SP; Li, Grandvalet and Davoine 2018) learns what the pictures have in common. A memory of the pictures
that are still unsure then, Tip-Adapter's kernel on the cosine of features (Zhang et al. 2022) but fitted, makes sure
that they are answered as taught. Both are convex problems, solved by L-BFGS on features that are computed once.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwr import labels as naming
from hwr.config import OTHER, ModelConfig, UserError
from hwr.predictions import log_sum_exp, softmax
from hwr.recognizer import Head, Recognizer

L2_CHANGE = 0.2  # L2 penalty of the linear change: half of it times the squared change is added to the cross entropy
L2_MEMORY = 0.01  # L2 penalty of the memory; weak, so that it can fit the taught samples
MEMORY_BETA = (
    160.0  # sharpness of the memory's kernel, Tip-Adapter's beta: 0.5 at a cosine of 0.996, nearly 0 below 0.98
)
REMEMBERED = 150  # pictures in the memory at most: 77 kB at 256 features
NEW_CLASS_BIAS = 2.0  # nats of a new class above OTHER, which is the model's answer for unknown characters
TRUST = 24.0  # nats subtracted from the log odds of OTHER for a picture that equals a taught one
TRUST_BETA = 20.0  # sharpness of that kernel: wide enough for the same hand drawing the same character again
STEPS = 60  # of L-BFGS at most
HISTORY = 10  # steps from which L-BFGS estimates the curvature
FLAT = 1e-6  # largest gradient at which the minimum counts as reached

Gray = NDArray[np.uint8]
Floats = NDArray[np.floating[Any]]
Sample = tuple[Gray, str]


def adapted(recognizer: Recognizer, samples: Sequence[Sample]) -> Recognizer:
    """Return a recogniser that has learnt ``samples``: pictures uint8 (S, S), from `Recognizer.see`, and labels.

    It shares the network with ``recognizer``, which stays as it is, and answers as that does where there are no
    samples. Labels that the model does not know become classes, behind those it has. The update is stronger
    if the samples include some that were read correctly. Raises UserError for a picture of another size and for what
    cannot be a label.
    """
    checked = [(seen, _checked(seen, label, recognizer.config)) for seen, label in samples]
    distinct = {(seen.tobytes(), name): (seen, name) for seen, name in checked}.values()  # duplicates count once
    if not distinct:
        return recognizer.with_head(recognizer.head, recognizer.config)
    pictures, names = np.stack([seen for seen, _ in distinct]), [name for _, name in distinct]
    config = replace(recognizer.config, labels=tuple(dict.fromkeys((*recognizer.config.labels, *names))))
    taught = np.array([config.labels.index(name) for name in names])
    head = PersonalHead(recognizer.head, recognizer.config, len(config.labels))
    return recognizer.with_head(head.learn(*recognizer.outputs(pictures), taught), config)


def _checked(seen: Gray, label: str, config: ModelConfig) -> str:
    """Return the label as the model's class is named, or a new one in Unicode's composed form."""
    size = config.image_size
    if seen.shape != (size, size) or seen.dtype != np.uint8:
        raise UserError(f"a sample is {seen.dtype} {seen.shape}: expected uint8 ({size}, {size}), as see() returns")
    return label if label in config.labels and label != OTHER else naming.checked(label)


class PersonalHead:
    """Maps features (N, D) and the network's logits to personal logits (N, C).

    Rejection stays as it was: the odds of OTHER change only close to taught samples.
    """

    delta: Floats  # (D, C): calibrated logits that each feature adds
    keys: NDArray[np.float16]  # (M, D): normalised features of the memory
    values: Floats  # (M, C): calibrated logits that similarity to each of them adds

    def __init__(self, base_head: Head | None, config: ModelConfig, classes: int) -> None:
        self.base_head = base_head
        self.other = config.labels.index(OTHER) if OTHER in config.labels else None
        self.temperature = config.temperature
        self.known = len(config.labels)
        self.new = classes - self.known

    def __call__(self, features: NDArray[np.float32], logits: NDArray[np.float32]) -> NDArray[np.float32]:
        """Logits before the temperature, float32 (N, C); the classes of the base head come first."""
        start, odds = self._base_logits(features, logits)
        cosines = self._cosines(features)
        found = start + features @ self.delta + kernel(cosines, MEMORY_BETA) @ self.values
        if self.other is not None:
            trust = TRUST * kernel(cosines.max(axis=1), TRUST_BETA)
            found[:, self.other] = log_sum_exp(found) + odds - trust
        return np.asarray(self.temperature * found, np.float32)

    def learn(
        self, features: NDArray[np.float32], logits: NDArray[np.float32], taught: NDArray[np.int64]
    ) -> PersonalHead:
        """Learn that features (N, D) and their logits belong to the classes ``taught``, (N,)."""
        start, odds = self._base_logits(features, logits)
        scale = max(float(np.sqrt(np.square(features).sum(axis=1).mean())), 1e-6)
        weights, handicap = self._trusted(start, taught)
        self.delta = (fit(features / scale, start + handicap, taught, weights, L2_CHANGE) / scale).astype(np.float32)
        start = start + features @ self.delta
        doubt = log_sum_exp(start) - start[np.arange(len(taught)), taught] + np.logaddexp(0, odds)
        least = np.argsort(-doubt, kind="stable")[:REMEMBERED]
        self._remember(features[least], start[least], taught[least])
        return self

    def _base_logits(self, features: NDArray[np.float32], logits: NDArray[np.float32]) -> tuple[Floats, Floats]:
        """Return the base head's calibrated logits among characters (N, C), and the log odds of OTHER, (N,)."""
        found = (logits if self.base_head is None else self.base_head(features, logits)) / np.float32(self.temperature)
        if self.other is None:
            new = np.repeat(found.mean(axis=1, keepdims=True), self.new, axis=1)
            return np.concatenate([found, new], axis=1), np.zeros(len(found), np.float32)
        other = found[:, self.other].copy()
        found[:, self.other] = -np.inf
        new = np.repeat(other[:, None] + np.float32(NEW_CLASS_BIAS), self.new, axis=1)
        return np.concatenate([found, new], axis=1), other - log_sum_exp(found)

    def _trusted(self, start: Floats, taught: NDArray[np.int64]) -> tuple[Floats, Floats]:
        """Return sample weights (N,) and a shift of each class's logits while learning, (C,).

        Both scale with the fraction of samples that were read correctly. A visitor who teaches only mistakes leaves out
        what was read well: seven mistaken o at full weight would make every o a 0, and the absence of O among them
        does not mean that none will come. New classes have full weight, because nothing is known about them.
        """
        old = taught < self.known
        share = ((start[:, : self.known].argmax(axis=1) == taught).sum() + 1) / (old.sum() + 1)
        absent = np.bincount(taught, minlength=start.shape[1]) == 0
        return np.where(old, share, 1.0), absent * np.log(share)

    def _remember(self, features: Floats, start: Floats, taught: NDArray[np.int64]) -> None:
        """Keep samples (M, D), and the logits that each adds to similar pictures, (M, C)."""
        self.keys = _normalised(features).astype(np.float16)
        # Of a kernel K = L L', the logits K a with the penalty a'K a are those of the features L.
        near = kernel(self._cosines(features).astype(np.float64), MEMORY_BETA)
        root = np.linalg.cholesky(near + 1e-3 * np.eye(len(near)))  # 16 bits are not exact
        found = fit(root, start, taught, np.ones(len(near)), L2_MEMORY)
        self.values = np.linalg.solve(root.T, found).astype(np.float32)

    def _cosines(self, features: Floats) -> Floats:
        """Return the cosines between features (N, D) and the M keys, (N, M)."""
        return np.asarray(_normalised(features) @ self.keys.astype(np.float32).T)


def _normalised(features: Floats) -> Floats:
    """Return rows of unit length."""
    return np.asarray(features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12))


def kernel(cosines: Floats, sharpness: float) -> Floats:
    """Return the similarity of features from their cosines, 1 for equal ones."""
    return np.asarray(np.exp(sharpness * (cosines - 1)))


def fit(features: Floats, start: Floats, taught: NDArray[np.int64], weights: Floats, stiffness: float) -> Floats:
    """Return V, float64 (D, C), that minimises the weighted cross entropy of ``start + features @ V`` plus a penalty.

    The penalty is ``stiffness / 2`` times the sum of squares; the problem is convex, so the minimum is unique.
    """
    rows = np.arange(len(taught))
    features, start = features.astype(np.float64), start.astype(np.float64)

    def loss(found: Floats) -> tuple[float, Floats]:
        logits = start + features @ found
        losses = weights * (log_sum_exp(logits) - logits[rows, taught])
        slopes = softmax(logits)
        slopes[rows, taught] -= 1
        value = losses.sum() + stiffness / 2 * np.square(found).sum()
        return float(value), features.T @ (weights[:, None] * slopes) + stiffness * found

    return minimum(loss, np.zeros((features.shape[1], start.shape[1])))


def minimum(loss: Callable[[Floats], tuple[float, Floats]], start: Floats) -> Floats:
    """Minimise a convex function, given with its gradient: L-BFGS (Liu and Nocedal 1989) with backtracking."""
    here, (value, slope) = start, loss(start)
    past = deque[tuple[Floats, Floats]](maxlen=HISTORY)
    for _ in range(STEPS):
        if np.abs(slope).max() < FLAT:
            break
        direction = -_by_curvature(slope, past)
        length = 1.0 if past else min(1.0, 1 / float(np.abs(slope).sum()))
        fall = float((slope * direction).sum())
        while True:
            there = here + length * direction
            found, steep = loss(there)
            if found <= value + 1e-4 * length * fall or length < 1e-9:
                break
            length /= 2
        if float(((there - here) * (steep - slope)).sum()) <= 0:  # no progress within float precision
            break
        past.append((there - here, steep - slope))
        here, value, slope = there, found, steep
    return here


def _by_curvature(slope: Floats, past: deque[tuple[Floats, Floats]]) -> Floats:
    """Multiply the gradient by an estimate of the inverse Hessian from past steps: the two-loop recursion of L-BFGS."""
    found, shares = slope, []
    for step, change in reversed(past):
        share = float((step * found).sum() / (step * change).sum())
        shares.append(share)
        found = found - share * change
    if past:
        step, change = past[-1]
        found = found * float((step * change).sum() / np.square(change).sum())
    for (step, change), share in zip(past, reversed(shares), strict=True):
        found = found + step * (share - float((change * found).sum() / (step * change).sum()))
    return found
