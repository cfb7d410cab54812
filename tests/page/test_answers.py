"""What the page answers to its own script, and to scripts that are not its own."""

from __future__ import annotations

import asyncio
import json
import re
import string
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from hwr import Recognizer, UserError
from hwr.config import DIGITS, LOWER, SYMBOLS, UPPER, ModelConfig
from hwr.data.lines import sources as line_sources
from page import answers as page_answers
from page import layout
from page.answers import Answers, Pupil, Pupils
from page.calls import BUSY, Calls
from page.feedback import Feedback
from page.turns import Turns
from page.words import WORDS

SEVEN = {"width": 300, "height": 300, "strokes": [{"x": [60, 220, 130], "y": [50, 50, 240], "pen": 18}]}


@pytest.fixture(scope="module")
def answers(recognizer: Recognizer) -> Answers:
    return Answers(recognizer)


def question(drawing: Any = SEVEN, **changes: Any) -> dict[str, Any]:
    return {"drawing": drawing, "mode": "character", "alphabet": "digits", "final": True} | changes


def example(name: str) -> dict[str, Any]:
    """A drawing of the examples, as the page's script sends it."""
    drawn = next(one for mode in ("character", "writing") for one in layout.drawings(mode) if one["name"]["en"] == name)
    pen = drawn["width"] / 30 if drawn["width"] == drawn["height"] else 8
    strokes = [{"x": x, "y": y, "pen": pen} for x, y in drawn["strokes"]]
    return {"width": drawn["width"], "height": drawn["height"], "strokes": strokes}


def test_a_drawing_is_answered_as_the_recognizer_does_and_as_json(answers: Answers, recognizer: Recognizer) -> None:
    found = answers.answer(question(look="view"), "a")
    assert json.loads(json.dumps(found))["guesses"] == [
        list(one) for one in recognizer.top_k(SEVEN, 5, "digits").items()
    ]
    assert (found["state"], found["kind"], found["guesses"][0][0]) == ("sure", "character", "7")
    assert found["seen"].startswith("data:image/png;base64,")


def test_an_empty_pad_has_no_answer(answers: Answers) -> None:
    for mode in ("character", "writing"):
        assert answers.answer(question({"width": 9, "height": 9, "strokes": []}, mode=mode), "a")["state"] == "empty"


def test_a_smiley_is_sure_neither_as_one_character_nor_as_several(answers: Answers) -> None:
    for mode in ("character", "writing"):
        found = answers.answer(question(example("Not a character"), mode=mode, alphabet="all"), "a")
        assert found["state"] != "sure", found
        assert "hint" not in found


def test_writing_is_read_in_words_with_boxes_and_alternatives(answers: Answers) -> None:
    found = answers.answer(question(example("A number"), mode="writing"), "a")
    (word,) = found["words"]
    assert (found["kind"], found["text"], word["text"]) == ("writing", "3456", "3456")
    assert all(0 <= side <= 1 for side in word["box"])
    assert word["guesses"][0][0] == "3456"
    assert [one["text"] for one in word["characters"]] == list("3456")


def test_one_character_on_the_pad_for_writing_is_one_character(answers: Answers) -> None:
    assert answers.answer(question(mode="writing"), "a")["kind"] == "character"


def test_a_lesson_is_one_visitors_own_and_forgotten_when_asked(answers: Answers) -> None:
    assert answers.teach(question(text="Q"), "pupil") == {"taught": 1}
    assert answers.answer(question(alphabet="all"), "pupil")["guesses"][0][0] == "Q"
    assert answers.answer(question(alphabet="all"), "other")["guesses"][0][0] == "7"
    answers.forget("pupil")
    assert answers.answer(question(alphabet="all"), "pupil")["guesses"][0][0] == "7"


def test_a_line_is_kept_with_its_text_where_the_visitor_says_so(recognizer: Recognizer, tmp_path: Path) -> None:
    keeping = Answers(recognizer, Feedback(tmp_path))
    asked = question(example("A number"), mode="writing", text="3456")
    with pytest.raises(UserError, match="tick the box"):
        keeping.teach(asked, "a")
    assert keeping.teach(asked | {"keep": True}, "a")["kept_line"]
    (text,) = (tmp_path / "lines").glob("*.txt")
    assert text.read_text() == "3456"
    assert text.with_suffix(".png").is_file()
    taught = line_sources.read(str(tmp_path), tmp_path, string.printable)  # as train.py --task lines --data does
    assert isinstance(taught, line_sources.Lines)
    assert taught.texts == ("3456",)
    assert np.count_nonzero(taught.drawn(0)) > 100


def test_the_alphabets_on_offer_are_those_of_the_model(recognizer: Recognizer) -> None:
    def offered(labels: Sequence[str], names: dict[str, str]) -> dict[str, str]:
        model = Recognizer(lambda pixels: pixels, ModelConfig(tuple(labels)))  # type: ignore[arg-type, return-value]
        return {one["name"]: one["value"] for one in layout.alphabets(model, names)}

    plain = [*DIGITS, *UPPER, *LOWER]
    without = {"all": "all", "digits": "digits", "letters": "letters"}
    assert offered(plain, layout.WITH_SYMBOLS) == offered(plain, layout.ALPHABETS) == without
    symbols = offered([*plain, *SYMBOLS], layout.WITH_SYMBOLS)
    assert symbols == {"all": "printable", "both": "all", "digits": "digits", "letters": "letters"}
    assert offered([*plain, *SYMBOLS], layout.ALPHABETS) == without
    assert offered(["yes", "no"], layout.WITH_SYMBOLS) == {"all": "all"}


def test_all_that_the_scripts_say_is_there_in_both_languages() -> None:
    scripts = "".join(path.read_text(encoding="utf-8") for path in layout.HERE.glob("*.js"))
    said = set(re.findall(r"""say\("(\w+)""", scripts)) | set(re.findall(r'"(tip_\w+)"', scripts))
    assert {"unsure", "no_picture", "tip_light"} <= said
    for language, texts in WORDS.items():
        assert said <= texts.keys(), (language, said - texts.keys())


def test_a_photo_is_read_from_its_bytes(answers: Answers) -> None:
    content = (layout.EXAMPLES / "note.jpg").read_bytes()
    sent = SimpleNamespace(files=[("blob", content)], data={"name": "note.jpg", "alphabet": "all"})
    found = answers.photo(sent)
    assert "3456" in found["text"].replace(" ", "")  # where the number is parted is not what this is about
    assert found["text"].count("\n") == 2


@pytest.mark.parametrize(
    "asked",
    [
        None,
        [],
        "a",
        {},
        {"drawing": {}},
        question({"strokes": [{}]}),
        question({**SEVEN, "width": -1}),
        question(alphabet=[]),
    ],
)
def test_what_no_script_of_the_page_asks_is_refused(answers: Answers, asked: Any) -> None:
    for function in (answers.answer, answers.teach):
        with pytest.raises(UserError):
            function(asked, "a")
    with pytest.raises(UserError):
        answers.photo(SimpleNamespace(files=[], data={}))
    with pytest.raises(UserError, match=r"a\.png is not a picture"):
        answers.photo(SimpleNamespace(files=[("blob", b"none")], data={"name": "/tmp/a.png"}))


def test_visitors_who_taught_longest_ago_are_forgotten_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page_answers, "VISITORS", 2)
    pupils, taught = Pupils(), Pupil(samples=((None, "a"),))  # type: ignore[arg-type]
    for session in "abc":
        pupils[session] = taught
    assert [pupils[session].samples != () for session in "abc"] == [False, True, True]
    monkeypatch.setattr(page_answers, "VISIT", 0)
    pupils["d"] = taught
    assert pupils["c"].samples == ()


def asked(call: Any, data: Any = None) -> Any:
    """The answer to one call of the page's script."""
    request = SimpleNamespace(headers={"content-type": "application/json"}, json=_session)
    with ThreadPoolExecutor(1) as pool:  # Playwright's loop may be running in this thread
        return pool.submit(asyncio.run, call(data, request)).result()


async def _session() -> dict[str, str]:
    return {"session_hash": "mine"}


def test_calls_know_the_session_and_refuse_in_the_visitors_language() -> None:
    def refuse(data: Any, session: str) -> dict[str, Any]:
        raise UserError("a.png is not a picture that can be read")

    calls = Calls(Turns(1), waiting=1)
    assert asked(calls("whose", lambda data, session: {"session": session})) == {"session": "mine"}
    assert asked(calls("refuse", refuse), {"language": "en"}) == {"error": "A.png is not a picture that can be read"}
    assert "图片" in asked(calls("refuse", refuse), {"language": "zh"})["error"]


def test_more_calls_than_may_wait_are_told_that_the_page_is_busy() -> None:
    calls = Calls(Turns(1), waiting=1)
    call = calls("again", lambda data, session: asked(call))
    assert asked(call) == BUSY, "a call within a call is the second at a time"
    calls.close()
    assert asked(call) == BUSY
    assert calls.taken == 0
