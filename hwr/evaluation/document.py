"""The report of an evaluation, as Markdown and as one self-contained HTML page."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jinja2 import Environment
from numpy.typing import NDArray

from hwr.evaluation import plots
from hwr.evaluation.measures import Measures
from hwr.hub.card import inline

TEMPLATE = Path(__file__).with_name("evaluation.html")
CONFUSED = 30  # pairs of classes in the table
WRITERS = 20  # worst writers in the table

Pictures = dict[str, dict[str, bytes]]  # set -> kind -> PNG

CAPTIONS = {
    "calibration": "Calibration: how often answers of a probability are right",
    "rejection": "Rejection: errors among the pictures that are answered, the surest first",
    "confusion": "Confusion: classes as rows, answers as columns, each row in shares of it",
    "roc": "ROC: each class against all others",
    "corruptions": "Corruptions: accuracy as a picture gets worse",
    "writers": "Writers",
    "mistakes": "The mistakes of which the model was surest: class → answer, and its probability",
}


class Table(NamedTuple):
    """A table: title, names of columns, rows of text."""

    title: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]


def pictures(results: Mapping[str, Measures], images: Mapping[str, NDArray[np.uint8]]) -> Pictures:
    """Draw all plots of all sets as PNGs. ``images`` are the sets' fitted pictures."""
    return {name: dict(_drawn(found, images[name])) for name, found in results.items()}


def _drawn(found: Measures, images: NDArray[np.uint8]) -> Iterator[tuple[str, bytes]]:
    yield "calibration", plots.calibration(found["calibration"])
    yield "rejection", plots.rejection(found["rejection"])
    yield "confusion", plots.confusion(found["confusions"], found["answers"])
    if found["roc"]["each"]:
        yield "roc", plots.roc(found["roc"])
    if found["corruptions"]:
        yield "corruptions", plots.corruptions(found["corruptions"])
    if found["writers"]:
        yield "writers", plots.writers(found["writers"])
    if found["mistakes"]:
        yield "mistakes", plots.mistakes(found["mistakes"], images)


def file_names(drawn: Pictures) -> dict[str, dict[str, str]]:
    """Return a file name for every plot: number and name of the set, in portable characters, and the kind."""
    stems = {name: f"{number}-{re.sub(r'[^A-Za-z0-9]+', '_', name)[:40]}" for number, name in enumerate(drawn, 1)}
    return {name: {kind: f"{stems[name]}-{kind}.png" for kind in kinds} for name, kinds in drawn.items()}


# --- tables ---


def tables(found: Measures) -> Iterator[Table]:
    """Return the tables of one set."""
    yield _alphabets(found)
    yield _averages(found)
    yield _corruptions(found["corruptions"])
    yield _confused(found["confusions"])
    yield _writers(found["writers"])
    yield _classes(found)


def _alphabets(found: Measures) -> Table:
    rows = {"the set's classes": found["summary"]} | {f"alphabet {k}": v for k, v in found["alphabets"].items()}
    columns = ("among", "answers", "n", "accuracy", "95 % interval", "top 3", "calibration error")
    return Table("Accuracy", columns, [(name, *_accuracy(one)) for name, one in rows.items()])


def _accuracy(one: Measures) -> tuple[str, ...]:
    interval = f"{one['accuracy_low']:.2%} to {one['accuracy_high']:.2%}"
    error = f"{one['calibration_error']:.2%}"
    return f"{one['answers']}", f"{one['n']:,}", f"{one['accuracy']:.2%}", interval, f"{one['top3']:.2%}", error


def _averages(found: Measures) -> Table:
    mean, rejected = found["classes"]["mean"], found["rejection"]
    rows = [
        ("balanced accuracy (mean recall of the classes)", f"{mean['balanced_accuracy']:.2%}"),
        ("mean precision", f"{mean['precision']:.2%}"),
        ("mean F1", f"{mean['f1']:.2%}"),
        ("mean area under the ROC curves", _share(found["roc"]["mean_auc"])),
        ("accepted by the model's threshold", _share(rejected["accepted"])),
        ("accuracy of the accepted", _share(rejected["accuracy_of_accepted"])),
        ("area under the risk-coverage curve", _share(rejected["area_under_risk"])),
    ]
    return Table("Averages", ("", "value"), rows)


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.2%}"


def _corruptions(found: Measures) -> Table:
    rows = [
        (name, one["unit"], ", ".join(f"{p['severity']:g}: {p['accuracy']:.1%}" for p in one["points"]))
        for name, one in found.items()
    ]
    return Table("Corruptions", ("kind", "severity in", "severity: accuracy"), rows)


def _confused(confusions: list[tuple[str, str, int]]) -> Table:
    wrong = [(truth, answer, f"{n:,}") for truth, answer, n in confusions if truth != answer]
    return Table("Most frequent confusions", ("class", "answer", "n"), wrong[:CONFUSED])


def _writers(found: Measures | None) -> Table:
    if found is None:
        return Table("Writers", (), [])
    spread = ", ".join(
        f"{name.replace('_', ' ')} {found[name]:.1%}" for name in ("mean", "tenth", "median", "nine_tenths")
    )
    rows = [(f"{one['writer']}", f"{one['n']:,}", f"{one['accuracy']:.1%}") for one in found["each"][:WRITERS]]
    return Table(f"The worst of {found['n']:,} writers ({spread})", ("writer", "n", "accuracy"), rows)


def _classes(found: Measures) -> Table:
    areas = {name: one["auc"] for name, one in found["roc"]["each"].items()}
    rows = [
        (name, f"{one['n']:,}", *(f"{one[key]:.1%}" for key in ("precision", "recall", "f1")), _area(areas.get(name)))
        for name, one in found["classes"]["each"].items()
    ]
    return Table("Classes", ("class", "n", "precision", "recall", "F1", "area under ROC"), rows)


def _area(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


# --- Markdown and HTML ---


def markdown(evaluation: Measures, named: Mapping[str, Mapping[str, str]]) -> str:
    """Return the report as Markdown, with links to the plots' files."""
    lines = [f"# Evaluation of {inline(evaluation['model']['name'] or 'a model')}", ""]
    for name, found in evaluation["sets"].items():
        lines += [f"## {inline(name)}", ""]
        for table in filter(lambda table: table.rows, tables(found)):
            lines += [f"### {inline(table.title)}", "", *_markdown_table(table), ""]
        lines += [f"![{CAPTIONS[kind]}]({file})" for kind, file in named[name].items()] + [""]
    return "\n".join(lines)


def _markdown_table(table: Table) -> Iterator[str]:
    yield f"| {' | '.join(map(inline, table.columns))} |"
    yield "|---" * len(table.columns) + "|"
    for row in table.rows:
        yield f"| {' | '.join(map(inline, row))} |"


def html(evaluation: Measures, drawn: Pictures) -> str:
    """Return the report as one HTML page with embedded plots. The template escapes all text."""
    sections: list[dict[str, Any]] = [
        {
            "name": name,
            "tables": [table for table in tables(found) if table.rows],
            "pictures": [(CAPTIONS[kind], b64encode(png).decode()) for kind, png in drawn[name].items()],
        }
        for name, found in evaluation["sets"].items()
    ]
    template = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(
        TEMPLATE.read_text(encoding="utf-8")
    )
    return template.render(evaluation=evaluation, sections=sections)
