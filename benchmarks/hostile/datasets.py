"""Archives of labelled pictures that lie about what they hold."""

from __future__ import annotations

import os
import random
import struct
import zipfile
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.hostile.mutation import mutated
from benchmarks.hostile.running import Case
from hwr.config import ModelConfig
from hwr.data import inkset as data
from hwr.data import sources

Arrays = dict[str, NDArray[Any]]
CONFIG = ModelConfig(labels=(), image_size=16)
NAMES = (
    "../../evil",
    "/etc/passwd",
    "<img src=x onerror=alert(1)>",
    "",
    "\0",
    "a\nb",
    "\ud800",
    "a" * 5000,
    "con",
    "<other>",
)
NUMBERS = (-(2**63), -(2**31), -2, -1, 0, 2, 7, 255, 2**31 - 1, 2**31, 2**40, 2**62, 2**63 - 1)


def cases(folder: Path, seed: int, n: int) -> Iterator[Case]:
    """Crafted archives, then ``n`` with a fault in an array or in the file's bytes."""
    rng, whole = random.Random(seed), (raster(), pen())
    for name, make in crafted(folder).items():
        yield _case(folder, "npz", name, make())
    for i in range(n):
        arrays = rng.choice(whole)
        if i % 3:
            key, found = spoilt(arrays, rng)
            yield _case(folder, "npz, odd arrays", f"{key} {seed}/{i}", saved(found))
        else:
            yield _case(folder, "npz, mutated", f"{seed}/{i}", mutated(saved(arrays), rng))


def _case(folder: Path, kind: str, what: str, content: bytes) -> Case:
    def ask() -> None:
        path = folder / "hostile.npz"
        path.write_bytes(content)
        with redirect_stderr(StringIO()), redirect_stdout(StringIO()):
            ink = data.fit_source(sources.read(str(path), "train", folder, pens=2), CONFIG)
            learnt, _ = data.hold_out(ink, 0.5, 0)
        assert len(learnt.classes()) > 0 and all(name.isprintable() for name in ink.classes()), "names that are none"

    return Case(kind, what, ask)


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
    """As numpy saves them, objects pickled."""
    file = BytesIO()
    np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
    return file.getvalue()


# --- faults of arrays ---


def spoilt(arrays: Arrays, rng: random.Random) -> tuple[str, Arrays]:
    """The arrays with a fault in one of them, and which."""
    key = rng.choice(list(arrays))
    if rng.random() < 0.1:
        return key, {name: array for name, array in arrays.items() if name != key}
    with np.errstate(all="ignore"):
        return key, arrays | {key: rng.choice(FAULTS)(arrays[key], rng)}


def _edge(array: NDArray[Any], rng: random.Random) -> NDArray[Any]:
    """A number or name inside that nobody expects."""
    names = array.dtype.kind == "U"
    found = array.astype(object if names else rng.choice(("i8", "i8", "f8", "u8")), copy=True)
    for _ in range(rng.choice((1, 1, array.size))):
        value = rng.choice(NAMES if names else NUMBERS)
        found.flat[rng.randrange(array.size)] = value if names else np.array(value).astype(found.dtype)
    if found.dtype.kind == "f":
        found.flat[0] = rng.choice((np.nan, np.inf, -np.inf, 1e308, 0.5))
    return np.array(found.tolist()) if names else found


def _shape(array: NDArray[Any], rng: random.Random) -> NDArray[Any]:
    return rng.choice(
        (array[:0], array[:1], array[..., None], array[None], array.ravel(), array.flat[0], array[..., :0])
    )


def _longer(array: NDArray[Any], rng: random.Random) -> NDArray[Any]:
    return np.concatenate([array] * rng.choice((2, 50)))


def _type(array: NDArray[Any], rng: random.Random) -> NDArray[Any]:
    kind = rng.choice(("O", "U9", "S9", "c16", "f4", "u1", "?", "V8", "M8[s]", ">i4"))
    return np.zeros(array.shape, kind) if kind in ("V8", "M8[s]") or array.dtype.kind == "U" else array.astype(kind)


def _wrapped(array: NDArray[Any], rng: random.Random) -> NDArray[Any]:
    """Numbers that fall, in a type in which their differences overflow and seem to rise."""
    middle = rng.choice(([200, 5], [2**63 - 1, -(2**63)], [2**31, 1]))
    first, last = (array.flat[0], array.flat[-1]) if array.dtype.kind in "iu" else (0, 1)
    values = np.array([first, *middle, last])
    return values.astype(rng.choice(("u1", "u4", "i8", "u8")))


FAULTS: tuple[Callable[[NDArray[Any], random.Random], NDArray[Any]], ...] = (
    *(_edge, _edge, _edge, _shape, _shape, _longer, _type, _type, _wrapped),
)


# --- faults of files ---


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
        "a million classes": lambda: saved(raster() | {"classes": np.arange(10**6).astype("U7")}),
        "nothing": lambda: b"",
    }
