"""Pictures that no camera took: mutated files of every format, crafted ones, and bombs."""

from __future__ import annotations

import random
import struct
import zlib
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image

from benchmarks.hostile.mutation import EDGES, mutated
from benchmarks.hostile.running import Case
from hwr import Recognizer
from hwr.ink.picture import MAX_PIXELS
from hwr.ink.preprocess import fit
from hwr.reading.result import Reading

MOST_MEMORY = 1280  # MiB for the largest picture that is read; WebP's decoder takes 1 GiB of it
BLOCK = 2**20  # bytes
SIGNATURE = b"\x89PNG\r\n\x1a\n"
READS_EVERY, ASKS_EVERY = 8, 3  # of the mutated pictures so many are read, or asked about, in full: that takes longer


def cases(recognizer: Recognizer, folder: Path, seed: int, n: int) -> Iterator[Case]:
    """Crafted files, then ``n`` mutated ones, format by format, each written to ``folder``."""
    rng, formats = random.Random(seed), seeds()
    for name, content in crafted().items():
        yield _case(recognizer, folder, f"picture: {name.partition(',')[0]}", name, content, 0)
    for i in range(n):
        name, content = formats[i % len(formats)]
        spoilt = recounted(content, rng) if name == "PNG" and i % 2 else mutated(content, rng)
        yield _case(recognizer, folder, f"picture: {name}, mutated", f"{name} {seed}/{i}", spoilt, i // len(formats))


def _case(recognizer: Recognizer, folder: Path, kind: str, what: str, content: bytes, turn: int) -> Case:
    def ask() -> None:
        path = folder / "hostile.png"
        path.write_bytes(content)
        asks(recognizer, path, turn)

    return Case(kind, what, ask)


def asks(recognizer: Recognizer, picture: Any, turn: int) -> None:
    """Ask what a picture shows, in one of three ways; what comes back must be an answer."""
    if turn % READS_EVERY == 0:
        check_reading(recognizer.read(picture, "digits"))
    elif turn % ASKS_EVERY == 0:
        check_answer(recognizer.top_k(picture))
    else:
        check_fitted(fit(picture, recognizer.config), recognizer.config.image_size)


def check_fitted(found: Any, size: int) -> None:
    """None, or uint8 (size, size)."""
    assert found is None or (found.dtype == np.uint8 and found.shape == (size, size)), "no picture for the network"


def check_answer(found: dict[str, float]) -> None:
    """Nothing, or probabilities that fall."""
    shares = list(found.values())
    assert shares == sorted(shares, reverse=True), "not best first"
    assert all(0 <= share <= 1.001 for share in shares), "no probabilities"


def check_reading(found: Reading) -> None:
    """Characters within the picture."""
    for one in found.characters:
        left, top, right, bottom = one.box
        assert 0 <= left < right <= found.size[0] and 0 <= top < bottom <= found.size[1], "a box outside the picture"
        check_answer(one.probabilities)


# --- files to spoil ---


def seeds() -> list[tuple[str, bytes]]:
    """Small, well-formed files with a 7 on them: (format, content)."""
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
    return [(form, _saved(image, form, options)) for form, image, options in plan] + [("SVG", SVG.encode())]


def _saved(image: Image.Image, form: str, options: dict[str, Any]) -> bytes:
    file = BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


SVG = (
    '<?xml version="1.0"?><!DOCTYPE svg [<!ENTITY a SYSTEM "file:///etc/passwd"><!ENTITY b "&a;&a;&a;&a;">]>'
    '<svg xmlns="http://www.w3.org/2000/svg" width="40" height="56"><script>alert(1)</script>'
    '<image href="http://127.0.0.1:9/"/><text>&b;&b;</text></svg>'
)
POSTSCRIPT = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 40 56\n%%EndComments\n(canary) (w) file\nshowpage\n%%EOF\n"


# --- PNG, with checksums that are right, so that decoders look at what is inside ---


def chunk(name: bytes, content: bytes) -> bytes:
    """A chunk of a PNG."""
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def png(width: int, height: int, data: bytes, depth: int = 8, colour: int = 0, more: bytes = b"") -> bytes:
    """A PNG of these claims and this compressed data, whatever they are."""
    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return SIGNATURE + chunk(b"IHDR", head) + more + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def recounted(content: bytes, rng: random.Random) -> bytes:
    """A PNG with faults inside of one chunk, whose checksum is right."""
    parts, at = [], len(SIGNATURE)
    while at + 8 <= len(content):
        (length,) = struct.unpack(">I", content[at : at + 4])
        parts.append((content[at + 4 : at + 8], content[at + 8 : at + 8 + length]))
        at += 12 + length
    spoilt = rng.randrange(len(parts))
    return SIGNATURE + b"".join(
        chunk(name, mutated(inside, rng) if i == spoilt else inside) for i, (name, inside) in enumerate(parts)
    )


def zeros(count: int) -> bytes:
    """So many zero bytes, as zlib packs them: a thousandth of it."""
    whole, rest = divmod(count, BLOCK)
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    block = packer.compress(bytes(BLOCK)) + packer.flush(zlib.Z_FULL_FLUSH)  # which ends as it begins
    last = packer.compress(bytes(rest)) + packer.flush()
    adler = (count % 65521) << 16 | 1
    return b"\x78\xda" + block * whole + last + struct.pack(">I", adler)


def crafted() -> dict[str, bytes]:
    """Files that say one thing and are another."""
    row = zlib.compress(bytes(41 * 56))
    small = Image.new("L", (40, 56), 255)
    found = {f"PNG, {w} x {h}": png(w, h, row) for w in EDGES[:11] for h in (0, 1, 56, 2**31 - 1, 2**32 - 1)}
    found |= {f"PNG, depth {d} colour {c}": png(40, 56, row, d, c) for d in (0, 1, 3, 16, 255) for c in (0, 1, 2, 3, 6)}
    found |= {
        "PNG, no palette": png(40, 56, row, colour=3),
        "PNG, palette of 5": png(40, 56, row, colour=3, more=chunk(b"PLTE", bytes(5))),
        "PNG, chunk of a lying length": png(40, 56, row).replace(struct.pack(">I", len(row)), b"\xff\xff\xff\xff"),
        "nothing": b"",
        "spaces": b" " * 10_000,
        "noise": random.Random(0).randbytes(10_000),
        "SVG, with entities": SVG.encode(),
        "SVG, packed": zlib.compress(SVG.encode(), wbits=31),
        "PostScript": POSTSCRIPT,
        "PostScript, with a preview": b"\xc5\xd0\xd3\xc6"
        + struct.pack("<6IH", 30, len(POSTSCRIPT), 0, 0, 0, 0, 0xFFFF)
        + POSTSCRIPT,
        "PPM, of huge sides": b"P5 99999999999 99999999999 255\n",
        "PPM, of text": b"P2 40 56 255\n" + b"9" * 10_000,
        "JPEG, no tables": b"\xff\xd8\xff\xc0\x00\x0b\x08\xff\xff\xff\xff\x01\x01\x11\x00\xff\xda\x00\x00",
        "TIFF, a directory that follows itself": b"II*\0\x08\0\0\0\x01\0\0\1\3\0\1\0\0\0\x28\0\0\0\x08\0\0\0",
        "two in one": _saved(small, "PNG", {}) + _saved(small, "JPEG", {}) + b"<script>alert(1)</script>",
    }
    return found


# --- bombs ---


def bombs() -> dict[str, bytes]:
    """Small files that become large, as large as is read or larger."""
    side = int(MAX_PIXELS**0.5)
    return {
        "PNG, 2^31 - 1 pixels wide": png(2**31 - 1, 1, zeros(2**28), depth=1),
        "PNG, 4 gigapixels": png(2**16, 2**16, zeros(2**32)),
        "PNG, one row": png(MAX_PIXELS, 1, zeros(MAX_PIXELS + 1)),
        "PNG, one column": png(1, MAX_PIXELS, zeros(2 * MAX_PIXELS)),
        "PNG, grey": png(side, side, zeros(side * (side + 1))),
        "PNG, RGBA": png(side, side, zeros(side * (4 * side + 1)), colour=6),
        "PNG, 16 bits": png(side, side, zeros(side * (2 * side + 1)), depth=16),
        "PNG, longer than it says": png(40, 56, zeros(2**31)),
        "PNG, text": png(40, 56, zeros(41 * 56), more=chunk(b"zTXt", b"a\0\0" + zeros(2**30))),
        "PNG, profile": png(40, 56, zeros(41 * 56), more=chunk(b"iCCP", b"a\0\0" + zeros(2**30))),
        "WebP": WEBP_BOMB,
        "GIF": GIF_BOMB,
        "BMP": BMP_BOMB,
    }


WEBP_BOMB = bytes.fromhex(
    "524946461a000000574542505650384c0e0000002ffeffff03071011fd0f4444ff03"
)  # 16383 x 4096 black pixels
GIF_BOMB = b"GIF89a\xff\xff\xff\xff\x80\0\0" + bytes(6) + b",\0\0\0\0\xff\xff\xff\xff\0\x08" + b"\xff" * 1000
BMP_BOMB = b"BM" + struct.pack("<IHHIIiiHHIIiiII", 54, 0, 0, 54, 40, 2**31 - 1, 2**31 - 1, 1, 24, 0, 0, 0, 0, 0, 0)
