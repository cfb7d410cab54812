"""One 280 x 280 sketch through `Recognizer.top_k`, everything included, against the bare forward pass of its network.

    python -m benchmarks.speed --n 500

Both are timed in turn, in one run, so that a busy machine slows both.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from hwr import Recognizer, cli, strokes

SEVEN = [np.array([(60, 70), (190, 70), (110, 220)])]


@dataclass(frozen=True)
class Options:
    """What to measure, and how often."""

    model: str | None = None
    """Model directory. Default: the bundled model."""
    n: int = 500
    """Pairs."""


def main(options: Options) -> None:
    recognizer = Recognizer.from_pretrained(options.model)
    sketch = editor_value()
    x = torch.zeros(1, 1, recognizer.config.image_size, recognizer.config.image_size)
    with torch.inference_mode():
        bare, whole = pairs(lambda: recognizer.model(x), lambda: recognizer.top_k(sketch), options.n)
    print(
        f"n = {options.n}, {torch.get_num_threads()} threads, torch {torch.__version__}: "
        f"bare forward pass {bare * 1e3:.2f} ms, top_k {whole * 1e3:.2f} ms (medians), ratio {whole / bare:.2f}"
    )


def editor_value() -> dict[str, object]:
    """A 7 drawn with the sketchpad's default pen."""
    layer = np.zeros((280, 280, 4), np.uint8)
    layer[..., 3] = strokes.draw(SEVEN, (280, 280), 18)
    composite = np.repeat(255 - layer[..., 3:], 4, axis=2)
    composite[..., 3] = 255
    return {"background": np.full_like(layer, 255), "layers": [layer], "composite": composite}


def pairs(first: Callable[[], object], second: Callable[[], object], n: int) -> tuple[float, float]:
    """Median seconds of two functions called in turn, after a warm-up."""
    times = np.zeros((n + 20, 2))
    for row in times:
        for column, function in enumerate((first, second)):
            start = time.perf_counter()
            function()
            row[column] = time.perf_counter() - start
    medians = np.median(times[20:], axis=0)
    return float(medians[0]), float(medians[1])


if __name__ == "__main__":
    cli.run(main, Options, __doc__)
