"""How far handwriting may stray: pens, tilt, size, resolution and synthetic photos of the same pen trajectories.

    python -m benchmarks.robustness --pens pendigits_train.npz

Every picture goes through `Recognizer` alone. The photos have sloping light, in half of them a shadow with an edge,
blur, noise and JPEG at quality 70.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from hwr import Recognizer, UserError, cli
from hwr.config import Alphabet
from hwr.data import sources
from hwr.ink import strokes
from hwr.ink.picture import Gray


@dataclass(frozen=True)
class Options:
    """What to draw, and which model reads it."""

    pens: str
    """An .npz of pen trajectories."""
    model: str | None = None
    """Model directory. Default: the bundled model."""
    alphabet: Alphabet = "digits"
    """Samples outside of it are left out."""
    n: int = 1000
    """Samples, drawn at random; the same for every line."""


@dataclass(frozen=True)
class Drawing:
    """One way to draw: shares are of the canvas for the side, of the side for the pen."""

    pen: float = 0.08
    tilt: float = 0.0  # degrees, clockwise
    side: float = 0.6
    canvas: int = 280  # pixels
    photo: bool = False


def main(options: Options) -> None:
    recognizer = Recognizer.from_pretrained(options.model)
    source = sources.read(options.pens, "test", Path())
    if source.trajectory is None:
        raise UserError(f"--pens {options.pens} holds pictures: expected pen trajectories")
    labels = recognizer.labels(options.alphabet)
    names = [source.targets[label][0] for label in source.labels]
    known = [i for i, name in enumerate(names) if name in labels]
    chosen = np.random.default_rng(0).permutation(known)[: options.n].tolist()
    print(f"{source.name}, n = {len(chosen)}")
    for name, drawing in ways():
        pictures = [draw(source.trajectory(i), drawing, i) for i in chosen]
        found = recognizer.probabilities(pictures, options.alphabet).argmax(1)
        right = np.mean([labels[column] == names[i] for column, i in zip(found, chosen, strict=True)])
        print(f"{name}: {right:.1%}")


def ways() -> Iterator[tuple[str, Drawing]]:
    for pen in (0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.25):
        yield f"pen {pen:.0%} of the side", Drawing(pen=pen)
    for tilt in (-30, -20, -10, 10, 20, 30):
        yield f"tilt {tilt} degrees", Drawing(tilt=tilt)
    for side in (0.1, 0.2, 0.9):
        yield f"side {side:.0%} of the canvas", Drawing(side=side)
    for canvas in (60, 120, 1000):
        yield f"canvas {canvas} pixels", Drawing(canvas=canvas)
    for canvas in (32, 64, 280):
        yield f"photo {canvas} pixels", Drawing(canvas=canvas, photo=True)


def draw(trajectory: strokes.Strokes, drawing: Drawing, seed: int) -> Gray:
    """Black on white, in the middle of the canvas, or a photo of that."""
    rng = np.random.default_rng(seed)
    if drawing.photo:
        drawing = replace(drawing, pen=rng.uniform(0.05, 0.12))
    side = drawing.side * drawing.canvas
    corner = (drawing.canvas - side) / 2
    placed = strokes.place(list(map(partial(turned, degrees=drawing.tilt), trajectory)), (corner, corner, side))
    ink = strokes.draw(placed, (drawing.canvas, drawing.canvas), max(1, drawing.pen * side))
    return photo(ink, rng) if drawing.photo else np.subtract(255, ink, dtype=np.uint8)


def turned(points: NDArray[np.generic], degrees: float) -> NDArray[np.float64]:
    angle = np.deg2rad(degrees)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    moved: NDArray[np.float64] = np.asarray(points, np.float64) @ turn
    return moved


def photo(ink: Gray, rng: np.random.Generator) -> Gray:
    size = len(ink)
    y, x = np.mgrid[-0.5 : 0.5 : size * 1j, -0.5 : 0.5 : size * 1j]
    light = rng.uniform(110, 230) * (1 + rng.uniform(-0.3, 0.3) * x + rng.uniform(-0.3, 0.3) * y)
    if rng.random() < 0.5:
        angle = rng.uniform(0, np.pi)
        beyond = (np.cos(angle) * x + np.sin(angle) * y) * rng.uniform(8, 60)
        light *= 1 - rng.uniform(0.2, 0.4) / (1 + np.exp(-beyond))
    page = cv2.GaussianBlur(light * (1 - ink / 255 * rng.uniform(0.4, 0.8)), (0, 0), size / 280 * rng.uniform(0.5, 1.3))
    noisy = (page + rng.normal(0, rng.uniform(1, 6), page.shape)).clip(0, 255).astype(np.uint8)
    jpeg = cv2.imencode(".jpg", noisy, [cv2.IMWRITE_JPEG_QUALITY, 70])[1]
    return np.asarray(cv2.imdecode(jpeg, cv2.IMREAD_GRAYSCALE), np.uint8)


if __name__ == "__main__":
    cli.run(main, Options, __doc__)
