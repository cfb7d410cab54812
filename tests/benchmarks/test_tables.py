"""benchmarks/tables.py: the README's tables are what was measured."""

import json
from pathlib import Path
from typing import Any

import pytest
from markdown_it import MarkdownIt

from benchmarks import results, tables
from hwr import UserError

MADE = {"command": "python -m benchmarks.x", "versions": {"torch": "2.15.0"}, "machine": "a machine, 2 threads"}
SHARE = {"accuracy": 0.9876, "accuracy_low": 0.98, "accuracy_high": 0.99}
TAUGHT = {"writers": 6, "taught": 44.5, "pictures": 5648, "before": 0.779, "after": 0.825} | {
    "better": 5,
    "worse": 1,
    "seconds": 2.9,
}
REPORTS: dict[str, dict[str, Any]] = {
    "accuracy": {
        "results": {"MNIST": SHARE | {"n": 10_000, "calibration_error": 0.004}},
        "rejection": {"n": 20, "rejected": 0.9, "by_kind": {"walks": 0.9}, "accepted": {"mnist": 0.99}},
    },
    "engines": {
        "engines": {"tesseract": "5.5.1"},
        "results": {"MNIST": {"n": 500, "readers": {"hwr": SHARE | {"milliseconds": 1.5}}}},
    },
    "folder": {"results": {"2000": {"per_second": 812.3, "mebibytes": 512.4}}},
    "load": {
        "results": {
            "page": {"answers": 900, "per_second": 30.2, "refused": 3, "unreachable": 0, "lost": [], "wrong": []}
            | {"median": 0.4, "p95": 0.9, "memory": {"warm": 900.0, "end": 905.0}}
        }
    },
    "page": {
        "results": {"n": 9, "ratio_median": 1.1, "ratio_p95": 1.2}
        | {name: {"median": 120.0, "p95": 130.0} for name in ("page", "trivial")}
    },
    "personal": {"results": {"of every class": {"1": TAUGHT}, "corrections": {"5": TAUGHT}}},
    "reading": {
        "results": {
            "digits apart": {"n": 200, "right": 0.935, "right_low": 0.9, "right_high": 0.96, "milliseconds": 30.0}
            | {"counted": 0.97, "single": 0.99, "expected": 0.95}
        }
    },
    "seeds": {
        "training": "python train.py --recipe mnist --seed SEED",
        "results": {"mnist": {"n": 10_000, "accuracies": [0.9964, 0.9968], "mean": 0.9966}},
    },
    "speed": {
        "results": {
            "sketch": {
                "n": 500,
                "milliseconds": {
                    "the bare network": 2.0,
                    "the same, fused": 1.2,
                    "that by ONNX Runtime": 0.8,
                    "top_k": 1.9,
                },
            },
            "batches": {
                "pictures": 10_000,
                "per_second": {
                    "the bare network": 2000.0,
                    "the same, fused": 3000.0,
                    "that by ONNX Runtime": 3500.0,
                    "probabilities": 1900.0,
                },
            },
        }
    },
    "startup": {
        "results": {"n": 7} | {name: {"page": 5.1, "plain": 4.9, "ratio": 1.04} for name in ("seconds", "mebibytes")}
    },
}
REPORTS["personal_session"] = REPORTS["personal"]
REPORTS["seeds_refined"] = REPORTS["seeds"]


def test_the_tables_of_the_readme_are_those_of_the_results() -> None:
    tables.main(tables.Options(check=True))


@pytest.mark.parametrize("name", tables.TABLES)
def test_every_table_is_one_to_a_markdown_parser(name: str) -> None:
    tokens = MarkdownIt().enable("table").parse(tables.TABLES[name](MADE | REPORTS[name]))
    kinds = [token.type for token in tokens]
    assert kinds[0] == "table_open"
    rows, columns = kinds.count("tr_open"), kinds.count("th_open")
    assert rows > 1 and kinds.count("td_open") == (rows - 1) * columns
    cells = [token.content for token in tokens if token.type == "inline"][columns : rows * columns]
    assert all(cells), "a cell is empty"
    assert not any("{" in cell for cell in cells)


def test_figures_come_from_the_file(tmp_path: Path) -> None:
    text = "before\n<!-- folder -->\nstale\n<!-- end -->\nafter\n"
    (tmp_path / "folder.json").write_text(json.dumps(MADE | REPORTS["folder"]))
    made = tables.filled(text, tmp_path)
    assert made.startswith("before\n<!-- folder -->\n| pictures") and made.endswith("\n<!-- end -->\nafter\n")
    assert "| 2,000 | 812 | 512 MiB |" in made
    assert "stale" not in made
    assert tables.filled(made, tmp_path) == made


def test_check_names_the_tables_that_differ_and_writing_mends_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    readme = tmp_path / "README.md"
    readme.write_text("<!-- folder -->\n<!-- end -->\n")
    for name in ("folder", "speed"):
        (tmp_path / f"{name}.json").write_text(json.dumps(MADE | REPORTS[name]))
    monkeypatch.setattr(tables, "README", readme)
    monkeypatch.setattr(results, "FOLDER", tmp_path)
    with pytest.raises(UserError, match=r"not those of the results: folder;"):
        tables.main(tables.Options(check=True))
    assert readme.read_text() == "<!-- folder -->\n<!-- end -->\n"
    tables.main(tables.Options())
    tables.main(tables.Options(check=True))
    assert "speed.json has no place in README.md" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "said"), [("cake", "expected the name of a table, one of accuracy"), ("speed", "there is no speed.json")]
)
def test_a_place_without_a_result_is_a_mistake(tmp_path: Path, name: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        tables.filled(f"<!-- {name} -->\n<!-- end -->\n", tmp_path)
