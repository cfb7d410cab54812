"""Hostile model directories are loaded or refused with a UserError, and nothing in them is run."""

from __future__ import annotations

import hashlib
import json
import struct
from pathlib import Path
from typing import Any

import pytest
import torch
from hostile import FIXED, JSON, answered, damaged, watched
from hypothesis import given
from hypothesis import strategies as st

from hwr.config import DIGITS, ModelConfig, UserError
from hwr.model import store, verify
from hwr.model.resnet import build

TINY = ModelConfig(DIGITS, image_size=32, model_args={"in_chans": 1, "channels": [8, 8, 16, 16]})
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
CRAFTED = (
    "nothing",
    "seven bytes",
    "a header of 2^64 - 1",
    "a header of 2^63",
    "a header as long as allowed",
    "an empty header",
    "a list for a header",
    "a deep header",
    "tensors that overlap",
    "a tensor backwards",
    "offsets that overflow",
    "a shape that overflows",
    "a shape of 2^62 nothings",
    "a negative shape",
    "a name of 100,000 letters",
    "4,000 tensors",
    "a pickle",
    "numbers that are none",
    "more than there is",
    "less than there is",
    *(f"a bias of {dtype}" for dtype in ("F64", "F16", "I8", "BOOL", "C64", "F8_E4M3", "F8_E8M0")),
)


def crafted_configs(settings: dict[str, Any]) -> dict[str, bytes]:
    """Files that are no config, or too much of one."""
    text = dumped(settings)
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
        "a million labels": dumped(settings | {"hwr": {"labels": ["a"] * 10**6}}),
        "pairs for arguments": dumped(settings | {"model_args": [[1, 2], ["a", 3]]}),
        "HTML in a label": text.replace(b'"0"', b'"<img src=x onerror=alert(1)>"'),
        "a path for an architecture": text.replace(b'"resnet18"', b'"../../../etc/passwd"'),
        "another repository's architecture": text.replace(b'"resnet18"', b'"hf-hub:evil/model"'),
        "a tag that is none": text.replace(b'"resnet18"', b'"resnet18.nobody_in1k"'),
    }


def dumped(settings: Any) -> bytes:
    """Return JSON, with the NaN and Infinity that Python adds to it."""
    return json.dumps(settings).encode()


def parted(weights: bytes) -> tuple[dict[str, Any], bytes]:
    """Header and data of a file of weights."""
    end = 8 + int.from_bytes(weights[:8], "little")
    header: dict[str, Any] = json.loads(weights[8:end])
    return header, weights[end:]


def joined(header: Any, data: bytes) -> bytes:
    """A file of weights with this header, whatever it says."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


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


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    store.save(folder, build(TINY).state_dict(), TINY, {"training": {"data": ["sample"]}}, {"validation": {}})
    return folder


@pytest.fixture(scope="module")
def settings(whole: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((whole / store.CONFIG).read_bytes())
    return found


def load_weights(path: Path, content: bytes) -> None:
    """Load weights under their own checksum, as whoever made them can: the loader's other checks are tested."""
    path.write_bytes(content)
    tensors = verify.weights(path, hashlib.sha256(content).hexdigest())
    model = build(TINY)
    verify.same_names(path.parent, model.state_dict(), tensors)
    model.load_state_dict(tensors)


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in ARGUMENTS.items() for value in values])
def test_any_argument_of_a_network_builds_one_or_is_refused(
    settings: dict[str, Any], tmp_path: Path, name: str, value: Any
) -> None:
    odd = settings | {"model_args": settings["model_args"] | {name: value}}

    def describe() -> None:
        with torch.device("meta"):  # without memory
            build(verify.model_config(tmp_path, odd))

    answered(describe, tmp_path)


@pytest.mark.filterwarnings("ignore:Initializing zero-element tensors:UserWarning")
@pytest.mark.parametrize("name", CRAFTED)
def test_crafted_weights_are_loaded_or_refused(whole: Path, tmp_path: Path, name: str) -> None:
    content = crafted_weights((whole / store.WEIGHTS).read_bytes())[name]
    answered(lambda: load_weights(tmp_path / store.WEIGHTS, content), tmp_path)


@FIXED
@given(st.data())
def test_damaged_weights_are_loaded_or_refused(
    whole: Path, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    content = data.draw(damaged([(whole / store.WEIGHTS).read_bytes()]))
    folder = tmp_path_factory.getbasetemp()
    answered(lambda: load_weights(folder / store.WEIGHTS, content), folder)


@FIXED
@given(st.sampled_from((*verify.OURS, "num_classes", "architecture", "model_args")), JSON)
def test_a_config_with_any_value_describes_a_model_that_can_be_or_is_refused(name: str, value: Any) -> None:
    ours = {"labels": list(DIGITS), "sha256": "0" * 64}
    settings: dict[str, Any] = {"architecture": "resnet18", "num_classes": 10, "model_args": {"in_chans": 1}}
    changed = settings | {"hwr": ours | {name: value}} if name in verify.OURS else settings | {"hwr": ours, name: value}
    try:
        found = verify.model_config(Path("model"), changed)
    except UserError as error:
        assert len(str(error)) < 1000
        return
    assert all(low <= getattr(found, key) <= high for key, (low, high) in verify.WITHIN.items())
    assert len(found.labels) == found.alphabets()["all"][-1][1][0] + 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"layers": [8000, -8000, 1, 1]}, "size that can be built"),
        ({"layers": ["2", "2"]}, "size that can be built"),
        ({"layers": [[1]]}, "size that can be built"),
        ({"drop_rate": -1}, "size that can be built"),
        ({1: 2, "a": 3}, "1 is not one that describes"),
        ({"cardinality": 0}, "cannot be built"),
    ],
)
def test_arguments_that_build_no_network_are_refused_at_once(arguments: dict[Any, Any], words: str) -> None:
    with pytest.raises(UserError, match=words):
        build(ModelConfig(DIGITS, model_args={"in_chans": 1} | arguments))


def test_a_deep_argument_is_refused_and_not_printed_whole() -> None:
    deep: Any = []
    for _ in range(5000):
        deep = [deep]
    with pytest.raises(UserError) as refused:
        build(ModelConfig(DIGITS, model_args={"in_chans": 1, "channels": deep}))
    assert len(str(refused.value)) < 500


@pytest.mark.parametrize("name", crafted_configs({}))
def test_every_crafted_config_is_judged(whole: Path, tmp_path: Path, name: str) -> None:
    settings = json.loads((whole / store.CONFIG).read_bytes())
    (tmp_path / store.CONFIG).write_bytes(crafted_configs(settings)[name])
    try:
        found = verify.model_config(tmp_path, verify.read_config(tmp_path))
    except UserError as error:
        assert len(str(error)) < 1000
        return
    assert name in ("deep", "HTML in a label", "keys twice", "UTF-16") or "architecture" in name or "tag" in name
    assert len(found.labels) == 10


def test_numbers_of_another_type_are_refused_by_name(whole: Path) -> None:
    wanted = verify.weights(whole / store.WEIGHTS, verify.model_config(whole, verify.read_config(whole)).sha256)
    odd = wanted | {"fc.bias": wanted["fc.bias"].double()}
    with pytest.raises(UserError, match=r"fc\.bias is of torch\.float64, the architecture needs torch\.float32"):
        verify.same_names(whole, wanted, odd)


def test_a_pickle_for_weights_is_never_opened(tmp_path: Path) -> None:
    content = b"\x80\x02cos\nsystem\n(S'true'\ntR."
    (tmp_path / store.WEIGHTS).write_bytes(content)
    with watched(tmp_path) as touched, pytest.raises(UserError):
        verify.weights(tmp_path / store.WEIGHTS, "0" * 64)
    assert touched == []
