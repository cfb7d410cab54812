"""timm's optimizers and learning-rate schedules, by name."""

from __future__ import annotations

from typing import Any

import torch
from timm.optim import create_optimizer_v2
from timm.scheduler import create_scheduler_v2

from hwr.config import UserError
from hwr.options import TrainConfig


def optimizer(model: torch.nn.Module, config: TrainConfig) -> torch.optim.Optimizer:
    """timm's optimizer of that name; norms and biases without weight decay. Raises UserError for unknown names."""
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
    """timm's scheduler, counting updates: one "epoch" of its arguments is one update here; plateau counts epochs."""
    unit = 1 if config.scheduler == "plateau" else steps
    updates = config.epochs * unit
    try:
        scheduler, _ = create_scheduler_v2(
            optimizer,
            sched=config.scheduler,
            num_epochs=updates,
            warmup_epochs=round(config.warmup * updates),
            warmup_lr=config.peak_lr / 100,
            min_lr=config.peak_lr / 1000,
            decay_epochs=config.decay_every * unit,
            patience_epochs=config.decay_every,
            decay_rate=config.decay_rate,
            step_on_epochs=config.scheduler == "plateau",
            updates_per_epoch=1,
        )
    except (ValueError, AssertionError) as error:
        raise UserError(f"--scheduler {config.scheduler}: {error}") from None
    return scheduler
