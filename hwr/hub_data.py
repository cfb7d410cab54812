"""Datasets of the Hugging Face Hub: folders of pictures, and parquet as `datasets` writes it. Nothing there is run."""

from __future__ import annotations

import csv
import importlib
import json
import re
import warnings
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import Any, Literal, NamedTuple

from huggingface_hub import metadata_load
from PIL import Image

from hwr import repository
from hwr.config import UserError
from hwr.picture import MAX_PIXELS

Split = Literal["train", "test"]

PREFIX = "hf://datasets/"
FORM = f"{PREFIX}owner/name[@revision][/folder]"
NAME = re.compile(r"([^/@]+/[^/@]+)(?:@(refs/(?:pr|convert)/[\w.-]+|[\w.-]+))?(?:/(.+?))?/?", re.ASCII)
LIMIT = 6 * 3600.0  # seconds to fetch a dataset in: MAX_BYTES at 1 MB/s
MAX_BYTES = 20 * 10**9
ROWS = 1000  # of a parquet file, decompressed at once
PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".pgm", ".ppm")
FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF", "PPM")  # not what Pillow hands to other programs, as EPS
METADATA = ("metadata.csv", "metadata.jsonl")
IMAGE_COLUMNS, LABEL_COLUMNS = ("image", "img"), ("label", "labels", "character")
SPLITS = {"train": "train", "training": "train", "test": "test", "testing": "test"}
SPLITS |= dict.fromkeys(("validation", "valid", "val", "dev"), "validation")


class Labelled(NamedTuple):
    """Pictures with the name of each one's class; ``picture(i)`` is decoded when it is asked for."""

    name: str
    picture: Callable[[int], Image.Image]
    labels: list[str]


class Dataset(NamedTuple):
    """Files of one split in the Hub's cache; ``under`` is the folder of the repository that was asked for."""

    repo: str
    commit: str
    root: Path
    under: str
    paths: tuple[str, ...]
    split: Split


def read(name: str, split: Split) -> Labelled:
    """A split of a dataset named as in FORM, at one commit, which becomes part of its name.

    What files and folders are called says which split they are. Those of no split are "train"; where none is of any,
    they are "test" as well. Raises UserError for what is missing, of another form, damaged, or above MAX_BYTES, and
    UnavailableError where neither the Hub nor a copy of the split is there.
    """
    data = fetch(name, split)
    parquet = any(path.endswith(".parquet") for path in data.paths)
    picture, labels = _parquet(data) if parquet else _folders(data)
    return Labelled(f"{data.repo}@{data.commit[:7]}", picture, labels)


def fetch(name: str, split: Split) -> Dataset:
    """The files of a split. A list of them beside them tells what a whole copy is when the Hub cannot be asked."""
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
        with suppress(OSError):  # a cache that others filled serves too, as long as the Hub can be asked
            partial = found.folder / f"{listing}.partial"
            partial.write_text(json.dumps(chosen))
            partial.replace(found.folder / listing)
    return Dataset(repo, found.commit, found.folder, under, tuple(_inside(repo, path) for path in chosen), split)


def parse(name: str) -> tuple[str, str, str]:
    """``(repository, revision, folder or "")`` of a name as in FORM. Raises UserError for other names."""
    found = NAME.fullmatch(name.removeprefix(PREFIX))
    if found is None or ".." in name:
        raise UserError(f"{name} is no name of a dataset: expected {FORM}")
    repo, revision, under = found.groups()
    return repo, revision or "main", f"{under}/" if under else ""


def select(repo: str, files: repository.Files, split: Split, under: str = "") -> list[str]:
    """Which of a repository's files to fetch for a split: parquet, or else pictures and what describes them."""
    paths = [path for path in files if path.startswith(under)]
    data = [p for p in paths if p.endswith(".parquet") and not p.endswith("metadata.parquet")]
    described = [p for p in paths if PurePosixPath(p).name in METADATA]
    if data:
        _pyarrow()  # found missing before anything is fetched
    else:
        data = [p for p in paths if p.lower().endswith(PICTURES) and (described or _class(p, under))]
    data = _of_split(repo, data, split, under)
    _require_one_configuration(repo, data)
    if not data[0].endswith(".parquet"):
        data += [p for p in described if _split(p, under) in ("", split)]
    data += [p for p in ("README.md",) if p in files]
    if (size := sum(files[p].size or 0 for p in data)) > MAX_BYTES:
        raise UserError(f"{repo}: its {split} split is {size / 1e9:.1f} GB, more than {MAX_BYTES / 1e9:.0f} GB")
    return [_inside(repo, path) for path in data]


def _inside(repo: str, path: str) -> str:
    if re.search(r"^/|^[A-Za-z]:|[\\\0]", path) or {"", ".", ".."} & set(path.split("/")):
        raise UserError(f"{repo} lists a file outside of its folder: {path!r}")
    return path


def _of_split(repo: str, paths: list[str], split: Split, under: str) -> list[str]:
    said = {path: _split(path, under) for path in paths}
    if not paths:
        raise UserError(
            f"{repo} has no pictures in {under or 'it'}: expected one folder per class, such as A/001.png, pictures "
            f"with a metadata.csv, or .parquet files; scripts that load data are never run"
        )
    unsaid = [path for path in paths if not said[path]]
    whole = split == "train" or len(unsaid) == len(paths)  # as a folder without splits is all test where it is one
    if found := [path for path in paths if said[path] == split] or (unsaid if whole else []):
        return found
    raise UserError(f"{repo} has no {split} split: its files say {', '.join(sorted(set(filter(None, said.values()))))}")


def _split(path: str, under: str) -> str:
    """What the name of a parquet file, or a folder above a picture, says; the picture's own name says nothing."""
    folder, _, file = path.removeprefix(under).lower().rpartition("/")
    words = [*re.split(r"[^a-z]+", file)[::-1], *folder.split("/")] if file.endswith(".parquet") else folder.split("/")
    return next((SPLITS[word] for word in words if word in SPLITS), "")


def _class(path: str, under: str) -> str:
    """The folder that a picture is in, unless it is a split's."""
    folder = PurePosixPath(path.removeprefix(under)).parent.name
    return "" if folder.lower() in SPLITS or folder.startswith(".") else folder


def _require_one_configuration(repo: str, paths: list[str]) -> None:
    """Parquet of several folders is several datasets in one repository, each with labels of its own."""
    tables = [PurePosixPath(p).parent for p in paths if p.endswith(".parquet")]
    folders = sorted({str(f.parent if f.name.lower() in SPLITS else f) for f in tables})
    if len(folders) > 1:
        raise UserError(f"{repo} holds several datasets: name one of {', '.join(folders[:20])}, as {FORM}")


# --- folders ---


def _folders(data: Dataset) -> tuple[Callable[[int], Image.Image], list[str]]:
    """Pictures in class folders, or all that the metadata name."""
    described = [path for path in data.paths if PurePosixPath(path).name in METADATA]
    pictures = [path for path in data.paths if path not in described and path != "README.md"]
    if described:
        rows = dict(row for path in described for row in _metadata(data, path, frozenset(pictures)))
    else:
        rows = {path: _class(path, data.under) for path in pictures}
    if not rows:
        raise UserError(f"{data.repo}: {', '.join(described)} name no pictures of the {data.split} split")
    paths = list(rows)
    return lambda i: _decode((data.root / paths[i]).read_bytes(), f"{data.repo}: {paths[i]}"), list(rows.values())


def _metadata(data: Dataset, path: str, pictures: frozenset[str]) -> Iterator[tuple[str, str]]:
    """(path of a picture, name of its class) for each row that is of this split."""
    folder = PurePosixPath(path).parent
    for number, row in enumerate(_rows(data, path), 1):
        where = f"{data.repo}: {path}, row {number}"
        label = next((key for key in LABEL_COLUMNS if key in row), None)
        if "file_name" not in row or label is None:
            raise UserError(f"{where} lacks file_name or {', '.join(LABEL_COLUMNS)}: it has {', '.join(map(str, row))}")
        picture = str(folder / str(row["file_name"]))
        if picture in pictures:
            yield picture, _named(row[label], _readme_names(data, label), where)
        elif _split(picture, data.under) in ("", data.split):
            raise UserError(f"{where} names {row['file_name']}, which is no picture of this repository")


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
        raise UserError(f"{where} is no picture that can be read ({', '.join(FORMATS)}), or damaged") from None
    raise UserError(f"{where} is too large: {image.width} x {image.height}; at most {MAX_PIXELS / 1e6:.0f} megapixels")


# --- parquet ---


def _pyarrow() -> Any:
    try:
        importlib.import_module("pyarrow.parquet")
        return importlib.import_module("pyarrow")
    except ImportError:
        raise UserError("reading .parquet files needs pyarrow: pip install pyarrow") from None


def _parquet(data: Dataset) -> tuple[Callable[[int], Image.Image], list[str]]:
    """Encoded pictures are kept as they are in the files, so that memory holds no more than they do."""
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
    """(first row, pictures, names of their classes), a part of a file at a time."""
    pa = _pyarrow()
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
    """The columns of pictures and of labels, and the names that integers among the labels stand for."""
    types = _pyarrow().types
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
    """A label as a class: itself, or an integer's name. Without names, 7 may be "7", "H" or "G": nothing is guessed."""
    if isinstance(value, str) and value:
        return value
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < len(names):
        return names[value]
    known = f"0 to {len(names) - 1}" if names else "integers only with names (class_label in README.md's dataset_info)"
    raise UserError(f"{where}: label {value!r} of type {type(value).__name__}: expected strings, or {known}")


def _schema_names(schema: Any, column: str) -> tuple[str, ...]:
    """ClassLabel's names, as `datasets` keeps them in the schema of what it writes."""
    with suppress(ValueError, LookupError, TypeError, AttributeError):
        features = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
        return _strings(features[column]["names"])
    return ()


def _readme_names(data: Dataset, column: str) -> tuple[str, ...]:
    """Those in README.md's front matter; of several configurations, the one of these files, or all that agree."""
    found = set()
    with suppress(Exception):  # a card that is none: YAML's own errors among others
        card: Any = metadata_load(data.root / "README.md")
        infos = card["dataset_info"] if isinstance(card["dataset_info"], list) else [card["dataset_info"]]
        folders = {part for path in data.paths for part in PurePosixPath(path).parts}
        for info in [i for i in infos if i.get("config_name") in folders] or infos:
            kinds = [feature["dtype"] for feature in info["features"] if feature["name"] == column]
            found |= {_strings(kind["class_label"]["names"]) for kind in kinds if isinstance(kind, dict)}
    return found.pop() if len(found) == 1 else ()


def _strings(names: list[Any] | dict[Any, Any]) -> tuple[str, ...]:
    """A list, or a mapping from "0", "1", ... on."""
    return tuple(map(str, names if isinstance(names, list) else (names[key] for key in sorted(names, key=int))))
