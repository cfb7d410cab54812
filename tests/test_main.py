"""python -m hwr: one command each for what a model directory is good for."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from hwr.hub import transfer as hub
from hwr.model import store

ROOT = Path(__file__).parents[1]


def run(*words: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "hwr", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT)


def test_the_help_names_every_command() -> None:
    done = run("--help")
    assert done.returncode == 0
    for name in ("predict", "evaluate", "push", "deploy-space", "export"):
        assert name in done.stdout


@pytest.mark.parametrize(
    "words",
    [
        ("-m", "hwr", "predict", "examples"),
        ("-m", "hwr", "predict", "--json", "examples"),
        *((*program, "--help") for program in (("-m", "hwr", "predict"), ("train.py",), ("app.py",))),
    ],
)
def test_who_stops_reading_sees_no_trace(words: tuple[str, ...]) -> None:
    command = [sys.executable, *words]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as started:
        assert started.stdout is not None and started.stderr is not None
        started.stdout.close()  # as head does
        assert "Traceback" not in started.stderr.read()
    assert started.returncode == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("pull", "x"), "pull"),
        (("push", "runs/none"), "owner/name on the Hub"),
        (("push", "runs/none", "owner/name"), "no such model directory: runs/none"),
        (("push", ".", "owner/name"), "it has no config.json"),
        (("push", str(store.BUNDLED), "name"), "expected owner/name"),
        (("deploy-space", "name"), "expected owner/name"),
        (("export", "runs/none"), "no such model directory: runs/none"),
        (("export", "--format", "tensorflow"), "onnx"),
        (("export", "runs/none", "--format", "litert"), "in an environment of its own, pip install litert-torch"),
    ],
)
def test_a_mistake_is_one_line_and_status_2(words: tuple[str, ...], said: str) -> None:
    done = run(*words)
    assert done.returncode == 2
    assert said in done.stderr
    assert done.stderr.startswith("hwr: ") and done.stderr.count("\n") == 1


@pytest.mark.slow
def test_export_writes_a_graph_and_the_card_mentions_it(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(store.BUNDLED, tmp_path / "model"))
    assert hub.is_described(folder), "the bundled card is what its config and metrics say"
    done = run("export", folder)
    assert (done.returncode, done.stderr) == (0, "")
    assert "100.00% of 1,000 pictures" in done.stdout
    assert "model.standalone.onnx" in (folder / store.CARD).read_text()
    (folder / store.CARD).write_text("my own words")
    done = run("export", folder, "--raw", "--format", "int8")
    assert (done.returncode, done.stderr) == (0, "")
    assert re.search(
        r"on (99\.[89]|100\.0)\d% of 1,000.*^Right: \d\d\.\d\d%; PyTorch: \d\d\.\d\d%$", done.stdout, re.M | re.S
    )
    assert (folder / store.CARD).read_text() == "my own words"
    assert (folder / "model.raw.int8.onnx").stat().st_size < 0.3 * (folder / store.ONNX).stat().st_size
