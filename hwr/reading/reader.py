"""LineReader: the ink of a page in, its text out, with the place and the probabilities of every word and character."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hwr.config import UserError
from hwr.ink.line import FittedLine, fit_line
from hwr.reading import ctc, session
from hwr.reading.alphabet import SPACE, LineAlphabet, alphabets, case_folded
from hwr.reading.config import STRIDE, LineConfig
from hwr.reading.ctc import Frames
from hwr.reading.decoding import decode
from hwr.reading.language import Language
from hwr.reading.layout import InkLine, lines_of
from hwr.reading.result import Box, Character, Reading, TextLine, Word, around

Gray = NDArray[np.uint8]

LEGIBLE = 0.3  # mean probability of a line's characters below which a line does not count as writing
CLUTTER = 3, 2  # largest number of pieces of ink and holes for each character, and in addition for the line
COUNTED = 0.5  # smallest ratio of a word's probability to the product of its characters': else their number is in doubt
MOSTLY = 0.5  # share of the lines that must be legible, or the whole picture is refused
REFUSED = (
    "no writing that can be read was found: crop the picture to the writing, turn it upright, go closer, "
    "or take it in even light"
)
SOLID = 64  # grey levels: fainter ink does not widen a box
MAX_WORDS = 100_000  # of a closed vocabulary
VOCABULARY_BATCH = 256  # words whose likelihood is computed together


class _Line(NamedTuple):
    """A line on its way to text: its ink, as the network took it, and the network's frames, (T, classes)."""

    ink: InkLine
    fitted: FittedLine
    frames: Frames


class LineReader:
    """A line network with its preprocessing and decoding."""

    def __init__(self, network: session.Network, config: LineConfig, language: Language | None = None) -> None:
        self.network, self.config, self.language = network, config, language
        self._alphabets = alphabets(config.characters)

    @classmethod
    def open(cls, folder: Path) -> LineReader:
        """Load the reader of a directory. Raises UserError if it is not there or damaged."""
        network, config = session.load(folder)
        return cls(network, config, session.language(folder, config))

    @property
    def alphabets(self) -> tuple[str, ...]:
        """The alphabets that this reader's characters allow."""
        return tuple(self._alphabets)

    def read(self, ink: Gray, alphabet: str = "all", k: int = 5, words: Sequence[str] | None = None) -> Reading:
        """Read ink, uint8 (H, W), white on black: its lines from top to bottom.

        Each character and word comes with its ``k`` likeliest readings. With ``words`` every line is one of them.
        A picture most of whose lines are not legible is refused. Raises UserError for an alphabet that the reader
        does not have, and for words with characters that it does not know.
        """
        size = (ink.shape[1], ink.shape[0])
        found = self._lines(ink)
        if words is not None:
            vocabulary = _Vocabulary(words, self.config.characters)
            lines = [self._chosen(line, vocabulary, k) for line in found]
        else:
            lines = [self._decoded(line, self._alphabet(alphabet), k) for line in found]
        legible = [line for line, seen in zip(lines, found, strict=True) if _is_legible(line, seen.ink)]
        if found and len(legible) < MOSTLY * len(found):
            return Reading(size=size, refused=REFUSED)
        return Reading("\n".join(line.text for line in legible), tuple(legible), size)

    def frames(self, ink: Gray) -> list[Frames]:
        """Return the probabilities of the network's classes, (T, classes), for every line of ink, uint8 (H, W)."""
        return [line.frames for line in self._lines(ink)]

    def _alphabet(self, name: str) -> LineAlphabet:
        try:
            return self._alphabets[name]
        except (KeyError, TypeError):
            known = ", ".join(self._alphabets)
            raise UserError(f"this reader has no alphabet {name!r}: expected one of {known}") from None

    def _lines(self, ink: Gray) -> list[_Line]:
        """Find the lines and ask the network about all of them."""
        fitted = [
            (line, fit)
            for line in lines_of(ink)
            if (fit := fit_line(line.ink, self.config.height, self.config.stretch)) is not None
        ]
        logits = session.logits_of(self.network, self.config, [fit.picture for _, fit in fitted])
        return [
            _Line(line, fit, ctc.probabilities(answer, self.config.temperature))
            for (line, fit), answer in zip(fitted, logits, strict=True)
        ]

    def _decoded(self, line: _Line, alphabet: LineAlphabet, k: int) -> TextLine:
        """The likeliest text of a line, and its words."""
        frames = ctc.fold(line.frames, alphabet.sums)
        found = decode(frames, alphabet, self.language)
        best = found[0][0]
        text = alphabet.text(best)
        spans = ctc.align(frames, best) if best else []
        words = []
        for start, end in _words(text):
            first = spans[start - 1][1] if start else 0  # past the space before the word, which is in the gap
            last = spans[end][0] if end < len(spans) else len(frames)
            inside = [(a - first, b - first) for a, b in spans[start:end]]
            options = found if end - start == len(best) else decode(frames[first:last], alphabet, self.language)
            words.append(self._word(line, frames[first:last], best[start:end], options, inside, first, alphabet, k))
        return _text_line(line, words)

    def _word(
        self,
        line: _Line,
        frames: Frames,
        columns: ctc.Text,
        options: Sequence[tuple[ctc.Text, float]],
        spans: Sequence[tuple[int, int]],
        first: int,
        alphabet: LineAlphabet,
        k: int,
    ) -> Word:
        """A word from its own frames, which begin ``first`` frames into the line."""
        text = alphabet.text(columns)
        likely = {alphabet.text(option): share for option, share in options[:k]}
        likely = {text: dict(options).get(columns, 0.0)} | likely  # what was read as a part of its line comes first
        likely = dict(list(likely.items())[:k])
        readings = ctc.alternatives(frames, columns, spans, k)
        edges = _edges(spans, len(frames), _ink_per_frame(line)[first:])
        confidence = min(likely.get(text, 0.0), 1.0)
        counted = confidence >= COUNTED * float(np.prod([max(one.values()) for one in readings]))
        characters = tuple(
            Character(
                _box(line, first + edges[i], first + edges[i + 1]),
                {alphabet.answers[c - 1]: p for c, p in one.items()},
                counted and max(one.values()) >= self.config.sure,
            )
            for i, one in enumerate(readings)
        )
        box = around([character.box for character in characters])
        return Word(text, box, likely, confidence, confidence >= self.config.sure, characters)

    def _chosen(self, line: _Line, vocabulary: _Vocabulary, k: int) -> TextLine:
        """The likeliest words of a list for a whole line; its characters are not told apart."""
        likely = vocabulary.probabilities(line.frames, k)
        text, confidence = next(iter(likely.items()))
        box = line.ink.box
        return TextLine(
            text, box, confidence, (Word(text, box, likely, confidence, confidence >= self.config.sure, ()),)
        )


class _Vocabulary:
    """A list of words that a line may be; the case of letters is ignored."""

    def __init__(self, words: Sequence[str], characters: str) -> None:
        """Raise UserError for an empty list, one that is too long, and for words that cannot be read."""
        if isinstance(words, str) or not 1 <= len(words) <= MAX_WORDS:
            given = f"the text {words!r:.40}" if isinstance(words, str) else f"{len(words):,} words"
            raise UserError(f"words is {given}: expected a list of 1 to {MAX_WORDS:,} words")
        self.words = list(dict.fromkeys(words))
        self.alphabet = case_folded(characters)
        known = set(self.alphabet.answers)
        for word in self.words:
            if not isinstance(word, str) or not word or not set(word.lower()) <= known:
                raise UserError(f"words holds {word!r:.40}: expected words of characters that this reader knows")
        self.columns = [self.alphabet.columns(word.lower()) for word in self.words]

    def probabilities(self, frames: Frames, k: int) -> dict[str, float]:
        """Return the k likeliest words and their probabilities among all of the list, best first."""
        folded = ctc.fold(frames, self.alphabet.sums)
        parts = range(0, len(self.columns), VOCABULARY_BATCH)
        scores = np.concatenate([ctc.log_likelihood(folded, self.columns[i : i + VOCABULARY_BATCH]) for i in parts])
        odds = np.exp(scores - scores.max())
        shares = odds / odds.sum()
        return {self.words[i]: float(shares[i]) for i in np.argsort(-shares, kind="stable")[:k]}


def _words(text: str) -> list[tuple[int, int]]:
    """Where the words of a text begin and end."""
    found, start = list[tuple[int, int]](), 0
    for word in text.split(SPACE):
        if word:
            found.append((start, start + len(word)))
        start += len(word) + 1
    return found


def _edges(spans: Sequence[tuple[int, int]], count: int, ink: NDArray[np.int64]) -> list[int]:
    """Return the frames at which one character ends and the next begins: those with the least ink between two spans.

    ``ink`` is the amount of ink in each frame, (T,). Of several such frames the one nearest to the middle is taken.
    """

    def between(end: int, begin: int) -> int:
        return min(range(end, begin + 1), key=lambda f: (ink[f - 1 : f + 1].sum(), abs(2 * f - end - begin)))

    return [0, *(between(a[1], b[0]) for a, b in pairwise(spans)), count]


def _ink_per_frame(line: _Line) -> NDArray[np.int64]:
    """Return the amount of ink in each frame of the network's input, (T,)."""
    columns = line.fitted.picture.sum(axis=0, dtype=np.int64)
    padded = np.pad(columns, (0, -len(columns) % STRIDE))
    return np.asarray(padded.reshape(len(line.frames), -1).sum(axis=1))


def _box(line: _Line, first: int, last: int) -> Box:
    """The box on the page of the ink in some frames of a line."""
    fitted, (left, top, right, bottom) = line.fitted, line.ink.box
    per_frame = -(-fitted.picture.shape[1] // STRIDE) * STRIDE / max(len(line.frames), 1)
    x0, x1 = (fitted.left + frame * per_frame / fitted.scale for frame in (first, last))
    begin = int(np.clip(np.floor(x0), 0, max(right - left - 1, 0)))
    end = int(np.clip(np.ceil(x1), begin + 1, right - left))
    strokes = line.ink.ink[:, begin:end] > SOLID
    columns, rows = np.flatnonzero(strokes.any(axis=0)), np.flatnonzero(strokes.any(axis=1))
    if len(columns):
        begin, end = begin + int(columns[0]), begin + int(columns[-1]) + 1
    if line.ink.slope or not len(rows):
        return left + begin, top, left + end, bottom
    return left + begin, top + int(rows[0]), left + end, top + int(rows[-1]) + 1


def _is_legible(line: TextLine, seen: InkLine) -> bool:
    """Return whether a line is probable enough, and not a texture: many pieces of ink read as a few characters."""
    count = len(line.text.replace(SPACE, ""))
    return bool(count) and line.confidence >= LEGIBLE and seen.pieces <= CLUTTER[0] * count + CLUTTER[1]


def _text_line(line: _Line, words: Sequence[Word]) -> TextLine:
    """Words as a line; its confidence is the mean probability of its characters."""
    sure = [character.confidence for word in words for character in word.characters]
    confidence = float(np.mean(sure)) if sure else 0.0
    return TextLine(SPACE.join(word.text for word in words), line.ink.box, confidence, tuple(words))
