"""`reft audit-critic`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reft_lab.cli.finding import find_run
from reft_lab.errors import BadInput, OutOfMemory

if TYPE_CHECKING:
    from reft_lab.config.schema import Config


def audit_critic(name: str, checkpoints: Sequence[str], changes: dict[str, Any]) -> dict[str, Any]:
    """Hold the critic of a run against Monte-Carlo values; prints a table for each state, and writes critic_audit.json
    and the report anew.

    Args:
        name: a run, as `find_run` takes it.
        checkpoints: names of states it kept; none: all of them.
        changes: options of the config's `audit` that are not as the run has them.

    Returns:
        The audits of these states.

    Raises:
        BadInput: there is no such run or state, or the run has no critic.
    """
    from reft_lab.config.check import check
    from reft_lab.methods import METHODS
    from reft_lab.run_dir.saved import read

    directory = Path(str(find_run(name).directory))
    config = check(read(directory).experiment)
    config = replace(config, audit=replace(config.audit, **changes))
    if not METHODS[config.method].has_critic(config):
        why = f"ppo.credit={config.ppo.credit}" if config.method == "reft" else f"method={config.method}"
        raise BadInput(f"the run in {directory} has no critic ({why}), so there is none to audit.")
    states = _states(directory, checkpoints)
    try:
        return _audit(directory, config, states)
    except OutOfMemory as error:
        raise BadInput(
            f"out of memory while {error.phase}; audit on the machine that trained the run, or one with more memory."
        ) from error


def _states(directory: Path, wanted: Sequence[str]) -> list[tuple[str, str, Path]]:
    """Name, moment and folder of the states to audit, the oldest first; the best policy where it is no other's copy.

    Raises:
        BadInput: there is none, or none of a name that is wanted.
    """
    from reft_lab.policy.saving import facts
    from reft_lab.run_dir.files import CHECKPOINTS
    from reft_lab.runner.checkpoint import AFTER_WARMUP, BEST, Checkpoints

    folder = directory / CHECKPOINTS
    found: list[tuple[int, str, str, Path]] = []
    for state in sorted(folder.iterdir()) if folder.is_dir() else []:
        told = Checkpoints.facts(state)
        if told.get("stage") in AFTER_WARMUP:
            step = int(told["counters"]["step"])
            found.append((step, state.name, f"iteration {step}", state))
    best = str(facts(folder / BEST).get("when", ""))
    number = best.removeprefix("iteration ")
    if number.isdecimal() and (BEST in wanted or best not in {when for _, _, when, _ in found}):
        found.append((int(number), BEST, best, folder / BEST))
    for name in wanted:
        if name not in {state for _, state, _, _ in found}:
            there = ", ".join(state for _, state, _, _ in sorted(found)) or "none with a trained critic"
            raise BadInput(f"--checkpoint {name}: {folder} holds no such state; it has {there}.")
    chosen = [(name, when, place) for _, name, when, place in sorted(found) if not wanted or name in wanted]
    if not chosen:
        raise BadInput(f"{folder} holds no state with a trained critic; the run must have come beyond its warm-up.")
    return chosen


def _audit(directory: Path, config: Config, states: Sequence[tuple[str, str, Path]]) -> dict[str, Any]:
    from reft_lab.policy import saving
    from reft_lab.programs import ProgramRunner
    from reft_lab.report import run_report
    from reft_lab.run_dir import disk
    from reft_lab.run_dir.files import CRITIC_AUDIT, REPORT
    from reft_lab.runner.checkpoint import BEST, Checkpoints
    from reft_lab.runner.critic import audit_critic, merged
    from reft_lab.runner.setup import prepare
    from reft_lab.tracking.critic_table import critic_table
    from reft_lab.tracking.display import Display

    display = Display()
    checkpoints = Checkpoints(states[0][2].parent, config.checkpoint.keep)
    audits = []
    with ProgramRunner(config.programs) as programs:
        setup = prepare(config, programs)
        policy = setup.policy
        reference = policy.reference()
        saving.load_weights(reference, checkpoints.warmup)
        if config.model.value == "separate":
            policy.separate_values()
        for name, when, folder in states:
            if name == BEST:
                saving.load_weights(policy, folder)
            else:
                checkpoints.load_policy(folder, policy)
            audits.append(audit_critic(setup, policy, reference, display, checkpoint=name, when=when))
            display.show(critic_table(audits[-1]))
            display.note(audits[-1]["sentence"])
    disk.replace(directory / CRITIC_AUDIT, merged(directory, audits))
    print(directory / CRITIC_AUDIT)
    if (directory / REPORT).exists():
        print(run_report(directory))
    return {"run": str(directory), "audits": audits}
