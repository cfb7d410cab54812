"""Lines as the network sees them: chosen by number, drawn and worn anew each time, the same for the same seed."""

from __future__ import annotations

import string
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hwr.config import UserError
from hwr.data.lines import composing, wear
from hwr.data.lines.composing import Hand, Line
from hwr.data.lines.scans import Scans
from hwr.data.lines.scans import compose as compose_scans
from hwr.data.lines.sources import Lines
from hwr.ink.line import fit_line
from hwr.ink.strokes import draw

Gray = NDArray[np.uint8]

HEIGHTS = (22.0, 60.0)  # pixels of a line before it is fitted: small bitmaps and fine scans
PENS = (0.03, 0.12)  # width of the pen, as a share of the line's height
SMALL_PEN = 1.3  # times as wide where all letters are small, so that the line is less high
PLAIN_HEIGHT, PLAIN_PEN = 64.0, 4.0  # pixels of lines to validate on
MARKED = 0.3  # share of lines beside which paper leaves marks
EMPTY = 0.02  # share of lines that are scribbles and say nothing
SINGLE_SKIPPED = 0.6  # of the real lines of one character, which another model reads
SHORT = 14  # characters: lines up to this length are joined to longer ones
JOINED = (2, 7)  # lines that are joined, the second excluded
POOLS = (string.digits, string.ascii_uppercase, string.ascii_lowercase)  # characters of a row of pictures
SCANNED_DIGITS = 0.5  # share of digits among the rows of pictures
ATTEMPTS = 20  # until a line can be drawn
LONGEST = 60  # heights of a line: longer ones, such as a rule, are not drawn
NO_SCANS = Scans({})
GAPS = {"apart": (0.12, 0.5), "near": (0.02, 0.12), "touching": (-0.12, 0.0)}  # capitals' heights between neighbours


Draw = Callable[[np.random.Generator], tuple[Line | Gray | None, str]]  # a line, None if it has to be drawn again


class Sample(NamedTuple):
    """One line: what the network sees, uint8 (height, W), and its text."""

    picture: Gray
    text: str


@dataclass(frozen=True)
class Mixture:
    """How often each kind of line is drawn; the shares are relative to one another."""

    real: float = 0.5  # words, numbers and lines as they were written
    numbers: float = 0.17  # digits and marks of one hand
    letters: float = 0.1  # words composed of single characters
    joined: float = 0.13  # lines made of one writer's words
    scans: float = 0.1  # digits and letters as pictures


class LineSampler:
    """Draw the lines of a training run: real ones, and lines composed of the same writers' characters and words."""

    def __init__(
        self,
        lines: Lines,
        hands: Sequence[Hand],
        height: int,
        stretch: float,
        scans: Scans = NO_SCANS,
        mixture: Mixture | None = None,
    ):
        """Raise UserError where there are no lines to draw."""
        if not len(lines):
            raise UserError("there are no lines to train on")
        self.lines, self.hands, self.height, self.stretch = lines, list(hands), height, stretch
        self.by_writer = _short_lines(lines)
        self.words = [text for text in lines.texts if text.isalpha()] or ["word"]
        mixture = mixture or Mixture()
        self.scans = scans
        self.scanned = [pool for pool in map(scans.known, POOLS) if pool]
        kinds: list[tuple[Draw, float]] = [
            (self._real, mixture.real),
            (self._number, mixture.numbers if hands else 0.0),
            (self._letters, mixture.letters if hands else 0.0),
            (self._joined, mixture.joined if self.by_writer else 0.0),
            (self._scanned, mixture.scans if self.scanned else 0.0),
        ]
        self.draws = [draw for draw, _ in kinds]
        weights = np.array([share for _, share in kinds])
        self.shares = weights / weights.sum()

    def __len__(self) -> int:
        return len(self.lines)

    def sample(self, seed: Sequence[int], number: int) -> Sample:
        """Return line ``number`` for a seed: always the same for the same numbers."""
        rng = np.random.default_rng([*seed, number])
        draw = self.draws[int(rng.choice(len(self.draws), p=self.shares))]
        # Hands without a character of the text compose nothing: then a real line takes its place.
        for attempt in [draw] * ATTEMPTS + [self._real] * ATTEMPTS:
            line, text = attempt(rng)
            if line is None:
                continue
            if rng.random() < EMPTY:
                line, text = wear.scribble(rng), ""
            picture = render(line, self.height, self.stretch, rng, all_small=text.islower())
            if picture is not None:
                return Sample(picture, text)
        raise UserError("no line of this data can be drawn: are its pictures blank?")

    def _real(self, rng: np.random.Generator) -> tuple[Line | Gray | None, str]:
        row = int(rng.integers(len(self.lines)))
        skipped = len(self.lines.texts[row]) == 1 and rng.random() < SINGLE_SKIPPED
        return (None, "") if skipped else (self.lines.drawn(row), self.lines.texts[row])

    def _number(self, rng: np.random.Generator) -> tuple[Line | None, str]:
        return self._composed(composing.random_number(rng), rng)

    def _letters(self, rng: np.random.Generator) -> tuple[Line | None, str]:
        return self._composed(self._word(rng), rng)

    def _joined(self, rng: np.random.Generator) -> tuple[Line | None, str]:
        """Return several short lines of one writer as one line."""
        rows = self.by_writer[int(rng.integers(len(self.by_writer)))]
        chosen = rng.choice(rows, int(rng.integers(*JOINED))).tolist()
        strokes = [line for line in map(self.lines.drawn, chosen) if isinstance(line, list)]
        if len(strokes) < len(chosen):
            return None, ""
        return composing.join(strokes, rng), " ".join(self.lines.texts[i] for i in chosen)

    def _scanned(self, rng: np.random.Generator) -> tuple[Gray | None, str]:
        """Return a row of pictures: digits half the time, else capitals or small letters, half of these a word."""
        digits, letters = self.scanned[0], self.scanned[1:] or self.scanned
        pool = digits if rng.random() < SCANNED_DIGITS else letters[int(rng.integers(len(letters)))]
        text = "".join(rng.choice(list(pool), int(rng.integers(1, 9))))
        word = self._word(rng)
        if pool is not digits and word and set(word) <= set(self.scans.pictures) and rng.random() < 0.5:
            text = word
        low, high = list(GAPS.values())[int(rng.integers(len(GAPS)))]
        return compose_scans(self.scans, text, float(rng.uniform(low, high)), rng), text

    def _word(self, rng: np.random.Generator) -> str:
        if rng.random() < 0.6:
            text = self.words[int(rng.integers(len(self.words)))]
        else:
            pool = string.ascii_uppercase if rng.random() < 0.5 else string.ascii_lowercase
            text = "".join(rng.choice(list(pool), int(rng.integers(2, 9))))
        return text.upper() if rng.random() < 0.3 else text

    def _composed(self, text: str, rng: np.random.Generator) -> tuple[Line | None, str]:
        """A text in one hand; characters that the hand lacks are another's."""
        hand = self.hands[int(rng.integers(len(self.hands)))]

        def of(character: str) -> Hand | None:
            others = (self.hands[int(rng.integers(len(self.hands)))] for _ in range(30))
            return next((h for h in (hand, *others) if character in h.characters), None)

        low, high = list(GAPS.values())[int(rng.integers(len(GAPS)))]
        return composing.compose(of, text, float(rng.uniform(low, high)), rng), text


def _short_lines(lines: Lines) -> list[NDArray[np.int64]]:
    """The short lines of every writer who wrote at least three."""
    rows: dict[str, list[int]] = {}
    for i, (writer, text) in enumerate(zip(lines.writers, lines.texts, strict=True)):
        if writer and len(text) <= SHORT:
            rows.setdefault(writer, []).append(i)
    return [np.array(some) for some in rows.values() if len(some) >= 3]


def render(
    line: Line | Gray, height: int, stretch: float, rng: np.random.Generator, all_small: bool = False
) -> Gray | None:
    """Draw a line with a random pen on random paper, as the network sees it, uint8 (height, W); None if it is blank."""
    tall = float(np.exp(rng.uniform(*np.log(HEIGHTS))))
    if isinstance(line, np.ndarray):
        ink, pen = wear.reshape(line, tall, rng)
    else:
        pen = max(1.0, tall * float(np.exp(rng.uniform(*np.log(PENS)))) * (SMALL_PEN if all_small else 1.0))
        drawn = _drawn(wear.distort(line, rng), tall, pen)
        if drawn is None:
            return None
        ink = drawn
    if rng.random() < MARKED:
        room = np.rint(rng.uniform(0, 0.25, 4) * tall).astype(int)
        ink = wear.leave_marks(np.pad(ink, ((room[0], room[1]), (room[2], room[3]))), pen, rng)
    fitted = fit_line(wear.wear(ink, pen, rng), height, stretch)
    return None if fitted is None else fitted.picture


def render_plainly(line: Line | Gray, height: int, stretch: float) -> Gray | None:
    """Draw a line with one pen on clean paper, for validation: uint8 (height, W); None if it is blank."""
    fitted = fit_line(ink_of(line), height, stretch)
    return None if fitted is None else fitted.picture


def ink_of(line: Line | Gray) -> Gray:
    """Return a line as ink, uint8 (H, W), drawn with one pen on clean paper; a picture's ink is returned as it is."""
    ink = line if isinstance(line, np.ndarray) else _drawn(_unit(line), PLAIN_HEIGHT, PLAIN_PEN)
    return np.zeros((1, 1), np.uint8) if ink is None else ink


def _drawn(line: Line, tall: float, pen: float) -> Gray | None:
    """A line of height 1 as ink ``tall`` pixels high; None where it is much longer or higher than a line can be."""
    points = np.concatenate(line)
    low, high = points.min(axis=0), points.max(axis=0)
    span = (high - low) * tall
    margin = int(np.ceil(pen)) + 2
    canvas = (int(np.ceil(span[1])) + 2 * margin, int(np.ceil(span[0])) + 2 * margin)
    if canvas[1] > LONGEST * canvas[0] or canvas[0] > 8 * tall + 2 * margin:
        return None
    return draw([(stroke - low) * tall + margin for stroke in line], canvas, pen)


def _unit(line: Line) -> Line:
    """The line scaled to a height of 1; a flat one, such as a dash, less."""
    tall = max(composing.height_of(line), 0.05 * float(np.ptp(np.concatenate(line)[:, 0])), 1e-3)
    return [stroke / np.float32(tall) for stroke in line]
