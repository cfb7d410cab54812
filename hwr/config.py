"""ModelConfig, which describes a model's weights, and its labels."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from hwr.errors import UserError as UserError

DIGITS = tuple("0123456789")
UPPER = tuple("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
LOWER = tuple("abcdefghijklmnopqrstuvwxyz")
SYMBOLS = tuple("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~")  # with the digits and letters, printable ASCII without the space
LONGEST_LABEL = 200  # characters
OTHER = "<other>"  # class of ink that is not a character: learnt, never answered

Alphabet = Literal["digits", "letters", "all", "printable"]


def is_label(name: object) -> bool:
    """Return whether a name is a valid label: 1 to LONGEST_LABEL printable characters."""
    return isinstance(name, str) and name.isprintable() and 1 <= len(name) <= LONGEST_LABEL


@dataclass(frozen=True)
class ModelConfig:
    """Everything that turns a file of weights into answers, stored in config.json.

    ``architecture`` and ``model_args`` rebuild the network by ``timm.create_model`` alone. ``mean`` and ``std``
    are of pixels in [0, 1]. ``temperature`` divides the logits before the softmax. ``rejection_threshold`` is the
    lowest confidence (`metrics.confidence`) at which ink counts as a character.
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
    image_size: int = 32
    ink: bool = True  # True: crop to the ink and centre it; False: scale the whole picture
    ink_fraction: float = 0.8  # of the picture's side, taken by the longer side of the ink
    mean: float = 0.2
    std: float = 0.35
    temperature: float = 1.0
    rejection_threshold: float = 0.0
    sha256: str = ""  # of model.safetensors
    graph_sha256: str = ""  # of model.onnx; empty if there is none

    def symbols(self) -> tuple[int, ...]:
        """The classes of symbols, of a model that tells all printable characters apart; none of any other model.

        They are answers of the alphabet ``printable`` alone. Elsewhere their probability makes an answer unsure.
        """
        if {*DIGITS, *UPPER, *LOWER, *SYMBOLS} <= {*self.labels}:
            return tuple(i for i, label in enumerate(self.labels) if label in SYMBOLS)
        return ()

    def alphabets(self) -> dict[str, tuple[tuple[str, tuple[int, ...]], ...]]:
        """Return the alphabets of these labels: name -> ((answer, indices of the classes summed into it), ...)."""
        index = {label: i for i, label in enumerate(self.labels)}
        every = tuple((label, (i,)) for label, i in index.items() if label != OTHER)
        symbols = self.symbols()
        found: dict[str, tuple[tuple[str, tuple[int, ...]], ...]] = {
            "all": tuple(entry for entry in every if not {*entry[1]} & {*symbols})
        }
        if symbols:
            found["printable"] = every
        if all(d in index for d in DIGITS):
            found["digits"] = tuple((d, (index[d],)) for d in DIGITS)
        cases = [tuple(index[c] for c in (u, u.lower()) if c in index) for u in UPPER]
        if all(cases):
            found["letters"] = tuple(zip(UPPER, cases, strict=True))
        return found
