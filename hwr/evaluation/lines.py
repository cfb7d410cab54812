"""How well a line reader reads lines with known text: error rates, per writer, and a picture of its worst lines.

The numbers go to lines.json, the tables to lines.md, and the lines read worst to worst_lines.png.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from hwr.config import UserError
from hwr.data.lines import sources
from hwr.data.lines.composing import is_held_out
from hwr.data.lines.sampling import ink_of
from hwr.evaluation.text import edit_distance, error_rate, exactness, word_error_rate
from hwr.files import write_atomically
from hwr.hub import transfer
from hwr.reading.reader import LineReader

Gray = NDArray[np.uint8]

RESULTS, TABLES, WORST = "lines.json", "lines.md", "worst_lines.png"
SHOWN = 40  # lines in the picture of the worst
STRIP, WIDTH, TEXT = 56, 900, 44  # pixels: height of a line's ink, width of the picture, height of the text below


class Answer(NamedTuple):
    """A line, what was written and what was read."""

    ink: Gray
    written: str
    read: str
    writer: str


def evaluate(
    names: Sequence[str], model: str, out: Path, data_dir: Path, limit: int, held_out: bool, seed: int = 0
) -> dict[str, Any]:
    """Read the lines of sources, write the report to a folder, and return its numbers.

    With ``held_out`` only lines of writers that training holds out are read. Raises UserError where no lines are left
    or the model has no line reader.
    """
    folder = transfer.find_reader(transfer.find(model))
    if folder is None:
        raise UserError(f"{model} has no line reader: python train.py --task lines trains one")
    reader = LineReader.open(folder)
    answers = [answer for name in names for answer in _answers(name, reader, data_dir, limit, held_out, seed)]
    if not answers:
        raise UserError(f"--data {' '.join(names)}: no lines to read{' of held-out writers' if held_out else ''}")
    found = {"model": model, "data": list(names), **measures(answers), "writers": by_writer(answers)}
    out.mkdir(parents=True, exist_ok=True)
    write_atomically(out / RESULTS, (json.dumps(found, indent=2, ensure_ascii=False) + "\n").encode())
    write_atomically(out / TABLES, tables(found).encode())
    write_atomically(out / WORST, bytes(cv2.imencode(".png", worst(answers))[1]))
    return found


def _answers(name: str, reader: LineReader, data_dir: Path, limit: int, held_out: bool, seed: int) -> list[Answer]:
    lines = sources.read(name, data_dir, reader.config.characters)
    if not isinstance(lines, sources.Lines):
        raise UserError(f"--data {name} holds single characters: expected lines with their text")
    rows = [i for i, writer in enumerate(lines.writers) if not held_out or is_held_out(writer)]
    chosen = np.random.default_rng(seed).permutation(rows)[: limit or None].tolist()
    found = []
    for i in tqdm(chosen, name, leave=False):
        ink = ink_of(lines.drawn(i))
        text = " ".join(reader.read(ink).text.split())
        found.append(Answer(ink, lines.texts[i], text, lines.writers[i]))
    return found


def measures(answers: Sequence[Answer]) -> dict[str, float]:
    """Return exact lines with their 95 % interval and error rates, with and without regard to case."""
    pairs = [(answer.written, answer.read) for answer in answers]
    folded = [(written.lower(), read.lower()) for written, read in pairs]
    return exactness(folded) | {
        "exact_with_case": sum(written == read for written, read in pairs) / len(pairs),
        "character_error_rate_with_case": error_rate(pairs),
        "word_error_rate": word_error_rate(folded),
    }


def by_writer(answers: Sequence[Answer]) -> dict[str, dict[str, float]]:
    """Return the number of lines and the character error rate of every known writer, the worst read first."""
    pairs: dict[str, list[tuple[str, str]]] = {}
    for answer in answers:
        if answer.writer:
            pairs.setdefault(answer.writer, []).append((answer.written.lower(), answer.read.lower()))
    rates = {writer: {"n": len(some), "character_error_rate": error_rate(some)} for writer, some in pairs.items()}
    return dict(sorted(rates.items(), key=lambda pair: -pair[1]["character_error_rate"]))


def tables(found: dict[str, Any]) -> str:
    """Return the numbers as Markdown."""
    rows = [f"| {name.replace('_', ' ')} | {found[name]:.1%} |" for name in measures_named(found) if name in found]
    writers = [f"| {w} | {row['n']} | {row['character_error_rate']:.1%} |" for w, row in found["writers"].items()]
    return "\n".join(
        [
            f"# {found['model']}: {found['n']:,} lines of {', '.join(found['data'])}",
            "",
            "| measure | |\n|---|---:|",
            *rows,
            "",
            *(["| writer | lines | character error rate |\n|---|---:|---:|", *writers, ""] if writers else []),
        ]
    )


def measures_named(found: dict[str, Any]) -> list[str]:
    """Return the names of the shares among the numbers, in their order."""
    return [name for name, value in found.items() if isinstance(value, float)]


def worst(answers: Sequence[Answer]) -> Gray:
    """Return a picture, uint8 (H, W), of the lines read worst: the ink, what was written, and what was read."""
    ranked = sorted(answers, key=lambda a: -edit_distance(a.written.lower(), a.read.lower()) / max(len(a.written), 1))
    page = np.full((SHOWN * (STRIP + TEXT), WIDTH), 255, np.uint8)
    for row, answer in enumerate(ranked[:SHOWN]):
        top = row * (STRIP + TEXT)
        scale = min(STRIP / len(answer.ink), WIDTH / answer.ink.shape[1])
        size = max(1, int(answer.ink.shape[1] * scale)), max(1, int(len(answer.ink) * scale))
        page[top : top + size[1], : size[0]] = 255 - cv2.resize(answer.ink, size, interpolation=cv2.INTER_AREA)
        said = f"written: {answer.written}   read: {answer.read}"
        cv2.putText(page, said, (4, top + STRIP + 24), cv2.FONT_HERSHEY_SIMPLEX, 0.6, 60, 1, cv2.LINE_AA)
    return page[: min(len(ranked), SHOWN) * (STRIP + TEXT)]
