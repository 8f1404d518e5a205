"""Numbers are read as people mean them."""

import math

import numpy as np
import pytest

from reft_lab.answers.numbers import Number, number_text, parse_number, read_number


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("18", 18),
        ("18.0", 18),
        ("18.", 18),
        (" 18 \n", 18),
        ("<203>", 203),
        ("**18**", 18),
        ("(18)", 18),
        (".5", 0.5),
        ("1,234", 1234),
        ("1,234.50", 1234.5),
        ("1,234,567", 1234567),
        ("1,00,000", 100000),
        ("$18", 18),
        ("$1,200.", 1200),
        (r"\$18", 18),
        (r"\boxed{18}", 18),
        ("US$18", 18),
        ("€12", 12),
        ("rs . 650", 650),
        ("Rs.650", 650),
        ("18 dollars", 18),
        ("18cm", 18),
        ("60 km/h", 60),
        ("5 m^2", 5),
        ("$18 per day", 18),
        ("about 18 apples", 18),
        ("18 apples in 3 boxes", 18),
        ("the 3rd", 3),
        ("3 pieces", 3),
        ("3 * 6 = 18", 18),
        ("x = 18.", 18),
        ("3/4", 0.75),
        ("3 / 4", 0.75),
        ("1.5/2", 0.75),
        ("1 3/4", 1.75),
        ("1 and 3/4 cups", 1.75),
        ("½", 0.5),
        ("2½", 2.5),
        ("-5", -5),
        ("- 5", -5),
        ("-$5", -5),
        ("$-5", -5),
        ("-.5", -0.5),
        ("-1 3/4", -1.75),
        ("negative 5", -5),
        ("\N{MINUS SIGN}5", -5),
        ("\N{EN DASH}5", -5),
        ("+5", 5),
        ("1.5 million", 1.5e6),
        ("3 hundred", 300),
        ("$2 billion", 2e9),
        ("1e5", 1e5),
        ("1e-05", 1e-5),
    ],
)
def test_reads_a_number_as_people_mean_it(text: str, value: float) -> None:
    assert parse_number(text) == pytest.approx(value, rel=1e-15)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "none",
        "nan",
        "inf",
        "-Infinity",
        "1e999",
        "3/0",
        "x0",
        "A4",
        "18.0.0",
        "1_000",
        "0x1F",
        "1,23",
        "3 + 4",
        "3 * 4",
        "7 minus 5",
        "10-15",
        "10 \N{EN DASH} 15",
        "5:30",
        "3/4/2026",
        "1, 2",
        "5 or 6",
        "3 5",
        "16 π",
        "16pi",
        "3 √ 2",
        "√5",
        "√ 5 cm",
        "2 ^ n",
        "3 =",
    ],
)
def test_what_is_not_one_number_is_none(text: str) -> None:
    assert parse_number(text) is None


@pytest.mark.parametrize("text", ["50%", "50 %", r"50\%", "50 percent", "50 per cent of them", "50.0%"])
def test_a_percent_reads_as_50_and_can_mean_a_half(text: str) -> None:
    number = read_number(text)
    assert number == Number(50, percent=True)
    assert number.nearest_to(50) == 50
    assert number.nearest_to(49) == 50
    assert number.nearest_to(0.5) == 0.5
    assert number.nearest_to(0.4) == 0.5


def test_a_plain_number_has_one_meaning() -> None:
    assert Number(50).nearest_to(0.5) == 50


def test_random_numbers_survive_every_dress() -> None:
    draws = np.random.default_rng(0)
    for _ in range(300):
        value = round(float(draws.normal() * 10.0 ** draws.integers(-2, 8)), int(draws.integers(0, 4)))
        for dress in ("{}", "<{}>", "{} dollars", "{}.", "it is {}", "x = {}", "{}%"):
            assert parse_number(dress.format(repr(value))) == value
        assert parse_number(f"{value:,.3f}") == pytest.approx(value, abs=1e-3)
        assert parse_number(f"{'-' * (value < 0)}${abs(value):,.3f}") == pytest.approx(value, abs=1e-3)


def test_long_garbage_takes_no_time() -> None:
    for garbage in ("1" * 20_000, "1," * 10_000, "1 " * 10_000, "-" * 20_000, "1/" * 10_000, "$" * 20_000):
        value = parse_number(garbage)
        assert value is None or math.isfinite(value)


@pytest.mark.parametrize(
    ("value", "text"),
    [(18.0, "18"), (-3.0, "-3"), (-0.0, "0"), (0.25, "0.25"), (0.1 + 0.2, "0.3"), (123456789012.0, "123456789012")],
)
def test_equal_answers_are_written_alike(value: float, text: str) -> None:
    assert number_text(value) == text


@pytest.mark.parametrize("value", [1e300, -1e300, 1e-300, 1 / 3, 5e-324])
def test_a_written_number_reads_back(value: float) -> None:
    assert parse_number(number_text(value)) == pytest.approx(value, rel=1e-9)
