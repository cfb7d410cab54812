"""The page: draw a character, and its probabilities follow the pen. Layout and events, no machine learning.

python app.py                          # the bundled model
python app.py --model runs/mine        # a model directory that train.py wrote
python app.py --model owner/name       # a model on the Hugging Face Hub
"""

from __future__ import annotations

import base64
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import gradio as gr
from gradio.components.image_editor import EditorData

from hwr import Recognizer, UnavailableError, UserError, cli
from hwr.config import Alphabet
from hwr.picture import Gray
from hwr.recognizer import Answer

TOP = 5  # answers shown
CANVAS = 280  # pixels a side
PEN_RADIUS = 9  # of these pixels: a felt tip to a character as tall as a thumb
PAD_HEIGHT = CANVAS + 60  # Gradio's margins: so neither a drawing nor an example is shown scaled
AT_ONCE = 4  # an answer takes milliseconds of all cores: more at once would only wait for each other
QUIET: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
EXAMPLES = sorted((Path(__file__).parent / "examples").glob("*.png"))
BLANK = "Draw a character."

# An empty pad of Gradio 6.31 has no tool in hand, neither at first nor after clearing: strokes do nothing.
KEEP_THE_PEN = """() => setInterval(() => {
  const tools = document.querySelector("#pad .toolbar-wrap");
  if (tools && !tools.querySelector(".highlight")) tools.querySelector("button")?.click();
}, 100)"""

# By structure, not by title: titles are translated. Fixed heights, so that nothing jumps while drawing.
CSS = """
#page { max-width: 800px; margin: 0 auto; }
#left { flex: 0 0 340px !important; }
@media (max-width: 760px) { #page { width: auto; margin: 0 -16px; } #left { flex: 1 0 100% !important; } }
#pad .top-panel > button:nth-of-type(-n+3), #pad .top-panel > .zoom-number, #pad .top-panel > .separator,
#pad .half-container.right, #pad .empty.wrap { display: none; }  /* pan, zoom, colour, size, a wrong hint */
#pad .toolbar-wrap { inset: 4px auto auto 4px; transform: none; }
#pad .half-container { flex-direction: row; }
#answer { height: 366px; overflow: hidden; }
#view { flex: none; min-width: 0; width: 96px; height: 114px; }
#view .seen { width: 96px; height: 96px; border-radius: 6px; overflow: hidden; background: #8882; }
#view img { width: 96px; max-width: none; margin: 0; image-rendering: pixelated; }
#view small { display: block; line-height: 18px; white-space: nowrap; }
#note { height: 40px; }
#view .html-container, #note .html-container { padding: 0; }
#examples button, #examples .container, #examples img { width: 56px; height: 56px; background: white; }
#examples .container { border: 0; }
"""


@dataclass(frozen=True)
class Options:
    """Where the model comes from, and where the page listens."""

    model: str | None = field(default_factory=lambda: os.environ.get("HWR_MODEL") or None)
    """A model directory, or owner/name[@revision] on the Hugging Face Hub. Default: the environment variable
    HWR_MODEL, or else the bundled model."""
    host: str | None = None
    """Address to listen on. Default: GRADIO_SERVER_NAME, or else this machine only."""
    port: int | None = None
    """Port to listen on. Default: GRADIO_SERVER_PORT, or else the first free one from 7860."""


def build(recognizer: Recognizer) -> gr.Blocks:
    """The page, not yet launched. One recognizer serves all visitors; the drawings are each visitor's own."""
    alphabets = [name for name in ("digits", "letters", "all") if name in recognizer.alphabets]
    page = gr.Blocks(title="Draw a character", analytics_enabled=False, delete_cache=(3600, 86400))
    with page:
        with gr.Column(elem_id="page"):
            gr.Markdown("# Draw a character\nA small neural network says what it is, stroke by stroke.")
            with gr.Row():
                with gr.Column(elem_id="left"):
                    pad = sketchpad()
                    with gr.Row():
                        view = gr.HTML(picture(None), label="View", elem_id="view")
                        with gr.Column(min_width=200):
                            note = gr.HTML(BLANK, label="Note", elem_id="note")
                            clear = gr.Button("Clear")
                with gr.Column(min_width=320):
                    answer = gr.Label(num_top_classes=TOP, label="Answer", elem_id="answer")
                    alphabet = gr.Radio(alphabets, value="all", label="Alphabet", visible=len(alphabets) > 1)
            examples = drawings()
            gr.Markdown(about(recognizer))
        seen = gr.State(None)

        predict, again = answering(recognizer, pad)
        pad.change(
            predict,
            [pad, alphabet],
            [answer, note, view, seen],
            api_name="predict",
            preprocess=False,
            show_progress="hidden",
        )
        alphabet.input(again, [seen, alphabet], [answer, note], **QUIET)
        clear.click(lambda: None, None, pad, **QUIET)
        examples.click(lambda index: as_sketch(EXAMPLES[index]), examples, pad, **QUIET)
        page.load(js=KEEP_THE_PEN)
    page.queue(default_concurrency_limit=AT_ONCE)
    return page


def answering(recognizer: Recognizer, pad: gr.Sketchpad) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """The two ways to an answer: ``predict`` from a sketch, ``again`` from what was seen of the last one.

    A sketch can be fetched once only, so a change of the alphabet cannot ask for it again.
    """

    def again(seen: Gray | None, alphabet: Alphabet) -> tuple[dict[str, float], str]:
        answer = recognizer.answer(seen, TOP, alphabet)
        return answer.probabilities, verdict(answer)

    def predict(sketch: dict[str, Any] | None, alphabet: Alphabet) -> tuple[Any, ...]:
        """The likeliest characters of a sketch; the alphabet is digits, letters or all."""
        try:
            seen = recognizer.see(received(pad, sketch))
            return *again(seen, alphabet), picture(seen), seen
        except UserError as error:
            raise gr.Error(without_folders(str(error), sketch or {}), print_exception=False) from None

    return predict, again


def sketchpad() -> gr.Sketchpad:
    """RGBA, because the ink is read from transparency: in grey mode ink and paper would both be 0."""
    return gr.Sketchpad(
        canvas_size=(CANVAS, CANVAS),
        fixed_canvas=True,
        layers=False,
        transforms=(),
        image_mode="RGBA",
        type="numpy",
        brush=gr.Brush(default_size=PEN_RADIUS, colors=["#000000"], color_mode="fixed"),
        buttons=[],
        height=PAD_HEIGHT,
        show_label=False,
        elem_id="pad",
    )


def drawings() -> gr.Dataset:
    return gr.Dataset(
        components=[gr.Image(visible=False)],
        samples=[[str(path)] for path in EXAMPLES],
        type="index",
        label="Examples",
        elem_id="examples",
    )


def as_sketch(path: Path) -> dict[str, Any]:
    """A picture as a drawing on the pad, so that it can be erased and drawn on."""
    return {"background": None, "layers": [str(path)], "composite": None}


def received(pad: gr.Sketchpad, sketch: dict[str, Any] | None) -> Any:
    """What the browser drew, or the files that a client of the API sent.

    Files go on as paths: Gradio would refuse huge and damaged ones with a stack trace, the recognizer does so
    with a sentence.
    """
    data = EditorData(**(sketch or {}))
    if data.id is not None:
        return pad.preprocess(data)
    files = {"background": data.background, "composite": data.composite}
    paths: dict[str, Any] = {name: file and file.path for name, file in files.items()}
    return paths | {"layers": [layer.path for layer in data.layers]}


def without_folders(message: str, sketch: dict[str, Any]) -> str:
    """A message about a visitor's file without the server's folder it was uploaded to."""
    files = [sketch.get("background"), sketch.get("composite"), *(sketch.get("layers") or [])]
    for path in (file["path"] for file in files if file):
        message = message.replace(path, Path(path).name)
    return message


def verdict(answer: Answer) -> str:
    """One sentence about how far to trust an answer."""
    if not answer.probabilities:
        return BLANK
    return "" if answer.confident else "Not sure: this does not look like one character."


def picture(seen: Gray | None) -> str:
    """HTML of what the network sees, with the pixels inside: a file for every stroke would fill the disk."""
    inside = ""
    if seen is not None:
        content = base64.b64encode(cv2.imencode(".png", seen)[1].tobytes()).decode()
        inside = f"<img alt='what the model sees' src='data:image/png;base64,{content}'>"
    return f"<div class='seen'>{inside}</div><small>The model's view</small>"


def about(recognizer: Recognizer) -> str:
    """One line of Markdown: which model answers, and from where."""
    config = recognizer.config
    classes = f"{config.architecture}, {len(recognizer.labels())} classes"
    note = f"**{escaped(recognizer.stale)}**\n\n" if recognizer.stale else ""
    return f"{note}Model: `{recognizer.source}`, {classes}, sha256 `{config.sha256[:8]}`"


def escaped(text: str) -> str:
    """Text that Markdown shows as it is."""
    return "".join(f"\\{c}" if c in "\\`*_{}[]()<>#+-!|~" else c for c in text)


def recognizer_for(model: str | None) -> Recognizer:
    """The model that was asked for; the bundled one, and a note for the page, if the Hub cannot be reached."""
    try:
        return Recognizer.from_pretrained(model)
    except UnavailableError as error:
        print(f"{error}; the bundled model answers instead", file=sys.stderr)
        instead = Recognizer.from_pretrained()
        instead.stale = f"{model} cannot be had from the Hub now. The bundled model answers instead."
        return instead


def main(options: Options) -> None:
    """Serve the page until interrupted. Raises UserError if there is no such model or address."""
    page = build(recognizer_for(options.model))
    theme = gr.themes.Soft(
        primary_hue="indigo", font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"]
    )
    try:
        page.launch(
            server_name=options.host,
            server_port=options.port,
            theme=theme,
            css=CSS,
            show_error=True,
            run_history=False,
            ssr_mode=False,
            footer_links=["api", "settings"],
        )
    except (OSError, OverflowError) as error:
        address = f"{options.host or 'this machine'}, port {options.port or 'any'}"
        raise UserError(f"cannot listen on {address}: {error}") from None


if __name__ == "__main__":
    cli.run(main, Options, __doc__)
