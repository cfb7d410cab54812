"""ONNX of 8-bit integers: a quarter of the size, at a loss that is measured before the file is kept."""

from __future__ import annotations

import io
import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray

from hwr.config import ModelConfig
from hwr.export import graph
from hwr.export import onnx as export_onnx
from hwr.export.parity import pictures

CALIBRATION = 2048  # pictures of the training split, which determine the range of each layer
BATCH = 64  # pictures per batch, limited because the values of all layers are kept; all batches must have one size
QUANTISED = ["Conv", "Add", "Relu", "MaxPool", "AveragePool"]  # not the classifier, nor the raw form's own
STEM = "conv1."  # stays float like the classifier: few weights, but half of the answers changed by rounding


def content(model: torch.nn.Module, config: ModelConfig, raw: bool) -> bytes:
    """The file of `export_onnx`, quantised after training, with weights by channel and BatchNorm folded.

    The range of a layer's values leaves out one in a hundred thousand at either end. Weights have 7 bits: with 8,
    processors without VNNI instructions accumulate in 16 bits and overflow.
    """
    whole = export_onnx.content(graph.folded(model), config, raw)
    ink = pictures(config, CALIBRATION, "train").ink
    return _quantised(whole, graph.names(raw)[0], graph.given(ink, config, raw))


def _quantised(whole: bytes, name: str, given: NDArray[Any]) -> bytes:
    import onnx
    from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static

    proto = onnx.load_from_string(whole)
    batches: Any = _Batches(name, given)  # has the methods of a CalibrationDataReader
    with tempfile.TemporaryDirectory() as folder, _silence():
        path = Path(folder) / "int8.onnx"
        quantize_static(
            proto,
            path,
            batches,
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=QUANTISED,
            per_channel=True,
            reduce_range=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            nodes_to_exclude=[node.name for node in proto.graph.node if _is_stem(node)],
            calibrate_method=CalibrationMethod.Percentile,
        )
        return path.read_bytes()


class _Batches:
    """The pictures as ONNX Runtime's CalibrationDataReader gives them: one batch after the other, then None."""

    def __init__(self, name: str, given: NDArray[Any]) -> None:
        self.batches: Iterator[dict[str, NDArray[Any]]] = iter(
            [{name: given[start : start + BATCH]} for start in range(0, len(given), BATCH)]
        )

    def get_next(self) -> dict[str, NDArray[Any]] | None:
        return next(self.batches, None)


def _is_stem(node: Any) -> bool:
    """Return whether a node's weights belong to the stem; in the raw form their names begin with network."""
    return any(name.removeprefix("network.").startswith(STEM) for name in node.input)


@contextmanager
def _silence() -> Iterator[None]:
    """Suppress ONNX Runtime's progress on standard output and its warning about BatchNorm, which is folded here."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with redirect_stdout(io.StringIO()):
            yield
    finally:
        logging.disable(before)
