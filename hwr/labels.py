"""Labels given by people: their normal form, and the name of the folder that holds their pictures."""

from __future__ import annotations

import re
import unicodedata

from hwr.config import OTHER, UserError

LONGEST = 16  # code points of a label
PLAIN = frozenset("0123456789abcdefghijklmnopqrstuvwxyz")  # a label of one of these characters is its own folder name
CODE_POINTS = re.compile(r"U\+[0-9A-F]{4,6}(_U\+[0-9A-F]{4,6})*", re.ASCII)


def checked(label: str) -> str:
    """Return a label in Unicode's composed form, without surrounding spaces. Raises UserError for an invalid one."""
    name = unicodedata.normalize("NFC", label[: 4 * LONGEST]).strip()  # a cut label is still too long
    if not name or len(name) > LONGEST or not name.isprintable() or name == OTHER:
        raise UserError(f"{label[:LONGEST]!r} cannot be a label: expected 1 to {LONGEST} printable characters")
    return name


def folder_of(label: str) -> str:
    """Return a folder name for any label: "7" and "a" as they are, "A" as U+0041, "./" as U+002E_U+002F.

    Names differ on file systems that ignore case, contain no path separator, and are neither reserved on Windows
    ("con") nor names of splits ("test").
    """
    return label if label in PLAIN else "_".join(f"U+{ord(character):04X}" for character in label)


def of_folder(name: str) -> str:
    """Return the label of a folder: the characters that `folder_of` encoded, or else the name itself."""
    if not CODE_POINTS.fullmatch(name):
        return name
    points = [int(point[2:], 16) for point in name.split("_")]
    return "".join(map(chr, points)) if max(points) < 0x110000 else name
