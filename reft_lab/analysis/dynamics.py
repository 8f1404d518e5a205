"""How training went: the metrics to look at together, and where the time went."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pandas import DataFrame

# What is drawn side by side, by what it tells; docs/metrics.md says what each is and what to watch for.
SUPERVISED = ("warmup/loss", "warmup/grad_norm", "warmup/lr", "sft/loss", "sft/grad_norm", "sft/lr")
LEARNING = ("rollout/reward", "rollout/accuracy", "eval/accuracy")
ROLLOUTS = ("rollout/length", "rollout/truncated_share", "rollout/unique_answers", "rollout/top_answer_share")
POLICY = ("ppo/kl_ref", "ppo/entropy", "ppo/kl_old", "ppo/clip_share", "ppo/policy_loss", "ppo/grad_norm")
VALUE = ("ppo/explained_variance", "ppo/value_loss", "rollout/value")
# The parts of a run that have a clock of their own.
TIMES = {
    "time/step_seconds": "supervised steps",
    "time/rollout_seconds": "sampling",
    "time/judge_seconds": "judging",
    "time/score_seconds": "scoring",
    "time/update_seconds": "update",
    "time/eval_seconds": "evaluation",
}
# Those of an iteration, in their order.
PHASES = ("time/rollout_seconds", "time/judge_seconds", "time/score_seconds", "time/update_seconds")
REST = "everything else"
PARTS = (*TIMES.values(), REST)


def seconds_by_part(history: DataFrame, table: DataFrame) -> DataFrame:
    """Where the wall time of each run went.

    Args:
        history: `Runs.history(list(TIMES))`.
        table: `Runs.table`.

    Returns:
        One row for each run and part: run, part, seconds, and share of the run's seconds. `everything else` is what no
        clock covers: start, checkpoints, the evaluation on test, waiting for the baseline; it is left out of runs
        whose whole time is not known, where the shares are of what is.
    """
    import pandas

    parts = history[history["metric"].isin(TIMES)].groupby(["run", "metric"], sort=False)["value"].sum().reset_index()
    parts = parts.rename(columns={"value": "seconds"})
    parts["part"] = parts.pop("metric").map(TIMES)
    measured = parts.groupby("run")["seconds"].sum()
    rest = (table.set_index("run")["seconds"].reindex(measured.index) - measured).dropna().clip(lower=0)
    others = pandas.DataFrame({"run": rest.index, "part": REST, "seconds": rest.to_numpy()})
    frame = pandas.concat([parts, others], ignore_index=True)[["run", "part", "seconds"]]
    frame["share"] = frame["seconds"] / frame.groupby("run")["seconds"].transform("sum")
    place = frame["part"].map({part: place for place, part in enumerate(PARTS)})
    return frame.assign(place=place).sort_values(["run", "place"]).drop(columns="place").reset_index(drop=True)
