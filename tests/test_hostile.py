"""Hostile pictures, arrays and sketches get an answer or a UserError: within time and memory, and nothing is run."""

from __future__ import annotations

import os
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays, scalar_dtypes
from numpy.typing import NDArray
from PIL import Image

from benchmarks.hostile import __main__ as command
from benchmarks.hostile import arrays as odd_arrays
from benchmarks.hostile import pictures
from benchmarks.hostile.running import Case, Tally, run, watched
from hwr import Recognizer, UserError
from hwr.ink.picture import FORMATS, MAX_LAYERS, MAX_LENGTH, reduced
from hwr.ink.preprocess import fit, to_ink

FIXED = settings(derandomize=True, deadline=None, max_examples=150)


def assert_well(tallies: dict[str, Tally]) -> None:
    """Every input was answered or refused, and some kind of each."""
    assert [line for tally in tallies.values() for line in tally.other] == []
    assert any(tally.answered for tally in tallies.values())
    assert any(tally.refused for tally in tallies.values())


@pytest.mark.filterwarnings("ignore")  # of decoders, about what is odd in a file
def test_spoilt_pictures_are_answered_or_refused(recognizer: Recognizer, tmp_path: Path) -> None:
    tallies = run(pictures.cases(recognizer, tmp_path, seed=0, n=760), tmp_path)
    assert_well(tallies)
    for form in ("PNG", "JPEG", "WebP", "GIF", "TIFF", "BMP", "PPM"):
        assert tallies[f"picture: {form}, mutated"].answered, f"no {form} got through: the faults are too many"


def test_odd_arrays_and_sketches_are_answered_or_refused(recognizer: Recognizer) -> None:
    tallies = run(odd_arrays.cases(recognizer, seed=0, n=240), Path("/nowhere"))
    assert_well(tallies)
    assert all(tally.answered for tally in tallies.values())


@pytest.mark.parametrize("name", pictures.bombs())
def test_a_bomb_takes_bounded_time_and_memory(tmp_path: Path, name: str) -> None:
    assert command.bomb(tmp_path, name, pictures.bombs()[name]).other == []


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
    return st.dictionaries(st.sampled_from((*odd_arrays.PARTS, "other")), parts, max_size=4)


@FIXED
@given(some_sketches())
def test_any_sketch_is_ink_or_refused(recognizer: Recognizer, sketch: Any) -> None:
    try:
        found = fit(sketch, recognizer.config)
    except UserError:
        return
    pictures.check_fitted(found, recognizer.config.image_size)


@FIXED
@given(st.sampled_from([content[:24] for _, content in pictures.seeds()]), st.binary(max_size=200))
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


# --- what was found so ---


def test_postscript_is_never_handed_to_another_program(tmp_path: Path) -> None:
    (tmp_path / "a.eps").write_bytes(pictures.POSTSCRIPT)
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


@pytest.mark.parametrize("content", [b"P5 1a 1 255\n", pictures.png(4, 4, b"", depth=0)[:20], b"RIFF\4\0\0\0WEBPVP8 "])
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
    (tmp_path / "strip.png").write_bytes(pictures.png(1, MAX_LENGTH + 1, pictures.zeros(2 * MAX_LENGTH + 2)))
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


# --- the measure itself ---


def test_whatever_is_neither_answered_nor_refused_is_told(tmp_path: Path) -> None:
    def refuses() -> None:
        raise UserError("no")

    outside = tmp_path.parent / f"outside-{random.getrandbits(40):x}"
    cases = [
        Case("kind", "answers", lambda: None),
        Case("kind", "refuses", refuses),
        Case("kind", "stumbles", lambda: {}["key"]),
        Case("kind", "runs", lambda: os.system("true")),
        Case("kind", "writes", lambda: outside.write_bytes(b"")),
        Case("kind", "writes inside", lambda: (tmp_path / "a").write_bytes(b"")),
    ]
    (tally,) = run(cases, tmp_path).values()
    outside.unlink()
    assert (tally.inputs, tally.answered, tally.refused) == (6, 2, 1)
    assert [line.partition(":")[0] for line in tally.other] == ["stumbles", "runs", "writes"]
    assert "| kind | 6 | 2 | 1 | 3 | " in command.table({"kind": tally})


def test_an_answer_that_takes_too_long_is_told(tmp_path: Path) -> None:
    (tally,) = run([Case("kind", "slow", lambda: None)], tmp_path, seconds=-1).values()
    assert "took 0 s" in tally.other[0]
