"""What an audit says of a critic, on the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.table import Table

from reft_lab.numbers import two_places


def critic_table(audit: Mapping[str, Any]) -> Table:
    """An entry of critic_audit.json: by tenth of the response and overall.

    V is what the critic expects, MC the Monte-Carlo value; then the share of the variance of MC that V explains, that
    which a perfect critic would explain, and the rank correlation of V and MC.
    """
    settings = audit["settings"]
    title = (
        f"critic at {audit['when']} ({audit['checkpoint']}): {settings['critic_continuations']} continuations from "
        f"each of {audit['overall']['states']} states, {settings['critic_split']} problems"
    )
    table = Table(title=title, title_justify="left")
    table.add_column("", no_wrap=True)
    for head in ("states", "V", "MC", "explained", "perfect", "rank"):
        table.add_column(head, justify="right", no_wrap=True)
    for tenth, of_tenth in audit["by_tenth"].items():
        table.add_row(f"{10 * int(tenth) - 10} to {10 * int(tenth)} %", *_cells(of_tenth))
    table.add_section()
    table.add_row("all", *_cells(audit["overall"]))
    table.add_row("along a response", *_cells(audit["within_response"]))
    return table


def _cells(found: Mapping[str, Any]) -> list[str]:
    names = ("value", "monte_carlo", "explained_variance", "attainable", "rank_correlation")
    return [str(found["states"]), *("" if found[name] is None else two_places(found[name]) for name in names)]
