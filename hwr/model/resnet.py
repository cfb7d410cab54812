"""A timm ResNet with a 1-channel stem, built by create_model arguments alone; freezing of its stages."""

from __future__ import annotations

import reprlib
from itertools import pairwise
from typing import Any

import timm
import torch
from timm.models import is_model_in_modules
from torch.nn.utils import fuse_conv_bn_eval

from hwr.config import ModelConfig, UserError

FAMILY = ("resnet",)  # timm's module of ResNets: what config.json may name
ARGUMENTS = {  # accepted from a config: arguments that change the network; others could name files
    *("in_chans", "channels", "layers", "output_stride", "cardinality", "base_width", "stem_width", "stem_type"),
    *("replace_stem_pool", "block_reduce_first", "down_kernel_size", "avg_down", "act_layer", "norm_layer", "aa_layer"),
    *("drop_rate", "drop_path_rate", "drop_block_rate", "zero_init_last", "block_args"),
}
LARGEST = 8192  # upper bound of every number among the arguments
DEEPEST = 200  # blocks in total: three times those of ResNet-200
STAGES = 6  # the classifier, four stages of blocks, the stem


def build(config: ModelConfig, **training_args: Any) -> torch.nn.Module:
    """Build the network of a config with random weights: (N, 1, S, S) normalised -> logits (N, len(labels)).

    ``training_args`` such as drop_rate, or pretrained for timm's own weights, are not part of the architecture.
    Raises UserError for an architecture that is not of timm's ResNet family or does not take the arguments.
    """
    if not is_model_in_modules(config.architecture, FAMILY):
        known = ", ".join(timm.list_models("resnet*", module="resnet")[:12])
        given = reprlib.repr(config.architecture)
        raise UserError(f"unknown architecture {given}: expected a timm ResNet, such as {known}")
    args = {**config.model_args, **training_args}
    try:
        _check_arguments(config)
        return timm.create_model(config.architecture, num_classes=len(config.labels), **args)
    except (UserError, OSError):  # pretrained weights that cannot be had are an OSError
        raise
    except Exception as error:  # timm and torch raise whatever they stumble over
        reason = f"{reprlib.repr(args)}: {str(error)[:200]}"
        raise UserError(f"{config.architecture} cannot be built with {reason}") from None


def _check_arguments(config: ModelConfig) -> None:
    """Raise UserError for arguments that load a file, exhaust memory, or need other than grey pictures."""
    args = config.model_args
    if foreign := [name for name in args if name not in ARGUMENTS]:
        shown = reprlib.repr(foreign[0])
        raise UserError(f"{config.architecture}: the argument {shown} is not one that describes a ResNet")
    if args.get("in_chans") != 1:
        given = reprlib.repr(args.get("in_chans"))
        raise UserError(f"{config.architecture}: in_chans is {given}, expected 1: pictures are grey")
    huge = [value for value in _leaves(args) if isinstance(value, (int, float)) and not abs(value) <= LARGEST]
    shares = all(0 <= value <= 1 for name, value in args.items() if name.endswith("_rate"))
    if huge or not shares or not _are_layers(args.get("layers", [1])):
        shown = reprlib.repr(args)
        raise UserError(f"{config.architecture}: {shown} is not a network of a size that can be built")


def _are_layers(value: Any) -> bool:
    """Return whether a value is a list of block counts, one for each stage."""
    counts = isinstance(value, (list, tuple)) and all(isinstance(n, int) and n > 0 for n in value)
    return counts and sum(value) <= DEEPEST


def _leaves(value: Any) -> list[Any]:
    """Yield the numbers and strings in nested lists and dictionaries."""
    if isinstance(value, dict):
        value = list(value.values())
    return [leaf for part in value for leaf in _leaves(part)] if isinstance(value, (list, tuple)) else [value]


def fused(model: torch.nn.Module) -> torch.nn.Module:
    """Prepare a network for inference, in place: fold BatchNorm into the convolutions, channels last.

    Its answers differ only by rounding, and take about half of the time. It cannot be trained afterwards.
    """
    leaves = [(name, module) for name, module in model.eval().named_modules() if not any(module.children())]
    for (before, convolution), (name, norm) in pairwise(leaves):  # in timm's ResNets each norm follows its convolution
        if type(convolution) is torch.nn.Conv2d and type(norm) is torch.nn.BatchNorm2d:
            model.set_submodule(before, fuse_conv_bn_eval(convolution, norm))
            model.set_submodule(name, torch.nn.Identity())
    return model.to(memory_format=torch.channels_last)


class Answering(torch.nn.Module):
    """A model that also returns its features: (N, 1, S, S) to features (N, D) and logits (N, C)."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return features and logits."""
        features = self.model.forward_head(self.model.forward_features(pixels), pre_logits=True)
        return features, self.model.get_classifier()(features)


def count_parameters(model: torch.nn.Module, learning: bool = False) -> int:
    """Return the number of all parameters, or of trainable ones."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad or not learning)


def open_stages(finetune: str, epoch: int, epochs: int) -> int:
    """Return how many stages are trained in an epoch, from the classifier on; ``gradual`` adds one every sixth."""
    return {"head": 1, "last-stage": 2, "gradual": 1 + epoch * STAGES // epochs}.get(finetune, STAGES)


def freeze(model: torch.nn.Module, learning: int) -> list[torch.nn.Module]:
    """Train the top ``learning`` stages; return the frozen modules, which must stay in evaluation mode.

    In evaluation mode a BatchNorm keeps its statistics; otherwise a frozen stage would still drift.
    """
    stage = {"fc": 1, "layer4": 2, "layer3": 3, "layer2": 4, "layer1": 5}
    frozen = []
    for name, module in model.named_children():
        learns = stage.get(name, STAGES) <= learning
        module.requires_grad_(learns)
        if not learns:
            frozen.append(module)
    return frozen
