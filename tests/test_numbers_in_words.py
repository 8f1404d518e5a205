"""Numbers as people read them."""

from __future__ import annotations

import math

import pytest
import vl_convert

from reft_lab.numbers import (
    LOCALE,
    change,
    duration,
    exact,
    four,
    interval,
    interval_in_points,
    p_value,
    per_cent,
    plain,
    points,
    short,
    time_unit,
    with_error,
)


def test_shares_and_their_differences():
    assert (per_cent(0.5234), per_cent(0.75283, 2), per_cent(math.nan)) == ("52.3", "75.28", "")
    assert (points(0.123), points(-0.021), points(math.nan)) == ("+12.3", "−2.1", "")
    assert (per_cent(-0.021), per_cent(-0.0001), points(-0.0001)) == ("−2.1", "0.0", "+0.0")  # never −0.0


def test_intervals_end_where_shares_do():
    assert interval(-0.1, 0.5) == "0.0 to 50.0"
    assert interval(math.nan, math.nan) == ""
    assert interval_in_points(-0.4, 1.2) == "−40.0 to +100.0"
    assert interval_in_points(-1.7, -0.2) == "−100.0 to −20.0"


def test_one_standard_error_stands_behind_a_mean():
    assert (with_error(0.461, 0.0123), with_error(0.461, math.nan)) == ("46.1 ± 1.2", "46.1")


def test_changes_by_a_ratio_have_a_sign():
    assert (change(1.123), change(0.5), change(0.9999), change(math.nan)) == ("+12 %", "−50 %", "+0 %", "")


def test_a_browser_writes_numbers_alike():
    drawn = vl_convert.vegalite_to_svg(
        {"data": {"values": [{"a": -0.3}]}, "mark": "text", "encoding": {"text": {"field": "a", "format": ".1%"}}},
        format_locale=LOCALE,
    )
    assert f"{points(-0.3)}\u00a0%" in drawn


def test_p_is_never_0():
    assert (p_value(0.0), p_value(0.0312), p_value(math.nan)) == ("< 0.001", "0.031", "")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        *((1234.0, "1,234"), (1234.5, "1,234"), (8.925, "8.93"), (0.0002219, "0.000222")),
        *((-3, "−3"), (-1.234e-5, "−1.23e-5"), (math.nan, "")),
    ],
)
def test_plain_numbers(value, text):
    assert plain(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (950, "950"), (999.6, "1.00 k"), (12345, "12.3 k"), (999_950, "1.00 M"), (7.8e15, "7.80 P")],
)
def test_large_numbers_are_short(value, text):
    assert short(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(4.2, "4.2 s"), (42, "42 s"), (59.7, "1 min"), (200, "3 min 20 s"), (18420, "5 h 7 min"), (183600, "2 d 3 h")],
)
def test_durations(seconds, text):
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0005286606216683644, "0.0005287"), (1e-5, "1e-5"), (1.23456e-5, "1.235e-5"), (0.05, "0.05"), (1.0, "1")],
)
def test_settings_have_four_digits(value, text):
    assert four(value) == text
    assert float(exact(value)) == value
    assert float(text) == pytest.approx(value, rel=1e-3)


@pytest.mark.parametrize(
    ("longest", "expected"),
    [
        (0, (1, "seconds")),
        (179, (1, "seconds")),
        (180, (60, "minutes")),
        (10_800, (3600, "hours")),
        (3e5, (86400, "days")),
    ],
)
def test_an_axis_of_times_has_a_unit_that_suits_them(longest, expected):
    assert time_unit(longest) == expected
