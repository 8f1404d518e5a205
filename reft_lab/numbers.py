"""Numbers as people read them: one way to write an accuracy, a difference, an interval, a p, a duration.

What holds everywhere:
- a share is in per cent (`52.3`, with ` %` behind it where no head of a column says so), a difference of two shares in
  percentage points, with its sign (`+2.3 points`);
- `41.0 to 50.5` is a 95 % interval, and `46.1 ± 1.2` one standard error;
- an interval ends where what it is of ends: at 0 and 100 % for a share, at −100 and +100 points for a difference;
- minus is `−`, but `-` in a setting, which is written as one types it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

# The same for numbers that a browser writes: the locale of d3, which charts take.
LOCALE: dict[str, Any] = {"decimal": ".", "thousands": ",", "grouping": [3], "currency": ["", ""]} | {
    "percent": "\u00a0%",
    "minus": "−",
}


def per_cent(fraction: float, digits: int = 1) -> str:
    """A share in per cent, `52.3`; empty for nan."""
    return "" if math.isnan(fraction) else _minus(f"{100 * fraction:z.{digits}f}")


def points(fraction: float) -> str:
    """A difference of shares in percentage points with its sign, `+12.3`; empty for nan."""
    return "" if math.isnan(fraction) else _minus(f"{100 * fraction:+z.1f}")


def interval(low: float, high: float) -> str:
    """The ends of an interval of shares in per cent, `41.0 to 50.5`, cut at 0 and 100; empty for nan."""
    return "" if math.isnan(low) else f"{per_cent(max(low, 0.0))} to {per_cent(min(high, 1.0))}"


def interval_in_points(low: float, high: float) -> str:
    """The ends of an interval of a difference, `−1.2 to +3.4`, cut at −100 and +100; empty for nan."""
    return "" if math.isnan(low) else f"{points(max(low, -1.0))} to {points(min(high, 1.0))}"


def with_error(mean: float, standard_error: float) -> str:
    """A mean of shares in per cent with one standard error, `46.1 ± 1.2`; the mean alone where that is nan."""
    return per_cent(mean) + ("" if math.isnan(standard_error) else f" ± {per_cent(standard_error)}")


def change(ratio: float) -> str:
    """By how much more or less, from the ratio of two numbers: `+12 %`, `−4 %`; empty for nan."""
    return "" if math.isnan(ratio) else _minus(f"{100 * (ratio - 1):+z.0f} %")


def p_value(p: float) -> str:
    """`0.031`, `< 0.001`; empty for nan."""
    return "" if math.isnan(p) else "< 0.001" if p < 0.001 else f"{p:.3f}"


def p_in_words(p: float) -> str:
    """`= 0.031`, `< 0.001`."""
    return p_value(p) if p < 0.001 else f"= {p_value(p)}"


def plain(value: float) -> str:
    """Whole and large numbers with all their digits, others with three: `1,234`, `−0.0312`, `1.2e-5`; empty for nan."""
    if math.isfinite(value) and (value == round(value) or abs(value) >= 1000):
        return _minus(f"{value:z,.0f}")
    return "" if math.isnan(value) else _minus(_digits(value, 3))


def two_places(value: float) -> str:
    """A number around 1 with two places, `−0.06`; empty for nan."""
    return "" if math.isnan(value) else _minus(f"{value:z.2f}")


def four(value: float) -> str:
    """A setting with at most four digits, as one types it: `0.0005287`, `1e-5`, `0.05`."""
    return _digits(value, 4)


def exact(value: float) -> str:
    """A setting with all its digits, as one types it: `0.00052866062`, `1e-5`."""
    return _exponent(str(value))


def short(value: float) -> str:
    """A large number with three digits and a prefix: `950`, `12.3 k`, `4.56 M`, `7.80 P`; empty for nan."""
    if math.isnan(value):
        return ""
    for power, prefix in enumerate(" kMGTPE"):
        scaled = value / 1000**power
        if abs(scaled) < 999.5:
            return f"{scaled:.0f}" if not power else f"{scaled:#.3g}".rstrip(".") + f" {prefix}"
    return f"{value:.2e}"


def memory(size: float) -> str:
    """Bytes: `950 MiB`, `12.3 GiB`, `1,230 GiB`."""
    if abs(size) < 1000 * 2**20:
        return f"{size / 2**20:.0f} MiB"
    size /= 2**30
    return f"{size:#.3g} GiB" if size < 99.95 else f"{size:,.0f} GiB"


def duration(seconds: float) -> str:
    """`4.2 s`, `42 s`, `3 min 20 s`, `5 h 7 min`, `2 d 3 h`."""
    total = round(seconds)
    for size, unit, part, name in ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if total >= size:
            rest = total % size // part
            return f"{total // size} {unit}" + (f" {rest} {name}" if rest else "")
    return f"{seconds:.1f} s" if seconds < 10 else f"{total} s"


def time_unit(longest: float) -> tuple[float, str]:
    """The unit of an axis of times up to so many seconds: its length in seconds, and its name."""
    units = ((86400, "days"), (3600, "hours"), (60, "minutes"))
    return next(((size, name) for size, name in units if longest >= 3 * size), (1, "seconds"))


def _digits(value: float, digits: int) -> str:
    """At most so many digits, an exponent without its zeros."""
    return _exponent(f"{value:.{digits}g}")


def _exponent(number: str) -> str:
    """`1e-05` as one types it, `1e-5`."""
    return re.sub(r"e([-+])0*(\d)", lambda found: f"e{found[1].replace('+', '')}{found[2]}", number)


def _minus(number: str) -> str:
    return f"−{number[1:]}" if number.startswith("-") else number


def finite(content: Any) -> Any:
    """The same content with null for numbers that JSON does not have; tuples become lists, keys text."""
    if isinstance(content, float):
        return content if math.isfinite(content) else None
    if isinstance(content, Mapping):
        return {str(key): finite(value) for key, value in content.items()}
    if isinstance(content, (list, tuple)):
        return [finite(value) for value in content]
    return content
