"""How well `Recognizer.read` reads words, numbers, lines and composed strings of writers who were held out of training.

    python -m benchmarks.reading --data unipen_words_train.npz --characters unipen_train.npz unipen_symbols_train.npz

Writers are held out by a hash of their names, as in training. Every line is drawn as a sketch, with a pen of random
width, and read from its ink. With ``--rival`` RapidOCR's recogniser reads the very same pictures in the same run
(pip install -r benchmarks/requirements-engines.txt). ``--pages`` of several such lines are read as well.
"""

from __future__ import annotations

import hashlib
import importlib
import string
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from benchmarks import results
from hwr import Recognizer, cli
from hwr.config import Alphabet, UserError
from hwr.data.lines import composing, sources
from hwr.data.lines.composing import Hand, Line, hand_of, height_of, is_held_out
from hwr.data.lines.sampling import GAPS
from hwr.evaluation.text import exactness
from hwr.ink.strokes import draw
from hwr.reading.config import PRINTABLE

Gray = NDArray[np.uint8]
Read = Callable[[Gray, Alphabet], str]  # ink and an alphabet -> text

HEIGHTS, PENS = (40.0, 90.0), (0.04, 0.1)  # pixels of a line, and of the pen as a share of that
WIDEST = 900  # pixels of a line
LENGTHS = (2, 9)  # characters of a composed string, the second excluded


@dataclass(frozen=True)
class Options:
    """Whose lines are read, by which model."""

    data: str
    """Lines of known writers: an .npz of pen trajectories with text."""
    characters: tuple[str, ...] = ()
    """Single characters of the same writers to compose strings of: .npz files of pen trajectories."""
    model: str = "bundled"
    """Model directory."""
    n: int = 150
    """Lines of each kind."""
    seed: int = 0
    """Chooses them."""
    rival: bool = False
    """Let RapidOCR read the same pictures."""
    write: Path | None = None
    """JSON file for the results."""


class Written(NamedTuple):
    """A line as ink, and its text."""

    ink: Gray
    text: str


def main(options: Options) -> None:
    rng = np.random.default_rng(options.seed)
    recognizer = Recognizer.from_pretrained(options.model)
    readers: dict[str, Read] = {"hwr": lambda ink, alphabet: recognizer.read(ink_picture(ink), alphabet).text}
    if options.rival:
        readers["RapidOCR"] = rival()
    found: dict[str, Any] = {}
    for name, lines in kinds(options, rng):
        found[name] = {reader: measure(lines, read, alphabet_of(name), reader) for reader, read in readers.items()}
        print(f"{name}:", "; ".join(f"{reader} {shown(row)}" for reader, row in found[name].items()), flush=True)
    if options.write:
        results.write(options.write, results.report("reading", "onnxruntime", results=found))


def alphabet_of(kind: str) -> Alphabet:
    return "digits" if kind.startswith("digits") else "all"


def ink_picture(ink: Gray) -> Gray:
    """Ink as somebody draws it: black on a transparent canvas."""
    return np.dstack([np.zeros((*ink.shape, 3), np.uint8), ink])


def rival() -> Read:
    """RapidOCR's recogniser alone, without its detector, reading black on white."""
    try:
        rapidocr: Any = importlib.import_module("rapidocr")
    except ImportError:
        raise UserError("--rival needs RapidOCR: pip install -r benchmarks/requirements-engines.txt") from None
    engine = rapidocr.RapidOCR(params={"Global.log_level": "error"})

    def read(ink: Gray, alphabet: Alphabet) -> str:
        answer = engine(np.dstack([255 - ink] * 3), use_det=False, use_cls=False)
        text = " ".join(answer.txts or ())
        return "".join(c for c in text if c in string.digits) if alphabet == "digits" else text

    return read


def kinds(
    options: Options, rng: np.random.Generator, chosen_writers: Callable[[str], bool] = is_held_out
) -> Iterator[tuple[str, list[Written]]]:
    """Every kind of line of the chosen writers: real ones first, then composed ones."""
    lines = sources.read(options.data, Path(), PRINTABLE)
    if not isinstance(lines, sources.Lines):
        raise UserError(f"--data {options.data} holds single characters: expected lines with their text")
    held = [i for i, writer in enumerate(lines.writers) if chosen_writers(writer)]
    for name, belongs in {"words": is_word, "numbers": is_number, "lines of text": is_text}.items():
        rows = [i for i in held if belongs(lines.texts[i])]
        chosen = rng.permutation(rows)[: options.n].tolist()
        yield name, [Written(sketch(lines.drawn(i), rng), lines.texts[i]) for i in chosen]
    hands = held_out_hands(options.characters, chosen_writers)
    for name, pool in {"digits": string.digits, "letters": string.ascii_letters}.items():
        writers = [hand for hand in hands if len(set(pool) & hand.characters.keys()) >= min(len(pool), 30)]
        for gap in ("apart", "touching") if writers else ():
            yield f"{name} {gap}", [composed(writers, name, GAPS[gap], rng) for _ in range(options.n)]


def is_word(text: str) -> bool:
    return len(text) > 1 and text.isalpha()


def is_number(text: str) -> bool:
    spaced = any(a.isdigit() and c.isdigit() for a, b, c in zip(text, text[1:], text[2:], strict=False) if b == " ")
    return len(text) > 1 and any(c.isdigit() for c in text) and not any(c.isalpha() for c in text) and not spaced


def is_text(text: str) -> bool:
    return " " in text and 15 <= len(text) <= 70


def half_of(half: int) -> Callable[[str], bool]:
    """Return whether a writer is held out and belongs to a half, 0 or 1, of the writers that are."""
    return lambda writer: is_held_out(writer) and hashlib.sha256(writer.encode()).digest()[1] % 2 == half


def held_out_hands(names: Sequence[str], chosen_writers: Callable[[str], bool] = is_held_out) -> list[Hand]:
    """The chosen writers of some files, each with all characters that the files have of them."""
    written: dict[str, list[tuple[str, Line]]] = {}
    for name in names:
        found = sources.read(name, Path(), PRINTABLE)
        if not isinstance(found, list):
            raise UserError(f"--characters {name}: expected pen trajectories of single characters")
        for writer, hand in found:
            if chosen_writers(writer):
                samples = [(character, line) for character, kept in hand.characters.items() for line in kept]
                written.setdefault(writer, []).extend(samples)
    return [hand_of(samples) for samples in written.values()]


def composed(hands: Sequence[Hand], kind: str, gap: tuple[float, float], rng: np.random.Generator) -> Written:
    """A string of digits, of capitals or of small letters in one hand."""
    hand = hands[int(rng.integers(len(hands)))]
    cases = [string.digits] if kind == "digits" else [string.ascii_uppercase, string.ascii_lowercase]
    pools = [[c for c in case if c in hand.characters] for case in cases]
    pool = pools[int(rng.integers(len(pools)))] or max(pools, key=len)
    text = "".join(rng.choice(pool, int(rng.integers(*LENGTHS))))
    line = composing.compose(lambda character: hand, text, float(rng.uniform(*gap)), rng)
    assert line is not None  # the hand has all of its characters
    return Written(sketch(line, rng), text)


def sketch(line: Any, rng: np.random.Generator) -> Gray:
    """A trajectory drawn with a pen of random width, its height random too."""
    points = np.concatenate(line)
    low, span = points.min(axis=0), np.ptp(points, axis=0)
    tall = float(rng.uniform(*HEIGHTS))
    scale = min(tall / max(height_of(line), span[0] / 15, 1e-3), WIDEST / max(span[0], 1e-3))
    pen = max(1.5, tall * float(rng.uniform(*PENS)))
    margin = int(pen) + 8
    wide, high = np.ceil(span * scale).astype(int) + 2 * margin
    return draw([(stroke - low) * scale + margin for stroke in line], (int(high), int(wide)), pen)


def measure(lines: Sequence[Written], read: Read, alphabet: Alphabet, name: str) -> dict[str, Any]:
    """Exact texts with their 95 % interval, character error rate, and the median of milliseconds a line.

    Case is ignored, and so are spaces where digits alone are asked for.
    """
    pairs, times = list[tuple[str, str]](), list[float]()
    for ink, text in tqdm(lines, name, leave=False):
        started = time.perf_counter()
        answer = read(ink, alphabet)
        times.append(time.perf_counter() - started)
        answer = answer.replace(" ", "") if alphabet == "digits" else " ".join(answer.split())
        pairs.append((text.lower(), answer.lower()))
    return exactness(pairs) | {"ms": 1e3 * median(times)}


def shown(row: dict[str, Any]) -> str:
    low, high = row["exact_low"], row["exact_high"]
    return (
        f"{row['exact']:.1%} exact ({low:.1%} to {high:.1%}, n = {row['n']}), "
        f"character error rate {row['character_error_rate']:.1%}, {row['ms']:.0f} ms"
    )


def table(found: dict[str, Any]) -> str:
    """The results as a Markdown table."""
    head = "| held-out writers | n | exact | 95 % interval | character error rate | ms |"
    rows = [
        f"| {kind}{'' if reader == 'hwr' else f', {reader}'} | {row['n']} | {row['exact']:.1%} | "
        f"{row['exact_low']:.1%} to {row['exact_high']:.1%} | {row['character_error_rate']:.1%} | {row['ms']:.0f} |"
        for kind, readers in found.items()
        for reader, row in readers.items()
    ]
    return "\n".join([head, "|---|---:|---:|---|---:|---:|", *rows])


if __name__ == "__main__":
    cli.run(main, Options, __doc__)
