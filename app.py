"""The page: draw or photograph writing, and it is read. Its parts are in page/; here is what happens when.

python app.py                          # the bundled model
python app.py --model runs/mine        # a model directory that train.py wrote
python app.py --model owner/name       # a model on the Hugging Face Hub
"""

from __future__ import annotations

import importlib.util
import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import gradio as gr
from starlette.middleware import Middleware

from hwr import Recognizer, UnavailableError, UserError, cli
from hwr.config import Alphabet
from page import drawing, layout, limits
from page.answers import TOP, Answers, Drawing, Pupil, as_json, lessons, several, spoken, verdict
from page.feedback import Feedback
from page.layout import EXAMPLES, Parts
from page.received import files_of, path_of, refusals, sketch_of
from page.social import Card
from page.turns import Turns
from page.words import kept, say, still

AT_ONCE = 4  # an answer takes milliseconds of all cores: more at once would only wait for each other
WAITING = 100  # more are told that the page is busy: these wait for seconds already
FORGOTTEN = (60, 600)  # seconds: how often files of visitors are looked for, and how old those are that go
GRACE = 5  # seconds that requests have to be answered in when the page is stopped
STOPPED = 143  # exit status: 128 + SIGTERM, as shells count
MOST_BYTES = 20 * 2**20  # of an uploaded file
VISIT = 3600  # seconds for which a page that is left open remembers what it was taught and shown
PAGE = Path(__file__).parent / "page"
# Gradio's own button: None from here would be no change to a pad that was cleared so before, and do nothing.
CLEAR = "() => { document.querySelector('#pad .top-panel > button:last-of-type').click() }"
QUIET: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}


@dataclass(frozen=True)
class Options:
    """Where the model comes from, where the page listens, and what it keeps."""

    model: str | None = field(default_factory=lambda: os.environ.get("HWR_MODEL") or None)
    """A model directory, or owner/name[@revision] on the Hugging Face Hub. Default: the environment variable
    HWR_MODEL, or else the bundled model."""
    host: str | None = None
    """Address to listen on. Default: GRADIO_SERVER_NAME, or else this machine only."""
    port: int | None = None
    """Port to listen on. Default: GRADIO_SERVER_PORT, or else the first free one from 7860."""
    feedback: Path | None = field(default_factory=lambda: _path(os.environ.get("HWR_FEEDBACK_DIR")))
    """Folder in which to keep what visitors teach; train.py --data reads it. Default: HWR_FEEDBACK_DIR, or else
    nothing is kept."""
    feedback_repo: str | None = field(default_factory=lambda: os.environ.get("HWR_FEEDBACK_REPO") or None)
    """Dataset owner/name on the Hub to which that is committed. Default: HWR_FEEDBACK_REPO, or else none."""
    mcp: bool = False
    """Offer /predict and /read as tools of the Model Context Protocol too: pip install "gradio[mcp]"."""


def build(recognizer: Recognizer, feedback: Feedback | None = None) -> gr.Blocks:
    """The page, not yet launched. One recognizer serves all visitors; what they draw and teach is each one's own."""
    page = limits.Page(title="Read my handwriting", analytics_enabled=False, delete_cache=FORGOTTEN)
    with page:
        parts = layout.parts(recognizer, kept(feedback.dataset) if feedback else "")
        connect(page, parts, Answers(recognizer, feedback))
    page.queue(default_concurrency_limit=AT_ONCE, max_size=WAITING, api_open=False)
    return page


def connect(page: gr.Blocks, parts: Parts, answers: Answers) -> None:
    """All events of the page. ``drawn``, ``pupil`` and ``looking`` are one visitor's, and nobody else's."""
    drawn = gr.State(Drawing(), time_to_live=VISIT)
    pupil = gr.State(Pupil(), time_to_live=VISIT)
    looking = gr.State(False, time_to_live=VISIT)  # and not the checkbox, which programs would have to give
    limits.bound(parts.pad)
    in_turn = Turns(AT_ONCE)
    again, predict = map(in_turn, answering(answers, parts.pad))
    teach, forget = map(in_turn, teaching(answers))
    shown = [parts.answer, parts.note, parts.view, parts.several, parts.spoken, drawn]
    memory = [pupil, parts.learnt, parts.forget]
    asked = [drawn, parts.alphabet, pupil, looking]

    parts.pad.change(
        predict,
        [parts.pad, parts.alphabet, pupil, looking],
        shown,
        api_name="predict",
        preprocess=False,
        show_progress="hidden",
    )
    parts.alphabet.input(again, asked, shown, **QUIET)
    parts.clear.click(None, js=CLEAR, **QUIET)
    parts.examples.click(lambda index: as_sketch(EXAMPLES[index]), parts.examples, parts.pad, **QUIET)
    lesson = [parts.said, parts.donate, drawn, pupil]
    taught = gr.on([parts.teach.click, parts.said.submit], teach, lesson, [*memory, parts.said], **QUIET)
    forgotten = parts.forget.click(forget, None, memory, **QUIET)
    looked = parts.look.input(lambda wanted: wanted, parts.look, looking, **QUIET)
    for event in (taught, forgotten, looked):
        event.success(again, asked, shown, **QUIET)
    found = [parts.found, parts.text]
    # Not input: Gradio does not call it for pictures that are pasted.
    parts.photo.change(in_turn(photo(answers)), [parts.photo, parts.alphabet, pupil], found, preprocess=False, **QUIET)
    gr.api(in_turn(reading(answers.recognizer)), api_name="read")
    page.load(js=(PAGE / "page.js").read_text(encoding="utf-8"))


def answering(answers: Answers, pad: gr.Sketchpad) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """The two ways to an answer: ``again`` of what was drawn last, ``predict`` from a sketch.

    A sketch can be fetched once only, so a change of the alphabet cannot ask for it again.
    """

    def again(
        drawn: Drawing, alphabet: Alphabet, pupil: Pupil, looking: bool, request: gr.Request | None
    ) -> tuple[Any, ...]:
        drawn = answers.again(drawn, alphabet, pupil)
        view = drawing.view(drawn.seen, answers.saliency(drawn, alphabet, pupil) if looking else None)
        return drawn.answer.probabilities, verdict(drawn, request), view, several(drawn), spoken(drawn, request), drawn

    def predict(
        sketch: dict[str, Any] | None, alphabet: Alphabet, pupil: Pupil, looking: bool, request: gr.Request
    ) -> tuple[Any, ...]:
        """The likeliest characters of a sketch of one; the alphabet is digits, letters or all."""
        with refusals(*files_of(sketch)):
            return again(answers.drawn(sketch_of(pad, sketch)), alphabet, pupil, looking, request)

    return again, predict


def teaching(answers: Answers) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """To teach a visitor's own recogniser what a drawing was, and to forget all that."""

    def remembered(pupil: Pupil, request: gr.Request) -> tuple[Any, ...]:
        n = len(pupil.samples)
        return pupil, say("learnt", request, n=n) if n else "", gr.Button(visible=n > 0)

    def teach(said: str, donate: bool, drawn: Drawing, pupil: Pupil, request: gr.Request) -> tuple[Any, ...]:
        with refusals():
            new = lessons(said, drawn, request)
            taught = answers.teach(new, pupil)
            if donate:
                answers.keep(new, request.session_hash or "")
            return *remembered(taught, request), ""

    def forget(request: gr.Request) -> tuple[Any, ...]:
        return remembered(Pupil(), request)

    return teach, forget


def photo(answers: Answers) -> Callable[..., Any]:
    """To read a photo, and to show it with what was found in it."""

    def show(file: dict[str, Any] | None, alphabet: Alphabet, pupil: Pupil, request: gr.Request) -> tuple[str, str]:
        if file is None:
            return "", ""
        with refusals(file):
            path = Path(file["path"])
            found = answers.to_photo(path, alphabet, pupil)
        if not found.characters:
            return f"<p>{say('nothing', request)}</p>", ""
        return drawing.several(drawing.of_photo(path), found), found.text

    return show


def reading(recognizer: Recognizer) -> Callable[..., Any]:
    """The endpoint for programs that reads everything in a picture."""

    def read(image: gr.FileData, alphabet: Alphabet = "all") -> dict[str, Any]:
        """Read the handwritten characters in a picture, line by line, each line from left to right.

        Args:
            image: A picture file: a sketch, a scan or a photo, with any number of characters and lines
            alphabet: What is written: digits, letters (both cases as capitals) or all

        Returns:
            text: what was read, lines parted by line feeds; characters: one object for each character, in the same
            order, with its box (left, top, right, bottom), its probabilities, best first, and whether it is confident
            that this is a character at all; size: (width, height) of the picture that boxes are given in, which is
            upright and at most 1024 pixels long
        """
        with refusals(image):
            return as_json(recognizer.read(path_of(image), alphabet, TOP))

    return read


def as_sketch(path: Path) -> dict[str, Any]:
    """A picture as a drawing on the pad, so that it can be erased and drawn on."""
    return {"background": None, "layers": [str(path)], "composite": None}


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
    """Serve the page until interrupted. Raises UserError if there is no such model, address or folder."""
    if options.mcp and importlib.util.find_spec("mcp") is None:
        raise UserError('--mcp needs a package that is not installed: pip install "gradio[mcp]"')
    feedback = Feedback.opened(options.feedback, options.feedback_repo)
    page = build(recognizer_for(options.model), feedback)
    signal.signal(signal.SIGTERM, lambda *_: stop(page))  # as a Space is stopped: what was given is sent first
    theme = gr.themes.Soft(
        primary_hue="indigo", font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"]
    )
    try:
        page.launch(
            server_name=options.host,
            server_port=options.port,
            theme=theme,
            css=(PAGE / "style.css").read_text(encoding="utf-8"),
            i18n=still,
            max_file_size=MOST_BYTES,
            mcp_server=options.mcp,
            show_error=True,
            run_history=False,
            ssr_mode=False,
            footer_links=["api", "settings"],
            app_kwargs={
                "middleware": [limits.guard(MOST_BYTES, Path(page.GRADIO_CACHE), FORGOTTEN[1]), Middleware(Card)]
            },
        )
    except (OSError, OverflowError) as error:
        address = f"{options.host or 'this machine'}, port {options.port or 'any'}"
        raise UserError(f"cannot listen on {address}: {error}") from None
    finally:
        if feedback is not None:
            feedback.close()


def stop(page: gr.Blocks) -> NoReturn:
    """End the process once what was asked is answered, or GRACE is over; who asks now is told that it is busy."""
    queue, end = page._queue, time.monotonic() + GRACE
    queue.max_size = 0
    while any(list(queue.pending_event_ids_session.values())) and time.monotonic() < end:
        time.sleep(0.02)
    sys.exit(STOPPED)


def _path(name: str | None) -> Path | None:
    return Path(name) if name else None


if __name__ == "__main__":
    cli.run(main, Options, __doc__)
