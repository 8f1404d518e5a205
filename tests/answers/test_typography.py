"""LaTeX and the typography of every country are read; what is more than a number is none."""

import pytest

from reft_lab.answers.numbers import parse_number, read_whole
from reft_lab.answers.typography import last_box, plain

READ = {
    0.75: [
        *(r"\frac{3}{4}", r"\dfrac{3}{4}", r"\tfrac{3}{4}", r"\frac34", r"\frac 3 4", r"$\frac{3}{4}$"),
        r"\(\frac{3}{4}\)",
        *(r"\boxed{\frac{3}{4}}", r"\boxed{\left(\frac{3}{4}\right)}", r"\frac{3}{4} \text{ cups}", r"\frac{-3}{-4}"),
        *("¾", "3⁄4", "(3/4)", r"x = \frac{3}{4}"),
    ],
    -1 / 3: [r"-\frac{1}{3}", r"\frac{-1}{3}", r"\frac{1}{-3}", "-(1/3)", "-(1 / 3)", "−1/3"],
    1.5: [r"1\frac{1}{2}", r"1 \frac12", "1½", "1 1/2", "1 and 1/2", "1 and a half", r"\boxed{1\frac{1}{2}}"],
    1234: [
        *("1,234", "1{,}234", r"1,\!234", r"1\,234", r"1\;234", "1 234", "1\u202f234", "1\u00a0234", "1\u2009234"),
        *("1'234", "1’234", "1.234,0", r"\$1{,}234", "$1,234$", r"\text{1,234}", "１２３４", "١٢٣٤", "1,234 apples"),
    ],
    1234567.5: ["1,234,567.5", "1.234.567,5", "1 234 567.5", "1 234 567,5", "12,34,567.5", "1'234'567.5"],
    18: [
        *(r"\boxed{18}", r"\boxed{\text{18 dollars}}", r"\fbox{18}", r"\boxed{18", r"\[ 18 \]", "$$18$$"),
        r"\mathrm{18\ cm}",
        *(r"18\text{ dollars}", r"18^\circ", r"18^{\circ}", r"18 \text{ cm}^2", r"\left( 18 \right)", "**18**", "`18`"),
        *("¥18", "₣18", "₹ 18", "18€", "18 €", "£18", "₩18", "₽18", "₺18", "₫18", "R$ 18", "US$18", "CHF 18", "CHF18"),
        *("kr 18", "18 kr", "Rs. 18", "Rs 18/-", "18,-", "18 zł", "18元", "18 EUR", "x = 18", "18 m/s^2", "18 times"),
    ],
    -18: ["-¥18", "¥-18", "-CHF 18", r"-\$18", "−18 €", "minus 18"],
    12345: [r"12\,345", r"12 \, 345", r"\num{12345}", "12 345"],
    36: ["3 dozen", "3 dozens", "3 dozen eggs", r"3 \text{ dozen}", r"\boxed{3} dozen", r"\boxed{3}\text{ dozen}"],
    2000: ["2k", "2K", "$2k", "2 thousand", "2k/month"],
    1.5e6: ["1.5 million", "1.5M", "$1.5M", "1.5million", "1.5 mn", "15 lakh"],
    200_000: ["2 hundred thousand", "2 lakhs", "200k"],
    6: ["1/2 dozen", "½ dozen"],
    25: [r"25\%", r"25 \%", "25%", "25 percent", "25 per cent"],
}  # fmt: skip

NO_NUMBER = [
    *(r"2\sqrt{3}", r"\frac{\sqrt{3}}{2}", r"4\pi", r"\frac{\pi}{4}", r"\frac{x}{2}", r"\frac{3}{x}", r"\frac{1}{2}x"),
    *(r"3 \times 6", r"3 \cdot 6", r"3 \div 6", r"5 \pm 1", r"\binom{5}{2}", r"3\theta", r"\log 5"),
    *(r"\sin(30)", r"2^{10}"),
    *("x = 3 and y = 4", "x = 3, y = 4", "x=3; y=4", "x = 3 or x = 5", "18 != 20", r"18 \neq 20", "5!", "(5)!", "2^3"),
    *("x >= 3", "x <= 3", "2 < x = 3", "x =/= 3", "√3 = x", r"\{x : x = 3, 4\}"),
    *("x < 3", r"x \le 3", "3 < x < 5", "≥ 18", r"\{1, 2\}", r"\{3\}", "(3, 5)", "[3, 5)", r"(3, \infty)", "(x, 3)"),
    *("2 x", "2x", "3 + n", "n + 3", "n - 3", "3 - n", "f(3)", "(-3)^2", "3(4)", "2²", "5% of 20", "1/2 of 6"),
    "half of 6",
    *("3 : 5", "2 hours 30 min", "5 feet 6 inches", "6 ft 2 in", "5'6\"", "5 apples and 3 pears", "40 (m); 20 (m)"),
    *("Ann has 5, Bob has 3", "18 cm by 20 cm", "20 grand", r"\boxed{5}^2", r"\boxed{5}x"),
    *("2 score", "3 baker's dozen", "half a dozen", "2 k", "5 M", "3 halves", "2 thirds", "3 gross"),
    *("3 squared", "3万"),
    *("1,5", "1,23", "0,5", "1 23", "1 2345", "12,345,67", "1_000", r"\boxed{3} and \boxed{4}", "3 and y", "3i", "-x"),
]  # fmt: skip


@pytest.mark.parametrize(("value", "text"), [(value, text) for value, texts in READ.items() for text in texts])
def test_a_number_in_every_dress(value: float, text: str) -> None:
    assert parse_number(text) == pytest.approx(value, rel=1e-12)
    whole = read_whole(text)
    assert whole is not None
    assert whole.value == pytest.approx(value, rel=1e-12)


@pytest.mark.parametrize("text", NO_NUMBER)
def test_what_is_more_than_a_number_is_none(text: str) -> None:
    assert parse_number(text) is None
    assert read_whole(text) is None


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1.234", 1.234),
        ("18 apples in 3 boxes", 18),
        ("18 (3 per box)", 18),
        ("$18 a day for 3 days", 18),
        ("3*6 -> 18", 18),
        (r"3 \times 6 = 18", 18),
        (r"2x = 6 \Rightarrow x = 3", 3),
        ("about 18 km", 18),
        (r"\sqrt{324} = 18", 18),
        (r"\frac{1}{8} \approx 0.125", 0.125),
        ("at least 18", 18),
        (r"either \boxed{17} or, better, \boxed{18}", 18),
        ("18, I think", 18),
        (r"\boxed{18}. Check: 3 * 5 = 15", 18),
        (r"\boxed{18} because 3 * 6 is that", 18),
    ],
)
def test_words_around_a_number_are_no_hindrance(text: str, value: float) -> None:
    assert parse_number(text) == value


@pytest.mark.parametrize(
    "text",
    [
        *(
            "40; 20",
            "18 apples in 3 boxes",
            "40 (years old); 15 (years old)",
            "at least 5",
            "about 5",
            "5 or 6",
            "5 (of 6)",
        ),
        *("3 * 6 = 18", "11 am", "none", "5 remainder 2", "more than 5", "20 % more than 5", "seven", "", "#", "5 x"),
    ],
)
def test_a_whole_number_leaves_nothing_over(text: str) -> None:
    assert read_whole(text) is None


@pytest.mark.parametrize(
    ("text", "value"),
    [("5 (apples)", 5), ("7 (m^2)", 7), ("9 (pens/box)", 9),
     ("5 apples", 5), ("$ 6.50", 6.5), ("answer = 5", 5), ("12 km / hr", 12), ("3rd", 3),
    ("[18]", 18),
     ("18-year-old", 18), ("210 cm 2", 210), ("20 % less", 20), ("3.5.", 3.5), ("'18'", 18), ("6 sq . units", 6)],
)  # fmt: skip
def test_units_belong_to_a_whole_number(text: str, value: float) -> None:
    whole = read_whole(text)
    assert whole is not None
    assert whole.value == value


def test_the_last_box_and_its_braces() -> None:
    assert last_box(r"\boxed{1} then \boxed{\frac{3}{4}} end") == r"\frac{3}{4}"
    assert last_box("none") is None
    assert plain(r"\boxed{\boxed{\text{B}}}").strip() == "B"
    assert plain("2**3**4") == "2**3**4"


def test_long_texts_take_no_time() -> None:
    for garbage in (
        r"\frac{" * 3000,
        r"\boxed{" * 3000,
        "apples" * 3000,
        "5 " + "a b " * 3000,
        "(1, " * 3000,
        "1 000" * 3000,
    ):
        parse_number(garbage)
        read_whole(garbage)
        read_whole(garbage[:1000])
