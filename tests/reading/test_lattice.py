"""hwr/reading/lattice.py: which runs of pieces are characters."""

import numpy as np

from hwr.ink import strokes
from hwr.reading import lattice, segment
from hwr.reading.segment import Joint, Line


def test_the_cheapest_way_covers_every_piece_once() -> None:
    line = Line(range(1, 4), (), 1.0)
    one, two, three = (lattice.Run(i, i) for i in (1, 2, 3))
    costs = {one: 1.0, two: 1.0, three: 1.0, lattice.Run(1, 2): 1.5, lattice.Run(2, 3): 1.2, lattice.Run(1, 3): 3.0}
    assert lattice.cheapest_way(line, costs) == [one, lattice.Run(2, 3)]


def test_one_cut_among_gaps_is_dearer_than_many() -> None:
    joints = (Joint(0.0, False), Joint(-0.1, True), Joint(0.3, False))
    line = Line(range(1, 4), joints, 1.0)
    one, two, three, both = (lattice.Run(*ends) for ends in ((1, 1), (2, 2), (3, 3), (1, 2)))
    costs = {one: 0.2, two: 0.2, three: 0.2, both: 0.4 + 0.9 * lattice.TOUCH}
    assert lattice.best_way(line, costs) == [both, three]
    assert lattice.best_way(line, costs | {both: 0.4 + 1.1 * lattice.TOUCH}) == [one, two, three]


def test_a_wide_letter_is_offered_whole_where_no_gap_is_inside() -> None:
    ink = np.zeros((200, 700), np.uint8)
    m = [[(100, 80), (130, 120), (160, 80), (190, 120), (220, 80), (250, 120), (280, 110)]]
    pens = [
        np.array(stroke) for stroke in [*m, [(30, 60), (30, 120)], [(330, 60), (330, 120)], [(380, 60), (380, 120)]]
    ]
    found = segment.pieces(strokes.draw(pens, ink.shape, 6))
    line = found.lines[0]
    boxes = [found.box(*run) for run in lattice.runs(found, line)]
    assert any(left <= 98 and 280 <= right < 320 for left, _, right, _ in boxes)
    assert not any(left < 60 and right >= 280 for left, _, right, _ in boxes), "but not with its neighbours"
