"""What a plain `-m` ends with: how its runs ended, what each setting came to, and their page."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from reft_lab.errors import BadInput
from reft_lab.text import counted, from_here, one_line

if TYPE_CHECKING:
    from reft_lab.analysis.runs import Runs

SHOWN = ("Setting", "Seeds", "Dev", "Test", "95 % interval", "Change", "Its 95 % interval")
RUNS = 20  # that did not finish, one line each


def summarise(folder: Path, say: Callable[[str], None]) -> None:
    """Print it, and write report.html in the folder; an error in it never fails runs that are done.

    Args:
        folder: of the multirun.
        say: what prints a line.
    """
    from reft_lab.analysis import load
    from reft_lab.studies.results import write_report

    try:
        runs = load(folder)
    except BadInput:  # none began
        return
    try:
        _say_all(runs, folder, say)
    except Exception as error:  # the results are on disk, whatever is wrong with this table
        say(f"no summary was made ({one_line(error)}).")
    write_report(folder, say)


def _say_all(runs: Runs, folder: Path, say: Callable[[str], None]) -> None:
    from reft_lab.analysis.found import FINISHED
    from reft_lab.cli.rows import Column, print_table
    from reft_lab.report.comparison import comparison_of, in_words

    states = ", ".join(f"{count} {state}" for state, count in runs.table["state"].value_counts().items())
    say(f"\n{counted(len(runs.found), 'run')} in {from_here(folder)}: {states}")
    other = [run for run in runs.found if run.state != FINISHED]
    for run in other[:RUNS]:
        say(f"  {run.run}: {run.state}" + (f" ({run.reason.rstrip('.')})" if run.reason else ""))
    if len(other) > RUNS:
        say(f"  and {len(other) - RUNS} more")
    if len(other) == len(runs.found):
        return
    found = comparison_of(runs)
    words = in_words(found)
    columns = [name for name in SHOWN if any(words[name])]
    print_table([Column(name, list(words[name]), right=name != "Setting", folds=name == "Setting") for name in columns])
    if len(found.groups) > 1:
        say(f"accuracies in %; changes of test in points, against {found.base.label} ({found.why})")
    else:
        say("accuracies in %")
