"""Pictures on the page, as HTML with the pixels inside: a file for every stroke would fill the disk."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from html import escape
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import ImageOps

from hwr.ink.picture import DRAFT_SIZE, MAX_SIDE, Gray, opened, reduced, shrink
from hwr.reading.result import Character, Reading

SMALL_SIDE = 640  # pixels of the picture of a drawing that boxes lie on
LISTED = 3  # answers of each of several characters
GLOW = np.array([32, 64, 255])  # BGR: darker than white, for those who see no red
LEAST = 0.2  # nats: an answer that loses less than that wherever ink is erased hangs on none
QUALITY = 80  # of a JPEG that is looked at once


def embedded(picture: NDArray[np.uint8], form: str = "png") -> str:
    """A uint8 picture, grey or BGR, as a data URI."""
    flags = [cv2.IMWRITE_JPEG_QUALITY, QUALITY] if form == "jpeg" else []
    content = base64.b64encode(cv2.imencode(f".{form}", picture, flags)[1].tobytes()).decode()
    return f"data:image/{form};base64,{content}"


def view(seen: Gray | None, saliency: NDArray[np.float32] | None = None) -> str:
    """What the network sees, and, if it is known, which of the ink its answer hangs on, in nats, (S, S)."""
    if seen is None:
        return "<div class='seen'></div>"
    picture = seen if saliency is None else glowing(seen, saliency)
    return f"<div class='seen'><img alt='' src='{embedded(picture)}'></div>"


def glowing(seen: Gray, saliency: NDArray[np.float32]) -> NDArray[np.uint8]:
    """White ink on black, GLOW where it matters most: uint8 BGR (S, S, 3)."""
    share = saliency / max(float(saliency.max()), LEAST)
    return np.rint(seen[..., None] * (1 + share[..., None] * (GLOW / 255 - 1))).astype(np.uint8)


def of_ink(ink: Gray) -> str:
    """A drawing, white on black, as ink on paper."""
    return embedded(255 - shrink(ink, SMALL_SIDE))


def of_photo(path: Path) -> str:
    """A photo as it is looked at, upright and without what else its file says. It was read before: it is no bomb."""
    with opened(str(path), path.name) as image:
        image.draft("RGB", DRAFT_SIZE)
        upright = ImageOps.exif_transpose(reduced(image)).convert("RGB")
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
