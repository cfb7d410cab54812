"""The flags of train.py, a dataclass for each group that ``--help`` shows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

SMALL = "resnet18-half"  # not a timm name: ResNet-18 at half its width, ModelConfig's default arguments


@dataclass(frozen=True)
class DataOptions:
    """The training data."""

    task: Literal["characters", "lines"] = "characters"
    """What the network reads: single characters, or lines of writing (words, numbers, sentences)."""
    data: tuple[str, ...] = ("sample",)
    """Training sources, merged by class name: sample, mnist and others that torchvision downloads, a folder with one
    subfolder per class, a .csv, .parquet or .npz file. For lines: an .npz, or a folder of pictures with .txt files."""
    test: tuple[str, ...] = ()
    """Test sources, used once, at the end. Default: the test splits of the training sources."""
    skip_damaged: bool = False
    """Leave out pictures that cannot be read, and list them."""
    data_dir: Path = Path("~/.cache/hwr/data")
    """Folder for downloads."""
    validation: float = 0.05
    """Share of the data held out for validation, by writer if writers are known. 0: none, the last epoch is kept."""
    dedupe: bool = True
    """Remove near-duplicates of the test sets from the training data."""
    pens: int = 2
    """Renderings of each pen trajectory, each with a pen of its own."""
    ink: bool = True
    """Find the ink, crop and centre it. --no-ink for plain pictures, such as SVHN, CIFAR-10 and photos."""
    outliers: float = 0.0
    """Outliers (scribbles, symbols) to learn to reject, as a share of the training data."""
    case_prior: float = 0.0
    """Letters of unknown case: 0 leaves the case to the network, 1 teaches how often capitals are in EMNIST."""
    weights: tuple[float, ...] = ()
    """How often an epoch sees the pictures of each --data source. Default: once."""
    balance: float = 0.0
    """0: classes as frequent as in the data; 1: all equally frequent."""


@dataclass(frozen=True)
class StartOptions:
    """The start of the training, and which layers are trained."""

    init: tuple[str, ...] = ("scratch",)
    """scratch, imagenet (timm's weights), bundled, a model directory, or owner/name[@revision] on the Hugging Face Hub.
    Common classes keep their weights. Several models with the same start are averaged."""
    keep_labels: bool = False
    """Keep the classes of --init that the data lacks."""
    architecture: str = SMALL
    """A timm ResNet, or resnet18-half: 2.8 M parameters. Unused if --init names a model."""
    model_args: str = ""
    """More arguments of timm's create_model, as JSON: '{"channels": [48, 96, 192, 320]}'."""
    image_size: Annotated[int | None, tyro.conf.arg(metavar="PIXELS", help_behavior_hint="")] = None
    """Side of the network's input, in pixels. Default: that of the model given by --init, or 32."""
    finetune: Literal["full", "head", "last-stage", "gradual"] = "full"
    """Which layers are trained: all, the classifier, the last stage with it, or one more stage every few epochs."""
    layer_decay: float = 1.0
    """Learning rate of a layer, as a share of the one above it."""
    average: bool = False
    """Average the result with its initial weights, in the proportion that is best on validation."""
    teacher: tuple[str, ...] = ()
    """Trained models, named as for --init, whose answers are learnt beside the labels; of several, the mean."""
    distill: float = 0.5
    """Weight of the teacher's answers."""
    case_trust: float = 0.0
    """With --case-prior: 0 gives all pictures of a letter the same share of capitals; 1 gives each the teacher's
    probability, shifted so that the mean is that share."""


@dataclass(frozen=True)
class OptimisationOptions:
    """The optimiser and its schedule."""

    epochs: int = 8
    """Passes over the training data."""
    batch_size: int = 256
    """Images per update, on all processes together."""
    accumulate: int = 1
    """Parts into which a batch is split, to save memory."""
    optimizer: str = "adamw"
    """A timm optimizer: adamw, sgd, muon, lamb ...; or lbfgs, which with --finetune head fits the classifier of a
    trained model to a few pictures, in seconds."""
    lr: Annotated[float | None, tyro.conf.arg(metavar="FLOAT", help_behavior_hint="")] = None
    """Peak learning rate. Default: 0.003 from scratch, 0.001 from trained weights."""
    momentum: float = 0.9
    """Momentum, for optimizers that have one."""
    weight_decay: float = 0.05
    """Weight decay; norms and biases are left out."""
    scheduler: str = "cosine"
    """plateau, or a timm scheduler: cosine, step, poly ..."""
    warmup: float = 0.05
    """Share of the updates in which the learning rate rises. Not with plateau."""
    decay_every: int = 5
    """step: epochs between two drops. plateau: epochs without progress before a drop."""
    decay_rate: float = 0.1
    """step, plateau: factor of each drop of the learning rate."""
    ema: float = 0.999
    """Decay of the averaged weights that are validated and kept; 0 turns averaging off."""
    grad_clip: float = 1.0
    """Largest norm of the gradient; 0: no limit."""
    patience: int = 0
    """Stop after this number of epochs without progress on validation; 0: never."""
    keep: Literal["best", "last"] = "best"
    """The epoch whose weights are kept: the best on validation, or the last, if validation is too small to choose."""
    small_size: int = 0
    """Side of the pictures in the first epochs, in pixels, to save time; 0: --image-size in all epochs."""
    small_share: float = 0.6
    """Share of the epochs at --small-size."""
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    """Precision of the forward pass. auto: bf16 on hardware that is fast at it."""
    compile: bool = False
    """torch.compile the network."""


@dataclass(frozen=True)
class RegularisationOptions:
    """Regularisation against overfitting."""

    smoothing: float = 0.05
    """Label smoothing."""
    drop_rate: float = 0.1
    """Dropout before the classifier."""
    drop_path: float = 0.0
    """Probability of skipping the residual branch of the last block; lower for earlier blocks."""
    mixup: float = 0.0
    """Alpha of mixup: pictures blended in pairs."""
    cutmix: float = 0.0
    """Alpha of cutmix: a rectangle of another picture pasted in. With --mixup, each batch gets one of both."""


@dataclass(frozen=True)
class AugmentationOptions:
    """Strengths of the augmentations, which imitate hands, pens and scanners. Zero turns one off."""

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
    """Largest change of the stroke width (1 is a pixel all around)."""
    blur: float = 0.0
    """Largest blur (1 is the mean over 3 x 3 pixels)."""
    gain: float = 0.15
    """Largest change of contrast and gamma."""
    occlusion: float = 0.1
    """Probability that a small patch is erased."""
    remnant: float = 0.0
    """Probability that the edge of another picture shows at one side."""
    rules: float = 0.0
    """Probability that rules or borders of a form show along one to three sides."""
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
    """Output folder, hardware and seed."""

    out: Path = Path("runs/model")
    """Model directory to write: new, empty, or a run to --resume."""
    resume: bool = False
    """Continue the run in --out from its last checkpoint."""
    device: str = "auto"
    """auto, cpu, cuda, cuda:1, mps. Several: accelerate launch train.py ..., or torchrun."""
    seed: int = 0
    """Fixes the validation split, the initial weights, the order and the augmentation."""
    report: bool = True
    """Write a full evaluation at the end: OUT/evaluation/report.html. Needs scikit-learn."""


@dataclass(frozen=True, kw_only=True)
class PublishOptions:
    """How a model is published on the Hugging Face Hub."""

    private: bool = False
    """Create a private repository."""
    branch: str = "main"
    """Branch to commit to."""
    create_pr: bool = False
    """Open a pull request instead."""
    restart_space: str = ""
    """owner/name of a Space to restart after the push, so that it serves the new model."""


@dataclass(frozen=True, kw_only=True)
class PushOptions(PublishOptions):
    """Publication of the finished model."""

    push: str = ""
    """owner/name on the Hugging Face Hub, created if it does not exist."""
