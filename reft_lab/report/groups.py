"""The settings of a study: which of its runs are the same experiment but for the seed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from reft_lab.analysis.found import FINISHED
from reft_lab.config.wording import shown

if TYPE_CHECKING:
    from pandas import DataFrame

WORDS = 60  # characters of a label


@dataclass(frozen=True)
class Group:
    """The runs of one setting.

    Attributes:
        number: its place, from 0; in the order of the runs.
        values: what is particular to it, as one writes it, by option; empty where nothing differs.
        rows: rows of `Runs.table`, in its order.
    """

    number: int
    values: Mapping[str, str]
    rows: tuple[Mapping[str, Any], ...]

    @property
    def label(self) -> str:
        """Its values in words, short enough for a legend."""
        text = ", ".join(f"{option}={value}" for option, value in self.values.items()) or "all runs"
        return text if len(text) <= WORDS else f"{self.number}: {text[: WORDS - 5]}…"

    def by_seed(self, column: str) -> dict[Any, float]:
        """A result of its finished runs by seed; the mean of runs with the same seed."""
        found: dict[Any, list[float]] = {}
        for row in self.rows:
            if row["state"] == FINISHED and not math.isnan(row[column]):
                found.setdefault(row["seed"], []).append(float(row[column]))
        return {seed: sum(values) / len(values) for seed, values in found.items()}


def groups_of(table: DataFrame) -> list[Group]:
    """The settings of the runs in a table, in the order of their first runs.

    A run whose config cannot be read is of no setting, unless none can be read.

    Args:
        table: `Runs.table`, without the runs that confirm a search.
    """
    from reft_lab.analysis.schema import CONFIG
    from reft_lab.analysis.settings import differing

    readable = table[table["config.seed"].notna()] if "config.seed" in table.columns else table
    table = table if readable.empty else readable
    options = differing(table)
    found: dict[tuple[str, ...], list[Mapping[str, Any]]] = {}
    for row in table.to_dict("records"):
        found.setdefault(tuple(_text(row[CONFIG + option]) for option in options), []).append(row)
    return [
        Group(number, dict(zip(options, values, strict=True)), tuple(rows))
        for number, (values, rows) in enumerate(found.items())
    ]


def base_of(groups: list[Group], default: Mapping[str, Any]) -> tuple[Group, str]:
    """The setting that others are compared with, and why it is this one.

    Args:
        groups: the settings, at least one.
        default: the default experiment, flat.
    """
    for group in groups:
        if group.values and all(shown(default.get(option)) == value for option, value in group.values.items()):
            return group, "the default"
    return groups[0], "the first"


def _text(value: Any) -> str:
    if isinstance(value, float) and math.isnan(value):
        return "null"  # what a table has for both null and nothing
    return shown(int(value)) if isinstance(value, float) and value.is_integer() else shown(value)
