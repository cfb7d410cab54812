"""Where everything stands on the page. What happens on it is in pad.js and photo.js, and what they ask in app.py."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

import gradio as gr
from PIL import Image

from hwr import Recognizer, UserError
from page import about
from page.received import Mode
from page.words import WORDS, still

HERE = Path(__file__).parent
EXAMPLES = HERE.parent / "examples"
THUMBNAIL = (96, 64)  # pixels
ALPHABETS = {"all": "all", "digits": "digits", "letters": "letters"}  # alphabet -> its name in words.py
WITH_SYMBOLS = {"printable": "all", "all": "both", "digits": "digits", "letters": "letters"}

Function = Callable[..., Any]


def page(
    recognizer: Recognizer,
    drawn: list[Function],
    photographed: list[Function],
    notice: dict[str, str] | None,
    reads: bool = True,
) -> None:
    """The whole page, within a gr.Blocks.

    ``drawn`` and ``photographed`` are what the scripts of the pads and of the photo may call. ``notice`` says in each
    language what is kept of what visitors teach; None where nothing is. Without ``reads`` there is the pad for one
    character alone, as the model reads no more.
    """
    shared: dict[str, Any] = {"words": WORDS, "alphabets": alphabets(recognizer, ALPHABETS)}
    single = shared | {"alphabets": alphabets(recognizer, WITH_SYMBOLS)}
    with gr.Column(elem_id="page"):
        gr.Markdown(still("title"), elem_id="title")
        with gr.Tabs(elem_id="ways"):
            with gr.Tab(still("one")):
                pad("character", drawn, notice=notice, ghost=drawings("character")[0], **single)
            with gr.Tab(still("writing_tab"), visible=reads):
                pad("writing", drawn, notice=notice, ghost=drawings("writing")[0], **shared)
            with gr.Tab(still("photo"), visible=reads):
                widget("photo.js", "photo", photographed, examples=photos(), **shared)
        gr.HTML(
            html_template="<p></p>",
            js_on_load="element.textContent = props.lines[navigator.language.startsWith('zh') ? 'zh' : 'en']",
            lines=about.lines(recognizer),
            label="model",
            elem_id="model",
        )
        with gr.Accordion(still("about"), open=False):
            gr.Markdown(about.card(recognizer))


def alphabets(recognizer: Recognizer, names: dict[str, str]) -> list[dict[str, str]]:
    """The alphabets to choose from, the first of them chosen at the start: their values, and their names in WORDS.

    ``names`` are those for single characters or for writing. A model without symbols is never asked for them.
    """
    own = names if names.keys() <= {*recognizer.alphabets} else ALPHABETS
    return [{"value": one, "name": name} for one, name in own.items() if one in recognizer.alphabets]


def pad(mode: Mode, functions: list[Function], **props: Any) -> gr.HTML:
    """A pad to draw on, and the answer beside it."""
    return widget("pad.js", f"pad-{mode}", functions, mode=mode, examples=drawings(mode), **props)


def widget(script: str, name: str, functions: list[Function], **props: Any) -> gr.HTML:
    """A component whose script builds it from ``props``, and may call ``functions``."""
    return gr.HTML(
        html_template="<div></div>",
        js_on_load="\n".join((HERE / part).read_text(encoding="utf-8") for part in ("common.js", script)),
        apply_default_css=False,
        server_functions=functions,
        label=name,
        elem_id=name,
        **props,
    )


@cache
def drawings(mode: Mode) -> list[dict[str, Any]]:
    """The examples of a pad: their names, the size of their canvas, and their strokes, each as its x and its y."""
    examples: dict[str, list[dict[str, Any]]] = json.loads((EXAMPLES / "drawings.json").read_text(encoding="utf-8"))
    return examples[mode]


@cache
def photos() -> list[dict[str, Any]]:
    """The photos to choose from: their names, and small pictures of them."""
    named: dict[str, dict[str, str]] = json.loads((EXAMPLES / "photos.json").read_text(encoding="utf-8"))
    return [{"file": file, "name": name, "thumbnail": _thumbnail(EXAMPLES / file)} for file, name in named.items()]


def photo(name: Any) -> dict[str, str]:
    """A photo of the examples, as a data URI. Raises UserError for none of them."""
    if name not in [one["file"] for one in photos()]:
        raise UserError(f"there is no example {str(name)[:40]!r}")
    return {"picture": _jpeg((EXAMPLES / str(name)).read_bytes())}


def _thumbnail(path: Path) -> str:
    with Image.open(path) as image:
        image.thumbnail(THUMBNAIL)
        content = BytesIO()
        image.convert("RGB").save(content, "JPEG")
    return _jpeg(content.getvalue())


def _jpeg(content: bytes) -> str:
    return f"data:image/jpeg;base64,{base64.b64encode(content).decode()}"
