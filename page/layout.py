"""Where everything stands on the page. What happens is in app.py."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import gradio as gr

from hwr import Recognizer
from page import about, drawing
from page.answers import TOP
from page.words import still

ROOT = Path(__file__).parents[1]
EXAMPLES = sorted((ROOT / "examples").glob("*.png"))
CANVAS = (540, 300)  # pixels: wide enough for a word, high enough for one large character
PEN_RADIUS = 9  # of these pixels: a felt tip to a character as tall as a thumb
PAD_HEIGHT = CANVAS[1] + 60  # Gradio's margins: so neither a drawing nor an example is shown scaled
PHOTO_HEIGHT = 300  # pixels


class Parts(NamedTuple):
    """The components that events read and write."""

    pad: gr.Sketchpad
    view: gr.HTML
    look: gr.Checkbox
    note: gr.HTML
    clear: gr.Button
    alphabet: gr.Radio
    answer: gr.Label
    several: gr.HTML
    spoken: gr.HTML
    said: gr.Textbox
    donate: gr.Checkbox
    teach: gr.Button
    learnt: gr.HTML
    forget: gr.Button
    examples: gr.Dataset
    photo: gr.Image
    found: gr.HTML
    text: gr.Textbox


def parts(recognizer: Recognizer, notice: str) -> Parts:
    """The whole page, within a gr.Blocks. ``notice`` says what is kept of what visitors teach; nothing is if empty."""
    found: dict[str, Any] = {}
    with gr.Column(elem_id="page"):
        gr.Markdown(still("title"), elem_id="title")
        found["alphabet"] = alphabets(recognizer)
        with gr.Tab(still("draw"), elem_id="drawing"):
            with gr.Row():
                with gr.Column(elem_id="left"):
                    found |= pad_and_view()
                with gr.Column(min_width=300, elem_id="right"):
                    found |= answers()
                    found |= teaching(notice)
            found["examples"] = drawings()
        with gr.Tab(still("photo"), elem_id="photos"):
            found |= photos()
        gr.Markdown(about.line(recognizer), elem_id="model")
        with gr.Accordion(still("about"), open=False):
            gr.Markdown(about.card(recognizer))
    return Parts(**found)


def alphabets(recognizer: Recognizer) -> gr.Radio:
    """Which of the model's alphabets is answered in."""
    known = [name for name in ("digits", "letters", "all") if name in recognizer.alphabets]
    return gr.Radio(known, value="all", label=still("alphabet"), visible=len(known) > 1, elem_id="alphabet")


def pad_and_view() -> dict[str, Any]:
    """Where one draws, and what of it reaches the network."""
    found: dict[str, Any] = {"pad": sketchpad()}
    with gr.Row(elem_id="under"):
        with gr.Column(elem_id="seen"):
            found["view"] = gr.HTML(drawing.view(None), label="View", elem_id="view")
            gr.HTML(still("view"), label="Caption", elem_id="caption")
            found["look"] = gr.Checkbox(label=still("look"), container=False, elem_id="look")
        with gr.Column(min_width=200):
            found["note"] = gr.HTML(still("blank"), label="Note", elem_id="note")
            found["clear"] = gr.Button(still("clear"))
    return found


def sketchpad() -> gr.Sketchpad:
    """RGBA, because the ink is read from transparency: in grey mode ink and paper would both be 0."""
    return gr.Sketchpad(
        canvas_size=CANVAS,
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


def answers() -> dict[str, Any]:
    """One character's answers, and in the same place those of several."""
    with gr.Column(elem_id="answers"):
        return {
            "answer": gr.Label(num_top_classes=TOP, label=still("answer"), elem_id="answer"),
            "several": gr.HTML("", label="Several", elem_id="several"),
            "spoken": gr.HTML("", label="Spoken", elem_id="spoken"),
        }


def teaching(notice: str) -> dict[str, Any]:
    """Where one says what it was."""
    found: dict[str, Any] = {}
    with gr.Row(elem_id="teaching"):
        found["said"] = gr.Textbox(
            label=still("was_hint"), placeholder=still("was"), show_label=False, max_lines=1, scale=2, min_width=80
        )
        found["teach"] = gr.Button(still("teach"), scale=1, min_width=80)
    found["donate"] = gr.Checkbox(  # not ticked at first: who says nothing gives nothing away
        label=still("donate"), info=notice, visible=bool(notice), elem_id="donate"
    )
    with gr.Row(elem_id="memory"):
        found["learnt"] = gr.HTML("", label="Learnt")
        found["forget"] = gr.Button(still("forget"), visible=False, size="sm", scale=0, min_width=140)
    return found


def drawings() -> gr.Dataset:
    """Drawings to click on."""
    return gr.Dataset(
        components=[gr.Image(visible=False)],
        samples=[[str(path)] for path in EXAMPLES],
        type="index",
        label=still("examples"),
        elem_id="examples",
    )


def photos() -> dict[str, Any]:
    """Where one gives a photo, and what was found in it."""
    with gr.Row():
        with gr.Column(min_width=300):
            photo = gr.Image(
                sources=["upload", "clipboard", "webcam"],
                webcam_options=gr.WebcamOptions(mirror=False),  # mirrored writing cannot be read
                type="filepath",
                height=PHOTO_HEIGHT,
                label=still("upload"),
                buttons=[],
                elem_id="photo",
            )
            gr.Markdown(still("photo_rule"), elem_id="rule")
        with gr.Column(min_width=300):
            found = gr.HTML("", label="Found", elem_id="found")
            text = gr.Textbox(label=still("text"), lines=2, interactive=False, buttons=["copy"], elem_id="text")
    return {"photo": photo, "found": found, "text": text}
