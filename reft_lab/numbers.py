"""Numbers as people read them: one way to write an accuracy, a difference, an interval, a p, a duration."""

from __future__ import annotations

import math
import re


def per_cent(fraction: float, digits: int = 1) -> str:
    """A share in per cent, `52.3`; empty for nan."""
    return "" if math.isnan(fraction) else f"{100 * fraction:.{digits}f}"


def points(fraction: float) -> str:
    """A difference of shares in percentage points with its sign, `+12.3`; empty for nan."""
    return "" if math.isnan(fraction) else f"{100 * fraction:+.1f}".replace("-", "−")


def interval(low: float, high: float) -> str:
    """The ends of an interval of shares in per cent, `41.0 to 50.5`, cut at 0 and 100; empty for nan."""
    return "" if math.isnan(low) else f"{per_cent(max(low, 0.0))} to {per_cent(min(high, 1.0))}"


def interval_in_points(low: float, high: float) -> str:
    """The ends of an interval of a difference, `−1.2 to +3.4`; empty for nan."""
    return "" if math.isnan(low) else f"{points(low)} to {points(high)}"


def p_value(p: float) -> str:
    """`0.031`, `< 0.001`; empty for nan."""
    return "" if math.isnan(p) else "< 0.001" if p < 0.001 else f"{p:.3f}"


def p_in_words(p: float) -> str:
    """`= 0.031`, `< 0.001`."""
    return p_value(p) if p < 0.001 else f"= {p_value(p)}"


def plain(value: float) -> str:
    """Whole and large numbers with all their digits, others with three: `1,234`, `0.0312`."""
    return f"{value:,.0f}" if value == round(value) or abs(value) >= 1000 else f"{value:.3g}"


def four(value: float) -> str:
    """A setting with at most four digits, as one types it: `0.0005287`, `1e-5`, `0.05`."""
    return re.sub(r"e([-+])0*(\d)", lambda found: f"e{found[1].replace('+', '')}{found[2]}", f"{value:.4g}")


def short(value: float) -> str:
    """A large number with three digits and a prefix: `950`, `12.3 k`, `4.56 M`, `7.80 P`; empty for nan."""
    if math.isnan(value):
        return ""
    for power, prefix in enumerate(" kMGTPE"):
        scaled = value / 1000**power
        if abs(scaled) < 999.5:
            return f"{scaled:.0f}" if not power else f"{scaled:#.3g}".rstrip(".") + f" {prefix}"
    return f"{value:.2e}"


def duration(seconds: float) -> str:
    """`4.2 s`, `42 s`, `3 min 20 s`, `5 h 7 min`, `2 d 3 h`."""
    total = round(seconds)
    for size, unit, part, name in ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if total >= size:
            rest = total % size // part
            return f"{total // size} {unit}" + (f" {rest} {name}" if rest else "")
    return f"{seconds:.1f} s" if seconds < 10 else f"{total} s"
