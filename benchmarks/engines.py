"""One character through `Recognizer.top_k` and through OCR engines: how often it is read right, and how long it takes.

    apt-get install tesseract-ocr && pip install -r benchmarks/requirements-engines.txt
    python -m benchmarks.engines --pendigits pendigits_train.npz --write benchmarks/engines.json

Every reader gets the same pictures of a test set, in turn, in one run. The engines get them as suits them: cropped to
the ink, black on white, with a margin, at a size that is tried out for each on training pictures; none of that counts
as their time, while all preprocessing counts as time of `top_k`. Their answers are kept to the alphabet that is asked
for, wherever they can be: by Tesseract's white list, and by the probabilities of the two others, which have none.
Detection of lines, their direction, and the least score for an answer are switched off. They take turns of 20
pictures: first they read them, then they read them again in a row, which is timed. Before each turn it is quiet for a
moment, since the threads of some go on asking for work for 30 milliseconds after a call. With `--pause` it is quiet
before each timed call, as it is before a sketch.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module, metadata
from itertools import product
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm, trange

from benchmarks import results
from benchmarks.accuracy import answer_of, picture
from hwr import Recognizer, UserError, cli
from hwr.config import DIGITS, LOWER, UPPER, Alphabet
from hwr.data import downloads, sources
from hwr.ink.picture import Gray
from hwr.metrics import wilson

TURN, QUIET = 20, 0.05  # pictures of a turn; seconds before it
SIDES, MARGINS = (32, 48, 64, 96), (0.1, 0.2, 0.3)  # of the engines' pictures: pixels, and a share of them
CHARACTERS: dict[Alphabet, str] = {"digits": "".join(DIGITS), "letters": "".join(UPPER + LOWER)}
ANSWERS: dict[Alphabet, tuple[str, ...]] = {"digits": DIGITS, "letters": UPPER}


@dataclass(frozen=True)
class Options:
    """Where the pictures are, and how many of them are read."""

    model: str | None = None
    """Model directory. Default: the bundled model."""
    mnist: str = "mnist"
    """MNIST; of its training split sizes are tried out on."""
    usps: str = "usps"
    """USPS test, or an .npz."""
    pendigits: str | None = None
    """UCI pen digits as an .npz of trajectories; left out where no file is named."""
    emnist: str = "emnist-byclass"
    """EMNIST ByClass test, or an .npz."""
    trial: str = "emnist-byclass"
    """EMNIST ByClass training split, or an .npz of it, to try out sizes on."""
    data_dir: Path = Path("~/.cache/hwr/data")
    """Where downloads are kept."""
    tessdata: Path = Path("/usr/share/tesseract-ocr/5/tessdata")
    """Folder with Tesseract's eng.traineddata."""
    n: int = 500
    """Pictures of each set, drawn at random."""
    tried: int = 100
    """Training pictures of digits, and as many of letters, to try out sizes on."""
    pause: bool = False
    """Time each call after a pause instead of 20 in a row."""
    seed: int = 0
    """Of what is random."""
    write: Path | None = None
    """JSON file for the results."""


class Layout(NamedTuple):
    """How a picture is given to an engine: its side in pixels, and the share of it on each side that stays white."""

    side: int
    margin: float


class Engine(NamedTuple):
    """One reader: what it makes of a picture, as well as it can, and the call whose time counts."""

    read: Callable[[Gray], str]
    timed: Callable[[Gray], object]


Engines = dict[str, Callable[[Alphabet], Engine]]  # by name


@dataclass(frozen=True)
class Sample:
    """Pictures of a set, as accuracy.py gives them to Recognizer, and the place of each one's right answer."""

    name: str
    alphabet: Alphabet
    pictures: list[Gray]
    is_ink: bool  # white on black
    right: list[int]


def main(options: Options) -> None:
    recognizer = Recognizer.from_pretrained(options.model)
    engines = others(options.tessdata)
    layouts = {name: best_layout(make, list(trials(options))) for name, make in engines.items()}
    measured = {
        sample.name: measure(recognizer, engines, layouts, sample, options.pause) for sample in samples(options)
    }
    print(table(measured))
    for name, layout in layouts.items():
        print(f"{name}: {layout.side} pixels, of them {layout.margin:.0%} white on each side")
    if options.write:
        given = {name: layout._asdict() for name, layout in layouts.items()}
        found = results.report("engines", engines=versions(), layouts=given, seed=options.seed, results=measured)
        results.write(options.write, found)


# --- pictures ---


def samples(options: Options) -> Iterator[Sample]:
    yield sample("MNIST test, digits", options.mnist, "test", "digits", options.n, options)
    yield sample("USPS test, digits", options.usps, "test", "digits", options.n, options)
    if options.pendigits:
        name = "UCI pen digits drawn as sketches, digits"
        yield sample(name, options.pendigits, "test", "digits", options.n, options)
    yield sample("EMNIST ByClass test, letters", options.emnist, "test", "letters", options.n, options)


def trials(options: Options) -> Iterator[Sample]:
    yield sample("digits", options.mnist, "train", "digits", options.tried, options)
    yield sample("letters", options.trial, "train", "letters", options.tried, options)


def sample(name: str, data: str, split: downloads.Split, alphabet: Alphabet, n: int, options: Options) -> Sample:
    """``n`` pictures of an alphabet, drawn by the seed."""
    source = sources.read(data, split, options.data_dir)
    right = np.array([-1 if (a := answer_of(t[0], ANSWERS[alphabet])) is None else a for t in source.targets])
    known = np.flatnonzero(right[source.labels] >= 0)
    rows = np.random.default_rng(options.seed).permutation(known)[:n].tolist()
    pictures = [picture(source, i) for i in rows]
    return Sample(name, alphabet, pictures, source.trajectory is None, right[source.labels[rows]].tolist())


def laid_out(ink: Gray, layout: Layout) -> Gray:
    """Ink, white on black, as an engine gets it: black on white, square, uint8 (side, side)."""
    x, y, width, height = cv2.boundingRect(ink)
    crop = ink[y : y + height, x : x + width]
    longest = round(layout.side * (1 - 2 * layout.margin))
    scale = longest / max(width, height)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    scaled = cv2.resize(crop, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    page = np.full((layout.side, layout.side), 255, np.uint8)
    top, left = (layout.side - size[1]) // 2, (layout.side - size[0]) // 2
    page[top : top + size[1], left : left + size[0]] = 255 - scaled
    return page


def prepared(sample: Sample, layout: Layout) -> list[Gray]:
    inks = sample.pictures if sample.is_ink else [np.subtract(255, one, dtype=np.uint8) for one in sample.pictures]
    return [laid_out(ink, layout) for ink in inks]


# --- engines ---


def others(tessdata: Path) -> Engines:
    """The OCR engines. Raises UserError if one is not installed."""
    return {
        "Tesseract": lambda alphabet: tesseract(CHARACTERS[alphabet], tessdata),
        "RapidOCR": lambda alphabet: rapid(CHARACTERS[alphabet]),
        "ddddocr": lambda alphabet: dddd(CHARACTERS[alphabet]),
    }


def required(name: str) -> ModuleType:
    try:
        return import_module(name)
    except ImportError as error:
        raise UserError(f"{error}: pip install -r benchmarks/requirements-engines.txt") from None


def versions() -> dict[str, str]:
    return {name: metadata.version(name) for name in ("tesserocr", "rapidocr", "ddddocr", "onnxruntime")} | {
        "tesseract": required("tesserocr").tesseract_version().split()[1]
    }


def tesseract(characters: str, tessdata: Path) -> Engine:
    """Within this process, in the mode for a single character, with a white list."""
    tesserocr = required("tesserocr")
    if not (tessdata / "eng.traineddata").is_file():
        raise UserError(f"--tessdata {tessdata} has no eng.traineddata: apt-get install tesseract-ocr, or name another")
    api = tesserocr.PyTessBaseAPI(path=str(tessdata), psm=tesserocr.PSM.SINGLE_CHAR)
    api.SetVariable("tessedit_char_whitelist", characters)

    def read(picture: Gray) -> str:
        height, width = picture.shape
        api.SetImageBytes(picture.tobytes(), width, height, 1, width)
        return str(api.GetUTF8Text())

    return Engine(read, read)


def rapid(characters: str) -> Engine:
    """Recognition alone; of what its network says, only the alphabet's columns count."""
    off = {"Global.use_det": False, "Global.use_cls": False, "Global.text_score": 0.0, "Global.log_level": "critical"}
    engine = required("rapidocr").RapidOCR(params=off)

    def read(picture: Gray) -> str:
        return str(engine(np.dstack([picture] * 3)).txts[0])

    read(np.full((48, 48), 255, np.uint8))  # now its network is loaded
    names = engine.text_rec.postprocess_op.character
    engine.text_rec.postprocess_op = lambda found, *_, **__: ([(likeliest(found, names, characters), 1.0)], [None])
    return Engine(read, read)


def dddd(characters: str) -> Engine:
    """Of what its network says, only the alphabet's columns count; asking for all of it is slow, and not timed."""
    image = import_module("PIL.Image")
    engine = required("ddddocr").DdddOcr(show_ad=False)

    def read(picture: Gray) -> str:
        found = engine.classification(image.fromarray(picture), probability=True)
        return likeliest(np.array(found["probabilities"]), found["charset"], characters)

    return Engine(read, lambda picture: engine.classification(image.fromarray(picture)))


def likeliest(found: NDArray[Any], names: Sequence[str], characters: str) -> str:
    """The one of ``characters`` that is likeliest anywhere in a line, of probabilities (..., len(names))."""
    columns = [i for i, name in enumerate(names) if len(name) == 1 and name in characters]
    return names[columns[int(found[..., columns].reshape(-1, len(columns)).max(0).argmax())]]


def ours(recognizer: Recognizer, alphabet: Alphabet) -> Engine:
    def read(picture: Gray) -> str:
        return next(iter(recognizer.top_k(picture, alphabet=alphabet)), "")

    return Engine(read, read)


# --- measuring ---


def best_layout(make: Callable[[Alphabet], Engine], tried: Sequence[Sample]) -> Layout:
    """With which most training pictures are read right."""
    engines = {sample.name: make(sample.alphabet) for sample in tried}

    def right(layout: Layout) -> int:
        return sum(
            said(engines[sample.name].read(page), sample.alphabet) == answer
            for sample in tried
            for page, answer in zip(prepared(sample, layout), sample.right, strict=True)
        )

    layouts = [Layout(*pair) for pair in product(SIDES, MARGINS)]
    counts = [right(layout) for layout in tqdm(layouts, "sizes", leave=False, disable=None)]
    return layouts[int(np.argmax(counts))]


def measure(
    recognizer: Recognizer, engines: Engines, layouts: dict[str, Layout], sample: Sample, pause: bool = False
) -> dict[str, Any]:
    """n, and of each reader its accuracy with the interval and the median time of a picture."""
    readers = {"hwr": ours(recognizer, sample.alphabet)} | {n: make(sample.alphabet) for n, make in engines.items()}
    pictures = {"hwr": sample.pictures} | {name: prepared(sample, layouts[name]) for name in engines}
    right: dict[str, list[bool]] = {name: [] for name in readers}
    seconds: dict[str, list[float]] = {name: [] for name in readers}
    for begin in trange(0, len(sample.right), TURN, desc=sample.name, leave=False, disable=None):
        turn = slice(begin, begin + TURN)
        for name, reader in readers.items():
            time.sleep(QUIET)
            answers = [said(reader.read(one), sample.alphabet) for one in pictures[name][turn]]
            right[name] += [found == answer for found, answer in zip(answers, sample.right[turn], strict=True)]
            for one in pictures[name][turn]:
                if pause:
                    time.sleep(QUIET)
                start = time.perf_counter()
                reader.timed(one)
                seconds[name].append(time.perf_counter() - start)
    return {
        "n": len(sample.right),
        "readers": {name: counted(right[name], seconds[name]) for name in readers},
    }


def counted(right: Sequence[bool], seconds: Sequence[float]) -> dict[str, float]:
    """What was measured of one reader on one set."""
    low, high = wilson(sum(right), len(right))
    return {
        "accuracy": statistics.fmean(right),
        "accuracy_low": low,
        "accuracy_high": high,
        "milliseconds": 1000 * statistics.median(seconds),
    }


def said(text: str, alphabet: Alphabet) -> int | None:
    """The first character of a text that is an answer at all, as its place among the answers."""
    places = (answer_of(character, ANSWERS[alphabet]) for character in text)
    return next((place for place in places if place is not None), None)


def table(measured: dict[str, dict[str, Any]]) -> str:
    """Markdown."""
    readers = list(next(iter(measured.values()))["readers"])
    lines = [" | ".join(["test set", "n", *readers]), "|".join(["---", "---:", *("---:" for _ in readers)])]
    for name, row in measured.items():
        cells = [f"{r['accuracy']:.1%}, {r['milliseconds']:.2f} ms" for r in row["readers"].values()]
        lines.append(" | ".join([name, f"{row['n']:,}", *cells]))
    return "\n".join(f"|{line}|" if "---" in line else f"| {line} |" for line in lines)


if __name__ == "__main__":
    cli.run(main, Options, __doc__)
