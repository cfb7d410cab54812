"""hwr/ink/formats.py and pages.py: which files are pictures, and the pages of those that have several."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hwr.config import UserError
from hwr.ink import formats, pages
from hwr.ink.picture import opened
from hwr.ink.preprocess import to_ink

CASES = Path(__file__).parents[1] / "data" / "cases"


def sheet(row: int) -> Image.Image:
    page = np.full((60, 40), 255, np.uint8)
    page[row : row + 30, 18:22] = 0
    return Image.fromarray(page)


def test_endings_of_every_format_are_known_in_any_case() -> None:
    for name in ("a.png", "A.PNG", "b.JPE", "c.jfif", "d.avif", "e.gif", "f.tiff", "g.pbm"):
        assert formats.readable(name), name
    for name in ("notes.txt", "a.png.bak", "eps.eps", "png"):
        assert not formats.readable(name), name


def test_skipped_files_are_counted_named_and_told_what_would_read_them() -> None:
    assert formats.about_skipped([]) == ""
    assert formats.about_skipped(["x/a.txt"]) == "1 file of an unsupported format was skipped: x/a.txt"
    several = formats.about_skipped([f"{n}.HEIC" for n in range(12)])
    assert several.startswith("12 files") and "9.HEIC and 2 more" in several and "hwr[files]" in several


def test_the_pages_of_a_tiff_have_names_and_are_read_by_them() -> None:
    path = str(CASES / "two-pages.tif")
    assert list(pages.names(path)) == [f"{path}#page=1", f"{path}#page=2"]
    assert to_ink(f"{path}#page=1") is None, "the first page is blank"
    assert to_ink(f"{path}#page=2") is not None
    with pytest.raises(UserError, match="has no page 3: it has 2"):
        to_ink(f"{path}#page=3")
    with pytest.warns(UserWarning, match="2 pages: the first is read"):
        to_ink(path)


def test_smaller_copies_in_a_tiff_are_no_pages(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    thumbnail = sheet(3).resize((8, 12))
    thumbnail.encoderinfo = {"tiffinfo": {254: 1}}
    sheet(3).save(path, save_all=True, append_images=[thumbnail, sheet(20)])
    assert [name.rpartition("=")[2] for name in pages.names(str(path))] == ["1", "3"]


def test_a_file_of_one_page_keeps_its_name_and_one_that_is_called_like_a_page_is_a_file(tmp_path: Path) -> None:
    odd = tmp_path / "a.tif#page=2"
    sheet(3).save(tmp_path / "a.tif")
    sheet(3).save(odd, "PNG")
    assert list(pages.names(str(tmp_path / "a.tif"))) == [str(tmp_path / "a.tif")]
    assert pages.split(str(odd)) == (str(odd), 0)
    assert to_ink(odd) is not None


def test_what_the_extra_would_read_says_so_where_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pillow_heif", None)
    with pytest.raises(UserError, match=r"HEIC.*pip install hwr\[files\]"):
        to_ink(CASES / "IMG_0001.HEIC")
    monkeypatch.setitem(__import__("sys").modules, "pypdfium2", None)
    with pytest.raises(UserError, match=r"PDF.*pip install hwr\[files\]"):
        opened(io.BytesIO(b"%PDF-1.7 cut off"), "letter.pdf")


def test_heic_is_read_where_the_extra_is_installed(tmp_path: Path) -> None:
    heif = pytest.importorskip("pillow_heif")
    heif.from_pillow(sheet(3).convert("RGB")).save(tmp_path / "photo.HEIC")
    assert to_ink(tmp_path / "photo.HEIC") is not None
    with pytest.raises(UserError, match=r"IMG_0001\.HEIC is not a picture that can be read"):
        to_ink(CASES / "IMG_0001.HEIC")  # which is cut off


def test_every_page_of_a_pdf_is_read_where_the_extra_is_installed(tmp_path: Path) -> None:
    pytest.importorskip("pypdfium2")
    path = tmp_path / "two.pdf"
    sheet(3).save(path, save_all=True, append_images=[sheet(20)])
    names = list(pages.names(str(path)))
    assert [name.rpartition("#")[2] for name in names] == ["page=1", "page=2"]
    assert all(to_ink(name) is not None for name in names)
    (tmp_path / "cut.pdf").write_bytes(path.read_bytes()[:100])
    with pytest.raises(UserError, match=r"cut\.pdf is no PDF"):
        to_ink(tmp_path / "cut.pdf")
