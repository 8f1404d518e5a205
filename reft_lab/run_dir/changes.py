"""What may change in a run that goes on, and what would make another experiment of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import reduce
from operator import getitem
from typing import Any

from omegaconf import DictConfig, OmegaConf

from reft_lab.config.options import options
from reft_lab.config.running import AUTO, BudgetConfig
from reft_lab.config.wording import shown
from reft_lab.errors import BadInput
from reft_lab.evaluation.settings import decodes_more
from reft_lab.methods import METHODS, STAGES
from reft_lab.methods.sft import WARMUP

# Options, and sections as a whole: how long, how often one looks, what is recorded, how the arithmetic is done.
MAY_CHANGE = (
    *(f"{stage.section}.{option}" for stage in STAGES.values() for option in stage.may_change),
    "budget",
    "alarms",
    "audit",
    "study",
    "checkpoint",
    "tracker",
    "trainer",
    "decode",
    "pool.folder",
    "model.gradient_checkpointing",
    "programs.workers",
    "programs.batch",
    "programs.cache",
)
STAYS = ("trainer.precision", "trainer.optimizer")
# What a run finds out at its start where AUTO leaves it open; its config says what it found.
FOUND = ("trainer.precision",)
# Options that name a file or folder; one place has many names.
PATHS = (
    *("data.path", "data.train", "data.dev", "data.test"),
    *("model.path", "pool.folder", "decode.reranker", "reward.reranker"),
    "checkpoint.warmups",
)


@dataclass(frozen=True)
class Change:
    """One option, by its dotted name, that is to have another value than in the saved run.

    Attributes:
        allowed: whether the run stays the same experiment.
        reason: why not, where that depends on the run.
    """

    key: str
    old: Any
    new: Any
    allowed: bool
    reason: str = ""

    def __str__(self) -> str:
        return f"{self.key}: {shown(self.old)} -> {shown(self.new)}" + (f" ({self.reason})" if self.reason else "")


def flat(cfg: DictConfig) -> dict[str, Any]:
    """Every option of an experiment by its dotted name, resolved."""
    plain: Any = OmegaConf.to_container(cfg, resolve=True)
    return {key: reduce(getitem, key.split("."), plain) for key in options()}


def surely_another(stored: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Whether a config as it is `stored` in its file is of another experiment than the one with the options `wanted`.

    Only what can be told without composing it counts.
    """
    for key, value in wanted.items():
        *parents, leaf = key.split(".")
        section: Any = stored
        for parent in parents:
            section = section.get(parent) if isinstance(section, Mapping) else None
        known = isinstance(section, Mapping) and leaf in section and not _leaves_open(key, value)
        if known and section[leaf] != value and not _may_change(key) and key not in PATHS:
            return True
    return False


def changes(saved: Mapping[str, Any], wanted: Mapping[str, Any], *, warmup_is_over: bool) -> list[Change]:
    """What differs between the options of a run, by name, and those that it is `wanted` to go on with."""
    found = []
    for key, value in wanted.items():
        if key == "resume" or value == saved[key] or _leaves_open(key, value):
            continue
        reason = ""
        for stage in STAGES.values():
            if key == f"{stage.section}.{stage.length}":
                is_over = stage.name == WARMUP.name and warmup_is_over
                reason = f"the {stage.label} is over" if is_over else stage.why_fixed(_section(saved, stage.section))
        found.append(Change(key, saved[key], value, _may_change(key) and not reason, reason))
    return found


def keep_found(saved: DictConfig, wanted: DictConfig) -> None:
    """Put what a run found out at its start into the experiment that it is `wanted` to go on with, in place."""
    for key in FOUND:
        if _leaves_open(key, OmegaConf.select(wanted, key)):
            OmegaConf.update(wanted, key, OmegaConf.select(saved, key))


def refuse_others(found: Iterable[Change], directory: object) -> None:
    """Let nothing pass that makes another experiment of the run in `directory`.

    Raises:
        BadInput: naming all that does, with both values.
    """
    refused = [change for change in found if not change.allowed]
    if refused:
        listed = ", ".join(map(str, refused))
        them = "it" if len(refused) == 1 else "them"
        raise BadInput(
            f"the run in {directory} cannot go on as another experiment ({listed}); leave {them} out to go on with the "
            "run, or leave out resume= to start a new one."
        )


def is_longer(saved: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Whether `wanted` has more to do after `saved` is done: to train on, or to decode more."""
    if decodes_more(_section(saved, "decode"), _section(wanted, "decode")):
        return True
    if BudgetConfig.is_raised(_section(saved, "budget"), _section(wanted, "budget")):
        return True
    last = [METHODS[wanted[key]].last for key in ("method", "baseline") if wanted[key] is not None]
    return any(stage.is_longer(_section(saved, stage.section), _section(wanted, stage.section)) for stage in last)


def _section(options: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The options of a section, by their names in it."""
    return {key.partition(".")[2]: value for key, value in options.items() if key.partition(".")[0] == name}


def _leaves_open(key: str, value: Any) -> bool:
    return key in FOUND and value == AUTO


def _may_change(key: str) -> bool:
    return key not in STAYS and any(key == name or key.startswith(f"{name}.") for name in MAY_CHANGE)
