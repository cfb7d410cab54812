"""Load the start of a training: random weights, timm's, or models of this project, whose classes may differ."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional as F

from hwr.config import ModelConfig, UserError
from hwr.hub import origins, transfer
from hwr.ink.preprocess import normalise
from hwr.model import store, verify
from hwr.model.resnet import build, fused
from hwr.training import average
from hwr.training.options import LEAST, TrainConfig

HEAD = "fc"  # of every timm ResNet
# Keys of a model's config in which two models of one network may differ.
MEASURED = {"temperature", "rejection_threshold", "sha256", "graph_sha256"}


@dataclass(frozen=True)
class Start:
    """The network to be trained, still without classes, and the weights and classes that it starts from."""

    config: ModelConfig
    weights: dict[str, torch.Tensor] | None = None  # None: random, or timm's
    training: dict[str, Any] = field(default_factory=dict)  # how those weights were made

    def labels(self, data: tuple[str, ...], keep: bool) -> tuple[str, ...]:
        """Return the classes to train: those of the data, after those of the start if ``keep`` is true."""
        return tuple(dict.fromkeys((*self.config.labels, *data))) if keep else data


def find(config: TrainConfig) -> Start:
    """Load the start that ``--init`` names. Raises UserError if it is missing or smaller than ``--small-size``."""
    start = Start(config.network()) if config.is_fresh else _of_ours(config)
    size = start.config.image_size
    if config.small_size and not LEAST["image_size"] <= config.small_size <= size:
        raise UserError(f"--small-size {config.small_size}: expected {LEAST['image_size']} to {size}, the --image-size")
    return start


def _of_ours(config: TrainConfig) -> Start:
    """Load one model, or the mean of several. Raises UserError if several do not share one network."""
    folders = [folder_of(name) for name in config.init]
    models, (found, *others) = zip(*map(store.load, folders), strict=True)
    for name, other in zip(config.init[1:], others, strict=True):
        if differ := sorted(k for k, v in asdict(other).items() if v != getattr(found, k) and k not in MEASURED):
            raise UserError(
                f"--init {name} differs from {config.init[0]} in {', '.join(differ)}: "
                "expected models of one network and the same classes, whose weights can be averaged"
            )
    found = replace(found, image_size=config.image_size or found.image_size)
    weights = average.mean([model.state_dict() for model in models])
    trainings = [verify.read_config(folder)["hwr"].get("training") for folder in folders]
    return Start(found, weights, origins.in_common(trainings))


def folder_of(name: str) -> Path:
    """Return the model directory of a name: bundled, a directory, or owner/name[@revision] on the Hub."""
    return transfer.find(name).folder


def begin(start: Start, labels: tuple[str, ...], config: TrainConfig) -> tuple[torch.nn.Module, ModelConfig]:
    """Return the network for these classes with the start's weights, and its config.

    Classes in common keep their rows of the classifier.
    """
    described = replace(start.config, labels=labels)
    args: dict[str, Any] = {"drop_rate": config.drop_rate, "drop_path_rate": config.drop_path}
    if config.init == ("imagenet",):
        return _pretrained(described, args), described
    model = build(described, **args)
    if start.weights is not None:
        model.load_state_dict(_with_rows(model.state_dict(), start.weights, start.config.labels, labels))
    return model, described


def require_pretrained(config: ModelConfig) -> None:
    """Raise UserError for a network that timm has no weights for."""
    if config.model_args != {"in_chans": 1}:
        raise UserError(
            f"--init imagenet has no weights for {config.architecture} with {config.model_args}: "
            "name a network as timm trained it, such as --architecture resnet18"
        )


def _pretrained(config: ModelConfig, args: dict[str, Any]) -> torch.nn.Module:
    """Build a network with timm's ImageNet weights; timm sums the filters of conv1 over the colours."""
    require_pretrained(config)
    try:
        return build(config, pretrained=True, **args)
    except OSError as error:  # huggingface_hub's and urllib's errors of the network are OSErrors or wrapped in them
        reason = str(error).splitlines()[0]
        raise UserError(
            f"--init imagenet: the weights of {config.architecture} could not be downloaded: {reason}"
        ) from None


def _with_rows(
    fresh: dict[str, torch.Tensor], start: dict[str, torch.Tensor], old: tuple[str, ...], new: tuple[str, ...]
) -> dict[str, torch.Tensor]:
    """Return the start's weights, but only the classifier rows of common classes; other rows come from ``fresh``."""
    kept = [(i, old.index(label)) for i, label in enumerate(new) if label in old]
    state = dict(start)
    for name in (f"{HEAD}.weight", f"{HEAD}.bias"):
        state[name] = fresh[name].clone()
        for i, j in kept:
            state[name][i] = start[name][j]
    return state


def teacher(names: tuple[str, ...], labels: tuple[str, ...], device: torch.device) -> Teachers | None:
    """Load the models that ``--teacher`` names; None if it names none."""
    return Teachers([Teacher(folder_of(name), labels, device) for name in names]) if names else None


class Teachers:
    """Several teachers; the probability of each class is averaged over the teachers that know it."""

    def __init__(self, members: list[Teacher]) -> None:
        self.members = members
        self.known_by = torch.stack([member.knows for member in members]).sum(0)
        self.knows = self.known_by > 0

    def __call__(self, pixels: torch.Tensor) -> torch.Tensor:
        """Return probabilities as `Teacher` does."""
        total = sum((member(pixels) for member in self.members), torch.zeros(()))
        found = total / self.known_by.clamp_min(1)
        return found / found.sum(1, keepdim=True).clamp_min(1e-9)


class Teacher:
    """A model that teaches another: maps the student's pixels in [0, 1] to probabilities of its classes, (N, C)."""

    def __init__(self, folder: Path, labels: tuple[str, ...], device: torch.device) -> None:
        """Load the model. Raises UserError if it does not exist or shares no class with ``labels``."""
        model, self.config = store.load(folder)
        self.model = fused(model).to(device)
        its = self.config.labels
        self.columns = torch.tensor([its.index(mine) if mine in its else 0 for mine in labels], device=device)
        self.knows = torch.tensor([mine in its for mine in labels], device=device)
        if not self.knows.any():
            raise UserError(f"--teacher {folder} has none of the classes to be trained")

    @torch.no_grad()
    def __call__(self, pixels: torch.Tensor) -> torch.Tensor:
        """Return probabilities among the classes that both know; rows sum to 1."""
        size = self.config.image_size
        if pixels.shape[-1] != size:
            pixels = F.interpolate(pixels, (size, size), mode="bilinear", antialias=True)
        seen = normalise(pixels.clone(), self.config.mean, self.config.std)
        logits = self.model(seen.contiguous(memory_format=torch.channels_last)).float() / self.config.temperature
        found: torch.Tensor = logits.softmax(1)[:, self.columns] * self.knows
        return found / found.sum(1, keepdim=True).clamp_min(1e-9)
