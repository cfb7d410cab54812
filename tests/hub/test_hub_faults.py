"""Push and pull against a Hub that fails in every way: a clear line, no wrong model, no lost model, no endless wait."""

import errno
import json
import math
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from hub_server import Hub, corrupt, hang, reset, slow, status, truncate
from huggingface_hub import constants, file_download

from hwr import Recognizer, UnavailableError, UserError
from hwr.config import ModelConfig
from hwr.hub import card
from hwr.hub import transfer as hub
from hwr.model import store
from hwr.model.resnet import build
from hwr.model.session import GRAPH

TINY = ModelConfig(labels=tuple("0123456789"), image_size=32, model_args={"in_chans": 1, "channels": [8, 8, 16, 16]})
REPO = "owner/model"
LIMIT = 20.0  # seconds that no fault may hold anybody up, on a busy machine
ALWAYS = math.inf
pytestmark = pytest.mark.filterwarnings(  # given up on, a request leaves its connection to the garbage collector
    "ignore::pytest.PytestUnraisableExceptionWarning"
)


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model directory as train.py leaves it."""
    folder = tmp_path_factory.mktemp("made") / "model"
    torch.manual_seed(3)
    store.save(folder, build(TINY).state_dict(), TINY, {"version": "1"}, {"validation": {}})
    (folder / store.CARD).write_text(f"---\nlicense: mit\n---\n# Reads digits\n\n`local-dir:{card.FOLDER}`\n")
    return folder


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "model"))


@pytest.fixture
def published(hub_of_tests: Hub, folder: Path) -> Hub:
    """The model is on the Hub."""
    hub_of_tests.create(REPO)
    hub_of_tests.commit(REPO, {path.name: path.read_bytes() for path in folder.iterdir()})
    hub_of_tests.clear_log()
    return hub_of_tests


def logits(folder: Path) -> torch.Tensor:
    model, config = store.load(folder)
    with torch.inference_mode():
        found: torch.Tensor = model(torch.linspace(-1, 1, 32 * 32).view(1, 1, 32, 32))
    assert config.labels == TINY.labels
    return found


def is_the_model(found: Path, folder: Path) -> bool:
    return logits(found).equal(logits(folder))


@dataclass(frozen=True)
class Case:
    """What the Hub does, and what its client is told; no words: it is overcome."""

    name: str
    plant: Callable[[Hub], Any]
    words: str = ""
    kind: type[UserError] = UnavailableError


# --- pull ---


def on(method: str, path: str, how: Any, times: float = 1, origin: str | None = None) -> Callable[[Hub], Any]:
    return lambda server: server.fail(method, path, how, times=times, origin=origin)


def removes(*names: str) -> Callable[[Hub], Any]:
    return lambda server: server.commit(REPO, dict.fromkeys(names))


INFO, FILE, LFS = "/api/models/owner/model", "/resolve/", "."
PULL_FAULTS = [
    Case("info 500 once", on("GET", INFO, status(500))),
    Case("info 503 for ever", on("GET", INFO, status(503), ALWAYS), "cannot answer now"),
    Case("info 429 once", on("GET", INFO, status(429, {"Retry-After": "1"}))),
    Case("info 429 for an hour", on("GET", INFO, status(429, {"Retry-After": "3600"}), ALWAYS), "429"),
    Case("info hangs", on("GET", INFO, hang(60), ALWAYS), "cannot be reached|took longer"),
    Case("info reset once", on("GET", INFO, reset())),
    Case("info reset for ever", on("GET", INFO, reset(), ALWAYS), "cannot be reached"),
    Case("info cut off", on("GET", INFO, truncate(0.5), ALWAYS), "cannot be reached|broke off"),
    Case("token refused", on("GET", INFO, status(401)), "does not accept the token", UserError),
    Case("no right", on("GET", INFO, status(403)), "write access|may not", UserError),
    Case("no config", removes(store.CONFIG), "has no config.json", UserError),
    Case("no weights", removes(store.WEIGHTS), "has no model.safetensors", UserError),
    Case("head 500 once", on("HEAD", FILE, status(500))),
    Case("head 503 for ever", on("HEAD", FILE, status(503), ALWAYS), "503|cannot be reached"),
    Case("head 404", on("HEAD", FILE, status(404, {"X-Error-Code": "EntryNotFound"}), ALWAYS), "404", UserError),
    Case("config corrupted once", on("GET", "config.json", corrupt())),
    Case("config corrupted always", on("GET", "config.json", corrupt(), ALWAYS), "damaged twice", UserError),
    Case("config reset in the middle", on("GET", "config.json", reset(0.5))),
    Case("weights corrupted once", on("GET", LFS, corrupt(), 1, "lfs")),
    Case("weights corrupted always", on("GET", LFS, corrupt(), ALWAYS, "lfs"), "damaged twice", UserError),
    Case("weights cut off once", on("GET", LFS, truncate(0.5), 1, "lfs")),
    Case("weights cut off always", on("GET", LFS, truncate(0.5), ALWAYS, "lfs"), "broke off"),
    Case("weights reset in the middle", on("GET", LFS, reset(0.5), 1, "lfs")),
    Case("weights reset always", on("GET", LFS, reset(0.0), ALWAYS, "lfs"), "broke off"),
    Case("weights hang once", on("GET", LFS, hang(60), 1, "lfs")),
    Case("weights hang always", on("GET", LFS, hang(60), ALWAYS, "lfs"), "broke off|took longer"),
    Case("weights too slow", on("GET", LFS, slow(15_000), ALWAYS, "lfs"), "took longer"),
    Case("weights 403", on("GET", LFS, status(403), ALWAYS, "lfs"), "may not", UserError),
    Case("weights 500 once", on("GET", LFS, status(500), 1, "lfs")),
]
OUTAGES = [f for f in PULL_FAULTS if f.kind is UnavailableError and f.words and "slow" not in f.name]


@pytest.mark.parametrize("fault", PULL_FAULTS, ids=lambda fault: fault.name)
def test_a_pull_ends_with_the_model_or_a_clear_line(published: Hub, folder: Path, fault: Case) -> None:
    fault.plant(published)
    if fault.words:
        with pytest.raises(fault.kind, match=fault.words) as refused:
            hub.pull(REPO, limit=4)
        assert type(refused.value) is fault.kind
        assert "\n" not in str(refused.value)
    else:
        assert is_the_model(hub.pull(REPO, limit=30).folder, folder)
    published.heal()
    if not fault.name.startswith("no "):
        assert is_the_model(hub.pull(REPO).folder, folder), "the next try finds nothing in its way"


@pytest.mark.parametrize(
    "fault",
    [f for f in PULL_FAULTS if f.kind is UnavailableError and f.words and "slow" not in f.name],
    ids=lambda f: f.name,
)
def test_while_the_hub_fails_the_copy_of_before_serves(published: Hub, folder: Path, fault: Case) -> None:
    before = hub.pull(REPO)
    newer = json.loads((folder / store.CONFIG).read_text())
    newer["hwr"]["temperature"] = 3.0
    published.commit(REPO, {store.CONFIG: json.dumps(newer).encode(), store.WEIGHTS: b"not yet finished"})
    fault.plant(published)
    now = hub.pull(REPO, limit=4)
    assert (now.folder, now.commit) == (before.folder, before.commit)
    assert "\n" not in now.stale and now.stale
    assert is_the_model(now.folder, folder)


def test_what_is_not_there_is_said(published: Hub) -> None:
    with pytest.raises(UserError, match="no such repository"):
        hub.pull("owner/other")
    with pytest.raises(UserError, match="no such revision"):
        hub.pull(REPO, "v7")
    with pytest.raises(UserError, match="expected owner/name"):
        hub.pull("model")


def test_a_full_disk_is_said(published: Hub, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: Any, **kwargs: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(file_download, "http_get", full)
        with pytest.raises(UserError, match="no space left in"):
            hub.pull(REPO)
    assert is_the_model(hub.pull(REPO).folder, folder)


def test_a_private_model_needs_a_token(published: Hub, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    published.repo(REPO).private = True
    assert is_the_model(hub.pull(REPO).folder, folder)
    monkeypatch.setenv("HF_TOKEN", "hf_other")
    with pytest.raises(UserError, match=r"no such repository.*or it is private"):
        hub.pull(REPO)


def test_a_revision_stays_what_it_was(published: Hub, folder: Path) -> None:
    first = published.head(REPO)
    published.commit(REPO, {store.WEIGHTS: b"other"})
    found = hub.find(f"{REPO}@{first}")
    assert (found.commit, found.name) == (first, f"{REPO}@{first[:7]}")
    published.clear_log()
    assert is_the_model(hub.pull(REPO, first).folder, folder)
    assert published.log == [], "a commit that is here needs no Hub"
    published.go_offline()
    assert is_the_model(hub.pull(REPO, first).folder, folder)


def test_nothing_but_two_files_is_fetched(published: Hub, folder: Path) -> None:
    published.commit(
        REPO, {"pytorch_model.bin": b"a pickle", "modeling.py": b"print('run')", "big.parquet": b"0" * 999}
    )
    hub.pull(REPO)
    fetched = {r.path.rpartition("/")[2] for r in published.log if "/resolve/" in r.path}
    assert fetched == {store.CONFIG, store.WEIGHTS, GRAPH}
    published.commit(REPO, {store.WEIGHTS: None})
    with pytest.raises(UserError, match=r"has no model\.safetensors"):
        hub.pull(REPO)


def test_weights_that_the_config_was_not_written_for_are_refused(published: Hub) -> None:
    published.commit(REPO, {store.WEIGHTS: b"whatever"})
    with pytest.raises(UserError, match="sha256"):
        Recognizer.from_pretrained(REPO)


def test_a_claim_of_ten_gigabytes_is_refused_before_it_is_fetched(published: Hub) -> None:
    file = published.repo(REPO).at("main").files[store.WEIGHTS]
    object.__setattr__(file, "size", 10 * 2**30)
    with pytest.raises(UserError, match="claims 10,737,418,240 bytes"):
        hub.pull(REPO)
    assert not [request for request in published.log if "/resolve/" in request.path]


def test_a_name_that_is_a_folder_here_is_that_folder(
    published: Hub, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "owner").mkdir()
    shutil.copytree(folder, tmp_path / "owner" / "model")
    assert hub.find(REPO).folder == Path(REPO)
    assert published.log == []


def test_an_unreachable_hub_and_an_empty_cache_are_said(hub_of_tests: Hub) -> None:
    hub_of_tests.go_offline()
    with pytest.raises(UnavailableError, match="try again later"):
        Recognizer.from_pretrained(REPO)


# --- push ---


COMMIT, BATCH, PREUPLOAD, CREATE = "/commit/", "/objects/batch", "/preupload/", "/api/repos/create"
PUSH_FAULTS = [
    Case("create 500 once", on("POST", CREATE, status(500))),
    Case("create 503 for ever", on("POST", CREATE, status(503), ALWAYS), "cannot answer now"),
    Case("create reset", on("POST", CREATE, reset())),
    Case("create not allowed", on("POST", CREATE, status(403)), "write access", UserError),
    Case("create 401", on("POST", CREATE, status(401)), "does not accept the token", UserError),
    Case("preupload 500 once", on("POST", PREUPLOAD, status(500))),
    Case("preupload 403", on("POST", PREUPLOAD, status(403), ALWAYS), "write access", UserError),
    Case("batch 500 once", on("POST", BATCH, status(500))),
    Case("batch 503 for ever", on("POST", BATCH, status(503), ALWAYS), "cannot answer now"),
    Case("put 500 once", on("PUT", ".", status(500))),
    Case("put reset once", on("PUT", ".", reset())),
    Case("put 403", on("PUT", ".", status(403), ALWAYS), "may not", UserError),
    Case("put hangs", on("PUT", ".", hang(120), ALWAYS), "took longer|broke off"),
    Case("commit 500 once", on("POST", COMMIT, status(500))),
    Case("commit 503 for ever", on("POST", COMMIT, status(503), ALWAYS), "cannot answer now"),
    Case("commit 429 once", on("POST", COMMIT, status(429, {"Retry-After": "1"}))),
    Case("commit 412 once", on("POST", COMMIT, status(412))),
    Case("commit 409 once", on("POST", COMMIT, status(409))),
    Case("commit 412 for ever", on("POST", COMMIT, status(412), ALWAYS), "somebody else", UserError),
    Case("commit reset before", on("POST", COMMIT, reset())),
    Case("commit done but not confirmed", on("POST", COMMIT, reset(0.0))),
    Case("commit confirmed in part", on("POST", COMMIT, truncate(0.5))),
    Case("quota", on("POST", COMMIT, status(413, message="quota exceeded"), ALWAYS), "quota exceeded", UserError),
    Case("card refused", on("POST", "validate-yaml", status(400, message="bad card"), ALWAYS), "bad card", UserError),
    Case("hub away", lambda server: server.go_offline(), "cannot be reached"),
]


@pytest.mark.parametrize("fault", PUSH_FAULTS, ids=lambda fault: fault.name)
def test_a_push_ends_with_one_commit_or_a_clear_line(hub_of_tests: Hub, folder: Path, fault: Case) -> None:
    fault.plant(hub_of_tests)
    before = logits(folder)
    if fault.words:
        with pytest.raises(fault.kind, match=fault.words) as refused:
            hub.push(folder, REPO, limit=4)
        assert f"python -m hwr push {folder} {REPO}" in str(refused.value)
        assert "\n" not in str(refused.value)
        assert isinstance(refused.value, UnavailableError) is (fault.kind is UnavailableError)
    else:
        hub.push(folder, REPO, limit=30)
    assert logits(folder).equal(before), "the model here is as it was"
    hub_of_tests.heal()
    hub_of_tests.come_back()
    if fault.words:
        exists = ("models", REPO) in hub_of_tests.repos
        assert not exists or set(hub_of_tests.files(REPO)) == {".gitattributes"}, "nothing of half a model"
        hub.push(folder, REPO)
    assert len(hub_of_tests.commits(REPO)) == 2, "the first, and one for the model"
    shutil.rmtree(constants.HF_HOME, ignore_errors=True)
    assert is_the_model(hub.pull(REPO).folder, folder)


@pytest.mark.parametrize(
    ("token", "repo", "words"),
    [
        (None, REPO, "needs a token"),
        ("hf_read", REPO, "write access"),
        ("hf_nobody", REPO, "does not accept the token"),
        ("hf_write", "other/model", "write access"),
        ("hf_write", "model", "expected owner/name"),
        ("hf_write", "owner/mo del", "expected owner/name"),
    ],
)
def test_who_may_not_push_is_told_why(
    hub_of_tests: Hub, folder: Path, monkeypatch: pytest.MonkeyPatch, token: str | None, repo: str, words: str
) -> None:
    monkeypatch.delenv("HF_TOKEN") if token is None else monkeypatch.setenv("HF_TOKEN", token)
    with pytest.raises(UserError, match=words) as refused:
        hub.push(folder, repo)
    assert hub_of_tests.repos == {}
    assert (token or "none") not in str(refused.value)


def test_a_name_that_somebody_else_has_is_not_written_to(hub_of_tests: Hub, folder: Path) -> None:
    hub_of_tests.create("other/model")
    with pytest.raises(UserError, match="write access"):
        hub.push(folder, "other/model")
    assert len(hub_of_tests.commits("other/model")) == 1


def test_a_damaged_model_is_not_published(hub_of_tests: Hub, folder: Path) -> None:
    (folder / store.WEIGHTS).write_bytes(b"damaged")
    with pytest.raises(UserError, match="sha256"):
        hub.push(folder, REPO)
    assert hub_of_tests.log == []


def test_a_second_push_sends_only_what_changed(hub_of_tests: Hub, folder: Path) -> None:
    hub.push(folder, REPO)
    (folder / store.METRICS).write_text('{"validation": {"n": 1}}')
    hub_of_tests.clear_log()
    hub.push(folder, REPO)
    assert not [request for request in hub_of_tests.log if request.method == "PUT"]
    assert len(hub_of_tests.commits(REPO)) == 3
    hub.push(folder, REPO)
    assert len(hub_of_tests.commits(REPO)) == 3, "nothing changed, no commit"


def test_what_is_for_nobody_else_stays_here(hub_of_tests: Hub, folder: Path) -> None:
    for name in (".env", "checkpoint.pt", "pytorch_model.bin", "events.out.tfevents.1", "run.json"):
        (folder / name).write_text("secret")
    (folder / store.ONNX).write_bytes(b"a graph with weights inside")
    hub.push(folder, REPO)
    pushed = set(hub_of_tests.files(REPO))
    assert pushed == {".gitattributes", store.CONFIG, store.WEIGHTS, store.METRICS, store.CARD, GRAPH, store.ONNX}


def test_a_graph_of_other_weights_is_not_published(hub_of_tests: Hub, folder: Path) -> None:
    (folder / GRAPH).write_bytes(b"another graph")
    with pytest.raises(UserError, match=r"model\.onnx is not what config\.json was written for"):
        hub.push(folder, REPO)


def test_the_card_on_the_hub_has_the_models_name(hub_of_tests: Hub, folder: Path) -> None:
    hub.push(folder, REPO)
    assert f"hf-hub:{REPO}" in hub_of_tests.files(REPO)[store.CARD].decode()
    assert card.FOLDER in (folder / store.CARD).read_text()


def test_somebody_elses_commit_in_the_meantime_is_built_upon(hub_of_tests: Hub, folder: Path) -> None:
    hub_of_tests.create(REPO)
    hub_of_tests.fail("POST", COMMIT, status(412))
    hub_of_tests.commit(REPO, {"notes.txt": b"theirs"})
    hub.push(folder, REPO)
    assert hub_of_tests.files(REPO)["notes.txt"] == b"theirs"
    assert [c.parent for c in hub_of_tests.commits(REPO)][-1] == hub_of_tests.commits(REPO)[-2].oid


def test_a_branch_and_a_pull_request_leave_main_alone(hub_of_tests: Hub, folder: Path) -> None:
    hub.push(folder, REPO, branch="next")
    assert store.WEIGHTS not in hub_of_tests.files(REPO) and store.WEIGHTS in hub_of_tests.files(REPO, "next")
    assert is_the_model(hub.pull(REPO, "next").folder, folder)
    address = hub.push(folder, REPO, create_pr=True)
    assert "discussions/1" in address
    assert store.WEIGHTS not in hub_of_tests.files(REPO)
    assert store.WEIGHTS in hub_of_tests.files(REPO, "refs/pr/1")
    with pytest.raises(UserError, match="no such repository to open a pull request in"):
        hub.push(folder, "owner/other", create_pr=True)


def test_a_private_repository_is_private(hub_of_tests: Hub, folder: Path) -> None:
    hub.push(folder, REPO, private=True)
    assert hub_of_tests.repo(REPO).private


def test_no_token_ever_goes_to_another_origin_or_into_a_file(hub_of_tests: Hub, folder: Path) -> None:
    hub.push(folder, REPO)
    hub.pull(REPO)
    elsewhere = [request for request in hub_of_tests.log if request.origin == "lfs"]
    assert {request.method for request in elsewhere} >= {"PUT", "GET"}
    assert not [request for request in elsewhere if "authorization" in request.headers]
    for name, content in hub_of_tests.files(REPO).items():
        assert b"hf_write" not in content, name
