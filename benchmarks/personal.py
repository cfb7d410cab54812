"""What a few samples of somebody's own hand are worth: a writer's accuracy before and after learning from them.

    python -m benchmarks.personal --pens unipen_train.npz --least 10

For each writer that the model never saw (config.json names them), up to 1, 5 and 20 samples of every class are
learnt from, but at most half of what there is of it, and the writer's other pictures are read before and after, among
all classes of the model. Then a visitor who teaches nothing but mistakes: the writer's pictures are read one after the
other, each wrong answer is learnt before the next is read, and after 5, 20 and 60 of them the pictures that follow are
read before and after; in the order of the file, where all pictures of a class may come first, and shuffled.

Learning is that of the page (hwr/personal.py), or, with --recipe, that of `train.py --recipe personal`.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from benchmarks import results
from hwr import Recognizer, cli, metrics
from hwr import personal as session
from hwr.config import OTHER, UserError
from hwr.data import inkset as data
from hwr.data import sources
from hwr.evaluation.inference import Labelled, predict
from hwr.model import verify
from hwr.training import few_shot, start
from hwr.training.options import TrainConfig
from hwr.training.recipes import RECIPES

AHEAD = 16  # pictures read at once while the next mistake is looked for

Reader = Callable[[data.InkSet], NDArray[np.bool_]]  # which pictures are read right, (N,)
Method = Callable[[data.InkSet], Reader]  # learns from a few pictures
Counts = tuple[int, ...]
Split = tuple[data.InkSet, data.InkSet]  # what is learnt, what is read
Plan = Callable[[data.InkSet, Recognizer, Counts], Iterator[Split | None]]


@dataclass(frozen=True)
class Options:
    """Whose hands, and which model."""

    pens: str
    """Pen trajectories with writers, as an .npz."""
    model: str = "bundled"
    """Model directory."""
    recipe: bool = False
    """Learn by --recipe personal, not as the page does."""
    samples: Counts = (1, 5, 20)
    """Samples of every class to learn from."""
    corrections: Counts = (5, 20, 60)
    """Mistakes to learn from."""
    least: int = 30
    """Pictures that a writer must have left to be measured."""
    data_dir: Path = Path("~/.cache/hwr/data")
    """Where files are also looked for."""
    write: Path | None = None
    """JSON file for the results."""


class Row(NamedTuple):
    """One writer: accuracy before and after, seconds of learning, pictures learnt from and read; accuracy in classes
    not taught."""

    before: float
    after: float
    seconds: float
    taught: int
    read: int
    untaught_before: float = float("nan")
    untaught_after: float = float("nan")


def main(options: Options) -> None:
    recognizer = Recognizer.from_pretrained(start.folder_of(options.model))
    pens = data.load(options.pens, "train", recognizer.config, options.data_dir)
    hands = [pens.take(pens.groups == writer) for writer in held_out(start.folder_of(options.model), pens)]
    method = recipe(options.model) if options.recipe else lambda few: taught(recognizer, few)
    shuffled = [hand.take(np.random.default_rng(0).permutation(len(hand))) for hand in hands]
    found = {
        "of every class": means(per_class, hands, recognizer, method, options.samples, options.least),
        "corrections": means(one_by_one, hands, recognizer, method, options.corrections, options.least),
        "corrections, shuffled": means(one_by_one, shuffled, recognizer, method, options.corrections, options.least),
    }
    for name, counts in found.items():
        for count, row in counts.items():
            print(f"{count} {name}: " + ", ".join(f"{k} {v:.4g}" for k, v in row.items()))
    if options.write:
        results.write(options.write, results.report("personal", results=found))


def held_out(folder: Path, pens: data.InkSet | sources.Source) -> list[int]:
    """The writers in the model's notes that the file has."""
    names = verify.read_config(folder)["hwr"].get("held_out", {}).get(pens.name, [])
    found = sorted(set(names) & set(pens.groups.tolist()))
    if not found:
        raise UserError(f"{folder} names no writer of {pens.name} that was kept out of its training")
    return found


def reader(recognizer: Recognizer) -> Reader:
    """Whether a recogniser's best answer among all its characters is right."""

    def read(ink: data.InkSet) -> NDArray[np.bool_]:
        labels = recognizer.config.labels
        found = recognizer.outputs(ink.images)
        logits = torch.from_numpy(found.logits if recognizer.head is None else recognizer.head(*found))
        known = tuple(dict.fromkeys((*labels, *ink.classes())))  # a class that it does not know is read wrong
        allowed = ink.membership(known)[ink.labels, : len(labels)]
        return _right(logits, allowed, labels)

    return read


def _right(logits: torch.Tensor, allowed: torch.Tensor, labels: tuple[str, ...]) -> NDArray[np.bool_]:
    characters = [i for i, label in enumerate(labels) if label != OTHER]
    found: NDArray[np.bool_] = metrics.hits(logits[:, characters], allowed[:, characters]).numpy()
    return found


def taught(recognizer: Recognizer, few: data.InkSet) -> Reader:
    """As the page learns."""
    names = [few.targets[label][0] for label in few.labels]
    return reader(session.adapted(recognizer, list(zip(few.images, names, strict=True))))


def recipe(model: str) -> Method:
    """As ``train.py --recipe personal`` learns, from the weights of ``model``."""
    config = TrainConfig(**RECIPES["personal"] | {"data": ("hand",), "init": (model,), "device": "cpu"})
    begun = start.find(config)

    def learn(few: data.InkSet) -> Reader:
        labels = begun.labels(few.classes(), keep=True)
        with tempfile.TemporaryDirectory() as folder:
            own = replace(config, out=Path(folder))
            torch.manual_seed(0)
            network, described = start.begin(begun, labels, own)
            network.load_state_dict(few_shot.fit(network, few, own, described, begun))
        return lambda ink: _right(*predict(network, Labelled.of(ink, labels, torch.device("cpu")), described), labels)

    return learn


def per_class(hand: data.InkSet, recognizer: Recognizer, counts: Counts) -> Iterator[Split | None]:
    """The first samples of every class for each of ``counts``, and the rest; None where every class has but one."""
    for count in counts:
        few = chosen(hand.labels, count)
        yield (hand.take(few), hand.take(~few)) if few.any() else None


def one_by_one(hand: data.InkSet, recognizer: Recognizer, counts: Counts) -> Iterator[Split | None]:
    """The first mistakes for each of ``counts``, and what follows the last; None where there are not that many."""
    wrong = mistakes(hand, recognizer, max(counts, default=0))
    for count in counts:
        few = np.array(wrong[:count])
        yield (hand.take(few), hand.take(np.arange(few[-1] + 1, len(hand)))) if len(few) == count else None


def means(
    plan: Plan, hands: list[data.InkSet], recognizer: Recognizer, method: Method, counts: Counts, least: int
) -> dict[int, dict[str, float]]:
    """What each of ``counts`` gives, the mean of the writers with at least that many and ``least`` pictures left."""
    rows: dict[int, list[Row]] = {count: [] for count in counts}
    for hand in tqdm(hands, leave=False):
        for count, split in zip(counts, plan(hand, recognizer, counts), strict=True):
            if split is not None and len(split[1]) >= least:
                rows[count].append(compare(*split, recognizer, method))
    return {count: summary(found) for count, found in rows.items() if found}


def compare(few: data.InkSet, rest: data.InkSet, recognizer: Recognizer, method: Method) -> Row:
    """Read ``rest`` before and after ``few`` was learnt."""
    before = reader(recognizer)(rest)
    begin = time.perf_counter()
    learnt = method(few)
    seconds = time.perf_counter() - begin
    after = learnt(rest)
    other = ~np.isin(rest.labels, few.labels)
    untaught = (float(before[other].mean()), float(after[other].mean())) if other.any() else ()
    return Row(float(before.mean()), float(after.mean()), seconds, len(few), len(rest), *untaught)


def chosen(labels: NDArray[np.int64], count: int) -> NDArray[np.bool_]:
    """The first ``count`` samples of every class, as a visitor would teach them; half of them where they are few."""
    most = np.minimum(np.bincount(labels) // 2, count)
    seen: dict[int, int] = {}
    taken = []
    for label in labels.tolist():
        seen[label] = seen.get(label, 0) + 1
        taken.append(seen[label] <= most[label])
    return np.array(taken)


def mistakes(hand: data.InkSet, recognizer: Recognizer, most: int) -> list[int]:
    """Where the answers are wrong, each learnt before the next picture is read, ``most`` of them at most."""
    found: list[int] = []
    read, begin = reader(recognizer), 0
    while len(found) < most and begin < len(hand):
        ahead = np.arange(begin, min(begin + AHEAD, len(hand)))
        wrong = np.flatnonzero(~read(hand.take(ahead)))
        begin = int(ahead[wrong[0] if len(wrong) else -1]) + 1
        if len(wrong):
            found.append(begin - 1)
            read = taught(recognizer, hand.take(np.array(found)))
    return found


def summary(rows: list[Row]) -> dict[str, float]:
    """Means over writers."""
    means = {
        "writers": len(rows),
        "taught": statistics.fmean(row.taught for row in rows),
        "pictures": sum(row.read for row in rows),
        "before": statistics.fmean(row.before for row in rows),
        "after": statistics.fmean(row.after for row in rows),
        "better": sum(row.after > row.before for row in rows),
        "worse": sum(row.after < row.before for row in rows),
        "seconds": statistics.median(row.seconds for row in rows),
    }
    others = [row for row in rows if row.untaught_before == row.untaught_before]  # not NaN
    if others:
        means["untaught_before"] = statistics.fmean(row.untaught_before for row in others)
        means["untaught_after"] = statistics.fmean(row.untaught_after for row in others)
    return means


if __name__ == "__main__":
    cli.run(main, Options, __doc__)
