"""What the weights are (ModelConfig) and how they were made (TrainConfig)."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

DIGITS = tuple("0123456789")
UPPER = tuple("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
LOWER = tuple("abcdefghijklmnopqrstuvwxyz")

Alphabet = Literal["digits", "letters", "all"]


class UserError(ValueError):
    """A mistake of the caller: the message names what was given, what was expected and what to do.

    Command lines print it as one line and exit with status 2; nothing else about it is worth a stack trace.
    """


@dataclass(frozen=True)
class ModelConfig:
    """Everything that turns a file of weights into answers; it travels inside config.json.

    ``architecture`` and ``model_args`` rebuild the network by ``timm.create_model`` alone. ``mean`` and ``std``
    are of pixels in [0, 1]. ``temperature`` divides the logits before the softmax; a best answer less probable
    than ``rejection_threshold`` (over the chosen alphabet) means "not sure".
    """

    labels: tuple[str, ...]
    architecture: str = "resnet18"
    model_args: dict[str, Any] = field(
        default_factory=lambda: {
            "in_chans": 1,
            "channels": [32, 64, 128, 256],  # half of ResNet-18's: 2.8 M parameters, 11 MB
            "stem_type": "deep",
            "stem_width": 16,
        }
    )
    image_size: int = 48
    ink_fraction: float = 0.8  # of the picture's side, taken by the longer side of the ink
    mean: float = 0.2
    std: float = 0.35
    temperature: float = 1.0
    rejection_threshold: float = 0.0
    sha256: str = ""  # of model.safetensors

    def alphabets(self) -> dict[str, tuple[tuple[str, tuple[int, ...]], ...]]:
        """The alphabets these labels allow: name -> ((answer, indices of the classes summed into it), ...)."""
        index = {label: i for i, label in enumerate(self.labels)}
        found: dict[str, tuple[tuple[str, tuple[int, ...]], ...]] = {
            "all": tuple((label, (i,)) for label, i in index.items())
        }
        if all(d in index for d in DIGITS):
            found["digits"] = tuple((d, (index[d],)) for d in DIGITS)
        cases = [tuple(index[c] for c in (u, u.lower()) if c in index) for u in UPPER]
        if all(cases):
            found["letters"] = tuple(zip(UPPER, cases, strict=True))
        return found


@dataclass(frozen=True)
class TrainConfig:
    """How a model is trained. Every field is a flag of train.py."""

    data: tuple[str, ...] = ("sample",)
    """Training sources, merged by class name: sample, mnist, emnist-byclass and others that torchvision
    downloads, a folder with one subfolder per class, or an .npz of images or of pen trajectories."""
    test: tuple[str, ...] = ()
    """Test sources, looked at once at the end. Default: the test splits that the training sources bring."""
    out: Path = Path("runs/model")
    """Model directory to write. It must be new, empty, or a run to --resume."""
    data_dir: Path = Path("~/.cache/hwr/data")
    """Where downloads are kept."""
    validation: float = 0.05
    """Share of the training data held out for validation, by writer where writers are known."""
    dedupe: bool = True
    """Remove near-duplicates of the test sets from the training data."""
    pens: int = 2
    """Pictures drawn of each pen trajectory, each with a pen of its own."""

    architecture: str = "resnet18"
    """A timm ResNet."""
    image_size: int = 48
    """Side of the network's input, in pixels."""

    epochs: int = 20
    """Passes over the training data."""
    batch_size: int = 256
    """Images per step."""
    optimizer: str = "adamw"
    """A timm optimizer."""
    lr: float = 3e-3
    """Peak learning rate."""
    weight_decay: float = 0.05
    """Weight decay; norms and biases are left out."""
    warmup: float = 0.05
    """Share of the steps in which the learning rate rises."""
    scheduler: str = "cosine"
    """A timm scheduler, stepped per update."""
    smoothing: float = 0.05
    """Label smoothing."""
    ema: float = 0.999
    """Decay of the averaged weights that are validated and kept; 0 turns averaging off."""
    grad_clip: float = 1.0
    """Largest norm of the gradient."""
    drop_rate: float = 0.1
    """Dropout before the classifier."""

    degrees: float = 15.0
    """Augmentation: largest rotation."""
    shear: float = 0.25
    """Augmentation: largest shear."""
    scale: float = 0.15
    """Augmentation: largest change of size, per axis."""
    shift: float = 0.05
    """Augmentation: largest shift, as a share of the side."""
    elastic: float = 0.03
    """Augmentation: spread of the elastic displacement, as a share of the side."""
    stroke: float = 0.8
    """Augmentation: how far strokes get thinner or thicker (1 is a pixel all around)."""
    blur: float = 0.0
    """Augmentation: how far pictures go out of focus (1 is the mean over 3 x 3 pixels)."""
    gain: float = 0.15
    """Augmentation: largest change of contrast and gamma."""
    occlusion: float = 0.1
    """Augmentation: probability that a small patch is erased."""

    seed: int = 0
    """Fixes the validation split, the initial weights, the order and the augmentation."""
    device: str = "auto"
    """auto, cpu, cuda, cuda:1, mps."""
    resume: bool = False
    """Continue the run in --out from its last checkpoint."""

    def __post_init__(self) -> None:
        """Raise UserError for values that cannot train anything."""
        if not self.data:
            raise UserError("--data names no source: expected at least one, such as --data sample")
        for name, least in (("epochs", 1), ("batch_size", 2), ("pens", 1), ("image_size", 16)):
            if getattr(self, name) < least:
                raise UserError(f"--{name.replace('_', '-')} {getattr(self, name)}: expected at least {least}")
        if not self.lr > 0:
            raise UserError(f"--lr {self.lr}: expected more than 0")
        if not 0 < self.validation < 1:
            raise UserError(f"--validation {self.validation}: expected a share between 0 and 1, such as 0.05")
        for name in ("ema", "smoothing", "warmup", "drop_rate", "occlusion"):
            if not 0 <= getattr(self, name) <= 1:
                raise UserError(f"--{name.replace('_', '-')} {getattr(self, name)}: expected between 0 and 1")

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready, to be published: files and folders by their names, without the machine's own paths."""
        values = {k: v.name if isinstance(v, Path) else v for k, v in asdict(self).items()}
        return values | {k: [Path(name).name for name in values[k]] for k in ("data", "test")}
