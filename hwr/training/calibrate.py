"""After training: fit temperature and rejection threshold on validation data, and measure each test set once."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from hwr import metrics
from hwr.config import OTHER, ModelConfig
from hwr.data.inkset import InkSet
from hwr.evaluation.inference import Labelled, predict
from hwr.training.datasets import Sets

MIN_SAMPLES = 1000  # samples of known writers; with fewer, the temperature is fitted on all samples


def calibrate(
    model: torch.nn.Module, sets: Sets, config: ModelConfig, device: torch.device
) -> tuple[ModelConfig, dict[str, Any]]:
    """Return the config with temperature and rejection threshold, and the figures on validation data.

    The temperature is fitted on held-out writers if there are enough samples of them, because the network is
    over-confident on writers it trained on. Without validation data both values stay those of the start.
    """
    measured: dict[str, Any] = {"near_duplicates_removed": sets.removed}
    other = config.labels.index(OTHER) if OTHER in config.labels else None
    if sets.val is not None:
        logits, allowed = predict(model, Labelled.of(sets.val, config.labels, device), config)
        characters = [i for i, label in enumerate(config.labels) if label != OTHER]
        unseen = torch.from_numpy(_by_held_out_writers(sets.val))
        temperature = metrics.fit_temperature(logits[unseen][:, characters], allowed[unseen][:, characters])
        temperature = round(temperature, 4)
        sure = metrics.confidence(logits / temperature, other)
        if symbols := list(config.symbols()):  # letters and digits are asked for without them
            on_symbols = (logits / temperature).softmax(1)[:, symbols].sum(1)
            sure = sure - on_symbols * ~allowed[:, symbols].any(1)
        config = replace(config, temperature=temperature, rejection_threshold=round(metrics.fit_threshold(sure), 6))
        measured["validation"] = metrics.summary(logits[:, characters], allowed[:, characters], temperature)
    if sets.strange is not None:
        logits, _ = predict(model, Labelled.of(sets.strange, config.labels, device), config)
        rejected = metrics.confidence(logits / config.temperature, other) < config.rejection_threshold
        measured["rejection"] = {"n": len(logits), "rejected": rejected.double().mean().item()}
    return config, measured


def _by_held_out_writers(ink: InkSet) -> NDArray[np.bool_]:
    """Return which samples (N,) are of known, held-out writers; all samples if these are too few."""
    return ink.of_writers if ink.of_writers.sum() >= MIN_SAMPLES else np.ones(len(ink), np.bool_)


def test(model: torch.nn.Module, sets: Sets, config: ModelConfig, device: torch.device) -> dict[str, Any]:
    """Measure each test set, with answers restricted to the classes that it has."""
    return {name: _test(model, ink, config, device) for name, ink in sets.tests.items()}


def _test(model: torch.nn.Module, ink: InkSet, config: ModelConfig, device: torch.device) -> dict[str, float]:
    logits, allowed = predict(model, Labelled.of(ink, config.labels, device), config)
    present = allowed.any(0)
    return metrics.summary(logits[:, present], allowed[:, present], config.temperature)
