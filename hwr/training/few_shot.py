"""Fit the classifier of a trained network to a few pictures of new characters or of one person's handwriting.

The network stays as it is: only its last, linear layer changes, so that the result is an ordinary model directory. The
features of every picture are computed once, and the change of the layer is the solution of a convex problem (L2-SP; Li,
Grandvalet and Davoine 2018), found by L-BFGS. Pictures of other characters and of no characters, for which the answers
of the model before are the target, keep what it knew (Learning without Forgetting; Li and Hoiem 2018).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from hwr import metrics
from hwr.config import OTHER, ModelConfig
from hwr.data import outliers
from hwr.data.inkset import InkSet, fit_source
from hwr.data.sources import read
from hwr.evaluation.inference import Labelled, predict
from hwr.ink.preprocess import normalise
from hwr.model.resnet import build
from hwr.training.augment import augment
from hwr.training.options import TrainConfig
from hwr.training.records import Records
from hwr.training.start import HEAD, Start

VIEWS = 400  # augmented pictures in all, about: few enough to compute their features in seconds on one thread
MOST_VIEWS = 20  # of one picture
PER_CLASS = 3  # pictures of every character of the sample that must be read as before
NON_CHARACTERS = 150  # pictures of no character that must be rejected as before
L2_KNOWN = 0.05  # L2 penalty of the change: half of it times the square is added to the summed cross entropy
L2_NEW = 0.005  # for a class that the model lacks, and for OTHER, which was the answer for new characters
ANCHOR = 0.3  # weight of a picture whose target is the old model's answer; a picture to be learnt has 1
REACH = 20.0  # sharpness of the kernel on cosines by which rejected pictures that resemble taught ones do not count
NEW = 10.0  # weight of a picture of a new class, of which there are no other pictures
STEPS = 100  # of L-BFGS at most
BATCH = 64  # pictures a forward pass


@dataclass(frozen=True)
class Examples:
    """Training examples: features (N, D), target probabilities (N, C) and weights (N,)."""

    features: torch.Tensor
    targets: torch.Tensor
    weights: torch.Tensor


def fit(
    model: torch.nn.Module, train: InkSet, config: TrainConfig, model_config: ModelConfig, start: Start
) -> dict[str, torch.Tensor]:
    """Return the weights of ``model`` with a classifier that has learnt ``train``.

    ``model`` has the weights of ``start`` and the classes of ``model_config``, among them those of ``start``. The loss
    and the accuracy on the augmented pictures go to the records of the run.
    """
    layer = _initial(model, start.config.labels, model_config.labels)
    taught = _taught(model, train, config, model_config, start.config.labels)
    kept = _kept(model, taught, config, model_config, start, layer)
    temperature = start.config.temperature
    parts = [taught, *kept]
    features = torch.cat([part.features for part in parts])
    targets = torch.cat([part.targets for part in parts])
    weights = torch.cat([part.weights for part in parts])
    new = [label for label in model_config.labels if label not in start.config.labels]
    changing = {*new, OTHER} if new else set()
    penalties = torch.tensor([L2_NEW if label in changing else L2_KNOWN for label in model_config.labels])
    begin = F.linear(features, *layer) / temperature
    change = solve(features, begin, targets, weights, penalties.to(features.device))
    weight, bias = layer[0] + temperature * change[:, :-1], layer[1] + temperature * change[:, -1]
    after = F.linear(taught.features, weight, bias) / temperature
    right = (after.argmax(1) == taught.targets.argmax(1)).float().mean().item()
    loss = F.cross_entropy(after, taught.targets).item()
    Records(config.out).log(1, {"loss": loss, "accuracy": right})
    return model.state_dict() | {f"{HEAD}.weight": weight, f"{HEAD}.bias": bias}


def _initial(model: torch.nn.Module, old: tuple[str, ...], new: tuple[str, ...]) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the initial weight (C, D) and bias (C,) of the classifier.

    A class that the start lacks begins as OTHER, which is the start's answer for unknown characters, or as the mean.
    """
    head = getattr(model, HEAD)
    weight, bias = head.weight.detach().clone(), head.bias.detach().clone()
    known = [new.index(label) for label in old]
    like = [new.index(OTHER)] if OTHER in old else known
    for i, label in enumerate(new):
        if label not in old:
            weight[i], bias[i] = weight[like].mean(0), bias[like].mean()
    return weight, bias


def compared(model: torch.nn.Module, config: ModelConfig, start: Start, ink: InkSet) -> str:
    """Return a sentence that compares the number of pictures read, correctly and with confidence, with the start's."""
    before = build(start.config)
    before.load_state_dict(start.weights or {})
    old, now = count_read(before.to(next(model.parameters()).device), start.config, ink), count_read(model, config, ink)
    return f"reads {now} of your {len(ink)} pictures now, {old} before"


def count_read(model: torch.nn.Module, config: ModelConfig, ink: InkSet) -> int:
    """Return the number of pictures for which the model's answer is right and confident."""
    known = tuple(dict.fromkeys((*config.labels, *ink.classes())))  # a class that the model lacks is never read
    data = Labelled.of(ink, known, next(model.parameters()).device)
    found, allowed = predict(model, data, config)
    other = config.labels.index(OTHER) if OTHER in config.labels else None
    sure = metrics.confidence(found / config.temperature, other) >= config.rejection_threshold
    characters = [i for i, label in enumerate(config.labels) if label != OTHER]
    right = metrics.hits(found[:, characters], allowed[:, characters])
    return int((right & sure).sum())


@torch.inference_mode()
def features(model: torch.nn.Module, pixels: torch.Tensor, config: ModelConfig) -> torch.Tensor:
    """Return the features of pixels in [0, 1], (N, 1, S, S), that the classifier takes: float32 (N, D)."""
    network: Any = model.eval()  # methods of timm's modules
    found = []
    for part in normalise(pixels, config.mean, config.std).split(BATCH):
        maps = network.forward_features(part.contiguous(memory_format=torch.channels_last))
        found.append(network.forward_head(maps, pre_logits=True).float())
    return torch.cat(found)


def _taught(
    model: torch.nn.Module, train: InkSet, config: TrainConfig, model_config: ModelConfig, known: tuple[str, ...]
) -> Examples:
    """Return every picture unchanged and in augmented views, which share its weight."""
    device = next(model.parameters()).device
    data = Labelled.of(train, model_config.labels, device)
    views = max(1, min(MOST_VIEWS, VIEWS // len(train)))
    pixels = data.pixels(slice(None))
    seen = torch.cat([pixels, *(augment(pixels, config) for _ in range(views - 1))])
    targets = (data.allowed[data.labels] * data.prior[data.labels]).float().repeat(views, 1)
    new = torch.tensor([label not in known for label in model_config.labels], device=device)
    weights = torch.where((targets * new).any(1), NEW, 1.0) / views
    return Examples(features(model, seen, model_config), targets, weights)


def _kept(
    model: torch.nn.Module,
    taught: Examples,
    config: TrainConfig,
    model_config: ModelConfig,
    start: Start,
    layer: tuple[torch.Tensor, torch.Tensor],
) -> list[Examples]:
    """Return examples that keep the start's answers: characters of the sample, and pictures without a character."""
    sample = _sample(model_config, start.config.labels, config.seed)
    if sample is None:
        return []
    parts = [sample.images]
    if OTHER in start.config.labels:
        parts.append(fit_source(outliers.source(NON_CHARACTERS, config.seed, sample.images), model_config).images)
    device = taught.features.device
    old = torch.tensor([label in start.config.labels for label in model_config.labels], device=device)
    found = []
    for i, images in enumerate(parts):
        pixels = torch.from_numpy(images).unsqueeze(1).to(device).float().div_(255)
        seen = features(model, pixels, model_config)
        logits = F.linear(seen, *layer) / start.config.temperature
        targets = logits.masked_fill(~old, -torch.inf).softmax(1)
        weights = torch.full((len(seen),), ANCHOR, device=device)
        if i:  # without a character: a taught smiley must not be contradicted by the smileys among them
            cosines = (F.normalize(seen, dim=1) @ F.normalize(taught.features, dim=1).T).amax(1)
            weights *= 1 - torch.exp(REACH * (cosines - 1))
        found.append(Examples(seen, targets, weights))
    return found


def _sample(model: ModelConfig, labels: tuple[str, ...], seed: int) -> InkSet | None:
    """Return PER_CLASS pictures of each character of the bundled sample that is among ``labels``; None if none is."""
    source = read("sample", "train", Path())
    wanted = [i for i, target in enumerate(source.targets) if len(target) == 1 and target[0] in labels]
    if not wanted:
        return None
    order = np.random.default_rng(seed).permutation(len(source))
    rows = np.concatenate([order[source.labels[order] == i][:PER_CLASS] for i in wanted])
    few = replace(
        source, picture=lambda i: source.picture(int(rows[i])), labels=source.labels[rows], groups=source.groups[rows]
    )
    return fit_source(few, model)


def solve(
    features: torch.Tensor,
    start: torch.Tensor,
    targets: torch.Tensor,
    weights: torch.Tensor,
    penalties: torch.Tensor,
) -> torch.Tensor:
    """Return the change (C, D + 1) of a linear layer and its bias that minimises the weighted cross entropy.

    ``start`` (N, C) are the logits before the change, ``targets`` (N, C) probabilities, ``penalties`` (C,) of L2.
    """
    scale = features.square().sum(1).mean().sqrt().clamp_min(1e-6)
    inputs = torch.cat([features / scale, torch.ones(len(features), 1, device=features.device)], 1)
    found = torch.zeros(start.shape[1], inputs.shape[1], device=features.device, requires_grad=True)
    optimizer = torch.optim.LBFGS([found], max_iter=STEPS, history_size=10, line_search_fn="strong_wolfe")

    def closure() -> float:
        optimizer.zero_grad()
        losses = F.cross_entropy(start + inputs @ found.T, targets, reduction="none")
        loss = (weights * losses).sum() + (penalties[:, None] * found.square()).sum() / 2
        loss.backward()
        return float(loss.detach())

    optimizer.step(closure)
    change = found.detach().clone()
    change[:, :-1] /= scale
    return change
