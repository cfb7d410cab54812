"""Read and check the arrays of .npz files: pictures or pen trajectories with labels, and with writers if known.

Such a file may come from a stranger: nothing is unpickled, and every array's type, shape and range is checked. Each
function here raises UserError, which names the file and the array, for arrays that do not fit together.
"""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwr.config import UserError
from hwr.data.downloads import Target, both_cases
from hwr.ink.strokes import Strokes

RASTER_KEYS = ("images", "labels", "classes")
PEN_KEYS = ("xy", "stroke_offsets", "sample_offsets", "labels", "classes")
MAX_BYTES = 2**33  # of the unpacked arrays: ten times EMNIST
MAX_COORDINATE = 2**31  # of a pen position, in the units of the file
MAX_WRITERS = 10**7  # a random number is drawn for each of them

Arrays = dict[str, NDArray[Any]]


def load(path: Path) -> Arrays:
    """Return the arrays of an .npz. Raises UserError for damaged and oversized files and for pickled objects."""
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(member.file_size for member in archive.infolist())
        if size > MAX_BYTES:
            raise UserError(f"{path} unpacks to {size:,} bytes: at most {MAX_BYTES:,} are read")
        with np.load(path, allow_pickle=False) as arrays:
            return {key: np.asarray(arrays[key]) for key in arrays.files}
    except UserError:
        raise
    except Exception as error:  # on crafted or cut-off files zipfile and numpy raise whatever they stumble over
        raise UserError(f"{path} cannot be read as an .npz of plain arrays: {str(error)[:200]}") from None


def require_keys(path: Path, arrays: Arrays, keys: tuple[str, ...]) -> None:
    """Raise UserError, which lists the keys of both forms of a file, unless all ``keys`` are there."""
    if missing := [key for key in keys if key not in arrays]:
        raise UserError(
            f"{path} lacks {', '.join(missing)}: expected {', '.join(RASTER_KEYS)} for images or "
            f"{', '.join(PEN_KEYS)} for pen trajectories; it has {', '.join(arrays) or 'nothing'}"
        )


def trajectories(path: Path, arrays: Arrays) -> tuple[Callable[[int], Strokes], int]:
    """Return a function from a sample's number to its pen trajectory, and the number of samples."""
    xy = arrays["xy"]
    if xy.dtype.kind not in "iuf" or xy.ndim != 2 or xy.shape[1] != 2 or not (np.abs(xy) <= MAX_COORDINATE).all():
        raise UserError(f"{path}: xy must be (P, 2), numbers of at most {MAX_COORDINATE:,}; got {xy.dtype} {xy.shape}")
    strokes = offsets(path, arrays, "stroke_offsets", len(xy))
    samples = offsets(path, arrays, "sample_offsets", len(strokes) - 1)

    def trajectory(i: int) -> Strokes:
        return [xy[strokes[s] : strokes[s + 1]] for s in range(samples[i], samples[i + 1])]

    return trajectory, len(samples) - 1


def offsets(path: Path, arrays: Arrays, key: str, end: int) -> NDArray[np.int64]:
    """Return a column that says where each part begins, and where the last one ends."""
    found = integers(path, arrays, key, arrays[key].size, "in one row")
    if len(found) < 2 or found[0] != 0 or found[-1] != end or (found[1:] <= found[:-1]).any():
        raise UserError(f"{path}: {key} must rise from 0 to {end}")
    return found


def integers(path: Path, arrays: Arrays, key: str, n: int, what: str = "one per sample") -> NDArray[np.int64]:
    """Return a column of ``n`` integers; ``what`` describes them in the error."""
    found = arrays[key]
    if found.dtype.kind not in "iu" or found.shape != (n,):
        raise UserError(f"{path}: {key} must be integers, ({n},), {what}; got {found.dtype} {found.shape}")
    return found.astype(np.int64)


def groups(path: Path, arrays: Arrays, n: int) -> tuple[NDArray[np.int64], bool]:
    """Return the group of each sample, and whether groups are writers. Without writers, each sample is a group."""
    if "writer" not in arrays:
        return np.arange(n), False
    writers = integers(path, arrays, "writer", n)
    if writers.min() < 0 or writers.max() >= MAX_WRITERS:
        raise UserError(f"{path}: writer must be numbers from 0 to {MAX_WRITERS - 1:,}")
    return writers, True


def draws(path: Path, arrays: Arrays, writers: NDArray[np.int64], seed: int) -> NDArray[np.float64] | None:
    """Return a number in [0, 1) for each sample, from its writer's name and the seed; None without names of writers.

    The validation split holds out the smallest numbers, so that files which share writers hold out the same ones.
    """
    if "writer_names" not in arrays:
        return None
    writer_names = names(path, arrays, "writer_names")
    if writers.max() >= len(writer_names):
        raise UserError(f"{path}: writer must index its {len(writer_names)} writer_names")
    digests = [hashlib.sha256(f"{seed}/{name}".encode()).digest() for name in writer_names]
    return np.array([int.from_bytes(digest[:8], "big") / 2**64 for digest in digests])[writers]


def names(path: Path, arrays: Arrays, key: str) -> list[str]:
    """Return a column of names; numbers become their decimal digits."""
    found = arrays[key]
    if found.dtype.kind not in "Uiu" or found.ndim != 1:
        raise UserError(f"{path}: {key} must be a list of names; got {found.dtype} {found.shape}")
    return [str(name) for name in found]


def labelled(path: Path, arrays: Arrays, n: int) -> tuple[NDArray[np.int64], tuple[Target, ...]]:
    """Return the label of each sample, an index into the targets, and the targets.

    Where the class is unknown (-1), the array ``labels47`` gives the letter without its case.
    """
    classes, labels = names(path, arrays, "classes"), integers(path, arrays, "labels", n)
    targets: list[Target] = [(c,) for c in classes]
    unknown = labels == -1
    if unknown.any() and "labels47" in arrays and "classes47" in arrays:
        merged, letters = names(path, arrays, "classes47"), integers(path, arrays, "labels47", n)[unknown]
        labels[unknown] = np.where(letters < 0, -1, len(targets) + letters)
        targets += [both_cases(c, merged) for c in merged]
    if n == 0 or labels.min() < 0 or labels.max() >= len(targets):
        raise UserError(f"{path}: labels must be indices into its {len(classes)} classes, and at least one")
    return labels, tuple(targets)
