"""image.py, picture.py and paper.py: any picture becomes the same ink."""

import io
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from PIL import Image

from hwr.config import ModelConfig, UserError
from hwr.data.sources import SAMPLE_DIR
from hwr.ink.preprocess import fit_ink, to_ink, to_input
from hwr.ink.strokes import draw

SIZE, FRACTION = 48, 0.8
SEVEN = [np.array([(60, 70), (190, 70), (110, 220)])]


def seven(side: int = 280, pen: float = 18) -> NDArray[np.uint8]:
    """A 7 as ink, drawn at the resolution that is asked for."""
    return draw([s * side / 280 for s in SEVEN], (side, side), pen * side / 280)


def fitted(picture: object) -> NDArray[np.uint8]:
    ink = to_ink(picture)
    assert ink is not None
    result = fit_ink(ink, SIZE, FRACTION)
    assert result is not None
    return result


def likeness(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> float:
    return float(np.corrcoef(a.ravel(), b.ravel())[0, 1])


def photo(
    ink: NDArray[np.uint8], paper: NDArray[np.float64], contrast: float = 0.6, noise: float = 3
) -> NDArray[np.uint8]:
    """Dark ink on uneven paper, blurred and noisy, as a phone would see it."""
    page = paper * (1 - contrast * ink / 255)
    page = cv2.GaussianBlur(page, (0, 0), max(ink.shape) / 280) + np.random.default_rng(0).normal(0, noise, ink.shape)
    return np.clip(page, 0, 255).astype(np.uint8)


# --- every form of the same picture ---


def clear_palette() -> Image.Image:
    """Black ink, and paper that is black too but transparent."""
    image = Image.frombytes("P", (280, 280), (seven() > 127).astype(np.uint8).tobytes())
    image.putpalette([0, 0, 0] * 2)
    image.info["transparency"] = 0
    return image


def pil_forms() -> dict[str, Image.Image]:
    dark = Image.fromarray(255 - seven())
    rgba = np.zeros((280, 280, 4), np.uint8)
    rgba[..., 3] = seven()
    white = rgba.copy()
    white[..., :3] = 255
    return {
        "1": dark.convert("1"),
        "L": dark,
        "inverted": Image.fromarray(seven()),
        "LA": Image.fromarray(rgba).convert("LA"),
        "P": dark.convert("P"),
        "P with transparency": clear_palette(),
        "RGB": dark.convert("RGB"),
        "RGBA transparent": Image.fromarray(rgba),
        "RGBA white ink": Image.fromarray(white),
        "RGBA opaque": dark.convert("RGBA"),
        "CMYK": dark.convert("CMYK"),
        "YCbCr": dark.convert("YCbCr"),
        "I;16": Image.fromarray((255 - seven()).astype(np.uint16) * 257),
        "I": Image.fromarray((255 - seven()).astype(np.int32)),
        "F": Image.fromarray((255 - seven()).astype(np.float32) / 255),
    }


@pytest.mark.parametrize("mode", pil_forms())
def test_every_pil_mode_gives_the_same_ink(mode: str) -> None:
    assert likeness(fitted(pil_forms()[mode]), fitted(seven())) > 0.99


def editor_values() -> dict[str, dict[str, object]]:
    ink = seven()
    layer = np.zeros((280, 280, 4), np.uint8)
    layer[..., 3] = ink
    nothing = np.zeros_like(layer)
    composite = np.repeat(255 - ink[..., None], 4, axis=2)
    composite[..., 3] = 255
    white = np.full_like(layer, 255)
    return {
        "all three": {"background": white, "layers": [layer], "composite": composite},
        "transparent background": {"background": nothing, "layers": [layer], "composite": layer},
        "no background": {"background": None, "layers": [layer], "composite": composite},
        "empty background": {"background": [], "layers": [layer], "composite": composite},
        "two layers": {"background": None, "layers": [nothing, layer], "composite": composite},
        "composite alone": {"background": None, "layers": [], "composite": composite},
        "no layers": {"background": None, "layers": None, "composite": layer},
        "only a composite": {"composite": composite},
        "background is the picture": {"background": composite, "layers": [nothing], "composite": composite},
    }


@pytest.mark.parametrize("shape", editor_values())
def test_every_editor_value_gives_the_same_ink(shape: str) -> None:
    np.testing.assert_array_equal(fitted(editor_values()[shape]), fitted(seven()))


@pytest.mark.parametrize(
    "empty",
    [
        None,
        [],
        {"background": None, "layers": [], "composite": None},
        {"background": [], "layers": None, "composite": []},
        {"background": None, "layers": [np.zeros((9, 9, 4), np.uint8)], "composite": np.zeros((9, 9, 4), np.uint8)},
        {"composite": np.full((280, 280, 4), 255, np.uint8)},
    ],
)
def test_an_empty_sketchpad_is_blank(empty: object) -> None:
    assert to_ink(empty) is None


def test_the_network_is_given_what_training_normalises() -> None:
    config = ModelConfig(labels=("a",), image_size=16, mean=0.3, std=0.7)
    fitted = np.arange(512, dtype=np.uint16).astype(np.uint8).reshape(2, 16, 16)
    expected = (torch.from_numpy(fitted).float()[:, None] / 255 - 0.3) / 0.7
    torch.testing.assert_close(torch.from_numpy(to_input(fitted, config)), expected)
    torch.testing.assert_close(torch.from_numpy(to_input(fitted[1], config)), expected[1:])
    assert to_input(fitted[:0], config).shape == (0, 1, 16, 16)


def test_a_dataset_picture_pasted_into_the_sketchpad_gives_the_very_tensor_of_training() -> None:
    config = ModelConfig(labels=("0",))
    with np.load(SAMPLE_DIR / "train.npz") as sample:
        images = sample["images"][:300]
    for image in images:
        trained = fit_ink(image, config.image_size, config.ink_fraction)
        layer = np.zeros((*image.shape, 4), np.uint8)
        layer[..., 3] = image
        composite = np.dstack([255 - image] * 3)
        value: dict[str, Any]
        for value in (
            {"layers": [layer]},
            {"background": None, "layers": [], "composite": composite},
            image,
            255 - image,
        ):
            ink = to_ink(value)
            assert ink is not None and trained is not None
            served = fit_ink(ink, config.image_size, config.ink_fraction)
            assert served is not None
            assert np.array_equal(to_input(served, config), to_input(trained, config))


def test_exif_orientation_is_honoured(tmp_path: Path) -> None:
    upright = Image.fromarray(255 - seven())
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise by 90 degrees for viewing
    upright.rotate(90, expand=True).save(tmp_path / "turned.jpg", exif=exif, quality=95)
    assert likeness(fitted(tmp_path / "turned.jpg"), fitted(seven())) > 0.99


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "gif", "tiff", "bmp"])
def test_picture_files_are_read(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"seven.{suffix}"
    Image.fromarray(255 - seven()).save(path)
    assert likeness(fitted(path), fitted(seven())) > 0.99
    assert likeness(fitted(str(path)), fitted(seven())) > 0.99


# --- place, size, specks, paper ---


@pytest.mark.parametrize("corner", [(0, 0), (0, 300), (300, 0), (300, 300), (150, 40)])
def test_place_on_the_canvas_does_not_matter(corner: tuple[int, int]) -> None:
    canvas = np.zeros((600, 600), np.uint8)
    canvas[corner[0] : corner[0] + 280, corner[1] : corner[1] + 280] = seven()
    np.testing.assert_allclose(fitted(255 - canvas).astype(int), fitted(255 - seven()), atol=2)


@pytest.mark.parametrize("side", [50, 100, 500, 1000, 2000])
def test_resolution_does_not_matter(side: int) -> None:
    assert likeness(fitted(seven(side)), fitted(seven())) > (0.99 if side >= 100 else 0.94)


def test_ink_is_centred_and_keeps_its_aspect() -> None:
    bar = np.zeros((200, 200), np.uint8)
    bar[20:180, 90:110] = 255
    rows, columns = np.nonzero(fitted(bar) > 127)
    assert (rows.min() + rows.max(), columns.min() + columns.max()) == (SIZE - 1, SIZE - 1)
    assert np.ptp(rows) + 1 == pytest.approx(FRACTION * SIZE, abs=1)
    assert np.ptp(columns) + 1 == pytest.approx(FRACTION * SIZE / 8, abs=1)


def test_specks_far_from_the_ink_are_ignored() -> None:
    dirty = seven()
    dirty[3:6, 3:6] = 255
    dirty[270, 270] = 255
    np.testing.assert_allclose(fitted(dirty).astype(int), fitted(seven()), atol=2)


def test_more_specks_than_sixteen_bits_count_are_ignored() -> None:
    ink = np.zeros((1024, 1024), np.uint8)
    ink[::3, ::3] = 255  # 116,964 of them
    ink[200:800, 480:540] = 255
    bar = fit_ink(ink, SIZE, FRACTION)
    assert bar is not None
    assert np.ptp(np.nonzero(bar.max(axis=0) > 127)[0]) < 8


def test_the_dot_of_an_i_is_no_speck() -> None:
    letter = draw([np.array([(140, 110), (140, 230)]), np.array([(140, 50)])], (280, 280), 18)
    picture = fitted(letter)
    assert picture[6].max() > 100, "the dot is gone"
    assert np.flatnonzero(picture.max(axis=1) > 100).size < FRACTION * SIZE - 2, "no gap between dot and stem"


def test_a_faint_pencil_reads_like_a_black_pen() -> None:
    assert likeness(fitted((250 - seven() * 0.2).astype(np.uint8)), fitted(seven())) > 0.99


@pytest.mark.parametrize("side", [64, 280, 900])
@pytest.mark.parametrize("noise", [1, 5])
def test_a_photo_with_uneven_light_gives_the_same_ink(side: int, noise: int) -> None:
    ink = seven(side)
    paper = np.linspace(200, 110, side)[:, None] * np.linspace(1, 0.75, side)
    assert likeness(fitted(photo(ink, paper, noise=noise)), fitted(seven())) > 0.95


def test_a_hard_shadow_is_not_ink() -> None:
    paper = np.full((280, 280), 190.0)
    paper[:, 200:] = 130
    assert likeness(fitted(photo(seven(), paper)), fitted(seven())) > 0.9


def test_chalk_on_a_blackboard_is_light_ink() -> None:
    board = np.linspace(50, 80, 280)[:, None] + seven() * 0.5 + np.random.default_rng(0).normal(0, 3, (280, 280))
    assert likeness(fitted(board.clip(0, 255).astype(np.uint8)), fitted(seven())) > 0.95


def test_ruled_lines_of_a_clean_scan_are_not_ink() -> None:
    page = 255 - seven()
    for row in range(20, 280, 60):
        page[row : row + 2] = np.minimum(page[row : row + 2], 170)
    assert likeness(fitted(page), fitted(seven())) > 0.95


def test_a_thin_line_through_the_whole_picture_is_ink_if_nothing_else_is() -> None:
    line = draw([np.array([(140, -5), (140, 285)])], (280, 280), 4)
    assert to_ink(255 - line) is not None
    assert (fitted(255 - line).max(axis=1) > 200).sum() >= FRACTION * SIZE - 2


def test_ruled_lines_are_not_ink() -> None:
    paper = np.linspace(210, 150, 280)[:, None] * np.ones(280)
    for row in range(20, 280, 60):
        paper[row : row + 2] *= 0.75
    assert likeness(fitted(photo(seven(), paper)), fitted(seven())) > 0.9


# --- blank ---


@pytest.mark.parametrize("shape", [(28, 28), (280, 280), (1000, 700)])
def test_blank_uniform_and_noise_are_none(shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    for level in (0, 127, 255):
        assert to_ink(np.full(shape, level, np.uint8)) is None
    assert to_ink(rng.integers(0, 256, shape, dtype=np.uint8)) is None
    for spread in (2, 8):
        assert to_ink(np.clip(rng.normal(180, spread, shape), 0, 255).astype(np.uint8)) is None


@pytest.mark.parametrize("quality", [30, 60, 90])
@pytest.mark.parametrize("spread", [2, 5])
def test_an_empty_sheet_as_jpeg_is_none(tmp_path: Path, quality: int, spread: float) -> None:
    for side in (64, 300, 900):
        grain = np.random.default_rng(side).normal(200, spread, (side, side))
        Image.fromarray(grain.clip(0, 255).astype(np.uint8)).save(tmp_path / "sheet.jpg", quality=quality)
        assert to_ink(tmp_path / "sheet.jpg") is None


def test_an_empty_sheet_in_uneven_light_is_none() -> None:
    paper = np.linspace(220, 120, 400)[:, None] * np.linspace(1, 0.8, 400)
    assert to_ink(photo(np.zeros((400, 400), np.uint8), paper)) is None


# --- what is no picture, and what is too much of one ---


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        ("missing.png", "no such picture"),
        (3, "int"),
        ([1, 2], "list"),
        (np.zeros((0, 5), np.uint8), "no pixels"),
        (np.zeros((5, 5, 2), np.uint8), "expected uint8"),
        (np.zeros((5, 5)), "float64"),
        (np.zeros(5, np.uint8), "expected uint8"),
        ({"ink": 1}, "composite"),
        ({"composite": "missing.png"}, "no such picture"),
    ],
)
def test_what_is_no_picture_is_named(bad: object, words: str) -> None:
    with pytest.raises(UserError, match=words):
        to_ink(bad)


def test_damaged_files_are_named(tmp_path: Path) -> None:
    whole = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (200, 200), np.uint8)).save(whole, "PNG")
    for name, content in {
        "empty.png": b"",
        "text.png": b"this is no picture",
        "cut.png": whole.getvalue()[:5000],
        "flipped.png": whole.getvalue()[:300] + b"\xff\x00\xff" + whole.getvalue()[303:],
    }.items():
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(UserError, match=name):
            to_ink(path)
    with pytest.raises(UserError, match="folder"):
        to_ink(tmp_path)


@pytest.mark.parametrize("side", [12_000, 20_000])
def test_a_decompression_bomb_is_refused_before_it_is_decoded(tmp_path: Path, side: int) -> None:
    path = tmp_path / "bomb.png"
    Image.new("1", (side, side)).save(path)
    with pytest.raises(UserError, match="too large"):
        to_ink(path)


def test_a_large_photo_is_read_in_bounded_memory(tmp_path: Path) -> None:
    path = tmp_path / "large.jpg"
    Image.fromarray(255 - seven(2000)).resize((8000, 8000)).save(path)
    assert likeness(fitted(path), fitted(seven())) > 0.99


@pytest.mark.parametrize("shape", [(1, 5000), (5000, 1), (1, 1), (2, 3)])
def test_strips_and_dots_end_in_an_answer(shape: tuple[int, int]) -> None:
    strip = np.zeros(shape, np.uint8)
    strip.flat[strip.size // 2 :] = 255
    ink = to_ink(strip)
    assert ink is None or fit_ink(ink, SIZE, FRACTION) is None or fitted(strip).shape == (SIZE, SIZE)


@settings(max_examples=200, deadline=None)
@given(arrays(np.uint8, st.tuples(st.integers(1, 40), st.integers(1, 40))))
def test_any_array_ends_in_a_fitted_picture_or_none(image: NDArray[np.uint8]) -> None:
    ink = to_ink(image)
    if ink is not None:
        assert ink.dtype == np.uint8
        result = fit_ink(ink, SIZE, FRACTION)
        assert result is None or (result.shape == (SIZE, SIZE) and result.max() == 255)
