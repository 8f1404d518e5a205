"""What a method and a stage are. Light to import, since configs and the command line read the methods.

A method composes stages; the runner takes each of them to its end, and knows none by name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, runtime_checkable

from reft_lab.methods.settings import OfflineSTConfig, OnlineSTConfig, PPOConfig, RerankerConfig, SFTConfig

if TYPE_CHECKING:
    from reft_lab.cot import Prompts
    from reft_lab.data import Problem
    from reft_lab.evaluation.greedy import Evaluation
    from reft_lab.evaluation.samples import Sample
    from reft_lab.evaluation.settings import AuditConfig
    from reft_lab.methods.stages.asking import Asking
    from reft_lab.methods.stages.optimizer import Optimizer
    from reft_lab.methods.stages.supervised import Example
    from reft_lab.policy.model import Policy
    from reft_lab.policy.settings import ModelConfig
    from reft_lab.policy.tokenizer import Codec

Options = Mapping[str, Any]


@dataclass(frozen=True)
class StageKind:
    """A kind of stage: what it is called wherever people read about it, and what may change while it goes on.

    Attributes:
        name: in checkpoints, result.json and the names of metrics: `warmup`.
        label: for people: `warm-up`.
        unit: what it counts, in the plural: steps, iterations.
        prompts: how its policy is asked, `sft` or `rl`.
        section: the section of the config that holds its settings.
        length: the option of that section that makes it longer.
        may_change: options of the section that may change in a run that goes on.
        is_longer: whether the section's options, before and after a change, give it more to do.
        why_fixed: why its length cannot change under the options that it was started with; empty where it can.
        records: sections of metrics that are recorded in this kind of stage only.
        has_alarms: whether alarms look at its metrics.
        is_trained: whether anything is trained; otherwise the policy is evaluated as it is given.
    """

    name: str
    label: str
    unit: str
    prompts: Prompts
    section: str
    length: str
    may_change: tuple[str, ...]
    is_longer: Callable[[Options, Options], bool]
    why_fixed: Callable[[Options], str]
    records: tuple[str, ...]
    has_alarms: bool = False
    is_trained: bool = True


@dataclass(frozen=True)
class Method:
    """A way to train, as `method=NAME` chooses it.

    Attributes:
        name: the key of METHODS.
        label: for people: `ReFT`.
        stages: what it trains, in order; the last one makes the final policy.
        train: trains the policy of a lab, stage by stage; returns the policy that it set out from after its warm-up,
            to be evaluated at the end beside the final one, or None.
        has_critic: whether a value model is trained under these settings.
        objective: the metric of an evaluation that a search maximises.
        is_baseline: whether it may train beside another run, as `baseline=NAME`.
        answers: what the answers of its final checkpoint are called where they are not greedy ones.
    """

    name: str
    label: str
    stages: tuple[StageKind, ...]
    train: Callable[[Lab], Policy | None]
    has_critic: Callable[[Settings], bool]
    objective: str = "eval/accuracy"
    is_baseline: bool = False
    answers: str = ""

    @property
    def last(self) -> StageKind:
        """The stage that makes the final policy."""
        return self.stages[-1]

    @property
    def trains(self) -> bool:
        """Whether anything is trained; otherwise a policy is evaluated as it is given."""
        return self.last.is_trained

    @property
    def final(self) -> str:
        """What the final policy is called: `after ReFT`, or `best SFT` where nothing came before."""
        if not self.trains:
            return "as given"
        if self.answers:
            return self.answers
        return f"after {self.label}" if len(self.stages) > 1 else f"best {self.label}"

    @property
    def measure(self) -> str:
        """What the accuracies of a result are."""
        return "accuracy" if self.answers else "greedy accuracy"

    @property
    def records(self) -> set[str]:
        """Sections of metrics that only some methods record, and this one does."""
        return {section for stage in self.stages for section in stage.records}

    def called(self, label: str | None) -> Method:
        """The same method under a label of its own, which its last stage then has too; None leaves it as it is."""
        if not label:
            return self
        return replace(self, label=label, stages=(*self.stages[:-1], replace(self.last, label=label)))

    def stages_of(self, settings: Settings) -> list[StageKind]:
        """The stages that a run goes through: those before the last may be skipped by a length of 0."""
        before = [stage for stage in self.stages[:-1] if getattr(getattr(settings, stage.section), stage.length) != 0]
        return [*before, self.last]


@dataclass
class Cost:
    """What training takes, by which methods are compared at an equal budget. Costs add up.

    Attributes:
        questions: asked, once for all responses that are sampled to it, or shown with their gold reasoning; each time.
        sampled_tokens: tokens of responses that were sampled to be trained on, whether they were or not.
        trained_tokens: tokens of responses whose loss was taken, each time it was.
        optimizer_steps: of any of the weights.
        flops: floating-point operations of sampling, of what is scored before an update, and of the passes forward and
            backward, as policy/flops.py counts them.
        WORDS: what people read of each.
    """

    questions: int = 0
    sampled_tokens: int = 0
    trained_tokens: int = 0
    optimizer_steps: int = 0
    flops: float = 0.0

    @property
    def tokens(self) -> int:
        """Sampled and trained, which a budget is of."""
        return self.sampled_tokens + self.trained_tokens

    WORDS: ClassVar[dict[str, str]] = {
        "questions": "questions seen",
        "sampled_tokens": "tokens sampled",
        "trained_tokens": "tokens trained on",
        "optimizer_steps": "optimiser steps",
        "flops": "floating-point operations",
    }

    def __add__(self, other: Cost) -> Cost:
        return Cost(*(getattr(self, each.name) + getattr(other, each.name) for each in fields(self)))


@dataclass
class Step:
    """What one step of a stage came to.

    Attributes:
        metrics: by the names of docs/metrics.md.
        samples: records for samples.jsonl, less the step.
        notes: sentences for people.
        cost: what it took.
        aside: seconds of it that were no training, such as an audit.
    """

    metrics: dict[str, float]
    samples: list[dict[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    cost: Cost = field(default_factory=Cost)
    aside: float = 0.0


class Stage(Protocol):
    """One stage of a run: what loop, checkpoints, alarms and studies speak to.

    Attributes:
        kind: what it is called, and what may change.
        policy: what is trained, in place.
        optimizer: what trains it.
        step: steps done, in `kind.unit`.
        total_steps: steps of the whole stage.
    """

    kind: StageKind
    policy: Policy
    optimizer: Optimizer
    step: int
    total_steps: int

    @property
    def done(self) -> bool:
        """Whether all steps are done."""

    @property
    def is_evaluated(self) -> bool:
        """Whether the step that was just done is followed by an evaluation."""

    @property
    def moment(self) -> str:
        """How the policy of this moment is called: `epoch 3`, `iteration 40`."""

    def advance(self) -> Step:
        """Do one step.

        Raises:
            OutOfMemory: with the phase it happened in.
            FloatingPointError: a loss or gradient is not finite; the weights are left as they were.
        """

    def counters(self) -> dict[str, Any]:
        """All there is to save beside the weights and the optimiser's tensors, as JSON."""

    def restore(self, counters: dict[str, Any]) -> None:
        """Go on from what `counters` gave."""


@runtime_checkable
class Answering(Protocol):
    """A stage whose policy is not asked greedily: selection and the end of a run see what it answers itself."""

    def answer(self, problems: Sequence[Problem]) -> Evaluation:
        """Its answers to the problems, at least one, and how they were judged."""


class Settings(Protocol):
    """What methods read of an experiment's config."""

    seed: int
    model: ModelConfig
    warmup: SFTConfig
    sft: SFTConfig
    ppo: PPOConfig
    offline_st: OfflineSTConfig
    online_st: OnlineSTConfig
    reranker: RerankerConfig
    audit: AuditConfig


class Lab(Protocol):
    """What a method trains with, and what takes its stages to their end; the runner is one.

    Attributes:
        policy: what is trained.
        codec: text to ids and back.
        tokens_per_micro_batch: token budget of one forward and backward pass.
        optimizer: the kind of optimiser, adamw or adamw_8bit.
        park_reference: whether the policy after warm-up is kept off a GPU while it is not used.
        samples: responses of an iteration that are recorded in full.
        evaluated: the problems of each split that checkpoints are evaluated on, those that pick the best one first.
    """

    settings: Settings
    policy: Policy
    codec: Codec
    tokens_per_micro_batch: int
    optimizer: str
    park_reference: bool
    samples: int
    evaluated: Sequence[Sequence[Problem]]

    def examples(self, max_tokens: int) -> list[Example]:
        """Prompt and gold reasoning of the training problems that fit, as ids."""

    def solved(self, max_tokens: int) -> tuple[list[Problem], list[Example]]:
        """The training problems that fit with their gold reasoning, and these examples."""

    def gold(self, problems: Sequence[Problem]) -> list[list[int]]:
        """Ids of the gold reasoning that follows the prompts of `questions`, for some of these problems."""

    def normal_form(self, problem: Problem, response: str) -> str:
        """What two responses to a problem have in common where they differ only in how the same is written."""

    def note(self, sentence: str) -> None:
        """Say something of the run that its result says, too."""

    def questions(self) -> tuple[list[Problem], list[list[int]]]:
        """The training problems whose prompt fits, and those prompts as ids."""

    def asking(self, problems: Sequence[Problem], prompts: Sequence[list[int]]) -> Asking:
        """How these problems are put to a policy by these prompts, judged and rewarded."""

    def prompts(self, problems: Sequence[Problem], prompts: Prompts) -> list[list[int]]:
        """Prompts of this kind as ids, as `pool` asks the problems."""

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
        """`samples` responses of `policy` to each problem, judged, in the order of the problems.

        They are kept on disk and drawn once, whoever asks for them: the first 32 of 128 are the 32. A bar called
        `title` shows how far it is; a signal stops it, and what was drawn stays.

        Args:
            policy: what is sampled.
            problems: what is asked.
            samples: responses to each.
            prompts: the kind of prompts that the policy knows.
            title: in one or two words.
            is_training: whether its seconds are part of training, and so of the budget.
        """

    def is_past(self, kind: StageKind) -> bool:
        """Whether the run goes on from a state beyond this stage."""

    def train(self, stage: Stage) -> None:
        """Take a stage to its end, from its beginning or from the state that the run goes on from."""

    @property
    def is_spent(self) -> bool:
        """Whether the budget of the run is used up, so that nothing more is trained."""

    def start_over(self) -> None:
        """Let the policy be the base model again, as it was before any training."""

    def keep_warmup(self, *, is_candidate: bool = True) -> None:
        """Keep the policy as it is for the rest of the run: the warm-up is over.

        It is the best so far, unless it `is_candidate` for nothing, since the last stage makes something else.
        """

    def take_given(self, kind: StageKind) -> None:
        """Evaluate the policy as it is, and let it be the final one: a method that trains nothing."""

    def warmed_up(self) -> Policy:
        """A frozen copy of the policy that `keep_warmup` kept, in this session of the run or an earlier one."""
