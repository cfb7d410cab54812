"""What hands, pens and paper do to a line of writing, for training the line reader.

`distort` changes pen trajectories; `wear` changes ink, uint8 (H, W), white on black; `leave_marks` adds what paper
leaves beside the writing: underlines, rules, boxes, specks and parts of the lines above and below.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from hwr.data.lines.composing import Line
from hwr.ink.line import pen_width

Gray = NDArray[np.uint8]


def distort(line: Line, rng: np.random.Generator) -> Line:
    """Slant, stretch, turn and bend a line as another hand might write it; its height becomes about 1."""
    points = np.concatenate(line).astype(np.float64)
    low, high = points.min(axis=0), points.max(axis=0)
    tall = max(high[1] - low[1], 0.05 * (high[0] - low[0]), 1e-3)
    moved = (points - low) / tall
    x, y = moved[:, 0], moved[:, 1]
    x = x - y * rng.normal(0, 0.18)
    x = x * np.exp(rng.normal(0, 0.15))
    length = max(float(x.max() - x.min()), 1.0)
    y = y + x * rng.normal(0, min(0.05, 0.12 / length))
    for amplitude, waves in ((0.03, length / 2), (0.02, length)):
        phase = rng.uniform(0, 2 * np.pi, 2)
        turns = 2 * np.pi * rng.uniform(0.3, 1.0) * waves / length
        y = y + amplitude * rng.normal() * np.sin(turns * x + phase[0])
        x = x + amplitude * rng.normal() * np.sin(turns * x + phase[1])
    ends = np.cumsum([len(stroke) for stroke in line])[:-1]
    return [part.astype(np.float32) for part in np.split(np.stack([x, y], axis=1), ends)]


def reshape(ink: Gray, tall: float, rng: np.random.Generator) -> tuple[Gray, float]:
    """Slant, stretch and scale the ink of a picture so that it is ``tall`` pixels high; and its pen's width then."""
    scale = tall / len(ink)
    shear, wide = rng.normal(0, 0.12), scale * float(np.exp(rng.normal(0, 0.12)))
    reach = abs(shear) * tall
    move = np.array([[wide, -shear * scale, reach if shear > 0 else 0.0], [0, scale, 0]])
    size = (max(1, int(np.ceil(ink.shape[1] * wide + reach))), max(1, round(tall)))
    moved = np.asarray(cv2.warpAffine(ink, move, size, flags=cv2.INTER_AREA), np.uint8)
    return moved, pen_width((moved > 127).view(np.uint8))


def wear(ink: Gray, pen: float, rng: np.random.Generator) -> Gray:
    """Blur, thin, fade, break or binarise ink as pens, scanners and cameras do; ``pen`` is the width of the pen."""
    if rng.random() < 0.15 and pen >= 2:
        kernel = np.ones((2, 2), np.uint8)
        ink = np.asarray(cv2.erode(ink, kernel) if rng.random() < 0.5 else cv2.dilate(ink, kernel), np.uint8)
    if rng.random() < 0.12:
        coarse = rng.random((max(2, ink.shape[0] // 6), max(2, ink.shape[1] // 6))).astype(np.float32)
        field = cv2.resize(coarse, (ink.shape[1], ink.shape[0]), interpolation=cv2.INTER_LINEAR)
        ink = np.where(field < rng.uniform(0.15, 0.3), np.uint8(0), ink)
    if rng.random() < 0.3:
        ink = np.asarray(cv2.GaussianBlur(ink, (0, 0), rng.uniform(0.4, 1.3)), np.uint8)
    if rng.random() < 0.2 and ink.shape[0] > 24:
        factor = rng.uniform(0.45, 0.8)
        small = cv2.resize(ink, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
        ink = np.asarray(cv2.resize(small, (ink.shape[1], ink.shape[0]), interpolation=cv2.INTER_LINEAR), np.uint8)
    if rng.random() < 0.25:
        level = rng.uniform(0.25, 0.6) * max(int(ink.max()), 1)
        ink = np.where(ink > level, np.uint8(255), np.uint8(0))
    if rng.random() < 0.3:
        noisy = ink * rng.uniform(0.45, 1.0) + rng.normal(0, rng.uniform(1, 14), ink.shape) * (ink > 16)
        ink = np.clip(noisy, 0, 255).astype(np.uint8)
    return ink


def leave_marks(ink: Gray, pen: float, rng: np.random.Generator) -> Gray:
    """Add some of what paper leaves: rules, underlines, the borders of boxes, specks, strokes of neighbouring lines."""
    tall, wide = ink.shape
    marks = np.zeros_like(ink)
    for kind in rng.choice(7, size=1 + int(rng.random() < 0.3), p=(0.3, 0.1, 0.18, 0.1, 0.14, 0.13, 0.05)).tolist():
        grey, thick = int(rng.integers(90, 256)), max(1, round(pen * rng.uniform(0.2, 0.8)))
        if kind == 0:  # an underline or a rule under the writing
            y = round(tall * rng.uniform(0.72, 1.0))
            start, end = (0, wide) if rng.random() < 0.6 else np.sort(rng.integers(0, wide + 1, 2)).tolist()
            drop = round(rng.normal(0, 0.01) * wide)
            cv2.line(marks, (int(start), y), (int(end), y + drop), grey, thick, cv2.LINE_AA)
        elif kind == 1:  # a rule anywhere, even through the writing
            y = round(tall * rng.uniform(0, 1))
            cv2.line(marks, (0, y), (wide, y + round(rng.normal(0, 0.01) * wide)), min(grey, 200), 1, cv2.LINE_AA)
        elif kind == 2:  # borders of a box on some sides
            inset = round(tall * rng.uniform(0, 0.06))
            corners = [
                (inset, inset),
                (wide - 1 - inset, inset),
                (wide - 1 - inset, tall - 1 - inset),
                (inset, tall - 1 - inset),
            ]
            for side in range(4):
                if rng.random() < 0.6:
                    cv2.line(marks, corners[side], corners[(side + 1) % 4], grey, thick, cv2.LINE_AA)
        elif kind == 3:  # the teeth of a comb, short ticks from below
            step = max(8, round(tall * rng.uniform(0.6, 1.1)))
            foot = tall - 1 - round(tall * rng.uniform(0, 0.1))
            for x in range(int(rng.integers(0, step)), wide, step):
                cv2.line(marks, (x, foot - round(tall * rng.uniform(0.1, 0.25))), (x, foot), grey, 1, cv2.LINE_AA)
            cv2.line(marks, (0, foot), (wide, foot), grey, 1, cv2.LINE_AA)
        elif kind == 4:  # specks
            for _ in range(int(rng.integers(1, 12))):
                spot = (int(rng.integers(0, wide)), int(rng.integers(0, tall)))
                cv2.circle(marks, spot, int(rng.integers(0, max(1, round(pen * 0.4)) + 1)), grey, cv2.FILLED)
        elif kind == 5:  # strokes of the lines above and below
            for _ in range(int(rng.integers(1, 4))):
                x, reach = int(rng.integers(0, wide)), tall * rng.uniform(0.05, 0.2)
                top = rng.random() < 0.6
                bend = np.array([[0, 0], [0.1, 0.6], [0.3, 1.0], [0.6, 0.4]]) * [tall * 0.25, reach]
                y = bend[:, 1] if top else tall - 1 - bend[:, 1]
                curve = np.rint(np.stack([x + bend[:, 0], y], axis=1)).astype(np.int32)
                cv2.polylines(marks, [curve], False, 230, max(1, round(pen)), cv2.LINE_AA)
        else:  # the fine waves of printed security paper
            along = np.arange(0, wide, 2)
            for _ in range(int(rng.integers(1, 4))):
                y = tall * rng.uniform(0, 1) + tall * 0.1 * np.sin(
                    along / tall * rng.uniform(3, 12) + rng.uniform(0, 6)
                )
                wave = np.stack([along, np.rint(y)], axis=1).astype(np.int32)
                cv2.polylines(marks, [wave], False, min(grey, 140), 1)
    return np.maximum(ink, marks)


def scribble(rng: np.random.Generator) -> Line:
    """A scribble that says nothing: one smooth random curve, height about 1."""
    knots = np.cumsum(rng.normal(0, 1, (int(rng.integers(4, 16)), 2)) * [rng.uniform(0.3, 1.5), 1.0], axis=0)
    t = np.linspace(0, len(knots) - 1, 12 * len(knots))
    smooth = np.stack([np.interp(t, np.arange(len(knots)), knots[:, i]) for i in (0, 1)], axis=1)
    kernel = np.ones(9) / 9
    curve = np.stack([np.convolve(smooth[:, i], kernel, mode="valid") for i in (0, 1)], axis=1)
    return [curve.astype(np.float32)]
