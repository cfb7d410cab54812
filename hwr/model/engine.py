"""A network run by ONNX Runtime: built in memory from PyTorch's weights, so that no second file has to match the first.

For one small picture it takes a third to a half of PyTorch's time, in large batches three quarters
(docs/decisions.md).
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, NamedTuple

import onnxruntime
import torch
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper
from torch.nn import functional as F

OPSET, IR_VERSION = 17, 8  # of 2022: newer ones bring nothing that a ResNet needs
MANY = 8  # pictures that are worth other threads
LARGEST = 2**30  # bytes of weights: a model in memory must stay below 2 GiB, and they are held twice

Ask = Callable[[torch.Tensor], torch.Tensor]  # of normalised pixels (N, 1, S, S)


class Network(NamedTuple):
    """How to ask a network for features (N, D), and for logits (N, C)."""

    features: Ask
    logits: Ask

    def with_head(self, head: torch.nn.Module) -> Network:
        """The same with another classifier, of features."""
        return by_pytorch(self.features, head)


class UntranslatedError(Exception):
    """The network has a part that is not among those below, or ONNX Runtime does not take what it became."""


def best(straight: torch.fx.GraphModule, head: torch.nn.Module) -> Network:
    """The fastest way to ask a network as `model.features_of` gives it, and its classifier.

    That is ONNX Runtime on a CPU, else PyTorch. ONNX Runtime has a copy of the weights as they are now. PyTorch answers
    for what runs elsewhere, is not float32, is too large, has other parts than a plain ResNet whose BatchNorms are
    folded into its convolutions, or is refused.
    """
    weights = [*straight.parameters(), *head.parameters()]
    plain = all(one.device.type == "cpu" and one.dtype == torch.float32 for one in weights)
    if not plain or sum(one.nbytes for one in weights) > LARGEST:
        return by_pytorch(straight, head)
    try:
        return _running(translated(straight, head).SerializeToString())
    except UntranslatedError:
        return by_pytorch(straight, head)


def by_pytorch(features: Ask, head: torch.nn.Module) -> Network:
    """Features as they are, and what PyTorch makes of them."""
    return Network(features, torch.inference_mode()(lambda pixels: head(features(pixels))))


def _running(content: bytes) -> Network:
    """A small batch on one thread, since waking others takes as long as it; a large one in parts, a thread each."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    try:
        session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its errors have no other class in common
        raise UntranslatedError(str(error)) from error
    threads = torch.get_num_threads()
    pool = ThreadPoolExecutor(threads, "hwr.engine") if threads > 1 else None

    def ask(output: str, pixels: torch.Tensor) -> torch.Tensor:
        def run(part: torch.Tensor) -> torch.Tensor:
            return torch.from_numpy(session.run([output], {"pixels": part.numpy()})[0])

        return run(pixels) if pool is None or len(pixels) < MANY else torch.cat([*pool.map(run, pixels.chunk(threads))])

    return Network(partial(ask, "features"), partial(ask, "logits"))


def translated(straight: torch.fx.GraphModule, head: torch.nn.Module) -> ModelProto:
    """A line of functions, and a classifier, as an ONNX model from ``pixels`` to ``features`` and ``logits``.

    Raises UntranslatedError.
    """
    nodes: list[NodeProto] = []
    weights: list[TensorProto] = []
    names: dict[torch.fx.Node, str] = {}
    for node in straight.graph.nodes:
        names[node] = node.name
        if node.op == "placeholder":
            names[node] = "pixels"
        elif node.op == "get_attr":
            weights.append(_values(operator.attrgetter(node.target)(straight), node.name))
        elif node.op == "output":
            nodes.append(helper.make_node("Identity", [names[node.args[0]]], ["features"]))
        else:
            kind, given, attributes = _operator(straight, node)
            if not all(isinstance(one, torch.fx.Node) for one in given):
                raise UntranslatedError(f"{node.target} of {given}")
            nodes.append(helper.make_node(kind, [names[one] for one in given], [node.name], **attributes))
    if type(head) is not torch.nn.Linear:
        raise UntranslatedError(f"a {type(head).__name__} as the classifier")
    classifier = [_values(values, f"head.{name}") for name, values in head.named_parameters()]  # its weight comes first
    nodes.append(helper.make_node("Gemm", ["features", *(one.name for one in classifier)], ["logits"], transB=1))
    value = helper.make_tensor_value_info
    pixels = value("pixels", TensorProto.FLOAT, ["N", 1, "H", "W"])
    outputs = [value(name, TensorProto.FLOAT, ["N", None]) for name in ("features", "logits")]
    graph = helper.make_graph(nodes, "network", [pixels], outputs, weights + classifier)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)


def _values(weights: torch.Tensor, name: str) -> TensorProto:
    return numpy_helper.from_array(weights.detach().contiguous().numpy(), name)


def _operator(straight: torch.fx.GraphModule, node: torch.fx.Node) -> tuple[str, tuple[Any, ...], dict[str, Any]]:
    """ONNX's name of what a node does, the nodes that it is given, and its attributes."""
    given: tuple[Any, ...] = node.args
    if node.op == "call_function":
        if node.target is torch.conv2d and len(given) == 7:
            return "Conv", tuple(one for one in given[:3] if one is not None), _convolution(*given[3:])
        if node.target is F.relu and len(given[0].users) == 1:  # else others would see what it changes in place
            return "Relu", given[:1], {}
        if node.target in (operator.add, operator.iadd):
            return "Add", given, {}
    elif node.op == "call_module":
        module = straight.get_submodule(str(node.target))
        if type(module) is torch.nn.MaxPool2d:
            return "MaxPool", given, _pool(module)
        if type(module) is torch.nn.AdaptiveAvgPool2d and module.output_size == 1:
            return "GlobalAveragePool", given, {}
        if type(module) is torch.nn.Flatten and (module.start_dim, module.end_dim) == (1, -1):
            return "Flatten", given, {"axis": 1}
    raise UntranslatedError(f"{node.op} {node.target}")


def _convolution(stride: Any, padding: Any, dilation: Any, groups: int) -> dict[str, Any]:
    if not isinstance(padding, tuple):
        raise UntranslatedError(f"padding {padding!r}")
    return {"strides": stride, "pads": padding * 2, "dilations": dilation, "group": groups}


def _pool(pool: torch.nn.MaxPool2d) -> dict[str, Any]:
    kernel, stride, padding, dilation = (
        one if isinstance(one, tuple) else (one, one)
        for one in (pool.kernel_size, pool.stride, pool.padding, pool.dilation)
    )
    return {
        "kernel_shape": kernel,
        "strides": stride,
        "pads": padding * 2,
        "dilations": dilation,
        "ceil_mode": int(pool.ceil_mode),
    }
