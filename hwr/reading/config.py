"""What the weights of a line reader are (`LineConfig`), and the checks of its config.json."""

from __future__ import annotations

import reprlib
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from hwr.model.verify import number_within

PRINTABLE = "".join(chr(code) for code in range(32, 127))  # the 95 printable characters of ASCII, the space first
STRIDE = 8  # pixels of a line between two columns of features
MAX_CHARACTERS = 1000
WITHIN = {  # what a number of the config may be, ends included
    "height": (16, 128),
    "stretch": (0.25, 4.0),
    "column_channels": (1, 2048),
    "lstm_size": (1, 2048),
    "lstm_layers": (1, 8),
    "frames_per_column": (1, 8),
    "mean": (-10.0, 10.0),
    "std": (1e-3, 10.0),
    "temperature": (1e-3, 1e3),
    "sure": (0.0, 1.0),
}
BLANK = 0  # class of CTC's blank; character i of `LineConfig.characters` is class i + 1


@dataclass(frozen=True)
class LineConfig:
    """Everything that turns a line reader's weights into text; it is part of the reader's config.json.

    ``architecture`` and ``model_args`` rebuild the convolutional columns by ``timm.create_model`` alone. ``height`` is
    that of a line in pixels, ``stretch`` by how much its width is enlarged. ``mean`` and ``std`` are of pixels in
    [0, 1]. ``temperature`` divides the logits before the softmax. ``sure`` is the probability from which on a word
    counts as read for sure.
    """

    characters: str = PRINTABLE
    architecture: str = "resnet18"
    model_args: dict[str, Any] = field(
        default_factory=lambda: {
            "in_chans": 1,
            "channels": [32, 64, 128, 256],  # those of the bundled character model, whose weights it starts from
            "stem_type": "deep",
            "stem_width": 16,
            "layers": [2, 2, 1, 1],  # the fourth stage is never built
            "output_stride": 8,
        }
    )
    height: int = 40
    stretch: float = 1.25
    column_channels: int = 160
    lstm_size: int = 160  # of each direction
    lstm_layers: int = 2
    frames_per_column: int = 2  # CTC frames for each column of features, 8 pixels wide: narrow letters stand closer
    mean: float = 0.2
    std: float = 0.35
    temperature: float = 1.0
    sure: float = 0.5
    sha256: str = ""  # of model.safetensors
    graph_sha256: str = ""  # of model.onnx
    words_sha256: str = ""  # of words.tsv, the words of the language; empty where the ink alone decides

    @property
    def classes(self) -> int:
        """How many classes the network tells apart: the characters and the blank."""
        return len(self.characters) + 1

    def settings(self) -> dict[str, Any]:
        """Return the config as config.json holds it."""
        values = asdict(self)
        return {"architecture": values.pop("architecture"), "model_args": values.pop("model_args"), "hwr": values}


def checked(settings: Any) -> LineConfig:
    """Return the config that a reader's config.json holds. Raises ValueError, which names what is wrong."""
    ours = settings.get("hwr") if isinstance(settings, dict) else None
    if not isinstance(ours, dict) or "characters" not in ours:
        raise ValueError('it has no "hwr" section with "characters"')
    known = {f.name for f in fields(LineConfig)}
    values = {name: value for name, value in ours.items() if name in known}
    for name, (low, high) in WITHIN.items():
        if name in values:
            values[name] = number_within(name, values[name], low, high)
    config = LineConfig(architecture=settings.get("architecture"), model_args=settings.get("model_args"), **values)
    characters = config.characters
    if not isinstance(characters, str) or not 1 <= len(set(characters)) == len(characters) <= MAX_CHARACTERS:
        raise ValueError(f"characters is {reprlib.repr(characters)}, expected 1 to {MAX_CHARACTERS} distinct ones")
    if config.height % STRIDE:
        raise ValueError(f"height is {config.height}, expected a multiple of {STRIDE}")
    if not all(
        isinstance(value, str)
        for value in (config.architecture, config.sha256, config.graph_sha256, config.words_sha256)
    ):
        raise ValueError("architecture and digests must be strings")
    if not isinstance(config.model_args, dict):
        raise ValueError(f"model_args is {reprlib.repr(config.model_args)}, expected an object")
    return config
