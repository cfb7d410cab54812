"""benchmarks/: what the README's figures are measured with."""

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks import accuracy, personal, robustness, speed, training
from hwr import Recognizer, data, hub, sources
from hwr.config import DIGITS, ModelConfig, UserError
from hwr.options import TrainConfig

PENS = Path(__file__).parent / "data" / "pens.npz"


def test_accuracy_counts_the_right_answers_of_the_asked_classes(recognizer: Recognizer) -> None:
    digits = accuracy.Row("digits", "sample", "digits", DIGITS)
    measured = accuracy.measure(recognizer, digits, Path())
    source = sources.read("sample", "test", Path())
    rows = np.flatnonzero(source.labels < 10)
    found = recognizer.probabilities([source.ink(i) for i in rows], "digits").argmax(1)
    assert measured["n"] == len(rows) == 1000
    assert measured["accuracy"] == pytest.approx((found == source.labels[rows]).mean())
    assert measured["accuracy_low"] < measured["accuracy"] < measured["accuracy_high"]


@pytest.mark.parametrize(("label", "answer"), [("7", 7), ("A", 10), ("a", 36), ("c", 12), ("C", 12), ("?", None)])
def test_merged_classes_lose_the_case_that_emnist_drops(label: str, answer: int | None) -> None:
    assert accuracy.answer_of(label, tuple(accuracy.MERGED)) == answer


def test_trajectories_are_sketches_anywhere_on_the_canvas() -> None:
    source = sources.read(str(PENS), "test", Path())
    corners = []
    for i in range(40):
        sketch = accuracy.picture(source, i)
        assert sketch.shape == (accuracy.CANVAS, accuracy.CANVAS)
        assert sketch[0].min() == sketch[-1].min() == sketch[:, 0].min() == sketch[:, -1].min() == 255, "cut off"
        corners.append([side.min() for side in np.nonzero(sketch < 128)])
    assert np.ptp(corners, axis=0).min() > 80


def test_every_way_to_draw_gives_dark_ink_on_light_paper_of_its_size() -> None:
    source = sources.read(str(PENS), "test", Path())
    assert source.trajectory is not None
    for name, drawing in robustness.ways():
        picture = robustness.draw(source.trajectory(3), drawing, seed=3)
        assert picture.shape == (drawing.canvas, drawing.canvas), name
        assert np.median(picture) > float(picture.min()) + 20, name


def test_tilt_is_clockwise() -> None:
    up = np.array([[0, 0], [0, -10]])  # y grows downwards
    np.testing.assert_allclose(robustness.turned(up, 90)[1], [10, 0], atol=1e-9)


def test_speed_compares_in_pairs() -> None:
    calls: list[str] = []
    first, second = speed.pairs(lambda: calls.append("a"), lambda: calls.append("b"), 5)
    assert "".join(calls) == "ab" * 25
    assert first >= 0 <= second
    assert Recognizer.from_pretrained().top_k(speed.editor_value(), 1, "digits").keys() == {"7"}


def test_a_hand_is_learnt_from_the_first_samples_of_every_class() -> None:
    labels = np.array([3, 3, 5, 3, 5, 7])
    assert personal.chosen(labels, 1).tolist() == [True, False, True, False, False, True]
    assert personal.chosen(labels, 2).tolist() == [True, True, True, False, True, True]


def test_only_writers_that_the_model_never_saw_are_measured(tmp_path: Path) -> None:
    pens = data.load(str(PENS), "train", ModelConfig(labels=(), image_size=32), Path())
    writers = np.unique(pens.groups)
    (tmp_path / hub.CONFIG).write_text(
        json.dumps({"hwr": {"held_out": {"pens": [int(writers[0]), 9999], "others": [int(writers[1])]}}})
    )
    assert personal.held_out(tmp_path, pens) == [writers[0]]
    (tmp_path / hub.CONFIG).write_text(json.dumps({"hwr": {}}))
    with pytest.raises(UserError, match="kept out of its training"):
        personal.held_out(tmp_path, pens)


def test_writers_count_alike_however_much_they_wrote() -> None:
    found = personal.summary([personal.Row(0.5, 0.7, 2.0, 100), personal.Row(0.9, 0.8, 4.0, 300)])
    assert (found["writers"], found["pictures"], found["better"], found["worse"]) == (2, 400, 1, 1)
    assert (found["before"], found["after"], found["seconds"]) == pytest.approx((0.7, 0.75, 3.0))


def test_every_mistake_is_learnt_before_the_next_is_looked_for(recognizer: Recognizer) -> None:
    pens = data.load(str(PENS), "train", recognizer.config, Path())
    right = personal.reader(recognizer)(pens)
    wrong = personal.mistakes(pens, recognizer, 4)
    assert wrong == sorted(set(wrong))
    assert wrong[0] == np.flatnonzero(~right)[0]
    after = personal.taught(recognizer, pens.take(np.array(wrong)))(pens)
    assert after[wrong].all()
    splits = list(personal.one_by_one(pens, recognizer, (2, 4, 1000)))
    assert splits[2] is None
    assert [(len(split[0]), len(split[1])) for split in splits if split] == [
        (2, len(pens) - wrong[1] - 1),
        (4, len(pens) - wrong[3] - 1),
    ]


def test_what_was_not_taught_is_counted_apart(recognizer: Recognizer) -> None:
    pens = data.load(str(PENS), "train", recognizer.config, Path())
    few = pens.labels == pens.labels[0]
    row = personal.compare(pens.take(few), pens, recognizer, lambda ink: personal.taught(recognizer, ink))
    right = personal.reader(recognizer)(pens)
    assert (row.before, row.untaught_before) == pytest.approx((right.mean(), right[~few].mean()))
    assert row.read == len(pens)
    assert np.isnan(personal.compare(pens, pens, recognizer, lambda ink: personal.reader(recognizer)).untaught_after)


def test_the_plain_recipe_augments_each_picture_in_its_own_way() -> None:
    ink = data.load("sample", "train", ModelConfig(labels=(), image_size=32), Path())
    pictures = training.PerSample(ink, TrainConfig())
    first, label = pictures[0]
    assert first.shape == (1, 32, 32)
    assert label == ink.labels[0]
    assert not first.equal(pictures[0][0])


def test_the_plain_recipes_labels_name_the_same_characters() -> None:
    ink = data.load("sample", "train", ModelConfig(labels=(), image_size=32), Path())
    plain = training.one_class_each(ink)
    assert 0 < len(plain) < len(ink)
    assert [plain.targets[label] for label in np.unique(plain.labels)] == [(name,) for name in plain.classes()]
    known = [ink.targets[label] for label in ink.labels if len(ink.targets[label]) == 1]
    assert [plain.targets[label] for label in plain.labels] == known
