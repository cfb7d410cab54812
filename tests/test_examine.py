"""After training: what the temperature is fitted on."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from hwr import examine
from hwr.config import ModelConfig
from hwr.data import InkSet
from hwr.prepare import Sets

TINY = ModelConfig(labels=("0", "1"), image_size=8)


def held_out(groups: NDArray[np.int64]) -> InkSet:
    n = len(groups)
    return InkSet("any", np.zeros((n, 8, 8), np.uint8), np.zeros(n, np.int64), (("0",),), groups)


def test_writers_are_told_from_single_samples() -> None:
    writers, single = np.repeat([0, 1], [600, 500]), np.arange(2, 3000)
    assert examine.of_strangers(held_out(np.concatenate([writers, single]))).tolist() == [True] * 1100 + [False] * 2998


@pytest.mark.parametrize("groups", [np.arange(3000), np.repeat(np.arange(1500), 2), np.repeat([0, 1, 2], [300, 2, 9])])
def test_where_few_writers_are_known_all_samples_count(groups: NDArray[np.int64]) -> None:
    assert examine.of_strangers(held_out(groups)).all()


def test_the_temperature_is_that_of_strangers(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = torch.Generator().manual_seed(0)
    n = 20_000
    strangers = torch.arange(2 * n) < n
    honest = torch.randn(2 * n, 2, generator=generator) * 2
    labels = torch.multinomial(honest.softmax(1), 1, generator=generator)[:, 0]
    logits = honest * torch.where(strangers, 2.0, 0.5)[:, None]  # too sure of strangers, unsure of the others
    monkeypatch.setattr(examine, "predict", lambda *_: (logits, torch.eye(2).bool()[labels]))
    val = held_out(np.concatenate([np.zeros(n, np.int64), np.arange(1, n + 1)]))
    sets = Sets(val, val, {}, {}, {})
    config, measured = examine.calibrate(torch.nn.Identity(), sets, TINY, torch.device("cpu"))
    assert config.temperature == pytest.approx(2, rel=0.1)
    assert measured["validation"]["n"] == 2 * n
