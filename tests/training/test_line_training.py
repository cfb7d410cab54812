"""Training a line reader: hwr/training/lines.py and line_model.py, and train.py --task lines from end to end."""

from __future__ import annotations

import json
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import train
from hwr.config import UserError
from hwr.data.lines import sources
from hwr.data.lines.sampling import LineSampler, Sample, render_plainly
from hwr.evaluation.text import edit_distance, error_rate, word_error_rate
from hwr.reading import saving
from hwr.reading.config import PRINTABLE, LineConfig
from hwr.reading.network import build
from hwr.reading.session import READER, load, logits_of
from hwr.training import checkpoint, line_model
from hwr.training.lines import LineTask
from hwr.training.options import TrainConfig

SMALL_ARGS = {"in_chans": 1, "channels": [8, 8, 16, 16], "layers": [1, 1, 1, 1], "output_stride": 8}
SMALL = LineConfig(model_args=SMALL_ARGS, height=32, stretch=1.0, column_channels=32, lstm_size=32, lstm_layers=1)
CPU = torch.device("cpu")


def few_lines(count: int) -> sources.Lines:
    found = sources.read("sample", Path(), PRINTABLE)
    assert isinstance(found, sources.Lines)
    words = {text: i for i, text in enumerate(found.texts) if text.isalpha() and 3 <= len(text) <= 4}
    return found.take(list(words.values())[:count])


class StillSampler(LineSampler):
    """Lines as they are, without pens and paper."""

    def sample(self, seed: object, number: int) -> Sample:
        row = number % len(self.lines)
        picture = render_plainly(self.lines.drawn(row), self.height, self.stretch)
        assert picture is not None
        return Sample(picture, self.lines.texts[row])


def task_of(lines: sources.Lines, config: TrainConfig, held: bool = True) -> LineTask:
    sampler = StillSampler(lines, (), SMALL.height, SMALL.stretch)
    return LineTask(sampler, line_model.validation(lines, SMALL, 0) if held else [], config, SMALL, CPU)


class KilledError(Exception):
    """The process is gone."""


def kill(task: LineTask, model: torch.nn.Module, size: int) -> dict[str, float]:
    raise KilledError


def settings(out: Path, **changes: object) -> TrainConfig:
    quick = TrainConfig(task="lines", out=out, device="cpu", batch_size=4, lr=1e-2, ema=0.0, drop_rate=0.0, warmup=0.0)
    return replace(quick, **changes)  # type: ignore[arg-type]


def test_one_batch_is_learnt_by_heart(tmp_path: Path) -> None:
    torch.manual_seed(0)
    task = task_of(few_lines(4), settings(tmp_path))
    (batch,) = task.batches(0, 0, 1, 4)
    network = build(SMALL).train()
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-2)
    for _ in range(240):
        loss, _ = task.loss(network, batch, SMALL.height, nullcontext())
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
    assert task.validate(network, SMALL.height)["val_accuracy"] == 1


def test_a_run_goes_on_within_an_epoch_as_if_it_had_never_stopped(tmp_path: Path) -> None:
    lines = few_lines(24)
    config = settings(tmp_path, seed=3)
    task = LineTask(LineSampler(lines, (), 32, 1.0), [], config, SMALL, CPU)
    whole = list(task.batches(1, 0, 6, 4))
    rest = list(task.batches(1, 4, 6, 4))
    assert [[line.text for line in batch] for batch in whole[4:]] == [[line.text for line in batch] for batch in rest]
    assert all(
        np.array_equal(a.picture, b.picture)
        for x, y in zip(whole[4:], rest, strict=True)
        for a, b in zip(x, y, strict=True)
    )


def test_several_processes_share_an_epoch(tmp_path: Path) -> None:
    lines, config = few_lines(24), settings(tmp_path)
    tasks = [LineTask(LineSampler(lines, (), 32, 1.0), [], config, SMALL, CPU, (i, 2)) for i in (0, 1)]
    alone = LineTask(LineSampler(lines, (), 32, 1.0), [], config, SMALL, CPU)
    shared = sorted(line.text for task in tasks for batch in task.batches(0, 0, 6, 4) for line in batch)
    assert shared == sorted(line.text for batch in alone.batches(0, 0, 6, 4) for line in batch)


def test_a_reader_comes_back_from_its_directory_and_answers_the_same(tmp_path: Path) -> None:
    torch.manual_seed(1)
    network = build(SMALL).eval()
    saving.save(tmp_path, network.state_dict(), SMALL, {"note": 1}, {})
    loaded, config = saving.load(tmp_path)
    ask, described = load(tmp_path)
    lines = [np.random.default_rng(i).integers(0, 255, (32, width), np.uint8) for i, width in enumerate((40, 96, 90))]

    def by_torch(pixels: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return np.asarray(loaded(torch.from_numpy(pixels)))

    assert config == described
    for a, b in zip(logits_of(by_torch, config, lines), logits_of(ask, config, lines), strict=True):
        assert a.shape == b.shape
        assert np.abs(a - b).max() < 1e-4


@pytest.mark.parametrize(
    ("changed", "problem"),
    [({"height": 33}, "multiple of 8"), ({"lstm_size": 1e9}, "lstm_size is"), ({"characters": "aa"}, "distinct")],
)
def test_a_damaged_config_is_refused_in_one_sentence(tmp_path: Path, changed: dict[str, object], problem: str) -> None:
    values = SMALL.settings()
    values["hwr"] |= changed
    (tmp_path / "config.json").write_text(json.dumps(values))
    with pytest.raises(UserError, match=problem):
        load(tmp_path)


def test_flags_of_single_characters_are_refused_where_lines_are_learnt(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="--mixup: --task lines does not use it"):
        settings(tmp_path, mixup=0.2)


def test_a_folder_of_lines_trains_a_model_with_a_reader_and_a_killed_run_ends_alike(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines, folder = few_lines(8), tmp_path / "my lines"
    folder.mkdir()
    for i, text in enumerate(lines.texts):
        picture = render_plainly(lines.drawn(i), 48, 1.0)
        assert picture is not None
        Image.fromarray(255 - picture).save(folder / f"{i}.png")
        (folder / f"{i}.txt").write_text(text)
    args = json.dumps({"height": 32, "lstm_size": 16, "lstm_layers": 1, "column_channels": 16})
    config = settings(tmp_path / "whole", data=(str(folder),), epochs=2, model_args=args, validation=0.2)
    train.main(config)
    reader, _ = saving.load(config.out / READER)
    notes = json.loads((config.out / READER / "config.json").read_bytes())["hwr"]
    assert notes["training"]["data"] == ["my lines"]
    measured = json.loads((config.out / READER / "metrics.json").read_bytes())["validation"]
    assert (config.out / "model.safetensors").is_file() and measured["n"] == 2
    assert "Words, numbers and lines of writing are read" in (config.out / "README.md").read_text()

    train.main(replace(config, out=tmp_path / "killed", epochs=2))
    state = checkpoint.read(tmp_path / "killed")
    assert state["progress"]["epoch"] == 2
    again, _ = saving.load(tmp_path / "killed" / READER)
    assert all(
        torch.equal(a, b) for a, b in zip(reader.state_dict().values(), again.state_dict().values(), strict=True)
    )


def test_error_rates_count_edits() -> None:
    assert edit_distance("kitten", "sitting") == 3
    assert error_rate([("abcd", "abxd"), ("ef", "ef")]) == pytest.approx(1 / 6)
    assert word_error_rate([("one two", "one too")]) == 0.5
