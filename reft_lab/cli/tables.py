"""`reft table`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reft_lab.cli.finding import folder_called, runs_in
from reft_lab.cli.rows import Column, print_table
from reft_lab.errors import BadInput
from reft_lab.text import did_you_mean

if TYPE_CHECKING:
    from reft_lab.analysis.paper_tables import Beside

LEFT = ("Data", "Reasoning", "Model", "Method", "Decoding", "Variant")  # columns of words


def print_tables(study: str, name: str | None, *, markdown: bool, latex: bool) -> None:
    """Print the paper's tables that a study makes, or one by its name; `reft table --help` explains them.

    Raises:
        BadInput: there is no such study or table, no run in it is finished, or both forms were asked for.
    """
    from reft_lab.analysis.paper_tables import TABLES, beside, tables_in

    if markdown and latex:
        raise BadInput("--markdown and --latex exclude each other; take one of them.")
    if name is not None and name not in TABLES:
        guess = did_you_mean(name, TABLES) or f"; there is {', '.join(TABLES)}."
        raise BadInput(f"--table {name}: the paper has no such table{guess}")
    folder = folder_called(study)
    if folder is None:
        raise BadInput(f"there is no study {study} in multirun/ and no such folder; `reft runs` lists what there is.")
    runs = runs_in([str(folder)])
    names = [name] if name else tables_in(runs)
    if not names:
        raise BadInput(f"no run in {folder} is finished, so there is nothing to set beside the paper yet.")
    form = as_markdown if markdown else as_latex if latex else None
    for number, each in enumerate(names):
        if number:
            print()
        table = beside(runs, each)
        if form is None:
            _print(table)
        else:
            print(form(table))


def as_markdown(table: Beside) -> str:
    """A table in Markdown, its notes below as a list."""
    from reft_lab.analysis import tables
    from reft_lab.analysis.paper_tables import in_words

    notes = "\n".join(f"- {note}" for note in table.notes)
    return f"**{table.title}**, test accuracy in %\n\n{tables.as_markdown(in_words(table))}\n\n{notes}"


def as_latex(table: Beside) -> str:
    """A table in LaTeX, its notes in the caption."""
    from reft_lab.analysis import tables
    from reft_lab.analysis.paper_tables import in_words

    caption = tables.latex_text(" ".join([f"{table.title}, test accuracy in %.", *table.notes]))
    latex = tables.as_latex(in_words(table), caption=caption, label=f"tab:{table.name.replace('_', '-')}")
    return f"% \\usepackage{{booktabs}}\n{latex}".rstrip()


def _print(table: Beside) -> None:
    from reft_lab.analysis.paper_tables import in_words

    words = in_words(table)
    columns = [Column(head, list(words[head]), right=head not in LEFT, folds=head in LEFT) for head in words]
    print(f"{table.title}, test accuracy in %\n")
    print_table(columns)
    for note in table.notes:
        print(note)
