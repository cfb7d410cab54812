"""The page as a visitor meets it: a real Chromium, a real mouse, real touches."""

from __future__ import annotations

import os
from itertools import pairwise
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from browsing import SEVEN, TWO, A, Stroke, choose, draw, first, labels, on_the_paper, opened, wait_until
from conftest import served
from playwright.sync_api import Browser, BrowserContext, Page

from hwr import Recognizer
from hwr.config import ModelConfig
from hwr.model import store
from hwr.model.resnet import build


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


def test_what_the_answer_hangs_on_is_shown_on_request(page: Page) -> None:
    colours = """() => {
      const image = document.querySelector("#view img"), canvas = document.createElement("canvas");
      const context = canvas.getContext("2d");
      context.drawImage(image, 0, 0);
      const pixels = context.getImageData(0, 0, image.naturalWidth, image.naturalHeight).data;
      return pixels.some((value, i) => i % 4 === 0 && value > pixels[i + 2] + 60);
    }"""
    choose(page, "digits")
    draw(page, SEVEN)
    page.wait_for_selector("#view img")
    assert not page.evaluate(colours), "off until it is asked for"
    look = page.get_by_label("what it went by")
    look.check()
    page.wait_for_function(colours)
    choose(page, "letters")
    page.wait_for_function(colours)
    look.uncheck()
    page.wait_for_function(f"!({colours})()")


def test_a_busy_page_says_so_and_answers_the_next_stroke(page: Page) -> None:
    busy = {"status": 503, "json": {"detail": "Queue is full."}}
    page.route("**/queue/join*", lambda route: route.fulfill(**busy))
    draw(page, A[:1])
    page.get_by_text("currently busy").first.wait_for()
    page.unroute("**/queue/join*")
    draw(page, A[1:])
    assert wait_until(page, bool)


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
    page.locator(button).click()
    assert wait_until(page, lambda found: not found) == [], "a second time too"


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


def test_the_keyboard_alone_draws(page: Page) -> None:
    choose(page, "digits")
    page.locator("#pad canvas").first.focus()
    for keys in ("ArrowUp " * 8 + "ArrowLeft " * 5, "Space", "ArrowRight " * 10 + "ArrowDown ArrowLeft ArrowDown " * 7):
        for key in keys.split():
            page.keyboard.press(key)
    assert page.inner_text("#pen") == "pen down"
    page.keyboard.press("Space")
    assert first(page, "7") == "7"
    page.keyboard.press("Tab")
    assert page.locator("#pen").count() == 0, "the pen is shown where it can be moved"


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
    before = labels(page)[:1]
    draw(page, [[(-0.1, 0.5), (1.1, 0.5)], [(0.5, -0.1), (0.5, 1.1)]])
    assert wait_until(page, lambda found: found[:1] != before)[:1] != before  # likely no single character any more
    page.get_by_role("button", name="Clear", exact=True).click()
    assert wait_until(page, lambda found: not found) == []
    page.locator("#examples button").first.click()
    assert first(page, "2") == "2"


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
    corners = on_the_paper(page, stroke, 140)
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
    store.save(tmp_path / "model", build(config).state_dict(), config, {}, {})
    with served(tmp_path / "log", os.environ, str(tmp_path / "model")) as url:
        page = opened(context, url)
        draw(page, TWO)
        page.wait_for_selector("#answer [data-testid$='confidence-set']")
        assert "<img src=x onerror" in page.locator("#answer").inner_text()
        assert page.locator("#answer img").count() == 0
        assert page.evaluate("typeof hacked") == "undefined"
