"""Degradations by forms, scanners and pens, for batches of pixels in [0, 1], (N, 1, S, S), white on black.

Every function changes some of the pictures, each in its own way, with the given probability; 0 changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch.nn import functional as F

Change = Callable[[torch.Tensor], torch.Tensor]

RULE_PLACE = 0.15  # of the side: largest distance of a form's rules and borders from the picture's edge
RULE_WIDTH = (0.015, 0.06)  # of the side
DOT_PERIOD = (0.06, 0.14)  # of the side, between two dots of print
PRINT_GREY = (0.15, 0.5)  # of black
BITMAP = (8, 20)  # pixels a side of a coarse scan
SCANS = 8  # sizes that a batch is scanned at
BINARY = 0.35  # grey from which a pixel of a binarised scan is ink
GAP = 0.16  # of the random field's spread: how wide the gaps of a broken stroke are
CUT = (0.5, 0.75)  # of the side that remains of a cut picture


def draw_rules(pixels: torch.Tensor, probability: float) -> torch.Tensor:
    """Draw straight lines along one to three sides, over the full length, as remains of a form's rules and boxes."""

    def change(chosen: torch.Tensor) -> torch.Tensor:
        n, _, side, _ = chosen.shape
        device = chosen.device
        order = torch.rand(n, 4, device=device).argsort(1)
        there = order < torch.randint(1, 4, (n, 1), device=device)
        place = torch.rand(n, 4, device=device) * RULE_PLACE * side
        half = torch.empty(n, 4, device=device).uniform_(*RULE_WIDTH) * side / 2
        grey = torch.empty(n, 4, device=device).uniform_(0.4, 1.0) * there
        near = torch.arange(side, device=device) + 0.5
        for i, at in enumerate((near, side - near, near, side - near)):
            line = (half[:, i, None] + 0.5 - (at - place[:, i, None]).abs()).clamp(0, 1) * grey[:, i, None]
            across = line[:, None, :, None] if i < 2 else line[:, None, None, :]
            chosen = torch.maximum(chosen, across)
        return chosen

    return _some(pixels, probability, change)


def print_dots(pixels: torch.Tensor, probability: float) -> torch.Tensor:
    """Print grey dots under the ink, in rows and columns."""

    def change(chosen: torch.Tensor) -> torch.Tensor:
        n, _, side, _ = chosen.shape
        device = chosen.device
        at = torch.arange(side, device=device) / side
        period = torch.empty(n, 1, device=device).uniform_(*DOT_PERIOD)
        waves = [torch.cos(2 * torch.pi * (at / period + torch.rand(n, 1, device=device))) for _ in range(2)]
        dots = (waves[0][:, :, None] + waves[1][:, None, :] - 0.8).clamp(0, 1)
        grey = torch.empty(n, 1, 1, device=device).uniform_(*PRINT_GREY)
        return torch.maximum(chosen, (dots * grey)[:, None])

    return _some(pixels, probability, change)


def coarsen(pixels: torch.Tensor, probability: float) -> torch.Tensor:
    """Scan at 8 to 20 pixels a side, half the time binarised; a few sizes for each batch."""

    def change(chosen: torch.Tensor) -> torch.Tensor:
        return torch.cat([_scan(part) for part in chosen.chunk(SCANS)])

    return _some(pixels, probability, change)


def _scan(pixels: torch.Tensor) -> torch.Tensor:
    """Scan all pictures at one size."""
    side = int(torch.randint(BITMAP[0], BITMAP[1] + 1, ()))
    small = F.adaptive_avg_pool2d(pixels, side)
    if torch.rand(()) < 0.5:
        small = (small > BINARY).to(pixels.dtype)
    return F.interpolate(small, pixels.shape[-2:], mode="bilinear").clamp(0, 1)


def thicken(pixels: torch.Tensor, probability: float) -> torch.Tensor:
    """Make strokes about three times as wide, until loops fill up, as a felt pen does in a small box."""

    def change(chosen: torch.Tensor) -> torch.Tensor:
        reach = max(1, chosen.shape[-1] // 20)
        amount = torch.empty(len(chosen), 1, 1, 1, device=chosen.device).uniform_(0.6, 1)
        return torch.lerp(chosen, F.max_pool2d(chosen, 2 * reach + 1, 1, reach), amount)

    return _some(pixels, probability, change)


def break_strokes(pixels: torch.Tensor, probability: float) -> torch.Tensor:
    """Leave thin gaps in the ink, along the zeros of a smooth random field, as a dry pen or a bad scan does."""

    def change(chosen: torch.Tensor) -> torch.Tensor:
        knots = torch.randn(len(chosen), 1, 7, 7, device=chosen.device)
        field = F.interpolate(knots, chosen.shape[-2:], mode="bicubic", align_corners=True)
        return chosen * (field.abs() / GAP).clamp(0, 1)

    return _some(pixels, probability, change)


def cut(pixels: torch.Tensor, probability: float) -> torch.Tensor:
    """Erase everything beyond a line along one side, as if the picture cut through the character."""

    def change(chosen: torch.Tensor) -> torch.Tensor:
        n, _, side, _ = chosen.shape
        device = chosen.device
        left = torch.empty(n, 1, device=device).uniform_(*CUT)
        kept = ((torch.arange(side, device=device) + 0.5) / side < left).to(chosen.dtype)
        kept = torch.where(torch.rand(n, 1, device=device) < 0.5, kept, kept.flip(1))
        upright = torch.rand(n, 1, 1, 1, device=device) < 0.5
        return chosen * torch.where(upright, kept[:, None, :, None], kept[:, None, None, :])

    return _some(pixels, probability, change)


def _some(pixels: torch.Tensor, probability: float, change: Change) -> torch.Tensor:
    """Apply ``change`` to each picture with this probability, and leave the others unchanged."""
    if not probability:
        return pixels
    rows = torch.nonzero(torch.rand(len(pixels), device=pixels.device) < probability)[:, 0]
    if not len(rows):
        return pixels
    changed = pixels.clone()
    changed[rows] = change(pixels[rows])
    return changed
