"""A model with a line reader on the Hub: pushed in one commit, and the reader fetched when it is first asked for."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from hub_server import Hub

from hwr import Recognizer, UserError
from hwr.hub import transfer
from hwr.model import store
from hwr.reading.session import READER

REPO = "owner/with-reader"


@pytest.fixture
def word() -> np.ndarray:
    """A canvas with two bars."""
    canvas = np.zeros((80, 160, 4), np.uint8)
    canvas[20:60, 40:46, 3] = canvas[20:60, 90:96, 3] = 255
    return canvas


def fetched(hub: Hub) -> set[str]:
    return {
        request.path.partition("/resolve/")[2].partition("/")[2] for request in hub.log if "/resolve/" in request.path
    }


def test_the_reader_is_pushed_with_the_model_and_fetched_when_it_is_asked_for(
    hub_of_tests: Hub, word: np.ndarray
) -> None:
    transfer.push(store.BUNDLED, REPO)
    hub_of_tests.clear_log()
    recognizer = Recognizer.from_pretrained(REPO)
    assert not any(name.startswith(READER) for name in fetched(hub_of_tests))
    expected = Recognizer.from_pretrained().read(word)
    assert recognizer.read(word) == expected
    assert f"{READER}/model.safetensors" in fetched(hub_of_tests)


def test_a_model_without_a_reader_says_how_to_train_one(hub_of_tests: Hub, word: np.ndarray, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(store.BUNDLED, folder, ignore=shutil.ignore_patterns(READER))
    transfer.push(folder, REPO)
    for model in (REPO, str(folder)):
        with pytest.raises(UserError, match=r"reads single characters only: it has no line reader\. python"):
            Recognizer.from_pretrained(model).read(word)


def test_a_damaged_reader_is_not_pushed(hub_of_tests: Hub, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(store.BUNDLED, folder)
    weights = folder / READER / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"!")
    with pytest.raises(UserError, match=r"model\.safetensors is not what config\.json was written for"):
        transfer.push(folder, REPO)
