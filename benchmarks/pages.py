"""Photographed pages of handwriting, composed: ruled and squared paper, the boxes of a form, notes on a desk."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from hwr.config import DIGITS
from hwr.data.lines.composing import Hand, compose
from hwr.data.lines.sampling import GAPS
from hwr.ink.strokes import draw

Floats = NDArray[np.float32]
Photo = NDArray[np.uint8]  # (H, W, 3), RGB

PAGE = (1050, 1400)  # pixels of a sheet, height and width
WIDEST = 0.8 * PAGE[1]  # pixels of a line
LINES, LENGTH, BOXES = 3, 5, 8  # on a page; characters of a line; boxes of a form
HEIGHTS = (80, 130)  # pixels of a digit on the sheet
WIDTHS = (0.05, 0.11)  # of a pen, as a share of that height
PENS = (((30, 32, 40), 0.4), ((35, 55, 150), 0.4), ((90, 90, 95), 0.2))  # colours and how often each is taken
RULES = ((150, 175, 205), (105, 135, 190), (125, 125, 130), (60, 60, 66))  # colours of rules: pale to as dark as pens
RED_BOX, BLACK_BOX = (215, 60, 50), (40, 40, 42)


class Paper(NamedTuple):
    """One row of the table: the print on the paper, and its position before the camera."""

    name: str
    print: str = ""  # "", clear, touching, crossing, squared, boxes
    colour: tuple[int, int, int] | None = None  # None: any of RULES
    turn: float = 0.0  # degrees
    place: str = ""  # "" fills the photo; page and note lie on a desk
    shadow: bool = False


ROWS = (
    Paper("plain"),
    Paper("ruled, under a shadow", "clear", shadow=True),
    Paper("ruled, clear of the rules", "clear"),
    Paper("ruled, touching", "touching"),
    Paper("ruled, crossing", "crossing"),
    Paper("ruled, turned by 3 degrees", "clear", turn=3),
    Paper("squared", "squared"),
    Paper("page on a desk, turned by 5 degrees", turn=5, place="page"),
    Paper("ruled page on a desk, turned by 4 degrees", "touching", turn=-4, place="page"),
    Paper("note on a desk", turn=8, place="note"),
    Paper("black boxes of a form", "boxes", BLACK_BOX),
    Paper("red boxes of a form", "boxes", RED_BOX),
)


def upright(hand: Hand) -> Hand:
    """Return a hand without digits that are wider than high: some ones of the source are dashes."""

    def stands(line: list[NDArray[np.float32]]) -> bool:
        wide, tall = np.ptp(np.concatenate(line), axis=0).tolist()
        return bool(tall > 0.7 * wide)

    kept = {name: [line for line in lines if stands(line)] for name, lines in hand.characters.items() if name in DIGITS}
    return replace(hand, characters={name: lines for name, lines in kept.items() if lines})


def pages(row: Paper, writers: Sequence[Hand], numbers: range) -> Iterator[tuple[list[str], Photo]]:
    """Yield the lines of each page and its photo, the same for every model."""
    for i in numbers:
        rng = np.random.default_rng((i, *row.name.encode()))
        hand = writers[int(rng.integers(len(writers)))]
        truth, ink, rules = form(hand, row, rng) if row.print == "boxes" else sheet(hand, row, rng)
        yield truth, photographed(ink, rules, row, rng)


def sheet(hand: Hand, row: Paper, rng: np.random.Generator) -> tuple[list[str], Floats, Floats]:
    """Text, ink and print of a page, (H, W) in [0, 1]."""
    high = rng.uniform(*HEIGHTS)
    pitch = high * {"clear": 1.55, "touching": 1.7, "crossing": 1.3}.get(row.print, 1.8)
    ink, texts = np.zeros(PAGE, np.float32), []
    first = rng.uniform(0.9, 1.3) * high
    for n in range(LINES):
        text = "".join(rng.choice(list(DIGITS), LENGTH))
        small = written(hand, text, "apart", high, rng)
        base = first + (n + 1) * max(pitch, round(1.7 * high / pitch) * pitch)
        top = int(base - trimmed_bottom(small)) + ({"clear": -round(0.2 * high), "crossing": 0}.get(row.print, 0))
        left = round(0.08 * PAGE[1] + rng.uniform(0, 0.5) * max(WIDEST - small.shape[1], 0))
        paste(ink, small, top, left)
        texts.append(text)
    return texts, ink, printed(row, first, pitch, high, rng)


def printed(row: Paper, first: float, pitch: float, high: float, rng: np.random.Generator) -> Floats:
    """Rules or squares of the whole page."""
    rules = np.zeros(PAGE, np.float32)
    thick = int(rng.integers(1, 4))
    if row.print in ("clear", "touching", "crossing"):
        move = -rng.uniform(0.25, 0.75) * high if row.print == "crossing" else 0.0
        for y in np.arange(first + move - 9 * pitch, PAGE[0], pitch):
            rules[max(round(y), 0) : max(round(y) + thick, 0)] = 1
    if row.print == "squared":
        side = high * rng.uniform(0.4, 0.9)
        for axis, length in enumerate(PAGE):
            for at in np.arange(rng.uniform(0, side), length, side):
                rules[(slice(None),) * axis + (slice(int(at), int(at) + min(thick, 2)),)] = 1
    return np.asarray(rules * np.float32(rng.uniform(0.6, 1)), np.float32)


def form(hand: Hand, row: Paper, rng: np.random.Generator) -> tuple[list[str], Floats, Floats]:
    """Rows of boxes with a digit each, a few of them touching the frame; separate boxes, or a comb."""
    ink, rules, texts = np.zeros(PAGE, np.float32), np.zeros(PAGE, np.float32), []
    side = rng.uniform(110, 140)
    gap, thick = (rng.uniform(0.1, 0.3) * side if rng.random() < 0.5 else 0.0), int(rng.integers(2, 5))
    for n in range(LINES):
        text = "".join(rng.choice(list(DIGITS), BOXES))
        top, left = 150 + n * side * 1.8, 60.0
        for k, digit in enumerate(text):
            x = left + k * (side + gap)
            cv2.rectangle(rules, (int(x), int(top)), (int(x + side), int(top + side)), 1.0, thick)
            small = written(hand, digit, "apart", side * rng.uniform(0.55, 0.8), rng, widest=side * 0.85)
            free = side - np.array(small.shape)
            y0, x0 = (np.array([top, x]) + free * rng.uniform(0.15, 0.85, 2)).astype(int)
            paste(ink, small, int(y0), int(x0))
        texts.append(text)
    return texts, ink, rules


def written(hand: Hand, text: str, gap: str, high: float, rng: np.random.Generator, widest: float = WIDEST) -> Floats:
    """A text in one hand as ink, (h, w) in [0, 1], ``high`` pixels high or ``widest`` pixels wide."""
    line = compose(lambda _: hand, text, float(rng.uniform(*GAPS[gap])), rng)
    assert line is not None  # the hand has all digits
    points = np.concatenate(line)
    low, span = points.min(axis=0), np.maximum(np.ptp(points, axis=0), 1e-3)
    scale, pen = min(high / span[1], widest / span[0]), high * float(rng.uniform(*WIDTHS))
    margin = int(pen) + 2
    size = np.ceil(span * scale).astype(int) + 2 * margin
    ink = draw([(stroke - low) * scale + margin for stroke in line], (int(size[1]), int(size[0])), pen)
    x, y, w, h = cv2.boundingRect((ink > 127).astype(np.uint8))
    return np.asarray(ink[y : y + h, x : x + w] / np.float32(255), np.float32)


def trimmed_bottom(ink: Floats) -> int:
    return int(np.flatnonzero((ink > 0.5).any(axis=1))[-1]) + 1


def paste(page: Floats, ink: Floats, top: int, left: int) -> None:
    room = page[max(top, 0) : top + len(ink), left : left + ink.shape[1]]
    np.maximum(room, ink[max(-top, 0) :][: len(room), : room.shape[1]], out=room)


# --- camera ---


def photographed(ink: Floats, rules: Floats, row: Paper, rng: np.random.Generator) -> Photo:
    """The page as a phone's camera sees it."""
    height, width = PAGE
    white = rng.uniform(222, 250) * (1 - rng.uniform(0, 1) * np.array((0, 0.02, 0.08)))
    chance = [share for _, share in PENS]
    pen = np.array(PENS[rng.choice(len(PENS), p=chance)][0], np.float32)
    page = np.full((*PAGE, 3), white, np.float32)
    colour = row.colour or RULES[int(rng.integers(len(RULES)))]
    page += (np.array(colour, np.float32) - page) * rules[..., None]
    page += (pen - page) * (ink * np.float32(rng.uniform(0.8, 1)))[..., None]
    seen = laid(page, row, rng)
    seen *= light((height, width), row.shadow, rng)[..., None]
    seen = np.asarray(cv2.GaussianBlur(seen, (0, 0), rng.uniform(0.6, 1.5)), np.float32)
    seen += rng.standard_normal(seen.shape, np.float32) * np.float32(rng.uniform(1.5, 5))
    encoded = cv2.imencode(".jpg", seen.clip(0, 255).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, 80])[1]
    return np.asarray(cv2.imdecode(encoded, cv2.IMREAD_COLOR), np.uint8)  # in the order in which it was given


def laid(page: Floats, row: Paper, rng: np.random.Generator) -> Floats:
    """The sheet turned, in slight perspective, filling the photo or on a desk."""
    height, width = PAGE
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    centred = corners - (width / 2, height / 2)
    angle = np.deg2rad(row.turn)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    share = {"page": 0.86, "note": rng.uniform(0.5, 0.6)}.get(row.place, 1.06 if row.turn else 1.0)
    bent = rng.uniform(-0.015, 0.015, (4, 2)) * (width, height) * (1 if row.place else 0.4)
    moved = centred @ turn * share + bent + (width / 2, height / 2)
    if row.place == "note":
        moved += rng.uniform(-0.12, 0.12, 2) * (width, height)
    warp = cv2.getPerspectiveTransform(corners, moved.astype(np.float32))
    seen = cv2.warpPerspective(page, warp, (width, height), borderMode=cv2.BORDER_REPLICATE, flags=cv2.INTER_AREA)
    if not row.place:
        return np.asarray(seen, np.float32)
    inside = cv2.warpPerspective(np.ones(PAGE, np.float32), warp, (width, height))
    return np.asarray(desk(rng) * (1 - inside[..., None]) + seen * inside[..., None], np.float32)


def desk(rng: np.random.Generator) -> Floats:
    """Wood or a grey table top, with some grain."""
    base = np.array(((120, 85, 55), (95, 60, 40), (105, 108, 112), (60, 62, 66))[rng.integers(4)], np.float32)
    height, width = PAGE
    grain = cv2.resize(
        rng.standard_normal((height // 3, 8), np.float32), (width, height), interpolation=cv2.INTER_CUBIC
    )
    return np.asarray(base * (1 + 0.1 * grain[..., None]), np.float32)


def light(size: tuple[int, int], shadow: bool, rng: np.random.Generator) -> Floats:
    """(H, W): sloping, with a soft-edged shadow where asked."""
    y, x = (axis.astype(np.float32) for axis in np.mgrid[-0.5 : 0.5 : size[0] * 1j, -0.5 : 0.5 : size[1] * 1j])
    found = rng.uniform(0.75, 0.98) * (1 + rng.uniform(-0.15, 0.15) * x + rng.uniform(-0.15, 0.15) * y)
    if shadow:
        angle = rng.uniform(0, 2 * np.pi)
        beyond = (np.cos(angle) * x + np.sin(angle) * y + rng.uniform(-0.25, 0.25)) * rng.uniform(10, 60)
        found *= 1 - rng.uniform(0.25, 0.45) / (1 + np.exp(-beyond))
    return np.asarray(found, np.float32)
