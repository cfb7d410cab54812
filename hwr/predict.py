"""Recognise many pictures from files, folders, patterns and standard input, one row each, in bounded memory."""

from __future__ import annotations

import glob
import io
import os
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any, NamedTuple, TextIO

from PIL import Image
from tqdm import tqdm

from hwr.cli import ignore_broken_pipe
from hwr.config import Alphabet, UserError
from hwr.ink import pages
from hwr.ink.formats import about_skipped, readable
from hwr.ink.picture import PAGES, Gray, opened
from hwr.recognizer import BATCH, Recognizer
from hwr.rows import Csv, Format, Json, Row, Table

STANDARD_INPUT = "-"
MAX_BYTES = 2**28  # largest picture on standard input
AHEAD = 2 * BATCH  # pictures that are decoded in advance


class FailedError(UserError):
    """Some pictures could not be answered; all others were."""

    exit_status = 1


@dataclass(frozen=True)
class Task:
    """The question about every picture, and the form of the answers."""

    alphabet: Alphabet = "all"
    top_k: int = 3
    read: bool = False
    json: bool = False
    csv: bool = False

    def check(self) -> None:
        """Raise UserError for contradictory or impossible options."""
        if self.json and self.csv:
            raise UserError("--json and --csv: choose one of the two")
        if self.top_k < 1:
            raise UserError(f"--top-k {self.top_k}: expected at least 1")

    def form(self) -> Format:
        """Return the format of the rows."""
        return Json() if self.json else Csv(0 if self.read else self.top_k) if self.csv else Table()


class Seen(NamedTuple):
    """A preprocessed picture."""

    name: str
    ink: Gray | None


def predict(words: Sequence[str], model: str, task: Task, out: Path | None = None) -> None:
    """Write a row for every picture that the words name, to standard output or to a new file ``out``.

    Raises FailedError, at the end, if there are rows without an answer.
    """
    task.check()
    if not words:
        raise UserError("no pictures: name files, folders or patterns, or - for standard input")
    form = task.form()
    recognizer = Recognizer.from_pretrained(model)
    recognizer.labels(task.alphabet)  # raises UserError for an alphabet that the model lacks
    skipped: list[str] = []
    total = sum(1 for _ in pictures(words, skipped))
    if skipped:
        print(about_skipped(skipped), file=sys.stderr)
    failed = 0  # if the reader of standard output stops early
    with _sink(out) as sink:
        if form.head:
            print(form.head, file=sink, flush=True)
        quiet = True if sink.isatty() else None  # no progress bar between rows on a terminal
        found = tqdm(rows(recognizer, pictures(words), task), "pictures", total, disable=quiet)
        failed = _write(found, form, sink)
    if failed:
        raise FailedError(f"{failed:,} of {total:,} pictures have no answer: their rows say why")


@contextmanager
def _sink(out: Path | None) -> Iterator[TextIO]:
    """Open the output of the rows. Raises UserError for a file that exists or cannot be written."""
    if out is not None:
        try:
            file = out.open("x", encoding="utf-8", newline="")
        except FileExistsError:
            raise UserError(f"--out {out} already exists: name another file") from None
        except OSError as error:
            raise UserError(f"--out {out} cannot be written: {error.strerror}") from None
        with file:
            yield file
        return
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # the terminal's encoding may lack the letters of a class
    with ignore_broken_pipe():
        yield sys.stdout


def _write(found: Iterable[Row], form: Format, sink: TextIO) -> int:
    """Write and flush row after row; return how many have no answer."""
    failed = 0
    for row in found:
        print(form.line(row), file=sink, flush=True)
        failed += bool(row.error)
    return failed


# --- from names to rows ---


def rows(recognizer: Recognizer, names: Iterable[str], task: Task) -> Iterator[Row]:
    """Yield a row for every name, in order, with the error of a picture that cannot be read."""

    def read(name: str) -> Row:
        return Row(name, recognizer.read(content(name), task.alphabet, task.top_k))

    def see(name: str) -> Seen:
        return Seen(name, recognizer.see(content(name)))

    if task.read:
        yield from _ahead(read, names)
        return
    seen = _ahead(see, names)
    while batch := list(islice(seen, BATCH)):
        inks = [one.ink for one in batch if isinstance(one, Seen)]
        answers = iter(recognizer.answers(inks, task.top_k, task.alphabet))
        yield from (Row(one.name, next(answers)) if isinstance(one, Seen) else one for one in batch)


def _ahead(work: Callable[[str], Any], names: Iterable[str]) -> Iterator[Any]:
    """Yield ``work(name)`` for each name, in order, at most AHEAD in advance; a Row with the error if it fails."""
    pool, waiting = ThreadPoolExecutor(), deque[tuple[str, Future[Any]]]()
    try:
        for name in names:
            waiting.append((name, pool.submit(work, name)))
            if len(waiting) == AHEAD:
                yield _outcome(*waiting.popleft())
        while waiting:
            yield _outcome(*waiting.popleft())
    finally:
        pool.shutdown(cancel_futures=True)


def _outcome(name: str, future: Future[Any]) -> Any:
    try:
        return future.result()
    except UserError as error:
        return Row(name, error=str(error))
    except Exception as error:  # an error of the system or a decoder must not stop the other pictures
        return Row(name, error=f"{type(error).__name__}: {error}")


# --- from words to names ---


def pictures(words: Iterable[str], skipped: list[str] | None = None) -> Iterator[str]:
    """Yield the names of the pictures that the words of a command line name: files, folders and patterns.

    Each page of a file is a picture of its own, ``scan.tif#page=2``. A word that matches nothing is yielded unchanged,
    and so is a folder without pictures. Files in folders that cannot be read as pictures are added to ``skipped``.
    """
    left_out = [] if skipped is None else skipped
    for word in words:
        found = _named(word, left_out)
        first = next(found, word)
        for name in chain((first,), found):
            yield from pages.names(name)


def _named(word: str, skipped: list[str]) -> Iterator[str]:
    if os.path.lexists(word) or not glob.has_magic(word):
        yield from _in_folder(word, skipped) if _is_folder(word) else (word,)
        return
    for match in sorted(glob.iglob(word, recursive=True)):  # noqa: PTH207  Path.glob takes no absolute pattern
        if not _is_folder(match):
            yield match
        elif "**" not in word:  # a pattern with ** names the files of the folder as well
            yield from _in_folder(match, skipped)


def _is_folder(name: str) -> bool:
    return os.path.isdir(name)  # noqa: PTH112  Path.is_dir raises an error for names that are too long


def _in_folder(folder: str, skipped: list[str]) -> Iterator[str]:
    """Yield pictures in a folder and below it, without hidden ones and without following links to folders."""
    for root, below, files in os.walk(folder):
        below[:] = sorted(name for name in below if not name.startswith("."))
        for name in sorted(files):
            path = os.path.join(root, name)  # noqa: PTH118  a Path drops the ./ that somebody gave
            if readable(name) and not name.startswith("."):
                yield path
            elif not name.startswith("."):
                skipped.append(path)


def content(name: str) -> Any:
    """Return a picture for Recognizer: the path, or the picture on standard input."""
    if name == STANDARD_INPUT:
        return _from_standard_input()
    if _is_folder(name):
        raise UserError(f"no pictures in the folder {name} that can be read: expected files such as 1.png")
    return name


def _from_standard_input() -> Image.Image:
    data = sys.stdin.buffer.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise UserError(f"standard input is too large: at most {MAX_BYTES // 2**20} MiB are read")
    if not data:
        raise UserError("standard input: expected a picture, and it is empty")
    image = opened(io.BytesIO(data), "standard input")
    if (count := image.info.get(PAGES, len(pages.numbers(image)))) > 1:
        raise UserError(f"standard input: a file of {count} pages; save it and name the file, to read them all")
    return image
