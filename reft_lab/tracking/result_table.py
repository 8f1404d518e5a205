"""The end of a run on the terminal: accuracies side by side."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.table import Table

ROWS = (("warmup", "after warm-up"), ("baseline_sft", "best SFT"), ("final", "after ReFT"))


def result_table(result: Mapping[str, Any]) -> Table:
    """The accuracies of a result.json, with n and 95 % intervals."""
    selection = "" if result["selection"] == "dev" else " (checkpoint picked on the test set)"
    table = Table(title=f"{result['name']}: greedy accuracy{selection}", title_justify="left")
    table.add_column("", no_wrap=True)
    for split in ("dev", "test"):
        table.add_column(f"{split} %", justify="right", no_wrap=True)
        table.add_column("95 % interval", justify="right", no_wrap=True)
        table.add_column("n", justify="right", no_wrap=True)
    for key, label in ROWS:
        scores = result.get(key)
        if scores:
            name = "best SFT" if key == "final" and result["method"] == "sft" else label
            table.add_row(name, *_cells(scores["dev"]), *_cells(scores["test"]))
    return table


def _cells(score: Mapping[str, Any] | None) -> list[str]:
    if score is None:
        return ["", "", ""]
    low, high = score["ci95"]
    return [f"{100 * score['accuracy']:.1f}", f"{100 * low:.1f} - {100 * high:.1f}", str(score["n"])]
