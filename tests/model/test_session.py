"""model.onnx: a network answers through ONNX Runtime as in PyTorch, and a stranger's graph is refused in a sentence."""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnx
import pytest
import safetensors.torch
import torch
from onnx import TensorProto, helper, numpy_helper

from hwr.config import UserError
from hwr.model import graph, onnx_file, weights_file
from hwr.model.onnx_file import GraphError
from hwr.model.session import GRAPH, WEIGHTS, Input, Session

INPUTS, OUTPUTS = {"pixels": Input((None, 1, 48, None))}, {"logits": 7}


class Lines(torch.nn.Module):
    """A small network of columns and LSTMs, as a reader of lines has them: (N, 1, 48, W) to (N, W / 4, 7)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = torch.nn.Conv2d(1, 6, (48, 4), (48, 4), bias=False)
        self.norm = torch.nn.BatchNorm2d(6)
        self.lstm = torch.nn.LSTM(6, 5, 2, bidirectional=True, batch_first=True)
        self.head = torch.nn.Linear(10, 7)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        columns = torch.relu(self.norm(self.conv(pixels))).squeeze(2).transpose(1, 2)
        logits: torch.Tensor = self.head(self.lstm(columns)[0])
        return logits


class Written(NamedTuple):
    network: Lines
    weights: bytes
    graph: bytes

    def changed(self, change: Callable[[onnx.ModelProto], object]) -> bytes:
        model = onnx.load_from_string(self.graph)
        change(model)
        return bytes(model.SerializeToString())


@pytest.fixture(scope="module")
def written() -> Written:
    torch.manual_seed(0)
    network = Lines().eval()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    weights = safetensors.torch.save(network.state_dict())
    found = graph.write(network, (torch.zeros(2, 1, 48, 320),), weights, {"pixels": {0: "N", 3: "W"}}, ["logits"])
    return Written(network, weights, found)


@torch.inference_mode()
@pytest.mark.parametrize("shape", [(1, 1, 48, 64), (3, 1, 48, 200)])
def test_lines_of_any_width_are_answered_as_in_pytorch(written: Written, shape: tuple[int, ...]) -> None:
    session = Session(written.graph, written.weights, INPUTS, OUTPUTS)
    pixels = torch.randn(*shape)
    found = session(pixels.numpy())["logits"]
    np.testing.assert_allclose(found, written.network(pixels).numpy(), atol=1e-5)


def test_the_graph_is_small_has_no_weights_and_tells_nothing_of_this_machine(written: Written) -> None:
    assert len(written.graph) < 16_000
    model = onnx.load_from_string(written.graph)
    assert not any(one.raw_data or one.float_data for one in model.graph.initializer)
    assert str(Path(__file__).parents[2]).encode() not in written.graph
    assert torch.__version__.encode() not in written.graph


def test_weights_of_another_network_do_not_fit(written: Written) -> None:
    other = safetensors.torch.save({"conv.weight": torch.zeros(3)})
    with pytest.raises(GraphError, match=r"model\.safetensors has no"):
        graph.pointed(onnx.load_from_string(written.graph), other)


# --- directories ---


@pytest.fixture
def folder(written: Written, tmp_path: Path) -> Path:
    (tmp_path / GRAPH).write_bytes(written.graph)
    (tmp_path / WEIGHTS).write_bytes(written.weights)
    return tmp_path


def opened(folder: Path, written: Written, graph_sha256: str | None = None) -> Session:
    digest = hashlib.sha256(written.graph).hexdigest() if graph_sha256 is None else graph_sha256
    return Session.open(folder, hashlib.sha256(written.weights).hexdigest(), digest, INPUTS, OUTPUTS)


def test_a_directory_is_opened_by_its_digests(folder: Path, written: Written) -> None:
    assert opened(folder, written)(np.zeros((1, 1, 48, 64), np.float32))["logits"].shape == (1, 16, 7)
    with pytest.raises(GraphError, match="names none"):
        opened(folder, written, "")
    with pytest.raises(GraphError, match="its sha256 is"):
        opened(folder, written, "0" * 64)
    (folder / WEIGHTS).write_bytes(written.weights[:-1] + b"\x00")
    with pytest.raises(UserError, match="its sha256 is"):
        opened(folder, written)


def test_a_graph_that_is_missing_or_too_large_is_refused(folder: Path, written: Written) -> None:
    (folder / GRAPH).write_bytes(bytes(2**20 + 1))
    with pytest.raises(GraphError, match="larger than"):
        opened(folder, written)
    (folder / GRAPH).unlink()
    with pytest.raises(GraphError, match="cannot be read"):
        opened(folder, written)


# --- graphs of strangers ---


def first(model: onnx.ModelProto, kind: str) -> onnx.NodeProto:
    found: onnx.NodeProto = next(node for node in model.graph.node if node.op_type == kind)
    return found


def point(model: onnx.ModelProto, **place: str) -> None:
    for pair in model.graph.initializer[0].external_data:
        pair.value = place.get(pair.key, pair.value)


def swap(model: onnx.ModelProto) -> None:
    """Let one of the weights point at another of the same size."""
    biases = [one for one in model.graph.initializer if one.name in ("norm.bias", "norm.weight")]
    biases[0].external_data[1].value = biases[1].external_data[1].value


def attribute(model: onnx.ModelProto, kind: str, name: str, value: object) -> None:
    node = first(model, kind)
    kept = [one for one in node.attribute if one.name != name]
    del node.attribute[:]
    node.attribute.extend([*kept, helper.make_attribute(name, value)])


def outer_product(model: onnx.ModelProto) -> None:
    """Grow a tensor by broadcasting it against its own transpose, again and again."""
    name = "relu"
    for i in range(6):
        order = [0, 1, 3, 2] if i % 2 else [0, 3, 2, 1]
        model.graph.node.append(helper.make_node("Transpose", [name], [f"turned{i}"], perm=order))
        model.graph.node.append(helper.make_node("Concat", [name] * 64, [f"wide{i}"], axis=2))
        name = f"wide{i}"


def inline(model: onnx.ModelProto) -> None:
    values = np.zeros(tuple(model.graph.initializer[0].dims), np.float32)
    model.graph.initializer[0].CopyFrom(numpy_helper.from_array(values, model.graph.initializer[0].name))


def loop(model: onnx.ModelProto) -> None:
    body = helper.make_graph([], "body", [], [])
    model.graph.node.append(helper.make_node("Loop", ["", ""], [], body=body))


HOSTILE: dict[str, Callable[[onnx.ModelProto], object]] = {
    "weights of another folder": lambda m: point(m, location="../model.safetensors"),
    "weights at an absolute path": lambda m: point(m, location="/etc/passwd"),
    "weights in another file": lambda m: point(m, location="model.bin"),
    "weights before their place": lambda m: point(m, offset="0"),
    "weights at a negative place": lambda m: point(m, offset="-8"),
    "weights beyond the end": lambda m: point(m, offset=str(2**40)),
    "weights of no length": lambda m: point(m, length="0"),
    "weights of any length": lambda m: point(m, length=str(2**50)),
    "weights that overlap": swap,
    "a place said twice": lambda m: m.graph.initializer[0].external_data.add(key="offset", value="0"),
    "a checksum": lambda m: m.graph.initializer[0].external_data.add(key="checksum", value="0"),
    "weights inside": inline,
    "weights twice": lambda m: m.graph.initializer.append(m.graph.initializer[0]),
    "unknown weights": lambda m: setattr(m.graph.initializer[0], "name", "other"),
    "no weights": lambda m: m.graph.ClearField("initializer"),
    "weights of a huge shape": lambda m: m.graph.initializer[0].dims.__setitem__(0, 2**60),
    "weights of a negative shape": lambda m: m.graph.initializer[0].dims.__setitem__(0, -6),
    "weights of another type": lambda m: setattr(m.graph.initializer[0], "data_type", TensorProto.INT64),
    "weights at no place": lambda m: m.graph.initializer[0].ClearField("data_location"),
    "a loop": loop,
    "an unknown operator": lambda m: setattr(first(m, "Relu"), "op_type", "Explode"),
    "an operator that fills memory": lambda m: setattr(first(m, "Relu"), "op_type", "ConstantOfShape"),
    "an operator of random numbers": lambda m: setattr(first(m, "Relu"), "op_type", "RandomNormalLike"),
    "another domain for a node": lambda m: setattr(first(m, "Relu"), "domain", "com.microsoft"),
    "another domain": lambda m: m.opset_import.append(helper.make_opsetid("com.microsoft", 1)),
    "another domain alone": lambda m: setattr(m.opset_import[0], "domain", "com.microsoft"),
    "no operators' version": lambda m: m.ClearField("opset_import"),
    "operators of the future": lambda m: setattr(m.opset_import[0], "version", 999),
    "a format of the future": lambda m: setattr(m, "ir_version", 999),
    "a function": lambda m: m.functions.append(helper.make_function("x", "F", ["a"], ["b"], [], m.opset_import)),
    "training": lambda m: m.training_info.add(),
    "metadata": lambda m: m.metadata_props.add(key="a", value="b"),
    "sparse weights": lambda m: m.graph.sparse_initializer.add(),
    "declared shapes": lambda m: m.graph.value_info.append(helper.make_tensor_value_info("relu", 1, [1])),
    "another input": lambda m: m.graph.input.append(helper.make_tensor_value_info("more", 1, [1])),
    "no input": lambda m: m.graph.ClearField("input"),
    "a renamed input": lambda m: setattr(m.graph.input[0], "name", "x"),
    "an input of another type": lambda m: setattr(m.graph.input[0].type.tensor_type, "elem_type", 7),
    "an input without a type": lambda m: m.graph.input[0].ClearField("type"),
    "an input of a huge shape": lambda m: setattr(m.graph.input[0].type.tensor_type.shape.dim[2], "dim_value", 2**40),
    "another output": lambda m: m.graph.output.append(helper.make_tensor_value_info("relu", 1, None)),
    "an output that is not there": lambda m: setattr(m.graph.output[0], "name", "x"),
    "the wrong output": lambda m: m.graph.node[-1].output.__setitem__(0, "other"),
    "no nodes": lambda m: m.graph.ClearField("node"),
    "too many nodes": lambda m: m.graph.node.extend(
        [helper.make_node("Relu", ["relu"], [f"r{i}"]) for i in range(5000)]
    ),
    "a node of what is not there": lambda m: first(m, "Relu").input.__setitem__(0, "nothing"),
    "a node of nothing": lambda m: first(m, "Relu").ClearField("input"),
    "a name twice": lambda m: m.graph.node.append(helper.make_node("Relu", ["relu"], ["relu"])),
    "a circle": lambda m: first(m, "BatchNormalization").input.__setitem__(0, "relu"),
    "huge padding": lambda m: attribute(m, "Conv", "pads", [2**30] * 4),
    "negative padding": lambda m: attribute(m, "Conv", "pads", [-1] * 4),
    "padding that is not written out": lambda m: attribute(m, "Conv", "auto_pad", "SAME_UPPER"),
    "no strides": lambda m: attribute(m, "Conv", "strides", [0, 0]),
    "strides for other sides": lambda m: attribute(m, "Conv", "strides", [1]),
    "huge dilations": lambda m: attribute(m, "Conv", "dilations", [2**31, 2**31]),
    "groups": lambda m: attribute(m, "Conv", "group", 3),
    "no groups": lambda m: attribute(m, "Conv", "group", 0),
    "another kernel": lambda m: attribute(m, "Conv", "kernel_shape", [3, 3]),
    "an unknown attribute": lambda m: attribute(m, "Conv", "evil", 1),
    "statistics of the batch": lambda m: attribute(m, "BatchNormalization", "training_mode", 1),
    "another hidden size": lambda m: attribute(m, "LSTM", "hidden_size", 2**40),
    "other activations": lambda m: attribute(m, "LSTM", "activations", ["Relu"] * 6),
    "another layout": lambda m: attribute(m, "LSTM", "layout", 1),
    "another order of sides": lambda m: attribute(m, "Transpose", "perm", [5, 5, 5]),
    "tensors that grow": outer_product,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_stranger_s_graph_is_refused_in_a_sentence(written: Written, name: str) -> None:
    with pytest.raises(GraphError) as refused:
        Session(written.changed(HOSTILE[name]), written.weights, INPUTS, OUTPUTS)
    assert 10 < len(str(refused.value)) < 400


@pytest.mark.parametrize("outputs", [{"logits": 8}, {"features": 7}, {"logits": 7, "features": None}])
def test_a_graph_of_another_model_is_refused(written: Written, outputs: dict[str, int | None]) -> None:
    with pytest.raises(GraphError, match="its output"):
        Session(written.graph, written.weights, INPUTS, outputs)


def test_weights_that_the_graph_does_not_use_are_of_another_network(written: Written) -> None:
    tensors = safetensors.torch.load(written.weights) | {"more": torch.ones(2)}
    weights = safetensors.torch.save(tensors)
    moved = graph.pointed(onnx.load_from_string(written.changed(without_places)), weights)
    with pytest.raises(GraphError, match="does not use the weights 'more'"):
        Session(moved, weights, INPUTS, OUTPUTS)


def without_places(model: onnx.ModelProto) -> None:
    for one in model.graph.initializer:
        one.ClearField("external_data")


def spoilt(content: bytes) -> Iterator[bytes]:
    """A graph cut off, with bytes that are changed, repeated or missing, and other things that are no graph."""
    random = np.random.default_rng(0)
    for _ in range(400):
        changed = bytearray(content)
        for place in random.integers(0, len(content), int(random.integers(1, 4))):
            changed[place] = random.integers(0, 256)
        yield bytes(changed)
    for place in random.integers(0, len(content), 60).tolist():
        yield content[:place]
        yield content[:place] + content[place + 1 :]
    yield from (b"", b"\x00", b"\xff" * 100, b"PK\x03\x04" * 50, content + content, content + b"\x08\x0a")


def test_bytes_of_any_kind_are_answered_or_refused(written: Written) -> None:
    pixels, refused, total = np.zeros((1, 1, 48, 64), np.float32), 0, 0
    for content in spoilt(written.graph):
        total += 1
        try:
            Session(content, written.weights, INPUTS, OUTPUTS)(pixels)
        except GraphError:
            refused += 1
    assert total > 500
    assert refused > 0.8 * total, "what is answered differs in a name or in a number such as epsilon"


# --- weights of strangers ---


@pytest.mark.parametrize(
    ("header", "words"),
    [
        (
            {
                "a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]},
                "b": {"dtype": "F32", "shape": [2], "data_offsets": [4, 12]},
            },
            "damaged",
        ),
        ({"a": {"dtype": "F32", "shape": [2**40], "data_offsets": [0, 2**42]}}, "damaged"),
        ({"a": {"dtype": "F32", "shape": [2], "data_offsets": [-8, 0]}}, "damaged"),
        ({"a": {"dtype": "F32", "shape": [3], "data_offsets": [0, 8]}}, "damaged"),
        ([], "damaged"),
    ],
)
def test_tensors_that_overlap_or_reach_beyond_the_file_are_refused(header: object, words: str) -> None:
    text = json.dumps(header).encode()
    with pytest.raises(UserError, match=words):
        weights_file.entries(struct.pack("<Q", len(text)) + text + bytes(12))


def test_weights_that_are_no_numbers_are_refused_by_name(written: Written) -> None:
    tensors = safetensors.torch.load(written.weights)
    tensors["head.bias"][3] = torch.nan
    with pytest.raises(UserError, match=r"head\.bias holds infinities or NaN"):
        Session(written.graph, safetensors.torch.save(tensors), INPUTS, OUTPUTS)


def test_a_field_said_twice_is_refused() -> None:
    assert onnx_file.read(b"\x08\x0a")["ir_version"] == 10
    with pytest.raises(GraphError, match="two values of ir_version"):
        onnx_file.read(b"\x08\x0a\x08\x0b")
