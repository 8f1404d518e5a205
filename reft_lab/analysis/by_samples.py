"""Accuracy by the number of samples: voting, pass@k and reranking beside greedy decoding, over seeds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reft_lab.analysis.paper_cells import policies
from reft_lab.analysis.published import GREEDY
from reft_lab.analysis.seeds import summarise
from reft_lab.analysis.settings import finished
from reft_lab.numbers import interval, per_cent

if TYPE_CHECKING:
    from pandas import DataFrame

    from reft_lab.analysis.runs import Runs


def by_samples(runs: Runs) -> DataFrame:
    """What each way of decoding came to on test with each number of samples, in finished runs.

    Returns:
        One row each: run, seed, method, decoding (greedy, vote, pass, rerank), k (1 for greedy), value (a fraction).
        Runs that drew no samples are left out.
    """
    import pandas

    done = finished(runs.table)
    sampled = runs.decoding(done["run"]).rename(columns={"way": "decoding", "accuracy": "value"})
    drew = done[done["run"].isin(sampled["run"])]
    greedy = drew[["run"]].assign(decoding=GREEDY, k=1, value=drew["final_test_accuracy"])
    both = pandas.concat([greedy, sampled], ignore_index=True).dropna(subset=["value"])
    owners = policies(runs)
    both["method"], both["seed"] = (
        both["run"].map(lambda run: owners[run][0]),
        both["run"].map(lambda run: owners[run][1]),
    )
    return both[["run", "seed", "method", "decoding", "k", "value"]]


def in_words(frame: DataFrame) -> DataFrame:
    """`by_samples` as a table to print: a row for each method and decoding, a column for each k, in per cent, with the
    95 % interval over seeds from three seeds on. Every cell is text."""
    means = summarise(frame, ["method", "decoding", "k"])
    means["text"] = [
        f"{per_cent(row.mean)} ({interval(row.low, row.high)})" if interval(row.low, row.high) else per_cent(row.mean)
        for row in means.itertuples()
    ]
    wide = means.pivot_table(
        index=["method", "decoding"], columns="k", values="text", aggfunc="first", fill_value="", sort=False
    )
    wide = wide[sorted(wide.columns)]
    wide.columns = [f"k = {k}" for k in wide.columns]
    return wide.reset_index().rename(columns={"method": "Method", "decoding": "Decoding"})
