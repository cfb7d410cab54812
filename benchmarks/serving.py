"""Pages as processes of their own, for what measures them."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from hwr import UserError

ROOT = Path(__file__).parents[1]
APP = ("app.py",)
STARTS_WITHIN = 300  # seconds: importing gradio takes minutes where twenty other programs run
STOPS_WITHIN = 30  # seconds


class Served(NamedTuple):
    """A page that runs: its address, its process, and all that it printed."""

    url: str
    process: subprocess.Popen[bytes]
    log: Path


@contextmanager
def served(*command: str, **environment: str) -> Iterator[Served]:
    """``python command`` while it serves a page on a free port of this machine; it is stopped after that."""
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="page-") as folder:
        log = Path(folder) / "log"
        settings = {
            "GRADIO_SERVER_PORT": str(port),
            "GRADIO_SERVER_NAME": "127.0.0.1",
            "GRADIO_TEMP_DIR": folder,
            "GRADIO_ANALYTICS_ENABLED": "False",
            "HF_HUB_OFFLINE": "1",
            "PYTHONUNBUFFERED": "1",
            **environment,
        }
        with log.open("w") as file:
            process = subprocess.Popen(
                [sys.executable, *command], cwd=ROOT, env=os.environ | settings, stdout=file, stderr=subprocess.STDOUT
            )
        try:
            wait_for(port, process, log)
            yield Served(f"http://127.0.0.1:{port}", process, log)
        finally:
            process.terminate()
            process.wait(STOPS_WITHIN)


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.socket() as any_free:
        any_free.bind(("127.0.0.1", 0))
        return int(any_free.getsockname()[1])


def wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    """Return once the page listens and has asked itself whether it answers: a request before that may outrun it.

    Raises UserError with the log where the page ends, or does not listen in time.
    """
    end = time.monotonic() + STARTS_WITHIN
    while time.monotonic() < end and process.poll() is None:
        with socket.socket() as attempt:
            if "public link" in log.read_text() and attempt.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise UserError(f"the page did not listen within {STARTS_WITHIN} s: {log.read_text()}")
