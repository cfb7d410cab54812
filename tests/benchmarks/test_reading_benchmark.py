"""benchmarks/reading.py and language.py: how often lines of held-out writers are read, and how that is counted."""

from __future__ import annotations

import string
from pathlib import Path

import numpy as np
import pytest

from benchmarks import language, reading
from hwr.data.lines import sources
from hwr.data.lines.composing import Hand, Line, hand_of, is_held_out
from hwr.data.lines.sampling import GAPS
from hwr.reading.config import PRINTABLE

RNG = np.random.default_rng


def bars() -> Hand:
    """A hand that writes every character as a bar and a foot."""
    strokes: Line = [np.array([[0, 0], [0, 100], [30, 100]], np.float32)]
    return hand_of([(character, strokes) for character in string.digits + string.ascii_letters])


def test_lines_of_held_out_writers_alone_are_read() -> None:
    options = reading.Options(data="sample", n=1000)
    lines = sources.read("sample", options.write or Path(), PRINTABLE)
    assert isinstance(lines, sources.Lines)
    texts = {text for text, writer in zip(lines.texts, lines.writers, strict=True) if is_held_out(writer)}
    kinds = dict(reading.kinds(options, RNG(0)))
    assert set(kinds) == {"words", "numbers", "lines of text"}
    assert {written.text for some in kinds.values() for written in some} <= texts
    assert all(text.isalpha() for text in (written.text for written in kinds["words"]))


def test_strings_are_composed_of_one_kind_of_character() -> None:
    for kind, pool in (("digits", string.digits), ("letters", string.ascii_letters)):
        written = reading.composed([bars()], kind, GAPS["apart"], RNG(1))
        assert set(written.text) <= set(pool) and 2 <= len(written.text) <= 8
        assert written.ink.max() == 255


def test_a_line_counts_where_wholly_right_whatever_the_case() -> None:
    lines = [reading.Written(np.zeros((4, 4), np.uint8), text) for text in ("Hello", "You", "38", "1")]
    answers = iter(["hello", "yon", "3 8", "1"])
    found = reading.measure(lines, lambda ink, alphabet: next(answers), "digits", "stub")
    assert found["n"] == 4 and found["exact"] == 0.75
    assert found["character_error_rate"] == pytest.approx(1 / 11)
    assert found["exact_low"] < 0.75 < found["exact_high"]


def test_the_table_has_a_row_for_every_kind_and_reader() -> None:
    row = {"n": 5, "exact": 0.8, "exact_low": 0.4, "exact_high": 0.9, "character_error_rate": 0.1, "ms": 7.0}
    lines = reading.table({"words": {"hwr": row, "RapidOCR": row}}).split("\n")
    assert len(lines) == 4
    assert lines[3].startswith("| words, RapidOCR | 5 | 80.0% |")


def test_the_weight_of_words_is_chosen_on_one_half_and_shown_on_the_other(capsys: pytest.CaptureFixture[str]) -> None:
    halves = [{w for w in map(str, range(500)) if reading.half_of(half)(w)} for half in (0, 1)]
    assert halves[0] | halves[1] == {w for w in map(str, range(500)) if is_held_out(w)}
    assert not halves[0] & halves[1]
    language.main(reading.Options("sample", n=2))
    shown = capsys.readouterr().out
    assert shown.count("weight") == len(language.WEIGHTS) * len(language.BONUSES) + 1  # the grid, and the choice
    assert "with words: words" in shown and "without: words" in shown
