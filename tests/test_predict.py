"""python -m hwr predict: a row for every picture, whatever it is called and whatever is wrong with it."""

import csv
import io
import json
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from hwr import Recognizer, UserError, rows
from hwr import predict as batch
from hwr.ink.strokes import draw

EXAMPLES = Path(__file__).parent.parent / "examples"
HOSTILE = ('=a,"b.png', "line\nfeed\x1b[2J.png", "'quoted' \\ name.png", "ü ß.png")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Five pictures: two good, one blank, one damaged, one below."""
    root = tmp_path / "pictures"
    (root / "below").mkdir(parents=True)
    shutil.copy(EXAMPLES / "2.png", root / "a.png")
    shutil.copy(EXAMPLES / "5.png", root / "b.PNG")
    Image.new("L", (40, 40), 255).save(root / "c.png")
    (root / "d.png").write_bytes(b"no picture")
    shutil.copy(EXAMPLES / "8.png", root / "below" / "e.png")
    (root / "notes.txt").write_text("not asked for")
    return root


def asked(words: list[str], out: Path, **task: Any) -> list[str]:
    try:
        batch.predict(words, "bundled", batch.Task(**({"json": True} | task)), out)
    except batch.FailedError as error:
        assert error.exit_status == 1
    return out.read_text(encoding="utf-8").splitlines()


def objects(lines: list[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in lines]


def test_a_folder_gives_a_row_for_each_picture_in_order_and_bad_ones_say_why(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(batch.FailedError, match="1 of 5 pictures have no answer"):
        batch.predict([str(folder)], "bundled", batch.Task("digits", json=True), tmp_path / "rows")
    found = objects((tmp_path / "rows").read_text().splitlines())
    assert [Path(row["picture"]).name for row in found] == ["a.png", "b.PNG", "c.png", "d.png", "e.png"]
    assert [next(iter(row.get("answers") or {}), "") for row in found] == ["2", "5", "", "", "8"]
    assert "not a picture" in found[3]["error"]


def test_files_that_are_no_pictures_are_named_and_every_page_has_a_row(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "pictures"
    root.mkdir()
    shutil.copy(EXAMPLES.parent / "tests" / "data" / "cases" / "two-pages.tif", root)
    with Image.open(EXAMPLES / "2.png") as image:
        paper = Image.new("RGBA", image.size, "white")
        paper.alpha_composite(image.convert("RGBA"))
    paper.convert("RGB").save(root / "photo.jfif", "JPEG")
    paper.save(root / "x.avif")
    (root / "song.mp3").write_bytes(b"ID3")
    found = objects(asked([str(root)], tmp_path / "rows", alphabet="digits"))
    names = [Path(row["picture"]).name for row in found]
    assert names == ["photo.jfif", "two-pages.tif#page=1", "two-pages.tif#page=2", "x.avif"]
    assert [next(iter(row["answers"]), "") for row in found] == ["2", "", "2", "2"]
    assert "1 file of an unsupported format was skipped" in (said := capsys.readouterr().err)
    assert "song.mp3" in said


def test_answers_are_the_recognizers(folder: Path, tmp_path: Path, recognizer: Recognizer) -> None:
    (row,) = objects(asked([str(folder / "a.png")], tmp_path / "rows", top_k=4))
    assert row["answers"] == pytest.approx(recognizer.top_k(folder / "a.png", 4), abs=1e-5)
    assert row["confident"] == recognizer.is_confident(folder / "a.png")


def test_patterns_name_pictures_and_what_names_nothing_gets_a_row(folder: Path, tmp_path: Path) -> None:
    found = objects(asked([str(folder / "**" / "*.png"), "nowhere.png"], tmp_path / "rows"))
    assert [Path(row["picture"]).name for row in found] == ["a.png", "e.png", "c.png", "d.png", "nowhere.png"]
    assert "nowhere.png" in found[-1]["error"]


@pytest.mark.parametrize("form", ["json", "csv", "table"])
def test_no_name_breaks_a_row(form: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in HOSTILE:
        shutil.copy(EXAMPLES / "2.png", tmp_path / name)
    words = [str(tmp_path / name) for name in HOSTILE]
    batch.predict(words, "bundled", batch.Task("digits", json=form == "json", csv=form == "csv"))
    out = capsys.readouterr().out
    lines = out.splitlines()
    assert len(lines) == len(HOSTILE) + (form == "csv")
    assert "\x1b" not in out
    if form == "json":
        assert [row["picture"] for row in objects(lines)] == words
    if form == "csv":
        cells = list(csv.DictReader(io.StringIO(out)))
        assert [row["answer"] for row in cells] == ["2"] * len(HOSTILE)


def test_what_looks_like_a_formula_is_text_to_a_spreadsheet() -> None:
    line = rows.Csv(1).line(rows.Row("=HYPERLINK(1).png", error="none"))
    assert next(csv.reader([line]))[0] == "'=HYPERLINK(1).png"


def test_a_file_that_is_there_is_never_written_to(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_text("my notes\n")
    with pytest.raises(UserError, match="already exists"):
        batch.predict([str(folder)], "bundled", batch.Task(json=True), other)
    assert other.read_text() == "my notes\n"


def test_several_characters_are_read(tmp_path: Path) -> None:
    seven = np.array([(40, 60), (120, 60), (70, 220)])
    ink = draw([seven, seven + np.array((160, 0))], (280, 400), 18)
    Image.fromarray(255 - ink).save(tmp_path / "two.png")
    (row,) = objects(asked([str(tmp_path / "two.png")], tmp_path / "rows", read=True, alphabet="digits"))
    assert row["text"] == "77"
    assert len(row["characters"]) == 2


def test_a_picture_comes_from_standard_input(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO((EXAMPLES / "5.png").read_bytes())))
    batch.predict(["-"], "bundled", batch.Task("digits", json=True))
    assert next(iter(json.loads(capsys.readouterr().out)["answers"])) == "5"


def test_pictures_are_not_decoded_far_ahead_of_their_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch, "AHEAD", 4)
    begun: list[str] = []
    names = (begun.append(str(i)) or str(i) for i in range(100))  # type: ignore[func-returns-value]
    found = batch._ahead(lambda name: name, names)
    assert next(found) == "0"
    assert len(begun) == 4
    assert list(found) == [str(i) for i in range(1, 100)]


def test_more_pictures_than_a_batch_keep_their_order(recognizer: Recognizer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch, "BATCH", 3)
    names = [str(EXAMPLES / f"{name}.png") for name in "25825825"]
    found = list(batch.rows(recognizer, names, batch.Task("digits")))
    assert [row.name for row in found] == names
    assert [next(iter(row.found.probabilities)) for row in found] == list("25825825")  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("task", "said"),
    [
        (batch.Task(json=True, csv=True), "choose one"),
        (batch.Task(top_k=0), "at least 1"),
        (batch.Task("greek"), "no alphabet 'greek'"),  # type: ignore[arg-type]
    ],
)
def test_what_cannot_be_asked_is_refused_before_anything_is_read(task: batch.Task, said: str) -> None:
    with pytest.raises(UserError, match=said):
        batch.predict([str(EXAMPLES)], "bundled", task)


def test_no_pictures_are_a_mistake() -> None:
    with pytest.raises(UserError, match="no pictures"):
        batch.predict([], "bundled", batch.Task())
