"""Hostile requests get an answer or a clear refusal; slow and endless clients hold nobody up."""

from __future__ import annotations

import os
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import visits
from hostile import seeds
from visits import Refusal

import app
from page import limits

NAMES = (
    "../../evil.png",
    "/etc/passwd",
    "..\\..\\evil.png",
    "a" * 300 + ".png",
    "<img src=x onerror=alert(1)>.png",
    "..",
)
OUTSIDE = (
    "/etc/passwd",
    "../../../../etc/passwd",
    "..%2f..%2fetc%2fpasswd",
    "/proc/self/environ",
    "file:///etc/passwd",
)
MORE = 2**24  # bytes that lie in the buffers of the system between two processes
SLOW = 30  # clients that send a byte now and then


@pytest.fixture(scope="module")
def visited(page_url: str, page_log: Path) -> visits.Page:
    return visits.Page(page_url, page_log)


@pytest.fixture(scope="module")
def sketch(visited: visits.Page) -> dict[str, object]:
    drawn = visits.file(visited.uploaded(seeds()[1][1]))
    return {"background": None, "layers": [drawn], "composite": None}


@pytest.mark.parametrize("name", NAMES)
def test_an_upload_stays_in_its_folder_whatever_it_is_called(visited: visits.Page, name: str) -> None:
    try:
        path = visited.uploaded(b"no picture", name)
    except Refusal:  # of a name that is no file's, such as ..
        return
    assert ".." not in Path(path).parts and path.startswith(str(visited.log.parent))
    with pytest.raises(Refusal):
        visited.answer("read", {"data": [visits.file(path), "digits"]})


@pytest.mark.parametrize("path", OUTSIDE)
def test_files_outside_the_upload_folder_are_not_served(visited: visits.Page, path: str) -> None:
    for place in (f"{visits.API}/file=", f"{visits.API}/proxy=", "/static/", "/assets/"):
        with pytest.raises(Refusal):
            visits.accepted(visited.ask("GET", place + path))


# --- found by fuzzing ---


@pytest.mark.slow
def test_slow_clients_hold_nobody_up(visited: visits.Page, sketch: dict[str, object]) -> None:
    def seconds() -> float:
        begun = time.monotonic()
        visited.answer("predict", {"data": [sketch, "digits"]})
        return time.monotonic() - begun

    alone = min(seconds() for _ in range(3))
    with visits.slow(visited, SLOW) as send_a_byte:
        beside = []
        for _ in range(3):
            send_a_byte()
            beside.append(seconds())
            send_a_byte()
    assert min(beside) < 3 * alone + 1


@pytest.mark.parametrize(
    ("headers", "most"), [(visits.FORM, app.MOST_BYTES + limits.ENVELOPE), (visits.JSON, limits.MOST_JSON)]
)
def test_a_body_without_an_end_is_refused(visited: visits.Page, headers: dict[str, str], most: int) -> None:
    status, sent = visits.endless(visited, headers, 3 * most + 4 * MORE)
    assert status == 413
    assert sent < most + MORE


def test_a_body_that_goes_on_after_its_answer_is_not_taken(visited: visits.Page) -> None:
    """Gradio refuses a file a little too large before the guard does."""
    first = app.MOST_BYTES + limits.ENVELOPE // 2
    status, sent = visits.endless(visited, visits.FORM, 3 * first + 4 * MORE, first)
    assert status == 413
    assert sent < first + MORE


def test_parts_of_uploads_that_were_broken_off_are_deleted(tmp_path: Path) -> None:
    for name, age in (("tmpold", 700), ("tmpnew", 0), ("kept", 700)):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (time.time() - age,) * 2)
    (tmp_path / "tmpfolder").mkdir()
    limits.forget(tmp_path, 600)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["kept", "tmpfolder", "tmpnew"]


def test_uploads_look_for_such_parts_once_a_while(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[Path] = []
    clock = iter((1000.0, 1001.0, 1059.0, 1060.0, 1061.0))
    monkeypatch.setattr(limits, "forget", lambda folder, seconds: looks.append(folder))
    monkeypatch.setattr(limits, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    guard = limits.Guard(lambda *_: None, 9, tmp_path, 600)  # type: ignore[arg-type]
    assert [guard._most_of_form() for _ in range(5)] == [9 + limits.ENVELOPE] * 5
    assert len(looks) == 2


def test_no_request_gets_past_the_queue(visited: visits.Page, sketch: dict[str, object]) -> None:
    reply = visited.ask("POST", f"{visits.API}/run/predict", b'{"data": [null, "digits"]}', visits.JSON)
    assert reply.status == 404


@pytest.mark.parametrize(
    "named", ['"session_hash": ""', '"session_hash": "\\ud800"', '"event_data": {"a": ["\\udfff!"]}']
)
def test_a_session_of_no_name_or_of_half_a_character_is_refused(
    visited: visits.Page, sketch: dict[str, object], page_log: Path, named: str
) -> None:
    body = f'{{"data": [null, "digits"], "fn_index": 0, {named}}}'
    assert visited.ask("POST", f"{visits.API}/queue/join", body.encode(), visits.JSON).status == 400
    visited.answer("predict", {"data": [sketch, "digits"]})
    assert "Traceback" not in page_log.read_text(errors="replace")


def test_an_emoji_is_no_half_character(visited: visits.Page) -> None:
    with pytest.raises(Refusal, match="no alphabet"):
        visited.answer("read", {"data": [visits.file(visited.uploaded(seeds()[0][1])), "\U0001f600"]})


@pytest.mark.parametrize("data", [[], [visits.file("\0"), "digits"]])
def test_a_call_with_other_inputs_is_told_where_they_are_listed(
    visited: visits.Page, page_log: Path, data: list[object]
) -> None:
    with pytest.raises(Refusal, match="not the inputs that predict takes: /gradio_api/info lists them"):
        visited.answer("predict", {"data": data})
    assert "Traceback" not in page_log.read_text(errors="replace")


def test_an_alphabet_that_is_no_word_is_refused(visited: visits.Page) -> None:
    drawn = visits.file(visited.uploaded(seeds()[0][1]))
    with pytest.raises(Refusal, match="no alphabet"):
        visited.answer("read", {"data": [drawn, ["digits"]]})
