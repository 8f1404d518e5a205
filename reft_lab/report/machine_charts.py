"""How busy the machine was while a run went, as curves."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from reft_lab.charts.chart import Axes, Chart, Line
from reft_lab.charts.curves import line_chart
from reft_lab.metrics import SHARE
from reft_lab.report.curves import Curves


def machine_charts(curves: Curves, *, colour: str, axis: dict[str, Any]) -> Iterable[Chart | None]:
    """What was at work, what memory was in use, and what of it was the run's.

    Args:
        curves: those of the run.
        colour: of what is the run's own.
        axis: the steps, as Axes take them.
    """
    gpu, memory, of_the_gpu = curves["machine/gpu"], curves["machine/memory"], curves["machine/gpu_memory"]
    yield line_chart(
        "machine-cpu",
        "CPUs at work",
        [
            Line("all of it", curves["machine/cpu"], "muted", "dashed"),
            Line("for the run", curves["machine/run_cpu"], colour),
        ],
        Axes(SHARE, **axis),
        about="Of all that the machine has.",
    )
    yield line_chart("machine-gpu", "GPU at work", [Line("GPU", gpu, colour)], Axes(SHARE, **axis))
    yield line_chart(
        "machine-memory",
        "Memory in use",
        [Line("RAM", memory, "muted"), Line("GPU", of_the_gpu, colour)],
        Axes(SHARE, **axis),
        about="By whomever: of the machine, or of what its container may take.",
    )
    yield line_chart(
        "machine-run-memory",
        "Memory of the run",
        [
            Line("RAM", curves["machine/run_memory"], "muted"),
            Line("GPU", curves["machine/run_gpu_memory"], colour),
        ],
        Axes("GiB", **axis),
        about="With its children: sandboxes, a baseline, W&B's service.",
    )
