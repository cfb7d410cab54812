"""Imports run one way, and serving never loads what only training needs."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "hwr"
MAY_IMPORT = {
    "config": set(),
    "strokes": set(),
    "metrics": set(),
    "augment": set(),
    "report": set(),
    "flags": set(),
    "options": {"config", "flags"},
    "picture": {"config"},
    "paper": {"picture"},
    "image": {"config", "paper", "picture"},
    "model": {"config"},
    "engine": set(),
    "network": {"config"},
    "repository": {"config", "network"},
    "verify": {"config"},
    "hub": {"card", "config", "model", "network", "repository", "verify"},
    "space": {"config", "network", "repository"},
    "naming": {"config"},
    "quota": {"config"},
    "uploads": {"config", "network", "repository"},
    "feedback": {"config", "hub", "naming", "network", "picture", "quota", "uploads"},
    "hub_files": {"config", "naming", "repository"},
    "hub_data": {"config", "hub_files", "picture"},
    "recipes": set(),
    "graph": {"config", "image", "model", "picture", "verify"},
    "parity": {"config", "downloads", "hub", "image", "picture", "sources"},
    "export_onnx": {"config", "graph", "parity", "picture"},
    "export_int8": {"config", "export_onnx", "graph", "parity"},
    "export_torch": {"config", "graph", "parity", "picture"},
    "export_litert": {"config", "graph", "parity", "picture"},
    "export": {
        *{"config", "export_int8", "export_litert", "export_onnx", "export_torch", "hub", "parity", "picture"},
    },
    "rows": {"config", "reading", "recognizer"},
    "batch": {"cli", "config", "picture", "recognizer", "rows"},
    "corruptions": {"picture"},
    "measures": {"config", "metrics"},
    "plots": {"measures", "report"},
    "document": {"card", "measures", "plots"},
    "evaluation": {
        *{"config", "corruptions", "data", "document", "hub", "image", "labelled", "measures", "metrics", "picture"},
    },
    "__main__": {"batch", "cli", "config", "corruptions", "evaluation", "export", "hub", "space"},
    "origins": set(),
    "card": {"config", "origins"},
    "cli": {"config"},
    "seams": set(),
    "skeleton": {"picture"},
    "lines": set(),
    "segment": {"image", "lines", "picture", "seams", "skeleton"},
    "context": {"config"},
    "views": {"picture"},
    "lattice": {"segment"},
    "reading": {"context", "lattice", "picture", "segment", "views"},
    "saliency": {"picture"},
    "recognizer": {"config", "engine", "hub", "image", "metrics", "model", "picture", "reading", "saliency"},
    "personal": {"config", "naming", "recognizer"},
    "downloads": {"config"},
    "sources": {"config", "downloads", "hub_data", "hub_files", "image", "naming", "picture", "strokes"},
    "doodles": {"strokes"},
    "figures": {"doodles"},
    "composing": {"config", "picture", "sources", "strokes"},
    "strings": {"composing", "config", "data", "image", "lattice", "picture", "segment", "sources"},
    "outliers": {"config", "doodles", "figures", "picture", "sources", "strokes"},
    "data": {"config", "downloads", "image", "sources"},
    "leakage": {"data", "downloads"},
    "prepare": {"config", "data", "leakage", "options", "outliers", "sources", "strings"},
    "start": {"average", "config", "hub", "image", "model", "options", "origins", "verify"},
    "devices": {"config"},
    "records": {"config", "hub"},
    "checkpoint": {"config", "hub"},
    "optimisation": {"config", "options"},
    "labelled": {"config", "data", "devices", "image"},
    "cases": {"labelled"},
    "objective": {"augment", "cases", "config", "image", "labelled", "metrics", "options"},
    "run": {
        *{"checkpoint", "config", "data", "devices", "labelled", "metrics"},
        *{"model", "objective", "optimisation", "options", "records", "sampling"},
    },
    "sampling": {"data"},
    "average": {"config", "data", "labelled", "metrics"},
    "training": {"config", "data", "devices", "labelled", "objective", "options", "run"},
    "examine": {"config", "data", "labelled", "metrics", "prepare"},
    "__init__": {"config", "network", "recognizer"},
}


def imported(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module == "hwr":
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("hwr."):
            found.add((node.module or "").split(".")[1])
    return found


@pytest.mark.parametrize("module", sorted(p.stem for p in PACKAGE.glob("*.py")))
def test_a_module_imports_only_what_the_design_allows(module: str) -> None:
    assert imported(PACKAGE / f"{module}.py") <= MAY_IMPORT[module]


def test_serving_never_imports_training() -> None:
    script = "import sys, app; print(*[m for m in sys.modules if m.startswith('hwr.') or m in ('torchvision', 'tqdm')])"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=PACKAGE.parent
    )
    loaded = set(done.stdout.split())
    assert "hwr.recognizer" in loaded
    for name in (
        "data",
        "sources",
        "downloads",
        "augment",
        "training",
        "leakage",
        "prepare",
        "start",
        "records",
        "report",
        "outliers",
        "strings",
        "batch",
        "evaluation",
    ):
        assert f"hwr.{name}" not in loaded
