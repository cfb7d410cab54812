"""Print in ink: rules, squares, boxes and frames, found as what they are and taken out without breaking strokes."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from hwr.ink import bars
from hwr.ink.bars import Bar
from hwr.ink.frames import NEAR, boxes_of
from hwr.ink.picture import Gray
from hwr.ink.printed import NOTHING, Boxes, Print, bands, erase, erased, sizes

EDGE = 0.4  # share of the ink's peak at which a stroke's edge is taken
PIECES = (12, 24)  # pixels: the shortest straight piece, in small pictures and in large ones ...
PIECE = 0.08  # ... as a share of the picture's longer side
COVER = 0.8  # of a bar's columns hold ink: a row of characters whose bars are in line has gaps
HEIGHTS = 6.0  # times as long as characters are high: no stroke is
SPAN = 0.95  # share of the picture's side that a rule covers which runs through the picture
THICKEST = 0.03  # of the picture's shorter side: no rule is thicker
MARGIN = 0.04  # of the picture's side that writing keeps clear of, where a single line may be a rule
SEVERAL = 4  # lines through the picture: so many are rules, wherever the writing is
DUST, DUST_PIXELS = 0.02, 5  # of the picture's longer side: no piece that is left is larger where nothing is written
BLANKS = 3  # equal bars side by side: blanks to be filled in


class Clean(NamedTuple):
    """Ink without print: uint8 (H, W), None if nothing else is there; cells of boxes in reading order; degrees."""

    ink: Gray | None
    cells: Boxes
    angle: float


def without_print(ink: Gray, faint: tuple[Gray, Gray] | None = None) -> Clean:
    """Ink, uint8 (H, W), white on black, without rules, squares, boxes and blanks.

    ``faint``, 0 or 1, is where lines may run, across and down: rules of which the ink has parts are whole there.
    A picture in which all ink hangs together is left as it is, unless it is boxes: its long bars may be a T's.
    """
    peak = int(ink.max())
    mask = (ink >= max(EDGE * peak, 1)).view(np.uint8)
    found = find(mask, faint)
    if not found.across and not found.down:
        return Clean(ink, NOTHING, 0.0)
    rest = erased(mask, found)
    largest, high = sizes(rest)
    if largest <= max(DUST * max(mask.shape), DUST_PIXELS):
        single = len(found.across) + len(found.down) == 1  # is a stroke: 1, l, I or a dash
        return Clean(ink if single else None, NOTHING, found.angle)
    squared = len(found.cells) and np.median(np.diff(found.cells[:, 1::2])) < high  # paper, not the boxes of a form
    cells = NOTHING if squared else found.cells
    around = np.ones((3, 3), np.uint8)
    gone = cv2.dilate(mask - rest, around) > rest
    gone |= (bands(found, mask.shape) > 0) & (mask == 0) & (cv2.dilate(rest, around) == 0)  # paler than strokes' edges
    return Clean(np.where(gone, np.uint8(0), ink), cells, found.angle)


def find(mask: Gray, faint: tuple[Gray, Gray] | None = None) -> Print:
    """The print in a mask, uint8 0 or 1; bars are looked for in ``faint`` too, which holds more of lines."""
    piece = int(np.clip(PIECE * max(mask.shape), *PIECES))
    lying, standing = (None, None) if faint is None else faint
    across = _bars(mask, lying, piece)
    down = _bars(np.ascontiguousarray(mask.T), None if standing is None else np.ascontiguousarray(standing.T), piece)
    across, down = ([bar for bar in some if bar.cover >= COVER] for some in (across, down))
    if not across and not down:
        return Print([], [], NOTHING, 0.0)
    sides, posts, cells = boxes_of(across, down, mask.shape)
    boxes = Print(sides, posts, cells, 0.0)
    rest = erased(mask, boxes) if len(cells) else mask
    long_across = rules([bar for bar in across if bar not in sides], rest)
    long_down = rules([bar for bar in down if bar not in posts], np.ascontiguousarray(rest.T))
    blank = blanks([bar for bar in across if bar not in sides], erased(rest, Print(long_across, long_down, cells, 0.0)))
    straight = [*(bar.slope for bar in (*long_across, *sides)), *(-bar.slope for bar in (*long_down, *posts))]
    angle = float(np.degrees(np.arctan(np.median(straight)))) if straight else 0.0
    return Print([*sides, *long_across, *blank], [*posts, *long_down], cells, angle)


def _bars(mask: Gray, faint: Gray | None, piece: int) -> list[Bar]:
    """Horizontal bars of a mask, whole as ``faint`` shows them where it does."""
    plain = bars.find(mask, piece)
    if faint is None:
        return plain
    found = bars.find(np.maximum(mask, faint), piece)
    return found + [bar for bar in plain if not any(_coincide(bar, other) for other in found)]


def _coincide(a: Bar, b: Bar) -> bool:
    left, right = max(a.left, b.left), min(a.right, b.right)
    return left < right and abs(a.at((left + right) / 2) - b.at((left + right) / 2)) <= NEAR


# --- rules ---


def rules(found: list[Bar], mask: Gray) -> list[Bar]:
    """The bars that no pen drew as part of a character: far longer than characters are high, or through the picture.

    A line that only runs through the picture counts if writing keeps clear of the borders, or if there are several:
    a character that was cut out tightly has bars that run through, too.
    """
    width = mask.shape[1]
    thin = [bar for bar in found if bar.thickness <= max(THICKEST * min(mask.shape), 2.0)]
    through = [bar for bar in thin if bar.length >= SPAN * width]
    candidates = through + [bar for bar in thin if bar.length >= 0.3 * width and bar not in through]
    if not candidates or _in_one_piece(mask):
        return []
    rest = mask.copy()
    for bar in candidates:
        erase(rest, bar)
    largest, high = sizes(rest)
    if largest <= max(DUST * max(mask.shape), DUST_PIXELS):  # nothing is written between the rules
        return [bar.extended(width) for bar in through] if len(through) >= SEVERAL else []
    sure = [bar for bar in candidates if high and bar.length >= HEIGHTS * high]
    if through and (_keeps_clear(rest) or (len(through) >= SEVERAL and _keeps_clear(rest, sides_only=True))):
        sure += [bar for bar in through if bar not in sure]
    return [bar.extended(width) for bar in sure]


def _keeps_clear(rest: Gray, sides_only: bool = False) -> bool:
    """Whether next to no ink lies near the picture's borders (or its left and right ones)."""
    total = cv2.countNonZero(rest)
    if not total:
        return False
    height, width = rest.shape
    y, x = max(2, round(MARGIN * height)), max(2, round(MARGIN * width))
    inner = rest[:, x : width - x] if sides_only else rest[y : height - y, x : width - x]
    return cv2.countNonZero(np.ascontiguousarray(inner)) >= 0.97 * total


def _in_one_piece(mask: Gray) -> bool:
    y, x = divmod(int(mask.argmax()), mask.shape[1])
    return int(cv2.floodFill(mask.copy(), None, (x, y), 2, flags=8)[0]) == cv2.countNonZero(mask)


def blanks(found: list[Bar], mask: Gray) -> list[Bar]:
    """Equal bars side by side with nothing on their level: blanks to be filled in."""
    alone = [bar for bar in found if _stands_alone(bar, mask)]
    groups: list[list[Bar]] = []
    for bar in alone:
        group = next((g for g in groups if _equal(g[0], bar)), None)
        groups.append([bar]) if group is None else group.append(bar)
    return [bar for group in groups if len(group) >= BLANKS for bar in group]


def _equal(a: Bar, b: Bar) -> bool:
    longer = max(a.length, b.length)
    level = abs(float(a.middle.mean()) - a.at((b.left + b.right) / 2)) + abs(
        a.at((b.left + b.right) / 2) - float(b.middle.mean())
    )
    return min(a.length, b.length) >= 0.85 * longer and level <= 0.15 * longer + 2


def _stands_alone(bar: Bar, mask: Gray) -> bool:
    """Whether the bar is a piece of ink of its own."""
    up, down = bars.reach(bars.profile(mask, bar.columns, bar.middle))
    return bool((up + down - 1).max() <= bar.thickness + 2)
