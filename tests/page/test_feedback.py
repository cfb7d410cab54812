"""What visitors say is kept, whole, harmless and limited, and reaches the Hub."""

from __future__ import annotations

import errno
import json
import math
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hub_server import Hub, status
from numpy.typing import NDArray
from PIL import Image

from hwr import Recognizer, UserError
from hwr.config import ModelConfig
from hwr.data import inkset as data
from hwr.data import sources
from hwr.ink.preprocess import fit, to_ink
from page import feedback, quota
from page.feedback import Feedback

PENS = Path(__file__).parents[1] / "data" / "pens.npz"
CONFIG = ModelConfig(labels=())
REPO = "owner/said"
Gray = NDArray[np.uint8]


@pytest.fixture
def kept(folder: Path) -> Feedback:
    found = Feedback.opened(folder, None)
    assert found is not None
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "kept"


@pytest.fixture
def ink() -> Gray:
    canvas = np.zeros((280, 280), np.uint8)
    canvas[60:200, 130:150] = 255
    return canvas


@contextmanager
def sending(folder: Path | None) -> Iterator[Feedback]:
    found = Feedback.opened(folder, REPO)
    assert found is not None
    try:
        yield found
    finally:
        found.close()


def rows(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for path in folder.glob("samples-*.jsonl") for line in path.read_text().splitlines()]


def pictures(folder: Path) -> list[str]:
    return sorted(
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.suffix != ".jsonl" and path.is_file()
    )


def eventually(done: Callable[[], bool]) -> bool:
    end = time.monotonic() + 20
    while not done() and time.monotonic() < end:
        time.sleep(0.02)
    return done()


def test_nothing_is_kept_unless_it_is_asked_for() -> None:
    assert Feedback.opened(None, None) is None


def test_a_sample_is_a_picture_in_the_folder_of_its_class_and_a_line(kept: Feedback, ink: Gray) -> None:
    kept.keep(ink, " A ", "4", "owner/model@1234567", "somebody's session")
    assert [{**row, "file": "", "time": ""} for row in rows(kept.folder)] == [
        {"file": "", "label": "A", "predicted": "4", "revision": "owner/model@1234567", "time": ""}
    ]
    assert pictures(kept.folder) == [row["file"] for row in rows(kept.folder)]
    assert "somebody" not in "".join(path.read_bytes().decode("latin-1") for path in kept.folder.rglob("*.*"))


def test_training_sees_what_the_network_saw(
    kept: Feedback, recognizer: Recognizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quota, "PER_VISITOR", ((1000, 60.0),))
    drawn = sources.read(str(PENS), "test", Path())
    bar = np.zeros((280, 280), np.uint8)
    bar[130:135, 5:275] = 255
    faint = np.asarray(drawn.ink(0)) // 6
    inks: list[Any] = [*map(drawn.ink, range(len(drawn))), bar, bar.T, faint, np.full((60, 60), 255, np.uint8)]
    for i, one in enumerate(inks):
        kept.keep(one, f"n{i}", "", "", "me")
    found = data.load(str(kept.folder), "train", CONFIG, Path())
    order = [int(found.targets[label][0][1:]) for label in found.labels]
    assert sorted(order) == list(range(len(inks)))
    for picture, i in zip(found.images, order, strict=True):
        assert np.array_equal(picture, np.asarray(fit(inks[i], CONFIG, is_ink=True)))


def test_pictures_are_black_on_white_for_every_other_program(kept: Feedback, ink: Gray) -> None:
    kept.keep(ink, "1", "7", "", "")
    with Image.open(kept.folder / pictures(kept.folder)[0]) as picture:
        assert picture.mode == "L"
        assert (picture.getpixel((0, 0)), picture.getpixel((picture.width // 2, picture.height // 2))) == (255, 0)
        assert max(picture.size) < 280


def test_a_large_drawing_is_kept_small(kept: Feedback) -> None:
    kept.keep(np.kron(np.eye(8, dtype=np.uint8) * 255, np.ones((250, 300), np.uint8)), "x", "", "", "")
    with Image.open(kept.folder / pictures(kept.folder)[0]) as picture:
        assert max(picture.size) == feedback.LONGEST_SIDE


@pytest.mark.parametrize(
    "label", ["../..", "/etc/passwd", "..", ".", "con", "test", "<b>x</b>", "a/b", "~", "$(id)", "Ω"]
)
def test_a_strange_label_stays_in_the_folder_and_is_read_back(kept: Feedback, ink: Gray, label: str) -> None:
    kept.keep(ink, label, "1", "", "")
    kept.keep(ink, "1", "7", "", "")
    assert len(pictures(kept.folder)) == len(list(kept.folder.parent.rglob("*.png"))) == 2
    assert sources.read(str(kept.folder), "train", Path()).targets == tuple((name,) for name in sorted((label, "1")))


@pytest.mark.parametrize("label", ["", "\x00", "\u202e1", "x" * 10_000, "a\nb"])
def test_what_cannot_be_a_label_leaves_nothing(kept: Feedback, ink: Gray, label: str) -> None:
    with pytest.raises(UserError, match="cannot be a label"):
        kept.keep(ink, label, "1", "", "")
    assert list(kept.folder.iterdir()) == []


@pytest.mark.parametrize("nothing", [np.zeros((50, 50), np.uint8), np.ones((50, 50, 3), np.uint8), np.ones((9, 9))])
def test_what_is_no_ink_is_refused(kept: Feedback, nothing: Any) -> None:
    with pytest.raises(UserError, match=r"nothing is drawn|expected uint8 \(H, W\)"):
        kept.keep(nothing, "1", "", "", "")


def test_many_at_once_lose_nothing(kept: Feedback, ink: Gray) -> None:
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda i: kept.keep(ink, "aAé"[i % 3], "1", "r" * 500, f"visitor {i % 20}"), range(300)))
    found = rows(kept.folder)
    assert sorted(row["file"] for row in found) == pictures(kept.folder)
    assert len(found) == 300
    assert len(sources.read(str(kept.folder), "train", Path())) == 300


def test_a_hurried_visitor_is_asked_to_wait(kept: Feedback, ink: Gray) -> None:
    for _ in range(20):
        kept.keep(ink, "1", "7", "", "one")
    with pytest.raises(UserError, match="wait a little"):
        kept.keep(ink, "1", "7", "", "one")
    kept.keep(ink, "1", "7", "", "another")
    assert len(pictures(kept.folder)) == len(rows(kept.folder)) == 21


def test_a_full_disk_is_said_and_leaves_nothing_half_done(kept: Feedback, ink: Gray) -> None:
    kept.keep(ink, "1", "7", "", "")
    [lines] = kept.folder.glob("*.jsonl")
    lines.rename(kept.folder / "aside")
    lines.symlink_to("/dev/full")
    with pytest.raises(UserError, match="no room left") as caught:
        kept.keep(ink, "2", "7", "", "")
    assert str(kept.folder) not in str(caught.value)
    (kept.folder / "aside").rename(lines)
    assert len(pictures(kept.folder)) == 1
    kept.keep(ink, "2", "7", "", "")
    assert [row["label"] for row in rows(kept.folder)] == ["1", "2"]


def test_a_disk_that_fills_up_within_a_picture_leaves_none(
    kept: Feedback, ink: Gray, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fill(path: Path, content: bytes) -> int:
        with path.open("wb") as file:
            file.write(content[:20])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch, pytest.raises(UserError, match="no room left"):
        patch.setattr(Path, "write_bytes", fill)
        kept.keep(ink, "1", "7", "", "")
    assert pictures(kept.folder) == []
    assert rows(kept.folder) == []


def test_a_line_that_does_not_fit_is_taken_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    resource = pytest.importorskip("resource")
    path = tmp_path / "lines"
    feedback.append(path, "first\n")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, limits[1]))  # the kernel writes 4 of the 7 bytes
    try:
        with pytest.raises(OSError, match="No space left"):
            feedback.append(path, "second\n")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert path.read_text() == "first\n"


def test_a_folder_that_cannot_be_written_is_said_at_start(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="give a folder that can be written"):
        Feedback.opened(tmp_path / "file", None)


@pytest.mark.parametrize("repo", ["name", "a/b/c", "owner/..", "http://x/y"])
def test_a_name_that_is_none_is_said_at_start(tmp_path: Path, repo: str) -> None:
    with pytest.raises(UserError, match="expected owner/name"):
        Feedback.opened(tmp_path, repo)


@pytest.mark.parametrize(
    ("token", "said"), [("", "needs a token"), ("hf_read", "may not do this"), ("hf_x", "not accept")]
)
def test_a_token_that_will_not_do_is_said_at_start(
    hub_of_tests: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, token: str, said: str
) -> None:
    monkeypatch.setenv("HF_TOKEN", token)
    with pytest.raises(UserError, match=said):
        Feedback.opened(tmp_path, REPO)


def test_the_dataset_that_drawings_go_to_is_named(kept: Feedback) -> None:
    assert kept.dataset is None
    assert (Feedback(kept.folder, REPO).dataset or "").startswith(f"{REPO} (127.0.0.1")


def test_the_hub_gets_all_of_it_and_training_reads_it_there(hub_of_tests: Hub, folder: Path, ink: Gray) -> None:
    with sending(folder) as kept:
        for label in ("a", "A", "test", "1"):
            kept.keep(ink, label, "7", "bundled", "me")
            kept.keep(ink, label, "7", "bundled", "me")
    there = hub_of_tests.files(REPO, repo_type="dataset")
    assert {name for name in there if name.endswith(".png")} == set(pictures(kept.folder))
    assert [json.loads(x) for n, c in there.items() if n.endswith(".jsonl") for x in c.splitlines()] == rows(
        kept.folder
    )
    assert hub_of_tests.repo(REPO, "dataset").private
    source = sources.read(f"hf://datasets/{REPO}", "train", Path())
    assert source.targets == (("1",), ("A",), ("a",), ("test",))
    assert all(
        np.array_equal(np.asarray(source.ink(i)), np.asarray(to_ink(255 - feedback.cropped(ink)))) for i in range(8)
    )


def test_commits_follow_by_themselves(hub_of_tests: Hub, folder: Path, ink: Gray) -> None:
    with sending(folder) as kept:
        kept.keep(ink, "1", "7", "", "me")
        assert eventually(lambda: set(pictures(folder)) < set(hub_of_tests.files(REPO, repo_type="dataset")))


def test_what_the_hub_did_not_take_is_sent_by_the_next_process(hub_of_tests: Hub, folder: Path, ink: Gray) -> None:
    with sending(folder) as first:
        hub_of_tests.fail("POST", "/commit/", status(503), times=math.inf)
        first.keep(ink, "1", "7", "", "me")
    assert set(hub_of_tests.files(REPO, repo_type="dataset")) == {".gitattributes", "README.md"}
    assert len(pictures(folder)) == 1
    hub_of_tests.heal()
    with sending(folder) as second:
        second.keep(ink, "2", "7", "", "me")
    there = hub_of_tests.files(REPO, repo_type="dataset")
    assert set(pictures(folder)) < set(there)
    assert len([name for name in there if name.endswith(".jsonl")]) == 2


def test_a_card_that_somebody_wrote_stays(hub_of_tests: Hub, folder: Path) -> None:
    hub_of_tests.create(REPO, "dataset")
    hub_of_tests.commit(REPO, {"README.md": b"mine"}, repo_type="dataset")
    with sending(folder):
        pass
    assert hub_of_tests.files(REPO, repo_type="dataset")["README.md"] == b"mine"
    assert not hub_of_tests.repo(REPO, "dataset").private


def test_a_hub_that_cannot_be_reached_is_asked_again(
    hub_of_tests: Hub, folder: Path, ink: Gray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feedback, "EVERY", 0.01)
    hub_of_tests.go_offline()
    with sending(folder) as kept:
        kept.keep(ink, "1", "7", "", "me")
        hub_of_tests.come_back()
        assert eventually(lambda: kept._uploads is not None)
    assert set(pictures(folder)) < set(hub_of_tests.files(REPO, repo_type="dataset"))


def test_without_a_folder_drawings_wait_in_the_cache(
    hub_of_tests: Hub, folder: Path, ink: Gray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feedback, "CACHE", folder / "cache")
    with sending(None) as kept:
        kept.keep(ink, "1", "7", "", "me")
    assert len(pictures(folder / "cache" / "owner--said")) == 1


def test_a_line_is_kept_beside_its_text_and_is_no_class_of_characters(tmp_path: Path, ink: Gray) -> None:
    feedback = Feedback(tmp_path)
    feedback.keep(ink, "7", "1", "a", "visitor")
    feedback.keep_line(ink, "  Hello   W\u00f6rld ", "Hallo", "a", "visitor")
    (picture,), (text,) = (tmp_path / "lines").glob("*.png"), (tmp_path / "lines").glob("*.txt")
    assert picture.stem == text.stem
    assert text.read_text(encoding="utf-8") == "Hello W\u00f6rld"
    (_, row) = map(json.loads, next(tmp_path.glob("*.jsonl")).read_text().splitlines())
    assert (row["label"], row["predicted"], row["file"]) == ("Hello W\u00f6rld", "Hallo", f"lines/{picture.name}")
    assert sources.read(str(tmp_path), "train", tmp_path).targets == (("7",),)


@pytest.mark.parametrize("text", ["", "  ", "a" * 201, "a\x00"])
def test_what_is_no_text_is_not_kept(tmp_path: Path, ink: Gray, text: str) -> None:
    with pytest.raises(UserError, match="cannot be a text"):
        Feedback(tmp_path).keep_line(ink, text, "", "a", "visitor")
    assert list(tmp_path.iterdir()) == []
