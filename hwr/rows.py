"""Answers as lines of text: a table for people, JSON or CSV for programs. One picture is one line."""

from __future__ import annotations

import csv
import io
import json
from typing import NamedTuple, Protocol

from hwr.predictions import Answer
from hwr.reading.result import Character, Reading

FORMULA = "=+-@"  # characters with which a formula begins in a spreadsheet


class Row(NamedTuple):
    """The result of one picture: an answer or a reading, or else the error."""

    name: str
    found: Answer | Reading | None = None
    error: str = ""


def printable(text: str) -> str:
    """Return the text with backslashes and unprintable characters as Python escapes.

    No file name can then move a terminal's cursor or begin a line.
    """
    return "".join(c if c.isprintable() and c != "\\" else c.encode("unicode_escape").decode() for c in text)


class Format(Protocol):
    """A way to write rows as lines."""

    @property
    def head(self) -> str:
        """Return the first line; empty if there is none."""

    def line(self, row: Row) -> str:
        """Return a row, without the line's end."""


class Table:
    """A table for people: the answer, its probability, the picture, and other possible answers."""

    head = ""

    def line(self, row: Row) -> str:
        """Return a line such as ``5    99.2%  examples/5.png  or S 0.4%, 3 0.1%``."""
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


class Json:
    """JSON lines, in ASCII: ``picture`` with ``answers`` and ``confident``, with ``text``, or with ``error``."""

    head = ""

    def line(self, row: Row) -> str:
        """Return the row as an object, its name first."""
        return json.dumps({"picture": row.name, **self._content(row)})

    def _content(self, row: Row) -> dict[str, object]:
        if row.found is None:
            return {"error": row.error}
        if isinstance(row.found, Answer):
            return self._answer(row.found)
        characters = [{"box": [int(side) for side in c.box], **self._answer(c)} for c in row.found.characters]
        return {"text": row.found.text, "characters": characters}

    def _answer(self, found: Answer | Character) -> dict[str, object]:
        return {"answers": found.probabilities, "confident": found.confident}


class Csv:
    """RFC 4180, with names and texts escaped by `printable`, and an apostrophe before what looks like a formula.

    ``answers`` is the number of answers for each picture, each with its probability; 0 for readings.
    """

    def __init__(self, answers: int) -> None:
        ranks = ("", *(f"_{n}" for n in range(2, answers + 1)))
        ranked = [f"{name}{rank}" for rank in ranks for name in ("answer", "probability")]
        self.columns = ["picture", *(ranked if answers else ["text"]), "confident", "error"]
        self.head = ",".join(self.columns)

    def line(self, row: Row) -> str:
        """Return the row, each value in its column."""
        values: list[str] = []
        if isinstance(row.found, Answer):
            values = [cell for answer, p in row.found.probabilities.items() for cell in (_cell(answer), f"{p:.6g}")]
        elif row.found is not None:
            values = [_cell(row.found.text)]
        empty = [""] * (len(self.columns) - 3 - len(values))
        text = io.StringIO()
        cells = [_cell(row.name), *values, *empty, _confident(row.found), _cell(row.error)]
        csv.writer(text, lineterminator="").writerow(cells)
        return text.getvalue()


def _cell(text: str) -> str:
    """Return text that neither a terminal nor a spreadsheet acts on; a single sign is no formula."""
    return "'" * (len(text) > 1 and text[0] in FORMULA) + printable(text)


def _confident(found: Answer | Reading | None) -> str:
    if found is None:
        return ""
    sure = found.confident if isinstance(found, Answer) else all(c.confident for c in found.characters)
    return str(sure).lower()
