"""Does the reward pay for what it should? Reward against correctness, over outcomes and over training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from reft_lab.analysis.curves import iterations
from reft_lab.analysis.settings import with_settings

if TYPE_CHECKING:
    from pandas import DataFrame, Series

RIGHT = "correct"
METRICS = ("rollout/reward", "rollout/accuracy", "alarm/reward_hacking")


def reward_by_outcome(samples: DataFrame, table: DataFrame) -> DataFrame:
    """What each kind of outcome earned.

    Args:
        samples: `Runs.samples()`; responses of all runs, whatever their state.
        table: `Runs.table`.

    Returns:
        One row for each reward function and outcome kind: reward (the function), outcome, responses, mean, lowest and
        highest (terminal reward), and share: of all reward that this function paid, what went there; a reward below 0
        pays nothing. Empty without samples.
    """
    paid_to = _with_rewards(samples).rename(columns={"reward": "earned"})
    each = with_settings(paid_to, table, ["reward"], finished_only=False)
    each["paid"] = each["earned"].clip(lower=0)
    groups = each.groupby(["reward", "outcome"])
    earned = {"responses": "count", "mean": "mean", "lowest": "min", "highest": "max"}
    named = {name: ("earned", what) for name, what in earned.items()}
    frame = groups.agg(**named, total=("paid", "sum")).reset_index()
    paid = frame.groupby("reward")["total"].transform("sum")
    frame["share"] = (frame.pop("total") / paid).where(paid > 0)
    return frame.sort_values(["reward", "mean"], ascending=[True, False]).reset_index(drop=True)


def wrongly_paid(samples: DataFrame) -> DataFrame:
    """How far the reward ranks responses otherwise than correctness does, in each run and at each of its steps.

    Args:
        samples: `Runs.samples()`.

    Returns:
        A long frame like a history, with columns run, step, metric and value, and two metrics: `from_wrong`, the share
        of the reward paid that responses without the right answer earned (left out where nothing was paid; a reward
        below 0 pays nothing), and
        `disagreement`, among all pairs of a right and another response the share in which the other earned at least as
        much (left out where there is no such pair). Empty without samples.
    """
    import pandas

    rows = []
    for (run, step), group in _with_rewards(samples).groupby(["run", "step"]):
        right = group["outcome"] == RIGHT
        earned = group["reward"].clip(lower=0)
        paid, wrong = earned.sum(), earned[~right].sum()
        at_odds, pairs = pairs_at_odds(group.loc[right, "reward"], group.loc[~right, "reward"])
        rows.append([run, step, "from_wrong", wrong / paid if paid else np.nan])
        rows.append([run, step, "disagreement", at_odds / pairs if pairs else np.nan])
    frame = pandas.DataFrame(rows, columns=["run", "step", "metric", "value"])
    return frame.dropna(subset=["value"]).reset_index(drop=True)


def pairs_at_odds(right: Sequence[float] | Series, other: Sequence[float] | Series) -> tuple[int, int]:
    """Pairs of a right and another response in which the other earned at least as much, and all such pairs.

    Args:
        right, other: rewards, in any order.
    """
    ordered = np.sort(np.asarray(other, dtype=float))
    below = np.searchsorted(ordered, np.asarray(right, dtype=float), side="left")
    count = len(right) * len(other)
    return count - int(below.sum()), count


def reward_and_accuracy(history: DataFrame, table: DataFrame) -> DataFrame:
    """Reward beside accuracy of the rollouts, from metrics alone, so W&B will do.

    Args:
        history: `Runs.history(METRICS)`.
        table: `Runs.table`; runs of every state count.

    Returns:
        One row for each run and iteration: run, reward (the function), seed, iteration, mean_reward, accuracy, and
        unexplained: mean reward minus accuracy, which is what was paid for other than right answers wherever a right
        answer earns 1, as with the built-in rewards.
    """
    wide = iterations(history).pivot_table(index=["run", "iteration"], columns="metric", values="value").reset_index()
    wide = wide.rename(columns={"rollout/reward": "mean_reward", "rollout/accuracy": "accuracy"}).rename_axis(
        columns=None
    )
    for name in ("mean_reward", "accuracy"):
        wide[name] = wide.get(name, np.nan)
    wide["unexplained"] = wide["mean_reward"] - wide["accuracy"]
    columns = ["run", "iteration", "mean_reward", "accuracy", "unexplained"]
    return with_settings(wide[columns].dropna(), table, ["reward"], finished_only=False)


def moving_together(pairs: DataFrame, history: DataFrame) -> DataFrame:
    """Whether reward and accuracy rise and fall together in each run.

    Args:
        pairs: as `reward_and_accuracy` gives them.
        history: `Runs.history(METRICS)`.

    Returns:
        One row a run: run, reward (the function), seed, iterations, rank_correlation (Spearman, over iterations; nan
        where one of them never moves), and alarms: the share of iterations in which the alarm for reward hacking was
        on (nan where it was off).
    """
    import pandas

    alarms = history[history["metric"] == "alarm/reward_hacking"].groupby("run")["value"].mean()
    rows = []
    for (run, reward, seed), group in pairs.groupby(["run", "reward", "seed"], dropna=False):
        moves = group["mean_reward"].nunique() > 1 and group["accuracy"].nunique() > 1
        correlation = group["mean_reward"].rank().corr(group["accuracy"].rank()) if moves else np.nan
        rows.append([run, reward, seed, len(group), correlation, alarms.get(run, np.nan)])
    return pandas.DataFrame(rows, columns=["run", "reward", "seed", "iterations", "rank_correlation", "alarms"])


def _with_rewards(samples: DataFrame) -> DataFrame:
    """Samples, with the columns that are needed where a source has none at all."""
    return samples if "reward" in samples.columns else samples.assign(step=0, outcome="", reward=0.0).iloc[:0]
