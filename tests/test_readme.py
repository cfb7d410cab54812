"""The README: its front matter is a Space's, and what it names exists."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from browsing import missing
from huggingface_hub import DatasetCard
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


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


@pytest.mark.parametrize("name", sorted(set(re.findall(r"\]\(([^)#:]+)\)", README))))
def test_links_lead_somewhere(name: str) -> None:
    assert (ROOT / name).exists()


def test_the_figures_are_filled_in() -> None:
    table = README.split("<!-- accuracy -->")[1].split("<!-- end -->")[0]
    assert table.count("%") >= 20


@pytest.mark.parametrize("language", ["python", "sh"])
def test_the_commands_for_programs_answer(language: str, page_url: str) -> None:
    snippet = README.split("## As a service")[1].split(f"```{language}\n")[1].split("```")[0]
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


def test_nothing_private_is_tracked() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("not a git checkout")
    assert not re.search(r"\.(env|pt|pth|bin|pkl)$", listed.stdout, re.MULTILINE)
