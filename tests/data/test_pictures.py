"""hwr/data/pictures.py and inkset.py: labelled pictures on this machine, and none of them left out in silence."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hwr.config import ModelConfig, UserError
from hwr.data import inkset, sources

CONFIG = ModelConfig(labels=("a",), image_size=16)


def save(path: Path, row: int = 3) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    page = np.full((60, 40), 255, np.uint8)
    page[row : row + 30, 18:22] = 0
    Image.fromarray(page).save(path)


def names(source: sources.Source) -> list[str]:
    return [source.targets[label][0] for label in source.labels]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a/1.png", "a/2.gif", "b/1.avif", "b/2.JPE", "b/3.jfif"):
        file = tmp_path / "d" / name
        if file.suffix in (".JPE", ".jfif"):
            save(file.with_suffix(".jpg"))
            file.with_suffix(".jpg").rename(file)
        else:
            save(file)
    Image.new("L", (40, 60), 255).save(
        tmp_path / "d" / "a" / "p.tif", save_all=True, append_images=[Image.open(tmp_path / "d" / "a" / "1.png")]
    )
    (tmp_path / "d" / "b" / "notes.txt").write_text("no picture")
    return tmp_path / "d"


def test_every_picture_and_page_of_a_class_folder_is_found_and_what_is_skipped_is_named(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = sources.read(str(folder), "train", Path())
    assert names(source) == ["a"] * 4 + ["b"] * 3
    assert "1 file" in (said := capsys.readouterr().out) and "notes.txt" in said
    assert len(inkset.fit_source(source, CONFIG)) == 6, "page 1 is blank"


def test_a_class_whose_files_are_no_pictures_is_refused(folder: Path) -> None:
    (folder / "c").mkdir()
    (folder / "c" / "1.psd").write_bytes(b"8BPS")
    with pytest.raises(UserError, match=r"no picture that can be read in c; .*1\.psd"):
        sources.read(str(folder), "train", Path())


def test_damaged_pictures_are_all_listed_and_left_out_when_asked(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a/1.png", "b/2.JPE"):
        (folder / name).write_bytes(b"damaged")
    source = sources.read(str(folder), "train", Path())
    with pytest.raises(UserError, match=r"(?s)2 pictures cannot be read; --skip-damaged.*1\.png.*2\.JPE"):
        inkset.fit_source(source, CONFIG)
    assert len(inkset.fit_source(source, CONFIG, skip_damaged=True)) == 4
    assert "2 pictures that cannot be read are left out" in capsys.readouterr().out


def test_a_class_of_which_nothing_is_left_is_refused(folder: Path) -> None:
    for file in (folder / "b").iterdir():
        file.write_bytes(b"damaged")
    with pytest.raises(UserError, match="no picture with ink is left of the classes b"):
        inkset.fit_source(sources.read(str(folder), "train", Path()), CONFIG, skip_damaged=True)


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_a_table_of_paths_and_labels_trains_as_folders_do(folder: Path, form: str) -> None:
    rows = [("a/1.png", "x"), ("a/p.tif", "x"), ("b/1.avif", "5")]
    path = folder / f"labels.{form}"
    if form == "csv":
        path.write_text("path,label\n" + "".join(f"{file},{label}\n" for file, label in rows))
    else:
        pa = pytest.importorskip("pyarrow")
        pq = pytest.importorskip("pyarrow.parquet")
        pq.write_table(pa.table({"path": [row[0] for row in rows], "label": [row[1] for row in rows]}), path)
    source = sources.read(str(path), "train", Path())
    assert names(source) == ["x", "x", "x", "5"]
    assert len(inkset.fit_source(source, CONFIG)) == 3


def test_local_parquet_with_pictures_in_it_is_read(folder: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    pq = pytest.importorskip("pyarrow.parquet")
    content = [(folder / name).read_bytes() for name in ("a/1.png", "b/1.avif")]
    pq.write_table(
        pa.table({"image": [{"bytes": one} for one in content], "label": ["q", "r"]}), folder / "all.parquet"
    )
    source = sources.read(str(folder / "all.parquet"), "train", Path())
    assert names(source) == ["q", "r"]
    assert len(inkset.fit_source(source, CONFIG)) == 2


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("picture,class\na,b\n", "expected the columns path and label; it has picture, class"),
        ("", "it has no rows"),
        ("path,label\na/1.png,\n", "no path or no label in line 2"),
        ("path,label\na/9.png,x\nb/9.png,x\n", r"2 files that are not there: .*9\.png"),
    ],
)
def test_a_table_that_cannot_be_meant_says_why(folder: Path, content: str, said: str) -> None:
    (folder / "t.csv").write_text(content)
    with pytest.raises(UserError, match=said):
        sources.read(str(folder / "t.csv"), "train", Path())
