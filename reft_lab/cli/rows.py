"""Tables on the terminal and in a pipe."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from reft_lab.config.wording import shown

if TYPE_CHECKING:
    from rich.console import Console

IN_A_PIPE = 100_000  # width of a pipe, where nothing is cut or folded
LEAST = 8  # characters of a column that is folded, below which nobody can read it
BETWEEN = 3  # characters between two columns


@dataclass(frozen=True)
class Column:
    """A column.

    Attributes:
        name: its head.
        cells: one for each row.
        right: aligned to the right, as numbers are.
        folds: may be wrapped where the terminal is narrow.
        obvious: left out on a terminal where all its cells are the same.
    """

    name: str
    cells: Sequence[str]
    right: bool = False
    folds: bool = False
    obvious: bool = False


def cell(value: Any) -> str:
    """A value of a frame as one types it; empty where there is none."""
    import pandas

    return "" if pandas.isna(value) else shown(value)


def print_table(columns: Sequence[Column], title: str | None = None) -> None:
    """Print columns of the same length, fitted to the terminal, or at full width in a pipe.

    On a terminal that is too narrow for them each row becomes a block, a line a cell.
    """
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    terminal = sys.stdout.isatty()
    if terminal:
        same = [each for each in columns if each.obvious and len(each.cells) > 1 and len(set(each.cells)) == 1]
        if same:
            print("all: " + ", ".join(f"{column.name} {column.cells[0] or 'unknown'}" for column in same))
        columns = [column for column in columns if column not in same]
    width = None if terminal else IN_A_PIPE
    console = Console(file=sys.stdout, width=width, highlight=False, markup=False, emoji=False)
    if terminal and _least(columns) > console.width:
        _print_blocks(columns, title, console)
        return
    table = Table(title=title, title_justify="left", pad_edge=False, padding=(0, 1))
    table.box = SIMPLE_HEAD if terminal else None
    for column in columns:
        table.add_column(
            column.name, justify="right" if column.right else "left", no_wrap=not column.folds, overflow="fold"
        )
    for row in zip(*(column.cells for column in columns), strict=True):
        table.add_row(*row)
    console.print(table)


def _least(columns: Sequence[Column]) -> int:
    """The width below which columns cannot be read."""
    widths = (LEAST if each.folds else max(map(len, (each.name, *each.cells))) for each in columns)
    return sum(widths) + BETWEEN * len(columns)


def _print_blocks(columns: Sequence[Column], title: str | None, console: Console) -> None:
    if title:
        console.print(title)
    for row in zip(*(column.cells for column in columns), strict=True):
        console.print()
        for column, text in zip(columns, row, strict=True):
            if text:
                console.print(f"{column.name}: {text}" if column.name else text, overflow="fold")
