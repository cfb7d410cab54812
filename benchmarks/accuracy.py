"""Accuracy of a model through `Recognizer` alone: pictures in, answers out, preprocessing included.

    python -m benchmarks.accuracy --pendigits pendigits_train.npz --write

MNIST, USPS and EMNIST ByClass are downloaded by torchvision unless a file is named. `--write` puts the figures into
benchmarks/accuracy.json and the model's metrics.json; `python -m benchmarks.tables` takes them into the README.
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from benchmarks import results
from hwr import Recognizer, cli
from hwr.config import DIGITS, LOWER, UPPER, Alphabet
from hwr.data import outliers, sources
from hwr.files import write_atomically
from hwr.hub import transfer as hub
from hwr.ink import strokes
from hwr.ink.picture import Gray
from hwr.metrics import summary
from hwr.model import store

RESULTS = results.FOLDER / "accuracy.json"
CANVAS = 280  # pixels: the sketchpad's
CHUNK = 4096  # pictures at a time
EACH = 500  # outliers of each kind
MERGED = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabdefghnqrt"  # EMNIST's 47: 15 letters lose their case


@dataclass(frozen=True)
class Options:
    """Where the test sets are, and which model to measure."""

    model: str | None = None
    """Model directory. Default: the bundled model."""
    mnist: str = "mnist"
    """MNIST test."""
    usps: str = "usps"
    """USPS test, or an .npz."""
    emnist: str = "emnist-byclass"
    """EMNIST ByClass test, or an .npz."""
    pendigits: str | None = None
    """UCI pen digits as an .npz of trajectories; left out where no file is named."""
    data_dir: Path = Path("~/.cache/hwr/data")
    """Where downloads are kept."""
    write: bool = False
    """Update benchmarks/accuracy.json and the model's metrics.json."""


@dataclass(frozen=True)
class Row:
    """One line of the table: pictures of a source, answered in an alphabet, counted among some answers."""

    name: str
    source: str
    alphabet: Alphabet
    answers: tuple[str, ...]


def main(options: Options) -> None:
    recognizer = Recognizer.from_pretrained(options.model)
    measured = {row.name: measure(recognizer, row, options.data_dir) for row in rows(options)}
    strange = rejection(recognizer, options)
    for name, result in measured.items():
        print(
            f"{name}: {result['accuracy']:.2%} of {result['n']:,}, calibration error {result['calibration_error']:.2%}"
        )
    print(f"rejected: {strange['rejected']:.1%} of {strange['n']:,} outliers; accepted: {strange['accepted']}")
    if options.write:
        write(store.BUNDLED if options.model is None else Path(options.model), measured, strange)


def rows(options: Options) -> Iterator[Row]:
    digits, letters = DIGITS, UPPER
    yield Row("MNIST test, digits", options.mnist, "digits", digits)
    yield Row("USPS test, digits", options.usps, "digits", digits)
    if options.pendigits:
        yield Row("UCI pen digits drawn as sketches, digits", options.pendigits, "digits", digits)
    yield Row("EMNIST ByClass test, letters", options.emnist, "letters", letters)
    yield Row("EMNIST ByClass test, 47 merged classes", options.emnist, "all", tuple(MERGED))
    yield Row("EMNIST ByClass test, 62 classes", options.emnist, "all", digits + letters + LOWER)


def measure(recognizer: Recognizer, row: Row, data_dir: Path) -> dict[str, float]:
    """Accuracy with its interval, n and calibration error of one row."""
    source = sources.read(row.source, "test", data_dir)
    columns = [answer_of(label, row.answers) for label in recognizer.labels(row.alphabet)]
    right = [answer_of(source.targets[label][0], row.answers) for label in source.labels]
    asked = [i for i, answer in enumerate(right) if answer is not None]
    probabilities = np.zeros((len(asked), len(row.answers)), np.float32)
    for start in tqdm(range(0, len(asked), CHUNK), desc=row.name, leave=False):
        chunk = asked[start : start + CHUNK]
        found = recognizer.probabilities([picture(source, i) for i in chunk], row.alphabet)
        for column, answer in enumerate(columns):
            if answer is not None:
                probabilities[start : start + len(chunk), answer] += found[:, column]
    allowed = torch.eye(len(row.answers), dtype=torch.bool)[torch.tensor([right[i] for i in asked])]
    return summary(torch.from_numpy(probabilities).clamp_min(1e-12).log(), allowed)


def rejection(recognizer: Recognizer, options: Options) -> dict[str, Any]:
    """Share of outliers of kinds held out from training that are rejected, by kind, and of characters accepted."""
    characters = sources.read("sample", "test", options.data_dir)
    fitted = [recognizer.see(characters.ink(i)) for i in range(len(characters))]
    material = outliers.Material(np.stack([ink for ink in fitted if ink is not None]), outliers.symbols(held_out=True))
    rejected = {}
    for kind in (*outliers.HELD_OUT, "kana", "several", "figures"):
        drawn = [outliers.KINDS[kind](np.random.default_rng((1, i)), material) for i in range(EACH)]
        rejected[kind] = 1 - recognizer.are_confident(drawn).mean().item()
    held_out = [rejected[kind] for kind in outliers.HELD_OUT]
    accepted = {}
    for name in (options.mnist, options.usps, options.emnist, options.pendigits):
        if name:
            source = sources.read(name, "test", options.data_dir)
            rows = np.random.default_rng(0).permutation(len(source))[:CHUNK]
            accepted[source.name] = recognizer.are_confident([picture(source, i) for i in rows]).mean().item()
    return {"n": EACH * len(held_out), "rejected": fmean(held_out), "by_kind": rejected, "accepted": accepted}


def answer_of(label: str, answers: tuple[str, ...]) -> int | None:
    """Where a class counts among the answers: as itself, or as its capital where case is merged."""
    for name in (label, label.upper()):
        if name in answers:
            return answers.index(name)
    return None


def picture(source: sources.Source, i: int) -> Gray:
    """A scan as it is; a trajectory as a sketch in black on white, anywhere on the canvas, small or large."""
    if source.trajectory is None:
        image = source.ink(i)
        return np.zeros((28, 28), np.uint8) if image is None else image
    rng = np.random.default_rng(i)
    side = rng.uniform(0.3, 0.85) * CANVAS
    width = rng.uniform(0.04, 0.14) * side
    left, top = (rng.uniform(width, CANVAS - side - width) if side + 2 * width < CANVAS else width for _ in range(2))
    sketch: NDArray[np.uint8] = 255 - strokes.draw(
        strokes.place(source.trajectory(i), (left, top, side)), (CANVAS, CANVAS), width
    )
    return sketch


def write(folder: Path, measured: dict[str, dict[str, float]], strange: dict[str, Any]) -> None:
    report = results.report("accuracy", results=measured, rejection=strange)
    results.write(RESULTS, report)
    metrics = json.loads((folder / store.METRICS).read_text())
    write_atomically(folder / store.METRICS, (json.dumps(metrics | {"recognizer": report}, indent=2) + "\n").encode())
    write_atomically(folder / store.CARD, hub.described(folder).encode())


def table(measured: dict[str, dict[str, float]], strange: dict[str, Any]) -> str:
    lines = ["| test set | n | right | 95 % interval | calibration error |", "|---|---:|---:|---|---:|"]
    for name, r in measured.items():
        interval = f"{r['accuracy_low']:.2%} to {r['accuracy_high']:.2%}"
        lines.append(f"| {name} | {r['n']:,} | {r['accuracy']:.2%} | {interval} | {r['calibration_error']:.2%} |")
    kinds = ", ".join(f"{name} {share:.0%}" for name, share in strange["by_kind"].items())
    accepted = ", ".join(f"{name} {share:.1%}" for name, share in strange["accepted"].items())
    said = (
        f"Rejected as no character: {strange['rejected']:.1%} of {strange['n']:,} scribbles and symbols of kinds that "
        f"were held out from training. By kind, also of those trained on: {kinds}. Accepted of the tests: {accepted}."
    )
    lines += ["", *textwrap.wrap(said, 118)]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    cli.run(main, Options, __doc__)
