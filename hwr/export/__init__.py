"""The weights for other runtimes, each proven equal."""

from typing import Literal

Format = Literal["onnx", "int8", "torch", "litert", "web"]
