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
    drawn, count = npz.trajectories(path, arrays)
    classes, labels = arrays["classes"], npz.integers(path, arrays, "labels", count)
    if classes.dtype.kind != "U" or (count and not 0 <= labels.min() <= labels.max() < len(classes)):
        raise UserError(f"{path}: labels must be indices into its {classes.size} classes, which are names")
    by_writer: dict[str, list[tuple[str, Line]]] = {}
    for i, (writer, label) in enumerate(zip(_writers(path, arrays, count), labels.tolist(), strict=True)):
        by_writer.setdefault(writer, []).append((str(classes[label]), _floats(drawn(i))))
    return [(writer, hand_of(samples)) for writer, samples in by_writer.items()]


def _folder(path: Path, characters: str) -> Lines:
    """Line pictures with their text, in one of the two usual layouts."""
    tables = [path / name for name in TABLES if (path / name).is_file()]
    skipped = Counter[str]()
    pairs = _table(tables[0]) if tables else _pairs(path, skipped)
    if not pairs:
        raise UserError(
            f"no lines in {path}: expected pictures with their text, as name.png beside name.txt, or {TABLES[0]} with "
            "the columns file_name,text"
        )
    known = []
    for file, text in pairs:
        problem = _problem(text, characters) or ("without their picture" if not file.is_file() else "")
        if problem:
            skipped[problem] += 1
        else:
            known.append((file, _cleaned(text)))

    def drawn(i: int) -> Gray:
        ink = to_ink(known[i][0])
        return np.zeros((1, 1), np.uint8) if ink is None else ink

    return Lines(path.name, tuple(text for _, text in known), ("",) * len(known), drawn, skipped)


def _pairs(path: Path, skipped: Counter[str]) -> list[tuple[Path, str]]:
    """Pictures with the text beside them; ``skipped`` counts pictures without one, and of formats not supported."""
    pairs = []
    for file in sorted(f for f in path.rglob("*") if f.is_file() and f.suffix.lower() != ".txt"):
        text = file.with_suffix(".txt")
        if not formats.readable(file.name):
            if text.is_file():
                skipped["of an unsupported format"] += 1
        elif text.is_file():
            pairs.append((file, _text(text)))
        else:
            skipped["without their text"] += 1
    return pairs


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path} cannot be read as text in UTF-8: {error}") from None


def _table(path: Path) -> list[tuple[Path, str]]:
    rows = list(csv.DictReader(_text(path).splitlines()))
    if not rows or not {"file_name", "text"} <= rows[0].keys():
        raise UserError(f"{path}: expected the columns file_name,text and at least one row")
    return [(path.parent / (row["file_name"] or ""), row["text"] or "") for row in rows]


@dataclass(frozen=True)
class LineData:
    """Everything that a line reader learns from and is chosen by, and the hands that lines are composed of."""

    train: Lines
    val: Lines | None
    hands: tuple[Hand, ...]
    val_hands: tuple[Hand, ...]
    writers: tuple[str, ...]  # held out
    scans: Scans  # pictures of single characters to compose lines of


def load(names: Sequence[str], data_dir: Path, characters: str, validation: float, seed: int) -> LineData:
    """Read the sources, merge them, and hold out writers for validation.

    Writers are held out by a hash of their names. Where no writer is known, a share of the lines is drawn by seed.
    Raises UserError where no lines are left to train on.
    """
    lines, hands, pictures = [], dict[str, list[tuple[str, Line]]](), list[sources.Source]()
    for name in names:
        found = read(name, data_dir, characters)
        if isinstance(found, Lines):
            lines.append(found)
            continue
        if isinstance(found, sources.Source):
            pictures.append(found)
            continue
        for writer, hand in found:
            samples = [(c, line) for c, kept in hand.characters.items() for line in kept]
            hands.setdefault(writer, []).extend(samples)
    if not lines:
        raise UserError(f"--data {' '.join(names)} holds single characters alone: name a source of lines as well")
    merged = _merged(lines)
    held = _held_out(merged, validation, seed)
    if held.all() or not len(merged):
        raise UserError(f"--data {' '.join(names)}: {len(merged)} lines are too few to train on")
    usable = {w: hand_of(samples) for w, samples in hands.items() if len(samples) >= LEAST_CHARACTERS}
    return LineData(
        merged.take(np.flatnonzero(~held).tolist()),
        merged.take(np.flatnonzero(held).tolist()) if held.any() else None,
        tuple(hand for writer, hand in usable.items() if not (validation and is_held_out(writer))),
        tuple(hand for writer, hand in usable.items() if validation and is_held_out(writer)),
        tuple(sorted({merged.writers[i] for i in np.flatnonzero(held)} - {""})),
        scans.of(pictures),
    )


def _merged(parts: Sequence[Lines]) -> Lines:
    starts = np.cumsum([0, *(len(part) for part in parts)])

    def drawn(i: int) -> Line | Gray:
        k = int(np.searchsorted(starts, i, side="right")) - 1
        return parts[k].drawn(i - int(starts[k]))

    return Lines(
        ", ".join(part.name for part in parts),
        tuple(text for part in parts for text in part.texts),
        tuple(writer for part in parts for writer in part.writers),
        drawn,
        sum((part.skipped for part in parts), Counter()),
    )


def _held_out(lines: Lines, share: float, seed: int) -> NDArray[np.bool_]:
    """Which lines are for validation: those of held-out writers; of one writer or of unknown ones, some by chance."""
    none = np.zeros(len(lines), np.bool_)
    if not share or len(lines) < 2:
        return none
    if len(set(lines.writers)) > 1:
        held = np.array([bool(writer) and is_held_out(writer) for writer in lines.writers])
        if held.any() and not held.all():
            return held
    rows = np.random.default_rng(seed).permutation(len(lines))[: max(1, round(share * len(lines)))]
    none[rows] = True
    return none
