"""hwr/ink/photo.py, page.py, rules.py, bars.py and colour.py: from a picture of paper to the ink that was written."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from hwr import Recognizer
from hwr.ink import page, rules
from hwr.ink.picture import decode
from hwr.ink.preprocess import fit_ink, to_ink, written
from hwr.ink.strokes import draw

CASES = Path(__file__).parents[1] / "data" / "cases"
Picture = NDArray[np.uint8]
SEVEN = np.array([(60, 70), (190, 70), (110, 220)])
FIVE = np.array([(170, 60), (90, 60), (85, 130), (150, 130), (175, 170), (140, 215), (85, 205)])


@pytest.fixture(scope="module")
def recognizer() -> Recognizer:
    return Recognizer.from_pretrained()


def drawn(*characters: NDArray[np.int64], pen: float = 8, side: int = 280, pitch: int = 150) -> Picture:
    """Characters beside one another as ink."""
    strokes = [one + np.array([pitch * i, 0]) for i, one in enumerate(characters)]
    return draw(strokes, (side, side + pitch * (len(characters) - 1)), pen)


def photo(ink: Picture, paper: float | Picture = 210, noise: float = 3) -> Picture:
    """Dark ink on paper in sloping light, as a camera sees it."""
    high, wide = ink.shape
    light = np.linspace(1, 0.8, wide) * np.linspace(1, 0.9, high)[:, None]
    seen = cv2.GaussianBlur(np.float64(paper) * light * (1 - 0.75 * ink / 255), (0, 0), 0.8)
    return (seen + np.random.default_rng(0).normal(0, noise, ink.shape)).clip(0, 255).astype(np.uint8)


def likeness(found: Picture | None, ink: Picture) -> float:
    a, b = (fit_ink(one, 48, 0.8) if one is not None else None for one in (found, ink))
    return 0.0 if a is None or b is None else float(np.corrcoef(a.ravel(), b.ravel())[0, 1])


# --- characters keep their strokes ---


@pytest.mark.parametrize(
    ("case", "answer"),
    [("rule-eraser-single", "7"), ("framed-cell", "7"), ("keyed-transparency", "5"), ("same-brightness-colours", "5")],
)
def test_a_single_character_on_odd_paper_is_read_surely(case: str, answer: str, recognizer: Recognizer) -> None:
    found = recognizer.answer(recognizer.see(CASES / f"{case}.png"), alphabet="digits")
    assert next(iter(found.probabilities)) == answer
    assert found.confident


@pytest.mark.parametrize("strokes", [[(0, 0), (99, 0), (20, 130)], [(0, 0), (99, 0), (0, 130), (99, 130)]])
@pytest.mark.parametrize("pen", [4, 9])
def test_bars_of_characters_that_are_cut_out_tightly_are_no_rules(strokes: list[tuple[int, int]], pen: float) -> None:
    ink = draw([np.array(strokes) + 3], (137, 106), pen)
    assert likeness(to_ink(photo(ink)), ink) > 0.95


def test_a_tight_character_in_several_pieces_keeps_its_bars() -> None:
    """E, its three bars apart from its stem."""
    ink = draw(
        [np.array(bar) for bar in ([(3, 3), (3, 197)], *([(9, y), (117, y)] for y in (3, 99, 197)))], (200, 120), 5
    )
    assert likeness(to_ink(photo(ink)), ink) > 0.95


@pytest.mark.parametrize("case", ["rule-eraser-row", "rule-eraser-column"])
def test_bars_in_a_row_or_column_of_characters_are_no_rules(case: str) -> None:
    gray = np.asarray(Image.open(CASES / f"{case}.png").convert("L"))
    ink = to_ink(gray)
    assert ink is not None
    light = cv2.dilate(gray, np.ones((25, 25), np.uint8))
    dark = light.astype(int) - gray > 60
    assert (ink[dark] > 100).mean() > 0.95


def test_a_row_of_ts_keeps_its_bars() -> None:
    ts = [np.add(s, (80 * i, 40)) for i in range(6) for s in ([(20, 20), (92, 20)], [(56, 20), (56, 120)])]
    ink = draw(ts, (220, 540), 6)
    found = to_ink(photo(ink))
    assert found is not None
    assert (found[ink > 200] > 100).mean() > 0.95


# --- print ---


def test_writing_on_squared_paper_is_left_alone() -> None:
    found = to_ink(CASES / "graph-paper.png")
    assert found is not None
    pieces, _, stats, _ = cv2.connectedComponentsWithStats((found > 100).astype(np.uint8))
    assert pieces - 1 == 4, "7571"
    assert (stats[1:, cv2.CC_STAT_HEIGHT] > 40).all()


@pytest.mark.parametrize("pitch", [30, 60])
@pytest.mark.parametrize("darkness", [0.3, 0.75])
def test_rules_are_taken_out_and_strokes_that_cross_them_stay(pitch: int, darkness: float) -> None:
    ink = drawn(SEVEN, FIVE, SEVEN, pen=9)
    page_ = np.full(ink.shape, 210.0)
    page_[11::pitch] *= 1 - darkness
    page_[12::pitch] *= 1 - darkness
    found = to_ink(photo(ink, page_))
    assert found is not None
    assert (found[ink > 200] > 80).mean() > 0.9
    far = cv2.dilate(ink, np.ones((15, 15), np.uint8)) == 0
    assert (found[far] > 80).mean() < 0.002


@pytest.mark.parametrize("thick", [1, 3])
@pytest.mark.parametrize("gap", [0, 14])
def test_the_boxes_of_a_form_are_found_in_order_and_taken_out(thick: int, gap: int) -> None:
    ink, side = np.zeros((420, 640), np.uint8), 100
    frames = np.zeros_like(ink)
    for row in range(2):
        for n in range(5):
            x, y = 20 + n * (side + gap), 40 + row * 180
            cv2.rectangle(frames, (x, y), (x + side, y + side), 255, thick)
            ink = np.maximum(ink, draw([(SEVEN - 60) * 0.35 + [x + 26, y + 22]], ink.shape, 6))
    found = written(photo(np.maximum(ink, frames)))
    assert found is not None
    assert len(found.cells) == 10
    centres = (found.cells[:, :2] + found.cells[:, 2:]) / 2
    assert (np.diff(centres[:5, 0]) > 80).all() and (np.diff(centres[5:, 0]) > 80).all()
    assert centres[:5, 1].max() < centres[5:, 1].min()
    assert cv2.connectedComponents((found.ink > 100).astype(np.uint8))[0] - 1 == 10


@pytest.mark.parametrize("case", ["blank-underlines", "empty-boxes"])
def test_blanks_and_empty_boxes_hold_no_writing(case: str) -> None:
    assert to_ink(CASES / f"{case}.png") is None


def test_blank_squared_paper_and_a_blank_form_hold_no_writing() -> None:
    squared = np.full((300, 400), 255, np.uint8)
    squared[9::25] = squared[:, 7::25] = 120
    assert to_ink(squared) is None
    assert to_ink(photo(255 - squared)) is None
    comb = np.zeros((120, 420), np.uint8)
    for n in range(7):
        cv2.rectangle(comb, (20 + 50 * n, 30), (70 + 50 * n, 90), 255, 2)
    assert to_ink(photo(comb)) is None


def test_a_box_around_one_character_is_taken_away() -> None:
    ink = drawn(FIVE)
    framed = np.asarray(cv2.rectangle(ink.copy(), (30, 20), (230, 250), 255, 3), np.uint8)
    assert likeness(to_ink(255 - framed), ink) > 0.95
    assert likeness(to_ink(photo(framed)), ink) > 0.9


@pytest.mark.parametrize("thick", [1, 4, 9])
def test_a_frame_at_the_pictures_edge_is_peeled(thick: int) -> None:
    ink = drawn(SEVEN)
    framed = cv2.copyMakeBorder(255 - ink, thick, thick, thick, thick, cv2.BORDER_CONSTANT, value=20)
    assert likeness(to_ink(framed), ink) > 0.97
    assert page.frame(255 - ink) == 0


def test_a_single_line_is_a_stroke() -> None:
    bar = draw([np.array([(20, 100), (260, 100)])], (200, 280), 6)
    assert rules.without_print(bar).ink is not None


# --- broken strokes ---


@pytest.mark.parametrize("gap", [2, 3])
@pytest.mark.parametrize("pitch", [24, 40])
def test_strokes_cut_by_gaps_far_narrower_than_the_pen_are_made_whole(gap: int, pitch: int) -> None:
    ink = drawn(FIVE, SEVEN, pen=24)
    cut = ink.copy()
    y, x = np.indices(ink.shape)
    cut[((x + y) % pitch < gap) | ((x - y) % pitch < gap)] = 0
    found = to_ink(255 - cut)
    assert found is not None
    assert cv2.connectedComponents((found > 100).astype(np.uint8))[0] - 1 == 2
    assert likeness(found, ink) > 0.97


def test_many_small_characters_that_stand_close_are_not_joined() -> None:
    ink = np.zeros((120, 300), np.uint8)
    ink[40:80, 20:280:10] = ink[40:80, 21:280:10] = ink[40:80, 22:280:10] = 255
    np.testing.assert_array_equal(to_ink(255 - ink), ink)


# --- pages ---


def on_desk(sheet: Picture, degrees: float, share: float) -> Picture:
    """A sheet on a dark desk, turned."""
    high, wide = sheet.shape
    turn = cv2.getRotationMatrix2D((wide / 2, high / 2), degrees, share)
    inside = cv2.warpAffine(np.ones(sheet.shape, np.float32), turn, (wide, high))
    seen = cv2.warpAffine(sheet, turn, (wide, high)) * inside + 90 * (1 - inside)
    return (seen + np.random.default_rng(1).normal(0, 3, sheet.shape)).clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize(("degrees", "share"), [(5, 0.85), (-8, 0.6), (0, 0.8)])
def test_a_page_on_a_desk_is_found_and_straightened(degrees: float, share: float) -> None:
    ink = np.zeros((700, 900), np.uint8)
    ink[200:480, 300:580] = drawn(SEVEN)
    found = written(on_desk(photo(ink), degrees, share))
    assert found is not None
    assert likeness(found.ink, ink) > 0.9
    left, top, right, bottom = cv2.boundingRect((found.ink > 100).astype(np.uint8))
    (box,) = found.in_picture(np.array([[left, top, left + right, top + bottom]]))
    turn = cv2.getRotationMatrix2D((450, 350), degrees, share)
    corners = cv2.transform(np.add(SEVEN[None], (300.0, 200.0)), turn)[0]
    assert np.abs(box - [*corners.min(axis=0), *corners.max(axis=0)]).max() < 25


def test_a_shadow_is_no_page() -> None:
    paper = np.full((500, 700), 215.0)
    paper[:, 420:] *= 0.6
    ink = np.zeros(paper.shape, np.uint8)
    ink[100:380, 440:690] = drawn(FIVE)[:, 20:270]
    assert page.find(photo(ink, paper)) is None
    assert likeness(to_ink(photo(ink, paper)), ink) > 0.9


def test_rules_that_are_askew_straighten_the_page() -> None:
    ink = drawn(SEVEN, FIVE, SEVEN, FIVE)
    page_ = np.full(ink.shape, 210.0)
    page_[11::40] = page_[12::40] = 90
    seen = photo(ink, page_)
    turn = cv2.getRotationMatrix2D((365, 140), 4, 1.1)
    turned = cv2.warpAffine(seen, turn, ink.shape[::-1], borderMode=cv2.BORDER_REPLICATE)
    found = written(turned)
    assert found is not None
    assert np.degrees(np.arctan2(found.home[1, 0], found.home[0, 0])) == pytest.approx(-4, abs=0.5)


def test_boxes_in_ink_that_was_not_moved_are_boxes_in_the_picture() -> None:
    found = written(255 - drawn(SEVEN))
    assert found is not None and found.size == (280, 280)
    np.testing.assert_array_equal(found.in_picture(np.array([[10, 20, 30, 40]])), [[10, 20, 30, 40]])
    assert found.in_picture(found.cells).shape == (0, 4)


# --- colour and cut-outs ---


@pytest.mark.parametrize(
    ("paper", "pen"),
    [((90, 110, 130), (190, 60, 75)), ((240, 240, 120), (232, 240, 255)), ((120, 160, 90), (200, 120, 110))],
)
def test_ink_of_the_papers_brightness_is_found_by_its_colour(
    paper: tuple[int, int, int], pen: tuple[int, int, int]
) -> None:
    ink = drawn(SEVEN, pen=14)[..., None] / 255
    picture = np.rint(np.array(paper) * (1 - ink) + np.array(pen) * ink).astype(np.uint8)
    assert likeness(to_ink(picture), drawn(SEVEN, pen=14)) > 0.9


def test_grey_pictures_stay_as_bright_as_they_are() -> None:
    gray = photo(drawn(FIVE))
    np.testing.assert_array_equal(to_ink(np.dstack([gray] * 3)), to_ink(gray))


@pytest.mark.parametrize("light", [False, True])
def test_ink_whose_paper_was_deleted_lies_on_what_its_edges_fade_into(light: bool) -> None:
    soft = np.asarray(cv2.GaussianBlur(drawn(FIVE, pen=14), (0, 0), 3), np.uint8)
    tone = soft if light else 255 - soft
    picture = np.dstack([tone, tone, tone, np.where(soft > 40, 255, 0).astype(np.uint8)])
    assert likeness(to_ink(picture), soft) > 0.95


def test_a_cut_out_piece_of_paper_lies_on_its_own_tone() -> None:
    gray = 200 - (drawn(SEVEN) * 0.6).astype(np.uint8)
    alpha = np.zeros_like(gray)
    cv2.circle(alpha, (140, 140), 135, 255, -1)
    found = decode(np.dstack([gray, gray, gray, alpha]))
    assert found is not None and not found[1]
    assert found[0][0, 0] == 200
