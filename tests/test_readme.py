"""README.md and docs/: the front matter is a Space's, links lead somewhere, commands answer."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from browsing import missing
from huggingface_hub import DatasetCard
from packaging.requirements import Requirement
from PIL import Image

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
SERVING = (ROOT / "docs" / "serving.md").read_text(encoding="utf-8")


def test_the_front_matter_makes_a_space() -> None:
    front = yaml.safe_load(README.split("---")[1])
    assert front["sdk"] == "gradio"
    assert (ROOT / front["app_file"]).is_file()
    assert {"title", "emoji", "colorFrom", "colorTo", "sdk_version", "python_version", "license"} <= front.keys()
    assert len(front["short_description"]) <= 60
    DatasetCard(README)  # parses with the Hub's own reader


def test_the_space_installs_a_gradio_that_the_requirements_allow() -> None:
    front = yaml.safe_load(README.split("---")[1])
    lines = [line.split("#")[0].strip() for line in (ROOT / "requirements.txt").read_text().splitlines()]
    gradio = next(Requirement(line) for line in lines if line.startswith("gradio"))
    assert gradio.specifier.contains(front["sdk_version"])


def links() -> list[tuple[str, str]]:
    """Every link of README.md and docs/*.md to another file or heading of the project: (page, target)."""
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    found = [(page, target) for page in pages for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text())]
    return [(str(page.relative_to(ROOT)), target) for page, target in found if "://" not in target]


@pytest.mark.parametrize(("page", "target"), links())
def test_links_lead_somewhere(page: str, target: str) -> None:
    name, _, heading = target.partition("#")
    path = (ROOT / page).parent / name if name else ROOT / page
    assert path.exists()
    if heading:
        titles = re.findall(r"^#+ (.+)$", path.read_text(), re.MULTILINE)
        assert heading in {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", sorted((ROOT / "docs").glob("*.md")), ids=lambda page: page.name)
def test_every_page_of_the_documentation_can_be_reached_from_the_readme(page: Path) -> None:
    assert f"(docs/{page.name})" in README


def test_the_readme_is_short() -> None:
    assert len(README.splitlines()) <= 170


def test_the_figures_are_filled_in() -> None:
    table = README.split("<!-- accuracy -->")[1].split("<!-- end -->")[0]
    assert table.count("%") >= 20


@pytest.mark.parametrize("language", ["python", "sh"])
def test_the_commands_for_programs_answer(language: str, page_url: str) -> None:
    snippet = SERVING.split("## Requests from programs")[1].split(f"```{language}\n")[1].split("```")[0]
    shell = shutil.which("sh") and shutil.which("curl")
    if language == "sh" and not shell:
        missing("there is no curl")
    command = [sys.executable, "-c"] if language == "python" else ["sh", "-c"]
    asked = snippet.replace("http://127.0.0.1:7860", page_url)
    done = subprocess.run([*command, asked], cwd=ROOT, env=os.environ, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert re.search(r"^5$" if language == "python" else r'^data: \[\{"text": "5",', done.stdout, re.MULTILINE), (
        done.stdout
    )


def test_the_class_for_ray_answers_a_batch() -> None:
    """Ray itself is not installed here: what it does with a class is call it with columns of a batch."""
    snippet = SERVING.split("## Many pictures")[1].split("```python\n")[1].split("```")[0]
    source = snippet.split("import ray\n")[1].split("pictures = ")[0]
    found: dict[str, type] = {}
    exec(source, found)
    with Image.open(ROOT / "examples" / "5.png") as five:
        images = [np.asarray(five), np.full((9, 9, 3), 255, np.uint8)]
    answered = found["Reader"]()({"image": images, "path": ["5.png", "blank.png"]})
    assert (answered["path"], answered["label"]) == (["5.png", "blank.png"], ["5", ""])
    assert answered["probability"][0] > 0.9 > answered["probability"][1] == 0


def test_nothing_private_is_tracked() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("not a git checkout")
    assert not re.search(r"\.(env|pt|pth|bin|pkl)$", listed.stdout, re.MULTILINE)
