"""Evaluate a model on test sets: figures, plots and one report.

The numbers go to evaluation.json, the tables to evaluation.md, the pictures to PNG files, and all of it to
report.html, which needs no other file.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

import hwr
from hwr import metrics
from hwr.config import ModelConfig, UserError
from hwr.data.inkset import InkSet, load
from hwr.evaluation import document, measures
from hwr.evaluation import inference as labelled
from hwr.evaluation.corruptions import CORRUPTIONS, LIMIT, Corruption, page
from hwr.evaluation.measures import Measures
from hwr.files import write_atomically
from hwr.hub import transfer as hub
from hwr.ink.picture import Gray
from hwr.ink.preprocess import fit
from hwr.model import store

KIND = "hwr evaluation"
RESULTS, TABLES, REPORT = "evaluation.json", "evaluation.md", "report.html"


def evaluate(
    names: Sequence[str], model: str, out: Path, data_dir: Path, limit: int = LIMIT, seed: int = 0
) -> Measures:
    """Run `evaluate_run` on a model and test sets given by their names."""
    check(out)
    found = hub.find(model)
    network, config = store.load(found.folder)
    network.to("cuda" if torch.cuda.is_available() else "cpu")
    sets = {}
    for name in dict.fromkeys(names):
        ink = load(name, "test", config, data_dir, seed=seed)
        sets[ink.name if ink.name not in sets else name] = ink
    return evaluate_run(network, config, sets, out, limit, seed, found.name)


def evaluate_run(
    model: torch.nn.Module,
    config: ModelConfig,
    sets: Mapping[str, InkSet],
    out: Path,
    limit: int = LIMIT,
    seed: int = 0,
    title: str = "",
) -> Measures:
    """Measure a model on test sets, on its own device, and write the report into the folder ``out``.

    Corruptions are tried on ``limit`` pictures of each set, drawn by ``seed``; 0 leaves them out. Returns what is in
    evaluation.json. Raises UserError if ``out`` holds anything but an earlier evaluation, or scikit-learn is missing.
    """
    check(out)
    results = {name: measure(model, config, ink, limit, seed) for name, ink in sets.items()}
    evaluation = {
        "kind": KIND,
        "version": hwr.__version__,
        "model": {"name": title, "architecture": config.architecture, "sha256": config.sha256},
        "limit": limit,
        "seed": seed,
        "sets": results,
    }
    images = {name: ink.images for name, ink in sets.items()}
    write(out, evaluation, document.pictures(results, images))
    return evaluation


def check(out: Path) -> None:
    """Raise UserError before measuring if scikit-learn is missing or ``out`` holds anything else."""
    if find_spec("sklearn") is None:
        raise UserError("an evaluation needs scikit-learn: pip install scikit-learn")
    if out.exists() and not out.is_dir():
        raise UserError(f"--out {out} is a file: name a folder")
    if out.is_dir() and any(out.iterdir()) and not _earlier(out):
        raise UserError(f"--out {out} is not empty and no earlier evaluation: name a new folder")


def _earlier(out: Path) -> list[str]:
    """Return the files of an earlier evaluation in a folder; [] if there is none."""
    try:
        found = json.loads((out / RESULTS).read_bytes())
        return [str(name) for name in found["files"]] if found["kind"] == KIND else []
    except (OSError, ValueError, LookupError, TypeError):
        return []


# --- measuring ---


def measure(model: torch.nn.Module, config: ModelConfig, ink: InkSet, limit: int, seed: int) -> Measures:
    """Return all figures of one set, with answers restricted to the classes that it has, as at the end of training."""
    allowed = ink.membership(config.labels)[torch.from_numpy(ink.labels)]
    logits = _logits(model, config, ink.images, ink.name)
    answers = measures.among_present(logits, allowed, config)
    known = torch.from_numpy(ink.of_writers)
    return {
        "answers": answers.names,
        "summary": measures.summary(answers),
        "alphabets": measures.by_alphabet(logits, allowed, config),
        "classes": measures.per_class(answers),
        "confusions": measures.confusions(answers),
        "roc": measures.roc(answers),
        "calibration": measures.calibration(answers),
        "rejection": measures.rejection(logits, answers, config),
        "mistakes": measures.mistakes(answers),
        "writers": measures.by_writer(answers.right[known], ink.groups[known]),
        "corruptions": corrupted(model, config, ink, limit, seed) if limit else {},
    }


def _logits(model: torch.nn.Module, config: ModelConfig, images: NDArray[np.uint8], name: str = "") -> torch.Tensor:
    """Return calibrated logits (N, C) of fitted pictures, on the CPU."""
    return labelled.logits(model, torch.from_numpy(images)[:, None], config, name=name) / config.temperature


def corrupted(model: torch.nn.Module, config: ModelConfig, ink: InkSet, limit: int, seed: int) -> Measures:
    """Return the accuracy under each corruption and severity, on ``limit`` pictures through the whole preprocessing."""
    rows = np.sort(np.random.default_rng(seed).permutation(len(ink))[:limit])
    some = ink.take(rows)
    allowed = ink.membership(config.labels)[torch.from_numpy(some.labels)]
    present = ink.membership(config.labels)[np.unique(ink.labels)].any(0)
    pages = [page(image, config.ink) for image in some.images]
    untouched: list[Measures] = []

    def point(corruption: Corruption, severity: float) -> Measures:
        if not severity and untouched:
            return untouched[0]
        seen = _seen(pages, corruption, severity, config, seed)
        logits = _logits(model, config, np.stack([np.zeros_like(some.images[0]) if s is None else s for s in seen]))
        blank = torch.tensor([one is None for one in seen])
        right = metrics.hits(logits[:, present], allowed[:, present]) & ~blank
        low, high = metrics.wilson(int(right.sum()), len(right))
        found = {"severity": severity, "accuracy": right.double().mean().item(), "low": low, "high": high}
        if not severity:
            untouched.append(found)  # the same for every corruption
        return found

    steps = [(name, severity) for name, one in CORRUPTIONS.items() for severity in one.severities]
    points = [
        point(CORRUPTIONS[name], severity) for name, severity in tqdm(steps, "corruptions", leave=False, disable=None)
    ]
    return {
        name: {
            "unit": one.unit,
            "n": len(some),
            "points": [p for (of, _), p in zip(steps, points, strict=True) if of == name],
        }
        for name, one in CORRUPTIONS.items()
    }


def _seen(
    pages: list[Gray], corruption: Corruption, severity: float, config: ModelConfig, seed: int
) -> list[Gray | None]:
    """Corrupt and preprocess pages; a page has the same random state at every severity."""

    def see(number: int) -> Gray | None:
        return fit(corruption.apply(pages[number], severity, np.random.default_rng((seed, number))), config)

    with ThreadPoolExecutor() as pool:
        return list(pool.map(see, range(len(pages))))


# --- writing ---


def write(out: Path, evaluation: Measures, pictures: dict[str, dict[str, bytes]]) -> None:
    """Write all files, their list first, so that an interrupted evaluation can be replaced."""
    named = document.file_names(pictures)
    contents = {
        TABLES: document.markdown(evaluation, named).encode(),
        REPORT: document.html(evaluation, pictures).encode(),
        **{named[of][kind]: content for of, kinds in pictures.items() for kind, content in kinds.items()},
    }
    listed = evaluation | {"files": [RESULTS, *contents]}
    before = _earlier(out)
    try:
        out.mkdir(parents=True, exist_ok=True)
        write_atomically(out / RESULTS, (json.dumps(listed, ensure_ascii=False, allow_nan=False) + "\n").encode())
        for name, content in contents.items():
            write_atomically(out / name, content)
        for name in {Path(name).name for name in before} - {*listed["files"]}:
            (out / name).unlink(missing_ok=True)
    except OSError as error:
        raise UserError(f"the evaluation cannot be written to {out}: {error.strerror}") from None
