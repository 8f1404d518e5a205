"""`reft table`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reft_lab.analysis.paper_tables import OF_WORDS
from reft_lab.cli.finding import folder_called, runs_in
from reft_lab.cli.rows import Column, print_table
from reft_lab.errors import BadInput
from reft_lab.text import did_you_mean

if TYPE_CHECKING:
    from pandas import DataFrame

    from reft_lab.analysis.runs import Runs
    from reft_lab.report.comparison import Compared

LEFT = (*OF_WORDS, "Setting")  # columns of words
SETTINGS = "settings"  # the study's own settings, whatever the paper has
SAMPLES = "samples"  # decodings by the number of samples


@dataclass(frozen=True)
class Printed:
    """A table as it is printed.

    Attributes:
        name: of a file or label.
        title: what stands above it.
        text: every cell is text.
        notes: sentences below it.
        rows: the same for programs, accuracies as fractions.
    """

    name: str
    title: str
    text: DataFrame
    notes: Sequence[str]
    rows: Sequence[Mapping[str, Any]]


def print_tables(study: str, name: str | None, *, markdown: bool, latex: bool) -> list[dict[str, Any]]:
    """Print the tables that a study makes, or one by its name; `reft table --help` explains them.

    Returns:
        Name, title, rows and notes of each.

    Raises:
        BadInput: there is no such study or table, no run in it is finished, or both forms were asked for.
    """
    from reft_lab.analysis.paper_tables import TABLES, tables_in

    if markdown and latex:
        raise BadInput("--markdown and --latex exclude each other; take one of them.")
    if name is not None and name not in (known := (*TABLES, SETTINGS, SAMPLES)):
        guess = did_you_mean(name, known) or f"; there is {', '.join(known)}."
        raise BadInput(f"--table {name}: there is no such table{guess}")
    folder = folder_called(study)
    if folder is None:
        raise BadInput(f"there is no study {study} in multirun/ and no such folder; `reft runs` lists what there is.")
    runs = runs_in([str(folder)])
    names = [name] if name else tables_in(runs)
    if not names:
        raise BadInput(f"no run in {folder} is finished, so there is nothing to set beside the paper yet.")
    own = {SETTINGS: _of_settings, SAMPLES: _by_samples}
    form = _as_markdown if markdown else _as_latex if latex else None
    tables = [own[each](runs, folder) if each in own else _of_the_paper(runs, each) for each in names]
    for number, table in enumerate(tables):
        if number:
            print()
        if form is None:
            _print(table)
        else:
            print(form(table))
    return [{key: getattr(table, key) for key in ("name", "title", "rows", "notes")} for table in tables]


def _of_the_paper(runs: Runs, name: str) -> Printed:
    from reft_lab.analysis.paper_tables import beside, in_words

    table = beside(runs, name)
    return Printed(table.name, table.title, in_words(table), table.notes, table.frame.to_dict("records"))


def _of_settings(runs: Runs, folder: Path) -> Printed:
    from reft_lab.report.comparison import comparison_of, in_words

    found = comparison_of(runs)
    notes = []
    if len(found.groups) > 1:
        notes.append(
            f"Changes are against {found.base.label} ({found.why}), in points: over seeds and questions, both paired "
            "and resampled together, from three seeds on. p is corrected for the number of settings."
        )
    if any(row.cost for row in found.rows):
        notes.append("What training took is the mean of a run: the warm-up is part of it, evaluation is not.")
    return Printed(SETTINGS, folder.absolute().name, in_words(found), notes, [_setting(row) for row in found.rows])


def _setting(row: Compared) -> dict[str, Any]:
    """A setting for programs."""
    parts = {"dev": row.dev, "test": row.test, "change": row.change}
    return {
        "setting": row.group.label,
        "values": dict(row.group.values),
        "states": dict(row.states),
        "seeds": list(row.each),
        **{name: None if found is None else asdict(found) for name, found in parts.items()},
    }


def _by_samples(runs: Runs, folder: Path) -> Printed:
    from reft_lab.analysis.by_samples import by_samples, in_words

    found = by_samples(runs)
    if found.empty:
        raise BadInput(f"no finished run in {folder} drew samples; evaluate with decode=vote, pass or rerank.")
    notes = [
        "In brackets the 95 % interval over seeds. Greedy decoding takes no sample; its accuracy stands under k = 1."
    ]
    return Printed(SAMPLES, folder.absolute().name, in_words(found), notes, found.to_dict("records"))


def _as_markdown(table: Printed) -> str:
    from reft_lab.analysis.tables import as_markdown

    notes = "\n".join(f"- {note}" for note in table.notes)
    return f"**{table.title}**, test accuracy in %\n\n{as_markdown(table.text)}\n\n{notes}"


def _as_latex(table: Printed) -> str:
    """Its notes stand in the caption."""
    from reft_lab.analysis.tables import as_latex, latex_text

    caption = latex_text(" ".join([f"{table.title}, test accuracy in %.", *table.notes]))
    latex = as_latex(table.text, caption=caption, label=f"tab:{table.name.replace('_', '-')}")
    return f"% \\usepackage{{booktabs,graphicx}}\n{latex}".rstrip()


def _print(table: Printed) -> None:
    columns = [Column(head, list(table.text[head]), right=head not in LEFT, folds=head in LEFT) for head in table.text]
    print(f"{table.title}, test accuracy in %\n")
    print_table(columns)
    for note in table.notes:
        print(note)
