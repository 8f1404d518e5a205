"""Every accuracy of our runs as a cell of the paper's tables: what it is of, how it was decoded, what was left out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from reft_lab.analysis.published import GREEDY, NO_KL, NO_PARTIAL, SEPARATE
from reft_lab.analysis.schema import CONFIG
from reft_lab.analysis.settings import finished
from reft_lab.analysis.tables import our_accuracies

if TYPE_CHECKING:
    from pandas import DataFrame, Series

    from reft_lab.analysis.runs import Runs

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
    sampled = [
        done[["run", "seed", *WHERE, "method"]].assign(
            decoding=way, k=done[f"{way}_k"].fillna(0).astype(int), value=done[f"{way}_accuracy"]
        )
        for way in SAMPLED
    ]
    both = pandas.concat([greedy, *sampled], ignore_index=True).dropna(subset=["value"])
    own = dict(zip(done["run"], _epochs(done) if epochs else variants_of(done), strict=True))
    of_warmup = both["method"].isin(["warmup", "sft"]) if not epochs else both["method"] == "sft"
    both["variant"] = both["run"].map(own).where(~of_warmup, "")
    for run, (method, seed) in policies(runs, given_only=True).items():
        both.loc[both["run"] == run, ["method", "seed"]] = [method, seed]
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


def _epochs(done: DataFrame) -> Series:
    return done[CONFIG + "warmup.epochs"].map(lambda epochs: f"{epochs} epochs")
