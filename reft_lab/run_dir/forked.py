"""`fork=RUN_DIR[@STEP]`: the moment of a run that another one sets out from, and what may be otherwise in that one."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from reft_lab.config.schema import Config
from reft_lab.errors import BadInput
from reft_lab.methods import METHODS, STAGES
from reft_lab.methods.sft import WARMUP as WARMUP_STAGE
from reft_lab.run_dir.changes import Change, flat
from reft_lab.run_dir.files import BEST, CHECKPOINTS, LAST, PASSPORT, STATE, STEP, WARMUP, tensor_files
from reft_lab.run_dir.reading import read_object
from reft_lab.run_dir.saved import SavedRun, read
from reft_lab.text import did_you_mean

FACTS = "evaluation.json"  # of a policy
# Options and sections that a fork has for itself, and does not take over.
OWN = ("name", "fork", "resume", "baseline", "study", "tracker.group")
# What the weights are of, but for options that leave their shape and meaning alone.
SHAPE = ("model", "ppo.value_init")
NO_SHAPE = ("model.name", "model.gradient_checkpointing", "model.lora.merge", "model.lora.dropout")
# What decides how a policy is asked and judged: with other ones, accuracies from before the fork say nothing.
JUDGED_BY = (
    *("data", "cot", "answers", "programs", "eval", "selection"),
    *("ppo.max_prompt_tokens", "ppo.max_new_tokens", "ppo.total_tokens"),
)


@dataclass(frozen=True)
class Moment:
    """What a run keeps of one moment.

    Attributes:
        folder: a full state, or a policy, whose optimiser is lost.
        facts: how far the run was, as a full state has it.
    """

    folder: Path
    facts: dict[str, Any]

    @property
    def is_full(self) -> bool:
        """Whether the state of the optimiser is there."""
        return bool(tensor_files(self.folder))

    @property
    def policy(self) -> Path:
        """The policy that it stands for where it is not full; else the best one so far, which need not be there."""
        return self.folder / BEST if (self.folder / STATE).exists() else self.folder

    @property
    def step(self) -> int:
        """The last recorded step."""
        return int(self.facts["tracker_step"])

    @property
    def stage(self) -> str:
        """Name of the stage at work; the warm-up where that has no steps."""
        return str(self.facts["stage"] or WARMUP_STAGE.name)

    @property
    def is_over(self) -> bool:
        """Whether the stage is over, and the next one is to begin."""
        return self.facts["counters"] is None

    @property
    def done(self) -> int | None:
        """Steps of the stage that are done; None where it is over."""
        return None if self.is_over else int(self.facts["counters"]["step"])

    def __str__(self) -> str:
        kind = STAGES[self.stage]
        label = f"the {kind.label}" if kind.name == WARMUP_STAGE.name else kind.label
        return f"{'the end' if self.is_over else f'{kind.unit[:-1]} {self.done}'} of {label}"


@dataclass(frozen=True)
class Origin:
    """Where a fork sets out.

    Attributes:
        run: the run.
        name: the moment as one types it: `last` is its step.
        moment: what is kept of it.
    """

    run: SavedRun
    name: str
    moment: Moment

    def __str__(self) -> str:
        return f"{self.run.directory.absolute()}@{self.name}"

    @cached_property
    def passport(self) -> dict[str, Any]:
        """Where the run came from; empty where that cannot be read."""
        return read_object(self.run.directory / PASSPORT) or {}

    @cached_property
    def options(self) -> dict[str, Any]:
        """Those of the run, by their dotted names."""
        return flat(self.run.experiment)

    @property
    def lineage(self) -> list[str]:
        """The forks that led to the run, itself included, the first one first."""
        before = self.passport.get("fork", {})
        return [*before.get("lineage", []), str(self)]


def origin_of(fork: str) -> Origin:
    """Where `fork=RUN_DIR[@STEP]` sets out.

    Raises:
        BadInput: there is no such run, or it keeps nothing of that moment.
    """
    path, name = Path(fork).expanduser(), LAST
    if not path.exists() and "@" in fork:
        place, _, name = fork.rpartition("@")
        path = Path(place).expanduser()
    run = read(path, "fork")
    found = dict(_moments(run.directory / CHECKPOINTS))
    if not found:
        raise BadInput(f"fork={fork}: the run in {run.directory} keeps no state yet; let it get that far first.")
    if name not in found:
        listed = ", ".join(f"{key} ({moment})" for key, moment in found.items())
        raise BadInput(
            f"fork={fork}: the run in {run.directory} keeps nothing called {name or 'so'}{_near(name, found)} It keeps "
            f"{listed}; checkpoint.keep=N keeps more states."
        )
    moment = found[name]
    return Origin(run, str(moment.step) if name == LAST else name, moment)


def check_fork(config: Config) -> tuple[Origin, list[Change]] | None:
    """Where a run forks from, and the options in which it differs from that run; None where it forks from none.

    Raises:
        BadInput: there is nothing to fork from, or an option may not be otherwise.
    """
    if config.fork is None:
        return None
    origin = origin_of(config.fork)
    wanted = flat(OmegaConf.create(asdict(config)))
    found = []
    for key, value in wanted.items():
        if key in origin.options and origin.options[key] != value and not is_in(key, OWN):
            reason = _why_not(key, origin, wanted)
            found.append(Change(key, origin.options[key], value, not reason, reason))
    if refused := [change for change in found if not change.allowed]:
        them = "it" if len(refused) == 1 else "them"
        raise BadInput(
            f"fork={config.fork} cannot go on with {', '.join(map(str, refused))}; leave {them} out, or start a new "
            "run."
        )
    _check_length(config, origin.moment)
    return origin, found


def is_judged_otherwise(changes: list[Change]) -> bool:
    """Whether accuracies from before the fork cannot be held against those that come."""
    return any(is_in(change.key, JUDGED_BY) for change in changes)


def is_in(key: str, names: tuple[str, ...]) -> bool:
    """Whether an option is one of these, or in one of these sections."""
    return any(key == name or key.startswith(f"{name}.") for name in names)


def _moments(checkpoints: Path) -> Iterator[tuple[str, Moment]]:
    """What a run keeps, by the names that one types, the oldest full state first."""
    full: dict[int, Moment] = {}
    for folder in (*checkpoints.glob(f"{STEP}*"), checkpoints / LAST):
        facts = _facts(folder / STATE)
        if "tracker_step" in facts:
            full[int(facts["tracker_step"])] = Moment(folder, facts)
    for step, moment in sorted(full.items()):
        yield str(step), moment
    if full:
        yield LAST, full[max(full)]
    for name in (BEST, WARMUP):
        facts = _facts(checkpoints / name / FACTS).get("state", {})
        if "tracker_step" in facts:
            known = full.get(facts["tracker_step"])
            # Of the same step, a full state has the same weights and the optimiser too.
            is_same = known is not None and facts["counters"] is not None and known.facts["pending"] is None
            yield name, known if known is not None and is_same else Moment(checkpoints / name, facts)


def _facts(file: Path) -> dict[str, Any]:
    try:
        facts: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return facts if isinstance(facts, dict) else {}


def _near(name: str, there: Mapping[str, Moment]) -> str:
    numbers = [key for key in there if key.isdecimal()]
    if name.isdecimal() and numbers:
        return f"; did you mean {min(numbers, key=lambda key: abs(int(key) - int(name)))}?"
    return did_you_mean(name, there) or "."


def _why_not(key: str, origin: Origin, wanted: Mapping[str, Any]) -> str:
    """Why an option cannot be otherwise in a fork; empty where it can."""
    stage = origin.moment.stage
    if is_in(key, SHAPE) and key not in NO_SHAPE:
        return "the weights are those of the run"
    if key == "method":
        ours, theirs = ([kind.name for kind in METHODS[name].stages] for name in (origin.options[key], wanted[key]))
        before = ours[: ours.index(stage) + 1]
        return "" if theirs[: len(before)] == before else f"it was at {STAGES[stage].label} already"
    if key.partition(".")[0] == WARMUP_STAGE.section and (origin.moment.is_over or stage != WARMUP_STAGE.name):
        return f"the {WARMUP_STAGE.label} is over"
    return ""


def _check_length(config: Config, moment: Moment) -> None:
    """See that iterations are left, where their number is known."""
    kind = METHODS[config.method].last
    section = getattr(config, kind.section)
    wanted = getattr(section, "iterations", None)
    if moment.stage != kind.name or moment.done is None or wanted is None:
        return
    if moment.done >= wanted + getattr(section, "critic_warmup", 0):
        raise BadInput(
            f"fork={config.fork} has nothing left to train: {moment.done} iterations were done there, and "
            f"{kind.section}.iterations={wanted}; raise it, or fork an earlier moment of the run."
        )
