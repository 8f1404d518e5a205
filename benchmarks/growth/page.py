"""Tables of what grows how, and the page of the documentation that shows them."""

from __future__ import annotations

from pathlib import Path

from .axis import Measured


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
    exponents = [f"{measured.exponent(quantity):.2f}".replace("nan", "") for quantity, _ in quantities]
    return "\n".join([*lines, "| exponent | " + " | ".join(exponents) + " |"])


def _cell(values: list[float], median: float) -> str:
    spread = f" ({_number(min(values))} to {_number(max(values))})" if len(values) > 1 else ""
    return _number(median) + spread


def _number(value: float) -> str:
    """Three digits that count, no exponent."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def put(page: Path, measured: Measured) -> None:
    """Replace the table of an axis on a page: what stands between its two marks."""
    put_between(page, f"measured: {measured.axis.name}", table(measured))


def put_between(page: Path, name: str, body: str) -> None:
    """Replace what stands between the two marks of this name on a page."""
    mark = f"<!-- {name} -->"
    text = page.read_text(encoding="utf-8")
    if text.count(mark) != 2:
        raise SystemExit(f"{page} does not hold {mark} twice; put what is {name} between two.")
    before, _, after = text.split(mark)
    page.write_text(f"{before}{mark}\n{body}\n{mark}{after}", encoding="utf-8")
