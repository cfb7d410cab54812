"""python -m hwr evaluate: measures against independent ones, and a report that needs no other file."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn import metrics as oracle

from hwr import UserError, metrics
from hwr.config import ModelConfig
from hwr.data import inkset as data
from hwr.data.inkset import InkSet
from hwr.evaluation import corruptions, measures
from hwr.evaluation import report as evaluation
from hwr.evaluation.measures import Answers, Measures
from hwr.model import store
from hwr.model.resnet import build

PENS = Path(__file__).parents[1] / "data" / "pens.npz"
LABELS = ("0", "1", "2", "<script>x</script>")
CONFIG = ModelConfig(LABELS, image_size=32, model_args={"in_chans": 1, "channels": [8, 8, 16, 16]})


@pytest.fixture
def ink() -> InkSet:
    """48 bars and blobs of four classes, by six writers."""
    rng = np.random.default_rng(0)
    images = np.zeros((48, 32, 32), np.uint8)
    for i, image in enumerate(images):
        left = 4 + 5 * (i % 4)
        image[4:28, left : left + 4 + rng.integers(0, 4)] = 255
    labels = np.arange(48) % 4
    return InkSet("bars", images, labels, tuple((label,) for label in LABELS), np.arange(48) // 8, np.ones(48, bool))


@pytest.fixture
def network() -> torch.nn.Module:
    torch.manual_seed(0)
    return build(CONFIG)


@pytest.fixture
def answers() -> Answers:
    generator = torch.Generator().manual_seed(0)
    probabilities = torch.rand(200, 4, generator=generator, dtype=torch.float64).pow(3)
    allowed = torch.eye(4, dtype=torch.bool)[torch.randint(4, (200,), generator=generator)]
    return Answers(LABELS, probabilities / probabilities.sum(1, keepdim=True), allowed)


def truth(answers: Answers) -> np.ndarray:
    return answers.allowed.int().argmax(1).numpy()


def test_figures_of_classes_are_those_of_scikit_learn(answers: Answers) -> None:
    found = measures.per_class(answers)
    report = oracle.classification_report(
        truth(answers), answers.given, target_names=LABELS, output_dict=True, zero_division=0.0
    )
    for name in LABELS:
        assert found["each"][name]["f1"] == pytest.approx(report[name]["f1-score"])
        assert found["each"][name]["n"] == report[name]["support"]
    expected = oracle.balanced_accuracy_score(truth(answers), answers.given)
    assert found["mean"]["balanced_accuracy"] == pytest.approx(expected)
    assert metrics.top_k_accuracy(answers.probabilities, answers.allowed, 3) == pytest.approx(
        oracle.top_k_accuracy_score(truth(answers), answers.probabilities.numpy(), k=3)
    )
    each = measures.roc(answers)["each"]
    for column, name in enumerate(LABELS):
        expected = oracle.roc_auc_score(truth(answers) == column, answers.probabilities[:, column].numpy())
        assert each[name]["auc"] == pytest.approx(expected)


def test_the_calibration_curve_sums_up_to_the_calibration_error(answers: Answers) -> None:
    n, sure, right = metrics.calibration_curve(answers.probabilities, answers.right).nan_to_num().T
    expected = metrics.calibration_error(answers.probabilities, answers.right)
    assert ((n * (sure - right).abs()).sum() / n.sum()).item() == pytest.approx(expected)
    assert n.sum() == 200


def test_risk_and_coverage_by_hand() -> None:
    sure = torch.tensor([0.9, 0.8, 0.8, 0.1])
    right = torch.tensor([True, False, True, False])
    curve = metrics.risk_coverage(sure, right)
    expected = torch.tensor([[0.9, 0.25, 0.0], [0.8, 0.75, 1 / 3], [0.1, 1.0, 0.5]], dtype=torch.float64)
    torch.testing.assert_close(curve, expected, atol=1e-6, rtol=0)
    assert metrics.area_under_risk(curve) == pytest.approx(0.5 / 3 + 0.25 * 0.5)


def test_the_worst_mistakes_are_wrong_and_surest_first(answers: Answers) -> None:
    found = measures.mistakes(answers, most=5)
    shares = [one["probability"] for one in found]
    assert shares == sorted(shares, reverse=True)
    assert all(one["answer"] not in one["truth"] for one in found)
    assert not answers.right[[one["row"] for one in found]].any()


def test_a_letter_of_unknown_case_is_right_either_way() -> None:
    config = ModelConfig(("0", "C", "c"))
    logits = torch.tensor([[0.0, 0.0, 9.0], [0.0, 9.0, 0.0], [9.0, 0.0, 0.0]])
    allowed = torch.tensor([[False, True, True]] * 2 + [[True, False, False]])
    assert measures.summary(measures.among_present(logits, allowed, config))["accuracy"] == 1.0


@pytest.fixture
def report(network: torch.nn.Module, ink: InkSet, tmp_path: Path) -> tuple[Path, Measures]:
    out = tmp_path / "report"
    return out, evaluation.evaluate_run(network, CONFIG, {"bars": ink}, out, limit=8, title="<b>mine</b>")


def test_the_report_agrees_with_the_model_and_is_whole(
    report: tuple[Path, Measures], network: torch.nn.Module, ink: InkSet
) -> None:
    out, found = report
    written = json.loads((out / evaluation.RESULTS).read_text())
    assert {path.name for path in out.iterdir()} == set(written["files"])
    assert all((out / name).read_bytes().startswith(b"\x89PNG") for name in written["files"] if name.endswith("png"))
    logits = evaluation._logits(network, CONFIG, ink.images)
    allowed = ink.membership(LABELS)[torch.from_numpy(ink.labels)]
    one = found["sets"]["bars"]
    assert one["summary"]["accuracy"] == pytest.approx(metrics.accuracy(logits, allowed))
    assert one["writers"]["n"] == 6
    assert sum(row["n"] for row in one["writers"]["each"]) == 48
    assert set(one["corruptions"]) == set(corruptions.CORRUPTIONS)
    untouched = {p["accuracy"] for c in one["corruptions"].values() for p in c["points"] if not p["severity"]}
    assert len(untouched) == 1, "nothing is done to it, by whatever corruption"


def test_the_page_needs_no_other_file_and_labels_are_text(report: tuple[Path, Measures]) -> None:
    html = (report[0] / evaluation.REPORT).read_text(encoding="utf-8")
    assert "<script>x" not in html and "<b>mine</b>" not in html
    assert "&lt;script&gt;x" in html
    assert not re.search(r"(src|href)\s*=\s*[\"']?(?!data:|#|[\"'])", html)
    assert html.count("data:image/png;base64,") >= 5


def test_an_evaluation_replaces_an_earlier_one_and_nothing_else(
    report: tuple[Path, Measures], network: torch.nn.Module, ink: InkSet, tmp_path: Path
) -> None:
    out = report[0]
    before = {path.name for path in out.iterdir()}
    evaluation.evaluate_run(network, CONFIG, {"bars": ink}, out, limit=0)
    after = {path.name for path in out.iterdir()}
    assert after < before, "the picture of the corruptions is gone"
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").touch()
    with pytest.raises(UserError, match="not empty and no earlier evaluation"):
        evaluation.evaluate_run(network, CONFIG, {"bars": ink}, tmp_path / "mine")


def test_sources_are_read_as_training_reads_them(tmp_path: Path) -> None:
    model = store.BUNDLED
    found = evaluation.evaluate([str(PENS)], str(model), tmp_path / "report", tmp_path, limit=0)
    network, config = store.load(model)
    ink = data.load(str(PENS), "test", config, tmp_path)
    logits = evaluation._logits(network, config, ink.images)
    allowed = ink.membership(config.labels)[torch.from_numpy(ink.labels)]
    present = allowed.any(0)
    (one,) = found["sets"].values()
    assert one["summary"]["accuracy"] == pytest.approx(metrics.accuracy(logits[:, present], allowed[:, present]))
    assert one["summary"]["n"] == len(ink)


def test_without_scikit_learn_the_first_line_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaluation, "find_spec", lambda name: None)
    with pytest.raises(UserError, match="pip install scikit-learn"):
        evaluation.evaluate(["sample"], "bundled", tmp_path / "x", tmp_path)
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("name", corruptions.CORRUPTIONS)
def test_a_corruption_changes_nothing_at_zero_and_something_at_its_strongest(name: str, ink: InkSet) -> None:
    page, one = corruptions.page(ink.images[0], ink=True), corruptions.CORRUPTIONS[name]
    np.testing.assert_array_equal(one.apply(page, 0.0, np.random.default_rng(0)), page)
    worst = one.apply(page, max(one.severities), np.random.default_rng(0))
    assert worst.dtype == np.uint8 and worst.shape == page.shape
    assert np.abs(worst.astype(int) - page).max() > 20
