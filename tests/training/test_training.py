"""model.py, augment.py, metrics.py, labelled.py and training.py."""

import math
from contextlib import nullcontext
from dataclasses import fields, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import log_loss

from hwr import metrics
from hwr.config import OTHER, ModelConfig, UserError
from hwr.data import inkset as data
from hwr.data.inkset import InkSet
from hwr.evaluation import devices
from hwr.evaluation.inference import Labelled, predict
from hwr.model import store
from hwr.model.resnet import build, count_parameters, freeze, open_stages
from hwr.training import average, checkpoint, records, start
from hwr.training import fit as training
from hwr.training.augment import augment, mix
from hwr.training.flags import AugmentationOptions
from hwr.training.loss import Objective
from hwr.training.options import TrainConfig
from hwr.training.sampling import draw
from hwr.training.task import CharacterTask
from hwr.training.trainer import Run, Weights

pytestmark = pytest.mark.numeric

TINY = ModelConfig(labels=tuple("0123456789"), image_size=32, model_args={"in_chans": 1, "channels": [8, 8, 16, 16]})
STILL: dict[str, Any] = dict.fromkeys((field.name for field in fields(AugmentationOptions)), 0.0)
NO_AUGMENTATION = AugmentationOptions(**STILL)


@cache
def all_digits() -> InkSet:
    sample = data.load("sample", "train", TINY, Path())
    return sample.take(
        np.flatnonzero(np.isin(sample.labels, [i for i, t in enumerate(sample.targets) if t[0].isdigit()]))
    )


def digits(count: int) -> InkSet:
    return all_digits().take(np.arange(count))


def config(out: Path, **changes: object) -> TrainConfig:
    out.mkdir(exist_ok=True)
    quick = TrainConfig(out=out, epochs=3, batch_size=32, device="cpu", lr=3e-3, ema=0.9, drop_rate=0)
    return replace(quick, **changes)  # type: ignore[arg-type]


def fit(
    train: InkSet,
    val: InkSet | None,
    settings: TrainConfig,
    model: torch.nn.Module | None = None,
    model_config: ModelConfig = TINY,
    teacher: Any = None,
) -> Weights:
    accelerator = devices.accelerator(settings.device, settings.precision)
    model = build(model_config) if model is None else model
    task = CharacterTask(train, val, settings, model_config, accelerator.device, (0, 1), teacher)
    return training.fit(model, task, settings, accelerator)


def task_of(train: InkSet, settings: TrainConfig, teacher: Any = None) -> CharacterTask:
    return CharacterTask(train, None, settings, TINY, torch.device("cpu"), (0, 1), teacher)


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


def test_frozen_stages_do_not_learn_and_keep_their_batchnorm_statistics(tmp_path: Path) -> None:
    model = build(TINY)
    before = {k: v.clone() for k, v in model.state_dict().items()}
    everything = {"fc", "layer4", "layer3", "layer2", "layer1", "conv1", "bn1"}
    for finetune, epochs, learning in (
        ("head", 1, {"fc"}),
        ("last-stage", 1, {"fc", "layer4"}),
        ("gradual", 2, everything - {"layer1", "conv1", "bn1"}),
        ("gradual", 6, everything),
    ):
        model.load_state_dict(before)
        freeze(model, 1)  # whatever was frozen before
        settings = config(tmp_path / f"{finetune}{epochs}", epochs=epochs, finetune=finetune, ema=0.0)
        after = fit(digits(96), None, settings, model)
        changed = {name.split(".")[0] for name in before if not before[name].equal(after[name])}
        assert changed == learning


def test_gradual_unfreezing_goes_from_the_top_to_everything() -> None:
    opened = [open_stages("gradual", epoch, 12) for epoch in range(12)]
    assert opened == [1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6]
    assert [open_stages(name, 0, 1) for name in ("head", "last-stage", "full")] == [1, 2, 6]
    model, counts = build(TINY), []
    for learning in range(1, 7):
        freeze(model, learning)
        counts.append(count_parameters(model, learning=True))
    assert counts == sorted(set(counts))
    assert counts[-1] == count_parameters(model)


@pytest.mark.parametrize(
    "name", [n for n in timm.list_models("resnet*", module="resnet") if n.endswith(("18", "18d", "s"))]
)
def test_every_kind_of_timm_resnet_has_the_stages_that_are_frozen(name: str) -> None:
    model = build(ModelConfig(labels=("a", "b"), architecture=name, model_args={"in_chans": 1}))
    frozen = freeze(model, 1)
    classifier: Any = model.fc
    assert count_parameters(model, learning=True) == sum(p.numel() for p in classifier.parameters())
    assert len(frozen) == len(list(model.children())) - 1


# --- augmentation ---


def test_augmentation_without_strength_changes_nothing() -> None:
    pixels = torch.rand(4, 1, 32, 32)
    torch.testing.assert_close(augment(pixels, NO_AUGMENTATION), pixels, atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", STILL)
def test_each_augmentation_changes_pictures_each_in_its_own_way(name: str) -> None:
    torch.manual_seed(0)
    one = torch.from_numpy(digits(1).images).float().div(255).expand(64, 1, 32, 32)
    certain = ("occlusion", "remnant", "blur", "rules", "dots", "coarse", "blobs", "broken", "cut")
    strength = 20 if name == "degrees" else 1.0 if name in certain else 0.3
    changed = augment(one, replace(NO_AUGMENTATION, **{name: strength}))
    assert changed.shape == one.shape
    assert changed.min() >= 0
    assert changed.max() <= 1.0001
    assert (changed - one).abs().amax((1, 2, 3)).gt(0.05).float().mean() > (
        0.3 if name in ("occlusion", "remnant", "cut") else 0.6
    )
    assert changed.std(0).max() > 0.05, "every picture changed alike"


def test_rotation_turns_by_at_most_the_limit() -> None:
    torch.manual_seed(0)
    bar = torch.zeros(200, 1, 33, 33)
    bar[:, :, 4:29, 16] = 1
    turned = augment(bar, replace(NO_AUGMENTATION, degrees=15))[:, 0]
    top = turned[:, 5].argmax(1) - 16  # 11 pixels above the middle
    angles = torch.atan2(top.float(), torch.tensor(11.0)).rad2deg()
    assert angles.abs().max() < 18
    assert angles.min() < -10 and angles.max() > 10


def test_augmentation_can_give_smaller_pictures() -> None:
    pixels = torch.zeros(2, 1, 48, 48)
    pixels[:, :, 12:36, 12:36] = 1
    small = augment(pixels, replace(NO_AUGMENTATION, degrees=5), 32)
    assert small.shape == (2, 1, 32, 32)
    assert small.mean().item() == pytest.approx(pixels.mean().item(), rel=0.05), "the picture is no longer whole"


def test_mixup_blends_a_batch_with_itself_in_reverse() -> None:
    torch.manual_seed(0)
    pixels = torch.rand(6, 1, 8, 8)
    mixed, share = mix(pixels, 0.4, 0.0)
    torch.testing.assert_close(mixed, share * pixels + (1 - share) * pixels.flip(0))


def test_cutmix_pastes_a_rectangle_of_the_size_that_it_says() -> None:
    np.random.seed(0)
    torch.manual_seed(0)
    pixels = torch.stack([torch.zeros(1, 20, 20), torch.ones(1, 20, 20)])
    shares = []
    for _ in range(20):
        mixed, share = mix(pixels, 0.0, 1.0)
        assert mixed[0].mean().item() == pytest.approx(1 - share, abs=1e-6)
        assert mixed[1].mean().item() == pytest.approx(share, abs=1e-6)
        shares.append(share)
    assert len(set(shares)) > 5


def test_nothing_is_mixed_unless_asked() -> None:
    pixels = torch.rand(2, 1, 8, 8)
    assert mix(pixels, 0.0, 0.0) == (pixels, 1.0)


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
    sure = torch.rand(10_000)
    threshold = metrics.fit_threshold(sure, 0.9)
    assert (sure >= threshold).float().mean().item() == pytest.approx(0.9, abs=0.01)


def test_confidence_is_the_best_probability_or_that_it_is_no_outlier() -> None:
    logits = torch.tensor([[2.0, 2.0, -1.0], [0.0, 0.0, 4.0]])
    probabilities = logits.softmax(1)
    torch.testing.assert_close(metrics.confidence(logits, None), probabilities.amax(1))
    torch.testing.assert_close(metrics.confidence(logits, 2), probabilities[:, :2].sum(1))


def test_the_prior_of_a_letter_of_unknown_case_counts_as_much_as_its_weight() -> None:
    logits = torch.tensor([[1.0, 2.0, 0.0]], requires_grad=True)
    allowed, prior = torch.tensor([[True, True, False]]), torch.tensor([[0.8, 0.2, 0.0]])
    free, fixed = (metrics.soft_loss(logits, allowed, prior, weight).mean() for weight in (0.0, 1.0))
    torch.testing.assert_close(free, metrics.loss(logits, allowed))
    torch.testing.assert_close(fixed, torch.nn.functional.cross_entropy(logits, prior))
    half = metrics.soft_loss(logits, allowed, prior, 0.5).mean()
    torch.testing.assert_close(half, (free + fixed) / 2)


def test_a_known_class_costs_the_same_with_any_weight_of_the_prior() -> None:
    logits, allowed = torch.randn(8, 5), torch.eye(5, dtype=torch.bool)[torch.arange(8) % 5]
    known = metrics.soft_loss(logits, allowed, allowed.float(), 0.7, 0.1).mean()
    torch.testing.assert_close(known, metrics.loss(logits, allowed, 0.1))


def test_a_teachers_sum_over_both_cases_is_shared_anew_and_the_rest_stays() -> None:
    told = torch.tensor([[0.5, 0.1, 0.4], [0.3, 0.3, 0.4]])
    allowed = torch.tensor([[True, True, False], [False, False, True]])
    prior = torch.tensor([[0.25, 0.75, 0.0], [0.0, 0.0, 1.0]])
    expected = torch.tensor([[0.15, 0.45, 0.4], [0.3, 0.3, 0.4]])
    torch.testing.assert_close(metrics.reshared(told, allowed, prior), expected)


def test_wilson_agrees_with_a_published_example() -> None:
    low, high = metrics.wilson(81, 263)  # Newcombe 1998, table I: 81 of 263
    assert (round(low, 4), round(high, 4)) == (0.2553, 0.3662)


# --- fit ---


def test_a_few_steps_overfit_one_batch(tmp_path: Path) -> None:
    batch = digits(32)
    settings = config(tmp_path / "run", epochs=150, lr=1e-2, smoothing=0.0, ema=0.0, **STILL)
    model = build(TINY)
    model.load_state_dict(fit(batch, batch, settings, model))
    logits, allowed = predict(model, Labelled.of(batch, TINY.labels, torch.device("cpu")), TINY)
    assert metrics.accuracy(logits, allowed) == 1
    assert metrics.loss(logits, allowed) < 0.1


@pytest.mark.parametrize(("keep", "epoch"), [("best", 1), ("last", 2)])
def test_the_epoch_that_is_asked_for_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keep: str, epoch: int
) -> None:
    scores = iter([0.5, 0.9, 0.7])
    seen: list[torch.Tensor] = []

    def validate(self: Run) -> dict[str, float]:
        seen.append(self.kept.state_dict()["fc.bias"].clone())
        return {"val_accuracy": next(scores), "val_loss": 0.0}

    monkeypatch.setattr(Run, "validate", validate)
    weights = fit(digits(64), digits(64), config(tmp_path, keep=keep))
    torch.testing.assert_close(weights["fc.bias"], seen[epoch], rtol=0, atol=0)
    assert not seen[1].equal(seen[2])


def test_a_loss_that_is_no_number_stops_the_run_and_keeps_the_checkpoint(tmp_path: Path) -> None:
    train = digits(64)
    fit(train, train, config(tmp_path, epochs=1))
    before = (tmp_path / checkpoint.FILE).read_bytes()
    with pytest.raises(UserError, match="lower --lr"):
        fit(train, train, config(tmp_path, lr=1e30, grad_clip=0, warmup=0.0))
    assert (tmp_path / checkpoint.FILE).read_bytes() == before


def test_resuming_without_or_with_a_damaged_checkpoint_is_an_error(tmp_path: Path) -> None:
    resume = config(tmp_path, resume=True)
    with pytest.raises(UserError, match="nothing to resume"):
        fit(digits(64), digits(64), resume)
    (tmp_path / checkpoint.FILE).write_bytes(b"not a checkpoint")
    with pytest.raises(UserError, match="damaged"):
        fit(digits(64), digits(64), resume)


@pytest.mark.parametrize("changes", [{"device": "tpu9"}, {"scheduler": "moon"}, {"optimizer": "moon"}])
def test_unknown_devices_schedulers_and_optimizers_are_named(tmp_path: Path, changes: dict[str, str]) -> None:
    with pytest.raises(UserError, match=next(iter(changes.values()))):
        fit(digits(64), digits(64), config(tmp_path, **changes))


@pytest.mark.parametrize(
    "changes",
    [
        {"optimizer": "sgd", "lr": 0.05},
        {"optimizer": "muon", "lr": 0.01},
        {"optimizer": "adamw", "layer_decay": 0.7},
        {"scheduler": "step", "decay_every": 2, "decay_rate": 0.5},
        {"scheduler": "plateau", "decay_every": 1},
        {"accumulate": 2},
        {"mixup": 0.2, "cutmix": 0.5},
        {"balance": 1.0},
        {"small_size": 24},
        {"finetune": "gradual", "epochs": 18},
        {"precision": "bf16"},
    ],
    ids=str,
)
def test_every_way_to_train_learns_something(tmp_path: Path, changes: dict[str, object]) -> None:
    """Zeros and ones, as they are: 48 updates bring the loss from 2.3, that of ten classes, to at most 1.4 (AVX2)."""
    sample = digits(3000)
    train = sample.take(np.flatnonzero(sample.labels < 2)[:256])
    fit(train, train, config(tmp_path, **{"epochs": 6, "smoothing": 0.0, **STILL, **changes}))
    losses = [line["loss"] for line in records.read(tmp_path)]
    assert losses[-1] < losses[0] - 0.5


def test_accumulated_parts_make_the_update_of_the_whole_batch(tmp_path: Path) -> None:
    """Without BatchNorm's statistics of a batch, which differ by design: here the network only has its classifier."""
    train = digits(32)
    start = build(TINY).state_dict()
    found = []
    for accumulate in (1, 4):
        model = build(TINY)
        model.load_state_dict(start)
        settings = config(
            tmp_path / str(accumulate), epochs=1, accumulate=accumulate, ema=0.0, finetune="head", **STILL
        )
        found.append(fit(train, None, settings, model)["fc.weight"])
    torch.testing.assert_close(found[0], found[1], rtol=0, atol=1e-5)


def test_early_stopping_ends_after_its_patience(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scores = iter([0.5, 0.9, 0.7, 0.8, 0.85, 0.99])
    monkeypatch.setattr(Run, "validate", lambda *_: {"val_accuracy": next(scores), "val_loss": 0.0})
    fit(digits(32), digits(32), config(tmp_path, epochs=9, patience=3))
    assert len(records.read(tmp_path)) == 5


def test_without_validation_the_last_weights_are_kept(tmp_path: Path) -> None:
    model = build(TINY)
    weights = fit(digits(64), None, config(tmp_path, ema=0.0), model)
    for name, tensor in model.state_dict().items():
        torch.testing.assert_close(weights[name], tensor)
    assert "val_accuracy" not in records.read(tmp_path)[-1]


def test_a_weight_says_how_often_an_epoch_sees_a_picture(tmp_path: Path) -> None:
    few, many = digits(40).weighted(0.5), digits(60).weighted(2.0)
    settings = config(tmp_path, batch_size=20)
    task = task_of(data.merge([few, many]), settings)
    rows = torch.cat(list(task.batches(0, 0, task.samples // 20, 20)))
    assert len(rows) == 140
    assert (rows < 40).sum().item() == pytest.approx(20, abs=12)


@given(
    weights=st.lists(st.floats(0.01, 20), min_size=1, max_size=40), n=st.integers(1, 200), seed=st.integers(0, 2**31)
)
def test_rows_are_drawn_as_often_as_their_share_says(weights: list[float], n: int, seed: int) -> None:
    chances = torch.tensor(weights)
    rows = draw(chances, n, torch.Generator().manual_seed(seed))
    expected = chances.double() / chances.double().sum() * n
    assert len(rows) == n
    assert ((torch.bincount(rows, minlength=len(weights)) - expected).abs() < 1 + 1e-6).all()


def test_balanced_classes_are_drawn_alike(tmp_path: Path) -> None:
    sample = digits(600)
    zeros, ones = (np.flatnonzero(sample.labels == label) for label in (0, 1))
    uneven = sample.take(np.concatenate([zeros[:5], ones[:45]]))
    settings = config(tmp_path, batch_size=50, balance=1.0)
    task = task_of(uneven, settings)
    drawn = [int(row) for epoch in range(20) for rows in task.batches(epoch, 0, 1, 50) for row in rows]
    assert np.mean(np.array(drawn) < 5) == pytest.approx(0.5, abs=0.1)


class AlwaysSeven:
    """A teacher who takes everything for a 7."""

    def __init__(self, classes: int = 10) -> None:
        self.knows = torch.ones(classes, dtype=torch.bool)

    def __call__(self, pixels: torch.Tensor) -> torch.Tensor:
        return torch.eye(len(self.knows))[7].expand(len(pixels), -1)


def test_a_teacher_is_learnt_from(tmp_path: Path) -> None:
    train = digits(64)
    model = build(TINY)
    settings = config(tmp_path, epochs=30, distill=1.0, lr=1e-2, ema=0.0, **STILL)
    model.load_state_dict(fit(train, None, settings, model, teacher=AlwaysSeven()))
    logits, _ = predict(model, Labelled.of(train, TINY.labels, torch.device("cpu")), TINY)
    assert (logits.argmax(1) == 7).float().mean() > 0.9


def test_a_teacher_is_not_asked_about_what_is_no_character() -> None:
    labels = (*TINY.labels, OTHER)
    pictures, names = np.zeros((2, 8, 8), np.uint8), tuple((label,) for label in labels)
    ink = InkSet("ink", pictures, np.array([0, 10]), names, np.arange(2), np.zeros(2, bool))
    data = Labelled.of(ink, labels, torch.device("cpu"))
    logits = torch.nn.functional.one_hot(torch.tensor([7, 7]), 11).float() * 20

    def losses(distill: float) -> list[float]:
        objective = Objective(
            data, TrainConfig(distill=distill, smoothing=0, **STILL), replace(TINY, labels=labels), AlwaysSeven(11)
        )
        network: Any = lambda pixels: logits[:1]  # noqa: E731
        asked = [objective(network, torch.tensor([i]), 8, nullcontext())[0] for i in (0, 1)]
        return [float(loss) for loss in asked]

    assert losses(1.0)[0] < 0.1 < losses(0.0)[0]
    assert losses(1.0)[1] == losses(0.0)[1] > 10


def test_a_teacher_answers_in_half_precision_too(tmp_path: Path) -> None:
    store.save(tmp_path / "teacher", build(TINY).state_dict(), TINY, {}, {})
    taught = start.teacher((str(tmp_path / "teacher"),) * 2, TINY.labels, torch.device("cpu"))
    settings = config(tmp_path, case_prior=1.0)
    task, accelerator = task_of(digits(64), settings, taught), devices.accelerator("cpu", "bf16")
    loss, _ = task.loss(build(TINY), torch.arange(32), 32, accelerator.autocast())
    assert loss.isfinite()


def test_half_precision_needs_a_gpu() -> None:
    if torch.cuda.is_available():
        pytest.skip("has a GPU")
    with pytest.raises(UserError, match="--precision fp16 needs a GPU"):
        devices.accelerator("auto", "fp16")


def test_a_device_out_of_memory_is_one_clear_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20 GiB")

    monkeypatch.setattr(Objective, "__call__", full)
    with pytest.raises(UserError, match=r"ran out of memory with batches of 32: try --accumulate 2"):
        fit(digits(64), digits(64), config(tmp_path))


def test_the_best_blend_of_start_and_end_is_found_on_validation(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train = digits(64)
    model = build(TINY)
    first = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    good = fit(train, None, config(tmp_path, epochs=30, lr=1e-2, ema=0.0, **STILL), model)
    world = devices.accelerator("auto", "auto")
    found = average.best(model, first, good, train, TINY, world)
    torch.testing.assert_close(found["fc.weight"], good["fc.weight"])
    assert "100% of this run" in capsys.readouterr().out
    found = average.best(model, good, first, train, TINY, world)
    torch.testing.assert_close(found["fc.weight"], good["fc.weight"])
    halfway = average.between(first, good, 0.5)["fc.weight"]
    torch.testing.assert_close(halfway, (first["fc.weight"] + good["fc.weight"]) / 2)


def test_a_gradient_that_is_no_number_costs_one_update_and_ten_in_a_row_the_run(tmp_path: Path) -> None:
    model = build(TINY)
    spoilt: list[int] = []

    def spoil(gradient: torch.Tensor) -> torch.Tensor:
        spoilt.append(1)
        return gradient * torch.nan if len(spoilt) == 2 or len(spoilt) > 12 else gradient

    next(model.parameters()).register_hook(spoil)
    weights = fit(digits(64), None, config(tmp_path / "once", epochs=6, batch_size=32), model)
    assert len(spoilt) == 12
    assert all(tensor.isfinite().all() for tensor in weights.values())
    with pytest.raises(UserError, match="no longer a finite number"):
        fit(digits(64), None, config(tmp_path / "ever", epochs=20, batch_size=32), model)


def test_half_precision_is_given_up_where_its_gradients_are_no_numbers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    few = digits(64)
    accelerator = devices.accelerator("cpu", "bf16")
    settings = config(tmp_path / "run", batch_size=8)
    run = Run(build(TINY), task_of(few, settings), settings, accelerator)
    kinds: list[torch.dtype] = []
    network: Any = run.model
    network.conv1.register_forward_hook(lambda module, given, result: kinds.append(result.dtype))
    spoilt = network.fc.weight.register_hook(lambda gradient: gradient * torch.nan)
    for step in range(4):
        if step == 3:
            spoilt.remove()
        assert run._step(torch.arange(8)).isfinite().all()
    assert kinds == [torch.bfloat16] * 3 + [torch.float32]
    assert run.skipped_in_a_row == 0 and run.skipped == 3
    assert "goes on in float32" in capsys.readouterr().out
