"""What tests of the page do in a browser: a real Chromium, a real mouse, real touches."""

from __future__ import annotations

import math
import os
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import pytest
from playwright.sync_api import BrowserContext, Locator, Page, Playwright, expect

PATIENCE = 60_000  # milliseconds: on cores that do other things too
CHROMIUM = ["--no-sandbox", "--disable-dev-shm-usage"]

Point = tuple[float, float]
Stroke = Sequence[Point]  # corners in a square of side 1, x to the right, y downwards

TOP_OF_TWO = [(0.18, 0.27), (0.24, 0.1), (0.38, 0.01), (0.55, 0.0), (0.7, 0.06), (0.78, 0.18), (0.78, 0.3)]
TWO: list[Stroke] = [[*TOP_OF_TWO, (0.7, 0.45), (0.5, 0.66), (0.15, 0.97), (0.5, 0.96), (0.85, 0.97)]]
SEVEN: list[Stroke] = [[(0.15, 0.03), (0.85, 0.03), (0.6, 0.45), (0.4, 0.98)]]
A: list[Stroke] = [[(0.1, 1.0), (0.48, 0.0), (0.52, 0.0), (0.9, 1.0)], [(0.27, 0.62), (0.73, 0.62)]]

SMILEY: list[Stroke] = [
    [(0.5 + 0.5 * math.cos(0.3 * i), 0.5 + 0.5 * math.sin(0.3 * i)) for i in range(22)],
    [(0.35, 0.35), (0.36, 0.37)],
    [(0.65, 0.35), (0.66, 0.37)],
    [(0.5 + 0.3 * math.cos(0.3 * i), 0.5 + 0.3 * math.sin(0.3 * i)) for i in range(1, 10)],
]
LETTERS: dict[str, list[Stroke]] = {
    "2": TWO,
    "7": SEVEN,
    "0": [
        [
            (0.5, 0),
            (0.3, 0.1),
            (0.22, 0.35),
            (0.22, 0.65),
            (0.3, 0.9),
            (0.5, 1),
            (0.7, 0.9),
            (0.78, 0.65),
            (0.78, 0.35),
            (0.7, 0.1),
            (0.5, 0),
        ]
    ],
    "6": [
        [
            (0.7, 0.02),
            (0.4, 0.2),
            (0.22, 0.5),
            (0.2, 0.75),
            (0.35, 0.97),
            (0.6, 0.98),
            (0.78, 0.82),
            (0.72, 0.6),
            (0.5, 0.52),
            (0.3, 0.6),
            (0.22, 0.75),
        ]
    ],
    "H": [[(0.2, 0), (0.2, 1)], [(0.8, 0), (0.8, 1)], [(0.2, 0.5), (0.8, 0.5)]],
    "E": [[(0.8, 0.02), (0.2, 0), (0.2, 1), (0.82, 1)], [(0.2, 0.5), (0.7, 0.5)]],
    "L": [[(0.25, 0), (0.25, 1), (0.8, 1)]],
    "O": [
        [
            (0.5, 0),
            (0.2, 0.1),
            (0.05, 0.4),
            (0.08, 0.7),
            (0.3, 0.97),
            (0.6, 0.98),
            (0.9, 0.75),
            (0.95, 0.4),
            (0.8, 0.1),
            (0.5, 0),
        ]
    ],
    "i": [[(0.5, 0.3), (0.5, 1)], [(0.5, 0.0), (0.5, 0.06)]],
    "j": [[(0.6, 0.3), (0.6, 0.85), (0.5, 1.0), (0.3, 0.95)], [(0.6, 0.0), (0.6, 0.06)]],
}


def missing(reason: str) -> NoReturn:
    """Skip a test, or fail it where everything has to be there."""
    if os.environ.get("HWR_REQUIRE_BROWSER") == "1":
        pytest.fail(f"HWR_REQUIRE_BROWSER=1, but {reason}")
    pytest.skip(reason)


def executable(playwright: Playwright) -> str | None:
    own = playwright.chromium.executable_path
    names = ("chromium", "chromium-browser", "google-chrome")
    return own if Path(own).exists() else next(filter(None, map(shutil.which, names)), None)


def opened(context: BrowserContext, url: str) -> Page:
    """The page, ready to be drawn on."""
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    page.goto(url)
    page.wait_for_selector("#pad-character canvas")
    return page


RESET = """() => {
  document.querySelectorAll("#ways [role=tab]")[0].click();
  for (const chosen of document.querySelectorAll(".hwr-choice label:first-of-type input:not(:checked)")) chosen.click();
  const tools = ".hwr-pen, .hwr-clear, .hwr-answer > .hwr-link:not([hidden])";
  for (const tool of document.querySelectorAll(tools)) tool.click();
}"""


def reset(page: Page) -> None:
    """Empty pads, the first tab, and nothing chosen or taught."""
    page.unroute_all()
    page.wait_for_selector("#pad-character .hwr-verdict > *", state="attached")
    page.evaluate(RESET)
    panel(page, "empty")


def tab(page: Page, name: str) -> None:
    """Go to one of the three ways: One character, Writing, Photo."""
    page.get_by_role("tab", name=name).click()
    page.wait_for_selector(
        {"Photo": "#photo .hwr-drop", "Writing": "#pad-writing canvas"}.get(name, "#pad-character canvas")
    )


def on_the_paper(page: Page, stroke: Stroke, side: float = 190, middle: Point = (0, 0)) -> list[Point]:
    """Corners in pixels of the page, in a square whose middle is so far from the middle of the pad."""
    box = page.locator(".hwr-canvas:visible").bounding_box()
    assert box is not None
    left = box["x"] + (box["width"] - side) / 2 + middle[0]
    top = box["y"] + (box["height"] - side) / 2 + middle[1]
    return [(left + x * side, top + y * side) for x, y in stroke]


def draw(page: Page, strokes: Sequence[Stroke], side: float = 190, middle: Point = (0, 0)) -> None:
    for stroke in strokes:
        first, *others = on_the_paper(page, stroke, side, middle)
        page.mouse.move(*first)
        page.mouse.down()
        for corner in others:
            page.mouse.move(*corner, steps=2)
        page.mouse.up()


def write(page: Page, *lines: str, side: float = 90) -> None:
    """Characters of LETTERS in lines, each line from left to right."""
    for row, line in enumerate(lines):
        for column, letter in enumerate(line):
            middle = ((column - (len(line) - 1) / 2) * (side + 10), (row - (len(lines) - 1) / 2) * (side + 50))
            draw(page, LETTERS[letter], side, middle)


def panel(page: Page, state: str = "") -> Locator:
    """The answer that is in view, once it is in that state: sure, unsure, nothing, empty, example, refused or error."""
    found = page.locator(f".hwr-answer{f'[data-state={state}]' * bool(state)}:visible")
    found.wait_for()
    return found


def best(page: Page, expected: str) -> None:
    """Wait until one character is the sure answer."""
    expect(panel(page).locator(".hwr-best")).to_have_text(expected, timeout=PATIENCE)
    panel(page, "sure")


def text(page: Page, expected: str) -> None:
    """Wait until several characters are read so; lines are parted by spaces."""
    expect(panel(page).locator(".hwr-text")).to_have_text(
        re.compile(rf"^\s*{re.escape(expected)}\s*$"), timeout=PATIENCE
    )


def guesses(page: Page) -> list[tuple[str, str]]:
    """The likeliest characters in view, each with its percentage."""
    rows = [row.split(maxsplit=1) for row in panel(page).locator(".hwr-guesses li").all_inner_texts()]
    return [(label, share) for label, share in rows]


def choose(page: Page, alphabet: str) -> None:
    page.locator(".hwr-choice:visible").get_by_role("radio", name=alphabet, exact=True).check(force=True)


def press(page: Page, tool: str) -> None:
    """A tool of the pad in view: pen, eraser, undo, redo or clear."""
    page.locator(f".hwr-{tool}:visible").click()
