"""hwr/data/lines and hwr/ink/line.py: where lines come from, and what the network sees of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hwr.config import UserError
from hwr.data.lines import composing, scans, sources
from hwr.data.lines.sampling import LineSampler, Mixture, render_plainly
from hwr.data.sources import Source
from hwr.ink.line import fit_line
from hwr.reading.config import PRINTABLE

HERE = Path()


@pytest.fixture(scope="module")
def sample() -> sources.Lines:
    found = sources.read("sample", HERE, PRINTABLE)
    assert isinstance(found, sources.Lines)
    return found


def test_the_sample_holds_lines_of_many_writers(sample: sources.Lines) -> None:
    assert len(sample) > 700 and len(set(sample.writers)) == 28
    assert set("".join(sample.texts)) <= set(PRINTABLE)


def test_writers_are_held_out_by_name_whatever_the_file(sample: sources.Lines) -> None:
    data = sources.load(["sample"], HERE, PRINTABLE, validation=0.1, seed=0)
    assert data.val is not None
    assert not set(data.train.writers) & set(data.val.writers)
    assert {*data.writers} == {w for w in sample.writers if composing.is_held_out(w)}


def test_a_sample_is_the_same_for_the_same_numbers_and_another_for_others(sample: sources.Lines) -> None:
    sampler = LineSampler(sample, (), 40, 1.25)
    first, again, other = (sampler.sample(seed, 5) for seed in ((0, 0), (0, 0), (0, 1)))
    assert first.text == again.text and np.array_equal(first.picture, again.picture)
    assert first.picture.shape != other.picture.shape or not np.array_equal(first.picture, other.picture)
    assert first.picture.shape[0] == 40


def test_ink_of_any_resolution_gives_the_network_the_same_picture(sample: sources.Lines) -> None:
    line = sample.drawn(3)
    assert isinstance(line, list)
    small = render_plainly(line, 40, 1.25)
    assert small is not None
    twice = fit_line(np.kron(small, np.ones((2, 2), np.uint8)), 40, 1.0)
    once = fit_line(small, 40, 1.0)
    assert twice is not None and once is not None
    assert abs(twice.picture.shape[1] - once.picture.shape[1]) <= 2


def test_columns_of_a_fitted_line_are_found_again_in_the_ink() -> None:
    ink = np.zeros((60, 200), np.uint8)
    ink[10:50, 30:34] = ink[10:50, 150:154] = 255
    fitted = fit_line(ink, 40, 1.25)
    assert fitted is not None
    strokes = np.flatnonzero(fitted.picture.max(axis=0) > 127)
    assert fitted.left + strokes[0] / fitted.scale == pytest.approx(30, abs=1)
    assert fitted.left + (strokes[-1] + 1) / fitted.scale == pytest.approx(154, abs=1)


def test_a_dash_is_not_blown_up_to_full_height() -> None:
    ink = np.zeros((40, 60), np.uint8)
    ink[18:22, 10:40] = 255
    fitted = fit_line(ink, 40)
    assert fitted is not None
    assert (fitted.picture.max(axis=1) > 127).sum() < 14


def test_blank_ink_is_no_line() -> None:
    assert fit_line(np.zeros((10, 10), np.uint8), 40) is None


def test_folders_of_pictures_with_texts_and_tables_give_the_same_lines(tmp_path: Path, sample: sources.Lines) -> None:
    pairs, table = tmp_path / "pairs", tmp_path / "table"
    pairs.mkdir()
    table.mkdir()
    rows = ["file_name,text"]
    for i in range(3):
        picture = Image.fromarray(255 - np.asarray(render_plainly(sample.drawn(i), 48, 1.0)))
        picture.save(pairs / f"{i}.png")
        picture.save(table / f"{i}.png")
        (pairs / f"{i}.txt").write_text(f"text {i}\n")
        rows.append(f"{i}.png,text {i}")
    (table / "labels.csv").write_text("\n".join(rows))
    for folder in (pairs, table):
        lines = sources.read(str(folder), HERE, PRINTABLE)
        assert isinstance(lines, sources.Lines)
        assert lines.texts == ("text 0", "text 1", "text 2")
        assert np.asarray(lines.drawn(0)).max() > 200


def test_lines_that_cannot_be_learnt_are_counted_by_reason(tmp_path: Path) -> None:
    Image.new("L", (60, 20), 255).save(tmp_path / "a.png")
    (tmp_path / "labels.csv").write_text(
        "file_name,text\na.png,ok\nb.png,gone\na.png,naïve\na.png,\n", encoding="utf-8"
    )
    lines = sources.read(str(tmp_path), HERE, PRINTABLE)
    assert isinstance(lines, sources.Lines)
    assert lines.texts == ("ok",)
    assert dict(lines.skipped) == {
        "without their picture": 1,
        "with characters that the reader does not know": 1,
        "without text": 1,
    }


def test_pictures_without_a_text_or_of_an_unsupported_format_are_counted(tmp_path: Path) -> None:
    for name in ("a.png", "b.png", "c.jfif"):
        Image.new("L", (60, 20), 255).save(tmp_path / name, "PNG")
    (tmp_path / "d.svg").write_text("<svg/>")
    for name in ("a.txt", "c.txt", "d.txt"):
        (tmp_path / name).write_text("ok")
    lines = sources.read(str(tmp_path), HERE, PRINTABLE)
    assert isinstance(lines, sources.Lines)
    assert len(lines) == 2
    assert dict(lines.skipped) == {"without their text": 1, "of an unsupported format": 1}


def test_a_folder_without_lines_says_what_was_expected(tmp_path: Path) -> None:
    with pytest.raises(
        UserError, match=r"no lines in .*: expected pictures with their text, as name.png beside name.txt"
    ):
        sources.read(str(tmp_path), HERE, PRINTABLE)
    with pytest.raises(UserError, match="no such data: nowhere"):
        sources.read("nowhere", HERE, PRINTABLE)


def test_characters_alone_are_nothing_to_read_lines_from(tmp_path: Path) -> None:
    np.savez(
        tmp_path / "characters.npz",
        xy=np.zeros((4, 2), np.int16),
        stroke_offsets=np.array([0, 2, 4]),
        sample_offsets=np.array([0, 1, 2]),
        labels=np.array([0, 1]),
        classes=np.array(["a", "b"]),
    )
    with pytest.raises(UserError, match="holds single characters alone: name a source of lines as well"):
        sources.load([str(tmp_path / "characters.npz")], HERE, PRINTABLE, 0.1, 0)


def bar(height: float) -> composing.Line:
    return [np.array([[0, 0], [0, height]], np.float32)]


def test_composed_characters_touch_where_they_are_to_touch_and_stand_apart_elsewhere() -> None:
    hand = composing.hand_of([("1", bar(100)), ("7", bar(90))])
    rng = np.random.default_rng(0)
    apart = composing.compose(lambda c: hand, "1711", 0.4, rng)
    assert apart is not None
    xs = [float(stroke[0, 0]) for stroke in apart]
    assert np.diff(xs) == pytest.approx(0.4, abs=0.15)


def test_a_text_with_a_character_that_nobody_wrote_is_not_composed() -> None:
    hand = composing.hand_of([("1", bar(100))])
    assert composing.compose(lambda c: hand, "12", 0.2, np.random.default_rng(0)) is None


def bars(path: Path, **heights: int) -> Source:
    """An .npz of pictures of upright bars, one for each class, of different heights."""
    images = np.zeros((len(heights), 28, 28), np.uint8)
    for image, height in zip(images, heights.values(), strict=True):
        image[4 : 4 + height, 12:16] = 255
    np.savez(path, images=images, labels=np.arange(len(heights)), classes=np.array([*heights]))
    found = sources.read(str(path), HERE, PRINTABLE)
    assert isinstance(found, Source)
    return found


def test_of_several_sources_the_first_with_a_character_gives_its_pictures(tmp_path: Path) -> None:
    found = scans.of([bars(tmp_path / "digits.npz", **{"1": 20}), bars(tmp_path / "all.npz", **{"1": 10, "l": 12})])
    rng = np.random.default_rng(0)
    assert set(found.pictures) == {"1", "l"}
    one, letter = found.draw("1", rng), found.draw("l", rng)
    assert one is not None and letter is not None
    assert (one.shape, letter.shape) == ((20, 4), (12, 4))


@pytest.mark.parametrize(("gap", "bars_seen"), [(0.5, 4), (-0.3, 1)], ids=["apart", "overlapping"])
def test_pictures_are_laid_beside_one_another_on_one_baseline(tmp_path: Path, gap: float, bars_seen: int) -> None:
    found = scans.of([bars(tmp_path / "bars.npz", **{"1": 20})])
    line = scans.compose(found, "1111", gap, np.random.default_rng(0))
    assert line is not None
    inked = (line >= scans.EDGE).any(axis=0)
    assert np.count_nonzero(np.diff(inked.astype(int), prepend=0) == 1) == bars_seen
    assert scans.CAPITAL * 0.8 < len(line) < scans.CAPITAL * 1.4


def test_a_blank_picture_makes_no_line(tmp_path: Path) -> None:
    assert (
        scans.compose(scans.of([bars(tmp_path / "blank.npz", **{"1": 0})]), "1", 0.2, np.random.default_rng(0)) is None
    )


def test_pictures_of_characters_take_part_in_a_run(tmp_path: Path) -> None:
    bars(tmp_path / "bars.npz", **{"1": 20, "l": 12})
    data = sources.load(["sample", str(tmp_path / "bars.npz")], HERE, PRINTABLE, validation=0.1, seed=0)
    sampler = LineSampler(data.train, (), 40, 1.25, data.scans, Mixture(real=0, joined=0, scans=1))
    texts = {sampler.sample((0, 0), i).text for i in range(30)}
    assert set("".join(texts)) == {"1", "l"}


def test_hands_without_letters_and_digits_leave_their_share_to_real_lines(sample: sources.Lines) -> None:
    bar = [np.array([[0, 0], [0, 50]], np.float32)]
    sampler = LineSampler(sample, [composing.hand_of([("!", bar)] * 8)], 40, 1.25, mixture=Mixture(real=0, joined=0))
    assert {sampler.sample((0, 0), i).text for i in range(5)} <= {*sample.texts, ""}
