"""What comes in: questions of the page's script and files of programs, checked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from html import escape
from io import BytesIO
from pathlib import Path
from typing import Any, Literal, NamedTuple, cast, get_args

import gradio as gr
from gradio_client.utils import is_file_obj_with_meta
from PIL import Image

from hwr import UserError
from hwr.config import Alphabet
from hwr.ink.picture import opened
from page.words import WORDS

Mode = Literal["character", "writing"]
Look = Literal["", "view", "why"]


class Question(NamedTuple):
    """What the page's script asks about a drawing.

    ``final`` says that the pen is up; ``look`` asks for the picture that the network sees, or for why it answers so;
    ``text`` is what the visitor says that it is, to be kept for later models if ``keep``.
    """

    drawing: Mapping[str, Any]
    mode: Mode
    alphabet: Alphabet
    language: str
    final: bool
    look: Look
    text: str
    keep: bool

    @classmethod
    def of(cls, asked: Any) -> Question:
        """A question from JSON. Raises UserError for anything else."""
        if not isinstance(asked, Mapping):
            raise UserError("the page was asked something that its own script does not ask")
        drawing = asked.get("drawing")
        return cls(
            drawing if isinstance(drawing, Mapping) and "strokes" in drawing else {"strokes": None},
            _one_of(Mode, asked.get("mode")),
            cast(Alphabet, str(asked.get("alphabet"))),
            language_of(asked),
            asked.get("final") is True,
            _one_of(Look, asked.get("look")),
            str(asked.get("text") or "").strip(),
            asked.get("keep") is True,
        )


def _one_of(kind: Any, value: Any) -> Any:
    """The value if it is one of a Literal, or else the Literal's first."""
    known = get_args(kind)
    return value if value in known else known[0]


def language_of(asked: Any) -> str:
    """The language that the page speaks to a visitor: English where nothing else is known."""
    language = asked.get("language") if isinstance(asked, Mapping) else None
    return language if isinstance(language, str) and language in WORDS else "en"


def photo_of(sent: Any) -> tuple[Image.Image, Mapping[str, Any]]:
    """A photo that was sent as bytes, not decoded yet, and what was asked of it. Raises UserError for no such."""
    try:
        ((_, content),), asked = sent.files, sent.data
    except (AttributeError, TypeError, ValueError):
        raise UserError("the page was asked something that its own script does not ask") from None
    return opened(BytesIO(content), Path(str(asked.get("name") or "the photo")).name[:80]), asked


def path_of(file: Any) -> Path:
    """Where a file lies that a program sent. Raises UserError for what Gradio did not check, and so may be any file."""
    if not is_file_obj_with_meta(file):
        raise UserError("a picture file is needed: upload it first, as handle_file of gradio_client does")
    return Path(file["path"])


def sketch_of(sketch: Any) -> Any:
    """What a program asks about one character: a file, strokes, or the value of a Gradio Sketchpad, its files as paths.

    Raises UserError for anything else.
    """
    if sketch is None or (isinstance(sketch, Mapping) and "strokes" in sketch):
        return sketch
    if isinstance(sketch, Mapping) and not {"background", "layers", "composite"}.isdisjoint(sketch):
        layers = sketch.get("layers") or []
        if not isinstance(layers, list):
            raise UserError("the layers of a sketch are a list of picture files")
        parts = {name: sketch.get(name) and path_of(sketch[name]) for name in ("background", "composite")}
        return parts | {"layers": [path_of(layer) for layer in layers]}
    return path_of(sketch)


@contextmanager
def refusals(*files: Any) -> Iterator[None]:
    """A program's mistake as an error of Gradio, without the server's folders that ``files`` were uploaded to."""
    try:
        yield
    except UserError as error:
        message = str(error)
        for path in (file["path"] for file in files if is_file_obj_with_meta(file)):
            message = message.replace(path, Path(path).name)
        raise gr.Error(escape(message, quote=False), print_exception=False) from None


def files_of(sketch: Any) -> list[Any]:
    """The files that a sketch from a program is made of."""
    if not isinstance(sketch, Mapping) or is_file_obj_with_meta(sketch):
        return [sketch]
    layers = sketch.get("layers")
    return [sketch.get("background"), sketch.get("composite"), *(layers if isinstance(layers, list) else [])]
