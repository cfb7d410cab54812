"""What the page says of the model that answers: from its config and its card, nothing typed again."""

from __future__ import annotations

import re
from pathlib import Path

from huggingface_hub import constants

from hwr import Recognizer
from hwr.model import store
from page.words import WORDS, say

SECTIONS = ("How well it reads", "Whose hands are in the data, and what is not known", "Training data and licences")
CARD = "README.md"


def lines(recognizer: Recognizer) -> dict[str, str]:
    """One line of text in each language: which model answers, and from where."""
    config, is_bundled = recognizer.config, recognizer.source == "bundled"
    known = {"name": recognizer.source, "architecture": config.architecture, "version": config.sha256[:8]}
    count = max(map(len, config.alphabets().values()))
    keys = ["model_bundled" if is_bundled else "model"]
    if recognizer.stale:  # the Hub could not be reached when the page was started
        keys.insert(0, "instead" if is_bundled else "copy_of_model")
    return {language: " ".join(say(key, language, count=count, **known) for key in keys) for language in WORDS}


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
