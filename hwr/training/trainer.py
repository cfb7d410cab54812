"""One training run: its state, as saved in checkpoints, and its steps."""

from __future__ import annotations

import math
import time
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from accelerate import Accelerator
from timm.utils import ModelEmaV3
from tqdm import tqdm

from hwr.config import UserError
from hwr.evaluation.devices import gather
from hwr.model.resnet import freeze, open_stages
from hwr.training import checkpoint, optim
from hwr.training.options import TrainConfig
from hwr.training.records import Records
from hwr.training.task import Task

MAX_SKIPPED = 3  # updates without a finite gradient on a CPU before the run switches to float32
MAX_SKIPPED_IN_A_ROW = 10  # such updates before the run ends
SAVE_EVERY = 300.0  # seconds between checkpoints within an epoch: a crash costs no more
LOG_EVERY = 10  # steps between two readings of the loss: each makes the device wait

Weights = dict[str, torch.Tensor]


class StoppedError(UserError):
    """The run was asked to stop, and can be resumed."""

    exit_status = 143  # 128 + SIGTERM, as shells count


@dataclass
class Progress:
    """The position of a run: ``step`` updates into ``epoch``, both counted from 0."""

    epoch: int = 0
    step: int = 0
    loss: float = 0.0  # summed over the steps of this epoch
    accuracy: float = 0.0
    waiting: int = 0  # epochs without progress on validation


class Run:
    """The state of a run, as saved in a checkpoint, and its steps."""

    def __init__(self, model: torch.nn.Module, task: Task, config: TrainConfig, accelerator: Accelerator) -> None:
        self.model, self.task, self.config = model, task, config
        self.accelerator, self.device = accelerator, accelerator.device
        self.batch = min(config.batch_size, task.samples)
        self.steps = max(1, task.samples // self.batch)
        self.ema = ModelEmaV3(model, decay=config.ema, use_warmup=True) if config.ema else None
        model.requires_grad_(True)  # the optimizer needs the parameters that are unfrozen later too
        self.optimizer = accelerator.prepare_optimizer(optim.optimizer(model, config))
        self.scheduler = optim.schedule(self.optimizer.optimizer, config, self.steps)
        self.plateau = optim.plateau(self.optimizer.optimizer, config)
        self.network = accelerator.prepare_model(model) if accelerator.num_processes > 1 else model
        if config.compile:
            self.network = torch.compile(self.network)
        self.records = Records(config.out, enabled=accelerator.is_main_process)
        self.progress = Progress()
        self.best: dict[str, float] = {}
        self.best_weights: Weights = {}
        self.stop = False
        self.saved_at = time.monotonic()
        self.skipped = self.skipped_in_a_row = 0  # updates without a finite gradient

    def finished(self) -> bool:
        """Return whether all epochs are done, or --patience is exhausted."""
        config, progress = self.config, self.progress
        return progress.epoch >= config.epochs or bool(config.patience and progress.waiting >= config.patience)

    @property
    def size(self) -> int:
        """Return the side of this epoch's pictures, in pixels."""
        return self.task.size(self.progress.epoch)

    def learn(self, bar: tqdm) -> dict[str, float]:
        """Train for one epoch, or the rest of one, in an order that only depends on seed and epoch."""
        at, world = self.progress, self.accelerator
        if at.step == 0:
            at.loss = at.accuracy = 0.0
            torch.manual_seed((self.config.seed * 100_003 + at.epoch) * 1009 + world.process_index)
        self._set_learning()
        total = torch.tensor([at.loss, at.accuracy], device=self.device)
        for batch in self.task.batches(at.epoch, at.step, self.steps, self.batch):
            total += self._step(batch)
            at.step += 1
            asked = self.stop and world.num_processes == 1  # several must stop at the same step
            if asked or at.step % LOG_EVERY == 0 or at.step == self.steps:
                self._report(total, bar)
            bar.update(self.batch)
        loss, accuracy = (total / self.steps).tolist()
        return {"loss": loss, "accuracy": accuracy, "lr": self.optimizer.param_groups[0]["lr"]}

    def _report(self, total: torch.Tensor, bar: tqdm) -> None:
        """Show the loss; stop if it is not finite, or if any process was asked to stop."""
        at = self.progress
        at.loss, at.accuracy = total.tolist()
        if not torch.isfinite(total[0]):
            raise self._diverged("the loss is")
        bar.set_postfix(epoch=at.epoch + 1, loss=f"{at.loss / at.step:.3f}", acc=f"{at.accuracy / at.step:.1%}")
        if any(gather(self.stop)) if self.accelerator.num_processes > 1 else self.stop:
            self.save()
            raise StoppedError(f"stopped in epoch {at.epoch + 1}: continue with --resume --out {self.config.out}")
        if self.accelerator.num_processes == 1 and time.monotonic() - self.saved_at > SAVE_EVERY:
            self.save()

    def _diverged(self, what: str) -> UserError:
        return UserError(
            f"{what} no longer a finite number in epoch {self.progress.epoch + 1}: try a lower --lr than "
            f"{self.config.peak_lr}, or --precision fp32; the last checkpoint is intact"
        )

    def _set_learning(self) -> None:
        self.model.train()
        learning = open_stages(self.config.finetune, self.progress.epoch, self.config.epochs)
        for module in freeze(self.model, learning):
            module.eval()

    def _step(self, batch: Any) -> torch.Tensor:
        """Update the weights once; return (loss, accuracy) on the device."""
        parts = self.task.split(batch, self.config.accumulate)
        total = torch.zeros(2, device=self.device)
        for i, part in enumerate(parts):
            last = i == len(parts) - 1
            with nullcontext() if last else self.accelerator.no_sync(self.network):
                precision = self.accelerator.autocast() if self.skipped < MAX_SKIPPED else nullcontext()
                loss, accuracy = self.task.loss(self.network, part, self.size, precision)
                self.accelerator.backward(loss / len(parts))
            total += torch.stack([loss.detach(), accuracy]) / len(parts)
        if self._clip_gradient():
            self.optimizer.step()
            self.skipped_in_a_row = 0
        else:
            self._skip_update()
        self.optimizer.zero_grad()
        done = self.progress.epoch * self.steps + self.progress.step + 1
        if self.scheduler is not None:
            self.scheduler.step_update(done)
        if self.ema is not None:
            self.ema.update(self.model, step=done)
        return total

    def _skip_update(self) -> None:
        """Count an update without a finite gradient: MAX_SKIPPED switch to float32, too many in a row end the run."""
        self.skipped += 1
        self.skipped_in_a_row += 1
        if self.skipped == MAX_SKIPPED and self.accelerator.mixed_precision != "no":
            self.accelerator.print("gradients in half precision are not finite here: the run goes on in float32")
        if self.skipped_in_a_row >= MAX_SKIPPED_IN_A_ROW:
            raise self._diverged("the gradient is")

    def _clip_gradient(self) -> bool:
        """Clip the gradient, and return False if it is not finite, which is known on a CPU only.

        Reading the norm from another device would make every step wait for it; there a loss that is not finite ends
        the run instead. oneDNN's bfloat16 kernels for AMX occasionally give NaN for maps one pixel wide (torch 2.14).
        """
        on_cpu = self.device.type == "cpu"
        if not self.config.grad_clip and not on_cpu:
            return True
        norm = self.accelerator.clip_grad_norm_(self.model.parameters(), self.config.grad_clip or math.inf)
        return not on_cpu or bool(torch.isfinite(norm))

    @property
    def kept(self) -> torch.nn.Module:
        """Return the model that is validated and kept."""
        return self.model if self.ema is None else self.ema.module

    def validate(self) -> dict[str, float]:
        """Measure the kept model on the validation data, if there is any."""
        return self.task.validate(self.kept, self.size)

    def keep_best(self, score: dict[str, float]) -> None:
        """Copy the weights if validation was never better at this size; ties are broken by the loss."""
        now = {"size": self.size} | {k: score[k] for k in ("val_accuracy", "val_loss") if k in score}
        if "val_accuracy" not in score or _rank(now) > _rank(self.best):
            self.best, self.progress.waiting = now, 0
            self.best_weights = self._copied()
        else:
            self.progress.waiting += 1

    def result(self) -> Weights:
        """Return the weights that ``config.keep`` selects."""
        return self.best_weights if self.config.keep == "best" else self._copied()

    def _copied(self) -> Weights:
        return {k: v.detach().cpu().clone() for k, v in self.kept.state_dict().items()}

    def next_epoch(self, values: dict[str, float]) -> None:
        """Start the next epoch, and step a scheduler that depends on validation."""
        self.progress.epoch += 1
        self.progress.step = 0
        if self.plateau is not None:
            self.plateau.step(values["val_accuracy"])

    def save(self) -> None:
        """Write the checkpoint, from the first process."""
        randoms = gather(checkpoint.random_states())
        if self.accelerator.is_main_process:
            checkpoint.save(self.config.out, self.state() | {"random": randoms})
        self.accelerator.wait_for_everyone()
        self.saved_at = time.monotonic()

    def state(self) -> dict[str, Any]:
        """Return everything that determines how the run continues."""
        scaler = self.accelerator.scaler
        return {
            "progress": vars(self.progress),
            "labels": list(self.task.classes),
            "model": self.model.state_dict(),
            "ema": None if self.ema is None else self.ema.module.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "plateau": None if self.plateau is None else self.plateau.state_dict(),
            "scaler": None if scaler is None else scaler.state_dict(),
            "best": self.best,
            "best_weights": self.best_weights,
        }

    def restore(self) -> None:
        """Continue from the last checkpoint."""
        state = checkpoint.read(self.config.out)
        if tuple(state["labels"]) != self.task.classes:
            raise UserError(f"{self.config.out} was trained on other classes: resume with the same --data")
        try:
            self.model.load_state_dict(state["model"])
        except RuntimeError as error:
            raise UserError(f"{self.config.out} holds another network: resume with the same flags ({error})") from None
        if self.ema is not None:
            self.ema.module.load_state_dict(state["ema"] or state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        if self.plateau is not None and state["plateau"]:
            self.plateau.load_state_dict(state["plateau"])
        if self.accelerator.scaler is not None and state["scaler"]:
            self.accelerator.scaler.load_state_dict(state["scaler"])
        self.best, self.best_weights = state["best"], state["best_weights"]
        self.progress = Progress(**state["progress"])
        checkpoint.restore_random_states(state["random"][self.accelerator.process_index % len(state["random"])])
        self.records.rewind(self.progress.epoch)


def _rank(score: dict[str, float]) -> tuple[float, ...]:
    """Return a key that ranks by size of the pictures, then accuracy, then lower loss."""
    return (score.get("size", 0), score.get("val_accuracy", -1.0), -score.get("val_loss", torch.inf))
