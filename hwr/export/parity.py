"""Compare the answers of another runtime with PyTorch's on the same pictures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from hwr.config import ModelConfig, UserError
from hwr.data.downloads import Split
from hwr.data.sources import read
from hwr.ink.picture import Gray
from hwr.ink.preprocess import fit, to_input
from hwr.model import store

PICTURES = 1000  # compared at least: fewer could miss a rare disagreement
BATCH = 256  # pictures per forward pass; the last batch is smaller, which tests the dynamic size

Answers = Callable[[Gray], NDArray[np.float32]]  # fitted ink (N, S, S) to logits or probabilities (N, C)


class Pictures(NamedTuple):
    """Preprocessed pictures and their right classes."""

    ink: Gray  # uint8 (N, S, S)
    right: NDArray[np.bool_]  # (N, C), True at the right classes; all False if unknown


@dataclass(frozen=True)
class Parity:
    """The agreement of an export with PyTorch on ``n`` pictures.

    ``largest_difference`` is of logits, or of probabilities where those are the output; ``agreement`` is the share of
    pictures whose best answer is the same. ``accuracy`` and ``found_accuracy`` are the shares that PyTorch and the
    export have right of the pictures whose class is known, None if there are none.
    """

    n: int
    largest_difference: float
    agreement: float
    accuracy: float | None = None
    found_accuracy: float | None = None


def pictures(config: ModelConfig, n: int = PICTURES, split: Split = "test") -> Pictures:
    """Return characters of a split of the sample, always the same ones.

    Raises UserError if the sample does not have so many.
    """
    source = read("sample", split, store.BUNDLED)
    rows = np.random.default_rng(0).permutation(len(source))
    seen = ((fit(source.picture(i), config, source.is_ink), source.targets[source.labels[i]]) for i in rows)
    found = [(ink, target) for ink, target in islice((one for one in seen if one[0] is not None), n)]
    if len(found) < n:
        raise UserError(f"{n} pictures were asked for, the sample's {split} split has {len(found)}")
    right = np.array([[label in target for label in config.labels] for _, target in found])
    return Pictures(np.stack([ink for ink, _ in found if ink is not None]), right)


def unlabelled(ink: Gray, config: ModelConfig) -> Pictures:
    """Somebody's own pictures. Raises UserError for what the network cannot take, or fewer than a thousand."""
    size = config.image_size
    if ink.dtype != np.uint8 or ink.shape[1:] != (size, size) or len(ink) < PICTURES:
        expected = f"uint8 (N, {size}, {size}), N at least {PICTURES}"
        raise UserError(f"the pictures to compare are {ink.dtype} {ink.shape}, expected {expected}")
    return Pictures(ink, np.zeros((len(ink), len(config.labels)), bool))


def compare(expected: Answers, found: Answers, seen: Pictures) -> Parity:
    """Compare two functions on the same pictures."""
    want, have = (_ask(answers, seen.ink) for answers in (expected, found))
    best, other = want.argmax(1), have.argmax(1)
    difference, agreement = float(np.abs(want - have).max()), float((best == other).mean())
    known = np.flatnonzero(seen.right.any(1))
    if not len(known):
        return Parity(len(want), difference, agreement)
    accuracy, found_accuracy = (float(seen.right[known, answer[known]].mean()) for answer in (best, other))
    return Parity(len(want), difference, agreement, accuracy, found_accuracy)


def _ask(answers: Answers, ink: Gray) -> NDArray[np.float32]:
    return np.concatenate([answers(ink[start : start + BATCH]) for start in range(0, len(ink), BATCH)])


def with_torch(model: torch.nn.Module, config: ModelConfig, raw: bool) -> Answers:
    """Return a function that answers with PyTorch, with preprocessing by `preprocess.to_input`."""

    @torch.inference_mode()
    def answer(ink: Gray) -> NDArray[np.float32]:
        logits: torch.Tensor = model(torch.from_numpy(to_input(ink, config)))
        found: NDArray[np.float32] = (logits.div(config.temperature).softmax(1) if raw else logits).numpy()
        return found

    return answer
