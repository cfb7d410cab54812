"""Labelled ink on the training device, and the logits of a model for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from accelerate import PartialState
from torch.nn import functional as F
from tqdm import tqdm

from hwr.config import OTHER, ModelConfig
from hwr.data.inkset import InkSet
from hwr.evaluation.devices import gather
from hwr.ink.preprocess import normalise

BATCH = 1024  # pictures per forward pass without gradients


@dataclass(frozen=True)
class Labelled:
    """Ink on the training device: ``images`` uint8 (N, 1, S, S), ``labels`` (N,) rows of ``allowed`` and ``prior``.

    ``allowed`` bool (T, C) are the classes that count as right, ``prior`` (T, C) the share of each among them.
    ``undistilled`` bool (N,) marks outliers, which a teacher may never have seen, so that it is not asked about them.
    """

    images: torch.Tensor
    labels: torch.Tensor
    allowed: torch.Tensor
    prior: torch.Tensor
    undistilled: torch.Tensor

    @classmethod
    def of(cls, ink: InkSet, labels: tuple[str, ...], device: torch.device) -> Labelled:
        """Move an InkSet to the device, for a model with these labels."""
        outliers = np.array([target == (OTHER,) for target in ink.targets])[ink.labels]
        return cls(
            torch.from_numpy(ink.images).unsqueeze(1).to(device),
            torch.from_numpy(ink.labels).to(device),
            ink.membership(labels).to(device),
            ink.prior(labels).to(device),
            torch.from_numpy(outliers).to(device),
        )

    def __len__(self) -> int:
        return len(self.labels)

    def pixels(self, rows: torch.Tensor | slice) -> torch.Tensor:
        """Return pixels in [0, 1], float32 (B, 1, S, S)."""
        return self.images[rows].float().div_(255)


@torch.inference_mode()
def predict(
    model: torch.nn.Module, data: Labelled, config: ModelConfig, size: int = 0
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return logits (N, C) and allowed classes (N, C) of every sample, in float32, on the CPU.

    Several processes share the work: each sample is computed by exactly one of them, and all get all logits.
    """
    state: Any = PartialState()
    batches = data.images.split(BATCH)
    mine = range(state.process_index, len(batches), state.num_processes)
    answers = [(i, logits(model, batches[i], config, size)) for i in mine]
    found = dict(answer for process in gather(answers) for answer in process)
    return torch.cat([found[i] for i in range(len(batches))]), data.allowed[data.labels].cpu()


@torch.inference_mode()
def logits(
    model: torch.nn.Module, images: torch.Tensor, config: ModelConfig, size: int = 0, name: str = ""
) -> torch.Tensor:
    """Return logits (N, C) of preprocessed pictures, uint8 (N, 1, S, S), in float32, on the CPU, in this process alone.

    Pictures are scaled to ``size`` pixels unless it is 0. ``name`` labels the progress bar.
    """
    device = next(model.parameters(), images).device
    bar = tqdm(images.split(BATCH), name, leave=False, disable=None if name and len(images) > BATCH else True)
    model.eval()
    return torch.cat([_forward(model, batch.to(device).float().div_(255), config, size).cpu() for batch in bar])


def _forward(model: torch.nn.Module, pixels: torch.Tensor, config: ModelConfig, size: int) -> torch.Tensor:
    if size and size != pixels.shape[-1]:
        pixels = F.interpolate(pixels, (size, size), mode="bilinear", antialias=True)
    found: torch.Tensor = model(normalise(pixels, config.mean, config.std))
    return found.float()
