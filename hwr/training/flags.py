"""The flags of train.py, a dataclass for each group that ``--help`` shows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

SMALL = "resnet18-half"  # not a timm name: ResNet-18 at half its width, ModelConfig's default arguments


@dataclass(frozen=True)
class DataOptions:
    """What is learnt from."""

    task: Literal["characters", "lines"] = "characters"
    """What the network reads: single characters, or lines of writing (words, numbers, sentences)."""
    data: tuple[str, ...] = ("sample",)
    """Training sources, merged by class name: sample, mnist and others that torchvision downloads, a folder with one
    subfolder per class, a .csv, .parquet or .npz file. For lines: an .npz, or a folder of pictures with .txt files."""
    test: tuple[str, ...] = ()
    """Test sources, looked at once at the end. Default: the test splits that the training sources bring."""
    skip_damaged: bool = False
    """Go on without pictures that cannot be read, once they are listed."""
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
    image_size: Annotated[int | None, tyro.conf.arg(metavar="PIXELS", help_behavior_hint="")] = None
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

    epochs: int = 10
    """Passes over the training data."""
    batch_size: int = 256
    """Images per update, on all processes together."""
    accumulate: int = 1
    """Parts in which a batch is worked on, to save memory."""
    optimizer: str = "adamw"
    """A timm optimizer: adamw, sgd, muon, lamb ...; or lbfgs, which with --finetune head fits the classifier of a
    trained model to a few pictures, in seconds."""
    lr: Annotated[float | None, tyro.conf.arg(metavar="FLOAT", help_behavior_hint="")] = None
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
    small_size: Annotated[int | None, tyro.conf.arg(metavar="PIXELS", help_behavior_hint="")] = None
    """Side of the pictures in the first epochs, in pixels, which saves time; 0 is --image-size. Default: two thirds of
    --image-size from scratch, 0 from trained weights."""
    small_share: float = 0.6
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
    rules: float = 0.0
    """Probability that rules or borders of a form are left along one to three sides."""
    dots: float = 0.0
    """Probability of grey dots of print under the ink."""
    coarse: float = 0.0
    """Probability of a scan of 8 to 20 pixels a side, half the time in black and white."""
    blobs: float = 0.0
    """Probability that strokes are three times as wide."""
    broken: float = 0.0
    """Probability that strokes have gaps."""
    cut: float = 0.0
    """Probability that a side is cut off."""


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
