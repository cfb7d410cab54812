"""The operators that a graph may use, each with the rule for the shapes of its outputs.

There are no others: control flow, random numbers, custom operators and functions are not among them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hwr.model.onnx_file import GraphError, Message

MAX_CONSTANT = 64  # integers in the graph itself: axes and sizes; weights are in model.safetensors

Shape = tuple[int, ...]
Values = NDArray[np.int64]


class Node(NamedTuple):
    """One operation: its attributes, the shapes of its inputs, and their values where those are known integers."""

    attributes: dict[str, Any]
    shapes: list[Shape]
    values: list[Values | None]
    outputs: int

    def axes(self, name: str = "axes") -> list[int]:
        """Return axes given by the second input or, in older operator sets, by an attribute."""
        if len(self.values) > 1:
            return [int(axis) for axis in _known(self.values[1])]
        return list(self.attributes.get(name, []))


Rule = Callable[[Node], list[Shape]]
RULES: dict[str, tuple[Rule, frozenset[str]]] = {}  # operator -> its rule, and the attributes it may have


def operator(*names: str, attributes: str = "") -> Callable[[Rule], Rule]:
    """Register a rule for the shapes of an operator's outputs."""

    def register(rule: Rule) -> Rule:
        RULES.update({name: (rule, frozenset(attributes.split())) for name in names})
        return rule

    return register


def _known(value: Values | None) -> Values:
    if value is None:
        raise GraphError("axes or sizes that depend on the picture")
    return value


# --- integers: sizes that are computed from shapes ---


def constant(tensor: Message) -> Values:
    """Return the integers of a tensor that is part of the graph. Raises GraphError for other numbers, or too many."""
    dims, count = tuple(tensor["dims"]), math.prod(tensor["dims"])
    if tensor["data_type"] != 7 or tensor["external_data"] or tensor["data_location"]:
        raise GraphError("a constant that is not of 64-bit integers: weights belong into model.safetensors")
    if not 0 <= count <= MAX_CONSTANT or len(tensor["raw_data"]) != 8 * count:
        raise GraphError(f"a constant of shape {dims}, with {len(tensor['raw_data'])} bytes")
    return np.frombuffer(tensor["raw_data"], "<i8").reshape(dims)


def _constant(node: Node) -> Values:
    if "value" in node.attributes:
        return constant(node.attributes["value"])
    return np.array(node.attributes.get("value_ints", node.attributes.get("value_int")), np.int64)


def _shape_of(node: Node) -> Values:
    start, end = node.attributes.get("start", 0), node.attributes.get("end")
    return np.array(node.shapes[0][start:end], np.int64)


def _quotient(value: Values, divisor: Values) -> Values:
    """Divide sizes, which are not negative, so that rounding down is rounding to zero, as ONNX does."""
    if (divisor < 1).any() or (value < 0).any():
        raise GraphError("a size divided by a negative number or by zero")
    return np.asarray(value // divisor)


COMPUTED: dict[str, Callable[[Node], Values]] = {
    "Constant": _constant,
    "Shape": _shape_of,
    "Concat": lambda node: np.concatenate([_known(one) for one in node.values]),
    "Reshape": lambda node: _known(node.values[0]).reshape(_known(node.values[1]).tolist()),
    "Add": lambda node: _known(node.values[0]) + _known(node.values[1]),
    "Sub": lambda node: _known(node.values[0]) - _known(node.values[1]),
    "Mul": lambda node: _known(node.values[0]) * _known(node.values[1]),
    "Div": lambda node: _quotient(_known(node.values[0]), _known(node.values[1])),
    "Gather": lambda node: np.take(_known(node.values[0]), _known(node.values[1]), node.attributes.get("axis", 0)),
    "Squeeze": lambda node: np.squeeze(_known(node.values[0]), tuple(node.axes()) or None),
    "Unsqueeze": lambda node: np.expand_dims(_known(node.values[0]), tuple(node.axes())),
}


# --- the operators ---


@operator("Relu", "Sigmoid", "Tanh", "Identity")
def _same(node: Node) -> list[Shape]:
    return [node.shapes[0]]


@operator("BatchNormalization", attributes="epsilon momentum training_mode")
def _normalised(node: Node) -> list[Shape]:
    channels = node.shapes[0][1]
    if node.attributes.get("training_mode", 0) or any(shape != (channels,) for shape in node.shapes[1:5]):
        raise GraphError("a BatchNormalization whose weights do not fit its input")
    return [node.shapes[0]]


@operator("Add", "Mul", "Sub")
def _elementwise(node: Node) -> list[Shape]:
    return [np.broadcast_shapes(*node.shapes)]


WINDOW = "auto_pad ceil_mode count_include_pad dilations group kernel_shape pads storage_order strides"


@operator("Conv", attributes=WINDOW)
def _convolution(node: Node) -> list[Shape]:
    (n, channels, *sides), (out, depth, *kernel) = node.shapes[:2]
    if node.attributes.get("kernel_shape", kernel) != kernel:
        raise GraphError("a Conv of another size than its weights")
    if channels != depth * node.attributes.get("group", 1):
        raise GraphError(f"a Conv of {channels} channels with weights for {depth} in each group")
    return [(n, out, *_slid(node, sides, kernel))]


@operator("MaxPool", "AveragePool", attributes=WINDOW)
def _pool(node: Node) -> list[Shape]:
    n, channels, *sides = node.shapes[0]
    return [(n, channels, *_slid(node, sides, node.attributes["kernel_shape"]))]


def _slid(node: Node, sides: list[int], kernel: list[int]) -> list[int]:
    """Return how often a window fits along each side."""
    given, rank = node.attributes, len(sides)
    if given.get("auto_pad", b"NOTSET") != b"NOTSET":
        raise GraphError("padding that is not written out")
    strides, dilations = (given.get(name) or [1] * rank for name in ("strides", "dilations"))
    pads = given.get("pads") or [0] * (2 * rank)
    if min(*kernel, *strides, *dilations) < 1 or min(pads) < 0:
        raise GraphError("a window of negative size")
    found = []
    for side, size, stride, dilation, before, after in zip(
        sides, kernel, strides, dilations, pads[:rank], pads[rank:], strict=True
    ):
        room = side + before + after - dilation * (size - 1) - 1
        found.append((-(-room // stride) if given.get("ceil_mode", 0) else room // stride) + 1)
    return found


@operator("GlobalAveragePool", "GlobalMaxPool")
def _global(node: Node) -> list[Shape]:
    return [(*node.shapes[0][:2], *[1] * (len(node.shapes[0]) - 2))]


@operator("ReduceMean", "ReduceMax", attributes="axes keepdims noop_with_empty_axes")
def _reduced(node: Node) -> list[Shape]:
    shape = node.shapes[0]
    axes = {axis % len(shape) for axis in node.axes()}
    if not axes:
        raise GraphError("a mean over no axes")
    keep = node.attributes.get("keepdims", 1)
    return [tuple(1 if i in axes else side for i, side in enumerate(shape) if keep or i not in axes)]


@operator("Gemm", attributes="alpha beta transA transB")
def _affine(node: Node) -> list[Shape]:
    a, b = node.shapes[:2]
    (n, inner), (same, out) = (
        a[:: -1 if node.attributes.get("transA") else 1],
        b[:: -1 if node.attributes.get("transB") else 1],
    )
    if inner != same:
        raise GraphError(f"a product of matrices {a} and {b}")
    return [np.broadcast_shapes((n, out), *node.shapes[2:])]


@operator("MatMul")
def _product(node: Node) -> list[Shape]:
    (*left, inner), (*right, same, out) = node.shapes
    if inner != same:
        raise GraphError(f"a product of matrices {node.shapes[0]} and {node.shapes[1]}")
    *before, rows = left
    return [(*np.broadcast_shapes(tuple(before), tuple(right)), rows, out)]


@operator("Reshape", attributes="allowzero")
def _reshaped(node: Node) -> list[Shape]:
    shape, wanted = node.shapes[0], _known(node.values[1]).tolist()
    if not node.attributes.get("allowzero", 0):
        wanted = [shape[i] if side == 0 else side for i, side in enumerate(wanted)]
    known = math.prod(side for side in wanted if side != -1)
    found = tuple(math.prod(shape) // known if side == -1 else side for side in wanted)
    if math.prod(found) != math.prod(shape):
        raise GraphError(f"a Reshape of {shape} to {tuple(wanted)}")
    return [found]


@operator("Flatten", attributes="axis")
def _flattened(node: Node) -> list[Shape]:
    shape, axis = node.shapes[0], node.attributes.get("axis", 1)
    return [(math.prod(shape[:axis]), math.prod(shape[axis:]))]


@operator("Transpose", attributes="perm")
def _transposed(node: Node) -> list[Shape]:
    shape = node.shapes[0]
    order = node.attributes.get("perm", range(len(shape))[::-1])
    if sorted(order) != list(range(len(shape))):
        raise GraphError(f"a Transpose of {shape} by {order}")
    return [tuple(shape[axis] for axis in order)]


@operator("Squeeze", attributes="axes")
def _squeezed(node: Node) -> list[Shape]:
    shape = node.shapes[0]
    axes = {axis % len(shape) for axis in node.axes()}
    if any(shape[axis] != 1 for axis in axes) or not axes:
        raise GraphError(f"a Squeeze of {shape} along {sorted(axes)}")
    return [tuple(side for i, side in enumerate(shape) if i not in axes)]


@operator("Unsqueeze", attributes="axes")
def _unsqueezed(node: Node) -> list[Shape]:
    axes = node.axes()
    rank = len(node.shapes[0]) + len(axes)
    new, sides = {axis % rank for axis in axes}, iter(node.shapes[0])
    return [tuple(1 if i in new else next(sides) for i in range(rank))]


@operator("Concat", attributes="axis")
def _joined(node: Node) -> list[Shape]:
    first, axis = node.shapes[0], node.attributes["axis"] % len(node.shapes[0])
    others = [(*shape[:axis], *shape[axis + 1 :]) for shape in node.shapes]
    if any(other != others[0] for other in others):
        raise GraphError(f"a Concat of {first} and other shapes")
    return [(*first[:axis], sum(shape[axis] for shape in node.shapes), *first[axis + 1 :])]


@operator("Slice")
def _sliced(node: Node) -> list[Shape]:
    shape = list(node.shapes[0])
    starts, ends, axes = (_known(value).tolist() for value in node.values[1:4])
    steps = _known(node.values[4]).tolist() if len(node.values) > 4 else [1] * len(axes)
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        shape[axis] = len(range(shape[axis])[start:end:step])
    return [tuple(shape)]


@operator("Div", "Gather", attributes="axis")
def _of_sizes(node: Node) -> list[Shape]:
    raise GraphError("a division or a selection of anything but sizes")


@operator("Split", attributes="axis num_outputs")
def _split(node: Node) -> list[Shape]:
    shape, axis = node.shapes[0], node.attributes.get("axis", 0) % len(node.shapes[0])
    equal = [shape[axis] // node.outputs] * node.outputs
    sizes = _known(node.values[1]).tolist() if len(node.shapes) > 1 else equal
    if sum(sizes) != shape[axis] or len(sizes) != node.outputs:
        raise GraphError(f"a Split of {shape} into {sizes}")
    return [(*shape[:axis], size, *shape[axis + 1 :]) for size in sizes]


@operator("LSTM", attributes="direction hidden_size layout")
def _recurrent(node: Node) -> list[Shape]:
    (steps, n, width), (directions, gates, inner), hidden = *node.shapes[:2], node.attributes["hidden_size"]
    fits = node.shapes[2] == (directions, gates, hidden) and gates == 4 * hidden and width == inner
    if not fits or node.attributes.get("layout", 0):
        raise GraphError("an LSTM whose weights do not fit its input")
    return [(steps, directions, n, hidden), *[(directions, n, hidden)] * 2]


@operator("Constant", attributes="value value_int value_ints")
def _constant_shape(node: Node) -> list[Shape]:
    return [_constant(node).shape]


@operator("Shape", attributes="start end")
def _rank(node: Node) -> list[Shape]:
    return [_shape_of(node).shape]


@operator("Softmax", "LogSoftmax", attributes="axis")
def _softmax(node: Node) -> list[Shape]:
    return [node.shapes[0]]
