"""What clients that are no browsers may ask of the page: bodies end, storage is bounded, a mistake is a sentence."""

from __future__ import annotations

import json
import sys
import time
from contextlib import suppress
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr
from fastapi.responses import JSONResponse
from gradio.block_function import BlockFunction
from gradio.state_holder import SessionState
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from page.calls import Calls

MOST_JSON = 2**20  # bytes: a drawing takes a hundredth of it
ENVELOPE = 2**16  # bytes around a file that is uploaded
LOOKS = 10  # for what is left of uploads, in the time after which it is deleted


class TooLargeError(Exception):
    """A body that goes on for too long."""


class Guard:
    """ASGI middleware: what is too large, and what Gradio stumbles over, is refused without a stack trace.

    ``most_bytes`` are of an uploaded file. Parts of uploads that were broken off, which Gradio leaves in ``folder``,
    are deleted after ``seconds``.
    """

    def __init__(self, app: ASGIApp, most_bytes: int, folder: Path, seconds: float) -> None:
        self.app, self.most_bytes, self.folder, self.seconds = app, most_bytes, folder, seconds
        self._look_at = 0.0  # the monotonic time from which on the folder is looked at again

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See https://asgi.readthedocs.io."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        is_form = dict(scope["headers"]).get(b"content-type", b"").startswith(b"multipart/form-data")
        exchange = Exchange(receive, send, self._most_of_form() if is_form else MOST_JSON, is_json=not is_form)
        try:
            await self.app(scope, exchange.receive, exchange.send)
        except Exception as error:
            if not exchange.too_large:
                print(f"{scope['path'][:200]!r}: {type(error).__name__}: {str(error)[:200]!r}", file=sys.stderr)
            with suppress(Exception):  # the connection may be past saying anything
                await self._refuse(exchange, scope, receive, send)

    async def _refuse(self, exchange: Exchange, scope: Scope, receive: Receive, send: Send) -> None:
        if exchange.begun:
            await send({"type": "http.response.body"})  # the end of what can be said
            return
        said = f"at most {exchange.most:,} bytes" if exchange.too_large else "this request cannot be answered"
        status = 413 if exchange.too_large else 400
        await JSONResponse({"detail": said}, status, {"Connection": "close"})(scope, receive, send)

    def _most_of_form(self) -> int:
        """Bytes that an upload may have; what is left of others is looked after by the way, but not for every one."""
        now = time.monotonic()
        if now >= self._look_at:
            self._look_at = now + self.seconds / LOOKS
            forget(self.folder, self.seconds)
        return self.most_bytes + ENVELOPE


def guard(most_bytes: int, folder: Path, seconds: float) -> Middleware:
    """The middleware as FastAPI takes it."""
    return Middleware(Guard, most_bytes=most_bytes, folder=folder, seconds=seconds)


class Exchange:
    """A request and its answer. A body of more than ``most`` bytes ends both, whatever is made of the error.

    So does JSON that Gradio would stumble over later.
    """

    def __init__(self, receive: Receive, send: Send, most: int, is_json: bool) -> None:
        self._receive, self._send, self.most = receive, send, most
        self._received, self.begun = 0, False
        self._more = False  # of the body is still to come
        self._text = bytearray() if is_json else None

    @property
    def too_large(self) -> bool:
        """More came than is taken."""
        return self._received > self.most

    async def receive(self) -> Message:
        """See ASGI."""
        message = await self._receive()
        body = message.get("body", b"")
        self._received += len(body)
        self._more = message.get("more_body", False)
        if self.too_large:
            raise TooLargeError
        if self._text is not None:
            self._text += body
            if message["type"] == "http.request" and not message.get("more_body"):  # and not when the client goes
                _require_sound(self._text)
        return message

    async def send(self, message: Message) -> None:
        """See ASGI."""
        if self.too_large and not self.begun:
            raise TooLargeError
        if message["type"] == "http.response.start" and self._more:  # else the server would take all that still comes
            message = {**message, "headers": [*message.get("headers", ()), (b"connection", b"close")]}
        self.begun = True
        await self._send(message)


def _require_sound(text: bytearray) -> None:
    """Raises ValueError for JSON that passes Gradio's own checks, but ends its handling of events."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return  # which it refuses itself
    # Half a character (a lone surrogate) in a session's name: the summary of events would fail, whoever's they are.
    if b"\\u" in text:  # nothing but an escape can be one
        json.dumps(found, ensure_ascii=False).encode()
    if isinstance(found, dict) and found.get("session_hash") == "":
        raise ValueError("a session needs a name")


def forget(folder: Path, seconds: float) -> None:
    """Delete the parts of uploads that nobody has added to for so long."""
    for part in folder.glob("tmp*"):
        with suppress(OSError):
            if part.is_file() and time.time() - part.stat().st_mtime > seconds:
                part.unlink()


class Page(gr.Blocks):
    """Blocks that tell a call with inputs of other kinds, or too few, where they are listed, not how Gradio fails.

    ``calls`` are what the page's script asks beside Gradio's queue.
    """

    calls: Calls

    async def preprocess_data(
        self, block_fn: BlockFunction, inputs: list[Any], state: SessionState | None, explicit_call: bool = False
    ) -> Any:
        """See Blocks. Raises gr.Error."""
        try:
            return await super().preprocess_data(block_fn, inputs, state, explicit_call)
        except (ValueError, TypeError, LookupError, AttributeError) as error:
            said = f"these are not the inputs that {block_fn.name} takes: /gradio_api/info lists them"
            if "\n" not in str(error):  # longer ones list objects of the page
                said += f" ({escape(str(error), quote=False)})"
            raise gr.Error(said, print_exception=False) from None
