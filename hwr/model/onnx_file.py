"""A strict reader of ONNX files: the fields that our own graphs use, and an error for every other one.

ONNX files are Protocol Buffers. The format lets a later field overwrite an earlier one and lets readers skip fields
they do not know, so that two readers can see two graphs in one file. Here unknown and repeated fields are errors:
whatever passes says the same to ONNX Runtime. It also keeps the ``onnx`` package out of serving.
"""

from __future__ import annotations

import struct
from typing import Any

from hwr.config import UserError

Message = dict[str, Any]  # field name -> value; lists of fields that may repeat, absent fields have their default

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5  # wire types of Protocol Buffers
DEFAULTS: dict[str, Any] = {"int": 0, "float": 0.0, "bytes": b"", "text": ""}
# Message -> field number -> (name, type). A star marks a field that may repeat; numbers are those of onnx.proto.
FIELDS: dict[str, dict[int, tuple[str, str]]] = {
    "Model": {
        1: ("ir_version", "int"),
        2: ("producer_name", "text"),
        7: ("graph", "Graph"),
        8: ("opset_import", "OperatorSet*"),
    },
    "OperatorSet": {1: ("domain", "text"), 2: ("version", "int")},
    "Graph": {
        1: ("node", "Node*"),
        2: ("name", "text"),
        5: ("initializer", "Tensor*"),
        11: ("input", "Value*"),
        12: ("output", "Value*"),
    },
    "Node": {
        1: ("input", "text*"),
        2: ("output", "text*"),
        4: ("op_type", "text"),
        5: ("attribute", "Attribute*"),
    },
    "Attribute": {
        1: ("name", "text"),
        2: ("f", "float"),
        3: ("i", "int"),
        4: ("s", "bytes"),
        5: ("t", "Tensor"),
        7: ("floats", "float*"),
        8: ("ints", "int*"),
        20: ("type", "int"),
    },
    "Tensor": {
        1: ("dims", "int*"),
        2: ("data_type", "int"),
        8: ("name", "text"),
        9: ("raw_data", "bytes"),
        13: ("external_data", "Entry*"),
        14: ("data_location", "int"),
    },
    "Entry": {1: ("key", "text"), 2: ("value", "text")},
    "Value": {1: ("name", "text"), 2: ("type", "Type")},
    "Type": {1: ("tensor_type", "TensorType")},
    "TensorType": {1: ("elem_type", "int"), 2: ("shape", "Shape")},
    "Shape": {1: ("dim", "Dimension*")},
    "Dimension": {1: ("dim_value", "int"), 2: ("dim_param", "text")},
}


class GraphError(UserError):
    """A graph that is damaged, or that our own export does not write."""


def read(content: bytes, kind: str = "Model") -> Message:
    """Return a message as nested dictionaries with every field of FIELDS. Raise GraphError for anything else."""
    fields = FIELDS[kind]
    found: Message = {name: _default(type_) for name, type_ in fields.values()}
    seen, position = set[int](), 0
    while position < len(content):
        key, position = _varint(content, position)
        number, wire = key >> 3, key & 7
        if number not in fields:
            raise GraphError(f"a {kind} with field {number}, which our graphs do not have")
        name, type_ = fields[number]
        value, position = _value(content, position, wire)
        if type_.endswith("*"):
            found[name] += _several(value, wire, type_[:-1])
        elif number in seen:
            raise GraphError(f"a {kind} with two values of {name}")
        else:
            found[name] = _one(value, wire, type_)
        seen.add(number)
    return found


def _default(type_: str) -> Any:
    return [] if type_.endswith("*") else DEFAULTS.get(type_)


def _value(content: bytes, position: int, wire: int) -> tuple[Any, int]:
    """Return the number or the bytes of a field, and the position after it."""
    if wire == VARINT:
        return _varint(content, position)
    if wire == BYTES:
        length, position = _varint(content, position)
    else:
        length = {FIXED32: 4, FIXED64: 8}.get(wire, len(content) + 1)
    end = position + length
    if end > len(content):
        raise GraphError("the graph is cut off, or damaged")
    return content[position:end], end


def _varint(content: bytes, position: int) -> tuple[int, int]:
    """Return an integer of 64 bits, seven per byte, lowest first, and the position after it."""
    value = 0
    for shift, byte in enumerate(content[position : position + 10]):
        value |= (byte & 0x7F) << (7 * shift)
        if byte < 0x80:
            return value & (2**64 - 1), position + shift + 1
    raise GraphError("the graph is cut off, or damaged")


def _several(value: Any, wire: int, type_: str) -> list[Any]:
    """Return one value of a repeated field, or the numbers that are packed into one field."""
    if wire != BYTES or type_ not in ("int", "float"):
        return [_one(value, wire, type_)]
    if type_ == "float":
        return [_one(value[i : i + 4], FIXED32, type_) for i in range(0, len(value), 4)]
    found, position = [], 0
    while position < len(value):
        number, position = _varint(value, position)
        found.append(_one(number, VARINT, type_))
    return found


def _one(value: Any, wire: int, type_: str) -> Any:
    """Return the value of a field by its type in FIELDS."""
    expected = {"int": VARINT, "float": FIXED32}.get(type_, BYTES)
    if wire != expected:
        raise GraphError(f"wire type {wire} where {expected} is expected: the graph is damaged")
    if type_ == "int":
        return value - 2**64 if value >= 2**63 else value
    if type_ == "float":
        return _float(value)
    if type_ == "bytes":
        return value
    return _text(value) if type_ == "text" else read(value, type_)


def _float(value: bytes) -> float:
    if len(value) != 4:
        raise GraphError("the graph is cut off, or damaged")
    return float(struct.unpack("<f", value)[0])


def _text(value: bytes) -> str:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        raise GraphError("a name that is not UTF-8: the graph is damaged") from None
