"""Read labelled pictures from every kind of source: files, folders, downloads and data sets on the Hub."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import URLError

import numpy as np
from numpy.typing import NDArray

from hwr.config import DIGITS, LONGEST_LABEL, LOWER, UPPER, UserError, is_label
from hwr.data import downloads, hub_data, hub_files, npz, pictures
from hwr.data.downloads import DOWNLOADS, Split, Target
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
ALTERNATIVE = "|"  # between names; the first that can be downloaded is read


class DownloadError(UserError):
    """A known source cannot be downloaded."""


@dataclass(frozen=True)
class Source:
    """Labelled pictures, read lazily: ``picture(i)`` gives sample i, in any form that `preprocess.to_ink` takes."""

    name: str
    picture: Callable[[int], Any]
    labels: NDArray[np.int64]  # (N,) index into targets
    targets: tuple[Target, ...]
    groups: NDArray[np.int64]  # (N,) a split separates no group: a writer, or one sample
    trajectory: Callable[[int], Strokes] | None = None  # sample i as pen strokes, if they are known
    writers: bool = False  # the groups are writers
    draws: NDArray[np.float64] | None = None  # (N,) in [0, 1), from the writer's name: see `npz.draws`
    is_ink: bool = True  # pictures are white on black already, so that their polarity is not guessed

    def __len__(self) -> int:
        return len(self.labels)

    def ink(self, i: int) -> Gray | None:
        """Return sample i as ink; None if it is blank."""
        picture = self.picture(i)
        return picture if self.is_ink else to_ink(picture)


def read(name: str, split: Split, data_dir: Path, pens: int = 1, seed: int = 0) -> Source:
    """Read a source by the name given on the command line; files are also looked for in ``data_dir``.

    Each trajectory of the training split is rendered ``pens`` times. Raises UserError for unknown names, missing
    downloads, empty folders, files without the keys, and classes whose names no model may have.
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
    """Split ``emnist-byclass|emnist_train_part.npz`` into its two names; the name of an existing file stays whole."""
    return [name] if local(name).exists() else name.split(ALTERNATIVE)


def require(name: str, data_dir: Path) -> None:
    """Raise UserError unless a name is a download, an existing file or folder, or has the form of a dataset's name."""
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
        raise UserError(f"{name} is neither a folder of class folders nor an .npz, .csv or .parquet file")
    files = f"a folder, an .npz, .csv or .parquet file, or {hub_files.FORM}"
    raise UserError(f"no such data: {name}; known names: sample, {', '.join(DOWNLOADS)}; or give {files}")


def _read(name: str, split: Split, data_dir: Path, pens: int, seed: int) -> Source:
    if name == "sample":
        path = SAMPLE_DIR / f"{split}.npz"
        return _raster(name, path, npz.load(path))
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
    """Return whether a source has a test split of its own. A dataset on the Hub must be named by --test."""
    return name == "sample" or name in DOWNLOADS or (local(name) / "test").is_dir()


# --- files ---


def _npz(path: Path, pens: int, seed: int) -> Source:
    arrays = npz.load(path)
    return _pen(path, arrays, pens, seed) if "xy" in arrays else _raster(path.stem, path, arrays)


def _raster(name: str, path: Path, arrays: dict[str, NDArray[Any]]) -> Source:
    npz.require_keys(path, arrays, npz.RASTER_KEYS)
    images = arrays["images"]
    if images.dtype != np.uint8 or images.ndim != 3 or 0 in images.shape[1:]:
        raise UserError(f"{path}: images must be uint8 (N, H, W), white on black; got {images.dtype} {images.shape}")
    labels, targets = npz.labelled(path, arrays, len(images))
    groups, writers = npz.groups(path, arrays, len(images))
    return Source(name, images.__getitem__, labels, targets, groups, writers=writers)


def _pen(path: Path, arrays: dict[str, NDArray[Any]], pens: int, seed: int) -> Source:
    npz.require_keys(path, arrays, npz.PEN_KEYS)
    drawn, count = npz.trajectories(path, arrays)
    labels, targets = npz.labelled(path, arrays, count)

    def trajectory(i: int) -> Strokes:
        return drawn(i // pens)

    def ink(i: int) -> Gray:
        return sketch(trajectory(i), np.random.default_rng((seed, i)))

    groups, writers = npz.groups(path, arrays, len(labels))
    draws = npz.draws(path, arrays, groups, seed) if writers else None
    draws = None if draws is None else draws.repeat(pens)
    return Source(path.stem, ink, labels.repeat(pens), targets, groups.repeat(pens), trajectory, writers, draws)


# --- pictures with names ---


def _named(name: str, picture: Callable[[int], Any], labels: Sequence[str]) -> Source:
    """Return a source of pictures of any polarity, from the name of each one's class."""
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
    """Yield every class name: digits, then capitals, then small letters, then all others in alphabetical order."""
    found = {name for target in targets for name in target}
    usual = [c for c in (*DIGITS, *UPPER, *LOWER) if c in found]
    yield from usual
    yield from sorted(found.difference(usual))
