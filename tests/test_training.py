"""model.py, augment.py, metrics.py and training.py."""

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.metrics import log_loss

from hwr import data, metrics, training
from hwr.augment import Augmentation
from hwr.config import ModelConfig, TrainConfig, UserError
from hwr.data import InkSet
from hwr.model import build, count_parameters

TINY = ModelConfig(labels=tuple("0123456789"), image_size=32, model_args={"in_chans": 1, "channels": [8, 8, 16, 16]})
STILL = {
    "degrees": 0,
    "shear": 0,
    "scale": 0,
    "shift": 0,
    "elastic": 0,
    "stroke": 0,
    "gain": 0,
    "occlusion": 0,
    "blur": 0,
}


def digits(count: int) -> InkSet:
    sample = data.load("sample", "train", TINY, Path())
    rows = np.flatnonzero(np.isin(sample.labels, [i for i, t in enumerate(sample.targets) if t[0].isdigit()]))
    return sample.take(rows[:count])


def config(out: Path, **changes: object) -> TrainConfig:
    out.mkdir(exist_ok=True)
    quick = TrainConfig(out=out, epochs=3, batch_size=32, device="cpu", lr=3e-3, ema=0.9, drop_rate=0)
    return replace(quick, **changes)  # type: ignore[arg-type]


# --- model ---


def test_the_network_takes_one_channel_and_gives_one_logit_a_label() -> None:
    model = build(TINY)
    assert model(torch.zeros(2, 1, 32, 32)).shape == (2, 10)
    assert count_parameters(build(ModelConfig(labels=tuple("ab")))) < 3_000_000


@pytest.mark.parametrize("name", ["vit_tiny_patch16_224", "os.system", "resnet999", ""])
def test_only_resnets_are_built(name: str) -> None:
    with pytest.raises(UserError, match="expected a timm ResNet"):
        build(replace(TINY, architecture=name))


def test_wrong_arguments_are_named() -> None:
    with pytest.raises(UserError, match="wings"):
        build(replace(TINY, model_args={"wings": 2}))


# --- augmentation ---


def test_augmentation_without_strength_changes_nothing() -> None:
    pixels = torch.rand(4, 1, 32, 32)
    torch.testing.assert_close(Augmentation()(pixels), pixels, atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", STILL)
def test_each_augmentation_changes_pictures_each_in_its_own_way(name: str) -> None:
    torch.manual_seed(0)
    one = torch.from_numpy(digits(1).images).float().div(255).expand(64, 1, 32, 32)
    strength = {"degrees": 20, "occlusion": 1.0, "blur": 1.0}.get(name, 0.3)
    changed = Augmentation(**{name: strength})(one)
    assert changed.shape == one.shape
    assert changed.min() >= 0
    assert changed.max() <= 1.0001
    assert (changed - one).abs().amax((1, 2, 3)).gt(0.05).float().mean() > (0.3 if name == "occlusion" else 0.6)
    assert changed.std(0).max() > 0.05, "every picture changed alike"


def test_rotation_turns_by_at_most_the_limit() -> None:
    torch.manual_seed(0)
    bar = torch.zeros(200, 1, 33, 33)
    bar[:, :, 4:29, 16] = 1
    turned = Augmentation(degrees=15)(bar)[:, 0]
    top = turned[:, 5].argmax(1) - 16  # 11 pixels above the middle
    angles = torch.atan2(top.float(), torch.tensor(11.0)).rad2deg()
    assert angles.abs().max() < 18
    assert angles.min() < -10 and angles.max() > 10


# --- metrics ---


def test_loss_is_cross_entropy_where_one_class_is_allowed() -> None:
    logits, labels = torch.randn(20, 5), torch.arange(20) % 5
    allowed = torch.eye(5, dtype=torch.bool)[labels]
    expected = log_loss(labels, logits.double().softmax(1), labels=range(5))
    assert metrics.loss(logits, allowed).item() == pytest.approx(expected, rel=1e-5)
    smooth = torch.nn.functional.cross_entropy(logits, labels, label_smoothing=0.1)
    assert metrics.loss(logits, allowed, 0.1).item() == pytest.approx(smooth.item(), rel=1e-5)


def test_a_letter_of_unknown_case_costs_the_summed_probability() -> None:
    logits = torch.tensor([[1.0, 2.0, 0.0]])
    allowed = torch.tensor([[True, True, False]])
    assert metrics.loss(logits, allowed).item() == pytest.approx(-math.log(logits.softmax(1)[0, :2].sum().item()))
    assert metrics.accuracy(logits, allowed) == 1
    assert metrics.accuracy(-logits, allowed) == 0


def test_calibration_error_of_honest_and_of_boasting_models() -> None:
    generator = torch.Generator().manual_seed(0)
    sure = torch.rand(200_000, generator=generator) * 0.5 + 0.5
    right = torch.rand(200_000, generator=generator) < sure
    probabilities = torch.stack([sure, 1 - sure], 1)
    assert metrics.calibration_error(probabilities, right) < 0.01
    boasting = torch.tensor([[1.0, 0.0]]).expand(1000, 2)
    assert metrics.calibration_error(boasting, torch.arange(1000) < 700) == pytest.approx(0.3)


def test_the_temperature_undoes_a_scaling_of_the_logits() -> None:
    torch.manual_seed(0)
    honest = torch.randn(20_000, 5) * 2
    allowed = torch.eye(5, dtype=torch.bool)[honest.softmax(1).multinomial(1).squeeze(1)]
    assert metrics.fit_temperature(honest * 3, allowed) == pytest.approx(3, rel=0.05)


def test_the_threshold_accepts_the_share_that_is_asked_for() -> None:
    probabilities = torch.rand(10_000, 3).softmax(1)
    threshold = metrics.fit_threshold(probabilities, 0.9)
    assert (probabilities.amax(1) >= threshold).float().mean().item() == pytest.approx(0.9, abs=0.01)


def test_wilson_agrees_with_a_published_example() -> None:
    low, high = metrics.wilson(81, 263)  # Newcombe 1998, table I: 81 of 263
    assert (round(low, 4), round(high, 4)) == (0.2553, 0.3662)


# --- fit ---


def test_a_few_steps_overfit_one_batch(tmp_path: Path) -> None:
    batch = digits(32)
    settings = config(tmp_path / "run", epochs=150, lr=1e-2, smoothing=0.0, ema=0.0, **STILL)
    model = build(TINY)
    model.load_state_dict(training.fit(model, batch, batch, settings, TINY))
    logits, allowed = training.predict(model, training.Labelled.of(batch, TINY.labels, torch.device("cpu")), TINY)
    assert metrics.accuracy(logits, allowed) == 1
    assert metrics.loss(logits, allowed) < 0.1


def test_a_resumed_run_ends_with_the_weights_of_an_uninterrupted_one(tmp_path: Path) -> None:
    train, val = data.hold_out(digits(200), 0.2, 0)

    def run(out: Path, **changes: object) -> training.Weights:
        torch.manual_seed(7)
        return training.fit(build(TINY), train, val, config(out, **changes), TINY)

    whole = run(tmp_path / "whole")

    class Killed(BaseException):
        pass

    log = training.Run.log

    def die(self: training.Run, line: dict[str, object]) -> None:
        log(self, line)
        if line["epoch"] == 2:
            raise Killed

    with pytest.MonkeyPatch.context() as patch, pytest.raises(Killed):
        patch.setattr(training.Run, "log", die)
        run(tmp_path / "cut")
    resumed = run(tmp_path / "cut", resume=True)
    for name, tensor in whole.items():
        torch.testing.assert_close(resumed[name], tensor, rtol=0, atol=0)
    lines = (tmp_path / "cut" / training.LOG).read_text().splitlines()
    assert [json.loads(line)["epoch"] for line in lines] == [1, 2, 3]


def test_the_best_epoch_is_kept_and_not_the_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scores = iter([0.5, 0.9, 0.7])
    seen: list[torch.Tensor] = []

    def validate(self: training.Run, held: training.Labelled) -> dict[str, float]:
        seen.append(self.kept.state_dict()["fc.bias"].clone())
        return {"val_accuracy": next(scores), "val_loss": 0.0}

    monkeypatch.setattr(training.Run, "validate", validate)
    weights = training.fit(build(TINY), digits(64), digits(64), config(tmp_path), TINY)
    torch.testing.assert_close(weights["fc.bias"], seen[1])
    assert not seen[1].equal(seen[2])


def test_a_loss_that_is_no_number_stops_the_run_and_keeps_the_checkpoint(tmp_path: Path) -> None:
    train = digits(64)
    training.fit(build(TINY), train, train, config(tmp_path, epochs=1), TINY)
    before = (tmp_path / training.CHECKPOINT).read_bytes()
    with pytest.raises(UserError, match="lower --lr"):
        training.fit(build(TINY), train, train, config(tmp_path, lr=1e30, grad_clip=0, warmup=0.0), TINY)
    assert (tmp_path / training.CHECKPOINT).read_bytes() == before


def test_resuming_without_or_with_a_damaged_checkpoint_is_an_error(tmp_path: Path) -> None:
    resume = config(tmp_path, resume=True)
    with pytest.raises(UserError, match="nothing to resume"):
        training.fit(build(TINY), digits(64), digits(64), resume, TINY)
    (tmp_path / training.CHECKPOINT).write_bytes(b"not a checkpoint")
    with pytest.raises(UserError, match="damaged"):
        training.fit(build(TINY), digits(64), digits(64), resume, TINY)


@pytest.mark.parametrize("changes", [{"device": "tpu9"}, {"scheduler": "moon"}, {"optimizer": "moon"}])
def test_unknown_devices_schedulers_and_optimizers_are_named(tmp_path: Path, changes: dict[str, str]) -> None:
    with pytest.raises(UserError, match=next(iter(changes.values()))):
        training.fit(build(TINY), digits(64), digits(64), config(tmp_path, **changes), TINY)
