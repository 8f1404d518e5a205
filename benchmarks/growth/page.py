"""Tables of what grows how, and the page of the documentation that shows them."""

from __future__ import annotations

import re
from pathlib import Path

from .axis import Measured

_MARK = "<!-- measured: {name} -->"


def table(measured: Measured) -> str:
    """A Markdown table: a row for each size with `median (lowest to highest)`, and one for the exponents."""
    quantities = [(quantity, panel.unit) for panel in measured.axis.panels for quantity in panel.quantities]
    sizes = sorted(next(iter(measured.values.values())))
    lines = [
        f"| {measured.axis.label} | " + " | ".join(f"{quantity}, {unit}" for quantity, unit in quantities) + " |",
        "|---" * (len(quantities) + 1) + "|",
    ]
    for size in sizes:
        cells = [_cell(measured.values[quantity][size], measured.medians(quantity)[size]) for quantity, _ in quantities]
        lines.append(f"| {size:,} | " + " | ".join(cells) + " |")
    exponents = [f"{measured.exponent(quantity):.2f}" for quantity, _ in quantities]
    return "\n".join([*lines, "| exponent | " + " | ".join(exponents) + " |"])


def _cell(values: list[float], median: float) -> str:
    spread = f" ({_number(min(values))} to {_number(max(values))})" if len(values) > 1 else ""
    return _number(median) + spread


def _number(value: float) -> str:
    """Three digits that count, no exponent."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def put(page: Path, measured: Measured) -> None:
    """Replace the table of an axis on a page: what stands between its two marks."""
    mark = _MARK.format(name=measured.axis.name)
    text = page.read_text(encoding="utf-8")
    if text.count(mark) != 2:
        raise SystemExit(f"{page} does not hold {mark} twice; put the table of {measured.axis.name} between two.")
    between = re.compile(f"({re.escape(mark)}).*({re.escape(mark)})", re.DOTALL)
    body = table(measured).replace("\\", "\\\\")
    page.write_text(between.sub(rf"\1\n{body}\n\2", text), encoding="utf-8")
