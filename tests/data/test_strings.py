"""composing.py and strings.py: characters as they are cut out of strings, and wrong cuts, are learnt from."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from hwr.config import DIGITS, LOWER, OTHER, UPPER, ModelConfig, UserError
from hwr.data import composing, sources, strings
from hwr.reading.segment import pieces
from hwr.training import datasets as prepare
from hwr.training.options import TrainConfig

PENS = Path(__file__).parents[1] / "data" / "pens.npz"
MODEL = ModelConfig((*DIGITS, *UPPER, *LOWER, OTHER))


@pytest.fixture(scope="module")
def source() -> sources.Source:
    return sources.read(str(PENS), "train", Path())


@pytest.fixture(scope="module")
def hands(source: sources.Source) -> list[composing.Hand]:
    return composing.hands(source, DIGITS + UPPER + LOWER)


@pytest.mark.parametrize("gap", ["wide", "touching"])
def test_every_pixel_of_a_string_has_the_character_that_drew_it(
    hands: list[composing.Hand], gap: composing.Gap
) -> None:
    made = composing.compose(hands[0], np.random.default_rng(5), gap)
    assert ((made.owner > 0) == (made.picture > 0)).all()
    assert set(np.unique(made.owner).tolist()) == set(range(len(made.text) + 1))
    for number, (left, top, right, bottom) in enumerate(made.boxes, 1):
        inside = made.owner[top:bottom, left:right] == number
        solid = inside & (made.picture[top:bottom, left:right] > composing.SOLID)
        assert solid.sum() == ((made.owner == number) & (made.picture > composing.SOLID)).sum()


def test_runs_of_a_string_are_judged_by_whose_ink_they_have(hands: list[composing.Hand]) -> None:
    judged = kinds = 0
    for seed in range(12):
        made = composing.compose(hands[seed % len(hands)], np.random.default_rng(seed), "touching")
        found = pieces(made.picture)
        for run, character in zip(*strings.judged(found, made.owner), strict=True):
            inside = (found.owner >= run.first) & (found.owner <= run.last)
            of_it = np.bincount(made.owner[inside], minlength=len(made.text) + 1)[1:]
            share = of_it / np.bincount(made.owner[found.owner > 0], minlength=len(made.text) + 1)[1:]
            judged, kinds = judged + 1, kinds + (character != 0)
            if character > 0:
                assert of_it.argmax() == character - 1
                assert share[character - 1] >= strings.WHOLE
                assert of_it[character - 1] >= strings.PURE * of_it.sum()
            assert (character == strings.NONE) <= ((share >= strings.SEVERAL).sum() > 1)
    assert judged > kinds > 100


def test_characters_are_cut_out_whole_where_nothing_touches(hands: list[composing.Hand]) -> None:
    there, written = 0, 0
    for seed in range(12):
        made = composing.compose(hands[seed % len(hands)], np.random.default_rng(seed), "wide")
        found = strings.judged(pieces(made.picture), made.owner)[1]
        there, written = there + len(set(found[found > 0].tolist())), written + len(made.text)
    assert there >= 0.95 * written, "some dots and bars are drawn beside their letters"


def test_cuts_of_strings_are_the_same_for_the_same_seed(source: sources.Source) -> None:
    writers = np.unique(source.groups).tolist()[:4]
    one, same, other = (strings.cut(source, writers, 60, seed, MODEL) for seed in (0, 0, 1))
    np.testing.assert_array_equal(one.images, same.images)
    np.testing.assert_array_equal(one.labels, same.labels)
    assert one.images.shape != other.images.shape or (one.images != other.images).any()
    assert one.images.shape[1:] == (48, 48)
    assert 30 < len(one) < 90
    assert one.sure is not None
    assert one.sure.all()
    assert not one.of_writers.any(), "who wrote a string is not said"
    names = [one.targets[label][0] for label in one.labels]
    assert 0.15 < names.count(OTHER) / len(names) < 0.4
    written = {source.targets[label][0] for label in source.labels[np.isin(source.groups, writers)]}
    assert set(names) <= written | {OTHER}, "and of these writers alone"


def test_what_is_cut_out_is_what_reading_sees(hands: list[composing.Hand]) -> None:
    for seen, name in strings.of_string(hands, (0, 4), MODEL):  # the fifth of a round: wide apart
        assert seen.shape == (48, 48)
        assert seen.dtype == np.uint8
        parts = cv2.connectedComponents((seen > composing.SOLID).astype(np.uint8))[0] - 1
        assert parts > 1 or name != OTHER, "two characters apart are two pieces of ink at least"


def test_training_learns_from_strings_of_the_writers_it_may_know(tmp_path: Path) -> None:
    config = TrainConfig(
        data=("sample", str(PENS)), strings=0.5, outliers=0.1, validation=0.3, dedupe=False, out=tmp_path / "run"
    )
    sets = prepare.load(config, MODEL)
    plain = prepare.load(TrainConfig(**{**vars(config), "strings": 0.0}), MODEL)
    assert sets.train.name == "sample+pens+outliers+strings"
    more = sets.train.drawn_per_epoch - plain.train.drawn_per_epoch
    characters = plain.train.drawn_per_epoch / (1 + config.outliers)
    assert more == pytest.approx(config.strings * characters, rel=0.02)
    assert sets.val is not None
    assert plain.val is not None
    np.testing.assert_array_equal(sets.val.images, plain.val.images)
    assert plain.choice is plain.val
    assert sets.choice is not None
    assert sets.choice.drawn_per_epoch == pytest.approx((1 + config.strings) * len(sets.val), rel=0.2)


def test_strings_need_pens_with_writers(tmp_path: Path) -> None:
    config = TrainConfig(data=("sample",), strings=0.1, out=tmp_path / "run")
    with pytest.raises(UserError, match="--strings needs pen trajectories of known writers"):
        prepare.load(config, MODEL)


def test_a_share_of_strings_is_a_share() -> None:
    with pytest.raises(UserError, match=r"--strings 1\.5: expected between 0 and 1"):
        TrainConfig(strings=1.5)


def test_a_writer_of_single_characters_writes_no_string(source: sources.Source) -> None:
    writer = int(source.groups[0])
    rows = np.flatnonzero(source.groups == writer)[:1]
    single = replace(source, labels=source.labels[rows], groups=source.groups[rows])
    with pytest.raises(UserError, match="no strings can be composed of pens"):
        strings.cut(single, [writer], 40, 0, MODEL)
