"""Every accuracy of our runs as a cell of the paper's tables: what it is of, how it was decoded, what was left out."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from reft_lab.analysis.load import load
from reft_lab.analysis.published import GREEDY, NO_KL, NO_PARTIAL, SEPARATE
from reft_lab.analysis.runs import Runs
from reft_lab.analysis.schema import CONFIG
from reft_lab.analysis.settings import finished
from reft_lab.analysis.tables import our_accuracies
from reft_lab.errors import BadInput

if TYPE_CHECKING:
    from pandas import DataFrame, Series

WHERE = ["data", "cot", "model"]
CELL = [*WHERE, "method", "decoding", "variant"]
SAMPLED = ("vote", "rerank")  # how the paper decodes from samples
CRITIC_WARMUP, DECOUPLED = "critic warm-up", "decoupled lambda"
# What makes a run of ReFT a row of the ablation: an option, and which of its values do. The last two are ours.
VARIANTS: dict[str, tuple[str, Callable[[Any], bool]]] = {
    NO_PARTIAL: ("reward.function", lambda value: value == "exact"),
    NO_KL: ("ppo.kl_coef", lambda value: value == 0),
    SEPARATE: ("model.value", lambda value: value == "separate"),
    CRITIC_WARMUP: ("ppo.critic_warmup", lambda value: value > 0),
    DECOUPLED: ("ppo.lam_value", lambda value: value == 1),
}


def our_cells(runs: Runs, *, epochs: bool = False) -> DataFrame:
    """Every accuracy on test that finished runs hold, by greedy decoding and by voting and reranking.

    Args:
        runs: any runs.
        epochs: whether the epochs of warm-up are the variant.

    Returns:
        One row each: run, seed, CELL, k (samples; 1 for greedy), value (a fraction).
    """
    import pandas

    done = finished(runs.table)
    greedy = our_accuracies(runs.table).assign(decoding=GREEDY, k=1)
    points = runs.decoding().rename(columns={"way": "decoding", "accuracy": "value"})
    sampled = done[["run", "seed", *WHERE, "method"]].merge(points[points["decoding"].isin(SAMPLED)], on="run")
    both = pandas.concat([greedy, sampled], ignore_index=True).dropna(subset=["value"])
    own = dict(zip(done["run"], _variants(done, epochs=epochs), strict=True))
    given = policies(runs, given_only=True)
    for run in runs.found:
        if run.run in given:
            both.loc[both["run"] == run.run, ["method", "seed"]] = given[run.run]
            own[run.run] = _variant_of(run.result["policy"].get("run"), runs, epochs=epochs)
    of_warmup = both["method"].isin(["warmup", "sft"]) if not epochs else both["method"] == "sft"
    both["variant"] = both["run"].map(own).where(~of_warmup, "")
    both = both[both["k"] == _largest_common_k(both)]
    return both[["run", "seed", *CELL, "k", "value"]].reset_index(drop=True)


def policies(runs: Runs, *, given_only: bool = False) -> dict[str, tuple[str, Any]]:
    """Method and seed of the policy in each run: its own, or those of the run that trained what it only evaluates.

    Args:
        runs: any runs.
        given_only: whether only runs that evaluate a policy of another run are there.
    """
    own = dict(zip(runs.table["run"], zip(runs.table["method"], runs.table["seed"], strict=True), strict=True))
    given = {}
    for run in runs.found:
        policy = run.result.get("policy")
        if isinstance(policy, Mapping) and isinstance(policy.get("method"), str):
            given[run.run] = (policy["method"], policy.get("seed"))
    return given if given_only else own | given


def _largest_common_k(both: DataFrame) -> Series:
    """The most samples that all runs of a cell were evaluated with, for each row: runs of 32 and of 64 meet at 32."""
    cells = both.groupby(CELL, dropna=False)
    reached = both.groupby([*CELL, "k"], dropna=False)["run"].transform("nunique")
    return (
        both["k"].where(reached == cells["run"].transform("nunique")).groupby([both[c] for c in CELL]).transform("max")
    )


def has_samples(done: DataFrame) -> bool:
    """Whether any run was evaluated by voting or reranking."""
    return bool(done[[f"{way}_accuracy" for way in SAMPLED]].notna().any(axis=None))


def variants_of(done: DataFrame) -> Series:
    """The variant of each run; only ReFT under no other label has one."""
    import pandas

    found = pandas.Series("", index=done.index)
    is_reft = done["method"] == "reft"
    for name, (option, holds) in VARIANTS.items():
        if CONFIG + option in done:
            there = done[CONFIG + option].notna()
            does = there & is_reft & done[CONFIG + option].where(there, 0).map(holds).astype(bool)
            found = found.where(~does, found + " + " + name)
    return found.str.removeprefix(" + ")


def _variant_of(run: Any, runs: Runs, *, epochs: bool) -> str:
    """The variant of the run in a directory, one of `runs` or not; empty where it is no longer there."""
    if not isinstance(run, str):
        return ""
    known = [each for each in runs.found if run in (each.run, str(each.directory))]
    with suppress(BadInput):
        trained = Runs(known, []).table if known else load(run).table
        return "".join(_variants(trained, epochs=epochs)[:1])
    return ""


def _variants(done: DataFrame, *, epochs: bool) -> Series:
    return _epochs(done) if epochs else variants_of(done)


def _epochs(done: DataFrame) -> Series:
    import pandas

    column = CONFIG + "warmup.epochs"  # missing where no config could be read
    epochs = done[column] if column in done else pandas.Series(math.nan, index=done.index)
    return epochs.map(lambda number: "" if number != number else f"{number:g} epochs")
