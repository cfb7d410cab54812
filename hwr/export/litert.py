"""LiteRT, which was TensorFlow Lite: the bytes of a .tflite file, and what LiteRT's interpreter answers with it.

The converter, litert-torch, wants older packages than the command line does, so it gets an environment of its own.
"""

from __future__ import annotations

import importlib
import json
import tempfile
from pathlib import Path
from zipfile import ZipFile, ZipInfo

import numpy as np
import torch
from numpy.typing import NDArray

from hwr.config import ModelConfig
from hwr.export import graph
from hwr.export.parity import Answers

PACKAGES = ("litert_torch", "ai_edge_litert")
INSTALL = (
    "in an environment of its own, pip install litert-torch timm torchvision opencv-python-headless onnx onnxruntime; "
    "then pip install tyro, whatever pip says of xdsl"
)
EXTRA = "hwr.json"  # packed behind the graph, where any program for zip files finds it: what `graph.about` says


def content(model: torch.nn.Module, config: ModelConfig, raw: bool) -> bytes:
    """A file for one picture at a time, N = 1: litert-torch does not convert a free N. BatchNorm is folded."""
    convert = importlib.import_module("litert_torch").convert
    program = convert(graph.network(graph.folded(model), config, raw), (graph.example(config, raw, 1),))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.tflite"
        program.export(str(path))
        with ZipFile(path, "a") as archive:
            archive.writestr(ZipInfo(EXTRA), json.dumps(graph.about(config)))
        return path.read_bytes()


def answers(content: bytes, config: ModelConfig, raw: bool) -> Answers:
    """What LiteRT's interpreter answers on CPU."""
    interpreter = importlib.import_module("ai_edge_litert.interpreter").Interpreter(model_content=content)
    interpreter.allocate_tensors()
    (given,), (answered,) = interpreter.get_input_details(), interpreter.get_output_details()

    def one(picture: NDArray[np.generic]) -> NDArray[np.float32]:
        interpreter.set_tensor(given["index"], picture[None])
        interpreter.invoke()
        return np.asarray(interpreter.get_tensor(answered["index"]), np.float32)

    return lambda ink: np.concatenate([one(picture) for picture in graph.given(ink, config, raw)])
