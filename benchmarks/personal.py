"""What a few samples of somebody's own hand are worth: a writer's accuracy before and after `--recipe personal`.

    python -m benchmarks.personal --pens unipen_train.npz

For each writer that the model never saw (config.json names them), up to 1, 5 and 20 samples of every class are
learnt from, and the writer's other pictures are read before and after, among all classes of the model.
"""

from __future__ import annotations

import json
import platform
import statistics
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from hwr import cli, data, devices, hub, metrics, start, training, verify
from hwr.config import OTHER, UserError
from hwr.labelled import Labelled, predict
from hwr.options import TrainConfig
from hwr.recipes import RECIPES


@dataclass(frozen=True)
class Options:
    """Whose hands, and which model."""

    pens: str
    """Pen trajectories with writers, as an .npz."""
    model: str = "bundled"
    """Model directory."""
    samples: tuple[int, ...] = (1, 5, 20)
    """Samples of every class to learn from."""
    least: int = 30
    """Pictures that a writer must have left to be measured."""
    data_dir: Path = Path("~/.cache/hwr/data")
    """Where files are also looked for."""
    write: Path | None = None
    """JSON file for the results."""


def main(options: Options) -> None:
    config = TrainConfig(**RECIPES["personal"] | {"init": options.model, "teacher": options.model, "device": "cpu"})
    begun = start.find(config)
    pens = data.load(options.pens, "train", begun.config, options.data_dir)
    writers = held_out(start.folder_of(options.model), pens)
    results = {}
    for count in options.samples:
        rows = [measure(pens.take(pens.groups == writer), count, begun, config, options) for writer in tqdm(writers)]
        results[count] = summary([row for row in rows if row is not None])
        print(f"{count} samples a class: " + ", ".join(f"{k} {v:.4g}" for k, v in results[count].items()))
    if options.write:
        machine = f"{platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}"
        hub.write(options.write, (json.dumps({"machine": machine, "results": results}, indent=2) + "\n").encode())


def held_out(folder: Path, pens: data.InkSet) -> list[int]:
    """The writers in the model's notes that the file has."""
    names = verify.read_config(folder)["hwr"].get("held_out", {}).get(pens.name, [])
    found = sorted(set(names) & set(pens.groups.tolist()))
    if not found:
        raise UserError(f"{folder} names no writer of {pens.name} that was kept out of its training")
    return found


def measure(
    ink: data.InkSet, count: int, begun: start.Start, config: TrainConfig, options: Options
) -> tuple[float, float, float, int] | None:
    """(accuracy before, after, seconds, pictures read) of one writer; None if too few are left to read."""
    learnt = chosen(ink.labels, count)
    if len(ink) - learnt.sum() < options.least:
        return None
    few, rest = ink.take(learnt), ink.take(~learnt)
    labels = begun.labels(ink.classes(), keep=True)
    accelerator = devices.accelerator("cpu", "fp32")
    before = accuracy(start.begin(begun, labels, config)[0], rest, labels, begun)
    begin = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        own = replace(config, out=Path(folder))
        torch.manual_seed(0)
        model, described = start.begin(begun, labels, own)
        teacher = start.teacher(own.teacher, labels, accelerator.device)
        model.load_state_dict(training.fit(model, few, None, own, described, accelerator, teacher))
    return before, accuracy(model, rest, labels, begun), time.perf_counter() - begin, len(rest)


def chosen(labels: NDArray[np.int64], count: int) -> NDArray[np.bool_]:
    """The first ``count`` samples of every class, as a visitor would teach them."""
    seen: dict[int, int] = {}
    taken = []
    for label in labels.tolist():
        seen[label] = seen.get(label, 0) + 1
        taken.append(seen[label] <= count)
    return np.array(taken)


def accuracy(model: torch.nn.Module, ink: data.InkSet, labels: tuple[str, ...], begun: start.Start) -> float:
    logits, allowed = predict(model, Labelled.of(ink, labels, torch.device("cpu")), begun.config)
    characters = [i for i, label in enumerate(labels) if label != OTHER]
    return metrics.accuracy(logits[:, characters], allowed[:, characters])


def summary(rows: list[tuple[float, float, float, int]]) -> dict[str, float]:
    """Means over writers."""
    before, after, seconds, read = zip(*rows, strict=True)
    return {
        "writers": len(rows),
        "pictures": sum(read),
        "before": statistics.fmean(before),
        "after": statistics.fmean(after),
        "better": sum(b > a for a, b in zip(before, after, strict=True)),
        "worse": sum(b < a for a, b in zip(before, after, strict=True)),
        "seconds": statistics.median(seconds),
    }


if __name__ == "__main__":
    cli.run(main, Options, __doc__)
