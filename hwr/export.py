"""A model directory for other runtimes: one function a target, each proven against PyTorch before anything is written.

A target makes the bytes of its file and a function that answers with it; `compare` and `_keep` are for all of them.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

import hwr
from hwr import hub
from hwr.config import ModelConfig, UserError
from hwr.image import fit, normalise, to_tensor
from hwr.picture import Gray
from hwr.sources import read
from hwr.verify import OURS

PICTURES = 1000  # compared at least: of fewer, a rare disagreement would go unseen
TOLERANCE = 1e-3  # of logits, which span tens, and of probabilities; kernels that add in another order differ by 1e-5
BATCH = 256  # pictures a comparison's forward pass, and fewer in the last: the batch is dynamic
ONNX_PACKAGES = ("onnx", "onnxscript", "onnxruntime")

Answers = Callable[[Gray], NDArray[np.float32]]  # fitted ink (N, S, S) to logits or probabilities (N, C)


@dataclass(frozen=True)
class Parity:
    """How far an export is from PyTorch, on ``n`` pictures.

    ``largest_difference`` is of logits, or of probabilities where those are the output; ``agreement`` is the share of
    pictures whose best answer is the same.
    """

    n: int
    largest_difference: float
    agreement: float


def pictures(config: ModelConfig, n: int = PICTURES) -> Gray:
    """Characters of the sample's test split as the network gets to see them, uint8 (n, S, S): always the same ones.

    Raises UserError if the sample does not have so many.
    """
    source = read("sample", "test", hub.BUNDLED)
    rows = np.random.default_rng(0).permutation(len(source))
    seen = (fit(source.picture(i), config, source.is_ink) for i in rows)
    found = list(islice((one for one in seen if one is not None), n))
    if len(found) < n:
        raise UserError(f"{n} pictures were asked for, the sample's test split has {len(found)}")
    return np.stack(found)


def onnx(folder: Path, out: Path | None = None, raw: bool = False, ink: Gray | None = None) -> Parity:
    """Write a model directory's network as one ONNX file, after ONNX Runtime gave PyTorch's answers with it.

    The input is ``pixels``, float32 (N, 1, S, S) as `image.to_tensor` gives them; the output ``logits``, float32
    (N, C), not yet divided by the temperature. ``raw`` takes ``ink``, uint8 (N, S, S) as `Recognizer.see` gives it,
    and answers with calibrated ``probabilities``, float32 (N, C), of every class in the order of the labels. N is
    free. What else is needed to use it, such as the labels, is in the file's metadata: JSON, but ``sha256`` (of the
    safetensors) and ``hwr_version`` are plain text.

    ``out`` is model.onnx or model.raw.onnx in the folder unless given. ``ink`` are the pictures compared, uint8
    (N, S, S), at least a thousand; unless given, those of `pictures`. Raises UserError for missing packages, for a
    model that cannot be loaded, if answers differ, and if the file cannot be written; then none is.
    """
    _require(ONNX_PACKAGES)
    model, config = hub.load(folder)
    ink = pictures(config) if ink is None else _checked(ink, config)
    content = _onnx_bytes(model, config, raw)
    parity = compare(_with_torch(model, config, raw), _with_onnxruntime(content, config, raw), ink)
    _keep(out or folder / (hub.RAW_ONNX if raw else hub.ONNX), content, parity)
    return parity


def compare(expected: Answers, found: Answers, ink: Gray) -> Parity:
    """Two ways to answer, on the same fitted ink, uint8 (N, S, S)."""
    parts = [ink[start : start + BATCH] for start in range(0, len(ink), BATCH)]
    want = np.concatenate([expected(part) for part in parts])
    have = np.concatenate([found(part) for part in parts])
    same = float((want.argmax(1) == have.argmax(1)).mean())
    return Parity(len(ink), float(np.abs(want - have).max()), same)


def _require(packages: tuple[str, ...]) -> None:
    if missing := [name for name in packages if find_spec(name) is None]:
        raise UserError(f"{', '.join(missing)} is not installed: pip install {' '.join(packages)}")


def _checked(ink: Gray, config: ModelConfig) -> Gray:
    size = config.image_size
    if ink.dtype != np.uint8 or ink.shape[1:] != (size, size) or len(ink) < PICTURES:
        expected = f"uint8 (N, {size}, {size}), N at least {PICTURES}"
        raise UserError(f"the pictures to compare are {ink.dtype} {ink.shape}, expected {expected}")
    return ink


def _keep(out: Path, content: bytes, parity: Parity) -> None:
    """Write the file if it answers as PyTorch does."""
    close = parity.largest_difference <= TOLERANCE  # false for NaN too
    if not close or parity.agreement < 1:
        raise UserError(
            f"{out} is not written: on {parity.n} pictures it differs from PyTorch by up to "
            f"{parity.largest_difference:.2g}, at most {TOLERANCE:g} is allowed, and agrees on the best answer of "
            f"{parity.agreement:.2%}, 100 % is expected"
        )
    try:
        hub.write(out, content)
    except OSError as error:
        raise UserError(f"{out} cannot be written: {error.strerror}") from None


class _FromInk(torch.nn.Module):
    """Fitted ink, uint8 (N, S, S), to calibrated probabilities, float32 (N, C), in one graph."""

    def __init__(self, network: torch.nn.Module, config: ModelConfig) -> None:
        super().__init__()
        self.network = network
        self.config = config

    def forward(self, ink: torch.Tensor) -> torch.Tensor:
        """`image.to_tensor`, the network, the temperature, and a softmax over all classes."""
        pixels = normalise(ink.unsqueeze(1).float().div(255), self.config.mean, self.config.std)
        logits: torch.Tensor = self.network(pixels)
        return logits.div(self.config.temperature).softmax(1)


def _with_torch(model: torch.nn.Module, config: ModelConfig, raw: bool) -> Answers:
    @torch.inference_mode()
    def answer(ink: Gray) -> NDArray[np.float32]:
        logits: torch.Tensor = model(to_tensor(ink, config))
        found: NDArray[np.float32] = (logits.div(config.temperature).softmax(1) if raw else logits).numpy()
        return found

    return answer


# --- ONNX ---


def _onnx_bytes(model: torch.nn.Module, config: ModelConfig, raw: bool) -> bytes:
    try:
        program = _onnx_program(model, config, raw)
    except ImportError as error:  # torch asks onnxscript for a module of torch's own version
        raise UserError(f"{error}: pip install --upgrade {' '.join(ONNX_PACKAGES)}") from None
    program.model.metadata_props.update(_metadata(config))
    proto = program.model_proto
    graph = proto.graph
    for part in (*graph.input, *graph.output, *graph.value_info, *graph.initializer, *graph.node):
        del part.metadata_props[:]  # stack traces: paths of this machine, and not the same in every run
    content: bytes = proto.SerializeToString(deterministic=True)
    return content


def _onnx_program(model: torch.nn.Module, config: ModelConfig, raw: bool) -> torch.onnx.ONNXProgram:
    """In the operator set that torch's exporter is written for: ONNX's newest would need a conversion."""
    size = config.image_size
    example = torch.zeros(2, size, size, dtype=torch.uint8) if raw else torch.zeros(2, 1, size, size)
    program = torch.onnx.export(
        _FromInk(model, config).eval() if raw else model,
        (example,),
        input_names=["ink" if raw else "pixels"],
        output_names=["probabilities" if raw else "logits"],
        dynamic_shapes=({0: torch.export.Dim("N")},),
        dynamo=True,
        verbose=False,
    )
    assert program is not None  # it is None only of the exporter before dynamo
    return program


def _metadata(config: ModelConfig) -> dict[str, str]:
    values = {name: getattr(config, name) for name in OURS} | {"hwr_version": hwr.__version__}
    return {name: value if isinstance(value, str) else json.dumps(value) for name, value in values.items()}


def _with_onnxruntime(content: bytes, config: ModelConfig, raw: bool) -> Answers:
    import onnxruntime

    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])

    def answer(ink: Gray) -> NDArray[np.float32]:
        given = {"ink": ink} if raw else {"pixels": to_tensor(ink, config).numpy()}
        return np.asarray(session.run(None, given)[0], np.float32)

    return answer
