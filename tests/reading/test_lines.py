"""hwr/reading/lines.py: which strokes stand in one line."""

import numpy as np

from hwr.reading.lines import in_lines


def rows(*boxes: tuple[int, int, int, int]) -> list[list[int]]:
    return in_lines(np.array([(0, 0, 0, 0), *boxes], np.int64), 5.0)


def test_a_letter_that_hangs_low_stands_in_the_line_that_has_room_for_it() -> None:
    """The box of an h shares a third of a q's with it, and the low letters between them found no line."""
    e, h, o, q, i = (
        (29, 241, 106, 355),
        (175, 53, 288, 351),
        (331, 254, 440, 358),
        (505, 246, 640, 513),
        (719, 198, 779, 360),
    )
    assert rows(e, h, o, q, i) == [[1, 2, 3, 4, 5]]


def test_a_stroke_below_others_is_a_line_of_its_own_even_if_their_heights_overlap() -> None:
    first = [(60 * i, 0, 60 * i + 50, 100) for i in range(4)]
    assert rows(*first, (60, 72, 150, 172)) == [[1, 2, 3, 4], [5]]


def test_a_line_far_below_a_gap_is_another() -> None:
    assert rows((0, 0, 50, 100), (200, 0, 250, 100), (100, 110, 150, 210)) == [[1, 2], [3]]


def test_a_small_letter_stays_in_its_line_though_a_tall_letter_of_the_next_is_nearer() -> None:
    d, n, three, ascender = (305, 280, 330, 350), (375, 315, 415, 350), (480, 280, 550, 375), (350, 425, 415, 525)
    assert rows(d, n, three, ascender) == [[1, 2, 3], [4]]


def test_a_dot_belongs_to_the_letter_below_it() -> None:
    above, stem, dot = (0, 0, 60, 100), (20, 160, 40, 250), (24, 135, 36, 147)
    assert rows(above, stem, dot) == [[1], [2, 3]]
