"""The page without a server, in a real Chromium: drawn by mouse and by touch, and without any network after that."""

from __future__ import annotations

import functools
import os
import statistics
import threading
from collections.abc import Callable, Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import browsing
import pytest
from browsing import SEVEN, TWO, A, Stroke
from playwright.sync_api import Browser, BrowserContext, Page

from hwr import UserError
from hwr.export import web, whole
from hwr.model import store

CHARACTERS = {"2": ("digits", TWO), "7": ("digits", SEVEN), "A": ("letters", A)}
FIRST = "#answers li:first-child span:first-child"


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of the page of the bundled model, with the runtime that HWR_ORT_WEB names beside it.

    That is an unpacked `npm pack onnxruntime-web`.
    """
    runtime = os.environ.get("HWR_ORT_WEB")
    if not runtime:
        pytest.skip("HWR_ORT_WEB names no unpacked onnxruntime-web package")
    folder = tmp_path_factory.mktemp("site")
    graph = os.environ.get("HWR_WHOLE")  # one that was exported before, to save its time
    content = Path(graph).read_bytes() if graph else whole.content(*store.load(store.BUNDLED))
    for name, data in (web.page(store.BUNDLED, content, True) | web.runtime_files(Path(runtime))).items():
        (folder / name).write_bytes(data)
    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def opened(context: BrowserContext, site: str) -> Page:
    page = context.new_page()
    page.set_default_timeout(browsing.PATIENCE)
    page.goto(site)
    page.wait_for_selector("body[data-offline=ready]")
    return page


def corners(page: Page, stroke: Stroke) -> list[tuple[float, float]]:
    box = page.locator("#pad").bounding_box()
    assert box is not None
    side = 0.65 * box["width"]
    left, top = box["x"] + (box["width"] - side) / 2, box["y"] + (box["height"] - side) / 2
    return [(left + x * side, top + y * side) for x, y in stroke]


def draw(page: Page, strokes: list[Stroke]) -> None:
    for stroke in strokes:
        start, *others = corners(page, stroke)
        page.mouse.move(*start)
        page.mouse.down()
        for corner in others:
            page.mouse.move(*corner, steps=4)
        page.mouse.up()


def touch(page: Page, strokes: list[Stroke]) -> None:
    fingers = page.context.new_cdp_session(page)
    for stroke in strokes:
        kinds = ["touchStart"] + ["touchMove"] * (len(stroke) - 1)
        for kind, (x, y) in zip(kinds, corners(page, stroke), strict=True):
            fingers.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": x, "y": y}]})
        fingers.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})


def read_in_turn(page: Page, drawn_by: Callable[[Page, list[Stroke]], None]) -> None:
    """Draw each of CHARACTERS, wait until it is read, and clear the pad."""
    for expected, (alphabet, strokes) in CHARACTERS.items():
        page.get_by_label(alphabet).check()
        drawn_by(page, strokes)
        page.wait_for_function(f"document.querySelector('{FIRST}')?.textContent === '{expected}'")
        page.get_by_text("Clear").click()
        page.wait_for_function("!document.querySelector('#answers li')")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_characters_drawn_with_the_mouse_are_read(browser: Browser, site: str, scheme: str) -> None:
    with browser.new_context(color_scheme=scheme) as context:  # type: ignore[arg-type]
        read_in_turn(opened(context, site), draw)


def test_characters_drawn_by_touch_on_a_phone_are_read(browser: Browser, site: str) -> None:
    with browser.new_context(viewport={"width": 360, "height": 740}, has_touch=True, is_mobile=True) as context:
        page = opened(context, site)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        read_in_turn(page, touch)


def test_a_scribble_is_not_sure(context: BrowserContext, site: str) -> None:
    page = opened(context, site)
    zigzag: Stroke = [(0.1 + 0.8 * (i % 2), i / 11) for i in range(12)]
    across: Stroke = [(i / 11, 0.1 + 0.8 * (i % 2)) for i in range(12)]
    draw(page, [zigzag, across])
    page.wait_for_function("document.getElementById('note').textContent.startsWith('Not sure')")


def test_nothing_leaves_the_page_and_it_works_without_a_network(context: BrowserContext, site: str) -> None:
    page = opened(context, site)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.get_by_label("digits").check()
    draw(page, TWO)
    page.wait_for_function(f"document.querySelector('{FIRST}')?.textContent === '2'")
    assert asked == []
    context.set_offline(True)
    page.reload()
    page.get_by_label("digits").check()
    draw(page, SEVEN)
    page.wait_for_function(f"document.querySelector('{FIRST}')?.textContent === '7'")


def test_answers_follow_the_pen_while_it_is_down(context: BrowserContext, site: str) -> None:
    page = opened(context, site)
    draw(page, TWO)
    page.wait_for_function("document.body.dataset.answered")
    page.evaluate("""() => {
        let begin = null;
        window.waits = [];
        document.getElementById("pad").addEventListener("pointermove", event => { begin ??= event.timeStamp; }, true);
        new MutationObserver(() => {
            if (begin !== null) window.waits.push(performance.now() - begin);
            begin = null;
        }).observe(document.body, {attributes: true, attributeFilter: ["data-answered"]});
    }""")
    start, *others = corners(page, TWO[0])
    page.mouse.move(*start)
    page.mouse.down()
    for answers, corner in enumerate(others):
        page.mouse.move(*corner, steps=4)
        page.wait_for_function(f"window.waits.length > {answers}")
    milliseconds = page.evaluate("window.waits")
    page.mouse.up()
    print(f"from pointer event to answer: median {statistics.median(milliseconds):.1f} ms")


def test_a_runtime_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"onnxruntime-web@1\.30\.0: its ort\.wasm\.bundle\.min\.mjs is missing"):
        web.runtime_files(tmp_path)


def test_the_page_is_small_and_names_its_runtime_by_digest() -> None:
    files = web.page(store.BUNDLED, b"a graph", local=False)
    assert set(files) == {"index.html", "style.css", "app.js", whole.NAME}
    script = files["app.js"].decode()
    assert "{{" not in script
    assert script.count('"integrity": "sha384-') == 3
    assert "https://cdn.jsdelivr.net/npm/onnxruntime-web@1.30.0/dist/" in script
