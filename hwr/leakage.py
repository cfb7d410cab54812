"""Near-duplicates of test pictures in training data: found, counted, removed.

MNIST, QMNIST and EMNIST are cut from the same NIST forms, so a test digit of one may train the other.
"""

from __future__ import annotations

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from hwr.data import InkSet

CORRELATION = 0.97  # of two fitted pictures from which they count as the same: the fit has aligned them
SIDE = 24  # pixels: pictures are compared at this size, where differences of resampling are gone
ROWS = 8192  # of each matrix in a product: 256 MiB of correlations at a time


def remove(sets: list[InkSet], tests: list[InkSet]) -> tuple[list[InkSet], dict[str, int]]:
    """Training sets without near-duplicates of the tests, and how many pictures each test set cost.

    Drawn trajectories are no copies of scans, and straight bars are all alike: they are left in.
    """
    removed: dict[str, int] = {}
    for test in tests:
        clean = [s if s.drawn or test.drawn else s.take(~near_duplicates(s.images, test.images)) for s in sets]
        removed[test.name] = sum(map(len, sets)) - sum(map(len, clean))
        sets = clean
    return sets, removed


def near_duplicates(images: NDArray[np.uint8], tests: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Which of ``images`` (N, S, S) correlate with any of ``tests`` (M, S, S) by more than CORRELATION: bool (N,).

    Both are fitted ink, so that place and size no longer differ. One matrix product in bfloat16 finds the
    candidates; float32 decides.
    """
    trained, tested = _signatures(images), _signatures(tests)
    found = torch.zeros(len(trained), dtype=torch.bool)
    slack = 0.01  # bfloat16's error over 576 products of unit vectors
    with tqdm(total=len(trained), desc="near-duplicates", unit="img", leave=False) as bar:
        for rows in torch.arange(len(trained)).split(ROWS):
            best, where = _best_match(trained[rows].bfloat16(), tested)
            near = best > CORRELATION - slack
            exact = (trained[rows[near]] * tested[where[near]]).sum(1)
            found[rows[near]] = exact > CORRELATION
            bar.update(len(rows))
    return found.numpy()


def _best_match(rows: torch.Tensor, tested: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    best = torch.full((len(rows),), -1.0)
    where = torch.zeros(len(rows), dtype=torch.long)
    for start in range(0, len(tested), ROWS):
        value, column = (rows @ tested[start : start + ROWS].bfloat16().T).max(1)
        better = value.float() > best
        best[better], where[better] = value.float()[better], column[better] + start
    return best, where


def _signatures(images: NDArray[np.uint8]) -> torch.Tensor:
    """Pictures as unit vectors without their mean, float32 (N, SIDE * SIDE): a dot product is a correlation."""
    small = np.stack([cv2.resize(image, (SIDE, SIDE), interpolation=cv2.INTER_AREA) for image in images])
    flat = torch.from_numpy(small).flatten(1).float()
    flat -= flat.mean(1, keepdim=True)
    return torch.nn.functional.normalize(flat, dim=1)
