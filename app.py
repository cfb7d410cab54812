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
from page import layout, limits
from page.answers import TOP, Answers, as_json
from page.calls import Calls
from page.feedback import Feedback
from page.received import files_of, path_of, refusals, sketch_of
from page.social import Card
from page.turns import Turns
from page.words import kept, still

AT_ONCE = 4  # an answer takes milliseconds of all cores: more at once would only wait for each other
WAITING = 100  # more are told that the page is busy: these wait for seconds already
FORGOTTEN = (60, 600)  # seconds: how often files of visitors are looked for, and how old those are that go
GRACE = 5  # seconds that requests have to be answered in when the page is stopped
STOPPED = 143  # exit status: 128 + SIGTERM, as shells count
MOST_BYTES = 20 * 2**20  # of an uploaded file
PAGE = Path(__file__).parent / "page"


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


def build(recognizer: Recognizer, feedback: Feedback | None = None) -> limits.Page:
    """The page, not yet launched. One recognizer serves all visitors; what they draw and teach is each one's own."""
    answers, in_turn = Answers(recognizer, feedback), Turns(AT_ONCE)
    call = Calls(in_turn, WAITING)
    drawn = [
        call("answer", answers.answer),  # while the pen moves, and when it is up
        call("teach", answers.teach),
        call("forget", lambda _, session: answers.forget(session)),
    ]
    photographed = [
        call("photo", lambda sent, _: answers.photo(sent)),
        call("example", lambda name, _: layout.photo(name)),
    ]
    page = limits.Page(title="Read my handwriting", analytics_enabled=False, delete_cache=FORGOTTEN)
    with page:
        layout.page(recognizer, drawn, photographed, kept(feedback.dataset) if feedback else None, answers.reads)
        for endpoint in endpoints(recognizer):
            gr.api(in_turn(endpoint), api_name=endpoint.__name__)
    page.calls = call
    page.queue(default_concurrency_limit=AT_ONCE, max_size=WAITING, api_open=False)
    return page


def endpoints(recognizer: Recognizer) -> tuple[Callable[..., Any], ...]:
    """What programs may ask: one character, and everything in a picture."""

    def predict(sketch: dict[str, Any] | None, alphabet: Alphabet = "all") -> dict[str, Any]:
        """Say which single character a picture shows, how likely each answer is, and whether to trust it.

        Args:
            sketch: A picture file; or the value of a Gradio Sketchpad, {"background", "layers", "composite"}, with
                files; or strokes as {"width", "height", "strokes": [{"x": [...], "y": [...], "pen": width}, ...]}
            alphabet: What the character may be: digits, letters (both cases as capitals) or all

        Returns:
            probabilities: the likeliest characters and the probability of each, best first, empty for a blank picture;
            confident: true if the picture shows one character; false for scribbles, symbols and several characters
        """
        with refusals(*files_of(sketch)):
            answer = recognizer.answer(recognizer.see(sketch_of(sketch)), TOP, alphabet)
            return {"probabilities": answer.probabilities, "confident": answer.confident}

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

    return predict, read


def recognizer_for(model: str | None) -> Recognizer:
    """The model that was asked for; the bundled one, and a note for the page, if the Hub cannot be reached."""
    try:
        return Recognizer.from_pretrained(model)
    except UnavailableError as error:
        print(f"{error}; the bundled model answers instead", file=sys.stderr)
        instead = Recognizer.from_pretrained()
        instead.stale = f"{model} cannot be fetched from the Hub now. The bundled model answers instead."
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


def stop(page: limits.Page) -> NoReturn:
    """End the process once what was asked is answered, or GRACE is over; who asks now is told that it is busy."""
    queue, end = page._queue, time.monotonic() + GRACE
    queue.max_size = 0
    page.calls.close()
    while (page.calls.taken or any(list(queue.pending_event_ids_session.values()))) and time.monotonic() < end:
        time.sleep(0.02)
    sys.exit(STOPPED)


def _path(name: str | None) -> Path | None:
    return Path(name) if name else None


if __name__ == "__main__":
    cli.run(main, Options, __doc__)
