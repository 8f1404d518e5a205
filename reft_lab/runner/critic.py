"""Audits of a run's critic: at its end, or of the states it kept."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from reft_lab.data import Problem
from reft_lab.errors import BadInput
from reft_lab.evaluation.critic import verdict
from reft_lab.policy.model import Policy
from reft_lab.run_dir.files import CRITIC_AUDIT
from reft_lab.run_dir.reading import read_object
from reft_lab.runner.setup import Setup
from reft_lab.tracking.display import Display

Audit = dict[str, Any]


def audit_critic(
    setup: Setup, policy: Policy, reference: Policy | None, display: Display, *, checkpoint: str, when: str
) -> Audit:
    """Hold the critic of a policy against Monte-Carlo values, with the settings of its run; with a bar.

    Args:
        policy: with a critic.
        reference: the policy after warm-up; not needed where there is no KL penalty.
        checkpoint: name of its folder.
        when: `iteration 40`.

    Returns:
        An entry of critic_audit.json; docs/run-directory.md describes it.
    """
    from reft_lab.methods.stages.critic_audit import critic_states

    config = setup.config
    number = when.removeprefix("iteration ")
    step = int(number) if number.isdecimal() else 0
    asking = setup.asking(*_questions(setup))
    with display.stage("critic", min(len(asking.prompts), config.audit.critic_problems), "responses") as bar:
        states = critic_states(
            policy,
            reference,
            asking,
            config.audit,
            step=step,
            tokens_per_micro_batch=config.trainer.tokens_per_micro_batch,
            on_progress=bar.update,
        )
    told = {"checkpoint": checkpoint, "when": when, "iteration": step}
    settings = {name: value for name, value in asdict(config.audit).items() if name not in ("critic", "critic_every")}
    columns = zip(
        states.response.tolist(),
        states.place.tolist(),
        states.values.tolist(),
        states.returns.mean(1).tolist(),
        states.returns.std(1, ddof=1).tolist(),
        strict=True,
    )
    names = ("response", "place", "value", "monte_carlo", "standard_deviation")
    found = verdict(states, config.seed)
    return told | {"settings": settings} | found | {"states": [dict(zip(names, row, strict=True)) for row in columns]}


def merged(directory: Path, audits: Sequence[Audit]) -> str:
    """The text of critic_audit.json with these audits in it, in the order of their iterations; earlier ones of the same
    iteration and split go."""
    stored = (read_object(directory / CRITIC_AUDIT) or {}).get("audits") or []
    new = {_name(audit) for audit in audits}
    kept = [audit for audit in stored if isinstance(audit, dict) and _name(audit) not in new]
    return json.dumps({"audits": sorted([*kept, *audits], key=_order)}, indent=1) + "\n"


def _name(audit: Mapping[str, Any]) -> tuple[Any, Any]:
    return audit.get("when"), (audit.get("settings") or {}).get("critic_split")


def _order(audit: Mapping[str, Any]) -> int:
    return int(audit.get("iteration") or 0)


def _questions(setup: Setup) -> tuple[list[Problem], list[list[int]]]:
    """The problems of the split that is audited on, and their prompts, as far as these fit.

    Raises:
        BadInput: none fits.
    """
    if setup.config.audit.critic_split == "train":
        return setup.questions()
    problems = setup.splits.dev
    prompts = setup.codec.prompts([setup.form.prompt(problem, "rl") for problem in problems])
    limit = setup.config.ppo.max_prompt_tokens
    fits = [i for i, prompt in enumerate(prompts) if len(prompt) <= limit]
    if not fits:
        raise BadInput(f"no dev problem has a prompt within ppo.max_prompt_tokens={limit}; audit.critic_split=train.")
    return [problems[i] for i in fits], [prompts[i] for i in fits]
