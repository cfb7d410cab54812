"""The pictures in docs/: the page as a visitor sees it, drawn on and photographed anew.

python tests/screenshots.py
"""

from __future__ import annotations

import sys
import tempfile
from contextlib import closing
from pathlib import Path

import browsing
import numpy as np
from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks import photos, serving  # noqa: E402  they are beside this folder
from hwr.ink.strokes import draw  # noqa: E402

DOCS = ROOT / "docs"
WIDE, PHONE = (1280, 860), (390, 844)
SETTLES = 1500  # milliseconds until nothing moves any more


def taken(browser: Browser, url: str, name: str, size: tuple[int, int], scheme: str, characters: str) -> None:
    """A picture of the page with characters drawn on it; of one, with what its answer went by."""
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]},
        color_scheme="dark" if scheme == "dark" else "light",
        has_touch=size == PHONE,
    )
    with closing(context):
        page = browsing.opened(context, url)
        browsing.choose(page, "digits" if characters.isdigit() else "all")
        if len(characters) > 1:
            browsing.write(page, characters)
            page.wait_for_selector("#several .several")
        else:
            browsing.draw(page, browsing.LETTERS[characters])
            page.wait_for_selector("#view img")
            page.locator("#look input").check()
        shoot(page, name)


def photographed(browser: Browser, url: str, name: str) -> None:
    """A picture of the page with a photo that it has read."""
    rng = np.random.default_rng(5)
    ink = np.hstack([draw([np.multiply(s, 240) + 30 for s in browsing.LETTERS[c]], (300, 300), 20) for c in "2067"])
    with closing(browser.new_context(viewport={"width": WIDE[0], "height": WIDE[1]})) as context:
        page = browsing.opened(context, url)
        browsing.choose(page, "digits")
        page.get_by_role("tab", name="Photo").click()
        with tempfile.TemporaryDirectory() as folder:
            Image.fromarray(photos.photo(ink, rng)).save(Path(folder) / "photo.jpg")
            page.locator("#photo input[type=file]").set_input_files(Path(folder) / "photo.jpg")
            page.wait_for_selector("#found .boxed img")
        shoot(page, name)


def shoot(page: Page, name: str) -> None:
    page.mouse.move(1, 1)
    page.wait_for_timeout(SETTLES)
    page.screenshot(path=DOCS / f"{name}.png")
    print(DOCS / f"{name}.png")


def main() -> None:
    with serving.served("app.py") as page, sync_playwright() as playwright:
        path = browsing.executable(playwright)
        with closing(playwright.chromium.launch(executable_path=path, args=browsing.CHROMIUM)) as browser:
            taken(browser, page.url, "light", WIDE, "light", "2")
            taken(browser, page.url, "dark", WIDE, "dark", "7")
            taken(browser, page.url, "several", WIDE, "light", "2026")
            taken(browser, page.url, "phone", PHONE, "light", "2")
            taken(browser, page.url, "phone-dark", PHONE, "dark", "7")
            photographed(browser, page.url, "photo")


if __name__ == "__main__":
    main()
