"""Print in ink: rules, squares, boxes and frames, found as what they are and taken out without breaking strokes."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from hwr.ink import bars
from hwr.ink.bars import Bar
from hwr.ink.picture import Gray

Boxes = NDArray[np.int64]  # (N, 4): left, top, right, bottom in pixels, the last two just outside

EDGE = 0.4  # share of the ink's peak at which a stroke's edge is taken
PIECES = (12, 24)  # pixels: the shortest straight piece, in small pictures and in large ones ...
PIECE = 0.08  # ... as a share of the picture's longer side
COVER = 0.8  # of a bar's columns hold ink: a row of characters whose bars are in line has gaps
HEIGHTS = 6.0  # times as long as characters are high: no stroke is
SPAN = 0.95  # share of the picture's side that a rule covers which runs through the picture
THICKEST = 0.03  # of the picture's shorter side: no rule is thicker
MARGIN = 0.04  # of the picture's side that writing keeps clear of, where a single line may be a rule
SEVERAL = 4  # lines through the picture: so many are rules, wherever the writing is
CORNER = 0.05  # of a side's length: how far from its end another side may begin, as corners may be round ...
NEAR = 5.0  # ... and pixels, likewise
SMALLEST = 14  # pixels: narrower or lower cells hold no character
FILLED = 0.85  # of its bounding box: a cell is a rectangle
DUST, DUST_PIXELS = 0.02, 5  # of the picture's longer side: no piece that is left is larger where nothing is written
BLANKS = 3  # equal bars side by side: blanks to be filled in


class Print(NamedTuple):
    """What is printed: horizontal bars, vertical bars with rows and columns exchanged, and the cells of boxes."""

    across: list[Bar]
    down: list[Bar]
    cells: Boxes
    angle: float  # degrees by which long rules fall to the right; 0.0 without any


class Clean(NamedTuple):
    """Ink without print: uint8 (H, W), None if nothing else is there; cells of boxes in reading order; degrees."""

    ink: Gray | None
    cells: Boxes
    angle: float


NOTHING = np.zeros((0, 4), np.int64)


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
    largest, high = _sizes(rest)
    if largest <= max(DUST * max(mask.shape), DUST_PIXELS):
        single = len(found.across) + len(found.down) == 1  # is a stroke: 1, l, I or a dash
        return Clean(ink if single else None, NOTHING, found.angle)
    squared = len(found.cells) and np.median(np.diff(found.cells[:, 1::2])) < high  # paper, not the boxes of a form
    cells = NOTHING if squared else found.cells
    around = np.ones((3, 3), np.uint8)
    gone = cv2.dilate(mask - rest, around) > rest
    gone |= (_bands(found, mask.shape) > 0) & (mask == 0) & (cv2.dilate(rest, around) == 0)  # paler than strokes' edges
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
    sides, posts = framing(across, down, mask.shape)
    cells = cells_of(sides, posts, mask.shape)
    if not len(cells):
        sides, posts = [], []
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
        _erase(rest, bar)
    largest, high = _sizes(rest)
    if largest <= max(DUST * max(mask.shape), DUST_PIXELS):  # nothing is written between the rules
        return [bar.extended(width) for bar in through] if len(through) >= SEVERAL else []
    sure = [bar for bar in candidates if high and bar.length >= HEIGHTS * high]
    if through and (_keeps_clear(rest) or (len(through) >= SEVERAL and _keeps_clear(rest, sides_only=True))):
        sure += [bar for bar in through if bar not in sure]
    return [bar.extended(width) for bar in sure]


def _sizes(mask: Gray) -> tuple[int, float]:
    """The longest side of any piece of ink, and how high characters are, in pixels; 0 for no ink.

    The latter is the median height of pieces, each counted by its area.
    """
    _, _, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    heights, areas = stats[1:, cv2.CC_STAT_HEIGHT], stats[1:, cv2.CC_STAT_AREA].astype(np.float64)
    if not len(heights):
        return 0, 0.0
    order = np.argsort(heights)
    half = np.searchsorted(np.cumsum(areas[order]), areas.sum() / 2)
    longest = int(stats[1:, cv2.CC_STAT_WIDTH : cv2.CC_STAT_HEIGHT + 1].max())
    return longest, float(heights[order][half])


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


# --- boxes ---


def framing(across: list[Bar], down: list[Bar], shape: tuple[int, ...]) -> tuple[list[Bar], list[Bar]]:
    """The bars that begin and end at bars of the other direction, as the sides of boxes do."""
    height, width = shape
    sides, posts, before = across, down, -1
    while before != len(sides) + len(posts):
        before = len(sides) + len(posts)
        sides = [bar for bar in sides if _ends_at(bar, posts, width)]
        posts = [bar for bar in posts if _ends_at(bar, sides, height)]
    return sides, posts


def _slack(bar: Bar) -> float:
    """How far, in pixels, the end of a side may be from the side that it meets."""
    return max(NEAR, CORNER * min(bar.length, 200)) + bar.thickness / 2


def _ends_at(bar: Bar, others: list[Bar], size: int) -> bool:
    """Whether bars of the other direction cross or meet this one near both of its ends."""
    near = _slack(bar)
    met = [place for other in others if (place := _meeting(bar, other)) is not None]
    first, last = (min(met), max(met)) if len(met) > 1 else (0.0, 0.0)
    begins = abs(first - bar.left) <= near or bar.left <= 2
    ends = abs(last - bar.right) <= near or bar.right >= size - 2
    return len(met) > 1 and begins and ends


def _meeting(bar: Bar, other: Bar) -> float | None:
    """The column at which a bar of the other direction meets this one; None if it does not."""
    column = other.at(bar.at((bar.left + bar.right) / 2))
    row = bar.at(column)
    along, beyond = _slack(bar), _slack(other)
    on = bar.left - along <= column <= bar.right + along
    return column if on and other.left - beyond <= row <= other.right + beyond else None


def cells_of(sides: list[Bar], posts: list[Bar], shape: tuple[int, ...]) -> Boxes:
    """The rectangles between sides and posts, (N, 4), in reading order."""
    if len(sides) < 2 or len(posts) < 2:
        return NOTHING
    frame = np.zeros(shape, np.uint8)
    turned = np.zeros(shape[::-1], np.uint8)
    for canvas, some in ((frame, sides), (turned, posts)):
        for bar in some:
            longer = round(_slack(bar))
            ends = (
                (bar.left - longer, round(bar.at(bar.left - longer))),
                (bar.right + longer, round(bar.at(bar.right + longer))),
            )
            cv2.line(canvas, *ends, 1, 3)
    frame |= turned.T
    stats = cv2.connectedComponentsWithStats(1 - frame, connectivity=4)[2]
    x, y, w, h, area = stats[1:].T
    inside = (x > 0) & (y > 0) & (x + w < shape[1]) & (y + h < shape[0])
    whole = inside & (np.minimum(w, h) >= SMALLEST) & (area >= FILLED * w * h)
    return in_order(np.stack([x, y, x + w, y + h], axis=1)[whole].astype(np.int64))


def in_order(cells: Boxes) -> Boxes:
    """Cells row by row, each row from left to right."""
    rows: list[list[NDArray[np.int64]]] = []
    for cell in sorted(cells, key=lambda one: int(one[1] + one[3])):
        row = next((row for row in rows if row[0][1] < (cell[1] + cell[3]) / 2 < row[0][3]), None)
        rows.append([cell]) if row is None else row.append(cell)
    ordered = [cell for row in rows for cell in sorted(row, key=lambda one: int(one[0]))]
    return np.array(ordered, np.int64).reshape(-1, 4)


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


# --- taking out ---


def erased(mask: Gray, found: Print) -> Gray:
    """The mask without bars; where a stroke crosses one, or stands on it, the crossing stays."""
    rest = mask.copy()
    for bar in found.across:
        _erase(rest, bar)
    turned = np.ascontiguousarray(rest.T)
    for bar in found.down:
        _erase(turned, bar)
    rest = np.ascontiguousarray(turned.T)
    return _without_dust(rest, mask - rest, found)


def _erase(mask: Gray, bar: Bar) -> None:
    """Take a bar out of a mask, in place."""
    around = bars.profile(mask, bar.columns, bar.middle)
    up, down = bars.reach(around)
    half = bar.thickness / 2 + 1.5
    own = (up > 0) & (up <= half + 0.5) & (down <= half + 0.5)
    middle = np.rint(bar.middle).astype(np.int64)
    for step in range(-int(half + 1), int(half + 1) + 1):
        rows = middle + step
        mine = own & (rows >= 0) & (rows < mask.shape[0]) & (-up < step) & (step < down)
        mask[rows[mine], bar.columns[mine]] = 0


def _bands(found: Print, shape: tuple[int, ...]) -> Gray:
    """Where bars run, a pixel wider than they are."""
    across, down = np.zeros(shape, np.uint8), np.zeros(shape[::-1], np.uint8)
    for canvas, some in ((across, found.across), (down, found.down)):
        for bar in some:
            points = np.stack([bar.columns, np.rint(bar.middle)], axis=1).astype(np.int32)
            cv2.polylines(canvas, [points[:, None]], False, 1, round(bar.thickness) + 3)
    return np.maximum(across, down.T)


def _without_dust(rest: Gray, gone: Gray, found: Print) -> Gray:
    """The mask without crumbs that taking out left: pieces no larger than the bars are thick, beside them."""
    size = max((bar.thickness for bar in (*found.across, *found.down)), default=0.0) + 2
    _, numbers, stats, _ = cv2.connectedComponentsWithStats(rest, connectivity=8)
    small = (stats[:, cv2.CC_STAT_HEIGHT] <= size) & (stats[:, cv2.CC_STAT_WIDTH] <= 3 * size)
    small |= (stats[:, cv2.CC_STAT_WIDTH] <= size) & (stats[:, cv2.CC_STAT_HEIGHT] <= 3 * size)
    small[0] = False
    if not small.any():
        return rest
    beside = np.zeros(len(stats), bool)
    beside[np.unique(numbers[cv2.dilate(gone, np.ones((3, 3), np.uint8)) > 0])] = True
    return np.where((small & beside)[numbers], np.uint8(0), rest)
