"""train.py from the command line: a run on real data ends in a model; mistakes end in one line and status 2."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import train
from hwr import Recognizer, cli, sources
from hwr.config import TrainConfig

ROOT = Path(__file__).parents[1]


def test_the_sample_trains_a_model_that_reads_digits_it_never_saw(tmp_path: Path) -> None:
    command = [sys.executable, "train.py", "--out", str(tmp_path / "model"), "--epochs", "8"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=540)
    assert done.returncode == 0, done.stderr
    assert "near-duplicates of the test set sample removed from training" in done.stdout
    assert done.stdout.splitlines()[-1].endswith(f"python app.py --model {tmp_path / 'model'}")
    assert "img/s" in done.stderr, "no progress was shown"

    recognizer = Recognizer.from_pretrained(tmp_path / "model")
    source = sources.read("sample", "test", Path())
    rows = np.flatnonzero(source.labels < 10)
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
        cli.run(train.main, TrainConfig, train.__doc__)
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


def test_help_names_every_flag_with_its_default() -> None:
    done = subprocess.run(
        [sys.executable, "train.py", "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env=os.environ | {"COLUMNS": "100"},
    )
    for name, value in TrainConfig().to_dict().items():
        assert f"--{name.replace('_', '-')}" in done.stdout
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            assert f"(default: {value})" in done.stdout
