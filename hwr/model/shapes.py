"""The shape of every tensor in a graph, known before anything is computed.

Knowing all shapes bounds the memory that a stranger's graph can ask for.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from hwr.model.onnx_file import GraphError, Message
from hwr.model.operators import COMPUTED, MAX_CONSTANT, RULES, Node, Shape, Values

MAX_NODES = 4096  # ResNet-200 has 800
MAX_ELEMENTS = 2**26  # of one tensor for one picture: 256 MiB of float32


def infer(graph: Message, known: Mapping[str, Shape]) -> dict[str, Shape]:
    """Return the shape of every tensor, given those of the inputs and weights.

    Raise GraphError for an operator, an attribute or a shape that our graphs do not have.
    """
    if len(graph["node"]) > MAX_NODES:
        raise GraphError(f"a graph of {len(graph['node']):,} nodes: at most {MAX_NODES:,} are run")
    shapes, values = dict(known), dict[str, Values]()
    for node in graph["node"]:
        try:
            found = _run(node, shapes, values)
        except GraphError:
            raise
        except (ArithmeticError, IndexError, KeyError, TypeError, ValueError) as error:
            raise GraphError(f"{node['op_type'][:40]} with inputs that do not fit: {str(error)[:100]}") from None
        for name, shape in zip(node["output"], found, strict=False):
            _keep(name, shape, shapes)
    return shapes


def _run(node: Message, shapes: dict[str, Shape], values: dict[str, Values]) -> list[Shape]:
    """Return the shapes of a node's outputs; integers computed from shapes and constants go into ``values``."""
    kind = node["op_type"]
    if kind not in RULES:
        raise GraphError(f"the operator {kind[:40]!r}, which our graphs do not have")
    rule, allowed = RULES[kind]
    attributes = {one["name"]: _attribute(one) for one in node["attribute"]}
    if foreign := [name for name in attributes if name not in allowed]:
        raise GraphError(f"{kind} with the attribute {foreign[0][:40]!r}, which our graphs do not have")
    given = node["input"]
    inputs = [shapes[name] if name else () for name in given]
    found = Node(attributes, inputs, [values.get(name) for name in given], len(node["output"]))
    if kind in COMPUTED and (kind in ("Constant", "Shape") or all(name in values for name in given)):
        value = COMPUTED[kind](found)
        if value.size > MAX_CONSTANT:
            raise GraphError(f"a constant of {value.size:,} integers: at most {MAX_CONSTANT}")
        values[node["output"][0]] = value
        return [value.shape]
    return rule(found)


def _keep(name: str, shape: Shape, shapes: dict[str, Shape]) -> None:
    if name in shapes:
        raise GraphError(f"two tensors called {name[:40]!r}")
    if any(side < 0 for side in shape) or math.prod(shape) > MAX_ELEMENTS:
        raise GraphError(f"the tensor {name[:40]!r} of shape {shape}: at most {MAX_ELEMENTS:,} numbers are computed")
    if name:  # an output without a name is not computed
        shapes[name] = shape


def _attribute(attribute: Message) -> Any:
    """Return the value of an attribute, by its type in onnx.proto."""
    kind = {1: "f", 2: "i", 3: "s", 4: "t", 6: "floats", 7: "ints"}[attribute["type"]]
    return attribute[kind]
