"""Models on the Hugging Face Hub: find, pull, push."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from hwr.config import UserError
from hwr.files import local
from hwr.hub import card, network, repository
from hwr.model import verify
from hwr.model.network import load, open_session
from hwr.model.session import GRAPH, MAX_GRAPH_BYTES
from hwr.model.store import BUNDLED, CARD, CURVES, EXPORTS, METRICS, ONNX, Found
from hwr.model.verify import CONFIG, WEIGHTS
from hwr.reading import session
from hwr.reading.language import FILE as WORDS
from hwr.reading.session import READER

PUBLISHED = (CONFIG, WEIGHTS, GRAPH, CARD, METRICS, *EXPORTS, CURVES)  # where they exist
NEEDED = (CONFIG, WEIGHTS)
MOST = {CONFIG: verify.MAX_CONFIG_BYTES, WEIGHTS: verify.MAX_WEIGHTS_BYTES, GRAPH: MAX_GRAPH_BYTES}
READER_FILES = tuple(
    f"{READER}/{name}" for name in (CONFIG, WEIGHTS, GRAPH, WORDS)
)  # the line reader, where there is one
READER_NEEDED = READER_FILES[:2]
READER_NOTES = tuple(f"{READER}/{name}" for name in (METRICS,))  # published with the reader
PULL_LIMIT, PUSH_LIMIT = 300.0, 1800.0  # seconds


def described(folder: Path) -> str:
    """Return the card of a model directory, from its config.json, metrics.json and files."""
    settings = verify.read_config(folder)
    measured = json.loads((folder / METRICS).read_bytes())
    plots = [name for name in (CURVES,) if (folder / name).is_file()]
    config = verify.model_config(folder, settings)
    reader = _reader_settings(folder / READER)
    return card.write(config, settings["hwr"], measured, onnx=(folder / ONNX).is_file(), plots=plots, reader=reader)


def _reader_settings(folder: Path) -> dict[str, Any] | None:
    """Return the settings of the line reader for the card; None if there is none."""
    if not (folder / CONFIG).is_file():
        return None
    session.read_config(folder)  # refuses a damaged one
    ours: dict[str, Any] = json.loads((folder / CONFIG).read_bytes())["hwr"]
    measured = folder / METRICS
    found = json.loads(measured.read_bytes()) if measured.is_file() else {}
    return ours | {"measured": found.get("validation")}


def is_described(folder: Path) -> bool:
    """Return whether the card is as `described` gives it, so that nobody has edited it."""
    try:
        return (folder / CARD).read_text(encoding="utf-8") == described(folder)
    except (OSError, ValueError, LookupError, TypeError):  # metrics that train.py did not write
        return False


def find(source: str | os.PathLike[str] | None, revision: str | None = None) -> Found:
    """Return the directory of a source: None or "bundled", a local directory, or owner/name[@revision] on the Hub.

    Raises UserError if there is none, and network.UnavailableError if the Hub cannot be reached.
    """
    if source is None or str(source) == "bundled":
        return Found(BUNDLED, "bundled")
    name, _, at = str(source).partition("@")
    folder = local(source)
    if folder.exists() or not network.NAME.fullmatch(name):
        if revision is not None:
            raise UserError(f"{folder} is a local directory: it has no revision {revision}")
        return Found(folder, str(source))
    return pull(name, revision or at or None)


def pull(repo: str, revision: str | None = None, limit: float = PULL_LIMIT) -> Found:
    """Fetch config.json, model.safetensors and, if there is one, model.onnx of a repository at one commit.

    They come from the Hub, or from its cache on this machine.
    Nothing else is fetched, so no pickle can be. A Hub that cannot be reached leaves the cached model of that
    revision. Raises UserError for what is not there, too large or damaged twice, and UnavailableError if the Hub
    cannot be reached and nothing is cached.
    """
    kept = repository.snapshot(repo, _what_loads, NEEDED, revision=revision or "main", limit=limit)
    return Found(kept.folder, f"{repo}@{kept.commit[:7]}", kept.commit, kept.stale)


def find_reader(found: Found, limit: float = PULL_LIMIT) -> Path | None:
    """Return the directory of a model's line reader; None where the model has none.

    From the Hub it is fetched now, of the same commit as the model. Raises UserError where a file is too large or
    damaged twice, and UnavailableError if the Hub cannot be reached and no copy is kept here.
    """
    folder = found.folder / READER
    if (folder / CONFIG).is_file() or not found.commit:
        return folder if (folder / CONFIG).is_file() else None
    repo = found.name.partition("@")[0]
    try:
        repository.snapshot(repo, _what_reads, READER_NEEDED, revision=found.commit, limit=limit)
    except _NoReaderError:
        return None
    return folder


class _NoReaderError(UserError):
    """A repository has no line reader."""


def _what_reads(repo: str, files: repository.Files) -> list[str]:
    """The files of the line reader. Raises _NoReaderError where there is none, UserError for sizes out of bounds."""
    there = [name for name in READER_FILES if name in files]
    if READER_FILES[0] not in there:
        raise _NoReaderError(f"{repo} has no line reader")
    for name in there:
        if (files[name].size or 0) > verify.MAX_WEIGHTS_BYTES:
            raise UserError(f"{repo}: its {name} claims {files[name].size:,} bytes: refused")
    return there


def _what_loads(repo: str, files: repository.Files) -> list[str]:
    """Return the files to load. Raises UserError for missing or oversized ones; older models have no graph."""
    for name in NEEDED:
        if name not in files:
            raise UserError(f"{repo} has no {name}: it was not made by train.py, or is not finished")
    found = [name for name in MOST if name in files]
    for name in found:
        if (files[name].size or 0) > MOST[name]:
            raise UserError(f"{repo}: its {name} claims {files[name].size:,} bytes, more than {MOST[name]:,}: refused")
    return found


def push(
    folder: Path,
    repo: str,
    private: bool = False,
    branch: str = "main",
    create_pr: bool = False,
    limit: float = PUSH_LIMIT,
) -> str:
    """Publish a model directory on the Hub in one commit, and return the commit's address.

    The repository is created if it is not there. Files that the Hub has already are not sent again. Raises
    UserError, which names the command that finishes the push; the directory stays as it is.
    """
    network.require_name(repo)
    _require_intact(folder)
    if (folder / READER).is_dir():
        session.load(folder / READER)

    def publish() -> str:
        repository.create(repo, private=private, branch=branch, create_pr=create_pr)
        return repository.commit(repo, _published(folder, repo), f"Upload {folder.resolve().name}", branch, create_pr)

    flags = " --private" * private + f" --branch {branch}" * (branch != "main") + " --create-pr" * create_pr
    try:
        network.require_token()
        return network.within(limit, publish, repo)
    except UserError as error:
        again = f"{error}. The model is safe in {folder}; to publish it: python -m hwr push {folder} {repo}{flags}"
        raise type(error)(again) from None


def _require_intact(folder: Path) -> None:
    """Raise UserError for a model directory that is damaged, or whose graph is refused: it must not be published."""
    config = verify.model_config(folder, verify.read_config(folder))
    if config.graph_sha256 or (folder / GRAPH).exists():
        open_session(folder, config)
    else:
        load(folder)


def _published(folder: Path, repo: str) -> dict[str, bytes]:
    """Return the files of a model directory to publish; the card names the model as on the Hub."""
    names = (*PUBLISHED, *READER_FILES, *READER_NOTES)
    content = {name: (folder / name).read_bytes() for name in names if (folder / name).is_file()}
    if CARD in content:
        content[CARD] = card.for_repository(content[CARD].decode(), repo).encode()
    return content
