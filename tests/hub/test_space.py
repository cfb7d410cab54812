"""space.py: a Space gets what app.py needs; nothing else, and nothing secret, leaves this machine."""

from __future__ import annotations

import math
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from gradio_client import Client, handle_file
from hub_server import Hub, reset, status
from hub_wire import free_port
from huggingface_hub import SpaceCard, constants

from hwr import UnavailableError
from hwr.config import UserError
from hwr.hub import space

ROOT = Path(__file__).parents[2]
TOKEN = "hf_" + "aBcD1234" * 4  # of the right form, and of nobody
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")  # huggingface_hub's own uploads
TRAINING = ("hwr/data/", "hwr/evaluation/", "hwr/export/", "hwr/training/")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """The project as somebody works in it: a token, runs and more beside it."""
    tree = tmp_path / "project"
    for folder in ("examples", "hwr", "page"):
        shutil.copytree(ROOT / folder, tree / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("app.py", "train.py", "LICENSE", "README.md", "requirements.txt", "pyproject.toml"):
        shutil.copy(ROOT / name, tree / name)
    for name in (".env", "runs/mine/config.json", "tests/test_x.py", "hwr/.env", "hwr/weights/.env", "examples/.env"):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text(f"HF_TOKEN={TOKEN}")
    return tree


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def test_what_goes_up_is_what_the_page_needs(tree: Path) -> None:
    found = set(space.contents(tree))
    modules = {name for name in found if name.startswith("hwr/") and name.endswith(".py")}
    needed = ("__init__", "recognizer", "hub/__init__", "hub/transfer", "ink/preprocess", "cli", "hub/network")
    assert {f"hwr/{name}.py" for name in needed} <= modules
    assert not any(name.startswith(TRAINING) for name in modules)
    weights = ("config.json", "model.safetensors", "model.onnx", "README.md", "metrics.json")
    assert found >= {
        *{"app.py", "LICENSE", "README.md", "requirements.txt", "hwr/py.typed", "hwr/hub/card.md"},
        *{f"page/{path.name}" for path in (ROOT / "page").iterdir() if path.is_file()},
        *{f"hwr/weights/{name}" for name in weights},
        *{f"examples/{path.name}" for path in (ROOT / "examples").iterdir() if path.suffix != ".md"},
    }
    assert all(name == "LICENSE" or Path(name).suffix for name in found), "nothing hidden"


def test_all_but_the_card_goes_up_as_it_is(tree: Path) -> None:
    for name, data in space.contents(tree).items():
        assert data == (ROOT / name).read_bytes() or name == "README.md", name


def test_the_page_is_complete_with_what_goes_up(tree: Path, tmp_path: Path) -> None:
    alone = tmp_path / "space"
    for name, data in space.contents(tree).items():
        (alone / name).parent.mkdir(parents=True, exist_ok=True)
        (alone / name).write_bytes(data)
    script = """if True:
        import sys, app
        app.build(app.recognizer_for(None))
        ours = ("app", "hwr", "page")
        print(*(m.__file__ for n, m in sys.modules.items() if n.partition(".")[0] in ours), sep="\\n")
    """
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=alone, env=env)
    assert done.returncode == 0, done.stderr
    loaded = {str(Path(line).relative_to(alone)) for line in done.stdout.splitlines()}
    assert {"app.py", "hwr/recognizer.py", "page/layout.py"} <= loaded <= set(space.contents(tree))


def test_requirements_that_nobody_can_read_are_refused(tree: Path) -> None:
    edit(tree / "requirements.txt", "numpy>=2.0", "numpy at least 2.0")
    with pytest.raises(UserError, match=r"requirements\.txt: .*numpy at least"):
        space.contents(tree)


def test_the_card_names_the_model(tree: Path) -> None:
    page = SpaceCard(space.contents(tree, "me/model@v1.0")["README.md"].decode())
    project = SpaceCard((ROOT / "README.md").read_text(encoding="utf-8"))
    assert page.data.to_dict() == project.data.to_dict() | {"models": ["me/model"]}
    assert f"[me/model@v1.0]({constants.ENDPOINT}/me/model/tree/v1.0)" in page.text
    assert f"# {page.data['title']}\n" in page.text


def test_the_card_of_the_bundled_model_names_none_on_the_hub(tree: Path) -> None:
    edit(tree / "README.md", "license:", "models: [me/before]\nlicense:")
    page = SpaceCard(space.contents(tree)["README.md"].decode())
    assert "models" not in page.data.to_dict()
    assert "](hwr/weights/README.md)" in page.text


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("title: Handwriting", "", r"title is None"),
        ("emoji: ✍️", "emoji: pen", r"emoji is 'pen', expected an emoji"),
        ("colorFrom: indigo", "colorFrom: teal", r"colorFrom is 'teal', expected one of red, yellow"),
        ("colorTo: gray", "colorTo: grey", r"colorTo is 'grey'"),
        ("sdk: gradio", "sdk: docker", r"sdk is 'docker', expected gradio"),
        ("sdk_version: 6.31.0", "sdk_version: 5.0.0", r"sdk_version is '5.0.0', .* gradio>=6"),
        ("sdk_version: 6.31.0", "sdk_version: 6.31", r"sdk_version is 6.31, .* in quotes"),
        ("sdk_version: 6.31.0", "sdk_version: newest", r"sdk_version is 'newest'"),
        ('python_version: "3.12"', 'python_version: "3.10"', r"python_version is '3.10', expected 3.11 or newer"),
        ('python_version: "3.12"', "python_version: 3.12", r"python_version is 3.12, .* in quotes"),
        ("app_file: app.py", "app_file: page.py", r"app_file is 'page.py', expected app.py"),
        ("license: apache-2.0", "license:", r"license is None"),
        ("short_description: Draw", f"short_description: {'Draw ' * 12}", r"at most 60 characters"),
        ("title: Handwriting", "title: a: b", r"front matter .* is not YAML"),
        ("---\n", "", r"title is None"),
    ],
)
def test_front_matter_that_makes_no_space_is_refused(tree: Path, old: str, new: str, said: str) -> None:
    edit(tree / "README.md", old, new)
    with pytest.raises(UserError, match=said):
        space.contents(tree)


@pytest.mark.parametrize("name", ["app.py", "hwr/hub/transfer.py", "LICENSE", "hwr/weights/metrics.json"])
def test_a_file_with_a_token_in_it_is_refused(tree: Path, name: str) -> None:
    with (tree / name).open("a") as file:
        file.write(f"\n# {TOKEN}\n")
    with pytest.raises(UserError, match="a token of the Hub") as caught:
        space.contents(tree)
    assert str(tree / name) in str(caught.value)
    assert TOKEN not in str(caught.value)


@pytest.mark.parametrize("target", ["outside.txt", "project/.env"])
def test_a_link_is_refused_wherever_it_leads(tree: Path, tmp_path: Path, target: str) -> None:
    (tmp_path / "outside.txt").write_text("private")
    (tree / "examples" / "z.png").symlink_to(tmp_path / target)
    with pytest.raises(UserError, match=r"z\.png is a link to"):
        space.contents(tree)


def test_a_folder_that_is_a_link_is_refused(tree: Path, tmp_path: Path) -> None:
    (tree / "examples").rename(tmp_path / "elsewhere")
    (tree / "examples").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UserError, match="is a link to"):
        space.contents(tree)


def test_a_project_reached_through_a_link_is_none_of_that(tree: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tree)
    assert space.contents(tmp_path / "link") == space.contents(tree)


def test_a_missing_file_is_named(tree: Path) -> None:
    (tree / "hwr" / "weights" / "model.safetensors").unlink()
    with pytest.raises(UserError, match=r"model\.safetensors cannot be read: No such file"):
        space.contents(tree)


def test_an_installed_package_without_its_page_says_to_clone(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"there is no app\.py in .*: clone the repository"):
        space.contents(tmp_path)


@pytest.mark.parametrize("repo", ["page", "me/", "me/a b", "https://huggingface.co/spaces/me/page"])
def test_a_name_that_is_none_is_refused_before_anything_else(repo: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="expected owner/name"):
        space.deploy(repo, root=tmp_path)
    with pytest.raises(UserError, match="expected owner/name"):
        space.restart(repo)


@pytest.mark.parametrize(
    "model", ["runs/mine/x", "model", "me/model@", "me/model@a b", "me/model@../..", "@v1", "a/b@"]
)
def test_a_model_that_can_be_none_on_the_hub_is_refused(model: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="expected owner/name"):
        space.deploy("me/page", model, root=tmp_path)


def test_without_a_token_nothing_is_tried(monkeypatch: pytest.MonkeyPatch, tree: Path) -> None:
    monkeypatch.setattr("hwr.hub.network.get_token", lambda: None)
    with pytest.raises(UserError, match=r"needs a token.*deploy-space me/page --model me/m@v1 --private$"):
        space.deploy("me/page", "me/m@v1", private=True, root=tree)
    with pytest.raises(UserError, match="needs a token"):
        space.restart("me/page")


def test_an_error_ends_with_the_command_that_finishes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("hwr.hub.network.get_token", lambda: TOKEN)
    with pytest.raises(UserError, match=r"clone .*python -m hwr deploy-space me/page$"):
        space.deploy("me/page", root=tmp_path)


# --- against the Hub of the tests ---

PAGE = "owner/page"


def test_a_space_is_deployed_in_one_commit(hub_of_tests: Hub, tree: Path) -> None:
    address = space.deploy(PAGE, "owner/model@v1", root=tree)
    assert address == f"{hub_of_tests.url}/spaces/{PAGE}"
    found = hub_of_tests.files(PAGE, repo_type="space")
    del found[".gitattributes"]
    assert found == space.contents(tree, "owner/model@v1")
    assert len(hub_of_tests.commits(PAGE, repo_type="space")) == 2, "the Hub's own, and one of ours"
    assert hub_of_tests.spaces[PAGE].variables == {"HWR_MODEL": "owner/model@v1"}
    assert hub_of_tests.spaces[PAGE].hardware == "cpu-basic"
    made = hub_of_tests.repo(PAGE, "space")
    assert (made.sdk, made.private) == ("gradio", False)


def test_a_private_space_is_private(hub_of_tests: Hub, tree: Path) -> None:
    space.deploy(PAGE, private=True, root=tree)
    assert hub_of_tests.repo(PAGE, "space").private
    assert hub_of_tests.spaces[PAGE].variables == {}


def test_deployed_again_nothing_is_committed_sent_or_set(hub_of_tests: Hub, tree: Path) -> None:
    space.deploy(PAGE, "owner/model", root=tree)
    before = hub_of_tests.head(PAGE, repo_type="space")
    hub_of_tests.clear_log()
    space.deploy(PAGE, "owner/model", root=tree)
    assert hub_of_tests.head(PAGE, repo_type="space") == before
    assert not [
        one.path
        for one in hub_of_tests.log
        if one.origin == "lfs" or ("/variables" in one.path and one.method != "GET")
    ]


def test_only_what_changed_is_sent_again(hub_of_tests: Hub, tree: Path) -> None:
    space.deploy(PAGE, root=tree)
    edit(tree / "app.py", "draw or photograph", "sketch or photograph")
    hub_of_tests.clear_log()
    space.deploy(PAGE, root=tree)
    assert b"sketch or photograph" in hub_of_tests.files(PAGE, repo_type="space")["app.py"]
    assert not [one for one in hub_of_tests.log if one.origin == "lfs"], "weights and examples are there"


def test_another_model_replaces_the_variable_and_none_removes_it(hub_of_tests: Hub, tree: Path) -> None:
    for model in ("owner/model", "owner/model@v2", ""):
        space.deploy(PAGE, model, root=tree)
        assert hub_of_tests.spaces[PAGE].variables.get("HWR_MODEL", "") == model


def test_other_variables_and_secrets_stay(hub_of_tests: Hub, tree: Path) -> None:
    space.deploy(PAGE, "owner/model", root=tree)
    hub_of_tests.spaces[PAGE].variables["OTHER"] = "1"
    space.deploy(PAGE, root=tree)
    assert hub_of_tests.spaces[PAGE].variables == {"OTHER": "1"}


@pytest.mark.parametrize("path", ["/variables", "/commit/", "/repos/create", "/preupload/"])
def test_a_hub_that_fails_once_is_asked_again(hub_of_tests: Hub, tree: Path, path: str) -> None:
    hub_of_tests.fail("POST", path, status(503))
    space.deploy(PAGE, "owner/model", root=tree)
    assert "app.py" in hub_of_tests.files(PAGE, repo_type="space")


@pytest.mark.parametrize("path", ["/variables", "/commit/"])
def test_a_deployment_that_fails_is_finished_by_the_command_it_names(hub_of_tests: Hub, tree: Path, path: str) -> None:
    hub_of_tests.fail("POST", path, reset(), times=math.inf)
    with pytest.raises(UnavailableError, match=r"python -m hwr deploy-space owner/page --model owner/model$"):
        space.deploy(PAGE, "owner/model", root=tree)
    assert set(hub_of_tests.files(PAGE, repo_type="space")) == {".gitattributes"}
    hub_of_tests.heal()
    space.deploy(PAGE, "owner/model", root=tree)
    assert "app.py" in hub_of_tests.files(PAGE, repo_type="space")
    assert hub_of_tests.spaces[PAGE].variables == {"HWR_MODEL": "owner/model"}


@pytest.mark.parametrize("token", ["hf_read", "hf_other", "hf_nobody"])
def test_a_token_that_may_not_write_is_one_line_and_creates_nothing(
    hub_of_tests: Hub, tree: Path, monkeypatch: pytest.MonkeyPatch, token: str
) -> None:
    monkeypatch.setenv("HF_TOKEN", token)
    with pytest.raises(UserError, match=r"token.*python -m hwr deploy-space owner/page$") as caught:
        space.deploy(PAGE, root=tree)
    assert "\n" not in str(caught.value)
    assert token not in str(caught.value)
    assert not hub_of_tests.repos


def test_a_planted_token_stops_everything_before_the_hub_is_asked(hub_of_tests: Hub, tree: Path) -> None:
    edit(tree / "app.py", "AT_ONCE = 4", f"TOKEN = '{TOKEN}'\nAT_ONCE = 4")
    with pytest.raises(UserError, match="a token of the Hub"):
        space.deploy(PAGE, root=tree)
    assert not hub_of_tests.log
    assert not hub_of_tests.repos


def test_a_restart_rebuilds_the_space(hub_of_tests: Hub, tree: Path) -> None:
    space.deploy(PAGE, root=tree)
    hub_of_tests.fail("POST", "/restart", status(503))
    space.restart(PAGE)
    assert hub_of_tests.spaces[PAGE].restarts == [True]


def test_a_space_that_is_not_there_cannot_be_restarted(hub_of_tests: Hub) -> None:
    with pytest.raises(UserError, match="owner/nothing: there is no such repository"):
        space.restart("owner/nothing")


@contextmanager
def served(python: Path, folder: Path, env: dict[str, str]) -> Iterator[Client]:
    """The page as a Space starts it: by environment variables alone, with nothing but its own files."""
    port = free_port()
    listen = {"GRADIO_SERVER_NAME": "127.0.0.1", "GRADIO_SERVER_PORT": str(port), "GRADIO_ANALYTICS_ENABLED": "False"}
    with (folder.parent / "log").open("a") as log:
        process = subprocess.Popen([python, "app.py"], cwd=folder, env=env | listen, stdout=log, stderr=log)
    try:
        yield client(port, process, folder.parent / "log")
    finally:
        process.terminate()
        process.wait(30)


def client(port: int, process: subprocess.Popen[bytes], log: Path) -> Client:
    while True:  # until the test's own limit: the first import of torch compiles it
        try:
            return Client(f"http://127.0.0.1:{port}", verbose=False)
        except Exception:
            assert process.poll() is None, log.read_text()
            time.sleep(0.5)


def installed(alone: Path, venv: Path) -> Path:
    """Return a Python with what a Space installs: HWR_SERVING_PYTHON, if that was installed from the same file."""
    assert (alone / "requirements.txt").read_bytes() == (ROOT / "requirements.txt").read_bytes()
    if ready := os.environ.get("HWR_SERVING_PYTHON"):
        return Path(ready)
    subprocess.run([sys.executable, "-m", "venv", venv], check=True)
    install = [str(venv / "bin" / "python"), "-m", "pip", "install", "-q", "-r", "requirements.txt"]
    subprocess.run(install, cwd=alone, check=True)
    return venv / "bin" / "python"


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_what_was_deployed_installs_and_answers_by_itself(tree: Path, tmp_path: Path) -> None:
    alone, venv, weights = tmp_path / "space", tmp_path / "venv", ROOT / "hwr" / "weights"
    download = f"import huggingface_hub as h; h.snapshot_download('{PAGE}', repo_type='space', local_dir='{alone}')"
    with Hub(tmp_path / "hub") as hub:
        hub.create("owner/model")
        hub.commit("owner/model", {path.name: path.read_bytes() for path in weights.iterdir() if path.is_file()})
        env = hub.env("hf_write")
        run = [sys.executable, "-m", "hwr", "deploy-space", PAGE, "--model", "owner/model"]
        said = subprocess.run(run, cwd=tree, env=env, check=True, capture_output=True, text=True).stdout
        assert said == f"Deployed: {hub.url}/spaces/{PAGE}\n"
        subprocess.run([sys.executable, "-c", download], env=env, check=True)
        try:
            python = installed(alone, venv)
            settings = hub.env() | hub.spaces[PAGE].variables
            settings.pop("PYTHONPATH", None)
            sketch = {"background": None, "layers": [], "composite": handle_file(str(alone / "examples" / "5.png"))}
            for online in (True, False):  # with the model from the Hub, then with the one that went up
                hub.clear_log()
                with served(python, alone, settings) as page:
                    assert next(iter(page.predict(sketch, "digits", api_name="/predict")["probabilities"])) == "5"
                    page.close()
                assert bool([one for one in hub.log if one.path.startswith("/owner/model/resolve")]) == online
                hub.go_offline()
                settings["HF_HOME"] = settings["HF_HUB_CACHE"] = str(tmp_path / "empty")
        finally:
            shutil.rmtree(venv, ignore_errors=True)  # gigabytes
    assert "the bundled model answers instead" in (tmp_path / "log").read_text()


def test_a_page_without_a_server_becomes_a_static_space(hub_of_tests: Hub) -> None:
    files = {"index.html": b"<!doctype html>", "app.js": b"1", "model.whole.onnx": bytes(range(256)) * 50}
    address = space.deploy_static("owner/static", files)
    assert address.endswith("/spaces/owner/static")
    found = hub_of_tests.files("owner/static", repo_type="space")
    assert {name: found[name] for name in files} == files
    front = SpaceCard(found["README.md"].decode()).data.to_dict()
    assert (front["sdk"], front["app_file"]) == ("static", "index.html")
    assert not front.keys() & {"sdk_version", "python_version"}
