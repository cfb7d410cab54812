"""Hostile archives of labelled pictures are read or refused with a UserError, and nothing in them is run."""

from __future__ import annotations

import os
import struct
import zipfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hostile import FIXED, answered, damaged
from hypothesis import given
from numpy.typing import NDArray

from hwr.config import ModelConfig, UserError
from hwr.data import inkset, npz, sources
from hwr.hub import transfer as hub

Arrays = dict[str, NDArray[Any]]
CONFIG = ModelConfig(labels=(), image_size=16)


def raster() -> Arrays:
    """Six pictures of two classes by three writers, one of unknown case."""
    images = np.zeros((6, 12, 10), np.uint8)
    images[:, 2:10, 4:7] = 255
    labels = np.array([0, 1, 0, 1, 0, -1])
    return {
        "images": images,
        "labels": labels,
        "classes": np.array(["A", "b"]),
        "labels47": np.array([0, 0, 0, 0, 0, 0]),
        "classes47": np.array(["A"]),
        "writer": np.array([0, 0, 1, 1, 2, 2]),
    }


def pen() -> Arrays:
    """Three trajectories, the second of two strokes."""
    return {
        "xy": np.array([(0, 0), (9, 0), (4, 9), (0, 0), (5, 5), (5, 0), (0, 5), (3, 3), (8, 8)], np.int16),
        "stroke_offsets": np.array([0, 3, 5, 7, 9]),
        "sample_offsets": np.array([0, 1, 3, 4]),
        "labels": np.array([0, 1, 0]),
        "classes": np.array(["7", "x"]),
        "writer": np.array([0, 1, 2]),
    }


def saved(arrays: Arrays) -> bytes:
    """Return the archive as numpy saves it, with objects pickled."""
    file = BytesIO()
    np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
    return file.getvalue()


class Evil:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.system, (f"touch {self.path}",)


def member(shape: str, dtype: str = "'|u1'", content: bytes = b"", version: bytes = b"\1\0") -> bytes:
    """A file of an archive whose header says so."""
    header = f"{{'descr': {dtype}, 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY" + version + struct.pack("<H", len(header)) + header + content


def zipped(members: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    """A zip archive."""
    file = BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


def lying(size: int) -> bytes:
    """An archive whose directory says that its pictures unpack to ``size`` bytes."""
    file = BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("images.npy", member(f"({size}, 1, 1)", content=bytes(9)))
        archive.filelist[0].file_size = size
    return file.getvalue()


def crafted(folder: Path) -> dict[str, Callable[[], bytes]]:
    """Archives that numpy does not write."""
    images, ran = member("(1, 2, 2)", content=bytes(4)), folder.parent / "ran"
    objects = np.empty(2, object)
    objects[:] = [Evil(ran)] * 2
    found = {
        f"a header of {name}": lambda header=header: zipped({"images.npy": header})
        for name, header in {
            "2^50 pictures": member(f"({2**50}, 28, 28)"),
            "2^63 pictures": member(f"({2**63}, 1, 1)"),
            "negative pictures": member("(-1, 28, 28)"),
            "sides that overflow": member(f"({2**32}, {2**32}, 4)"),
            "a shape that is code": member("__import__('os').system('touch ran')"),
            "a shape in brackets": member("(" * 2000 + ")" * 2000),
            "a type that is code": member("(1,)", "lambda: 0"),
            "a type in a type": member("(1,)", "[('a', '|O')]"),
            "another version": member("(1, 2, 2)", content=bytes(4), version=b"\x09\0"),
            "no end": b"\x93NUMPY\1\0\xff\xff{",
            "text": b"hello",
        }.items()
    }
    return found | {
        "pickles": lambda: saved(raster() | {"images": objects}),
        "a pickle for a name": lambda: saved(raster() | {"classes": objects}),
        "a pickle alone": lambda: zipped({"images.npy": b"\x80\x04\x95" + bytes(40)}),
        "one array, no archive": lambda: images,
        "names outside": lambda: zipped({"../../evil.npy": images, "/etc/evil.npy": images, "images.npy": images}),
        "the same name twice": lambda: zipped({"images.npy": images, "images": images}),
        "a folder": lambda: zipped({"images.npy/": b""}),
        "encrypted": lambda: zipped({"images.npy": images}).replace(
            b"PK\1\2\x14\3\x14\0\0\0", b"PK\1\2\x14\3\x14\0\1\0"
        ),
        "packed in no known way": lambda: zipped({"images.npy": images}).replace(
            b"\x14\0\0\0\0\0", b"\x14\0\0\0\x63\0"
        ),
        "lzma, cut off": lambda: zipped({"images.npy": images * 50}, zipfile.ZIP_LZMA).replace(images[:9], images[1:9]),
        "a bomb": lambda: lying(2**40),
        "100,000 classes": lambda: saved(raster() | {"classes": np.arange(10**5).astype("U7")}),
        "nothing": lambda: b"",
    }


def read(tmp_path: Path, **changes: Any) -> sources.Source:
    kept = {name: array for name, array in (raster() | changes).items() if array is not None}
    (tmp_path / "a.npz").write_bytes(saved(kept))
    return sources.read(str(tmp_path / "a.npz"), "train", tmp_path)


def read_pen(tmp_path: Path, **changes: Any) -> sources.Source:
    (tmp_path / "a.npz").write_bytes(saved(pen() | changes))
    return sources.read(str(tmp_path / "a.npz"), "train", tmp_path)


def learn_from(path: Path) -> None:
    """Read, fit and split an archive as train.py does."""
    ink = inkset.fit_source(sources.read(str(path), "train", path.parent, pens=2), CONFIG)
    learnt, _ = inkset.hold_out(ink, 0.5, 0)
    assert len(learnt.classes()) > 0
    assert all(name.isprintable() for name in ink.classes())


@pytest.mark.parametrize("make", [raster, pen])
def test_archives_that_are_not_damaged_are_read(tmp_path: Path, make: Callable[[], Arrays]) -> None:
    (tmp_path / "a.npz").write_bytes(saved(make()))
    learn_from(tmp_path / "a.npz")


@pytest.mark.filterwarnings("ignore:Duplicate name:UserWarning")
@pytest.mark.parametrize("name", crafted(Path()))
def test_a_crafted_archive_is_read_or_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / "folder" / "a.npz"
    path.parent.mkdir()
    path.write_bytes(crafted(path.parent)[name]())
    answered(lambda: learn_from(path), path.parent)
    assert not (tmp_path / "ran").exists()


@FIXED
@given(damaged([saved(raster()), saved(pen())]))
def test_a_damaged_archive_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "damaged.npz"
    path.write_bytes(content)
    answered(lambda: learn_from(path), path.parent)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"images": np.zeros((6, 0, 10), np.uint8)}, r"images must be uint8 \(N, H, W\)"),
        ({"labels": np.array(list("010101"))}, r"labels must be integers, \(6,\), one per sample; got <U1"),
        ({"labels": np.array([0, 1, 0, 1, 0, np.nan])}, "labels must be integers"),
        ({"labels": np.array([0, 1, 0, 1, 0, 2**31])}, "indices into its 2 classes"),
        ({"labels": np.array([0, 1, 0, 1, 0, -(2**31)])}, "indices into its 2 classes"),
        ({"labels47": np.array([0, 0, 0, 0, 0, -2])}, "indices into its 2 classes"),
        ({"labels47": np.array([0, 0])}, "labels47 must be integers"),
        ({"classes": np.array("A")}, "classes must be a list of names"),
        ({"classes": np.array([b"A", b"b"])}, "classes must be a list of names"),
        ({"classes": np.array(["A", "b\n"])}, r"'b\\n' cannot name a class"),
        ({"classes": np.array(["A", "b" * 201])}, "cannot name a class"),
        ({"classes": np.array(["A", ""])}, "cannot name a class"),
        ({"writer": np.array([0, 0, 1, 1, 2, 2**40])}, "writer must be numbers from 0 to 9,999,999"),
        ({"writer": np.array([0, 0, 1, 1, 2, -1])}, "writer must be numbers from 0"),
        ({"writer": np.array([0, 0])}, "writer must be integers"),
    ],
)
def test_arrays_that_do_not_fit_are_named(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=words):
        read(tmp_path, **changes)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"xy": np.full((9, 2), np.nan)}, "xy must be"),
        ({"xy": np.full((9, 2), 1e300)}, "xy must be"),
        ({"xy": np.full((9, 2), "a")}, "xy must be"),
        ({"stroke_offsets": np.array([0, 5, 3, 9], np.uint8)}, "must rise from 0 to 9"),
        ({"stroke_offsets": np.array([0, 2**63 - 1, -(2**63), 9])}, "must rise from 0 to 9"),
        ({"stroke_offsets": np.array([0, np.nan, 9])}, "stroke_offsets must be integers"),
        ({"sample_offsets": np.array(0)}, "sample_offsets must be integers"),
    ],
)
def test_trajectories_that_do_not_fit_are_named(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=words):
        read_pen(tmp_path, **changes)


def test_writers_of_any_number_allowed_are_split_at_once(tmp_path: Path) -> None:
    source = read(tmp_path, writer=np.array([0, 0, 1, 1, 2, npz.MAX_WRITERS - 1]))
    learnt, held = inkset.hold_out(inkset.fit_source(source, CONFIG), 0.5, 0)
    assert held is not None and len(learnt) + len(held) == 6


def test_an_archive_that_unpacks_to_too_much_is_refused_by_its_directory(tmp_path: Path) -> None:
    (tmp_path / "a.npz").write_bytes(lying(2**40))
    with pytest.raises(UserError, match="unpacks to 1,099,511,627,776 bytes: at most"):
        sources.read(str(tmp_path / "a.npz"), "train", tmp_path)


def test_an_array_that_is_no_archive_is_refused(tmp_path: Path) -> None:
    with (tmp_path / "a.npz").open("wb") as file:
        np.save(file, np.zeros(3))
    with pytest.raises(UserError, match=r"cannot be read as an \.npz"):
        sources.read(str(tmp_path / "a.npz"), "train", tmp_path)


def test_a_folder_whose_name_spells_no_character_names_no_class(tmp_path: Path) -> None:
    (tmp_path / "set" / "U+D800").mkdir(parents=True)
    (tmp_path / "set" / "U+D800" / "a.png").touch()
    with pytest.raises(UserError, match="cannot name a class"):
        sources.read(str(tmp_path / "set"), "train", tmp_path)


@pytest.mark.parametrize("name", ["a" * 300, "~nobody-of-this-name/a"])
def test_what_cannot_be_a_file_is_no_data_and_no_model(tmp_path: Path, name: str) -> None:
    for ask in (lambda: sources.read(name, "train", tmp_path), lambda: hub.find(name)):
        with pytest.raises(UserError, match="cannot be the name of a file or folder"):
            ask()
