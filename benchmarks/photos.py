"""Photos of ink as a phone takes them: on paper or a board, tilted, in uneven light, ruled or not."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from hwr.ink.picture import Gray

PENCILS = ((35, 60, 150), (30, 32, 38), (175, 40, 45), (105, 105, 110))  # blue, black, red, graphite
BOARDS = ((35, 50, 42), (38, 40, 42), (30, 38, 55))  # green, slate, blue
SIZES = (1200, 2001)  # pixels a photo is wide
TILT = 8.0  # degrees
BOARD, RULED = 0.12, 0.6  # shares of the photos, and of those of paper


def photo(ink: Gray, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Ink on paper or a board as a phone's camera sees it: uint8 (H, W, 3), RGB."""
    width = int(rng.integers(*SIZES))
    size = (int(width * rng.uniform(0.4, 0.75)), width)
    written, rules = laid(ink, size, rng)
    board = rng.random() < BOARD
    white = rng.uniform(225, 252) * (1 - rng.uniform(0, 1) * np.array((0, 0.02, 0.1)))  # to cream
    back = np.array(BOARDS[rng.integers(3)] if board else white, np.float32)
    front = np.array((235, 235, 228) if board else PENCILS[rng.integers(4)], np.float32)
    grain = cv2.GaussianBlur(rng.standard_normal(size, np.float32), (0, 0), 1.5)
    written *= np.clip(rng.uniform(0.75, 1) + grain * rng.uniform(0, 1.2), 0.3, 1)  # chalk and graphite leave gaps
    rules *= 0 if board or rng.random() > RULED else rng.uniform(0.3, 0.8)
    page = back + (np.array((150, 175, 205), np.float32) - back) * rules[..., None]
    page += (front - page) * written[..., None]
    page *= light(size, rng)[..., None]
    page = np.asarray(cv2.GaussianBlur(page, (0, 0), width / 1000 * rng.uniform(0.4, 1.2)), np.float32)
    page += rng.standard_normal(page.shape, np.float32) * np.float32(rng.uniform(1, 6))
    encoded = cv2.imencode(".jpg", page.clip(0, 255).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, 70])[1]
    return np.asarray(cv2.imdecode(encoded, cv2.IMREAD_COLOR), np.uint8)  # in the order in which it was given


def laid(ink: Gray, size: tuple[int, int], rng: np.random.Generator) -> NDArray[np.float32]:
    """Ink and the paper's rules, (2, H, W) in [0, 1], turned and in perspective: the middle of a larger sheet."""
    height, width = size
    scale = min(width * rng.uniform(0.45, 0.8) / ink.shape[1], height * rng.uniform(0.4, 0.65) / ink.shape[0])
    large = cv2.resize(ink, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
    sheet = np.zeros((2, 2 * height, 2 * width), np.uint8)
    top, left = (2 * height - len(large)) // 2, (2 * width - large.shape[1]) // 2
    sheet[0, top : top + len(large), left : left + large.shape[1]] = large
    pitch, thick, squared = max(int(len(large) * rng.uniform(0.25, 0.8)), 20), max(1, width // 600), rng.random() < 0.5
    down, across = (np.arange(2 * length) % pitch < thick for length in size)
    sheet[1] = 255 * (down[:, None] | (across & squared))
    corners = np.array([[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5], [-0.5, 0.5]]) * (width, height)
    aslant = turned(corners, rng.uniform(-TILT, TILT)) + rng.uniform(-0.03, 0.03, (4, 2)) * (width, height)
    middle = np.array([width, height]) / 2
    warp = cv2.getPerspectiveTransform((corners + 2 * middle).astype(np.float32), (aslant + middle).astype(np.float32))
    seen = [cv2.warpPerspective(one, warp, (width, height)) for one in sheet]
    return np.array(seen, np.float32) / np.float32(255)


def light(size: tuple[int, int], rng: np.random.Generator) -> NDArray[np.float32]:
    """(H, W): sloping, and in half of the pictures a soft shadow with an edge."""
    y, x = (axis.astype(np.float32) for axis in np.mgrid[-0.5 : 0.5 : size[0] * 1j, -0.5 : 0.5 : size[1] * 1j])
    found = rng.uniform(0.65, 0.98) * (1 + rng.uniform(-0.25, 0.25) * x + rng.uniform(-0.25, 0.25) * y)
    if rng.random() < 0.5:
        angle = rng.uniform(0, 2 * np.pi)
        beyond = (np.cos(angle) * x + np.sin(angle) * y + rng.uniform(-0.25, 0.25)) * rng.uniform(8, 60)
        found *= 1 - rng.uniform(0.2, 0.45) / (1 + np.exp(-beyond))
    return np.asarray(found, np.float32)


def turned(points: NDArray[np.generic], degrees: float) -> NDArray[np.float64]:
    """Points (N, 2) turned about the origin, clockwise where y grows downwards."""
    angle = np.deg2rad(degrees)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    moved: NDArray[np.float64] = np.asarray(points, np.float64) @ turn
    return moved
