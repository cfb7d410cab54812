"""The whole way in one ONNX file: from a canvas of any size to probabilities, without this package.

`ink.preprocess` in operations that ONNX has. Cropping, scaling and centring are products with matrices whose weights
follow from where the ink is, so that no shape depends on the drawing. What is left out is what drawings and binarised
scans do not have: uneven paper, noise and specks.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import torch

from hwr import Recognizer
from hwr.config import ModelConfig, UserError
from hwr.data.sources import read
from hwr.export import graph
from hwr.export.parity import Parity
from hwr.files import write_atomically
from hwr.ink.picture import Gray
from hwr.ink.preprocess import EDGE, FLOOR, MIN_INK, PEAK_PIXELS, normalise
from hwr.model import store

NAME = store.WHOLE_ONNX
SKETCHES = 1000  # compared at least
SIDES = 24, 700  # pixels of the longer side of the ink, smallest and largest
AGREEMENT, TOLERANCE = 0.999, 0.02  # share of the same best answers, at least; of probabilities, at most


class Box(NamedTuple):
    """The first pixel of the ink along one side, and behind its last, each a tensor without sides."""

    start: torch.Tensor
    stop: torch.Tensor


class Whole(torch.nn.Module):
    """A canvas, uint8 (H, W, 1) or (H, W, 4), to the probabilities of all classes, float32 (C,); all 0 if it is blank.

    In four channels the ink is where the canvas is painted or, where nothing is transparent, in the first of them. In
    one it is dark on light or light on dark.
    """

    def __init__(self, network: torch.nn.Module, config: ModelConfig) -> None:
        super().__init__()
        self.network, self.config = network, config
        self.target = config.ink_fraction * config.image_size
        self.room = round(4 * self.target)  # pixels of a side to which a large drawing is shrunk first

    def forward(self, canvas: torch.Tensor) -> torch.Tensor:
        """Find the ink, fit it, ask the network."""
        ink = ink_of(canvas.float())
        pixels = normalise(self.fitted(ink).div(255), self.config.mean, self.config.std)
        logits: torch.Tensor = self.network(pixels[None, None])
        found: torch.Tensor = logits.div(self.config.temperature).softmax(1)[0]
        return found * (ink.max() >= MIN_INK)

    def fitted(self, ink: torch.Tensor) -> torch.Tensor:
        """`preprocess.fit_ink` without specks: float32 (H, W) to (S, S), whole numbers from 0 to 255."""
        least = torch.ceil(EDGE * ink.max()).clamp_min(1)
        rows, columns = (box((ink >= least).any(dim), ink.shape[1 - dim]) for dim in (1, 0))
        longest = torch.maximum(rows.stop - rows.start, columns.stop - columns.start)
        share = (self.room / longest).clamp_max(1)
        down, across = self.shrinking(rows, share, ink.shape[0]), self.shrinking(columns, share, ink.shape[1])
        small = (down @ ink @ across.T).round()
        (left, right), (top, bottom) = edges(small.amax(0)), edges(small.amax(1))
        scale = 2 * self.target / torch.maximum(right - left, bottom - top).clamp_min(1e-3)
        down, across = self.placing(top, bottom, scale), self.placing(left, right, scale)
        fine = (down @ small @ across.T).round()  # twice as fine, then averaged
        return stretched(torch.nn.functional.avg_pool2d(fine[None, None], 2)[0, 0].round())

    def shrinking(self, ink: Box, share: torch.Tensor, length: Any) -> torch.Tensor:
        """Weights (room, length) that average a side of the ink by area, to ``share`` of its length."""
        size = ink.stop - ink.start
        step = size / (size * share).round().clamp_min(1)
        begin = ink.start + step * torch.arange(self.room)[:, None]
        end = torch.minimum(begin + step, ink.stop)
        pixel = torch.arange(length)[None]
        return (torch.minimum(end, pixel + 1) - torch.maximum(begin, pixel)).clamp_min(0) / step

    def placing(self, first: torch.Tensor, last: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
        """Weights (2 S, room) that sample a side linearly, its ink in the middle."""
        size = self.config.image_size
        at = (torch.arange(2 * size)[:, None] - (size - 0.5)) / scale + (first + last) / 2
        return (1 - (at - torch.arange(self.room)[None]).abs()).clamp_min(0)


def ink_of(canvas: torch.Tensor) -> torch.Tensor:
    """The ink of a canvas, float32 (H, W, C) from 0 to 255, white on black: (H, W)."""
    last = canvas[..., -1]
    found = torch.where(last.min() == 255, canvas[..., 0], last)
    border = torch.cat([found[0], found[-1], found[:, 0], found[:, -1]])
    return torch.where(border.mean() > 127.5, 255 - found, found)


def box(inside: torch.Tensor, length: Any) -> Box:
    """The ink along a side, bool (length,), with a pixel around it."""
    pixel = torch.arange(length).float()
    first = torch.where(inside, pixel, pixel + length).min()
    last = torch.where(inside, pixel, -1.0).max()
    return Box((first - 1).clamp_min(0), torch.minimum(last + 2, pixel.max() + 1))


def edges(profile: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Where a profile first and last crosses EDGE of its peak, between pixels: `preprocess._edges`."""
    padded = torch.nn.functional.pad(profile, (1, 1))
    level = padded.max() * EDGE
    above, at = padded >= level.clamp_min(1e-3), torch.arange(len(padded)).float() - 1
    first, last = torch.where(above, at, 1e6).min(), torch.where(above, at, -1.0).max()

    def value(place: torch.Tensor) -> torch.Tensor:
        return (padded * (at == place)).sum()

    def crossing(inside: torch.Tensor, step: int) -> torch.Tensor:
        high, low = value(inside), value(inside + step)
        return inside + step * (high - level) / (high - low).clamp_min(1)

    return crossing(first, -1), crossing(last, 1)


def stretched(fitted: torch.Tensor) -> torch.Tensor:
    """`preprocess._stretch_contrast`: full white at the robust peak, black below FLOOR of it."""
    above = max(1, round(PEAK_PIXELS * fitted.shape[0] * fitted.shape[1]))
    peak = fitted.flatten().topk(above).values[-1].clamp_min(1)
    return ((fitted / peak - FLOOR) / (1 - FLOOR)).clamp(0, 1).mul(255).round()


def content(model: torch.nn.Module, config: ModelConfig) -> bytes:
    """The file: input ``canvas``, uint8 (H, W, channels); output ``probabilities``, float32 (C,), in the labels' order.

    Raises UserError for a model of plain pictures, which are not cropped to ink.
    """
    from hwr.export.onnx import bare

    if not config.ink:
        raise UserError("--whole is for models that read ink: this one takes plain pictures")
    dims = [torch.export.Dim(name, min=2, max=2**14) for name in ("H", "W")]
    program = torch.onnx.export(
        Whole(graph.folded(model), config).eval(),
        (torch.zeros(300, 280, 4, dtype=torch.uint8),),
        input_names=["canvas"],
        output_names=["probabilities"],
        dynamic_shapes=({0: dims[0], 1: dims[1], 2: torch.export.Dim("channels", min=1, max=4)},),
        dynamo=True,
        verbose=False,
    )
    assert program is not None  # it is None only of the exporter before dynamo
    return bare(program, config)


def check(content: bytes, recognizer: Recognizer, n: int | None = None) -> Parity:
    """Compare a file with `Recognizer` on ``n`` sketches of all sizes, transparent and on paper; default: SKETCHES."""
    n = n or SKETCHES
    import onnxruntime

    session: Any = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    keep = [i for i, label in enumerate(recognizer.config.labels) if label in recognizer.labels("all")]
    pictures = list(sketches(n))
    expected = recognizer.probabilities(pictures)
    rows = [session.run(None, {"canvas": np.atleast_3d(one)})[0][keep] for one in pictures]
    found = np.stack([row / max(row.sum(), 1e-9) for row in rows])
    same = float((found.argmax(1) == expected.argmax(1)).mean())
    return Parity(n, float(np.abs(found - expected).max()), same)


def sketches(n: int) -> Iterator[Gray]:
    """Characters of the sample's test split as drawings, uint8 (H, W, 4), and as scans, (H, W), of any size."""
    source, random = read("sample", "test", store.BUNDLED), np.random.default_rng(0)
    for i in range(n):
        ink = source.ink(i % len(source))
        assert ink is not None
        side = math.exp(random.uniform(*np.log(SIDES)))
        scale = side / max(ink.shape)
        size = tuple(max(1, round(scale * length)) for length in ink.shape[::-1])
        large = cv2.resize(ink, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
        margins = random.integers(4, 4 + round(side), 4)
        canvas = np.pad(large, margins.reshape(2, 2))
        found = np.dstack([np.zeros((*canvas.shape, 3), np.uint8), canvas]) if i % 2 else 255 - canvas
        yield found.astype(np.uint8)


def write(folder: Path, out: Path | None = None) -> Parity:
    """Write the file of a model directory, NAME in it unless given, after it answered as `Recognizer` does."""
    content, found = proven(folder)
    path = out or folder / NAME
    try:
        write_atomically(path, content)
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror}") from None
    return found


def proven(folder: Path) -> tuple[bytes, Parity]:
    """The file of a model directory, after it was compared with `Recognizer`.

    Raises UserError if it gives other answers.
    """
    model, config = store.load(folder)
    found = content(model, config)
    parity = check(found, Recognizer.from_pretrained(folder))
    if parity.agreement < AGREEMENT or not parity.largest_difference <= TOLERANCE:
        raise UserError(
            f"not written: on {parity.n} sketches it agrees with Recognizer on {parity.agreement:.2%} of the best "
            f"answers, expected {AGREEMENT:.1%}, and differs by up to {parity.largest_difference:.2g} in a "
            f"probability, at most {TOLERANCE:g} is allowed"
        )
    return found, parity
