"""The page as a visitor meets it: a real Chromium, a real mouse, real touches."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from conftest import served
from playwright.sync_api import Browser, BrowserContext, Page, Playwright, sync_playwright

from hwr import Recognizer, hub
from hwr.config import ModelConfig
from hwr.model import build

PATIENCE = 60_000  # milliseconds: WebGL without a graphics card, on cores that do other things too
CHROMIUM = ["--no-sandbox", "--disable-dev-shm-usage"]

Stroke = Sequence[tuple[float, float]]  # corners in a square of side 1, x to the right, y downwards

TOP_OF_TWO = [(0.18, 0.27), (0.24, 0.1), (0.38, 0.01), (0.55, 0.0), (0.7, 0.06), (0.78, 0.18), (0.78, 0.3)]
TWO: list[Stroke] = [[*TOP_OF_TWO, (0.7, 0.45), (0.5, 0.66), (0.15, 0.97), (0.5, 0.96), (0.85, 0.97)]]
SEVEN: list[Stroke] = [[(0.15, 0.03), (0.85, 0.03), (0.6, 0.45), (0.4, 0.98)]]
A: list[Stroke] = [[(0.1, 1.0), (0.48, 0.0), (0.52, 0.0), (0.9, 1.0)], [(0.27, 0.62), (0.73, 0.62)]]


def no_browser(reason: str) -> None:
    if os.environ.get("HWR_REQUIRE_BROWSER") == "1":
        pytest.fail(f"HWR_REQUIRE_BROWSER=1, but {reason}")
    pytest.skip(reason)


def executable(playwright: Playwright) -> str | None:
    own = playwright.chromium.executable_path
    names = ("chromium", "chromium-browser", "google-chrome")
    return own if Path(own).exists() else next(filter(None, map(shutil.which, names)), None)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        found = executable(playwright)
        if found is None:
            no_browser("there is no Chromium: playwright install chromium")
        browser = playwright.chromium.launch(executable_path=found, args=CHROMIUM)
        yield browser
        browser.close()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    yield context
    context.close()


@pytest.fixture
def page(context: BrowserContext, page_url: str) -> Page:
    return opened(context, page_url)


def opened(context: BrowserContext, url: str) -> Page:
    """The page, ready to be drawn on without choosing a tool first."""
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    page.goto(url)
    page.wait_for_selector("#pad .toolbar-wrap button.highlight")
    return page


def on_the_paper(page: Page, stroke: Stroke, side: float = 190) -> list[tuple[float, float]]:
    """Corners in pixels of the page, in the middle of the pad."""
    box = page.locator("#pad canvas").first.bounding_box()
    assert box is not None
    left, top = box["x"] + (box["width"] - side) / 2, box["y"] + (box["height"] - side) / 2
    return [(left + x * side, top + y * side) for x, y in stroke]


def draw(page: Page, strokes: Sequence[Stroke]) -> None:
    for stroke in strokes:
        first, *others = on_the_paper(page, stroke)
        page.mouse.move(*first)
        page.mouse.down()
        for corner in others:
            page.mouse.move(*corner, steps=6)
        page.mouse.up()


def labels(page: Page) -> list[tuple[str, str]]:
    """What the page answers, best first, each with its percentage; [] for none."""
    rows = page.locator("#answer [data-testid$='confidence-set']").all_inner_texts()
    return [(words[0], words[-1]) for words in map(str.split, rows)]


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


@pytest.mark.parametrize("alphabet", ["digits", "all"])
@pytest.mark.parametrize(("expected", "strokes"), [("2", TWO), ("7", SEVEN)])
def test_a_drawn_digit_is_read(page: Page, alphabet: str, expected: str, strokes: list[Stroke]) -> None:
    choose(page, alphabet)
    draw(page, strokes)
    assert first(page, expected) == expected
    assert len(labels(page)) == 5


@pytest.mark.parametrize("alphabet", ["letters", "all"])
def test_a_drawn_letter_is_read_stroke_by_stroke(page: Page, alphabet: str) -> None:
    choose(page, alphabet)
    draw(page, A[:1])
    unfinished = wait_until(page, bool)
    draw(page, A[1:])
    wait_until(page, lambda found: found != unfinished)
    assert first(page, "A") == "A"


def test_the_model_view_follows_the_drawing(page: Page, recognizer: Recognizer) -> None:
    assert page.locator("#view img").count() == 0
    draw(page, SEVEN)
    page.wait_for_selector("#view img")
    assert page.evaluate("document.querySelector('#view img').naturalWidth") == recognizer.config.image_size


@pytest.mark.parametrize("button", ["button:has-text('Clear')", "#pad .top-panel > button:last-of-type"])
def test_clearing_leaves_no_answer_and_the_pen_in_the_hand(page: Page, button: str) -> None:
    draw(page, SEVEN)
    assert wait_until(page, bool)
    page.locator(button).click()
    assert wait_until(page, lambda found: not found) == []
    assert "Draw a character" in page.inner_text("#note")
    assert page.locator("#view img").count() == 0
    page.wait_for_selector("#pad .toolbar-wrap button.highlight")
    draw(page, SEVEN)
    assert wait_until(page, bool)


def test_undo_removes_the_last_stroke_and_redo_brings_it_back(page: Page) -> None:
    choose(page, "letters")
    draw(page, A[:1])
    one_stroke = wait_until(page, bool)
    draw(page, A[1:])
    two_strokes = wait_until(page, lambda found: found != one_stroke)
    page.get_by_title("Undo").click()
    assert wait_until(page, lambda found: found == one_stroke) == one_stroke
    page.get_by_title("Redo").click()
    assert wait_until(page, lambda found: found == two_strokes) == two_strokes


def test_another_alphabet_answers_the_same_drawing(page: Page) -> None:
    choose(page, "digits")
    draw(page, TWO)
    assert first(page, "2") == "2"
    choose(page, "letters")
    assert first(page, "Z") == "Z"
    choose(page, "digits")
    assert first(page, "2") == "2"


def test_an_alphabet_without_a_drawing_answers_nothing(page: Page) -> None:
    choose(page, "letters")
    page.wait_for_timeout(1000)
    assert labels(page) == []


def test_a_clicked_example_lies_on_the_pad_and_is_answered(page: Page) -> None:
    choose(page, "digits")
    page.locator("#examples button").first.click()
    assert first(page, "2") == "2"
    draw(page, [[(-0.1, 0.5), (1.1, 0.5)], [(0.5, -0.1), (0.5, 1.1)]])
    assert wait_until(page, lambda found: found[0] != ("2", "100%"))


def test_every_request_goes_to_the_pages_own_host(context: BrowserContext, page_url: str) -> None:
    asked: list[str] = []
    context.on("request", lambda request: asked.append(request.url))
    page = opened(context, page_url)
    draw(page, SEVEN)
    assert wait_until(page, bool)
    hosts = {urlsplit(url).netloc for url in asked if urlsplit(url).scheme not in ("data", "blob")}
    assert hosts == {urlsplit(page_url).netloc}


def test_two_visitors_do_not_see_each_others_drawings(browser: Browser, page: Page, page_url: str) -> None:
    draw(page, TWO)
    assert wait_until(page, bool)
    other = browser.new_context()
    try:
        visitor = opened(other, page_url)
        choose(visitor, "digits")
        visitor.wait_for_timeout(1000)
        assert labels(visitor) == []
    finally:
        other.close()


def test_fingers_draw_on_a_phone_without_scrolling_it(browser: Browser, page_url: str) -> None:
    phone = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    try:
        page = opened(phone, page_url)
        page.get_by_role("radio", name="digits").check()
        page.evaluate("window.scrollTo(0, 40)")
        before = page.evaluate("[window.scrollX, window.scrollY]")
        touch(page, SEVEN[0])
        assert first(page, "7") == "7"
        assert page.evaluate("[window.scrollX, window.scrollY]") == before
        assert page.evaluate("document.documentElement.scrollWidth") == 390
    finally:
        phone.close()


def touch(page: Page, stroke: Stroke) -> None:
    devtools = page.context.new_cdp_session(page)
    corners = on_the_paper(page, stroke)
    path = [
        (x0 + (x1 - x0) * i / 6, y0 + (y1 - y0) * i / 6) for (x0, y0), (x1, y1) in pairwise(corners) for i in range(7)
    ]
    for i, (x, y) in enumerate(path):
        kind = "touchMove" if i else "touchStart"
        devtools.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": x, "y": y}]})
    devtools.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})


def test_names_of_classes_are_text_and_never_markup(context: BrowserContext, tmp_path: Path) -> None:
    hostile = tuple(f"{i}<img src=x onerror='hacked=1'><script>hacked=1</script>**" for i in range(10))
    config = ModelConfig(hostile, image_size=32, model_args={"in_chans": 1, "channels": [8, 8, 16, 16]})
    hub.save(tmp_path / "model", build(config).state_dict(), config, {}, {})
    with served(tmp_path / "log", os.environ, str(tmp_path / "model")) as url:
        page = opened(context, url)
        draw(page, TWO)
        page.wait_for_selector("#answer [data-testid$='confidence-set']")
        assert "<img src=x onerror" in page.locator("#answer").inner_text()
        assert page.locator("#answer img").count() == 0
        assert page.evaluate("typeof hacked") == "undefined"
