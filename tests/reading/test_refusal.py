"""No sure answer where nothing is written: the pictures of benchmarks/nothing.py, one or two of each kind."""

from __future__ import annotations

import pytest

from benchmarks import nothing
from hwr import Recognizer


@pytest.fixture(scope="module")
def recognizer() -> Recognizer:
    return Recognizer.from_pretrained()


@pytest.mark.parametrize("kind", list(nothing.KINDS))
@pytest.mark.parametrize("number", [0, 3])
def test_a_picture_without_writing_has_no_sure_answer(kind: str, number: int, recognizer: Recognizer) -> None:
    assert nothing.sure_answers(recognizer, nothing.picture(kind, number)) == {"top_k": [], "read": []}
