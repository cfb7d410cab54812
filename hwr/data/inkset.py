"""Labelled ink for training: sources merged by class name, preprocessed once, split by writer."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from hwr.config import ModelConfig, UserError
from hwr.data.downloads import Split, Target
from hwr.data.sources import EMNIST_CAPITALS, Source, names, read
from hwr.ink.preprocess import fit

CHUNK = 2000  # samples preprocessed between two updates of the progress bar
MAX_OVERSAMPLING = 20.0  # of a class from which samples were dropped: more would overfit the rest


@dataclass(frozen=True)
class InkSet:
    """Preprocessed ink with its labels.

    ``images``: uint8 (N, S, S), white on black. ``labels``: int64 (N,), indices into ``targets``, each of which lists
    the class names that count as right. ``groups``: int64 (N,), a writer if ``of_writers`` is true, or the sample.
    """

    name: str
    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    targets: tuple[Target, ...]
    groups: NDArray[np.int64]
    of_writers: NDArray[np.bool_]
    rendered: bool = False  # from trajectories, so that it cannot be a copy of a scan
    weights: NDArray[np.float32] | None = None  # (N,): how often an epoch sees each sample; None is once
    draws: NDArray[np.float64] | None = None  # (N,) in [0, 1): see `npz.draws`; None: hold out by number of the group

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def sampled_per_epoch(self) -> int:
        """Return the number of samples that an epoch draws."""
        return len(self) if self.weights is None else max(1, round(float(self.weights.sum())))

    def classes(self) -> tuple[str, ...]:
        """Return every class name in use, in the model's order."""
        used = tuple(self.targets[i] for i in np.unique(self.labels))
        return tuple(names(used))

    def writers(self) -> list[int]:
        """Return the groups that are writers."""
        found: list[int] = np.unique(self.groups[self.of_writers]).tolist()
        return found

    def take(self, rows: NDArray[np.int64] | NDArray[np.bool_]) -> InkSet:
        """Return the chosen samples."""
        arrays = {
            name: getattr(self, name) for name in ("images", "labels", "groups", "of_writers", "weights", "draws")
        }
        return replace(self, **{name: array[rows] for name, array in arrays.items() if array is not None})

    def weighted(self, weight: float | NDArray[np.float32]) -> InkSet:
        """Return the same samples, drawn ``weight`` times as often in an epoch."""
        before = np.ones(len(self), np.float32) if self.weights is None else self.weights
        return replace(self, weights=before * np.float32(weight))

    def drop_and_reweight(self, keep: NDArray[np.bool_]) -> InkSet:
        """Return the samples to keep, drawn more often so that each class stays as frequent as it was."""
        count = len(self.targets)
        before, left = (np.bincount(labels, minlength=count) for labels in (self.labels, self.labels[keep]))
        if (before == left).all():
            return self
        oftener = np.minimum(before / np.maximum(left, 1), MAX_OVERSAMPLING).astype(np.float32)
        return self.take(keep).weighted(oftener[self.labels[keep]])

    def membership(self, labels: tuple[str, ...]) -> torch.Tensor:
        """Return which of a model's classes each target allows: bool (len(targets), len(labels)).

        Raises UserError if a class in use is unknown to the model.
        """
        unknown = sorted(set(self.classes()) - set(labels))
        if unknown:
            raise UserError(f"{self.name} has classes that the model does not know: {', '.join(unknown[:10])}")
        return torch.tensor([[label in target for label in labels] for target in self.targets])

    def prior(self, labels: tuple[str, ...]) -> torch.Tensor:
        """Return the prior of each class given a target: float32 (len(targets), len(labels)); rows sum to 1."""
        return torch.tensor([[_share(label, target) for label in labels] for target in self.targets])


def _share(label: str, target: Target) -> float:
    """Return the prior of a class given a target: 1, or EMNIST's share of that case if the case is unknown."""
    if label not in target:
        return 0.0
    capital = EMNIST_CAPITALS.get(label.upper())
    if len(target) != 2 or capital is None or label.swapcase() not in target:
        return 1 / len(target)
    return (capital if label.isupper() else 100 - capital) / 100


def load(
    name: str,
    split: Split,
    model: ModelConfig,
    data_dir: Path,
    pens: int = 1,
    seed: int = 0,
    skip_damaged: bool = False,
) -> InkSet:
    """Read a source by its name and preprocess it for a model; see `fit_source`."""
    return fit_source(read(name, split, data_dir, pens, seed), model, skip_damaged)


def fit_source(source: Source, model: ModelConfig, skip_damaged: bool = False) -> InkSet:
    """Preprocess every sample of a source, on all cores, because OpenCV releases the interpreter lock.

    Blank samples are left out and counted; with ``skip_damaged`` so are pictures that cannot be read. Without it they
    raise UserError, which names them all, as does a class without any sample left.
    """
    size = model.image_size
    images = np.zeros((len(source), size, size), np.uint8)
    kept, damaged = np.zeros(len(source), bool), dict[int, str]()

    def fit_chunk(start: int) -> int:
        rows = range(start, min(start + CHUNK, len(source)))
        for i in rows:
            try:
                fitted = fit(source.picture(i), model, source.is_ink)
            except UserError as error:
                damaged[i] = str(error)
                continue
            if fitted is not None:
                images[i], kept[i] = fitted, True
        return len(rows)

    with (
        ThreadPoolExecutor() as pool,
        tqdm(total=len(source), desc=source.name, unit="img", leave=False) as bar,
    ):
        for done in pool.map(fit_chunk, range(0, len(source), CHUNK)):
            bar.update(done)
    _report(source, kept, damaged, skip_damaged)
    of_writers = np.full(len(source), source.writers)
    rendered = source.trajectory is not None
    ink_set = InkSet(source.name, images, source.labels, source.targets, source.groups, of_writers, rendered)
    ink_set = replace(ink_set, draws=source.draws)
    return ink_set if kept.all() else ink_set.take(kept)


def _report(source: Source, kept: NDArray[np.bool_], damaged: dict[int, str], skip_damaged: bool) -> None:
    """Print how many samples are left out; raise UserError for damaged pictures and for classes without ink."""
    reasons = [damaged[i] for i in sorted(damaged)]
    if damaged and not skip_damaged:
        several = f"{len(damaged):,} pictures cannot be read" if len(damaged) > 1 else "1 picture cannot be read"
        raise UserError("\n  ".join([f"{source.name}: {several}; --skip-damaged goes on without them:", *reasons]))
    if damaged:
        print("\n  ".join([f"{source.name}: {len(damaged):,} pictures that cannot be read are left out:", *reasons]))
    if not kept.any():
        raise UserError(f"{source.name} holds no ink: all {len(source)} pictures are blank")
    if blank := len(source) - int(kept.sum()) - len(damaged):
        print(f"{source.name}: {blank} blank pictures left out")
    lost = sorted(set(source.labels.tolist()) - set(source.labels[kept].tolist()))
    if lost and not source.is_ink:
        lost_names = ", ".join("/".join(source.targets[label]) for label in lost[:10])
        raise UserError(f"{source.name}: no picture with ink is left of the classes {lost_names}: mend or remove them")


def merge(sets: list[InkSet]) -> InkSet:
    """Join several sets. Equal class names are one class; groups of different sets stay apart."""
    if len(sets) == 1:
        return sets[0]
    targets = tuple(dict.fromkeys(target for s in sets for target in s.targets))
    index = {target: i for i, target in enumerate(targets)}
    labels = [np.array([index[t] for t in s.targets], np.int64)[s.labels] for s in sets]
    first_group = np.cumsum([0] + [int(s.groups.max()) + 1 for s in sets[:-1]])
    return InkSet(
        "+".join(s.name for s in sets),
        np.concatenate([s.images for s in sets]),
        np.concatenate(labels),
        targets,
        np.concatenate([s.groups + first for s, first in zip(sets, first_group, strict=True)]),
        np.concatenate([s.of_writers for s in sets]),
        weights=_merged_weights(sets),
    )


def _merged_weights(sets: list[InkSet]) -> NDArray[np.float32] | None:
    if all(s.weights is None for s in sets):
        return None
    return np.concatenate([np.ones(len(s), np.float32) if s.weights is None else s.weights for s in sets])


def hold_out(ink: InkSet, share: float, seed: int) -> tuple[InkSet, InkSet | None]:
    """Split into training and validation by holding out a share of the groups, at least one; a share of 0 holds none.

    Each group is drawn by the seed and its number alone, so that it stays in its part when other samples come or go.
    The samples of a single writer are split one by one.
    """
    if not share:
        return ink, None
    if len(ink) < 2:
        raise UserError(f"{ink.name}: {len(ink)} sample cannot be split for validation: more, or --validation 0")
    if len(np.unique(ink.groups)) == 1:  # one writer is in both parts, so validation is not writer-independent
        ink = replace(ink, groups=np.arange(len(ink)), of_writers=np.zeros(len(ink), np.bool_), draws=None)
    draws = (
        np.random.default_rng(seed).random(int(ink.groups.max()) + 1)[ink.groups] if ink.draws is None else ink.draws
    )
    held = draws <= np.clip(share, draws.min(), np.max(draws, where=draws < draws.max(), initial=0))
    return ink.take(~held), ink.take(held)
