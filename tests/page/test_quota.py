"""Limits that hold for any stretch of time."""

import pytest

from hwr.config import UserError
from page import quota
from page.quota import Limits, Quota


def test_what_was_taken_counts_for_a_while() -> None:
    quota = Quota(3, 60)
    for now in (0.0, 10.0, 20.0):
        quota.take(now)
    assert [quota.left(now) for now in (20.0, 59.9, 60.0, 70.0, 200.0)] == [0, 0, 1, 2, 3]


def test_a_visitor_waits_and_others_do_not() -> None:
    limits = Limits()
    for i in range(20):
        limits.require("one", 100, i)
        limits.count("one", 100, i)
    with pytest.raises(UserError, match="at most 20 drawings in 1 min"):
        limits.require("one", 100, 59)
    limits.require("two", 100, 59)
    limits.require("one", 100, 60)


def test_an_hour_has_a_limit_of_its_own() -> None:
    limits = Limits()
    for i in range(200):
        limits.count("one", 100, 10.0 * i)
    with pytest.raises(UserError, match="at most 200 drawings in 60 min"):
        limits.require("one", 100, 2100)


def test_a_day_is_full_by_number_or_by_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quota, "PER_DAY", 2)
    monkeypatch.setattr(quota, "BYTES_PER_DAY", 1000)
    number, size = Limits(), Limits()
    for visitor in ("one", "two"):
        number.count(visitor, 1, 0)
    size.count("one", 900, 0)
    for full in (number, size):
        with pytest.raises(UserError, match="tomorrow"):
            full.require("three", 200, 1)
        full.require("three", 200, 24 * 3600)


def test_a_visitor_is_forgotten() -> None:
    limits = Limits()
    limits.count("the first", 100, 0)
    limits.count("the second", 100, 3600)
    assert "the first" not in str(vars(limits))
