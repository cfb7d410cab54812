"""Tables of README.md and docs/*.md, written from what the benchmarks measured: benchmarks/*.json.

    python -m benchmarks.tables           # write them
    python -m benchmarks.tables --check   # say which of them are others

A table stands between <!-- NAME --> and <!-- end -->, where NAME.json is its file. All that is between is replaced.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import accuracy, engines, papers, reading, results, speed
from hwr import UserError, cli
from hwr.files import write_atomically

PAGES = ("README.md", "docs/results.md")
WRITE = "write them with python -m benchmarks.tables"
PLACE = re.compile(r"<!-- (?P<name>[a-z_]+) -->\n(?P<table>.*?)<!-- end -->", re.DOTALL)

Report = dict[str, Any]


@dataclass(frozen=True)
class Options:
    """What to do."""

    check: bool = False
    """Write nothing: fail if a table is not that of its file."""


def main(options: Options) -> None:
    texts = {results.ROOT / name: (results.ROOT / name).read_text(encoding="utf-8") for name in PAGES}
    for path, text in texts.items():
        made = filled(text, results.FOLDER)
        if not options.check:
            write_atomically(path, made.encode())
        elif differing := [a["name"] for a, b in zip(places(text), places(made), strict=True) if a[0] != b[0]]:
            raise UserError(f"{path.name} has other tables than the results: {', '.join(differing)}; {WRITE}")
    for name in sorted(name for name in TABLES if (results.FOLDER / f"{name}.json").exists()):
        if not any(f"<!-- {name} -->" in text for text in texts.values()):
            print(f"{name}.json has no place: put <!-- {name} --> and <!-- end --> on lines of their own in {PAGES[1]}")


def places(text: str) -> Iterable[re.Match[str]]:
    return PLACE.finditer(text)


def filled(text: str, folder: Path) -> str:
    """A text with all its tables as the JSON files in ``folder`` have them. Raises UserError where one is missing."""

    def table(place: re.Match[str]) -> str:
        name = place["name"]
        if name not in TABLES:
            raise UserError(f"<!-- {name} -->: expected the name of a table, one of {', '.join(TABLES)}")
        try:
            report = json.loads((folder / f"{name}.json").read_bytes())
        except FileNotFoundError:
            raise UserError(f"<!-- {name} -->: there is no {name}.json in {folder.name}") from None
        return f"<!-- {name} -->\n{TABLES[name](report)}\n<!-- end -->"

    return PLACE.sub(table, text)


# --- tables ---


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table whose first column is text and whose others are numbers."""
    lines = [f"| {' | '.join(row)} |" for row in (head, *rows)]
    return "\n".join([lines[0], "|".join(["", "---", *("---:" for _ in head[1:]), ""]), *lines[1:]])


def with_source(table: str, report: Report, n: int = 0) -> str:
    """A table over a line that says how it was measured; ``n`` is what medians are of."""
    medians = [f"Medians of {n:,}"] if n else []
    made = ", ".join([*medians, report["machine"], *(f"{k} {v}" for k, v in report["versions"].items())])
    return f"{table}\n\n{made}: `{report['command']}`."


def of_accuracy(report: Report) -> str:
    return accuracy.table(report["results"], report["rejection"]).rstrip()


def of_engines(report: Report) -> str:
    n = max(row["n"] for row in report["results"].values())
    used = report | {"versions": report["versions"] | report["engines"]}
    return with_source(engines.table(report["results"]), used, n)


def of_papers(report: Report) -> str:
    return with_source(papers.table(report["results"]), report)


def of_reading(report: Report) -> str:
    return reading.table(report["results"])


def of_speed(report: Report) -> str:
    sketch, many = report["results"]["sketch"], report["results"]["batches"]
    one, rates = sketch["milliseconds"], many["per_second"]
    pictures = f"{many['pictures']:,} pictures, {speed.WHOLE}"
    rows = [
        (f"one sketch, {speed.SKETCH}", *(f"{one[name]:.2f} ms" for name in (*speed.NETWORKS, speed.SKETCH))),
        (pictures, *(f"{rates[name]:,.0f} /s" for name in (*speed.NETWORKS, speed.WHOLE))),
    ]
    return with_source(markdown(("", *speed.NETWORKS, "everything included"), rows), report, sketch["n"])


def of_load(report: Report) -> str:
    head = ("page", "answers", "a second", "median", "95th percentile", "refused", "errors", "wrong", "memory")
    rows = [
        (
            *(name, f"{row['answers']:,}", f"{row['per_second']:.1f}", f"{row['median']:.2f} s", f"{row['p95']:.2f} s"),
            *(f"{row['refused']:,}", str(len(row["lost"]) + row["unreachable"]), str(len(row["wrong"]))),
            f"{row['memory']['warm']:.0f} to {row['memory']['end']:.0f} MiB",
        )
        for name, row in report["results"].items()
    ]
    return with_source(markdown(head, rows), report)


def of_personal(report: Report) -> str:
    rows = [
        (
            f"{count} {plan}",
            *(f"{row['taught']:.0f}", str(row["writers"]), f"{row['pictures']:,}"),
            *(f"{row['before']:.1%}", f"{row['after']:.1%}", str(row["better"]), str(row["worse"])),
            f"{row['seconds']:.2f} s",
        )
        for plan, counts in report["results"].items()
        for count, row in counts.items()
    ]
    head = ("learnt from", "taught", "writers", "pictures read", "before", "after", "better", "worse", "time")
    return with_source(markdown(head, rows), report)


TABLES: dict[str, Callable[[Report], str]] = {
    "accuracy": of_accuracy,
    "engines": of_engines,
    "load": of_load,
    "papers": of_papers,
    "personal": of_personal,
    "personal_session": of_personal,
    "reading": of_reading,
    "speed": of_speed,
}

if __name__ == "__main__":
    cli.run(main, Options, __doc__)
