"""Checks of a model directory before anything in it is used: damaged or foreign files are refused."""

from __future__ import annotations

import json
import reprlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hwr.config import LONGEST_LABEL, ModelConfig, UserError, is_label
from hwr.model import weights_file
from hwr.model.weights_file import MAX_HEADER_BYTES as MAX_HEADER_BYTES
from hwr.model.weights_file import MAX_WEIGHTS_BYTES as MAX_WEIGHTS_BYTES

if TYPE_CHECKING:
    import torch

CONFIG, WEIGHTS = "config.json", "model.safetensors"
MAX_CONFIG_BYTES = 2**22
MAX_LABELS = 100_000
DIGESTS = ("sha256", "graph_sha256")
OURS = ("labels", "image_size", "ink", "ink_fraction", "mean", "std", "temperature", "rejection_threshold", *DIGESTS)
WITHIN = {  # bounds of the config's numbers, inclusive
    "image_size": (16, 1024),
    "ink_fraction": (0.1, 1.0),
    "mean": (-10.0, 10.0),
    "std": (1e-3, 10.0),
    "temperature": (1e-3, 1e3),
    "rejection_threshold": (0.0, 1.0),
}


def read_config(folder: Path) -> dict[str, Any]:
    """Return config.json as a dictionary, with our own keys under "hwr"."""
    path = folder / CONFIG
    try:
        if not folder.is_dir():
            raise UserError(f"no such model directory: {folder}")
        if not path.is_file():
            raise UserError(f"{folder} is not a model directory: it has no {CONFIG}")
        if path.stat().st_size > MAX_CONFIG_BYTES:
            raise UserError(f"{path} is larger than {MAX_CONFIG_BYTES} bytes, so it is no config of ours")
        settings = json.loads(path.read_bytes())
    except UserError:
        raise
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{path} cannot be read as JSON: {error}") from None
    if not isinstance(settings, dict) or not isinstance(settings.get("hwr"), dict):
        raise UserError(f'{path} has no "hwr" section: this model was not made by train.py; load it with timm instead')
    return settings


def model_config(folder: Path, settings: dict[str, Any]) -> ModelConfig:
    """Return the checked values of config.json. Raises UserError for values that no valid model has."""
    ours = settings["hwr"]
    values = {name: ours[name] for name in OURS if name in ours}
    try:
        labels = _labels(values.pop("labels"), settings.get("num_classes"))
        digests: dict[str, Any] = {
            "sha256": str(values.pop("sha256")),
            "graph_sha256": str(values.pop("graph_sha256", "")),
        }
        if not isinstance(values.get("ink", True), bool):
            raise ValueError(f"ink is {_shown(values['ink'])}, expected true or false")
        numbers = {name: number_within(name, value, *WITHIN[name]) for name, value in values.items() if name != "ink"}
        args = settings.get("model_args") or {}
        if not isinstance(args, dict):
            raise ValueError(f"model_args is {_shown(args)}, expected an object")
        ink = values.get("ink", True)
        return ModelConfig(labels, str(settings["architecture"]), args, ink=ink, **digests, **numbers)
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{folder / CONFIG} does not describe a model: {error}") from None


def _labels(found: Any, count: Any) -> tuple[str, ...]:
    if not isinstance(found, list) or not 1 <= len(found) <= MAX_LABELS:
        raise ValueError(f"labels must be a list of distinct names, 1 to {MAX_LABELS}")
    if odd := [label for label in found if not is_label(label)]:
        raise ValueError(f"the label {_shown(odd[0])} is not a name of 1 to {LONGEST_LABEL} printable characters")
    if len(set(found)) != len(found):
        raise ValueError("labels must be distinct names")
    if count != len(found):
        raise ValueError(f"num_classes is {_shown(count)} but there are {len(found)} labels")
    return tuple(found)


def number_within(name: str, value: Any, low: float, high: float) -> Any:
    """Return a number of a config, as int if ``low`` is one. Raises ValueError unless it lies within the bounds."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
        raise ValueError(f"{name} is {_shown(value)}, expected {low} to {high}")
    return int(value) if isinstance(low, int) else float(value)


def _shown(value: Any) -> str:
    """Return the start of a value that may be long, or nested deeper than Python can print."""
    return reprlib.repr(value)


def weights(path: Path, expected: str) -> dict[str, torch.Tensor]:
    """Return the tensors of a safetensors file with this sha256, for PyTorch. Raises UserError for any other file."""
    import safetensors.torch

    content = weights_file.read(path, expected)
    try:
        return safetensors.torch.load(content)
    except Exception as error:  # safetensors raises several kinds for types and shapes that torch lacks
        raise UserError(f"{path} is damaged: {str(error)[:200]}") from None


def same_names(folder: Path, wanted: dict[str, torch.Tensor], found: dict[str, torch.Tensor]) -> None:
    """Raise UserError for weights whose names, shapes or types are not the architecture's, or that are not finite."""
    import torch

    if odd := sorted(wanted.keys() ^ found.keys()):
        raise UserError(f"{folder}: weights and architecture differ in {len(odd)} names, such as {_shown(odd[0])}")
    for name, tensor in wanted.items():
        if tensor.shape != found[name].shape:
            shapes = f"{tuple(found[name].shape)}, the architecture needs {tuple(tensor.shape)}"
            raise UserError(f"{folder}: {name} has the shape {shapes}")
        if tensor.dtype != found[name].dtype:
            raise UserError(f"{folder}: {name} is of {found[name].dtype}, the architecture needs {tensor.dtype}")
        if not torch.isfinite(found[name]).all():
            raise UserError(f"{folder}: {name} holds infinities or NaN")
