"""report.py: the picture of a training's curves."""

import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from hwr.evaluation.curves import DPI, SIZE, TRAINING, VALIDATION, best_epoch, learning_curves


def history(epochs: int) -> list[dict[str, float]]:
    return [
        {
            "epoch": n,
            "loss": 2 / n,
            "accuracy": 1 - 0.6 / n,
            "lr": 0.003 / n,
            "val_loss": 1.5 / n,
            "val_accuracy": 1 - 0.5 / n,
            "images_per_s": 1000.0,
        }
        for n in range(1, epochs + 1)
    ]


def without(lines: list[dict[str, float]], *names: str) -> list[dict[str, float]]:
    return [{k: v for k, v in line.items() if k not in names} for line in lines]


def pixels(content: bytes) -> NDArray[np.uint8]:
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))


def count(picture: NDArray[np.uint8], colour: str) -> int:
    """Pixels of exactly this colour."""
    wanted = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    return int((picture == wanted).all(2).sum())


def test_the_picture_is_a_png_of_1200_by_500_with_both_curves() -> None:
    content = learning_curves(history(12), "digits")
    assert content.startswith(b"\x89PNG")
    picture = pixels(content)
    assert picture.shape == (SIZE[1] * DPI, SIZE[0] * DPI, 3) == (500, 1200, 3)
    assert count(picture, TRAINING) > 500 and count(picture, VALIDATION) > 500
    left, right = picture[:, :600], picture[:, 600:]
    assert min(count(half, colour) for half in (left, right) for colour in (TRAINING, VALIDATION)) > 100


def test_a_single_epoch_is_drawn_as_points() -> None:
    picture = pixels(learning_curves(history(1), "one"))
    assert picture.shape == (500, 1200, 3)
    assert count(picture, TRAINING) > 30 and count(picture, VALIDATION) > 30


def test_without_validation_only_training_is_drawn() -> None:
    picture = pixels(learning_curves(without(history(5), "val_loss", "val_accuracy"), "all data"))
    assert count(picture, TRAINING) > 500 and count(picture, VALIDATION) == 0


def test_without_any_epoch_the_panels_are_empty() -> None:
    for lines in ([], [{"epoch": 1}]):
        picture = pixels(learning_curves(lines, "nothing"))
        assert picture.shape == (500, 1200, 3)
        assert count(picture, TRAINING) == count(picture, VALIDATION) == 0


@pytest.mark.parametrize("name", ["loss", "accuracy", "lr", "val_loss", "val_accuracy", "images_per_s"])
def test_anything_may_be_missing_or_unknown_and_then_changes_the_picture(name: str) -> None:
    full = learning_curves(history(4), "a run")
    missing = learning_curves(without(history(4), name), "a run")
    assert missing != full
    assert learning_curves([line | {name: None} for line in history(4)], "a run") == missing


def test_a_gap_in_the_middle_is_left_open() -> None:
    lines = history(6)
    lines[2]["val_loss"] = float("nan")
    gap = learning_curves(lines, "gap")
    assert gap != learning_curves(history(6), "gap")
    lines[2]["val_loss"] = float("inf")
    assert learning_curves(lines, "gap") == gap


def test_the_same_history_gives_the_same_bytes() -> None:
    assert learning_curves(history(3), "twice") == learning_curves(history(3), "twice")


@pytest.mark.parametrize("title", ["", "$", "$\\frac{", "手書き", "word " * 100])
def test_any_title_is_drawn_as_it_is(title: str) -> None:
    assert pixels(learning_curves(history(2), title)).shape == (500, 1200, 3)


def test_hundreds_of_epochs_are_drawn_without_markers() -> None:
    assert pixels(learning_curves(history(300), "long")).shape == (500, 1200, 3)


def test_the_best_epoch_is_that_of_the_best_accuracy_and_then_of_the_lower_loss() -> None:
    lines: list[dict[str, float]] = [
        {"val_accuracy": 0.9, "val_loss": 0.1},
        {"val_accuracy": 0.95},
        {"val_accuracy": 0.95, "val_loss": 0.3},
        {"val_accuracy": 0.95, "val_loss": 0.2},
        {"val_accuracy": float("nan"), "val_loss": 0.0},
    ]
    assert best_epoch(lines) == 3
    assert best_epoch([{"loss": 1.0}]) is None and best_epoch([]) is None


def test_pyplot_and_its_global_state_are_not_loaded() -> None:
    script = "import sys, hwr.evaluation.curves; print('matplotlib.pyplot' in sys.modules)"
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=root)
    assert done.stdout.split() == ["False"]
