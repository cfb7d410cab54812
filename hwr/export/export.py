"""Export a model directory to other runtimes; a file is written only if it gives PyTorch's answers.

Each target is a module that makes the bytes of its file and a function that runs them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import torch

from hwr.config import ModelConfig, UserError
from hwr.export import Format, parity
from hwr.export import int8 as export_int8
from hwr.export import litert as export_litert
from hwr.export import onnx as export_onnx
from hwr.export import torch as export_torch
from hwr.export.parity import Answers, Parity
from hwr.files import write_atomically
from hwr.ink.picture import Gray
from hwr.model import store


class Target(NamedTuple):
    """A format: its file, its packages, and how close to PyTorch its answers have to be."""

    suffix: str
    content: Callable[[torch.nn.Module, ModelConfig, bool], bytes]
    answers: Callable[[bytes, ModelConfig, bool], Answers]
    packages: tuple[str, ...]
    install: str  # the command that installs them
    agreement: float = 1.0  # share of pictures with the same best answer, at least
    tolerance: float = 1e-3  # largest difference of logits or probabilities; another order of summation gives 1e-5


_ONNX = export_onnx.PACKAGES, f"pip install {' '.join(export_onnx.PACKAGES)}"
TARGETS: dict[Format, Target] = {
    "onnx": Target(".standalone.onnx", export_onnx.content, export_onnx.answers, *_ONNX),
    "int8": Target(".int8.onnx", export_int8.content, export_onnx.answers, *_ONNX, 0.998, math.inf),
    "torch": Target(".pt2", export_torch.content, export_torch.answers, (), ""),
    "litert": Target(
        ".tflite", export_litert.content, export_litert.answers, export_litert.PACKAGES, export_litert.INSTALL
    ),
}


def write(
    folder: Path, form: Format = "onnx", raw: bool = False, out: Path | None = None, ink: Gray | None = None
) -> Parity:
    """Write a model directory's network as one file of a format, once its answers agree with PyTorch's.

    The input is ``pixels``, float32 (N, 1, S, S) as `preprocess.to_input` gives them; the output ``logits``, float32
    (N, C), not yet divided by the temperature. ``raw`` takes ``ink``, uint8 (N, S, S) as `Recognizer.see` gives it,
    and answers with calibrated ``probabilities``, float32 (N, C), of every class in the order of the labels. N is
    free, but 1 for LiteRT. What else is needed to use it, such as the labels, is inside too: in ONNX's metadata, or in
    hwr.json, which any program for zip files finds.

    ``out`` is `default_name` in the folder unless given. ``ink`` are the pictures compared, uint8 (N, S, S), at least
    a thousand; unless given, those of `parity.pictures`. Raises UserError for missing packages, for a model that
    cannot be loaded, if answers differ by more than the target allows, and if the file cannot be written; then none is.
    """
    target = TARGETS[form]
    _require(target)
    model, config = store.load(folder)
    seen = parity.pictures(config) if ink is None else parity.unlabelled(ink, config)
    content = target.content(model, config, raw)
    found = parity.compare(parity.with_torch(model, config, raw), target.answers(content, config, raw), seen)
    _keep(out or folder / default_name(form, raw), content, found, target)
    return found


def default_name(form: Format, raw: bool) -> str:
    """Return the name of a file in its model directory, such as model.standalone.onnx or model.raw.standalone.onnx."""
    return f"model{'.raw' * raw}{TARGETS[form].suffix}"


def _require(target: Target) -> None:
    if missing := [name for name in target.packages if find_spec(name) is None]:
        raise UserError(f"{', '.join(missing)} is not installed: {target.install}")


def _keep(out: Path, content: bytes, found: Parity, target: Target) -> None:
    """Write the file if its answers agree with PyTorch's."""
    close = math.isfinite(found.largest_difference) and found.largest_difference <= target.tolerance
    if not close or found.agreement < target.agreement:
        raise UserError(
            f"{out} is not written: on {found.n} pictures it differs from PyTorch by up to "
            f"{found.largest_difference:.2g}, at most {target.tolerance:g} is allowed, and agrees on the best answer "
            f"of {found.agreement:.2%}, at least {target.agreement:.1%} is expected"
        )
    try:
        write_atomically(out, content)
    except OSError as error:
        raise UserError(f"{out} cannot be written: {error.strerror}") from None
