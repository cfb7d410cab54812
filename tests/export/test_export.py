"""export.py and its targets: other runtimes give PyTorch's answers, or there is no file."""

import json
import logging
import math
import pickle
import sys
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

import hwr
from hwr import Recognizer
from hwr.config import ModelConfig, UserError
from hwr.export import Format, export, parity
from hwr.export import int8 as export_int8
from hwr.export import onnx as export_onnx
from hwr.export import torch as export_torch
from hwr.hub import transfer as hub
from hwr.ink.preprocess import fit_ink, to_ink, to_input
from hwr.model import store
from hwr.model.resnet import build

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


def as_tensor(ink: Any, config: ModelConfig) -> torch.Tensor:
    """The network's input for PyTorch."""
    return torch.from_numpy(to_input(ink, config))


FORMS = {False: "model.standalone.onnx", True: "model.raw.standalone.onnx"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model with statistics of its own, exported in both forms for two runtimes."""
    torch.manual_seed(0)
    model = build(TINY).train()
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)  # timm's are 0 at the end of a block
            torch.nn.init.uniform_(module.bias, -0.5, 0.5)
            module.momentum = None  # statistics of all that is seen: the answers differ from picture to picture
    with torch.no_grad():
        model(as_tensor(parity.pictures(TINY, 256, "train").ink, TINY))
    folder = tmp_path_factory.mktemp("exported")
    store.save(folder, model.state_dict(), TINY, {}, {})
    for raw in FORMS:
        assert export.write(folder, raw=raw, ink=INK).n == 1000
        assert export.write(folder, "torch", raw, ink=INK).n == 1000
    return folder


def ask(path: Path, **given: NDArray[Any]) -> NDArray[np.float32]:
    answer: NDArray[np.float32] = onnxruntime.InferenceSession(path).run(None, given)[0]
    return answer


@pytest.mark.parametrize("n", [1, 2, 3, 300])
def test_any_number_of_pictures_gives_the_logits_of_the_network(folder: Path, n: int) -> None:
    model, config = store.load(folder)
    pixels = as_tensor(INK[:n], config)
    with torch.inference_mode():
        expected = model(pixels).numpy()
    found = ask(folder / "model.standalone.onnx", pixels=pixels.numpy())
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-4)


@pytest.mark.parametrize("n", [1, 3])
def test_the_raw_form_gives_calibrated_probabilities_of_ink(folder: Path, n: int) -> None:
    model, config = store.load(folder)
    with torch.inference_mode():
        logits = model(as_tensor(INK[:n], config)).double().numpy()
    powers = np.exp(logits / 0.5)
    found = ask(folder / "model.raw.standalone.onnx", ink=INK[:n])
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, powers / powers.sum(1, keepdims=True), atol=1e-5)


@pytest.mark.parametrize("name", FORMS.values())
def test_the_metadata_is_all_it_takes_to_rebuild_the_config(folder: Path, name: str) -> None:
    _, config = store.load(folder)
    found = onnxruntime.InferenceSession(folder / name).get_modelmeta().custom_metadata_map
    assert found.pop("hwr_version") == hwr.__version__
    digests = {name: found.pop(name) for name in ("sha256", "graph_sha256")}
    values = {key: json.loads(value) for key, value in found.items()}
    labels = tuple(values.pop("labels"))
    assert ModelConfig(labels, "resnet18", TINY.model_args, **digests, **values) == config


@pytest.mark.parametrize("name", FORMS.values())
def test_a_file_is_valid_and_holds_no_paths_of_the_machine(folder: Path, name: str) -> None:
    onnx.checker.check_model(folder / name, full_check=True)
    content = (folder / name).read_bytes()
    assert b".py" not in content
    assert str(Path(torch.__file__).parents[1]).encode() not in content


def test_two_exports_are_the_same_file_and_print_nothing(
    folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    export.write(folder, out=tmp_path / "again.onnx", ink=INK)
    assert (tmp_path / "again.onnx").read_bytes() == (folder / "model.standalone.onnx").read_bytes()
    assert capfd.readouterr() == ("", "")


def test_nothing_is_written_but_the_file(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = (folder / "model.raw.standalone.onnx").read_bytes()  # saves exporting anew
    monkeypatch.setitem(export.TARGETS, "onnx", export.TARGETS["onnx"]._replace(content=lambda *_: made))
    before = sorted(folder.iterdir())
    export.write(folder, raw=True, out=tmp_path / "elsewhere.onnx", ink=INK)
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
    def wrong(content: bytes, config: ModelConfig, raw: bool) -> parity.Answers:
        answers = export_onnx.answers(content, config, raw)
        return lambda ink: spoil(answers(ink))

    made = (folder / FORMS[raw]).read_bytes()  # saves exporting anew
    target = export.TARGETS["onnx"]._replace(content=lambda *_: made, answers=wrong)
    monkeypatch.setitem(export.TARGETS, "onnx", target)
    with pytest.raises(UserError, match=words):
        export.write(folder, "onnx", raw, tmp_path / FORMS[raw], INK)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("form", "found", "words"),
    [
        ("onnx", parity.Parity(1000, 1e-6, 0.999), r"99\.90%, at least 100\.0% is expected"),
        ("torch", parity.Parity(1000, 1e-6, 0.999), r"99\.90%, at least 100\.0% is expected"),
        ("litert", parity.Parity(1000, 1e-2, 1.0), r"up to 0\.01, at most 0\.001"),
        ("int8", parity.Parity(1000, 0.1, 0.997), r"99\.70%, at least 99\.8% is expected"),
        ("int8", parity.Parity(1000, math.nan, 1.0), "up to nan"),
        ("int8", parity.Parity(1000, math.inf, 1.0), "up to inf"),
    ],
)
def test_one_other_answer_too_many_is_enough_to_refuse(
    tmp_path: Path, form: Format, found: parity.Parity, words: str
) -> None:
    with pytest.raises(UserError, match=words):
        export._keep(tmp_path / "model", b"", found, export.TARGETS[form])
    assert not list(tmp_path.iterdir())


def test_int8_may_answer_otherwise_of_two_among_a_thousand(tmp_path: Path) -> None:
    export._keep(tmp_path / "model", b"here", parity.Parity(1000, 0.1, 0.998), export.TARGETS["int8"])
    assert (tmp_path / "model").read_bytes() == b"here"


def test_compare_counts_pictures_whose_best_answer_is_the_same() -> None:
    answers = np.eye(3, dtype=np.float32)[np.arange(300) % 3]
    other = answers.copy()
    other[:3] = answers[[1, 2, 0]] * 0.5
    ink = np.arange(300, dtype=np.uint16).astype(">u2").view(np.uint8).reshape(300, 2)

    def row(ink: NDArray[np.uint8]) -> NDArray[np.int64]:
        return ink[:, 0].astype(np.int64) * 256 + ink[:, 1]

    asked = (lambda ink: answers[row(ink)]), (lambda ink: other[row(ink)])
    unknown = parity.Pictures(ink, np.zeros((300, 3), bool))
    assert parity.compare(*asked, unknown) == parity.Parity(300, 1.0, 297 / 300)
    known = unknown.right.copy()
    known[:4, 0] = known[0, 1] = True  # the first may be either of two classes, four in all are known
    assert parity.compare(*asked, parity.Pictures(ink, known)) == parity.Parity(300, 1.0, 297 / 300, 2 / 4, 3 / 4)


@pytest.mark.parametrize("form", ["onnx", "int8"])
@pytest.mark.parametrize("missing", export_onnx.PACKAGES)
def test_a_missing_package_is_named_with_the_command_that_installs_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch, missing: str, form: Format
) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(UserError, match=f"^{missing} is not installed: pip install onnx onnxscript onnxruntime$"):
        export.write(folder, form)


def test_litert_asks_for_an_environment_of_its_own(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("litert_torch", "ai_edge_litert"):
        monkeypatch.setitem(sys.modules, name, None)
    words = r"^litert_torch, ai_edge_litert is not installed: in an environment of its own, pip install litert-torch"
    with pytest.raises(UserError, match=words):
        export.write(folder, "litert")


def test_a_package_too_old_for_torch_is_named(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def export_with_old_onnxscript(*_: object, **__: object) -> None:
        raise ModuleNotFoundError("No module named 'onnxscript._framework_apis.torch_9'")

    monkeypatch.setattr(torch.onnx, "export", export_with_old_onnxscript)
    with pytest.raises(UserError, match=r"onnxscript.*torch_9.*pip install --upgrade onnx onnxscript onnxruntime"):
        export.write(folder, out=tmp_path / "model.standalone.onnx", ink=INK)


@pytest.mark.parametrize("ink", [INK[:999], INK[:, :31], INK.astype(np.float32), INK[:, None]])
def test_pictures_that_prove_nothing_are_refused(folder: Path, tmp_path: Path, ink: Any) -> None:
    with pytest.raises(UserError, match="N at least 1000"):
        export.write(folder, out=tmp_path / "model.standalone.onnx", ink=ink)
    assert not list(tmp_path.iterdir())


def test_weights_that_are_not_those_of_the_config_are_not_exported(folder: Path, tmp_path: Path) -> None:
    for path in (store.CONFIG, store.WEIGHTS):
        (tmp_path / path).write_bytes((folder / path).read_bytes())
    with (tmp_path / store.WEIGHTS).open("ab") as file:
        file.write(b" ")
    with pytest.raises(UserError, match="sha256"):
        export.write(tmp_path, ink=INK)
    assert not (tmp_path / "model.standalone.onnx").exists()


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"nowhere.model\.pt2 cannot be written: No such file"):
        export._keep(tmp_path / "nowhere" / "model.pt2", b"", parity.Parity(1000, 0, 1), export.TARGETS["torch"])


def test_pictures_are_a_thousand_characters_always_the_same() -> None:
    first, second = parity.pictures(TINY), parity.pictures(TINY)
    assert first.ink.shape == (1000, 32, 32)
    assert first.ink.dtype == np.uint8
    assert (first.ink == second.ink).all() and (first.right == second.right).all()
    assert (first.ink.max((1, 2)) == 255).all()
    assert len(np.unique(first.ink, axis=0)) > 990
    assert (first.right.sum(1) <= 1).all() and 0 < first.right.sum() < 1000, "some are of a class of the model"
    assert not first.right[:, TINY.labels.index("<other>")].any()
    with pytest.raises(UserError, match="the sample's test split has"):
        parity.pictures(TINY, 10**5)


def test_networks_for_plain_pictures_get_pictures_too() -> None:
    assert parity.pictures(replace(TINY, ink=False, image_size=28), 10).ink.shape == (10, 28, 28)


@pytest.mark.slow
def test_the_bundled_model_agrees_on_a_thousand_characters(recognizer: Recognizer, tmp_path: Path) -> None:
    found = export.write(store.BUNDLED, raw=True, out=tmp_path / "model.raw.standalone.onnx")
    assert found.n == 1000
    assert found.agreement == 1
    assert found.largest_difference < 1e-4
    session = onnxruntime.InferenceSession(tmp_path / "model.raw.standalone.onnx")
    about = session.get_modelmeta().custom_metadata_map
    paper = np.full((200, 150), 255, np.uint8)
    paper[30:170, 70:85] = 0
    ink = to_ink(paper)
    assert ink is not None
    fitted = fit_ink(ink, int(about["image_size"]), float(about["ink_fraction"]))
    assert fitted is not None
    row = session.run(None, {"ink": fitted[None]})[0][0]
    assert json.loads(about["labels"])[int(row.argmax())] == next(iter(recognizer.top_k(paper)))


# --- torch.export ---


@pytest.mark.parametrize("raw", FORMS)
@pytest.mark.parametrize("n", [1, 2, 300])
def test_a_loaded_program_gives_the_answers_of_the_network(folder: Path, raw: bool, n: int) -> None:
    model, config = store.load(folder)
    pixels = as_tensor(INK[:n], config)
    with torch.inference_mode():
        logits = model(pixels)
        expected = (logits.double() / 0.5).softmax(1).float() if raw else logits
        program = torch.export.load(folder / export.default_name("torch", raw)).module()
        found = program(torch.from_numpy(INK[:n]) if raw else pixels)
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=0)


def test_the_program_brings_all_it_takes_to_rebuild_the_config(folder: Path) -> None:
    _, config = store.load(folder)
    extra = {export_torch.EXTRA: ""}
    torch.export.load(folder / "model.pt2", extra_files=extra)
    values = json.loads(extra[export_torch.EXTRA])
    assert values.pop("hwr_version") == hwr.__version__
    assert ModelConfig(tuple(values.pop("labels")), "resnet18", TINY.model_args, **values) == config


@pytest.mark.parametrize("name", ["model.pt2", "model.raw.pt2"])
def test_a_program_is_loaded_without_unpickling(folder: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("something is unpickled")

    monkeypatch.setattr(torch, "load", refuse)
    monkeypatch.setattr(torch._C, "_pickle_load_obj", refuse)
    monkeypatch.setattr(pickle, "loads", refuse)
    torch.export.load(folder / name)


@pytest.mark.slow
def test_a_program_holds_no_paths_of_the_machine_and_is_the_same_every_time(folder: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(folder / "model.pt2") as archive:
        for name in archive.namelist():
            assert b".py" not in archive.read(name), name
    export.write(folder, "torch", out=tmp_path / "again.pt2", ink=INK)
    assert (tmp_path / "again.pt2").read_bytes() == (folder / "model.pt2").read_bytes()


# --- int8 ---


@pytest.fixture(scope="module", params=FORMS)
def quantised(folder: Path, request: pytest.FixtureRequest) -> tuple[bool, bytes]:
    """A form, and the tiny model in it with weights of 8 bits."""
    return request.param, export_int8.content(*store.load(folder), request.param)


@pytest.mark.slow
def test_int8_is_near_the_answers_of_the_network(folder: Path, quantised: tuple[bool, bytes]) -> None:
    raw, content = quantised
    model, config = store.load(folder)
    seen = parity.pictures(config)
    want = parity.with_torch(model, config, raw)(seen.ink)
    have = np.concatenate(
        [export_onnx.answers(content, config, raw)(seen.ink[i : i + 300]) for i in range(0, 1000, 300)]
    )
    assert 0 < np.abs(have - want).mean() < 0.4 * want.std(0).mean(), (
        "eight channels at random round worse than a trained network"
    )


@pytest.mark.slow
def test_int8_is_all_of_the_network_but_its_stem_and_its_classifier(quantised: tuple[bool, bytes]) -> None:
    raw, content = quantised
    graph = onnx.load_from_string(content).graph
    kinds = {one.name.removeprefix("network."): one.data_type for one in graph.initializer}
    weights = {name: kind for name, kind in kinds.items() if name.endswith(("weight", "weight_quantized"))}
    floats = {name for name, kind in weights.items() if kind == onnx.TensorProto.FLOAT}
    assert floats == {"conv1.weight", "fc.weight"}
    assert len(weights) == 22, "convolutions: the stem's, two in each of eight blocks, four shortcuts; the classifier"
    assert (graph.input[0].name, graph.output[0].name) == (("ink", "probabilities") if raw else ("pixels", "logits"))


@pytest.mark.slow
def test_int8_keeps_the_metadata_and_is_the_same_every_time(
    folder: Path, quantised: tuple[bool, bytes], capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    raw, content = quantised
    about = onnxruntime.InferenceSession(content).get_modelmeta().custom_metadata_map
    assert json.loads(about["labels"]) == list(TINY.labels)
    if not raw:
        assert export_int8.content(*store.load(folder), raw) == content
        assert capfd.readouterr() == ("", "") and not [one for one in caplog.records if one.levelno >= logging.WARNING]


def test_int8_is_calibrated_on_pictures_that_are_not_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[NDArray[Any]] = []
    monkeypatch.setattr(export_int8, "_quantised", lambda _, __, given: seen.append(given))
    monkeypatch.setattr(export_onnx, "content", lambda *_: b"")
    export_int8.content(build(TINY), TINY, raw=True)
    assert seen[0].shape == (export_int8.CALIBRATION, 32, 32)
    compared = {ink.tobytes() for ink in parity.pictures(TINY).ink}
    assert not compared & {ink.tobytes() for ink in seen[0]}


# --- LiteRT ---


@pytest.mark.slow
@pytest.mark.parametrize("raw", FORMS)
def test_litert_agrees_and_brings_the_labels(folder: Path, tmp_path: Path, raw: bool) -> None:
    pytest.importorskip("litert_torch")  # which has an environment of its own
    out = tmp_path / export.default_name("litert", raw)
    assert export.write(folder, "litert", raw, out, INK).agreement == 1
    with zipfile.ZipFile(out) as archive:
        assert json.loads(archive.read("hwr.json"))["labels"] == list(TINY.labels)


# --- the files in a model directory ---


def test_a_model_directory_with_new_weights_has_no_exports_of_the_old(tmp_path: Path) -> None:
    names = [export.default_name(form, raw) for form in export.TARGETS for raw in FORMS]
    assert len(set(names)) == 8
    for name in names:
        (tmp_path / name).touch()
    store.save(tmp_path, build(TINY).state_dict(), TINY, {}, {})
    assert not [path for path in tmp_path.iterdir() if path.name in names]
    assert [name for name in names if name not in hub.PUBLISHED] == ["model.pt2", "model.raw.pt2"]
