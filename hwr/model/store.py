"""A local model directory: save, load.

It has timm's own format, so that timm loads it without this package.
"""

from __future__ import annotations

import json
import logging
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from hwr.config import ModelConfig
from hwr.files import sha256, to_json, write_atomically
from hwr.model import verify
from hwr.model.onnx_file import GraphError
from hwr.model.session import GRAPH
from hwr.model.verify import CONFIG as CONFIG
from hwr.model.verify import OURS
from hwr.model.verify import WEIGHTS as WEIGHTS

if TYPE_CHECKING:
    import torch

BUNDLED = Path(__file__).parents[1] / "weights"
METRICS, CARD = "metrics.json", "README.md"
ONNX, RAW_ONNX = "model.standalone.onnx", "model.raw.standalone.onnx"  # with weights inside, for other runtimes
WHOLE_ONNX = "model.whole.onnx"  # and with the preprocessing
EXPORTS = (
    ONNX,
    RAW_ONNX,
    WHOLE_ONNX,
    *(f"model{raw}{suffix}" for suffix in (".int8.onnx", ".tflite") for raw in ("", ".raw")),
)
PRIVATE = ("model.pt2", "model.raw.pt2")  # not published: loading one can run code
CURVES = "learning_curves.png"

Model = TypeVar("Model", bound="torch.nn.Module")


class Found(NamedTuple):
    """A model directory: its folder, its name, and its commit if it is from the Hub.

    ``stale`` says why a cached copy was used.
    """

    folder: Path
    name: str
    commit: str = ""
    stale: str = ""


def save(
    folder: Path, weights: dict[str, torch.Tensor], config: ModelConfig, notes: dict[str, Any], metrics: dict[str, Any]
) -> None:
    """Write a model directory. Each file is renamed into place, config.json with the digests of the others last.

    ``notes`` (training configuration, data, package version) go into config.json beside what loading needs. A network
    of operators that model.onnx may not have is saved without it, and a warning says so: PyTorch answers for it.
    """
    from hwr.model.resnet import build

    model = build(config)
    model.load_state_dict(weights)
    folder.mkdir(parents=True, exist_ok=True)
    content, settings = _as_timm_saves(model, config)
    graph = _graph(model, config, content)
    for name in (GRAPH, *EXPORTS, *PRIVATE):  # they belong to other weights
        (folder / name).unlink(missing_ok=True)
    write_atomically(folder / WEIGHTS, content)
    if graph:
        write_atomically(folder / GRAPH, graph)
    write_atomically(folder / METRICS, to_json(metrics))
    described = replace(config, sha256=sha256(content), graph_sha256=sha256(graph) if graph else "")
    ours = {name: getattr(described, name) for name in OURS} | notes
    write_atomically(folder / CONFIG, to_json(settings | {"hwr": ours}))


def _graph(model: torch.nn.Module, config: ModelConfig, weights: bytes) -> bytes:
    """Return the content of model.onnx for these weights, empty if the network has no graph."""
    try:
        from hwr.model import resnet_graph

        return resnet_graph.write(model, config, weights)
    except (GraphError, ImportError) as error:
        reason = " ".join(str(error).split())[:300]
        logging.getLogger("hwr").warning("%s is not written, PyTorch will answer for this model: %s", GRAPH, reason)
        return b""


def add_graph(folder: Path) -> None:
    """Write the model.onnx of a directory that lacks it, and its digest into config.json.

    Raises UserError for a model that cannot be loaded, and GraphError for a network that has no graph.
    """
    from hwr.model import resnet_graph

    model, config = load(folder)
    graph = resnet_graph.write(model, config, (folder / WEIGHTS).read_bytes())
    settings = verify.read_config(folder)
    settings["hwr"]["graph_sha256"] = sha256(graph)
    write_atomically(folder / GRAPH, graph)
    write_atomically(folder / CONFIG, to_json(settings))


def _as_timm_saves(model: torch.nn.Module, config: ModelConfig) -> tuple[bytes, dict[str, Any]]:
    """Return the bytes of model.safetensors, and timm's part of config.json."""
    from timm.models import save_for_hf

    size = config.image_size
    data_config = {
        "input_size": (1, size, size),
        "mean": (config.mean,),
        "std": (config.std,),
        "interpolation": "bilinear",
        "crop_pct": 1.0,
    }
    with tempfile.TemporaryDirectory() as folder:
        save_for_hf(
            model,
            folder,
            model_config={"label_names": list(config.labels)},
            safe_serialization=True,
            data_config=data_config,
        )
        settings = json.loads((Path(folder) / CONFIG).read_bytes())
        # timm notes num_classes and global_pool among the arguments too; transformers then passes them twice.
        return (Path(folder) / WEIGHTS).read_bytes(), settings | {"model_args": config.model_args}


def load(folder: Path) -> tuple[torch.nn.Module, ModelConfig]:
    """Load the network, in evaluation mode on the CPU, and its config; both are verified.

    Raises UserError if a file is missing or damaged, if the weights are not those of config.json, or if a name or a
    shape differs.
    """
    from hwr.model.resnet import build

    config = verify.model_config(folder, verify.read_config(folder))
    return load_weights(folder, config.sha256, lambda: build(config)), config


def load_weights(folder: Path, digest: str, build: Callable[[], Model]) -> Model:
    """Build a network and load the weights of a directory into it, both verified; it is in evaluation mode.

    Raises UserError if the weights are missing or damaged, or if a name or a shape differs.
    """
    import torch

    tensors = verify.weights(folder / WEIGHTS, digest)
    with torch.device("meta"):  # allocates nothing: a hostile config must not exhaust memory
        verify.same_names(folder, build().state_dict(), tensors)
    model = build()
    model.load_state_dict(tensors)
    return model.eval()
