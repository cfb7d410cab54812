"""How a model is trained (TrainConfig), group by group as ``train.py --help`` shows it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from math import isfinite
from pathlib import Path
from typing import Any, Literal

from hwr.config import ModelConfig, UserError

PLAIN_MEAN, PLAIN_STD = 0.449, 0.226  # of plain pictures in grey: ImageNet's, averaged over its colours
FRESH = ("scratch", "imagenet")  # what --init takes besides models of ours
SMALL = "resnet18-half"  # not a timm name: ResNet-18 at half its width, ModelConfig's default arguments


@dataclass(frozen=True)
class DataOptions:
    """What is learnt from."""

    data: tuple[str, ...] = ("sample",)
    """Training sources, merged by class name: sample, mnist, emnist-byclass and others that torchvision
    downloads, a folder with one subfolder per class, or an .npz of images or of pen trajectories."""
    test: tuple[str, ...] = ()
    """Test sources, looked at once at the end. Default: the test splits that the training sources bring."""
    data_dir: Path = Path("~/.cache/hwr/data")
    """Where downloads are kept."""
    validation: float = 0.05
    """Share of the data held out for validation, by writer where writers are known. 0: none, the last epoch is kept."""
    dedupe: bool = True
    """Remove near-duplicates of the test sets from the training data."""
    pens: int = 2
    """Pictures drawn of each pen trajectory, each with a pen of its own."""
    ink: bool = True
    """Find the ink, crop and centre it. --no-ink for plain pictures, such as SVHN, CIFAR-10 and photos."""
    outliers: float = 0.0
    """Pictures of no character to learn to reject, as a share of the training data."""
    strings: float = 0.0
    """Characters cut out of strings, and wrong cuts to learn to reject, as a share of the training data. Strings are
    composed of the pen trajectories of writers that are known."""
    case_prior: float = 0.0
    """Letters of unknown case: 0 leaves the case to the network, 1 teaches how often capitals are in EMNIST."""
    weights: tuple[float, ...] = ()
    """How often an epoch sees the pictures of each --data source. Default: once."""
    balance: float = 0.0
    """0: classes as often as they come; 1: all equally often."""


@dataclass(frozen=True)
class StartOptions:
    """What training starts from, and what learns."""

    init: tuple[str, ...] = ("scratch",)
    """scratch, imagenet (timm's weights), bundled, a model directory, or owner/name[@revision] on the Hugging Face Hub.
    Classes in common keep their weights. Of several models that came of one start, the mean is taken."""
    keep_labels: bool = False
    """Keep the classes of --init that the data lacks."""
    architecture: str = SMALL
    """A timm ResNet, or resnet18-half: 2.8 M parameters. Unused where --init names a model."""
    model_args: str = ""
    """More arguments of timm's create_model, as JSON: '{"channels": [48, 96, 192, 320]}'."""
    image_size: int | None = None
    """Side of the network's input, in pixels. Default: that of the model that --init names, or 48."""
    finetune: Literal["full", "head", "last-stage", "gradual"] = "full"
    """What learns: all, the classifier, the last stage with it, or one stage more every few epochs."""
    layer_decay: float = 1.0
    """Learning rate of a layer, as a share of the one above it."""
    average: bool = False
    """Average the result with the weights it started from, in the proportion that is best on validation."""
    teacher: tuple[str, ...] = ()
    """What --init takes of trained models: its answers are learnt beside the labels. Of several, their mean."""
    distill: float = 0.5
    """Weight of the teacher's answers."""
    case_trust: float = 0.0
    """With --case-prior: 0 gives all pictures of a letter the same share of capitals, 1 those with that mean which
    the teacher sees in each."""


@dataclass(frozen=True)
class OptimisationOptions:
    """How the weights change."""

    epochs: int = 20
    """Passes over the training data."""
    batch_size: int = 256
    """Images per update, on all processes together."""
    accumulate: int = 1
    """Parts in which a batch is worked on, to save memory."""
    optimizer: str = "adamw"
    """A timm optimizer: adamw, sgd, muon, lamb ..."""
    lr: float | None = None
    """Peak learning rate. Default: 0.003 from scratch, 0.001 from trained weights."""
    momentum: float = 0.9
    """Of optimizers that have one."""
    weight_decay: float = 0.05
    """Weight decay; norms and biases are left out."""
    scheduler: str = "cosine"
    """plateau, or a timm scheduler: cosine, step, poly ..."""
    warmup: float = 0.05
    """Share of the updates in which the learning rate rises. Not with plateau."""
    decay_every: int = 5
    """step: epochs between two drops. plateau: epochs without progress before one."""
    decay_rate: float = 0.1
    """step, plateau: what the learning rate is multiplied by."""
    ema: float = 0.999
    """Decay of the averaged weights that are validated and kept; 0 turns averaging off."""
    grad_clip: float = 1.0
    """Largest norm of the gradient; 0 for any."""
    patience: int = 0
    """Stop after so many epochs without progress on validation; 0 never stops early."""
    keep: Literal["best", "last"] = "best"
    """The epoch whose weights are kept: the best on validation, or the last, where it is too small to choose by."""
    small_size: int = 0
    """Side of the pictures in the first epochs, in pixels, which saves time; 0 is --image-size."""
    small_share: float = 0.5
    """Share of the epochs at --small-size."""
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    """Of the forward pass. auto: bf16 where the hardware is fast at it."""
    compile: bool = False
    """torch.compile the network."""


@dataclass(frozen=True)
class RegularisationOptions:
    """What keeps it from learning by heart."""

    smoothing: float = 0.05
    """Label smoothing."""
    drop_rate: float = 0.1
    """Dropout before the classifier."""
    drop_path: float = 0.0
    """Share of residual branches skipped, in the last block; less in those before it."""
    mixup: float = 0.0
    """Alpha of mixup: pictures blended in pairs."""
    cutmix: float = 0.0
    """Alpha of cutmix: a rectangle of another picture pasted in. With --mixup, each batch gets one of both."""


@dataclass(frozen=True)
class AugmentationOptions:
    """What hands, pens and scanners do."""

    degrees: float = 15.0
    """Largest rotation."""
    shear: float = 0.25
    """Largest shear."""
    scale: float = 0.15
    """Largest change of size, per axis."""
    shift: float = 0.05
    """Largest shift, as a share of the side."""
    elastic: float = 0.03
    """Spread of the elastic displacement, as a share of the side."""
    stroke: float = 0.8
    """How far strokes get thinner or thicker (1 is a pixel all around)."""
    blur: float = 0.0
    """How far pictures go out of focus (1 is the mean over 3 x 3 pixels)."""
    gain: float = 0.15
    """Largest change of contrast and gamma."""
    occlusion: float = 0.1
    """Probability that a small patch is erased."""
    remnant: float = 0.0
    """Probability that the edge of another picture is left at a side."""


@dataclass(frozen=True)
class RunOptions:
    """Where and with what it runs."""

    out: Path = Path("runs/model")
    """Model directory to write. It must be new, empty, or a run to --resume."""
    resume: bool = False
    """Continue the run in --out from its last checkpoint."""
    device: str = "auto"
    """auto, cpu, cuda, cuda:1, mps. Several: accelerate launch train.py ..., or torchrun."""
    seed: int = 0
    """Fixes the validation split, the initial weights, the order and the augmentation."""
    report: bool = True
    """Measure the model from all sides at the end: OUT/evaluation/report.html. Needs scikit-learn."""


@dataclass(frozen=True)
class PushOptions:
    """Where the model is published when it is done."""

    push: str = ""
    """owner/name on the Hugging Face Hub. It is created if it is not there."""
    private: bool = False
    """Create it for its owner alone."""
    branch: str = "main"
    """Branch to commit to."""
    create_pr: bool = False
    """Open a pull request instead."""
    restart_space: str = ""
    """owner/name of a Space to restart after the push, so that it serves the new model."""


@dataclass(frozen=True)
class TrainConfig(
    PushOptions, RunOptions, AugmentationOptions, RegularisationOptions, OptimisationOptions, StartOptions, DataOptions
):
    """How a model is trained. Every field is a flag of train.py; every base class is a group of its help."""

    def __post_init__(self) -> None:
        """Raise UserError for values that cannot train anything."""
        if not self.data:
            raise UserError("--data names no source: expected at least one, such as --data sample")
        if not self.init or (len(self.init) > 1 and {*self.init} & {*FRESH}):
            raise UserError(f"--init {' '.join(self.init)}: expected one start, or several models of ours")
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
        self.network()  # raises for model_args that are no JSON
        if self.average and (not self.validation or self.is_fresh):
            raise UserError("--average needs --init with a model of ours, and validation data to choose by")
        if self.case_trust and not (self.teacher and self.case_prior):
            raise UserError("--case-trust needs a --teacher to trust, and --case-prior, the weight of what it says")
        if not self.validation and (self.patience or self.scheduler == "plateau"):
            raise UserError("--patience and --scheduler plateau watch the validation data: --validation 0 leaves none")

    @property
    def peak_lr(self) -> float:
        """``lr`` or its default."""
        return self.lr if self.lr is not None else 3e-3 if self.init == ("scratch",) else 1e-3

    @property
    def is_fresh(self) -> bool:
        """Whether the start is no model of ours."""
        return self.init[0] in FRESH

    @property
    def small_epochs(self) -> int:
        """How many epochs come at ``small_size``."""
        return round(self.small_share * self.epochs) if self.small_size else 0

    def network(self) -> ModelConfig:
        """The network that the flags describe, without labels. Raises UserError for ``model_args`` that are no JSON."""
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
        """JSON-ready, to be published: files and folders by their names, without the machine's own paths."""
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
SHARES = (
    *("outliers", "strings", "case_prior", "case_trust", "balance", "layer_decay", "distill", "momentum", "warmup"),
    *("decay_rate", "ema", "small_share", "smoothing", "drop_rate", "drop_path", "occlusion", "remnant"),
)


def _public(name: str) -> str:
    """A file or folder here by its name alone; what is elsewhere as it was given."""
    return Path(name).name if Path(name).expanduser().exists() or Path(name).is_absolute() else name


def flag(name: str) -> str:
    """A field as it is written on the command line."""
    return f"--{name.replace('_', '-')}"
