"""What search engines and social networks see of the page: they run no script, and Gradio's HTML speaks of Gradio."""

from __future__ import annotations

import re
from html import escape
from pathlib import Path

from gradio.route_utils import get_root_url
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import FileResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HERE = Path(__file__).parent
PICTURE = "/card.png"
OTHERS = re.compile(r"""<meta\s[^>]*?(?:property|name)\s*=\s*["'](?:og|twitter):[^>]*>\s*""")


class Card:
    """ASGI middleware: the page's own head in the HTML at ``/``, and the picture that its card shows."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.head = (HERE / "head.html").read_text(encoding="utf-8")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; all but those two go on as they came."""
        if scope["type"] != "http" or scope["method"] != "GET" or scope["path"] not in ("/", PICTURE):
            await self.app(scope, receive, send)
        elif scope["path"] == PICTURE:
            await FileResponse(HERE / "card.png")(scope, receive, send)
        else:
            await self.page(scope, receive, send)

    async def page(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Gradio's answer with another head, if it is HTML."""
        messages: list[Message] = []

        async def keep(message: Message) -> None:
            messages.append(message)

        await self.app(scope, receive, keep)
        start, *bodies = messages
        headers = MutableHeaders(raw=start["headers"])
        if headers.get("content-type", "").startswith("text/html"):
            html = b"".join(message.get("body", b"") for message in bodies).decode()
            bodies = [{"type": "http.response.body", "body": self.titled(html, Request(scope)).encode()}]
            headers["content-length"] = str(len(bodies[0]["body"]))
        for message in (start, *bodies):
            await send(message)

    def titled(self, html: str, request: Request) -> str:
        """HTML without what it says of Gradio, and with the page's own head."""
        address = get_root_url(request, "/", None)  # as the visitor knows it, not the proxy
        head = self.head.replace("{address}", escape(address))
        return OTHERS.sub("", html).replace("</head>", f"{head}</head>", 1)
