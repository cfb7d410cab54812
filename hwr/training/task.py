"""Training tasks: each gives the trainer batches, their loss, and a measure on held-out data."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

import torch

from hwr import metrics
from hwr.config import ModelConfig
from hwr.data.inkset import InkSet
from hwr.evaluation.inference import Labelled, predict
from hwr.training import sampling
from hwr.training.loss import Objective, Teacher
from hwr.training.options import TrainConfig


class Task(Protocol):
    """A training task: single characters, or lines of writing."""

    classes: tuple[str, ...]  # of the network; a run is only resumed with the same ones
    samples: int  # of an epoch

    def size(self, epoch: int) -> int:
        """Return the side of an epoch's pictures in pixels."""

    def batches(self, epoch: int, first: int, steps: int, batch: int) -> Iterator[Any]:
        """Yield this process's share of the batches of an epoch from number ``first`` on, each of ``batch`` samples.

        They depend on the seed and the epoch alone, so that a resumed run sees the same ones.
        """

    def split(self, batch: Any, parts: int) -> Sequence[Any]:
        """Cut a batch into parts that are worked on one after another."""

    def loss(
        self, network: torch.nn.Module, part: Any, size: int, precision: AbstractContextManager[Any]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the mean loss of a part of a batch and the share that is right, both scalars."""

    def validate(self, model: torch.nn.Module, size: int) -> dict[str, float]:
        """Return ``val_accuracy``, ``val_loss`` and more on held-out data; nothing where none is held out."""


class CharacterTask:
    """Recognise single characters: preprocessed ink on the training device, augmented per batch."""

    def __init__(
        self,
        train: InkSet,
        val: InkSet | None,
        config: TrainConfig,
        model_config: ModelConfig,
        device: torch.device,
        world: tuple[int, int],
        teacher: Teacher | None = None,
    ) -> None:
        """Move the data to the device; ``world`` is the index of this process and the number of all."""
        self.config, self.model_config, self.device, self.world = config, model_config, device, world
        self.classes = model_config.labels
        self.samples = train.sampled_per_epoch
        self.objective = Objective(Labelled.of(train, self.classes, device), config, model_config, teacher)
        self.chances = sampling.chances(train, config.balance)
        self.held = None if val is None else Labelled.of(val, self.classes, device)

    def size(self, epoch: int) -> int:
        """Return the side of an epoch's pictures: small in the first epochs where the configuration says so."""
        size = self.model_config.image_size
        return min(size, self.config.small_size) if epoch < self.config.small_epochs else size

    def batches(self, epoch: int, first: int, steps: int, batch: int) -> Iterator[torch.Tensor]:
        """Yield row numbers, (B,)."""
        generator = torch.Generator().manual_seed(self.config.seed * 100_003 + epoch)
        if self.chances is None:
            order = torch.randperm(len(self.objective.data), generator=generator)
        else:
            order = sampling.draw(self.chances, self.samples, generator)
        number, processes = self.world
        for rows in order[: steps * batch].split(batch)[first:]:
            yield rows[number::processes].to(self.device)

    def split(self, batch: torch.Tensor, parts: int) -> Sequence[torch.Tensor]:
        """Cut rows into parts."""
        return batch.chunk(parts)

    def loss(
        self, network: torch.nn.Module, part: torch.Tensor, size: int, precision: AbstractContextManager[Any]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the mean loss of the rows and the accuracy on them."""
        return self.objective(network, part, size, precision)

    def validate(self, model: torch.nn.Module, size: int) -> dict[str, float]:
        """Return accuracy and loss on the validation data."""
        if self.held is None:
            return {}
        logits, allowed = predict(model, self.held, self.model_config, size)
        return {
            "val_accuracy": metrics.accuracy(logits, allowed),
            "val_loss": metrics.loss(logits, allowed).item(),
        }
