"""timm's optimizers and learning-rate schedules, by name."""

from __future__ import annotations

from typing import Any

import torch
from timm.optim import create_optimizer_v2
from timm.scheduler import create_scheduler_v2
from torch.optim.lr_scheduler import ReduceLROnPlateau

from hwr.config import UserError
from hwr.training.options import TrainConfig

PLATEAU = "plateau"


def optimizer(model: torch.nn.Module, config: TrainConfig) -> torch.optim.Optimizer:
    """Return timm's optimizer by name; norms and biases do not decay. Raises UserError for unknown names."""
    decay = config.layer_decay if config.layer_decay < 1 else None
    try:
        return create_optimizer_v2(
            model,
            opt=config.optimizer,
            lr=config.peak_lr,
            weight_decay=config.weight_decay,
            momentum=config.momentum,
            layer_decay=decay,
        )
    except (ValueError, TypeError) as error:
        raise UserError(f"--optimizer {config.optimizer}: {error}") from None


def schedule(optimizer: torch.optim.Optimizer, config: TrainConfig, steps: int) -> Any:
    """Return timm's scheduler, stepped once an update: an "epoch" of its arguments is an update. None for plateau.

    Raises UserError for unknown names.
    """
    if config.scheduler == PLATEAU:
        return None
    updates = config.epochs * steps
    try:
        scheduler, _ = create_scheduler_v2(
            optimizer,
            sched=config.scheduler,
            num_epochs=updates,
            warmup_epochs=round(config.warmup * updates),
            warmup_lr=config.peak_lr / 100,
            min_lr=config.peak_lr / 1000,
            decay_epochs=config.decay_every * steps,
            decay_rate=config.decay_rate,
            step_on_epochs=False,
            updates_per_epoch=1,
        )
    except (ValueError, AssertionError) as error:
        raise UserError(f"--scheduler {config.scheduler}: {error}") from None
    return scheduler


def plateau(optimizer: torch.optim.Optimizer, config: TrainConfig) -> ReduceLROnPlateau | None:
    """Return torch's ReduceLROnPlateau if the scheduler is plateau: timm's is deprecated and cannot be resumed."""
    if config.scheduler != PLATEAU:
        return None
    return ReduceLROnPlateau(optimizer, mode="max", factor=config.decay_rate, patience=config.decay_every)
