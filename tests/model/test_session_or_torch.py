"""A model directory's network: ONNX Runtime answers, or PyTorch, or a sentence says why nobody does."""

from __future__ import annotations

import json
import logging
from importlib.machinery import ModuleSpec
from pathlib import Path

import numpy as np
import pytest
import torch
from networks import TINY, lively

from hwr import UserError
from hwr.config import ModelConfig
from hwr.model import network, resnet_graph, store
from hwr.model.onnx_file import GraphError
from hwr.model.resnet import build
from hwr.model.session import GRAPH

PIXELS = torch.randn(3, 1, 32, 32).numpy()


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    config = ModelConfig(tuple("abcde"), "resnet18", TINY, image_size=32)
    store.save(folder, lively("resnet18", TINY).state_dict(), config, {}, {})
    return folder


@pytest.fixture
def folder(saved: Path, tmp_path: Path) -> Path:
    for path in saved.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    return tmp_path


def expected(folder: Path) -> np.ndarray:
    with torch.inference_mode():
        found: np.ndarray = store.load(folder)[0](torch.from_numpy(PIXELS)).numpy()
    return found


def forget_graph(folder: Path) -> None:
    """What the directory of an older version looks like."""
    settings = json.loads((folder / store.CONFIG).read_bytes())
    del settings["hwr"]["graph_sha256"]
    (folder / store.CONFIG).write_text(json.dumps(settings))
    (folder / GRAPH).unlink()


def test_a_saved_model_is_answered_by_onnx_runtime(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    ask, config = network.load(folder)
    features, logits = ask(PIXELS)
    assert config.labels == tuple("abcde")
    assert features.shape == (3, 16)
    np.testing.assert_allclose(logits, expected(folder), atol=1e-4)
    assert not caplog.records


def test_a_model_of_more_classes_and_larger_pictures_has_its_graph_at_once(tmp_path: Path) -> None:
    traced = resnet_graph._structure.cache_info().misses
    config = ModelConfig(tuple("abcdefg"), "resnet18", TINY, image_size=48)
    torch.manual_seed(0)
    store.save(tmp_path, build(config).state_dict(), config, {}, {})
    assert resnet_graph._structure.cache_info().misses <= max(traced, 1)
    assert network.load(tmp_path)[0](np.zeros((2, 1, 48, 48), np.float32)).logits.shape == (2, 7)


@pytest.mark.parametrize("spoil", [forget_graph, lambda folder: (folder / GRAPH).write_bytes(b"other")])
def test_without_a_graph_that_passes_pytorch_answers(
    folder: Path, spoil: object, caplog: pytest.LogCaptureFixture
) -> None:
    spoil(folder)  # type: ignore[operator]
    with caplog.at_level(logging.WARNING, "hwr"):
        ask, _ = network.load(folder)
    np.testing.assert_allclose(ask(PIXELS).logits, expected(folder), atol=1e-4)
    [record] = caplog.records
    assert "PyTorch answers instead" in record.getMessage()


def test_without_a_graph_and_without_pytorch_a_sentence_says_so(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    forget_graph(folder)
    monkeypatch.setattr(network, "find_spec", lambda name: None if name == "torch" else ModuleSpec(name, None))
    with pytest.raises(UserError, match=r"has no graph.*PyTorch.*pip install -r requirements-train\.txt"):
        network.load(folder)
    with pytest.raises(UserError, match=r"on the CPU, not on cuda.*pip install"):
        network.load(folder, "cuda")


def test_a_graph_is_added_to_an_older_directory(folder: Path, saved: Path) -> None:
    forget_graph(folder)
    store.add_graph(folder)
    for name in (GRAPH, store.CONFIG):
        assert (folder / name).read_bytes() == (saved / name).read_bytes()


def test_the_bundled_graph_is_small_and_what_its_weights_give() -> None:
    config = store.load(store.BUNDLED)[1]
    session = network.open_session(store.BUNDLED, config)
    pixels = torch.randn(4, 1, config.image_size, config.image_size)
    with torch.inference_mode():
        expected = store.load(store.BUNDLED)[0](pixels).numpy()
    np.testing.assert_allclose(session(pixels.numpy())["logits"], expected, atol=1e-4)
    assert (store.BUNDLED / GRAPH).stat().st_size < 50_000


def test_a_network_of_other_operators_is_saved_without_a_graph(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> bytes:
        raise GraphError("the operator 'Pad', which our graphs do not have")

    monkeypatch.setattr(resnet_graph, "write", refuse)
    config = ModelConfig(tuple("abcde"), "resnet18", TINY, image_size=32)
    store.save(tmp_path, lively("resnet18", TINY).state_dict(), config, {}, {})
    assert not (tmp_path / GRAPH).exists()
    assert "is not written, PyTorch will answer for this model: the operator 'Pad'" in caplog.text
    assert network.load(tmp_path)[0](PIXELS).logits.shape == (3, 5)
