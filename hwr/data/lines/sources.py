"""Where lines of writing come from: a name on the command line -> lines with their text, or the characters of hands."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwr.config import UserError
from hwr.data import npz, sources
from hwr.data.downloads import DOWNLOADS
from hwr.data.lines import scans
from hwr.data.lines.composing import Hand, Line, hand_of, is_held_out
from hwr.data.lines.scans import Scans
from hwr.ink import formats
from hwr.ink.preprocess import to_ink

Gray = NDArray[np.uint8]
Hands = list[tuple[str, Hand]]  # each writer's name and characters

SAMPLE = sources.SAMPLE_DIR / "lines.npz"  # real words and numbers that ship with the package: "sample"
TABLES = ("labels.csv", "metadata.csv")  # the usual names of a table beside pictures: file_name,text
MAX_TEXT = 75  # characters of a line to train on
LEAST_CHARACTERS = 8  # that a writer must have written to be composed from


@dataclass(frozen=True)
class Lines:
    """Lines with their text: each a pen trajectory or ink. ``skipped`` counts the lines left out, by reason."""

    name: str
    texts: tuple[str, ...]
    writers: tuple[str, ...]  # of each line; "" where unknown
    drawn: Callable[[int], Line | Gray]
    skipped: Counter[str] = field(default_factory=Counter)

    def __len__(self) -> int:
        return len(self.texts)

    def take(self, rows: Sequence[int]) -> Lines:
        """Return some of the lines, by number."""
        kept = list(rows)
        texts, writers = tuple(self.texts[i] for i in kept), tuple(self.writers[i] for i in kept)
        return Lines(self.name, texts, writers, lambda i: self.drawn(kept[i]), self.skipped)


def read(name: str, data_dir: Path, characters: str) -> Lines | Hands | sources.Source:
    """Return the lines of a source; of a file of single characters, each writer's name and characters, or pictures.

    ``name`` is "sample", an .npz of pen trajectories with ``text`` (lines) or with ``labels`` (characters), or a folder
    of pictures: ``name.png`` beside ``name.txt``, or a table, labels.csv or metadata.csv, with the columns file_name
    and text. An .npz of pictures and a known download, such as mnist, give pictures of single characters. Lines with
    other characters than ``characters`` are skipped and counted. Raises UserError for what is not there or cannot be
    read.
    """
    if set(sources.alternatives(name)) & {*DOWNLOADS}:
        return sources.read(name, "train", data_dir)
    path = SAMPLE if name == "sample" else sources.located(name, data_dir)
    if path.is_dir():
        return _folder(path, characters)
    if not path.is_file():
        raise UserError(
            f"no such data: {name}; expected sample, an .npz of pen trajectories, or a folder of line pictures"
        )
    arrays = npz.load(path)
    if "images" in arrays:
        return sources.read(name, "train", data_dir)
    if "xy" not in arrays or not ("text" in arrays or "labels" in arrays):
        raise UserError(
            f"{path} holds neither lines nor characters: expected the arrays xy, stroke_offsets, sample_offsets and "
            f"text (lines) or labels and classes (characters); it has {', '.join(arrays) or 'nothing'}"
        )
    return _npz_lines(path, arrays, characters) if "text" in arrays else _npz_hands(path, arrays)


def _npz_lines(path: Path, arrays: dict[str, NDArray[Any]], characters: str) -> Lines:
    drawn, count = npz.trajectories(path, arrays)
    texts = arrays["text"]
    if texts.dtype.kind != "U" or texts.shape != (count,):
        raise UserError(f"{path}: text must be {count} strings, one for each line; got {texts.dtype} {texts.shape}")
    one_line = arrays.get("one_line", np.ones(count, np.bool_))
    known, skipped = [], Counter[str]()
    for i, text in enumerate(texts.tolist()):
        problem = "of several lines" if not one_line[i] else _problem(text, characters)
        if problem:
            skipped[problem] += 1
        else:
            known.append(i)
    names = _writers(path, arrays, count)
    cleaned = tuple(_cleaned(str(texts[i])) for i in known)
    return Lines(path.stem, cleaned, tuple(names[i] for i in known), lambda i: _floats(drawn(known[i])), skipped)


def _cleaned(text: str) -> str:
    return " ".join(text.split())


def _problem(text: str, characters: str) -> str:
    """Why a line cannot be trained on; empty if it can."""
    cleaned = _cleaned(text)
    if not cleaned:
        return "without text"
    if len(cleaned) > MAX_TEXT:
        return f"of more than {MAX_TEXT} characters"
    return "" if set(cleaned) <= set(characters) else "with characters that the reader does not know"


def _floats(strokes: Any) -> Line:
    return [np.asarray(stroke, np.float32) for stroke in strokes]


def _writers(path: Path, arrays: dict[str, NDArray[Any]], count: int) -> list[str]:
    """The name of every sample's writer, "" where the file does not tell."""
    if "writer" not in arrays:
        return [""] * count
    numbers = npz.integers(path, arrays, "writer", count)
    names = arrays.get("writer_names")
    if names is None:
        return [f"{path.stem}/{number}" for number in numbers.tolist()]
    if names.dtype.kind != "U" or names.ndim != 1 or (count and not 0 <= numbers.min() <= numbers.max() < len(names)):
        raise UserError(f"{path}: writer must be indices into its {names.size} writer_names")
    return [str(names[number]) for number in numbers.tolist()]


def _npz_hands(path: Path, arrays: dict[str, NDArray[Any]]) -> Hands:
    drawn, count = sources.trajectories(path, arrays)
    classes, labels = arrays["classes"], sources.integers(path, arrays, "labels", count)
    drawn, count = npz.trajectories(path, arrays)
    classes, labels = arrays["classes"], npz.integers(path, arrays, "labels", count)
