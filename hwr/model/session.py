"""A network that answers through ONNX Runtime, from model.onnx and model.safetensors: PyTorch is not needed.

A model directory may come from a stranger, so nothing in it is trusted. Before ONNX Runtime sees the graph, this
module checks its digest, its size, its fields (`onnx_file`), its operators (`operators`), the shape of every tensor
(`shapes`), its inputs and outputs, and that each of its weights is one whole tensor of the verified model.safetensors,
under that tensor's own name. ONNX Runtime then gets the bytes that were checked and opens no file itself.

`hwr.model.graph` writes such graphs. Both serve any network of the operators in `operators.RULES`:

    session = Session.open(folder, weights_sha256, graph_sha256, {"pixels": Input((None, 1, 48, None))}, {"logits": 96})
    logits = session(lines)["logits"]
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from hwr.files import read_verified
from hwr.model import shapes, weights_file
from hwr.model.onnx_file import GraphError, Message, read
from hwr.model.weights_file import Entry

GRAPH, WEIGHTS = "model.onnx", "model.safetensors"
MAX_GRAPH_BYTES = 2**20  # the graph of ResNet-152 has 100 kB
WIDEST = 4096  # pixels: assumed for free sides of an input, such as a line's width, to bound the memory
OPSETS, IR_VERSIONS = range(13, 26), range(4, 14)  # of ONNX
ONNX_TYPES = {"float32": 1, "int32": 6, "int64": 7}


class Input(NamedTuple):
    """An input of a graph: its shape, None where a side is free, and its type."""

    shape: tuple[int | None, ...]
    type: str = "float32"


class Session:
    """A verified graph and its weights; call it with arrays in the order of its inputs."""

    def __init__(
        self,
        graph: bytes,
        weights: bytes,
        inputs: Mapping[str, Input],
        outputs: Mapping[str, int | None],
    ) -> None:
        """Check a graph against the content of model.safetensors, and load both.

        ``inputs`` and ``outputs`` are those that the graph must have, in this order; for each output the length of
        its last side, None if it is free. Raises GraphError for a graph that is refused, UserError for such weights.
        """
        tensors = weights_file.entries(weights)
        weights_file.require_finite(weights, tensors)
        check(graph, tensors, inputs, outputs)
        self.inputs, self.outputs = tuple(inputs), tuple(outputs)
        self._session = _loaded(graph, weights)

    @classmethod
    def open(
        cls,
        folder: Path,
        weights_sha256: str,
        graph_sha256: str,
        inputs: Mapping[str, Input],
        outputs: Mapping[str, int | None],
    ) -> Session:
        """Load model.onnx and model.safetensors of a folder, whose digests must be those given.

        Raises GraphError if the graph is missing or refused, and UserError for weights that are damaged.
        """
        weights = weights_file.read(folder / WEIGHTS, weights_sha256)
        graph = read_graph(folder / GRAPH, graph_sha256)
        try:
            return cls(graph, weights, inputs, outputs)
        except GraphError as error:
            raise GraphError(f"{folder / GRAPH} is refused: {error}") from None

    def __call__(self, *arrays: NDArray[Any]) -> dict[str, NDArray[np.float32]]:
        """Return the outputs by name, for one array an input."""
        found: Any = self._session.run(list(self.outputs), dict(zip(self.inputs, arrays, strict=True)))
        return dict(zip(self.outputs, found, strict=True))


def read_graph(path: Path, expected: str) -> bytes:
    """Return the content of the graph file with this digest. Raises GraphError for any other file."""
    if not expected:
        raise GraphError(f"{path.parent} has no graph: its config.json names none")
    return read_verified(path, expected, MAX_GRAPH_BYTES, GraphError)


def check(
    content: bytes,
    tensors: Mapping[str, Entry],
    inputs: Mapping[str, Input],
    outputs: Mapping[str, int | None],
) -> None:
    """Raise GraphError unless a graph is one that our own export writes for these weights, inputs and outputs."""
    model = read(content)
    if model["ir_version"] not in IR_VERSIONS or model["graph"] is None:
        raise GraphError("not an ONNX model of a version that is read")
    opsets = [(one["domain"], one["version"]) for one in model["opset_import"]]
    if len(opsets) != 1 or opsets[0][0] not in ("", "ai.onnx") or opsets[0][1] not in OPSETS:
        raise GraphError("operators of another domain than ONNX's own, or of a version that is not read")
    graph = model["graph"]
    _check_inputs(graph, inputs)
    known = {name: tuple(WIDEST if side is None else side for side in one.shape) for name, one in inputs.items()}
    for name, one in inputs.items():  # the batch: memory is bounded for one picture
        known[name] = tuple(1 if i == 0 and one.shape[0] is None else side for i, side in enumerate(known[name]))
    found = shapes.infer(graph, known | _weights(graph, tensors))
    _check_outputs(graph, outputs, found)


def _check_inputs(graph: Message, inputs: Mapping[str, Input]) -> None:
    declared = {one["name"]: one["type"] and one["type"]["tensor_type"] for one in graph["input"]}
    if list(declared) != list(inputs) or len(graph["input"]) != len(inputs):
        raise GraphError(f"its inputs are {_listed(declared)}, expected {_listed(inputs)}")
    for name, expected in inputs.items():
        type_ = declared[name]
        dims = ((type_ and type_["shape"]) or {}).get("dim", [])
        shape = tuple(None if dim["dim_param"] else dim["dim_value"] for dim in dims)
        if not type_ or type_["elem_type"] != ONNX_TYPES[expected.type] or shape != expected.shape:
            raise GraphError(f"its input {name} has the shape {shape}, expected {expected.type} {expected.shape}")


def _check_outputs(graph: Message, outputs: Mapping[str, int | None], found: Mapping[str, tuple[int, ...]]) -> None:
    names = [one["name"] for one in graph["output"]]
    if names != list(outputs):
        raise GraphError(f"its outputs are {_listed(names)}, expected {_listed(outputs)}")
    for name, width in outputs.items():
        shape = found.get(name, ())
        if len(shape) < 2 or (width is not None and shape[-1] != width):
            raise GraphError(f"its output {name} has the shape {shape}, expected {width or 'any number of'} columns")


def _weights(graph: Message, tensors: Mapping[str, Entry]) -> dict[str, tuple[int, ...]]:
    """Return the shapes of the weights. Raises GraphError unless each is one tensor of model.safetensors, all used."""
    found: dict[str, tuple[int, ...]] = {}
    for one in graph["initializer"]:
        name, shape = one["name"], tuple(one["dims"])
        if name not in tensors or name in found:
            raise GraphError(f"the weights {name[:80]!r} are missing in {WEIGHTS}, or declared twice")
        entry = tensors[name]
        if one["data_location"] != 1 or one["raw_data"] or one["data_type"] != 1 or entry.dtype != "F32":
            raise GraphError(f"the weights {name[:80]!r} are not float32 values of {WEIGHTS}")
        place = {pair["key"]: pair["value"] for pair in one["external_data"]}
        wanted = {"location": WEIGHTS, "offset": str(entry.start), "length": str(entry.stop - entry.start)}
        if place != wanted or len(one["external_data"]) != len(wanted):
            raise GraphError(f"the weights {name[:80]!r} are not where {WEIGHTS} has them")
        if shape != entry.shape:
            raise GraphError(f"the weights {name[:80]!r} have the shape {shape}, in {WEIGHTS} {entry.shape}")
        found[name] = shape
    unused = [name for name, entry in tensors.items() if entry.dtype == "F32" and name not in found]
    if unused:
        raise GraphError(f"it does not use the weights {unused[0][:80]!r}: it is of another network")
    return found


def _loaded(graph: bytes, weights: bytes) -> onnxruntime.InferenceSession:
    """Open a session of one thread, with the weights from memory."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1  # waking others takes as long as one picture
    options.log_severity_level = 3  # errors only: it would warn of nodes without names
    options.add_external_initializers_from_files_in_memory([WEIGHTS], [weights], [len(weights)])
    try:
        return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's errors have no other class in common
        raise GraphError(f"ONNX Runtime rejects it: {' '.join(str(error).split())[:200]}") from None


def _listed(names: Any) -> str:
    return ", ".join(str(name)[:40] for name in names) or "none"
