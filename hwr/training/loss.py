"""The loss of a batch: augmentation, mixup, sets of allowed labels, and distillation."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any, Protocol

import torch

from hwr import metrics
from hwr.config import ModelConfig
from hwr.evaluation.inference import Labelled
from hwr.ink.preprocess import normalise
from hwr.training import cases
from hwr.training.augment import augment, mix
from hwr.training.options import TrainConfig


class Teacher(Protocol):
    """Maps pixels in [0, 1], (N, 1, S, S), to probabilities (N, C); ``knows`` bool (C,) marks the classes it knows."""

    knows: torch.Tensor

    def __call__(self, pixels: torch.Tensor) -> torch.Tensor:
        """Return rows that sum to 1."""


class Objective:
    """The loss of a batch of samples, augmented anew at each call."""

    def __init__(
        self, data: Labelled, config: TrainConfig, model_config: ModelConfig, teacher: Teacher | None = None
    ) -> None:
        self.data = (
            cases.with_soft_labels(data, teacher, config.case_trust)
            if teacher is not None and config.case_trust
            else data
        )
        self.config, self.model_config, self.teacher = config, model_config, teacher

    def __call__(
        self, network: torch.nn.Module, rows: torch.Tensor, size: int, precision: AbstractContextManager[Any]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the mean loss of samples ``rows``, (N,), at ``size`` pixels, and accuracy on the first of each pair.

        ``precision`` is the autocast context of the forward passes.
        """
        config, labels = self.config, self.data.labels[rows]
        pixels, share = mix(augment(self.data.pixels(rows), config, size), config.mixup, config.cutmix)
        with precision:
            taught = None if self.teacher is None else self.teacher(pixels)
            pixels = normalise(pixels, self.model_config.mean, self.model_config.std)
            logits = network(pixels.contiguous(memory_format=torch.channels_last))
        logits = logits.float()
        loss = torch.zeros(len(rows), device=logits.device)
        for part, targets in ((share, labels), (1 - share, labels.flip(0))):
            if part:
                allowed, prior = self.data.allowed[targets], self.data.prior[targets]
                loss = loss + part * metrics.soft_loss(logits, allowed, prior, config.case_prior, config.smoothing)
        if taught is not None:
            loss = self._with_teacher(loss, logits, taught, rows)
        right = metrics.hits(logits.detach(), self.data.allowed[labels])
        return loss.mean(), right.float().mean()

    def _with_teacher(
        self, loss: torch.Tensor, logits: torch.Tensor, taught: torch.Tensor, rows: torch.Tensor
    ) -> torch.Tensor:
        """Add the loss against the teacher's probabilities (N, C), except for outliers."""
        assert self.teacher is not None
        labels = self.data.labels[rows]
        allowed = self.data.allowed[labels]
        known = (allowed & self.teacher.knows).any(1) & ~self.data.undistilled[rows]
        shared = metrics.reshared(taught, allowed, self.data.prior[labels])
        taught = torch.lerp(taught, shared, self.config.case_prior)
        return torch.lerp(loss, metrics.distillation_loss(logits, taught), self.config.distill * known)
