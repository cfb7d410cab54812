"""Requests to the page that no browser sends."""

from __future__ import annotations

import http.client
import json
import select
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

API = "/gradio_api"
ENDLESS = 10  # seconds
PATIENCE = 30.0  # seconds for an answer
MOST = 2**20  # bytes of an answer that are read
JSON = {"Content-Type": "application/json"}
FORM = {"Content-Type": "multipart/form-data; boundary=x"}


class Refusal(Exception):  # noqa: N818  it is no error of the program
    """The page's refusal: a status of 4xx, or an error of the endpoint that it explains."""


class Reply(NamedTuple):
    """What came back: the status, and the beginning of the text."""

    status: int
    text: str


class Page:
    """A page that serves, and what its process prints."""

    def __init__(self, url: str, log: Path) -> None:
        self.address = urlsplit(url).netloc
        self.log = log

    def ask(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Reply:
        """One request. Raises Refusal for what is not answered with success."""
        with closing(http.client.HTTPConnection(self.address, timeout=PATIENCE)) as connection:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            return Reply(answer.status, _beginning(answer).decode("utf-8", "replace"))

    def uploaded(self, content: bytes, name: str = "a.png") -> str:
        """Where a file lies that was uploaded."""
        paths: list[str] = json.loads(accepted(self.ask("POST", f"{API}/upload", form(content, name), FORM)).text)
        return paths[0]

    def answer(self, endpoint: str, body: Any) -> Reply:
        """What an endpoint answers in its two steps. Raises Refusal."""
        text = body if isinstance(body, bytes) else json.dumps(body).encode()
        event = json.loads(accepted(self.ask("POST", f"{API}/call/{endpoint}", text, JSON)).text)["event_id"]
        found = accepted(self.ask("GET", f"{API}/call/{endpoint}/{event}"))
        if "event: complete" not in found.text:
            raise Refusal(_without_trace(found.text))
        return found


def _beginning(answer: http.client.HTTPResponse) -> bytes:
    """MOST bytes of an answer, or what comes of it in ENDLESS seconds: some streams end with the visit alone."""
    content, end = b"", time.monotonic() + ENDLESS
    while len(content) < MOST and time.monotonic() < end and (part := answer.read1(MOST)):
        content += part
    return content


def accepted(reply: Reply) -> Reply:
    """The reply, if it is a success. Raises Refusal for one that is the visitor's fault."""
    _without_trace(reply.text)
    assert reply.status < 500, f"status {reply.status}: {reply.text[:200]}"
    if reply.status >= 400:
        raise Refusal(reply.text[:500])
    return reply


def _without_trace(text: str) -> str:
    assert "Traceback" not in text and 'File "/' not in text, f"a stack trace: {text[:300]}"
    assert "root:x:0" not in text, "a file of the system"
    return text[:500]


def form(content: bytes, name: str, field: str = "files") -> bytes:
    """A file as browsers upload it."""
    head = f'--x\r\nContent-Disposition: form-data; name="{field}"; filename="{name}"\r\n\r\n'
    return head.encode("utf-8", "replace") + content + b"\r\n--x--\r\n"


def file(path: str) -> dict[str, Any]:
    """An uploaded file, as a client names it."""
    return {"path": path, "meta": {"_type": "gradio.FileData"}}


@contextmanager
def slow(page: Page, clients: int) -> Iterator[Callable[[], None]]:
    """So many connections that have each begun an upload; each call sends one more byte on every one."""
    host, _, port = page.address.partition(":")
    head = (
        f"POST {API}/upload HTTP/1.1\r\nHost: a\r\nContent-Type: {FORM['Content-Type']}\r\nContent-Length: 999999\r\n"
    )
    with ExitStack() as stack:
        opened = [stack.enter_context(socket.create_connection((host, int(port)), PATIENCE)) for _ in range(clients)]
        for connection in opened:
            connection.sendall(head.encode() + b"\r\n" + form(b"", "a.png").partition(b"\r\n--x--")[0])

        def send_a_byte() -> None:
            for connection in opened:
                connection.sendall(b"a")

        yield send_a_byte


def endless(page: Page, headers: dict[str, str], most: int, first: int = 0) -> tuple[int, int]:
    """A body in pieces, without an end or a length: the status that it got, and the bytes taken until then.

    Where ``first`` is not 0, so many bytes come at once, and the others when there is an answer.
    """
    sent = 0
    with closing(http.client.HTTPConnection(page.address, timeout=PATIENCE)) as connection:
        connection.putrequest("POST", f"{API}/upload" if headers is FORM else f"{API}/call/predict")
        for name, value in {**headers, "Transfer-Encoding": "chunked"}.items():
            connection.putheader(name, value)
        connection.endheaders()
        filling = b"a" * (first or 2**16)
        piece = b'["' + filling if headers is JSON else form(filling, "a.png").partition(b"\r\n--x--")[0]
        with suppress(OSError):
            while sent < most:
                connection.send(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
                if first and not sent:
                    select.select([connection.sock], [], [], PATIENCE)
                sent, piece = sent + len(piece), b"a" * 2**16
        return connection.getresponse().status, sent
