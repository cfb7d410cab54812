"""From the end of a stroke to the answer on the page, in Chromium, beside a page with a trivial function.

    python -m benchmarks.page --n 100

Strokes of a real mouse go to the two pages in turn, in one run, so that a busy machine slows both. Each is a written
character from an .npz of pen trajectories, on an empty pad; time is taken within the page, from the release of the
mouse until the answer is in the document. Gradio itself waits 30 ms, exports the pad and uploads it before it asks.
"""

from __future__ import annotations

import shutil
import statistics
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from playwright.sync_api import Page, sync_playwright
from tqdm import tqdm

from benchmarks import results, serving
from hwr import UserError, cli
from hwr.data import sources
from hwr.ink import strokes

PENS = serving.ROOT / "tests" / "data" / "pens.npz"
CHROMIUM = ["--no-sandbox", "--disable-dev-shm-usage"]
SIDE = 180  # pixels, of a character on the pad
CORNERS = 6  # of a stroke: every message of the mouse is a picture more to render, in software
PATIENCE = 30_000  # milliseconds
WARM_UP = 3  # strokes on each page that do not count
CLEAR = "#pad .top-panel > button:last-of-type"
WATCH = """() => {
  const answer = () => document.querySelector("#answer [data-testid='label-output-value']")?.textContent ?? "";
  window.answered = new Promise(resolve => {
    window.addEventListener("pointerup", () => {
      const start = performance.now(), before = answer();
      const seen = new MutationObserver(() => {
        if (!answer() || answer() === before) return;
        seen.disconnect();
        resolve(performance.now() - start);
      });
      seen.observe(document.querySelector("#answer"), {childList: true, characterData: true, subtree: true});
    }, {capture: true, once: true});
  });
}"""
RESTING = """before => {
  const answer = document.querySelector("#answer [data-testid='label-output-value']")?.textContent ?? "";
  return answer !== before;
}"""


@dataclass(frozen=True)
class Options:
    """How many strokes, of whose hand."""

    n: int = 100
    """Strokes on each page."""
    pens: str = str(PENS)
    """Pen trajectories to draw with, as an .npz. Default: those of the tests."""
    write: Path | None = None
    """JSON file for the results."""


def main(options: Options) -> None:
    drawn = list(single_strokes(options.pens))
    with serving.served(*serving.APP) as real, serving.served(*serving.TRIVIAL) as trivial, chromium() as browser:
        pages = [opened(browser, one.url) for one in (real, trivial)]
        times = [
            [time_of(page, drawn[i % len(drawn)]) for page in pages]
            for i in tqdm(range(WARM_UP + options.n), leave=False)
        ]
    found = summary(np.array(times[WARM_UP:]))
    print(line(found))
    if options.write:
        results.write(options.write, results.report("page", "gradio", results=found))


def single_strokes(pens: str) -> Iterator[NDArray[np.float64]]:
    """Characters of one stroke, (CORNERS, 2), in pixels of a square of SIDE."""
    source = sources.read(pens, "test", Path())
    if source.trajectory is None:
        raise UserError(f"{pens} holds pictures: expected pen trajectories")
    for trajectory in map(source.trajectory, range(len(source))):
        if len(trajectory) == 1 and len(trajectory[0]) > 1:
            (stroke,) = strokes.place(trajectory, (0, 0, SIDE))
            yield stroke[np.linspace(0, len(stroke) - 1, CORNERS).round().astype(int)]


@contextmanager
def chromium() -> Iterator[Any]:
    """A browser: playwright's own, or the system's."""
    with sync_playwright() as playwright:
        own = Path(playwright.chromium.executable_path)
        found = str(own) if own.exists() else shutil.which("chromium") or shutil.which("google-chrome")
        if found is None:
            raise UserError("there is no Chromium: playwright install chromium")
        browser = playwright.chromium.launch(executable_path=found, args=CHROMIUM)
        yield browser
        browser.close()


def opened(browser: Any, url: str) -> Page:
    """A page with a pen in the hand, in a context of its own."""
    page: Page = browser.new_context(viewport={"width": 1280, "height": 800}).new_page()
    page.set_default_timeout(PATIENCE)
    page.goto(url)
    page.wait_for_selector("#pad .toolbar-wrap button.highlight")
    return page


def time_of(page: Page, stroke: NDArray[np.float64]) -> float:
    """Milliseconds from the end of a stroke to its answer; the pad is empty and the page at rest again after that."""
    page.bring_to_front()
    page.evaluate(WATCH)
    draw(page, stroke)
    milliseconds: float = page.evaluate("window.answered")
    clear(page)
    return milliseconds


def draw(page: Page, stroke: NDArray[np.float64]) -> None:
    """One stroke in the middle of the pad."""
    box = page.locator("#pad canvas").first.bounding_box()
    assert box is not None
    left, top = box["x"] + (box["width"] - SIDE) / 2, box["y"] + (box["height"] - SIDE) / 2
    first, *others = [(left + x, top + y) for x, y in stroke.tolist()]
    page.mouse.move(*first)
    page.mouse.down()
    for corner in others:
        page.mouse.move(*corner)
    page.mouse.up()


def clear(page: Page) -> None:
    """An empty pad, its own answer come, and the pen in the hand."""
    before = page.locator("#answer [data-testid='label-output-value']").inner_text()
    page.locator(CLEAR).click()
    page.wait_for_function(RESTING, arg=before)
    page.wait_for_selector("#pad .toolbar-wrap button.highlight")


def summary(times: NDArray[np.float64]) -> dict[str, Any]:
    """Milliseconds (N, 2), of the real page and the trivial one, in pairs."""
    found: dict[str, Any] = {"n": len(times)}
    for name, column in zip(("page", "trivial"), times.T, strict=True):
        found[name] = {"median": float(np.median(column)), "p95": float(np.quantile(column, 0.95))}
    for name in ("median", "p95"):
        found[f"ratio_{name}"] = found["page"][name] / found["trivial"][name]
    found["difference_median"] = statistics.median((times[:, 0] - times[:, 1]).tolist())
    return found


def line(found: dict[str, Any]) -> str:
    """All of it in one line."""
    shown = [f"{name} {found[name]['median']:.0f} ms (p95 {found[name]['p95']:.0f})" for name in ("page", "trivial")]
    return (
        f"end of a stroke to its answer, n = {found['n']}: {', '.join(shown)}; "
        f"ratio {found['ratio_median']:.2f} (p95 {found['ratio_p95']:.2f}), "
        f"{found['difference_median']:.0f} ms more (median of pairs)"
    )


if __name__ == "__main__":
    cli.run(main, Options, __doc__)
