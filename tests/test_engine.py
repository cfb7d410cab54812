"""engine.best: ONNX Runtime answers as PyTorch does, or PyTorch answers itself."""

import copy
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from hwr import Recognizer, engine
from hwr.model import features_of, fused
from hwr.parity import PICTURES, pictures
from tests.test_fused import NETWORKS, TINY, lively

TRANSLATED = [*NETWORKS[:3], NETWORKS[4], NETWORKS[10]]


def straight(architecture: str = "resnet18", args: dict[str, Any] = TINY) -> torch.fx.GraphModule:
    return features_of(fused(lively(architecture, args)))


class Convolved(torch.nn.Module):
    """One convolution, as a function of its weights."""

    def __init__(self, bias: bool) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.randn(4, 1, 3, 3))
        self.bias = torch.nn.Parameter(torch.randn(4)) if bias else None
        self.flatten = torch.nn.Flatten()

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return self.flatten(torch.conv2d(pixels, self.weight, self.bias, (1, 1), (1, 1), (1, 1), 1))


@pytest.mark.parametrize(("architecture", "args"), NETWORKS, ids=lambda value: value if isinstance(value, str) else "")
@torch.inference_mode()
def test_features_are_those_of_pytorch(architecture: str, args: dict[str, Any]) -> None:
    line = straight(architecture, args)
    found = engine.best(line)
    assert ((architecture, args) in TRANSLATED) == (found is not line)
    for n, side in ((1, 32), (3, 32), (2, 48), (engine.MANY + 1, 32)):
        pixels = torch.randn(n, 1, side, side)
        expected = line(pixels)
        scale = float(expected.abs().max().clamp_min(1))
        torch.testing.assert_close(found(pixels), expected, atol=1e-5 * scale, rtol=0)


@torch.inference_mode()
@pytest.mark.parametrize("bias", [True, False])
def test_a_convolution_may_have_a_bias_or_none(bias: bool) -> None:
    line = torch.fx.symbolic_trace(Convolved(bias))
    found, pixels = engine.best(line), torch.randn(2, 1, 8, 8)
    assert found is not line
    torch.testing.assert_close(found(pixels), line(pixels), atol=1e-5, rtol=0)


def test_what_is_added_to_all_pixels_is_left_to_pytorch() -> None:
    class Brighter(torch.nn.Module):
        def forward(self, pixels: torch.Tensor) -> torch.Tensor:
            return pixels + 1

    line = torch.fx.symbolic_trace(Brighter())
    assert engine.best(line) is line


@torch.inference_mode()
def test_the_bundled_model_answers_as_with_pytorch() -> None:
    ours = Recognizer.from_pretrained()
    plain = copy.copy(ours)
    plain._features = features_of(ours.model)
    assert not isinstance(ours._features, torch.nn.Module)
    seen = pictures(ours.config).ink
    assert len(seen) >= PICTURES
    one, other = ours._batched(seen), plain._batched(seen)
    np.testing.assert_allclose(one, other, atol=1e-4, rtol=0)
    np.testing.assert_array_equal(one.argmax(1), other.argmax(1))
    for picture in seen[:20]:
        found, expected = ours.answer(picture), plain.answer(picture)
        assert found.probabilities == pytest.approx(expected.probabilities, abs=1e-4)
        assert found.confident == expected.confident


@torch.inference_mode()
def test_several_threads_may_ask_at_once() -> None:
    line = straight()
    found = engine.best(line)
    asked = [torch.randn(2, 1, 32, 32) for _ in range(40)]
    with ThreadPoolExecutor(8) as pool:
        for pixels, features in zip(asked, pool.map(found, asked), strict=True):
            torch.testing.assert_close(features, line(pixels), atol=1e-4, rtol=0)


def test_the_answer_is_the_caller_s_own() -> None:
    found = engine.best(straight())
    first = found(torch.ones(1, 1, 32, 32))
    kept = first.clone()
    found(torch.zeros(1, 1, 32, 32))
    assert torch.equal(first, kept)


def test_a_change_in_place_that_others_would_see_is_left_to_pytorch() -> None:
    class Twice(torch.nn.Module):
        def forward(self, pixels: torch.Tensor) -> torch.Tensor:
            before = pixels + pixels
            return F.relu(before, inplace=True) + before

    line = torch.fx.symbolic_trace(Twice())
    assert engine.best(line) is line


@pytest.mark.parametrize("change", [torch.nn.Module.double, lambda line: line.to("meta")], ids=["float64", "elsewhere"])
def test_other_numbers_and_places_are_left_to_pytorch(change: Any) -> None:
    line = change(straight())
    assert engine.best(line) is line


def test_what_is_too_large_to_be_held_twice_is_left_to_pytorch(monkeypatch: pytest.MonkeyPatch) -> None:
    line = straight()
    monkeypatch.setattr(engine, "LARGEST", 1000)
    assert engine.best(line) is line


def test_what_onnx_runtime_refuses_is_left_to_pytorch(monkeypatch: pytest.MonkeyPatch) -> None:
    line = straight()
    monkeypatch.setattr(engine, "IR_VERSION", 1000)  # as a runtime older than the graph sees it
    assert engine.best(line) is line
