"""hub.py: a model directory is what timm reads, and nothing damaged or foreign gets through."""

import hashlib
import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import safetensors.torch
import torch

from hwr.config import ModelConfig, UserError
from hwr.files import write_atomically
from hwr.model import store
from hwr.model.resnet import build

TINY = ModelConfig(labels=tuple("0123456789"), image_size=32, model_args={"in_chans": 1, "channels": [8, 8, 16, 16]})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    model = build(TINY)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.uniform_(-1, 1)  # type: ignore[union-attr]
    store.save(tmp_path / "model", model.state_dict(), TINY, {"version": "1", "data": ["sample"]}, {"validation": {}})
    return tmp_path / "model"


def edit(folder: Path, **changes: object) -> None:
    settings = json.loads((folder / store.CONFIG).read_text())
    ours = {k.removeprefix("hwr_"): v for k, v in changes.items() if k.startswith("hwr_")}
    settings |= {k: v for k, v in changes.items() if not k.startswith("hwr_")}
    settings["hwr"] |= ours
    (folder / store.CONFIG).write_text(json.dumps(settings))


def test_save_then_load_gives_the_same_logits_and_config(folder: Path) -> None:
    first, config = store.load(folder)
    second, _ = store.load(folder)
    x = torch.randn(3, 1, 32, 32)
    assert first(x).equal(second(x))
    assert replace(config, sha256="", graph_sha256="") == TINY


def test_timm_loads_the_directory_without_hwr_and_gives_the_same_logits(folder: Path, tmp_path: Path) -> None:
    model, config = store.load(folder)
    x = torch.randn(4, 1, config.image_size, config.image_size)
    with torch.inference_mode():
        safetensors.torch.save_file({"x": x, "y": model(x)}, tmp_path / "pair.safetensors")
    script = (
        "import sys, timm, torch, safetensors.torch as st\n"
        "pair = st.load_file(sys.argv[2])\n"
        "model = timm.create_model('local-dir:' + sys.argv[1], pretrained=True).eval()\n"
        "with torch.inference_mode(): assert model(pair['x']).equal(pair['y'])\n"
        "assert 'hwr' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", script, folder, tmp_path / "pair.safetensors"], check=True, cwd=tmp_path)


def test_nothing_but_safetensors_is_written(folder: Path) -> None:
    assert sorted(p.name for p in folder.iterdir()) == [
        "config.json",
        "metrics.json",
        "model.onnx",
        "model.safetensors",
    ]
    assert set(json.loads((folder / store.CONFIG).read_text())["model_args"]) == {"in_chans", "channels"}


def test_a_single_flipped_byte_is_noticed(folder: Path) -> None:
    path = folder / store.WEIGHTS
    content = bytearray(path.read_bytes())
    content[-100] ^= 1
    path.write_bytes(content)
    with pytest.raises(UserError, match="sha256"):
        store.load(folder)


@pytest.mark.parametrize("name", [store.CONFIG, store.WEIGHTS])
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(UserError, match=name):
        store.load(folder)


def test_a_pickle_is_never_read_instead(folder: Path) -> None:
    shutil.move(folder / store.WEIGHTS, folder / "pytorch_model.bin")
    with pytest.raises(UserError, match=store.WEIGHTS):
        store.load(folder)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"architecture": "vit_tiny_patch16_224"}, "timm ResNet"),
        ({"num_classes": 11}, "num_classes"),
        ({"model_args": {"in_chans": 1, "channels": [8, 8, 16, 32]}}, "shape"),
        ({"model_args": {"in_chans": 1, "channels": [8, 8, 16, 16], "stem_type": "deep"}}, "names"),
        ({"model_args": {"in_chans": 1, "wings": 2}}, "wings"),
        ({"model_args": {"in_chans": 1, "checkpoint_path": "evil.pth"}}, "checkpoint_path"),
        ({"model_args": {"in_chans": 1, "pretrained": True}}, "pretrained"),
        ({"model_args": {"in_chans": 1, "pretrained_cfg_overlay": {"file": "/etc/passwd"}}}, "pretrained_cfg_overlay"),
        ({"model_args": {"in_chans": 3}}, "in_chans is 3"),
        ({"model_args": {"in_chans": 1, "channels": [10**9, 8, 16, 16]}}, "size that can be built"),
        ({"model_args": {"in_chans": 1, "channels": [float("nan"), 8, 16, 16]}}, "size that can be built"),
        ({"model_args": {"in_chans": 1, "layers": [10**6, 2, 2, 2]}}, "size that can be built"),
        ({"model_args": {"in_chans": 1, "layers": [8000, 2, 2, 2]}}, "size that can be built"),
        ({"model_args": {"in_chans": 1, "layers": "2222"}}, "size that can be built"),
        ({"model_args": {"in_chans": 1, "act_layer": "os.system"}}, "cannot be built"),
        ({"model_args": {"in_chans": 1, "channels": [8000, 8000, 8000, 8000]}}, "shape"),
        ({"architecture": "../../resnet18"}, "timm ResNet"),
        ({"model_args": [1]}, "does not describe"),
        ({"hwr_labels": ["a"] * 10}, "distinct"),
        ({"hwr_labels": None}, "does not describe"),
        ({"hwr_labels": ["0\n", *"123456789"]}, "printable"),
        ({"hwr_labels": [*range(10)]}, "printable"),
        ({"hwr_labels": ["a" * 500, *"123456789"]}, "printable"),
        ({"hwr_temperature": 0}, "temperature"),
        ({"hwr_temperature": float("nan")}, "temperature"),
        ({"hwr_std": float("inf")}, "std"),
        ({"hwr_ink": "yes"}, "true or false"),
        ({"hwr_image_size": 10**9}, "image_size"),
        ({"hwr_sha256": "0" * 64}, "sha256"),
        ({"hwr": None}, "hwr"),
    ],
)
def test_a_config_that_does_not_fit_is_refused(folder: Path, changes: dict[str, object], words: str) -> None:
    if changes.get("hwr", 0) is None:
        (folder / store.CONFIG).write_text(json.dumps({"architecture": "resnet18"}))
    else:
        edit(folder, **changes)
    with pytest.raises(UserError, match=words):
        store.load(folder)


def with_weights(folder: Path, content: bytes) -> None:
    (folder / store.WEIGHTS).write_bytes(content)
    edit(folder, hwr_sha256=hashlib.sha256(content).hexdigest())


def test_a_header_that_claims_the_memory_is_refused(folder: Path) -> None:
    with_weights(folder, (10 * 2**30).to_bytes(8, "little") + b"{}")
    with pytest.raises(UserError, match="header"):
        store.load(folder)


def test_tensors_that_claim_more_than_there_is_are_refused(folder: Path) -> None:
    header = b'{"fc.weight":{"dtype":"F32","shape":[100000,100000],"data_offsets":[0,40000000000]}}'
    with_weights(folder, len(header).to_bytes(8, "little") + header)
    with pytest.raises(UserError, match="damaged"):
        store.load(folder)


def test_weights_that_are_no_numbers_are_refused(folder: Path) -> None:
    tensors = safetensors.torch.load((folder / store.WEIGHTS).read_bytes())
    tensors["fc.bias"][3] = float("nan")
    with_weights(folder, safetensors.torch.save(tensors))
    with pytest.raises(UserError, match=r"fc\.bias holds infinities or NaN"):
        store.load(folder)


def test_another_file_named_by_the_config_is_not_read(folder: Path) -> None:
    settings = json.loads((folder / store.CONFIG).read_text())
    settings["pretrained_cfg"] |= {"file": "/etc/passwd", "url": "http://127.0.0.1:9/evil.pth", "custom_load": True}
    first, _ = store.load(folder)
    (folder / store.CONFIG).write_text(json.dumps(settings))
    second, _ = store.load(folder)
    assert all(a.equal(b) for a, b in zip(first.state_dict().values(), second.state_dict().values(), strict=True))


@pytest.mark.parametrize("content", ["", "{", "[]", "[" * 100_000, "\x00"])
def test_a_damaged_config_is_named(folder: Path, content: str) -> None:
    (folder / store.CONFIG).write_text(content)
    with pytest.raises(UserError, match=store.CONFIG):
        store.load(folder)


def test_a_write_cut_short_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    write_atomically(path, b"old")

    def full(self: Path, content: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="No space"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
