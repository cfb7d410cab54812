"""engine.best: ONNX Runtime answers as PyTorch does, or PyTorch answers itself."""

import copy
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import torch
from test_fused import NETWORKS, TINY, lively
from torch.nn import functional as F

from hwr import Recognizer
from hwr.export.parity import PICTURES, pictures
from hwr.model import engine
from hwr.model.resnet import features_of, fused

pytestmark = pytest.mark.numeric

TRANSLATED = [*NETWORKS[:3], NETWORKS[4], NETWORKS[10]]


HEAD = torch.nn.Linear(4, 3)


def parts(architecture: str = "resnet18", args: dict[str, Any] = TINY) -> tuple[torch.fx.GraphModule, torch.nn.Module]:
    """A network as a line of functions, and its classifier."""
    model = fused(lively(architecture, args))
    return features_of(model), model.get_submodule("fc")


def require_pytorch(line: torch.fx.GraphModule, head: torch.nn.Module) -> None:
    assert engine.best(line, head).features is line


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
def test_features_and_logits_are_those_of_pytorch(architecture: str, args: dict[str, Any]) -> None:
    line, head = parts(architecture, args)
    found = engine.best(line, head)
    assert ((architecture, args) in TRANSLATED) == (found.features is not line)
    for n, side in ((1, 32), (3, 32), (2, 48), (engine.MANY + 1, 32)):
        pixels = torch.randn(n, 1, side, side)
        expected = line(pixels)
        scale = float(expected.abs().max().clamp_min(1))
        torch.testing.assert_close(found.features(pixels), expected, atol=1e-5 * scale, rtol=0)
        torch.testing.assert_close(found.logits(pixels), head(expected), atol=1e-5 * scale, rtol=0)


@torch.inference_mode()
@pytest.mark.parametrize("ours", [True, False])
def test_another_classifier_is_asked_of_the_same_features(ours: bool) -> None:
    line, head = parts()
    network = engine.best(line, head) if ours else engine.by_pytorch(line, head)
    other, pixels = torch.nn.Linear(head.in_features, 2), torch.randn(3, 1, 32, 32)
    found = network.with_head(other)
    assert found.features is network.features
    torch.testing.assert_close(found.logits(pixels), other(line(pixels)), atol=1e-5, rtol=0)


@torch.inference_mode()
def test_a_classifier_may_have_no_bias() -> None:
    line, head = parts()
    plain, pixels = torch.nn.Linear(head.in_features, 5, bias=False), torch.randn(3, 1, 32, 32)
    found = engine.best(line, plain)
    assert found.features is not line
    torch.testing.assert_close(found.logits(pixels), plain(line(pixels)), atol=1e-5, rtol=0)


def test_another_kind_of_classifier_is_left_to_pytorch() -> None:
    line, head = parts()
    require_pytorch(line, torch.nn.Sequential(head))


def test_nothing_that_is_asked_can_be_learnt_from() -> None:
    line, head = parts()
    for network in (engine.best(line, head), engine.by_pytorch(line, head)):
        assert not network.logits(torch.randn(1, 1, 32, 32)).requires_grad


@torch.inference_mode()
@pytest.mark.parametrize("bias", [True, False])
def test_a_convolution_may_have_a_bias_or_none(bias: bool) -> None:
    line = torch.fx.symbolic_trace(Convolved(bias))
    found, pixels = engine.best(line, torch.nn.Linear(256, 3)).features, torch.randn(2, 1, 8, 8)
    assert found is not line
    torch.testing.assert_close(found(pixels), line(pixels), atol=1e-5, rtol=0)


def test_what_is_added_to_all_pixels_is_left_to_pytorch() -> None:
    class Brighter(torch.nn.Module):
        def forward(self, pixels: torch.Tensor) -> torch.Tensor:
            return pixels + 1

    require_pytorch(torch.fx.symbolic_trace(Brighter()), HEAD)


@torch.inference_mode()
def test_the_bundled_model_answers_as_with_pytorch() -> None:
    ours = Recognizer.from_pretrained()
    plain = copy.copy(ours)
    plain._network = engine.by_pytorch(features_of(ours.model), ours.head)
    assert not isinstance(ours._network.features, torch.nn.Module)
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
    line, head = parts()
    found = engine.best(line, head).features
    asked = [torch.randn(2, 1, 32, 32) for _ in range(40)]
    with ThreadPoolExecutor(8) as pool:
        for pixels, features in zip(asked, pool.map(found, asked), strict=True):
            torch.testing.assert_close(features, line(pixels), atol=1e-4, rtol=0)


def test_the_answer_is_the_caller_s_own() -> None:
    found = engine.best(*parts()).logits
    first = found(torch.ones(1, 1, 32, 32))
    kept = first.clone()
    found(torch.zeros(1, 1, 32, 32))
    assert torch.equal(first, kept)


def test_a_change_in_place_that_others_would_see_is_left_to_pytorch() -> None:
    class Twice(torch.nn.Module):
        def forward(self, pixels: torch.Tensor) -> torch.Tensor:
            before = pixels + pixels
            return F.relu(before, inplace=True) + before

    require_pytorch(torch.fx.symbolic_trace(Twice()), HEAD)


@pytest.mark.parametrize("change", [torch.nn.Module.double, lambda line: line.to("meta")], ids=["float64", "elsewhere"])
def test_other_numbers_and_places_are_left_to_pytorch(change: Any) -> None:
    line, head = parts()
    require_pytorch(change(line), head)


def test_what_is_too_large_to_be_held_twice_is_left_to_pytorch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "LARGEST", 1000)
    require_pytorch(*parts())


def test_what_onnx_runtime_refuses_is_left_to_pytorch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "IR_VERSION", 1000)  # as a runtime older than the graph sees it
    require_pytorch(*parts())
