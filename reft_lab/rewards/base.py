"""What a reward sees, and what it is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

from reft_lab.answers.outcome import Outcome
from reft_lab.data.problem import Problem

if TYPE_CHECKING:
    from reft_lab.policy.tokenizer import Codec

Ids = Sequence[int]
Read = Callable[[Sequence[Ids], Sequence[Ids]], list[str]]


@dataclass(frozen=True)
class Judged:
    """A batch of judged responses, one entry of each sequence for each of them.

    Attributes:
        problems: what was asked.
        prompts: how it was asked, as ids.
        responses: what was answered, as ids, the end-of-sequence token included where there is one.
        outcomes: how it was judged.
        keys: keys of the randomness of each response, (seed, step, question, sample) in one number.
        step: iterations that were done before this one.
        read: texts of responses, from prompts and responses as ids.
    """

    problems: Sequence[Problem]
    prompts: Sequence[Ids]
    responses: Sequence[Ids]
    outcomes: Sequence[Outcome]
    keys: Sequence[int]
    step: int
    read: Read

    @cached_property
    def texts(self) -> list[str]:
        """The responses as text, read when a reward first asks for them."""
        return self.read(self.prompts, self.responses)

    @property
    def lengths(self) -> list[int]:
        """Tokens of each response."""
        return [len(response) for response in self.responses]


class Reward:
    """What `scores` gives is the reward; the rest is how it gets there."""

    def load(self, codec: Codec, device: str, *, precision: str, fast_path: bool, tokens_per_micro_batch: int) -> None:
        """Load what it needs besides its settings, once the policy's tokenizer is known.

        Raises:
            BadInput: it cannot be had.
        """

    @property
    def held(self) -> int:
        """Bytes of the device's memory that it has loaded."""
        return 0

    def scores(self, batch: Judged) -> list[float]:
        """The terminal reward of each response, a finite number.

        Raises:
            RewardFailed: there is none for one of them.
        """
        raise NotImplementedError


class OfOutcome(Reward):
    """A pure function of an outcome."""

    def __init__(self, function: Callable[[Outcome], float]):
        self.function = function

    def scores(self, batch: Judged) -> list[float]:
        return [self.function(outcome) for outcome in batch.outcomes]


class Scoring(Protocol):
    """The rewards of responses to questions that are named by their places in a list; see `scoring`."""

    def __call__(
        self,
        questions: Sequence[int],
        responses: Sequence[Ids],
        outcomes: Sequence[Outcome],
        keys: Sequence[int],
        step: int,
    ) -> list[float]: ...


def scoring(reward: Reward, problems: Sequence[Problem], prompts: Sequence[Ids], read: Read) -> Scoring:
    """What gives `reward` for responses to `problems`, which were asked by `prompts` and are read by `read`."""

    def scores(
        questions: Sequence[int],
        responses: Sequence[Ids],
        outcomes: Sequence[Outcome],
        keys: Sequence[int],
        step: int,
    ) -> list[float]:
        asked, shown = [problems[q] for q in questions], [prompts[q] for q in questions]
        return reward.scores(Judged(asked, shown, responses, outcomes, keys, step, read))

    return scores
