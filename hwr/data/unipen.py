"""Read files in the UNIPEN format (Guyon et al. 1994): labelled segments of pen trajectories.

A data file lists ``.SEGMENT HIERARCHY DELINEATION QUALITY "LABEL"`` and includes the files that hold the pen. A
delineation such as ``12-15``, ``3:10-4:25`` or ``1,4-6`` names components, and points in them after a colon, from 0.
Only components that have points are counted: some contributors write empty ones, and counting those would shift every
label that follows. UNIPEN's y grows upwards; the strokes given here have y growing downwards.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hwr.config import UserError

SEGMENT = re.compile(r'\.SEGMENT\s+(\S+)\s+(?:([\d:,\-\s]+?)\s+)?(?:([^\s"]+)\s+)?"((?:[^"\\]|\\.)*)"')
ESCAPED = re.compile(r"\\(.)")
NUMBER = re.compile(r"[-+]?\d")
MAX_DEPTH = 20  # of files that include one another; more is a circle
UNKNOWN = ""  # the writer before any .WRITER_ID


@dataclass(frozen=True)
class Component:
    """A path of the pen, down or up: ``points`` (P, 2), with y growing downwards, P at least 1."""

    points: NDArray[np.float64]
    is_ink: bool  # the pen was down
    writer: str


@dataclass(frozen=True)
class Segment:
    """A labelled part of a file: its strokes, the paths with the pen down, and their writer."""

    kind: str  # CHARACTER, WORD, TEXT, DIGIT ...
    label: str
    strokes: list[NDArray[np.float64]]
    writer: str


@dataclass
class File:
    """Components and labels of a data file and the files that it includes."""

    components: list[Component] = field(default_factory=list)
    labels: list[tuple[str, str, str, int]] = field(default_factory=list)  # kind, delineation, label, components before
    missing: list[str] = field(default_factory=list)  # included files that are not there
    bad: int = 0  # segments of quality BAD

    def segments(self) -> Iterator[Segment]:
        """Yield every segment that has ink and is not of quality BAD.

        A label without a delineation applies to the components that follow, up to the next label.
        """
        starts = [start for _, _, _, start in self.labels]
        for (kind, delineation, label, start), end in zip(
            self.labels, [*starts[1:], len(self.components)], strict=True
        ):
            parts = list(self._parts(delineation)) if delineation else self.components[start:end]
            strokes = [part.points for part in parts if part.is_ink and len(part.points)]
            if strokes:
                yield Segment(kind, label, strokes, parts[0].writer)

    def _parts(self, delineation: str) -> Iterator[Component]:
        """Return the components that a delineation names, cut at the points that it names."""
        for piece in delineation.replace(" ", "").split(","):
            first, _, last = piece.partition("-")
            (begin, from_point), (end, to_point) = _place(first), _place(last or first)
            for i in range(begin, min(end + 1, len(self.components))):
                component = self.components[i]
                low = from_point if i == begin and from_point is not None else 0
                high = to_point + 1 if i == end and to_point is not None else len(component.points)
                yield Component(component.points[low:high], component.is_ink, component.writer)


def _place(text: str) -> tuple[int, int | None]:
    """Parse ``3:10`` as component 3, point 10; the point is None if none is named."""
    component, _, point = text.partition(":")
    return int(component), int(point) if point else None


def read(path: Path, include: Path) -> File:
    """Read a data file and the files that it includes from ``include``. Raises UserError if they include each other."""
    reader = _Reader(include)
    reader.read(path, 0)
    reader.close()
    return reader.file


class _Reader:
    """The state of the pen while lines are read."""

    def __init__(self, include: Path) -> None:
        self.include, self.file = include, File()
        self.writer, self.columns = UNKNOWN, (0, 1)
        self.points: list[tuple[float, float]] = []
        self.pen: bool | None = None  # down, up, or not among points

    def read(self, path: Path, depth: int) -> None:
        if depth > MAX_DEPTH:
            raise UserError(f"{path} is included by a file that it includes")
        for line in path.read_text(encoding="latin-1").splitlines():
            text = line.strip()
            if text.startswith("."):
                self._keyword(text, depth)
            elif self.pen is not None and NUMBER.match(text):
                self._point(text)

    def _keyword(self, text: str, depth: int) -> None:
        word, _, rest = text.partition(" ")
        word, *more = word.split("\t")
        rest = " ".join([*more, rest]).strip()
        if word in (".PEN_DOWN", ".PEN_UP"):
            self.close()
            self.pen = word == ".PEN_DOWN"
        elif word == ".INCLUDE":
            self._include(rest, depth)
        elif word == ".WRITER_ID":
            self.close()
            self.writer = rest
        elif word == ".COORD":
            names = rest.upper().split()
            self.columns = (names.index("X"), names.index("Y")) if {"X", "Y"} <= {*names} else (0, 1)
        elif word == ".SEGMENT":
            self._segment(text)
        elif word != ".DT":  # whatever numbers follow other words are no points
            self.close()

    def close(self) -> None:
        """End the current component; one without points is dropped."""
        if self.points and self.pen is not None:
            points = np.array(self.points, np.float64) * (1, -1)
            self.file.components.append(Component(points, self.pen, self.writer))
        self.points, self.pen = [], None

    def _point(self, text: str) -> None:
        values = text.split()
        if len(values) > max(self.columns):
            x, y = (float(values[column]) for column in self.columns)
            self.points.append((x, y))

    def _include(self, name: str, depth: int) -> None:
        self.close()
        path = self.include / name
        if path.is_file() and path.resolve().is_relative_to(self.include.resolve()):
            self.read(path, depth + 1)
        else:
            self.file.missing.append(name)

    def _segment(self, text: str) -> None:
        self.close()
        found = SEGMENT.match(text)
        if found is None:
            return
        kind, delineation, quality, label = found.groups()
        if quality == "BAD":
            self.file.bad += 1
            return
        label = ESCAPED.sub(lambda escaped: "" if escaped[1] == "@" else escaped[1], label)
        self.file.labels.append((kind.upper(), delineation or "", label, len(self.file.components)))
