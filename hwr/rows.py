"""Answers as lines of text: a table for people, JSON or CSV for programs. One picture is always one line."""

from __future__ import annotations

import csv
import io
import json
from abc import ABC, abstractmethod
from pathlib import Path
from typing import NamedTuple

from hwr.config import UserError
from hwr.reading.result import Character, Reading
from hwr.recognizer import Answer

FORMULA = "=+-@"  # what a spreadsheet takes for the beginning of one


class Row(NamedTuple):
    """What was found of one picture: an answer or a reading, or else why there is none."""

    name: str
    found: Answer | Reading | None = None
    error: str = ""


class Done(NamedTuple):
    """What a file of rows holds: names as ``Format.written`` gives them, and how many of them failed."""

    names: set[str]
    failed: int


def printable(text: str) -> str:
    """Backslashes and whatever is not printable as Python escapes: no name moves a cursor or begins a line."""
    return "".join(c if c.isprintable() and c != "\\" else c.encode("unicode_escape").decode() for c in text)


class Format(ABC):
    """A way to write rows as lines."""

    head = ""  # the first line, where there is one

    @abstractmethod
    def line(self, row: Row) -> str:
        """A row, without the line's end."""


class Table(Format):
    """For people: the answer, how probable it is, the picture, and what else it may be."""

    def line(self, row: Row) -> str:
        """``5    99.2%  examples/5.png  or S 0.4%, 3 0.1%``."""
        name = printable(row.name)
        if row.found is None:
            return f"-       ?  {name}  {printable(row.error)}"
        if isinstance(row.found, Reading):
            return f"{name}  {printable(row.found.text)}"
        if not row.found.probabilities:
            return f"-       -  {name}  blank"
        (best, likely), *others = [(printable(answer), p) for answer, p in row.found.probabilities.items()]
        more = ", ".join(f"{answer} {p:.1%}" for answer, p in others)
        notes = [*(() if row.found.confident else ("not sure",)), *((f"or {more}",) if more else ())]
        return "  ".join([f"{best:<3}{likely:>6.1%}", name, *notes])


class Records(Format):
    """Lines that a program can read again, to go on where it was stopped."""

    @property
    @abstractmethod
    def opening(self) -> str:
        """What a file of these begins with."""

    @abstractmethod
    def written(self, name: str) -> str:
        """The name of a picture as it stands in a row."""

    @abstractmethod
    def parse(self, line: str) -> Row | None:
        """Written name and error of a row; None if the line is no row."""


class Json(Records):
    """One object a line, in ASCII: ``picture`` with ``answers`` and ``confident``, with ``text``, or with ``error``."""

    opening = '{"picture": '

    def line(self, row: Row) -> str:
        """The row as an object, its name first."""
        return json.dumps({"picture": row.name, **self._content(row)})

    def written(self, name: str) -> str:
        """As it is."""
        return name

    def parse(self, line: str) -> Row | None:
        """See `Records.parse`."""
        try:
            found = json.loads(line)
            return Row(str(found["picture"]), error=str(found.get("error", "")))
        except (ValueError, LookupError, TypeError, AttributeError):
            return None

    def _content(self, row: Row) -> dict[str, object]:
        if row.found is None:
            return {"error": row.error}
        if isinstance(row.found, Answer):
            return self._answer(row.found)
        characters = [{"box": [int(side) for side in c.box], **self._answer(c)} for c in row.found.characters]
        return {"text": row.found.text, "characters": characters}

    def _answer(self, found: Answer | Character) -> dict[str, object]:
        return {"answers": found.probabilities, "confident": found.confident}


class Csv(Records):
    """RFC 4180 with names and texts as ``printable`` gives them, and an apostrophe before what looks like a formula.

    ``answers`` a picture, each with its probability; 0 for readings.
    """

    def __init__(self, answers: int) -> None:
        ranks = ("", *(f"_{n}" for n in range(2, answers + 1)))
        ranked = [f"{name}{rank}" for rank in ranks for name in ("answer", "probability")]
        self.columns = ["picture", *(ranked if answers else ["text"]), "confident", "error"]
        self.head = ",".join(self.columns)

    @property
    def opening(self) -> str:
        """The head."""
        return self.head

    def line(self, row: Row) -> str:
        """The row, each value in its column."""
        values: list[str] = []
        if isinstance(row.found, Answer):
            values = [cell for answer, p in row.found.probabilities.items() for cell in (_cell(answer), f"{p:.6g}")]
        elif row.found is not None:
            values = [_cell(row.found.text)]
        empty = [""] * (len(self.columns) - 3 - len(values))
        text = io.StringIO()
        cells = [self.written(row.name), *values, *empty, _confident(row.found), _cell(row.error)]
        csv.writer(text, lineterminator="").writerow(cells)
        return text.getvalue()

    def written(self, name: str) -> str:
        """Escaped."""
        return _cell(name)

    def parse(self, line: str) -> Row | None:
        """See `Records.parse`."""
        cells = next(csv.reader([line]), [])
        return Row(cells[0], error=cells[-1]) if len(cells) == len(self.columns) else None


def _cell(text: str) -> str:
    """Text that neither a terminal nor a spreadsheet acts on; a single sign is no formula."""
    return "'" * (len(text) > 1 and text[0] in FORMULA) + printable(text)


def _confident(found: Answer | Reading | None) -> str:
    if found is None:
        return ""
    sure = found.confident if isinstance(found, Answer) else all(c.confident for c in found.characters)
    return str(sure).lower()


def repair(path: Path, form: Records) -> Done:
    """What a file holds already; a last line that was cut off in writing is taken away.

    Raises UserError, and leaves the file as it is, if it holds anything else.
    """
    done, whole = Done(set(), 0), 0
    if not path.exists():
        return done
    failed = 0
    with path.open("r+b") as file:
        for number, line in enumerate(file, 1):
            if number == 1 and not _begins(line, form.opening.encode()):
                raise UserError(f"--resume: {path} is no earlier answer of the same form: name another file")
            if not line.endswith(b"\n"):
                file.truncate(whole)
                break
            whole += len(line)
            if number > 1 or not form.head:
                row = form.parse(line.decode("utf-8", "replace").removesuffix("\n"))
                if row is None:
                    raise UserError(f"--resume: line {number} of {path} is no answer of this form: name another file")
                done.names.add(row.name)
                failed += bool(row.error)
    return done._replace(failed=failed)


def _begins(line: bytes, opening: bytes) -> bool:
    """The line begins as it should, as far as it goes."""
    return line[: len(opening)] == opening[: len(line)] if not line.endswith(b"\n") else line.startswith(opening)
