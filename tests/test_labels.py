"""Labels of people, and folders that no label can leave."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwr import labels as naming
from hwr.config import OTHER, UserError
from hwr.data.hub_files import SPLITS

LABELS = [
    "7",
    "a",
    "A",
    "é",
    "我",
    ".",
    "..",
    "/",
    "\\",
    "../..",
    "con",
    "CON",
    "nul",
    "test",
    "<b>",
    "a b",
    "U+0041",
    "%41",
]


@pytest.mark.parametrize("label", LABELS)
def test_a_folder_spells_its_label_and_nothing_else(label: str) -> None:
    folder = naming.folder_of(label)
    assert naming.of_folder(folder) == label
    assert not set(folder) & set('/\\:*?"<>|.% ')
    assert folder.lower() not in {"con", "nul", *SPLITS}
    assert len(folder.encode()) < 200


@given(st.text(min_size=1, max_size=naming.LONGEST))
def test_any_label_survives_its_folder(label: str) -> None:
    folder = naming.folder_of(label)
    assert naming.of_folder(folder) == label
    assert folder.isascii()


@given(st.text(min_size=1, max_size=3), st.text(min_size=1, max_size=3))
def test_labels_that_differ_have_folders_that_differ_in_more_than_case(one: str, other: str) -> None:
    assert (naming.folder_of(one).lower() == naming.folder_of(other).lower()) == (one == other)


@pytest.mark.parametrize("name", ["A", "cat", "u+0041", "U+41", "U+0041_", "U+FFFFFF", "U+0041_b", "100%"])
def test_other_folders_are_classes_as_they_are_called(name: str) -> None:
    assert naming.of_folder(name) == name


@pytest.mark.parametrize(
    "label", ["", "  ", OTHER, "a\nb", "\x00", "\u202e1", "\ud800", "x" * 17, "x" * 10_000, " " * 99 + "x"]
)
def test_what_cannot_be_a_label_is_refused_in_one_short_line(label: str) -> None:
    with pytest.raises(UserError, match="cannot be a label") as caught:
        naming.checked(label)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 200


def test_accents_are_one_label_however_they_are_typed() -> None:
    assert naming.checked(" e\u0301 ") == unicodedata.lookup("LATIN SMALL LETTER E WITH ACUTE")
