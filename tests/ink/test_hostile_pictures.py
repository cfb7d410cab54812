"""Hostile pictures, arrays and sketches get an answer or a UserError, in bounded memory, and start nothing."""

from __future__ import annotations

import os
import random
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hostile import (
    EDGES,
    FIXED,
    POSTSCRIPT,
    SVG,
    answered,
    chunk,
    damaged,
    peak_memory,
    png,
    saved,
    seeds,
    watched,
    zeros,
)
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays, scalar_dtypes
from numpy.typing import NDArray
from PIL import Image

from hwr import Recognizer, UserError
from hwr.ink.formats import FORMATS
from hwr.ink.picture import MAX_LAYERS, MAX_LENGTH, MAX_PIXELS, reduced
from hwr.ink.preprocess import fit, to_ink
from hwr.reading.result import Reading

PARTS = ("background", "layers", "composite", "other")
MOST_MEMORY = 1280  # MiB for the largest picture that is read; WebP's decoder takes 1 GiB of it


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
        "two in one": saved(small, "PNG", {}) + saved(small, "JPEG", {}) + b"<script>alert(1)</script>",
    }
    return found


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


@pytest.mark.filterwarnings("ignore")  # of decoders, about what is odd in a file
@pytest.mark.parametrize("name", crafted())
def test_a_crafted_picture_is_answered_or_refused(recognizer: Recognizer, tmp_path: Path, name: str) -> None:
    path = tmp_path / "hostile.png"
    path.write_bytes(crafted()[name])
    answered(lambda: check_reading(recognizer.read(path, "digits")), tmp_path)
    answered(lambda: check_answer(recognizer.top_k(path)), tmp_path)


@FIXED
@given(damaged([content for _, content in seeds()]))
@pytest.mark.filterwarnings("ignore")
def test_a_damaged_picture_is_ink_or_refused(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "damaged.png"
    path.write_bytes(content)
    answered(lambda: to_ink(path), tmp_path_factory.getbasetemp())


@pytest.mark.filterwarnings("ignore:.* has . pages")  # of several: only the first is read
def test_pictures_that_are_not_damaged_are_read(recognizer: Recognizer, tmp_path: Path) -> None:
    for form, content in seeds():
        (tmp_path / "a.png").write_bytes(content)
        assert answered(lambda: recognizer.top_k(tmp_path / "a.png"), tmp_path) == (form.upper() in FORMATS), form


@pytest.mark.slow
@pytest.mark.parametrize("name", bombs())
def test_a_bomb_takes_bounded_memory(tmp_path: Path, name: str) -> None:
    (tmp_path / "bomb").write_bytes(bombs()[name])
    with peak_memory() as grown:
        answered(lambda: to_ink(tmp_path / "bomb"), tmp_path)
        assert not grown() > MOST_MEMORY


@FIXED
@given(arrays(scalar_dtypes(), array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=9)))
def test_an_array_of_any_type_and_shape_is_ink_or_refused(array: NDArray[Any]) -> None:
    try:
        ink = to_ink(array)
    except UserError:
        assert (
            array.dtype not in (np.uint8, np.bool_) or array.ndim not in (2, 3) or 0 in array.shape or array.ndim == 3
        )
        return
    assert ink is None or (ink.dtype == np.uint8 and ink.ndim == 2)


def some_sketches() -> st.SearchStrategy[Any]:
    pads = arrays(np.uint8, st.tuples(st.integers(0, 9), st.integers(0, 9), st.just(4)))
    leaves = st.none() | st.integers() | st.text(max_size=9) | st.binary(max_size=9) | pads
    parts = st.recursive(
        leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=2)
    )
    return st.dictionaries(st.sampled_from(PARTS), parts, max_size=4)


@FIXED
@given(some_sketches())
def test_any_sketch_is_ink_or_refused(recognizer: Recognizer, sketch: Any) -> None:
    try:
        found = fit(sketch, recognizer.config)
    except UserError:
        return
    check_fitted(found, recognizer.config.image_size)


@FIXED
@given(st.sampled_from([content[:24] for _, content in seeds()]), st.binary(max_size=200))
@pytest.mark.filterwarnings("ignore")
def test_anything_behind_the_beginning_of_a_picture_is_refused_or_ink(
    tmp_path_factory: pytest.TempPathFactory, head: bytes, rest: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "anything.png"
    path.write_bytes(head + rest)
    try:
        ink = to_ink(path)
    except UserError as error:
        assert "anything.png" in str(error)
        return
    assert ink is None or ink.ndim == 2


# --- found by fuzzing ---


def test_postscript_is_never_handed_to_another_program(tmp_path: Path) -> None:
    (tmp_path / "a.eps").write_bytes(POSTSCRIPT)
    with watched(tmp_path) as touched, pytest.raises(UserError, match=rf"not a picture.*{FORMATS[0]}"):
        to_ink(tmp_path / "a.eps")
    assert touched == []


def test_a_pipe_is_refused_without_waiting_for_its_writer(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(UserError, match=r"pipe\.png is no file"):
        to_ink(tmp_path / "pipe.png")


@pytest.mark.parametrize("name", ["a" * 300, "\0", "\ud800", "a.png/b.png"])
def test_what_cannot_be_a_name_is_no_picture(tmp_path: Path, name: str) -> None:
    (tmp_path / "a.png").touch()
    with pytest.raises(UserError, match=r"there can be no picture|no such picture"):
        to_ink(f"{tmp_path}/{name}")


@pytest.mark.parametrize("content", [b"P5 1a 1 255\n", png(4, 4, b"", depth=0)[:20], b"RIFF\4\0\0\0WEBPVP8 "])
def test_what_pillow_stumbles_over_while_it_opens_a_file_is_damaged(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(UserError, match=r"a\.png is damaged or cut off"):
        to_ink(tmp_path / "a.png")


def test_a_sketch_has_so_many_layers_and_no_sketches_inside() -> None:
    layer = np.zeros((4, 4, 4), np.uint8)
    assert to_ink({"layers": [layer] * MAX_LAYERS}) is None
    with pytest.raises(UserError, match="33 layers: at most 32"):
        to_ink({"layers": [layer] * (MAX_LAYERS + 1)})
    inside: dict[str, Any] = {"composite": None}
    inside["layers"] = [inside]
    with pytest.raises(UserError, match="cannot read a picture from dict"):
        to_ink(inside)


def test_a_matrix_is_read_as_the_array_it_is() -> None:
    plain = np.full((40, 40), 255, np.uint8)
    plain[10:30, 18:22] = 0
    for odd in (plain.view(np.matrix), np.ma.array(plain)):
        np.testing.assert_array_equal(to_ink(odd), to_ink(plain))


def test_a_strip_that_is_too_long_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    (tmp_path / "strip.png").write_bytes(png(1, MAX_LENGTH + 1, zeros(2 * MAX_LENGTH + 2)))
    with pytest.raises(UserError, match="65,536 to a side"):
        to_ink(tmp_path / "strip.png")


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK"])
def test_a_huge_picture_is_made_smaller_and_looks_the_same(mode: str) -> None:
    huge = Image.new("L", (6000, 4100), 255)
    huge.paste(0, (1500, 1000, 4500, 3100))
    small = reduced(huge.convert(mode))
    assert small.size == (3000, 2050)
    shown = np.asarray(small.convert("L"))
    assert (shown[600:1500, 800:2200] == 0).all()
    assert (shown[:400] == 255).all()


def test_a_forbidden_act_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "inside").mkdir()
    with watched(tmp_path / "inside") as touched:
        os.system("true")
        (tmp_path / "outside").write_bytes(b"")
        (tmp_path / "inside" / "a").write_bytes(b"")
    assert [line.split()[0] for line in touched] == ["os.system", "wrote"]
