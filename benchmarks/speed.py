"""`Recognizer` against the bare network: one sketch through `top_k`, many pictures through `probabilities`.

    python -m benchmarks.speed --write benchmarks/speed.json

Everything is included for `Recognizer`: decoding, preprocessing, the alphabet. The bare network gets tensors that are
ready; it is the file of weights as timm builds it, the same with its BatchNorms folded away, and that as ONNX Runtime
runs it, which is how `Recognizer` asks it. All are timed in turn, in one run, so that a busy machine slows all.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from benchmarks import results
from hwr import Recognizer, cli
from hwr.data import sources
from hwr.hub import transfer as hub
from hwr.ink import strokes
from hwr.ink.picture import Gray
from hwr.ink.preprocess import to_input
from hwr.model import store
from hwr.model.resnet import fused
from hwr.recognizer import BATCH

SEVEN = [np.array([(60, 70), (190, 70), (110, 220)])]
WARM_UP = 20  # calls of one picture that do not count; of batches it is the first round
NETWORKS = PLAIN, FUSED, ENGINE = "the bare network", "the same, fused", "that by ONNX Runtime"
SKETCH, WHOLE = "top_k", "probabilities"

Network = Callable[[torch.Tensor], torch.Tensor]


@dataclass(frozen=True)
class Options:
    """What to measure, and how often."""

    model: str | None = None
    """Model directory. Default: the bundled model."""
    n: int = 500
    """Times that one sketch is read."""
    data: str = "mnist"
    """Source of the pictures that are read in batches: its test split."""
    pictures: int = 10_000
    """How many of them at most."""
    rounds: int = 5
    """Times that these are read."""
    data_dir: Path = Path("~/.cache/hwr/data")
    """Where downloads are kept."""
    write: Path | None = None
    """JSON file for the results."""


def main(options: Options) -> None:
    recognizer = Recognizer.from_pretrained(options.model)
    networks = networks_of(recognizer, store.load(hub.find(options.model).folder)[0].eval())
    source = sources.read(options.data, "test", options.data_dir)
    pictures = [ink for i in range(min(options.pictures, len(source))) if (ink := source.ink(i)) is not None]
    found = {
        "sketch": {"n": options.n, "milliseconds": one_sketch(recognizer, networks, options.n)},
        "batches": {
            "n": options.rounds,
            "pictures": len(pictures),
            "per_second": batches(recognizer, networks, pictures, options.rounds),
        },
    }
    print("\n".join(said(found)))
    if options.write:
        results.write(options.write, results.report("speed", "onnxruntime", results=found))


def networks_of(recognizer: Recognizer, plain: torch.nn.Module) -> dict[str, Network]:
    """The ways to ask a network: normalised pixels (N, 1, S, S) to logits (N, C)."""

    def by_onnx_runtime(pixels: torch.Tensor) -> torch.Tensor:
        return torch.from_numpy(recognizer.network(pixels.numpy()).logits)

    return {PLAIN: plain, FUSED: fused(copy.deepcopy(plain)), ENGINE: by_onnx_runtime}


def one_sketch(recognizer: Recognizer, networks: Mapping[str, Network], n: int) -> dict[str, float]:
    """Milliseconds, medians."""
    sketch, x = editor_value(), torch.zeros(1, 1, recognizer.config.image_size, recognizer.config.image_size)
    calls: dict[str, Callable[[], object]] = {name: partial(network, x) for name, network in networks.items()}
    with torch.inference_mode():
        found = in_turn(calls | {SKETCH: lambda: recognizer.top_k(sketch)}, n, WARM_UP)
    return {name: 1000 * seconds for name, seconds in found.items()}


def batches(recognizer: Recognizer, networks: Mapping[str, Network], pictures: list[Gray], n: int) -> dict[str, float]:
    """Pictures a second, medians."""
    seen = [one for one in map(recognizer.see, pictures) if one is not None]
    x = torch.from_numpy(to_input(np.stack(seen), recognizer.config))
    calls: dict[str, Callable[[], object]] = {name: partial(forward, network, x) for name, network in networks.items()}
    with torch.inference_mode():
        found = in_turn(calls | {WHOLE: lambda: recognizer.probabilities(pictures)}, n, warm_up=1)
    return {name: len(pictures) / seconds for name, seconds in found.items()}


def forward(network: Network, x: torch.Tensor) -> None:
    for batch in x.split(BATCH):
        network(batch)


def editor_value() -> dict[str, object]:
    """A 7 drawn with the sketchpad's default pen."""
    layer = np.zeros((280, 280, 4), np.uint8)
    layer[..., 3] = strokes.draw(SEVEN, (280, 280), 18)
    composite = np.repeat(255 - layer[..., 3:], 4, axis=2)
    composite[..., 3] = 255
    return {"background": np.full_like(layer, 255), "layers": [layer], "composite": composite}


def in_turn(calls: Mapping[str, Callable[[], object]], n: int, warm_up: int) -> dict[str, float]:
    """Median seconds of functions called one after the other, ``n`` times, after ``warm_up`` times."""
    times = np.zeros((warm_up + n, len(calls)))
    for row in tqdm(times, "rounds", leave=False, disable=None):
        for column, function in enumerate(calls.values()):
            start = time.perf_counter()
            function()
            row[column] = time.perf_counter() - start
    return dict(zip(calls, np.median(times[warm_up:], axis=0).tolist(), strict=True))


def said(found: dict[str, Any]) -> list[str]:
    one, many = found["sketch"]["milliseconds"], found["batches"]["per_second"]
    return [
        f"one sketch, n = {found['sketch']['n']}: " + ", ".join(f"{name} {ms:.2f} ms" for name, ms in one.items()),
        f"{found['batches']['pictures']:,} pictures, n = {found['batches']['n']}: "
        + ", ".join(f"{name} {rate:,.0f}/s" for name, rate in many.items())
        + f"; {many[WHOLE] / many[PLAIN]:.0%} of the bare network, {many[WHOLE] / many[ENGINE]:.0%} of the fastest one",
    ]


if __name__ == "__main__":
    cli.run(main, Options, __doc__)
