"""From the names on the command line to fitted sets: to learn from, to choose by, to be measured on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from hwr.config import ModelConfig, UserError
from hwr.data import inkset as data
from hwr.data import leakage, outliers, strings
from hwr.data.sources import brings_test, read
from hwr.training.options import TrainConfig

STRANGE = 2000  # outliers to measure with


@dataclass(frozen=True)
class Sets:
    """What is learnt from, validated on and measured on; ``removed`` near-duplicates of each test set.

    Epochs and averages are chosen by ``choice``: the validation data, and what strings of their writers are cut into.
    """

    train: data.InkSet
    val: data.InkSet | None
    choice: data.InkSet | None
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
    pools = [data.load(name, "train", model, config.data_dir, config.pens, config.seed) for name in config.data]
    names = config.test or tuple(name for name in config.data if brings_test(name))
    tests = [data.load(name, "test", model, config.data_dir, seed=config.seed) for name in names]
    removed: dict[str, int] = {}
    if config.dedupe:
        pools, removed = leakage.remove(pools, tests)
    if config.weights:
        pools = [pool.weighted(weight) for pool, weight in zip(pools, config.weights, strict=True)]
    split = [data.hold_out(pool, config.validation, config.seed) for pool in pools]
    learnt, held = [ink for ink, _ in split], [ink for _, ink in split if ink is not None]
    val = data.merge(held) if held else None
    writers = {ink.name: ink.writers() for ink in held if ink.of_writers.any()}
    sets = Sets(data.merge(learnt), val, val, {ink.name: ink for ink in tests}, removed, writers)
    sets = _with_outliers(sets, config, model) if config.outliers else sets
    return _with_strings(sets, learnt, held, config, model) if config.strings else sets


def _with_strings(
    sets: Sets, learnt: Sequence[data.InkSet], held: Sequence[data.InkSet], config: TrainConfig, model: ModelConfig
) -> Sets:
    """What strings of the pools' writers are cut into, to learn from and to choose by. A pool is of each --data."""
    hands = [i for i, ink in enumerate(learnt) if ink.drawn and ink.of_writers.any()]
    if not hands:
        raise UserError(f"--strings needs pen trajectories of known writers: none of --data {config.data} has them")
    sources = [(i, read(config.data[i], "train", config.data_dir)) for i in hands]

    def cuts(pools: Sequence[data.InkSet], samples: float) -> data.InkSet:
        each = samples / len(sources)
        return data.merge([strings.cut(one, pools[i].writers(), each, config.seed, model) for i, one in sources])

    wanted = config.strings * sum(ink.drawn_per_epoch for ink in learnt)
    more = cuts(learnt, strings.FRESH * wanted)
    sets = replace(sets, train=data.merge([sets.train, more.weighted(wanted / len(more))]))
    if sets.val is None:
        return sets
    return replace(sets, choice=data.merge([sets.val, cuts(held, config.strings * len(sets.val))]))


def _with_outliers(sets: Sets, config: TrainConfig, model: ModelConfig) -> Sets:
    """Pictures of no character to learn from, and others of kinds held out to measure with."""
    count = max(1, round(config.outliers * sets.train.drawn_per_epoch))
    learnt = data.fit_source(outliers.source(count, config.seed, sets.train.images), model)
    characters = sets.train if sets.val is None else sets.val
    strange = data.fit_source(outliers.source(STRANGE, config.seed, characters.images, held_out=True), model)
    return replace(sets, train=data.merge([sets.train, learnt]), strange=strange)
