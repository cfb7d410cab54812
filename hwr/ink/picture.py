"""Any picture -> grey values or colours, and the ink itself where transparency tells it; paper is not judged here."""

from __future__ import annotations

import os
import stat
import warnings
from collections.abc import Mapping
from contextlib import suppress
from itertools import chain
from typing import Any, BinaryIO, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from hwr.config import UserError
from hwr.ink import pages, strokes
from hwr.ink.formats import FORMATS, extra, is_heif, is_pdf

Gray = NDArray[np.uint8]  # (H, W)
Pixels = NDArray[np.uint8]  # (H, W), or (H, W, 3) in the order R, G, B
Number = TypeVar("Number", np.uint8, np.float32)

MAX_PIXELS = 2**26  # 67 megapixels, 64 MiB as grey: larger pictures are refused before they are decoded
LONGEST_NAME = 255  # characters: no file's is longer
MAX_LENGTH = 2**16  # pixels of a side: longer strips are no writing, and cost Pillow a pointer for every row
MAX_LAYERS = 32  # of a sketch: each may be a picture of MAX_PIXELS
MAX_SIDE = 1024  # longest side that is worked on, in pixels; more is shrunk by area first
LARGEST_SIDE = 2 * MAX_SIDE  # longest side in which a page is looked for, so that it has MAX_SIDE of its own
DRAFT_SIZE = (2048, 2048)  # JPEG decodes at 1/2, 1/4 or 1/8 straight away while both sides stay above this
OPAQUE = 128  # alpha from which a pixel counts as painted
FADES = 16  # grey levels by which the rim of a cut-out differs from its main tone where the paper was deleted
ONE_COLOUR = 64  # grey levels: paint that varies less than this is ink of one colour

PAGES = "pages of the file"  # in the notes of a picture that came of a PDF
EDITOR_KEYS = ("layers", "background", "composite")


def decode(picture: Any) -> tuple[Pixels, bool] | None:
    """Any picture as ``(pixels, is_ink)``, uint8 (H, W) or (H, W, 3), longer side at most LARGEST_SIDE.

    ``is_ink`` says that pixels are already ink, (H, W), white on black, longer side at most MAX_SIDE, because
    transparency showed what was painted. None for an empty sketchpad. Raises UserError for anything else than a
    picture, and for pictures that cannot be read or are too large.
    """
    if not isinstance(picture, Mapping):
        return _from_picture(picture)
    return (strokes.ink(picture), True) if "strokes" in picture else _from_editor(picture)


def _from_picture(picture: Any) -> tuple[Pixels, bool] | None:
    if picture is None or (isinstance(picture, (list, tuple)) and not picture):
        return None
    if isinstance(picture, (str, os.PathLike)):
        return _from_file(picture)
    if isinstance(picture, Image.Image):
        return _from_pil(picture, "the picture")
    if isinstance(picture, np.ndarray):
        return _from_array(picture)
    raise UserError(
        f"cannot read a picture from {type(picture).__name__}: give a path, a PIL image, "
        "a uint8 array (H, W), (H, W, 3) or (H, W, 4), or the value of a Gradio ImageEditor"
    )


def _from_editor(value: Mapping[str, Any]) -> tuple[Pixels, bool] | None:
    if not any(key in value for key in EDITOR_KEYS):
        raise UserError(f"a sketch needs one of the keys {', '.join(EDITOR_KEYS)}; got {sorted(map(str, value))[:5]}")
    background, given = value.get("background"), _as_list(value.get("layers"))
    if len(given) > MAX_LAYERS:
        raise UserError(f"a sketch of {len(given):,} layers: at most {MAX_LAYERS} are read")
    layers = [_from_picture(layer) for layer in given]
    inks = [found[0] for found in layers if found is not None and found[1] and found[0].any()]
    if inks and _is_plain(background):
        height, width = inks[0].shape
        return np.maximum.reduce(
            [ink if ink.shape == (height, width) else cv2.resize(ink, (width, height)) for ink in inks]
        ), True
    wholes = chain(map(_from_picture, (value.get("composite"), background)), layers)
    return next((found for found in wholes if found is not None), None)


def _as_list(layers: Any) -> list[Any]:
    if layers is None:
        return []
    return list(layers) if isinstance(layers, (list, tuple)) else [layers]


def _is_plain(background: Any) -> bool:
    """No background, or one colour all over: then the layers alone hold the drawing."""
    if background is None or (isinstance(background, (list, tuple)) and not background):
        return True
    found = _from_picture(background)
    return found is None or not np.ptp(found[0], axis=(0, 1)).any()


def _from_file(path: str | os.PathLike[str]) -> tuple[Pixels, bool]:
    name = os.fsdecode(path)
    file, page = pages.split(name)
    _require_file(file)
    with opened(file, name, page) as image:
        if not page and (count := image.info.get(PAGES) or _page_count(image, name)) > 1:
            warnings.warn(f"{name} has {count} pages: the first is read; the next is {name}#page=2", stacklevel=2)
        return _from_pil(image, name)


def _page_count(image: Image.Image, name: str) -> int:
    """The number of a picture's pages. Raises UserError for a damaged one."""
    try:
        return len(pages.numbers(image))
    except Exception as error:  # on crafted or cut-off files Pillow raises whatever it stumbles over
        raise UserError(f"{name} is damaged or cut off: {error}") from None


def _require_file(name: str) -> None:
    """Refuse what is no file: a pipe, for one, would wait for whoever writes to it."""
    try:
        mode = os.stat(name).st_mode  # noqa: PTH116  Path.stat is the same
    except FileNotFoundError:
        raise UserError(f"no such picture: {name}") from None
    except (OSError, ValueError) as error:  # names that are too long, or hold what no name can
        reason = error.strerror if isinstance(error, OSError) else error
        raise UserError(f"there can be no picture {name[:LONGEST_NAME]}: {reason}") from None
    if stat.S_ISDIR(mode):
        raise UserError(f"{name} is a folder, not a picture")
    if not stat.S_ISREG(mode):
        raise UserError(f"{name} is no file: expected a picture in a file")


def opened(file: str | BinaryIO, name: str, page: int = 0) -> Image.Image:
    """A picture file of one of FORMATS, not decoded yet; HEIC and PDF too, where the extra is installed.

    ``page`` is the number of a page, from 1 on; 0 is the first. Raises UserError, which calls the file by ``name``, for
    what cannot be read.
    """
    try:
        beginning = _beginning(file)
        if is_pdf(beginning):
            return _pdf(file, page, name)
        if heif := is_heif(beginning):
            extra("pillow_heif", name).register_heif_opener()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # whoever decodes it looks at its size
            image = Image.open(file, formats=(*FORMATS, "HEIF") if heif else FORMATS)
        if page:
            pages.turn_to(image, page, name)
        return image
    except UserError:
        raise
    except PermissionError:
        raise UserError(f"{name} may not be read: check its permissions") from None
    except UnidentifiedImageError:
        raise UserError(f"{name} is not a picture that can be read: expected {', '.join(FORMATS)}") from None
    except Image.DecompressionBombError:
        raise UserError(f"{name} is too large: at most {MAX_PIXELS // 2**20} megapixels are read") from None
    except Exception as error:  # on crafted or cut-off files Pillow raises whatever it stumbles over
        raise UserError(f"{name} is damaged or cut off: {error}") from None


def _beginning(file: str | BinaryIO) -> bytes:
    if isinstance(file, str):
        with open(file, "rb") as content:  # noqa: PTH123  a Path refuses names that os.stat takes
            return content.read(pages.BEGINNING)
    found = file.read(pages.BEGINNING)
    file.seek(0)
    return found


def _pdf(file: str | BinaryIO, page: int, name: str) -> Image.Image:
    image, count = pages.of_pdf(file, max(page, 1), name, max(DRAFT_SIZE))
    image.info[PAGES] = count
    return image


def _from_pil(image: Image.Image, name: str) -> tuple[Pixels, bool]:
    with suppress(Exception):  # a damaged one is refused below
        image.draft(None, DRAFT_SIZE)
    width, height = image.size
    if width == 0 or height == 0:
        raise UserError(f"{name} has no pixels: {width} x {height}")
    if width * height > MAX_PIXELS or max(width, height) > MAX_LENGTH:
        limit = f"at most {MAX_PIXELS / 1e6:.0f} million pixels are read, {MAX_LENGTH:,} to a side"
        raise UserError(f"{name} is too large: {width} x {height}; {limit}, so scale it down first")
    try:
        return _from_array(_pixels(ImageOps.exif_transpose(reduced(image))))
    except UserError:
        raise
    except Exception as error:  # on crafted or cut-off files Pillow's decoders raise whatever they stumble over
        raise UserError(f"{name} is damaged or cut off: {error}") from None


def reduced(image: Image.Image) -> Image.Image:
    """A picture a whole number of times smaller, as JPEG's draft, so that huge ones do not fill the memory."""
    image.load()
    factor = max(image.size) // max(DRAFT_SIZE)
    if factor < 2 or image.mode[0] in "IF":
        return image
    if image.mode not in ("L", "RGB", "RGBA"):
        image = image.convert("RGBA" if _has_alpha(image) else "L" if image.mode == "1" else "RGB")
    return image.reduce((min(factor, image.width), min(factor, image.height)))


def _has_alpha(image: Image.Image) -> bool:
    return image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info


def _pixels(image: Image.Image) -> NDArray[np.uint8]:
    """Pixels as uint8 (H, W), (H, W, 3) or, where anything is transparent, (H, W, 4)."""
    if image.mode[0] in "IF":  # 16 bits, 32 bits, floats: no fixed range, so the picture's own
        return _stretch(shrink(np.asarray(image, dtype=np.float32), LARGEST_SIDE))
    if _has_alpha(image):
        return np.asarray(image.convert("RGBA"))
    return np.asarray(image.convert("L" if image.mode in ("1", "L") else "RGB"))


def _stretch(values: NDArray[np.float32]) -> Gray:
    finite = np.isfinite(values)
    if not finite.any():
        return np.zeros(values.shape, np.uint8)
    low, high = float(values[finite].min()), float(values[finite].max())
    middle = float(np.median(values[finite]))
    scaled = (np.where(finite, values, middle) - low) * (255 / max(high - low, 1e-12))
    return np.rint(scaled).astype(np.uint8)


def _from_array(array: NDArray[Any]) -> tuple[Pixels, bool]:
    array = np.asarray(array)  # a matrix or a masked array has rows of its own kind
    if array.dtype == np.bool_:
        array = array.astype(np.uint8) * 255
    if array.dtype != np.uint8 or array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (1, 3, 4)):
        raise UserError(
            f"cannot read a picture from an array of shape {array.shape} and type {array.dtype}: "
            "expected uint8, 0 to 255, of shape (H, W), (H, W, 3) or (H, W, 4)"
        )
    if array.size == 0:
        raise UserError(f"the picture has no pixels: shape {array.shape}")
    if array.shape[0] * array.shape[1] > MAX_PIXELS:
        raise UserError(f"the picture is too large: {array.shape}; at most {MAX_PIXELS / 1e6:.0f} million pixels")
    if array.ndim == 2 or array.shape[2] == 1:
        return shrink(array.reshape(array.shape[:2]), LARGEST_SIDE), False
    return (shrink(array, LARGEST_SIDE), False) if array.shape[2] == 3 else _without_alpha(array)


def _without_alpha(rgba: NDArray[np.uint8]) -> tuple[Pixels, bool]:
    """Paint of one colour on transparent paper is the ink; anything else is laid on what its edges fade into."""
    alpha = np.ascontiguousarray(rgba[:, :, 3])
    if alpha.min() == 255:
        return shrink(np.ascontiguousarray(rgba[:, :, :3]), LARGEST_SIDE), False
    if alpha.max() == 0:
        return np.zeros((1, 1), np.uint8), True
    gray = luminance(rgba)
    solid = alpha >= min(OPAQUE, int(alpha.max()))
    painted = gray[solid]
    low, tone, high = np.percentile(painted, (2, 50, 98)) if painted.min() != painted.max() else [painted[0]] * 3
    if high - low < ONE_COLOUR and alpha.min() < alpha.max():
        return shrink(alpha), True
    return shrink(_lay_on(_paper_of(gray, solid, int(tone)), gray, alpha), LARGEST_SIDE), False


def _paper_of(gray: Gray, solid: NDArray[np.bool_], tone: int) -> int:
    """The paper of a cut-out: its main tone, unless it fades towards another at its rim, as ink does without paper."""
    rim = gray[solid & (cv2.erode(solid.view(np.uint8), np.ones((3, 3), np.uint8)) == 0)]
    if not rim.size or abs(float(np.median(rim)) - tone) < FADES:
        return tone
    return int(np.percentile(rim, 95 if np.median(rim) > tone else 5))


def luminance(colour: NDArray[np.uint8]) -> Gray:
    """Brightness (ITU-R 601) of (H, W, 3) or (H, W, 4): uint8 (H, W)."""
    code = cv2.COLOR_RGB2GRAY if colour.shape[2] == 3 else cv2.COLOR_RGBA2GRAY
    return np.asarray(cv2.cvtColor(colour, code), np.uint8)


def _lay_on(tone: int, gray: Gray, alpha: Gray) -> Gray:
    share = alpha.astype(np.float32) / 255
    return np.rint(gray * share + tone * (1 - share)).astype(np.uint8)


def shrink(gray: NDArray[Number], longest: int = MAX_SIDE) -> NDArray[Number]:
    """By area, so that nothing is missed, until the longer side is ``longest`` pixels; never enlarged.

    (H, W) or (H, W, channels).
    """
    height, width = gray.shape[:2]
    scale = longest / max(height, width)
    if scale >= 1:
        return np.ascontiguousarray(gray)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(cv2.resize(gray, size, interpolation=cv2.INTER_AREA), gray.dtype)
