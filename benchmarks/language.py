"""How much the words of a reader should count beside its ink: a grid of weights, measured on held-out writers.

    python -m benchmarks.language --data unipen_words_train.npz --characters unipen_train.npz

The network reads every line once; then its frames are decoded with each weight and bonus of the grid. Writers who were
held out of training are halved by a hash of their names: weights are chosen on one half, and the other half is read
with that choice and without words.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from benchmarks import reading
from benchmarks.reading import Options, Written
from hwr import cli
from hwr.config import UserError
from hwr.evaluation.text import error_rate
from hwr.hub import transfer
from hwr.reading import session
from hwr.reading.alphabet import LineAlphabet, alphabets
from hwr.reading.ctc import Frames
from hwr.reading.decoding import decode
from hwr.reading.language import FILE, Language, read
from hwr.reading.reader import LineReader

KINDS = ("words", "lines of text", "letters apart")  # where words may help, and where they must not harm
WEIGHTS = (0.5, 0.7, 0.9)  # of the logarithms of the language's probabilities
BONUSES = (1.3, 1.6, 1.9)  # for every character


class Asked(NamedTuple):
    """A line's text, and the network's frames, (T, classes), of every line that was found in it."""

    text: str
    frames: list[Frames]


def main(options: Options) -> None:
    if options.rival or options.write:
        raise UserError("--rival and --write have no effect here: leave them out")
    folder = transfer.find_reader(transfer.find(options.model))
    if folder is None:
        raise UserError(f"--model {options.model} has no line reader")
    config = session.read_config(folder)
    words = read(folder / FILE, config.words_sha256)
    reader, alphabet = LineReader.open(folder), alphabets(config.characters)["all"]
    rng = np.random.default_rng(options.seed)
    halves = [
        {name: asked(reader, lines) for name, lines in reading.kinds(options, rng, half) if name in KINDS and lines}
        for half in map(reading.half_of, (0, 1))
    ]
    grid = [Language(words, *pair) for pair in product(WEIGHTS, BONUSES)]
    for language in tqdm(grid, "weights"):
        print(f"weight {language.weight}, bonus {language.bonus}:", shown(halves[0], alphabet, language), flush=True)
    best = min(grid, key=lambda language: errors(halves[0], alphabet, language))
    print(f"\nChosen: weight {best.weight}, bonus {best.bonus}. The other half of the writers:")
    for name, language in {"with words": best, "without": None}.items():
        print(f"{name}:", shown(halves[1], alphabet, language))


def asked(reader: LineReader, lines: Sequence[Written]) -> list[Asked]:
    """Read the frames of lines once."""
    return [Asked(line.text, reader.frames(line.ink)) for line in tqdm(lines, "lines", leave=False)]


def errors(found: dict[str, list[Asked]], alphabet: LineAlphabet, language: Language | None) -> float:
    """Return the mean character error rate of the kinds of lines."""
    return float(np.mean([error_rate(decoded(lines, alphabet, language)) for lines in found.values()]))


def decoded(lines: Sequence[Asked], alphabet: LineAlphabet, language: Language | None) -> list[tuple[str, str]]:
    """Return the text of each line and what it is read as, in small letters."""
    texts = [" ".join(alphabet.text(decode(f, alphabet, language)[0][0]) for f in line.frames) for line in lines]
    return [(line.text.lower(), " ".join(text.split()).lower()) for line, text in zip(lines, texts, strict=True)]


def shown(found: dict[str, list[Asked]], alphabet: LineAlphabet, language: Language | None) -> str:
    """Return the share of exact lines and the character error rate of every kind."""
    rows = {name: decoded(lines, alphabet, language) for name, lines in found.items()}
    return "; ".join(
        f"{name} {np.mean([a == b for a, b in pairs]):.1%} exact, character error rate {error_rate(pairs):.1%}"
        for name, pairs in rows.items()
    )


if __name__ == "__main__":
    cli.run(main, Options, __doc__)
