"""fit: epochs, averaged weights, checkpoints, the best on validation. Data stays on the device as uint8."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import torch
from timm.optim import create_optimizer_v2
from timm.scheduler import create_scheduler_v2
from timm.utils import ModelEmaV3
from tqdm import tqdm

from hwr import metrics
from hwr.augment import Augmentation
from hwr.config import ModelConfig, TrainConfig, UserError
from hwr.data import InkSet
from hwr.image import normalise

CHECKPOINT = "checkpoint.pt"
LOG = "metrics.jsonl"
EVALUATION_BATCH = 1024

Weights = dict[str, torch.Tensor]


@dataclass(frozen=True)
class Labelled:
    """Ink on the training device: ``images`` uint8 (N, 1, S, S), ``labels`` (N,) rows of ``allowed`` (T, C)."""

    images: torch.Tensor
    labels: torch.Tensor
    allowed: torch.Tensor

    @classmethod
    def of(cls, ink: InkSet, labels: tuple[str, ...], device: torch.device) -> Labelled:
        """An InkSet for a model with these labels."""
        return cls(
            torch.from_numpy(ink.images).unsqueeze(1).to(device),
            torch.from_numpy(ink.labels).to(device),
            ink.membership(labels).to(device),
        )

    def __len__(self) -> int:
        return len(self.labels)

    def batch(self, rows: torch.Tensor | slice) -> tuple[torch.Tensor, torch.Tensor]:
        """Pixels in [0, 1] (B, 1, S, S) and allowed classes (B, C)."""
        return self.images[rows].float().div_(255), self.allowed[self.labels[rows]]


def pick_device(name: str) -> torch.device:
    """``auto`` is the GPU where there is one. Raises UserError for a device that is not there."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        return torch.empty(1, device=name).device
    except (RuntimeError, AssertionError) as error:
        raise UserError(f"--device {name} cannot be used: {str(error).splitlines()[0]}") from None


def fit(model: torch.nn.Module, train: InkSet, val: InkSet, config: TrainConfig, model_config: ModelConfig) -> Weights:
    """Train, and return the weights (averaged, unless ``config.ema`` is 0) that were best on validation.

    A checkpoint goes to ``config.out`` after every epoch; with ``config.resume`` training goes on from it.
    Raises UserError if the loss stops being a number; the last checkpoint stays.
    """
    device = pick_device(config.device)
    model = model.to(device).to(memory_format=torch.channels_last)
    run = Run(model, config, model_config, Labelled.of(train, model_config.labels, device))
    held = Labelled.of(val, model_config.labels, device)
    first = run.restore() if config.resume else 0
    size = run.steps * config.batch_size
    with tqdm(total=config.epochs * size, initial=first * size, unit="img", smoothing=0.02) as bar:
        for epoch in range(first, config.epochs):
            learned = run.epoch(epoch, bar)
            held_out = run.validate(held)
            run.keep_best(held_out)
            run.save(epoch + 1)
            run.log({"epoch": epoch + 1, **learned, **held_out, "images_per_s": bar.format_dict["rate"]})
            bar.write(
                f"epoch {epoch + 1}/{config.epochs}: loss {learned['loss']:.3f}, "
                f"validation accuracy {held_out['val_accuracy']:.2%}, best {run.best['val_accuracy']:.2%}"
            )
    return run.best_weights


@torch.inference_mode()
def predict(model: torch.nn.Module, data: Labelled, config: ModelConfig) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits (N, C) and allowed classes (N, C) of every sample, in float32, on the CPU."""
    model.eval()
    logits = []
    for start in range(0, len(data), EVALUATION_BATCH):
        pixels, _ = data.batch(slice(start, start + EVALUATION_BATCH))
        logits.append(model(normalise(pixels, config.mean, config.std)).float().cpu())
    return torch.cat(logits), data.allowed[data.labels].cpu()


class Run:
    """What a checkpoint holds, and the steps that change it."""

    def __init__(self, model: torch.nn.Module, config: TrainConfig, model_config: ModelConfig, data: Labelled) -> None:
        self.model, self.config, self.model_config, self.data = model, config, model_config, data
        self.device = data.images.device
        self.steps = max(1, len(data) // config.batch_size)
        self.optimizer = _optimizer(model, config)
        self.scheduler = _schedule(self.optimizer, config, config.epochs * self.steps)
        self.ema = ModelEmaV3(model, decay=config.ema, use_warmup=True) if config.ema else None
        self.augment = Augmentation(**{f.name: getattr(config, f.name) for f in fields(Augmentation)})
        self.bfloat16 = _bfloat16_helps(self.device)
        self.best: dict[str, float] = {"val_accuracy": -1.0}
        self.best_weights: Weights = {}

    def epoch(self, epoch: int, bar: tqdm) -> dict[str, float]:
        """One pass in an order, and with an augmentation, that seed and epoch alone decide."""
        torch.manual_seed(self.config.seed * 100_003 + epoch)
        self.model.train()
        total = torch.zeros(2, device=self.device)
        for step, rows in enumerate(self._batches()):
            total += self._step(rows, epoch * self.steps + step)
            if step % 10 == 9 or step == self.steps - 1:  # reading a number makes the device wait
                loss, accuracy = (total / (step + 1)).tolist()
                bar.set_postfix(epoch=epoch + 1, loss=f"{loss:.3f}", acc=f"{accuracy:.1%}")
            bar.update(self.config.batch_size)
        if not torch.isfinite(total[0]):
            raise UserError(
                f"the loss is no longer a number in epoch {epoch + 1}: try a lower --lr than {self.config.lr}"
            )
        return {"loss": loss, "accuracy": accuracy, "lr": self.optimizer.param_groups[0]["lr"]}

    def _batches(self) -> Iterator[torch.Tensor]:
        order = torch.randperm(len(self.data)).to(self.device)
        return iter(order[: self.steps * self.config.batch_size].split(self.config.batch_size))

    def _step(self, rows: torch.Tensor, update: int) -> torch.Tensor:
        """One update of the weights; (loss, accuracy) stay on the device."""
        pixels, allowed = self.data.batch(rows)
        pixels = normalise(self.augment(pixels), self.model_config.mean, self.model_config.std)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bfloat16):
            logits = self.model(pixels.contiguous(memory_format=torch.channels_last))
        loss = metrics.loss(logits.float(), allowed, self.config.smoothing)
        loss.backward()
        if self.config.grad_clip:
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.config.grad_clip)
        self.optimizer.step()
        self.optimizer.zero_grad()
        if self.scheduler is not None:
            self.scheduler.step_update(update + 1)
        if self.ema is not None:
            self.ema.update(self.model, step=update + 1)
        return torch.stack([loss.detach(), metrics.hits(logits.detach(), allowed).float().mean()])

    @property
    def kept(self) -> torch.nn.Module:
        """The model that is validated and kept."""
        return self.model if self.ema is None else self.ema.module

    def validate(self, held: Labelled) -> dict[str, float]:
        """Accuracy and loss of the kept model on validation."""
        logits, allowed = predict(self.kept, held, self.model_config)
        return {
            "val_accuracy": metrics.accuracy(logits, allowed),
            "val_loss": metrics.loss(logits, allowed).item(),
        }

    def keep_best(self, score: dict[str, float]) -> None:
        """Copy the weights if validation was never better; between equals the lower loss decides."""
        better = (score["val_accuracy"], -score["val_loss"])
        if better > (self.best["val_accuracy"], -self.best.get("val_loss", torch.inf)):
            self.best = score
            self.best_weights = {k: v.detach().cpu().clone() for k, v in self.kept.state_dict().items()}

    def save(self, epochs_done: int) -> None:
        """Write the checkpoint to a temporary file, then rename: a run killed here finds the one before."""
        state = {
            "epochs_done": epochs_done,
            "labels": list(self.model_config.labels),
            "model": self.model.state_dict(),
            "ema": None if self.ema is None else self.ema.module.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "best": self.best,
            "best_weights": self.best_weights,
        }
        path = self.config.out / CHECKPOINT
        partial = path.with_suffix(".partial")
        torch.save(state, partial)
        partial.replace(path)

    def restore(self) -> int:
        """Load the last checkpoint, as plain tensors only; the number of epochs done."""
        path = self.config.out / CHECKPOINT
        state = read_checkpoint(path)
        if tuple(state["labels"]) != self.model_config.labels:
            raise UserError(f"{path} was trained on other classes: resume with the same --data")
        try:
            self.model.load_state_dict(state["model"])
        except RuntimeError as error:
            raise UserError(f"{path} is of another network: resume with the same flags ({error})") from None
        if self.ema is not None:
            self.ema.module.load_state_dict(state["ema"] or state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.best, self.best_weights = state["best"], state["best_weights"]
        return int(state["epochs_done"])

    def log(self, line: dict[str, Any]) -> None:
        """One line of JSON an epoch."""
        with (self.config.out / LOG).open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


def read_checkpoint(path: Path) -> dict[str, Any]:
    """A checkpoint's state. Raises UserError where there is none or it is damaged."""
    try:
        return dict(torch.load(path, map_location="cpu", weights_only=True))
    except FileNotFoundError:
        raise UserError(f"nothing to resume: {path} does not exist; start without --resume") from None
    except Exception as error:  # a damaged archive fails in many ways
        raise UserError(f"{path} is damaged: {error}; start again without --resume in a new --out") from None


def _optimizer(model: torch.nn.Module, config: TrainConfig) -> torch.optim.Optimizer:
    try:
        return create_optimizer_v2(model, opt=config.optimizer, lr=config.lr, weight_decay=config.weight_decay)
    except (ValueError, TypeError) as error:
        raise UserError(f"--optimizer {config.optimizer}: {error}") from None


def _schedule(optimizer: torch.optim.Optimizer, config: TrainConfig, updates: int) -> Any:
    """timm's scheduler, counting updates: one "epoch" of its arguments is one update here."""
    try:
        scheduler, _ = create_scheduler_v2(
            optimizer,
            sched=config.scheduler,
            num_epochs=updates,
            warmup_epochs=max(1, round(config.warmup * updates)),
            warmup_lr=config.lr / 100,
            min_lr=config.lr / 1000,
            step_on_epochs=False,
            updates_per_epoch=1,
        )
    except (ValueError, AssertionError) as error:
        raise UserError(f"--scheduler {config.scheduler}: {error}") from None
    return scheduler


def _bfloat16_helps(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    if device.type != "cpu" or not hasattr(torch.cpu, "get_capabilities"):  # torch 2.11 cannot tell
        return False
    able = torch.cpu.get_capabilities()
    return bool(able.get("avx512_bf16") or able.get("amx_bf16"))  # elsewhere bfloat16 is emulated, and slow
