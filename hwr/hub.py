"""A model directory: save, load, verify. timm's own format, so that timm loads it without this package."""

from __future__ import annotations

import hashlib
import json
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from timm.models import save_for_hf

from hwr.config import ModelConfig, UserError
from hwr.model import build

BUNDLED = Path(__file__).parent / "weights"
CONFIG, WEIGHTS, METRICS, CARD = "config.json", "model.safetensors", "metrics.json", "README.md"
MAX_CONFIG_BYTES = 2**22
OURS = ("labels", "image_size", "ink", "ink_fraction", "mean", "std", "temperature", "rejection_threshold", "sha256")


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
    write(folder / WEIGHTS, content)
    write(folder / METRICS, _json(metrics))
    described = replace(config, sha256=hashlib.sha256(content).hexdigest())
    ours = {name: getattr(described, name) for name in OURS} | notes
    write(folder / CONFIG, _json(settings | {"hwr": ours}))


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


def write(path: Path, content: bytes | memoryview) -> None:
    """To a temporary file beside it, then renamed: a reader sees the old file or the new one."""
    partial = path.with_name(path.name + ".partial")
    partial.write_bytes(content)
    partial.replace(path)


def _json(value: Any) -> bytes:
    return (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode()


def load(folder: Path) -> tuple[torch.nn.Module, ModelConfig]:
    """The network, in evaluation mode on the CPU, and its config; both verified.

    Raises UserError where a file is missing or damaged, the weights are not those that config.json was written
    for, or a name or a shape differs.
    """
    settings = read_config(folder)
    config = _model_config(folder, settings)
    model = build(config)
    tensors = _verified_weights(folder / WEIGHTS, config.sha256)
    _check_names(folder, model.state_dict(), tensors)
    model.load_state_dict(tensors)
    return model.eval(), config


def read_config(folder: Path) -> dict[str, Any]:
    """config.json as a dictionary with our own keys under "hwr"."""
    path = folder / CONFIG
    if not folder.is_dir():
        raise UserError(f"no such model directory: {folder}")
    if not path.is_file():
        raise UserError(f"{folder} is not a model directory: it has no {CONFIG}")
    try:
        if path.stat().st_size > MAX_CONFIG_BYTES:
            raise UserError(f"{path} is larger than {MAX_CONFIG_BYTES} bytes, so it is no config of ours")
        settings = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is not valid JSON: {error}") from None
    if not isinstance(settings, dict) or not isinstance(settings.get("hwr"), dict):
        raise UserError(f'{path} has no "hwr" section: this model was not made by train.py; load it with timm instead')
    return settings


def _model_config(folder: Path, settings: dict[str, Any]) -> ModelConfig:
    ours = settings["hwr"]
    values = {name: ours[name] for name in OURS if name in ours}
    try:
        labels = tuple(str(label) for label in values.pop("labels"))
        if not labels or len(set(labels)) != len(labels):
            raise ValueError(f"labels must be distinct and at least one; got {len(labels)}")
        if settings.get("num_classes") != len(labels):
            raise ValueError(f"num_classes is {settings.get('num_classes')} but there are {len(labels)} labels")
        sha256 = str(values.pop("sha256"))
        kinds = {"image_size": int, "ink": bool}
        numbers = {k: kinds.get(k, float)(v) for k, v in values.items()}
        if not 16 <= numbers.get("image_size", 48) <= 1024 or numbers.get("temperature", 1.0) <= 0:
            raise ValueError("image_size must be 16 to 1024 and temperature above 0")
        args = dict(settings.get("model_args") or {})
        return ModelConfig(labels, str(settings["architecture"]), args, sha256=sha256, **numbers)
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{folder / CONFIG} does not describe a model: {error}") from None


def _verified_weights(path: Path, expected: str) -> dict[str, torch.Tensor]:
    try:
        content = path.read_bytes()
    except OSError:
        raise UserError(f"{path} cannot be read: the model directory needs {WEIGHTS}") from None
    found = hashlib.sha256(content).hexdigest()
    if found != expected:
        raise UserError(f"{path} is not what config.json was written for: its sha256 is {found}, expected {expected}")
    try:
        return safetensors.torch.load(content)
    except safetensors.SafetensorError as error:
        raise UserError(f"{path} is damaged: {error}") from None


def _check_names(folder: Path, wanted: dict[str, torch.Tensor], found: dict[str, torch.Tensor]) -> None:
    if odd := sorted(wanted.keys() ^ found.keys()):
        raise UserError(f"{folder}: weights and architecture differ in {len(odd)} names, such as {odd[0]}")
    for name, tensor in wanted.items():
        if tensor.shape != found[name].shape:
            shapes = f"{tuple(found[name].shape)}, the architecture needs {tuple(tensor.shape)}"
            raise UserError(f"{folder}: {name} has the shape {shapes}")
