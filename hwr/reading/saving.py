"""Write a reader's directory, and load its network for training. Needs PyTorch; `hwr.reading.session` does not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import safetensors.torch
import torch

from hwr.files import sha256, to_json, write_atomically
from hwr.model import graph
from hwr.model.session import GRAPH, WEIGHTS
from hwr.model.store import load_weights
from hwr.reading import language
from hwr.reading.config import LineConfig
from hwr.reading.network import LineNetwork, build
from hwr.reading.session import CONFIG, METRICS, read_config

EXAMPLE_WIDTH = 64  # pixels of the lines that the graph is traced with


def save(
    folder: Path,
    weights: dict[str, torch.Tensor],
    config: LineConfig,
    notes: dict[str, Any],
    metrics: dict[str, Any],
    words: Mapping[str, int] | None = None,
) -> None:
    """Write the weights, their graph, what was measured, and last config.json, which holds their digests.

    ``words`` and their counts are those of the language that the reader's texts are weighed with; None for none.
    ``notes`` (training configuration, data, package version) go into config.json beside what loading needs.
    """
    network = build(config)
    network.load_state_dict(weights)
    content = safetensors.torch.save({name: tensor.contiguous().cpu() for name, tensor in weights.items()})
    lines = torch.zeros(2, 1, config.height, EXAMPLE_WIDTH)
    onnx = graph.write(network.eval(), (lines,), content, {"pixels": {0: "N", 3: "W"}}, ["logits"])
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / WEIGHTS, content)
    write_atomically(folder / GRAPH, onnx)
    write_atomically(folder / METRICS, to_json(metrics))
    if words:
        write_atomically(folder / language.FILE, language.to_bytes(words))
    described = replace(
        config,
        sha256=sha256(content),
        graph_sha256=sha256(onnx),
        words_sha256=sha256(language.to_bytes(words)) if words else "",
    )
    settings = described.settings()
    settings["hwr"] |= notes
    write_atomically(folder / CONFIG, to_json(settings))


def load(folder: Path) -> tuple[LineNetwork, LineConfig]:
    """Load the network of a reader's directory, in evaluation mode on the CPU.

    Raises UserError where a file is missing or damaged, or the weights are not the network's.
    """
    config = read_config(folder)
    return load_weights(folder, config.sha256, lambda: build(config)), config
