"""How many pictures without handwriting are answered surely: bars, boxes, frames, landscapes, print, noise, textures.

    python -m benchmarks.nothing --write benchmarks/nothing.json

Every picture is given to `Recognizer.top_k` and `Recognizer.read`, with the alphabets ``digits`` and ``all``. A sure
answer is wrong, except words of printed text that are read as they stand there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from benchmarks import results
from hwr import Recognizer, cli
from hwr.config import Alphabet
from hwr.reading.result import Word

Gray = NDArray[np.uint8]
Draw = Callable[[np.random.Generator], Gray]

SIZE = (360, 480)  # pixels, height and width
OF_EACH = 5  # pictures
ALPHABETS: tuple[Alphabet, ...] = ("digits", "all")
PRINTED = ("Invoice total", "Please sign below", "Platform 7", "Opening hours", "No parking", "Chapter 12", "Return to")


class Blank(NamedTuple):
    """A picture without handwriting: its kind, its number among those, its pixels."""

    kind: str
    number: int
    picture: Gray


@dataclass(frozen=True)
class Options:
    """Which model answers."""

    model: str | None = None
    """Model directory. Default: the bundled model."""
    write: Path | None = None
    """JSON file for the results."""


def main(options: Options) -> None:
    recognizer = Recognizer.from_pretrained(options.model)
    found = {kind: {"n": 0, "top_k": 0, "read": 0} for kind in KINDS}
    for blank in pictures():
        counts = found[blank.kind]
        counts["n"] += 1
        wrong = sure_answers(recognizer, blank.picture)
        for name, answers in wrong.items():
            counts[name] += bool(answers)
        if any(wrong.values()):
            print(f"{blank.kind} {blank.number}: {wrong}", flush=True)
    print(", ".join(f"{kind} {one['top_k']} + {one['read']} of {one['n']}" for kind, one in found.items()))
    if options.write:
        results.write(options.write, results.report("nothing", results=found))


def sure_answers(recognizer: Recognizer, picture: Gray) -> dict[str, list[str]]:
    """Return the confident answers of `top_k` and `read`, without printed words that were read correctly."""
    printed = set(" ".join(PRINTED).split())
    seen = recognizer.see(picture)
    found: dict[str, list[str]] = {"top_k": [], "read": []}
    for alphabet in ALPHABETS:
        answer = recognizer.answer(seen, 1, alphabet)
        found["top_k"] += list(answer.probabilities) if answer.confident else []
        words = [word for word in recognizer.read(picture, alphabet, 1).words if word.text not in printed]
        found["read"] += [word.text for word in words if word.confident or _is_sure_all_over(word)]
    return found


def _is_sure_all_over(word: Word) -> bool:
    return bool(word.characters) and all(one.confident for one in word.characters)


def pictures(of_each: int = OF_EACH) -> Iterator[Blank]:
    """Yield the pictures, the same for every model."""
    for kind in KINDS:
        for number in range(of_each):
            yield Blank(kind, number, picture(kind, number))


def picture(kind: str, number: int) -> Gray:
    return KINDS[kind](np.random.default_rng((number, *kind.encode())))


# --- kinds ---


def paper(rng: np.random.Generator) -> Gray:
    return np.full(SIZE, rng.integers(215, 256), np.uint8)


def photographed(picture: Gray, rng: np.random.Generator) -> Gray:
    """Add uneven light, blur and noise to a picture, in half of the cases."""
    if rng.random() < 0.5:
        return picture
    light = np.linspace(1, rng.uniform(0.7, 1), SIZE[1]) * np.linspace(1, rng.uniform(0.8, 1), SIZE[0])[:, None]
    seen = cv2.GaussianBlur(picture * light, (0, 0), rng.uniform(0.5, 1.5)) + rng.normal(0, rng.uniform(1, 4), SIZE)
    return np.asarray(seen.clip(0, 255), np.uint8)


def pen(rng: np.random.Generator) -> tuple[int, int]:
    """Return the grey level and the thickness of a printed line."""
    return int(rng.integers(0, 120)), int(rng.integers(1, 6))


def bars(rng: np.random.Generator) -> Gray:
    """One bar or several, as dashes, rules and blanks to be filled in are."""
    picture, (grey, thick), count = paper(rng), pen(rng), int(rng.integers(1, 7))
    long, y = int(rng.uniform(0.5, 0.9) * 400 / count), int(rng.integers(100, 260))
    for n in range(count):
        x = 40 + n * 400 // count
        cv2.line(picture, (x, y), (x + long, y + int(rng.integers(-3, 4))), grey, thick)
    return photographed(picture, rng)


def rules(rng: np.random.Generator) -> Gray:
    picture, (grey, thick) = paper(rng), pen(rng)
    for y in range(int(rng.integers(10, 40)), SIZE[0], int(rng.integers(25, 60))):
        cv2.line(picture, (0, y), (SIZE[1], y), grey, min(thick, 3))
    return photographed(picture, rng)


def boxes(rng: np.random.Generator) -> Gray:
    """The empty boxes of a form: separate, or a comb."""
    picture, (grey, thick), count = paper(rng), pen(rng), int(rng.integers(1, 9))
    side = int(rng.integers(30, 50))
    pitch = side + int(rng.integers(0, 2)) * int(rng.integers(5, 12))
    for n in range(count):
        x, y = 20 + n * pitch, 150
        cv2.rectangle(picture, (x, y), (x + side, y + side), grey, thick)
    return photographed(picture, rng)


def frames(rng: np.random.Generator) -> Gray:
    """One to three rectangles within one another, or a rounded one."""
    picture, (grey, thick) = paper(rng), pen(rng)
    inset = rng.integers(15, 100, 2)
    for n in range(int(rng.integers(1, 4))):
        x, y = (inset + 14 * n).tolist()
        cv2.rectangle(picture, (x, y), (SIZE[1] - x, SIZE[0] - y), grey, thick)
    return photographed(picture, rng)


def tables(rng: np.random.Generator) -> Gray:
    """An empty grid, as of a sudoku."""
    picture, (grey, thick) = paper(rng), pen(rng)
    rows, columns = rng.integers(2, 10, 2).tolist()
    for n in range(rows + 1):
        cv2.line(picture, (40, 30 + 300 * n // rows), (440, 30 + 300 * n // rows), grey, thick)
    for n in range(columns + 1):
        cv2.line(picture, (40 + 400 * n // columns, 30), (40 + 400 * n // columns, 330), grey, thick)
    return photographed(picture, rng)


def smooth(rng: np.random.Generator, cells: int) -> NDArray[np.float32]:
    """Return smooth random values in [0, 1], with ``cells`` hills across the picture."""
    coarse = rng.random((max(cells * 3 // 4, 2), max(cells, 2))).astype(np.float32)
    return np.asarray(cv2.resize(coarse, SIZE[::-1], interpolation=cv2.INTER_CUBIC).clip(0, 1), np.float32)


def landscapes(rng: np.random.Generator) -> Gray:
    """A sky above one or more dark ridges, with trees."""
    picture = 200 + 50 * smooth(rng, 4)
    x = np.arange(SIZE[1])
    for n in range(int(rng.integers(1, 4))):
        ridge = (
            140 + 60 * n + sum(rng.uniform(5, 25) * np.sin(x / rng.uniform(15, 90) + rng.uniform(0, 6)) for _ in "abc")
        )
        below = np.arange(SIZE[0])[:, None] > ridge
        picture = np.where(below, 130 - 35 * n + 30 * smooth(rng, 60), picture)
    return np.asarray((picture + rng.normal(0, 3, SIZE)).clip(0, 255), np.uint8)


def gradients(rng: np.random.Generator) -> Gray:
    return np.asarray((255 * smooth(rng, int(rng.integers(2, 6))) + rng.normal(0, 2, SIZE)).clip(0, 255), np.uint8)


def printed(rng: np.random.Generator) -> Gray:
    """A few words in a printer's font."""
    image = Image.fromarray(paper(rng))
    font = ImageFont.load_default(size=int(rng.integers(18, 60)))
    for n in range(int(rng.integers(1, 4))):
        ImageDraw.Draw(image).text((25, 40 + 80 * n), PRINTED[int(rng.integers(len(PRINTED)))], fill=20, font=font)
    return photographed(np.asarray(image), rng)


def noise(rng: np.random.Generator) -> Gray:
    """Noise of single pixels, or of coarser grains."""
    grains = cv2.GaussianBlur(rng.normal(0, 1, SIZE), (0, 0), rng.uniform(0.4, 4))
    return np.asarray((128 + 50 * grains / grains.std()).clip(0, 255), np.uint8)


def textures(rng: np.random.Generator) -> Gray:
    """The texture of wood or cloth."""
    if rng.random() < 0.5:
        grain = cv2.resize(rng.normal(0, 1, (SIZE[0] // 2, 6)), SIZE[::-1], interpolation=cv2.INTER_CUBIC)
        return np.asarray((140 + 25 * grain + rng.normal(0, 3, SIZE)).clip(0, 255), np.uint8)
    y, x = np.mgrid[: SIZE[0], : SIZE[1]] * 2 * np.pi / rng.uniform(6, 25)
    return np.asarray(
        (150 + 40 * np.sin(x) * np.sin(y) + 20 * np.sin(x + y) + rng.normal(0, 5, SIZE)).clip(0, 255), np.uint8
    )


def barcodes(rng: np.random.Generator) -> Gray:
    """Upright stripes of four widths."""
    picture, x = paper(rng), 60
    while x < 400:
        width = int(rng.integers(1, 5)) * 3
        picture[90:270, x : x + width] = 15
        x += width + int(rng.integers(1, 5)) * 3
    return photographed(picture, rng)


def shapes(rng: np.random.Generator) -> Gray:
    """A matrix code: a square of black and white modules."""
    modules = (rng.random((21, 21)) < 0.5).astype(np.uint8)
    picture = paper(rng)
    picture[60:270, 120:330] = np.where(cv2.resize(modules, (210, 210), interpolation=cv2.INTER_NEAREST), 15, 240)
    return photographed(picture, rng)


KINDS: dict[str, Draw] = {
    "bars": bars,
    "rules": rules,
    "boxes": boxes,
    "frames": frames,
    "tables": tables,
    "landscapes": landscapes,
    "gradients": gradients,
    "print": printed,
    "noise": noise,
    "textures": textures,
    "bar codes": barcodes,
    "matrix codes": shapes,
}

if __name__ == "__main__":
    cli.run(main, Options, __doc__)
