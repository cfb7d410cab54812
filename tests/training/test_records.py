"""records.py: run.json, metrics.jsonl and TensorBoard's files."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from hwr.config import UserError
from hwr.training import records
from hwr.training.records import Records

DATA = [{"name": "sample", "split": "train", "samples": 500, "classes": 62}]


def start(folder: Path, *command: str) -> Records:
    run = Records(folder)
    run.start(list(command) or ["train.py"], {"epochs": 3, "out": "model"}, DATA, "cpu")
    return run


def written(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / records.RUN).read_bytes())
    return found


def curve(folder: Path, name: str) -> list[tuple[int, float]]:
    events = EventAccumulator(str(folder / records.BOARD)).Reload()
    return [(event.step, round(event.value, 4)) for event in events.Scalars(name)]


# --- run.json ---


def test_a_run_says_what_was_trained_with_what_and_on_what(tmp_path: Path) -> None:
    start(tmp_path)
    run = written(tmp_path)
    assert run["config"] == {"epochs": 3, "out": "model"} and run["data"] == DATA
    assert set(run["versions"]) == {"python", "hwr", *records.PACKAGES, "opencv"}
    assert all(run["versions"][name] for name in ("python", "hwr", "torch", "timm", "opencv"))
    assert run["platform"]["device"] == "cpu" and run["platform"]["device_name"]
    assert run["platform"]["processes"] == 1 and run["platform"]["threads"] >= 1
    assert str(run["started"]).endswith("+00:00") and "resumed" not in run


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("/home/me/hwr/train.py", "train.py"),
        ("--out=/home/me/runs/a", "--out=a"),
        ("~/letters", "letters"),
        ("../../me/letters/", "letters"),
        (r"C:\Users\me\letters", "letters"),
        ("runs/mnist", "runs/mnist"),
        ("--epochs=3", "--epochs=3"),
        ('{"channels": [8, 8]}', '{"channels": [8, 8]}'),
        ("/", "/"),
        ("", ""),
    ],
)
def test_the_command_keeps_no_path_of_the_machine(tmp_path: Path, given: str, kept: str) -> None:
    start(tmp_path, "train.py", given)
    assert written(tmp_path)["command"] == ["train.py", kept]


def test_a_resumed_run_keeps_its_first_start_and_command(tmp_path: Path) -> None:
    start(tmp_path, "train.py").finish({"accuracy": 0.5})
    first = written(tmp_path)
    start(tmp_path, "train.py", "--resume")
    start(tmp_path, "train.py", "--resume")
    run = written(tmp_path)
    assert run["started"] == first["started"] and run["command"] == ["train.py"]
    assert [one["before"] for one in run["resumed"]] == [{}, {}]
    assert "finished" not in run and "measured" not in run


def test_a_run_resumed_with_other_settings_says_which_it_had_and_has(tmp_path: Path) -> None:
    start(tmp_path)
    settings = {"epochs": 5, "out": "model", "resume": True, "keep": "last", "weights": (0.5, 1.0)}
    Records(tmp_path).start(["train.py"], settings, DATA, "cpu")
    Records(tmp_path).start(["train.py"], settings, DATA, "cpu")
    run = written(tmp_path)
    assert [one["before"] for one in run["resumed"]] == [{"epochs": 3, "keep": None, "weights": None}, {}]
    assert run["config"] == settings | {"weights": [0.5, 1.0]}


def test_a_finished_run_says_when_and_what_was_measured(tmp_path: Path) -> None:
    start(tmp_path).finish({"accuracy": 0.5})
    run = written(tmp_path)
    assert run["measured"] == {"accuracy": 0.5} and run["finished"] >= run["started"]
    assert [file.name for file in tmp_path.iterdir()] == [records.RUN]


@pytest.mark.parametrize("content", ["{", "[]", "\xff"])
def test_a_damaged_run_file_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / records.RUN).write_text(content, encoding="latin-1")
    with pytest.raises(UserError, match=r"run\.json is not valid JSON.*move it away"):
        start(tmp_path)


# --- metrics.jsonl ---


def test_an_epoch_is_a_line_and_a_point_on_each_curve(tmp_path: Path) -> None:
    run = start(tmp_path)
    run.log(1, {"loss": 2.0, "lr": 0.1, "images_per_s": None})
    assert curve(tmp_path, "loss") == [(1, 2.0)]  # before the run ends
    run.log(2, {"loss": 1.5, "lr": 0.05, "images_per_s": 800.0})
    run.finish({})
    assert records.read(tmp_path) == [
        {"epoch": 1, "loss": 2.0, "lr": 0.1, "images_per_s": None},
        {"epoch": 2, "loss": 1.5, "lr": 0.05, "images_per_s": 800.0},
    ]
    assert curve(tmp_path, "loss") == [(1, 2.0), (2, 1.5)]
    assert curve(tmp_path, "lr") == [(1, 0.1), (2, 0.05)]
    assert curve(tmp_path, "images_per_s") == [(2, 800.0)]


def test_what_is_not_finite_is_null(tmp_path: Path) -> None:
    run = start(tmp_path)
    run.log(1, {"val_loss": float("nan"), "loss": float("inf")})
    run.finish({})
    assert records.read(tmp_path) == [{"epoch": 1, "val_loss": None, "loss": None}]


@pytest.mark.parametrize("torn", [b'{"epoch": 3, "lo', b'{"epoch"', b"\0\0\0", b"3"])
def test_a_torn_last_line_is_ignored_and_then_removed(tmp_path: Path, torn: bytes) -> None:
    log = tmp_path / records.LOG
    log.write_bytes(b'{"epoch": 1, "loss": 2.0}\n{"epoch": 2, "loss": 1.5}\n' + torn)
    assert [line["epoch"] for line in records.read(tmp_path)] == [1, 2]
    run = start(tmp_path)
    run.rewind(2)
    run.log(3, {"loss": 1.0})
    run.finish({})
    assert [line["loss"] for line in records.read(tmp_path)] == [2.0, 1.5, 1.0]


def test_a_damaged_line_among_others_is_named(tmp_path: Path) -> None:
    (tmp_path / records.LOG).write_bytes(b'{"epoch": 1}\n{"epoch": \n{"epoch": 3}\n')
    with pytest.raises(UserError, match=r"metrics\.jsonl, line 2"):
        records.read(tmp_path)


def test_a_run_without_a_log_has_no_lines(tmp_path: Path) -> None:
    assert records.read(tmp_path) == []
    Records(tmp_path).rewind(0)
    assert list(tmp_path.iterdir()) == []


def test_epochs_after_the_checkpoint_are_forgotten_and_done_again(tmp_path: Path) -> None:
    killed = start(tmp_path)
    for epoch in (1, 2, 3):
        killed.log(epoch, {"loss": float(epoch)})
    resumed = start(tmp_path)
    resumed.rewind(1)
    assert records.read(tmp_path) == [{"epoch": 1, "loss": 1.0}]
    resumed.log(2, {"loss": 20.0})
    resumed.finish({})
    killed.finish({})
    assert [(line["epoch"], line["loss"]) for line in records.read(tmp_path)] == [(1, 1.0), (2, 20.0)]
    assert curve(tmp_path, "loss") == [(1, 1.0), (2, 20.0)]


def test_a_run_may_rewind_itself(tmp_path: Path) -> None:
    run = start(tmp_path)
    for epoch in (1, 2):
        run.log(epoch, {"loss": float(epoch)})
    run.rewind(0)
    run.log(1, {"loss": 5.0})
    run.finish({})
    assert curve(tmp_path, "loss") == [(1, 5.0)]


# --- what goes wrong ---


def test_other_processes_write_nothing(tmp_path: Path) -> None:
    run = Records(tmp_path / "run", enabled=False)
    run.start([], {}, [], "cpu")
    run.rewind(0)
    run.log(1, {"loss": 1.0})
    run.finish({})
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(UserError, match=rf"{folder}.*run\.json cannot be"):
            start(folder)
        with pytest.raises(UserError, match=rf"{folder}.*metrics\.jsonl cannot be written.*--resume"):
            Records(folder).log(1, {"loss": 1.0})


def test_a_log_that_is_a_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / records.LOG).mkdir()
    with pytest.raises(UserError, match=r"metrics\.jsonl cannot be written"):
        Records(tmp_path).log(1, {"loss": 1.0})
    with pytest.raises(UserError, match=r"metrics\.jsonl cannot be read"):
        Records(tmp_path).rewind(1)


def test_training_goes_on_without_tensorboard(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / records.BOARD).write_text("a file where a folder is expected")
    run = start(tmp_path)
    run.log(1, {"loss": 2.0})
    run.log(2, {"loss": 1.0})
    run.finish({})
    assert len(records.read(tmp_path)) == 2 and "finished" in written(tmp_path)
    assert capsys.readouterr().err.count("no curves for TensorBoard") == 1


def test_a_missing_tensorboard_costs_only_the_curves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    run = start(tmp_path)
    run.log(1, {"loss": 2.0})
    run.finish({})
    assert len(records.read(tmp_path)) == 1 and not (tmp_path / records.BOARD).exists()


def test_tensorboard_is_not_imported_before_the_first_epoch() -> None:
    script = "import sys, hwr.training.records; print(*[m for m in sys.modules if m.split('.')[0] == 'tensorboard'])"
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=root)
    assert done.stdout.split() == []
