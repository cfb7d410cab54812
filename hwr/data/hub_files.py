"""Select and fetch the files of a split of a dataset repository, by their names alone."""

from __future__ import annotations

import importlib
import json
import re
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Any, Literal, NamedTuple

from hwr import labels as naming
from hwr.config import UserError
from hwr.files import write_atomically
from hwr.hub import repository

Split = Literal["train", "test"]

PREFIX = "hf://datasets/"
FORM = f"{PREFIX}owner/name[@revision][/folder]"
NAME = re.compile(r"([^/@]+/[^/@]+)(?:@(refs/(?:pr|convert)/[\w.-]+|[\w.-]+))?(?:/(.+?))?/?", re.ASCII)
LIMIT = 6 * 3600.0  # seconds to fetch a dataset: MAX_BYTES at 1 MB/s
MAX_BYTES = 20 * 10**9
PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".pgm", ".ppm")
METADATA = ("metadata.csv", "metadata.jsonl")
SPLITS = {"train": "train", "training": "train", "test": "test", "testing": "test"}
SPLITS |= dict.fromkeys(("validation", "valid", "val", "dev"), "validation")


class Dataset(NamedTuple):
    """Files of one split in the Hub's cache; ``under`` is the folder of the repository that was asked for."""

    repo: str
    commit: str
    root: Path
    under: str
    paths: tuple[str, ...]
    split: Split


def fetch(name: str, split: Split) -> Dataset:
    """Fetch the files of a split, and cache their list, by which a complete copy is recognised without the Hub."""
    repo, revision, under = parse(name)
    chosen: list[str] = []

    def choose(repo: str, files: repository.Files) -> Sequence[str]:
        chosen[:] = select(repo, files, split, under)
        return chosen

    listing = f".hwr-{split}{under.replace('/', '--')}.json"
    found = repository.snapshot(repo, choose, (listing,), "dataset", revision, LIMIT)
    if found.stale or not chosen:
        chosen = json.loads((found.folder / listing).read_text())
    else:
        with suppress(OSError):  # a read-only cache still serves while the Hub is reachable
            write_atomically(found.folder / listing, json.dumps(chosen).encode())
    return Dataset(repo, found.commit, found.folder, under, tuple(_inside(repo, path) for path in chosen), split)


def parse(name: str) -> tuple[str, str, str]:
    """Return ``(repository, revision, folder or "")`` of a name as in FORM. Raises UserError for other names."""
    found = NAME.fullmatch(name.removeprefix(PREFIX))
    if found is None or ".." in name:
        raise UserError(f"{name} is not a valid name of a dataset: expected {FORM}")
    repo, revision, under = found.groups()
    return repo, revision or "main", f"{under}/" if under else ""


def select(repo: str, files: repository.Files, split: Split, under: str = "") -> list[str]:
    """Return the files of a repository to fetch for a split: parquet, or else pictures and their metadata."""
    paths = [path for path in files if path.startswith(under)]
    data = [p for p in paths if p.endswith(".parquet") and not p.endswith("metadata.parquet")]
    described = [p for p in paths if PurePosixPath(p).name in METADATA]
    if data:
        require_pyarrow()  # fail before anything is fetched
    else:
        pictures = [p for p in paths if p.lower().endswith(PICTURES) and f"{p.rpartition('.')[0]}.txt" not in files]
        data = [p for p in pictures if described or class_of(p, under)]  # without lines of writing beside their text
    data = _of_split(repo, data, split, under)
    _require_one_configuration(repo, data)
    if not data[0].endswith(".parquet"):
        data += [p for p in described if split_of(p, under) in ("", split)]
    data += [p for p in ("README.md",) if p in files]
    if (size := sum(files[p].size or 0 for p in data)) > MAX_BYTES:
        raise UserError(f"{repo}: its {split} split is {size / 1e9:.1f} GB, more than {MAX_BYTES / 1e9:.0f} GB")
    return [_inside(repo, path) for path in data]


def _inside(repo: str, path: str) -> str:
    if re.search(r"^/|^[A-Za-z]:|[\\\0]", path) or {"", ".", ".."} & set(path.split("/")):
        raise UserError(f"{repo} lists a file outside of its folder: {path!r}")
    return path


def _of_split(repo: str, paths: list[str], split: Split, under: str) -> list[str]:
    """Return the paths of a split. Raises UserError if there are none."""
    splits = {path: split_of(path, under) for path in paths}
    if not paths:
        raise UserError(
            f"{repo} has no pictures in {under or 'it'}: expected one folder per class, such as A/001.png, pictures "
            f"with a metadata.csv, or .parquet files; scripts that load data are never run"
        )
    without = [path for path in paths if not splits[path]]
    whole = split == "train" or len(without) == len(paths)  # without any split all files are the test set as well
    if found := [path for path in paths if splits[path] == split] or (without if whole else []):
        return found
    raise UserError(
        f"{repo} has no {split} split: its files say {', '.join(sorted(set(filter(None, splits.values()))))}"
    )


def split_of(path: str, under: str) -> str:
    """Return the split named by a parquet file or a folder above a picture; a picture's own name does not count."""
    folder, _, file = path.removeprefix(under).lower().rpartition("/")
    words = [*re.split(r"[^a-z]+", file)[::-1], *folder.split("/")] if file.endswith(".parquet") else folder.split("/")
    return next((SPLITS[word] for word in words if word in SPLITS), "")


def class_of(path: str, under: str) -> str:
    """Return the folder of a picture, unless it names a split."""
    folder = PurePosixPath(path.removeprefix(under)).parent.name
    return "" if folder.lower() in SPLITS or folder.startswith(".") else naming.of_folder(folder)


def _require_one_configuration(repo: str, paths: list[str]) -> None:
    """Raise UserError for parquet in several folders: several datasets, each with labels of its own."""
    tables = [PurePosixPath(p).parent for p in paths if p.endswith(".parquet")]
    folders = sorted({str(f.parent if f.name.lower() in SPLITS else f) for f in tables})
    if len(folders) > 1:
        raise UserError(f"{repo} holds several datasets: name one of {', '.join(folders[:20])}, as {FORM}")


def require_pyarrow() -> Any:
    """Return pyarrow. Raises UserError with the command that installs it if it is missing."""
    try:
        importlib.import_module("pyarrow.parquet")
        return importlib.import_module("pyarrow")
    except ImportError:
        raise UserError("reading .parquet files needs pyarrow: pip install pyarrow") from None
