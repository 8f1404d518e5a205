"""A study in words and figures: which options it varies, and what came of each setting."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from reft_lab.analysis.seeds import against, by_setting
from reft_lab.analysis.settings import as_typed, describe, finished
from reft_lab.analysis.tables import as_markdown
from reft_lab.numbers import interval, interval_in_points, p_value, per_cent, points

if TYPE_CHECKING:
    from pandas import DataFrame, Series

    from reft_lab.analysis import Runs

FEW = {1: "one seed", 2: "two seeds give none"}


def ablation_table(runs: Runs, options: list[str]) -> str:
    """What was run, and a Markdown table of the test accuracy of each setting: its mean over seeds, in %."""
    parts = [describe(runs, options)]
    if options and not finished(runs.table).empty:
        means = by_setting(runs.table, options).sort_values("mean", ascending=False)
        parts.append(_markdown(_row(row, options) for _, row in means.iterrows()))
        if len(options) == 1:
            parts.append(_differences(runs.table, options[0]))
    return "\n\n".join(part for part in parts if part)


def _row(row: Series, options: list[str]) -> dict[str, str]:
    return {f"`{option}`": as_typed(row[option]) for option in options} | {
        "seeds": str(int(row["n"])),
        "test accuracy, %": per_cent(row["mean"]),
        "95 % interval over seeds": interval(row["low"], row["high"]) or FEW[int(row["n"])],
    }


def _differences(table: DataFrame, option: str) -> str:
    """Each value against the default or the first, over the seeds that both have; empty where seeds are too few."""
    import pandas

    found = against(table, option)
    return _markdown(
        {
            f"`{option}`": as_typed(row[option]),
            "against": as_typed(row["base"]),
            "seeds": str(int(row["n"])),
            "difference, points": points(row["difference"]),
            "95 % interval": interval_in_points(row["low"], row["high"]),
            "p (Holm)": p_value(row["p_holm"]),
            "seeds needed": "" if row["seeds_needed"] is pandas.NA else str(row["seeds_needed"]),
        }
        for _, row in found[found["n"] > 1].iterrows()
    )


def _markdown(rows: Iterable[dict[str, str]]) -> str:
    import pandas

    table = pandas.DataFrame(list(rows))
    return "" if table.empty else as_markdown(table)
