"""Find printed rules, squares, boxes and frames in ink, and remove them without breaking strokes."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from hwr.ink import bars
from hwr.ink.bars import Bar
from hwr.ink.frames import NEAR, boxes_of
from hwr.ink.line import stroke_mask
from hwr.ink.picture import Gray
from hwr.ink.printed import NOTHING, Boxes, Print, bands, erase, erased, sizes

PIECE = 0.08  # length of the shortest straight piece, as a share of the picture's longer side
PIECES = (12, 24)  # smallest and largest value of that length, in pixels
COVER = 0.8  # smallest share of a bar's columns with ink: a row of characters with bars in line has gaps
HEIGHTS = 6.0  # length of a bar in character heights that no stroke reaches
SPAN = 0.95  # share of the picture's side that a rule through the picture covers
THICKEST = 0.03  # largest thickness of a rule, as a share of the picture's shorter side
MARGIN = 0.04  # width of the border without writing, as a share of the picture's side, that a single rule needs
SEVERAL = 4  # number of lines through the picture from which on they are rules, wherever the writing is
DUST, DUST_PIXELS = 0.02, 5  # largest piece of an empty page: share of the picture's longer side, and pixels
BLANKS = 3  # number of equal bars side by side that are blanks to be filled in


class Clean(NamedTuple):
    """Ink without print, uint8 (H, W), or None if there is only print; cells of boxes; the angle of rules, degrees."""

    ink: Gray | None
    cells: Boxes
    angle: float


def without_print(ink: Gray, faint: tuple[Gray, Gray] | None = None) -> Clean:
    """Remove rules, squares, boxes and blanks from ink, uint8 (H, W), white on black.

    ``faint`` holds two masks, 0 or 1, of faint horizontal and vertical lines: rules that are broken in the ink are
    complete there.
    A picture in which all ink hangs together is left as it is, unless it is boxes: its long bars may be a T's.
    """
    mask = stroke_mask(ink)
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
    """Find the print in a mask, uint8 0 or 1, and in ``faint``, masks of fainter lines."""
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
    """Find horizontal bars of a mask. A bar that ``faint`` shows too is returned at its full length there."""
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
    """Return the bars that are rules: far longer than characters are high, or running through the picture.

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
    """Return whether almost no ink lies near the picture's borders, or near its left and right border alone."""
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
    """Return the bars that are blanks to be filled in: equal bars side by side, with nothing else at their height."""
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
    """Return whether no other ink touches a bar."""
    up, down = bars.reach(bars.profile(mask, bar.columns, bar.middle))
    return bool((up + down - 1).max() <= bar.thickness + 2)
