"""Find, count and remove near-duplicates of test pictures in training data.

MNIST, QMNIST and EMNIST are cut from the same NIST forms, so a test digit of one may train the other.
"""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from hwr.data.downloads import Target
from hwr.data.inkset import InkSet

CORRELATION = 0.97  # fitted pictures, which are aligned, may be copies from this correlation on
CERTAIN = 0.995  # and are copies from this one on
NEAREST = 5  # candidates per test picture, at most: all bars look alike, and only one is the copy
COLLECTIONS = ("emnist", "mnist")  # each was cut from the forms once, by one program: a copy would be identical
SIDE = 24  # pixels per side at which pictures are compared: small enough to hide differences of resampling
ROWS = 8192  # rows of each matrix in a product: 256 MiB of correlations at a time


def remove(sets: list[InkSet], tests: list[InkSet]) -> tuple[list[InkSet], dict[str, int]]:
    """Return training sets without near-duplicates of the tests, and how many pictures each test set cost.

    Rendered trajectories cannot be copies of scans and are kept. Bars that merely look alike are removed with the
    copies; the rest of their class is sampled more often, so that a 1 stays as frequent as it was.
    """
    removed: dict[str, int] = {}
    for test in tests:
        clean = [s if s.rendered or test.rendered else s.drop_and_reweight(~near_duplicates(s, test)) for s in sets]
        removed[test.name] = sum(map(len, sets)) - sum(map(len, clean))
        sets = clean
    return sets, removed


def near_duplicates(ink: InkSet, test: InkSet) -> NDArray[np.bool_]:
    """Return which pictures of ``ink`` are copies of a picture of ``test``: bool (N,).

    Copies are pictures of the same class that correlate by more than CERTAIN, and the NEAREST of those above
    CORRELATION. Within one of COLLECTIONS only the former count. Both sets must be fitted ink.
    """
    nearest = 0 if _collection(ink) and _collection(ink) == _collection(test) else NEAREST
    trained, tested = _signatures(ink.images), _signatures(test.images)
    found = torch.zeros(len(ink), dtype=torch.bool)
    for mine, theirs in _same_class(ink, test):
        for some in theirs.split(ROWS):
            found[mine[_near(trained[mine], tested[some], nearest)]] = True
    return found.numpy()


def _near(trained: torch.Tensor, tested: torch.Tensor, nearest: int) -> torch.Tensor:
    """Return the rows of signatures (N, D) that are close enough to one of (M, D) to be copies."""
    closeness = torch.cat([rows @ tested.T for rows in trained.split(ROWS)])
    near = (closeness > CERTAIN).any(1)
    best = closeness.topk(min(nearest, len(trained)), dim=0)
    near[best.indices[best.values > CORRELATION]] = True
    return near.nonzero()[:, 0]


def _same_class(ink: InkSet, test: InkSet) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Yield the samples of both sets, as indices, that may be of one class; an unknown case matches both."""
    for label, names in _targets(ink):
        theirs = [other for other, others in _targets(test) if not set(names).isdisjoint(others)]
        if theirs:
            yield (
                torch.from_numpy(np.flatnonzero(ink.labels == label)),
                torch.from_numpy(np.flatnonzero(np.isin(test.labels, theirs))),
            )


def _targets(ink: InkSet) -> list[tuple[int, Target]]:
    """Return the targets that have samples."""
    return [(label, ink.targets[label]) for label in np.unique(ink.labels).tolist()]


def _collection(ink: InkSet) -> str:
    """Return the collection that a set belongs to, by its name; empty for any other."""
    return next((name for name in COLLECTIONS if ink.name.lower().startswith(name)), "")


def _signatures(images: NDArray[np.uint8]) -> torch.Tensor:
    """Return pictures as centred unit vectors, float32 (N, SIDE * SIDE): a dot product is a correlation."""
    small = np.stack([cv2.resize(image, (SIDE, SIDE), interpolation=cv2.INTER_AREA) for image in images])
    flat = torch.from_numpy(small).flatten(1).float()
    flat -= flat.mean(1, keepdim=True)
    return torch.nn.functional.normalize(flat, dim=1)
