"""Files of several pages, TIFF and PDF: how many there are, their names, and each as a picture."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from PIL import Image

from hwr.config import UserError
from hwr.ink.formats import extra, is_pdf

NAMED = re.compile(r"(.+)#page=([1-9]\d{0,5})", re.DOTALL)  # as links to pages of a PDF are written
KINDS = (".tif", ".tiff", ".pdf")  # endings of files that may have several pages
MOST_PAGES = 10_000  # of a file
FINEST = 300 / 72  # pixels a point: 300 to the inch
REDUCED = 254, 1  # TIFF's tag NewSubfileType, and its bit for a smaller copy of another page
BEGINNING = 1024  # bytes in which a PDF says what it is


def split(name: str) -> tuple[str, int]:
    """A page's name as its file and number from 1 on, ``scan.tif#page=2``; 0 for a name without one.

    A file that is really called so is no page.
    """
    found = None if os.path.lexists(name) else NAMED.fullmatch(name)
    return (found[1], int(found[2])) if found else (name, 0)


def names(name: str) -> Iterator[str]:
    """The names of all pages of a file; its own for a single page, and where it cannot be read, which says why then."""
    found = _numbers(name) if name.lower().endswith(KINDS) else []
    yield from [f"{name}#page={number}" for number in found] if len(found) > 1 else [name]


def _numbers(name: str) -> list[int]:
    try:
        with Path(name).open("rb") as file:
            if is_pdf(file.read(BEGINNING)):
                return list(range(1, len(_document(name, name)) + 1))
        with Image.open(name, formats=("TIFF",)) as image:
            return numbers(image)
    except Exception:  # reading it says what is wrong with it
        return []


def numbers(image: Image.Image) -> list[int]:
    """The numbers of a TIFF's pages, from 1 on, without smaller copies of others; of other pictures 1 alone."""
    if image.format != "TIFF" or getattr(image, "n_frames", 1) == 1:
        return [1]
    before, found = image.tell(), list[int]()
    for frame in range(min(int(getattr(image, "n_frames", 1)), MOST_PAGES)):
        image.seek(frame)
        tags: Any = getattr(image, "tag_v2", {})
        if not int(tags.get(REDUCED[0], 0)) & REDUCED[1]:
            found.append(frame + 1)
    image.seek(before)
    return found or [1]


def turn_to(image: Image.Image, number: int, name: str) -> None:
    """Turn a TIFF to a page. Raises UserError if it has none of this number."""
    if number > (count := getattr(image, "n_frames", 1)):
        image.close()
        raise UserError(f"{name} has no page {number}: it has {count}")
    image.seek(number - 1)


def of_pdf(file: str | BinaryIO, number: int, name: str, longest: int) -> tuple[Image.Image, int]:
    """A page of a PDF, its longer side at most ``longest`` pixels, and how many pages there are.

    Raises UserError where the extra is missing, the file is damaged, or it has no such page.
    """
    document = _document(file, name)
    if number > len(document):
        raise UserError(f"{name} has no page {number}: it has {len(document)}")
    try:
        page = document[number - 1]
        scale = min(longest / max(*page.get_size(), 1.0), FINEST)
        return page.render(scale=scale).to_pil(), len(document)
    except Exception as error:
        raise UserError(f"{name} is damaged: {error}") from None


def _document(file: str | BinaryIO, name: str) -> Any:
    pdfium = extra("pypdfium2", name)
    try:
        return pdfium.PdfDocument(file if isinstance(file, str) else io.BytesIO(file.read()))
    except Exception as error:
        raise UserError(f"{name} is no PDF that can be read: {error}") from None
