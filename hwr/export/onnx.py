"""ONNX: the bytes of a file, and its answers by ONNX Runtime."""

from __future__ import annotations

import json

import numpy as np
import torch
from numpy.typing import NDArray

from hwr.config import ModelConfig, UserError
from hwr.export import graph
from hwr.export.parity import Answers
from hwr.ink.picture import Gray

PACKAGES = ("onnx", "onnxscript", "onnxruntime")


def content(model: torch.nn.Module, config: ModelConfig, raw: bool) -> bytes:
    """Return a file with the values of `graph.about` as metadata, in JSON except for strings.

    Raises UserError if the packages are too old for torch.
    """
    try:
        program = _program(model, config, raw)
    except ImportError as error:  # torch asks onnxscript for a module of torch's own version
        raise UserError(f"{error}: pip install --upgrade {' '.join(PACKAGES)}") from None
    return bare(program, config)


def bare(program: torch.onnx.ONNXProgram, config: ModelConfig) -> bytes:
    """Return the bytes of a program, with the metadata of `graph.about` and without paths of this machine."""
    values = graph.about(config).items()
    texts = {name: value if isinstance(value, str) else json.dumps(value) for name, value in values}
    program.model.metadata_props.update(texts)
    proto = program.model_proto
    inner = proto.graph
    for part in (*inner.input, *inner.output, *inner.value_info, *inner.initializer, *inner.node):
        del part.metadata_props[:]  # stack traces: paths of this machine, and not the same in every run
    found: bytes = proto.SerializeToString(deterministic=True)
    return found


def _program(model: torch.nn.Module, config: ModelConfig, raw: bool) -> torch.onnx.ONNXProgram:
    """In the operator set that torch's exporter is written for: ONNX's newest would need a conversion."""
    given, answered = graph.names(raw)
    program = torch.onnx.export(
        graph.network(model, config, raw),
        (graph.example(config, raw),),
        input_names=[given],
        output_names=[answered],
        dynamic_shapes=({0: graph.BATCH},),
        dynamo=True,
        verbose=False,
    )
    assert program is not None  # it is None only of the exporter before dynamo
    return program


def answers(content: bytes, config: ModelConfig, raw: bool) -> Answers:
    """Return a function that answers with ONNX Runtime on a CPU."""
    import onnxruntime

    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    given, _ = graph.names(raw)

    def answer(ink: Gray) -> NDArray[np.float32]:
        return np.asarray(session.run(None, {given: graph.given(ink, config, raw)})[0], np.float32)

    return answer
