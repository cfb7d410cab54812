"""From the names on the command line to fitted sets: to learn from, to choose by, to be measured on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from hwr.config import ModelConfig, UserError
from hwr.data import inkset as data
from hwr.data import leakage, outliers
from hwr.data.sources import brings_test
from hwr.training.options import TrainConfig

STRANGE = 2000  # outliers to measure with


@dataclass(frozen=True)
class Sets:
    """Data to learn from, to validate on and to measure on; ``removed`` counts near-duplicates of each test set."""

    train: data.InkSet
    val: data.InkSet | None
    tests: dict[str, data.InkSet]
    removed: dict[str, int]
    writers: dict[str, list[int]]  # held out, of each source that tells writers apart
    strange: data.InkSet | None = None  # outliers of kinds that are not learnt from

    def classes(self) -> tuple[str, ...]:
        """Every class to learn."""
        return self.train.classes() if self.val is None else data.merge([self.train, self.val]).classes()

    def described(self) -> list[dict[str, object]]:
        """What the records of a run say about its data."""
        parts: dict[str, list[data.InkSet | None]] = {
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
    """Every source read and fitted; near-duplicates of the tests removed; validation held out; what is drawn added."""
    skip = config.skip_damaged
    pools = [data.load(name, "train", model, config.data_dir, config.pens, config.seed, skip) for name in config.data]
    names = config.test or tuple(name for name in config.data if brings_test(name))
    tests = [data.load(name, "test", model, config.data_dir, seed=config.seed, skip_damaged=skip) for name in names]
    _require_classes(pools, config)
    removed: dict[str, int] = {}
    if config.dedupe:
        pools, removed = leakage.remove(pools, tests)
    if config.weights:
        pools = [pool.weighted(weight) for pool, weight in zip(pools, config.weights, strict=True)]
    split = [data.hold_out(pool, config.validation, config.seed) for pool in pools]
    learnt, held = [ink for ink, _ in split], [ink for _, ink in split if ink is not None]
    val = data.merge(held) if held else None
    writers = {ink.name: ink.writers() for ink in held if ink.of_writers.any()}
    sets = Sets(data.merge(learnt), val, {ink.name: ink for ink in tests}, removed, writers)
    return _with_outliers(sets, config, model) if config.outliers else sets


def _require_classes(pools: Sequence[data.InkSet], config: TrainConfig) -> None:
    """Refuse a single class, which every picture would be, unless there are outliers to tell it from."""
    classes = sorted({name for pool in pools for name in pool.classes()})
    if len(classes) < 2 and not config.outliers:
        raise UserError(
            f"--data {' '.join(config.data)} has the single class {classes[0]!r}: expected at least two, or --outliers"
        )


def _with_outliers(sets: Sets, config: TrainConfig, model: ModelConfig) -> Sets:
    """Pictures of no character to learn from, and others of kinds held out to measure with."""
    known = sets.classes()
    count = max(1, round(config.outliers * sets.train.sampled_per_epoch))
    learnt = data.fit_source(outliers.source(count, config.seed, sets.train.images, known=known), model)
    characters = sets.train if sets.val is None else sets.val
    strange = data.fit_source(
        outliers.source(STRANGE, config.seed, characters.images, held_out=True, known=known), model
    )
    return replace(sets, train=data.merge([sets.train, learnt]), strange=strange)
