"""The network of a model as one graph, and the metadata needed to use it, for files of other runtimes."""

from __future__ import annotations

import copy
from typing import Any

import torch
from numpy.typing import NDArray

import hwr
from hwr.config import ModelConfig
from hwr.ink.picture import Gray
from hwr.ink.preprocess import normalise, to_input
from hwr.model.resnet import fused
from hwr.model.verify import OURS

BATCH = torch.export.Dim("N")  # any number of pictures


class _FromInk(torch.nn.Module):
    """Maps fitted ink, uint8 (N, S, S), to calibrated probabilities, float32 (N, C), in one graph."""

    def __init__(self, network: torch.nn.Module, config: ModelConfig) -> None:
        super().__init__()
        self.network = network
        self.config = config

    def forward(self, ink: torch.Tensor) -> torch.Tensor:
        """`preprocess.to_input`, the network, the temperature, and a softmax over all classes."""
        pixels = normalise(ink.unsqueeze(1).float().div(255), self.config.mean, self.config.std)
        logits: torch.Tensor = self.network(pixels)
        return logits.div(self.config.temperature).softmax(1)


def network(model: torch.nn.Module, config: ModelConfig, raw: bool) -> torch.nn.Module:
    """Return the model from normalised pixels to logits or, if ``raw``, from fitted ink to calibrated probabilities."""
    return _FromInk(model, config).eval() if raw else model


def folded(model: torch.nn.Module) -> torch.nn.Module:
    """Return a copy with BatchNorm folded into the convolutions, and weights as torch.export saves them."""
    return fused(copy.deepcopy(model)).to(memory_format=torch.contiguous_format)


def example(config: ModelConfig, raw: bool, n: int = 2) -> torch.Tensor:
    """Return blank input for tracing: two pictures, because a batch of one would become a constant."""
    size = config.image_size
    return torch.zeros(n, size, size, dtype=torch.uint8) if raw else torch.zeros(n, 1, size, size)


def names(raw: bool) -> tuple[str, str]:
    """Return the names of input and output."""
    return ("ink", "probabilities") if raw else ("pixels", "logits")


def given(ink: Gray, config: ModelConfig, raw: bool) -> NDArray[Any]:
    """Return the input for fitted ink, uint8 (N, S, S)."""
    return ink if raw else to_input(ink, config)


def about(config: ModelConfig) -> dict[str, Any]:
    """Return the metadata needed to use the file, such as the labels, as values for JSON."""
    return {name: getattr(config, name) for name in OURS} | {"hwr_version": hwr.__version__}
