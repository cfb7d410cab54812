"""benchmarks/: what the README's figures are measured with."""

import json
import time
from pathlib import Path

import numpy as np
import pytest

from benchmarks import accuracy, engines, personal, photos, speed, training
from hwr import Recognizer
from hwr.config import DIGITS, ModelConfig, UserError
from hwr.data import inkset as data
from hwr.data import sources
from hwr.model import store
from hwr.training.options import TrainConfig

PENS = Path(__file__).parents[1] / "data" / "pens.npz"


def test_accuracy_counts_the_right_answers_of_the_asked_classes(recognizer: Recognizer) -> None:
    digits = accuracy.Row("digits", "sample", "digits", DIGITS)
    measured = accuracy.measure(recognizer, digits, Path())
    source = sources.read("sample", "test", Path())
    rows = np.flatnonzero(source.labels < 10).tolist()
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


def test_tilt_is_clockwise() -> None:
    up = np.array([[0, 0], [0, -10]])  # y grows downwards
    np.testing.assert_allclose(photos.turned(up, 90)[1], [10, 0], atol=1e-9)


def test_speed_is_compared_in_turn() -> None:
    calls: list[str] = []
    found = speed.in_turn({"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, 5, warm_up=20)
    assert "".join(calls) == "ab" * 25
    assert found["a"] >= 0 <= found["b"]
    assert Recognizer.from_pretrained().top_k(speed.editor_value(), 1, "digits").keys() == {"7"}


def test_batches_are_counted_in_pictures_a_second(recognizer: Recognizer) -> None:
    pictures = [np.pad(np.full((20, 6), 255, np.uint8), 8)] * 3
    found = speed.batches(recognizer, speed.networks_of(recognizer, store.load(store.BUNDLED)[0]), pictures, 1)
    assert set(found) == {*speed.NETWORKS, speed.WHOLE}
    assert all(0 < rate < 1e5 for rate in found.values())


@pytest.mark.parametrize("shape", [(6, 20), (20, 6), (200, 150)])
def test_engines_get_dark_ink_on_white_paper_with_a_margin(shape: tuple[int, int]) -> None:
    ink = np.pad(np.full(shape, 255, np.uint8), ((3, 40), (0, 9)))
    page = engines.laid_out(ink, engines.Layout(48, 0.25))
    assert page.shape == (48, 48)
    rows, columns = np.nonzero(page < 128)
    assert max(np.ptp(rows), np.ptp(columns)) + 1 == 24
    assert rows.min() + rows.max() == pytest.approx(47, abs=1)
    assert columns.min() + columns.max() == pytest.approx(47, abs=1)


def test_engines_answer_within_the_alphabet_where_they_can() -> None:
    names, line = ["", "1", "l", "7"], np.array([[0.9, 0.01, 0.5, 0.02], [0.1, 0.03, 0.8, 0.04]])
    assert engines.likeliest(line[:, None], names, "0123456789") == "7"
    assert engines.likeliest(line, names, "abcdefghijklm") == "l"
    assert [engines.said(text, "digits") for text in ("7\n", " a1", "", "x")] == [7, 1, None, None]
    assert engines.said("b", "letters") == engines.said("B", "letters") == 1


def test_every_reader_is_asked_about_the_same_pictures(recognizer: Recognizer) -> None:
    options = engines.Options(mnist="sample", n=6)
    sample = engines.sample("digits", options.mnist, "test", "digits", options.n, options)
    asked: list[int] = []
    blind = engines.Engine(lambda page: "7", lambda page: asked.append(len(page)))
    found = engines.measure(recognizer, {"blind": lambda _: blind}, {"blind": engines.Layout(32, 0.1)}, sample)
    assert asked == [32] * 6
    assert found["readers"]["blind"]["accuracy"] == pytest.approx(sample.right.count(7) / 6)
    assert found["readers"]["hwr"]["accuracy"] >= 5 / 6


@pytest.mark.parametrize("pause", [False, True])
def test_a_timed_call_has_a_pause_before_it_on_request(
    recognizer: Recognizer, monkeypatch: pytest.MonkeyPatch, pause: bool
) -> None:
    happened: list[float | str] = []
    monkeypatch.setattr(time, "sleep", happened.append)
    blind = engines.Engine(lambda page: "7", lambda page: happened.append("timed"))
    sample = engines.sample("digits", "sample", "test", "digits", 3, engines.Options())
    engines.measure(recognizer, {"blind": lambda _: blind}, {"blind": engines.Layout(32, 0.1)}, sample, pause)
    each = [engines.QUIET, "timed"] if pause else ["timed"]
    hwr = [engines.QUIET] * (1 + 3 * pause)
    assert happened == [*hwr, engines.QUIET, *each * 3]


def test_the_size_with_which_an_engine_reads_most_is_found() -> None:
    options = engines.Options(mnist="sample", n=4)
    sample = engines.sample("digits", options.mnist, "train", "digits", options.n, options)
    answers = iter(sample.right * 99)

    def make(alphabet: str) -> engines.Engine:
        def read(page: np.ndarray) -> str:
            answer = next(answers)
            return str(answer) if len(page) == 64 else ""

        return engines.Engine(read, read)

    assert engines.best_layout(make, [sample]).side == 64


def test_a_hand_is_learnt_from_the_first_samples_of_every_class_and_read_in_the_rest() -> None:
    labels = np.array([3, 3, 5, 3, 5, 7, 3])
    assert np.flatnonzero(personal.chosen(labels, 1)).tolist() == [0, 2]
    assert np.flatnonzero(personal.chosen(labels, 2)).tolist() == [0, 1, 2]
    assert np.flatnonzero(personal.chosen(labels, 9)).tolist() == [0, 1, 2]


def test_a_hand_that_wrote_everything_once_is_not_measured(recognizer: Recognizer) -> None:
    pens = data.load(str(PENS), "train", recognizer.config, Path())
    once = pens.take(np.unique(pens.labels, return_index=True)[1])
    assert list(personal.per_class(once, recognizer, (1, 5))) == [None, None]


def test_only_writers_that_the_model_never_saw_are_measured(tmp_path: Path) -> None:
    pens = data.load(str(PENS), "train", ModelConfig(labels=(), image_size=32), Path())
    writers = np.unique(pens.groups)
    (tmp_path / store.CONFIG).write_text(
        json.dumps({"hwr": {"held_out": {"pens": [int(writers[0]), 9999], "others": [int(writers[1])]}}})
    )
    assert personal.held_out(tmp_path, pens) == [writers[0]]
    (tmp_path / store.CONFIG).write_text(json.dumps({"hwr": {}}))
    with pytest.raises(UserError, match="kept out of its training"):
        personal.held_out(tmp_path, pens)


def test_writers_count_alike_however_much_they_wrote() -> None:
    found = personal.summary([personal.Row(0.5, 0.7, 2.0, 10, 100), personal.Row(0.9, 0.8, 4.0, 20, 300)])
    assert (found["writers"], found["pictures"], found["better"], found["worse"]) == (2, 400, 1, 1)
    assert (found["before"], found["after"], found["seconds"]) == pytest.approx((0.7, 0.75, 3.0))
    assert found["taught"] == 15


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
    assert (row.taught, row.read) == (few.sum(), len(pens))
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
