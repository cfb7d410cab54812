"""Several characters, photos and lessons, as a visitor meets them: a real Chromium and a real mouse."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from browsing import SEVEN, TWO, choose, draw, first, opened, text, write
from conftest import served
from PIL import Image
from playwright.sync_api import Browser, BrowserContext, Page

from hwr.ink.strokes import draw as ink_of


@pytest.mark.parametrize(
    ("alphabet", "lines"),
    [("digits", ["2026"]), ("letters", ["HELLO"]), ("digits", ["26", "72"]), ("all", ["ij"])],
    ids=["number", "word", "two lines", "dots"],
)
def test_what_is_drawn_across_the_pad_is_read_whole(page: Page, alphabet: str, lines: list[str]) -> None:
    choose(page, alphabet)
    write(page, *lines)
    expected = "\n".join(lines) if alphabet != "letters" else lines[0].upper()
    assert text(page, expected) == expected
    count = len("".join(lines))
    assert page.locator("#several .boxed span").count() == count
    assert page.locator("#several li").count() == count
    assert not page.locator("#answer").is_visible(), "one character's answer makes room"
    assert lines[0] in page.inner_text("#spoken")


def test_one_character_again_after_several(page: Page) -> None:
    choose(page, "digits")
    write(page, "27")
    assert text(page, "27") == "27"
    page.get_by_role("button", name="Clear", exact=True).click()
    page.wait_for_selector("#view img", state="detached")
    draw(page, SEVEN)
    assert first(page, "7") == "7"
    assert page.locator("#several .several").count() == 0
    assert page.locator("#answer").is_visible()


def test_another_alphabet_reads_several_again(page: Page) -> None:
    choose(page, "digits")
    write(page, "27")
    assert text(page, "27") == "27"
    choose(page, "letters")
    page.wait_for_function("/^[A-Z]{2,}$/.test(document.querySelector('#several .text').innerText)")
    choose(page, "digits")
    assert text(page, "27") == "27"


def test_nothing_moves_while_drawing(page: Page) -> None:
    parts = ("#pad", "#answers", "#teaching", "#examples")
    places = [page.locator(part).bounding_box() for part in parts]
    write(page, "27")
    page.wait_for_selector("#several .several")
    assert [page.locator(part).bounding_box() for part in parts] == places


def test_a_photo_is_read_and_shown_upright_with_boxes(page: Page, tmp_path: Path) -> None:
    seven = np.array([(70, 60), (210, 60), (130, 230)])
    paper = (230 - ink_of([seven, np.add(seven, (260, 0))], (280, 560), 18) * 0.8).astype(np.uint8)
    exif = Image.Exif()
    exif[0x0112] = 6  # orientation: the top of the picture is on its right
    Image.fromarray(paper).transpose(Image.Transpose.ROTATE_90).save(tmp_path / "photo.jpg", exif=exif)
    choose(page, "digits")
    page.get_by_role("tab", name="Photo").click()
    page.locator("#photo input[type=file]").set_input_files(tmp_path / "photo.jpg")
    page.wait_for_selector("#found .boxed img")
    assert page.input_value("#text textarea") == "77"
    assert page.locator("#found .boxed span").count() == 2
    shown = page.locator("#found .boxed img")
    assert [shown.evaluate(f"image => image.natural{side}") for side in ("Width", "Height")] == [560, 280]


def test_what_is_no_photo_is_refused_with_a_sentence(page: Page, tmp_path: Path) -> None:
    (tmp_path / "bad.png").write_bytes(b"no picture at all")
    page.get_by_role("tab", name="Photo").click()
    page.locator("#photo input[type=file]").set_input_files(tmp_path / "bad.png")
    page.get_by_text("bad.png is not a picture").wait_for()


def test_the_pad_has_a_name_and_answers_are_spoken(page: Page) -> None:
    assert "draw" in (page.locator("#pad canvas").first.get_attribute("aria-label") or "")
    assert page.locator("#spoken").get_attribute("aria-live") == "polite"
    choose(page, "digits")
    draw(page, TWO)
    assert first(page, "2") == "2"
    assert page.inner_text("#spoken").startswith("2, ")


def test_the_page_speaks_chinese_where_the_browser_does(browser: Browser, page_url: str) -> None:
    context = browser.new_context(locale="zh-CN")
    try:
        page = opened(context, page_url)
        page.get_by_role("button", name="清空").wait_for()
        page.get_by_text("请写一个字符").wait_for()
        assert page.get_by_role("tab", name="照片").is_visible()
        page.locator("#examples button").first.click()
        assert first(page, "2") == "2"
        page.get_by_role("button", name="清空").click()
        page.get_by_text("请写一个字符").wait_for()
    finally:
        context.close()


def test_the_page_says_what_it_is(page: Page) -> None:
    assert page.title() == "Read my handwriting"
    for name in ("[name='description']", "[property='og:description']"):
        assert "small neural network" in (page.locator(f"head meta{name}").first.get_attribute("content") or ""), name
    assert (page.locator("head link[rel=icon]").last.get_attribute("href") or "").startswith("data:image/svg+xml")


def test_the_model_is_described_from_its_own_card(page: Page) -> None:
    page.get_by_role("button", name="About this model").click()
    page.get_by_text("MNIST test, digits").first.wait_for()
    assert page.get_by_role("heading", name="Training data and licences").is_visible()


def test_a_page_that_keeps_nothing_does_not_ask_to(page: Page) -> None:
    assert page.locator("#donate").count() == 0


def teach(page: Page, label: str) -> None:
    page.get_by_placeholder("It was").fill(label)
    page.get_by_role("button", name="Teach").click()


def test_a_lesson_is_learnt_for_its_visitor_alone_and_forgotten(browser: Browser, page: Page, page_url: str) -> None:
    draw(page, TWO)
    assert first(page, "2") == "2"
    teach(page, "Q")
    assert first(page, "Q") == "Q"
    other = browser.new_context()
    try:
        visitor = opened(other, page_url)
        draw(visitor, TWO)
        assert first(visitor, "2") == "2"
        assert not visitor.get_by_role("button", name="Forget").is_visible()
    finally:
        other.close()
    page.get_by_role("button", name="Forget").click()
    assert first(page, "2") == "2"


def test_there_is_nothing_to_teach_before_anything_is_drawn(page: Page) -> None:
    teach(page, "Q")
    page.get_by_text("draw something first").wait_for()


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a page keeps what its visitors teach."""
    return tmp_path_factory.mktemp("feedback") / "kept"


@pytest.fixture(scope="module")
def keeping_url(kept: Path) -> Iterator[str]:
    """Address of a page that keeps what its visitors teach."""
    with served(kept.parent / "log", {**os.environ, "HWR_FEEDBACK_DIR": str(kept)}) as url:
        yield url


def samples(folder: Path) -> list[dict[str, str]]:
    return [json.loads(line) for path in folder.glob("*.jsonl") for line in path.read_text().splitlines()]


def test_what_was_taught_is_kept_only_where_the_visitor_says_so(
    context: BrowserContext, keeping_url: str, kept: Path
) -> None:
    page = opened(context, keeping_url)
    assert "kept in a folder on this server" in page.inner_text("#donate")
    assert "20 drawings a minute and 200 an hour" in page.inner_text("#donate")
    draw(page, TWO)
    assert first(page, "2") == "2"
    teach(page, "Q")
    assert first(page, "Q") == "Q"
    assert samples(kept) == []
    page.locator("#donate input").check()
    teach(page, "Z")
    assert first(page, "Z") == "Z"
    (sample,) = samples(kept)
    assert (sample["label"], sample["predicted"]) == ("Z", "Q")
    assert (kept / sample["file"]).is_file()


def test_what_is_kept_is_said_in_chinese_as_well(browser: Browser, keeping_url: str) -> None:
    context = browser.new_context(locale="zh-CN")
    try:
        page = opened(context, keeping_url)
        page.locator("#donate").get_by_text("本服务器的").wait_for()
    finally:
        context.close()


def test_several_characters_are_kept_one_by_one(context: BrowserContext, keeping_url: str, kept: Path) -> None:
    page = opened(context, keeping_url)
    page.locator("#donate input").check()
    choose(page, "digits")
    write(page, "27")
    assert text(page, "27") == "27"
    teach(page, "123")
    page.get_by_text("2 characters were found, and you typed 3").wait_for()
    before = len(samples(kept))
    teach(page, "2 7")
    page.get_by_text("Learnt from 2").wait_for()
    assert [one["label"] for one in samples(kept)[before:]] == ["2", "7"]
