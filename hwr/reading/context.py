"""What the neighbours in a line say of a character: most words are of one kind, and letters of one size.

A classifier that sees one character at a time takes o for 0 or O, and l for e: scaled to one size they are alike. The
kinds (digits, capitals, small letters) are a Markov chain along a word; the heights of all classes hang on one unknown,
how high this hand writes an x, which is summed out over a grid (the forward-backward algorithm, Rabiner 1989).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hwr.config import DIGITS, LOWER, UPPER

KINDS = (DIGITS, UPPER, LOWER)  # and one more: everything else
KEEP = 0.95  # share of neighbours in a word that are of one kind; 0.9 to 0.99 read alike
SPREAD = 0.3  # standard deviation of the logarithm of a class's height; 0.2 to 0.4 read alike
FARTHEST = 3.0  # standard deviations: one odd stroke does not decide how high an x is
LEAST = 1e-6  # probabilities of classes count as no less: neighbours may overrule any answer
TINY = 1e-300  # of kinds that have no class: logarithms must be finite
UNITS = np.arange(-1.5, 1.51, 0.1)  # logarithms of heights of an x that are tried, around the middle of the line's

# Heights in those of an x: medians over 265 writers of UNIPEN, of each kind and of the letters that stand out of it.
USUAL = (1.55, 1.65, 1.0)
UNUSUAL = {**dict.fromkeys("bdhklt", 1.8), **dict.fromkeys("gpqy", 2.0), **dict.fromkeys("fj", 2.3), "i": 1.45}


class Manner(NamedTuple):
    """What is known of classes, (C,) each: their kind, and the logarithm of their height, nan where unknown."""

    kind: NDArray[np.int64]
    height: NDArray[np.float64]


Floats = NDArray[np.float64]


@cache
def manner(labels: tuple[str, ...]) -> Manner:
    """Kinds and heights of classes by their names."""
    kinds = [next((kind for kind, names in enumerate(KINDS) if name in names), len(KINDS)) for name in labels]
    heights = [UNUSUAL.get(name, (*USUAL, np.nan)[kind]) for name, kind in zip(labels, kinds, strict=True)]
    return Manner(np.array(kinds), np.log(heights))


def settled(classes: NDArray[np.float32], heights: Sequence[float], begins: Sequence[bool], known: Manner) -> Floats:
    """Probabilities of a line's characters, (N, C), in view of their neighbours: float64 (N, C), rows sum to 1.

    ``classes`` is what the network gives them one by one, ``heights`` is in any unit, and ``begins`` says where a word
    begins. A line of one character stays as it is.
    """
    if len(classes) == 1:
        return classes.astype(np.float64)
    likely = _likely(classes, heights, known)
    kinds = range(len(KINDS) + 1)
    of_kind = np.log(np.stack([likely[:, :, known.kind == kind].sum(2) for kind in kinds], axis=2) + TINY)
    ways = _ways(begins)
    before, after = [np.zeros(of_kind.shape[1:])], [np.zeros(of_kind.shape[1:])]
    for now, way in zip(of_kind[:-1], ways[1:], strict=True):
        before.append(_passed(now + before[-1], way))
    for now, way in zip(of_kind[:0:-1], ways[:0:-1], strict=True):
        after.append(_passed(now + after[-1], way.T))
    around = np.stack(before) + np.stack(after[::-1])
    around = np.exp(around - around.max(axis=(1, 2), keepdims=True))
    found = (likely * around[:, :, known.kind]).sum(axis=1)
    return np.asarray(found / found.sum(axis=1, keepdims=True))


def _passed(message: Floats, way: Floats) -> Floats:
    """Logarithms (units, kinds) of how likely all so far is, one character on."""
    top = message.max(axis=1, keepdims=True)
    return np.asarray(np.log(np.exp(message - top) @ way) + top)


def _likely(classes: NDArray[np.float32], heights: Sequence[float], known: Manner) -> Floats:
    """(N, units, C): how likely each character is each class if an x is so high, up to a factor a character."""
    high = np.log(np.maximum(heights, 1e-9))
    unit = high.mean() - np.nanmean(known.height) + UNITS if np.isfinite(known.height).any() else UNITS
    off = (high[:, None, None] - unit[:, None] - known.height) / SPREAD
    near = np.clip(off, -FARTHEST, FARTHEST)
    near = np.where(np.isnan(near), 1.0, near)  # what is not known to be high or low is as far off as others are
    floor = np.where(classes.max(axis=0) > 0, LEAST, 0)  # classes that are no answers stay so
    logs = np.log(np.maximum(classes, floor), where=floor > 0, out=np.full(classes.shape, -np.inf))
    likely = logs[:, None] - near**2 / 2
    return np.asarray(np.exp(likely - likely.max(axis=(1, 2), keepdims=True)))


def _ways(begins: Sequence[bool]) -> list[Floats]:
    """From each kind to each, one matrix a character; small letters follow a word's first capital as well as others."""
    count = len(KINDS) + 1
    free = np.full((count, count), 1 / count)
    keep = np.full((count, count), (1 - KEEP) / (count - 1)) + np.eye(count) * (KEEP - (1 - KEEP) / (count - 1))
    second = keep.copy()
    second[1, 1:3] = second[1, 1:3].mean()
    return [free if now else second if i and begins[i - 1] else keep for i, now in enumerate(begins)]
