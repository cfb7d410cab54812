"""Deploy the page to a Hugging Face Space: the files that it needs, in one commit, and no others."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml
from huggingface_hub import HfApi, SpaceCard, constants
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion

from hwr.config import UserError
from hwr.hub import network, repository

ROOT = Path(__file__).parents[2]
APP, CARD, REQUIREMENTS = "app.py", "README.md", "requirements.txt"
WEIGHTS = (  # the bundled model, which answers if the Hub is unreachable
    *("config.json", "model.safetensors", "model.onnx", "README.md", "metrics.json"),
)
ALONGSIDE = ("LICENSE", "hwr/py.typed", *(f"hwr/weights/{name}" for name in WEIGHTS))
READER = tuple(f"hwr/weights/reader/{name}" for name in WEIGHTS[:3])  # where the bundled model has one
EXAMPLES = (".png", ".jpg", ".json")  # to draw and to read
VARIABLE = "HWR_MODEL"
LIMIT = 1800.0  # seconds for a deployment over a slow line

PACKAGES = ("hwr", "page")
SUFFIXES = (".py", ".css", ".html", ".js", ".md", ".png")  # of modules and of the files that they read
TRAINING = ("hwr/data", "hwr/evaluation", "hwr/export", "hwr/training")  # packages that the page does not import
COLOURS = ("red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray")  # colours that the Hub accepts
MAX_DESCRIPTION = 60  # characters of a short_description
PYTHON = re.compile(r"3\.(1[1-9]|[2-9]\d)(\.\d+)?", re.ASCII)
REVISION = re.compile(r"\w[\w.-]*(/\w[\w.-]*)*", re.ASCII)
SECRET = re.compile(rb"hf_[A-Za-z0-9]{20,}")  # the form of a token of the Hub

BODY = """# {title}

Draw a character: a small neural network says what it is, how sure it is, and when it does not know. {model}
"""


def deploy(repo: str, model: str = "", private: bool = False, limit: float = LIMIT, root: Path = ROOT) -> str:
    """Put the page of the project in ``root`` on a Space, and return the Space's address.

    ``model`` is owner/name[@revision] on the Hub; without it the bundled model answers. The Space is created if it
    is not there; files that it has already are not sent again. Raises UserError, with the command that finishes
    the deployment, and UnavailableError if the Hub fails or ``limit`` seconds pass.
    """
    network.require_name(repo)
    _require_model(model)
    flags = f" --model {model}" * bool(model) + " --private" * private
    try:
        network.require_token()
        content = contents(root, model)
        network.within(limit, lambda: _publish(repo, content, model, private), repo)
    except UserError as error:
        raise type(error)(f"{str(error).rstrip('.')}. To finish: python -m hwr deploy-space {repo}{flags}") from None
    return f"{constants.ENDPOINT}/spaces/{repo}"


def deploy_static(repo: str, page: dict[str, bytes], private: bool = False, root: Path = ROOT) -> str:
    """Put a page without a server on a static Space, and return the Space's address.

    ``page`` is its files, name -> bytes, as `export.web` makes them. The Space is created if it is not there. Raises
    UserError, and UnavailableError if the Hub fails.
    """
    network.require_name(repo)
    network.require_token()
    content = page | {CARD: static_card(root)}

    def publish() -> None:
        repository.create(repo, kind="space", private=private, space_sdk="static")
        repository.commit(repo, content, "Deploy the page", kind="space")

    network.within(LIMIT, publish, repo)
    return f"{constants.ENDPOINT}/spaces/{repo}"


def static_card(root: Path) -> bytes:
    """Return the README.md of a static Space: the project's front matter without Gradio's keys, and a short text."""
    page = SpaceCard(_read(root, CARD).decode())
    for key in ("sdk_version", "python_version", "models"):
        page.data[key] = None
    page.data["sdk"], page.data["app_file"] = "static", "index.html"
    page.text = BODY.format(title=page.data["title"], model="It runs in the browser: no drawing leaves it.")
    return str(page).encode()


def restart(repo: str) -> None:
    """Rebuild and restart a Space, so that it fetches its model anew. Raises UserError if it does not exist."""
    network.require_name(repo)
    network.require_token()
    network.attempt(lambda: HfApi().restart_space(repo, factory_reboot=True), repo)


def contents(root: Path, model: str = "") -> dict[str, bytes]:
    """Return the files of a Space: path -> bytes. Only listed kinds of files are uploaded.

    Raises UserError if a file is missing, is a link, or seems to contain a token.
    """
    if not (root / APP).is_file():
        raise UserError(f"there is no {APP} in {root}: clone the repository of the project, and run this there")
    examples = sorted(f"examples/{path.name}" for path in (root / "examples").glob("*") if path.suffix in EXAMPLES)
    reader = [name for name in READER if (root / name).exists()]
    content = {name: _read(root, name) for name in (APP, REQUIREMENTS, *sources(root), *ALONGSIDE, *reader, *examples)}
    content[CARD] = card(root, model)
    for name, data in content.items():
        if SECRET.search(data):
            raise UserError(f"{root / name} seems to contain a token of the Hub: remove it, and revoke the token")
    return content


def sources(root: Path) -> list[str]:
    """Return the modules of the page and of the rooms of hwr/ that it needs, and the files that they read."""
    paths = [path for package in PACKAGES for path in (root / package).rglob("*") if path.suffix in SUFFIXES]
    names = [path.relative_to(root).as_posix() for path in paths]
    return sorted(name for name in names if not name.startswith((*(f"{room}/" for room in TRAINING), "hwr/weights/")))


def _floors(root: Path) -> dict[str, Requirement]:
    lines = [line.partition("#")[0].strip() for line in _read(root, REQUIREMENTS).decode().splitlines()]
    try:
        stated = [Requirement(line) for line in lines if line]
    except InvalidRequirement as error:
        raise UserError(f"{root / REQUIREMENTS}: {' '.join(str(error).split())}") from None
    return {canonicalize_name(requirement.name): requirement for requirement in stated}


def card(root: Path, model: str) -> bytes:
    """Return the Space's README.md: the project's front matter, checked, and a short text.

    Raises UserError for values that the Hub would refuse or misread.
    """
    try:
        page = SpaceCard(_read(root, CARD).decode())
    except (TypeError, ValueError, yaml.YAMLError) as error:
        raise UserError(f"the front matter of {root / CARD} is not YAML: {' '.join(str(error).split())}") from None
    front = page.data.to_dict()
    for key, (expected, fits) in _rules(_floors(root)["gradio"]).items():
        value = front.get(key)
        if not isinstance(value, str) or not fits(value):
            raise UserError(f"{root / CARD}: {key} is {value!r}, expected {expected}")
    page.data["models"] = [model.partition("@")[0]] if model else None
    page.text = BODY.format(title=front["title"], model=_link(model))
    return str(page).encode()


def _rules(gradio: Requirement) -> dict[str, tuple[str, Callable[[str], Any]]]:
    """Return for every key of the front matter its expected form, in words and as a test."""
    colour = f"one of {', '.join(COLOURS)}"
    return {
        "title": ("a title", str.strip),
        "emoji": ("an emoji", lambda text: text and not text.isascii()),
        "colorFrom": (colour, COLOURS.__contains__),
        "colorTo": (colour, COLOURS.__contains__),
        "sdk": ("gradio", "gradio".__eq__),
        "sdk_version": (f"a version in quotes that {REQUIREMENTS} allows: {gradio}", lambda v: _allows(gradio, v)),
        "python_version": ("3.11 or newer, in quotes", PYTHON.fullmatch),
        "app_file": (APP, APP.__eq__),
        "license": ("the short name of a licence, such as apache-2.0", str.strip),
        "short_description": (f"at most {MAX_DESCRIPTION} characters", lambda text: 0 < len(text) <= MAX_DESCRIPTION),
    }


def _allows(requirement: Requirement, version: str) -> bool:
    try:
        return requirement.specifier.contains(version)
    except InvalidVersion:
        return False


def _link(model: str) -> str:
    name, _, revision = model.partition("@")
    if not model:
        return "The model is in this repository: [its card](hwr/weights/README.md)."
    return f"The model is [{model}]({constants.ENDPOINT}/{name}{f'/tree/{revision}' * bool(revision)})."


def _require_model(model: str) -> None:
    """Raise UserError unless it is empty or owner/name[@revision]."""
    name, at, revision = model.partition("@")
    if model:
        network.require_name(name)
    if at and not REVISION.fullmatch(revision):
        raise UserError(f"{model!r} names no revision: expected owner/name@ and a branch, a tag or a commit")


def _read(root: Path, name: str) -> bytes:
    """Read a file of the project. Links are refused: they could lead to files that must not be published."""
    path = root / name
    if path.resolve() != root.resolve() / name:
        raise UserError(f"{path} is a link to {path.resolve()}: put the file itself there")
    try:
        return path.read_bytes()
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from None


def _publish(repo: str, content: dict[str, bytes], model: str, private: bool) -> None:
    """Set the variable before the files, so that the Space starts with its model."""
    repository.create(repo, kind="space", private=private, space_sdk="gradio")
    _set_model(repo, model)
    repository.commit(repo, content, "Deploy the page", kind="space")


def _set_model(repo: str, model: str) -> None:
    """Set or delete the Space's variable, only if it differs: every change restarts the Space."""
    api = HfApi()
    variables = network.attempt(lambda: api.get_space_variables(repo), repo)
    if model and (VARIABLE not in variables or variables[VARIABLE].value != model):
        network.attempt(lambda: api.add_space_variable(repo, VARIABLE, model), repo)
    if not model and VARIABLE in variables:
        network.attempt(lambda: api.delete_space_variable(repo, VARIABLE), repo)
