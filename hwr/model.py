"""A timm ResNet with a 1-channel stem, built by create_model arguments alone."""

from __future__ import annotations

from typing import Any

import timm
import torch
from timm.models import is_model_in_modules

from hwr.config import ModelConfig, UserError

FAMILY = ("resnet",)  # timm's module of ResNets: what config.json may name


def build(config: ModelConfig, **training_args: Any) -> torch.nn.Module:
    """The network of a config, with random weights: (N, 1, S, S) normalised -> logits (N, len(labels)).

    ``training_args`` such as drop_rate act in training only and are not part of the architecture.
    Raises UserError for an architecture that is not of timm's ResNet family or does not take the arguments.
    """
    if not is_model_in_modules(config.architecture, FAMILY):
        known = ", ".join(timm.list_models("resnet*", module="resnet")[:12])
        raise UserError(f"unknown architecture {config.architecture!r}: expected a timm ResNet, such as {known}")
    args = {**config.model_args, **training_args}
    try:
        return timm.create_model(config.architecture, num_classes=len(config.labels), **args)
    except (TypeError, ValueError, RuntimeError, AssertionError) as error:
        raise UserError(f"{config.architecture} cannot be built with {args}: {error}") from None


def count_parameters(model: torch.nn.Module) -> int:
    """All parameters, learning or not."""
    return sum(p.numel() for p in model.parameters())
