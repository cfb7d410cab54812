"""start.py: what training starts from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import timm
import torch

from hwr.config import ModelConfig, UserError
from hwr.model import store
from hwr.model.resnet import build
from hwr.training import start
from hwr.training.options import TrainConfig

pytestmark = pytest.mark.numeric

TINY = ModelConfig(labels=("a", "b", "c"), image_size=32, model_args={"in_chans": 1, "channels": [8, 8, 16, 16]})


@pytest.fixture
def saved(tmp_path: Path) -> tuple[Path, dict[str, torch.Tensor]]:
    """A model of a, b and c, and its weights."""
    weights = build(TINY).state_dict()
    store.save(tmp_path / "model", weights, replace(TINY, temperature=1.5, rejection_threshold=0.3), {}, {})
    return tmp_path / "model", weights


def test_classes_in_common_keep_their_rows_and_the_others_are_new(saved: tuple[Path, dict[str, torch.Tensor]]) -> None:
    folder, weights = saved
    config = TrainConfig(init=(str(folder),))
    model, described = start.begin(start.find(config), ("c", "x", "a"), config)
    found = model.state_dict()
    assert described.labels == ("c", "x", "a")
    assert described.image_size == 32
    torch.testing.assert_close(found["fc.weight"][[0, 2]], weights["fc.weight"][[2, 0]])
    torch.testing.assert_close(found["fc.bias"][[0, 2]], weights["fc.bias"][[2, 0]])
    assert not any(found["fc.weight"][1].equal(row) for row in weights["fc.weight"])
    torch.testing.assert_close(found["layer4.1.conv2.weight"], weights["layer4.1.conv2.weight"])


def test_a_start_can_go_on_at_another_size(saved: tuple[Path, dict[str, torch.Tensor]]) -> None:
    config = TrainConfig(init=(str(saved[0]),), image_size=48)
    begun = start.find(config)
    model, described = start.begin(begun, begun.config.labels, config)
    assert described.image_size == 48
    assert all(torch.equal(values, saved[1][name]) for name, values in model.state_dict().items())


def test_of_several_starts_the_weights_are_averaged(
    saved: tuple[Path, dict[str, torch.Tensor]], tmp_path: Path
) -> None:
    folder, weights = saved
    names, all_weights = [str(folder)], [weights]
    for i in (1, 2):
        notes = {"training": {"data": ["mnist", f"hand_{i}"], "init": ["a"], "teacher": "b", "epochs": 3, "seed": i}}
        names.append(str(tmp_path / f"model_{i}"))
        all_weights.append(build(TINY).state_dict())
        store.save(Path(names[-1]), all_weights[-1], replace(TINY, temperature=1.0 + i), notes, {})
    config = TrainConfig(init=tuple(names))
    begun = start.find(config)
    model, described = start.begin(begun, TINY.labels, config)
    for name, values in model.state_dict().items():
        each = [one[name] for one in all_weights]
        expected = sum(each[1:], each[0]) / 3 if values.is_floating_point() else each[-1]
        torch.testing.assert_close(values, expected)
    assert described.labels == TINY.labels
    _, *later = names
    shared = {"data": ["mnist", "hand_1", "hand_2"], "init": ["a"], "teacher": ["b"], "epochs": 3}
    assert start.find(TrainConfig(init=tuple(later))).training == shared


@pytest.mark.parametrize(
    ("noted", "known"),
    [
        (5, {}),
        (["mnist"], {}),
        ({"data": ["a"], "init": "bundled", "teacher": ""}, {"data": ["a"], "init": ["bundled"], "teacher": []}),
        ({"data": [{"a": 1}, "b"], "init": 5}, {"data": ["b"], "init": [], "teacher": []}),
    ],
)
def test_notes_of_a_training_may_be_old_or_not_ours(
    saved: tuple[Path, dict[str, torch.Tensor]], tmp_path: Path, noted: object, known: dict[str, list[str]]
) -> None:
    store.save(tmp_path / "other", saved[1], TINY, {"training": noted}, {})
    assert start.find(TrainConfig(init=(str(tmp_path / "other"),))).training == known


def test_starts_of_two_networks_are_not_averaged(saved: tuple[Path, dict[str, torch.Tensor]], tmp_path: Path) -> None:
    one, other = saved[0], tmp_path / "other"
    store.save(other, saved[1], replace(TINY, labels=("c", "b", "a"), image_size=48), {}, {})
    with pytest.raises(UserError, match=f"--init {other} differs from {one} in image_size, labels: expected"):
        start.find(TrainConfig(init=(str(one), str(other))))
    for names in (("scratch", "bundled"), ("bundled", "imagenet"), ()):
        given = " ".join(names) or "names nothing"
        with pytest.raises(UserError, match=f"--init {given}: expected one start, or several models that train"):
            TrainConfig(init=names)


def test_the_size_of_a_start_bounds_the_small_size(saved: tuple[Path, dict[str, torch.Tensor]]) -> None:
    with pytest.raises(UserError, match="--small-size 40: expected 16 to 32, the --image-size"):
        start.find(TrainConfig(init=(str(saved[0]),), small_size=40))
    assert start.find(TrainConfig(init=(str(saved[0]),), small_size=40, image_size=64)).config.image_size == 64


def test_classes_of_the_start_can_be_kept(saved: tuple[Path, dict[str, torch.Tensor]]) -> None:
    begun = start.find(TrainConfig(init=(str(saved[0]),)))
    assert begun.labels(("b", "x"), keep=False) == ("b", "x")
    assert begun.labels(("b", "x"), keep=True) == ("a", "b", "c", "x")


def test_the_bundled_model_starts_a_run_with_the_same_answers() -> None:
    config = TrainConfig(init=("bundled",), drop_rate=0.5)
    begun = start.find(config)
    model, described = start.begin(begun, begun.config.labels, config)
    bundled, _ = store.load(store.BUNDLED)
    pixels = torch.rand(2, 1, described.image_size, described.image_size)
    torch.testing.assert_close(model.eval()(pixels), bundled(pixels))


def test_pretrained_weights_are_summed_over_the_colours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """timm's weights as the Hub's cache keeps them: found there without network."""
    colour: Any = timm.create_model("resnet18", num_classes=1000)
    cache = tmp_path / "hub" / "models--timm--resnet18.a1_in1k"
    (cache / "refs").mkdir(parents=True)
    (cache / "refs" / "main").write_text("0" * 40)
    snapshot = cache / "snapshots" / ("0" * 40)
    snapshot.mkdir(parents=True)
    safetensors.torch.save_file(colour.state_dict(), snapshot / "model.safetensors")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))

    config = TrainConfig(init=("imagenet",), architecture="resnet18")
    model, described = start.begin(start.find(config), ("a", "b"), config)
    assert described.model_args == {"in_chans": 1}
    torch.testing.assert_close(model.state_dict()["conv1.weight"], colour.conv1.weight.detach().sum(1, keepdim=True))
    assert model(torch.zeros(1, 1, 64, 64)).shape == (1, 2)


def test_pretrained_weights_that_cannot_be_had_are_one_clear_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    config = TrainConfig(init=("imagenet",), architecture="resnet18")
    with pytest.raises(UserError, match="--init imagenet: the weights of resnet18 could not be downloaded"):
        start.begin(start.find(config), ("a",), config)
    half = TrainConfig(init=("imagenet",))
    with pytest.raises(UserError, match="--architecture resnet18"):
        start.begin(start.find(half), ("a",), half)


def test_a_start_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=f"no such model directory: {tmp_path / 'nowhere'}"):
        start.find(TrainConfig(init=(str(tmp_path / "nowhere"),)))


def test_a_teacher_answers_in_the_students_classes(saved: tuple[Path, dict[str, torch.Tensor]]) -> None:
    folder, weights = saved
    labels = ("c", "x", "a")
    taught = start.Teacher(folder, labels, torch.device("cpu"))
    pixels = torch.rand(4, 1, 48, 48)
    found = taught(pixels)
    assert found.shape == (4, 3)
    assert found[:, 1].eq(0).all()
    torch.testing.assert_close(found.sum(1), torch.ones(4))

    model = build(TINY)
    model.load_state_dict(weights)
    small = torch.nn.functional.interpolate(pixels, (32, 32), mode="bilinear", antialias=True)
    expected = (model.eval()((small - TINY.mean) / TINY.std) / 1.5).softmax(1)[:, [2, 0]]
    torch.testing.assert_close(found[:, [0, 2]], expected / expected.sum(1, keepdim=True))
    assert pixels.max() <= 1, "the student's pixels were changed"


def test_of_several_teachers_each_class_is_the_mean_of_those_that_know_it(
    saved: tuple[Path, dict[str, torch.Tensor]], tmp_path: Path
) -> None:
    folder, weights = saved
    other = replace(TINY, labels=("x", *TINY.labels[1:]))
    store.save(tmp_path / "other", weights, other, {}, {})
    labels = (TINY.labels[1], TINY.labels[0], "x")
    pixels = torch.rand(4, 1, 32, 32)
    one, two = (start.Teacher(path, labels, torch.device("cpu"))(pixels) for path in (folder, tmp_path / "other"))
    found = start.teacher((str(folder), str(tmp_path / "other")), labels, torch.device("cpu"))
    assert found is not None
    expected = torch.stack([(one[:, 0] + two[:, 0]) / 2, one[:, 1], two[:, 2]], 1)
    torch.testing.assert_close(found(pixels), expected / expected.sum(1, keepdim=True))


def test_a_teacher_without_a_class_in_common_is_refused(saved: tuple[Path, dict[str, torch.Tensor]]) -> None:
    with pytest.raises(UserError, match="has none of the classes"):
        start.Teacher(saved[0], ("x", "y"), torch.device("cpu"))
    assert start.teacher((), ("x",), torch.device("cpu")) is None


def test_a_network_for_plain_pictures_says_so_in_its_config(tmp_path: Path) -> None:
    plain = TrainConfig(ink=False, architecture="resnet50", image_size=224).network()
    assert (plain.ink, plain.image_size, plain.architecture) == (False, 224, "resnet50")
    weights = build(replace(TINY, ink=False)).state_dict()
    store.save(tmp_path / "plain", weights, replace(TINY, ink=False), {}, {})
    _, found = store.load(tmp_path / "plain")
    assert found.ink is False
    assert np.isfinite(found.mean)
