"""hub_server.py: the real clients take the loopback Hub for huggingface.co."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import ProxyHandler, Request, build_opener

import pytest
from hub_server import Hub, corrupt, hang, reset, slow, status, truncate

WEIGHTS = bytes(range(256)) * 4000  # 1 MB

UPLOAD = """
import json, sys
from pathlib import Path
from huggingface_hub import HfApi
from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError
folder, api, seen = Path(sys.argv[1]), HfApi(), {}
seen["who"] = api.whoami()["name"]
seen["created"] = str(api.create_repo("owner/model", exist_ok=True))
seen["again"] = str(api.create_repo("owner/model", exist_ok=True))
first = api.upload_folder(repo_id="owner/model", folder_path=folder)
seen["first"] = first.oid
(folder / "config.json").write_text('{"changed": 1}')
(folder / "old/notes.txt").unlink()
seen["second"] = api.upload_folder(repo_id="owner/model", folder_path=folder, delete_patterns="old/*").oid
try:
    api.upload_file(path_or_fileobj=b"x", path_in_repo="x.txt", repo_id="owner/model", parent_commit=first.oid)
except HfHubHTTPError as error:
    seen["stale"] = error.response.status_code
pull = api.upload_file(path_or_fileobj=b"y", path_in_repo="y.txt", repo_id="owner/model", create_pr=True)
seen["pull"] = pull.pr_revision
api.create_tag("owner/model", tag="v1", revision=first.oid)
api.create_branch("owner/model", branch="next")
found = api.list_repo_refs("owner/model", include_pull_requests=True)
seen["refs"] = sorted(each.ref for each in found.branches + found.tags + found.pull_requests)
seen["titles"] = [each.title for each in api.list_repo_commits("owner/model")]
seen["paths"] = sorted(each.path for each in api.get_paths_info("owner/model", ["config.json", "deep", "none"]))
seen["tree"] = sorted(each.path for each in api.list_repo_tree("owner/model", revision="v1"))
info = api.model_info("owner/model")
seen["card"], seen["sha"] = info.card_data.to_dict(), info.sha
for name, token in (("anonymous", False), ("other", "hf_other")):
    try:
        api.model_info("owner/private", token=token)
    except RepositoryNotFoundError as error:
        seen[name] = error.response.status_code
api.create_repo("owner/space", repo_type="space", space_sdk="gradio", space_variables=[{"key": "A", "value": "1"}])
seen["variables"] = {k: v.value for k, v in api.add_space_variable("owner/space", "B", "2").items()}
api.add_space_secret("owner/space", "S", "3")
seen["runtime"] = api.restart_space("owner/space", factory_reboot=True).stage
api.create_repo("owner/gone", repo_type="dataset")
api.delete_repo("owner/gone", repo_type="dataset")
print(json.dumps(seen))
"""

DOWNLOAD = """
import sys
from huggingface_hub import constants, snapshot_download
constants.DOWNLOAD_CHUNK_SIZE = 1000  # a client resumes after whole chunks, which are 10 MB by default
print(snapshot_download("owner/model", local_dir=sys.argv[1]))
"""


def client(hub: Hub, script: str, *arguments: Path, token: str | None = "hf_write", cache: Path | None = None) -> str:
    command = [sys.executable, "-c", script, *map(str, arguments)]
    done = subprocess.run(command, env=hub.env(token, cache), capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def model(folder: Path) -> Path:
    """What is pushed: regular files and two that go to LFS."""
    content = {
        "README.md": b"---\nlicense: mit\ntags: [ink]\n---\n# Card\n",
        "config.json": b"{}",
        "deep/er/plot.png": b"\x89PNG" * 5000,
        "model.safetensors": WEIGHTS,
        "old/notes.txt": b"old",
    }
    for path, data in content.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    return folder


def content(folder: Path) -> dict[str, bytes]:
    found = (path for path in folder.rglob("*") if path.is_file() and ".cache" not in path.parts)
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


@dataclass
class Pushed:
    """A Hub after the client's visit, what the client saw, and what it pushed at last."""

    hub: Hub
    seen: dict[str, Any]
    folder: Path


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(False, id="lfs", marks=pytest.mark.slow),
        pytest.param(True, id="xet", marks=pytest.mark.slow),
    ],
)
def pushed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pushed]:
    base = tmp_path_factory.mktemp("hub")
    with Hub(base / "hub", xet=request.param) as hub:
        hub.create("owner/private", private=True)
        folder = model(base / "model")
        seen = json.loads(client(hub, UPLOAD, folder).splitlines()[-1])
        yield Pushed(hub, seen, folder)


def test_a_client_creates_a_repository_and_uploads_a_folder(pushed: Pushed) -> None:
    hub, seen = pushed.hub, pushed.seen
    assert (seen["who"], seen["created"]) == ("owner", f"{hub.url}/owner/model")
    assert seen["again"] == seen["created"]
    first = hub.files("owner/model", seen["first"])
    assert set(first) == {".gitattributes", *content(pushed.folder), "old/notes.txt"}
    assert first["model.safetensors"] == WEIGHTS
    assert hub.head("owner/model") == seen["second"] == seen["sha"]
    assert hub.files("owner/model") == content(pushed.folder) | {".gitattributes": first[".gitattributes"]}
    assert hub.repo("owner/model").at("main").files["model.safetensors"].lfs
    assert [commit.oid for commit in hub.commits("owner/model")][1:] == [seen["first"], seen["second"]]


def test_what_did_not_change_is_not_sent_again(pushed: Pushed) -> None:
    commits = [each for each in pushed.hub.log if each.path == "/api/models/owner/model/commit/main"]
    assert [each.status for each in commits] == [200, 200, 412, 200]
    assert commits[1].size < 1000
    puts = [each for each in pushed.hub.log if each.method == "PUT"]
    assert len(puts) == (0 if pushed.hub.xet else 2)


def test_a_stale_parent_is_refused_with_412(pushed: Pushed) -> None:
    assert pushed.seen["stale"] == 412
    assert "x.txt" not in pushed.hub.files("owner/model")


def test_references_listings_and_rights_are_as_on_the_real_hub(pushed: Pushed) -> None:
    seen = pushed.seen
    assert seen["pull"] == "refs/pr/1"
    assert "y.txt" in pushed.hub.files("owner/model", "refs/pr/1")
    assert seen["refs"] == ["refs/heads/main", "refs/heads/next", "refs/pr/1", "refs/tags/v1"]
    assert seen["titles"][-1] == "initial commit" and len(seen["titles"]) == 3
    assert seen["paths"] == ["config.json", "deep"]
    assert seen["tree"] == [".gitattributes", "README.md", "config.json", "deep", "model.safetensors", "old"]
    assert seen["card"] == {"license": "mit", "tags": ["ink"]}
    assert (seen["anonymous"], seen["other"]) == (401, 404)


def test_a_space_has_variables_secrets_and_restarts(pushed: Pushed) -> None:
    space = pushed.hub.spaces["owner/space"]
    assert pushed.seen["variables"] == space.variables == {"A": "1", "B": "2"}
    assert (space.secrets, space.restarts, pushed.seen["runtime"]) == ({"S": "3"}, [True], "RUNNING")


def test_a_fresh_cache_downloads_the_same_bytes_and_resumes_where_a_connection_broke(
    pushed: Pushed, tmp_path: Path
) -> None:
    hub = pushed.hub
    before = len(hub.log)
    if not hub.xet:
        hub.fail("GET", r"^/content/", truncate(0.5), times=2)
    client(hub, DOWNLOAD, tmp_path / "got", cache=tmp_path / "cache")
    assert content(tmp_path / "got") == hub.files("owner/model")
    fetched = [each for each in hub.log[before:] if each.origin == "lfs"]
    assert sum(each.headers.get("range", "").startswith("bytes=") for each in fetched) == (0 if hub.xet else 2)
    assert sorted(each.status for each in fetched) == ([] if hub.xet else [200, 200, 206, 206])


def test_a_token_never_reaches_the_other_origin(pushed: Pushed) -> None:
    hub = pushed.hub
    assert any(each.origin == "lfs" for each in hub.log) == (not hub.xet)
    assert any("authorization" in each.headers for each in hub.log if each.origin == "hub")
    assert not any("authorization" in each.headers for each in hub.log if each.origin == "lfs")


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    with Hub(tmp_path / "hub") as hub:
        hub.create("owner/model")
        hub.commit("owner/model", {"a.txt": b"0123456789" * 100, "model.safetensors": WEIGHTS})
        yield hub


def fetch(hub: Hub, path: str = "/owner/model/resolve/main/a.txt", **headers: str) -> tuple[int, bytes]:
    """Without huggingface_hub, which would try again."""
    request = Request(hub.url + path, headers=headers)
    with build_opener(ProxyHandler({})).open(request, timeout=5) as answer:
        return answer.status, answer.read()


def test_faults_come_in_turn_and_end(hub: Hub) -> None:
    whole = hub.files("owner/model")["a.txt"]
    hub.fail("GET", "a.txt", status(503, {"Retry-After": "0"}, message="busy"))
    hub.fail("GET", "a.txt", corrupt())
    hub.fail("GET", "a.txt", slow(10_000), after=1)
    with pytest.raises(HTTPError, match="503") as busy:
        fetch(hub)
    assert json.loads(busy.value.read()) == {"error": "busy"}
    busy.value.close()
    assert len(spoilt := fetch(hub)[1]) == len(whole) and spoilt != whole
    assert [fetch(hub) for _ in range(3)] == [(200, whole)] * 3
    assert [each.status for each in hub.log] == [503, 200, 200, 200, 200]


@pytest.mark.parametrize("how", [reset(), reset(0), reset(0.5), truncate(0.5), hang(0.1)])
def test_a_broken_connection_is_an_error_and_the_next_request_is_well(hub: Hub, how: Any) -> None:
    hub.fail("GET", "/content/", how, origin="lfs")
    address = "/owner/model/resolve/main/model.safetensors"
    with pytest.raises((OSError, HTTPException), match=r"reset|IncompleteRead|closed"):
        fetch(hub, address)
    assert fetch(hub, address) == (200, WEIGHTS)
    assert fetch(hub, address, Range="bytes=1000000-") == (206, WEIGHTS[1000000:])


def test_offline_refuses_connections_and_comes_back_on_the_same_port(hub: Hub) -> None:
    hub.fail("GET", "a.txt", hang(600))
    url = hub.url
    hub.go_offline()
    with pytest.raises(URLError, match="refused"):
        fetch(hub)
    hub.heal()
    hub.come_back()
    assert (hub.url, fetch(hub)[0]) == (url, 200)
