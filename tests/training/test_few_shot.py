"""few_shot.py: a few pictures of new characters change the classifier of a trained network, and nothing else."""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

import train
from hwr import Recognizer, cli
from hwr.data.doodles import TURN, by_hand, circle
from hwr.ink.strokes import draw, place
from hwr.training.options import TrainConfig
from hwr.training.recipes import RECIPES

pytestmark = pytest.mark.numeric

ROOT = Path(__file__).parents[2]
Drawn = list[NDArray[np.float64]]


def check_mark(rng: np.random.Generator) -> Drawn:
    return [np.array([(0, rng.normal(0.6, 0.05)), (rng.uniform(0.2, 0.4), 1), (1, rng.uniform(-0.1, 0.2))])]


def smiley(rng: np.random.Generator) -> Drawn:
    face = circle(np.linspace(0, TURN * rng.uniform(0.95, 1.05), 30) + rng.uniform(0, TURN)) * 0.5 + 0.5
    apart = rng.uniform(0.12, 0.2)
    eyes = [np.array([[x, 0.35], [x, rng.uniform(0.37, 0.47)]]) for x in (0.5 - apart, 0.5 + apart)]
    mouth = circle(np.linspace(0.15, 0.85, 12) * TURN / 2) * rng.uniform(0.22, 0.32) + [0.5, 0.55]
    return [face, *eyes, mouth]


def picture(kind: Callable[[np.random.Generator], Drawn], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Black on white, of a random size, with a random pen."""
    side = rng.uniform(80, 160)
    width = side * rng.uniform(0.04, 0.1)
    margin = int(width) + 2
    strokes = place(by_hand(kind(rng), rng), (margin, margin, side))
    return 255 - draw(strokes, (int(side) + 2 * margin,) * 2, width)


def test_five_check_marks_and_five_smileys_teach_to_read_others_surely(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    kinds = {"\u2713": check_mark, "\u263a": smiley}
    rng = np.random.default_rng(0)
    for label, kind in kinds.items():
        (tmp_path / "mine" / label).mkdir(parents=True)
        for i in range(5):
            Image.fromarray(picture(kind, rng)).save(tmp_path / "mine" / label / f"{i}.png")
    out = tmp_path / "model"
    flags = ["--recipe", "personal", "--data", str(tmp_path / "mine"), "--device", "cpu", "--out", str(out)]
    monkeypatch.setattr(sys, "argv", ["train.py", *flags])
    cli.run(train.main, TrainConfig, train.__doc__, RECIPES)
    assert capsys.readouterr().out.splitlines()[-1] == "reads 10 of your 10 pictures now, 0 before"

    bundled, mine = Recognizer.from_pretrained(), Recognizer.from_pretrained(out)
    assert mine.config.rejection_threshold == bundled.config.rejection_threshold
    for label, kind in kinds.items():
        others = [picture(kind, rng) for _ in range(20)]
        read = [next(iter(mine.top_k(other, 1))) == label and mine.is_confident(other) for other in others]
        assert sum(read) >= 16, f"{sum(read)} of 20 {label}"
    scribbles = [255 - np.pad(rng.integers(0, 2, (9, 9), np.uint8).repeat(8, 0).repeat(8, 1) * 255, 20)]
    assert not any(map(mine.is_confident, scribbles))
    for name in ("2", "5", "8"):
        file = ROOT / "examples" / f"{name}.png"
        assert mine.top_k(file, 1).keys() == bundled.top_k(file, 1).keys()
