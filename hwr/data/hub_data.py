"""Datasets of the Hugging Face Hub: folders of pictures and parquet. Code in the repository is never run."""

from __future__ import annotations

import csv
import json
import warnings
from bisect import bisect_right
from collections.abc import Callable, Iterator
from contextlib import suppress
from io import BytesIO
from pathlib import PurePosixPath
from typing import Any, NamedTuple

from huggingface_hub import metadata_load
from PIL import Image

from hwr.config import UserError
from hwr.data.hub_files import METADATA, Dataset, Split, class_of, fetch, require_pyarrow, split_of
from hwr.ink.formats import FORMATS
from hwr.ink.picture import MAX_PIXELS

ROWS = 1000  # rows of a parquet file that are decompressed at once
IMAGE_COLUMNS, LABEL_COLUMNS = ("image", "img"), ("label", "labels", "character")


class Labelled(NamedTuple):
    """Pictures and the names of their classes; ``picture(i)`` is decoded at the call."""

    name: str
    picture: Callable[[int], Image.Image]
    labels: list[str]


def read(name: str, split: Split) -> Labelled:
    """Read a split of a dataset named as in FORM, at one commit, which becomes part of its name.

    The names of files and folders determine their split. Files without one belong to "train", and to "test" as well if
    no file names a split. Raises UserError for data that is missing, of another form, damaged, or above MAX_BYTES, and
    UnavailableError if the Hub cannot be reached and the split is not cached.
    """
    data = fetch(name, split)
    parquet = any(path.endswith(".parquet") for path in data.paths)
    picture, labels = of_parquet(data) if parquet else _folders(data)
    return Labelled(f"{data.repo}@{data.commit[:7]}", picture, labels)


# --- folders ---


def _folders(data: Dataset) -> tuple[Callable[[int], Image.Image], list[str]]:
    """Read pictures in class folders, or those listed in the metadata."""
    described = [path for path in data.paths if PurePosixPath(path).name in METADATA]
    pictures = [path for path in data.paths if path not in described and path != "README.md"]
    if described:
        rows = dict(row for path in described for row in _metadata(data, path, frozenset(pictures)))
    else:
        rows = {path: class_of(path, data.under) for path in pictures}
    if not rows:
        raise UserError(f"{data.repo}: {', '.join(described)} name no pictures of the {data.split} split")
    paths = list(rows)
    return lambda i: _decode((data.root / paths[i]).read_bytes(), f"{data.repo}: {paths[i]}"), list(rows.values())


def _metadata(data: Dataset, path: str, pictures: frozenset[str]) -> Iterator[tuple[str, str]]:
    """Yield (path of a picture, name of its class) for each row of this split."""
    folder = PurePosixPath(path).parent
    for number, row in enumerate(_rows(data, path), 1):
        where = f"{data.repo}: {path}, row {number}"
        label = next((key for key in LABEL_COLUMNS if key in row), None)
        if "file_name" not in row or label is None:
            raise UserError(f"{where} lacks file_name or {', '.join(LABEL_COLUMNS)}: it has {', '.join(map(str, row))}")
        picture = str(folder / str(row["file_name"]))
        if picture in pictures:
            yield picture, _named(row[label], _readme_names(data, label), where)
        elif split_of(picture, data.under) in ("", data.split):
            raise UserError(f"{where} names {row['file_name']}, which is not a picture of this repository")


def _rows(data: Dataset, path: str) -> list[dict[str, Any]]:
    try:
        with (data.root / path).open(encoding="utf-8-sig", newline="") as file:
            rows: Any = csv.DictReader(file) if path.endswith(".csv") else map(json.loads, filter(str.strip, file))
            return [dict(row) for row in rows]
    except (ValueError, TypeError, csv.Error) as error:
        raise UserError(f"{data.repo}: {path} cannot be read: {error}") from None


def _decode(content: bytes | None, where: str) -> Image.Image:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # the size is checked just below
            image = Image.open(BytesIO(content or b""), formats=FORMATS)
        if image.width * image.height <= MAX_PIXELS:
            image.load()
            return image
    except Exception:  # on crafted or cut-off files Pillow's decoders raise whatever they stumble over
        raise UserError(
            f"{where} is damaged, or not a picture in a format that is read ({', '.join(FORMATS)})"
        ) from None
    raise UserError(f"{where} is too large: {image.width} x {image.height}; at most {MAX_PIXELS / 1e6:.0f} megapixels")


# --- parquet ---


def of_parquet(data: Dataset) -> tuple[Callable[[int], Image.Image], list[str]]:
    """Read parquet files; pictures stay encoded to save memory."""
    batches, places, starts, labels = [], [], [], list[str]()
    for path in filter(lambda path: path.endswith(".parquet"), data.paths):
        for first, pictures, values in _batches(data, path):
            batches.append(pictures)
            places.append((path, first))
            starts.append(len(labels))
            labels += values
    if not labels:
        raise UserError(f"{data.repo}: its {data.split} split has no rows")

    def picture(i: int) -> Image.Image:
        batch = bisect_right(starts, i) - 1
        path, first = places[batch]
        row = i - starts[batch]
        return _decode(batches[batch][row].as_py(), f"{data.repo}: {path}, row {first + row + 1}")

    return picture, labels


def _batches(data: Dataset, path: str) -> Iterator[tuple[int, Any, list[str]]]:
    """Yield (first row, pictures, names of their classes), a part of a file at a time."""
    pa = require_pyarrow()
    where, first = f"{data.repo}: {path}", 0
    try:
        with pa.parquet.ParquetFile(data.root / path) as file:
            image, label, names = _columns(data, file.schema_arrow, where)
            for batch in file.iter_batches(ROWS, columns=[image, label]):
                pictures, values = batch.column(image), batch.column(label).to_pylist()
                pictures = pictures.field("bytes") if pa.types.is_struct(pictures.type) else pictures
                yield first, pictures, [_named(v, names, f"{where}, row {first + i}") for i, v in enumerate(values, 1)]
                first += len(values)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise UserError(f"{where} cannot be read as parquet: {' '.join(str(error).split())}") from None


def _columns(data: Dataset, schema: Any, where: str) -> tuple[str, str, tuple[str, ...]]:
    """Return the columns of pictures and labels, and the names of integer labels."""
    types = require_pyarrow().types
    images = [field.name for field in schema if _holds_pictures(types, field.type)]
    image = next((name for name in IMAGE_COLUMNS if name in images), next(iter(images), None))
    label = next((name for name in LABEL_COLUMNS if name in schema.names), None)
    if image is None or label is None:
        wanted = f"labels: {', '.join(LABEL_COLUMNS)}" if image else "encoded pictures"
        raise UserError(f"{where} has no column of {wanted}; it has {', '.join(schema.names)}")
    kind = schema.field(label).type
    kind = kind.value_type if types.is_dictionary(kind) else kind
    if not (types.is_integer(kind) or types.is_string(kind) or types.is_large_string(kind)):
        raise UserError(f"{where}: {label} is {kind}: expected strings, or integers with names")
    return image, label, _schema_names(schema, label) or _readme_names(data, label)


def _holds_pictures(types: Any, kind: Any) -> bool:
    if types.is_struct(kind):
        return any(field.name == "bytes" and _holds_pictures(types, field.type) for field in kind)
    return bool(types.is_binary(kind) or types.is_large_binary(kind))


# --- names of classes ---


def _named(value: Any, names: tuple[str, ...], where: str) -> str:
    """Return a label's class: itself, or an integer's name. Without names nothing is guessed: 7 may be "7" or "H"."""
    if isinstance(value, str) and value:
        return value
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < len(names):
        return names[value]
    known = f"0 to {len(names) - 1}" if names else "integers only with names (class_label in README.md's dataset_info)"
    raise UserError(f"{where}: label {value!r} of type {type(value).__name__}: expected strings, or {known}")


def _schema_names(schema: Any, column: str) -> tuple[str, ...]:
    """Return the names of a ClassLabel from the schema of a parquet file."""
    with suppress(ValueError, LookupError, TypeError, AttributeError):
        features = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
        return _strings(features[column]["names"])
    return ()


def _readme_names(data: Dataset, column: str) -> tuple[str, ...]:
    """Return the names in README.md's front matter: of the files' own configuration, or of all if they agree."""
    found = set()
    with suppress(Exception):  # an invalid card raises errors of YAML, among others
        card: Any = metadata_load(data.root / "README.md")
        infos = card["dataset_info"] if isinstance(card["dataset_info"], list) else [card["dataset_info"]]
        folders = {part for path in data.paths for part in PurePosixPath(path).parts}
        for info in [i for i in infos if i.get("config_name") in folders] or infos:
            kinds = [feature["dtype"] for feature in info["features"] if feature["name"] == column]
            found |= {_strings(kind["class_label"]["names"]) for kind in kinds if isinstance(kind, dict)}
    return found.pop() if len(found) == 1 else ()


def _strings(names: list[Any] | dict[Any, Any]) -> tuple[str, ...]:
    """Return strings from a list, or from a mapping of "0", "1", ..."""
    return tuple(map(str, names if isinstance(names, list) else (names[key] for key in sorted(names, key=int))))
