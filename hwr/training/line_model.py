"""What a line reader starts from, and what is fitted on held-out lines when it is trained."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hwr.config import UserError
from hwr.data.lines.sampling import Sample, render_plainly
from hwr.data.lines.sources import Lines
from hwr.evaluation.text import error_rate
from hwr.files import write_atomically
from hwr.hub import transfer
from hwr.metrics import wilson
from hwr.model import store
from hwr.model.session import GRAPH, WEIGHTS
from hwr.reading import ctc, saving
from hwr.reading.alphabet import alphabets
from hwr.reading.config import LineConfig
from hwr.reading.decoding import decode
from hwr.reading.language import FILE, Language, words_of
from hwr.reading.language import read as read_words
from hwr.reading.network import LineNetwork, build, load_body
from hwr.reading.session import CONFIG, logits_of, read_config
from hwr.training.options import TrainConfig

ARGUMENTS = {"characters", "height", "stretch", "column_channels", "lstm_size", "lstm_layers", "frames_per_column"}
MAX_VALIDATED = 1000  # held-out lines that an epoch is judged by
TEMPERATURES = np.geomspace(0.5, 3.0, 37)  # 5 % apart
PRECISE = 0.95  # share of the words read for sure that must be right on held-out lines
SURE = np.linspace(0.3, 0.99, 70)  # what that threshold may be


def begin(config: TrainConfig) -> tuple[LineNetwork, LineConfig, dict[str, Any]]:
    """Return the network to train, its config, and the notes of the training it starts from.

    With ``--init scratch`` its columns start from the bundled character model; otherwise it starts from the reader
    of the model that is named. Raises UserError if that has none.
    """
    if config.is_fresh:
        described = _described(config)
        network = build(described, config.drop_rate)
        characters, _ = store.load(store.BUNDLED)
        missing = load_body(network, characters.state_dict())
        if missing:
            print(f"{len(missing)} weights of the columns start at random: the character model has none that fit")
        return network, described, {}
    folder = transfer.find_reader(transfer.find(config.init[0]))
    if folder is None:
        raise UserError(f"--init {config.init[0]} has no line reader to start from: --init scratch trains one")
    loaded, described = saving.load(folder)
    network = build(described, config.drop_rate)
    network.load_state_dict(loaded.state_dict())
    settings = json.loads((folder / CONFIG).read_bytes())
    return network, replace(described, sha256="", graph_sha256=""), dict(settings["hwr"].get("training") or {})


def _described(config: TrainConfig) -> LineConfig:
    """The reader that the flags describe: its defaults, and what --model-args changes."""
    given = json.loads(config.model_args or "{}")
    if odd := sorted(given.keys() - ARGUMENTS):
        raise UserError(f"--model-args {odd[0]}: a line reader takes {', '.join(sorted(ARGUMENTS))}")
    kinds = {f.name: f.type for f in fields(LineConfig)}
    for name, value in given.items():
        if isinstance(value, bool) or not isinstance(value, str if kinds[name] == "str" else (int, float)):
            raise UserError(f"--model-args {name} is {value!r}: expected {kinds[name]}")
    return replace(LineConfig(), **given)


def words(config: TrainConfig, texts: Sequence[str]) -> dict[str, int]:
    """Return the words of the training texts and their counts, with those of the reader that training starts from."""
    counts = Counter(words_of(texts))
    if not config.is_fresh and (folder := transfer.find_reader(transfer.find(config.init[0]))) is not None:
        described = read_config(folder)
        if described.words_sha256:
            counts.update(read_words(folder / FILE, described.words_sha256))
    return dict(counts.most_common())


def copy_characters(config: TrainConfig, folder: Path) -> None:
    """Put the character model that a reader belongs to beside it: that of ``--init``, or the bundled one."""
    source = store.BUNDLED if config.is_fresh else transfer.find(config.init[0]).folder
    for name in (CONFIG, WEIGHTS, GRAPH, store.METRICS):
        if (source / name).is_file():
            write_atomically(folder / name, (source / name).read_bytes())


def validation(lines: Lines | None, config: LineConfig, seed: int) -> list[Sample]:
    """Return held-out lines as the network sees them, at most MAX_VALIDATED, drawn by seed."""
    if lines is None:
        return []
    rows = np.random.default_rng(seed).permutation(len(lines))[:MAX_VALIDATED].tolist()
    drawn = ((render_plainly(lines.drawn(i), config.height, config.stretch), lines.texts[i]) for i in rows)
    return [Sample(picture, text) for picture, text in drawn if picture is not None]


def calibrate(
    network: torch.nn.Module, held: Sequence[Sample], config: LineConfig, words: dict[str, int], device: torch.device
) -> tuple[LineConfig, dict[str, Any]]:
    """Fit the temperature and the probability of sure words on held-out lines; and what was measured there.

    ``words`` are those of the language that texts are weighed with.

    Without held-out lines both stay as they are.
    """
    if not held:
        return config, {}

    def ask(pixels: Any) -> Any:
        with torch.inference_mode():
            return network(torch.from_numpy(pixels).to(device)).float().cpu().numpy()

    network.eval()
    logits = logits_of(ask, config, [line.picture for line in held])
    codes = [tuple(config.characters.index(c) + 1 for c in line.text) for line in held]

    def surprise(temperature: float) -> float:
        frames = (ctc.probabilities(row, temperature) for row in logits)
        return -sum(float(ctc.log_likelihood(f, [code])[0]) for f, code in zip(frames, codes, strict=True))

    temperature = float(min(TEMPERATURES, key=surprise))
    alphabet, language = alphabets(config.characters)["all"], Language(words)
    found = [decode(ctc.probabilities(row, temperature), alphabet, language)[0] for row in logits]
    read = [alphabet.text(text) for text, _ in found]
    right = np.array([text == line.text for text, line in zip(read, held, strict=True)])
    sure = _threshold(np.array([share for _, share in found]), right)
    pairs = [(line.text, text) for line, text in zip(held, read, strict=True)]
    exact = int(sum(a.lower() == b.lower() for a, b in pairs))
    low, high = wilson(exact, len(pairs))
    measured = {
        "n": len(pairs),
        "exact": exact / len(pairs),
        "exact_low": low,
        "exact_high": high,
        "character_error_rate": error_rate([(a.lower(), b.lower()) for a, b in pairs]),
    }
    return replace(config, temperature=round(temperature, 4), sure=round(sure, 4)), measured


def _threshold(confidence: Any, right: Any) -> float:
    """The lowest probability from which on PRECISE of the texts are right."""
    precise = [level for level in SURE if (confidence >= level).any() and right[confidence >= level].mean() >= PRECISE]
    return float(precise[0]) if precise else float(SURE[-1])
