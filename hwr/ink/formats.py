"""Which files are pictures: one list for predict, train.py and the page, and what the extra ``hwr[files]`` adds."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import PurePath
from typing import Any

from hwr.config import UserError

# File endings by Pillow's format names. Other formats, such as EPS, are left out: Pillow runs programs to read them.
ENDINGS = {
    "PNG": (".png", ".apng"),
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif", ".jif", ".mpo"),
    "WEBP": (".webp",),
    "AVIF": (".avif", ".avifs"),
    "GIF": (".gif",),
    "TIFF": (".tif", ".tiff"),
    "BMP": (".bmp", ".dib"),
    "PPM": (".ppm", ".pgm", ".pbm", ".pnm"),
}
FORMATS = tuple(ENDINGS)
SUFFIXES = tuple(suffix for endings in ENDINGS.values() for suffix in endings)
EXTRA = {".heic": "pillow_heif", ".heif": "pillow_heif", ".hif": "pillow_heif", ".pdf": "pypdfium2"}
INSTALL = "pip install hwr[files]"
HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
SHOWN = 10  # file names in a message


def readable(name: str) -> bool:
    """Whether a file's ending is that of a picture that can be read here."""
    suffix = PurePath(name).suffix.lower()
    return suffix in SUFFIXES or (suffix in EXTRA and find_spec(EXTRA[suffix]) is not None)


def about_skipped(names: Sequence[str]) -> str:
    """A sentence that counts and names files that were skipped, and says what would read them; "" for none."""
    if not names:
        return ""
    count = (
        "1 file of an unsupported format was"
        if len(names) == 1
        else (f"{len(names):,} files of unsupported formats were")
    )
    found = f"{count} skipped: {listed(names)}"
    kinds = sorted({suffix for name in names if (suffix := PurePath(name).suffix.lower()) in EXTRA})
    return f"{found} ({INSTALL} reads {', '.join(kinds)})" if kinds else found


def listed(names: Sequence[str], shown: int = SHOWN) -> str:
    """Names, the first of them if there are many."""
    more = f" and {len(names) - shown:,} more" if len(names) > shown else ""
    return ", ".join(names[:shown]) + more


def extra(module: str, name: str) -> Any:
    """A package of the extra, imported. Raises UserError, which names the file that needs it, where it is missing."""
    try:
        return importlib.import_module(module)
    except ImportError:
        kind = "PDF" if module == "pypdfium2" else "HEIC"
        raise UserError(f"{name} is {kind}, which needs more packages: {INSTALL}") from None


def is_pdf(beginning: bytes) -> bool:
    """Whether a file that begins so (1 KiB) is a PDF."""
    return b"%PDF-" in beginning


def is_heif(beginning: bytes) -> bool:
    """Whether a file that begins so is HEIC, as telephones write it."""
    return beginning[4:8] == b"ftyp" and beginning[8:12] in HEIF_BRANDS
