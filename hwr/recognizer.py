"""Recognizer: pictures in, probabilities out."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from copy import copy
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from hwr import saliency
from hwr.config import OTHER, Alphabet, ModelConfig, UserError
from hwr.hub import transfer
from hwr.ink.photo import Written, turned
from hwr.ink.picture import Gray
from hwr.ink.preprocess import fit, is_flat, to_input, written
from hwr.model import network as networks
from hwr.model.network import Network
from hwr.model.store import Found
from hwr.predictions import Answer, OutputClasses, Predictions, joined
from hwr.reading import boxes
from hwr.reading.reader import LineReader
from hwr.reading.result import Box, Reading

BATCH = 256  # pictures per batch: more is not faster, and takes memory
FEW = 8  # pictures up to which one thread is faster than starting others
ON_ITS_SIDE = 90, -90  # degrees: how a refused picture is tried again
PART = 64  # pictures that a thread preprocesses and runs through the network in one pass

Floats = NDArray[np.float32]
Pictures = Sequence[Any] | NDArray[np.uint8]
Head = Callable[[Floats, Floats], Floats]  # features (N, D) and the network's logits (N, C) -> other logits (N, C')
T = TypeVar("T")


class Recognizer:
    """A model with its preprocessing.

    A picture is a path, a PIL image, a uint8 array (H, W), (H, W, 3) or (H, W, 4), or the value of a Gradio
    ImageEditor. Alphabets, where the labels allow them: ``digits``, ``letters`` (26, both cases summed), ``all``, and
    ``printable``, with symbols. Outside of ``printable``, what is likely to be a symbol is not answered surely.
    Pictures that cannot be read raise ``hwr.UserError``, a ValueError.
    """

    def __init__(self, network: Network, config: ModelConfig, source: str = "", stale: str = "") -> None:
        self.network = network
        self.head: Head | None = None  # replaces the network's own classifier if set
        self.source = source
        self.stale = stale
        self._found: Found | None = None  # where the line reader is
        self._reader: LineReader | None = None
        self._use(config)

    def _use(self, config: ModelConfig) -> None:
        self.config = config
        self._classes = OutputClasses(config)

    @classmethod
    def from_pretrained(
        cls, source: str | os.PathLike[str] | None = None, revision: str | None = None, device: str = "cpu"
    ) -> Recognizer:
        """Load the bundled model, one from a local directory, or owner/name[@revision] from the Hugging Face Hub.

        ``revision`` is a branch, a tag or a commit. ``source`` of the result names what was loaded, with
        the commit if it is from the Hub; ``stale`` says why a cached copy was used if the Hub could not be reached.
        Raises UserError if there is no such model or it is damaged, and UnavailableError, a subclass, if the Hub
        cannot be reached and no copy is cached. PyTorch is needed only for a ``device`` other than "cpu", and
        for a model without a graph that ONNX Runtime may run.
        """
        found = transfer.find(source, revision)
        network, config = networks.load(found.folder, device)
        recognizer = cls(network, config, found.name, found.stale)
        recognizer._found = found
        return recognizer

    @property
    def alphabets(self) -> tuple[str, ...]:
        """Return the alphabets that this model's labels allow."""
        return self._classes.alphabets

    def labels(self, alphabet: Alphabet = "all") -> tuple[str, ...]:
        """Return the answers of an alphabet, in the order of the columns of `probabilities`."""
        return self._classes.labels(alphabet)

    def top_k(self, image: Any, k: int = 5, alphabet: Alphabet = "all") -> dict[str, float]:
        """Return the k likeliest answers and their probabilities, best first; {} for a blank picture."""
        return self.predict([image], alphabet).top_k(k)[0]

    def is_confident(self, image: Any, alphabet: Alphabet = "all") -> bool:
        """Return False for probable non-characters: scribbles, symbols, several characters at once, a blank picture.

        The threshold accepts 99 % of the characters of the validation data.
        """
        return bool(self.predict([image], alphabet).confident[0])

    def probabilities(self, images: Pictures, alphabet: Alphabet = "all") -> NDArray[np.float32]:
        """Return probabilities float32 (N, C), columns as ``labels(alphabet)``.

        Rows sum to 1; a blank picture's row is all zero.
        """
        return self.predict(images, alphabet).probabilities

    def are_confident(self, images: Pictures, alphabet: Alphabet = "all") -> NDArray[np.bool_]:
        """Return `is_confident` for each picture, bool (N,)."""
        return self.predict(images, alphabet).confident

    def predict(self, images: Pictures, alphabet: Alphabet = "all", preprocessed: bool = False) -> Predictions:
        """Return probabilities and confidence of pictures, computed in parts on all cores.

        ``preprocessed`` pictures are as `see` returns them, uint8 (S, S), or None for a blank one. All other methods
        that answer for single characters are views of this one.
        """
        _require_several(images)

        def predicted(part: Pictures) -> Predictions:
            return self._predict(part if preprocessed else [self.see(image) for image in part], alphabet)

        return joined(_in_parts(predicted, images))

    def _predict(self, seen: Sequence[Gray | None] | Gray, alphabet: str) -> Predictions:
        """Return the predictions for preprocessed pictures, in one forward pass."""
        labels = self._classes.labels(alphabet)
        found = Predictions(labels, np.zeros((len(seen), len(labels)), np.float32), np.zeros(len(seen), np.bool_))
        rows = [i for i, picture in enumerate(seen) if picture is not None]
        if rows:
            pictures = np.stack([picture for picture in seen if picture is not None])
            logits = self._logits(pictures)
            found.probabilities[rows] = self._classes.probabilities(logits, alphabet)
            confidence = self._classes.confidence(logits, alphabet)
            found.confident[rows] = (confidence >= self.config.rejection_threshold) & ~self._are_bars(pictures)
        return found

    def _are_bars(self, seen: Gray) -> NDArray[np.bool_]:
        """Return which pictures are flat bars, which no digit and no Latin letter is; none if a class may be a dash."""
        names = [label for label in self.config.labels if label != OTHER]
        if not self.config.ink or not all(len(name) == 1 and name.isascii() and name.isalnum() for name in names):
            return np.zeros(len(seen), np.bool_)
        return np.array([is_flat(picture) for picture in seen], np.bool_)

    def see(self, image: Any) -> Gray | None:
        """Return the preprocessed picture: ink cropped, scaled and centred, uint8 (S, S); None if blank."""
        return fit(image, self.config)

    def with_head(self, head: Head | None, config: ModelConfig) -> Recognizer:
        """Return the same network with another head, for the classes of ``config``; None is the network's own."""
        other = copy(self)
        other.head = head
        other._use(config)
        return other

    def read(self, image: Any, alphabet: Alphabet = "all", k: int = 5, words: Sequence[str] | None = None) -> Reading:
        """Read words, numbers and lines of writing, in lines from top to bottom.

        Each line, word and character comes with its box, and with its ``k`` likeliest readings. Spaces separate words,
        line feeds lines. With ``words`` each line is one of these. A blank picture has no text; ``refused`` of the
        result says why ink was not read. Raises UserError for a model without a line reader.
        """
        if k < 1:
            raise UserError(f"k is {k}: expected at least 1")
        found = written(image)
        if found is None:
            return Reading()
        reading = self._read(found, alphabet, k, words)
        if reading.refused:
            turns = (self._read(turned(found, degrees), alphabet, k, words) for degrees in ON_ITS_SIDE)
            reading = next((one for one in turns if one.is_sure), reading)
        return reading

    def _read(self, found: Written, alphabet: Alphabet, k: int, words: Sequence[str] | None) -> Reading:
        """Read writing. Characters in boxes or alone are read by the character model if it has the alphabet."""

        def ask(inks: Sequence[Gray]) -> list[Answer]:
            return self.answers([fit(ink, self.config, is_ink=True) for ink in inks], k, alphabet)

        if words is not None or not self.config.ink or alphabet not in self.alphabets:
            reading = self.reader.read(found.ink, alphabet, k, words)
        else:
            reading = boxes.read(found.ink, found.cells, ask, lambda ink: self.reader.read(ink, alphabet, k))
        return reading.placed(lambda box: _in_picture(found, box), found.size) if found.moved else reading

    @property
    def reader(self) -> LineReader:
        """Return the model's line reader, loaded or fetched from the Hub at the first call."""
        if self._reader is None:
            folder = None if self._found is None else transfer.find_reader(self._found)
            if folder is None:
                raise UserError(
                    f"the model {self.source or 'given'} reads single characters only: it has no line reader. "
                    "python train.py --task lines trains one"
                )
            self._reader = LineReader.open(folder)
        return self._reader

    def saliency(self, seen: Gray, label: str, alphabet: Alphabet = "all") -> NDArray[np.float32]:
        """Return how much each pixel of a preprocessed picture matters to an answer: float32 (S, S), at least 0.

        In nats: the fall of the answer's log-odds where ink is erased. Raises UserError for an unknown label.
        """
        labels = self.labels(alphabet)
        if label not in labels:
            raise UserError(f"{label!r} is no answer of the alphabet {alphabet!r}: expected one of {', '.join(labels)}")
        column = labels.index(label)
        return saliency.occlusion(seen, lambda some: self.predict(some, alphabet, True).probabilities[:, column])

    def answer(self, seen: Gray | None, k: int = 5, alphabet: Alphabet = "all") -> Answer:
        """Return `top_k` and `is_confident` of a preprocessed picture."""
        return self.answers([seen], k, alphabet)[0]

    def answers(self, seen: Sequence[Gray | None], k: int = 5, alphabet: Alphabet = "all") -> list[Answer]:
        """Return `answer` for each picture: meant for a batch of at most BATCH."""
        return self.predict(seen, alphabet, preprocessed=True).answers(k)

    def outputs(self, seen: Gray) -> networks.Outputs:
        """Return the network's features and logits of preprocessed pictures (N, S, S)."""
        found = _in_parts(lambda part: self.network(to_input(part, self.config)), seen)
        return networks.Outputs(*map(np.concatenate, zip(*found, strict=True)))

    def _logits(self, seen: Gray) -> Floats:
        """Return calibrated logits, float32 (N, C), of preprocessed pictures (N, S, S)."""
        features, logits = self.network(to_input(seen, self.config))
        if self.head is not None:
            logits = self.head(features, logits)
        return np.asarray(logits / np.float32(self.config.temperature))


def threads() -> int:
    """Return the number of cores that this process may use, at most OMP_NUM_THREADS if it is set."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    most = os.environ.get("OMP_NUM_THREADS", "")
    return min(cores, int(most)) if most.isdecimal() and int(most) else cores


def _in_parts(work: Callable[[Any], T], items: Any) -> list[T]:
    """Apply ``work`` to parts of at most PART items, on all cores unless they are few; to no items once."""
    size = max(1, min(PART, -(-len(items) // threads())))
    parts = [items[start : start + size] for start in range(0, len(items), size)] or [items]
    if len(items) < FEW or threads() == 1:
        return [work(part) for part in parts]
    with ThreadPoolExecutor(threads(), "hwr") as pool:
        return list(pool.map(work, parts))


def _require_several(images: Any) -> None:
    """Raise UserError for one picture where several are expected: its rows would be read as pictures."""
    if isinstance(images, np.ndarray):
        several = images.ndim == 4 or (images.ndim == 3 and images.shape[2] not in (3, 4))
        given = f"an array of shape {images.shape}"
    else:
        several, given = isinstance(images, Sequence) and not isinstance(images, (str, bytes)), type(images).__name__
    if not several:
        raise UserError(f"expected several pictures, got {given}: put a single one in a list")


def _in_picture(found: Written, box: Box) -> Box:
    """Return the box in the picture around a box in its ink."""
    left, top, right, bottom = found.in_picture(np.array([box]))[0].tolist()
    return left, top, right, bottom
