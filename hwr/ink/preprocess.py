"""Any picture -> ink -> tensor: the only preprocessing there is, for training and for serving.

*Ink* is uint8, white on black, upright, of any size. Datasets and sketches reach that form first; from there on
`fit_ink` and `to_input` are the one way to the network.
"""

from __future__ import annotations

import math
from functools import cache
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from hwr.config import ModelConfig
from hwr.ink.photo import Written, as_it_is, lifted
from hwr.ink.picture import Gray, decode, luminance, shrink

if TYPE_CHECKING:
    import torch

MIN_INK = 16  # grey levels: fainter than this is nothing
EDGE = 0.4  # share of the ink's peak at which a stroke's edge is taken
SPECK_AREA = 0.004  # of all ink: smaller pieces are specks...
SPECK_SIDE = 0.04  # ...if they are also this small, as a share of the longest side of the largest piece
PEAK_PIXELS = 0.008  # share of a fitted picture's pixels that may lie above full white
FLAT = 0.25  # of its width: no digit and no letter is so low
FLOOR = 0.06  # share of the peak below which ink is paper


def to_ink(picture: Any) -> Gray | None:
    """A path, PIL image, uint8 array or Gradio EditorValue as ink; None where nothing is written.

    Blank, uniform and noise-only pictures are None. Raises UserError for what cannot be read as a picture.
    """
    found = written(picture)
    return None if found is None else found.ink


def written(picture: Any) -> Written | None:
    """Any picture as ink with the boxes of a form, and the way back to the picture; None where nothing is written.

    The ink may be that of a page which was cut out of a photo and straightened. Raises UserError as `to_ink` does.
    """
    found = decode(picture)
    if found is None:
        return None
    pixels, is_ink = found
    result = as_it_is(pixels) if is_ink else lifted(pixels)
    return result if result is not None and result.ink.max() >= MIN_INK else None


def fit(picture: Any, config: ModelConfig, is_ink: bool = False) -> Gray | None:
    """A picture as the network gets to see it, uint8 (S, S); None if nothing is written in it.

    ``is_ink`` pictures, of data sets, are white on black already. A network for plain pictures sees them whole.
    """
    if not config.ink:
        return fit_plain(picture, config.image_size)
    ink = picture if is_ink else to_ink(picture)
    return None if ink is None else fit_ink(ink, config.image_size, config.ink_fraction)


def is_flat(seen: Gray) -> bool:
    """Whether a fitted picture, uint8 (S, S), shows nothing higher than a bar: a dash, a rule, a blank to fill in."""
    _, _, width, height = cv2.boundingRect((seen >= EDGE * max(int(seen.max()), 1)).view(np.uint8))
    return bool(height <= FLAT * width)


def fit_plain(picture: Any, size: int) -> Gray | None:
    """The middle square of a picture in grey, scaled with antialiasing: uint8 (size, size); None if it is blank."""
    found = decode(picture)
    if found is None:
        return None
    pixels, is_ink = found
    gray = shrink(luminance(pixels) if pixels.ndim == 3 else pixels)
    gray = gray if not is_ink else 255 - gray  # what was drawn on nothing is dark on paper
    side = min(gray.shape)
    top, left = (gray.shape[0] - side) // 2, (gray.shape[1] - side) // 2
    square = shrink(gray[top : top + side, left : left + side], size)
    return np.asarray(cv2.resize(square, (size, size), interpolation=cv2.INTER_LINEAR))


def fit_ink(ink: Gray, size: int, ink_fraction: float) -> Gray | None:
    """Ink cropped, scaled with antialiasing and centred: uint8 (size, size); None if only specks are there.

    The longer side of the ink becomes ``ink_fraction * size`` pixels; the aspect ratio is kept. Edges are found
    between pixels, so that the same drawing at another resolution gives the same picture.
    """
    peak = int(ink.max())
    clean = _without_specks(*_crop(ink, peak)) if peak >= MIN_INK else None
    return None if clean is None else _stretch_contrast(_place(clean, size, ink_fraction * size))


def to_input(fitted: Gray, config: ModelConfig) -> NDArray[np.float32]:
    """Fitted ink, uint8 (H, W) or (N, H, W), as the network's input: float32 (1, 1, H, W) or (N, 1, H, W)."""
    pixels = _levels(config.mean, config.std).take(fitted)  # one pass instead of four
    return pixels.reshape(-1 if fitted.size else len(fitted), 1, *fitted.shape[-2:])


@cache
def _levels(mean: float, std: float) -> NDArray[np.float32]:
    """What each grey level is to the network, float32 (256,)."""
    levels = np.arange(256, dtype=np.float32) / np.float32(255)
    return np.asarray((levels - np.float32(mean)) / np.float32(std))


def normalise(pixels: torch.Tensor, mean: float, std: float) -> torch.Tensor:
    """Pixels in [0, 1] to the network's scale, in place, as `to_input` does. Training calls it after augmentation."""
    return pixels.sub_(mean).div_(std)


def _crop(ink: Gray, peak: int) -> tuple[Gray, Gray]:
    """To everything that is not paper, with a pixel around it so that every edge is inside; and the mask of that.

    The mask is 1 inside strokes and 0 on paper.
    """
    least = max(math.ceil(EDGE * peak), 1)  # a whole number: comparing with another takes ten times as long
    mask = (ink >= least).view(np.uint8)
    x, y, width, height = cv2.boundingRect(mask)
    box = slice(max(y - 1, 0), y + height + 1), slice(max(x - 1, 0), x + width + 1)
    return ink[box], mask[box]


def _without_specks(ink: Gray, mask: Gray) -> Gray | None:
    """Ink without its specks, cropped again if there were any; None if nothing else is there."""
    if _in_one_piece(mask):  # nothing can be a speck
        return ink
    _, pieces, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    areas = stats[1:, cv2.CC_STAT_AREA]
    sides = stats[1:, cv2.CC_STAT_WIDTH : cv2.CC_STAT_HEIGHT + 1].max(axis=1)
    speck = (areas < SPECK_AREA * areas.sum()) & (sides < max(SPECK_SIDE * sides[areas.argmax()], 1.5))
    if not speck.any():
        return ink
    if speck.all():
        return None
    drop = np.concatenate([[False], speck])[pieces].astype(np.uint8)
    around = cv2.dilate(drop, np.ones((3, 3), np.uint8))  # a speck's antialiased rim
    around[(pieces > 0) & (drop == 0)] = 0
    clean = np.where(around > 0, np.uint8(0), ink)
    return _crop(clean, int(clean.max()))[0]


def _in_one_piece(mask: Gray) -> bool:
    """Filling it from one pixel fills it all: quicker than counting its pieces, for which OpenCV wakes threads."""
    y, x = divmod(int(mask.argmax()), mask.shape[1])
    return int(cv2.floodFill(mask.copy(), None, (x, y), 2, flags=8)[0]) == cv2.countNonZero(mask)


def _place(ink: Gray, size: int, target: float) -> Gray:
    """The ink's box, its longer side ``target`` pixels long, in the middle of a (size, size) picture."""
    ink = shrink(ink, round(4 * target))  # so that bilinear sampling afterwards skips no pixel
    left, right = _edges(ink.max(axis=0))
    top, bottom = _edges(ink.max(axis=1))
    scale = 2 * target / max(right - left, bottom - top)  # sampled twice as fine, then averaged
    move = np.array(
        [
            [scale, 0, size - 0.5 - scale * (left + right) / 2],
            [0, scale, size - 0.5 - scale * (top + bottom) / 2],
        ]
    )
    fine = cv2.warpAffine(ink, move, (2 * size, 2 * size), flags=cv2.INTER_LINEAR)
    return np.asarray(cv2.resize(fine, (size, size), interpolation=cv2.INTER_AREA))


def _edges(profile: Gray) -> tuple[float, float]:
    """Where a profile first and last crosses EDGE of its peak, in pixels, between pixel centres."""
    level = float(profile.max()) * EDGE
    above = np.flatnonzero(profile >= level)
    return _crossing(profile, int(above[0]), -1, level), _crossing(profile, int(above[-1]), 1, level)


def _crossing(profile: Gray, inside: int, step: int, level: float) -> float:
    outside = inside + step
    low = float(profile[outside]) if 0 <= outside < len(profile) else 0.0
    high = float(profile[inside])
    return inside + step * (high - level) / max(high - low, 1.0)


def _stretch_contrast(fitted: Gray) -> Gray:
    """Full white at the robust peak, black below FLOOR of it: faint pencils and thin pens read like others."""
    above = max(1, round(PEAK_PIXELS * fitted.size))
    if np.count_nonzero(fitted == 255) >= above:
        peak = 255  # as of most drawings, and quickly told
    else:
        peak = max(int(np.partition(fitted.reshape(-1), -above)[-above]), 1)
    return np.asarray(cv2.LUT(fitted, _stretching(peak)))


@cache
def _stretching(peak: int) -> Gray:
    """What each grey level becomes, uint8 (256,)."""
    levels = (np.arange(256) / peak - FLOOR) / (1 - FLOOR)
    return np.rint(np.clip(levels, 0, 1) * 255).astype(np.uint8)
