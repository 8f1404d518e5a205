"""Every accuracy of our runs as a cell of the paper's tables: what it is of, how it was decoded, what was left out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
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
    facts = {row["run"]: row for row in done.to_dict("records")}
    sampled = [
        {name: facts[run.run][name] for name in ("run", "seed", *WHERE, "method")}
        | {"decoding": kind, "k": k, "value": accuracy}
        for run in runs.found
        if run.run in facts
        for kind, k, accuracy in decodings(run.result)
    ]
    both = pandas.concat([greedy, pandas.DataFrame(sampled, columns=greedy.columns)] if sampled else [greedy])
    own = dict(zip(done["run"], _epochs(done) if epochs else variants_of(done), strict=True))
    of_warmup = both["method"].isin(["warmup", "sft"]) if not epochs else both["method"] == "sft"
    both["variant"] = both["run"].map(own).where(~of_warmup, "")
    return both[["run", "seed", *CELL, "k", "value"]].reset_index(drop=True)


def decodings(result: Mapping[str, Any]) -> Iterator[tuple[str, int, float]]:
    """Kind, samples and accuracy of voting and reranking among the most samples that a run has."""
    found = result.get("decoding")
    for kind in ("vote", "rerank"):
        scores = found.get(kind) if isinstance(found, Mapping) else None
        known = {int(k): score for k, score in (scores or {}).items() if str(k).isdecimal()}
        if known:
            most = max(known)
            yield kind, most, float(known[most]["accuracy"])


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
