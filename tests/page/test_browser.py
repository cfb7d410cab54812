"""One character, as a visitor draws it: a real Chromium, a real mouse, real touches."""

from __future__ import annotations

import os
import re
from itertools import pairwise
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import pytest
from browsing import (
    PATIENCE,
    SEVEN,
    SMILEY,
    TWO,
    A,
    Stroke,
    best,
    choose,
    draw,
    guesses,
    on_the_paper,
    opened,
    panel,
    press,
    tab,
    write,
)
from conftest import served
from playwright.sync_api import Browser, BrowserContext, Page, expect

from hwr import Recognizer
from hwr.config import ModelConfig
from hwr.model import store
from hwr.model.resnet import build

ASKED = "**/component_server/"  # where the page's script asks


@pytest.mark.parametrize("alphabet", ["Digits", "Anything"])
def test_a_drawn_digit_is_read(page: Page, alphabet: str) -> None:
    choose(page, alphabet)
    for expected, strokes in (("2", TWO), ("7", SEVEN)):
        draw(page, strokes)
        best(page, expected)
        assert len(guesses(page)) == 5
        press(page, "clear")


def test_the_answer_follows_the_pen_while_it_is_down(page: Page) -> None:
    first, *others = on_the_paper(page, SEVEN[0])
    page.mouse.move(*first)
    page.mouse.down()
    for corner in others:
        page.mouse.move(*corner, steps=20)
    best(page, "7")
    assert not page.locator(".hwr-teach:visible").count(), "nothing is taught before the pen is up"
    page.mouse.up()
    page.wait_for_selector(".hwr-teach:visible")


def test_what_is_no_character_is_not_sure_and_its_guesses_are_small(page: Page) -> None:
    draw(page, SMILEY)
    page.wait_for_selector(".hwr-teach:visible")  # after which the answer stays
    shown = panel(page, "unsure")
    expect(shown.get_by_role("heading")).to_have_text("Not sure")
    assert shown.locator(".hwr-best").count() == 0
    assert len(guesses(page)) == 3
    page.wait_for_function("""() => {
        const size = part => parseFloat(getComputedStyle(document.querySelector(`#pad-character ${part}`)).fontSize);
        return size(".hwr-verdict h2") > 2 * size(".hwr-verdict .hwr-guesses b");
    }""")
    expect(page.locator("#pad-character .hwr-spoken")).to_have_text(re.compile("^Not sure"))


def test_several_characters_stay_unsure_and_go_on_to_writing(page: Page) -> None:
    choose(page, "Digits")
    write(page, "27")
    panel(page, "unsure").get_by_role("button", name="Open it in Writing").click()
    page.wait_for_selector("#pad-writing .hwr-text")


def test_the_empty_page_shows_an_example_and_its_answer_but_teaches_nothing(
    context: BrowserContext, page_url: str
) -> None:
    page = opened(context, page_url)
    shown = panel(page, "example")
    expect(shown.locator(".hwr-best")).to_have_text("5", timeout=PATIENCE)
    assert not shown.locator(".hwr-teach").is_visible()
    assert page.locator(".hwr-examples:visible button").count() >= 3
    draw(page, SEVEN)
    best(page, "7")


def test_examples_have_names_and_are_answered(page: Page) -> None:
    examples = page.get_by_role("group", name="Examples")
    examples.get_by_role("button", name="A letter").click()
    best(page, "g")
    examples.get_by_role("button", name="Not a character").click()
    panel(page, "unsure")
    press(page, "undo")
    best(page, "g")


def test_a_tool_that_is_in_the_hand_says_so_and_the_eraser_erases(page: Page) -> None:
    draw(page, SEVEN)
    best(page, "7")
    page.get_by_role("button", name="Eraser").click()
    assert [page.locator(f".hwr-{one}:visible").get_attribute("aria-pressed") for one in ("pen", "eraser")] == [
        "false",
        "true",
    ]
    draw(page, [[(x / 10, y) for x in range(11) for y in ((0, 1) if x % 2 else (1, 0))]])
    panel(page, "empty")
    press(page, "undo")
    best(page, "7")


def test_the_pen_has_three_widths(page: Page) -> None:
    names = []
    for _ in range(3):
        names.append(page.locator(".hwr-width:visible").get_attribute("aria-label"))
        press(page, "width")
    assert sorted(filter(None, names)) == ["Pen width: Medium", "Pen width: Thick", "Pen width: Thin"]


def test_a_stroke_that_begins_at_the_very_edge_is_kept(page: Page) -> None:
    box = page.locator(".hwr-canvas:visible").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 1, box["y"] + 1)
    page.mouse.down()
    page.mouse.move(box["x"] + 200, box["y"] + 1, steps=3)
    page.mouse.move(box["x"] + 120, box["y"] + 400, steps=3)
    page.mouse.up()
    best(page, "7")


def test_clear_leaves_no_answer_and_no_stale_one_arrives(page: Page) -> None:
    for _ in range(2):
        draw(page, SEVEN)
        press(page, "clear")
        page.wait_for_timeout(500)
        assert panel(page).get_attribute("data-state") == "empty"
        assert not page.locator(".hwr-teach:visible").count()
    draw(page, SEVEN)
    best(page, "7")


def test_undo_and_redo_by_buttons_and_by_keys(page: Page) -> None:
    choose(page, "Letters")
    draw(page, A[:1])
    expect(panel(page).locator(".hwr-guesses li")).not_to_have_count(0, timeout=PATIENCE)
    draw(page, A[1:])
    best(page, "A")
    press(page, "undo")
    press(page, "undo")
    panel(page, "empty")
    page.locator(".hwr-canvas:visible").focus()
    page.keyboard.press("Control+Shift+Z")
    press(page, "redo")
    best(page, "A")
    assert page.locator(".hwr-redo:visible").is_disabled()


def test_the_keyboard_alone_draws(page: Page) -> None:
    choose(page, "Digits")
    page.locator(".hwr-canvas:visible").focus()
    for keys in ("ArrowUp " * 8 + "ArrowLeft " * 5, "Space", "ArrowRight " * 10 + "ArrowDown ArrowLeft ArrowDown " * 7):
        for key in keys.split():
            page.keyboard.press(key)
    assert page.locator(".hwr-cursor:visible").get_attribute("data-down") == "true"
    page.keyboard.press("Space")
    best(page, "7")
    page.keyboard.press("Tab")
    assert page.locator(".hwr-cursor:visible").count() == 0, "the pen is shown where it can be moved"


def test_another_alphabet_answers_the_same_drawing(page: Page) -> None:
    choose(page, "Digits")
    draw(page, TWO)
    best(page, "2")
    choose(page, "Letters")
    expect(panel(page).locator(".hwr-guesses b").first).to_have_text("Z", timeout=PATIENCE)
    choose(page, "Digits")
    best(page, "2")


def test_the_networks_view_is_shown_on_request_and_what_decided(page: Page, recognizer: Recognizer) -> None:
    colours = """() => {
      const image = document.querySelector("#pad-character .hwr-seen img"), canvas = document.createElement("canvas");
      const context = canvas.getContext("2d");
      context.drawImage(image, 0, 0);
      const pixels = context.getImageData(0, 0, image.naturalWidth, image.naturalHeight).data;
      return pixels.some((value, i) => i % 4 === 0 && value > pixels[i + 2] + 60);
    }"""
    draw(page, SEVEN)
    best(page, "7")
    page.get_by_text("What the network sees").click()
    page.wait_for_selector(".hwr-seen img")
    assert page.evaluate("document.querySelector('.hwr-seen img').naturalWidth") == recognizer.config.image_size
    assert not page.evaluate(colours), "off until it is asked for"
    page.get_by_label("Show which ink decided").check()
    page.wait_for_function(colours)


def test_a_busy_page_is_asked_again(page: Page) -> None:
    page.route(ASKED, lambda route: route.fulfill(json={"busy": True}))
    draw(page, SEVEN)
    page.wait_for_timeout(600)
    page.unroute(ASKED)
    best(page, "7")


def test_a_page_that_is_gone_says_so_and_the_next_stroke_is_answered(page: Page) -> None:
    page.route(ASKED, lambda route: route.abort())
    draw(page, SEVEN)
    panel(page, "error").get_by_text("Please try again").wait_for()
    page.unroute(ASKED)
    press(page, "clear")
    draw(page, SEVEN)
    best(page, "7")


def test_every_request_goes_to_the_pages_own_host_and_a_stroke_is_small(context: BrowserContext, page_url: str) -> None:
    asked: list[str] = []
    sent: list[int] = []
    context.on("request", lambda request: asked.append(request.url))
    context.on("request", lambda request: sent.append(len(request.post_data or "")))
    page = opened(context, page_url)
    draw(page, SEVEN)
    best(page, "7")
    hosts = {urlsplit(url).netloc for url in asked if urlsplit(url).scheme not in ("data", "blob")}
    assert hosts == {urlsplit(page_url).netloc}
    assert max(sent) < 4000


def test_nothing_moves_while_drawing(page: Page) -> None:
    parts = ("#pad-character .hwr-paper", "#pad-character .hwr-tools", "#pad-character .hwr-verdict")
    places = [page.locator(part).bounding_box() for part in parts]
    draw(page, TWO)
    best(page, "2")
    after = [page.locator(part).bounding_box() for part in parts]
    assert [(one["x"], one["y"]) for one in after if one] == [(one["x"], one["y"]) for one in places if one]


PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}


def test_fingers_draw_on_a_phone_without_scrolling_it_and_see_the_answer(browser: Browser, page_url: str) -> None:
    phone = browser.new_context(**PHONE)  # type: ignore[arg-type]
    try:
        page = opened(phone, page_url)
        page.evaluate("window.scrollTo(0, 40)")
        before = page.evaluate("[window.scrollX, window.scrollY]")
        touch(page, SEVEN[0])
        best(page, "7")
        assert page.evaluate("[window.scrollX, window.scrollY]") == before
        assert page.evaluate("document.documentElement.scrollWidth") == 390
        page.wait_for_selector(".hwr-teach:visible")  # after which the answer stays
        for part in (".hwr-best", ".hwr-sure"):
            box = page.locator(f"{part}:visible").bounding_box()
            assert box is not None and box["y"] + box["height"] < 844, "the answer is in view"
        percents = page.locator(".hwr-guesses:visible li")
        assert all(box["height"] < 40 for box in (row.bounding_box() for row in percents.all()) if box)
    finally:
        phone.close()


def test_every_control_has_a_name_and_is_large_enough_for_a_finger(browser: Browser, page_url: str) -> None:
    phone = browser.new_context(**PHONE)  # type: ignore[arg-type]
    try:
        page = opened(phone, page_url)
        for way in ("One character", "Writing", "Photo"):
            tab(page, way)
            if way == "One character":
                draw(page, SEVEN)
                page.wait_for_selector(".hwr-teach:visible")
            small = page.evaluate("""() => [...document.querySelectorAll(".hwr :is(button, input, summary, canvas)")]
              .filter(one => one.offsetParent && !one.matches(".hwr-box, [type=file], canvas[role=img]"))
              .map(one => [one.getAttribute("aria-label") || one.textContent || one.labels?.[0]?.textContent || "",
                Math.min(...(({width, height}) => [width, height])(
                  (one.closest("label") ?? one).getBoundingClientRect()))])
              .filter(([name, size]) => !name.trim() || size < 44)""")
            assert (way, small) == (way, [])
    finally:
        phone.close()


def test_a_tablet_shows_pad_and_answer_at_once(browser: Browser, page_url: str) -> None:
    tablet = browser.new_context(viewport={"width": 820, "height": 1180}, has_touch=True)
    try:
        page = opened(tablet, page_url)
        for way, pad in (("One character", "#pad-character"), ("Writing", "#pad-writing")):
            tab(page, way)
            for part in (".hwr-paper", ".hwr-answer"):
                box = page.locator(f"{pad} {part}").bounding_box()
                assert box is not None and box["y"] + box["height"] <= 1180
    finally:
        tablet.close()


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
        expect(page.locator(".hwr-guesses:visible li").first).to_contain_text("<img src=x onerror", timeout=PATIENCE)
        assert page.locator(".hwr-answer img").count() == 0
        assert page.evaluate("typeof hacked") == "undefined"


AXE = Path(__file__).parents[1] / "node_modules" / "axe-core" / "axe.min.js"  # brought by: npm install --prefix tests
SERIOUS = ("serious", "critical")


@pytest.mark.skipif(not AXE.exists(), reason="axe-core is not there: npm install --prefix tests")
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_serious_fault(browser: Browser, page_url: str, scheme: Literal["light", "dark"]) -> None:
    context = browser.new_context(color_scheme=scheme, reduced_motion="reduce")
    try:
        page = opened(context, page_url)
        page.add_script_tag(path=AXE)
        found = []
        for way in ("One character", "Writing", "Photo"):
            tab(page, way)
            if way == "One character":
                draw(page, SMILEY)
                panel(page, "unsure")
            elif way == "Photo":
                page.get_by_role("button", name="A note").click()
                page.wait_for_selector(".hwr-box")
            faults = page.evaluate("async () => (await axe.run('#page')).violations")
            found += [
                (way, fault["id"], [node["html"][:120] for node in fault["nodes"]][:3])
                for fault in faults
                if fault["impact"] in SERIOUS
            ]
        assert found == []
    finally:
        context.close()
