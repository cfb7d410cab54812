"""What the page says of the model that answers: from its config and its card, nothing typed again."""

from __future__ import annotations

import re
from pathlib import Path

from huggingface_hub import constants

from hwr import Recognizer
from hwr.model import store

SECTIONS = ("How well it reads", "Whose hands are in the data, and what is not known", "Training data and licences")
CARD = "README.md"


def line(recognizer: Recognizer) -> str:
    """One line of Markdown: which model answers, and from where."""
    config = recognizer.config
    classes = f"{config.architecture}, {len(recognizer.labels())} classes"
    note = f"**{escaped(recognizer.stale)}**\n\n" if recognizer.stale else ""
    return f"{note}Model: `{recognizer.source}`, {classes}, sha256 `{config.sha256[:8]}`"


def card(recognizer: Recognizer) -> str:
    """The parts of the model's card that a visitor may ask for, as Markdown; a link where the card is on the Hub."""
    folder = folder_of(recognizer)
    if folder is None:
        name = recognizer.source.partition("@")[0]
        return f"[The model's card]({constants.ENDPOINT}/{name}) has its measured figures, its data and its limits."
    try:
        found = sections((folder / CARD).read_text(encoding="utf-8"))
    except OSError:
        return "This model has no card."
    return "\n\n".join(f"### {title}\n\n{found[title]}" for title in SECTIONS if title in found) or "Its card is empty."


def folder_of(recognizer: Recognizer) -> Path | None:
    """The model directory, if it is on this machine and not of the Hub."""
    if recognizer.source == "bundled":
        return store.BUNDLED
    folder = Path(recognizer.source).expanduser()
    return folder if folder.is_dir() else None


def sections(card: str) -> dict[str, str]:
    """The text under each heading of the second level."""
    parts = re.split(r"^## (.+)$", card, flags=re.MULTILINE)
    return {title.strip(): text.strip() for title, text in zip(parts[1::2], parts[2::2], strict=True)}


def escaped(text: str) -> str:
    """Text that Markdown shows as it is."""
    return "".join(f"\\{c}" if c in "\\`*_{}[]()<>#+-!|~" else c for c in text)
