"""A model directory on this machine: save, load.

It has timm's own format, so that timm loads it without this package.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import torch
from timm.models import save_for_hf

from hwr.config import ModelConfig
from hwr.files import write_atomically
from hwr.model import verify
from hwr.model.resnet import build
from hwr.model.verify import CONFIG, OURS, WEIGHTS

BUNDLED = Path(__file__).parents[1] / "weights"
METRICS, CARD = "metrics.json", "README.md"
ONNX, RAW_ONNX = "model.onnx", "model.raw.onnx"
EXPORTS = (ONNX, RAW_ONNX, *(f"model{raw}{suffix}" for suffix in (".int8.onnx", ".tflite") for raw in ("", ".raw")))
PRIVATE = ("model.pt2", "model.raw.pt2")  # not published: who loads one runs whatever code somebody put into it
CURVES = "learning_curves.png"


class Found(NamedTuple):
    """A model directory: where it lies, what it is called, and of the Hub's its commit.

    ``stale`` says why the Hub was not asked, where a copy from the cache had to do.
    """

    folder: Path
    name: str
    commit: str = ""
    stale: str = ""


def save(
    folder: Path,
    weights: dict[str, torch.Tensor],
    config: ModelConfig,
    notes: dict[str, Any],
    metrics: dict[str, Any],
) -> None:
    """Write a model directory. Each file is renamed into place, config.json with the weights' sha256 last.

    ``notes`` (training configuration, data, package version) go into config.json beside what loading needs.
    """
    model = build(config)
    model.load_state_dict(weights)
    folder.mkdir(parents=True, exist_ok=True)
    content, settings = _as_timm_saves(model, config)
    for name in (*EXPORTS, *PRIVATE):  # of other weights
        (folder / name).unlink(missing_ok=True)
    write_atomically(folder / WEIGHTS, content)
    write_atomically(folder / METRICS, _json(metrics))
    described = replace(config, sha256=hashlib.sha256(content).hexdigest())
    ours = {name: getattr(described, name) for name in OURS} | notes
    write_atomically(folder / CONFIG, _json(settings | {"hwr": ours}))


def _as_timm_saves(model: torch.nn.Module, config: ModelConfig) -> tuple[bytes, dict[str, Any]]:
    """The bytes of model.safetensors, and timm's part of config.json."""
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


def _json(value: Any) -> bytes:
    return (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode()


def load(folder: Path) -> tuple[torch.nn.Module, ModelConfig]:
    """The network, in evaluation mode on the CPU, and its config; both verified.

    Raises UserError where a file is missing or damaged, the weights are not those that config.json was written
    for, or a name or a shape differs.
    """
    config = verify.model_config(folder, verify.read_config(folder))
    tensors = verify.weights(folder / WEIGHTS, config.sha256)
    with torch.device("meta"):  # without memory: a hostile config must not fill it
        verify.same_names(folder, build(config).state_dict(), tensors)
    model = build(config)
    model.load_state_dict(tensors)
    return model.eval(), config
