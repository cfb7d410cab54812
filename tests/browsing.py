"""What tests of the page do in a browser: a real Chromium, a real mouse, real touches."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

import pytest
from playwright.sync_api import BrowserContext, Page, Playwright

PATIENCE = 60_000  # milliseconds: WebGL without a graphics card, on cores that do other things too
CHROMIUM = ["--no-sandbox", "--disable-dev-shm-usage"]

Point = tuple[float, float]
Stroke = Sequence[Point]  # corners in a square of side 1, x to the right, y downwards

TOP_OF_TWO = [(0.18, 0.27), (0.24, 0.1), (0.38, 0.01), (0.55, 0.0), (0.7, 0.06), (0.78, 0.18), (0.78, 0.3)]
TWO: list[Stroke] = [[*TOP_OF_TWO, (0.7, 0.45), (0.5, 0.66), (0.15, 0.97), (0.5, 0.96), (0.85, 0.97)]]
SEVEN: list[Stroke] = [[(0.15, 0.03), (0.85, 0.03), (0.6, 0.45), (0.4, 0.98)]]
A: list[Stroke] = [[(0.1, 1.0), (0.48, 0.0), (0.52, 0.0), (0.9, 1.0)], [(0.27, 0.62), (0.73, 0.62)]]

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
    """The page, ready to be drawn on without choosing a tool first."""
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    page.goto(url)
    page.wait_for_selector("#pad .toolbar-wrap button.highlight")
    return page


def on_the_paper(page: Page, stroke: Stroke, side: float = 190, middle: Point = (0, 0)) -> list[Point]:
    """Corners in pixels of the page, in a square whose middle is so far from the middle of the pad."""
    box = page.locator("#pad canvas").first.bounding_box()
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


def labels(page: Page) -> list[tuple[str, str]]:
    """What the page answers, best first, each with its percentage; [] for none."""
    rows = page.locator("#answer [data-testid$='confidence-set']").all_inner_texts()
    return [(words[0], words[-1]) for words in map(str.split, rows) if words]


def wait_until(page: Page, condition: Callable[[list[tuple[str, str]]], bool]) -> list[tuple[str, str]]:
    """The labels, once they are as expected; after PATIENCE as they are, for the assertion to judge."""
    end = time.monotonic() + PATIENCE / 1000
    while not condition(found := labels(page)) and time.monotonic() < end:
        page.wait_for_timeout(100)
    return found


def first(page: Page, expected: str) -> str:
    found = wait_until(page, lambda found: bool(found) and found[0][0] == expected)
    return found[0][0] if found else ""


def choose(page: Page, alphabet: str) -> None:
    page.get_by_role("radio", name=alphabet).check()


def write(page: Page, *lines: str, side: float = 90) -> None:
    """Characters of LETTERS in lines, each line from left to right."""
    for row, line in enumerate(lines):
        for column, letter in enumerate(line):
            middle = ((column - (len(line) - 1) / 2) * (side + 10), (row - (len(lines) - 1) / 2) * (side + 50))
            draw(page, LETTERS[letter], side, middle)


def text(page: Page, expected: str) -> str:
    """What several characters were read as, once it is as expected."""
    end = time.monotonic() + PATIENCE / 1000
    while (found := page.locator("#several .text").all_inner_texts()) != [expected] and time.monotonic() < end:
        page.wait_for_timeout(100)
    return "".join(found)
