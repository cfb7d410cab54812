"""Augment batches on the training device: variations of hands, pens and scanners.

The strengths are described at the fields of `flags.AugmentationOptions`, the base of TrainConfig.
"""

from __future__ import annotations

import math

import torch
from timm.data.mixup import cutmix_bbox_and_lam
from torch.nn import functional as F

from hwr.training import degrade
from hwr.training.flags import AugmentationOptions

REMNANT = (0.75, 0.85)  # of the side: offset of the neighbour, so that at most a quarter of it stays in the picture
ELASTIC_GRID = 4  # knots a side of the random displacement field


def augment(pixels: torch.Tensor, strengths: AugmentationOptions, size: int = 0) -> torch.Tensor:
    """Augment pixels in [0, 1], (N, 1, S, S), each sample in its own way; the result has ``size`` pixels a side.

    A strength of zero turns that augmentation off; a ``size`` of 0 keeps the size.
    """
    pixels = degrade.cut(leave_remnant(pixels, strengths.remnant), strengths.cut)
    pixels = degrade.thicken(change_strokes(pixels, strengths.stroke), strengths.blobs)
    pixels = degrade.break_strokes(pixels, strengths.broken)
    grid = _grid(len(pixels), size or pixels.shape[-1], strengths, pixels.device)
    pixels = F.grid_sample(pixels, grid, align_corners=False)
    pixels = degrade.draw_rules(degrade.print_dots(pixels, strengths.dots), strengths.rules)
    pixels = change_focus(degrade.coarsen(pixels, strengths.coarse), strengths.blur)
    return occlude(change_gain(pixels, strengths.gain), strengths.occlusion)


def _grid(n: int, size: int, strengths: AugmentationOptions, device: torch.device) -> torch.Tensor:
    """Return where each output pixel is sampled: an affine map and a random displacement, (n, size, size, 2)."""
    grid = F.affine_grid(_affine(n, strengths, device), [n, 1, size, size], align_corners=False)
    if strengths.elastic:
        knots = torch.randn(n, 2, ELASTIC_GRID, ELASTIC_GRID, device=device) * (2 * strengths.elastic)
        field = F.interpolate(knots, (size, size), mode="bicubic", align_corners=True)
        grid = grid + field.permute(0, 2, 3, 1)
    return grid


def _affine(n: int, strengths: AugmentationOptions, device: torch.device) -> torch.Tensor:
    """Return affine maps (n, 2, 3) from the output's coordinates in [-1, 1] to the input's."""
    angle = _uniform(n, math.radians(strengths.degrees), device)
    shear = _uniform(n, strengths.shear, device)
    wide, high = (torch.exp(_uniform(n, math.log1p(strengths.scale), device)) for _ in range(2))
    cos, sin = torch.cos(angle), torch.sin(angle)
    rows = torch.stack([cos * wide, (shear * cos - sin) * high, sin * wide, (shear * sin + cos) * high], 1)
    move = torch.stack([_uniform(n, 2 * strengths.shift, device) for _ in range(2)], 1)
    return torch.cat([rows.view(n, 2, 2), move.view(n, 2, 1)], 2)


def _uniform(n: int, limit: float, device: torch.device) -> torch.Tensor:
    return torch.empty(n, device=device).uniform_(-limit, limit)


def change_strokes(pixels: torch.Tensor, limit: float) -> torch.Tensor:
    """Make strokes thicker or thinner by up to ``limit`` pixels all around: blend with the 3x3 maximum or minimum."""
    if not limit:
        return pixels
    amount = _uniform(len(pixels), limit, pixels.device).view(-1, 1, 1, 1)
    thick = F.max_pool2d(pixels, 3, 1, 1)
    thin = -F.max_pool2d(-pixels, 3, 1, 1)
    return torch.lerp(pixels, torch.where(amount > 0, thick, thin), amount.abs().clamp(max=1))


def change_focus(pixels: torch.Tensor, limit: float) -> torch.Tensor:
    """Blur by up to ``limit``: blend with the 3x3 average, as low resolution and cameras do."""
    if not limit:
        return pixels
    amount = torch.rand(len(pixels), 1, 1, 1, device=pixels.device) * limit
    return torch.lerp(pixels, F.avg_pool2d(pixels, 3, 1, 1), amount)


def change_gain(pixels: torch.Tensor, limit: float) -> torch.Tensor:
    """Lower the contrast and change gamma in either direction, by up to ``limit``."""
    if not limit:
        return pixels
    n, device = len(pixels), pixels.device
    gamma = torch.exp(_uniform(n, math.log1p(2 * limit), device)).view(-1, 1, 1, 1)
    gain = 1 + _uniform(n, limit, device).view(-1, 1, 1, 1)
    return (pixels.clamp(min=1e-4) ** gamma * gain).clamp(0, 1)


def occlude(pixels: torch.Tensor, probability: float) -> torch.Tensor:
    """Erase a patch of up to a third of the side in some pictures."""
    if not probability:
        return pixels
    n, _, height, width = pixels.shape
    device = pixels.device
    half = torch.rand(2, n, 1, device=device) / 6 * (torch.rand(1, n, 1, device=device) < probability)
    centre = torch.rand(2, n, 1, device=device)
    rows = (torch.linspace(0, 1, height, device=device) - centre[0]).abs() < half[0]
    columns = (torch.linspace(0, 1, width, device=device) - centre[1]).abs() < half[1]
    return pixels.masked_fill((rows[:, :, None] & columns[:, None, :])[:, None], 0.0)


def leave_remnant(pixels: torch.Tensor, probability: float) -> torch.Tensor:
    """Show the edge of another picture at one side of some pictures, as when touching characters are cut apart."""
    if not probability:
        return pixels
    n, _, height, width = pixels.shape
    device = pixels.device
    side = torch.where(torch.rand(n, device=device) < 0.5, -1.0, 1.0)
    across = side * torch.empty(n, device=device).uniform_(*REMNANT)
    there = torch.rand(n, device=device) < probability
    moved = torch.eye(2, 3, device=device).repeat(n, 1, 1)
    moved[:, 0, 2] = 2 * torch.where(there, across, 1.0)  # at an offset of a whole width the neighbour is out of sight
    moved[:, 1, 2] = _uniform(n, 0.2, device)
    grid = F.affine_grid(moved, [n, 1, height, width], align_corners=False)
    return torch.maximum(pixels, F.grid_sample(pixels.flip(0), grid, align_corners=False))


def mix(pixels: torch.Tensor, mixup: float, cutmix: float) -> tuple[torch.Tensor, float]:
    """Blend a batch with itself in reverse order; also return the share of the first sample of each pair.

    By mixup (Zhang et al. 2018) or cutmix (Yun et al. 2019) with these alphas; with both, one at random.
    """
    if not mixup and not cutmix:
        return pixels, 1.0
    blend = mixup and (not cutmix or torch.rand(()) < 0.5)
    alpha = torch.tensor(float(mixup if blend else cutmix))
    share = torch.distributions.Beta(alpha, alpha).sample().item()
    share = max(share, 1 - share)  # the first of a pair dominates; the other case is the same batch in reverse
    if blend:
        return torch.lerp(pixels.flip(0), pixels, share), share
    (top, bottom, left, right), share = cutmix_bbox_and_lam(pixels.shape, share)
    mixed = pixels.clone()
    mixed[:, :, top:bottom, left:right] = pixels.flip(0)[:, :, top:bottom, left:right]
    return mixed, float(share)
