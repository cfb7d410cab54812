"""Train a network on a task: epochs, validation, the best weights, checkpoints."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from accelerate import Accelerator
from tqdm import tqdm

from hwr.config import UserError
from hwr.evaluation.devices import gather
from hwr.training.options import TrainConfig
from hwr.training.task import Task
from hwr.training.trainer import Run, Weights


def fit(model: torch.nn.Module, task: Task, config: TrainConfig, accelerator: Accelerator) -> Weights:
    """Train, and return the weights (averaged, unless ``config.ema`` is 0) that ``config.keep`` names.

    Without validation data those are the last. A checkpoint is written to ``config.out`` after every epoch, every few
    minutes within one, and on SIGTERM; with ``config.resume`` training continues from it. Raises UserError if the loss
    is not finite or memory is exhausted, and StoppedError on SIGTERM; the last checkpoint remains.
    """
    run = Run(model.to(accelerator.device).to(memory_format=torch.channels_last), task, config, accelerator)
    if config.resume:
        run.restore()
    done = run.progress.epoch * run.steps + run.progress.step
    with (
        _stop_on_sigterm(run),
        _memory_errors(config),
        tqdm(
            total=config.epochs * run.steps * run.batch,
            initial=done * run.batch,
            unit="img",
            smoothing=0.02,
            disable=not accelerator.is_main_process,
        ) as bar,
    ):
        while not run.finished():
            _epoch(run, bar)
    return dict(gather(run.result())[0])  # several processes all continue with the weights of the first


def _epoch(run: Run, bar: tqdm) -> None:
    """Run one epoch: learn, validate, keep the best, save, log."""
    epoch, epochs = run.progress.epoch, run.config.epochs
    values = run.learn(bar)
    values |= run.validate()
    run.keep_best(values)
    run.next_epoch(values)
    run.save()
    rate = bar.format_dict["rate"]
    run.records.log(epoch + 1, values | ({"images_per_s": rate} if rate else {}))
    line = f"epoch {epoch + 1}/{epochs}: loss {values['loss']:.3f}"
    if "val_accuracy" in values:
        line += f", validation accuracy {values['val_accuracy']:.2%}, best {run.best['val_accuracy']:.2%}"
    if run.accelerator.is_main_process:
        bar.write(line)


@contextmanager
def _stop_on_sigterm(run: Run) -> Iterator[None]:
    """Let SIGTERM end the run with a checkpoint, at the next reading of the loss."""

    def stop(number: int, frame: Any) -> None:
        run.stop = True

    try:
        before = signal.signal(signal.SIGTERM, stop)
    except ValueError:  # only the main thread receives signals
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def _memory_errors(config: TrainConfig) -> Iterator[None]:
    try:
        yield
    except torch.OutOfMemoryError:
        raise UserError(
            f"the device ran out of memory with batches of {config.batch_size}: try --accumulate "
            f"{config.accumulate * 2}, or a smaller --batch-size; the last checkpoint is intact"
        ) from None
