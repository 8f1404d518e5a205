"""A few short steps of each stage, and what a whole run takes by them."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch

from reft_lab.memory.experiment import works as works_of
from reft_lab.memory.heap import fetch
from reft_lab.memory.work import Lengths, Work
from reft_lab.methods import METHODS
from reft_lab.methods.base import Method, Stage
from reft_lab.preflight.decoding import Speed, measured
from reft_lab.preflight.rehearsal import Count, Tried, attempt, count, evaluated, go_through, smaller
from reft_lab.preflight.seconds import RunTime, StageTime, drawn, run_time, step_of, within_budget
from reft_lab.runner.setup import Setup

AFFORDABLE = 4.0  # seconds of the steps of a stage that are tried
SAMPLING = 3.0  # seconds of what is sampled
FETCHED = 3 * 2**30  # bytes at most that passes will find in the heap, as all but the first of a run do
FIRST = 4  # sequences that are tried first; fewer are computed less well than the many of a step
ATTEMPTS = (2, 4)  # of a step, fewest and most
LONG = 12.0  # seconds, after which no more than the fewest are made


@dataclass(frozen=True)
class Trial:
    """What was tried.

    Attributes:
        time: of a run.
        notes: sentences on what was supposed.
    """

    time: RunTime
    notes: list[str]


def try_out(setup: Setup, works: Sequence[Work], lengths: Lengths, passing: int, say: Callable[[str], None]) -> Trial:
    """Try each stage of a run, and sampling; the policy is trained on the way, and of no use afterwards.

    Args:
        works: what the stages put through the model.
        lengths: tokens of the prompt and the gold reasoning of each training problem.
        passing: bytes that the largest pass of a run takes and frees again.
        say: told what is being done.
    """
    config = setup.config
    asked, test = _asked(setup)
    widest = min(config.trainer.decode_batch, max([*asked, test, *(work.samples for work in works)]))
    if setup.device == "cpu":
        fetch(min(passing, FETCHED))
    say("trying how fast it samples")
    speed = measured(setup.policy, *_prompts(setup, lengths), widest, SAMPLING)
    trial = _of_method(setup.method, setup, works, lengths, speed, say)
    if config.baseline is None:
        return trial
    other = replace(setup.config, method=config.baseline, baseline=None)
    loads = works_of(other, lengths, setup.policy.positions)
    beside = _of_method(METHODS[config.baseline], setup, loads, lengths, speed, say)
    time = replace(trial.time, beside=beside.time, shares=_shares(setup.device))
    return Trial(time, [*trial.notes, *beside.notes])


def _asked(setup: Setup) -> tuple[list[int], int]:
    """Problems of each split in an evaluation, and those of test at the end."""
    test = setup.splits.test[: setup.config.eval.test_limit]
    return [len(problems) for problems in evaluated(setup)], len(test)


def _shares(device: str) -> bool:
    """Whether two processes that compute get less each."""
    return device != "cpu" or 2 * torch.get_num_threads() > (os.cpu_count() or 1)


def _of_method(
    method: Method,
    setup: Setup,
    works: Sequence[Work],
    lengths: Lengths,
    speed: Speed,
    say: Callable[[str], None],
) -> Trial:
    config, rows = setup.config, setup.config.trainer.decode_batch
    asked, test = _asked(setup)
    counts: list[Count] = []
    pools = go_through(method, setup, config, None, lambda stage: counts.append(count(stage)))
    tried = _tried(method, setup, works, lengths, say) if counts else []
    stages, tokens = [], []
    for each, work, one in zip(counts, works if counts else (), tried, strict=True):
        section = getattr(config, each.kind.section)
        step = step_of(one, work, section, speed, rows)
        if one.answer is None:
            evaluation = sum(speed.seconds(drawn(lengths, problems), rows) for problems in asked)
        else:
            evaluation = one.answer * section.k * sum(asked)
        stages.append(StageTime(each, step.parts, evaluation, step.sampled))
        tokens.append(step.tokens)
    left = within_budget(counts, [stage.step for stage in stages], tokens, config)
    stages = [replace(stage, count=each) for each, stage in zip(left, stages, strict=True)]
    if not stages:  # a policy is evaluated as it is given
        test += sum(asked)
    return Trial(run_time(config, stages, pools, speed, lengths, test), _notes(counts, left, bool(pools)))


def _tried(
    method: Method, setup: Setup, works: Sequence[Work], lengths: Lengths, say: Callable[[str], None]
) -> list[Tried]:
    """A step of each stage, on as many sequences as there is time for."""
    say(f"trying a step of {' and of '.join(work.stage for work in works)}")
    full = max(work.samples if work.takes_turns else work.batch for work in works)
    first = _steps(method, setup, FIRST, lengths)
    each = max(one.seconds for one in first) / FIRST
    affordable = min(full, int(AFFORDABLE / ATTEMPTS[0] / each))
    return first if affordable < 2 * FIRST else _steps(method, setup, affordable, lengths)


def _steps(method: Method, setup: Setup, sequences: int, lengths: Lengths) -> list[Tried]:
    """A step of each stage on so many typical sequences: the quickest of a few, since something else may hold one up,
    and the first pays for what all others find."""
    places = typical(lengths, sequences)
    chosen = [setup.splits.train[i] for i in places]
    found: list[Tried] = []

    def train(stage: Stage) -> None:
        least, most = ATTEMPTS
        attempts = [attempt(stage, chosen) for _ in range(least)]
        while len(attempts) < most and sum(each.seconds for each in attempts) < LONG:
            attempts.append(attempt(stage, chosen))
        found.append(min(attempts[1:], key=lambda each: each.seconds))

    go_through(method, setup, smaller(setup.config, len(places)), [problem.id for problem in chosen], train)
    return found


def _prompts(setup: Setup, lengths: Lengths) -> tuple[list[list[int]], list[int]]:
    """Those of all questions, and a text of which half the response is written."""
    order = typical(lengths, len(lengths))
    medium = setup.gold[order[len(order) // 2]]
    return [setup.gold[i].prompt for i in order], [*medium.prompt, *medium.completion[: len(medium.completion) // 2]]


def typical(lengths: Lengths, count: int) -> list[int]:
    """The places of so many of them, or of all, that are as long on average as all: at even distances by length."""
    order = sorted(range(len(lengths)), key=lambda i: sum(lengths[i]))
    many = min(count, len(order))
    return [order[int((number + 0.5) * len(order) / many)] for number in range(many)]


def _notes(counts: Sequence[Count], left: Sequence[Count], is_drawn: bool) -> list[str]:
    notes = []
    if is_drawn:
        notes.append("half of what is sampled before a stage is supposed to be right, and all of it to differ.")
    for whole, part in zip(counts, left, strict=True):
        if part.steps < whole.steps:
            done = f"{part.steps:,} of {whole.steps:,} {whole.kind.unit}"
            notes.append(f"the budget ends {whole.kind.label} after {done}.")
    return notes
