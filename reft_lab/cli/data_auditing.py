"""`reft data`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reft_lab.cli.rows import Column, print_table
from reft_lab.errors import BadInput
from reft_lab.numbers import per_cent, plain

if TYPE_CHECKING:
    from reft_lab.analysis.data_audit import DataAudit


def audit_data(words: Sequence[str], page: Path | None, examples: int) -> dict[str, Any]:
    """Print what the data of an experiment looks like.

    Args:
        words: as for run.py.
        page: where a page is written; None: nowhere.
        examples: how many pairs of near-duplicates are printed.

    Returns:
        All that was found, with the page.

    Raises:
        BadInput: the words are no experiment of one run, or its data or tokenizer cannot be had.
    """
    from reft_lab.analysis.data_audit import QUANTILES
    from reft_lab.compose.composed import compose_command
    from reft_lab.config.check import check
    from reft_lab.runner.data_audit import audit_data

    composed = compose_command(words)
    if composed.is_multirun or composed.has_study:
        raise BadInput("the data of one experiment is looked at, so leave -m, lists of values and sweeps= out.")
    found = audit_data(check(composed.node))
    _print(found, examples)
    if page is not None:
        from reft_lab.report.data import data_page

        try:
            print(data_page(found, page))
        except OSError as error:
            raise BadInput(f"{page} cannot be written: {error.strerror}.") from error
    lengths = {each.what: dict(zip(map(str, QUANTILES), each.quantiles, strict=True)) for each in found.lengths}
    return asdict(found) | {"lengths": lengths, "page": page}


def _print(found: DataAudit, examples: int) -> None:
    from reft_lab.analysis.data_audit import QUANTILES

    for line in found.lines:
        print(line)
    print()
    heads = ["median" if q == 0.5 else "longest" if q == 1 else f"{per_cent(q, 0)} %" for q in QUANTILES]
    _table(
        ("", *heads),
        [(each.what, *map(plain, each.quantiles)) for each in found.lengths],
        f"Lengths in tokens of model={found.model}",
    )
    _table(
        ("", "limit", "longer", "of", "what becomes of them"),
        [
            (each.what, each.limit, f"{each.count:,}", f"{each.of:,}", each.done if each.count else "")
            for each in found.too_long
        ],
        "What does not fit",
    )
    _table(
        ("", "problems", "whole numbers %", "negative %", "largest", "most frequent", "that of train is right in %"),
        [
            (
                each.split,
                f"{each.count:,}",
                per_cent(each.whole),
                per_cent(each.negative),
                "" if each.largest != each.largest else plain(each.largest),
                ", ".join(f"{answer} ({per_cent(share)} %)" for answer, share in each.common),
                per_cent(each.guess),
            )
            for each in found.answers
        ],
        "Gold answers",
    )
    places = list(found.duplicates["near"])
    _table(
        ("", *(f"{'in both ' if '/' in place else 'within '}{place}" for place in places)),
        [(degree, *(f"{counts[place]:,}" for place in places)) for degree, counts in found.duplicates.items()],
        "Questions that are alike",
    )
    unread = len(found.unread)
    print(f"gold reasoning that does not read back: {unread:,}{f', the first at {found.unread[0]}' if unread else ''}")
    for pair in found.pairs[:examples]:
        print(f"\n{per_cent(pair.share, 0)} % alike, {pair.where}:\n  {_short(pair.first)}\n  {_short(pair.second)}")


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]], title: str) -> None:
    columns = [
        Column(
            head, [row[place] for row in rows], right=place > 0, folds=head in ("most frequent", "what becomes of them")
        )
        for place, head in enumerate(heads)
    ]
    print_table(columns, title)
    print()


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= 300 else f"{text[:300]}..."
