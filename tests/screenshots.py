"""The pictures in docs/, and others to look at: the page as a visitor sees it, drawn on and photographed anew.

python tests/screenshots.py              # those in docs/
python tests/screenshots.py FOLDER       # every state, on wide, middle and narrow screens, light and dark
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import closing
from io import BytesIO
from pathlib import Path

import browsing
from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks import serving  # noqa: E402  it is beside this folder

DOCS = ROOT / "docs"
SIZES = {"wide": (1440, 900), "middle": (820, 1180), "phone": (390, 844)}
SETTLES = 1000  # milliseconds until nothing moves any more


def empty(page: Page) -> None:
    browsing.panel(page, "example")


def character(page: Page) -> None:
    browsing.draw(page, browsing.LETTERS["2"])
    browsing.panel(page, "sure")


def unsure(page: Page) -> None:
    browsing.draw(page, browsing.SMILEY)
    browsing.panel(page, "unsure")


def example(name: str) -> Callable[[Page], None]:
    def play(page: Page) -> None:
        browsing.tab(page, "Writing")
        page.get_by_role("group", name="Examples").get_by_role("button", name=name).click()
        page.wait_for_timeout(3 * SETTLES)

    return play


def photo(page: Page) -> None:
    browsing.tab(page, "Photo")
    page.get_by_role("button", name="A note").click()
    page.wait_for_selector(".hwr-box")


def refused(page: Page) -> None:
    browsing.tab(page, "Photo")
    blank = BytesIO()
    Image.new("RGB", (800, 500), "#d8d4cc").save(blank, "PNG")
    file = {"name": "blank.png", "mimeType": "image/png", "buffer": blank.getvalue()}
    page.locator("#photo input[type=file]:not([capture])").set_input_files(file)  # type: ignore[arg-type]
    browsing.panel(page, "nothing")


STATES: dict[str, Callable[[Page], None]] = {
    "empty": empty,
    "character": character,
    "unsure": unsure,
    "number": example("A number"),
    "lines": example("Two lines"),
    "photo": photo,
    "refused": refused,
}
IN_DOCS = {  # name -> state, size, scheme
    "light": ("character", "wide", "light"),
    "several": ("number", "wide", "light"),
    "photo": ("photo", "wide", "light"),
}


def shoot(browser: Browser, url: str, path: Path, state: str, size: str, scheme: str) -> None:
    width, height = SIZES[size]
    context = browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme="dark" if scheme == "dark" else "light",
        has_touch=size != "wide",
    )
    with closing(context):
        page = browsing.opened(context, url)
        STATES[state](page)
        page.mouse.move(1, 1)
        page.wait_for_timeout(SETTLES)
        page.screenshot(path=path)
        print(path, flush=True)


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    with serving.served("app.py") as page, sync_playwright() as playwright:
        path = browsing.executable(playwright)
        with closing(playwright.chromium.launch(executable_path=path, args=browsing.CHROMIUM)) as browser:
            if folder is None:
                for name, wanted in IN_DOCS.items():
                    shoot(browser, page.url, DOCS / f"{name}.png", *wanted)
                return
            folder.mkdir(parents=True, exist_ok=True)
            for state in STATES:
                for size in SIZES:
                    for scheme in ("light", "dark"):
                        shoot(browser, page.url, folder / f"{state}-{size}-{scheme}.png", state, size, scheme)


if __name__ == "__main__":
    main()
