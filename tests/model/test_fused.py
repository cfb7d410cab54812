"""resnet.fused and resnet.Answering: the network answers as it did before, whatever timm's ResNet is built of."""

import copy
from typing import Any

import pytest
import torch
from networks import TINY, lively

from hwr.model.resnet import Answering, fused

pytestmark = pytest.mark.numeric

NETWORKS: list[tuple[str, dict[str, Any]]] = [
    ("resnet18", TINY),
    ("resnet18", {**TINY, "stem_type": "deep", "stem_width": 8}),  # as the bundled network
    ("resnet18", {**TINY, "stem_type": "deep_tiered", "replace_stem_pool": True, "output_stride": 8}),
    ("resnet18d", TINY),  # avg_down: a pool before the convolution of the shortcut
    ("resnet50", TINY),
    ("resnet50d", {**TINY, "zero_init_last": False, "act_layer": "silu"}),
    ("resnetblur50", TINY),  # a blur between BatchNorm and the next convolution
    ("resnetaa50", TINY),
    ("seresnet50", TINY),
    ("ecaresnet26t", TINY),
    ("resnext50_32x4d", {"in_chans": 1, "channels": [32, 32, 64, 64]}),  # convolutions in groups
    ("resnetrs50", TINY),
]


def norms(model: torch.nn.Module) -> int:
    return sum(isinstance(module, torch.nn.BatchNorm2d) for module in model.modules())


@pytest.mark.parametrize(("architecture", "args"), NETWORKS, ids=lambda value: value if isinstance(value, str) else "")
@torch.inference_mode()
def test_the_answers_are_those_of_the_network_before(architecture: str, args: dict[str, Any]) -> None:
    model = lively(architecture, args)
    pixels = torch.randn(3, 1, 32, 32)
    expected = model(pixels)
    assert expected.std() > 1e-3, "a network that always says the same proves nothing"
    found = fused(copy.deepcopy(model))
    scale = float(expected.abs().max().clamp_min(1))
    torch.testing.assert_close(found(pixels), expected, atol=1e-4 * scale, rtol=0)
    assert norms(found) == 0


OTHER_LAYERS: list[tuple[str, dict[str, Any]]] = [
    ("resnet18", {**TINY, "norm_layer": "groupnorm1", "act_layer": "gelu"}),
    ("resnet50", {**TINY, "norm_layer": "layernorm2d", "drop_path_rate": 0.5, "drop_rate": 0.5}),
]


@pytest.mark.parametrize("ready", [fused, torch.nn.Module.eval], ids=["fused", "as it is"])
@pytest.mark.parametrize(
    ("architecture", "args"),
    [*NETWORKS, *OTHER_LAYERS],
    ids=lambda value: value if isinstance(value, str) else "",
)
@torch.inference_mode()
def test_features_and_classifier_make_the_network(architecture: str, args: dict[str, Any], ready: Any) -> None:
    model: Any = ready(lively(architecture, args))
    for n in (1, 3):
        pixels = torch.randn(n, 1, 32, 32)
        features, logits = Answering(model)(pixels)
        assert features.ndim == 2
        assert torch.equal(model.get_classifier()(features), logits)
        torch.testing.assert_close(logits, model(pixels))
