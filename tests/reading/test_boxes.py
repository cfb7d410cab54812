"""hwr/reading/boxes.py: characters in the boxes of a form, and characters that stand alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

import hwr
from hwr import Recognizer
from hwr.reading import boxes
from hwr.reading.result import Character, Reading, TextLine, Word

SAMPLE = Path(hwr.__file__).with_name("sample") / "test.npz"
Gray = NDArray[np.uint8]
CASES = Path(__file__).parents[1] / "data" / "cases"
BLACK, RED = (40, 40, 42), (215, 60, 50)


@pytest.fixture(scope="module")
def recognizer() -> Recognizer:
    return Recognizer.from_pretrained()


def cells(*lefts: int, top: int = 10, side: int = 50) -> NDArray[np.int64]:
    return np.array([[left, top, left + side, top + side] for left in lefts], np.int64)


def bar(ink: Gray, left: int, top: int, right: int, bottom: int) -> None:
    ink[top:bottom, left:right] = 255


def named(inks: Sequence[Gray]) -> list[tuple[dict[str, float], bool]]:
    """A model that calls a character by its height in tens of pixels."""
    return [({str(ink.shape[0] // 10): 0.9, "x": 0.1}, True) for ink in inks]


def nothing(ink: Gray) -> Reading:
    return Reading(size=(ink.shape[1], ink.shape[0]))


def not_asked(ink: Gray) -> Reading:
    raise AssertionError("no line is to be read")


def test_a_row_of_boxes_is_a_line_and_empty_boxes_are_nothing() -> None:
    ink = np.zeros((80, 260), np.uint8)
    bar(ink, 30, 20, 36, 53)
    bar(ink, 160, 20, 166, 43)
    reading = boxes.read(ink, cells(10, 70, 130, 190), named, not_asked)
    assert reading.text == "32"
    assert [one.box for one in reading.characters] == [(30, 20, 36, 53), (160, 20, 166, 43)]
    assert reading.words[0].confidence == pytest.approx(0.81)


def test_rows_of_boxes_and_writing_between_them_come_from_top_to_bottom() -> None:
    ink = np.zeros((260, 200), np.uint8)
    bar(ink, 30, 20, 36, 43)
    bar(ink, 30, 190, 36, 223)
    bar(ink, 20, 100, 150, 120)
    line = TextLine("word", (20, 100, 150, 120), 0.9, (Word("word", (20, 100, 150, 120), {}, 0.9, True, ()),))
    found: list[Gray] = []

    def read_lines(rest: Gray) -> Reading:
        found.append(rest)
        return Reading("word", (line,), (200, 260))

    form = np.concatenate([cells(10, 70), cells(10, 70, top=180)])
    assert boxes.read(ink, form, named, read_lines).text == "2\nword\n3"
    assert cv2.boundingRect(found[0]) == (20, 100, 130, 20)


def test_a_character_that_leaves_its_box_stays_whole_and_one_across_two_boxes_is_cut() -> None:
    ink = np.zeros((90, 200), np.uint8)
    bar(ink, 20, 30, 40, 72)
    bar(ink, 80, 30, 140, 32)
    (row,), rest = boxes.form(ink, cells(10, 70, 120))
    assert rest is None
    assert [one.box for one in row] == [(20, 30, 40, 72), (80, 30, 120, 32), (120, 30, 140, 32)]


def test_writing_that_runs_across_squares_is_read_as_lines() -> None:
    ink = np.zeros((90, 200), np.uint8)
    for left in (40, 95, 150):
        bar(ink, left, 20, left + 40, 40)
    rows, rest = boxes.form(ink, cells(10, 60, 110))
    assert rows == [] and rest is ink


def test_what_is_left_of_a_frame_is_no_character() -> None:
    ink = np.zeros((80, 200), np.uint8)
    bar(ink, 10, 10, 14, 40)
    bar(ink, 90, 25, 95, 50)
    (row,), rest = boxes.form(ink, cells(10, 70))
    assert [one.box for one in row] == [(90, 25, 95, 50)] and rest is None


def test_boxes_for_words_are_read_as_lines() -> None:
    ink = np.zeros((80, 300), np.uint8)
    for x in (30, 60, 90):
        bar(ink, x, 20, x + 6, 50)
    wide = np.array([[10, 10, 150, 60], [160, 10, 290, 60]], np.int64)
    rows, rest = boxes.form(ink, wide)
    assert rows == [] and rest is not None
    rows, rest = boxes.form(ink, np.array([[10, 10, 110, 75], [120, 10, 220, 75]], np.int64))
    assert rows == [] and rest is not None, "three characters in one box"


def test_boxes_whose_characters_are_not_sure_are_squares_of_the_paper_and_all_is_read_as_lines() -> None:
    ink = np.zeros((80, 200), np.uint8)
    bar(ink, 30, 20, 36, 53)
    asked: list[Gray] = []

    def lines(ink: Gray) -> Reading:
        asked.append(ink)
        return nothing(ink)

    boxes.read(ink, cells(10, 70), lambda inks: [({"a": 0.1}, False) for _ in inks], lines)
    assert len(asked) == 1 and np.array_equal(asked[0], ink)


@pytest.mark.parametrize("sure", [False, True])
def test_a_character_that_stands_alone_is_sure_only_if_the_character_model_is(sure: bool) -> None:
    ink = np.zeros((80, 100), np.uint8)
    bar(ink, 30, 20, 36, 53)
    read = Reading("1", (TextLine("1", (0, 0, 1, 1), 0.9, (word("1"),)),), (100, 80))
    reading = boxes.read(ink, np.zeros((0, 4), np.int64), lambda _: [({"7": 0.8}, sure)], lambda _: read)
    assert reading.text == ("7" if sure else "1")
    assert reading.words[0].confident is reading.characters[0].confident is sure


def word(text: str) -> Word:
    return Word(text, (0, 0, 1, 1), {text: 0.9}, 0.9, True, (Character((0, 0, 1, 1), {text: 0.9}, True),))


# --- single characters, as the recognizer reads them ---


@pytest.mark.parametrize(
    ("case", "answer"),
    [
        ("broken-strokes", "3"),
        ("framed-cell", "7"),
        ("keyed-transparency", "5"),
        ("rule-eraser-single", "7"),
        ("same-brightness-colours", "5"),
    ],
)
def test_reading_a_single_character_gives_the_same_sure_answer(case: str, answer: str, recognizer: Recognizer) -> None:
    picture = CASES / f"{case}.png"
    assert next(iter(recognizer.top_k(picture, 1, "digits"))) == answer
    reading = recognizer.read(picture, "digits")
    assert reading.text == answer
    assert reading.characters[0].confident


# --- forms as the recognizer reads them ---


def digit(text: str) -> Gray:
    """A handwritten digit, uint8 (56, 56), white on black."""
    sample = np.load(SAMPLE)
    first = int(np.flatnonzero(sample["classes"][sample["labels"]] == text)[0])
    return np.asarray(cv2.resize(sample["images"][first], (56, 56), interpolation=cv2.INTER_CUBIC), np.uint8)


def form(text: str, colour: tuple[int, int, int], gap: int, thick: int = 3) -> Gray:
    """A photo of boxes, or of a comb where there is no gap, with a character each; a space leaves its box empty."""
    side = 90
    picture = np.full((300, 120 + len(text) * (side + gap), 3), 238, np.uint8)
    ink = np.zeros(picture.shape[:2], np.uint8)
    for n, character in enumerate(text):
        x, y = 60 + n * (side + gap), 100
        cv2.rectangle(picture, (x, y), (x + side, y + side), colour, thick)
        if character != " ":
            ink[y + 17 : y + 73, x + 17 : x + 73] = digit(character)
    share = ink[..., None] / 255
    seen = cv2.GaussianBlur(picture * (1 - share) + np.array((35, 45, 110)) * share, (0, 0), 0.8)
    light = np.linspace(1, 0.85, seen.shape[1])[:, None]
    return (seen * light + np.random.default_rng(0).normal(0, 2, seen.shape)).clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize("colour", [BLACK, RED])
@pytest.mark.parametrize("gap", [0, 14])
def test_eight_digits_in_the_boxes_of_a_form_are_read_in_order(
    colour: tuple[int, int, int], gap: int, recognizer: Recognizer
) -> None:
    reading = recognizer.read(form("23456780", colour, gap), "digits")
    assert reading.text == "23456780"
    assert sum(one.confident for one in reading.characters) >= 6


def test_empty_boxes_among_full_ones_leave_no_gap(recognizer: Recognizer) -> None:
    assert recognizer.read(form("2 35  8 ", BLACK, 0), "digits").text == "2358"


@pytest.mark.parametrize("colour", [BLACK, RED])
@pytest.mark.parametrize("gap", [0, 14])
def test_an_empty_form_has_no_text(colour: tuple[int, int, int], gap: int, recognizer: Recognizer) -> None:
    assert recognizer.read(form(" " * 8, colour, gap), "digits") == Reading()
