"""After training: what the temperature is fitted on."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from hwr.config import ModelConfig
from hwr.data.inkset import InkSet
from hwr.training import calibrate as examine
from hwr.training.datasets import Sets

TINY = ModelConfig(labels=("0", "1"), image_size=8)


def held_out(of_writers: NDArray[np.bool_]) -> InkSet:
    n = len(of_writers)
    images, labels = np.zeros((n, 8, 8), np.uint8), np.zeros(n, np.int64)
    return InkSet("any", images, labels, (("0",),), np.where(of_writers, 0, np.arange(1, n + 1)), of_writers)


@pytest.mark.parametrize(("n", "temperature"), [(20_000, 2.0), (999, 0.5)], ids=["many", "too few"])
def test_the_temperature_is_that_of_strangers(n: int, temperature: float, monkeypatch: pytest.MonkeyPatch) -> None:
    generator = torch.Generator().manual_seed(0)
    count = 40_000
    strangers = torch.arange(count) < n
    honest = torch.randn(count, 2, generator=generator) * 2
    labels = torch.multinomial(honest.softmax(1), 1, generator=generator)[:, 0]
    logits = honest * torch.where(strangers, 2.0, 0.5)[:, None]  # too sure of strangers, unsure of the others
    monkeypatch.setattr(examine, "predict", lambda *_: (logits, torch.eye(2).bool()[labels]))
    val = held_out(strangers.numpy())
    sets = Sets(train=val, val=val, tests={}, removed={}, writers={})
    config, measured = examine.calibrate(torch.nn.Identity(), sets, TINY, torch.device("cpu"))
    assert config.temperature == pytest.approx(temperature, rel=0.1)
    assert measured["validation"]["n"] == count
