"""Hostile data sets and model directories get an answer or a UserError; no code in them is run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.hostile import datasets, models
from benchmarks.hostile.running import run, watched
from hwr.config import DIGITS, ModelConfig, UserError
from hwr.data import inkset as data
from hwr.data import sources
from hwr.hub import transfer as hub
from hwr.model import store, verify
from hwr.model.resnet import build

FIXED = settings(derandomize=True, deadline=None, max_examples=150)


def read(tmp_path: Path, **changes: Any) -> sources.Source:
    kept = {name: array for name, array in (datasets.raster() | changes).items() if array is not None}
    (tmp_path / "a.npz").write_bytes(datasets.saved(kept))
    return sources.read(str(tmp_path / "a.npz"), "train", tmp_path)


def read_pen(tmp_path: Path, **changes: Any) -> sources.Source:
    (tmp_path / "a.npz").write_bytes(datasets.saved(datasets.pen() | changes))
    return sources.read(str(tmp_path / "a.npz"), "train", tmp_path)


@pytest.mark.filterwarnings("ignore:Duplicate name:UserWarning")
def test_odd_archives_are_read_or_refused(tmp_path: Path) -> None:
    tallies = run(datasets.cases(tmp_path, seed=0, n=300), tmp_path)
    assert [line for tally in tallies.values() for line in tally.other] == []
    assert all(tally.answered and tally.refused for tally in tallies.values())
    assert not (tmp_path.parent / "ran").exists()


@pytest.mark.filterwarnings("ignore:Initializing zero-element tensors:UserWarning")
def test_odd_model_directories_are_loaded_or_refused(tmp_path: Path) -> None:
    tallies = run(models.cases(tmp_path / "model", seed=0, n=80), tmp_path)
    assert [line for tally in tallies.values() for line in tally.other] == []
    assert all(tally.refused for tally in tallies.values())
    assert tallies["config.json, mutated"].answered


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner, max_size=4),
    max_leaves=9,
)


@FIXED
@given(st.sampled_from((*verify.OURS, "num_classes", "architecture", "model_args")), JSON)
def test_a_config_with_any_value_describes_a_model_that_can_be_or_is_refused(name: str, value: Any) -> None:
    ours = {"labels": list(DIGITS), "sha256": "0" * 64}
    settings: dict[str, Any] = {"architecture": "resnet18", "num_classes": 10, "model_args": {"in_chans": 1}}
    changed = settings | {"hwr": ours | {name: value}} if name in verify.OURS else settings | {"hwr": ours, name: value}
    try:
        found = verify.model_config(Path("model"), changed)
    except UserError as error:
        assert len(str(error)) < 1000
        return
    assert all(low <= getattr(found, key) <= high for key, (low, high) in verify.WITHIN.items())
    assert len(found.labels) == found.alphabets()["all"][-1][1][0] + 1


# --- data sets: what was found so ---


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"images": np.zeros((6, 0, 10), np.uint8)}, r"images must be uint8 \(N, H, W\)"),
        ({"labels": np.array(list("010101"))}, r"labels must be integers, \(6,\), one per sample; got <U1"),
        ({"labels": np.array([0, 1, 0, 1, 0, np.nan])}, "labels must be integers"),
        ({"labels": np.array([0, 1, 0, 1, 0, 2**31])}, "indices into its 2 classes"),
        ({"labels": np.array([0, 1, 0, 1, 0, -(2**31)])}, "indices into its 2 classes"),
        ({"labels47": np.array([0, 0, 0, 0, 0, -2])}, "indices into its 2 classes"),
        ({"labels47": np.array([0, 0])}, "labels47 must be integers"),
        ({"classes": np.array("A")}, "classes must be a list of names"),
        ({"classes": np.array([b"A", b"b"])}, "classes must be a list of names"),
        ({"classes": np.array(["A", "b\n"])}, r"'b\\n' cannot name a class"),
        ({"classes": np.array(["A", "b" * 201])}, "cannot name a class"),
        ({"classes": np.array(["A", ""])}, "cannot name a class"),
        ({"writer": np.array([0, 0, 1, 1, 2, 2**40])}, "writer must be numbers from 0 to 9,999,999"),
        ({"writer": np.array([0, 0, 1, 1, 2, -1])}, "writer must be numbers from 0"),
        ({"writer": np.array([0, 0])}, "writer must be integers"),
    ],
)
def test_arrays_that_do_not_fit_are_named(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=words):
        read(tmp_path, **changes)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"xy": np.full((9, 2), np.nan)}, "xy must be"),
        ({"xy": np.full((9, 2), 1e300)}, "xy must be"),
        ({"xy": np.full((9, 2), "a")}, "xy must be"),
        ({"stroke_offsets": np.array([0, 5, 3, 9], np.uint8)}, "must rise from 0 to 9"),
        ({"stroke_offsets": np.array([0, 2**63 - 1, -(2**63), 9])}, "must rise from 0 to 9"),
        ({"stroke_offsets": np.array([0, np.nan, 9])}, "stroke_offsets must be integers"),
        ({"sample_offsets": np.array(0)}, "sample_offsets must be integers"),
    ],
)
def test_trajectories_that_do_not_fit_are_named(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=words):
        read_pen(tmp_path, **changes)


def test_writers_of_any_number_allowed_are_split_at_once(tmp_path: Path) -> None:
    source = read(tmp_path, writer=np.array([0, 0, 1, 1, 2, sources.MOST_WRITERS - 1]))
    learnt, held = data.hold_out(data.fit_source(source, datasets.CONFIG), 0.5, 0)
    assert held is not None and len(learnt) + len(held) == 6


def test_an_archive_that_unpacks_to_too_much_is_refused_by_its_directory(tmp_path: Path) -> None:
    (tmp_path / "a.npz").write_bytes(datasets.lying(2**40))
    with pytest.raises(UserError, match="unpacks to 1,099,511,627,776 bytes: at most"):
        sources.read(str(tmp_path / "a.npz"), "train", tmp_path)


def test_an_array_that_is_no_archive_is_refused(tmp_path: Path) -> None:
    with (tmp_path / "a.npz").open("wb") as file:
        np.save(file, np.zeros(3))
    with pytest.raises(UserError, match=r"cannot be read as an \.npz"):
        sources.read(str(tmp_path / "a.npz"), "train", tmp_path)


def test_a_folder_whose_name_spells_no_character_names_no_class(tmp_path: Path) -> None:
    (tmp_path / "set" / "U+D800").mkdir(parents=True)
    (tmp_path / "set" / "U+D800" / "a.png").touch()
    with pytest.raises(UserError, match="cannot name a class"):
        sources.read(str(tmp_path / "set"), "train", tmp_path)


@pytest.mark.parametrize("name", ["a" * 300, "~nobody-of-this-name/a"])
def test_what_cannot_be_a_file_is_no_data_and_no_model(tmp_path: Path, name: str) -> None:
    for ask in (lambda: sources.read(name, "train", tmp_path), lambda: hub.find(name)):
        with pytest.raises(UserError, match="cannot be the name of a file or folder"):
            ask()


# --- models: what was found so ---


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    store.save(folder, build(models.TINY).state_dict(), models.TINY, {}, {})
    return folder


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"layers": [8000, -8000, 1, 1]}, "size that can be built"),
        ({"layers": ["2", "2"]}, "size that can be built"),
        ({"layers": [[1]]}, "size that can be built"),
        ({"drop_rate": -1}, "size that can be built"),
        ({1: 2, "a": 3}, "1 is not one that describes"),
        ({"cardinality": 0}, "cannot be built"),
    ],
)
def test_arguments_that_build_no_network_are_refused_at_once(arguments: dict[Any, Any], words: str) -> None:
    with pytest.raises(UserError, match=words):
        build(ModelConfig(DIGITS, model_args={"in_chans": 1} | arguments))


def test_a_deep_argument_is_refused_and_not_printed_whole() -> None:
    deep: Any = []
    for _ in range(5000):
        deep = [deep]
    with pytest.raises(UserError) as refused:
        build(ModelConfig(DIGITS, model_args={"in_chans": 1, "channels": deep}))
    assert len(str(refused.value)) < 500


@pytest.mark.parametrize("name", models.crafted_configs({}))
def test_every_crafted_config_is_judged(whole: Path, tmp_path: Path, name: str) -> None:
    settings = json.loads((whole / store.CONFIG).read_bytes())
    (tmp_path / store.CONFIG).write_bytes(models.crafted_configs(settings)[name])
    try:
        found = verify.model_config(tmp_path, verify.read_config(tmp_path))
    except UserError as error:
        assert len(str(error)) < 1000
        return
    assert name in ("deep", "HTML in a label", "keys twice", "UTF-16") or "architecture" in name or "tag" in name
    assert len(found.labels) == 10


def test_numbers_of_another_type_are_refused_by_name(whole: Path) -> None:
    wanted = verify.weights(whole / store.WEIGHTS, verify.model_config(whole, verify.read_config(whole)).sha256)
    odd = wanted | {"fc.bias": wanted["fc.bias"].double()}
    with pytest.raises(UserError, match=r"fc\.bias is of torch\.float64, the architecture needs torch\.float32"):
        verify.same_names(whole, wanted, odd)


def test_a_pickle_for_weights_is_never_opened(tmp_path: Path) -> None:
    content = b"\x80\x02cos\nsystem\n(S'true'\ntR."
    (tmp_path / store.WEIGHTS).write_bytes(content)
    with watched(tmp_path) as touched, pytest.raises(UserError):
        verify.weights(tmp_path / store.WEIGHTS, "0" * 64)
    assert touched == []
