"""Write the graph of a network as model.onnx: its operations alone, with weights that point into model.safetensors.

There is one set of weights in a model directory: timm and PyTorch read it, and so does ONNX Runtime through this
graph. Needs torch, onnx and onnxscript (requirements-train.txt); `hwr.model.session` reads the result without them.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import onnx
import onnx_ir
import torch
from onnx_ir.passes import common

from hwr.model import weights_file
from hwr.model.onnx_file import GraphError
from hwr.model.session import MAX_GRAPH_BYTES, WEIGHTS
from hwr.model.weights_file import Entry

Example = tuple[torch.Tensor, ...]


def write(
    network: torch.nn.Module,
    example: Example,
    weights: bytes,
    inputs: Mapping[str, Mapping[int, str]],
    outputs: Sequence[str],
) -> bytes:
    """Return the graph of a network in evaluation mode, pointing into a model.safetensors of content ``weights``.

    ``example`` are tensors to trace it with: two pictures at least, since a batch of one would be taken for a
    constant. ``inputs`` names them in order, and their free sides: ``{"pixels": {0: "N", 3: "W"}}``. Parameters may
    have a prefix that ``weights`` lacks, such as that of a wrapping module. LSTMs are written as ONNX's own.
    Raises GraphError if a parameter of the graph is not among the weights.
    """
    return pointed(structure(network, example, inputs, outputs), weights)


def structure(
    network: torch.nn.Module,
    example: Example,
    inputs: Mapping[str, Mapping[int, str]],
    outputs: Sequence[str],
) -> onnx.ModelProto:
    """Return the graph of a network whose weights are names and shapes only. Tracing takes seconds."""
    dims = {name: torch.export.Dim(name) for sides in inputs.values() for name in sides.values()}
    free = tuple({side: dims[name] for side, name in sides.items()} for sides in inputs.values())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torch's exporter, about its own code
        try:
            program = torch.onnx.export(
                with_onnx_lstm(network).eval(),
                example,
                input_names=list(inputs),
                output_names=list(outputs),
                dynamic_shapes=free,
                dynamo=True,
                optimize=False,  # it would fold weights into others, which are in no file
                verbose=False,
            )
        except torch.onnx.errors.OnnxExporterError as error:
            raise GraphError(f"torch.onnx cannot export it: {' '.join(str(error).split())[:200]}") from None
    assert program is not None  # it is None only of the exporter before dynamo
    model = program.model
    for node in model.graph:  # a Conv without bias is written with one that is computed to be zero
        if node.op_type == "Conv" and len(node.inputs) == 3 and _is_computed(node.inputs[2]):
            node.resize_inputs(2)
    for tidy in (
        common.RemoveUnusedNodesPass(),
        common.RemoveUnusedOpsetsPass(),
        common.ClearMetadataAndDocStringPass(),
    ):
        tidy(model)
    return _bare(onnx_ir.to_proto(model))


def _is_computed(value: onnx_ir.Value | None) -> bool:
    return value is not None and value.producer() is not None


def _bare(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return the graph without paths or versions of this machine: the same bytes in every run."""
    graph = model.graph
    for field in ("producer_version", "doc_string", "metadata_props", "functions", "model_version", "domain"):
        model.ClearField(field)
    model.producer_name, graph.name = "hwr", "network"
    for field in ("value_info", "metadata_props", "doc_string", "quantization_annotation"):
        graph.ClearField(field)
    for node in graph.node:
        for field in ("name", "doc_string", "metadata_props", "overload", "domain"):
            node.ClearField(field)
    for tensor in graph.initializer:
        tensor.ClearField("raw_data")
    for value in (*graph.input, *graph.output):
        value.ClearField("metadata_props")
    return model


def pointed(model: onnx.ModelProto, weights: bytes) -> bytes:
    """Return a graph whose weights point to the tensors of a model.safetensors. Raises GraphError if one is missing."""
    tensors = weights_file.entries(weights)
    found = onnx.ModelProto()
    found.CopyFrom(model)
    renamed = {one.name: _name_of(one, tensors) for one in found.graph.initializer}
    for one in found.graph.initializer:
        entry = tensors[renamed[one.name]]
        one.name, one.data_location = renamed[one.name], onnx.TensorProto.EXTERNAL
        place = {"location": WEIGHTS, "offset": str(entry.start), "length": str(entry.stop - entry.start)}
        for key, value in place.items():
            one.external_data.add(key=key, value=value)
    for node in found.graph.node:
        node.input[:] = [renamed.get(name, name) for name in node.input]
    content: bytes = found.SerializeToString(deterministic=True)
    if len(content) > MAX_GRAPH_BYTES:
        raise GraphError(f"a graph of {len(content):,} bytes: at most {MAX_GRAPH_BYTES:,} are read")
    return content


def _name_of(parameter: onnx.TensorProto, tensors: Mapping[str, Entry]) -> str:
    """Return the name in model.safetensors of a parameter of the graph, whose name may have a prefix of wrappers."""
    name = parameter.name
    while name and name not in tensors:
        name = name.partition(".")[2]
    if not name or tensors[name].shape != tuple(parameter.dims):
        raise GraphError(f"{WEIGHTS} has no {parameter.name} of shape {tuple(parameter.dims)}")
    return name


# --- LSTMs ---


def with_onnx_lstm(network: torch.nn.Module) -> torch.nn.Module:
    """Return the same network, sharing its weights, with LSTMs as single nodes; the exporter would unroll each step."""
    if not any(isinstance(module, torch.nn.LSTM) for module in network.modules()):
        return network
    shared = {id(tensor): tensor for tensor in (*network.parameters(), *network.buffers())}
    copied = copy.deepcopy(network, shared)
    for name, module in list(copied.named_modules()):
        if isinstance(module, torch.nn.LSTM):
            copied.set_submodule(name, _Lstm(module))
    return copied


class _Lstm(torch.nn.Module):
    """A torch.nn.LSTM without projections that starts from zeros, as ONNX's LSTM, layer by layer."""

    def __init__(self, lstm: torch.nn.LSTM) -> None:
        super().__init__()
        if lstm.proj_size or not lstm.bias:
            raise GraphError("an LSTM with projections or without biases is not written")
        self.layers, self.hidden, self.batch_first = lstm.num_layers, lstm.hidden_size, lstm.batch_first
        self.endings = ("", "_reverse") if lstm.bidirectional else ("",)
        for name, parameter in lstm.named_parameters():
            self.register_parameter(name, parameter)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, None]:
        """(T, N, I), or (N, T, I) if ``batch_first``, to (T, N, directions * hidden) or (N, T, ...)."""
        x = x.transpose(0, 1) if self.batch_first else x
        for layer in range(self.layers):
            x = self._layer(x, layer)
        return x.transpose(0, 1) if self.batch_first else x, None

    def _layer(self, x: torch.Tensor, layer: int) -> torch.Tensor:
        steps, n, _ = x.shape
        count = len(self.endings)
        found: Any = torch.onnx.ops.symbolic(
            "LSTM",
            [x, *(self._stacked(part, layer) for part in ("weight_ih", "weight_hh")), self._biases(layer)],
            {"hidden_size": self.hidden, "direction": "bidirectional" if count == 2 else "forward"},
            dtype=torch.float32,
            shape=(steps, count, n, self.hidden),
        )
        # Not by reshape, which would compute the number of steps from the picture's width.
        return torch.cat([part.squeeze(1) for part in _parts(found, 1, count)], -1)

    def _stacked(self, part: str, layer: int) -> torch.Tensor:
        return torch.stack([self._gates(f"{part}_l{layer}{ending}") for ending in self.endings])

    def _biases(self, layer: int) -> torch.Tensor:
        pairs = [
            [self._gates(f"{part}_l{layer}{ending}") for part in ("bias_ih", "bias_hh")] for ending in self.endings
        ]
        return torch.stack([torch.cat(pair) for pair in pairs])

    def _gates(self, name: str) -> torch.Tensor:
        """Reorder a parameter from PyTorch's gates (input, forget, cell, output) to ONNX's."""
        i, f, c, o = _parts(self.get_parameter(name), 0, 4)
        return torch.cat([i, o, f, c])


def _parts(tensor: torch.Tensor, axis: int, count: int) -> Sequence[torch.Tensor]:
    """Split a tensor as ``tensor.chunk(count, axis)`` does, as one node; the exporter would write several."""
    if count == 1:
        return [tensor]
    shape = [side // count if i == axis else side for i, side in enumerate(tensor.shape)]
    attributes: Any = {"axis": axis, "num_outputs": count}
    return torch.onnx.ops.symbolic_multi_out(
        "Split", [tensor], attributes, dtypes=[tensor.dtype] * count, shapes=[shape] * count, version=18
    )
