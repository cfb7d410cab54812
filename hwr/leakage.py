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
DIRECTIONS = 64  # of SIDE * SIDE: the first comparison, at a ninth of the work
ROUNDING = 1e-4  # of float32 in the first comparison
ROWS = 8192  # of each matrix in a product: 256 MiB of correlations at a time


def remove(sets: list[InkSet], tests: list[InkSet]) -> tuple[list[InkSet], dict[str, int]]:
    """Training sets without near-duplicates of the tests, and how many pictures each test set cost.

    Drawn trajectories are no copies of scans, and straight bars are all alike: they are left in. Of ones, which are
    bars in scans too, hardly any stay, and an I would pass for likelier than a 1: what is left is seen oftener.
    """
    removed: dict[str, int] = {}
    for test in tests:
        clean = [s if s.drawn or test.drawn else s.thinned(~near_duplicates(s.images, test.images)) for s in sets]
        removed[test.name] = sum(map(len, sets)) - sum(map(len, clean))
        sets = clean
    return sets, removed


def near_duplicates(images: NDArray[np.uint8], tests: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Which of ``images`` (N, S, S) correlate with any of ``tests`` (M, S, S) by more than CORRELATION: bool (N,).

    Both are fitted ink, so that place and size no longer differ. Most pictures are ruled out by their DIRECTIONS
    strongest components alone, which loses none: a projection brings no two vectors further apart.
    """
    trained, tested = _signatures(images), _signatures(tests)
    project = _principal_directions(tested)
    rough, rough_tests = _closeness(trained @ project)[0], _closeness(tested @ project)[1]
    found = torch.zeros(len(trained), dtype=torch.bool)
    with tqdm(total=len(trained), desc="near-duplicates", unit="img", leave=False) as bar:
        for rows in torch.arange(len(trained)).split(ROWS):
            near = rows[_best(rough[rows], rough_tests) > CORRELATION - 1 - ROUNDING]  # |a - b|^2 = 2 - 2 a b
            found[near] = _best(trained[near], tested) > CORRELATION
            bar.update(len(rows))
    return found.numpy()


def _best(rows: torch.Tensor, tested: torch.Tensor) -> torch.Tensor:
    """The largest product of each row with any tested vector, (N,)."""
    best = torch.full((len(rows),), -torch.inf)
    for some in tested.split(ROWS):
        best = torch.maximum(best, (rows @ some.T).amax(1))
    return best


def _principal_directions(vectors: torch.Tensor) -> torch.Tensor:
    """Orthonormal (SIDE * SIDE, DIRECTIONS): where the vectors spread most."""
    directions: torch.Tensor = torch.linalg.eigh(vectors.T @ vectors).eigenvectors[:, -DIRECTIONS:]
    return directions


def _closeness(projected: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Vectors (N, D) as left and right factors (N, D + 2) whose product is minus half the squared distance."""
    half = projected.square().sum(1, keepdim=True) / 2
    one = torch.ones_like(half)
    return torch.cat([projected, -half, one], 1), torch.cat([projected, one, -half], 1)


def _signatures(images: NDArray[np.uint8]) -> torch.Tensor:
    """Pictures as unit vectors without their mean, float32 (N, SIDE * SIDE): a dot product is a correlation."""
    small = np.stack([cv2.resize(image, (SIDE, SIDE), interpolation=cv2.INTER_AREA) for image in images])
    flat = torch.from_numpy(small).flatten(1).float()
    flat -= flat.mean(1, keepdim=True)
    return torch.nn.functional.normalize(flat, dim=1)
