"""hwr/reading/language.py and decoding.py: words help where the ink leaves a choice, and only there."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from hwr.config import UserError
from hwr.reading import language
from hwr.reading.alphabet import LineAlphabet, alphabets
from hwr.reading.config import PRINTABLE
from hwr.reading.decoding import decode
from hwr.reading.language import Language

ALL = alphabets(PRINTABLE)["all"]
WORDS = Language({"clear": 5, "near": 5, "hear": 5, "ear": 2})


def frames(*choices: dict[str, float], alphabet: LineAlphabet = ALL) -> NDArray[np.float64]:
    """A frame for each place, with these probabilities, and a blank after it."""
    rows = np.zeros((2 * len(choices), len(alphabet.answers) + 1))
    rows[:, 0] = 1e-6
    rows[1::2, 0] = 1
    for row, choice in zip(rows[::2], choices, strict=True):
        for character, probability in choice.items():
            row[alphabet.answers.index(character) + 1] = probability
    return np.asarray(rows / rows.sum(axis=1, keepdims=True))


def best(*choices: dict[str, float]) -> str:
    return ALL.text(decode(frames(*choices), ALL, WORDS)[0][0])


def test_words_decide_where_the_ink_leaves_a_choice() -> None:
    doubtful = (
        {"c": 0.45, "C": 0.05, "d": 0.5},
        {"l": 0.5, "t": 0.5},
        {"e": 0.9, "c": 0.1},
        {"a": 1.0},
        {"r": 0.5, "v": 0.5},
    )
    assert best(*doubtful) == "clear"
    assert ALL.text(decode(frames(*doubtful), ALL, None)[0][0])[0] == "d"


def test_clear_ink_is_read_as_it_is_however_unlikely_a_word() -> None:
    assert best(*({c: 0.99, "e": 0.01} for c in "xqzk")) == "xqzk"


def test_every_word_of_a_line_is_judged_by_itself() -> None:
    assert WORDS.score_of("clear") > WORDS.score_of("xqzkw")
    near, code = WORDS.score_of("near"), WORDS.score_of("xqzk")
    assert WORDS.score_of("near xqzk") > near + code - 3  # a code beside it does not make a word unlikely
    assert WORDS.score_of("") == WORDS.score_of("1984") == pytest.approx(0)


def test_digits_are_never_judged_by_words() -> None:
    assert WORDS.score("20", "6") == WORDS.score("", "1") == 0.0
    assert best({"1": 0.6, "l": 0.4}, {"7": 0.55, "1": 0.45}) == "17"


def test_probabilities_are_shares_with_the_best_first() -> None:
    found = decode(frames({"n": 0.6, "h": 0.4}, {"e": 1.0}, {"a": 1.0}, {"r": 1.0}), ALL, WORDS)
    shares = [share for _, share in found]
    assert shares == sorted(shares, reverse=True) and sum(shares) == pytest.approx(1)
    assert [ALL.text(text) for text, _ in found[:2]] == ["near", "hear"]


def test_case_is_left_to_the_ink() -> None:
    assert WORDS.score("NE", "A") == WORDS.score("ne", "a")


def test_words_are_counted_without_numbers_and_come_back_from_their_file(tmp_path: Path) -> None:
    words = language.words_of(["The cat", "the 12 cats", "THE"])
    assert words == {"the": 3, "cat": 1, "cats": 1}
    path = tmp_path / language.FILE
    path.write_bytes(language.to_bytes(words))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert language.read(path, digest) == words
    with pytest.raises(UserError, match=r"not what config\.json was written for"):
        language.read(path, "0" * 64)
    with pytest.raises(UserError, match="cannot be read"):
        language.read(tmp_path / "none.tsv", digest)


def test_a_damaged_list_of_words_is_refused(tmp_path: Path) -> None:
    path = tmp_path / language.FILE
    path.write_bytes(b"word\n")
    with pytest.raises(UserError, match=r"expected a word, a tab and a count"):
        language.read(path, hashlib.sha256(b"word\n").hexdigest())
