"""Training speed: `train.py`'s step against the plain recipe, with the same network, size and augmentations.

    python -m benchmarks.training

The plain recipe transforms one sample after another with torchvision, in a DataLoader without workers, and computes
in float32. Both run in turn, pair by pair, so that other work on the machine slows both.
"""

from __future__ import annotations

import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms
from tqdm import tqdm

from hwr import cli
from hwr.data import inkset as data
from hwr.evaluation import devices
from hwr.training import start
from hwr.training.augment import augment, change_gain, change_strokes
from hwr.training.options import TrainConfig
from hwr.training.task import CharacterTask
from hwr.training.trainer import Run


@dataclass(frozen=True)
class Options:
    """What to time."""

    pairs: int = 7
    """Pairs of timings."""
    steps: int = 8
    """Steps in each timing."""
    batch_size: int = 256
    """Images per step."""
    image_size: int = 48
    """Side of the pictures, in pixels."""
    device: str = "auto"
    """auto, cpu or cuda."""


class PerSample(Dataset[Any]):
    """The strengths of `augment`, one picture at a time."""

    def __init__(self, ink: data.InkSet, config: TrainConfig) -> None:
        self.ink, self.config = ink, config
        size = ink.images.shape[-1]
        self.transform = transforms.Compose(
            [
                transforms.ToTensor(),
                lambda pixels: change_strokes(pixels[None], config.stroke)[0],
                transforms.RandomAffine(
                    config.degrees,
                    (config.shift, config.shift),
                    (1 - config.scale, 1 + config.scale),
                    float(np.degrees(np.arctan(config.shear))),
                    transforms.InterpolationMode.BILINEAR,
                ),
                transforms.ElasticTransform(config.elastic * size * size / 8, size / 8),
                lambda pixels: change_gain(pixels[None], config.gain)[0],
                transforms.RandomErasing(config.occlusion, (0.01, 0.1)),
                transforms.Normalize([0.2], [0.35]),
            ]
        )

    def __len__(self) -> int:
        return len(self.ink)

    def __getitem__(self, i: int) -> tuple[torch.Tensor, int]:
        return self.transform(self.ink.images[i][..., None]), int(self.ink.labels[i])


def main(options: Options) -> None:
    accelerator = devices.accelerator(options.device, "auto")
    config = TrainConfig(
        batch_size=options.batch_size, image_size=options.image_size, device=options.device, ema=0.0, drop_rate=0.0
    )
    ink = one_class_each(data.load("sample", "train", config.network(), Path()))
    with tempfile.TemporaryDirectory() as folder:
        ours = our_steps(replace(config, out=Path(folder)), ink, accelerator, options)
        plain = plain_steps(config, ink, accelerator.device, options)
        ours(), plain()  # warm up
        pairs = [(ours(), plain()) for _ in tqdm(range(options.pairs), desc="pairs")]
    images = options.steps * options.batch_size
    fast, slow = (images / statistics.median(times) for times in zip(*pairs, strict=True))
    ratio = statistics.median(b / a for a, b in pairs)
    share = augmentation_share(config, ink, accelerator.device, options, images / fast / options.steps)
    print(f"train.py {fast:,.0f} images/s, plain {slow:,.0f} images/s, {ratio:.2f} times (median of n = {len(pairs)})")
    print(f"augmentation: {share:.0%} of train.py's step")
    print(
        f"{config.architecture}, {options.image_size} pixels, batches of {options.batch_size}, {accelerator.device}, "
        f"{accelerator.mixed_precision if accelerator.mixed_precision != 'no' else 'float32'}, "
        f"{torch.get_num_threads()} threads, torch {torch.__version__}, {platform.machine()}"
    )


def one_class_each(ink: data.InkSet) -> data.InkSet:
    """The samples of one class, their labels numbered in the model's order, as a plain cross entropy takes them."""
    ink = ink.take(np.array([len(target) == 1 for target in ink.targets])[ink.labels])
    classes = ink.classes()
    number = {name: i for i, name in enumerate(classes)}
    labels = np.array([number[ink.targets[label][0]] for label in ink.labels], np.int64)
    return replace(ink, labels=labels, targets=tuple((name,) for name in classes))


def our_steps(config: TrainConfig, ink: data.InkSet, accelerator: Any, options: Options) -> Callable[[], float]:
    begun = start.find(config)
    model, described = start.begin(begun, ink.classes(), config)
    model = model.to(accelerator.device).to(memory_format=torch.channels_last)
    task = CharacterTask(ink, None, config, described, accelerator.device, (0, 1))
    run = Run(model, task, config, accelerator)
    model.train()

    def timed() -> float:
        rows = task.batches(0, 0, options.steps, run.batch)
        return elapsed(lambda: run._step(next(rows)), options.steps, accelerator.device)

    return timed


def plain_steps(config: TrainConfig, ink: data.InkSet, device: torch.device, options: Options) -> Callable[[], float]:
    model, _ = start.begin(start.find(config), ink.classes(), config)
    model = model.to(device).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=config.peak_lr, weight_decay=config.weight_decay)
    loader = DataLoader(PerSample(ink, config), options.batch_size, shuffle=True, drop_last=True)

    def step(batches: Iterator[Any]) -> None:
        pixels, labels = next(batches)
        loss = torch.nn.functional.cross_entropy(
            model(pixels.to(device)), labels.to(device), label_smoothing=config.smoothing
        )
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), config.grad_clip)
        optimizer.step()

    def timed() -> float:
        batches = iter(loader)
        return elapsed(lambda: step(batches), options.steps, device)

    return timed


def augmentation_share(
    config: TrainConfig, ink: data.InkSet, device: torch.device, options: Options, step: float
) -> float:
    """Seconds of one batch's augmentation (median of 20) over those of a whole step."""
    pixels = torch.from_numpy(ink.images[: options.batch_size])[:, None].to(device).float() / 255
    return statistics.median(elapsed(lambda: augment(pixels, config), 1, device) for _ in range(20)) / step


def elapsed(work: Callable[[], Any], times: int, device: torch.device) -> float:
    """Seconds that so many calls take, the device's queue included."""
    synchronise = torch.cuda.synchronize if device.type == "cuda" else (lambda: None)
    synchronise()
    begun = time.perf_counter()
    for _ in range(times):
        work()
    synchronise()
    return time.perf_counter() - begun


if __name__ == "__main__":
    cli.run(main, Options, __doc__)
