"""Selects runs by state, study and settings, and sorts them."""

from __future__ import annotations

import operator
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from reft_lab.config.wording import shown
from reft_lab.errors import BadInput
from reft_lab.text import did_you_mean

if TYPE_CHECKING:
    from pandas import DataFrame, Series

SHORT = {"age": "started", "dev": "final_dev_accuracy", "test": "final_test_accuracy"}
ORDERS = {"<=": operator.le, ">=": operator.ge, "<": operator.lt, ">": operator.gt}
CONDITION = re.compile(r"(?P<key>[\w./]+?)\s*(?P<sign><=|>=|!=|=|<|>)\s*(?P<value>.*)")


def narrowed(table: DataFrame, states: Sequence[str], study: str | None, where: Sequence[str]) -> DataFrame:
    """The rows that match.

    Args:
        table: `Runs.table`.
        states: a run is in one of them; none: any.
        study: the study it belongs to; None: any or none.
        where: conditions that it must all fulfil.

    Raises:
        BadInput: there is no such state, study, option or column, or a condition cannot be read.
    """
    from reft_lab.analysis.found import STATES

    for state in states:
        if state not in STATES:
            guess = did_you_mean(state, STATES) or f"; there is {', '.join(STATES)}."
            raise BadInput(f"--state {state}: no run is ever in that state{guess}")
    if study is not None and study not in set(table["study"].dropna()):
        known = sorted(set(table["study"].dropna()))
        there = f"; there is {', '.join(known)}." if known else "; the runs here belong to none."
        raise BadInput(f"--study {study}: there is no such study{did_you_mean(study, known) or there}")
    conditions = [read(text) for text in where]
    kept = table
    for condition in conditions:
        kept = kept[fulfilled(kept, *condition)]
    if states:
        kept = kept[kept["state"].isin(states)]
    return kept if study is None else kept[kept["study"] == study]


def read(text: str) -> tuple[str, str, str]:
    """Key, sign and value of a condition such as `ppo.kl_coef>=0.05`.

    Raises:
        BadInput: it cannot be read.
    """
    found = CONDITION.fullmatch(text.strip())
    if found is None:
        raise BadInput(f"--where {text}: write KEY=VALUE, such as ppo.kl_coef=0.05 or model=tiny.")
    return found["key"], found["sign"], found["value"]


def fulfilled(table: DataFrame, key: str, sign: str, typed: str) -> Series:
    """Whether each row fulfils a condition. What a run does not have is null, and unequal to everything else.

    Raises:
        BadInput: there is no such option or column, or words are compared by order.
    """
    values = table[column(table, key)]
    if sign in ORDERS:
        limit = _number(typed)
        if limit is None:
            raise BadInput(f"--where {key}{sign}{typed}: {sign} takes a number.")
        compare = ORDERS[sign]
        numbers = values.map(_number)
        return numbers.map(lambda value: value is not None and value == value and compare(value, limit)).astype(bool)
    equal = values.map(lambda value: same(value, typed)).astype(bool)
    return equal if sign == "=" else ~equal


def column(table: DataFrame, key: str) -> str:
    """The column that a key stands for: `dev`, `test`, `age`, a column, or an option.

    Raises:
        BadInput: there is no such column.
    """
    from reft_lab.analysis.settings import column_of

    try:
        return column_of(table, SHORT.get(key, key))
    except BadInput:
        if guess := did_you_mean(key, SHORT):
            raise BadInput(f"no run has an option or column {key!r}{guess}") from None
        raise


def ordered(table: DataFrame, key: str) -> DataFrame:
    """The rows with the newest or largest first, or last if the key begins with `-`; empty cells come last.

    Rows with the same value are sorted by age, newest first.

    Raises:
        BadInput: there is no such option or column.
    """
    name = column(table, key.removeprefix("-"))
    ascending = key.startswith("-")
    table = table.sort_values(SHORT["age"], ascending=False, kind="stable")  # equal rows keep this order
    if table[name].dtype == object:  # options may hold anything
        numbers = table[name].map(_number)
        text = numbers.isna() & table[name].notna()
        return table.sort_values(
            name, ascending=ascending, kind="stable", key=lambda cells: cells.map(shown) if text.any() else numbers
        )
    return table.sort_values(name, ascending=ascending, kind="stable", na_position="last")


def same(value: Any, typed: str) -> bool:
    """Whether a cell has the value that was typed; numbers in any form."""
    import pandas

    if pandas.isna(value):
        return typed == "null"
    ours, theirs = _number(value), _number(typed)
    if ours is not None and theirs is not None and not isinstance(value, bool):
        return ours == theirs
    return shown(value) == typed or str(value) == typed


def _number(value: Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError):
        return None
