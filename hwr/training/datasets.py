"""Load the sources that the command line names, as preprocessed sets for training, validation and testing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from hwr.config import ModelConfig, UserError
from hwr.data import inkset, leakage, outliers
from hwr.data.inkset import InkSet
from hwr.data.sources import brings_test
from hwr.training.options import TrainConfig

TEST_OUTLIERS = 2000  # to measure rejection with


@dataclass(frozen=True)
class Sets:
    """Data for training, validation and testing; ``removed`` counts near-duplicates of each test set."""

    train: InkSet
    val: InkSet | None
    tests: dict[str, InkSet]
    removed: dict[str, int]
    writers: dict[str, list[int]]  # held-out ones, of each source with known writers
    strange: InkSet | None = None  # outliers, of kinds that are held out from training

    def classes(self) -> tuple[str, ...]:
        """Return every class to train."""
        return self.train.classes() if self.val is None else inkset.merge([self.train, self.val]).classes()

    def described(self) -> list[dict[str, object]]:
        """Return a description of each set for the records of a run."""
        parts: dict[str, list[InkSet | None]] = {
            "train": [self.train],
            "validation": [self.val],
            "test": [*self.tests.values()],
        }
        return [
            {"name": ink.name, "split": split, "samples": len(ink), "classes": len(ink.classes())}
            for split, sets in parts.items()
            for ink in sets
            if ink is not None
        ]


def load(config: TrainConfig, model: ModelConfig) -> Sets:
    """Load and preprocess all sources, remove near-duplicates of the tests, split, and add outliers."""
    skip = config.skip_damaged
    pools = [inkset.load(name, "train", model, config.data_dir, config.pens, config.seed, skip) for name in config.data]
    names = config.test or tuple(name for name in config.data if brings_test(name))
    tests = [inkset.load(name, "test", model, config.data_dir, seed=config.seed, skip_damaged=skip) for name in names]
    _require_classes(pools, config)
    removed: dict[str, int] = {}
    if config.dedupe:
        pools, removed = leakage.remove(pools, tests)
    if config.weights:
        pools = [pool.weighted(weight) for pool, weight in zip(pools, config.weights, strict=True)]
    split = [inkset.hold_out(pool, config.validation, config.seed) for pool in pools]
    learnt, held = [ink for ink, _ in split], [ink for _, ink in split if ink is not None]
    val = inkset.merge(held) if held else None
    writers = {ink.name: ink.writers() for ink in held if ink.of_writers.any()}
    sets = Sets(inkset.merge(learnt), val, {ink.name: ink for ink in tests}, removed, writers)
    return _with_outliers(sets, config, model) if config.outliers else sets


def _require_classes(pools: Sequence[InkSet], config: TrainConfig) -> None:
    """Raise UserError for a single class, unless outliers make a second one."""
    classes = sorted({name for pool in pools for name in pool.classes()})
    if len(classes) < 2 and not config.outliers:
        raise UserError(
            f"--data {' '.join(config.data)} has the single class {classes[0]!r}: expected at least two, or --outliers"
        )


def _with_outliers(sets: Sets, config: TrainConfig, model: ModelConfig) -> Sets:
    """Add outliers to the training set, and a test set of outliers of held-out kinds."""
    known = sets.classes()
    count = max(1, round(config.outliers * sets.train.sampled_per_epoch))
    learnt = inkset.fit_source(outliers.source(count, config.seed, sets.train.images, known=known), model)
    characters = sets.train if sets.val is None else sets.val
    strange = inkset.fit_source(
        outliers.source(TEST_OUTLIERS, config.seed, characters.images, held_out=True, known=known), model
    )
    return replace(sets, train=inkset.merge([sets.train, learnt]), strange=strange)
