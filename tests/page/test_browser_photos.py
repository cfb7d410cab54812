"""Photos that are chosen, pasted or taken, in a real Chromium; its camera plays a file."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from browsing import CHROMIUM, PATIENCE, choose, opened, panel, press, tab, text
from PIL import Image
from playwright.sync_api import Browser, Error, Page, Route, expect

from hwr.ink.picture import Gray
from hwr.ink.strokes import draw as ink_of

ASKED = "**/component_server/"  # where the page's script asks
SEVEN = [np.array([(70, 60), (210, 60), (130, 230)])]
PASTE = """async data => {
    const picture = await (await fetch(data)).blob(), clipboard = new DataTransfer();
    clipboard.items.add(new File([picture], "pasted.png", {type: "image/png"}));
    window.dispatchEvent(new ClipboardEvent("paste", {clipboardData: clipboard}));
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
def photos(page: Page) -> Page:
    """The tab for photos."""
    tab(page, "Photo")
    choose(page, "Digits")
    return page


def give(page: Page, path: Path) -> None:
    page.locator("#photo input[type=file]:not([capture])").set_input_files(path)


def test_a_photo_is_read_and_shown_upright_with_its_words_over_it(photos: Page, paper: Gray, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # orientation: the top of the picture is on its right
    Image.fromarray(paper).transpose(Image.Transpose.ROTATE_90).save(tmp_path / "photo.jpg", exif=exif)
    give(photos, tmp_path / "photo.jpg")
    text(photos, "77")
    assert photos.locator(".hwr-stage canvas").evaluate("one => [one.width, one.height]") == [640, 480]
    (word,) = photos.locator(".hwr-box").all()
    assert word.get_attribute("aria-label") == "77"
    word.click()
    expect(photos.locator("#photo .hwr-more")).to_contain_text("7: 7 ")


def test_progress_is_shown_at_once_and_a_stale_answer_dropped(photos: Page, paper: Gray, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(encoded(paper, "PNG"))
    late: list[Route] = []
    photos.route(ASKED, lambda route: route.continue_() if late else late.append(route))
    give(photos, tmp_path / "a.png")
    photos.wait_for_selector(".hwr-progress:visible", timeout=PATIENCE)
    panel(photos, "busy")
    while not late:
        photos.wait_for_timeout(50)
    give(photos, tmp_path / "a.png")
    text(photos, "77")
    stale = {"state": "sure", "kind": "writing", "text": "old", "words": []}
    with suppress(Error):  # the page may have given up waiting for it
        late[0].fulfill(json=stale)
    photos.wait_for_timeout(300)
    text(photos, "77")
    assert photos.locator(".hwr-progress:visible").count() == 0


def test_a_photo_is_turned_and_cropped(photos: Page, paper: Gray, tmp_path: Path) -> None:
    Image.fromarray(np.rot90(paper).copy()).save(tmp_path / "side.png")
    give(photos, tmp_path / "side.png")
    photos.wait_for_selector(".hwr-stage:visible")
    photos.get_by_role("button", name="Turn right").click()
    text(photos, "77")
    press(photos, "crop")
    box = photos.locator(".hwr-stage").bounding_box()
    assert box is not None
    photos.mouse.move(box["x"] + 2, box["y"] + 2)
    photos.mouse.down()
    photos.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] - 2, steps=3)
    photos.mouse.up()
    photos.get_by_role("button", name="Apply").click()
    text(photos, "7")


def test_an_example_is_read_and_its_text_copied(photos: Page) -> None:
    choose(photos, "Anything")
    photos.get_by_role("button", name="A note").click()
    photos.wait_for_selector(".hwr-box")
    photos.get_by_role("button", name="Copy the text").click()
    photos.get_by_text("Copied").wait_for()


def test_what_is_no_photo_is_refused_with_a_sentence(photos: Page, tmp_path: Path) -> None:
    (tmp_path / "bad.png").write_bytes(b"no picture at all")
    give(photos, tmp_path / "bad.png")
    panel(photos, "refused").locator(".hwr-error").get_by_text("Bad.png is not a picture").wait_for()
    press(photos, "clear")
    assert photos.locator(".hwr-drop").is_visible()


def test_an_empty_photo_has_no_writing_and_says_what_helps(photos: Page, tmp_path: Path) -> None:
    Image.new("RGB", (400, 300), "white").save(tmp_path / "white.png")
    give(photos, tmp_path / "white.png")
    shown = panel(photos, "nothing")
    expect(shown.get_by_role("heading")).to_have_text("No writing found")
    assert shown.locator("li").count() >= 3
    assert not shown.get_by_role("button", name="Copy").is_visible()


def test_a_pasted_picture_is_read(photos: Page, paper: Gray) -> None:
    photos.evaluate(PASTE, "data:image/png;base64," + base64.b64encode(encoded(paper, "PNG")).decode())
    text(photos, "77")


@pytest.fixture
def looking(browser: Browser, chromium: str, page_url: str, paper: Gray, tmp_path: Path) -> Iterator[Page]:
    """The tab for photos, in a browser whose camera looks at the paper."""
    (tmp_path / "camera.mjpeg").write_bytes(encoded(paper, "JPEG"))
    camera = f"--use-file-for-fake-video-capture={tmp_path / 'camera.mjpeg'}"
    args = [*CHROMIUM, "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream", camera]
    own = browser.browser_type.launch(executable_path=chromium, args=args)
    page = opened(own.new_context(permissions=["camera"]), page_url)
    tab(page, "Photo")
    choose(page, "Digits")
    yield page
    own.close()


def test_what_the_camera_sees_is_read(looking: Page) -> None:
    looking.get_by_role("button", name="Use the camera").click()
    looking.wait_for_function("document.querySelector('#photo video')?.readyState > 1")
    looking.get_by_role("button", name="Take the photo").click()
    text(looking, "77")
