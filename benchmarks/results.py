"""What a benchmark measured, as a JSON file that says by which command, with which versions, on which machine."""

from __future__ import annotations

import json
import platform
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import timm
import torch

import hwr
from hwr.files import write_atomically

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "benchmarks"


def report(name: str, *packages: str, **found: Any) -> dict[str, Any]:
    """The results of ``python -m benchmarks.NAME`` and what a reader needs to judge them; ``packages`` count too."""
    versions = {"hwr": hwr.__version__, "torch": torch.__version__, "timm": timm.__version__}
    return {
        "command": " ".join([f"python -m benchmarks.{name}", *(Path(word).name for word in sys.argv[1:])]),
        "versions": versions | {package: version(package) for package in packages},
        "machine": machine(processor(), torch.get_num_threads()),
        **found,
    }


def machine(name: str, threads: int) -> str:
    return f"{name}, {threads} thread" + "s" * (threads != 1)


def processor() -> str:
    """The processor's name where the system tells it, or else its architecture."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.machine()
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.machine())


def write(path: Path, found: dict[str, Any]) -> None:
    """Atomically."""
    write_atomically(path, (json.dumps(found, indent=2, ensure_ascii=False) + "\n").encode())
