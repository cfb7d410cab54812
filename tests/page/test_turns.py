"""page/turns.py: answers come from a few threads, and nothing else about them changes."""

import asyncio
import inspect
import threading
import time
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from typing import Any

import pytest

from page.turns import Turns

ASKER = ContextVar("ASKER", default=0)


def ran(asked: Coroutine[Any, Any, Any]) -> Any:
    """What a coroutine gives, in a thread: the browser of other tests has a loop that runs in this one."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, asked).result()


def test_many_askers_share_a_few_threads() -> None:
    threads, most = set(), 0
    inside = 0
    lock = threading.Lock()

    def answer(number: int) -> int:
        nonlocal inside, most
        threads.add(threading.get_ident())
        with lock:
            inside += 1
            most = max(most, inside)
        time.sleep(0.01)
        with lock:
            inside -= 1
        return 2 * number

    in_turn = Turns(3)(answer)

    async def ask() -> list[int]:
        found: list[int] = await asyncio.gather(*map(in_turn, range(30)))
        return found

    assert ran(ask()) == [2 * i for i in range(30)]
    assert len(threads) == most == 3
    assert threading.get_ident() not in threads


def test_an_answer_knows_who_asked() -> None:
    in_turn = Turns(1)(ASKER.get)

    async def ask(number: int) -> int:
        ASKER.set(number)
        await asyncio.sleep(0)
        return int(await in_turn())

    async def all_at_once() -> list[int]:
        return await asyncio.gather(*map(ask, range(8)))

    assert ran(all_at_once()) == list(range(8))


def test_a_function_looks_as_before_and_fails_as_before() -> None:
    def refuse(picture: str, alphabet: str = "all") -> None:
        """Says no."""
        raise ValueError(picture)

    in_turn = Turns(1)(refuse)
    assert inspect.signature(in_turn) == inspect.signature(refuse)
    assert (in_turn.__name__, in_turn.__doc__) == ("refuse", "Says no.")
    with pytest.raises(ValueError, match="blank"):
        ran(in_turn("blank"))
