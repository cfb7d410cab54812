"""train.py from the command line: a run on real data ends in a model; mistakes end in one line and status 2."""

import ast
import dataclasses
import inspect
import itertools
import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import train
from hwr import Recognizer, cli
from hwr.data import sources
from hwr.evaluation import report as evaluation
from hwr.files import write_atomically
from hwr.model import store
from hwr.training import datasets
from hwr.training.options import TrainConfig
from hwr.training.recipes import ABOUT, RECIPES

ROOT = Path(__file__).parents[2]
SMALL = [
    *("--epochs", "1", "--image-size", "16", "--device", "cpu"),
    *("--architecture", "resnet18", "--model-args", '{"channels": [8, 8, 16, 16]}'),
]


@pytest.mark.slow
def test_the_sample_trains_a_model_that_reads_digits_it_never_saw(tmp_path: Path) -> None:
    command = [sys.executable, "train.py", "--out", str(tmp_path / "model"), "--no-report"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=540)
    assert done.returncode == 0, done.stderr
    assert "near-duplicates of the test set sample removed from training" in done.stdout
    assert done.stdout.splitlines()[-1].endswith(f"python app.py --model {tmp_path / 'model'}")
    assert "img/s" in done.stderr, "no progress was shown"

    recognizer = Recognizer.from_pretrained(tmp_path / "model")
    source = sources.read("sample", "test", Path())
    rows = np.flatnonzero(source.labels < 10).tolist()
    found = recognizer.probabilities([source.ink(i) for i in rows], "digits").argmax(1)
    assert (found == source.labels[rows]).mean() > 0.95

    measured = json.loads((tmp_path / "model" / "metrics.json").read_text())
    assert measured["test"]["sample"]["n"] == 1740
    card = (tmp_path / "model" / "README.md").read_text()
    assert f"{measured['test']['sample']['accuracy']:.2%}" in card
    assert "EMNIST" in card


def mistake(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *flags: str) -> str:
    monkeypatch.setattr(sys, "argv", ["train.py", *flags])
    with pytest.raises(SystemExit) as caught:
        cli.run(train.main, TrainConfig, train.__doc__, RECIPES)
    assert caught.value.code == 2
    message = capsys.readouterr().err.strip()
    assert "Traceback" not in message
    return message


def test_mistakes_are_one_clear_line_and_status_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes.txt").write_text("mine")
    (tmp_path / "pictures" / "A").mkdir(parents=True)
    (tmp_path / "pictures" / "A" / "bad.png").write_bytes(b"no picture")
    np.savez(tmp_path / "bad.npz", pictures=np.zeros(3))
    out = ("--out", str(tmp_path / "model"))
    for flags, words in (
        (("--data", "nonsense", *out), "no such data: nonsense"),
        (("--data", str(tmp_path / "empty"), *out), "no pictures in"),
        (("--data", str(tmp_path / "pictures"), *out), "bad.png is not a picture"),
        (("--data", str(tmp_path / "bad.npz"), *out), "lacks images, labels, classes"),
        (("--data", str(tmp_path / "missing.npz"), *out), "missing.npz"),
        (("--out", str(tmp_path / "full")), "is not empty"),
        (("--out", str(tmp_path / "full" / "notes.txt")), "cannot be written"),
        (("--architecture", "vit_tiny_patch16_224", *out), "timm ResNet"),
        (("--validation", "2", *out), "--validation 2.0: expected a share between 0 and 1"),
        (("--model-args", "wide", *out), "--model-args wide: not JSON"),
        (("--model-args", '{"wings": 2}', *out), "wings"),
        (("--weights", "1", "2", *out), "expected one for each of --data"),
        (("--batch-size", "10", "--accumulate", "3", *out), "--accumulate 3 does not divide --batch-size 10"),
        (("--small-size", "64", *out), "--small-size 64: expected 16 to 32"),
        (("--validation", "0", "--patience", "2", *out), "--validation 0 leaves none"),
        (("--init", str(tmp_path / "nowhere"), *out), "no such model directory"),
        (("--init", "imagenet", *out), "--init imagenet has no weights for resnet18 with"),
        (("--recipe", "cake", *out), "cake"),
        (("--finetune", "tail", *out), "tail"),
        (("--data", *out), "names no source"),
        (("--epochs", "0", *out), "--epochs 0: expected at least 1"),
        (("--epochs", "many", *out), "--epochs: invalid literal"),
        (("--epoch", "3", *out), "Unrecognized options: --epoch"),
        (("surplus",), "surplus"),
        (("--resume", "--out", str(tmp_path / "new")), "nothing to resume"),
    ):
        *progress, message = mistake(monkeypatch, capsys, *flags).splitlines()
        assert message.startswith("train.py: "), message
        assert words in message
        assert not [line for line in progress if line.strip() and "img/s" not in line]


@pytest.mark.slow
def test_a_model_that_cannot_be_written_is_finished_from_its_checkpoint(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    out, write = tmp_path / "model", write_atomically
    flags = [*SMALL, "--no-report", "--no-dedupe", "--out", str(out)]

    def full(path: Path, content: bytes) -> None:
        if path.name == store.WEIGHTS:
            raise OSError(28, "No space left on device", str(path))
        write(path, content)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store, "write_atomically", full)
        message = mistake(monkeypatch, capsys, *flags).splitlines()[-1]
    assert "No space left on device" in message
    assert f"--resume --out {out}" in message
    assert not (out / store.CONFIG).exists(), "a config without its weights"
    monkeypatch.setattr(sys, "argv", ["train.py", *flags, "--resume"])
    cli.run(train.main, TrainConfig, train.__doc__, RECIPES)
    assert len(Recognizer.from_pretrained(out).labels()) == 62


@pytest.mark.parametrize("scikit_learn", [True, False])
@pytest.mark.slow
def test_a_run_ends_with_a_report_and_is_whole_without_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, scikit_learn: bool
) -> None:
    for i in range(12):
        file = tmp_path / "mine" / ("test" if i < 6 else "train") / "ab"[i % 2] / f"{i}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        picture = np.full((20, 20), 255, np.uint8)
        picture[4:16, 4 : 8 + i % 2 * 8] = 10 * i
        Image.fromarray(picture).save(file)
    if not scikit_learn:
        monkeypatch.setattr(evaluation, "find_spec", lambda name: None)
    monkeypatch.setattr(evaluation, "CORRUPTIONS", {})
    out, data = tmp_path / "model", ["--data", str(tmp_path / "mine"), "--batch-size", "4", "--no-dedupe"]
    monkeypatch.setattr(sys, "argv", ["train.py", *SMALL, *data, "--validation", "0", "--out", str(out)])
    cli.run(train.main, TrainConfig, train.__doc__, RECIPES)
    assert Recognizer.from_pretrained(out).labels() == ("a", "b")
    said = capsys.readouterr().out.splitlines()[-1]
    if not scikit_learn:
        assert said == "No report: an evaluation needs scikit-learn: pip install scikit-learn"
        return
    measured = json.loads((out / "evaluation" / evaluation.RESULTS).read_text())
    assert measured["model"]["sha256"] == json.loads((out / store.CONFIG).read_text())["hwr"]["sha256"]
    assert measured["sets"]["mine"]["summary"]["n"] == 6
    assert said.endswith(str(out / "evaluation" / evaluation.REPORT))


def test_unknown_flags_fail(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert "--epoch, 3. Perhaps you meant: --epochs" in mistake(monkeypatch, capsys, "--epoch", "3")


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_a_mistyped_flag_is_one_line_in_a_real_process(tmp_path: Path, encoding: str) -> None:
    command = [sys.executable, "train.py", "--epochs", "many", "--out", str(tmp_path)]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, env=os.environ | {"PYTHONIOENCODING": encoding}
    )
    assert done.returncode == 2
    assert done.stderr.startswith("train.py: Error parsing --epochs: invalid literal for int() with base 10: 'many'")
    assert done.stderr.count("\n") == 1


def shown_help(*flags: str) -> str:
    settings = os.environ | {"COLUMNS": "100"}
    command = [sys.executable, "train.py", *flags, "--help"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=settings, check=True).stdout


def test_help_is_grouped_and_names_every_flag_with_its_default() -> None:
    shown = shown_help()
    for group in ("data", "start", "optimisation", "regularisation", "augmentation", "run"):
        assert f"─ {group} options ─" in shown
    for name, value in TrainConfig().to_dict().items():
        assert f"--{name.replace('_', '-')}" in shown
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            assert f"(default: {value})" in " ".join(shown.replace("│", " ").split())


def test_every_flag_has_one_line_of_help() -> None:
    for group in TrainConfig.__mro__:
        if dataclasses.is_dataclass(group) and group is not TrainConfig:
            texts = tyro_help(group)
            for field in dataclasses.fields(group):
                if field.name in group.__annotations__:
                    assert 5 < len(texts[field.name]) < 240, field.name


def tyro_help(group: type) -> dict[str, str]:
    """Each field's docstring, read from the source."""
    body = ast.parse(textwrap.dedent(inspect.getsource(group))).body[0].body  # type: ignore[attr-defined]
    pairs = itertools.pairwise(body)
    return {a.target.id: b.value.value for a, b in pairs if isinstance(a, ast.AnnAssign) and isinstance(b, ast.Expr)}  # type: ignore[union-attr,attr-defined]


def test_a_recipe_sets_defaults_that_flags_beside_it_override() -> None:
    shown = " ".join(shown_help("--recipe", "mnist", "--epochs", "3").replace("│", " ").split())
    assert "(default: mnist)" in shown
    assert f"(default: {RECIPES['mnist']['epochs']})" in shown
    parsed: list[TrainConfig] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["train.py", "--epochs", "3", "--recipe=mnist", "--seed", "4"])
        cli.run(parsed.append, TrainConfig, train.__doc__, RECIPES)
    assert (parsed[0].epochs, parsed[0].seed, parsed[0].data) == (3, 4, ("mnist",))
    assert parsed[0].image_size == RECIPES["mnist"]["image_size"]


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_is_a_valid_configuration_and_is_described(name: str) -> None:
    TrainConfig(**{"data": ("mine",), **{k: v for k, v in RECIPES[name].items() if v != ()}})
    assert ABOUT[name].endswith(".")


def test_help_ends_with_examples_and_a_sentence_for_each_recipe_and_speaks_no_python() -> None:
    shown = shown_help()
    assert "None" not in shown
    end = shown[shown.index("Examples:") :]
    assert end.count("python train.py") >= 4
    for name, text in ABOUT.items():
        assert f"{name} " in end and text in end


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--optimizer", "moon"), "--optimizer moon"),
        (("--scheduler", "moon"), "--scheduler moon"),
        (("--architecture", "vit_tiny_patch16_224"), "timm ResNet"),
        (("--init", "imagenet"), "has no weights"),
        (("--teacher", "nowhere"), "nowhere"),
        (("--test", "nothing.npz"), "no such file: nothing.npz"),
        (("--data", "sample", "nothing"), "no such data: nothing"),
        (("--recipe", "personal"), "--data names no source"),
        (("--optimizer", "lbfgs"), "expected --finetune head"),
    ],
    ids=str,
)
def test_mistakes_are_found_before_data_is_read(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    flags: tuple[str, ...],
    words: str,
) -> None:
    monkeypatch.setattr(datasets, "load", lambda *_: pytest.fail("the data was read"))
    assert words in mistake(monkeypatch, capsys, "--out", str(tmp_path / "model"), *flags)


@pytest.mark.parametrize("recipe", [(), ("--recipe", "personal")])
def test_a_single_class_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, recipe: tuple[str, ...]
) -> None:
    (tmp_path / "mine" / "tick").mkdir(parents=True)
    for i in range(4):
        Image.fromarray(np.pad(np.full((9, 3 + i), 0, np.uint8), 9, constant_values=255)).save(
            tmp_path / "mine" / "tick" / f"{i}.png"
        )
    flags = (*recipe, "--data", str(tmp_path / "mine"), "--validation", "0", "--out", str(tmp_path / "model"))
    assert "has the single class 'tick': expected at least two" in mistake(monkeypatch, capsys, *flags)


@pytest.mark.slow
def test_a_few_samples_of_a_hand_fine_tune_the_bundled_model(tmp_path: Path) -> None:
    """Five letters that nobody has seen as classes, and two that the model knows."""
    for label in ("Ж", "Ω", "A"):
        (tmp_path / "mine" / label).mkdir(parents=True)
    pens = sources.read(str(ROOT / "tests" / "data" / "pens.npz"), "test", Path())
    for i in range(15):
        label = ("Ж", "Ω", "A")[i % 3]
        ink = pens.ink(i)
        assert ink is not None
        Image.fromarray(255 - ink).save(tmp_path / "mine" / label / f"{i}.png")
    out = tmp_path / "model"
    flags = ["--recipe", "personal", "--data", str(tmp_path / "mine"), "--out", str(out)]
    done = subprocess.run([sys.executable, "train.py", *flags], cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    bundled, mine = Recognizer.from_pretrained(), Recognizer.from_pretrained(out)
    assert set(mine.labels()) == {*bundled.labels(), "Ж", "Ω"}
    assert mine.config.temperature == bundled.config.temperature
    assert "parameters learn, 6" in done.stdout
    learning = int(done.stdout.split(" of ")[0].split()[-1].replace(",", ""))
    assert learning == len(mine.config.labels) * 257, "more than the classifier learns"


@pytest.mark.slow
def test_plain_pictures_train_a_resnet50_in_one_channel_at_224_pixels(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for label, shade in (("night", 40), ("day", 200)):
        (tmp_path / "photos" / label).mkdir(parents=True)
        for i in range(6):
            photo = rng.normal(shade, 20, (60, 90, 3)).clip(0, 255).astype(np.uint8)
            Image.fromarray(photo).save(tmp_path / "photos" / label / f"{i}.jpg")
    out = tmp_path / "model"
    flags = ["--data", str(tmp_path / "photos"), "--no-ink", "--architecture", "resnet50", "--image-size", "224"]
    flags += ["--epochs", "1", "--batch-size", "4", "--out", str(out), "--validation", "0.2"]
    done = subprocess.run([sys.executable, "train.py", *flags], cwd=ROOT, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stderr
    settings = json.loads((out / "config.json").read_text())
    assert settings["architecture"] == "resnet50"
    assert settings["hwr"]["ink"] is False
    assert settings["pretrained_cfg"]["input_size"] == [1, 224, 224]
    assert sum(Recognizer.from_pretrained(out).top_k(photo).values()) == pytest.approx(1, abs=1e-4)
