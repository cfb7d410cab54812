"""hwr/data/composing.py and benchmarks/reading.py: several characters of one hand, and how often they are read."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks import photos, reading
from hwr import Recognizer
from hwr.config import DIGITS, LOWER, UPPER, UserError
from hwr.data import composing, sources
from hwr.data.composing import Composed, Gap
from hwr.model import store

PENS = Path(__file__).parents[1] / "data" / "pens.npz"
LETTERS = UPPER + LOWER


@pytest.fixture(scope="module")
def hands() -> list[composing.Hand]:
    return composing.hands(sources.read(str(PENS), "test", Path()), DIGITS + LETTERS)


def made(hands: list[composing.Hand], seed: int, gap: Gap = "near", lines: int = 1) -> Composed:
    return composing.compose(hands[seed % len(hands)], np.random.default_rng(seed), gap, lines)


@pytest.mark.parametrize("gap", ["wide", "near"])
def test_ink_of_characters_apart_shares_no_component(hands: list[composing.Hand], gap: Gap) -> None:
    for seed in range(16):
        composed = made(hands, seed, gap, lines=1 + seed % 3)
        parts = cv2.connectedComponents((composed.picture > 0).astype(np.uint8))[0] - 1
        alone = sum(cv2.connectedComponents((ink > 0).astype(np.uint8))[0] - 1 for ink in composed.alone)
        assert composed.touching == 0
        assert parts == alone, "two characters have grown together"


def test_touching_ink_has_fewer_components_than_its_characters(hands: list[composing.Hand]) -> None:
    pairs = touching = 0
    for seed in range(24):
        composed = made(hands, seed, "touching")
        parts = cv2.connectedComponents((composed.picture > composing.SOLID).astype(np.uint8))[0]
        alone = sum(cv2.connectedComponents((ink > composing.SOLID).astype(np.uint8))[0] - 1 for ink in composed.alone)
        assert 1 <= composed.touching < len(composed.text)
        assert parts - 1 < alone
        pairs, touching = pairs + len(composed.text) - 1, touching + composed.touching
    assert touching > 0.75 * pairs


def test_boxes_are_around_the_ink_in_the_order_of_the_text(hands: list[composing.Hand]) -> None:
    composed = made(hands, 3, "wide", lines=2)
    first, second = composed.text.split("\n")
    assert len(composed.boxes) == len(composed.alone) == len(first) + len(second)
    assert sorted(composed.boxes[: len(first)]) == list(composed.boxes[: len(first)]), "from left to right"
    assert max(box[3] for box in composed.boxes[: len(first)]) <= min(box[1] for box in composed.boxes[len(first) :])
    for (left, top, right, bottom), ink in zip(composed.boxes, composed.alone, strict=True):
        solid = ink > composing.SOLID
        assert (composed.picture[top:bottom, left:right] > composing.SOLID).sum() >= solid.sum()
        assert (bottom - top, right - left) == tuple(np.ptp(np.nonzero(solid), axis=1) + 1)


def test_a_string_is_one_hand_and_the_same_whenever_composed(hands: list[composing.Hand]) -> None:
    for seed in range(16):
        composed, again = made(hands, seed), made(hands, seed)
        assert set(composed.text) <= set(hands[seed % len(hands)].names)
        assert composing.LENGTHS[0] <= len(composed.text) <= composing.LENGTHS[1]
        np.testing.assert_array_equal(composed.picture, again.picture)


def test_descenders_hang_below_the_baseline() -> None:
    upright = [np.array([[0, 0], [0, 20]])]
    tall = [np.array([[0, 0], [0, 40]])]
    hand = composing.hand_of(["n", "p", "h"], [upright, tall, tall])
    low = [one.top + len(one.ink) for one in (drawn(hand, i) for i in range(3))]
    assert low[1] - low[0] > 30
    assert abs(low[2] - low[0]) < 20


def drawn(hand: composing.Hand, i: int) -> composing.Placed:
    return composing.character(hand, i, 100.0, 8.0, 0.0, np.random.default_rng(0))


def test_photos_are_of_phones_size_and_the_same_whenever_taken(hands: list[composing.Hand]) -> None:
    ink = made(hands, 1).picture
    pictures = [photos.photo(ink, np.random.default_rng(seed)) for seed in (1, 1, 2)]
    for picture in pictures:
        assert picture.dtype == np.uint8
        assert picture.shape[2] == 3
        assert photos.SIZES[0] <= picture.shape[1] < photos.SIZES[1]
    np.testing.assert_array_equal(pictures[0], pictures[1])
    assert pictures[0].shape != pictures[2].shape
    sheet = photos.contact_sheet([ink, *pictures], columns=3, side=100)
    assert sheet.size == (300, 200)


@dataclass(frozen=True)
class Said:
    text: str


class Stub:
    """Reads every string as what it is told to, and single characters as the bundled model does."""

    def __init__(self, model: Recognizer, texts: list[str]) -> None:
        self.texts, self.labels, self.probabilities = iter(texts), model.labels, model.probabilities
        self.shapes: list[tuple[int, ...]] = []

    def read(self, image: NDArray[np.uint8], alphabet: str) -> Said:
        self.shapes.append(image.shape)
        return Said(next(self.texts))


def measured(model: Recognizer, row: reading.Row, change: Any) -> dict[str, Any]:
    texts = [change(i, composed.text.upper()) for i, (composed, _) in enumerate(reading.strings(row))]
    stub: Any = Stub(model, texts)
    return reading.measure(stub, row) | {"shapes": stub.shapes}


@pytest.fixture
def row(hands: list[composing.Hand]) -> reading.Row:
    letters = composing.hands(sources.read(str(PENS), "test", Path()), LETTERS)
    return reading.Row("letters", letters, "letters", 8)


def test_strings_count_where_wholly_right_whatever_the_case_and_the_spaces(
    recognizer: Recognizer, row: reading.Row
) -> None:
    found = measured(recognizer, row, lambda i, text: " ".join(text) if i % 2 else text[:-1])
    assert found["by_gap"] == {"wide": 0.0, "near": 1.0}
    assert found["right"] == found["counted"] == 0.5
    assert found["right_low"] < 0.5 < found["right_high"]
    assert 0 <= found["expected"] <= found["single"] <= 1
    assert {len(shape) for shape in found["shapes"]} == {2, 3}, "black on white, and layers"


def test_the_right_number_of_wrong_characters_is_no_string_read(recognizer: Recognizer, row: reading.Row) -> None:
    found = measured(recognizer, row, lambda i, text: "?" * len(text))
    assert (found["right"], found["counted"]) == (0.0, 1.0)


def test_perfect_segmentation_is_expected_to_err_as_often_as_its_characters(
    recognizer: Recognizer, row: reading.Row, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "read_alone", lambda recognizer, made, *_: np.arange(len(made.alone)) > 0)
    found = measured(recognizer, row, lambda i, text: text)
    lengths = [len(composed.text) for composed, _ in reading.strings(row)]
    single = 1 - len(lengths) / sum(lengths)
    assert found["single"] == pytest.approx(single)
    assert found["expected"] == pytest.approx(np.mean([single**length for length in lengths]))
    assert found["all_single"] == 0.0


def test_samples_without_writers_are_one_hand_with_their_neighbours(tmp_path: Path) -> None:
    with np.load(PENS) as pens:
        np.savez(tmp_path / "nameless.npz", **{key: pens[key] for key in pens.files if key != "writer"})
    source = sources.read(str(tmp_path / "nameless.npz"), "test", Path())
    found = composing.hands(source, DIGITS + LETTERS)
    assert len(found) == len(source) // composing.NEIGHBOURS
    assert max(len(hand.names) for hand in found) == composing.NEIGHBOURS


def test_samples_of_quite_another_size_are_left_out() -> None:
    line = [np.array([(0.0, 0.0), (0.0, 1.0)])]
    sizes = [10.0, 12.0, 11.0, 100.0, 1.0, 55.0]
    assert composing.of_one_size([0, 1, 2, 3, 4, 5], lambda i: [line[0] * sizes[i]]) == [0, 1, 2, 5]
    assert composing.of_one_size([], lambda i: line) == []


def test_only_writers_that_the_model_never_saw_are_read(tmp_path: Path) -> None:
    pens = sources.read(str(PENS), "test", Path())
    writers = np.unique(pens.groups).tolist()
    notes = {"hwr": {"held_out": {"pens": [writers[0], 9999], "others": [writers[1]]}}}
    (tmp_path / store.CONFIG).write_text(json.dumps(notes))
    assert reading.held_out(tmp_path, pens) == [writers[0]]
    assert len(composing.hands(pens, DIGITS + LETTERS, [writers[0]])) == 1
    (tmp_path / store.CONFIG).write_text(json.dumps({"hwr": {}}))
    with pytest.raises(UserError, match="kept out of its training"):
        reading.held_out(tmp_path, pens)


def test_pictures_are_no_pens() -> None:
    with pytest.raises(UserError, match="expected pen trajectories"):
        composing.hands(sources.read("sample", "test", Path()), DIGITS)


def test_the_table_has_a_line_of_each_kind_of_string(recognizer: Recognizer, row: reading.Row) -> None:
    lines = reading.table({row.name: measured(recognizer, row, lambda i, text: text)}).split("\n")
    assert len({line.count("|") for line in lines}) == 1
    assert lines[2].startswith("| letters | 8 | 100.0% |")
