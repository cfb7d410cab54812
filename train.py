"""Train a handwriting recogniser: data, model, fit, calibrate, test once, save.

python train.py                                   # the sample that ships with the project
python train.py --data mnist --out runs/mnist
python train.py --data my_folder --epochs 20
"""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import numpy as np
import torch

import hwr
from hwr import card, cli, data, hub, leakage, metrics, training
from hwr.config import ModelConfig, TrainConfig, UserError
from hwr.model import build, count_parameters
from hwr.sources import brings_test


def main(config: TrainConfig) -> None:
    check_output(config)
    seed_everything(config.seed)
    model_config = ModelConfig(labels=(), architecture=config.architecture, image_size=config.image_size)

    train, val, tests, removed = load_data(config, model_config)
    model_config = replace(model_config, labels=train.classes())
    model = build(model_config, drop_rate=config.drop_rate)
    print(f"{config.architecture}: {count_parameters(model):,} parameters, {len(model_config.labels)} classes")
    print(f"{len(train):,} pictures to train on, {len(val):,} to validate on")

    weights = training.fit(model, train, val, config, model_config)
    model.load_state_dict(weights)
    model_config, measured = calibrate(model, val, config, model_config)
    measured["near_duplicates_removed"] = removed
    measured["test"] = {name: test(model, ink, config, model_config) for name, ink in tests.items()}

    notes = {"version": hwr.__version__, "training": config.to_dict()}
    hub.save(config.out, weights, model_config, notes, measured)
    hub.write(config.out / hub.CARD, card.write(model_config, notes, measured).encode())
    report(config, measured)


def check_output(config: TrainConfig) -> None:
    """Never mix two runs in one folder, and find out before training that it cannot be written."""
    if not config.resume and config.out.is_dir() and any(config.out.iterdir()):
        raise UserError(f"--out {config.out} is not empty: name a new folder, or continue that run with --resume")
    try:
        config.out.mkdir(parents=True, exist_ok=True)
        hub.write(config.out / ".writable", b"")
        (config.out / ".writable").unlink()
    except OSError as error:
        raise UserError(f"--out {config.out} cannot be written: {error.strerror}") from None


def seed_everything(seed: int) -> None:
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


def load_data(
    config: TrainConfig, model: ModelConfig
) -> tuple[data.InkSet, data.InkSet, dict[str, data.InkSet], dict[str, int]]:
    """Training and validation sets, test sets by name, and how many near-duplicates of each test set were removed."""
    pools = [data.load(name, "train", model, config.data_dir, config.pens, config.seed) for name in config.data]
    names = config.test or tuple(name for name in config.data if brings_test(name))
    tests = [data.load(name, "test", model, config.data_dir, seed=config.seed) for name in names]
    removed: dict[str, int] = {}
    if config.dedupe:
        pools, removed = leakage.remove(pools, tests)
        for name, count in removed.items():
            print(f"{count:,} near-duplicates of the test set {name} removed from training")
    train, val = data.hold_out(data.merge(pools), config.validation, config.seed)
    return train, val, {ink.name: ink for ink in tests}, removed


def calibrate(
    model: torch.nn.Module, val: data.InkSet, config: TrainConfig, model_config: ModelConfig
) -> tuple[ModelConfig, dict[str, Any]]:
    """Temperature and rejection threshold, fitted on validation."""
    logits, allowed = logits_of(model, val, config, model_config)
    temperature = metrics.fit_temperature(logits, allowed)
    threshold = metrics.fit_threshold((logits / temperature).softmax(1))
    calibrated = replace(model_config, temperature=round(temperature, 4), rejection_threshold=round(threshold, 4))
    return calibrated, {"validation": metrics.summary(logits, allowed, temperature)}


def test(model: torch.nn.Module, ink: data.InkSet, config: TrainConfig, model_config: ModelConfig) -> dict[str, float]:
    """Measured among the classes that the test set has: digits are not asked whether they are letters."""
    logits, allowed = logits_of(model, ink, config, model_config)
    present = allowed.any(0)
    return metrics.summary(logits[:, present], allowed[:, present], model_config.temperature)


def logits_of(
    model: torch.nn.Module, ink: data.InkSet, config: TrainConfig, model_config: ModelConfig
) -> tuple[torch.Tensor, torch.Tensor]:
    device = training.pick_device(config.device)
    return training.predict(model, training.Labelled.of(ink, model_config.labels, device), model_config)


def report(config: TrainConfig, measured: dict[str, Any]) -> None:
    for name, result in [("validation", measured["validation"]), *measured["test"].items()]:
        low, high = result["accuracy_low"], result["accuracy_high"]
        print(f"{name}: {result['accuracy']:.2%} of {result['n']:,} ({low:.2%} to {high:.2%})")
    print(f"Model written to {config.out}. Use it: python app.py --model {config.out}")


if __name__ == "__main__":
    cli.run(main, TrainConfig, __doc__)
