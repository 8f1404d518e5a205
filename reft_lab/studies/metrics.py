"""Which metrics an experiment records, so that a study can optimise one."""

from __future__ import annotations

import re
from functools import cache

from reft_lab.answers.outcome import KINDS
from reft_lab.compose.search_path import REPO
from reft_lab.errors import BadInput
from reft_lab.text import did_you_mean

ACCURACY = "accuracy"
# The stages whose metrics a run of each method has none of.
ABSENT = {"reft": ("sft",), "sft": ("warmup", "rollout", "ppo", "alarm")}


@cache
def known_metrics() -> tuple[str, ...]:
    """The names in docs/metrics.md, which tests keep in step with what runs record."""
    page = (REPO / "docs" / "metrics.md").read_text(encoding="utf-8")
    first_cells = re.findall(r"^\|([^|]*)\|", page, re.MULTILINE)
    names = [name for cell in first_cells for name in re.findall(r"`([a-z_]+/[\w/]+)`", cell)]
    return tuple(
        full
        for name in names
        for full in ([name.replace("KIND", kind) for kind in KINDS] if "KIND" in name else [name])
    )


def check_metric(name: str, method: str) -> None:
    """Make sure that a run of `method` has a value of this name to optimise.

    Raises:
        BadInput: it has not.
    """
    if name == ACCURACY:
        return
    if name not in known_metrics():
        guess = did_you_mean(name, [ACCURACY, *known_metrics()])
        raise BadInput(
            f"sweeps.objective has {name}, which is no metric{guess or '; it is accuracy or one of docs/metrics.md.'}"
        )
    if name.partition("/")[0] in ABSENT[method]:
        raise BadInput(f"sweeps.objective has {name}, which a run of method={method} does not record; take another.")
