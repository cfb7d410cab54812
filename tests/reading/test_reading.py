"""hwr/reading/read.py and Recognizer.read: several characters, drawn and of real pens."""

import time
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from hwr import Recognizer, UserError
from hwr.config import Alphabet
from hwr.data import sources
from hwr.ink import strokes
from hwr.ink.picture import Gray
from hwr.reading import read as reading
from hwr.reading import views

PENS = Path(__file__).parents[1] / "data" / "pens.npz"
Shape = list[list[tuple[float, float]]]
ROUND = [(0.3 - 0.3 * np.sin(a), 0.5 - 0.5 * np.cos(a)) for a in np.linspace(0, 2 * np.pi, 30)]
SHAPES: dict[str, Shape] = {
    "0": [ROUND],
    "2": [[(0, 0.25), (0.1, 0.05), (0.3, 0), (0.5, 0.1), (0.5, 0.3), (0.3, 0.6), (0, 1), (0.6, 1)]],
    "6": [
        [(0.5, 0), (0.2, 0.3), (0.05, 0.65), (0.1, 0.9), (0.3, 1), (0.5, 0.85), (0.45, 0.65), (0.25, 0.6), (0.08, 0.75)]
    ],
    "7": [[(0, 0), (0.6, 0), (0.25, 1)]],
    "H": [[(0, 0), (0, 1)], [(0, 0.5), (0.6, 0.5)], [(0.6, 0), (0.6, 1)]],
    "E": [[(0.55, 0), (0, 0), (0, 1), (0.55, 1)], [(0, 0.5), (0.45, 0.5)]],
    "L": [[(0, 0), (0, 1), (0.55, 1)]],
    "O": [ROUND],
    "i": [[(0.05, 0.4), (0.05, 1)], [(0.05, 0.12)]],
    "j": [[(0.3, 0.4), (0.3, 1.2), (0.15, 1.4), (0, 1.3)], [(0.3, 0.12)]],
    "T": [[(0, 0), (0.7, 0)], [(0.35, 0), (0.35, 1)]],
}


def written(*lines: str, gap: float = 0.35, height: int = 90, pen: float = 8) -> Gray:
    """Lines of SHAPES as ink with a margin; ``gap`` between them is in heights, and a space is one more."""
    placed = []
    for row, line in enumerate(lines):
        x = 0.5
        for name in line:
            if name != " ":
                placed += [(np.array(stroke) + np.array((x, 0.5 + 1.7 * row))) * height for stroke in SHAPES[name]]
                x += max(px for stroke in SHAPES[name] for px, _ in stroke)
            x += gap if name != " " else 1.0
    width = int(max(stroke[:, 0].max() for stroke in placed) + 0.5 * height)
    return strokes.draw(placed, (int((1.7 * len(lines) + 0.7) * height), width), pen)


def paper(ink: Gray) -> NDArray[np.uint8]:
    return np.subtract(255, ink, dtype=np.uint8)


@pytest.mark.parametrize(
    ("lines", "alphabet"),
    [
        (["2026"], "digits"),
        (["2026"], "all"),
        (["HELLO"], "letters"),
        (["HELLO"], "all"),
        (["20", "267"], "digits"),
        (["TEL"], "letters"),
    ],
)
def test_what_is_drawn_is_read(recognizer: Recognizer, lines: list[str], alphabet: Alphabet) -> None:
    found = recognizer.read(paper(written(*lines)), alphabet)
    assert found.text == "\n".join(lines)
    assert len(found.characters) == sum(map(len, lines))


def test_dots_stay_with_their_letters(recognizer: Recognizer) -> None:
    found = recognizer.read(paper(written("ijij", pen=7)), "letters")
    assert found.text == "IJIJ"


def test_two_bars_are_one_character(recognizer: Recognizer) -> None:
    bars = [np.array([(40, 50), (100, 50)]), np.array([(40, 75), (100, 75)])]
    found = recognizer.read(paper(strokes.draw(bars, (130, 140), 7)))
    assert [one.box for one in found.characters] == [pytest.approx((36, 46, 104, 79), abs=2)]


def test_a_broken_stroke_stays_one_character(recognizer: Recognizer) -> None:
    ink = written("0", height=160)
    middle = len(ink) // 2
    ink[middle - 4 : middle + 2] = 0
    assert recognizer.read(paper(ink), "digits").text == "0"


def test_touching_neighbours_are_parted(recognizer: Recognizer) -> None:
    for text in ("20", "26", "72"):
        ink = written(text, gap=-0.02)
        assert recognizer.read(paper(ink), "digits").text == text


def test_a_wide_gap_is_a_space_and_even_gaps_are_none(recognizer: Recognizer) -> None:
    assert recognizer.read(paper(written("26 702")), "digits").text == "26 702"
    assert recognizer.read(paper(written("2026", gap=1.1)), "digits").text == "2026"


def test_boxes_are_around_the_ink_in_the_order_of_the_text(recognizer: Recognizer) -> None:
    ink = written("26", "70")
    found = recognizer.read(paper(ink), "digits")
    assert found.size == (ink.shape[1], ink.shape[0])
    assert found.text == "26\n70"
    first, second, third, fourth = (one.box for one in found.characters)
    assert first[2] < second[0] and third[2] < fourth[0] and max(first[3], second[3]) < min(third[1], fourth[1])
    for left, top, right, bottom in (first, second, third, fourth):
        assert (ink[top:bottom, left:right].max(axis=0) > 100).all()
        assert (ink[top:bottom, left:right].max(axis=1) > 100).all()


def test_what_a_reading_says_of_each_character(recognizer: Recognizer) -> None:
    found = recognizer.read(paper(written("26")), "digits", k=3)
    for one in found.characters:
        assert len(one.probabilities) == 3
        assert list(one.probabilities.values()) == sorted(one.probabilities.values(), reverse=True)
        assert one.seen.shape == (recognizer.config.image_size,) * 2
        assert one.confident


@pytest.mark.parametrize("blank", [None, np.full((90, 120), 255, np.uint8), np.zeros((90, 120, 4), np.uint8)])
def test_a_blank_picture_has_no_text(recognizer: Recognizer, blank: object) -> None:
    assert recognizer.read(blank) == reading.Reading("", (), (0, 0))


def test_one_character_is_what_top_k_says(recognizer: Recognizer) -> None:
    source = sources.read(str(PENS), "test", Path())
    assert source.trajectory is not None
    agreed = []
    for i in range(0, len(source), 6):
        ink = strokes.draw(strokes.place(source.trajectory(i), (60, 60, 160)), (280, 280), 14)
        found = recognizer.read(paper(ink))
        agreed.append(len(found.characters) == 1 and found.text == next(iter(recognizer.top_k(paper(ink)))))
    assert np.mean(agreed) >= 0.85


def test_one_stroke_asks_the_network_once_for_one_picture(
    recognizer: Recognizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    ask = recognizer._logits
    monkeypatch.setattr(recognizer, "_logits", lambda seen: asked.append(len(seen)) or ask(seen))
    picture = paper(written("L", height=150))
    found = recognizer.read(picture, "letters")
    assert asked == [1]
    assert found.characters[0].probabilities == pytest.approx(recognizer.top_k(picture, 5, "letters"), abs=1e-3)


@pytest.mark.parametrize(("doubtful", "again"), [(0.0, 0), (1.01, 2)])
def test_doubtful_characters_are_looked_at_again_in_one_batch(
    recognizer: Recognizer, monkeypatch: pytest.MonkeyPatch, doubtful: float, again: int
) -> None:
    monkeypatch.setattr(reading, "DOUBTFUL", doubtful)
    asked: list[int] = []
    ask = recognizer._logits
    monkeypatch.setattr(recognizer, "_logits", lambda seen: asked.append(len(seen)) or ask(seen))
    assert recognizer.read(paper(written("26")), "digits").text == "26"
    assert asked[1:] == [again * len(views.CHANGES)] * bool(again)


def test_a_scribble_is_read_within_seconds(recognizer: Recognizer) -> None:
    points = np.random.default_rng(0).uniform(20, 780, (150, 2))
    picture = paper(strokes.draw([points], (800, 800), 6))
    begin = time.process_time()
    recognizer.read(picture)
    assert time.process_time() - begin < 8  # about one second alone on a processor


def test_unknown_alphabets_and_no_answers_are_refused(recognizer: Recognizer) -> None:
    with pytest.raises(UserError, match="greek"):
        recognizer.read(None, "greek")  # type: ignore[arg-type]
    with pytest.raises(UserError, match="k is 0"):
        recognizer.read(None, k=0)
