"""Labelled pictures on this machine: class folders, CSV with ``path,label``, and parquet."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from hwr import labels as naming
from hwr.config import UserError
from hwr.data import hub_data
from hwr.data.hub_data import LABEL_COLUMNS
from hwr.data.hub_files import Dataset, Split, require_pyarrow
from hwr.ink import pages
from hwr.ink.formats import about_skipped, listed, readable

PATH_COLUMNS = ("path", "file_name", "file", "image")


class Pictures(NamedTuple):
    """Pictures, ``picture(i)`` in any form that `preprocess.to_ink` takes, and the class of each."""

    picture: Callable[[int], Any]
    labels: Sequence[str]


def folder(path: Path, split: Split) -> Pictures:
    """Read one subfolder for each class; every page of a file is a picture. Other files are skipped, and named.

    Pictures of lines, name.png with its text in name.txt, are left out.

    Raises UserError if there are no pictures, or none in a class folder that holds files.
    """
    root = path / split if (path / split).is_dir() else path
    found: list[tuple[str, str]] = []
    skipped, lost = list[str](), list[str]()
    for below in sorted(root.iterdir()):
        if not below.is_dir() or below.name.startswith("."):
            continue
        lines = {text.with_suffix("") for text in below.rglob("*.txt") if text.with_suffix(".png").is_file()}
        files = [
            str(file)
            for file in sorted(below.rglob("*"))
            if file.is_file() and not file.name.startswith(".") and file.with_suffix("") not in lines
        ]
        taken = [file for file in files if readable(file)]
        skipped += [file for file in files if not readable(file)]
        lost += [below.name] if files and not taken else []
        found += [(page, naming.of_folder(below.name)) for file in taken for page in pages.names(file)]
    if lost:
        raise UserError(f"{root}: no picture that can be read in {listed(lost)}; {about_skipped(skipped)}")
    if not found:
        raise UserError(f"no pictures in {root}: expected one subfolder per class, such as {root}/A/001.png")
    if skipped:
        print(f"{path.name}: {about_skipped(skipped)}")
    return _of_files(found)


def _of_files(found: Sequence[tuple[str, str]]) -> Pictures:
    return Pictures(lambda i: found[i][0], [label for _, label in found])


def table(path: Path) -> Pictures:
    """Read a CSV file with the columns path and label, or parquet with those or with encoded pictures and labels.

    Paths are relative to the file's folder. Raises UserError, which names columns, rows and files, for anything else.
    """
    if path.suffix == ".csv":
        return _listed(path, _csv_rows(path))
    pa = require_pyarrow()
    try:
        names = pa.parquet.read_schema(path).names
    except (pa.ArrowException, OSError) as error:
        raise UserError(f"{path} cannot be read as parquet: {' '.join(str(error).split())}") from None
    if "path" in names:
        return _listed(path, pa.parquet.read_table(path).to_pylist())
    here = Dataset(path.name, "", path.parent, "", (path.name,), "train")
    return Pictures(*hub_data.of_parquet(here))


def _csv_rows(path: Path) -> list[dict[str, Any]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return list(csv.DictReader(file))
    except (OSError, ValueError, csv.Error) as error:
        raise UserError(f"{path} cannot be read as CSV: {error}") from None


def _listed(path: Path, rows: Sequence[dict[str, Any]]) -> Pictures:
    """Return the pictures that rows of paths and labels list; every page of a file is a sample."""
    columns = [] if not rows else [str(key) for key in rows[0]]
    where = next((key for key in PATH_COLUMNS if key in columns), None)
    label = next((key for key in LABEL_COLUMNS if key in columns), None)
    if where is None or label is None:
        got = f"it has {', '.join(columns)}" if rows else "it has no rows"
        raise UserError(f"{path}: expected the columns path and label; {got}")
    empty = [str(n) for n, row in enumerate(rows, 2) if not row[where] or not str(row[label] or "").strip()]
    if empty:
        raise UserError(f"{path}: no path or no label in line {listed(empty)}")
    files = [str(path.parent / str(row[where])) for row in rows]
    if missing := [file for file in files if not Path(pages.split(file)[0]).is_file()]:
        raise UserError(f"{path} names {len(missing):,} files that are not there: {listed(missing)}")
    named = zip(files, (str(row[label]) for row in rows), strict=True)
    return _of_files([(page, name) for file, name in named for page in pages.names(file)])
