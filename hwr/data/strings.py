"""What `hwr.reading.segment` cuts out of composed strings: characters with the marks of the cut, and wrong runs
of pieces.

A network that has seen both can tell `hwr.reading.lattice` which way to cut.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from hwr.config import DIGITS, LOWER, OTHER, UPPER, ModelConfig, UserError
from hwr.data.composing import Gap, Hand, compose, hands, ways
from hwr.data.inkset import InkSet
from hwr.data.sources import Source
from hwr.ink.picture import Gray
from hwr.ink.preprocess import fit_ink
from hwr.reading import lattice
from hwr.reading.segment import Pieces, pieces

GAPS: tuple[Gap, ...] = ("touching", "near", "touching", "touching", "wide")  # in turn: cuts leave marks
PURE = 0.8  # of a run's ink that is one character's: with less it is not that character, ...
WHOLE = 0.8  # ... nor with less of the character's ink
SEVERAL = 0.4  # of its ink: a run with so much of two characters is surely no character
EACH = 2  # runs of a character, with this or that crumb of a neighbour
WRONG = 0.4  # of the runs of a string that are characters: so many of its wrong ones are learnt as well
NONE = -1  # in place of a character's number
RUNS = 12  # about so many a string are learnt from
FRESH = 2.5  # epochs in which every one of them is learnt from once
CHUNK = 50  # strings composed between two moves of the progress bar

Cut = tuple[Gray, str]  # a fitted picture, uint8 (S, S), and its class


def cut(source: Source, writers: Sequence[int], samples: float, seed: int, model: ModelConfig) -> InkSet:
    """Fitted runs of pieces of strings by these writers of a source of trajectories, about ``samples`` of them.

    String i depends on (seed, i) alone.
    """
    known = [hand for hand in hands(source, DIGITS + UPPER + LOWER, writers) if ways(hand)]
    count = max(1, round(samples / RUNS)) if known else 0

    def some(first: int) -> list[Cut]:
        return [one for i in range(first, min(first + CHUNK, count)) for one in of_string(known, (seed, i), model)]

    found: list[Cut] = []
    with ThreadPoolExecutor() as pool, tqdm(total=count, desc="strings", unit="string", leave=False) as bar:
        for done in pool.map(some, range(0, count, CHUNK)):
            found += done
            bar.update(min(CHUNK, count - bar.n))
    if not found:
        raise UserError(f"no strings can be composed of {source.name}: no writer has two letters or two digits")
    classes = sorted({name for _, name in found})
    labels = np.array([classes.index(name) for _, name in found], np.int64)
    rows, yes = np.arange(len(found)), np.ones(len(found), np.bool_)
    images, targets = np.stack([seen for seen, _ in found]), tuple((name,) for name in classes)
    return InkSet("strings", images, labels, targets, rows, ~yes, drawn=True, sure=yes)


def of_string(known: Sequence[Hand], seed: tuple[int, int], model: ModelConfig) -> Iterator[Cut]:
    """The characters of one string as they are cut out of it, and some of its wrong runs as outliers."""
    rng = np.random.default_rng(seed)
    made = compose(known[int(rng.integers(len(known)))], rng, GAPS[seed[1] % len(GAPS)])
    found = pieces(made.picture)
    runs, characters = judged(found, made.owner)
    chosen = [
        run for n in range(1, len(made.text) + 1) for run in rng.permutation(np.flatnonzero(characters == n))[:EACH]
    ]
    wrong = rng.permutation(np.flatnonzero(characters == NONE))[: round(WRONG * len(chosen))]
    for i in [*chosen, *wrong]:
        seen = fit_ink(found.crop(*runs[i]), model.image_size, model.ink_fraction)
        if seen is not None:
            yield seen, OTHER if characters[i] == NONE else made.text[characters[i] - 1]


def judged(found: Pieces, owner: NDArray[np.int64]) -> tuple[list[lattice.Run], NDArray[np.int64]]:
    """All runs, and which character each is: from 1, NONE for what is surely none, 0 for what may be either.

    ``owner``, (H, W), has the character of every pixel.
    """
    count = int(owner.max()) + 1
    ink = np.bincount((found.owner * count + owner).ravel(), minlength=len(found.boxes) * count)
    ink = ink.reshape(-1, count)
    ink[0] = 0  # soft edges, and dirt, belong to no piece
    before = ink.cumsum(axis=0)  # of all pieces up to one, by character
    whole = np.maximum(before[-1], 1)
    runs = [run for line in found.lines for run in lattice.runs(found, line)]
    first, last = np.array(runs, np.int64).reshape(-1, 2).T
    mine = (before[last] - before[first - 1])[:, 1:]
    share = mine / whole[1:]
    best = mine.argmax(axis=1)
    every = np.arange(len(runs))
    right = (mine[every, best] >= PURE * mine.sum(axis=1)) & (share[every, best] >= WHOLE)
    several = (share >= SEVERAL).sum(axis=1) > 1
    return runs, np.where(right, best + 1, np.where(several, NONE, 0))
