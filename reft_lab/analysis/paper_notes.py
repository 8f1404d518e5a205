"""What is not as in the paper where its numbers stand beside ours, in sentences."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from reft_lab.analysis.published import GREEDY, NO_KL, THEIR_SAMPLES, name_of
from reft_lab.analysis.schema import CONFIG
from reft_lab.analysis.settings import BOOKKEEPING, finished
from reft_lab.analysis.statistics import ENOUGH
from reft_lab.compose.conf import Conf, compose
from reft_lab.config.check import check
from reft_lab.errors import BadInput
from reft_lab.text import flatten

if TYPE_CHECKING:
    from pandas import DataFrame

    from reft_lab.analysis.runs import Runs

# Options that a study of the paper varies, that say where files are, or that only look at a run.
VARIED = (
    *("method", "label", "selection", "reward", "ppo.kl_coef", "model.value", "warmup.epochs", "experiment"),
    *("decode", "pool", "audit", "alarms", "data.source", "data.path", "data.train", "data.dev", "data.test", "budget"),
    *("ppo.critic_warmup", "ppo.lam_value"),
)
NAMED = 8  # options that a sentence lists


def notes_on(runs: Runs, ours: DataFrame, rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Sentences on what differs, the same for all rows or with the rows that they are about.

    Args:
        runs: the study.
        ours: `our_cells`, those that are in the table.
        rows: the cells of the table.
    """
    used = finished(runs.table)
    used = used[used["run"].isin(set(ours["run"]))]
    found = [*_places(rows), *_selection(used), *_questions(used), *_samples(rows), *_settings(used, rows)]
    seeds = sorted({row["n"] for row in rows if row["n"]})
    several = f"{seeds[0]} to {seeds[-1]}" if len(seeds) > 1 else str(seeds[-1])
    sure = "95 % intervals are over seeds" if seeds[-1] >= ENOUGH else "too few for an interval"
    found.append(f"Seeds: {several} here, {sure}; one in the paper, without an interval.")
    if any(row["variant"] == NO_KL and row["paper"] == 0 for row in rows):
        found.append("Without a KL penalty training collapses in the paper, to an accuracy of 0.")
    return found


def _places(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Which rows stand beside those of another model or data set."""
    named = {(row["model"], row["data"], row["beside"]) for row in rows if row["beside"]}
    for model, data, (their_model, their_data) in sorted(named):
        yield (
            f"Model and questions: {name_of(model)} on {name_of(data)} stands beside {name_of(their_model)} on "
            f"{name_of(their_data)}; compare what is gained, not the accuracies."
        )


def _selection(used: DataFrame) -> Iterator[str]:
    rules = set(used["selection"].dropna())
    if rules == {"test"}:
        yield "Selection: the best checkpoint on test, as in the paper, which flatters both."
    elif rules == {"dev"}:
        yield "Selection: the best checkpoint on dev here, on test in the paper, which flatters the paper's."
    elif rules:
        yield "Selection: the best checkpoint on dev in some of our runs, on test in others and in the paper."


def _questions(used: DataFrame) -> Iterator[str]:
    """Where questions and reasoning are not those that the authors released."""
    for data, rows in used.groupby("data"):
        if data == "arithmetic":
            yield "Data: arithmetic is generated, with gold programs in the styles that data.annotation names."
            continue
        own = rows[[CONFIG + key for key in ("data.path", "data.train") if CONFIG + key in rows]].notna().any(axis=1)
        if own.any():
            yield f"Data: {name_of(data)} is read from files of the user's."
        elif (rows[CONFIG + "data.source"] != "paper").any():
            yield (
                f"Data: {name_of(data)} is the hub's, with the data set's own annotation; the paper's was written by "
                "GPT-3.5-turbo (data.source=paper takes it)."
            )


def _samples(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    ours = sorted({row["k"] for row in rows if row["decoding"] != GREEDY and row["n"]} - {THEIR_SAMPLES})
    if ours:
        yield f"Samples: {', '.join(map(str, ours))} a question here, {THEIR_SAMPLES} in the paper."


def _settings(used: DataFrame, rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Settings of our runs that are not those of the paper's experiment of the same name."""
    known = set(Conf().choices("experiment"))
    same = {(row["data"], row["cot"], row["model"]) for row in rows if not row["beside"]}
    for data, cot, model in sorted(same):
        name = f"paper/{data}_{cot}_{model}"
        if name not in known:
            continue
        here = used[(used["data"] == data) & (used["cot"] == cot) & (used["model"] == model)]
        differ: dict[str, None] = {}
        for method, own in here.groupby(CONFIG + "method"):
            try:
                theirs = flatten(asdict(check(compose(f"experiment={name}", f"method={method}"))))
            except BadInput:
                continue
            differ |= dict.fromkeys(key for key in theirs if _counts(key) and _is_other(own, key, theirs[key]))
        if differ:
            first = ", ".join(list(differ)[:NAMED]) + (
                f" and {len(differ) - NAMED} more" if len(differ) > NAMED else ""
            )
            where = f"{name_of(model)} on {name_of(data)} ({name_of(cot)})"
            yield f"Settings: {where} differs from experiment={name} in {first}."


def _counts(key: str) -> bool:
    return not any(key == each or key.startswith(f"{each}.") for each in (*BOOKKEEPING, *VARIED))


def _is_other(own: DataFrame, key: str, theirs: Any) -> bool:
    if CONFIG + key not in own:
        return False
    cells = own[CONFIG + key]
    if theirs is None:
        return bool(cells.notna().any())
    return any(cell != theirs for cell in cells)
