"""Numbers as people read them."""

from __future__ import annotations

import math


def duration(seconds: float) -> str:
    """`42 s`, `3 min 20 s`, `5 h 7 min`, `2 d 3 h`."""
    total = round(seconds)
    if total < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{total} s"
    for size, unit, part, name in ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if total >= size:
            rest = total % size // part
            return f"{total // size} {unit}" + (f" {rest} {name}" if rest else "")
    raise AssertionError


def points(fraction: float) -> str:
    """A difference of shares in percentage points with its sign: `+12.3`."""
    return f"{100 * fraction:+.1f}"


def percent(fraction: float) -> str:
    """A share in per cent, `52.3`; empty for nan."""
    return "" if math.isnan(fraction) else f"{100 * fraction:.1f}"
