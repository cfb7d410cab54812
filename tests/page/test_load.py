"""More visitors than the page can serve: they are refused politely, nobody gets another's answer, and it recovers."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

import app
from benchmarks import load, serving
from benchmarks.load import Sketch, Tally
from benchmarks.serving import Served

pytestmark = pytest.mark.slow
SOAK = 60  # seconds; memory is looked at after a third of them and at the end
MOST_GROWTH = 40  # MiB meanwhile: a picture of the pad kept with every answer would take more

SMALL = """
import time, app
at_once, app.AT_ONCE, app.WAITING = app.Answers.answer, 1, 2
def answer(*given):
    time.sleep(0.3)  # so that something is always on its way
    return at_once(*given)
app.Answers.answer = answer
app.main(app.Options())
"""


@pytest.fixture(scope="module")
def small() -> Iterator[Served]:
    """The page, with room for two in its queue."""
    with serving.served("-c", SMALL) as server:
        yield server


@pytest.fixture(scope="module")
def sketches() -> list[Sketch]:
    found = load.drawings(str(load.PENS), 24)
    assert all(not load.same(one.answer or {}, other.answer or {}) for one in found for other in found if one != other)
    return found


def completed(work: Coroutine[Any, Any, Any]) -> Any:
    """What it returns, run in a thread of its own: Playwright's loop may still be running in this one."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()


def visits(server: Served, sketches: list[Sketch], n: int, strokes: int) -> Tally:
    tally = Tally()
    completed(load.visits(server.url, sketches, n, tally, pause=0, most=strokes))
    return tally


def test_a_crowd_is_refused_without_a_stack_trace_and_then_served(small: Served, sketches: list[Sketch]) -> None:
    crowd = visits(small, sketches, 12, 3)
    assert crowd.refused > 0
    assert len(crowd.seconds) > 0
    one = visits(small, sketches, 1, 3)
    assert (len(one.seconds), one.refused) == (3, 0)
    for tally in (crowd, one):
        assert (tally.lost, tally.wrong, tally.unreachable) == ([], [], 0)
    assert "Traceback" not in small.log.read_text()


def test_a_wrong_visitors_answer_would_be_found(small: Served, sketches: list[Sketch]) -> None:
    swapped = [sketches[0]._replace(answer=sketches[1].answer)]
    tally = visits(small, swapped, 1, 1)
    assert len(tally.wrong) == len(tally.seconds) == 1


def test_memory_is_flat_while_visitors_draw(sketches: list[Sketch]) -> None:
    with serving.served(*serving.APP) as server, ThreadPoolExecutor(1) as pool:
        options = load.Options(visitors=6, seconds=SOAK, pause=0)
        found = pool.submit(load.measure, server, sketches, options).result()
    assert (found["lost"], found["wrong"], found["unreachable"]) == ([], [], 0)
    assert found["answers"] > 200, "too few to tell"
    assert found["memory"]["end"] - found["memory"]["warm"] < MOST_GROWTH, found["memory_over_time"]


def test_a_stop_finishes_what_was_asked(small: Served, sketches: list[Sketch]) -> None:
    """The last test of this server."""

    tally = Tally()

    async def run() -> int:
        drawing = asyncio.create_task(load.visits(small.url, sketches, 3, tally, pause=0))
        while not tally.seconds:
            await asyncio.sleep(0.05)
        small.process.terminate()
        status = await asyncio.to_thread(small.process.wait, 60)
        while not tally.unreachable:
            await asyncio.sleep(0.05)
        drawing.cancel()
        return status

    assert completed(run()) == app.STOPPED
    assert (tally.lost, tally.wrong) == ([], [])
    assert "Traceback" not in small.log.read_text()
    with pytest.raises(httpx.ConnectError):
        httpx.get(small.url, trust_env=False)
