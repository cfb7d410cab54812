"""What the tests share: the page as ``python app.py`` serves it, one process for all tests of a run."""

from __future__ import annotations

import os
import tempfile

from hub_wire import free_port

os.environ["HF_HUB_OFFLINE"] = "1"  # before gradio and huggingface_hub are imported: no test may leave this machine
os.environ["HF_ENDPOINT"] = f"http://127.0.0.1:{free_port()}"  # where the Hub of the tests is, while there is one
os.environ["HF_HOME"] = tempfile.mkdtemp(prefix="hf-home-")  # nor use what its owner has there
os.environ["HF_TOKEN"] = os.environ["HWR_MODEL"] = ""
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
if "PYTEST_XDIST_WORKER" in os.environ:  # several threads of each worker would wait for one another
    os.environ["OMP_NUM_THREADS"] = "1"
os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1,localhost"

import random
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import browsing
import numpy as np
import pytest
from hub_server import Hub
from huggingface_hub import constants
from playwright.sync_api import Browser, BrowserContext, Page, Playwright, sync_playwright

from hwr import Recognizer
from hwr.hub import network, repository

HUB_PORT = int(os.environ["HF_ENDPOINT"].rpartition(":")[2])
ROOT = Path(__file__).parent.parent
STARTS_WITHIN = 300  # seconds: importing gradio takes minutes where twenty other programs run


@pytest.fixture(autouse=True)
def fresh_accelerator() -> Iterator[None]:
    """accelerate keeps one state a process: no test may find the precision of the one before."""
    yield
    if "accelerate" in sys.modules:
        sys.modules["accelerate"].state.AcceleratorState._reset_state(reset_partial_state=True)


@pytest.fixture(autouse=True)
def fixed_seed() -> None:
    """Every test starts from the same random state, alone or after any others: none may pass or fail by luck."""
    random.seed(0)
    np.random.seed(0)
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(0)


@pytest.fixture
def hub_of_tests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A Hub of its own for one test, with this process as a client that may write; its pauses are short."""
    home = tmp_path / "home"
    for name, value in {
        "HF_HUB_OFFLINE": False,
        "HF_HUB_DISABLE_XET": True,
        "HF_HOME": str(home),
        "HF_HUB_CACHE": str(home / "hub"),
        "HF_HUB_DOWNLOAD_TIMEOUT": 1,
    }.items():
        monkeypatch.setattr(constants, name, value)
    monkeypatch.setenv("HF_TOKEN", "hf_write")
    monkeypatch.setattr(repository, "PROBE", 1.0)
    monkeypatch.setattr(network, "WAITS", (0.05, 0.1, 0.1))
    pause = time.sleep
    monkeypatch.setattr(time, "sleep", lambda seconds: pause(min(seconds, 0.05)))  # the client's own, too
    with Hub(tmp_path / "hub", port=HUB_PORT) as hub:
        yield hub


@pytest.fixture(scope="session")
def recognizer() -> Recognizer:
    """The bundled model."""
    return Recognizer.from_pretrained()


@pytest.fixture(scope="session")
def page_log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All that the page's process printed."""
    return tmp_path_factory.mktemp("page") / "log"


@pytest.fixture(scope="session")
def page_url(page_log: Path) -> Iterator[str]:
    """Address of the page with the bundled model."""
    with served(page_log, os.environ) as url:
        yield url


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as playwright:
        yield playwright


@pytest.fixture(scope="session")
def chromium(playwright: Playwright) -> str:
    """Where the browser is."""
    found = browsing.executable(playwright)
    if found is None:
        browsing.missing("there is no Chromium: playwright install chromium")
    return found


@pytest.fixture(scope="module")  # one that is left open goes on drawing nothing, at half of a core
def browser(playwright: Playwright, chromium: str) -> Iterator[Browser]:
    browser = playwright.chromium.launch(executable_path=chromium, args=browsing.CHROMIUM)
    yield browser
    browser.close()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    yield context
    context.close()


@pytest.fixture(scope="module")
def one_page(browser: Browser, page_url: str) -> Iterator[Page]:
    """A page that the tests of a module share: to load one takes longer than most of them."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    page = browsing.opened(context, page_url)
    browsing.panel(page, "example")  # which would else come between the first test and its drawing
    yield page
    context.close()


@pytest.fixture
def page(one_page: Page) -> Page:
    """The page with empty pads and nothing chosen."""
    browsing.reset(one_page)
    return one_page


@contextmanager
def served(log: Path, env: Mapping[str, str], model: str = "") -> Iterator[str]:
    """Address of the page while it runs, set up by environment variables alone as on a Space."""
    port = free_port()
    settings = {
        "GRADIO_SERVER_PORT": str(port),
        "GRADIO_SERVER_NAME": "127.0.0.1",
        "GRADIO_TEMP_DIR": str(log.parent),
        "GRADIO_ANALYTICS_ENABLED": "False",
        "HWR_MODEL": model,
        "PYTHONUNBUFFERED": "1",
    }
    with log.open("w") as file:
        process = subprocess.Popen(
            [sys.executable, "app.py"], cwd=ROOT, env={**env, **settings}, stdout=file, stderr=subprocess.STDOUT
        )
        try:
            wait_for(port, process, log)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(30)


def wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until the page listens and has asked itself whether it answers: a request before that may outrun it."""
    for _ in range(STARTS_WITHIN * 5):
        with socket.socket() as attempt:
            if "public link" in log.read_text() and attempt.connect_ex(("127.0.0.1", port)) == 0:
                return
        assert process.poll() is None, log.read_text()
        time.sleep(0.2)
    raise AssertionError(f"app.py did not listen within {STARTS_WITHIN} s: {log.read_text()}")
