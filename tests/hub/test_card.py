"""The model card: the Hub reads every figure from it, its examples run as they stand, and names cannot break it."""

import json
import math
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from huggingface_hub import ModelCard
from huggingface_hub.repocard_data import eval_results_to_model_index, model_index_to_eval_results
from markdown_it import MarkdownIt
from PIL import Image

from hwr.config import DIGITS, LOWER, OTHER, UPPER, ModelConfig
from hwr.data.downloads import DOWNLOADS
from hwr.hub import card, origins
from hwr.model import store
from hwr.model.resnet import build

ROOT = Path(__file__).parents[2]
TINY = ModelConfig(labels=DIGITS, image_size=32, model_args={"in_chans": 1, "channels": [8, 8, 16, 16]})
FULL = replace(TINY, labels=(*DIGITS, *UPPER, *LOWER, OTHER))
NOTES: dict[str, Any] = {"training": {"data": ["mnist", "my_hand"], "test": ["mnist"], "init": "scratch", "epochs": 3}}
NASTY = [
    *(
        "<script>alert(1)</script>",
        "a|b",
        "a\nb",
        "`x`",
        "*bold*",
        "[x](javascript:y)",
        "# x",
        "&lt;",
        "_x_",
        "a__b__c",
    ),
    *("www.example.org", "https://example.org", "me@example.org", "![x](y)", "{{ 7*7 }}", "{% raw %}", "~~x~~", "\\*"),
    *("---", "- x", "+ x", "1. x", "</code>", "a\u202eb", "a\u2028b", "$x^2$", "'; import os", '"""'),
]
BLOCK = re.compile(r"### (.+?)\n.*?```python\n(.*?)```", re.DOTALL)


def front(text: str) -> Any:
    """The front matter of a card, whose class has the attributes that it was given."""
    return ModelCard(text).data


def figures(n: int, right: float, error: float) -> dict[str, float]:
    return {"n": n, "accuracy": right, "accuracy_low": right - 0.01, "accuracy_high": right, "calibration_error": error}


MEASURED: dict[str, Any] = {
    "near_duplicates_removed": {"mnist": 1234},
    "validation": figures(500, 0.91, 0.021),
    "rejection": {"n": 200, "rejected": 0.87},
    "test": {"mnist": figures(10000, 0.9912, 0.011), "emnist_byclass_test": figures(700, 0.81, 0.012)},
    "recognizer": {
        "command": "python -m benchmarks.accuracy --usps usps_test.npz",
        "versions": {"hwr": "0.1.0", "torch": "2.11.0"},
        "machine": "x86_64, 2 threads",
        "results": {
            "MNIST test, digits": figures(10000, 0.9913, 0.013),
            "EMNIST ByClass test, letters": figures(400, 0.95, 0.014),
            "EMNIST ByClass test, 62 classes": figures(700, 0.8123456789, 0.015),
        },
        "rejection": {"n": 300, "rejected": 0.93, "by_kind": {"walks": 0.97}, "accepted": {"usps_test": 0.99}},
    },
}


def rendered(text: str) -> str:
    """The card's body as HTML, by a Markdown that lets HTML through and knows tables."""
    body = ModelCard(text).text
    return str(MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).render(body))


def plain(page: str) -> str:
    for entity, sign in (("&lt;", "<"), ("&gt;", ">"), ("&quot;", '"'), ("&amp;", "&")):
        page = page.replace(entity, sign)
    return page


def test_every_figure_is_in_the_metadata_once_and_under_its_own_data_set() -> None:
    results = front(card.write(FULL, NOTES, MEASURED)).eval_results
    assert results
    found = {(r.dataset_type, r.metric_type, r.metric_value) for r in results}
    digits, letters = "ylecun/mnist", "emnist_byclass_test"
    assert found == {
        *((digits, "accuracy", value) for value in (0.9912, 0.9913)),
        *((digits, "expected_calibration_error", value) for value in (0.011, 0.013)),
        *((letters, "accuracy", value) for value in (0.81, 0.95, 0.812346)),
        *((letters, "expected_calibration_error", value) for value in (0.012, 0.014, 0.015)),
        ("validation", "accuracy", 0.91),
        ("validation", "expected_calibration_error", 0.021),
        *(("outliers", "rejection_rate", value) for value in (0.87, 0.93, 0.97)),
        ("flwrlabs/usps", "acceptance_rate", 0.99),
    }
    assert len(results) == len(found)
    assert len({r.metric_name for r in results}) == len(results)
    assert all(r.task_type == "image-classification" and 0 <= r.metric_value <= 1 for r in results)


def test_the_metadata_survives_the_hubs_own_reading_and_writing() -> None:
    text = card.write(FULL, NOTES, MEASURED)
    read = ModelCard(text)
    data = front(text)
    assert str(read) == text
    index = yaml.safe_load(text.split("---\n")[1])["model-index"]
    name, results = model_index_to_eval_results(index)
    assert results == data.eval_results
    assert eval_results_to_model_index(name, results) == index
    assert (data.library_name, data.pipeline_tag) == ("timm", "image-classification")
    assert data.datasets == ["ylecun/mnist"]
    assert {"handwriting", "ocr", "timm"} <= set(data.tags or [])


def test_the_body_states_every_figure_the_command_and_the_conditions() -> None:
    text = card.write(FULL, NOTES, MEASURED, plots=("learning_curves.png",))
    for words in (
        *("| MNIST test, digits | 10,000 | 99.13% | 98.13% to 99.13% | 1.30% |", "| validation | 500 | 91.00%"),
        *("python -m benchmarks.accuracy --usps usps_test.npz", "hwr 0.1.0, torch 2.11.0, x86_64, 2 threads"),
        *("87.0% of 200", "93.0% of 300", "walks 97.0%", "1,234 of mnist", "![learning curves](learning_curves.png)"),
        *("--data mnist my_hand --test mnist --init scratch --epochs 3", "Census Bureau", "CC BY-SA 3.0", "RGB"),
    ):
        assert words in text
    assert rendered(text).count("<table>") == 2


@pytest.mark.parametrize("notes", [{}, {"training": {}}, {"version": "1", "data": ["sample"]}])
@pytest.mark.parametrize("measured", [{}, {"validation": {}}, {"test": {}}])
def test_a_model_without_records_gets_a_card_without_figures(notes: dict[str, Any], measured: dict[str, Any]) -> None:
    text = card.write(TINY, notes, measured)
    data = front(text)
    assert (data.eval_results, data.license, data.datasets) == (None, None, None)
    for words in ("Nothing was measured", "How was not recorded", "- not recorded", "No licence of the weights"):
        assert words in text
    assert "%" not in text.replace("80% of 32", "").replace("95 % intervals", "")


def test_the_card_tells_what_the_classes_allow() -> None:
    digits, full = card.write(TINY, NOTES, {}), card.write(FULL, NOTES, {})
    pictures = card.write(replace(TINY, labels=("cat", "my dog"), ink=False), NOTES, {})
    assert "`digits`: 10 answers" in digits
    assert "`letters`" not in digits + pictures
    assert "`letters`: 26 answers, both cases of a letter summed" in full
    assert "`all`: 62 answers" in full
    assert "&#60;other&#62;" in full
    assert "cat, my dog" in pictures
    for words in ("size alone", "A lone 0 and O"):
        assert words in full
        assert words not in digits + pictures
    assert "handwriting" not in (front(pictures).tags or [])


def test_many_classes_do_not_bury_the_card() -> None:
    labels = tuple(f"sign {i}" for i in range(1000))
    text = card.write(replace(TINY, labels=labels), NOTES, {})
    assert "of 1000 classes" in text
    assert "and 800 more" in text
    assert len(text) < 20_000


# --- licences and sources ---


@pytest.mark.parametrize(
    ("training", "license_id"),
    [
        ({"data": ["mnist", "emnist_train_part.npz", "unipen_train.npz"]}, "apache-2.0"),
        ({"data": ["sample"], "init": "bundled", "teacher": ["bundled"]}, "apache-2.0"),
        ({"data": ["mnist", "my_hand"]}, None),
        ({"data": ["svhn"]}, None),
        ({"data": ["mnist"], "init": ["imagenet"]}, None),
        ({"data": ["mnist"], "init": ["bundled", "mine"]}, None),
        ({"data": ["mnist"], "teacher": ["bundled", "large"]}, None),
        ({"data": ["mnist"], "teacher": "large"}, None),
        ({"data": ["samples_of_mine"]}, None),
    ],
)
def test_a_licence_is_assumed_only_where_all_data_allow_it(training: dict[str, Any], license_id: str | None) -> None:
    assert front(card.write(TINY, {"training": training}, {})).license == license_id
    chosen = card.write(TINY, {"training": training}, {}, license="cc-by-4.0")
    assert front(chosen).license == "cc-by-4.0"
    assert "published under cc-by-4.0" in chosen


def test_a_licence_that_the_config_names_is_taken() -> None:
    notes = {"training": {"data": ["mnist"], "init": "runs/mine"}}
    assert front(card.write(TINY, notes, {})).license is None
    assert front(card.write(TINY, notes | {"license": "cc0-1.0"}, {})).license == "cc0-1.0"


def test_data_behind_the_start_are_attributed_too() -> None:
    text = card.write(TINY, {"training": {"data": ["my_hand"], "init": ["mine", "bundled"]}}, {})
    assert "--init mine bundled" in text
    assert "my_hand: not known to this card" in text
    assert "UNIPEN train_r01_v07" in text
    before = {"data": ["kmnist"], "init": ["bundled"], "epochs": 7}
    text = card.write(TINY, {"training": {"data": ["my_hand"], "init": ["large"]}, "started_from": before}, {})
    assert "KMNIST (Clanuwat" in text and "UNIPEN train_r01_v07" in text
    shipped = json.loads((store.BUNDLED / store.CONFIG).read_text())["hwr"]["training"]["data"]
    assert {origins.known_set(source) for source in shipped} == set(origins.BUNDLED)


def test_known_sources_are_told_by_whole_words() -> None:
    for source in ("mnist", "emnist-byclass", "emnist_train_part.npz", "unipen_train.npz", "sample"):
        assert ":" in card.attribution(source)
    for source in ("samples", "sample_of_mine", "mnistlike", "unipenned.npz", "my_mnist"):
        assert card.attribution(source) == source
    assert all(":" in card.attribution(source) for source in DOWNLOADS)
    assert set(origins.HANDS) - {None} == set(origins.ATTRIBUTION) >= origins.FREE | set(origins.HUB)


def test_only_a_set_of_its_very_name_is_linked_to_the_hub() -> None:
    names = ("mnist", "usps_test", "mnist_mine", "svhn")
    measured = {"test": {name: figures(10, 0.5, 0.1) for name in names}}
    results = front(card.write(TINY, NOTES, measured)).eval_results or []
    assert [r.dataset_type for r in results[::2]] == [
        "ylecun/mnist",
        "flwrlabs/usps",
        "mnist_mine",
        "ufldl-stanford/svhn",
    ]
    assert [r.dataset_split for r in results[::2]] == ["test", "test", None, "test"]


def test_datasets_of_the_hub_are_named_with_their_revision() -> None:
    notes = {"training": {"data": ["hf://datasets/owner/signs@v1/folder", "hf://datasets/owner/signs", "usps"]}}
    data = front(card.write(TINY, notes, {"test": {"owner/signs@1234567": figures(10, 0.5, 0.1)}}))
    assert data.datasets == ["owner/signs", "flwrlabs/usps"]
    [result, _] = data.eval_results or []
    assert (result.dataset_type, result.dataset_revision) == ("owner/signs", "1234567")


# --- names from elsewhere ---


@pytest.mark.parametrize("name", NASTY)
def test_a_name_from_elsewhere_means_nothing_to_markdown_or_html(name: str) -> None:
    config = replace(TINY, labels=(name, "b"))
    training = {"data": [name], "test": [name], "init": name, "epochs": name}
    notes = {"training": training, "started_from": {"data": [name]}, "held_out": {name: [1]}}
    measured = {
        "near_duplicates_removed": {name: 1},
        "test": {name: figures(5, 0.5, 0.1)},
        "recognizer": {
            "command": name,
            "versions": {name: name},
            "machine": name,
            "results": {name: figures(5, 0.5, 0.1)},
            "rejection": {"n": 1, "rejected": 0.5, "by_kind": {name: 0.5}, "accepted": {name: 0.5}},
        },
    }
    text = card.write(config, notes, measured, license="mit", plots=(name.replace("/", "") + ".png",))
    page = rendered(text)
    usual = rendered(card.write(replace(config, labels=("x", "b")), NOTES, measured | {"recognizer": {}}))
    line = " ".join("".join(c if c.isprintable() else " " for c in name).split(" "))
    assert f"<p>{line}, b</p>" in plain(page)
    assert f"<td>{line}</td>" in plain(page)
    assert page.count("<table>") == 2
    assert "<script" not in text
    tags = set(re.findall(r"</?[a-z0-9]+", page))
    assert tags <= set(re.findall(r"</?[a-z0-9]+", usual)) | {"<img", "<code", "</code"}
    assert page.count("<a ") == 1, "timm's address is the only link"
    front(text).to_yaml()


def test_no_name_is_taken_for_a_part_of_the_template() -> None:
    text = card.write(replace(TINY, labels=("{{ card_data }}", "{% if x %}")), NOTES, MEASURED)
    assert "{{ card_data }}, {% if x %}" in plain(rendered(text))


# --- the examples ---


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model where the card says it is, and a picture to read."""
    place = tmp_path_factory.mktemp("place")
    torch.manual_seed(0)
    labels = (*DIGITS, OTHER)
    config = replace(TINY, labels=labels, temperature=0.7)
    store.save(place / card.FOLDER, build(config).state_dict(), config, {}, {})
    with Image.open(ROOT / "examples" / "5.png") as drawn:
        paper = Image.new("RGBA", drawn.size, "white")
        paper.alpha_composite(drawn)
    paper.convert("RGB").save(place / "picture.png")
    return place


def run(script: str, place: Path) -> str:
    """What a script prints, in a folder of its own and without the Hub."""
    paths = {"PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1", "HF_HOME": str(place / "cache")}
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=place, env=os.environ | paths, capture_output=True, text=True, timeout=500
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def examples(place: Path) -> dict[str, str]:
    _, config = store.load(place / card.FOLDER)
    return dict(BLOCK.findall(card.write(config, {}, {}, onnx=True)))


def certainty(printed: str) -> tuple[str, float]:
    label, value = printed.split()[-2:]
    return label, float(value)


def test_hwr_s_example_runs(place: Path) -> None:
    answers, sure = run(examples(place)["hwr"], place).splitlines()
    assert re.fullmatch(r"\{('\d': [\d.e-]+(, )?){5}\}", answers)
    assert sure in ("True", "False")


def test_the_examples_without_hwr_agree_with_each_other(place: Path) -> None:
    pytest.importorskip("transformers")
    blocks = examples(place)
    label, value = certainty(run(blocks["timm"], place))
    other_label, other_value = certainty(run(blocks["transformers"], place))
    assert label == other_label
    assert math.isclose(value, other_value, rel_tol=1e-4)


def test_the_onnx_example_agrees_with_timm_s(place: Path) -> None:
    for package in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(package)
    from hwr.export import export

    export.write(place / card.FOLDER)
    blocks = examples(place)
    label, value = certainty(run(blocks["timm"], place))
    other_label, other_value = certainty(run(blocks["ONNX Runtime"], place))
    assert label == other_label
    assert math.isclose(value, other_value, rel_tol=1e-3)


def test_the_timm_example_reads_what_the_recognizer_reads(place: Path, tmp_path: Path) -> None:
    _, config = store.load(store.BUNDLED)
    (tmp_path / "picture.png").write_bytes((place / "picture.png").read_bytes())
    folder = tmp_path / card.FOLDER
    folder.parent.mkdir(parents=True)
    folder.symlink_to(store.BUNDLED)
    label, value = certainty(run(dict(BLOCK.findall(card.write(config, {}, {})))["timm"], tmp_path))
    assert label == "5"
    assert value > 0.9


def test_the_example_for_plain_pictures_runs(place: Path, tmp_path: Path) -> None:
    config = replace(TINY, ink=False, mean=0.449, std=0.226)
    store.save(tmp_path / card.FOLDER, build(config).state_dict(), config, {}, {})
    (tmp_path / "picture.png").write_bytes((place / "picture.png").read_bytes())
    label, value = certainty(run(dict(BLOCK.findall(card.write(config, {}, {})))["timm"], tmp_path))
    assert label in DIGITS
    assert 0 < value <= 1


def test_onnx_is_shown_only_where_it_is() -> None:
    assert "onnx" not in card.write(TINY, NOTES, MEASURED)
    assert "### ONNX Runtime" in card.write(TINY, NOTES, MEASURED, onnx=True)


def test_a_repository_s_card_loads_from_it() -> None:
    text = card.write(TINY, NOTES, MEASURED, repo="owner/name-2", onnx=True)
    for words in (
        'Recognizer.from_pretrained("owner/name-2")',
        'timm.create_model("hf-hub:owner/name-2", pretrained=True)',
        'InferenceSession(hf_hub_download("owner/name-2", "model.standalone.onnx")',
        "import onnxruntime\nfrom huggingface_hub import hf_hub_download\n",
        'AutoImageProcessor.from_pretrained("owner/name-2")',
    ):
        assert words in text
    assert card.FOLDER not in text
    assert front(text).model_name == "name-2"
    for _, script in BLOCK.findall(text):
        compile(script, "example", "exec")


def test_a_card_edited_by_hand_keeps_the_edits_when_it_is_published() -> None:
    text = card.write(TINY, NOTES, MEASURED) + "\nMy own words.\n"
    published = card.for_repository(text, "owner/name")
    assert published.endswith("\nMy own words.\n")
    assert published == card.for_repository(published, "owner/name")


@pytest.mark.parametrize("repo", ['a"); import os; ("', "a/b/c", "a b/c", "a/b\n", "../a"])
def test_what_is_no_repository_never_gets_into_the_examples(repo: str) -> None:
    with pytest.raises(ValueError, match=r"[Rr]epo"):
        card.write(TINY, NOTES, MEASURED, repo=repo)


def test_a_number_for_a_name_stays_a_name() -> None:
    assert front(card.write(TINY, NOTES, MEASURED, repo="owner/123")).model_name == "123"
