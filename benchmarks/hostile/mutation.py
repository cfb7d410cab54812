"""Bytes and JSON gone wrong: cut off, flipped, overwritten, spliced."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

EDGES = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1, 2**63, 2**64 - 1)
Fault = Callable[[bytes, random.Random], bytes]
WIDTHS = (1, 2, 4, 8)  # bytes of the numbers that files hold
FLIPS = 16  # bits at most
SPAN = 64  # bytes at most that are moved, doubled or dropped
HEAD = 96  # bytes: most of what a decoder believes is said here, so half of all faults go here
VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 2**31, -(2**31), 2**63, 10**400, 1e308, float("nan"), float("inf"), 0.5),
    *("", "a", "\0", "\n", "../../etc/passwd", "/etc/passwd", "<script>alert(1)</script>", "a" * 5000, "\ud800"),
    *([], {}, [[]], [None], {"a": {}}, [1, "a"], [-8000, 8000], "os.system", "http://127.0.0.1:9/"),
)


def mutated(content: bytes, rng: random.Random) -> bytes:
    """The content with a fault or two."""
    for _ in range(rng.choice((1, 1, 2))):
        fault: Fault = rng.choice(FAULTS)
        content = fault(content, rng)
    return content


def _place(content: bytes, rng: random.Random) -> int:
    return rng.randrange(max(1, min(HEAD, len(content)) if rng.random() < 0.3 else len(content)))


def _cut(content: bytes, rng: random.Random) -> bytes:
    return content[: _place(content, rng)]


def _flip(content: bytes, rng: random.Random) -> bytes:
    result = bytearray(content)
    for _ in range(rng.randint(1, FLIPS) if content else 0):
        result[_place(content, rng)] ^= 1 << rng.randrange(8)
    return bytes(result)


def _edge(content: bytes, rng: random.Random) -> bytes:
    """A number that is as large or small as it gets, in the place of another."""
    at, width = _place(content, rng), rng.choice(WIDTHS)
    number: int = rng.choice(EDGES) % 256**width
    return content[:at] + number.to_bytes(width, "little" if rng.random() < 0.5 else "big") + content[at + width :]


def _drop(content: bytes, rng: random.Random) -> bytes:
    at = _place(content, rng)
    return content[:at] + content[at + rng.randint(1, SPAN) :]


def _double(content: bytes, rng: random.Random) -> bytes:
    at = _place(content, rng)
    return content[:at] + content[at : at + rng.randint(1, SPAN)] * rng.randint(2, 9) + content[at:]


def _noise(content: bytes, rng: random.Random) -> bytes:
    at, length = _place(content, rng), rng.randint(1, SPAN)
    return content[:at] + rng.randbytes(length) + content[at + length :]


def _splice(content: bytes, rng: random.Random) -> bytes:
    return content[: _place(content, rng)] + content[_place(content, rng) :]


FAULTS: tuple[Fault, ...] = (_cut, _flip, _edge, _drop, _double, _noise, _splice)


def nested(depth: int) -> Any:
    """A list in a list in a list."""
    value: Any = []
    for _ in range(depth):
        value = [value]
    return value


def odd_value(rng: random.Random) -> Any:
    """A JSON value that hardly anything expects."""
    return nested(rng.choice((3, 200, 900))) if rng.random() < 0.05 else rng.choice(VALUES)


def mutated_json(value: Any, rng: random.Random) -> Any:
    """The value with another one somewhere inside, or without a part of it, or with one more."""
    if not isinstance(value, (dict, list)) or not value or rng.random() < 0.1:
        return odd_value(rng)
    if isinstance(value, list):
        at = rng.randrange(len(value))
        return [*value[:at], *rng.choice(([], [odd_value(rng)], [mutated_json(value[at], rng)])), *value[at + 1 :]]
    key = rng.choice(list(value))
    rest = {name: part for name, part in value.items() if name != key}
    return rest | rng.choice(({}, {key: mutated_json(value[key], rng)}, {key + "_": value[key]}))
