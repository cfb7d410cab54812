"""A model that tells printable characters apart answers symbols where they are asked for, and is unsure elsewhere."""

from dataclasses import replace

import numpy as np
import pytest

from hwr import Recognizer
from hwr.config import DIGITS, LOWER, OTHER, SYMBOLS, UPPER, ModelConfig

PRINTABLE = (*DIGITS, *UPPER, *LOWER, *SYMBOLS)
CONFIG = ModelConfig((*PRINTABLE, OTHER), rejection_threshold=0.9)


def surely(label: str) -> Recognizer:
    """A recogniser that takes every picture for one character."""

    class Network:
        def __call__(self, pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            row = np.where(np.array(CONFIG.labels) == label, 12, 0).astype(np.float32)
            return np.zeros((len(pixels), 1), np.float32), np.tile(row, (len(pixels), 1))

    return Recognizer(Network(), CONFIG)  # type: ignore[arg-type]


@pytest.fixture
def ink() -> np.ndarray:
    return np.pad(np.full((4, 40), 0, np.uint8), 20, constant_values=255)


def test_there_are_94_printable_characters() -> None:
    assert len(PRINTABLE) == len({*PRINTABLE}) == 94
    assert {*PRINTABLE} == {chr(i) for i in range(33, 127)}


def test_digits_letters_and_all_stay_as_they_are() -> None:
    found = CONFIG.alphabets()
    plain = ModelConfig((*DIGITS, *UPPER, *LOWER, OTHER)).alphabets()
    assert {name: [answer for answer, _ in entries] for name, entries in plain.items()} == {
        name: [answer for answer, _ in found[name]] for name in ("all", "digits", "letters")
    }
    assert [answer for answer, _ in found["printable"]] == list(PRINTABLE)


def test_a_single_symbol_that_was_taught_is_an_answer_of_all() -> None:
    taught = replace(CONFIG, labels=(*DIGITS, *UPPER, *LOWER, "+")).alphabets()
    assert "printable" not in taught
    assert taught["all"][-1][0] == "+"


def test_a_dash_is_a_sure_dash_and_no_sure_digit(ink: np.ndarray) -> None:
    recognizer = surely("-")
    assert next(iter(recognizer.top_k(ink, 1, "printable"))) == "-"
    assert recognizer.is_confident(ink, "printable")
    assert not recognizer.is_confident(ink)
    assert not recognizer.are_confident([ink], "digits").any()
    assert not recognizer.answer(recognizer.see(ink), alphabet="digits").confident


def test_a_digit_is_sure_in_every_alphabet(ink: np.ndarray) -> None:
    recognizer = surely("7")
    assert all(recognizer.is_confident(ink, name) for name in ("digits", "all", "printable"))
