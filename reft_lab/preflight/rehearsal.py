"""A lab (methods.base.Lab) in which methods rehearse: each makes its real stages, and these are counted or tried.

Gold reasoning stands for what a policy will write once it has learned something: what is sampled gets the length of the
gold response to its question, and pools hold the gold response as a right one and altered ones as wrong ones.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from reft_lab.answers.outcome import Outcome
from reft_lab.config.schema import Config
from reft_lab.cot import Prompts
from reft_lab.data import Problem
from reft_lab.evaluation.samples import Sample
from reft_lab.methods import STAGES
from reft_lab.methods.base import Answering, Method, Settings, Stage, StageKind, Step
from reft_lab.methods.stages.asking import Asking
from reft_lab.methods.stages.epochs import Epochs
from reft_lab.methods.stages.iterations import Iterations
from reft_lab.methods.stages.supervised import Example
from reft_lab.policy.model import Policy
from reft_lab.runner.progress import Progress
from reft_lab.runner.setup import Setup

FEW = 2  # samples of a question that are drawn where steps are tried
HALF = 0.5  # of the samples in a pool are taken to be right


@dataclass(frozen=True)
class Drawn:
    """Responses that a method samples before a stage: how many, to whom."""

    problems: int
    samples: int
    is_training: bool


class Rehearsal:
    """One rehearsal; methods.base.Lab describes what is not said here.

    Attributes:
        drawn: what was asked of pools.
    """

    is_spent = False

    def __init__(self, setup: Setup, settings: Config, chosen: Collection[str] | None, train: Callable[[Stage], None]):
        """Args:
        setup: of the run.
        settings: those that the stages are made with.
        chosen: ids of the training problems that are learned from; None: of all that fit.
        train: what is done with each stage.
        """
        self._setup, self._chosen, self._train = setup, chosen, train
        self._gold = {problem.id: example for problem, example in zip(setup.splits.train, setup.gold, strict=True)}
        self.settings: Settings = settings
        self.policy, self.codec = setup.policy, setup.codec
        trainer = setup.config.trainer
        self.tokens_per_micro_batch, self.optimizer = trainer.tokens_per_micro_batch, trainer.optimizer
        self.park_reference = trainer.park_reference
        self.samples = 0
        self.evaluated: Sequence[Sequence[Problem]] = [] if chosen is not None else evaluated(setup)
        self.gold = setup.gold_reasoning
        self.drawn: list[Drawn] = []

    def examples(self, max_tokens: int) -> list[Example]:
        return self.solved(max_tokens)[1]

    def solved(self, max_tokens: int) -> tuple[list[Problem], list[Example]]:
        problems, examples = self._setup.solved(max_tokens)
        at = self._places(problems)
        return [problems[i] for i in at], [examples[i] for i in at]

    def questions(self) -> tuple[list[Problem], list[list[int]]]:
        problems, prompts = self._setup.questions()
        at = self._places(problems)
        return [problems[i] for i in at], [prompts[i] for i in at]

    def _places(self, problems: Sequence[Problem]) -> list[int]:
        """Of those that were chosen; of as many others where none of them is there."""
        if self._chosen is None:
            return list(range(len(problems)))
        at = [i for i, problem in enumerate(problems) if problem.id in self._chosen]
        return at or list(range(min(len(problems), len(self._chosen))))

    def normal_form(self, problem: Problem, response: str) -> str:
        return response

    def note(self, sentence: str) -> None:
        """Nobody listens."""

    def asking(self, problems: Sequence[Problem], prompts: Sequence[list[int]]) -> Asking:
        caps = [len(self._gold[problem.id].completion) for problem in problems]
        return replace(self._setup.asking(problems, prompts), caps=caps, config=self.settings.ppo)

    def prompts(self, problems: Sequence[Problem], prompts: Prompts) -> list[list[int]]:
        return self.codec.prompts([self._setup.form.prompt(problem, prompts) for problem in problems])

    def pool(
        self,
        policy: Policy,
        problems: Sequence[Problem],
        samples: int,
        *,
        prompts: Prompts,
        title: str,
        is_training: bool = True,
    ) -> list[list[Sample]]:
        self.drawn.append(Drawn(len(problems), samples, is_training))
        return [self._samples(problem, samples) for problem in problems]

    def _samples(self, problem: Problem, count: int) -> list[Sample]:
        """So many that differ from each other and from gold, the first half of them right; many are only counted, so
        there is no gold response in them."""
        known = self._gold.get(problem.id)
        gold = known.completion if known is not None and count <= FEW else []
        right = max(1, round(HALF * count))
        kinds = ["correct" if number < right else "wrong" for number in range(count)]
        return [Sample(f"# {n}", [*gold, n], Outcome(kind), True) for n, kind in enumerate(kinds)]

    def is_past(self, kind: StageKind) -> bool:
        return False

    def train(self, stage: Stage) -> None:
        self._train(stage)

    def start_over(self) -> None:
        """Weights do not matter."""

    def keep_warmup(self, *, is_candidate: bool = True) -> None:
        """Nothing is kept."""

    def take_given(self, kind: StageKind) -> None:
        """Nothing is trained."""

    def warmed_up(self) -> Policy:
        return self.policy.reference()


def evaluated(setup: Setup) -> list[list[Problem]]:
    """The problems of each split that are asked in evaluations, as Selection has it, those that choose first."""
    limits, splits = setup.config.eval, setup.splits
    on_dev = setup.config.selection == "dev"
    dev, test = splits.dev[: limits.dev_limit], splits.test[: limits.test_limit]
    both = [dev, test] if on_dev else [test, dev]
    return both if limits.both_rules or not on_dev else both[:1]


def go_through(
    method: Method, setup: Setup, settings: Config, chosen: Collection[str] | None, train: Callable[[Stage], None]
) -> list[Drawn]:
    """Let a method rehearse, with the arguments of a Rehearsal; returns what it draws before its stages."""
    lab = Rehearsal(setup, settings, chosen, train)
    method.train(lab)
    return lab.drawn


@dataclass(frozen=True)
class Count:
    """A stage in numbers.

    Attributes:
        kind: which.
        steps: in all.
        epoch: of one pass over the training problems, which may be a fraction.
        evaluations: after them.
    """

    kind: StageKind
    steps: int
    epoch: float
    evaluations: int


def count(stage: Stage) -> Count:
    """How many steps and evaluations a stage has, by its own word; it stays as it was."""
    before, evaluations = stage.step, 0
    for step in range(1, stage.total_steps + 1):
        stage.step = step
        evaluations += stage.is_evaluated
    stage.step = before
    epoch = stage.steps_per_epoch if isinstance(stage, Epochs) else 0.0
    if isinstance(stage, Iterations):
        asked = stage.config.rollouts / stage.config.samples_per_problem
        epoch = len(stage.asking.prompts) / asked
    return Count(stage.kind, stage.total_steps, epoch, evaluations)


def smaller(config: Config, sequences: int) -> Config:
    """The experiment with at most so many sequences in a step of any of its stages, learned from at once."""
    sections: dict[str, Any] = {kind.section: getattr(config, kind.section) for kind in STAGES.values()}
    return replace(config, **{name: _smaller(section, sequences) for name, section in sections.items()})


def _smaller(section: Any, sequences: int) -> Any:
    """A section of a config, by the names that sections give to sizes."""
    group = getattr(section, "samples_per_problem", 1)
    whole = max(group, sequences // group * group)
    sizes = {"rollouts": whole, "mini_batch": whole, "batch_size": sequences, "samples": FEW, "k": FEW}
    fixed = {"critic_warmup": 0, "dynamic_rounds": 1}
    told = {name: min(size, getattr(section, name)) for name, size in sizes.items() if hasattr(section, name)}
    return replace(section, **told, **{name: value for name, value in fixed.items() if hasattr(section, name)})


@dataclass(frozen=True)
class Tried:
    """A step that a stage took.

    Attributes:
        seconds: in all.
        parts: seconds of its parts, by their names in metrics: rollout, update, step.
        moved: seconds of one step of the optimiser alone, which the others have in them.
        moves: how many of these there were.
        sampled, trained: tokens of responses that were sampled, and that were trained on each time they were.
        answer: seconds of one candidate in an evaluation, for a stage that answers in a way of its own; else None.
    """

    seconds: float
    parts: dict[str, float]
    moved: float
    moves: int
    sampled: int
    trained: int
    answer: float | None


def attempt(stage: Stage, problems: Sequence[Problem]) -> Tried:
    """Let a stage take a step, and its optimiser one more; `problems` are some that it may be asked."""
    started = time.perf_counter()
    done = stage.advance()
    seconds = time.perf_counter() - started
    answer = None
    if isinstance(stage, Answering):
        stage.answer(problems)  # once to draw candidates
        before = time.perf_counter()
        stage.answer(problems)
        answer = (time.perf_counter() - before) / (FEW * len(problems))
    cost = done.cost
    moved = _moving(stage)
    return Tried(seconds, _parts(done), moved, cost.optimizer_steps, cost.sampled_tokens, cost.trained_tokens, answer)


def _parts(done: Step) -> dict[str, float]:
    progress = Progress()
    progress.add_times("", done.metrics)
    return {name: total for name, (total, _) in progress.times[""].items()}


def _moving(stage: Stage) -> float:
    """Seconds of a step of the optimiser by itself."""
    for parameter in stage.optimizer.parameters:
        parameter.grad = torch.zeros_like(parameter)
    started = time.perf_counter()
    stage.optimizer.step()
    if stage.policy.device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - started
