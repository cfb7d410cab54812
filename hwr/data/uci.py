"""Read the original files of two data sets of digits from the UCI repository: pen digits and optical digits.

The ``-orig`` files are read: pen digits as trajectories in the UNIPEN format, optical digits as 32 x 32 bitmaps. They
are distributed compressed by ``compress`` (.Z), which gzip unpacks.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hwr.config import UserError
from hwr.data import unipen

SIDE = 32  # pixels of a bitmap of the optical digits


def unpacked(path: Path) -> bytes:
    """Return the content of a file, unpacked if its name ends in .Z. Raises UserError if it cannot be unpacked."""
    if path.suffix != ".Z":
        return path.read_bytes()
    if shutil.which("gzip") is None:
        raise UserError(f"{path} is compressed by compress, and gzip is not installed: unpack it by hand")
    done = subprocess.run(["gzip", "-dc", str(path)], capture_output=True)
    if done.returncode:
        raise UserError(f"{path} cannot be unpacked: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout


def pen_digits(path: Path) -> list[unipen.Segment]:
    """Return the digits of pendigits-orig.tra or pendigits-orig.tes, compressed or not."""
    with tempfile.TemporaryDirectory() as folder:
        plain = Path(folder) / "pendigits"
        plain.write_bytes(unpacked(path))
        found = list(unipen.read(plain, Path(folder)).segments())
    digits = [segment for segment in found if len(segment.label) == 1 and segment.label.isdigit()]
    if not digits:
        raise UserError(f"{path} holds no digits: expected pen digits in the UNIPEN format, such as pendigits-orig.tra")
    return digits


def optical_digits(path: Path) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return images (N, 32, 32), white on black, and labels (N,) of a file optdigits-orig.*, compressed or not."""
    rows: list[str] = []
    images: list[list[str]] = []
    labels: list[int] = []
    for line in unpacked(path).decode("ascii", "replace").splitlines():
        text = line.strip()
        if len(text) == SIDE and set(text) <= {"0", "1"}:
            rows.append(text)
        elif len(rows) == SIDE and len(text) == 1 and text.isdigit():
            images.append(rows)
            labels.append(int(text))
            rows = []
        else:  # the description in front of the bitmaps
            rows = []
    if not images:
        raise UserError(
            f"{path} holds no bitmaps: expected 32 rows of 0 and 1 before each digit, as in optdigits-orig.tra"
        )
    bits = np.array([[list(row) for row in image] for image in images]) == "1"
    return bits.astype(np.uint8) * 255, np.array(labels)
