"""hwr/reading/reader.py with a stub for the network: what it says of every line is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from hwr.config import UserError
from hwr.reading.config import STRIDE, LineConfig
from hwr.reading.reader import REFUSED, LineReader

CONFIG = replace(LineConfig(), stretch=1.0, sure=0.5)
Gray = NDArray[np.uint8]


def bars(*rows: int, count: int = 8) -> Gray:
    """Rows of bars, each row a line of writing: their tops are given in pixels."""
    ink = np.zeros((max(rows) + 60, 40 * count), np.uint8)
    for top in rows:
        for i in range(count):
            ink[top : top + 40, 40 * i + 10 : 40 * i + 16] = 255
    return ink


class Says:
    """A network that reads line after line the given texts, as evenly spaced characters."""

    def __init__(self, *texts: str, sure: float = 12.0) -> None:
        self.texts, self.sure, self.batches = list(texts), sure, list[int]()

    def __call__(self, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        self.batches.append(len(pixels))
        frames = pixels.shape[3] // STRIDE * CONFIG.frames_per_column
        logits = np.zeros((len(pixels), frames, CONFIG.classes), np.float32)
        logits[:, :, 0] = self.sure
        for row in logits:
            text = self.texts.pop(0)
            for i, character in enumerate(text):
                frame = int((i + 0.5) * frames / len(text))
                row[frame] = 0
                row[frame, CONFIG.characters.index(character) + 1] = self.sure
        return logits


def test_a_line_is_read_with_its_words_and_characters_in_their_places() -> None:
    reading = LineReader(Says("on 12"), CONFIG).read(bars(20))
    assert reading.text == "on 12"
    assert [word.text for word in reading.words] == ["on", "12"]
    assert "".join(character.text for character in reading.characters) == "on12"
    lefts = [character.box[0] for character in reading.characters]
    assert lefts == sorted(lefts)
    width, height = reading.size
    assert all(
        0 <= left < right <= width and 0 <= top < bottom <= height
        for left, top, right, bottom in (character.box for character in reading.characters)
    )
    assert all(character.confident and character.confidence > 0.9 for character in reading.characters)
    assert reading.words[0].probabilities["on"] == reading.words[0].confidence > 0.9


def test_lines_of_similar_width_go_through_the_network_together() -> None:
    says = Says("ab", "cd", "ef")
    assert LineReader(says, CONFIG).read(bars(0, 100, 200)).text == "ab\ncd\nef"
    assert says.batches == [3]


def test_an_alphabet_leaves_out_all_other_characters() -> None:
    assert LineReader(Says("38.117.-"), CONFIG).read(bars(20), "digits").text == "38117"
    assert LineReader(Says("a-B"), CONFIG).read(bars(20), "letters").text == "AB"
    assert LineReader(Says("07/11/24"), CONFIG).read(bars(20), "all").text == "07/11/24"


def test_an_unknown_alphabet_is_refused() -> None:
    with pytest.raises(UserError, match="no alphabet 'greek': expected one of all, printable, digits, letters"):
        LineReader(Says("1"), CONFIG).read(bars(20), "greek")


def test_one_of_a_list_of_words_is_read_whatever_its_case() -> None:
    reading = LineReader(Says("aachan"), CONFIG).read(bars(20), words=["Berlin", "Aachen", "Bonn"])
    assert reading.text == "Aachen"
    assert next(iter(reading.words[0].probabilities)) == "Aachen"
    assert sum(reading.words[0].probabilities.values()) == pytest.approx(1)


@pytest.mark.parametrize(("words", "problem"), [([], "0 words"), ("word", "the text"), (["naïve"], "holds 'naïve'")])
def test_a_list_of_words_that_cannot_be_read_is_refused(words: list[str], problem: str) -> None:
    with pytest.raises(UserError, match=problem):
        LineReader(Says("x"), CONFIG).read(bars(20), words=words)


def test_writing_that_says_nothing_is_refused() -> None:
    reading = LineReader(Says("qwertz", sure=1.0), CONFIG).read(bars(20))
    assert (reading.text, reading.lines, reading.refused) == ("", (), REFUSED)


def test_blank_ink_reads_as_nothing_and_is_not_refused() -> None:
    reading = LineReader(Says(), CONFIG).read(np.zeros((30, 40), np.uint8))
    assert (reading.text, reading.refused, reading.size) == ("", "", (40, 30))
