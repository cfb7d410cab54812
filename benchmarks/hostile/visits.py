"""Requests to the page that no browser sends."""

from __future__ import annotations

import http.client
import json
import random
import select
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from benchmarks.hostile.mutation import mutated, mutated_json, nested
from benchmarks.hostile.pictures import bombs, crafted, seeds
from benchmarks.hostile.running import Case, Refusal

API = "/gradio_api"
ENDLESS = 10  # seconds
PATIENCE = 30.0  # seconds for an answer
MOST = 2**20  # bytes of an answer that are read
JSON = {"Content-Type": "application/json"}
FORM = {"Content-Type": "multipart/form-data; boundary=x"}
NAMES = (
    *(
        "../../evil.png",
        "/etc/passwd",
        "..\\..\\evil.png",
        "a" * 300 + ".png",
        "<img src=x onerror=alert(1)>.png",
        "..",
    ),
    *("a\0.png", "con.png", "", ".png", "a\u202egnp.exe", "%2e%2e%2fevil.png", "a;b.png", "~", "\u0661.png"),
)
OUTSIDE = (
    *(
        "/etc/passwd",
        "../../../../etc/passwd",
        "..%2f..%2f..%2fetc%2fpasswd",
        "%2fetc%2fpasswd",
        "....//....//etc/passwd",
    ),
    *("/proc/self/environ", "app.py", "http://127.0.0.1:9/x", "file:///etc/passwd", "%00", "%ff%fe", "a" * 5000, ""),
)
PLACES = (
    *(
        f"{API}/file=",
        f"{API}/file/",
        "/file=",
        "/static/",
        "/assets/",
        "/svelte/",
        f"{API}/proxy=",
        f"{API}/stream/a/b/",
    ),
    *(f"{API}/custom_component/1/client/component/", f"{API}/call/predict/", "/monitoring/"),
    *("/theme.css?v=", "/?__theme=", "/?__lang=", f"{API}/info?all_endpoints=", "/config?session_hash=", "/pwa_icon/"),
)
POSTS = (
    *(
        "call/predict",
        "call/read",
        "call/v2/predict",
        "call/v2/none",
        "call/none",
        "run/predict",
        "api/read",
        "queue/join",
    ),
    *("cancel", "reset", "component_server", "process_recording", "vibe-edit", "stream/a", "login"),
)


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


def cases(page: Page, seed: int, n: int) -> Iterator[Case]:
    """``n`` of each kind of request that can be varied, and what is always the same."""
    rng, pictures = random.Random(seed), [content for _, content in seeds()] + list(crafted().values())
    good = file(page.uploaded(seeds()[0][1]))
    sketch = {"background": None, "layers": [good], "composite": good, "id": None}
    for i in range(n):
        endpoint, first = rng.choice((("predict", sketch), ("read", good)))
        body = mutated_json({"data": [first, "digits"], "session_hash": "a"}, rng)
        yield _case(page, "HTTP: calls", f"{endpoint} {str(body)[:200]}", _answer, endpoint, body)
        picture = mutated(rng.choice(pictures), rng)
        yield _case(page, "HTTP: pictures", f"picture {seed}/{i}", _picture, endpoint, picture)
        post, text = rng.choice(POSTS), _text(rng, body)
        headers = {"Content-Type": rng.choice(("application/json", "text/plain", "multipart/form-data", "", "a" * 999))}
        yield _case(page, "HTTP: bodies", f"{post} {text[:100]!r}", _post, f"{API}/{post}", text, headers)
        upload = mutated(form(b"abc", rng.choice(NAMES)), rng)
        yield _case(page, "HTTP: uploads", f"upload {upload[:150]!r}", _post, f"{API}/upload", upload, FORM)
    for name in NAMES:
        yield _case(page, "HTTP: names", name[:50], _name, name)
    for place in PLACES:
        for path in rng.sample(OUTSIDE, min(n, len(OUTSIDE))):
            yield _case(page, "HTTP: paths", f"{place}{path}"[:200], _get, place + path)
    for data in servers():
        yield _case(page, "HTTP: component servers", str(data)[:200], _post, f"{API}/component_server", data, JSON)
    for name, body in blobs(page).items():
        yield _case(page, "HTTP: drawings", name, _blob, body)
    for name, content in lines().items():
        yield _case(page, "HTTP: protocol", name, _raw, content)


def _case(page: Page, kind: str, what: str, ask: Any, *details: Any) -> Case:
    """A request, after which the page's process must have printed no trace."""

    def watched() -> None:
        before = page.log.stat().st_size
        try:
            ask(page, *details)
        finally:
            printed = page.log.read_bytes()[before:].decode("utf-8", "replace")
            assert "Traceback" not in printed, f"printed {printed[-300:]!r}"

    return Case(kind, what, watched)


def _answer(page: Page, endpoint: str, body: Any) -> None:
    page.answer(endpoint, body)


def _picture(page: Page, endpoint: str, content: bytes) -> None:
    given = file(page.uploaded(content))
    sketch = {"background": None, "layers": [given], "composite": given}
    page.answer(endpoint, {"data": [sketch if endpoint == "predict" else given, "digits"]})


def _post(page: Page, path: str, body: bytes, headers: dict[str, str]) -> None:
    accepted(page.ask("POST", path, body, headers))


def _get(page: Page, path: str) -> None:
    accepted(page.ask("GET", path))


def _name(page: Page, name: str) -> None:
    """Whatever a file is called, it stays where uploads are, and what is said of it is harmless."""
    path = page.uploaded(b"no picture", name.replace('"', ""))
    assert ".." not in Path(path).parts and path.startswith(str(page.log.parent)), f"uploaded to {path}"
    page.answer("read", {"data": [file(path), "digits"]})


def _blob(page: Page, body: bytes) -> None:
    """What the pad's own front end sends: a drawing, and then the question what it is."""
    accepted(page.ask("POST", f"{API}/component_server", body, FORM))
    page.answer("predict", {"data": [{"background": None, "layers": [], "composite": None, "id": "mine"}, "digits"]})


def _text(rng: random.Random, body: Any) -> bytes:
    text = json.dumps(body).encode()
    return rng.choice(
        (mutated(text, rng), b"", b"null", b"[]", b'{"data":', b"[" * 100_000, json.dumps(nested(900)).encode())
    )


def servers() -> Iterator[bytes]:
    """Calls of the functions that components offer to their own front ends."""
    components: tuple[Any, ...] = (-1, 0, 1, 5, 10**30, "a", None, [], {})
    for component in components:
        for name in ("accept_blobs", "preprocess", "__class__", "", None, "__init__", "ls"):
            yield json.dumps({"session_hash": "a", "component_id": component, "fn_name": name, "data": {}}).encode()


def blobs(page: Page) -> dict[str, bytes]:
    """Drawings for the pad that its front end would not send."""
    parts = json.loads(page.ask("GET", "/config").text)["components"]
    pad = next(part["id"] for part in parts if "accept_blobs" in part["props"].get("server_fns", []))
    whole, bomb = seeds()[1][1], bombs()["PNG, grey"]

    def blob(content: bytes, **changes: str) -> bytes:
        fields = {"type": "layer", "index": "0", "id": "mine", "component_id": str(pad), "fn_name": "accept_blobs"}
        named = (fields | {"session_hash": "a"} | changes).items()
        text = "".join(f'--x\r\nContent-Disposition: form-data; name="{k}"\r\n\r\n{v}\r\n' for k, v in named)
        return text.encode() + form(content, "blob", field="file")

    return {
        "a drawing": blob(whole),
        "no picture": blob(b"no picture"),
        "cut off": blob(whole[:99]),
        "a bomb": blob(bomb),
        "a bomb for a composite": blob(bomb, type="composite"),
        "the billionth layer": blob(whole, index=str(10**9)),
        "a layer below zero": blob(whole, index="-1"),
        "a layer that is no number": blob(whole, index="a"),
        "of another type": blob(whole, type="<script>"),
        "of no pad": blob(whole, component_id="a"),
        "no file": blob(b"").partition(b'name="file"')[0],
    }


def lines() -> dict[str, bytes]:
    """What is hardly HTTP."""
    return {
        "nothing": b"\r\n\r\n",
        "no version": b"GET /\r\n\r\n",
        "noise": random.Random(0).randbytes(2000),
        "a header of 1 MB": b"GET / HTTP/1.1\r\nHost: a\r\nA: " + b"a" * 10**6 + b"\r\n\r\n",
        "10,000 headers": b"GET / HTTP/1.1\r\nHost: a\r\n" + b"A: a\r\n" * 10_000 + b"\r\n",
        "a method that is none": b"EVIL / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        "a length below zero": b"POST /gradio_api/upload HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
        "two lengths": b"POST /config HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nContent-Length: 9\r\n\r\n{}",
        "a length and chunks": b"POST /gradio_api/reset HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n"
        b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n0\r\n\r\n",
        "chunks of no length": b"POST /config HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        "a host that is none": b"GET / HTTP/1.1\r\nHost: <script>\r\nConnection: close\r\n\r\n",
        "no host": b"GET /config HTTP/1.1\r\nConnection: close\r\n\r\n",
        "a forged host": b"GET /config HTTP/1.1\r\nHost: a\r\nX-Forwarded-Host: evil\r\nConnection: close\r\n\r\n",
        "an upgrade": b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
    }


def _raw(page: Page, content: bytes) -> None:
    """Bytes, and whatever comes back until the page says no more."""
    host, _, port = page.address.partition(":")
    with socket.create_connection((host, int(port)), timeout=2) as connection, suppress(OSError):
        connection.sendall(content)
        text = connection.recv(MOST).decode("latin-1")
        status = text.split(" ")[1] if text.startswith("HTTP/") else "400"
        accepted(Reply(int(status), text))


# --- slow clients, and those that never end ---


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
