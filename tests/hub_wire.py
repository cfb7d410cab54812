"""How the loopback Hub of the tests speaks: two origins in one thread, a log of requests, and faults on demand."""

from __future__ import annotations

import asyncio
import re
import socket
import struct
import threading
import time
import traceback
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

STARTS_WITHIN = 30  # seconds
PIECE = 16 * 1024  # bytes sent at once by a slow answer


@dataclass
class Request:
    """A request as it came, and the status it got: 0 where the connection ended instead."""

    method: str
    origin: str  # "hub" or "lfs"
    path: str  # decoded, without query
    headers: dict[str, str]  # lower-case names
    status: int = 0
    size: int = 0  # bytes of the request's body
    query: str = ""


@dataclass
class Answer:
    """A whole answer, kept back so that a fault can spoil it."""

    status: int = 0
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    body: bytes = b""

    async def keep(self, message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.status, self.headers = message["status"], list(message["headers"])
        else:
            self.body += message.get("body", b"")


Fault = Callable[["Exchange"], Awaitable[None]]


class Exchange:
    """One request and its answer, as a fault sees them."""

    def __init__(self, app: App, scope: Scope, receive: Receive, send: Send, request: Request) -> None:
        self.app, self.scope, self.receive, self.send, self.request = app, scope, receive, send, request

    async def answer(self) -> Answer:
        """What the Hub answers; from here on the request has had its effect."""
        body = await self.body()
        self.request.size = len(body)
        messages = iter([{"type": "http.request", "body": body, "more_body": False}])

        async def replay() -> MutableMapping[str, Any]:
            return next(messages, {"type": "http.disconnect"})

        answer = Answer()
        try:
            await self.app(self.scope, replay, answer.keep)
        except Exception:  # Starlette has made it a 500; whoever reads the test's output wants to know why
            traceback.print_exc()
        return answer

    async def body(self) -> bytes:
        body, more = b"", True
        while more:
            message = await self.receive()
            body += message.get("body", b"")
            more = message["type"] == "http.request" and message.get("more_body", False)
        return body

    async def start(self, answer: Answer) -> None:
        self.request.status = answer.status
        await self.send({"type": "http.response.start", "status": answer.status, "headers": answer.headers})

    async def write(self, body: bytes, more: bool = True) -> None:
        await self.send({"type": "http.response.body", "body": body, "more_body": more})

    async def finish(self, answer: Answer) -> None:
        await self.start(answer)
        await self.write(answer.body, more=False)

    def hang_up(self, politely: bool = False) -> None:
        """End the connection after what was written, or at once with a reset."""
        transport = self.scope["transport"]
        if politely:
            transport.close()
            return
        linger = struct.pack("ii", 1, 0)  # on, for no time: the peer gets RST instead of FIN
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        transport.abort()


def status(code: int, headers: dict[str, str] | None = None, message: str = "planted by a test") -> Fault:
    """Answer with ``code`` and do nothing of what was asked."""

    async def fault(exchange: Exchange) -> None:
        exchange.request.size = len(await exchange.body())
        body = b"" if exchange.request.method == "HEAD" else b'{"error": "%s"}' % message.encode()
        named = {"content-type": "application/json", "x-error-message": message} | (headers or {})
        pairs = [(name.lower().encode(), value.encode("latin-1")) for name, value in named.items()]
        await exchange.finish(Answer(code, [*pairs, (b"content-length", b"%d" % len(body))], body))

    return fault


def reset(share: float | None = None) -> Fault:
    """Reset the connection: at once with nothing done, or (0 to 1) done and after that share of the answer's body."""

    async def fault(exchange: Exchange) -> None:
        if share is not None:
            answer = await exchange.answer()
            if share > 0:
                await exchange.start(answer)
                await exchange.write(answer.body[: int(share * len(answer.body))])
                await asyncio.sleep(0.2)  # a reset discards what the peer has not read yet
            exchange.request.status = 0
        exchange.hang_up()

    return fault


def truncate(share: float) -> Fault:
    """Announce the whole length, send that share of the body, and close in good order."""

    async def fault(exchange: Exchange) -> None:
        answer = await exchange.answer()
        await exchange.start(answer)
        await exchange.write(answer.body[: int(share * len(answer.body))])
        exchange.hang_up(politely=True)

    return fault


def corrupt(every: int = 1000) -> Fault:
    """Same length, but a byte in the middle, and one in ``every`` from there on, with all its bits flipped."""

    async def fault(exchange: Exchange) -> None:
        answer = await exchange.answer()
        spoilt = bytearray(answer.body)
        for at in range(len(spoilt) // 2, len(spoilt), every):
            spoilt[at] ^= 0xFF
        answer.body = bytes(spoilt)
        await exchange.finish(answer)

    return fault


def hang(seconds: float) -> Fault:
    """Accept the request, say nothing for so long, then close; nothing is done."""

    async def fault(exchange: Exchange) -> None:
        await asyncio.sleep(seconds)
        exchange.hang_up()

    return fault


def slow(bytes_per_second: float) -> Fault:
    """Answer rightly, but no faster than this."""

    async def fault(exchange: Exchange) -> None:
        answer = await exchange.answer()
        await exchange.start(answer)
        piece = int(min(PIECE, max(1, bytes_per_second / 10)))
        for at in range(0, len(answer.body), piece):
            await exchange.write(answer.body[at : at + piece])
            await asyncio.sleep(piece / bytes_per_second)
        await exchange.write(b"", more=False)

    return fault


@dataclass
class Planted:
    """A fault and the requests it is for."""

    method: str
    path: re.Pattern[str]
    how: Fault
    times: float
    origin: str | None
    after: int

    def takes(self, request: Request) -> bool:
        """Whether this request gets it; counts down, so ask once a request."""
        if self.method not in ("*", request.method) or self.origin not in (None, request.origin):
            return False
        if not self.path.search(request.path) or self.times <= 0:
            return False
        self.after -= 1
        self.times -= self.after < 0
        return self.after < 0


class Gate:
    """Stands before an origin's app: logs each request, and lets a fault have its answer."""

    def __init__(self, origin: str, app: App, log: list[Request], faults: list[Planted]) -> None:
        self.origin, self.app, self.log, self.faults = origin, app, log, faults

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = {name.decode(): value.decode("latin-1") for name, value in scope["headers"]}
        request = Request(scope["method"], self.origin, scope["path"], headers, query=scope["query_string"].decode())
        self.log.append(request)
        scope["path"] = scope["raw_path"].decode()  # routes see "refs%2Fpr%2F1" as one part of the address
        exchange = Exchange(self.app, scope, receive, send, request)
        fault = next((planted.how for planted in list(self.faults) if planted.takes(request)), None)
        if fault is None:
            await exchange.finish(await exchange.answer())
        else:
            await fault(exchange)


class Connection(H11Protocol):
    """uvicorn's connection, whose app can reach the transport below it."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        app = self.app

        async def with_transport(scope: Scope, receive: Receive, send: Send) -> None:
            scope["transport"] = transport
            await app(scope, receive, send)

        self.app = with_transport


class Line:
    """The two origins, listening: one thread, from ``up`` to ``down``, always on the same ports."""

    def __init__(self, gates: list[Gate], ports: list[int]) -> None:
        self.gates = gates
        self.ports = ports

    def up(self) -> None:
        self.sockets = [listen(port) for port in self.ports]
        self.ports = [listening.getsockname()[1] for listening in self.sockets]
        self.servers = [uvicorn.Server(settings(gate)) for gate in self.gates]
        self.thread = threading.Thread(target=lambda: asyncio.run(self._serve()), name="hub", daemon=True)
        self.thread.start()
        limit = time.monotonic() + STARTS_WITHIN
        while not all(server.started for server in self.servers):
            assert self.thread.is_alive() and time.monotonic() < limit, "the loopback Hub did not start"
            time.sleep(0.005)

    def down(self) -> None:
        for server in self.servers:
            server.should_exit = True
        self.loop.call_soon_threadsafe(self._cut)
        self.thread.join()

    async def _serve(self) -> None:
        self.loop = asyncio.get_running_loop()
        await asyncio.gather(*(s.serve(sockets=[at]) for s, at in zip(self.servers, self.sockets, strict=True)))

    def _cut(self) -> None:
        """End what is going on: an answer that hangs would hold up the end."""
        for server in self.servers:
            for connection in list(server.server_state.connections):
                connection.transport.abort()
            for task in list(server.server_state.tasks):
                task.cancel()


def settings(gate: Gate) -> uvicorn.Config:
    quiet: dict[str, Any] = {"log_config": None, "log_level": 60, "access_log": False}
    return uvicorn.Config(gate, loop="asyncio", http=Connection, ws="none", lifespan="off", **quiet)


def listen(port: int) -> socket.socket:
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind(("127.0.0.1", port))
    listening.listen(128)
    return listening


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
