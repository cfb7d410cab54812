"""Several processes: the same result within noise, and every picture measured exactly once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from hwr.training import records

ROOT = Path(__file__).parents[2]
COUNT = """
import torch
from accelerate import Accelerator
from hwr.config import ModelConfig
from hwr.evaluation.inference import BATCH, Labelled, predict

world = Accelerator(cpu=True)
n = 3 * BATCH + 7
seen = torch.zeros(n, dtype=torch.long)


class Marking(torch.nn.Module):
    def forward(self, pixels):
        rows = (pixels[:, 0, 0, 0] * 255).round().long() + 256 * (pixels[:, 0, 0, 1] * 255).round().long()
        seen[rows] += 1
        return rows[:, None].float()


images = torch.zeros(n, 1, 1, 2, dtype=torch.uint8)
images[:, 0, 0, 0], images[:, 0, 0, 1] = torch.arange(n) % 256, torch.arange(n) // 256
one = torch.ones(1, 1)
data = Labelled(images, torch.zeros(n, dtype=torch.long), one.bool(), one, torch.zeros(n, dtype=torch.bool))
logits, _ = predict(Marking(), data, ModelConfig(labels=("a",), mean=0.0, std=1.0))
assert logits[:, 0].long().equal(torch.arange(n)), "answers are missing or in another order"
total = world.reduce(seen)
assert total.eq(1).all(), "some pictures were measured more than once"
assert world.num_processes == 2 and 0 < seen.sum() < n, "one process did all the work"
print(f"counted {int(total.sum())}\\n", end="", flush=True)  # in one piece: the other process prints as well
world.end_training()
"""


def launch(*command: str) -> subprocess.CompletedProcess[str]:
    settings = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), "GLOO_SOCKET_IFNAME": "lo"}
    run = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", *command]
    return subprocess.run(run, cwd=ROOT, env=settings, capture_output=True, text=True, timeout=500)


@pytest.mark.slow
def test_two_processes_measure_every_picture_exactly_once(tmp_path: Path) -> None:
    script = tmp_path / "count.py"
    script.write_text(COUNT)
    done = launch(str(script))
    assert done.returncode == 0, done.stderr
    assert "counted 3079" in done.stdout


@pytest.mark.slow
def test_two_processes_train_a_part_of_the_network(tmp_path: Path) -> None:
    flags = ["--no-dedupe", "--no-report", "--epochs", "2", "--image-size", "16", "--device", "cpu"]
    flags += ["--finetune", "gradual"]
    flags += ["--architecture", "resnet18", "--model-args", '{"channels": [8, 8, 16, 16]}', "--batch-size", "512"]
    done = launch("train.py", *flags, "--out", str(tmp_path / "model"))
    assert done.returncode == 0, done.stderr
    assert [line["epoch"] for line in records.read(tmp_path / "model")] == [1, 2]


@pytest.mark.slow
def test_two_processes_reach_the_result_of_one(tmp_path: Path) -> None:
    flags = ["--no-dedupe", "--epochs", "6", "--image-size", "32", "--device", "cpu", "--no-report"]
    flags += ["--architecture", "resnet18", "--model-args", '{"channels": [16, 32, 64, 128]}']
    one = subprocess.run(
        [sys.executable, "train.py", *flags, "--out", str(tmp_path / "one")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=500,
    )
    assert one.returncode == 0, one.stderr
    two = launch("train.py", *flags, "--out", str(tmp_path / "two"))
    assert two.returncode == 0, two.stderr
    found = [json.loads((tmp_path / name / "metrics.json").read_text())["test"]["sample"] for name in ("one", "two")]
    assert found[0]["n"] == found[1]["n"] == 1740
    assert found[1]["accuracy"] == pytest.approx(found[0]["accuracy"], abs=0.05)
    assert found[1]["accuracy"] > 0.5
    assert two.stdout.count("Model written to") == 1, "both processes reported"
    assert all(line["images_per_s"] > 0 for line in records.read(tmp_path / "two"))
    assert json.loads((tmp_path / "two" / "run.json").read_text())["platform"]["processes"] == 2
