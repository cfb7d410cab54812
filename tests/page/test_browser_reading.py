"""Writing and teaching, as a visitor meets them: a real Chromium and a real mouse."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from browsing import PATIENCE, SEVEN, TWO, best, choose, draw, opened, panel, press, tab, text, write
from conftest import served
from playwright.sync_api import Browser, BrowserContext, Page, expect


@pytest.fixture
def pad(page: Page) -> Page:
    """The pad for writing."""
    tab(page, "Writing")
    return page


def test_numbers_words_and_lines_are_read_whole(pad: Page) -> None:
    choose(pad, "Digits")
    write(pad, "2026")
    text(pad, "2026")
    assert panel(pad, "sure").locator(".hwr-word").count() == 1
    expect(pad.locator("#pad-writing .hwr-spoken")).to_have_text("It says: 2026")
    press(pad, "clear")
    write(pad, "26", "72", side=70)
    expect(panel(pad).locator(".hwr-text > div")).to_have_text(["26", "72"], timeout=PATIENCE)
    press(pad, "clear")
    choose(pad, "Letters")
    write(pad, "HELLO")
    text(pad, "HELLO")


def test_one_character_on_the_pad_for_writing_is_said_to_be_one(pad: Page) -> None:
    choose(pad, "Digits")
    draw(pad, SEVEN)
    best(pad, "7")
    expect(panel(pad).get_by_text("One character")).to_be_visible()


def test_the_pad_for_writing_is_wide_and_has_its_own_examples(pad: Page) -> None:
    box = pad.locator("#pad-writing .hwr-paper").bounding_box()
    assert box is not None and 2.5 < box["width"] / box["height"] < 3.2
    pad.get_by_role("group", name="Examples").get_by_role("button", name="A number").click()
    expect(panel(pad).locator(".hwr-text")).to_be_visible(timeout=PATIENCE)


def test_each_pad_keeps_its_own_drawing(pad: Page) -> None:
    choose(pad, "Digits")
    write(pad, "27")
    text(pad, "27")
    tab(pad, "One character")
    draw(pad, SEVEN)
    best(pad, "7")
    tab(pad, "Writing")
    text(pad, "27")


def test_the_pad_has_a_name_and_answers_are_spoken(page: Page) -> None:
    assert "draw one character" in (page.locator(".hwr-canvas:visible").get_attribute("aria-label") or "")
    spoken = page.locator("#pad-character .hwr-spoken")
    assert spoken.get_attribute("role") == "status"
    draw(page, TWO)
    best(page, "2")
    expect(spoken).to_contain_text("2, ")


def test_the_page_speaks_chinese_where_the_browser_does(browser: Browser, page_url: str) -> None:
    context = browser.new_context(locale="zh-CN")
    try:
        page = opened(context, page_url)
        page.get_by_role("button", name="橡皮擦").wait_for()
        assert page.get_by_role("tab", name="照片").is_visible()
        draw(page, TWO)
        best(page, "2")
        page.get_by_label("请输入正确的字符").fill("\u200b")
        page.get_by_role("button", name="教它").click()
        page.get_by_text("这不能作为答案").wait_for()
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
    assert page.locator(".hwr-donate").count() == 0


def teach(page: Page, label: str) -> None:
    form = page.locator(".hwr-teach:visible")
    form.get_by_label("Wrong?").fill(label)
    form.get_by_role("button", name="Teach").click()


def test_a_lesson_is_learned_for_its_visitor_alone_and_forgotten(browser: Browser, page: Page, page_url: str) -> None:
    draw(page, TWO)
    best(page, "2")
    teach(page, "Q")
    best(page, "Q")
    page.get_by_text("Learned, for you alone").wait_for()
    other = browser.new_context()
    try:
        visitor = opened(other, page_url)
        draw(visitor, TWO)
        best(visitor, "2")
        assert not visitor.get_by_role("button", name="Forget").is_visible()
    finally:
        other.close()
    page.get_by_role("button", name="Forget").click()
    best(page, "2")


def test_what_cannot_be_a_label_is_refused_where_it_was_typed(page: Page) -> None:
    draw(page, TWO)
    best(page, "2")
    teach(page, " ")
    page.get_by_text("Type what it is first").wait_for()


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
    return [json.loads(line) for path in folder.rglob("*.jsonl") for line in path.read_text().splitlines()]


def test_what_was_taught_is_kept_only_where_the_visitor_says_so(
    context: BrowserContext, keeping_url: str, kept: Path
) -> None:
    page = opened(context, keeping_url)
    draw(page, TWO)
    best(page, "2")
    assert "kept in a folder on this server" in page.inner_text(".hwr-donate:visible")
    assert "20 drawings a minute and 200 an hour" in page.inner_text(".hwr-donate:visible")
    teach(page, "Q")
    best(page, "Q")
    assert samples(kept) == []
    page.locator(".hwr-donate:visible input").check()
    teach(page, "Z")
    best(page, "Z")
    (sample,) = samples(kept)
    assert (sample["label"], sample["predicted"]) == ("Z", "Q")
    assert (kept / sample["file"]).is_file()


def test_what_is_kept_is_said_in_chinese_as_well(browser: Browser, keeping_url: str) -> None:
    context = browser.new_context(locale="zh-CN")
    try:
        page = opened(context, keeping_url)
        draw(page, TWO)
        page.locator(".hwr-donate:visible").get_by_text("本服务器的").wait_for()
    finally:
        context.close()
