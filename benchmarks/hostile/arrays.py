"""Arrays and sketches that no sketchpad draws."""

from __future__ import annotations

import random
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks.hostile.mutation import nested, odd_value
from benchmarks.hostile.pictures import asks
from benchmarks.hostile.running import Case
from hwr import Recognizer

TYPES = (*["u1"] * 16, "i1", "?", "<u2", ">u2", "<i8", "<f4", "f8", "f2", "c16", "O", "S4", "U4", "M8[s]", "V8")
SIDES = (0, 1, 1, 2, 3, 4, 5, 17, 40, 56, 64, 300)
CHANNELS = (0, 1, 2, 3, 3, 4, 4, 4, 5)
LEVELS = (0, 1, 15, 16, 17, 127, 128, 254, 255)
PARTS = ("background", "layers", "composite")
PATHS = (
    "",
    "\0",
    "a" * 300,
    "\ud800",
    "no.png",
    "..",
    "/",
    "/dev/null",
    "/etc/passwd",
    "file:///etc/passwd",
    "a\nb.png",
)


def cases(recognizer: Recognizer, seed: int, n: int) -> Iterator[Case]:
    """``n`` arrays and ``n`` sketches, and some calls with several pictures."""
    rng = random.Random(seed)
    for i in range(n):
        yield _case(recognizer, "array", f"array {seed}/{i}", odd_array(rng), i)
        yield _case(recognizer, "EditorValue", f"sketch {seed}/{i}", odd_sketch(rng), i)
        if i % 8 == 0:
            several = odd_several(rng)
            yield Case("array of several", f"several {seed}/{i}", partial(_several, recognizer, several))


def _case(recognizer: Recognizer, kind: str, what: str, picture: Any, turn: int) -> Case:
    return Case(kind, what, lambda: asks(recognizer, picture, turn))


def _several(recognizer: Recognizer, pictures: Any) -> None:
    found = recognizer.probabilities(pictures, "digits")
    assert found.shape == (len(pictures), 10) and np.isfinite(found).all(), "no probabilities"


def odd_array(rng: random.Random) -> NDArray[Any]:
    """Of any type, shape and order in memory; more often than not one that could be a picture."""
    shape = [rng.choice(SIDES) for _ in range(rng.choice((0, 1, 2, 2, 2, 2, 2, 2)))]
    if len(shape) == 2:
        shape += rng.choice(([], [], [rng.choice(CHANNELS)], [2, 2]))
    array = _filled(tuple(shape), np.dtype(rng.choice(TYPES)), rng)
    return rng.choice(VIEWS)(array) if array.ndim else array


def _filled(shape: tuple[int, ...], dtype: np.dtype[Any], rng: random.Random) -> NDArray[Any]:
    numbers = np.random.default_rng(rng.getrandbits(32))
    if dtype.kind in "fc":
        values = numbers.choice(np.array([np.nan, np.inf, -np.inf, 1e30, 0, 255]), shape)
        with np.errstate(all="ignore"):
            return np.asarray(values.astype(dtype))
    if dtype.kind not in "uib":
        return np.zeros(shape, dtype)
    if rng.random() < 0.5:
        return numbers.choice(np.array(LEVELS), shape).astype(dtype)  # noise
    plain = np.full(shape, rng.choice(LEVELS)).astype(dtype)
    if plain.ndim > 1:
        plain[shape[0] // 3 : shape[0] // 2 + 1, shape[1] // 4 : shape[1] - 1] = rng.choice(LEVELS) % 128
    return plain


VIEWS = (
    *[lambda array: array] * 4,
    lambda array: array[::-1],
    lambda array: array.T,
    lambda array: array[..., ::2],
    lambda array: np.broadcast_to(array[..., :1], array.shape),
    lambda array: np.asfortranarray(array),
    lambda array: np.ma.masked_all_like(array),
    lambda array: array.view(np.matrix) if array.ndim == 2 else array,
    lambda array: Image.fromarray(array) if array.dtype == np.uint8 and array.ndim == 2 and array.size else array,
)


def odd_sketch(rng: random.Random) -> Any:
    """A value of an ImageEditor whose parts have other sizes, types and numbers than a sketchpad's."""
    if rng.random() < 0.1:
        return rng.choice(({}, {"a": 1}, {0: 1, "b": 2}, {"layers": {}}, odd_value(rng)))
    names = rng.sample(PARTS, rng.randint(1, 3))
    found: dict[Any, Any] = {name: _part(rng) for name in names if name != "layers"}
    if "layers" in names:
        count = rng.choice((0, 1, 1, 2, 3, 40))
        found["layers"] = rng.choice((list, tuple))(_part(rng) for _ in range(count))
    return _inside_itself(found) if rng.random() < 0.05 else found


def _part(rng: random.Random) -> Any:
    kind = rng.random()
    if kind < 0.5:
        return _filled((rng.choice(SIDES), rng.choice(SIDES), 4), np.dtype("u1"), rng)
    if kind < 0.8:
        return odd_array(rng)
    return rng.choice((None, None, [], rng.choice(PATHS), nested(900), odd_value(rng), {"layers": None}))


def _inside_itself(sketch: dict[Any, Any]) -> dict[Any, Any]:
    sketch["layers"] = [sketch]
    return sketch


def odd_several(rng: random.Random) -> Any:
    """What could be several pictures, and is none, or one, or of many kinds."""
    kind = rng.randrange(5)
    if kind == 0:
        return odd_array(rng)
    if kind == 1:
        return _filled((rng.choice((0, 1, 3)), rng.choice(SIDES), rng.choice(SIDES)), np.dtype("u1"), rng)
    if kind == 2:
        return odd_value(rng)
    return [_part(rng) for _ in range(rng.choice((0, 1, 3)))]
