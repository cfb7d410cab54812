"""unipen.py, uci.py and prepare.py: public archives become the files that training reads."""

import shutil
import subprocess
import tarfile
from pathlib import Path

import numpy as np
import pytest

from hwr import UserError
from hwr.data import prepare, sources, uci, unipen

RAW = Path(__file__).parent / "unipen"
DOWN, UP = ".PEN_DOWN\n1 2\n3 4\n", ".PEN_UP\n"


def read(tmp_path: Path, text: str, **included: str) -> unipen.File:
    for name, content in included.items():
        (tmp_path / f"{name}.dat").write_text(content)
    (tmp_path / "main.dat").write_text(text)
    return unipen.read(tmp_path / "main.dat", tmp_path)


@pytest.mark.parametrize(
    ("name", "labels", "components", "writer"),
    [
        ("1a/apb/apb38/app3868.dat", "48105712631", 65, "Wally_Block"),
        ("1d/imp/imp0/imp151.dat", "\"&')*+,:;<=@\\^_}~", 139, "adams"),
        ("1c/sie/char/gsaa/gsaa4593.dat", "n", 1, "gs"),
    ],
)
def test_characters_are_read_with_their_labels_and_writer(name: str, labels: str, components: int, writer: str) -> None:
    file = unipen.read(RAW / "data" / name, RAW / "include")
    found = list(file.segments())
    assert "".join(segment.label for segment in found) == labels
    assert len(file.components) == components
    assert {segment.writer for segment in found} == {writer}


def test_components_without_points_are_not_counted(tmp_path: Path) -> None:
    pen = f"{DOWN}{UP}{UP}.PEN_DOWN\n5 6\n7 8\n{UP}9 9\n"
    (segment,) = read(tmp_path, '.INCLUDE pen.dat\n.SEGMENT CHARACTER 1-2 OK "a"\n', pen=pen).segments()
    assert [stroke.tolist() for stroke in segment.strokes] == [[[5, -6], [7, -8]]]


@pytest.mark.parametrize(
    ("delineation", "expected"),
    [
        ("0", [[1, 2, 3]]),
        ("0:1-1:0", [[2, 3], [4]]),
        ("0,2", [[1, 2, 3], [7, 8]]),
        ("0:2,1-2", [[3], [4, 5, 6], [7, 8]]),
    ],
)
def test_delineations_name_components_and_points(tmp_path: Path, delineation: str, expected: list[list[float]]) -> None:
    pen = ".PEN_DOWN\n1 0\n2 0\n3 0\n.PEN_DOWN\n4 0\n5 0\n6 0\n.PEN_DOWN\n7 0\n8 0\n"
    (segment,) = read(tmp_path, f'{pen}.SEGMENT WORD {delineation} ? "ab"\n').segments()
    assert [stroke[:, 0].tolist() for stroke in segment.strokes] == expected


def test_columns_are_found_by_name_and_labels_unescaped(tmp_path: Path) -> None:
    text = '.COORD T Y X\n.PEN_DOWN\n0 2 1\n1 4 3\n.SEGMENT WORD 0 OK "a\\"b\\\\c\\@"\n.SEGMENT WORD 0 BAD "x"\n'
    file = read(tmp_path, text)
    (segment,) = file.segments()
    assert segment.label == 'a"b\\c'
    assert segment.strokes[0].tolist() == [[1, -2], [3, -4]]
    assert file.bad == 1


def test_the_writer_may_change_within_a_file(tmp_path: Path) -> None:
    pen = f".WRITER_ID one\n{DOWN}.WRITER_ID two\n{DOWN}"
    text = f'{pen}.SEGMENT CHARACTER 0 OK "a"\n.SEGMENT CHARACTER 1 OK "b"\n'
    assert [segment.writer for segment in read(tmp_path, text).segments()] == ["one", "two"]


def test_files_that_are_missing_or_outside_are_counted_and_circles_refused(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    file = read(tmp_path / "a", ".INCLUDE gone.dat\n.INCLUDE ../main.dat\n")
    assert file.missing == ["gone.dat", "../main.dat"]
    with pytest.raises(UserError, match="included by a file that it includes"):
        read(tmp_path, ".INCLUDE main.dat\n")


@pytest.mark.parametrize("packed", [False, True])
def test_unipen_becomes_three_pairs_of_files_that_share_their_writers(tmp_path: Path, packed: bool) -> None:
    source = RAW
    if packed:
        source = tmp_path / "train_r01_v07.tgz"
        with tarfile.open(source, "w:gz") as archive:
            archive.add(RAW, "train_r01_v07")
    said = "\n".join(prepare.prepare("unipen", source, tmp_path / "out", test_share=0))
    assert "unipen_train.npz: 12 samples of 2 writers" in said
    characters = sources.read(str(tmp_path / "out" / "unipen_train.npz"), "train", Path())
    assert characters.writers and len(characters) == 12
    assert [characters.targets[i][0] for i in characters.labels[:3]] == ["4", "8", "1"]
    assert characters.ink(0) is not None
    symbols = sources.read(str(tmp_path / "out" / "unipen_symbols_train.npz"), "train", Path())
    assert len(symbols) == 17 and len(symbols.targets) == 32
    with np.load(tmp_path / "out" / "unipen_words_train.npz") as words:
        assert words["text"].tolist() == ["Essen", "Drake England Field Fernandez"]
        assert words["free_text"].tolist() == [False, True]
        assert words["writer_names"][words["writer"]].tolist() == ["sie/gs", "apb/Norman_Franklin"]
        assert words["xy"].min() == 0


def test_a_writer_is_held_out_of_all_files_by_name() -> None:
    held = [name for name in (f"abc/{i}" for i in range(2000)) if prepare.is_test(name, 0.1)]
    assert 150 < len(held) < 250
    assert held == [name for name in held if prepare.is_test(name, 0.2)]


def test_pen_digits_are_read_in_their_original_form(tmp_path: Path) -> None:
    sample = f'.SEGMENT DIGIT ? "8"\n.COMMENT 8 46\n{DOWN}{UP}.DT 151\n{DOWN}{UP}'
    (tmp_path / "pendigits-orig.tra").write_text(f'.VERSION 1.0\n{sample}.SEGMENT DIGIT ? "2"\n{DOWN}{UP}')
    prepare.prepare("pendigits", tmp_path, tmp_path / "out")
    found = sources.read(str(tmp_path / "out" / "pendigits_train.npz"), "train", Path())
    assert [found.targets[i][0] for i in found.labels] == ["8", "2"]
    assert found.trajectory is not None and len(found.trajectory(0)) == 2


def test_optical_digits_are_read_behind_their_description(tmp_path: Path) -> None:
    bitmap = "\n".join("0" * 10 + "1" * 12 + "0" * 10 for _ in range(32))
    text = f"32\n32\nentries = 2\n\n{bitmap}\n 1\n{bitmap}\n 7\n"
    for name in ("tra", "cv"):
        (tmp_path / f"optdigits-orig.{name}").write_text(text)
    prepare.prepare("optdigits", tmp_path, tmp_path / "out")
    found = sources.read(str(tmp_path / "out" / "optdigits_train.npz"), "train", Path())
    assert [found.targets[i][0] for i in found.labels] == ["1", "7", "1", "7"]


@pytest.mark.skipif(shutil.which("compress") is None, reason="nothing here packs .Z")
def test_files_packed_by_compress_are_unpacked(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc" * 100)
    subprocess.run(["compress", "-f", str(tmp_path / "a")], check=True)
    assert uci.unpacked(tmp_path / "a.Z") == b"abc" * 100


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("unipen", "expected the folders data and include"),
        ("pendigits", "holds no pendigits-orig.tra"),
        ("optdigits", "holds no optdigits-orig.tra"),
    ],
)
def test_archives_without_what_is_needed_are_named(tmp_path: Path, kind: prepare.Kind, words: str) -> None:
    with pytest.raises(UserError, match=words):
        prepare.prepare(kind, tmp_path, tmp_path / "out")
    with pytest.raises(UserError, match="does not exist"):
        prepare.prepare(kind, tmp_path / "gone.zip", tmp_path / "out")
    (tmp_path / "bad.zip").write_bytes(b"no archive")
    with pytest.raises(UserError, match="cannot be unpacked"):
        prepare.prepare(kind, tmp_path / "bad.zip", tmp_path / "out")
