"""export.py: other runtimes give PyTorch's answers, or there is no file."""

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

import hwr
from hwr import Recognizer, export, hub
from hwr.config import ModelConfig, UserError
from hwr.image import fit_ink, to_ink, to_tensor
from hwr.model import build

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxscript")
onnxruntime = pytest.importorskip("onnxruntime")

TINY = ModelConfig(
    labels=("ä", "0", *"123456", "<other>"),
    image_size=32,
    model_args={"in_chans": 1, "channels": [8, 8, 16, 16]},
    temperature=0.5,
    rejection_threshold=0.25,
)
INK = np.random.default_rng(0).integers(0, 256, (1000, 32, 32), np.uint8)
FORMS = {False: "model.onnx", True: "model.raw.onnx"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model with statistics of its own, exported in both forms."""
    torch.manual_seed(0)
    model = build(TINY)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.uniform_(-1, 1)  # type: ignore[union-attr]
    folder = tmp_path_factory.mktemp("exported")
    hub.save(folder, model.state_dict(), TINY, {}, {})
    for raw in FORMS:
        assert export.onnx(folder, raw=raw, ink=INK).n == 1000
    return folder


def ask(path: Path, **given: NDArray[Any]) -> NDArray[np.float32]:
    answer: NDArray[np.float32] = onnxruntime.InferenceSession(path).run(None, given)[0]
    return answer


@pytest.mark.parametrize("n", [1, 2, 3, 300])
def test_any_number_of_pictures_gives_the_logits_of_the_network(folder: Path, n: int) -> None:
    model, config = hub.load(folder)
    pixels = to_tensor(INK[:n], config)
    with torch.inference_mode():
        expected = model(pixels).numpy()
    found = ask(folder / "model.onnx", pixels=pixels.numpy())
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-4)


@pytest.mark.parametrize("n", [1, 3])
def test_the_raw_form_gives_calibrated_probabilities_of_ink(folder: Path, n: int) -> None:
    model, config = hub.load(folder)
    with torch.inference_mode():
        logits = model(to_tensor(INK[:n], config)).double().numpy()
    powers = np.exp(logits / 0.5)
    found = ask(folder / "model.raw.onnx", ink=INK[:n])
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, powers / powers.sum(1, keepdims=True), atol=1e-5)


@pytest.mark.parametrize("name", FORMS.values())
def test_the_metadata_is_all_it_takes_to_rebuild_the_config(folder: Path, name: str) -> None:
    _, config = hub.load(folder)
    found = onnxruntime.InferenceSession(folder / name).get_modelmeta().custom_metadata_map
    assert found.pop("hwr_version") == hwr.__version__
    sha256 = found.pop("sha256")
    values = {key: json.loads(value) for key, value in found.items()}
    labels = tuple(values.pop("labels"))
    assert ModelConfig(labels, "resnet18", TINY.model_args, sha256=sha256, **values) == config


@pytest.mark.parametrize("name", FORMS.values())
def test_a_file_is_valid_and_holds_no_paths_of_the_machine(folder: Path, name: str) -> None:
    onnx.checker.check_model(folder / name, full_check=True)
    content = (folder / name).read_bytes()
    assert b".py" not in content
    assert str(Path(torch.__file__).parents[1]).encode() not in content


def test_two_exports_are_the_same_file_and_print_nothing(
    folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    export.onnx(folder, tmp_path / "again.onnx", ink=INK)
    assert (tmp_path / "again.onnx").read_bytes() == (folder / "model.onnx").read_bytes()
    assert capfd.readouterr() == ("", "")


def test_nothing_is_written_but_the_file(folder: Path, tmp_path: Path) -> None:
    before = sorted(folder.iterdir())
    export.onnx(folder, tmp_path / "elsewhere.onnx", raw=True, ink=INK)
    assert sorted(folder.iterdir()) == before
    assert [p.name for p in tmp_path.iterdir()] == ["elsewhere.onnx"]


@pytest.mark.parametrize("raw", FORMS)
@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda answers: answers + 0.01, r"up to 0\.01.*100\.00%"),
        (lambda answers: answers[:, ::-1], "on 1000 pictures.*agrees"),
        (lambda answers: answers * np.float32("nan"), "up to nan"),
        (lambda answers: np.where(np.arange(len(answers))[:, None] == 99, np.nan, answers), "up to nan"),
    ],
)
def test_an_export_that_answers_otherwise_is_not_written(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, raw: bool, spoil: Any, words: str
) -> None:
    right = export._with_onnxruntime

    def wrong(content: bytes, config: ModelConfig, raw: bool) -> export.Answers:
        answers = right(content, config, raw)
        return lambda ink: spoil(answers(ink))

    monkeypatch.setattr(export, "_onnx_bytes", lambda *_: (folder / FORMS[raw]).read_bytes())  # saves exporting anew
    monkeypatch.setattr(export, "_with_onnxruntime", wrong)
    with pytest.raises(UserError, match=words):
        export.onnx(folder, tmp_path / FORMS[raw], raw, INK)
    assert not list(tmp_path.iterdir())


def test_one_other_answer_among_a_thousand_is_enough_to_refuse(tmp_path: Path) -> None:
    parity = export.Parity(1000, 1e-6, 0.999)
    with pytest.raises(UserError, match=r"99\.90%"):
        export._keep(tmp_path / "model.onnx", b"", parity)
    assert not list(tmp_path.iterdir())


def test_compare_counts_pictures_whose_best_answer_is_the_same() -> None:
    answers = np.eye(3, dtype=np.float32)[np.arange(300) % 3]
    other = answers.copy()
    other[:3] = answers[[1, 2, 0]] * 0.5
    ink = np.arange(300, dtype=np.uint16).astype(">u2").view(np.uint8).reshape(300, 2)

    def row(ink: NDArray[np.uint8]) -> NDArray[np.int64]:
        return ink[:, 0].astype(np.int64) * 256 + ink[:, 1]

    found = export.compare(lambda ink: answers[row(ink)], lambda ink: other[row(ink)], ink)
    assert found == export.Parity(300, 1.0, 297 / 300)


@pytest.mark.parametrize("missing", export.ONNX_PACKAGES)
def test_a_missing_package_is_named_with_the_command_that_installs_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(UserError, match=f"^{missing} is not installed: pip install onnx onnxscript onnxruntime$"):
        export.onnx(folder)


def test_a_package_too_old_for_torch_is_named(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def export_with_old_onnxscript(*_: object, **__: object) -> None:
        raise ModuleNotFoundError("No module named 'onnxscript._framework_apis.torch_9'")

    monkeypatch.setattr(torch.onnx, "export", export_with_old_onnxscript)
    with pytest.raises(UserError, match=r"onnxscript.*torch_9.*pip install --upgrade onnx onnxscript onnxruntime"):
        export.onnx(folder, tmp_path / "model.onnx", ink=INK)


@pytest.mark.parametrize("ink", [INK[:999], INK[:, :31], INK.astype(np.float32), INK[:, None]])
def test_pictures_that_prove_nothing_are_refused(folder: Path, tmp_path: Path, ink: Any) -> None:
    with pytest.raises(UserError, match="N at least 1000"):
        export.onnx(folder, tmp_path / "model.onnx", ink=ink)
    assert not list(tmp_path.iterdir())


def test_weights_that_are_not_those_of_the_config_are_not_exported(folder: Path, tmp_path: Path) -> None:
    for path in (hub.CONFIG, hub.WEIGHTS):
        (tmp_path / path).write_bytes((folder / path).read_bytes())
    with (tmp_path / hub.WEIGHTS).open("ab") as file:
        file.write(b" ")
    with pytest.raises(UserError, match="sha256"):
        export.onnx(tmp_path, ink=INK)
    assert not (tmp_path / "model.onnx").exists()


def test_a_place_that_cannot_be_written_is_named(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"nowhere.model\.onnx cannot be written: No such file"):
        export.onnx(folder, tmp_path / "nowhere" / "model.onnx", ink=INK)


def test_pictures_are_a_thousand_characters_always_the_same() -> None:
    first, second = export.pictures(TINY), export.pictures(TINY)
    assert first.shape == (1000, 32, 32)
    assert first.dtype == np.uint8
    assert (first == second).all()
    assert (first.max((1, 2)) == 255).all()
    assert len(np.unique(first, axis=0)) > 990
    with pytest.raises(UserError, match="the sample's test split has"):
        export.pictures(TINY, 10**5)


def test_networks_for_plain_pictures_get_pictures_too() -> None:
    assert export.pictures(replace(TINY, ink=False, image_size=28), 10).shape == (10, 28, 28)


@pytest.mark.slow
@pytest.mark.parametrize("raw", FORMS)
def test_the_bundled_model_agrees_on_a_thousand_characters(tmp_path: Path, raw: bool) -> None:
    parity = export.onnx(hub.BUNDLED, tmp_path / FORMS[raw], raw)
    assert parity.n == 1000
    assert parity.agreement == 1
    assert parity.largest_difference < 1e-4


@pytest.mark.slow
def test_onnxruntime_answers_what_the_recognizer_answers(recognizer: Recognizer, tmp_path: Path) -> None:
    export.onnx(hub.BUNDLED, tmp_path / "model.raw.onnx", raw=True)
    session = onnxruntime.InferenceSession(tmp_path / "model.raw.onnx")
    about = session.get_modelmeta().custom_metadata_map
    paper = np.full((200, 150), 255, np.uint8)
    paper[30:170, 70:85] = 0
    ink = to_ink(paper)
    assert ink is not None
    fitted = fit_ink(ink, int(about["image_size"]), float(about["ink_fraction"]))
    assert fitted is not None
    row = session.run(None, {"ink": fitted[None]})[0][0]
    assert json.loads(about["labels"])[int(row.argmax())] == next(iter(recognizer.top_k(paper)))
