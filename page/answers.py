"""What the page answers to a drawing, a photo and a program, and what a visitor can teach it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any, NamedTuple

import gradio as gr
import numpy as np
from numpy.typing import NDArray

from hwr import Recognizer, UserError, personal
from hwr.config import Alphabet
from hwr.ink.picture import Gray
from hwr.ink.preprocess import fit, to_ink
from hwr.reading.result import Reading
from hwr.recognizer import Answer
from page import drawing
from page.feedback import Feedback
from page.received import cropped, painted
from page.words import say

TOP = 5  # answers shown
NO_ANSWER = Answer({}, False)


@dataclass(frozen=True)
class Drawing:
    """What was drawn last: the ink, uint8 (H, W), the network's view of it, (S, S), and what they were read as."""

    ink: Gray | None = None
    seen: Gray | None = None
    answer: Answer = NO_ANSWER
    reading: Reading | None = None  # of several characters


class Lesson(NamedTuple):
    """One taught character: its ink, the network's view of it, what it is, and what it was taken for."""

    ink: Gray
    seen: Gray
    label: str
    predicted: str


@dataclass(frozen=True)
class Pupil:
    """What one visitor taught, and the recogniser that learnt it. Both end with the visit."""

    samples: tuple[personal.Sample, ...] = ()
    recognizer: Recognizer | None = None


class Answers:
    """Answers of one recogniser, which serves all visitors: what is a visitor's own comes with every call."""

    def __init__(self, recognizer: Recognizer, feedback: Feedback | None = None) -> None:
        self.recognizer, self.feedback = recognizer, feedback

    def drawn(self, picture: Any) -> Drawing:
        """A picture, not yet answered. Raises UserError for what is no picture."""
        ink, config = to_ink(picture), self.recognizer.config
        seen = fit(ink, config, is_ink=True) if config.ink and ink is not None else self.recognizer.see(picture)
        return Drawing(cropped(ink), seen)

    def again(self, drawn: Drawing, alphabet: Alphabet, pupil: Pupil) -> Drawing:
        """One character if it looks like one; several, if they can be told apart; or else what it may be."""
        recognizer = pupil.recognizer or self.recognizer
        answer = recognizer.answer(drawn.seen, TOP, alphabet)
        reading = None
        if drawn.ink is not None and not answer.confident:
            reading = believable(recognizer.read(painted(drawn.ink), alphabet, TOP))
        return Drawing(drawn.ink, drawn.seen, answer, reading)

    def saliency(self, drawn: Drawing, alphabet: Alphabet, pupil: Pupil) -> NDArray[np.float32] | None:
        """Which ink the answer to one character hangs on, float32 (S, S); None where there is no such answer."""
        if drawn.seen is None or drawn.reading is not None:
            return None
        best = next(iter(drawn.answer.probabilities))
        return (pupil.recognizer or self.recognizer).saliency(drawn.seen, best, alphabet)

    def to_photo(self, path: Path, alphabet: Alphabet, pupil: Pupil) -> Reading:
        """Everything that is written in a photo. Raises UserError for what is no picture."""
        return (pupil.recognizer or self.recognizer).read(path, alphabet, TOP)

    def teach(self, lessons: Sequence[Lesson], pupil: Pupil) -> Pupil:
        """The pupil after some more lessons. Raises UserError for what cannot be a label."""
        samples = (*pupil.samples, *((one.seen, one.label) for one in lessons))
        return Pupil(samples, personal.adapted(self.recognizer, samples))

    def keep(self, lessons: Sequence[Lesson], visitor: str) -> None:
        """Keep lessons for later models, where the page does so. Raises UserError above its limits."""
        if self.feedback is None:
            return
        for one in lessons:
            self.feedback.keep(one.ink, one.label, one.predicted, self.recognizer.config.sha256, visitor)


def believable(reading: Reading) -> Reading | None:
    """A reading of several characters, most of which look like some; None for a scribble, and for one character."""
    sure = sum(one.confident for one in reading.characters)
    return reading if len(reading.characters) > 1 and 2 * sure >= len(reading.characters) else None


def verdict(drawn: Drawing, request: gr.Request | None) -> str:
    """One sentence about how far to trust an answer."""
    if not drawn.answer.probabilities:
        return say("blank", request)
    return "" if drawn.answer.confident or drawn.reading is not None else say("unsure", request)


def spoken(drawn: Drawing, request: gr.Request | None) -> str:
    """An answer as one sentence of HTML, for screen readers."""
    if drawn.reading is not None:
        return say("read", request, text=escape(drawn.reading.text))
    if not drawn.answer.probabilities:
        return ""
    label, share = next(iter(drawn.answer.probabilities.items()))
    return say("said", request, label=escape(label), percent=f"{share:.0%}")


def several(drawn: Drawing) -> str:
    """Several characters as HTML, nothing if there is one."""
    if drawn.reading is None or drawn.ink is None:
        return ""
    return drawing.several(drawing.of_ink(drawn.ink), drawn.reading)


def lessons(said: str, drawn: Drawing, request: gr.Request | None) -> list[Lesson]:
    """What a visitor says that a drawing is, character by character if it was read as several.

    Raises UserError where nothing is drawn or said, and for another number of characters than was found.
    """
    label = said.strip()
    if drawn.seen is None or drawn.ink is None:
        raise UserError(say("nothing_drawn", request))
    if not label:
        raise UserError(say("no_label", request))
    if drawn.reading is None:
        return [Lesson(drawn.ink, drawn.seen, label, next(iter(drawn.answer.probabilities)))]
    labels, found = "".join(label.split()), drawn.reading.characters
    if len(labels) != len(found):
        raise UserError(say("count", request, found=len(found), typed=len(labels)))
    return [
        Lesson(one.seen, one.seen, name, next(iter(one.probabilities))) for one, name in zip(found, labels, strict=True)
    ]


def as_json(reading: Reading) -> dict[str, Any]:
    """A reading as programs get it."""
    characters = [
        {"box": list(one.box), "probabilities": one.probabilities, "confident": one.confident}
        for one in reading.characters
    ]
    return {"text": reading.text, "characters": characters, "size": list(reading.size)}
