"""Pen strokes of figures that people draw on an empty page, in arbitrary units."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hwr.data.doodles import TURN, circle, rotation, rounded


def figure(rng: np.random.Generator) -> list[NDArray[np.float64]]:
    """Draw a random figure: a box, an arrow, a grid, a star, a face or a house."""
    kinds = (_box, _arrow, _grid, _star, _face, _house, _person, _sun, _flower)
    return kinds[int(rng.integers(len(kinds)))](rng)


def _line(*points: tuple[float, float]) -> NDArray[np.float64]:
    return np.array(points, np.float64)


def _ring(x: float, y: float, radius: float, closed: float = TURN * 1.03) -> NDArray[np.float64]:
    return radius * circle(np.linspace(0, closed, 24) - 1.5) + [x, y]


def _square(x: float, y: float, width: float, height: float) -> NDArray[np.float64]:
    return _line((x, y), (x + width, y), (x + width, y + height), (x, y + height), (x, y - 0.03))


def _box(rng: np.random.Generator) -> list[NDArray[np.float64]]:
    """Draw a box: empty, in another, crossed through or ticked."""
    height = rng.uniform(0.6, 1)
    a, b = rng.uniform(0.15, 0.35, 2)
    inside: tuple[list[NDArray[np.float64]], ...] = (
        [],
        [_square(a, a * height, 1 - 2 * a, height * (1 - 2 * a))],
        [_line((0, 0), (1, height)), _line((1, 0), (0, height))],
        [_line((0.2, height * 0.5), (0.45, height * 0.85), (1.1, -0.1))],
        [_line((a, 0), (a, height)), _line((0, height * b), (1, height * b))],
    )
    return [_square(0, 0, 1, height), *inside[int(rng.integers(len(inside)))]]


def _arrow(rng: np.random.Generator) -> list[NDArray[np.float64]]:
    """Draw an arrow with one head or two, to the left or right: upright ones drawn with a thick pen are t or 1."""
    head, bow = rng.uniform(0.2, 0.35), rng.normal(0, 0.06)
    parts = [rounded(_line((0, 0), (0, 0), (0.5, bow), (1, 0), (1, 0)))]
    parts.append(_line((1 - head, -0.8 * head), (1, 0), (1 - head, 0.8 * head)))
    if rng.random() < 0.3:
        parts.append(_line((head, -0.8 * head), (0, 0), (head, 0.8 * head)))
    turn = rotation(rng.choice([0, TURN / 2]) + rng.uniform(-0.8, 0.8))
    return [part @ turn for part in parts]


def _grid(rng: np.random.Generator) -> list[NDArray[np.float64]]:
    """Draw two to four lines across as many: noughts and crosses, a table."""
    columns, rows = rng.integers(2, 5, 2)
    reach = rng.choice([0.0, 0.4])  # lines end at the border, or beyond it
    x, y = np.linspace(0, 1, columns), np.linspace(0, 1, rows)
    across = [_line((-reach, at), (1 + reach, at)) for at in y]
    return across + [_line((at, -reach), (at, 1 + reach)) for at in x]


def _star(rng: np.random.Generator) -> list[NDArray[np.float64]]:
    """Draw a pentagram, a six-pointed star, a star's outline or rays from one point."""
    n = int(rng.integers(5, 9))
    around = circle(np.arange(n + 1) / n * TURN - TURN / 4)
    if rng.random() < 0.4:
        return [np.stack([-0.05 * ray, ray]) for ray in around[:-1]]
    if rng.random() < 0.5:
        return [around[np.arange(n + 1) * 2 % n]] if n % 2 else [around[[*range(i, n, 2), i]] for i in (0, 1)]
    inner = 0.45 * circle((np.arange(n + 1) + 0.5) / n * TURN - TURN / 4)
    return [np.stack([around, inner], axis=1).reshape(-1, 2)[:-1]]


def _face(rng: np.random.Generator) -> list[NDArray[np.float64]]:
    mood = rng.uniform(-0.4, 0.5)
    mouth = rounded(_line((-0.5, 0.45), (-0.5, 0.45), (0, 0.45 + mood), (0.5, 0.45), (0.5, 0.45)))
    eyes = [_ring(x, -0.3, rng.uniform(0.02, 0.14)) for x in (-0.38, 0.38)]
    nose = [_line((0, -0.1), (0, 0.2))] if rng.random() < 0.4 else []
    return [_ring(0, 0, 1), mouth, *eyes, *nose]


def _house(rng: np.random.Generator) -> list[NDArray[np.float64]]:
    roof, door = rng.uniform(0.4, 0.9), rng.uniform(0.1, 0.6)
    walls = [_square(0, 0, 1, 1), _line((-0.1, 0.05), (0.5, -roof), (1.1, 0.05))]
    return [*walls, _line((door, 1), (door, 0.5), (door + 0.25, 0.5), (door + 0.25, 1))]


def _person(rng: np.random.Generator) -> list[NDArray[np.float64]]:
    arms, legs = rng.uniform(-0.45, 0.15), rng.uniform(0.2, 0.5)
    limbs = [_line((-0.5, arms), (0, -0.2), (0.5, arms)), _line((-legs, 1.1), (0, 0.4), (legs, 1.1))]
    return [_ring(0, -0.75, 0.28), _line((0, -0.45), (0, 0.4)), *limbs]


def _sun(rng: np.random.Generator) -> list[NDArray[np.float64]]:
    rays = circle(np.linspace(0, TURN, int(rng.integers(6, 13)), endpoint=False) + rng.uniform(0, 1))
    return [_ring(0, 0, 0.5), *(np.stack([0.65 * ray, ray * rng.uniform(0.85, 1.15)]) for ray in rays)]


def _flower(rng: np.random.Generator) -> list[NDArray[np.float64]]:
    petals = int(rng.integers(4, 8))
    angle = np.linspace(0, TURN, 90)
    blossom = (0.55 + 0.3 * np.cos(petals * angle))[:, None] * circle(angle)
    stalk = [_line((0, 0.8), (0.1, 2)), _line((0.05, 1.6), (0.5, 1.2))] if rng.random() < 0.5 else []
    return [blossom, _ring(0, 0, 0.2), *stalk]
