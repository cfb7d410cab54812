"""Records of a training: run.json, metrics.jsonl and TensorBoard's event files."""

from __future__ import annotations

import json
import math
import os
import platform
import re
import sys
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path, PurePath, PureWindowsPath
from typing import Any

import cv2
import torch

import hwr
from hwr.config import UserError
from hwr.files import write_atomically

LOG = "metrics.jsonl"
RUN = "run.json"
BOARD = "tensorboard"
PACKAGES = ("torch", "torchvision", "timm", "numpy", "accelerate")
MACHINE_PATH = re.compile(r"~|[\\/]|\.\.[\\/]|[A-Za-z]:[\\/]")  # a relative path says nothing about the machine


class Records:
    """The records of one run, in its folder. With ``enabled`` false every method does nothing.

    Of several processes only the first may write. Methods raise UserError if the disk is full or not writable;
    errors of TensorBoard's files, which are a convenience, are printed once and ignored.
    """

    def __init__(self, folder: Path, enabled: bool = True) -> None:
        self.folder, self.enabled = folder, enabled
        self._board = _Board(folder / BOARD)

    def start(self, command: list[str], config: dict[str, Any], data: list[dict[str, Any]], device: str) -> None:
        """Write RUN: the command, its configuration and data, versions and hardware, and when it started.

        ``data`` has one dictionary a source: name, split, samples, classes. ``device`` is torch's name, such as
        cuda:0. If RUN exists already, the run is resumed: the time and the former values of changed settings
        ("before") are added under "resumed".
        """
        if not self.enabled:
            return
        run = read_run(self.folder)
        if run:
            config = json.loads(json.dumps(config, default=str))  # as those of the file
            was = run.get("config", {})
            before = {name: was.get(name) for name in config if name != "resume" and was.get(name) != config[name]}
            run["resumed"] = [*run.get("resumed", []), {"at": _now(), "before": before}]
            run["config"] = config
            for late in ("finished", "measured"):  # a resumed run is not finished
                run.pop(late, None)
        else:
            run = {"command": [_portable(word) for word in command], "config": config, "data": data}
            run |= {"versions": _versions(), "platform": _platform(device), "started": _now()}
        self._write_run(run)

    def log(self, epoch: int, values: Mapping[str, float | None]) -> None:
        """Append a line to LOG and a point to every curve of TensorBoard. Values that are not finite become null."""
        if not self.enabled:
            return
        line = json.dumps({"epoch": epoch} | {name: _finite(value) for name, value in values.items()})
        path = self.folder / LOG
        with _disk(path), path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")
        self._board.add(epoch, {name: value for name, value in values.items() if value is not None})

    def rewind(self, epochs_done: int) -> None:
        """Remove the lines that were logged after a number of epochs.

        A run killed between log and checkpoint repeats an epoch, which would otherwise be logged twice.
        """
        if not self.enabled:
            return
        path = self.folder / LOG
        kept = [line for line in read(self.folder) if line["epoch"] <= epochs_done]
        if path.exists():
            with _disk(path):
                write_atomically(path, "".join(json.dumps(line) + "\n" for line in kept).encode())
        self._board.rewind(epochs_done)

    def finish(self, measured: dict[str, Any]) -> None:
        """Add the time of the end and the figures ``measured`` then to RUN, and close TensorBoard's files."""
        if not self.enabled:
            return
        self._write_run(read_run(self.folder) | {"finished": _now(), "measured": measured})
        self._board.close()

    def _write_run(self, run: dict[str, Any]) -> None:
        with _disk(self.folder / RUN):
            self.folder.mkdir(parents=True, exist_ok=True)
            write_atomically(
                self.folder / RUN, (json.dumps(run, indent=2, ensure_ascii=False, default=str) + "\n").encode()
            )


def read(folder: Path) -> list[dict[str, Any]]:
    """Return the lines of LOG, one an epoch; none without LOG. Raises UserError if a line is damaged.

    An incomplete last line, left by a process that was killed, is ignored.
    """
    path = folder / LOG
    try:
        lines = path.read_bytes().splitlines()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}; make it readable or move it away") from None
    found = [_parse(line) for line in lines]
    if found and found[-1] is None:
        found.pop()
    for number, line in enumerate(found, 1):
        if line is None:
            raise UserError(f"{path}, line {number}: expected JSON with an epoch; remove the line")
    return [line for line in found if line is not None]


def _parse(line: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) and isinstance(value.get("epoch"), int) else None


def read_run(folder: Path) -> dict[str, Any]:
    """Return RUN, or an empty dictionary before the first start. Raises UserError if it is damaged."""
    path = folder / RUN
    try:
        run = json.loads(path.read_bytes())
        if not isinstance(run, dict):
            raise ValueError("an object was expected")
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}; is its folder a folder, and readable?") from None
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is not valid JSON: {error}; move it away and a new one is written") from None
    return run


@contextmanager
def _disk(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UserError(
            f"{path} cannot be written: {error.strerror}; make room for it or let it be written, then start again "
            "(--resume goes on from the last checkpoint)"
        ) from None


def _portable(word: str) -> str:
    """Return an argument without folders of this machine: ``--out=/home/me/runs/a`` is ``--out=a``."""
    flag, equals, value = word.partition("=") if word.startswith("-") else ("", "", word)
    if MACHINE_PATH.match(value):
        path = PureWindowsPath(value) if "\\" in value else PurePath(value)
        value = path.name or value
    return flag + equals + value


def _finite(value: float | None) -> float | None:
    """Return None for infinity and NaN, which JSON does not have."""
    return value if value is not None and math.isfinite(value) else None


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _versions() -> dict[str, str | None]:
    """Return the versions of packages, None if not installed. OpenCV has packages of several names: ask the module."""
    found: dict[str, str | None] = {"python": platform.python_version(), "hwr": hwr.__version__}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = None
    return found | {"opencv": cv2.__version__}


def _platform(device: str) -> dict[str, Any]:
    """Describe the hardware, without the name of the host."""
    cuda = torch.device(device).type == "cuda"
    parallel = torch.distributed.is_available() and torch.distributed.is_initialized()
    return {
        "system": platform.system(),
        "machine": platform.machine(),
        "processors": os.cpu_count(),
        "device": device,
        "device_name": torch.cuda.get_device_name(device) if cuda else _processor(),
        "threads": torch.get_num_threads(),
        "processes": torch.distributed.get_world_size() if parallel else 1,
    }


def _processor() -> str:
    """Return the processor's model; on Linux Python itself knows only its family."""
    try:
        found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(errors="replace"), re.MULTILINE)
    except OSError:
        found = None
    return found[1] if found else platform.processor() or platform.machine()


class _Board:
    """TensorBoard's event files in ``folder``, opened at the first epoch. Their errors never stop a training."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.broken = False
        self._purge_step: int | None = None
        self._writer: Any = None

    def add(self, epoch: int, values: dict[str, float]) -> None:
        if self.broken:
            return
        with self._spared():
            writer = self._open()
            for name, value in values.items():
                writer.add_scalar(name, value, epoch)
            writer.flush()  # TensorBoard shows the epoch now, not after two minutes

    def rewind(self, epochs_done: int) -> None:
        """Points of later epochs disappear when the files are next read; they are never rewritten."""
        self.close()
        self._purge_step = epochs_done + 1

    def close(self) -> None:
        writer, self._writer = self._writer, None
        if writer is not None:
            with self._spared():
                writer.close()

    def _open(self) -> Any:
        """Open the writer. The import is here because it takes seconds."""
        if self._writer is None:
            with warnings.catch_warnings():
                # TensorBoard and protobuf use names that newer Pythons deprecate; a user cannot change that.
                warnings.simplefilter("ignore", DeprecationWarning)
                from torch.utils.tensorboard import SummaryWriter
            self._writer = SummaryWriter(str(self.folder), purge_step=self._purge_step)
            self._purge_step = None  # a second writer would purge what the first one wrote
        return self._writer

    @contextmanager
    def _spared(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # a full disk, a missing package or a file of that name costs only the curves
            self.broken, self._writer = True, None
            print(f"{self.folder}: no curves for TensorBoard from here on: {error}", file=sys.stderr)
