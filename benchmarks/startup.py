"""From `python app.py` to its first answer, and its peak memory after that, beside a plain page with a bare ResNet.

    python -m benchmarks.startup --n 7 --write benchmarks/startup.json

The pages start in turn, each as a new process. A client sends a sketch as soon as a page listens, and gets an answer.
The first pair does not count: it brings the files of the libraries into the system's cache.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import httpx
from tqdm import tqdm

from benchmarks import results, serving
from hwr import UserError, cli

PLAIN = ("-m", "benchmarks.plain")
PAGES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {  # command, and what is sent beside the sketch
    "page": (serving.APP, ("digits",)),
    "plain": (PLAIN, ()),
}
SKETCH = results.ROOT / "examples" / "5.png"
PATIENCE, PAUSE = 60, 0.05  # seconds: that an answer may take, between two attempts to ask


@dataclass(frozen=True)
class Options:
    """How often."""

    n: int = 7
    """Starts of each page."""
    write: Path | None = None
    """JSON file for the results."""


class Start(NamedTuple):
    """Seconds from the command to the first answer, and the most memory until then, in MiB."""

    seconds: float
    mebibytes: float


def main(options: Options) -> None:
    rounds = tqdm(range(options.n + 1), "starts", leave=False, disable=None)
    starts = [{name: start(*page) for name, page in PAGES.items()} for _ in rounds][1:]
    found = summary(starts)
    print(said(found))
    if options.write:
        results.write(options.write, results.report("startup", results=found))


def start(command: Sequence[str], beside: Sequence[str]) -> Start:
    begin = time.perf_counter()
    with serving.served(*command) as page:
        try:
            ask(page.url, beside)
        except UserError as error:
            raise UserError(f"{error}; the page printed: {page.log.read_text()}") from None
        return Start(time.perf_counter() - begin, peak(page.process.pid))


def ask(url: str, beside: Sequence[str]) -> str:
    """The answer to a sketch as soon as there is one. Raises UserError if there is none in time."""
    end = time.monotonic() + PATIENCE
    while True:
        try:
            return answer(url, beside)
        except httpx.TransportError as error:  # Gradio tries its port out before it serves: that socket hangs up
            if time.monotonic() > end:
                raise UserError(f"the page at {url} did not answer within {PATIENCE} s: {error}") from None
            time.sleep(PAUSE)


def answer(url: str, beside: Sequence[str]) -> str:
    """The answer to a sketch, as Gradio's interface for programs gives it. Raises UserError if it is none."""
    with httpx.Client(base_url=f"{url}/gradio_api", timeout=PATIENCE, trust_env=False) as client:
        uploaded = client.post("/upload", files={"files": SKETCH.read_bytes()}).json()[0]
        file = {"path": uploaded, "meta": {"_type": "gradio.FileData"}}
        sketch: dict[str, Any] = {"background": None, "layers": [], "composite": file}
        event = client.post("/call/predict", json={"data": [sketch, *beside]}).json()["event_id"]
        found = client.get(f"/call/predict/{event}").text
    if "event: complete" not in found:
        raise UserError(f"the page at {url} has no answer: {found}")
    return found


def peak(process: int) -> float:
    """The most memory that a process has had so far, in MiB, as Linux counts it."""
    lines = Path(f"/proc/{process}/status").read_text(encoding="ascii").splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 1024


def summary(starts: Sequence[dict[str, Start]]) -> dict[str, Any]:
    """Medians of both, and the medians of the ratios within a pair."""
    found: dict[str, Any] = {"n": len(starts)}
    for field in Start._fields:
        columns = {name: [getattr(pair[name], field) for pair in starts] for name in PAGES}
        ratio = statistics.median(a / b for a, b in zip(*columns.values(), strict=True))
        found[field] = {name: statistics.median(column) for name, column in columns.items()} | {"ratio": ratio}
    return found


def said(found: dict[str, Any]) -> str:
    time, memory = found["seconds"], found["mebibytes"]
    return (
        f"to the first answer, n = {found['n']}: {time['page']:.2f} s, plain page {time['plain']:.2f} s, "
        f"ratio {time['ratio']:.2f}; peak memory {memory['page']:.0f} MiB, plain page {memory['plain']:.0f} MiB"
    )


if __name__ == "__main__":
    cli.run(main, Options, __doc__)
