"""Pictures on the page, as HTML with the pixels inside: a file for every stroke would fill the disk."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from html import escape
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from hwr.picture import DRAFT_SIZE, MAX_SIDE, Gray, shrink
from hwr.reading import Character, Reading

SMALL_SIDE = 640  # pixels of the picture of a drawing that boxes lie on
LISTED = 3  # answers of each of several characters
QUALITY = 80  # of a JPEG that is looked at once


def embedded(picture: NDArray[np.uint8], form: str = "png") -> str:
    """A uint8 picture, grey or BGR, as a data URI."""
    flags = [cv2.IMWRITE_JPEG_QUALITY, QUALITY] if form == "jpeg" else []
    content = base64.b64encode(cv2.imencode(f".{form}", picture, flags)[1].tobytes()).decode()
    return f"data:image/{form};base64,{content}"


def view(seen: Gray | None) -> str:
    """What the network sees."""
    inside = "" if seen is None else f"<img alt='' src='{embedded(seen)}'>"
    return f"<div class='seen'>{inside}</div>"


def of_ink(ink: Gray) -> str:
    """A drawing, white on black, as ink on paper."""
    return embedded(255 - shrink(ink, SMALL_SIDE))


def of_photo(path: Path) -> str:
    """A photo as it is looked at, upright and without what else its file says. It was read before: it is no bomb."""
    with Image.open(path) as image:
        image.draft("RGB", DRAFT_SIZE)
        upright = ImageOps.exif_transpose(image).convert("RGB")
    upright.thumbnail((MAX_SIDE, MAX_SIDE))
    return embedded(np.asarray(upright)[:, :, ::-1], "jpeg")


def boxed(source: str, reading: Reading) -> str:
    """A picture, by its address, with a box around each character of its reading, and what it was read as."""
    width, height = reading.size
    boxes = "".join(_box(one, width, height) for one in reading.characters)
    image = f"<img alt='{escape(reading.text, quote=True)}' src='{source}'>"
    return f"<figure class='boxed' style='--ratio: {width} / {height}'>{image}{boxes}</figure>"


def _box(one: Character, width: int, height: int) -> str:
    left, top, right, bottom = one.box
    place = (
        f"left: {left / width:.2%}; top: {top / height:.2%}; "
        f"width: {(right - left) / width:.2%}; height: {(bottom - top) / height:.2%}"
    )
    best = next(iter(one.probabilities), "")
    return f"<span class='{doubt(one)}' style='{place}'><b aria-hidden='true'>{escape(best)}</b></span>"


def doubt(one: Character) -> str:
    """The class of CSS by which an uncertain character is told from others."""
    return "sure" if one.confident else "unsure"


def several(source: str, reading: Reading) -> str:
    """The text of several characters, where they are, and each one's likeliest answers."""
    cards = "".join(_card(one) for one in reading.characters)
    text = f"<div class='text'>{escape(reading.text)}</div>"
    return f"<div class='several'>{text}{boxed(source, reading)}<ol>{cards}</ol></div>"


def _card(one: Character) -> str:
    listed: Sequence[tuple[str, float]] = list(one.probabilities.items())[:LISTED]
    rows = "".join(
        f"<div style='--share: {share:.3f}'><b>{escape(label)}</b><span>{share:.0%}</span></div>"
        for label, share in listed
    )
    return f"<li class='{doubt(one)}'>{rows}</li>"
