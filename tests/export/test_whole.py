"""The whole way in one graph: the same fitted ink as `preprocess`, the same answers as `Recognizer`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hwr import Recognizer, UserError
from hwr.config import ModelConfig
from hwr.export import parity, whole
from hwr.model import store
from hwr.model.resnet import build

TINY = ModelConfig(tuple("abcde"), "resnet18", {"in_chans": 1, "channels": [8, 8, 16, 16]}, image_size=32)


@pytest.fixture(scope="module")
def way() -> whole.Whole:
    model, config = store.load(store.BUNDLED)
    return whole.Whole(model, config).eval()


def fitted(way: whole.Whole, canvas: Any) -> Any:
    with torch.inference_mode():
        ink = whole.ink_of(torch.from_numpy(np.ascontiguousarray(np.atleast_3d(canvas))).float())
        return way.fitted(ink).numpy()


def test_sketches_of_all_sizes_are_fitted_as_by_the_preprocessing(way: whole.Whole, recognizer: Recognizer) -> None:
    largest = []
    for canvas in whole.sketches(30):
        seen = recognizer.see(canvas)
        assert seen is not None
        largest.append(np.abs(fitted(way, canvas) - seen.astype(float)).max())
    assert np.median(largest) <= 4
    assert max(largest) <= 60, "a pixel at an edge, where sampling rounds otherwise"


def test_paper_and_ink_are_told_apart_in_every_form(way: whole.Whole) -> None:
    drawn = next(whole.sketches(2))
    ink = 255 - drawn
    opaque = np.dstack([drawn] * 3 + [np.full_like(drawn, 255)])
    transparent = np.dstack([np.zeros_like(opaque[..., :3]), ink])
    expected = fitted(way, drawn)
    for form in (ink, opaque, transparent):
        np.testing.assert_allclose(fitted(way, form), expected, atol=1)


def test_a_blank_canvas_has_no_probabilities(way: whole.Whole) -> None:
    with torch.inference_mode():
        for blank in (torch.zeros(50, 60, 4), torch.full((50, 60, 1), 255)):
            assert not way(blank.to(torch.uint8)).any()


def test_a_model_of_plain_pictures_is_refused() -> None:
    config = ModelConfig(("a", "b"), ink=False)
    with pytest.raises(UserError, match="plain pictures"):
        whole.content(torch.nn.Identity(), config)


def test_a_file_that_answers_otherwise_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(whole, "content", lambda *_: b"")
    monkeypatch.setattr(whole, "check", lambda *_: parity.Parity(1000, 0.5, 0.9))
    with pytest.raises(UserError, match=r"agrees with Recognizer on 90\.00% .* differs by up to 0\.5"):
        whole.write(store.BUNDLED, tmp_path / "whole.onnx")
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_the_file_answers_as_the_recognizer_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    store.save(tmp_path, build(TINY).state_dict(), TINY, {}, {})
    monkeypatch.setattr(whole, "SKETCHES", 60)
    found = whole.write(tmp_path)
    assert found.agreement == 1
    assert found.largest_difference < whole.TOLERANCE
    assert (tmp_path / whole.NAME).stat().st_size > 10_000
