"""Pen strokes of scribbles, signs and patterns that are not characters.

Every generator takes a random generator and returns strokes in units of its own; `by_hand` makes them shaky.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from hwr.ink.strokes import Strokes

Doodle = Callable[[np.random.Generator], list[NDArray[np.float64]]]

STEP = 0.06  # of the drawing's size: points lie at most so far apart, so that straight lines can shake too
SHAKE = 0.05  # a hand's wobble as a share of the drawing's size, at most
SLIP = 0.012  # how far a stroke starts beside where it should, one sigma
TURN = 2 * np.pi


def by_hand(strokes: Strokes, rng: np.random.Generator) -> list[NDArray[np.float64]]:
    """Add a hand's wobble, slips, slant and proportions to strokes; their longer side becomes about 1."""
    points = np.concatenate([np.asarray(stroke, np.float64) for stroke in strokes])
    low = points.min(axis=0)
    size = max(float((points.max(axis=0) - low).max()), 1e-9)
    fine = [_resampled((np.asarray(stroke, np.float64) - low) / size) for stroke in strokes]
    ends = np.cumsum([len(stroke) for stroke in fine])[:-1]
    slips = np.repeat(rng.normal(0, SLIP, (len(fine), 2)), [len(stroke) for stroke in fine], axis=0)
    shaken = _shaken(np.concatenate(fine), rng) + slips
    return np.split(shaken @ _slant(rng), ends)


def _resampled(stroke: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the line with points no further apart than STEP."""
    lengths = np.hypot(*np.diff(stroke, axis=0).T)
    if len(stroke) < 2 or lengths.max() <= STEP:
        return stroke
    along = np.concatenate([[0], np.cumsum(np.ceil(lengths / STEP).clip(1))])
    at = np.arange(along[-1] + 1)
    return np.stack([np.interp(at, along, stroke[:, axis]) for axis in (0, 1)], axis=1)


def _shaken(points: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """Move points by a smooth random field, so that strokes that met still meet."""
    waves = rng.normal(0, 4, (2, 3))  # radians a unit: about half a wave across the drawing
    field = np.sin(points @ waves + rng.uniform(0, TURN, 3)) @ rng.normal(0, 0.6, (3, 2))
    return np.asarray(points + rng.uniform(0.2, 1) * SHAKE * field)


def _slant(rng: np.random.Generator) -> NDArray[np.float64]:
    turn, shear, aspect = rng.normal(0, [0.1, 0.15, 0.12])
    turned = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    return np.asarray(turned @ [[np.exp(aspect), 0], [shear, np.exp(-aspect)]])


# --- scribbles ---


def waves(rng: np.random.Generator) -> list[NDArray[np.float64]]:
    """A sum of sinusoids that crosses itself many times."""
    t = np.linspace(0, TURN, 180)
    turns = rng.uniform(3, 8, (3, 2))
    size = rng.uniform(0.3, 1, (3, 2))
    angle = t[:, None, None] * turns + rng.uniform(0, TURN, (3, 2))
    drift = t[:, None] * rng.normal(0, 0.12, 2)
    return [_spread((size * np.sin(angle)).sum(axis=1) + drift, rng)]


def zigzags(rng: np.random.Generator) -> list[NDArray[np.float64]]:
    """One stroke to and fro, as to cross something out: straight or rounded, even or wild."""
    n = int(rng.integers(8, 17))  # fewer would be z, w or m
    x = np.linspace(0, rng.uniform(0.5, 1.6), n) + rng.normal(0, 0.05, n)
    y = np.where(np.arange(n) % 2, 1.0, 0.0) + rng.normal(0, rng.uniform(0.03, 0.25), n)
    corners = np.stack([x, y], axis=1) @ rotation(rng.uniform(0, TURN))
    return [rounded(corners) if rng.random() < 0.5 else corners]


def spirals(rng: np.random.Generator) -> list[NDArray[np.float64]]:
    """Two to five turns round a centre, which may wander: a spiral or the loops of a pen being tried."""
    turns = rng.uniform(2.7, 5)  # fewer would be 6, 9, e or @
    t = np.linspace(0, 1, int(28 * turns))
    angle = rng.choice([-1, 1]) * TURN * turns * t + rng.uniform(0, TURN)
    if rng.random() < 0.5:
        radius, drift = rng.uniform(0, 0.15) + t, np.zeros(2)  # from the centre: turns on one another would be 0
    else:
        radius, drift = rng.uniform(0.5, 1) + t * rng.uniform(0, 0.5), circle(rng.uniform(0, TURN)) * turns * 0.8
    return [radius[:, None] * circle(angle) * [1, rng.uniform(0.5, 1)] + t[:, None] * drift]


def blobs(rng: np.random.Generator) -> list[NDArray[np.float64]]:
    """An uneven shape filled by narrow strokes to and fro."""
    n = int(rng.integers(14, 24))
    t = np.linspace(-0.97, 0.97, n)
    half = np.sqrt(1 - t**2) * rng.uniform(0.5, 1) + rng.normal(0, 0.08, n)
    x = np.where(np.arange(n) % 2, half, -half) + 0.3 * np.sin(t * rng.uniform(1, 3) + rng.uniform(0, TURN))
    return [np.stack([x, t * rng.uniform(0.5, 1)], axis=1) @ rotation(rng.uniform(0, TURN))]


def walks(rng: np.random.Generator) -> list[NDArray[np.float64]]:
    """A pen with momentum that wanders about and is pulled back to the middle."""
    pushes = rng.normal(0, 1, (160, 2))
    place, speed, path = np.zeros(2), np.zeros(2), []
    for push in pushes:
        speed = 0.88 * speed + 0.4 * push - 0.04 * place
        place = place + speed
        path.append(place)
    return [_spread(np.array(path[10:]), rng)]


def hatching(rng: np.random.Generator) -> list[NDArray[np.float64]]:
    """Six to ten strokes side by side, often crossed by as many."""
    layers = [_hatched(rng, angle) for angle in rng.uniform(0, TURN) + np.array([0, rng.uniform(0.8, 1.6)])]
    return layers[0] + layers[1] if rng.random() < 0.6 else layers[0]


def _hatched(rng: np.random.Generator, angle: float) -> list[NDArray[np.float64]]:
    n = int(rng.integers(6, 11))
    at = np.linspace(-1, 1, n) + rng.normal(0, 0.04, n)
    ends = np.stack([rng.normal(-0.9, 0.15, n), rng.normal(0.9, 0.15, n)])
    return [np.array([(x, low), (x, high)]) @ rotation(angle) for x, low, high in zip(at, *ends, strict=True)]


def knots(rng: np.random.Generator) -> list[NDArray[np.float64]]:
    """A closed smooth line that runs to and fro between points around a circle."""
    n = int(rng.integers(9, 14))
    # Every step leads a third of the way round or more: shorter ones would draw 0, c or s.
    angle = np.cumsum(rng.uniform(TURN / 3, TURN * 2 / 3, n)) + rng.uniform(0, TURN)
    corners = rng.uniform(0.6, 1, (n, 1)) * circle(angle)
    return [_spread(rounded(corners[[*range(n), 0, 1]]), rng)]


def _spread(points: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """Stretch strokes to at least 0.6 of their length in width: a thin tangle drawn with a thick pen looks like a 1."""
    return np.asarray(points / np.ptp(points, axis=0) * rng.uniform(0.6, 1, 2))


def circle(angle: NDArray[np.float64] | float) -> NDArray[np.float64]:
    """Return points of the unit circle, (..., 2)."""
    return np.stack([np.cos(angle), np.sin(angle)], axis=-1)


def rotation(angle: float) -> NDArray[np.float64]:
    """Return the matrix (2, 2) of a rotation by an angle in radians."""
    return np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])


def rounded(corners: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a smooth line near the corners: a quadratic B-spline."""
    t = np.linspace(0, 1, 9)[:, None, None]
    before, at, after = corners[:-2], corners[1:-1], corners[2:]
    curve = (1 - t) ** 2 * (before + at) / 2 + 2 * t * (1 - t) * at + t**2 * (at + after) / 2
    return np.asarray(curve.transpose(1, 0, 2).reshape(-1, 2))


# --- signs ---


def kana(rng: np.random.Generator) -> list[NDArray[np.float64]]:
    """Five or six short strokes, straight, bent or hooked, one at least crossing another: like a foreign script."""
    rows = rng.permutation([-0.8, -0.25, 0.25, 0.8])
    bars = [_bar(rng, 0.0, row) for row in rows[: rng.integers(2, 4)]]
    columns = rng.permutation([-0.5, 0.0, 0.5])[: rng.integers(1, 3)]
    posts = [_bar(rng, TURN / 4 + rng.normal(0, 0.15), column) for column in columns]
    return bars + posts + [_hook(rng) for _ in range(1 if len(bars + posts) > 3 else 2)]


def _bar(rng: np.random.Generator, angle: float, beside: float) -> NDArray[np.float64]:
    """A nearly straight stroke through the drawing, ``beside`` its middle."""
    low, high = -rng.uniform(0.4, 1), rng.uniform(0.4, 1)
    line = np.array([(low, 0), (0, rng.normal(0, 0.08)), (high, rng.normal(0, 0.12))])
    normal = np.array([0, 1]) @ rotation(angle)
    return np.asarray(rounded(line[[0, 0, 1, 2, 2]] @ rotation(angle)) + beside * np.abs(normal), np.float64)


def _hook(rng: np.random.Generator) -> NDArray[np.float64]:
    """A stroke that bends and ends in a hook, a tail or a loop."""
    length, bend = rng.uniform(0.8, 1.4), rng.choice([-1, 1]) * rng.uniform(1.2, 2.6)
    heading = np.cumsum([0, bend * 0.2, bend, rng.choice([-0.3, 0.8]) * bend]) + rng.uniform(0, TURN)
    steps = circle(heading) * length * np.array([0.6, 0.5, 0.35, 0.3])[:, None]
    corners = np.concatenate([np.zeros((1, 2)), np.cumsum(steps, axis=0)])
    hook = rounded(corners[[0, 0, 1, 2, 3, 4, 4]])
    return np.asarray(hook - corners.mean(axis=0) + rng.uniform(-0.4, 0.4, 2), np.float64)


def sparse(rng: np.random.Generator) -> list[NDArray[np.float64]]:
    """Two to six dots, or three to six short dashes, far from each other: too little to be anything."""
    dots = rng.random() < 0.5
    places: list[NDArray[np.float64]] = []
    for _ in range(int(rng.integers(2 if dots else 3, 7))):
        tries = rng.uniform(0, 1, (12, 2))
        far = [min([1.0, *(float(np.hypot(*(t - p))) for p in places)]) for t in tries]
        places.append(tries[int(np.argmax(far))])
    dash = (0.0 if dots else rng.uniform(0.04, 0.12)) * circle(rng.uniform(0, TURN) + rng.normal(0, 0.4, len(places)))
    return [np.stack([place - d, place + d]) for place, d in zip(places, dash, strict=True)]
