"""No sure answer where nothing is written: the pictures of benchmarks/nothing.py, one or two of each kind."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks import nothing
from hwr import Recognizer
from hwr.reading.reader import REFUSED
from hwr.reading.result import Character, Reading, TextLine, Word


@pytest.fixture(scope="module")
def recognizer() -> Recognizer:
    return Recognizer.from_pretrained()


@pytest.mark.parametrize("kind", list(nothing.KINDS))
@pytest.mark.parametrize("number", [0, 3])
def test_a_picture_without_writing_has_no_sure_answer(kind: str, number: int, recognizer: Recognizer) -> None:
    assert nothing.sure_answers(recognizer, nothing.picture(kind, number)) == {"top_k": [], "read": []}


@pytest.mark.parametrize("quarters", [1, 3])
def test_a_refused_picture_is_tried_again_as_if_it_lay_on_its_side(
    quarters: int, recognizer: Recognizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture = np.full((120, 300), 255, np.uint8)
    picture[20:100, 40:50] = picture[20:30, 40:90] = 0
    found = Reading("1234567", (line("1234567"),), (300, 120))

    def read(ink: NDArray[np.uint8], *_: object) -> Reading:
        upright = ink.shape[1] > ink.shape[0] and ink[:, : ink.shape[1] // 2].sum() > 0.5 * ink.sum()
        return found if upright else Reading(size=ink.shape[::-1], refused=REFUSED)

    monkeypatch.setattr(recognizer.reader, "read", read)
    reading = recognizer.read(np.ascontiguousarray(np.rot90(picture, quarters)), words=["1234567"])
    assert reading.text == "1234567"
    assert reading.size == (120, 300)


def line(text: str) -> TextLine:
    box = (40, 20, 90, 100)
    characters = tuple(Character(box, {one: 0.99}, True) for one in text)
    return TextLine(text, box, 0.99, (Word(text, box, {text: 0.99}, 0.99, True, characters),))
