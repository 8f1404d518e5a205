"""From a few steps that were tried to the seconds of a whole run."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from reft_lab.config.schema import Config
from reft_lab.memory.work import Lengths, Work
from reft_lab.preflight.decoding import Speed
from reft_lab.preflight.rehearsal import Count, Drawn, Tried
from reft_lab.randomness import permutation

SAMPLING, UPDATE = "rollout", "update"  # parts of a step, as time/ metrics call them


@dataclass(frozen=True)
class StageTime:
    """What a stage takes.

    Attributes:
        count: the stage, with the steps that a budget leaves it.
        parts: seconds of the parts of a step.
        evaluation: seconds of one evaluation.
        sampled: tokens of responses that are sampled in a step.
    """

    count: Count
    parts: dict[str, float]
    evaluation: float
    sampled: float = 0.0

    @property
    def step(self) -> float:
        """Seconds of a step."""
        return sum(self.parts.values())

    @property
    def seconds(self) -> float:
        """Of the whole stage."""
        return self.count.steps * self.step + self.count.evaluations * self.evaluation


@dataclass(frozen=True)
class RunTime:
    """What a run takes.

    Attributes:
        stages: in order.
        others: seconds of what comes before and after, by what it is.
        beside: a baseline that trains at the same time; None without one.
        shares: whether it must share what computes with the run.
    """

    stages: list[StageTime]
    others: dict[str, float]
    beside: RunTime | None = None
    shares: bool = False

    @property
    def seconds(self) -> float:
        """In all, without saving."""
        own = sum(stage.seconds for stage in self.stages) + sum(self.others.values())
        if self.beside is None:
            return own
        return own + self.beside.seconds if self.shares else max(own, self.beside.seconds)


@dataclass(frozen=True)
class StepOf:
    """A step of a stage at full size, from a smaller one whose sequences are as typical.

    Attributes:
        parts: seconds of its parts.
        sampled, trained: tokens of responses.
    """

    parts: dict[str, float]
    sampled: float
    trained: float

    @property
    def tokens(self) -> float:
        """As a budget counts them."""
        return self.sampled + self.trained


def step_of(tried: Tried, work: Work, section: Any, speed: Speed, rows: int) -> StepOf:
    """Scale a step that was tried.

    Args:
        work: of the stage, at full size.
        section: its settings.
        speed: of sampling.
        rows: decoded at once.
    """
    response = sum(response for _, response in work.lengths) / len(work.lengths)
    if not work.takes_turns:
        trained = min(work.batch, len(work.lengths)) * response
        size = trained / tried.trained
        return StepOf({name: _scaled(seconds, tried, size, 1) for name, seconds in tried.parts.items()}, 0.0, trained)
    size = work.samples * response / tried.sampled
    parts = {name: size * seconds for name, seconds in tried.parts.items()}
    parts[UPDATE] = _scaled(tried.parts[UPDATE], tried, size, math.ceil(section.rollouts / section.mini_batch))
    parts[SAMPLING] = speed.seconds(drawn(work.lengths, work.samples), rows, section.samples_per_problem)
    return StepOf(parts, size * tried.sampled, size * tried.trained)


def _scaled(seconds: float, tried: Tried, size: float, batches: int) -> float:
    """Of so many times the sequences, in so many batches where there was one."""
    moved = tried.moves * tried.moved
    return max(0.0, seconds - moved) * size + moved * batches


def drawn(lengths: Lengths, count: int) -> Lengths:
    """So many of them, at random and each as often as any other."""
    order = permutation(len(lengths), "drawn for an estimate")
    return [lengths[order[i % len(order)]] for i in range(count)]


def within_budget(
    counts: Sequence[Count], steps: Sequence[float], tokens: Sequence[float], config: Config
) -> list[Count]:
    """The stages with the steps that `config.budget` leaves them.

    Args:
        counts: the stages in full.
        steps: seconds of a step of each.
        tokens: of a step of each, sampled and trained on.
    """
    left = {"seconds": config.budget.seconds or math.inf, "tokens": config.budget.tokens or math.inf}
    found = []
    for count, seconds, spent in zip(counts, steps, tokens, strict=True):
        most = min(left["seconds"] / max(seconds, 1e-9), left["tokens"] / max(spent, 1e-9))
        done = count.steps if most >= count.steps else math.ceil(most)
        left["seconds"] -= done * seconds
        left["tokens"] -= done * spent
        share = done / count.steps if count.steps else 1.0
        found.append(replace(count, steps=done, evaluations=math.ceil(count.evaluations * share)))
    return found


def run_time(
    config: Config,
    stages: list[StageTime],
    pools: Sequence[Drawn],
    speed: Speed,
    lengths: Lengths,
    test: int,
) -> RunTime:
    """A run, of its stages and what comes before and after them.

    Args:
        pools: responses that are sampled before stages.
        lengths: of prompts and gold reasoning.
        test: problems of the test split that are asked.
    """
    rows = config.trainer.decode_batch

    def sampling(problems: int, samples: int) -> float:
        per_problem = speed.seconds(drawn(lengths, rows), rows) / rows
        return per_problem * problems * samples

    others = {"samples": sum(sampling(pool.problems, pool.samples) for pool in pools)}
    others["test"] = (2 if len(stages) > 1 else 1) * speed.seconds(drawn(lengths, test), rows)
    if config.decode.ways:
        others["decoding"] = sampling(test, config.decode.k)
    return RunTime(stages, {name: seconds for name, seconds in others.items() if seconds})
