"""Labels that people give: what one may be, and the folder that holds its pictures."""

from __future__ import annotations

import re
import unicodedata

from hwr.config import OTHER, UserError

LONGEST = 16  # code points of a label
PLAIN = frozenset("0123456789abcdefghijklmnopqrstuvwxyz")  # labels of one of these are their folder's name
CODE_POINTS = re.compile(r"U\+[0-9A-F]{4,6}(_U\+[0-9A-F]{4,6})*", re.ASCII)


def checked(label: str) -> str:
    """A label in Unicode's composed form, without spaces around it. Raises UserError for what cannot be one."""
    name = unicodedata.normalize("NFC", label[: 4 * LONGEST]).strip()  # a cut label is still too long
    if not name or len(name) > LONGEST or not name.isprintable() or name == OTHER:
        raise UserError(f"{label[:LONGEST]!r} cannot be a label: expected 1 to {LONGEST} printable characters")
    return name


def folder_of(label: str) -> str:
    """A folder's name for any label: "7" and "a" as they are, "A" as U+0041, "./" as U+002E_U+002F.

    No file system takes two of them for one, no name leaves the folder it is made in, and none means anything to
    Windows, which knows "con", or to a data set, which has a "test".
    """
    return label if label in PLAIN else "_".join(f"U+{ord(character):04X}" for character in label)


def of_folder(name: str) -> str:
    """The label of a folder: what code points as in ``folder_of`` spell, or else the name itself."""
    if not CODE_POINTS.fullmatch(name):
        return name
    points = [int(point[2:], 16) for point in name.split("_")]
    return "".join(map(chr, points)) if max(points) < 0x110000 else name
