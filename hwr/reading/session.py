"""Load a line reader: through ONNX Runtime where its graph passes, through PyTorch where that is installed."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwr.config import UserError
from hwr.model.onnx_file import GraphError
from hwr.model.session import Input, Session
from hwr.reading import language as words
from hwr.reading.config import STRIDE, LineConfig, checked
from hwr.reading.language import Language

Gray = NDArray[np.uint8]
Network = Callable[[NDArray[np.float32]], NDArray[np.float32]]  # normalised lines (N, 1, H, W) -> logits (N, T, C)

READER = "reader"  # the folder of a model directory that holds its line reader
CONFIG, METRICS = "config.json", "metrics.json"
MAX_CONFIG_BYTES = 2**20
FULL_BATCH = 2**20  # pixels of a batch, padding included: more is not faster on a CPU and takes memory
PADDING = 0.25  # share of a batch that may be padding


def read_config(folder: Path) -> LineConfig:
    """Return the config of a reader's directory. Raises UserError where it is missing or damaged."""
    path = folder / CONFIG
    try:
        if path.stat().st_size > MAX_CONFIG_BYTES:
            raise ValueError(f"it is larger than {MAX_CONFIG_BYTES:,} bytes")
        return checked(json.loads(path.read_bytes()))
    except FileNotFoundError:
        raise UserError(f"{folder} is not a reader's directory: it has no {CONFIG}") from None
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise UserError(f"{path} does not describe a line reader: {error}") from None


def load(folder: Path) -> tuple[Network, LineConfig]:
    """Return the network of a reader's directory, and its config; both verified.

    Raises UserError where a file is missing or damaged, or the graph is refused and PyTorch is not installed.
    """
    config = read_config(folder)
    try:
        session = Session.open(
            folder,
            config.sha256,
            config.graph_sha256,
            {"pixels": Input((None, 1, config.height, None))},
            {"logits": config.classes},
        )
    except GraphError as error:
        return _with_torch(folder, error), config
    return lambda pixels: session(pixels)["logits"], config


def language(folder: Path, config: LineConfig) -> Language | None:
    """Return the language of a reader's directory; None where the ink alone decides. Raises UserError if damaged."""
    return Language(words.read(folder / words.FILE, config.words_sha256)) if config.words_sha256 else None


def _with_torch(folder: Path, problem: GraphError) -> Network:
    try:
        import torch
    except ImportError:
        raise UserError(
            f"{problem}; without a graph that passes, reading needs PyTorch: pip install torch timm"
        ) from None
    from hwr.reading import saving

    network, _ = saving.load(folder)

    def ask(pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        with torch.inference_mode():
            return np.asarray(network(torch.from_numpy(pixels)).numpy())

    return ask


def logits_of(network: Network, config: LineConfig, lines: Sequence[Gray]) -> list[NDArray[np.float32]]:
    """Return the logits, (T, C), of fitted lines, uint8 (H, W), asked in batches of similar width."""
    found: list[Any] = [None] * len(lines)
    for rows in batches([line.shape[1] for line in lines], config.height):
        pixels = (padded([lines[i] for i in rows]).astype(np.float32) / 255 - config.mean) / config.std
        answers = network(pixels.astype(np.float32))
        for i, answer in zip(rows, answers, strict=True):
            found[i] = answer[: frames_of(lines[i].shape[1], config)]
    return found


def batches(widths: Sequence[int], height: int) -> list[list[int]]:
    """Return the numbers of lines that go together: of similar width, so that little of a batch is padding."""
    result: list[list[int]] = []
    for i in sorted(range(len(widths)), key=widths.__getitem__):
        if result:
            last, narrowest = result[-1], widths[result[-1][0]]
            fits = (len(last) + 1) * widths[i] * height <= FULL_BATCH
            if fits and narrowest >= (1 - PADDING) * widths[i]:
                last.append(i)
                continue
        result.append([i])
    return result


def padded(pictures: Sequence[Gray]) -> Gray:
    """Stack lines of one height, uint8 (H, W_i), into (N, 1, H, W): padded on the right to a multiple of the stride."""
    width = max(picture.shape[1] for picture in pictures)
    result = np.zeros((len(pictures), 1, len(pictures[0]), -(-width // STRIDE) * STRIDE), np.uint8)
    for row, picture in zip(result, pictures, strict=True):
        row[0, :, : picture.shape[1]] = picture
    return result


def frames_of(width: int, config: LineConfig) -> int:
    """Return how many CTC frames a line of this width in pixels has."""
    return -(-width // STRIDE) * config.frames_per_column
