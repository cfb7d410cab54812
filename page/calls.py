"""Functions that the page's script calls, each in one request: Gradio's events take three, and wait for a stream."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import gradio as gr

from hwr import UserError
from page.received import language_of
from page.turns import Turns
from page.words import refused

Answer = dict[str, Any]
BUSY: Answer = {"busy": True}  # the script asks again


class Calls:
    """Turns functions of JSON into those that `gr.HTML` offers to its script as ``server_functions``.

    At most ``waiting`` calls are taken at a time; who calls beside them is told to come again. A refusal is an answer
    with the key ``error``.
    """

    def __init__(self, in_turn: Turns, waiting: int) -> None:
        self._in_turn, self._waiting = in_turn, waiting
        self._lock = threading.Lock()
        self.taken = 0  # calls that are not answered yet

    def __call__(self, name: str, function: Callable[[Any, str], Answer]) -> Callable[..., Any]:
        """``function`` of what was asked and a session's key, as a function of that ``name``."""

        async def call(asked: Any, request: gr.Request) -> Answer:
            if not self._take():
                return BUSY
            try:
                answer: Answer = await self._in_turn(function)(asked, await _session(request))
                return answer
            except UserError as error:
                given = asked if isinstance(asked, dict) else getattr(asked, "data", None)
                return {"error": refused(str(error), language_of(given))}
            finally:
                with self._lock:
                    self.taken -= 1

        call.__name__ = name
        return call

    def close(self) -> None:
        """Take no more calls."""
        self._waiting = 0

    def _take(self) -> bool:
        """Whether a call is taken."""
        with self._lock:
            is_free = self.taken < self._waiting
            self.taken += is_free
            return is_free


async def _session(request: gr.Request) -> str:
    """The key of a visitor's session; of nobody for files, which come without one."""
    asked: Any = request  # Gradio hands on the request of its server, whose body is read already
    if not asked.headers.get("content-type", "").startswith("application/json"):
        return ""
    return str((await asked.json()).get("session_hash") or "")
