"""The bytes of a model.safetensors file, checked: its digest, its header, and numbers in every tensor.

Only NumPy and safetensors are needed: this is what serving without PyTorch reads weights with.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
import safetensors

from hwr.config import UserError
from hwr.files import read_verified

MAX_WEIGHTS_BYTES = 2**30  # four times ResNet-152
MAX_HEADER_BYTES = 2**20  # ResNet-152 needs 0.1 MB


class Entry(NamedTuple):
    """Where a tensor lies in the file: its type as safetensors names it, its shape, and its first and last byte + 1."""

    dtype: str
    shape: tuple[int, ...]
    start: int
    stop: int


def read(path: Path, expected: str) -> bytes:
    """Return the content of the weights file with this digest. Raises UserError for any other file."""
    content = read_verified(path, expected, MAX_WEIGHTS_BYTES)
    if int.from_bytes(content[:8], "little") > MAX_HEADER_BYTES:
        raise UserError(f"{path} is damaged: its header is larger than {MAX_HEADER_BYTES} bytes")
    return content


def entries(content: bytes, name: str = "model.safetensors") -> dict[str, Entry]:
    """Return where each tensor of a weights file lies. Raises UserError, which calls the file ``name``, if damaged.

    safetensors itself refuses tensors that overlap, leave gaps, or reach beyond the end.
    """
    try:
        safetensors.deserialize(content)
        length = int.from_bytes(content[:8], "little")
        header = json.loads(content[8 : 8 + length])
        header.pop("__metadata__", None)
        found = {}
        for tensor, about in header.items():
            start, stop = about["data_offsets"]
            found[tensor] = Entry(about["dtype"], tuple(about["shape"]), 8 + length + start, 8 + length + stop)
    except Exception as error:  # safetensors has an error of its own, and passes on others
        raise UserError(f"{name} is damaged: {str(error)[:200]}") from None
    return found


def require_finite(content: bytes, tensors: dict[str, Entry], name: str = "model.safetensors") -> None:
    """Raise UserError if a float32 tensor holds infinities or NaN."""
    for tensor, entry in tensors.items():
        if entry.dtype == "F32":
            values = np.frombuffer(content, np.uint8, entry.stop - entry.start, entry.start).view("<f4")
            if not np.isfinite(values).all():
                raise UserError(f"{name}: {tensor[:80]} holds infinities or NaN")
