"""Many visitors who draw at once: what they are answered, how fast, and what it costs the server.

    python -m benchmarks.load --visitors 50 --seconds 300

Visitors ask as the page's script does in a browser, over HTTP: three pictures of the pad to its component, three
uploads, an event into the queue, and the stream of its answers. Drawings differ in the probabilities that the
recogniser gives them, so that an answer to somebody else's is found.
"""

from __future__ import annotations

import asyncio
import json
import math
import random
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import httpx
import numpy as np
import psutil  # type: ignore[import-untyped]

from benchmarks import results, serving
from benchmarks.serving import Served
from hwr import Recognizer, UserError, cli
from hwr.data import sources
from hwr.ink import strokes
from page.answers import TOP
from page.layout import CANVAS

PENS = serving.ROOT / "tests" / "data" / "pens.npz"
EACH = 4  # drawings of one visitor
PATIENCE = 60.0  # seconds for one request
SAMPLED = 1.0  # seconds between two looks at the server's memory
WARM = 60.0  # seconds until memory has to be flat
TOLERANCE = 1e-5  # of a probability that came as JSON
BUSY = 503  # HTTP status of a full queue
ALL = sys.maxsize  # strokes: as many as there is time for
MIB = 2**20


@dataclass(frozen=True)
class Options:
    """How many visitors, and for how long."""

    visitors: int = 50
    """Visitors who draw at once."""
    seconds: float = 300
    """How long they draw."""
    pause: float = 1.0
    """Seconds from an answer to the visitor's next stroke, half as long to half as long again."""
    pens: str = str(PENS)
    """Pen trajectories to draw with, as an .npz. Default: those of the tests."""
    write: Path | None = None
    """JSON file for the results."""


class Sketch(NamedTuple):
    """A drawing as a browser sends it, and its right answer, best first; None on a page that knows none."""

    parts: dict[str, bytes]  # PNGs: background, layer, composite
    answer: dict[str, float] | None


@dataclass
class Tally:
    """What visitors got."""

    seconds: list[float] = field(default_factory=list)  # from the end of a stroke to its answer
    refused: int = 0  # told that the page is busy
    unreachable: int = 0  # nobody took the request: the server is down
    lost: list[str] = field(default_factory=list)  # requests that were taken, and got something else than an answer
    wrong: list[str] = field(default_factory=list)  # answers to another drawing


class Form(NamedTuple):
    """The event of the pad in a page's own config: its number, the pad's, and what is sent beside the drawing."""

    fn_index: int
    pad: int
    others: list[Any]


def main(options: Options) -> None:
    sketches = drawings(options.pens, options.visitors * EACH)
    with serving.served(*serving.APP) as server:
        measured = measure(server, sketches, options)
    print(line("page", measured))
    if options.write:
        results.write(options.write, results.report("load", "gradio", results={"page": measured}))


def drawings(pens: str, n: int) -> list[Sketch]:
    """n different drawings and what the bundled model answers."""
    source, recognizer = sources.read(pens, "test", Path()), Recognizer.from_pretrained()
    if source.trajectory is None:
        raise UserError(f"{pens} holds pictures: expected pen trajectories")
    return [sketch(recognizer, source.trajectory(i % len(source)), np.random.default_rng(i)) for i in range(n)]


def sketch(recognizer: Recognizer, trajectory: strokes.Strokes, rng: np.random.Generator) -> Sketch:
    """A trajectory anywhere on the pad, with any pen."""
    width, height = CANVAS
    side, pen = rng.uniform(0.5, 0.8) * height, rng.uniform(8, 20)
    corner = rng.uniform(pen, width - side - pen), rng.uniform(pen, height - side - pen)
    layer = np.zeros((height, width, 4), np.uint8)
    layer[..., 3] = strokes.draw(strokes.place(trajectory, (*corner, side)), (height, width), pen)
    paper = np.full_like(layer, 255)
    composite = np.dstack([np.repeat(255 - layer[..., 3:], 3, 2), paper[..., :1]])
    parts = {"background": paper, "layer": layer, "composite": composite}
    pngs = {name: cv2.imencode(".png", picture)[1].tobytes() for name, picture in parts.items()}
    return Sketch(pngs, recognizer.top_k(layer, TOP))


def measure(server: Served, sketches: Sequence[Sketch], options: Options) -> dict[str, Any]:
    """Let visitors draw, and look at the server's memory meanwhile."""
    memory: list[tuple[float, float]] = []
    tally = Tally()

    async def run() -> None:
        watching = asyncio.create_task(watch(psutil.Process(server.process.pid), memory))
        try:
            await visits(server.url, sketches, options.visitors, tally, options.pause, options.seconds)
        finally:
            watching.cancel()

    asyncio.run(run())
    return summary(tally, memory, options.seconds)


async def watch(process: psutil.Process, memory: list[tuple[float, float]]) -> None:
    """Seconds from now and the resident memory, in MiB, of a process, until cancelled."""
    start = time.monotonic()
    while True:
        memory.append((time.monotonic() - start, process.memory_info().rss / MIB))
        await asyncio.sleep(SAMPLED)


async def visits(
    url: str, sketches: Sequence[Sketch], n: int, tally: Tally, pause: float, seconds: float = math.inf, most: int = ALL
) -> None:
    """Let n visitors draw for so long, or so many strokes each, all of them their own share of the drawings."""
    form = await form_of(url)
    end = time.monotonic() + seconds
    await asyncio.gather(*(visit(url, form, sketches[i::n], end, most, pause, tally, i) for i in range(n)))


async def form_of(url: str) -> Form:
    """How a page wants to be asked, from its config."""
    async with httpx.AsyncClient(timeout=PATIENCE, trust_env=False) as client:
        config = (await client.get(f"{url}/config")).json()
    event = next(one for one in config["dependencies"] if one["api_name"] == "predict")
    values = {one["id"]: one["props"].get("value") for one in config["components"]}
    pad, *others = event["inputs"]
    return Form(event["id"], pad, [values.get(other) for other in others])


async def visit(
    url: str, form: Form, sketches: Sequence[Sketch], end: float, most: int, pause: float, tally: Tally, seed: int
) -> None:
    """One visitor, who draws, waits for the answer, and draws again."""
    rng = random.Random(seed)
    async with httpx.AsyncClient(base_url=f"{url}/gradio_api", timeout=PATIENCE, trust_env=False) as client:
        await asyncio.sleep(pause * rng.random())
        for stroke in range(most):
            if time.monotonic() >= end:
                return
            await ask(client, form, sketches[stroke % len(sketches)], f"visitor{seed}", tally)
            await asyncio.sleep(pause * rng.uniform(0.5, 1.5))


async def ask(client: httpx.AsyncClient, form: Form, sketch: Sketch, session: str, tally: Tally) -> None:
    """One stroke, and what came of it, into the tally."""
    start = time.perf_counter()
    try:
        await send(client, form, sketch, session)
        joined = await client.post("/queue/join", json=event(form, session))
    except httpx.TransportError:
        tally.unreachable += 1
        return
    if joined.status_code == BUSY:
        tally.refused += 1
        return
    try:
        found = answer(await answered(client, session))
    except (httpx.HTTPError, ValueError, LookupError) as error:
        tally.lost.append(f"{type(error).__name__}: {error}")
        return
    tally.seconds.append(time.perf_counter() - start)
    if sketch.answer is not None and not same(found, sketch.answer):
        tally.wrong.append(f"{found} instead of {sketch.answer}")


async def send(client: httpx.AsyncClient, form: Form, sketch: Sketch, session: str) -> None:
    """The pad's three pictures, as Gradio's script sends them: to the component, and once more as files."""
    fields = {"component_id": str(form.pad), "fn_name": "accept_blobs", "session_hash": session, "id": session}
    files = {name: (f"{name}.png", png, "image/png") for name, png in sketch.parts.items()}
    indices = {"background": "null", "layer": "0", "composite": "null"}
    blobs = [
        client.post("/component_server/", data=fields | {"type": name, "index": indices[name]}, files={"file": file})
        for name, file in files.items()
    ]
    await asyncio.gather(*blobs)
    await asyncio.gather(*(client.post("/upload", files={"files": file}) for file in files.values()))


def event(form: Form, session: str) -> dict[str, Any]:
    """The body of a request for an answer."""
    data = [{"id": session}, *form.others]
    return {"data": data, "fn_index": form.fn_index, "trigger_id": form.pad, "session_hash": session}


async def answered(client: httpx.AsyncClient, session: str) -> dict[str, Any]:
    """The output of the visitor's event. Raises LookupError if the stream ends without, ValueError for an error."""
    async with client.stream("GET", "/queue/data", params={"session_hash": session}) as stream:
        async for text in stream.aiter_lines():
            message = json.loads(text.removeprefix("data: ")) if text else {}
            if message.get("msg") == "process_completed":
                if not message["success"]:
                    raise ValueError(message["output"])
                output: dict[str, Any] = message["output"]
                return output
    raise LookupError("the stream ended")


def answer(output: dict[str, Any]) -> dict[str, float]:
    """The labels in an event's output, best first, and their probabilities."""
    return {one["label"]: one["confidence"] for one in output["data"][0].get("confidences") or []}


def same(found: dict[str, float], expected: dict[str, float]) -> bool:
    """Whether an answer is the one to a drawing."""
    near = all(abs(found.get(label, 0.0) - share) < TOLERANCE for label, share in expected.items())
    return near and len(found) == len(expected)


def summary(tally: Tally, memory: Sequence[tuple[float, float]], seconds: float) -> dict[str, Any]:
    """Counts, seconds, and memory after WARM seconds, or a third of a short run, and at the end."""
    warm = min(WARM, seconds / 3)
    sizes = {
        "warm": mean(memory, lambda t: warm <= t < 1.5 * warm),
        "end": mean(memory, lambda t: t >= memory[-1][0] - warm / 2),
    }
    return {
        "answers": len(tally.seconds),
        "per_second": len(tally.seconds) / seconds,
        "refused": tally.refused,
        "unreachable": tally.unreachable,
        "lost": tally.lost,
        "wrong": tally.wrong,
        "median": float(np.median(tally.seconds)) if tally.seconds else None,
        "p95": float(np.quantile(tally.seconds, 0.95)) if tally.seconds else None,
        "memory": {name: round(size, 1) for name, size in sizes.items()},
        "memory_over_time": [[round(t), round(size)] for t, size in memory[:: max(1, len(memory) // 60)]],
    }


def mean(memory: Sequence[tuple[float, float]], when: Callable[[float], bool]) -> float:
    """Of the memory at some times."""
    return float(np.mean([size for t, size in memory if when(t)] or [np.nan]))


def line(name: str, found: dict[str, Any]) -> str:
    times = "no answer" if found["median"] is None else f"median {found['median']:.2f} s, p95 {found['p95']:.2f} s"
    memory = found["memory"]
    return (
        f"{name}: {found['answers']} answers ({found['per_second']:.1f}/s), {times}; {found['refused']} refused, "
        f"{len(found['lost']) + found['unreachable']} errors, {len(found['wrong'])} wrong; "
        f"memory {memory['warm']:.0f} MiB warm, {memory['end']:.0f} MiB at the end"
    )


if __name__ == "__main__":
    cli.run(main, Options, __doc__)
