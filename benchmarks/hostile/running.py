"""Hostile cases run one after another, watched: what each got, how long it took, and what it touched."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from hwr import UserError

SECONDS = 20.0  # for one input; a busy machine is allowed to be slow, not to hang
LONGEST = 2000  # characters of a refusal: it is a sentence, not a copy of what was given
STARTS = frozenset({"subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork", "pickle.find_class"})
REACHES = frozenset({"socket.connect", "socket.getaddrinfo", "urllib.Request"})
CHANGES = frozenset({"os.mkdir", "os.remove", "os.rename", "os.symlink", "os.link", "os.truncate", "shutil.rmtree"})
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


class Case(NamedTuple):
    """One input: its kind, what it is, and the call that gets it. AssertionErrors say that an answer is none."""

    kind: str
    what: str
    ask: Callable[[], object]


@dataclass
class Tally:
    """What the inputs of one kind got. ``other`` says what was neither an answer nor a refusal."""

    answered: int = 0
    refused: int = 0
    slowest: float = 0.0  # seconds
    other: list[str] = field(default_factory=list)

    @property
    def inputs(self) -> int:
        """All of them."""
        return self.answered + self.refused + len(self.other)


class Refusal(Exception):  # noqa: N818  it is no error of the program
    """What stands for a UserError where the answer comes from another process."""


def run(cases: Iterable[Case], folder: Path, seconds: float = SECONDS, local: bool = True) -> dict[str, Tally]:
    """Each case, once; by kind, what they got.

    An answer, or a UserError of a sentence, within ``seconds`` is well. Any other exception is not, nor is starting a
    program, unpickling, changing a file outside ``folder``, or, where all is ``local``, reaching for the network.
    """
    tallies: dict[str, Tally] = {}
    for case in cases:
        tally = tallies.setdefault(case.kind, Tally())
        begun = time.perf_counter()
        with watched(folder, local) as touched:
            verdict = _verdict(case)
        took = time.perf_counter() - begun
        tally.slowest = max(tally.slowest, took)
        wrong = [
            *touched,
            *([f"took {took:.0f} s"] if took > seconds else []),
            *([verdict] if len(verdict) > 1 else []),
        ]
        if wrong:
            tally.other.append(f"{case.what}: {'; '.join(wrong)}")
        tally.answered += verdict == "a" and not wrong
        tally.refused += verdict == "r" and not wrong
    return tallies


def _verdict(case: Case) -> str:
    """``a`` answered, ``r`` refused, or else what went wrong."""
    try:
        case.ask()
    except (UserError, Refusal) as error:
        return "r" if len(str(error)) <= LONGEST else f"a refusal of {len(str(error)):,} characters"
    except (Exception, SystemExit) as error:
        where = _innermost(error)
        return f"{type(error).__name__} in {where}: {str(error)[:200]}"
    return "a"


def _innermost(error: BaseException) -> str:
    trace, where = error.__traceback__, ""
    while trace is not None:
        where = f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}"
        trace = trace.tb_next
    return where


# --- what the interpreter says that it does ---

_watchers: list[Callable[[str, tuple[Any, ...]], None]] = []
_hooked: list[bool] = []


@contextmanager
def watched(folder: Path, local: bool = True) -> Iterator[list[str]]:
    """What is done in the block that no input may do: a line each. ``folder`` alone may be changed."""
    unwanted = STARTS | REACHES if local else STARTS
    touched: list[str] = []
    if not _hooked:  # an audit hook stays until the process ends
        sys.addaudithook(lambda event, details: [watch(event, details) for watch in _watchers] and None)
        _hooked.append(True)

    def watch(event: str, details: tuple[Any, ...]) -> None:
        if event in unwanted or (event in CHANGES and _outside(folder, details[0])):
            touched.append(f"{event} {details[:2]!r:.100}")
        elif event == "open" and (details[2] or 0) & WRITING and _outside(folder, details[0]):
            touched.append(f"wrote to {details[0]!r:.100}")

    _watchers.append(watch)
    try:
        yield touched
    finally:
        _watchers.remove(watch)


def _outside(folder: Path, path: object) -> bool:
    if not isinstance(path, (str, bytes)) or os.fsdecode(path) == os.devnull:
        return False  # a file that is open already, or none
    return not os.path.realpath(os.fsdecode(path)).startswith(os.path.realpath(folder) + os.sep)


# --- memory ---

_STATUS, _RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


@contextmanager
def peak_memory() -> Iterator[Callable[[], float]]:
    """MiB that the process grew by in the block, at its peak; nan where the system does not say."""
    with suppress(OSError):
        _RESET.write_text("5")  # the peak becomes what is in use now
    before = _in_use("VmHWM")
    yield lambda: _in_use("VmHWM") - before


def _in_use(name: str) -> float:
    with suppress(OSError):
        for line in _STATUS.read_text().splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1]) / 1024
    return float("nan")
