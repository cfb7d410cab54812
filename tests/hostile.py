"""Hostile input for tests: damaged files, and a watch on what the interpreter does while it reads them."""

from __future__ import annotations

import os
import struct
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from PIL import Image

from hwr import UserError

FIXED = settings(derandomize=True, deadline=None, max_examples=150, print_blob=False)
LONGEST = 2000  # characters of a refusal: it is a sentence, not a copy of the input
SIGNATURE = b"\x89PNG\r\n\x1a\n"
BLOCK = 2**20  # bytes

# Audit events of the interpreter (https://docs.python.org/3/library/audit_events.html).
STARTS = frozenset({"subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork", "pickle.find_class"})
REACHES = frozenset({"socket.connect", "socket.getaddrinfo", "urllib.Request"})
CHANGES = frozenset({"os.mkdir", "os.remove", "os.rename", "os.symlink", "os.link", "os.truncate", "shutil.rmtree"})
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND

_watchers: list[Callable[[str, tuple[Any, ...]], None]] = []
_hooked: list[bool] = []


def answered(ask: Callable[[], object], folder: Path) -> bool:
    """True for an answer, False for a UserError of one sentence.

    Fails where ``ask`` raises anything else, starts a program, unpickles, reaches for the network or changes a file
    outside ``folder``.
    """
    with watched(folder) as touched:
        try:
            ask()
        except UserError as error:
            assert len(str(error)) <= LONGEST, f"a refusal of {len(str(error)):,} characters"
            refused = True
        else:
            refused = False
    assert touched == []
    return not refused


@contextmanager
def watched(folder: Path) -> Iterator[list[str]]:
    """List what the block does that no input may do. ``folder`` alone may be changed."""
    touched: list[str] = []
    if not _hooked:  # an audit hook stays until the process ends
        sys.addaudithook(lambda event, details: [watch(event, details) for watch in _watchers] and None)
        _hooked.append(True)

    def watch(event: str, details: tuple[Any, ...]) -> None:
        if event in STARTS | REACHES or (event in CHANGES and _is_outside(folder, details[0])):
            touched.append(f"{event} {details[:2]!r:.100}")
        elif event == "open" and (details[2] or 0) & WRITING and _is_outside(folder, details[0]):
            touched.append(f"wrote to {details[0]!r:.100}")

    _watchers.append(watch)
    try:
        yield touched
    finally:
        _watchers.remove(watch)


def _is_outside(folder: Path, path: object) -> bool:
    if not isinstance(path, (str, bytes)) or os.fsdecode(path) == os.devnull:
        return False  # a file that is open already, or none
    return not os.path.realpath(os.fsdecode(path)).startswith(os.path.realpath(folder) + os.sep)


@contextmanager
def peak_memory() -> Iterator[Callable[[], float]]:
    """Measure the MiB by which the process grows in the block, at its peak; nan where the system does not say."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")  # the peak becomes the present use
    before = _peak()
    yield lambda: _peak() - before


def _peak() -> float:
    with suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    return float("nan")


# --- damaged bytes and JSON ---

EDGES = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1, 2**63, 2**64 - 1)


def _overwritten(rest: bytes, noise: bytes) -> bytes:
    return noise + rest[len(noise) :]


def _with_edge(rest: bytes, edge: int) -> bytes:
    return edge.to_bytes(8, "big")[-4:] + rest[4:]


def _shortened(rest: bytes, length: int) -> bytes:
    return rest[length:]


def _repeated(rest: bytes, length: int) -> bytes:
    return rest[:length] * 3 + rest


@st.composite
def damaged(draw: st.DrawFn, contents: list[bytes]) -> bytes:
    """One of the contents, cut off, overwritten, shortened or repeated at one or two places."""
    content = draw(st.sampled_from(contents))
    for _ in range(draw(st.integers(1, 2))):
        at = draw(st.integers(0, min(len(content), 96)) | st.integers(0, len(content)))  # most is said at the start
        rest = content[at:]
        content = content[:at] + draw(
            st.just(b"")
            | st.binary(min_size=1, max_size=16).map(partial(_overwritten, rest))
            | st.sampled_from(EDGES).map(partial(_with_edge, rest))
            | st.integers(1, 64).map(partial(_shortened, rest))
            | st.integers(1, 64).map(partial(_repeated, rest))
        )
    return content


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner, max_size=4),
    max_leaves=9,
)


def nested(depth: int) -> Any:
    """Return a list in a list in a list."""
    value: Any = []
    for _ in range(depth):
        value = [value]
    return value


# --- pictures ---


def seeds() -> list[tuple[str, bytes]]:
    """Return small, well-formed pictures of a 7: (format, content)."""
    gray = np.full((56, 40), 255, np.uint8)
    cv2.polylines(gray, [np.array([(8, 10), (30, 10), (16, 46)])], False, 0, 4)
    ink, second = Image.fromarray(gray), Image.fromarray(255 - gray)
    layer = Image.fromarray(np.dstack([gray, gray, gray, 255 - gray]))
    turned = Image.Exif()
    turned[0x0112] = 6
    plan: list[tuple[str, Image.Image, dict[str, Any]]] = [
        ("PNG", ink, {}),
        ("PNG", layer, {}),
        ("PNG", ink.convert("P"), {"transparency": 0}),
        ("PNG", ink.convert("I;16"), {}),
        ("JPEG", ink, {"exif": turned}),
        ("JPEG", ink.convert("CMYK"), {"progressive": True}),
        ("WebP", layer, {"lossless": True, "exif": turned}),
        ("WebP", ink, {"save_all": True, "append_images": [second]}),
        ("GIF", ink, {"save_all": True, "append_images": [second, ink]}),
        ("TIFF", layer, {"compression": "tiff_lzw"}),
        ("TIFF", ink.convert("F"), {}),
        ("TIFF", ink, {"compression": "jpeg", "save_all": True, "append_images": [second]}),
        ("TIFF", ink.convert("1"), {"compression": "group4"}),
        ("BMP", ink, {}),
        ("BMP", layer, {}),
        ("PPM", ink, {}),
        ("AVIF", layer, {}),
        ("ICO", layer, {"sizes": [(32, 32)]}),
    ]
    return [(form, saved(image, form, options)) for form, image, options in plan] + [("SVG", SVG.encode())]


def saved(image: Image.Image, form: str, options: dict[str, Any]) -> bytes:
    """Return the bytes of a picture's file."""
    file = BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


SVG = (
    '<?xml version="1.0"?><!DOCTYPE svg [<!ENTITY a SYSTEM "file:///etc/passwd"><!ENTITY b "&a;&a;&a;&a;">]>'
    '<svg xmlns="http://www.w3.org/2000/svg" width="40" height="56"><script>alert(1)</script>'
    '<image href="http://127.0.0.1:9/"/><text>&b;&b;</text></svg>'
)
POSTSCRIPT = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 40 56\n%%EndComments\n(canary) (w) file\nshowpage\n%%EOF\n"


def chunk(name: bytes, content: bytes) -> bytes:
    """Return a chunk of a PNG with its checksum."""
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def png(width: int, height: int, data: bytes, depth: int = 8, colour: int = 0, more: bytes = b"") -> bytes:
    """Return a PNG whose header makes these claims over this compressed data."""
    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return SIGNATURE + chunk(b"IHDR", head) + more + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def zeros(count: int) -> bytes:
    """Return ``count`` zero bytes as zlib packs them: a thousandth of the size."""
    whole, rest = divmod(count, BLOCK)
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    block = packer.compress(bytes(BLOCK)) + packer.flush(zlib.Z_FULL_FLUSH)  # which ends as it begins
    last = packer.compress(bytes(rest)) + packer.flush()
    adler = (count % 65521) << 16 | 1
    return b"\x78\xda" + block * whole + last + struct.pack(">I", adler)
