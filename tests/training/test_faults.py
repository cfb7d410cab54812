"""Runs that survive: killed at any moment, stopped, on a full disk, in a folder that cannot be written."""

from __future__ import annotations

import json
import os
import random
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from hwr.training import checkpoint, records

ROOT = Path(__file__).parents[2]
SETTINGS = os.environ | {"OMP_NUM_THREADS": "1"}  # sums in another order would be other sums
RUN = [
    *("--data", "sample", "--no-dedupe", "--pens", "1", "--image-size", "16", "--batch-size", "128"),
    *("--architecture", "resnet18", "--model-args", '{"channels": [8, 8, 16, 16]}', "--epochs", "4"),
    *("--mixup", "0.2", "--cutmix", "0.5", "--drop-rate", "0.2", "--outliers", "0.02", "--no-report"),
    *(
        "--precision",
        "fp32",
    ),  # of maps of one pixel, oneDNN's AMX kernels give gradients that are no numbers (torch 2.14)
]


def train(out: Path, *flags: str, **options: Any) -> subprocess.Popen[str]:
    command = [sys.executable, "train.py", *RUN, "--out", str(out), *flags]
    return subprocess.Popen(
        command,
        cwd=ROOT,
        env=SETTINGS,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


def finish(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=300)
    return process.returncode, out, err


def error_line(err: str) -> str:
    """The last line of standard error, behind the progress bars."""
    assert "Traceback" not in err, err
    return err.replace("\r", "\n").strip().splitlines()[-1]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nobody disturbed."""
    out = tmp_path_factory.mktemp("whole") / "model"
    code, _, err = finish(train(out))
    assert code == 0, err
    return out


def wait_for(path: Path, process: subprocess.Popen[str]) -> None:
    while not path.exists():
        assert process.poll() is None, "the run ended too early"
        time.sleep(0.01)


@pytest.mark.slow
def test_a_run_killed_at_random_moments_ends_with_the_weights_of_an_undisturbed_one(
    whole: Path, tmp_path: Path
) -> None:
    out, chance = tmp_path / "model", random.Random(0)
    process = train(out)
    for _ in range(2):
        wait_for(out / checkpoint.FILE, process)
        time.sleep(chance.uniform(0, 1.5))
        process.kill()  # SIGKILL: nothing gets a chance to tidy up
        process.communicate()
        checkpoint.read(out)  # whole, whenever that was
        process = train(out, "--resume")
    code, _, err = finish(process)
    assert code == 0, err
    assert_same_model(out, whole)


@pytest.mark.slow
def test_sigterm_leaves_a_checkpoint_in_the_middle_of_an_epoch_from_which_the_run_goes_on(
    whole: Path, tmp_path: Path
) -> None:
    out = tmp_path / "model"
    process = train(out)
    wait_for(out / checkpoint.FILE, process)
    time.sleep(0.2)
    process.send_signal(signal.SIGTERM)
    code, _, err = finish(process)
    assert code == 143  # 128 + SIGTERM, as shells count
    assert f"--resume --out {out}" in error_line(err)
    assert checkpoint.read(out)["progress"]["step"] > 0
    code, _, err = finish(train(out, "--resume"))
    assert code == 0, err
    assert_same_model(out, whole)


def assert_same_model(out: Path, whole: Path) -> None:
    ours, theirs = load_file(out / "model.safetensors"), load_file(whole / "model.safetensors")
    for name, tensor in theirs.items():
        torch.testing.assert_close(ours[name], tensor, rtol=0, atol=0)
    assert [line["epoch"] for line in records.read(out)] == [1, 2, 3, 4]
    numbers = [json.loads((folder / "metrics.json").read_text()) for folder in (out, whole)]
    assert numbers[0] == numbers[1]


def small_files() -> None:
    """No file may grow beyond 200 kB in this process: the kernel refuses to write more, as on a full disk."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))


@pytest.mark.slow
def test_a_full_disk_is_one_clear_line_and_the_last_checkpoint_stays(tmp_path: Path) -> None:
    out = tmp_path / "model"
    process = train(out)
    wait_for(out / checkpoint.FILE, process)
    process.kill()
    process.communicate()
    before = (out / checkpoint.FILE).read_bytes()
    code, _, err = finish(train(out, "--resume", preexec_fn=small_files))
    assert code == 2
    assert "cannot be written" in error_line(err)
    assert f"--resume --out {out}" in error_line(err)
    assert (out / checkpoint.FILE).read_bytes() == before
    assert not list(out.glob("*.partial"))


def test_a_checkpoint_with_code_in_it_is_refused_and_the_code_never_runs(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.system, (f"touch {tmp_path / 'ran'}",)

    torch.save({"model": Evil()}, tmp_path / checkpoint.FILE)
    with pytest.raises(ValueError, match="damaged"):
        checkpoint.read(tmp_path)
    assert not (tmp_path / "ran").exists()


def test_random_states_come_back_as_they_were(tmp_path: Path) -> None:
    import numpy as np

    checkpoint.save(tmp_path, {"random": checkpoint.random_states()})
    first = (random.random(), np.random.rand(), torch.rand(1).item(), np.random.randn())
    checkpoint.restore_random_states(checkpoint.read(tmp_path)["random"])
    assert first == (random.random(), np.random.rand(), torch.rand(1).item(), np.random.randn())
