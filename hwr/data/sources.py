"""Where labelled ink comes from: one reader a kind of source, each giving ink and the names it may mean."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import URLError

import numpy as np
from numpy.typing import NDArray

from hwr.config import DIGITS, LONGEST_LABEL, LOWER, UPPER, UserError, is_label
from hwr.data import downloads, hub_data, hub_files, pictures
from hwr.data.downloads import DOWNLOADS, Split, Target, both_cases
from hwr.files import local
from hwr.ink.picture import Gray
from hwr.ink.preprocess import to_ink
from hwr.ink.strokes import Strokes, sketch

# How often a letter of EMNIST whose case is unknown is a capital. The forms of NIST Special Database 19 ask for every
# letter once as a capital and once as a small letter; the rest of a letter's pictures comes from a paragraph, whose
# letters count as capitals where both cases look alike, but l. Counted in a part of EMNIST in which the rarest small
# letters have 575 pictures on average: C, with 2,718 pictures of both cases, is a capital in 1 - 575 / 2718 of them.
EMNIST_CAPITALS = dict(
    zip("CIJKLMOPSUVWXYZ", (79, 80, 64, 63, 15, 77, 88, 76, 85, 76, 55, 55, 50, 55, 50), strict=True)
)  # per cent

SAMPLE_DIR = Path(__file__).parents[1] / "sample"
TABLES = (".csv", ".parquet")  # of pictures and their classes
RASTER_KEYS = ("images", "labels", "classes")
MOST_BYTES = 2**33  # of an .npz, unpacked: ten times EMNIST
FARTHEST = 2**31  # of a pen, in its own units
MOST_WRITERS = 10**7  # each has a lot of its own when a validation split is drawn
PEN_KEYS = ("xy", "stroke_offsets", "sample_offsets", "labels", "classes")


ALTERNATIVE = "|"  # between names of which the first that can be had is read


class DownloadError(UserError):
    """A known source cannot be downloaded."""


@dataclass(frozen=True)
class Source:
    """Labelled pictures, read lazily: ``picture(i)`` gives sample i, whatever `image.to_ink` takes."""

    name: str
    picture: Callable[[int], Any]
    labels: NDArray[np.int64]  # (N,) index into targets
    targets: tuple[Target, ...]
    groups: NDArray[np.int64]  # (N,) samples of one group stay on one side of a split: a writer, or the sample itself
    trajectory: Callable[[int], Strokes] | None = None  # sample i as the pen moved, where that is known
    writers: bool = False  # the groups are writers
    lots: NDArray[np.float64] | None = (
        None  # (N,) in [0, 1): by a writer's name, to hold the same people out everywhere
    )
    is_ink: bool = True  # pictures are white on black already, and need no guess

    def __len__(self) -> int:
        return len(self.labels)

    def ink(self, i: int) -> Gray | None:
        """Sample i as ink; None where nothing is written."""
        picture = self.picture(i)
        return picture if self.is_ink else to_ink(picture)


def read(name: str, split: Split, data_dir: Path, pens: int = 1, seed: int = 0) -> Source:
    """A source by the name given on the command line; files are also looked for in ``data_dir``.

    ``pens`` pictures are drawn of each trajectory of the training split. Raises UserError for unknown names,
    missing downloads, empty folders, files without the keys, and classes whose names no model may have.
    """
    *preferred, last = alternatives(name)
    for choice in preferred:
        try:
            return read(choice, split, data_dir, pens, seed)
        except DownloadError as error:
            print(f"{error}. Instead of {choice}: {last}")
    source = _read(last, split, data_dir, pens, seed)
    if odd := [label for target in source.targets for label in target if not is_label(label)]:
        shown = f"{odd[0][:20]!r} cannot name a class: expected 1 to {LONGEST_LABEL} printable characters"
        raise UserError(f"{name}: {shown}")
    return source


def alternatives(name: str) -> list[str]:
    """``emnist-byclass|emnist_train_part.npz`` as two names; the name of a file or folder that is there as one."""
    return [name] if local(name).exists() else name.split(ALTERNATIVE)


def require(name: str, data_dir: Path) -> None:
    """Raise UserError if there is no such source: a known name, a folder, an .npz, or the form of a dataset's name."""
    *preferred, name = alternatives(name)
    if any(choice in DOWNLOADS for choice in preferred):
        return
    if name == "sample" or name in DOWNLOADS or name.startswith(hub_files.PREFIX):
        return
    path = located(name, data_dir)
    if path.is_dir() or (path.suffix in (".npz", *TABLES) and path.is_file()):
        return
    if path.suffix == ".npz":
        raise UserError(f"no such file: {path}")
    if path.exists():
        raise UserError(f"{name} is no folder of class folders, and no .npz, .csv or .parquet file")
    files = f"a folder, an .npz, .csv or .parquet file, or {hub_files.FORM}"
    raise UserError(f"no such data: {name}; known names: sample, {', '.join(DOWNLOADS)}; or give {files}")


def _read(name: str, split: Split, data_dir: Path, pens: int, seed: int) -> Source:
    if name == "sample":
        path = SAMPLE_DIR / f"{split}.npz"
        return _raster(name, path, load_npz(path))
    if name in DOWNLOADS:
        return _downloaded(name, split, local(data_dir))
    if name.startswith(hub_files.PREFIX):
        return _named(*hub_data.read(name, split))
    require(name, data_dir)
    path = located(name, data_dir)
    if path.is_dir():
        return _named(path.name, *pictures.folder(path, split))
    if path.suffix in TABLES:
        return _named(path.stem, *pictures.table(path))
    return _npz(path, pens if split == "train" else 1, seed)


def located(name: str, data_dir: Path) -> Path:
    """Return a file or folder by its name: as given, or else beside the downloads."""
    path, kept = local(name), local(local(data_dir) / name)
    return kept if kept.exists() and not path.exists() else path


def brings_test(name: str) -> bool:
    """True if the source has a test split of its own. A dataset on the Hub has to be named among the tests."""
    return name == "sample" or name in DOWNLOADS or (local(name) / "test").is_dir()


# --- files ---


def _npz(path: Path, pens: int, seed: int) -> Source:
    arrays = load_npz(path)
    return _pen(path, arrays, pens, seed) if "xy" in arrays else _raster(path.stem, path, arrays)


def load_npz(path: Path) -> dict[str, NDArray[Any]]:
    """Return the arrays of an .npz. Raises UserError for damaged and oversized files and for pickled objects."""
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(member.file_size for member in archive.infolist())
        if size > MOST_BYTES:
            raise UserError(f"{path} unpacks to {size:,} bytes: at most {MOST_BYTES:,} are read")
        with np.load(path, allow_pickle=False) as arrays:
            return {key: np.asarray(arrays[key]) for key in arrays.files}
    except UserError:
        raise
    except Exception as error:  # on crafted or cut-off files zipfile and numpy raise whatever they stumble over
        raise UserError(f"{path} cannot be read as an .npz of plain arrays: {str(error)[:200]}") from None


def _require(path: Path, arrays: dict[str, NDArray[Any]], keys: tuple[str, ...]) -> None:
    if missing := [key for key in keys if key not in arrays]:
        raise UserError(
            f"{path} lacks {', '.join(missing)}: expected {', '.join(RASTER_KEYS)} for images or "
            f"{', '.join(PEN_KEYS)} for pen trajectories; it has {', '.join(arrays) or 'nothing'}"
        )


def _raster(name: str, path: Path, arrays: dict[str, NDArray[Any]]) -> Source:
    _require(path, arrays, RASTER_KEYS)
    images = arrays["images"]
    if images.dtype != np.uint8 or images.ndim != 3 or 0 in images.shape[1:]:
        raise UserError(f"{path}: images must be uint8 (N, H, W), white on black; got {images.dtype} {images.shape}")
    labels, targets = _npz_labels(path, arrays, len(images))
    groups, writers = _groups(path, arrays, len(images))
    return Source(name, images.__getitem__, labels, targets, groups, writers=writers)


def _pen(path: Path, arrays: dict[str, NDArray[Any]], pens: int, seed: int) -> Source:
    _require(path, arrays, PEN_KEYS)
    drawn, count = trajectories(path, arrays)
    labels, targets = _npz_labels(path, arrays, count)

    def trajectory(i: int) -> Strokes:
        return drawn(i // pens)

    def ink(i: int) -> Gray:
        return sketch(trajectory(i), np.random.default_rng((seed, i)))

    groups, writers = _groups(path, arrays, len(labels))
    lots = _lots(path, arrays, groups, seed) if writers else None
    lots = None if lots is None else lots.repeat(pens)
    return Source(path.stem, ink, labels.repeat(pens), targets, groups.repeat(pens), trajectory, writers, lots)


def trajectories(path: Path, arrays: dict[str, NDArray[Any]]) -> tuple[Callable[[int], Strokes], int]:
    """The pen trajectories of an .npz by number, and how many there are. Raises UserError for damaged arrays."""
    xy = arrays["xy"]
    if xy.dtype.kind not in "iuf" or xy.ndim != 2 or xy.shape[1] != 2 or not (np.abs(xy) <= FARTHEST).all():
        raise UserError(f"{path}: xy must be (P, 2), numbers of at most {FARTHEST:,}; got {xy.dtype} {xy.shape}")
    strokes = offsets(path, arrays, "stroke_offsets", len(xy))
    samples = offsets(path, arrays, "sample_offsets", len(strokes) - 1)

    def trajectory(i: int) -> Strokes:
        return [xy[strokes[s] : strokes[s + 1]] for s in range(samples[i], samples[i + 1])]

    return trajectory, len(samples) - 1


def offsets(path: Path, arrays: dict[str, NDArray[Any]], key: str, end: int) -> NDArray[np.int64]:
    """Where each of several parts begins, and the end of the last."""
    offsets = integers(path, arrays, key, arrays[key].size, "in one row")
    if len(offsets) < 2 or offsets[0] != 0 or offsets[-1] != end or (offsets[1:] <= offsets[:-1]).any():
        raise UserError(f"{path}: {key} must rise from 0 to {end}")
    return offsets


def integers(
    path: Path, arrays: dict[str, NDArray[Any]], key: str, n: int, what: str = "one per sample"
) -> NDArray[np.int64]:
    """Return a column of ``n`` integers. Raises UserError for other types and lengths."""
    found = arrays[key]
    if found.dtype.kind not in "iu" or found.shape != (n,):
        raise UserError(f"{path}: {key} must be integers, ({n},), {what}; got {found.dtype} {found.shape}")
    return found.astype(np.int64)


def _groups(path: Path, arrays: dict[str, NDArray[Any]], n: int) -> tuple[NDArray[np.int64], bool]:
    """The group of each sample, and whether that is its writer."""
    if "writer" not in arrays:
        return np.arange(n), False
    writers = integers(path, arrays, "writer", n)
    if writers.min() < 0 or writers.max() >= MOST_WRITERS:
        raise UserError(f"{path}: writer must be numbers from 0 to {MOST_WRITERS - 1:,}")
    return writers, True


def _lots(
    path: Path, arrays: dict[str, NDArray[Any]], writers: NDArray[np.int64], seed: int
) -> NDArray[np.float64] | None:
    """What is drawn for each sample when writers are held out, by the writer's name and the seed; None without names.

    Several files that share writers hold out the same ones.
    """
    if "writer_names" not in arrays:
        return None
    names = _classes(path, arrays, "writer_names")
    if writers.max() >= len(names):
        raise UserError(f"{path}: writer must index its {len(names)} writer_names")
    digests = [hashlib.sha256(f"{seed}/{name}".encode()).digest() for name in names]
    return np.array([int.from_bytes(digest[:8], "big") / 2**64 for digest in digests])[writers]


def _classes(path: Path, arrays: dict[str, NDArray[Any]], key: str) -> list[str]:
    found = arrays[key]
    if found.dtype.kind not in "Uiu" or found.ndim != 1:
        raise UserError(f"{path}: {key} must be a list of names; got {found.dtype} {found.shape}")
    return [str(name) for name in found]


def _npz_labels(path: Path, arrays: dict[str, NDArray[Any]], n: int) -> tuple[NDArray[np.int64], tuple[Target, ...]]:
    """Labels of an .npz; where the class is unknown (-1), ``labels47`` tells the letter without its case."""
    classes, labels = _classes(path, arrays, "classes"), integers(path, arrays, "labels", n)
    targets: list[Target] = [(c,) for c in classes]
    unknown = labels == -1
    if unknown.any() and "labels47" in arrays and "classes47" in arrays:
        merged, letters = _classes(path, arrays, "classes47"), integers(path, arrays, "labels47", n)[unknown]
        labels[unknown] = np.where(letters < 0, -1, len(targets) + letters)
        targets += [both_cases(c, merged) for c in merged]
    if n == 0 or labels.min() < 0 or labels.max() >= len(targets):
        raise UserError(f"{path}: labels must be indices into its {len(classes)} classes, and at least one")
    return labels, tuple(targets)


# --- pictures with names ---


def _named(name: str, picture: Callable[[int], Any], labels: Sequence[str]) -> Source:
    """Pictures of any paper, with the name of each one's class."""
    index = {c: i for i, c in enumerate(sorted(set(labels)))}
    rows = np.array([index[c] for c in labels], np.int64)
    return Source(name, picture, rows, tuple((c,) for c in index), np.arange(len(rows)), is_ink=False)


# --- downloads ---


def _downloaded(name: str, split: Split, root: Path) -> Source:
    try:
        images, labels, targets = downloads.read(name, split, root)
    except (RuntimeError, URLError, OSError, EOFError) as error:
        reason = " ".join(str(error).split())
        raise DownloadError(
            f"{name} could not be downloaded to {root}: {reason} Check the network, put the files there by hand, "
            "or train on what ships with the project: --data sample"
        ) from None
    white_on_black = name not in ("svhn", "cifar10")
    rows = np.arange(len(labels))
    return Source(name, images.__getitem__, labels.astype(np.int64), targets, rows, is_ink=white_on_black)


def names(targets: tuple[Target, ...]) -> Iterator[str]:
    """Every class name, digits first, then capitals, then small letters, then all others in order."""
    found = {name for target in targets for name in target}
    usual = [c for c in (*DIGITS, *UPPER, *LOWER) if c in found]
    yield from usual
    yield from sorted(found.difference(usual))
