"""A model directory, here and on the Hugging Face Hub: save, load, pull, push.

It has timm's own format, so that timm loads it without this package.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import torch
from timm.models import save_for_hf

from hwr.config import ModelConfig, UserError, local
from hwr.hub import card, network, repository
from hwr.model import verify
from hwr.model.resnet import build
from hwr.model.verify import CONFIG, OURS, WEIGHTS

BUNDLED = Path(__file__).parents[1] / "weights"
METRICS, CARD = "metrics.json", "README.md"
ONNX, RAW_ONNX = "model.onnx", "model.raw.onnx"
EXPORTS = (ONNX, RAW_ONNX, *(f"model{raw}{suffix}" for suffix in (".int8.onnx", ".tflite") for raw in ("", ".raw")))
PRIVATE = ("model.pt2", "model.raw.pt2")  # not published: who loads one runs whatever code somebody put into it
CURVES = "learning_curves.png"
PUBLISHED = (CONFIG, WEIGHTS, CARD, METRICS, *EXPORTS, CURVES)  # where they exist
MOST = {CONFIG: verify.MAX_CONFIG_BYTES, WEIGHTS: verify.MAX_WEIGHTS_BYTES}
PULL_LIMIT, PUSH_LIMIT = 300.0, 1800.0  # seconds


class Found(NamedTuple):
    """A model directory: where it lies, what it is called, and of the Hub's its commit.

    ``stale`` says why the Hub was not asked, where a copy from the cache had to do.
    """

    folder: Path
    name: str
    commit: str = ""
    stale: str = ""


def save(
    folder: Path,
    weights: dict[str, torch.Tensor],
    config: ModelConfig,
    notes: dict[str, Any],
    metrics: dict[str, Any],
) -> None:
    """Write a model directory. Each file is renamed into place, config.json with the weights' sha256 last.

    ``notes`` (training configuration, data, package version) go into config.json beside what loading needs.
    """
    model = build(config)
    model.load_state_dict(weights)
    folder.mkdir(parents=True, exist_ok=True)
    content, settings = _as_timm_saves(model, config)
    for name in (*EXPORTS, *PRIVATE):  # of other weights
        (folder / name).unlink(missing_ok=True)
    write(folder / WEIGHTS, content)
    write(folder / METRICS, _json(metrics))
    described = replace(config, sha256=hashlib.sha256(content).hexdigest())
    ours = {name: getattr(described, name) for name in OURS} | notes
    write(folder / CONFIG, _json(settings | {"hwr": ours}))


def _as_timm_saves(model: torch.nn.Module, config: ModelConfig) -> tuple[bytes, dict[str, Any]]:
    """The bytes of model.safetensors, and timm's part of config.json."""
    size = config.image_size
    data_config = {
        "input_size": (1, size, size),
        "mean": (config.mean,),
        "std": (config.std,),
        "interpolation": "bilinear",
        "crop_pct": 1.0,
    }
    with tempfile.TemporaryDirectory() as folder:
        save_for_hf(
            model,
            folder,
            model_config={"label_names": list(config.labels)},
            safe_serialization=True,
            data_config=data_config,
        )
        settings = json.loads((Path(folder) / CONFIG).read_bytes())
        # timm notes num_classes and global_pool among the arguments too; transformers then passes them twice.
        return (Path(folder) / WEIGHTS).read_bytes(), settings | {"model_args": config.model_args}


def write(path: Path, content: bytes | memoryview) -> None:
    """To a temporary file beside it, then renamed: a reader sees the old file or the new one."""
    partial = path.with_name(path.name + ".partial")
    try:
        partial.write_bytes(content)
        partial.replace(path)
    except OSError:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
        raise


def described(folder: Path) -> str:
    """The card of a model directory, from its config.json and metrics.json and the files that are there."""
    settings = verify.read_config(folder)
    measured = json.loads((folder / METRICS).read_bytes())
    plots = [name for name in (CURVES,) if (folder / name).is_file()]
    config = verify.model_config(folder, settings)
    return card.write(config, settings["hwr"], measured, onnx=(folder / ONNX).is_file(), plots=plots)


def _json(value: Any) -> bytes:
    return (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode()


def is_described(folder: Path) -> bool:
    """The card is there and as ``described`` gives it: nobody has worked on it."""
    try:
        return (folder / CARD).read_text(encoding="utf-8") == described(folder)
    except (OSError, ValueError, LookupError, TypeError):  # metrics that train.py did not write
        return False


def load(folder: Path) -> tuple[torch.nn.Module, ModelConfig]:
    """The network, in evaluation mode on the CPU, and its config; both verified.

    Raises UserError where a file is missing or damaged, the weights are not those that config.json was written
    for, or a name or a shape differs.
    """
    config = verify.model_config(folder, verify.read_config(folder))
    tensors = verify.weights(folder / WEIGHTS, config.sha256)
    with torch.device("meta"):  # without memory: a hostile config must not fill it
        verify.same_names(folder, build(config).state_dict(), tensors)
    model = build(config)
    model.load_state_dict(tensors)
    return model.eval(), config


def find(source: str | os.PathLike[str] | None, revision: str | None = None) -> Found:
    """The directory that a source names: None or "bundled", a local directory, or owner/name[@revision] on the Hub.

    Raises UserError if there is none, and network.UnavailableError if the Hub cannot say.
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
    """config.json and model.safetensors of a repository at one commit, from the Hub or its cache on this machine.

    Nothing else is fetched, so no pickle can be. A Hub that cannot be reached leaves the cached model of that
    revision. Raises UserError for what is not there, too large or damaged twice, and UnavailableError if the Hub
    cannot be reached and nothing is cached.
    """
    kept = repository.snapshot(repo, _what_loads, (CONFIG, WEIGHTS), revision=revision or "main", limit=limit)
    return Found(kept.folder, f"{repo}@{kept.commit[:7]}", kept.commit, kept.stale)


def _what_loads(repo: str, files: repository.Files) -> list[str]:
    """The two files that are loaded, if they are there and of a size that can be true."""
    for name, most in MOST.items():
        if name not in files:
            raise UserError(f"{repo} has no {name}: it was not made by train.py, or is not finished")
        if (files[name].size or 0) > most:
            raise UserError(f"{repo}: its {name} claims {files[name].size:,} bytes, more than {most:,}: refused")
    return list(MOST)


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
    load(folder)  # nothing damaged leaves this machine

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


def _published(folder: Path, repo: str) -> dict[str, bytes]:
    """The files of a model directory that are for others; the card calls the model by its name on the Hub."""
    content = {name: (folder / name).read_bytes() for name in PUBLISHED if (folder / name).is_file()}
    if CARD in content:
        content[CARD] = card.for_repository(content[CARD].decode(), repo).encode()
    return content
