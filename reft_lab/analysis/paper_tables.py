"""The paper's tables with our runs in them: each cell as published and as found here, and what is not the same.

A run of one of the paper's models on one of its data sets stands beside that very cell. Any other, such as the tiny
model on arithmetic, stands beside the cells of a model and data set of the table: there the accuracies themselves say
nothing, while what one method gains over another can still be compared.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from reft_lab.analysis.paper_cells import CELL, WHERE, has_samples, our_cells, variants_of
from reft_lab.analysis.paper_notes import notes_on
from reft_lab.analysis.published import (
    ABLATION,
    DECODING,
    GREEDY,
    MAIN,
    NAMES,
    NUMERIC,
    SMALL,
    THEIR_SAMPLES,
    Published,
    name_of,
    published,
)
from reft_lab.analysis.schema import CONFIG
from reft_lab.analysis.seeds import summarise
from reft_lab.analysis.settings import finished
from reft_lab.analysis.statistics import NAN, common, paired_difference
from reft_lab.errors import BadInput
from reft_lab.numbers import interval, interval_in_points, per_cent, points

if TYPE_CHECKING:
    from pandas import DataFrame

    from reft_lab.analysis.runs import Runs

STUDIES = "paper_"  # how the names of the studies in sweeps/paper begin
PLACE = {"Data": "data", "Reasoning": "cot", "Model": "model"}
OF_WORDS = (*PLACE, "Method", "Decoding", "Variant")  # columns; all others are of numbers


@dataclass(frozen=True)
class PaperTable:
    """One table of the paper.

    Attributes:
        title: what it shows.
        takes: whether an accuracy that was published belongs to it.
        model, data: the cells that stand beside runs on other models and data sets.
        base: what a cell's gain is over, as method, decoding and variant, given those of the cell.
        ours: whether one of our cells (a row with CELL) belongs to it.
    """

    title: str
    takes: Callable[[Published], bool]
    base: Callable[[str, str, str], tuple[str, str, str]]
    ours: Callable[[Any], bool]
    model: str = "codellama"
    data: str = "gsm8k"


def _over_sft(method: str, decoding: str, variant: str) -> tuple[str, str, str]:
    return ("sft", GREEDY, "")


def _plain(cell: Any) -> bool:
    return bool(cell["decoding"] == GREEDY and not cell["variant"])


def _on_gsm8k(one: Published) -> bool:
    return one.table == MAIN and one.data == "gsm8k" and one.method in ("sft", "reft")


TABLES = {
    "main": PaperTable(
        "Main results", lambda one: one.table == MAIN or one.method == "warmup", base=_over_sft, ours=_plain
    ),
    "mathqa_numeric": PaperTable(
        "MathQA with numbers for answers",
        lambda one: one.table == NUMERIC,
        base=_over_sft,
        ours=_plain,
        data="mathqa_numeric",
    ),
    "decoding": PaperTable(
        "Majority voting and reranking",
        lambda one: one.table == DECODING or _on_gsm8k(one),
        base=lambda method, *_: (method, GREEDY, ""),
        ours=lambda cell: not cell["variant"],
    ),
    "small_models": PaperTable(
        "Small models", lambda one: one.table == SMALL, base=_over_sft, ours=_plain, model="galactica_125m"
    ),
    "ablation": PaperTable(
        "Ablation",
        lambda one: (
            one.table == ABLATION
            or (_on_gsm8k(one) and one.method == "reft" and (one.model, one.cot) == ("codellama", "program"))
        ),
        base=lambda *_: ("reft", GREEDY, ""),
        ours=lambda cell: cell["method"] == "reft" and cell["decoding"] == GREEDY,
    ),
    "warmup": PaperTable(
        "Epochs of warm-up",
        lambda one: False,  # a figure without numbers
        base=lambda method, decoding, variant: ("warmup", GREEDY, variant),
        ours=lambda cell: cell["method"] in ("warmup", "reft") and cell["decoding"] == GREEDY,
    ),
}


@dataclass(frozen=True)
class Beside:
    """A table with both sides.

    Attributes:
        name: as in TABLES.
        title: what it shows.
        frame: one row a cell, with CELL; paper, paper_gain (fractions; nan where there is none); n (seeds), mean, low,
            high; difference from the paper (nan where model or data set are others); gain, gain_low, gain_high over the
            base of the table, paired by seed.
        notes: sentences on what is not as in the paper.
    """

    name: str
    title: str
    frame: DataFrame
    notes: list[str]


def tables_in(runs: Runs) -> list[str]:
    """Which of the paper's tables some runs make: that of their study's name, or by what they hold.

    Empty where none is finished.
    """
    done = finished(runs.table)
    if done.empty:
        return []
    studies = set(done["study"].dropna())
    if named := [name for name in TABLES for study in studies if f"{study}_".startswith(f"{STUDIES}{name}_")]:
        return list(dict.fromkeys(named))
    found = []
    if has_samples(done):
        found.append("decoding")
    if _varies(done, "warmup.epochs"):
        found.append("warmup")
    if (variants_of(done) != "").any():
        found.append("ablation")
    if found:
        return found
    where = {name for name, table in TABLES.items() if _theirs(table, done)}
    return sorted(where & {"main", "mathqa_numeric", "small_models"}) or ["main"]


def of_the_paper(runs: Runs) -> list[Beside]:
    """The tables of a study that is one of sweeps/paper by its name, or that ran cells of the paper; else none."""
    named = runs.table["study"].dropna().str.startswith(STUDIES)
    found = []
    for name in tables_in(runs):
        with suppress(BadInput):  # runs without an accuracy on test
            table = beside(runs, name)
            if named.any() or table.frame["difference"].notna().any():
                found.append(table)
    return found


def beside(runs: Runs, name: str) -> Beside:
    """One of the paper's tables with the finished runs of a study in it.

    Args:
        runs: the study, or any runs.
        name: one of TABLES.

    Raises:
        BadInput: no finished run belongs to the table.
    """
    table = TABLES[name]
    ours = our_cells(runs, epochs=name == "warmup")
    ours = ours[[bool(table.ours(cell)) for cell in ours.to_dict("records")]]
    if ours.empty:
        raise BadInput(f"no finished run has an accuracy for the table {name}; `reft runs` shows what there is.")
    rows = list(_rows(table, ours))
    shared = [name_of(ours[column].iloc[0]) for column in PLACE.values() if ours[column].nunique() == 1]
    title = f"{table.title}: {', '.join(shared)}" if shared else table.title
    return Beside(name, title, _frame(rows), notes_on(runs, ours, rows))


def in_words(table: Beside) -> DataFrame:
    """A table in words and per cent, every cell text, without columns that say nothing or what the title says."""
    import pandas

    frame = table.frame
    words: dict[str, list[str]] = {
        **{title: list(map(name_of, frame[column])) for title, column in PLACE.items()},
        "Method": list(map(name_of, frame["method"])),
        "Decoding": list(frame["decoding"]),
        "Variant": [variant or "as it is" for variant in frame["variant"]],
        "Paper": [per_cent(value, 2) for value in frame["paper"]],
        "Ours": [per_cent(value) for value in frame["mean"]],
        "95 % interval": list(map(interval, frame["low"], frame["high"])),
        "Seeds": [str(n) if n else "" for n in frame["n"]],
        "Ours − paper": list(map(points, frame["difference"])),
        "Gain, paper": list(map(points, frame["paper_gain"])),
        "Gain, ours": list(map(points, frame["gain"])),
        "Gain, 95 % interval": list(map(interval_in_points, frame["gain_low"], frame["gain_high"])),
    }
    said = [title for title, column in PLACE.items() if frame[column].nunique() == 1]
    said += ["Decoding"] if set(frame["decoding"]) == {GREEDY} else []
    said += [] if any(frame["variant"]) else ["Variant"]
    for title in said:
        del words[title]
    return pandas.DataFrame({title: cells for title, cells in words.items() if any(cells)})


def _rows(table: PaperTable, ours: DataFrame) -> Iterator[dict[str, Any]]:
    """The cells of each place of ours, the paper's first."""
    means = {tuple(row[name] for name in CELL): row for row in summarise(ours, CELL).to_dict("records")}
    seeds = ours.groupby([*CELL, "seed"])["value"].mean()
    of_cell = {key: rows.droplevel(list(range(len(CELL)))).to_dict() for key, rows in seeds.groupby(level=CELL)}
    samples = {tuple(row[name] for name in CELL): row["k"] for row in ours.to_dict("records")}
    for place in dict.fromkeys(key[: len(WHERE)] for key in means):
        theirs, is_same = _beside(table, *place)
        own = sorted(key[len(WHERE) :] for key in means if key[: len(WHERE)] == place)
        own.sort(key=lambda cell: len(cell[2]))  # 5 epochs before 10 epochs
        for cell in [*theirs, *(cell for cell in own if cell not in theirs)]:
            base = table.base(*cell)
            mean = means.get((*place, *cell), {"n": 0, "mean": NAN, "low": NAN, "high": NAN})
            paper, before = theirs.get(cell, NAN), theirs.get(base, NAN)
            gain = (NAN, NAN, NAN)
            pair = common(of_cell.get((*place, *cell), {}), of_cell.get((*place, *base), {}))
            if pair[0] and cell != base:
                found = paired_difference(*pair)
                gain = (found.mean, found.low, found.high)
            yield {
                **dict(zip(CELL, (*place, *cell), strict=True)),
                "k": samples.get((*place, *cell), THEIR_SAMPLES if cell[1] != GREEDY else 1),
                "paper": paper,
                "paper_gain": paper - before if cell != base else NAN,
                **{name: mean[name] for name in ("n", "mean", "low", "high")},
                "difference": mean["mean"] - paper if is_same else NAN,
                **dict(zip(("gain", "gain_low", "gain_high"), gain, strict=True)),
                "beside": None if is_same or not theirs else (table.model, table.data),
            }


def _beside(table: PaperTable, data: str, cot: str, model: str) -> tuple[dict[tuple[str, str, str], float], bool]:
    """What the paper has for a place, by method, decoding and variant; and whether for that very model and data set."""
    rows = [one for one in published() if table.takes(one) and one.cot == cot]
    exact = [one for one in rows if (one.model, one.data) == (model, data)]
    chosen = exact or [one for one in rows if (one.model, one.data) == (table.model, table.data)]
    return {(one.method, one.decoding.partition("@")[0], one.variant): one.accuracy for one in chosen}, bool(exact)


def _frame(rows: list[dict[str, Any]]) -> DataFrame:
    """The rows in the order of the paper, then ours."""
    import pandas

    order = {name: place for place, name in enumerate(NAMES)}
    frame = pandas.DataFrame(rows)
    frame["decoding"] += [f"@{k}" if k > 1 else "" for k in frame["k"]]
    return frame.sort_values(
        [*WHERE, "method"],
        key=lambda column: column.map(lambda name: (order.get(name, len(order)), name)),
        kind="stable",
    ).reset_index(drop=True)


def _theirs(table: PaperTable, done: DataFrame) -> bool:
    places = set(done[WHERE].itertuples(index=False, name=None))
    return any(table.takes(one) and (one.data, one.cot, one.model) in places for one in published())


def _varies(done: DataFrame, option: str) -> bool:
    if CONFIG + option not in done:
        return False
    return bool((done.groupby([*WHERE, "method"])[CONFIG + option].nunique() > 1).any())
