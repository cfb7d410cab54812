"""The network of a model directory as a function of NumPy arrays: ONNX Runtime answers, or else PyTorch.

ONNX Runtime answers on a CPU if model.onnx passes the checks of `hwr.model.session`. PyTorch, where it is installed,
answers for directories without such a graph, and on other devices; it rebuilds the network from config.json.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hwr.config import ModelConfig, UserError
from hwr.model import verify
from hwr.model.onnx_file import GraphError
from hwr.model.session import Input, Session

if TYPE_CHECKING:
    import torch

OUTPUTS = ("features", "logits")
NEEDS_TORCH = "PyTorch, which can answer instead, is not installed: pip install -r requirements-train.txt"

Floats = NDArray[np.float32]


class Outputs(NamedTuple):
    """The output of a network for N pictures: features (N, D), and logits (N, C) before the temperature."""

    features: Floats
    logits: Floats


Network = Callable[[Floats], Outputs]  # of normalised pictures (N, 1, S, S), as `preprocess.to_input` gives them


def load(folder: Path, device: str = "cpu") -> tuple[Network, ModelConfig]:
    """Return the network of a model directory, and its config; both verified.

    Raises UserError for a directory that is damaged, or whose graph is missing or refused where PyTorch is not
    installed.
    """
    config = verify.model_config(folder, verify.read_config(folder))
    if device != "cpu":
        return by_pytorch(
            _loaded(folder, UserError(f"ONNX Runtime answers on the CPU, not on {device}")), device
        ), config
    try:
        return by_onnx_runtime(open_session(folder, config)), config
    except GraphError as error:
        model = _loaded(folder, error)
        logging.getLogger("hwr").warning("%s; PyTorch answers instead, which takes longer to start", error)
        return by_pytorch(model), config


def open_session(folder: Path, config: ModelConfig) -> Session:
    """Load the verified graph and weights of a directory. Raises GraphError if the graph is missing or refused."""
    return Session.open(folder, config.sha256, config.graph_sha256, inputs(config), outputs(config))


def inputs(config: ModelConfig) -> dict[str, Input]:
    """Return the input that the graph of a model must have."""
    return {"pixels": Input((None, 1, config.image_size, config.image_size))}


def outputs(config: ModelConfig) -> dict[str, int | None]:
    """Return the outputs that the graph of a model must have."""
    return {"features": None, "logits": len(config.labels)}


def by_onnx_runtime(session: Session) -> Network:
    """Return a network that runs a session of ONNX Runtime."""
    return lambda pixels: Outputs(**session(pixels))


def by_pytorch(model: torch.nn.Module, device: str = "cpu") -> Network:
    """Return a network that runs a timm model in evaluation mode, with BatchNorm folded into its convolutions."""
    import torch

    from hwr.model.resnet import Answering, fused

    answering = Answering(fused(model)).to(device)

    @torch.inference_mode()
    def ask(pixels: Floats) -> Outputs:
        found: Any = answering(torch.from_numpy(pixels).to(device))
        return Outputs(*(one.float().cpu().numpy() for one in found))

    return ask


def _loaded(folder: Path, problem: UserError) -> torch.nn.Module:
    """Load the model with PyTorch. Raises UserError if that is missing; ``problem`` says why it is needed."""
    if find_spec("torch") is None or find_spec("timm") is None:
        raise UserError(f"{problem}; {NEEDS_TORCH}")
    from hwr.model import store

    return store.load(folder)[0]
