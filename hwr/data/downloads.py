"""Data sets that torchvision downloads, as grey pictures with labels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from hwr.config import DIGITS

Split = Literal["train", "test"]
Target = tuple[str, ...]  # the classes a sample may belong to: one, or both cases of a letter

EMNIST_SPLITS = ("balanced", "byclass", "bymerge", "digits", "letters", "mnist")
DOWNLOADS = ("mnist", "qmnist", "kmnist", "usps", "svhn", "cifar10", *(f"emnist-{s}" for s in EMNIST_SPLITS))


def read(name: str, split: Split, root: Path) -> tuple[NDArray[np.uint8], NDArray[Any], tuple[Target, ...]]:
    """Return pictures, uint8 (N, H, W), labels (N,) and their targets. Raises the errors of torchvision."""
    from torchvision import datasets

    train = split == "train"
    digits: tuple[Target, ...] = tuple((d,) for d in DIGITS)
    if name.startswith("emnist-"):
        kind = name.removeprefix("emnist-")
        emnist = datasets.EMNIST(root, split=kind, train=train, download=True)
        # EMNIST's files hold each picture transposed.
        return (
            emnist.data.numpy().transpose(0, 2, 1),
            emnist.targets.numpy(),
            _emnist_targets(kind, emnist.classes),
        )
    if name == "mnist":
        mnist = datasets.MNIST(root, train=train, download=True)
        return mnist.data.numpy(), mnist.targets.numpy(), digits
    if name == "qmnist":
        qmnist = datasets.QMNIST(root, what="train" if train else "test50k", download=True)
        return qmnist.data.numpy(), qmnist.targets[:, 0].numpy(), digits
    if name == "kmnist":
        kmnist = datasets.KMNIST(root, train=train, download=True)
        return kmnist.data.numpy(), kmnist.targets.numpy(), tuple((c,) for c in kmnist.classes)
    root = root / name.upper()
    root.mkdir(parents=True, exist_ok=True)
    if name == "usps":
        usps = datasets.USPS(root, train=train, download=True)
        return usps.data.astype(np.uint8), np.asarray(usps.targets), digits
    if name == "svhn":
        svhn = datasets.SVHN(root, split=split, download=True)
        return _gray(svhn.data.transpose(0, 2, 3, 1)), svhn.labels, digits
    cifar = datasets.CIFAR10(root, train=train, download=True)
    return _gray(cifar.data), np.asarray(cifar.targets), tuple((c,) for c in cifar.classes)


def _emnist_targets(kind: str, classes: list[str]) -> tuple[Target, ...]:
    if kind == "letters":  # index 0 is unused; the others are letters of unknown case
        return tuple(("N/A",) if c == "N/A" else (c.upper(), c) for c in classes)
    if kind in ("balanced", "bymerge"):
        return tuple(both_cases(c, classes) for c in classes)
    return tuple((c,) for c in classes)


def _gray(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    weights = np.array([299, 587, 114], np.uint32)  # ITU-R 601, in thousandths
    return ((rgb @ weights + 500) // 1000).astype(np.uint8)


def both_cases(name: str, merged: Sequence[str]) -> Target:
    """Return targets in which a letter whose other case is missing stands for both cases."""
    other = name.swapcase()
    return (name,) if other == name or other in merged else (name, other)
