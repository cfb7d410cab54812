"""The model.onnx of a timm ResNet: from normalised pixels (N, 1, S, S) to features (N, D) and logits (N, C)."""

from __future__ import annotations

import json
from functools import lru_cache

import numpy as np
import onnx
import torch

from hwr.config import ModelConfig
from hwr.model import graph
from hwr.model.network import OUTPUTS, inputs, outputs
from hwr.model.onnx_file import GraphError
from hwr.model.resnet import Answering, build
from hwr.model.session import Session

TRACED = 64  # pixels
CLASSIFIER = ".fc"  # of timm's ResNets
TOLERANCE = 1e-3  # of logits and features, as a share of the largest: another order of adding makes 1e-6


def write(model: torch.nn.Module, config: ModelConfig, weights: bytes) -> bytes:
    """Return the graph of a model for the content of its model.safetensors, after it answered as PyTorch does.

    Raises GraphError for a network of operators that `hwr.model.session` refuses, or whose answers differ.
    """
    found = graph.pointed(_sized(_structure(config.architecture, json.dumps(config.model_args)), config), weights)
    session = Session(found, weights, inputs(config), outputs(config))
    pixels = torch.randn(4, 1, config.image_size, config.image_size, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        expected = Answering(model.eval())(pixels)
    for name, answer in zip(OUTPUTS, expected, strict=True):
        largest = float(answer.abs().max().clamp_min(1e-6))
        if not np.abs(session(pixels.numpy())[name] - answer.numpy()).max() <= TOLERANCE * largest:
            raise GraphError(f"ONNX Runtime gives other {name} than PyTorch")
    return found


@lru_cache(maxsize=4)
def _structure(architecture: str, model_args: str) -> onnx.ModelProto:
    """Return the graph of an architecture, for any image size and number of classes. Tracing takes seconds."""
    config = ModelConfig(("a", "b"), architecture, json.loads(model_args), image_size=TRACED)
    network, pixels = Answering(build(config)).eval(), torch.zeros(2, 1, TRACED, TRACED)
    return graph.structure(network, (pixels,), {"pixels": {0: "N"}}, OUTPUTS)


def _sized(structure: onnx.ModelProto, config: ModelConfig) -> onnx.ModelProto:
    """Return the graph with a model's image size and number of classes; nothing else in it depends on them."""
    found = onnx.ModelProto()
    found.CopyFrom(structure)
    for tensor in found.graph.initializer:
        if tensor.name.rpartition(".")[0].endswith(CLASSIFIER):
            tensor.dims[0] = len(config.labels)
    for side in found.graph.input[0].type.tensor_type.shape.dim[2:]:
        side.dim_value = config.image_size
    found.graph.output[1].type.tensor_type.shape.dim[1].dim_value = len(config.labels)
    return found
