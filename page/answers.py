"""What the page answers to a drawing and a photo, and what a visitor can teach it, as JSON for its script."""

from __future__ import annotations

import sys
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, cast

from hwr import Recognizer, UserError, personal
from hwr.config import Alphabet
from hwr.ink.picture import Gray
from hwr.ink.preprocess import to_ink
from hwr.predictions import Answer
from hwr.reading.result import Character, Reading, Word
from page import drawing
from page.feedback import Feedback
from page.received import Question, photo_of
from page.words import say

TOP = 5  # answers shown
SURE = 0.5  # probability of words from which on a text is shown as read, and not as a guess
VISIT = 3600  # seconds for which a page that is left open remembers what it was taught
VISITORS = 1000  # who taught something: who did so longest ago is forgotten first


@dataclass(frozen=True)
class Pupil:
    """What one visitor taught, and the recogniser that learned it. Both end with the visit."""

    samples: tuple[personal.Sample, ...] = ()
    recognizer: Recognizer | None = None


class Pupils:
    """What visitors taught, each by the key of a session, for as long as a visit lasts."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pupils: OrderedDict[str, tuple[float, Pupil]] = OrderedDict()

    def __getitem__(self, session: str) -> Pupil:
        with self._lock:
            _, pupil = self._pupils.get(session, (0.0, Pupil()))
            if pupil.samples:
                self._keep(session, pupil)
            return pupil

    def __setitem__(self, session: str, pupil: Pupil) -> None:
        with self._lock:
            self._keep(session, pupil)
            if not pupil.samples:
                del self._pupils[session]

    def _keep(self, session: str, pupil: Pupil) -> None:
        now = time.monotonic()
        self._pupils[session] = now, pupil
        self._pupils.move_to_end(session)
        while len(self._pupils) > VISITORS or next(iter(self._pupils.values()))[0] < now - VISIT:
            self._pupils.popitem(last=False)


class Answers:
    """Answers of one recogniser, which serves all visitors: what is a visitor's own comes with every call."""

    def __init__(self, recognizer: Recognizer, feedback: Feedback | None = None) -> None:
        self.recognizer, self.feedback = recognizer, feedback
        self.pupils = Pupils()
        self.reads = _has_reader(recognizer)  # words and lines, not only characters

    def answer(self, asked: Any, session: str) -> dict[str, Any]:
        """What a drawing is read as: see `character` and `writing`. Raises UserError for what is no drawing."""
        question = Question.of(asked)
        recognizer = self.pupils[session].recognizer or self.recognizer
        return (self.writing if question.mode == "writing" else self.character)(question, recognizer)

    def character(self, question: Question, recognizer: Recognizer) -> dict[str, Any]:
        """A drawing as one character: its state, ``empty``, ``sure`` or ``unsure``, and its likeliest answers.

        What is rejected stays unsure, but may be said to look like several characters.
        """
        seen = recognizer.see(question.drawing)
        answer = recognizer.answer(seen, TOP, question.alphabet)
        found = one(answer)
        if question.look:
            found["seen"] = self._seen(seen, answer, question, recognizer)
        if question.final and found["state"] == "unsure" and self.reads:
            reading = recognizer.read(question.drawing, question.alphabet, TOP)
            if len(reading.characters) > 1 and is_sure(reading):
                found["hint"] = reading.text
        return found

    def writing(self, question: Question, recognizer: Recognizer) -> dict[str, Any]:
        """A drawing as writing; as one character where it looks like one, and the reader finds no more in it."""
        reading = recognizer.read(question.drawing, question.alphabet, TOP)
        if len(reading.characters) <= 1:
            answer = recognizer.answer(recognizer.see(question.drawing), TOP, _single(question.alphabet, recognizer))
            if answer.confident or not answer.probabilities:
                return one(answer)
        return several(reading)

    def _seen(self, seen: Any, answer: Answer, question: Question, recognizer: Recognizer) -> str:
        """The picture that the network sees, and, where that is asked, which of its ink decided the answer."""
        if seen is None:
            return ""
        if question.look == "view":
            return drawing.embedded(seen)
        best = next(iter(answer.probabilities))
        return drawing.embedded(drawing.glowing(seen, recognizer.saliency(seen, best, question.alphabet)))

    def photo(self, sent: Any) -> dict[str, Any]:
        """Everything that is written in a photo. Raises UserError for what is no picture."""
        picture, asked = photo_of(sent)
        return several(self.recognizer.read(picture, cast(Alphabet, str(asked.get("alphabet"))), TOP))

    def teach(self, asked: Any, session: str) -> dict[str, Any]:
        """Learn what a drawing is, for one visitor, and keep it for later models where the visitor says so.

        Raises UserError where nothing is drawn or said, and for what cannot be a label.
        """
        question = Question.of(asked)
        ink = to_ink(question.drawing)
        if ink is None:
            raise UserError(say("nothing_drawn", question.language))
        if not question.text:
            raise UserError(say("no_label", question.language))
        if question.mode == "writing":
            return self._keep_line(ink, question, session)
        pupil = self.pupils[session]
        seen = (pupil.recognizer or self.recognizer).see(question.drawing)
        if seen is None:
            raise UserError(say("nothing_drawn", question.language))
        answer = (pupil.recognizer or self.recognizer).answer(seen, 1, question.alphabet)
        samples = (*pupil.samples, (seen, question.text))
        taught = Pupil(samples, personal.adapted(self.recognizer, samples))
        if question.keep and self.feedback is not None:
            predicted = next(iter(answer.probabilities))
            self.feedback.keep(ink, question.text, predicted, self.recognizer.config.sha256, session)
        self.pupils[session] = taught
        return {"taught": len(samples)}

    def _keep_line(self, ink: Gray, question: Question, session: str) -> dict[str, Any]:
        """Keep a line of writing and its text for later models. Raises UserError for several lines."""
        if self.feedback is None or not question.keep:
            raise UserError(say("not_kept", question.language))
        predicted = self.recognizer.read(question.drawing, question.alphabet, 1).text
        if "\n" in predicted:
            raise UserError(say("one_line", question.language))
        self.feedback.keep_line(ink, question.text, predicted, self.recognizer.config.sha256, session)
        return {"kept_line": True, "taught": len(self.pupils[session].samples)}

    def forget(self, session: str) -> dict[str, Any]:
        """Forget what one visitor taught."""
        self.pupils[session] = Pupil()
        return {"taught": 0}


def _single(alphabet: Alphabet, recognizer: Recognizer) -> Alphabet:
    """The alphabet to read one character of writing with: ``all`` includes symbols there, where the model knows any."""
    return "printable" if alphabet == "all" and "printable" in recognizer.alphabets else alphabet


def _has_reader(recognizer: Recognizer) -> bool:
    """Whether a model reads lines; it is loaded now, so that no visitor waits for it."""
    try:
        return recognizer.reader is not None
    except UserError as error:
        print(error, file=sys.stderr)
        return False


def one(answer: Answer) -> dict[str, Any]:
    """The answer to one character as JSON."""
    state = "empty" if not answer.probabilities else "sure" if answer.confident else "unsure"
    return {"state": state, "kind": "character", "guesses": list(answer.probabilities.items())}


def is_sure(reading: Reading) -> bool:
    """Whether the words of a reading are likely to be right, on the average of their characters."""
    characters = sum(len(word.text) for word in reading.words)
    if characters == 1 and not reading.words[0].confident:
        return False  # what is read as one character by the line reader alone may be a scribble
    return sum(len(word.text) * word.confidence for word in reading.words) >= SURE * characters > 0


def several(reading: Reading) -> dict[str, Any]:
    """A reading as JSON: its state, ``sure``, ``unsure`` or ``nothing``, its text, and its words in reading order."""
    state = "nothing" if not reading.words else "sure" if is_sure(reading) else "unsure"
    words = [_word(word, line, reading.size) for line, found in enumerate(reading.lines) for word in found.words]
    return {"state": state, "kind": "writing", "text": reading.text, "words": words}


def _word(word: Word, line: int, size: tuple[int, int]) -> dict[str, Any]:
    """A word, its box as shares of the picture."""
    return {
        "line": line,
        "text": word.text,
        "box": [round(side / whole, 4) for side, whole in zip(word.box, (*size, *size), strict=True)],
        "confident": word.confident,
        "guesses": list(word.probabilities.items()),
        "characters": [_character(one) for one in word.characters],
    }


def _character(one: Character) -> dict[str, Any]:
    return {"text": one.text, "guesses": list(one.probabilities.items()), "confident": one.confident}


def as_json(reading: Reading) -> dict[str, Any]:
    """A reading as programs get it."""
    characters = [
        {"box": list(one.box), "probabilities": one.probabilities, "confident": one.confident}
        for one in reading.characters
    ]
    return {"text": reading.text, "characters": characters, "size": list(reading.size)}
