"""A few threads of the page's own that answer: with forty that ever ask the network, the server's memory grew."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import partial, wraps
from typing import Any


class Turns:
    """Functions that share so many threads, whichever of Gradio's forty they are called from."""

    def __init__(self, threads: int) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="answer")

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function as one that Gradio awaits; what it says of itself stays."""

        @wraps(function)
        async def waiting(*args: Any) -> Any:
            # Gradio keeps in the context whom its messages are for.
            call = partial(copy_context().run, function, *args)
            return await asyncio.get_running_loop().run_in_executor(self._pool, call)

        return waiting
