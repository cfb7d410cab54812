"""hwr/evaluation/lines.py: error rates of a line reader, per writer, and its worst lines as a picture."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from hwr.config import UserError
from hwr.evaluation import lines
from hwr.evaluation.lines import Answer

INK = np.full((20, 60), 255, np.uint8)
ANSWERS = [
    Answer(INK, "Hello", "hello", "a"),
    Answer(INK, "world", "word", "a"),
    Answer(INK, "38", "38", "b"),
    Answer(INK, "x", "yy", ""),
]


def test_rates_are_counted_with_and_without_case() -> None:
    found = lines.measures(ANSWERS)
    assert (found["n"], found["exact"], found["exact_with_case"]) == (4, 0.5, 0.25)
    assert found["character_error_rate"] == pytest.approx(3 / 13)
    assert found["exact_low"] < 0.5 < found["exact_high"]


def test_writers_are_listed_worst_first_and_unknown_ones_left_out() -> None:
    found = lines.by_writer(ANSWERS)
    assert list(found) == ["a", "b"]
    assert found["a"] == {"n": 2, "character_error_rate": pytest.approx(0.1)}


def test_a_report_of_held_out_writers_is_written(tmp_path: Path) -> None:
    found = lines.evaluate(["sample"], "bundled", tmp_path / "report", tmp_path, limit=12, held_out=True)
    assert found["n"] == 12
    written = json.loads((tmp_path / "report" / lines.RESULTS).read_text())
    assert written["character_error_rate"] == found["character_error_rate"]
    assert "| exact |" in (tmp_path / "report" / lines.TABLES).read_text()
    picture = cv2.imread(str(tmp_path / "report" / lines.WORST))
    assert picture is not None and picture.shape[:2] == (12 * (lines.STRIP + lines.TEXT), lines.WIDTH)


def test_a_model_without_a_reader_cannot_be_measured(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="has no line reader: python"):
        lines.evaluate(["sample"], str(tmp_path), tmp_path / "report", tmp_path, 1, False)
