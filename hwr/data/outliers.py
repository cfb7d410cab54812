"""Outliers, drawn on the fly: ink that is not a character, to train and to measure rejection."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType

import cv2
import numpy as np
from numpy.typing import NDArray

from hwr.config import OTHER
from hwr.data import doodles, figures
from hwr.data.sources import SAMPLE_DIR, Source
from hwr.ink.picture import Gray
from hwr.ink.strokes import Strokes, sketch

SIDE = 48  # pixels of a drawing's longer side: about what the network sees
MIN_INK = 64  # grey level from which a pixel of a character counts as its ink
OVERLAP, APART = 0.25, 0.7  # largest overlap and largest distance of neighbours in a line, in heights
TOUCHING = (-0.15, 0.02)  # distances between the boxes of two characters that mostly touch, in heights
LEAST_PART = 0.45  # of a neighbour's width: a smaller part does not change the character


@dataclass(frozen=True)
class Material:
    """The material of outliers: ``characters``, fitted pictures uint8 (N, S, S), and ``glyphs``, pen strokes."""

    characters: NDArray[np.uint8]
    glyphs: tuple[Strokes, ...]


Kind = Callable[[np.random.Generator, Material], Gray]


def source(
    n: int, seed: int, characters: NDArray[np.uint8], held_out: bool = False, known: Collection[str] = ()
) -> Source:
    """Return ``n`` outliers, all of the target ``(OTHER,)``; sample i depends on (seed, i) alone.

    ``characters``: uint8 (N, S, S), fitted pictures of real characters, white on black, of which several are put
    together; N at least 1. ``held_out`` draws from the symbols and kinds that are never trained on. Signs that are
    among the classes ``known`` are not drawn.
    Raises ValueError for characters of another shape.
    """
    if characters.dtype != np.uint8 or characters.ndim != 3 or not len(characters):
        raise ValueError(f"characters must be uint8 (N, S, S), N > 0; got {characters.dtype} {characters.shape}")
    material = Material(characters, symbols(held_out, tuple(sorted(known))))
    shares = HELD_OUT if held_out else TRAINED
    names, ends = tuple(shares), np.cumsum(list(shares.values()))

    def ink(i: int) -> Gray:
        rng = np.random.default_rng((seed, i))
        kind = int(np.searchsorted(ends, rng.uniform(0, ends[-1]), side="right"))
        return KINDS[names[kind]](rng, material)

    return _source(n, ink)


def _source(n: int, ink: Callable[[int], Gray]) -> Source:
    return Source("outliers", ink, np.zeros(n, np.int64), ((OTHER,),), np.arange(n))


@cache
def symbols(held_out: bool, known: tuple[str, ...] = ()) -> tuple[Strokes, ...]:
    """Return the glyphs of ``sample/symbols.npz`` to train on, or those held out. Variants of a glyph stay together."""
    with np.load(SAMPLE_DIR / "symbols.npz") as file:
        strokes = np.split(file["xy"], file["stroke_offsets"][1:-1])
        ends = file["sample_offsets"]
        signs = np.array([name.partition(":")[2] for name in file["classes"]])[file["labels"]]
        chosen = np.flatnonzero((file["held_out"] == held_out) & ~np.isin(signs, known))
    return tuple(strokes[ends[i] : ends[i + 1]] for i in chosen)


# --- kinds ---


def _drawn(doodle: doodles.Doodle) -> Kind:
    def draw(rng: np.random.Generator, material: Material) -> Gray:
        return sketch(doodles.by_hand(doodle(rng), rng), rng, SIDE)

    return draw


def _symbol(rng: np.random.Generator, material: Material) -> Gray:
    glyph = material.glyphs[rng.integers(len(material.glyphs))]
    return sketch(doodles.by_hand(glyph, rng), rng, SIDE)


def _several(rng: np.random.Generator, material: Material) -> Gray:
    """Draw two to four characters side by side, or three or four in two lines."""
    count = int(rng.integers(2, 5))
    # Two lines of one character each may be one character: o above o is 8, a dot above a bar is i.
    if count > 2 and rng.random() < 0.25:
        split = int(rng.integers(1, count))
        return _beside(_line(rng, material, split).T, _line(rng, material, count - split).T, _gap(rng), 0).T
    return _line(rng, material, count)


def _neighbours(rng: np.random.Generator, material: Material) -> Gray:
    """Draw a character that touches at least half of another, as a cut in the wrong place leaves it."""
    whole, other = _piece(rng, material), _piece(rng, material)
    width = round(other.shape[1] * rng.uniform(LEAST_PART, 1))
    gap, drop = int(SIDE * rng.uniform(*TOUCHING)), int(rng.integers(-4, 5))
    if rng.random() < 0.5:
        return _beside(whole, other[:, :width], gap, drop)
    return _beside(other[:, -width:], whole, gap, drop)


def _line(rng: np.random.Generator, material: Material, count: int) -> Gray:
    """Draw characters from left to right, evenly spaced, at slightly varying heights."""
    pieces = [_piece(rng, material) for _ in range(count)]
    gap = _gap(rng)
    line = pieces[0]
    for piece in pieces[1:]:
        # A bar that touches completes its neighbour, as 1 and 3 make B; one apart from it does not.
        narrow = min(piece.shape[1], line.shape[1]) < 0.5 * SIDE
        line = _beside(line, piece, max(gap, 8) if narrow else gap, int(rng.integers(-4, 5)))
    return line


def _gap(rng: np.random.Generator) -> int:
    """Return the gap between two characters in pixels, negative where they overlap."""
    return int(SIDE * rng.uniform(-OVERLAP, APART))


def _piece(rng: np.random.Generator, material: Material) -> Gray:
    """Return one character, cropped to its ink and resized; not a bar, because two bars are u, n or H."""
    for _ in range(20):
        picture = material.characters[rng.integers(len(material.characters))]
        x, y, width, height = cv2.boundingRect((picture >= MIN_INK).view(np.uint8))
        if 0.4 * height < width < 2 * height:
            break
    else:
        x, y, width, height = 0, 0, picture.shape[1], picture.shape[0]
    scale = SIDE * rng.uniform(0.75, 1) / height
    size = (max(1, round(scale * width)), round(scale * height))
    return np.asarray(cv2.resize(picture[y : y + height, x : x + width], size, interpolation=cv2.INTER_AREA))


def _beside(left: Gray, right: Gray, gap: int, drop: int) -> Gray:
    """Paste two pictures side by side, their centres ``drop`` pixels apart in height; ``gap`` may be negative."""
    height = max(left.shape[0], right.shape[0]) + 2 * abs(drop)
    start = max(left.shape[1] + gap, 0)
    both = np.zeros((height, max(start + right.shape[1], left.shape[1])), np.uint8)
    for picture, x, y in ((left, 0, 0), (right, start, drop)):
        top = (height - picture.shape[0]) // 2 + y
        place = both[top : top + picture.shape[0], x : x + picture.shape[1]]
        np.maximum(place, picture, out=place)
    return both


KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        "waves": _drawn(doodles.waves),
        "zigzags": _drawn(doodles.zigzags),
        "spirals": _drawn(doodles.spirals),
        "blobs": _drawn(doodles.blobs),
        "walks": _drawn(doodles.walks),
        "hatching": _drawn(doodles.hatching),
        "knots": _drawn(doodles.knots),
        "symbols": _symbol,
        "kana": _drawn(doodles.kana),
        "several": _several,
        "neighbours": _neighbours,
        "sparse": _drawn(doodles.sparse),
        "figures": _drawn(figures.figure),
    }
)
TRAINED: Mapping[str, float] = MappingProxyType(  # kinds that training draws from, and how often
    {
        "waves": 0.064,
        "zigzags": 0.048,
        "spirals": 0.048,
        "blobs": 0.032,
        "symbols": 0.24,
        "kana": 0.112,
        "several": 0.128,
        "neighbours": 0.2,
        "sparse": 0.048,
        "figures": 0.08,
    }
)
HELD_OUT: Mapping[str, float] = MappingProxyType({"walks": 0.2, "hatching": 0.15, "knots": 0.15, "symbols": 0.5})
