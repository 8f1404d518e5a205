"""Pictures of what grows how: log-log, with a line that grows linearly to compare with."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from .axis import Measured, Panel

INK = "#7d858f"
"""A grey that can be read on white and on black, for a picture without a background of its own."""

LINES = ("#2f81f7", "#e0752d", "#2da567", "#b864d8", "#c9a227")
MARKS = "osD^v"
WIDTH, HEIGHT = 5.2, 4.4


def draw(measured: Measured, path: Path) -> None:
    """Write an SVG with a part for each panel of the axis: medians, and bars from the lowest to the highest value."""
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot

    style: Any = {
        "svg.fonttype": "none",
        "svg.hashsalt": measured.axis.name,
        "font.family": "sans-serif",
        "font.size": 9,
    }
    style |= dict.fromkeys(("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color"), INK)
    with pyplot.rc_context(style):
        panels = measured.axis.panels
        rows = -(-len(panels) // 2)
        columns = -(-len(panels) // rows)
        figure, parts = pyplot.subplots(
            rows, columns, figsize=(WIDTH * columns, HEIGHT * rows), squeeze=False, layout="constrained"
        )
        for panel, part in zip(panels, parts.flat, strict=True):
            _draw_panel(measured, panel, part)
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, format="svg", transparent=True, metadata={"Date": None})
        pyplot.close(figure)
    path.write_text(re.sub(r"[ \t]+$", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE), encoding="utf-8")


def _draw_panel(measured: Measured, panel: Panel, part: Any) -> None:
    from matplotlib.ticker import NullLocator

    highest: dict[int, float] = {}
    for quantity, colour, mark in zip(panel.quantities, LINES, MARKS, strict=False):
        medians, values = measured.medians(quantity), measured.values[quantity]
        if list(medians.values())[-1] > list(highest.values() or [0.0])[-1]:
            highest = medians
        bars = [
            [median - min(values[size]) for size, median in medians.items()],
            [max(values[size]) - median for size, median in medians.items()],
        ]
        label = f"{quantity} (exponent {measured.exponent(quantity):.2f})"
        part.errorbar(
            list(medians), list(medians.values()), bars,
            label=label, color=colour, marker=mark, markersize=4, linewidth=1.4, capsize=2,
        )  # fmt: skip
    (last, top), sizes = list(highest.items())[-1], list(highest)
    part.plot(sizes, [top * size / last for size in sizes], color=INK, linestyle=":", label="linear")
    part.set_xscale("log")
    part.set_yscale("log")
    everything = [value for quantity in panel.quantities for row in measured.values[quantity].values() for value in row]
    part.set_ylim(min(filter(None, everything)) / 2, max(everything) * 2)  # the linear line may leave the picture
    part.set_xticks(sizes, [f"{size:,}" for size in sizes])
    part.xaxis.set_minor_locator(NullLocator())
    part.set_xlabel(measured.axis.label)
    part.set_ylabel(panel.clock if panel.unit == "s" else panel.unit)
    part.set_title(panel.title, fontsize=10)
    part.grid(color=INK, alpha=0.25, linewidth=0.6)
    part.legend(frameon=False, fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.17))
