"""Questions put to a policy: what it samples, how that is judged, and what it earns."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from reft_lab.answers.outcome import Outcome
from reft_lab.equations.credit import overlong_penalty
from reft_lab.evaluation.answering import answer
from reft_lab.evaluation.judging import Judge
from reft_lab.methods.settings import PPOConfig
from reft_lab.policy.model import Policy
from reft_lab.policy.sampling import Responses, response_limits
from reft_lab.policy.sampling.responses import joined
from reft_lab.rewards import Scoring


@dataclass(frozen=True)
class Batch:
    """B judged responses; those to one question stand side by side.

    Attributes:
        questions: the places of their questions.
        prompts: ids of their prompts.
        sampled: the responses.
        outcomes: how each was judged.
        scores: what the reward function gave.
        penalties: what is added for a response that is too long, from -1 to 0 (B,).
        sampling: seconds that sampling took.
        judging: seconds that were waited for outcomes and rewards.
    """

    questions: list[int]
    prompts: list[list[int]]
    sampled: Responses
    outcomes: list[Outcome]
    scores: list[float]
    penalties: Tensor
    sampling: float = 0.0
    judging: float = 0.0

    def __len__(self) -> int:
        return len(self.questions)

    @property
    def tokens(self) -> int:
        """Tokens of all responses."""
        return int(self.sampled.mask.sum())

    @property
    def lengths(self) -> list[tuple[int, int]]:
        """Tokens of each prompt, and of the response to it."""
        return list(zip(map(len, self.prompts), self.sampled.mask.sum(1).tolist(), strict=True))

    def rows(self, chosen: Sequence[int]) -> Batch:
        """The responses at these places."""
        return Batch(
            [self.questions[i] for i in chosen],
            [self.prompts[i] for i in chosen],
            self.sampled.rows(chosen),
            [self.outcomes[i] for i in chosen],
            [self.scores[i] for i in chosen],
            self.penalties[list(chosen)],
            self.sampling,
            self.judging,
        )

    @classmethod
    def joined(cls, parts: Sequence[Batch], pad_id: int) -> Batch:
        """All of them, one after the other; a single one as it is."""
        if len(parts) == 1:
            return parts[0]
        return cls(
            [q for part in parts for q in part.questions],
            [prompt for part in parts for prompt in part.prompts],
            joined([part.sampled for part in parts], pad_id),
            [outcome for part in parts for outcome in part.outcomes],
            [score for part in parts for score in part.scores],
            torch.cat([part.penalties for part in parts]),
            sum(part.sampling for part in parts),
            sum(part.judging for part in parts),
        )


@dataclass
class Asking:
    """How training questions are put to a policy.

    Attributes:
        prompts: ids of the questions' prompts.
        names: one for each question, which keys its randomness beside the seed.
        judge: outcomes of responses, from the places of their questions and response ids.
        reward: terminal rewards of judged responses, from the places of their questions.
        config: max_new_tokens, total_tokens, overlong_cache, dynamic_rounds; all the rest for who learns from it.
        seed: keys which questions are asked when, and the draws of responses.
        eos_id: the token that ends a response, or several that do.
        decode_batch: prompts decoded at once.
        caps: a length cap of its own for the responses to each question, where it is lower; None: none.
    """

    prompts: Sequence[list[int]]
    names: Sequence[str]
    judge: Judge
    reward: Scoring
    config: PPOConfig
    seed: int
    eos_id: int | Sequence[int]
    pad_id: int
    decode_batch: int
    caps: Sequence[int] | None = None

    def ask(
        self,
        policy: Policy,
        questions: list[int],
        keys: Sequence[int],
        begun: Sequence[list[int]] | None = None,
        step: int = 0,
    ) -> Batch:
        """One response to each question, sampled from the full distribution at temperature 1.

        The policy's ranks share what is sampled and judged. The reward sees the whole batch, on the rank that leads: a
        function of the user's own may look at a batch as a whole, keep count, or ask a server.

        Args:
            policy: who is asked.
            questions: their places, one for each response.
            keys: what the draws of each response are keyed by.
            begun: how each response begins, less than its length cap; the policy goes on from there, and the whole is
                judged. `sampled` of the batch is what it added, its prompts are what it read. None: with nothing.
            step: iterations done so far, for the reward.
        """
        config = self.config
        started = time.perf_counter()
        prompts = [self.prompts[q] for q in questions]
        limits = response_limits(prompts, config.max_new_tokens, config.total_tokens, policy.positions)
        if self.caps is not None:
            limits = [min(limit, self.caps[q]) for limit, q in zip(limits, questions, strict=True)]
        caps = torch.tensor(limits)
        judge, seen = self.judge, torch.zeros(len(questions))
        if begun is not None:
            judge = self._judge_whole(questions, begun)
            limits = [limit - len(first) for limit, first in zip(limits, begun, strict=True)]
            prompts = [prompt + first for prompt, first in zip(prompts, begun, strict=True)]
            seen = torch.tensor([len(first) for first in begun])
        answers = answer(
            policy,
            prompts,
            judge,
            questions if begun is None else range(len(questions)),
            eos_id=self.eos_id,
            pad_id=self.pad_id,
            limits=limits,
            max_new_tokens=config.max_new_tokens if begun is None else max(limits),
            batch_size=self.decode_batch,
            keys=keys,
            during="sampling",
        )
        sampled, outcomes, written = answers.sampled, answers.outcomes, answers.written
        whole = sampled.lists()
        if begun is not None:
            whole = [[*first, *added] for first, added in zip(begun, whole, strict=True)]
        scores = policy.ranks.agreed(lambda: self.reward(questions, whole, outcomes, keys, step))
        penalties = torch.zeros(len(questions))
        if config.overlong_cache is not None:
            penalties = overlong_penalty(seen + sampled.mask.sum(1), caps, config.overlong_cache)
        ended = time.perf_counter()
        return Batch(questions, prompts, sampled, outcomes, scores, penalties, written - started, ended - written)

    def _judge_whole(self, questions: Sequence[int], begun: Sequence[list[int]]) -> Judge:
        """Judges what was added, by its place in the batch, with what it was added to."""

        def judge(places: Sequence[int], added: Sequence[Sequence[int]]) -> list[Outcome]:
            whole = [[*begun[i], *ids] for i, ids in zip(places, added, strict=True)]
            return self.judge([questions[i] for i in places], whole)

        return judge
