"""The Hub as people meet it: fresh processes, empty caches, plain timm, transformers, kills, and the page."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import served
from gradio_client import Client
from hub_server import Hub, hang, slow

from hwr.config import ModelConfig
from hwr.model import store
from hwr.model.resnet import build
from page.feedback import Feedback

ROOT = Path(__file__).parents[2]
REPO = "owner/model"
TINY = ModelConfig(labels=tuple("0123456789"), image_size=32, model_args={"in_chans": 1, "channels": [8, 8, 16, 16]})

READ = """
import hashlib, json, sys, torch
from pathlib import Path
from hwr.model import store
from hwr.hub import transfer as hub
found = hub.pull("owner/model")
model, config = store.load(found.folder)
x = torch.linspace(-1, 1, 2048).view(2, 1, 32, 32)
with torch.inference_mode(): y = model(x)
digests = {n: hashlib.sha256((found.folder / n).read_bytes()).hexdigest() for n in ("config.json", "model.safetensors")}
print(json.dumps({"logits": y.tolist(), "digests": digests, "commit": found.commit, "stale": found.stale}))
"""
WITH_TIMM = """
import json, sys, timm, torch
model = timm.create_model("hf-hub:owner/model", pretrained=True).eval()
x = torch.linspace(-1, 1, 2048).view(2, 1, 32, 32)
with torch.inference_mode(): print(json.dumps({"logits": model(x).tolist()}))
assert "hwr" not in sys.modules
"""
WITH_TRANSFORMERS = """
import json, numpy as np, torch
from PIL import Image
from transformers import AutoImageProcessor, AutoModelForImageClassification
model = AutoModelForImageClassification.from_pretrained("owner/model").eval()
processor = AutoImageProcessor.from_pretrained("owner/model")
picture = Image.fromarray(np.arange(1024, dtype=np.uint8).reshape(32, 32) // 4, mode=None)
pixels = processor(picture, return_tensors="pt")["pixel_values"]
with torch.inference_mode(): logits = model(pixels).logits
label = model.config.id2label[logits.argmax().item()]
print(json.dumps({"pixels": pixels.tolist(), "logits": logits.tolist(), "label": label}))
"""


@pytest.fixture(params=[False, True], ids=["lfs", "xet"])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Hub]:
    with Hub(tmp_path / "hub", xet=request.param) as found:
        yield found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    torch.manual_seed(3)
    store.save(tmp_path / "made", build(TINY).state_dict(), TINY, {"version": "1"}, {"validation": {}})
    return tmp_path / "made"


def in_process(script: str, server: Hub, cache: Path, cwd: Path = ROOT) -> dict[str, object]:
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=server.env(None, cache),
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout.splitlines()[-1]))


def command(*words: object) -> list[str]:
    return [sys.executable, "-m", "hwr", *map(str, words)]


def pushed(server: Hub, folder: Path, token: str | None = "hf_write") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command("push", folder, REPO), env=server.env(token), cwd=ROOT, capture_output=True, text=True, timeout=300
    )


def answers(folder: Path) -> list[list[float]]:
    model, _ = store.load(folder)
    with torch.inference_mode():
        return list(model(torch.linspace(-1, 1, 2048).view(2, 1, 32, 32)).tolist())


@pytest.mark.slow
def test_what_is_pushed_comes_back_the_same_to_hwr_and_to_timm(server: Hub, folder: Path, tmp_path: Path) -> None:
    done = pushed(server, folder)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Published: http")
    found = in_process(READ, server, tmp_path / "empty")
    assert found["logits"] == answers(folder)
    assert found["commit"] == server.head(REPO)
    settings = json.loads((folder / store.CONFIG).read_text())
    assert found["digests"]["model.safetensors"] == settings["hwr"]["sha256"]  # type: ignore[index]
    assert server.files(REPO)[store.CONFIG] == (folder / store.CONFIG).read_bytes()
    assert in_process(WITH_TIMM, server, tmp_path / "other", tmp_path)["logits"] == answers(folder)
    tokens = [r for r in server.log if r.origin == "lfs" and "authorization" in r.headers]
    assert tokens == [] and "hf_write" not in done.stdout + done.stderr


@pytest.mark.slow
def test_transformers_reads_it_too(folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    with Hub(tmp_path / "hub") as server:
        server.create(REPO)
        server.commit(REPO, {path.name: path.read_bytes() for path in folder.iterdir()})
        found = in_process(WITH_TRANSFORMERS, server, tmp_path / "empty", tmp_path)
    model, config = store.load(folder)
    with torch.inference_mode():
        logits = model(torch.tensor(found["pixels"]))
    torch.testing.assert_close(torch.tensor(found["logits"]), logits)
    assert found["label"] == config.labels[int(logits.argmax())]


@pytest.mark.slow
def test_who_may_not_push_gets_one_line_and_a_status(folder: Path, tmp_path: Path) -> None:
    with Hub(tmp_path / "hub") as server:
        done = pushed(server, folder, "hf_read")
        assert (done.returncode, server.repos) == (2, {})
        assert done.stderr.count("\n") == 1 and done.stderr.startswith("hwr: owner/model: the token may not")
        assert f"python -m hwr push {folder} {REPO}" in done.stderr
        server.go_offline()
        done = pushed(server, folder)
        assert done.returncode == 75, "may be tried again"
        assert "Traceback" not in done.stderr


def kill_when(process: subprocess.Popen[bytes], reached: object) -> None:
    """SIGKILL once ``reached()``."""
    limit = time.monotonic() + 120
    while not reached():  # type: ignore[operator]
        assert time.monotonic() < limit and process.poll() is None
        time.sleep(0.01)
    time.sleep(0.1)
    process.send_signal(signal.SIGKILL)
    process.wait(30)


@pytest.mark.slow
@pytest.mark.parametrize("path", ["/commit/", "."])
def test_a_killed_push_leaves_nothing_of_half_a_model(folder: Path, tmp_path: Path, path: str) -> None:
    with Hub(tmp_path / "hub") as server:
        server.fail("PUT" if path == "." else "POST", path, hang(60))
        process = subprocess.Popen(command("push", folder, REPO), env=server.env("hf_write"), cwd=ROOT)
        kill_when(process, lambda: any(not planted.times for planted in server._faults) or not server._faults)
        assert ("models", REPO) not in server.repos or set(server.files(REPO)) == {".gitattributes"}
        server.heal()
        assert pushed(server, folder).returncode == 0, "the same command finishes it"
        assert server.files(REPO)[store.WEIGHTS] == (folder / store.WEIGHTS).read_bytes()
        assert len(server.commits(REPO)) == 2


@pytest.mark.slow
def test_a_killed_pull_is_finished_by_the_next(folder: Path, tmp_path: Path) -> None:
    with Hub(tmp_path / "hub") as server:
        server.create(REPO)
        server.commit(REPO, {path.name: path.read_bytes() for path in folder.iterdir()})
        server.fail("GET", ".", slow(20_000), origin="lfs")
        cache = tmp_path / "cache"
        process = subprocess.Popen([sys.executable, "-c", READ], env=server.env(None, cache), cwd=ROOT)
        kill_when(process, lambda: any(r.origin == "lfs" for r in server.log) or list(cache.rglob("*.incomplete")))
        server.heal()
        assert in_process(READ, server, cache)["logits"] == answers(folder)


def shown(url: str) -> str:
    """All text of the page's configuration."""
    return json.dumps(Client(url, verbose=False).config)


@pytest.mark.slow
def test_the_page_serves_the_hubs_model_then_its_copy_and_says_which(folder: Path, tmp_path: Path) -> None:
    with Hub(tmp_path / "hub") as server:
        server.create(REPO)
        server.commit(REPO, {path.name: path.read_bytes() for path in folder.iterdir()})
        commit, cache = server.head(REPO)[:7], tmp_path / "cache"
        said = []
        for _ in ("reached", "offline"):
            with served(tmp_path / "log", server.env(None, cache), REPO) as url:
                text = shown(url)
            assert f"{REPO}@{commit}" in text
            said.append(text.count("cannot be reached"))
            server.go_offline()
        assert said[0] < said[1]


@pytest.mark.slow
def test_a_silent_hub_delays_the_page_by_less_than_ten_seconds(tmp_path: Path) -> None:
    with Hub(tmp_path / "hub") as server:
        env = server.env(None, tmp_path / "cache")
        start = time.monotonic()
        with served(tmp_path / "log", env):
            without = time.monotonic() - start
        server.fail("*", ".", hang(300), times=10**6)
        start = time.monotonic()
        with served(tmp_path / "log", env, REPO) as url:
            assert time.monotonic() - start - without < 10
            assert "from the Hub now. Read by the model that comes with this page" in shown(url).replace("\\\\", "")


@pytest.mark.slow
def test_training_starts_from_the_hub_and_ends_there(folder: Path, tmp_path: Path) -> None:
    with Hub(tmp_path / "hub") as server:
        server.create(REPO)
        commit = server.commit(REPO, {path.name: path.read_bytes() for path in folder.iterdir()})
        flags = ["--init", f"{REPO}@{commit}", "--epochs", "1", "--out", str(tmp_path / "run"), "--no-dedupe"]
        flags += ["--push", "owner/tuned", "--finetune", "head", "--no-report"]
        done = subprocess.run(
            [sys.executable, "train.py", *flags], cwd=ROOT, env=server.env("hf_write"), capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        assert server.files("owner/tuned")[store.WEIGHTS] == (tmp_path / "run" / store.WEIGHTS).read_bytes()
        settings = json.loads(server.files("owner/tuned")[store.CONFIG])
        assert settings["hwr"]["training"]["init"] == [f"{REPO}@{commit}"]


@pytest.mark.slow
def test_what_visitors_gave_last_is_sent_when_a_space_is_stopped(tmp_path: Path) -> None:
    kept, repo = tmp_path / "kept", "owner/given"
    with Hub(tmp_path / "hub") as server:
        env = server.env("hf_write") | {"HWR_FEEDBACK_DIR": str(kept), "HWR_FEEDBACK_REPO": repo}
        with served(tmp_path / "log", env):  # which ends with SIGTERM
            feedback = Feedback(kept)
            time.sleep(2)  # the first commit of the page is made: what comes now would wait for the next
            feedback.keep(np.full((40, 40), 255, np.uint8), "1", "7", "bundled", "me")
            assert not [name for name in server.files(repo, repo_type="dataset") if name.endswith(".png")]
        assert [name for name in server.files(repo, repo_type="dataset") if name.endswith(".png")]
