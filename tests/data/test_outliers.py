"""outliers.py: ink that is no character, the same for the same seed, and honestly held out."""

from typing import Any

import numpy as np
import pytest

from hwr.config import OTHER
from hwr.data.outliers import HELD_OUT, KINDS, TRAINED, Material, source, symbols
from hwr.data.sources import SAMPLE_DIR, read
from hwr.ink.preprocess import fit_ink
from hwr.ink.strokes import sketch

SIZE, FRACTION = 48, 0.8
BAR = fit_ink(sketch([np.array([(0, 0), (0, 9)])], np.random.default_rng(0)), SIZE, FRACTION)


@pytest.fixture(scope="module")
def characters() -> np.ndarray:
    with np.load(SAMPLE_DIR / "test.npz") as file:
        fitted = [fit_ink(picture, SIZE, FRACTION) for picture in file["images"][::20]]
    return np.stack([picture for picture in fitted if picture is not None])


@pytest.mark.parametrize("held_out", [False, True])
def test_every_sample_is_labelled_as_no_character(characters: np.ndarray, held_out: bool) -> None:
    outliers = source(7, 1, characters, held_out)
    assert (outliers.name, len(outliers), outliers.targets) == ("outliers", 7, ((OTHER,),))
    np.testing.assert_array_equal(outliers.labels, np.zeros(7))
    np.testing.assert_array_equal(outliers.groups, np.arange(7))


@pytest.mark.parametrize("held_out", [False, True])
def test_a_sample_depends_on_seed_and_number_alone(characters: np.ndarray, held_out: bool) -> None:
    few, many, other = (
        source(10, 5, characters, held_out),
        source(99, 5, characters, held_out),
        source(10, 6, characters),
    )
    for i in reversed(range(10)):
        np.testing.assert_array_equal(few.ink(i), many.ink(i))
    assert not any(np.array_equal(np.asarray(few.ink(i)), np.asarray(other.ink(i))) for i in range(10))


def test_no_two_samples_are_alike(characters: np.ndarray) -> None:
    outliers = source(200, 0, characters)
    pictures = [outliers.ink(i) for i in range(200)]
    assert len({(p.shape, p.tobytes()) for p in pictures if p is not None}) == 200


@pytest.mark.parametrize("kind", KINDS)
def test_nearly_every_picture_of_a_kind_survives_fitting(kind: str, characters: np.ndarray) -> None:
    material = Material(characters, symbols(False))
    inks = [KINDS[kind](np.random.default_rng((1, i)), material) for i in range(100)]
    assert all(ink.dtype == np.uint8 and ink.ndim == 2 for ink in inks)
    assert sum(fit_ink(ink, SIZE, FRACTION) is not None for ink in inks) >= 99


def test_held_out_kinds_are_not_trained_on_but_for_the_symbols() -> None:
    assert set(TRAINED) & set(HELD_OUT) == {"symbols"}
    assert set(TRAINED) | set(HELD_OUT) == set(KINDS)
    assert sum(TRAINED.values()) == pytest.approx(1) == sum(HELD_OUT.values())


def test_held_out_symbols_are_other_classes_in_every_set_of_symbols() -> None:
    with np.load(SAMPLE_DIR / "symbols.npz") as file:
        classes, labels, held_out = file["classes"], file["labels"], file["held_out"]
    held, trained = ({str(c) for c in classes[np.unique(labels[held_out == side])]} for side in (True, False))
    assert not held & trained
    assert held | trained == set(classes.tolist())
    assert len(symbols(True)) + len(symbols(False)) == len(labels)
    assert 0.25 < held_out.mean() < 0.42


def test_the_symbols_are_a_file_of_pen_trajectories_of_no_digit_or_latin_letter() -> None:
    path = SAMPLE_DIR / "symbols.npz"
    pens = read(str(path), "test", SAMPLE_DIR)  # checks offsets and labels
    assert pens.trajectory is not None
    assert path.stat().st_size < 150_000
    names = [target[0].split(":", 1)[1] for target in pens.targets]
    assert not [name for name in names if len(name) == 1 and name.isascii() and name.isalnum()]
    for i in range(len(pens)):
        points = np.concatenate(list(pens.trajectory(i)))
        assert np.ptp(points, axis=0).min() > 0 or len(pens.trajectory(i)) > 1  # no single bar or dot


def test_several_characters_are_wider_or_higher_than_one(characters: np.ndarray) -> None:
    material = Material(characters, ())
    shapes = np.array([KINDS["several"](np.random.default_rng(i), material).shape for i in range(100)])
    assert (shapes.max(axis=1) > 48).all()
    assert (shapes[:, 1] > 1.5 * shapes[:, 0]).mean() > 0.3


def test_characters_that_are_all_bars_still_give_pictures() -> None:
    assert BAR is not None
    ink = KINDS["several"](np.random.default_rng(0), Material(BAR[None], ()))
    assert fit_ink(ink, SIZE, FRACTION) is not None


def test_characters_of_another_shape_are_refused() -> None:
    wrong: Any
    for wrong in (np.zeros((0, 48, 48), np.uint8), np.zeros((48, 48), np.uint8), np.zeros((2, 48, 48))):
        with pytest.raises(ValueError, match="characters must be"):
            source(1, 0, wrong)
