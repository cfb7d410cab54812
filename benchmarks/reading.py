"""How often `Recognizer.read` reads several characters wholly right: rows of digits and letters, lines, photos.

    python -m benchmarks.reading --pens pendigits_train.npz --letters unipen_train.npz

Strings of 2 to 8 characters are composed of one hand's pen trajectories each (`hwr.data.composing`), of writers that
the model never saw: the pen digits are never trained on, and config.json names the others. Beside each line stands
what perfect segmentation would give: how often the very same characters, drawn alone, are read right.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from benchmarks import results
from benchmarks.personal import held_out
from benchmarks.photos import photo
from hwr import Recognizer, cli
from hwr.config import DIGITS, LOWER, UPPER, Alphabet
from hwr.data import sources
from hwr.data.composing import Composed, Gap, Hand, compose, hands
from hwr.ink.picture import Gray
from hwr.metrics import wilson
from hwr.training import start

APART: tuple[Gap, ...] = ("wide", "near")


@dataclass(frozen=True)
class Options:
    """Whose hands, how much of them, and which model reads."""

    pens: str
    """Digits as an .npz of pen trajectories; none of it may have been trained on."""
    letters: str | None = None
    """Letters and digits as an .npz of pen trajectories with writers; left out where no file is named."""
    model: str = "bundled"
    """Model directory."""
    n: int = 1000
    """Strings of every line of the table, ..."""
    photos: int = 200
    """... but for photos."""
    first: int = 0
    """Number of the first string: 0 is for the table, settings are chosen on others, from 10,000 on."""
    write: Path | None = None
    """JSON file for the results."""


@dataclass(frozen=True)
class Row:
    """One line of the table: strings of some hands, a gap after another, read in an alphabet."""

    name: str
    hands: Sequence[Hand]
    alphabet: Alphabet
    n: int
    first: int = 0
    gaps: tuple[Gap, ...] = APART
    lines: int = 1
    photo: bool = False


def main(options: Options) -> None:
    recognizer = Recognizer.from_pretrained(start.folder_of(options.model))
    read = {row.name: measure(recognizer, replace(row, first=options.first)) for row in rows(options)}
    print(table(read))
    if options.write:
        results.write(options.write, results.report("reading", results=read))


def rows(options: Options) -> Iterator[Row]:
    digits = hands(sources.read(options.pens, "test", Path()), DIGITS)
    yield Row("digits apart", digits, "digits", options.n)
    yield Row("digits touching", digits, "digits", options.n, gaps=("touching",))
    yield Row("digits in two lines", digits, "digits", options.n, lines=2)
    yield Row("photos of digits apart", digits, "digits", options.photos, photo=True)
    if options.letters:
        pens = sources.read(options.letters, "test", Path())
        writers = held_out(start.folder_of(options.model), pens)
        letters = hands(pens, UPPER + LOWER, writers)
        yield Row("digits apart, held-out writers", hands(pens, DIGITS, writers), "digits", options.n)
        yield Row("letters apart", letters, "letters", options.n)
        yield Row("letters touching", letters, "letters", options.n, gaps=("touching",))


def strings(row: Row) -> Iterator[tuple[Composed, NDArray[np.uint8]]]:
    """What was written, and the picture of it; the same for every model."""
    for i in range(row.first, row.first + row.n):
        rng = np.random.default_rng((i, len(row.gaps), row.lines, row.photo))
        made = compose(row.hands[int(rng.integers(len(row.hands)))], rng, row.gaps[i % len(row.gaps)], row.lines)
        yield made, photo(made.picture, rng) if row.photo else sketch(made.picture, layer=bool(rng.random() < 0.5))


def sketch(ink: Gray, layer: bool) -> NDArray[np.uint8]:
    """Ink as a sketchpad's black layer, (H, W, 4), or in black on white, (H, W)."""
    return np.dstack([np.zeros((*ink.shape, 3), np.uint8), ink]) if layer else np.subtract(255, ink, dtype=np.uint8)


def measure(recognizer: Recognizer, row: Row) -> dict[str, Any]:
    """How often strings are wholly right, of how many it finds the right number of characters, and the time."""
    right, counted, alone, seconds = [], [], [], []
    for made, picture in tqdm(strings(row), desc=row.name, total=row.n, leave=False):
        begin = time.perf_counter()
        text = recognizer.read(picture, row.alphabet).text.replace(" ", "")
        seconds.append(time.perf_counter() - begin)
        truth = made.text if row.alphabet == "all" else made.text.upper()
        right.append(text == truth)
        counted.append([len(line) for line in text.split("\n")] == [len(line) for line in truth.split("\n")])
        alone.append(read_alone(recognizer, made, truth, row.alphabet))
    low, high = wilson(sum(right), row.n)
    single, every = float(np.mean(np.concatenate(alone))), len(row.gaps)
    return {
        "n": row.n,
        "right": statistics.fmean(right),
        "right_low": low,
        "right_high": high,
        "by_gap": {gap: statistics.fmean(right[(i - row.first) % every :: every]) for i, gap in enumerate(row.gaps)},
        "counted": statistics.fmean(counted),
        "single": single,
        "expected": statistics.fmean(single ** len(hits) for hits in alone),
        "all_single": statistics.fmean(bool(hits.all()) for hits in alone),
        "milliseconds": 1000 * statistics.median(seconds),
    }


def read_alone(recognizer: Recognizer, made: Composed, truth: str, alphabet: Alphabet) -> NDArray[np.bool_]:
    """(characters,) True where a character, drawn with nothing beside it, is read right."""
    found = recognizer.probabilities([np.subtract(255, ink, dtype=np.uint8) for ink in made.alone], alphabet).argmax(1)
    labels = recognizer.labels(alphabet)
    return np.array([labels[i] == name for i, name in zip(found, truth.replace("\n", ""), strict=True)])


def table(read: dict[str, dict[str, Any]]) -> str:
    """Markdown."""
    head = ("strings", "n", "wholly right", "95 % interval", "right number", "one character alone", "expected", "ms")
    lines = [" | ".join(head), "---|---:|---:|---|---:|---:|---:|---:"]
    for name, r in read.items():
        interval = f"{r['right_low']:.1%} to {r['right_high']:.1%}"
        shares = f"{r['counted']:.1%} | {r['single']:.2%} | {r['expected']:.1%}"
        lines.append(f"{name} | {r['n']:,} | {r['right']:.1%} | {interval} | {shares} | {r['milliseconds']:.1f}")
    return "\n".join(f"| {line} |" if "---" not in line else f"|{line}|" for line in lines)


if __name__ == "__main__":
    cli.run(main, Options, __doc__)
