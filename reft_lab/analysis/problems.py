"""Two models on the same test problems, one by one: what the predictions of run directories allow."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from reft_lab.analysis.settings import finished
from reft_lab.analysis.statistics import ProblemComparison, compare_problems, holm
from reft_lab.errors import BadInput
from reft_lab.run_dir.files import BASELINE

if TYPE_CHECKING:
    from pandas import DataFrame, Series

RIGHT = "correct"
COLUMNS = ("both", "only_ours", "only_theirs", "neither", "difference", "low", "high", "p")


@dataclass(frozen=True)
class Answered:
    """The test questions of a run, and whether it answered them right.

    Attributes:
        right: by question: its text in single spaces, and how many times the same text came before it.
        questions: text of the question by id.
    """

    right: dict[tuple[str, int], bool] = field(default_factory=dict)
    questions: dict[str, str] = field(default_factory=dict)


def answered(lines: Iterable[Mapping[str, Any]]) -> Answered:
    """What the lines of a predictions.jsonl say; those without a question, which a run does not write, are left out."""
    found, times = Answered(), Counter[str]()
    for line in lines:
        if not isinstance(line.get("question"), str):
            continue
        text = " ".join(line["question"].split())
        found.right[text, times[text]] = line.get("outcome") == RIGHT
        found.questions[str(line.get("id"))] = text
        times[text] += 1
    return found


def paired(ours: Answered, theirs: Answered) -> tuple[list[bool], list[bool]]:
    """Whether each question that both were asked was answered right, by us and by them; empty where there is none.

    Questions are the same by their text, whatever their ids; a text that comes several times is paired in order.

    Raises:
        BadInput: under the same id the two were asked different questions, which the other was not asked at all: ids
            are numbers in a file, and these are two files.
    """
    texts, other_texts = set(ours.questions.values()), set(theirs.questions.values())
    for id, text in ours.questions.items():
        other = theirs.questions.get(id, text)
        if text not in other_texts and other not in texts:
            raise BadInput(
                f"under the same id, {id}, one was asked {_short(text)!r} and the other {_short(other)!r}: they were "
                "tested on different questions; compare runs on the same test questions."
            )
    shared = [question for question in ours.right if question in theirs.right]
    return [ours.right[question] for question in shared], [theirs.right[question] for question in shared]


def compare_runs(predictions: DataFrame, ours: str, theirs: str) -> ProblemComparison:
    """Compare the chosen checkpoints of two runs on the questions that both were tested on, paired as `paired` does.

    Args:
        predictions: `Runs.predictions()`.
        ours, theirs: ids of the runs.

    Raises:
        BadInput: one of them has no predictions, they share no question, or they have other questions under the same
            ids.
    """
    found = {}
    for run in (ours, theirs):
        rows = predictions[predictions["run"] == run]
        if rows.empty:
            raise BadInput(f"run {run!r} has no predictions, which a comparison problem by problem needs.")
        found[run] = answered(rows.to_dict("records"))
    try:
        mine, others = paired(found[ours], found[theirs])
    except BadInput as error:
        raise BadInput(f"runs {ours!r} and {theirs!r} cannot be compared: {error}") from None
    if not mine:
        raise BadInput(f"runs {ours!r} and {theirs!r} were tested on different problems, so they cannot be compared.")
    return compare_problems(mine, others)


def against_warmup(predictions: DataFrame, table: DataFrame) -> DataFrame:
    """What ReFT did to the policy it began with, in each finished run: the final answers against those after warm-up.

    Args:
        predictions: `Runs.predictions()`.
        table: `Runs.table`.

    Returns:
        One row for each finished run with predictions of both: run, seed, n (problems), both, only_ours (right after
        ReFT only), only_theirs (right after the warm-up only), neither, difference (a fraction), low, high (95 %,
        paired bootstrap over problems), p (exact McNemar), and p_holm, corrected for there being several runs.
    """
    if "warmup_outcome" not in predictions.columns:
        return _frame([])
    both = predictions.dropna(subset=["warmup_outcome"])
    groups = dict(iter(both.groupby("run", sort=False)))
    return _frame(
        (run, seed, compare_problems(_right(groups[run]["outcome"]), _right(groups[run]["warmup_outcome"])))
        for run, seed in _finished_with(table, groups)
    )


def against_baseline(predictions: DataFrame, table: DataFrame) -> DataFrame:
    """ReFT against the SFT baseline that was trained beside it, in each finished run that has one.

    Args:
        predictions: `Runs.predictions()` of what was loaded with `baselines=True`.
        table: its `Runs.table`.

    Returns:
        As `against_warmup`, where only_theirs is what the baseline alone got right.
    """
    there = set(predictions["run"])
    pairs = {run: f"{run}/{BASELINE}" for run in there if f"{run}/{BASELINE}" in there}
    return _frame((run, seed, compare_runs(predictions, run, pairs[run])) for run, seed in _finished_with(table, pairs))


def _short(question: str) -> str:
    return question if len(question) <= 60 else f"{question[:60]}..."


def _right(outcomes: Series) -> list[bool]:
    return (outcomes == RIGHT).tolist()


def _finished_with(table: DataFrame, there: Iterable[str]) -> list[tuple[str, int]]:
    """Ids and seeds of the finished runs that are among `there`."""
    done = finished(table)
    return list(done.loc[done["run"].isin(list(there)), ["run", "seed"]].itertuples(index=False, name=None))


def _frame(rows: Iterable[tuple[str, int, ProblemComparison]]) -> DataFrame:
    import pandas

    records: list[dict[str, Any]] = [
        {"run": run, "seed": seed, "n": each.n, **asdict(each)} for run, seed, each in rows
    ]
    frame = pandas.DataFrame(records, columns=["run", "seed", "n", *COLUMNS])
    frame["p_holm"] = holm(list(frame["p"]))
    return frame
