"""The page's tools for the Model Context Protocol, asked by its own client."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import visits
from hostile import seeds
from mcp import ClientSession
from mcp.client.streamable_http import streamable_http_client
from mcp.types import CallToolResult, TextContent

import app
from benchmarks import serving
from benchmarks.serving import Served
from hwr import UserError

Ask = Callable[[ClientSession], Coroutine[Any, Any, Any]]


@pytest.fixture(scope="module")
def tools() -> Iterator[Served]:
    """The page, with its tools."""
    with serving.served("app.py", "--mcp") as server:
        yield server


def answer(server: Served, ask: Ask) -> Any:
    """What a session of its own gets, in a thread of its own: Playwright's loop may still be running in this one."""

    async def session() -> Any:
        address = f"{server.url}{visits.API}/mcp/"
        async with streamable_http_client(address) as (read, write, _), ClientSession(read, write) as opened:
            await opened.initialize()
            return await ask(opened)

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, session()).result()


def called(server: Served, name: str, **given: object) -> tuple[bool, str]:
    """Whether a call succeeded, and what it said."""
    found: CallToolResult = answer(server, lambda session: session.call_tool(name, given))
    return not found.isError, " ".join(part.text for part in found.content if isinstance(part, TextContent))


@pytest.fixture
def picture() -> str:
    """A picture in the form in which programs send those that are on no server."""
    return "data:image/png;base64," + base64.b64encode(seeds()[1][1]).decode()


def test_both_endpoints_are_tools_and_say_what_they_take(tools: Served) -> None:
    found = {tool.name: tool for tool in answer(tools, lambda session: session.list_tools()).tools}
    assert set(found) == {"predict", "read"}
    taken = found["read"].inputSchema
    assert taken["required"] == ["image"]
    assert taken["properties"]["alphabet"]["enum"] == ["digits", "letters", "all", "printable"]


def test_a_picture_is_read(tools: Served, picture: str) -> None:
    succeeded, said = called(tools, "read", image=picture, alphabet="digits")
    assert succeeded, said
    assert "'text': '7'" in said


def test_tools_without_their_package_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"gradio\[mcp\]"):
        app.main(app.Options(mcp=True))


@pytest.mark.parametrize(
    ("name", "given", "expected"),
    [
        ("read", {"image": "/etc/passwd"}, "provide a url"),
        ("read", {"image": "http://127.0.0.1:9/a.png"}, "not the inputs that read takes"),
        ("predict", {"sketch": "a", "alphabet": "digits"}, "not valid"),
    ],
)
def test_what_is_no_picture_is_refused(tools: Served, name: str, given: dict[str, object], expected: str) -> None:
    succeeded, said = called(tools, name, **given)
    assert not succeeded and expected in said
    assert "Traceback" not in said and "root:" not in said
    assert "Traceback" not in tools.log.read_text()
