"""Labelled ink for training: sources merged by class name, fitted once by image.py, split by writer."""

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

CHUNK = 2000  # samples fitted between two moves of the progress bar
OFTENER = 20.0  # times at most that what is left of a thinned class is seen: more would be learning by heart


@dataclass(frozen=True)
class InkSet:
    """Fitted ink with its labels.

    ``images`` uint8 (N, S, S), white on black; ``labels`` int64 (N,) index ``targets``, each the class names that
    count as right; ``groups`` int64 (N,): a writer, where ``of_writers`` says so, or the sample itself.
    """

    name: str
    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    targets: tuple[Target, ...]
    groups: NDArray[np.int64]
    of_writers: NDArray[np.bool_]
    drawn: bool = False  # from trajectories: no scan, so no copy of one
    weights: NDArray[np.float32] | None = None  # (N,): how often an epoch sees each sample; None is once
    lots: NDArray[np.float64] | None = None  # (N,) in [0, 1): which writers are held out, by name; None: by number
    sure: NDArray[np.bool_] | None = None  # (N,): drawn to be what it is called, whatever a teacher says; None is not

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def drawn_per_epoch(self) -> int:
        """How many samples an epoch sees."""
        return len(self) if self.weights is None else max(1, round(float(self.weights.sum())))

    def classes(self) -> tuple[str, ...]:
        """Every class name in use, in the model's order."""
        used = tuple(self.targets[i] for i in np.unique(self.labels))
        return tuple(names(used))

    def writers(self) -> list[int]:
        """The groups of those writers that are known."""
        found: list[int] = np.unique(self.groups[self.of_writers]).tolist()
        return found

    def take(self, rows: NDArray[np.int64] | NDArray[np.bool_]) -> InkSet:
        """The chosen samples."""
        arrays = {
            name: getattr(self, name)
            for name in ("images", "labels", "groups", "of_writers", "weights", "lots", "sure")
        }
        return replace(self, **{name: array[rows] for name, array in arrays.items() if array is not None})

    def weighted(self, weight: float | NDArray[np.float32]) -> InkSet:
        """The same samples, seen so many times as often an epoch."""
        before = np.ones(len(self), np.float32) if self.weights is None else self.weights
        return replace(self, weights=before * np.float32(weight))

    def thinned(self, keep: NDArray[np.bool_]) -> InkSet:
        """The chosen samples, seen so much oftener that classes stay as frequent as they are in the whole."""
        count = len(self.targets)
        before, left = (np.bincount(labels, minlength=count) for labels in (self.labels, self.labels[keep]))
        if (before == left).all():
            return self
        oftener = np.minimum(before / np.maximum(left, 1), OFTENER).astype(np.float32)
        return self.take(keep).weighted(oftener[self.labels[keep]])

    def membership(self, labels: tuple[str, ...]) -> torch.Tensor:
        """bool (len(targets), len(labels)): which of a model's classes each target allows.

        Raises UserError if a class in use is unknown to the model.
        """
        unknown = sorted(set(self.classes()) - set(labels))
        if unknown:
            raise UserError(f"{self.name} has classes that the model does not know: {', '.join(unknown[:10])}")
        return torch.tensor([[label in target for label in labels] for target in self.targets])

    def prior(self, labels: tuple[str, ...]) -> torch.Tensor:
        """float32 (len(targets), len(labels)): the share of each class among those a target allows; rows sum to 1."""
        return torch.tensor([[_share(label, target) for label in labels] for target in self.targets])


def _share(label: str, target: Target) -> float:
    """A class's part of a target: all of it, or that of EMNIST's letters of unknown case."""
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
    """A source by its name, fitted to the model's size; see `fit_source`."""
    return fit_source(read(name, split, data_dir, pens, seed), model, skip_damaged)


def fit_source(source: Source, model: ModelConfig, skip_damaged: bool = False) -> InkSet:
    """Every sample of a source through the preprocessing, on all cores: OpenCV lets go of the interpreter meanwhile.

    Blank samples are left out, and counted; with ``skip_damaged`` so are pictures that cannot be read. Raises
    UserError, which names them all, for those otherwise, and for a class of which nothing is left.
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
    drawn = source.trajectory is not None
    ink_set = InkSet(source.name, images, source.labels, source.targets, source.groups, of_writers, drawn)
    ink_set = replace(ink_set, lots=source.lots)
    return ink_set if kept.all() else ink_set.take(kept)


def _report(source: Source, kept: NDArray[np.bool_], damaged: dict[int, str], skip_damaged: bool) -> None:
    """Say what is left out; raise UserError where that must not be."""
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
    """Several sets as one. Equal class names are one class; groups of different sets stay apart."""
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
        sure=np.concatenate([np.zeros(len(s), np.bool_) if s.sure is None else s.sure for s in sets]),
    )


def _merged_weights(sets: list[InkSet]) -> NDArray[np.float32] | None:
    if all(s.weights is None for s in sets):
        return None
    return np.concatenate([np.ones(len(s), np.float32) if s.weights is None else s.weights for s in sets])


def hold_out(ink: InkSet, share: float, seed: int) -> tuple[InkSet, InkSet | None]:
    """(training, validation): a share of the groups, at least one, drawn by seed; samples of one writer alone singly.

    A group's lot depends on its number alone, so that it stays where it is when other samples come or go.
    A share of 0 holds nothing out.
    """
    if not share:
        return ink, None
    if len(ink) < 2:
        raise UserError(f"{ink.name}: {len(ink)} sample cannot be split for validation: more, or --validation 0")
    if len(np.unique(ink.groups)) == 1:  # who is learnt from as well, and no stranger
        ink = replace(ink, groups=np.arange(len(ink)), of_writers=np.zeros(len(ink), np.bool_), lots=None)
    lots = np.random.default_rng(seed).random(int(ink.groups.max()) + 1)[ink.groups] if ink.lots is None else ink.lots
    held = lots <= np.clip(share, lots.min(), np.max(lots, where=lots < lots.max(), initial=0))
    return ink.take(~held), ink.take(held)
