"""Model directories whose config or weights lie."""

from __future__ import annotations

import hashlib
import json
import random
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.hostile.mutation import mutated, mutated_json
from benchmarks.hostile.pictures import check_answer
from benchmarks.hostile.running import Case
from hwr import Recognizer
from hwr.config import DIGITS, ModelConfig, is_label
from hwr.model import store, verify
from hwr.model.network import by_pytorch
from hwr.model.resnet import build

TINY = ModelConfig(DIGITS, image_size=32, model_args={"in_chans": 1, "channels": [8, 8, 16, 16]})
WHOLE = 10  # of the mutated configs one in so many is loaded with its weights, which takes longer
SKETCH = np.pad(np.full((20, 4), 255, np.uint8), 20)
ARGUMENTS: dict[str, tuple[Any, ...]] = {
    "layers": (
        [8000, -8000, 1, 1],
        [["a"]],
        ["2", "2"],
        [0, 0, 0, 0],
        [1],
        [1] * 400,
        [0.5] * 4,
        {"a": 1},
        [2, 2, 2, -2],
    ),
    "channels": ([], [0] * 4, [-8] * 4, [8.5] * 4, ["8"] * 4, [8] * 400, [8192] * 4, [[8]] * 4, "8888", None),
    "stem_width": (0, -1, 8192, 8193, 1.5, "16", [16], 10**30),
    "stem_type": ("deep", "tiered", "DEEP", 1, [], None, "../deep"),
    "act_layer": ("relu", "os.system", 1, {}, "", None, "nn.Module", "<script>"),
    "norm_layer": ("batchnorm2d", "os.system", 1, {}, "", None, "layernorm", "groupnorm"),
    "aa_layer": ("avg", "blurpool", "os.system", 1, {}),
    "output_stride": (0, 7, 8, 16, 32, -32, "8", 1e9),
    "cardinality": (0, -1, 3, 8192, "1", 1.5),
    "base_width": (0, -1, 1, 8192, "64", 0.5),
    "block_reduce_first": (0, -1, 3, 10**6, "a"),
    "down_kernel_size": (0, -1, 2, 8191, 1e3, "1"),
    "block_args": ({"attn_layer": "se"}, {"attn_layer": "os.system"}, {"wings": 1}, [], "a", {"act_layer": {}}),
    "drop_rate": (-1, 2, 1e308, "0.1", []),
    "drop_block_rate": (-1, 2, "a"),
    "drop_path_rate": (-1, 2, 1e308, "a"),
    "in_chans": (0, True, 1.0, "1", [1]),
    "checkpoint_path": ("/etc/passwd",),
    "pretrained_cfg": ({"file": "/etc/passwd"},),
    "features_only": (True,),
}


def cases(folder: Path, seed: int, n: int) -> Iterator[Case]:
    """Each odd argument of the network, then ``n`` configs and ``n`` files of weights with faults."""
    rng, wanted = random.Random(seed), build(TINY).state_dict()
    store.save(folder, wanted, TINY, {"training": {"data": ["sample"]}}, {"validation": {}})
    settings, weights = json.loads((folder / verify.CONFIG).read_bytes()), (folder / verify.WEIGHTS).read_bytes()
    for name, values in ARGUMENTS.items():
        for value in values:
            odd = settings | {"model_args": settings["model_args"] | {name: value}}
            yield _case(folder, "config.json: arguments", f"{name}={value!r}", written(odd), weights)
    for name, content in crafted_configs(settings).items():
        yield _case(folder, "config.json", name, content, weights)
    for name, content in crafted_weights(weights).items():
        yield _weights_case(folder, "safetensors", name, content, wanted)
    for i in range(n):
        config = written(mutated_json(settings, rng)) if i % 4 else mutated(written(settings), rng)
        yield _case(folder, "config.json, mutated", f"{seed}/{i}", config, weights, whole=i % WHOLE == 0)
        yield _weights_case(folder, "safetensors, mutated", f"{seed}/{i}", spoilt(weights, rng), wanted)


def _case(folder: Path, kind: str, what: str, config: bytes, weights: bytes, whole: bool = True) -> Case:
    """A model directory that is loaded and asked; of one that is not ``whole`` the config alone is read."""

    def ask() -> None:
        (folder / verify.CONFIG).write_bytes(config)
        described = verify.model_config(folder, verify.read_config(folder))
        if whole:
            (folder / verify.WEIGHTS).write_bytes(weights)
            found, settings = store.load(folder)
            check_answer(Recognizer(by_pytorch(found), settings).top_k(SKETCH))
        assert all(is_label(label) for label in described.labels), "labels that are none"

    return Case(kind, what, ask)


def _weights_case(folder: Path, kind: str, what: str, content: bytes, wanted: dict[str, torch.Tensor]) -> Case:
    """Weights that the config names by their checksum, as whoever made them can: a loader's own checks are asked."""

    def ask() -> None:
        (folder / verify.WEIGHTS).write_bytes(content)
        tensors = verify.weights(folder / verify.WEIGHTS, hashlib.sha256(content).hexdigest())
        verify.same_names(folder, wanted, tensors)
        build(TINY).load_state_dict(tensors)

    return Case(kind, what, ask)


def written(settings: Any) -> bytes:
    """As JSON, with whatever JSON knows of what it should not."""
    return json.dumps(settings).encode()


def crafted_configs(settings: dict[str, Any]) -> dict[str, bytes]:
    """Files that are no config, or too much of one."""
    text = written(settings)
    return {
        "nothing": b"",
        "a list": b"[]",
        "a number of 5000 digits": text.replace(b'"image_size": 32', b'"image_size": ' + b"9" * 5000),
        "a number of 400 digits": text.replace(b'"image_size": 32', b'"image_size": ' + b"9" * 400),
        "1e999": text.replace(b'"image_size": 32', b'"image_size": 1e999'),
        "deeper than Python goes": b'{"hwr":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        "deep": text.replace(b'"in_chans": 1', b'"in_chans": ' + b"[" * 900 + b"]" * 900),
        "deep labels": text.replace(b'"labels": [', b'"labels": [' + b"[" * 900 + b"]" * 900 + b","),
        "deep arguments": text.replace(b'"model_args": {', b'"model_args": {"a":' * 900) + b"}" * 899,
        "keys twice": text.replace(b'{"', b'{"hwr": 1, "', 1),
        "UTF-16": text.decode().encode("utf-16"),
        "a lone surrogate": text.replace(b'"0"', b'"\\ud800"'),
        "a million labels": written(settings | {"hwr": {"labels": ["a"] * 10**6}}),
        "pairs for arguments": written(settings | {"model_args": [[1, 2], ["a", 3]]}),
        "HTML in a label": text.replace(b'"0"', b'"<img src=x onerror=alert(1)>"'),
        "a path for an architecture": text.replace(b'"resnet18"', b'"../../../etc/passwd"'),
        "another repository's architecture": text.replace(b'"resnet18"', b'"hf-hub:evil/model"'),
        "a tag that is none": text.replace(b'"resnet18"', b'"resnet18.nobody_in1k"'),
    }


# --- safetensors ---


def parted(weights: bytes) -> tuple[dict[str, Any], bytes]:
    """Header and data of a file of weights."""
    end = 8 + int.from_bytes(weights[:8], "little")
    header: dict[str, Any] = json.loads(weights[8:end])
    return header, weights[end:]


def joined(header: Any, data: bytes) -> bytes:
    """A file of weights with this header, whatever it says."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def spoilt(weights: bytes, rng: random.Random) -> bytes:
    """With a fault in the header, in its numbers, or anywhere."""
    header, data = parted(weights)
    kind = rng.randrange(4)
    if kind == 0:
        return mutated(weights, rng)
    if kind == 1:
        return joined(mutated_json(header, rng), data)
    name = rng.choice([name for name in header if name != "__metadata__"])
    entry = dict(header[name])
    if kind == 2:
        entry["dtype"] = rng.choice(
            ("F16", "BF16", "F64", "I64", "I8", "U8", "BOOL", "C64", "F8_E4M3", "F4", "", "F32")
        )
    field = rng.choice(("shape", "data_offsets"))
    entry[field] = mutated_json(entry[field], rng)
    return joined(header | {name: entry}, data)


def crafted_weights(weights: bytes) -> dict[str, bytes]:
    """Headers that lie about lengths, overlap, or name too much."""
    header, data = parted(weights)
    bias = header["fc.bias"]
    low, high = bias["data_offsets"]
    numbers = torch.tensor([float("nan")] * 10).numpy().tobytes()

    def with_bias(**changes: Any) -> bytes:
        return joined(header | {"fc.bias": bias | changes}, data)

    def retyped(dtype: str, size: int) -> bytes:
        """The bias alone, of another type: the checker of overlaps wants all offsets to fit."""
        rest = {name: part for name, part in header.items() if name != "fc.bias"}
        end = len(data)
        return joined(
            rest | {"fc.bias": {"dtype": dtype, "shape": [10], "data_offsets": [end, end + size]}}, data + bytes(size)
        )

    return {
        "nothing": b"",
        "seven bytes": b"\0" * 7,
        "a header of 2^64 - 1": b"\xff" * 8 + b"{}",
        "a header of 2^63": (2**63).to_bytes(8, "little") + b"{}",
        "a header as long as allowed": joined(b"{" + b" " * (2**20 - 2) + b"}", b""),
        "an empty header": joined({}, b""),
        "a list for a header": joined([], b""),
        "a deep header": joined(b'{"a":' * 1000 + b"1" + b"}" * 1000, data),
        "tensors that overlap": with_bias(data_offsets=[0, high - low]),
        "a tensor backwards": with_bias(data_offsets=[high, low]),
        "offsets that overflow": with_bias(data_offsets=[2**63, 2**63 + 40]),
        "a shape that overflows": with_bias(shape=[2**32, 2**32, 10]),
        "a shape of 2^62 nothings": with_bias(shape=[2**62, 0], data_offsets=[low, low]),
        "a negative shape": with_bias(shape=[-10]),
        "a name of 100,000 letters": joined(header | {"a" * 100_000: bias}, data),
        "4,000 tensors": joined(
            {f"t{i}": {"dtype": "U8", "shape": [0], "data_offsets": [0, 0]} for i in range(4000)}, b""
        ),
        "a pickle": b"\x80\x02cos\nsystem\n(S'touch ran'\ntR.",
        "numbers that are none": joined(header, data[:low] + numbers + data[high:]),
        "more than there is": joined(header, data[:-4]),
        "less than there is": joined(header, data + bytes(400)),
        **{
            f"a bias of {dtype}": retyped(dtype, size)
            for dtype, size in (
                ("F64", 80),
                ("F16", 20),
                ("I8", 10),
                ("BOOL", 10),
                ("C64", 80),
                ("F8_E4M3", 10),
                ("F8_E8M0", 10),
            )
        },
    }
