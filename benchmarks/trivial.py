"""The least that a page with a sketchpad can be: the pad of app.py, one listener, and an answer that takes no thought.

    GRADIO_SERVER_PORT=7861 python -m benchmarks.trivial

Every answer is another number, so that a page shows when it has come.
"""

from __future__ import annotations

from itertools import count
from pathlib import Path

import gradio as gr

from page import layout

SCRIPT = Path(__file__).parents[1] / "page" / "page.js"  # puts the pen in the hand, as on the real page
AT_ONCE = 4  # as app.py


def build() -> gr.Blocks:
    """The page, not yet launched."""
    numbers = count(1)
    page = gr.Blocks(analytics_enabled=False)
    with page:
        pad = layout.sketchpad()
        answer = gr.Label(elem_id="answer")
        pad.change(lambda _: {str(next(numbers)): 1.0}, pad, answer, api_name="predict", show_progress="hidden")
        page.load(js=SCRIPT.read_text(encoding="utf-8"))
    page.queue(default_concurrency_limit=AT_ONCE)
    return page


if __name__ == "__main__":
    build().launch(run_history=False, ssr_mode=False, show_error=True)
