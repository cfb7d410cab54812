"""Train a handwriting recogniser: data, start, fit, calibrate, test once, save, publish.

Examples:
  python train.py                                             the sample that ships with the project
  python train.py --data mnist --out runs/mnist               MNIST, which is downloaded
  python train.py --data my_folder --init bundled --average   pictures, my_folder/<class>/*.png, and a trained start
  python train.py --recipe personal --data my_folder          your own hand or new characters, from a few pictures
  python train.py --recipe lines-personal --data my_lines     your words and lines, words.png beside words.txt
  python train.py --data my_folder --push owner/name          published on the Hugging Face Hub when it is done
"""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

import numpy as np

if missing := [name for name in ("torch", "torchvision", "timm", "accelerate") if find_spec(name) is None]:
    install = "pip install -r requirements.txt -r requirements-train.txt"
    print(f"train.py: {missing[0]} is not installed: {install}", file=sys.stderr)
    sys.exit(2)

import torch
from accelerate import Accelerator

import hwr
from hwr import cli
from hwr.config import ModelConfig, UserError
from hwr.data.lines import sources as line_sources
from hwr.data.lines.sampling import LineSampler
from hwr.evaluation import curves, devices, report
from hwr.files import write_atomically
from hwr.hub import network, space, transfer
from hwr.model import store
from hwr.model.resnet import count_parameters, freeze, open_stages
from hwr.reading import saving
from hwr.reading.config import LineConfig
from hwr.reading.session import READER
from hwr.training import average, calibrate, checks, datasets, few_shot, fit, line_model, records, start
from hwr.training.lines import LineTask
from hwr.training.options import LBFGS, TrainConfig
from hwr.training.recipes import ABOUT, RECIPES
from hwr.training.task import CharacterTask
from hwr.training.trainer import Weights


def main(config: TrainConfig) -> None:
    accelerator = devices.accelerator(config.device, config.precision, config.finetune == "full")
    if accelerator.is_main_process:
        check_output(config)
        check_publishing(config)
    if config.optimizer == LBFGS:
        devices.share_processor()
    seed_everything(config.seed)
    if config.task == "lines":
        train_lines(config, accelerator)
    else:
        train_characters(config, accelerator)
    accelerator.end_training()  # or one of several processes may end in an abort


def train_characters(config: TrainConfig, accelerator: Accelerator) -> None:
    begun = start.find(config)
    checks.before_reading(config, begun)
    sets = datasets.load(config, begun.config)
    labels = begun.labels(sets.classes(), config.keep_labels)
    model, model_config = start.begin(begun, labels, config)
    first = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    teacher = start.teacher(config.teacher, labels, accelerator.device)
    if accelerator.is_main_process:
        introduce(model, sets, config, model_config, str(accelerator.device))

    if config.optimizer == LBFGS:
        weights = few_shot.fit(model.to(accelerator.device), sets.train, config, model_config, begun)
    else:
        world = accelerator.process_index, accelerator.num_processes
        task = CharacterTask(sets.train, sets.val, config, model_config, accelerator.device, world, teacher)
        weights = fit.fit(model, task, config, accelerator)
    if config.average and sets.val is not None:
        weights = average.best(model, first, weights, sets.val, model_config, accelerator)
    model.load_state_dict(weights)
    model_config, measured = calibrate.calibrate(model, sets, model_config, accelerator.device)
    measured["test"] = calibrate.test(model, sets, model_config, accelerator.device)
    if accelerator.is_main_process:
        with disk_errors(config):
            save(config, model_config, weights, sets.writers, measured, begun.training)
        tell(config, measured)
        if config.optimizer == LBFGS:
            print(few_shot.compared(model, model_config, begun, sets.train))
        publish(config)
        if config.report and sets.tests:
            evaluate(config, sets, accelerator.device)


def train_lines(config: TrainConfig, accelerator: Accelerator) -> None:
    network, line_config, before = line_model.begin(config)
    data = line_sources.load(config.data, config.data_dir, line_config.characters, config.validation, config.seed)
    held = line_model.validation(data.val, line_config, config.seed)
    if accelerator.is_main_process:
        introduce_lines(network, data, len(held), config, str(accelerator.device))

    sampler = LineSampler(data.train, data.hands, line_config.height, line_config.stretch, data.scans)
    world = accelerator.process_index, accelerator.num_processes
    task = LineTask(sampler, held, config, line_config, accelerator.device, world)
    weights = fit.fit(network, task, config, accelerator)
    network.load_state_dict(weights)
    words = line_model.words(config, data.train.texts)
    line_config, measured = line_model.calibrate(network, held, line_config, words, accelerator.device)
    if accelerator.is_main_process:
        with disk_errors(config):
            save_reader(config, line_config, weights, words, data.writers, measured, before)
        if measured:
            print(f"validation: {measured['exact']:.1%} of {measured['n']:,} lines read without an error, ", end="")
            print(f"character error rate {measured['character_error_rate']:.1%}")
        print(f"Model with its reader written to {config.out}. Use it: python app.py --model {config.out}")
        publish(config)


@contextmanager
def disk_errors(config: TrainConfig) -> Iterator[None]:
    """Turn an OSError while saving into a UserError that says how to finish the run."""
    try:
        yield
    except OSError as error:
        raise UserError(
            f"the model cannot be written to {config.out}: {error.strerror}. Its weights are in the checkpoint: "
            f"make room, then finish with --resume --out {config.out}"
        ) from None


def check_output(config: TrainConfig) -> None:
    """Raise UserError, before training, if the output folder holds another run or cannot be written."""
    if not config.resume and config.out.is_dir() and any(config.out.iterdir()):
        raise UserError(f"--out {config.out} is not empty: name a new folder, or continue that run with --resume")
    try:
        config.out.mkdir(parents=True, exist_ok=True)
        write_atomically(config.out / ".writable", b"")
        (config.out / ".writable").unlink()
    except OSError as error:
        raise UserError(f"--out {config.out} cannot be written: {error.strerror}") from None


def check_publishing(config: TrainConfig) -> None:
    """Raise UserError, before training, if a name on the Hub is wrong or there is no access token."""
    for repo in filter(None, (config.push, config.restart_space)):
        network.require_name(repo)
        network.require_token()


def seed_everything(seed: int) -> None:
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


def introduce(
    model: torch.nn.Module, sets: datasets.Sets, config: TrainConfig, model_config: ModelConfig, device: str
) -> None:
    """Print what is trained on which data, and record it in the output folder."""
    for name, count in sets.removed.items():
        print(f"{count:,} near-duplicates of the test set {name} removed from training")
    freeze(model, open_stages(config.finetune, 0, config.epochs))
    learning, all_of_them = count_parameters(model, learning=True), count_parameters(model)
    held = 0 if sets.val is None else len(sets.val)
    print(f"{model_config.architecture}: {learning:,} of {all_of_them:,} parameters learn", end="")
    print(" at first" if config.finetune == "gradual" else "", end="")
    print(f", {len(model_config.labels)} classes, {model_config.image_size} x {model_config.image_size} pixels")
    print(f"{len(sets.train):,} pictures to train on, {held:,} to validate on")
    records.Records(config.out).start(sys.argv, config.to_dict(), sets.described(), device)


def introduce_lines(
    network: torch.nn.Module, data: line_sources.LineData, held: int, config: TrainConfig, device: str
) -> None:
    """Print what is trained on which data, and record it in the output folder."""
    for problem, count in data.train.skipped.items():
        print(f"{count:,} lines {problem} are left out")
    print(f"line reader: {count_parameters(network):,} parameters learn")
    print(f"{len(data.train):,} lines to train on, {held:,} of held-out writers to validate on", end="")
    print(f", the characters of {len(data.hands):,} hands to compose more of", end="")
    print(f", pictures of {len(data.scans.pictures)} characters" if data.scans.pictures else "")
    described = [
        {"name": data.train.name, "split": "train", "samples": len(data.train), "writers": len({*data.train.writers})},
        {"name": data.train.name, "split": "validation", "samples": held, "writers": len(data.writers)},
    ]
    records.Records(config.out).start(sys.argv, config.to_dict(), described, device)


def save(
    config: TrainConfig,
    model_config: ModelConfig,
    weights: Weights,
    writers: dict[str, list[int]],
    measured: dict[str, Any],
    before: dict[str, Any],
) -> None:
    notes: dict[str, Any] = {"version": hwr.__version__, "training": config.to_dict(), "held_out": writers}
    if before:
        notes["started_from"] = before
    store.save(config.out, weights, model_config, notes, measured)
    title = f"{config.out.name}: {', '.join(notes['training']['data'])}"
    write_atomically(config.out / store.CURVES, curves.learning_curves(records.read(config.out), title))
    write_atomically(config.out / store.CARD, transfer.described(config.out).encode())
    records.Records(config.out).finish(measured)


def save_reader(
    config: TrainConfig,
    line_config: LineConfig,
    weights: Weights,
    words: dict[str, int],
    writers: tuple[str, ...],
    measured: dict[str, Any],
    before: dict[str, Any],
) -> None:
    """Write a model directory: the reader, and the character model that it started from."""
    notes: dict[str, Any] = {"version": hwr.__version__, "training": config.to_dict(), "held_out": list(writers)}
    if before:
        notes["started_from"] = before
    saving.save(config.out / READER, weights, line_config, notes, {"validation": measured}, words)
    line_model.copy_characters(config, config.out)
    title = f"{config.out.name}: {', '.join(notes['training']['data'])}"
    write_atomically(config.out / store.CURVES, curves.learning_curves(records.read(config.out), title))
    write_atomically(config.out / store.CARD, transfer.described(config.out).encode())
    records.Records(config.out).finish(measured)


def tell(config: TrainConfig, measured: dict[str, Any]) -> None:
    for name, result in [("validation", measured.get("validation")), *measured["test"].items()]:
        if result:
            low, high = result["accuracy_low"], result["accuracy_high"]
            print(f"{name}: {result['accuracy']:.2%} of {result['n']:,} ({low:.2%} to {high:.2%})")
    if "rejection" in measured:
        found = measured["rejection"]
        print(f"{found['rejected']:.1%} of {found['n']:,} scribbles, symbols and other outliers are rejected")
    print(f"Model written to {config.out}. Use it: python app.py --model {config.out}")


def publish(config: TrainConfig) -> None:
    if config.push:
        done = transfer.push(config.out, config.push, config.private, config.branch, config.create_pr)
        print(f"Published: {done}")
    if config.restart_space:
        space.restart(config.restart_space)


def evaluate(config: TrainConfig, sets: datasets.Sets, device: torch.device) -> None:
    """Write the evaluation report of the saved model; a missing library only leaves the report out."""
    model, model_config = store.load(config.out)
    out = config.out / "evaluation"
    try:
        report.evaluate_run(model.to(device), model_config, sets.tests, out, seed=config.seed, title=config.out.name)
    except UserError as error:
        print(f"No report: {error}")
    else:
        print(f"Report written to {out / report.REPORT}")


if __name__ == "__main__":
    width = max(map(len, ABOUT)) + 2
    described = "\n".join(f"  {name:<{width}}{text}" for name, text in ABOUT.items())
    cli.run(main, TrainConfig, f"{__doc__}\nRecipes:\n{described}", RECIPES)
