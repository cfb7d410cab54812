"""benchmarks/tables.py: the tables of the documents are what was measured."""

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
    "load": {
        "results": {
            "page": {"answers": 900, "per_second": 30.2, "refused": 3, "unreachable": 0, "lost": [], "wrong": []}
            | {"median": 0.4, "p95": 0.9, "memory": {"warm": 900.0, "end": 905.0}}
        }
    },
    "personal": {"results": {"of every class": {"1": TAUGHT}, "corrections": {"5": TAUGHT}}},
    "reading": {
        "results": {
            "words": {
                "hwr": {"n": 200, "exact": 0.5, "exact_low": 0.4, "exact_high": 0.6, "ms": 30.0}
                | {"character_error_rate": 0.15}
            }
        }
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
}
RIGHT = {"n": 60, "right": 0.9, "right_low": 0.8, "right_high": 0.95, "wrong_lines": 4, "milliseconds": 1500.0}
REPORTS["papers"] = {"results": {"plain": {"hwr": RIGHT, "RapidOCR": RIGHT}, "squared": {"hwr": RIGHT}}}
REPORTS["personal_session"] = REPORTS["personal"]


def test_the_tables_of_the_documents_are_those_of_the_results() -> None:
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
    text = "before\n<!-- load -->\nstale\n<!-- end -->\nafter\n"
    (tmp_path / "load.json").write_text(json.dumps(MADE | REPORTS["load"]))
    made = tables.filled(text, tmp_path)
    assert made.startswith("before\n<!-- load -->\n| page") and made.endswith("\n<!-- end -->\nafter\n")
    assert "| page | 900 | 30.2 |" in made
    assert "stale" not in made
    assert tables.filled(made, tmp_path) == made


def test_check_names_the_tables_that_differ_and_writing_mends_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in tables.PAGES:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("<!-- load -->\n<!-- end -->\n")
    for name in ("load", "speed"):
        (tmp_path / f"{name}.json").write_text(json.dumps(MADE | REPORTS[name]))
    monkeypatch.setattr(results, "ROOT", tmp_path)
    monkeypatch.setattr(results, "FOLDER", tmp_path)
    with pytest.raises(UserError, match=r"README\.md has other tables than the results: load;"):
        tables.main(tables.Options(check=True))
    assert (tmp_path / "README.md").read_text() == "<!-- load -->\n<!-- end -->\n"
    tables.main(tables.Options())
    tables.main(tables.Options(check=True))
    assert "speed.json has no place" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "said"), [("cake", "expected the name of a table, one of accuracy"), ("speed", "there is no speed.json")]
)
def test_a_place_without_a_result_is_a_mistake(tmp_path: Path, name: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        tables.filled(f"<!-- {name} -->\n<!-- end -->\n", tmp_path)
