"""Two models on the same test problems, one by one: what the predictions of run directories allow."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from reft_lab.analysis.power import needed_by_problems
from reft_lab.analysis.settings import finished
from reft_lab.analysis.statistics import ProblemComparison, compare_problems, holm
from reft_lab.errors import BadInput
from reft_lab.run_dir.files import BASELINE

if TYPE_CHECKING:
    from pandas import DataFrame, Series

RIGHT, NEEDED = "correct", "questions_needed"
COLUMNS = ("both", "only_ours", "only_theirs", "neither", "difference", "low", "high", "p")
Question = tuple[str, str, int]


@dataclass(frozen=True)
class Answered:
    """The test questions of a run, and whether it answered them right.

    Attributes:
        right: by question: its text in single spaces, its gold answer, and how many times the same came before it.
        questions: text of the question by id.
    """

    right: dict[Question, bool] = field(default_factory=dict)
    questions: dict[str, str] = field(default_factory=dict)


def answered(lines: Iterable[Mapping[str, Any]], outcome: str = "outcome") -> Answered:
    """What the lines of a predictions.jsonl say of the final policy, or of that after the warm-up (`warmup_outcome`).

    Lines without a question, which a run does not write, are left out, and so are those without the outcome.
    """
    found, times = Answered(), Counter[tuple[str, str]]()
    for line in lines:
        if not isinstance(line.get("question"), str) or not isinstance(line.get(outcome), str):
            continue
        asked = " ".join(line["question"].split()), str(line.get("gold"))
        found.right[*asked, times[asked]] = line[outcome] == RIGHT
        found.questions[str(line.get("id"))] = asked[0]
        times[asked] += 1
    return found


def aligned(runs: Sequence[Answered]) -> list[list[bool]]:
    """Whether each question was answered right, by each run, in the order of the questions of the first.

    Questions are the same by their text, whatever their ids; a text that comes several times is paired in order.

    Args:
        runs: at least one.

    Raises:
        BadInput: two of them were not asked the same questions, or these have other gold answers.
    """
    first, *others = runs
    for other in others:
        if first.right.keys() != other.right.keys():
            raise BadInput(_other_questions(first, other))
    return [[run.right[question] for question in first.right] for run in runs]


def _other_questions(ours: Answered, theirs: Answered) -> str:
    """One sentence on two runs that were not asked the same."""
    texts, other_texts = set(ours.questions.values()), set(theirs.questions.values())
    for id, text in ours.questions.items():
        other = theirs.questions.get(id, text)
        if text not in other_texts and other not in texts:
            return (
                f"under the same id, {id}, one was asked {_short(text)!r} and the other {_short(other)!r}: they were "
                "tested on different questions; compare runs on the same test questions."
            )
    if texts == other_texts:
        (text, gold, _), *_ = ours.right.keys() - theirs.right.keys() or theirs.right.keys() - ours.right.keys()
        if Counter(text for text, *_ in ours.right) == Counter(text for text, *_ in theirs.right):
            return (
                f"they were asked the same questions with other gold answers: that of {_short(text)!r} is {gold} in "
                "one of them alone; compare runs on the same test questions."
            )
        return f"one was asked {_short(text)!r} more often than the other; compare runs on the same test questions."
    (fewer, some), (more, all_) = sorted([(len(ours.right), texts), (len(theirs.right), other_texts)], key=_first)
    if some < all_:
        return (
            f"one was tested on {fewer:,} of the {more:,} questions of the other; compare runs on the same test "
            "questions (`eval.test_limit`, `data.test_size`)."
        )
    example = _short(min(texts - other_texts or other_texts - texts))
    return (
        f"they were tested on different questions: of {len(texts | other_texts):,} only {len(texts & other_texts):,} "
        f"were asked of both, and {example!r} was not; compare runs on the same test questions."
    )


def _first(pair: tuple[int, set[str]]) -> int:
    return pair[0]


def paired(ours: Answered, theirs: Answered) -> tuple[list[bool], list[bool]]:
    """Whether each question was answered right, by us and by them; as `aligned`."""
    first, second = aligned([ours, theirs])
    return first, second


def compare_runs(predictions: DataFrame, ours: str, theirs: str) -> ProblemComparison:
    """Compare the chosen checkpoints of two runs on the questions that they were tested on, paired as `aligned` does.

    Args:
        predictions: `Runs.predictions()`.
        ours, theirs: ids of the runs.

    Raises:
        BadInput: one of them has no predictions, or they were tested on different questions.
    """
    found = {}
    for run in (ours, theirs):
        rows = predictions[predictions["run"] == run]
        found[run] = answered(rows.to_dict("records"))
        if not found[run].right:
            raise BadInput(f"run {run!r} has no predictions, which a comparison problem by problem needs.")
    try:
        return compare_problems(*paired(found[ours], found[theirs]))
    except BadInput as error:
        raise BadInput(f"runs {ours!r} and {theirs!r} cannot be compared: {error}") from None


def against_warmup(predictions: DataFrame, table: DataFrame) -> DataFrame:
    """What ReFT did to the policy it began with, in each finished run: the final answers against those after warm-up.

    Args:
        predictions: `Runs.predictions()`.
        table: `Runs.table`.

    Returns:
        One row for each finished run with predictions of both: run, seed, n (problems), both, only_ours (right after
        ReFT only), only_theirs (right after the warm-up only), neither, difference (a fraction), low, high (95 %,
        paired bootstrap over problems), p (exact McNemar), p_holm, corrected for there being several runs, and
        questions_needed (see `power.needed_by_problems`; empty where there is no difference).
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
        {
            "run": run,
            "seed": seed,
            "n": each.n,
            **asdict(each),
            NEEDED: getattr(needed_by_problems(each), "questions", None),
        }
        for run, seed, each in rows
    ]
    frame = pandas.DataFrame(records, columns=["run", "seed", "n", *COLUMNS, NEEDED])
    frame.insert(len(frame.columns) - 1, "p_holm", holm(list(frame["p"])))
    return frame.astype({NEEDED: "Int64"})
