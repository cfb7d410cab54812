"""Small networks for tests."""

from __future__ import annotations

from typing import Any

import torch

from hwr.config import ModelConfig
from hwr.model.resnet import build

TINY: dict[str, Any] = {"in_chans": 1, "channels": [8, 8, 16, 16]}  # arguments of a small ResNet-18


def lively(architecture: str, args: dict[str, Any]) -> torch.nn.Module:
    """A network whose BatchNorms have statistics and weights of their own, so that leaving one out shows."""
    torch.manual_seed(0)
    config = ModelConfig(tuple("abcde"), architecture, args, image_size=32)
    model = build(config).eval()
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            assert module.running_mean is not None and module.running_var is not None
            module.running_mean.uniform_(-0.5, 0.5)
            module.running_var.uniform_(0.5, 2)
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.uniform_(module.bias, -0.5, 0.5)
    return model
