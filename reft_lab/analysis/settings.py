"""What the runs of a frame differ in, and what a reader has to know before they are compared."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from reft_lab.analysis.found import FINISHED
from reft_lab.analysis.schema import CONFIG
from reft_lab.config.wording import shown
from reft_lab.errors import BadInput
from reft_lab.text import counted, did_you_mean_option, flatten

if TYPE_CHECKING:
    from pandas import DataFrame

    from reft_lab.analysis.runs import Runs

# Options and sections that say where a run stands, how it is recorded and how its arithmetic is spread, not what it is.
BOOKKEEPING = (
    "seed",
    "name",
    "study",
    "tracker",
    "checkpoint",
    "resume",
    "preflight",
    "trainer",
    "programs.workers",
    "baseline",
    "pool.folder",
)
# What a choice of a config group goes by; the rest of what it sets is the same wherever the choice is.
CHOICES = ("model.name", "data.name", "cot.name", "reward.function")


def finished(table: DataFrame) -> DataFrame:
    """The runs that have a result; all others say nothing about how good a setting is."""
    return table[table["state"] == FINISHED]


def column_of(table: DataFrame, setting: str) -> str:
    """The column of `Runs.table` that a setting stands in.

    Args:
        table: `Runs.table`.
        setting: a column (`reward`), or an option as on the command line (`ppo.kl_coef`).

    Raises:
        BadInput: there is no such column.
    """
    for name in (setting, CONFIG + setting):
        if name in table.columns:
            return name
    names = [name.removeprefix(CONFIG) for name in table.columns]
    raise BadInput(f"no run has an option or column {setting!r}{did_you_mean_option(setting, names)}")


def with_settings(frame: DataFrame, table: DataFrame, settings: Sequence[str], *, finished_only: bool) -> DataFrame:
    """A long frame with what each of its runs was: `seed` and the settings, under the names given, added to it.

    Args:
        frame: has a column `run`; what is of a run that is not in `table` is left out.
        table: `Runs.table`.
        settings: columns or options.
        finished_only: whether runs without a result are left out.

    Raises:
        BadInput: no run has one of the settings.
    """
    chosen = finished(table) if finished_only else table
    facts = chosen[["run", "seed"]].assign(**{name: chosen[column_of(table, name)] for name in settings})
    added = facts.columns.difference(["run"])
    return frame.drop(columns=added, errors="ignore").merge(facts, on="run")


@cache
def default_options() -> Mapping[str, Any]:
    """The experiment of `python run.py`, flat."""
    from omegaconf import OmegaConf

    from reft_lab.compose.conf import compose

    plain = OmegaConf.to_container(compose(), resolve=True)
    assert isinstance(plain, dict)
    return flatten({str(key): value for key, value in plain.items()})


def default_of(setting: str) -> Any:
    """What `python run.py` has for a setting; None where it has nothing to say."""
    usual = default_options()
    return next((usual[key] for key in (setting, f"{setting}.function", f"{setting}.name") if key in usual), None)


def as_typed(value: Any) -> str:
    """The value of an option in a cell of a table, as one types it."""
    if isinstance(value, float) and math.isnan(value):
        return "null"  # what a table has for both null and nothing
    return shown(int(value)) if isinstance(value, float) and value.is_integer() else shown(value)


def differing(table: DataFrame, known: Sequence[str] = (), *, within: bool = False) -> list[str]:
    """Options that are not the same in all runs, other than `known`, the seed and bookkeeping.

    A comparison by `known` alone is only as good as this list is empty. A run that does not know an option yet is taken
    to have its default.

    Args:
        table: `Runs.table`.
        known: columns or options that the runs are compared by.
        within: whether runs are only held against those that have the same `known`: a mean over seeds needs that much,
            and models or data sets may well need other options.

    Raises:
        BadInput: no run has one of `known`.
    """
    named = {column_of(table, setting) for setting in known}
    aliases = {"reward": "reward.function", "model": "model.name", "data": "data.name", "cot": "cot.name"}
    skipped = {name.removeprefix(CONFIG) for name in named} | {aliases[name] for name in named if name in aliases}
    options = [name.removeprefix(CONFIG) for name in table.columns if name.startswith(CONFIG)]
    wanted = [key for key in options if key not in skipped and not is_bookkeeping(key)]
    table = table.fillna(_unknown_then(wanted))
    groups = table.groupby(list(named), dropna=False) if within and named else table.groupby(lambda _: 0)
    most = groups[[CONFIG + key for key in wanted]].nunique(dropna=False).max()
    return [key for key in wanted if most[CONFIG + key] > 1]


def varied(table: DataFrame) -> list[str]:
    """The options that a study (its `Runs.table`) varies, by dotted names, choices first.

    Those that only follow from a choice are not among them.
    """
    configs = table[[name for name in table.columns if name.startswith(CONFIG)]]
    table = table[configs.notna().any(axis="columns")]  # a damaged run without a config differs in everything
    if table.empty:
        return []
    options = differing(table)
    choices = [option for option in CHOICES if option in options]
    if choices:
        groups = table.groupby([CONFIG + choice for choice in choices], dropna=False)
        options = [option for option in options if groups[CONFIG + option].nunique(dropna=False).max() > 1]
    return [*choices, *options]


def is_bookkeeping(key: str) -> bool:
    """Whether an option is no setting of the experiment: where it is kept and seen, on what it runs, its seed."""
    return any(key == each or key.startswith(f"{each}.") for each in BOOKKEEPING)


def _unknown_then(keys: Sequence[str]) -> dict[str, Any]:
    """Defaults of the columns of options that are never null: a run without one is older than the option is."""
    from reft_lab.config.options import options

    known = {key: options()[key] for key in keys if key in options()}
    return {
        CONFIG + key: option.default
        for key, option in known.items()
        if not option.nullable and isinstance(option.default, str | int | float)
    }


def describe(runs: Runs, settings: Sequence[str] = (), *, within: bool = False) -> str:
    """What is there, as Markdown: how many runs and seeds, what is left out, and what else differs.

    Args:
        runs: what was loaded.
        settings: what the runs are compared by.
        within: as in `differing`.

    Raises:
        BadInput: no run has one of the settings.
    """
    table = runs.table
    done = finished(table)
    states = ", ".join(f"{count} {state}" for state, count in table["state"].value_counts().items())
    lines = [f"**{counted(len(table), 'run')}**: {states}. {_seeds(done, settings)}"]
    left_out = table.drop(done.index)
    if len(left_out):
        lines.append("Runs that are not finished are left out of every mean:")
        each = left_out[["run", "state", "reason"]].itertuples(index=False, name=None)
        lines.append("\n".join(f"- `{run}`: {state}{_why(reason)}" for run, state, reason in each))
    if others := differing(done, settings, within=within):
        named = ", ".join(f"`{name}`" for name in (*settings, "seed"))
        differ = ", ".join(f"`{name}`" for name in others)
        lines.append(f"**Mind:** finished runs differ in more than {named}: {differ}.")
    if "test" in set(done["selection"].dropna()):
        lines.append("**Mind:** some checkpoints were selected on the test split (`selection=test`), as in the paper.")
    if runs.problems:
        lines.append("What could not be read:\n\n" + "\n".join(f"- {problem}" for problem in runs.problems))
    return "\n\n".join(lines)


def _seeds(done: DataFrame, settings: Sequence[str]) -> str:
    if done.empty:
        return "None is finished, so there is nothing to compare yet."
    columns = [column_of(done, setting) for setting in settings]
    groups = done.groupby(columns, dropna=False)["seed"] if columns else done.groupby(lambda _: 0)["seed"]
    least, most = int(groups.nunique().min()), int(groups.nunique().max())
    seeds = f"{least} to {most} seeds" if least != most else counted(most, "seed")
    held = f"{counted(len(groups), 'setting')}, each with {seeds}" if settings else seeds
    if least > 2:
        return f"{held}. Intervals are 95 %, over seeds, and over test questions too where there are predictions."
    if least == 2:
        return (
            f"{held}. **Two seeds give no interval**: how much seeds differ is not known from two; take three or more."
        )
    return f"{held}. **One seed proves nothing**: without an interval, a difference may be chance."


def _why(reason: Any) -> str:
    return f" ({reason.rstrip('.')})" if isinstance(reason, str) else ""
