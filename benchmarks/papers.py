"""How often lines of five digits are read wholly right on photographed pages: ruled, squared, on a desk, in boxes.

    python -m benchmarks.papers --pens unipen_train.npz --write benchmarks/papers.json

Each page shows lines written by one writer whose samples are not in the training data. It is drawn on paper,
photographed (sloping light, shadow, blur, noise, JPEG) and given to `Recognizer.read` and, with ``--peer``,
to RapidOCR with its detector (``pip install rapidocr``). A line counts as right if it is found with all its digits, in
the order of the lines.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from benchmarks import results
from benchmarks.pages import ROWS, Paper, Photo, pages, upright
from benchmarks.reading import held_out_hands
from hwr import Recognizer, cli
from hwr.config import DIGITS
from hwr.data.lines.composing import Hand
from hwr.metrics import wilson

Reader = Callable[[Photo], list[str]]  # the lines that are read, digits only


@dataclass(frozen=True)
class Options:
    """Whose hands, how many pages, and which model reads."""

    pens: str
    """Characters as an .npz of pen trajectories with writers."""
    model: str | None = None
    """Model directory. Default: the bundled model."""
    n: int = 20
    """Pages of each row, of three lines each."""
    first: int = 0
    """Number of the first page: 0 is for the table, settings are chosen on others, from 10,000 on."""
    only: str = ""
    """Only the rows whose names hold this word."""
    peer: bool = False
    """Read the same pages with RapidOCR too."""
    write: Path | None = None
    """JSON file for the results."""


def main(options: Options) -> None:
    recognizer = Recognizer.from_pretrained(options.model)
    writers = [hand for hand in map(upright, held_out_hands([options.pens])) if set(DIGITS) <= hand.characters.keys()]
    readers: dict[str, Reader] = {"hwr": lambda photo: digits_of(recognizer.read(photo, "digits").text.split("\n"))}
    if options.peer:
        readers["RapidOCR"] = rapid()
    packages, found = ("rapidocr",) if options.peer else (), dict[str, Any]()
    for row in ROWS:
        if options.only in row.name:
            found[row.name] = measure(row, writers, readers, options)
            if options.write:  # after every row, as all take hours
                results.write(options.write, results.report("papers", *packages, results=found))


def measure(row: Paper, writers: Sequence[Hand], readers: dict[str, Reader], options: Options) -> dict[str, Any]:
    """Of each reader: lines wholly right, lines that nobody wrote, and the median time of a page."""
    right: dict[str, list[bool]] = {name: [] for name in readers}
    invented, seconds = dict.fromkeys(readers, 0), {name: list[float]() for name in readers}
    for truth, photo in tqdm(
        pages(row, writers, range(options.first, options.first + options.n)),
        row.name,
        options.n,
        leave=False,
        disable=None,
    ):
        for name, read in readers.items():
            begin = time.perf_counter()
            lines = read(photo)
            seconds[name].append(time.perf_counter() - begin)
            hits = in_order(truth, lines)
            right[name] += hits
            invented[name] += len(lines) - sum(hits)
    found = {name: counted(right[name], invented[name], seconds[name]) for name in readers}
    print(f"{row.name}: " + "; ".join(shown(name, one) for name, one in found.items()), flush=True)
    return found


def counted(right: Sequence[bool], invented: int, seconds: Sequence[float]) -> dict[str, float]:
    low, high = wilson(sum(right), len(right))
    return {
        "n": len(right),
        "right": statistics.fmean(right),
        "right_low": low,
        "right_high": high,
        "wrong_lines": invented,
        "milliseconds": 1000 * statistics.median(seconds),
    }


def shown(name: str, one: dict[str, float]) -> str:
    return f"{name} {one['right']:.0%} of {one['n']} lines ({one['wrong_lines']} wrong), {one['milliseconds']:.0f} ms"


def table(rows: dict[str, dict[str, dict[str, float]]]) -> str:
    """Return a Markdown table: the share of lines read wholly right on each kind of paper, beside RapidOCR."""

    def right(one: dict[str, float] | None) -> str:
        return f"{one['right']:.0%} ({one['right_low']:.0%} to {one['right_high']:.0%})" if one else "not run"

    lines = [
        f"| {name} | {one['hwr']['n']} | {right(one['hwr'])} | {right(one.get('RapidOCR'))} |"
        for name, one in rows.items()
    ]
    return "\n".join(["| page | lines | hwr | RapidOCR |", "|---|---:|---:|---:|", *lines])


def in_order(truth: Sequence[str], lines: Sequence[str]) -> list[bool]:
    """Which true lines are found, as a longest common subsequence of the two."""
    best = [[0] * (len(lines) + 1) for _ in range(len(truth) + 1)]
    for i in reversed(range(len(truth))):
        for j in reversed(range(len(lines))):
            same = truth[i] == lines[j]
            best[i][j] = best[i + 1][j + 1] + 1 if same else max(best[i + 1][j], best[i][j + 1])
    hits, i, j = [False] * len(truth), 0, 0
    while i < len(truth) and j < len(lines):
        if truth[i] == lines[j]:
            hits[i], i, j = True, i + 1, j + 1
        elif best[i + 1][j] >= best[i][j + 1]:
            i += 1
        else:
            j += 1
    return hits


def digits_of(lines: Sequence[str]) -> list[str]:
    kept = ("".join(c for c in line if c in DIGITS) for line in lines)
    return [line for line in kept if line]


def rapid() -> Reader:
    """RapidOCR with its detector; boxes at one height are one line."""
    engine = import_module("rapidocr").RapidOCR(params={"Global.log_level": "critical"})

    def read(photo: Photo) -> list[str]:
        found = engine(np.ascontiguousarray(photo[..., ::-1]))
        lines: list[list[tuple[float, float, float, str]]] = []
        boxes = [] if found.boxes is None else zip(found.boxes, found.txts, strict=True)
        for top, bottom, left, text in sorted((b[:, 1].min(), b[:, 1].max(), b[:, 0].min(), t) for b, t in boxes):
            mates = [line for line in lines if line[0][0] <= (top + bottom) / 2 <= line[0][1]]
            if not mates:
                lines.append([])
            (mates[0] if mates else lines[-1]).append((top, bottom, left, text))
        return digits_of(["".join(text for *_, text in sorted(line, key=lambda one: one[2])) for line in lines])

    return read


if __name__ == "__main__":
    cli.run(main, Options, __doc__)
