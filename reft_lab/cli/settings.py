"""The settings by which a reader tells the runs of a list apart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from reft_lab.analysis.schema import CONFIG
from reft_lab.analysis.settings import CHOICES, as_typed, differing, varied
from reft_lab.cli.where import same
from reft_lab.config.wording import shown
from reft_lab.numbers import four

if TYPE_CHECKING:
    from pandas import DataFrame

ALIKE = ("model", "data", "cot", "method")  # columns; runs that differ in one of them need no option to be told apart
ELSEWHERE = ("model.name", "data.name", "method", "label", "fork")  # options that columns of the list show
MANY = 5  # settings that each run shows; where more differ, it shows those that are unusual
MOST = 6  # of those, the rest being counted
DEBUG = "debug"  # names a file of conf/debug/, which stands for all options that it sets


def settings_of(table: DataFrame) -> list[str]:
    """The settings that tell each run from the others in `Runs.table`, as one would type them, one text a row.

    A run is held against those of the same model, data, kind of reasoning and method: what recipes set for these says
    no more than their names do. Kind of reasoning, reward and seed are there wherever any two runs differ in them.
    """
    table = table.reset_index(drop=True)
    readable = table[table["model"].notna()]  # of all others the config could not be read
    first = [key for key in CHOICES if key not in ELSEWHERE and _differs(readable, key)]
    last = ["seed"] if _differs(readable, "seed") else []
    told = [""] * len(table)
    for _, alike in readable.groupby(list(ALIKE), dropna=False):
        for place, words in zip(alike.index, _words(alike, first, last), strict=True):
            told[place] = words
    return told


def _differs(table: DataFrame, option: str) -> bool:
    return CONFIG + option in table.columns and table[CONFIG + option].nunique(dropna=False) > 1


def _words(alike: DataFrame, first: Sequence[str], last: Sequence[str]) -> list[str]:
    """The settings of runs that are alike: options `first`, those in which these runs differ, options `last`."""
    debug = list(alike[CONFIG + DEBUG]) if CONFIG + DEBUG in alike.columns else [None] * len(alike)
    if any(isinstance(name, str) for name in debug):
        alike = _without_those_of_debug(alike)
    own = [key for key in _apart(alike) if key not in (*first, *ELSEWHERE, DEBUG)] if len(alike) > 1 else []
    usual = {key: _usual(alike, key) for key in own} if len(own) > MANY else {}
    found = []
    for name, row in zip(debug, alike.to_dict("records"), strict=True):
        cells = {key: _typed(row[CONFIG + key]) for key in (*first, *own, *last)}
        unusual = [key for key in own if usual.get(key) != cells[key]]
        left_out = [f"and {len(unusual) - MOST} more"] if len(unusual) > MOST else []
        words = [f"{key}={cells[key]}" for key in (*first, *unusual[:MOST])] + left_out
        words += [f"{key}={cells[key]}" for key in last]
        found.append(" ".join([f"{DEBUG}={name}", *words] if isinstance(name, str) else words))
    return found


def _apart(alike: DataFrame) -> list[str]:
    """The options in which runs that are alike differ; those of a reward only where runs with that reward do."""
    told = varied(alike)
    return [key for key in differing(alike) if key in told or not key.startswith("reward.")]


def _usual(alike: DataFrame, option: str) -> str:
    """The value that most runs have for an option; of values that are as frequent, that of the oldest run."""
    values = alike.sort_values("started", kind="stable")[CONFIG + option].map(_typed)
    return Counter(values).most_common(1)[0][0]


def _without_those_of_debug(alike: DataFrame) -> DataFrame:
    """The table with what a file of conf/debug/ has set in its runs as most other runs have it."""
    from reft_lab.compose.conf import Conf

    conf, table = Conf(), alike.copy()
    names = table[CONFIG + DEBUG]
    for name in names.dropna().unique():
        for option, value in conf.values_set_by(DEBUG, str(name)).items():
            column = CONFIG + option
            if column not in table.columns or option == DEBUG:
                continue
            typed = shown(value)
            is_its = (names == name) & table[column].map(lambda cell, typed=typed: same(cell, typed))
            others = table.loc[names.isna(), column]
            usual = others.mode(dropna=False)[0] if len(others) else value
            table[column] = [usual if its else old for its, old in zip(is_its, table[column], strict=True)]
    return table


def _typed(value: Any) -> str:
    """The value of an option as one types it, with four digits."""
    return four(value) if isinstance(value, float) and value % 1 > 0 else as_typed(value)
