"""Many visitors who draw at once: what they are answered, how fast, and what it costs the server.

    python -m benchmarks.load --visitors 50 --seconds 300

Visitors ask as the page's script does in a browser, over HTTP: one request with the strokes of a drawing, whose reply
is the answer. Drawings differ in the probabilities that the recogniser gives them, so that an answer to somebody
else's is found.
"""

from __future__ import annotations

import asyncio
import math
import random
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import numpy as np
import psutil  # type: ignore[import-untyped]

from benchmarks import results, serving
from benchmarks.serving import Served
from hwr import Recognizer, UserError, cli
from hwr.data import sources
from hwr.ink import strokes
from page.answers import TOP

PENS = serving.ROOT / "tests" / "data" / "pens.npz"
EACH = 4  # drawings of one visitor
PATIENCE = 60.0  # seconds for one request
SAMPLED = 1.0  # seconds between two looks at the server's memory
WARM = 60.0  # seconds until memory has to be flat
TOLERANCE = 1e-5  # of a probability that came as JSON
CANVAS = 480  # units: the side of the pad for single characters
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

    drawing: dict[str, Any]
    answer: dict[str, float] | None


@dataclass
class Tally:
    """What visitors got."""

    seconds: list[float] = field(default_factory=list)  # from the end of a stroke to its answer
    refused: int = 0  # told that the page is busy
    unreachable: int = 0  # nobody took the request: the server is down
    lost: list[str] = field(default_factory=list)  # requests that were taken, and got something else than an answer
    wrong: list[str] = field(default_factory=list)  # answers to another drawing


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
    side, pen = rng.uniform(0.5, 0.8) * CANVAS, rng.uniform(10, 30)
    corner = rng.uniform(pen, CANVAS - side - pen, 2)
    placed = [np.rint(10 * stroke) / 10 for stroke in strokes.place(trajectory, (*corner, side))]
    drawn = [{"x": stroke[:, 0].tolist(), "y": stroke[:, 1].tolist(), "pen": pen} for stroke in placed]
    drawing = {"width": CANVAS, "height": CANVAS, "strokes": drawn}
    return Sketch(drawing, recognizer.top_k(drawing, TOP))


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
    pad = await pad_of(url)
    end = time.monotonic() + seconds
    await asyncio.gather(*(visit(url, pad, sketches[i::n], end, most, pause, tally, i) for i in range(n)))


async def pad_of(url: str) -> int:
    """The number of the pad for single characters, from the page's own config."""
    async with httpx.AsyncClient(timeout=PATIENCE, trust_env=False) as client:
        config = (await client.get(f"{url}/config")).json()
    return int(next(one["id"] for one in config["components"] if "answer" in one["props"].get("server_fns", [])))


async def visit(
    url: str, pad: int, sketches: Sequence[Sketch], end: float, most: int, pause: float, tally: Tally, seed: int
) -> None:
    """One visitor, who draws, waits for the answer, and draws again."""
    rng = random.Random(seed)
    async with httpx.AsyncClient(base_url=f"{url}/gradio_api", timeout=PATIENCE, trust_env=False) as client:
        await asyncio.sleep(pause * rng.random())
        for stroke in range(most):
            if time.monotonic() >= end:
                return
            await ask(client, pad, sketches[stroke % len(sketches)], f"visitor{seed}", tally)
            await asyncio.sleep(pause * rng.uniform(0.5, 1.5))


async def ask(client: httpx.AsyncClient, pad: int, sketch: Sketch, session: str, tally: Tally) -> None:
    """One stroke, and what came of it, into the tally."""
    start = time.perf_counter()
    question = {"drawing": sketch.drawing, "mode": "character", "alphabet": "all"}
    body = {"data": question, "component_id": pad, "fn_name": "answer", "session_hash": session}
    try:
        reply = await client.post("/component_server/", json=body)
    except httpx.TransportError:
        tally.unreachable += 1
        return
    try:
        given = reply.raise_for_status().json()
        if given.get("busy"):
            tally.refused += 1
            return
        found = dict(given["guesses"])
    except (httpx.HTTPError, ValueError, LookupError) as error:
        tally.lost.append(f"{type(error).__name__}: {error}")
        return
    tally.seconds.append(time.perf_counter() - start)
    if sketch.answer is not None and not same(found, sketch.answer):
        tally.wrong.append(f"{found} instead of {sketch.answer}")


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
