"""The configuration of a training (TrainConfig): all flags of train.py, validated."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields, replace
from math import isfinite
from pathlib import Path
from typing import Any

from hwr.config import ModelConfig, UserError
from hwr.training.flags import (
    SMALL,
    AugmentationOptions,
    DataOptions,
    OptimisationOptions,
    PushOptions,
    RegularisationOptions,
    RunOptions,
    StartOptions,
)

PLAIN_MEAN, PLAIN_STD = 0.449, 0.226  # of plain pictures in grey: ImageNet's, averaged over its colours
LBFGS = "lbfgs"  # not one of timm's optimizers: it solves the classifier alone, as a convex problem
FRESH = ("scratch", "imagenet")  # values of --init that are not models of this project


@dataclass(frozen=True)
class TrainConfig(
    PushOptions, RunOptions, AugmentationOptions, RegularisationOptions, OptimisationOptions, StartOptions, DataOptions
):
    """The configuration of a training. Each field is a flag of train.py; each base class is a group of its help."""

    def __post_init__(self) -> None:
        """Raise UserError for values that cannot train anything."""
        if not self.data:
            raise UserError(
                "--data names no source: expected at least one, such as --data sample, or a folder of pictures with "
                "one subfolder for each character"
            )
        if not self.init or (len(self.init) > 1 and {*self.init} & {*FRESH}):
            given = " ".join(self.init) or "names nothing"
            raise UserError(f"--init {given}: expected one start, or several models that train.py wrote")
        for name, value in vars(self).items():
            if not all(isfinite(x) for x in (value if isinstance(value, tuple) else (value,)) if isinstance(x, float)):
                raise UserError(f"{flag(name)} {value}: expected a number that is finite")
        for name, least in LEAST.items():
            if (given := getattr(self, name)) is not None and given < least:
                raise UserError(f"{flag(name)} {given}: expected at least {least}")
        if not self.peak_lr > 0:
            raise UserError(f"--lr {self.lr}: expected more than 0")
        if not 0 <= self.validation < 1:
            raise UserError(f"--validation {self.validation}: expected a share between 0 and 1, such as 0.05")
        for name in SHARES:
            if not 0 <= getattr(self, name) <= 1:
                raise UserError(f"{flag(name)} {getattr(self, name)}: expected between 0 and 1")
        if self.weights and (len(self.weights) != len(self.data) or min(self.weights) <= 0):
            raise UserError(f"--weights {self.weights}: expected one for each of --data {self.data}, above 0")
        if self.batch_size % self.accumulate:
            raise UserError(f"--accumulate {self.accumulate} does not divide --batch-size {self.batch_size}")
        if self.task == "lines":
            self._require_line_flags()
        self.network()  # raises for model_args that are no JSON
        if self.optimizer == LBFGS and (self.finetune != "head" or self.is_fresh):
            raise UserError(
                "--optimizer lbfgs fits the classifier of a trained model: expected --finetune head, and --init with a "
                "model such as bundled"
            )
        if self.average and (not self.validation or self.is_fresh):
            raise UserError("--average needs --init with a model that train.py wrote, and validation data to choose by")
        if self.case_trust and not (self.teacher and self.case_prior):
            raise UserError("--case-trust needs a --teacher, and a --case-prior above 0")
        if not self.validation and (self.patience or self.scheduler == "plateau"):
            raise UserError("--patience and --scheduler plateau watch the validation data: --validation 0 leaves none")

    def _require_line_flags(self) -> None:
        """Raise UserError for flags that training on lines would ignore."""
        usual = {f.name: f.default for f in fields(TrainConfig)}
        if odd := [name for name in OF_CHARACTERS if getattr(self, name) != usual[name]]:
            raise UserError(f"{', '.join(map(flag, odd))}: --task lines does not use it, leave it out")
        if len(self.init) > 1 or self.init == ("imagenet",):
            raise UserError(f"--init {' '.join(self.init)}: --task lines starts from scratch or from one model")

    @property
    def peak_lr(self) -> float:
        """Return ``lr`` or its default."""
        if self.lr is not None:
            return self.lr
        if self.task == "lines":
            return 1.5e-3 if self.is_fresh else 3e-4
        return 3e-3 if self.init == ("scratch",) else 1e-3

    @property
    def is_fresh(self) -> bool:
        """Return whether training starts from random weights or timm's, not from a model of this project."""
        return self.init[0] in FRESH

    @property
    def small_epochs(self) -> int:
        """Return the number of epochs at ``small_size``."""
        return round(self.small_share * self.epochs) if self.small_size else 0

    def network(self) -> ModelConfig:
        """Return the network that the flags describe, without labels. Raises UserError for invalid ``model_args``."""
        try:
            more = json.loads(self.model_args or "{}")
            if not isinstance(more, dict):
                raise ValueError("an object was expected")
        except (ValueError, RecursionError) as error:
            raise UserError(
                f"--model-args {self.model_args}: not JSON such as '{{\"stem_width\": 32}}': {error}"
            ) from None
        small = ModelConfig(labels=())
        name, args = (
            (small.architecture, small.model_args)
            if self.architecture == SMALL
            else (self.architecture, {"in_chans": 1})
        )
        size = self.image_size or small.image_size
        found = ModelConfig((), name, args | more, image_size=size, ink=self.ink)
        return found if self.ink else replace(found, mean=PLAIN_MEAN, std=PLAIN_STD)

    def to_dict(self) -> dict[str, Any]:
        """Return the configuration for JSON and for publication: files and folders by name, without local paths."""
        values = {k: v.name if isinstance(v, Path) else v for k, v in asdict(self).items()}
        names = {k: [_public(name) for name in values[k]] for k in ("data", "test", "init", "teacher")}
        return values | names


LEAST = {
    "epochs": 1,
    "batch_size": 2,
    "accumulate": 1,
    "pens": 1,
    "image_size": 16,
    "decay_every": 1,
    "patience": 0,
    "mixup": 0,
    "cutmix": 0,
    "grad_clip": 0,
}
OF_CHARACTERS = (  # flags that training on lines does not use
    *("test", "dedupe", "pens", "ink", "outliers", "case_prior", "weights", "balance", "keep_labels"),
    *("architecture", "image_size", "finetune", "layer_decay", "average", "teacher", "distill", "case_trust"),
    *("small_size", "small_share", "smoothing", "drop_path", "mixup", "cutmix", "compile"),
    *(field.name for field in fields(AugmentationOptions)),
)
SHARES = (
    *("outliers", "case_prior", "case_trust", "balance", "layer_decay", "distill", "momentum", "warmup"),
    *("decay_rate", "ema", "small_share", "smoothing", "drop_rate", "drop_path", "occlusion", "remnant"),
    *("rules", "dots", "coarse", "blobs", "broken", "cut"),
)


def _public(name: str) -> str:
    """Return the name alone of a local file or folder, and any other source unchanged."""
    return Path(name).name if Path(name).expanduser().exists() or Path(name).is_absolute() else name


def flag(name: str) -> str:
    """Return a field's name as a flag of the command line."""
    return f"--{name.replace('_', '-')}"
