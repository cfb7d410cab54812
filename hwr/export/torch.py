"""torch.export: the bytes of a .pt2 file, and what PyTorch answers with it."""

from __future__ import annotations

import io
import json

import numpy as np
import torch
from numpy.typing import NDArray

from hwr.config import ModelConfig
from hwr.export import graph
from hwr.export.parity import Answers
from hwr.ink.picture import Gray

EXTRA = "hwr.json"  # beside the graph in the archive: what `graph.about` says


def content(model: torch.nn.Module, config: ModelConfig, raw: bool) -> bytes:
    """A file for `torch.export.load`, compilers and runtimes of torch.export's programs; BatchNorm is folded.

    It is a zip of JSON and bare arrays of numbers, without a pickle. `torch.export.load` itself is not so strict: it
    unpickles whatever a file declares to be pickled (tensors of unknown types, custom objects, example inputs), and
    tries ``weights_only`` for the example inputs alone, falling back to none. That runs code, so load a file only
    from where you would run code from; this project loads what it has just made itself, and no other.
    """
    network = graph.network(graph.folded(model), config, raw)
    program = torch.export.export(network, (graph.example(config, raw),), dynamic_shapes=({0: graph.BATCH},))
    program.example_inputs = None  # the one part that would be pickled
    for node in program.graph.nodes:
        node.meta.pop("stack_trace", None)  # paths of this machine
    buffer = io.BytesIO()
    torch.export.save(program, buffer, extra_files={EXTRA: json.dumps(graph.about(config))})
    return buffer.getvalue()


def answers(content: bytes, config: ModelConfig, raw: bool) -> Answers:
    """What PyTorch answers with the bytes that `content` gave: see there why it must be those."""
    network = torch.export.load(io.BytesIO(content)).module()

    @torch.inference_mode()
    def answer(ink: Gray) -> NDArray[np.float32]:
        found: NDArray[np.float32] = network(torch.from_numpy(graph.given(ink, config, raw))).numpy()
        return found

    return answer
