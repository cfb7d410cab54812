"""Photos from a camera and from the clipboard, in a real Chromium; its camera plays a file."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from browsing import CHROMIUM, choose, opened
from PIL import Image
from playwright.sync_api import Browser, Page

from hwr.ink.picture import Gray
from hwr.ink.strokes import draw as ink_of

SEVEN = [np.array([(70, 60), (210, 60), (130, 230)])]
COPY = """async data => {
    const picture = await (await fetch(data)).blob();
    await navigator.clipboard.write([new ClipboardItem({"image/png": picture})]);
}"""


@pytest.fixture(scope="module")
def paper() -> Gray:
    """77 on grey paper, 640 x 480 pixels as a camera gives them."""
    ink = np.hstack([ink_of(SEVEN, (280, 280), 18)] * 2)
    return np.pad(230 - (ink * 0.8).astype(np.uint8), ((100, 100), (40, 40)), constant_values=230)


def encoded(picture: Gray, form: str) -> bytes:
    file = io.BytesIO()
    Image.fromarray(picture).convert("RGB").save(file, form)
    return file.getvalue()


@pytest.fixture
def visit(browser: Browser, chromium: str, page_url: str, paper: Gray, tmp_path: Path) -> Iterator[Page]:
    """The tab for photos, in a browser whose camera looks at the paper."""
    (tmp_path / "camera.mjpeg").write_bytes(encoded(paper, "JPEG"))
    camera = f"--use-file-for-fake-video-capture={tmp_path / 'camera.mjpeg'}"
    args = [*CHROMIUM, "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream", camera]
    own = browser.browser_type.launch(executable_path=chromium, args=args)
    context = own.new_context(permissions=["camera", "clipboard-read", "clipboard-write"])
    page = opened(context, page_url)
    choose(page, "digits")
    page.get_by_role("tab", name="Photo").click()
    yield page
    own.close()


def read(page: Page) -> str:
    page.wait_for_selector("#found .boxed img")
    return page.input_value("#text textarea")


def test_what_the_camera_sees_is_read(visit: Page) -> None:
    photo = visit.locator("#photo")
    photo.get_by_label("Capture from camera").click()
    photo.get_by_text("Click to Access Webcam").click()
    visit.wait_for_function("document.querySelector('#photo video')?.readyState > 1")
    photo.get_by_label("capture photo").click()
    assert read(visit) == "77"


def test_what_is_pasted_is_read_and_goes_with_the_photo(visit: Page, paper: Gray) -> None:
    visit.evaluate(COPY, "data:image/png;base64," + base64.b64encode(encoded(paper, "PNG")).decode())
    visit.locator("#photo").get_by_label("Paste from clipboard").click()
    assert read(visit) == "77"
    visit.locator("#photo").get_by_label("Remove Image").click()
    visit.wait_for_function("document.querySelector('#text textarea').value == ''")
