"""A study in words and figures: which options it varies, and what came of each setting."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reft_lab.analysis.schema import CONFIG
from reft_lab.analysis.seeds import against, by_setting
from reft_lab.analysis.settings import describe, differing, finished
from reft_lab.config.wording import shown

if TYPE_CHECKING:
    from pandas import DataFrame, Series

# What a choice of a config group goes by; the rest of what it sets is the same wherever the choice is.
CHOICES = ("model.name", "data.name", "cot.name", "reward.function")


def varied(table: DataFrame) -> list[str]:
    """The options that a study varies, by dotted names, choices first; those that only follow from a choice are not.

    Args:
        table: `Runs.table` of the study.
    """
    options = differing(table)
    choices = [option for option in CHOICES if option in options]
    if choices:
        groups = table.groupby([CONFIG + choice for choice in choices], dropna=False)
        options = [option for option in options if groups[CONFIG + option].nunique(dropna=False).max() > 1]
    return [*choices, *options]


def ablation_table(table: DataFrame, options: list[str]) -> str:
    """What was run, and a Markdown table of the test accuracy of each setting: its mean over seeds, in %.

    Args:
        table: `Runs.table` of the study.
        options: what it varies.
    """
    parts = [describe(table, options)]
    if not finished(table).empty and options:
        means = by_setting(table, options).sort_values("mean", ascending=False)
        head = [*(f"`{option}`" for option in options), "seeds", "test accuracy, %", "95 % interval over seeds"]
        parts.append(_markdown(head, [_row(row, options) for _, row in means.iterrows()]))
        if len(options) == 1:
            parts.append(_differences(table, options[0]))
    return "\n\n".join(part for part in parts if part)


def _differences(table: DataFrame, option: str) -> str:
    """Each value against the default or the first, over the seeds that both have; empty where seeds are too few."""
    found = against(table, option)
    found = found[found["n"] > 1]
    if found.empty:
        return ""
    head = [f"`{option}`", "against", "seeds", "difference, points", "95 % interval", "p (Holm)"]
    rows = [
        [
            shown(row[option]),
            shown(row["base"]),
            str(row["n"]),
            f"{100 * row['difference']:+.1f}",
            _interval(row),
            f"{row['p_holm']:.3f}",
        ]
        for _, row in found.iterrows()
    ]
    return _markdown(head, rows)


def _row(row: Series, options: list[str]) -> list[str]:
    return [*(shown(row[option]) for option in options), str(row["n"]), f"{100 * row['mean']:.1f}", _interval(row)]


def _interval(row: Series) -> str:
    return f"{100 * row['low']:.1f} to {100 * row['high']:.1f}" if row["n"] > 1 else "one seed"


def _markdown(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)
