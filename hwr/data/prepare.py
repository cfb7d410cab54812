"""Turn public archives of handwriting into the .npz files that training reads, split by writer."""

from __future__ import annotations

import hashlib
import io
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from hwr.config import DIGITS, LOWER, UPPER, UserError
from hwr.data import uci, unipen
from hwr.files import write_atomically

Kind = Literal["unipen", "pendigits", "optdigits"]

CHARACTERS = (*DIGITS, *UPPER, *LOWER)
PRINTABLE = tuple(map(chr, range(33, 127)))
SYMBOLS = tuple(name for name in PRINTABLE if name not in CHARACTERS)
# 2 repeats 1a to 1d, 3 their characters in context, and 6 is a part of 7.
CHARACTER_CATEGORIES = ("1a", "1b", "1c", "1d")
LINE_CATEGORIES = {"7": False, "8": True}  # whether the text is free, of several words
ONE_LINE = 1.9  # largest height of a line's ink, in heights of its taller strokes (their 90 % quantile)
TEST_SHARE = 0.1  # of the writers


def prepare(kind: Kind, source: Path, out: Path, test_share: float = TEST_SHARE) -> list[str]:
    """Write the .npz files of an archive, or of the folder that it was unpacked to, and say what each holds.

    Raises UserError if the archive cannot be read or holds none of the files.
    """
    if not 0 <= test_share < 1:
        raise UserError(f"--test-share {test_share}: expected a share of the writers, from 0 to less than 1")
    with folder_of(source) as folder:
        return KINDS[kind](folder, out, test_share)


@contextmanager
def folder_of(source: Path) -> Iterator[Path]:
    """Give a folder itself, or a temporary one with the content of a .zip or .tar archive, compressed or not."""
    if source.is_dir():
        yield source
        return
    if not source.is_file():
        raise UserError(f"{source} does not exist: expected an archive (.zip, .tar, .tar.gz ...) or a folder")
    with tempfile.TemporaryDirectory() as folder:
        try:
            if zipfile.is_zipfile(source):
                with zipfile.ZipFile(source) as archive:
                    archive.extractall(folder)
            else:
                with tarfile.open(source) as packed:
                    packed.extractall(folder, filter="data")
        except (tarfile.TarError, zipfile.BadZipFile, OSError, EOFError) as error:
            raise UserError(f"{source} cannot be unpacked: {error}; expected a .zip or .tar archive") from None
        yield Path(folder)


def is_test(writer: str, share: float) -> bool:
    """Return whether a writer is held out for testing: by name alone, so that all files hold out the same people."""
    drawn = int.from_bytes(hashlib.sha256(writer.encode()).digest()[:8], "big") / 2**64
    return drawn < share


@dataclass
class Trajectories:
    """Labelled trajectories that are collected for a file."""

    strokes: list[list[NDArray[np.float64]]] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    writers: list[str] = field(default_factory=list)
    free: list[bool] = field(default_factory=list)

    def add(self, segment: unipen.Segment, writer: str, free: bool = False) -> None:
        """Append a segment."""
        self.strokes.append(segment.strokes)
        self.labels.append(segment.label)
        self.writers.append(writer)
        self.free.append(free)

    def take(self, rows: Sequence[int]) -> Trajectories:
        """Return the chosen samples."""
        return Trajectories(*([column[i] for i in rows] for column in vars(self).values()))

    def arrays(self, classes: tuple[str, ...] = ()) -> dict[str, NDArray[Any]]:
        """Return the arrays of the file: ``labels`` that index ``classes``, or ``text`` if there are no classes."""
        placed = [_from_zero(strokes) for strokes in self.strokes]
        flat = [stroke for strokes in placed for stroke in strokes]
        names = sorted(set(self.writers))
        index = {name: i for i, name in enumerate(names)}
        found: dict[str, NDArray[Any]] = {
            "xy": np.concatenate(flat),
            "stroke_offsets": np.cumsum([0, *map(len, flat)]),
            "sample_offsets": np.cumsum([0, *map(len, placed)]),
        }
        if any(names):
            found["writer"] = np.array([index[name] for name in self.writers], np.int32)
            found["writer_names"] = np.array(names)
        if classes:
            place = {name: i for i, name in enumerate(classes)}
            found["labels"] = np.array([place[label] for label in self.labels], np.int32)
            found["classes"] = np.array(classes)
        else:
            found["text"] = np.array(self.labels)
            found["free_text"] = np.array(self.free)
            found["one_line"] = np.array([is_one_line(strokes) for strokes in self.strokes])
        return found


def _from_zero(strokes: list[NDArray[np.float64]]) -> list[NDArray[np.int32]]:
    """Return strokes in whole units, moved so that the smallest x and y are 0."""
    low = np.concatenate(strokes).min(axis=0)
    return [np.rint(stroke - low).astype(np.int32) for stroke in strokes]


def is_one_line(strokes: Sequence[NDArray[np.float64]]) -> bool:
    """Return whether strokes form one line: their vertical extent is not much more than a usual stroke's."""
    spans = np.array([(stroke[:, 1].min(), stroke[:, 1].max()) for stroke in strokes])
    heights = spans[:, 1] - spans[:, 0]
    usual = float(np.quantile(heights, 0.9))
    return bool(spans.max() - spans.min() <= ONE_LINE * max(usual, 1.0))


# --- UNIPEN ---


def _unipen(folder: Path, out: Path, test_share: float) -> list[str]:
    root = _unipen_root(folder)
    characters, symbols, words, left = Trajectories(), Trajectories(), Trajectories(), dict[str, int]()
    for category in (*CHARACTER_CATEGORIES, *LINE_CATEGORIES):
        files = sorted(path for path in (root / "data" / category).rglob("*") if path.is_file())
        for path in tqdm(files, desc=category, unit="file", leave=False, disable=None):
            contributor = path.relative_to(root / "data" / category).parts[0]
            file = unipen.read(path, root / "include")
            left["segments of quality BAD"] = left.get("segments of quality BAD", 0) + file.bad
            left["included files that are missing"] = left.get("included files that are missing", 0) + len(file.missing)
            for segment in file.segments():
                writer = f"{contributor}/{segment.writer or path.parent.name}"
                if category in LINE_CATEGORIES and segment.label and set(segment.label) <= {*PRINTABLE, " "}:
                    words.add(segment, writer, LINE_CATEGORIES[category])
                elif category in CHARACTER_CATEGORIES and segment.label in CHARACTERS:
                    characters.add(segment, writer)
                elif category in CHARACTER_CATEGORIES and segment.label in SYMBOLS:
                    symbols.add(segment, writer)
                else:
                    left["labels outside printable ASCII"] = left.get("labels outside printable ASCII", 0) + 1
    report = [f"left out: {count:,} {what}" for what, count in left.items() if count]
    for name, found, classes in (
        ("unipen", characters, CHARACTERS),
        ("unipen_symbols", symbols, SYMBOLS),
        ("unipen_words", words, ()),
    ):
        report += _split(out, name, found, classes, test_share)
    return report


def _unipen_root(folder: Path) -> Path:
    """Return the folder with data/ and include/, at or below ``folder``."""
    for path in (folder, *sorted(path for path in folder.glob("*") if path.is_dir()), *sorted(folder.glob("*/*"))):
        if (path / "data").is_dir() and (path / "include").is_dir():
            return path
    raise UserError(f"{folder} holds no UNIPEN data: expected the folders data and include, as in train_r01_v07")


def _split(out: Path, name: str, found: Trajectories, classes: tuple[str, ...], test_share: float) -> list[str]:
    """Write NAME_train.npz and NAME_test.npz, of different writers."""
    held = [is_test(writer, test_share) for writer in found.writers]
    said = []
    for split, wanted in (("train", False), ("test", True)):
        part = found.take([i for i, test in enumerate(held) if test == wanted])
        if part.labels:
            said.append(_write(out / f"{name}_{split}.npz", part.arrays(classes)))
    return said


# --- digits from the UCI repository ---


def _pendigits(folder: Path, out: Path, test_share: float) -> list[str]:
    said = []
    for split, suffix in (("train", "tra"), ("test", "tes")):
        found = Trajectories()
        for path in _named(folder, f"pendigits-orig.{suffix}", optional=split == "test"):
            for segment in uci.pen_digits(path):
                found.add(segment, segment.writer)
        if found.labels:
            said.append(_write(out / f"pendigits_{split}.npz", found.arrays(DIGITS)))
    return said


def _optdigits(folder: Path, out: Path, test_share: float) -> list[str]:
    """Write the parts tra and cv, which share writers, for training, and windep, of other writers, for testing.

    The part wdep has the writers of the training data, and is left out.
    """
    said = []
    for split, suffixes in (("train", ("tra", "cv")), ("test", ("windep",))):
        parts = [
            uci.optical_digits(path)
            for suffix in suffixes
            for path in _named(folder, f"optdigits-orig.{suffix}", optional=split == "test")
        ]
        if parts:
            arrays = {
                "images": np.concatenate([images for images, _ in parts]),
                "labels": np.concatenate([labels for _, labels in parts]),
                "classes": np.array(DIGITS),
            }
            said.append(_write(out / f"optdigits_{split}.npz", arrays))
    return said


def _named(folder: Path, name: str, optional: bool = False) -> list[Path]:
    """Find a file, compressed or not, in a folder or below. Raises UserError for a missing one unless ``optional``."""
    found = sorted(path for path in folder.rglob(f"{name}*") if path.name in (name, f"{name}.Z"))
    if not found and not optional:
        raise UserError(f"{folder} holds no {name} or {name}.Z: expected the files of the UCI repository")
    return found[:1]


def _write(path: Path, arrays: dict[str, NDArray[Any]]) -> str:
    """Write an .npz, and describe it with its digest."""
    if "xy" in arrays and np.abs(arrays["xy"]).max() < 2**15:
        arrays["xy"] = arrays["xy"].astype(np.int16)
    content = io.BytesIO()
    np.savez_compressed(content, **arrays)  # type: ignore[arg-type]
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, content.getvalue())
    count = len(arrays["images"]) if "images" in arrays else len(arrays["sample_offsets"]) - 1
    writers = f" of {len(arrays['writer_names']):,} writers" if "writer_names" in arrays else ""
    return f"{path}: {count:,} samples{writers}, sha256 {hashlib.sha256(content.getvalue()).hexdigest()}"


KINDS: dict[str, Callable[[Path, Path, float], list[str]]] = {
    "unipen": _unipen,
    "pendigits": _pendigits,
    "optdigits": _optdigits,
}
