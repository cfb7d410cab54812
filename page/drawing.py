"""The picture that the network sees, as an address with the pixels inside: a file for every stroke would fill disks."""

from __future__ import annotations

import base64

import cv2
import numpy as np
from numpy.typing import NDArray

from hwr.ink.picture import Gray

GLOW = np.array([32, 64, 255])  # BGR: darker than white, for those who see no red
LEAST = 0.2  # nats: an answer that loses less than that wherever ink is erased depends on none


def embedded(picture: NDArray[np.uint8]) -> str:
    """A uint8 picture, grey or BGR, as a data URI."""
    return f"data:image/png;base64,{base64.b64encode(cv2.imencode('.png', picture)[1].tobytes()).decode()}"


def glowing(seen: Gray, saliency: NDArray[np.float32]) -> NDArray[np.uint8]:
    """White ink on black, GLOW where it matters most, by how many nats (S, S): uint8 BGR (S, S, 3)."""
    share = saliency / max(float(saliency.max()), LEAST)
    return np.rint(seen[..., None] * (1 + share[..., None] * (GLOW / 255 - 1))).astype(np.uint8)
