"""Reinforcement, paper section 3.2 and algorithm 1.

Each iteration samples responses to a batch of training questions, has them judged, and passes over them with PPO.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from reft_lab.answers.outcome import Outcome
from reft_lab.errors import phase
from reft_lab.evaluation.critic import agreement
from reft_lab.evaluation.judging import Judge
from reft_lab.evaluation.settings import AuditConfig
from reft_lab.methods.base import StageKind, Step
from reft_lab.methods.settings import PPOConfig
from reft_lab.methods.stages.asking import Asking, Batch
from reft_lab.methods.stages.critic_audit import critic_states
from reft_lab.methods.stages.dynamic import Collected, collect
from reft_lab.methods.stages.optimizer import Optimizer, constant
from reft_lab.methods.stages.rollouts import (
    Rollouts,
    assemble,
    position_metrics,
    rollout_metrics,
    sampled_metrics,
)
from reft_lab.methods.stages.update import update
from reft_lab.policy.model import Policy
from reft_lab.policy.sampling import Responses
from reft_lab.policy.scoring import score_all
from reft_lab.randomness import key, permutation

# Log-probabilities kept from sampling stand for the update's own while every ratio pi / pi_old is so close to 1.
RATIO_TOLERANCE = 1e-4


@dataclass(frozen=True)
class Iteration:
    """What one iteration did.

    Attributes:
        questions: the places of the rollouts' questions among the stage's prompts.
        rollouts: what was learned from.
        metrics: by the names of docs/metrics.md.
        notes: sentences for people.
        asked: responses sampled, those that were thrown away among them.
        sampled_tokens: their tokens.
    """

    questions: list[int]
    rollouts: Rollouts
    metrics: dict[str, float]
    notes: list[str]
    asked: int
    sampled_tokens: int


class Reinforcement:
    """Reinforcement by PPO, one iteration at a time; methods.base.Stage describes what is not said here.

    Nothing but `step`, the weights and the optimiser's state changes while it runs, and with dynamic sampling how far
    the walk over the questions is. The order of questions is keyed by (seed, epoch), the draws of a response by (seed,
    iteration, question, sample).

    Attributes:
        asking: how questions are put to a policy.
        total_steps: as many iterations as there are at most; dynamic sampling uses questions up sooner.
        rescore: whether the log-probabilities and values of rollouts are computed anew before the update, because
            those kept from sampling do not agree with it; None until the first iteration has found out.
    """

    def __init__(
        self,
        policy: Policy,
        reference: Policy,
        prompts: Sequence[list[int]],
        question_ids: Sequence[str],
        judge: Judge,
        reward: Callable[[Outcome], float],
        config: PPOConfig,
        *,
        kind: StageKind,
        seed: int,
        eos_id: int,
        pad_id: int,
        decode_batch: int,
        tokens_per_micro_batch: int,
        audit: AuditConfig | None = None,
        records: Callable[[Reinforcement, Iteration], list[dict[str, Any]]] | None = None,
    ):
        """Args:
        policy: trained in place; it has a critic where `config.credit` needs one.
        reference: pi_0, frozen.
        prompts: ids of the training questions' prompts.
        question_ids: a name for each, which keys its randomness.
        judge: outcomes of responses, from indices into `prompts` and response ids.
        reward: terminal reward of an outcome.
        decode_batch: prompts decoded at once.
        tokens_per_micro_batch: token budget of one forward and backward pass.
        audit: how often the critic is held against Monte-Carlo values, and against how many; None: never.
        records: what is kept of the responses of an iteration that is followed by an evaluation.
        """
        self.kind = kind
        self.policy = policy
        self.reference = reference
        self.prompts = prompts
        self.question_ids = question_ids
        self.asking = Asking(prompts, judge, reward, config, eos_id, pad_id, decode_batch)
        self.config = config
        self.seed = seed
        self.pad_id = pad_id
        self.audit = audit
        self.records = records
        self.step = 0
        # Questions that dynamic sampling has asked beyond those of its iterations, before the last one and after it.
        self._beyond = (0, 0)
        self._says_filled = True
        self.tokens_per_micro_batch = tokens_per_micro_batch
        self._budget = {"pad_id": pad_id, "tokens_per_micro_batch": tokens_per_micro_batch}
        self._orders: dict[int, list[int]] = {}
        # Kernels of different shapes agree in fp32 only, and the sampler runs no separate value model.
        self.rescore = True if policy.precision != "fp32" or policy.value_trunk is not None else None
        self.questions_per_iteration = config.rollouts // config.samples_per_problem
        passes = math.ceil(config.data_epochs * len(prompts) / self.questions_per_iteration)
        self.total_steps = passes if config.iterations is None else config.iterations
        self.optimizer = Optimizer(
            [p for p in policy.parameters() if p.requires_grad],
            lr=config.lr,
            weight_decay=config.weight_decay,
            undecayed=policy.undecayed(),
            max_grad_norm=config.max_grad_norm,
            schedule=constant(config.lr_warmup_steps),
        )

    @property
    def done(self) -> bool:
        if self.config.dynamic_sampling and self.config.iterations is None:
            return self._walked >= self.config.data_epochs * len(self.prompts)
        return self.step >= self.total_steps

    @property
    def is_evaluated(self) -> bool:
        if self.config.eval_every_epochs is None:
            return self.step % self.config.eval_every == 0 or self.done
        every = self.config.eval_every_epochs * len(self.prompts)  # questions
        before = (self.step - 1) * self.questions_per_iteration + self._beyond[0]
        return self._walked // every > before // every or self.done

    @property
    def moment(self) -> str:
        return f"iteration {self.step}"

    def counters(self) -> dict[str, Any]:
        own = {"step": self.step, "beyond": list(self._beyond), "rescore": self.rescore}
        return own | {"optimizer": self.optimizer.counters()}

    def restore(self, counters: dict[str, Any]) -> None:
        self.step, self.rescore = counters["step"], counters["rescore"]
        before, now = counters["beyond"]
        self._beyond = (before, now)
        self.optimizer.restore_counters(counters["optimizer"])

    def advance(self) -> Step:
        """Do one iteration; where an evaluation follows, look at its responses more closely."""
        done = self.iterate()
        metrics, samples = done.metrics, []
        every = self.audit and self.audit.critic_every
        if every and self.policy.value_head is not None and (self.step % every == 0 or self.done):
            metrics |= self._audit()
        if self.is_evaluated:
            metrics |= position_metrics(done.rollouts)
            samples = [] if self.records is None else self.records(self, done)
        return Step(metrics, samples, done.notes)

    def _audit(self) -> dict[str, float]:
        """What Monte-Carlo values say of the critic as it is now."""
        assert self.audit is not None
        states = critic_states(
            self.policy,
            self.reference,
            self.asking,
            self.question_ids,
            self.audit,
            seed=self.seed,
            tokens_per_micro_batch=self.tokens_per_micro_batch,
        )
        found = agreement(states)
        numbers = {
            "critic/explained_variance": found.explained_variance,
            "critic/attainable": found.attainable,
            "critic/rank_correlation": found.rank_correlation,
            "critic/bias": found.bias,
        }
        return {name: 0.0 if number is None else number for name, number in numbers.items()}

    def iterate(self) -> Iteration:
        """Do one iteration; raises as `methods.base.Stage.advance` does."""
        collected = self._collect()
        batch, notes = collected.kept, self._says(collected)
        judged = time.perf_counter()
        with phase("scoring"):
            sampled, said = self._rescore(batch.prompts, batch.sampled)
            batch, notes = replace(batch, sampled=sampled), [*notes, *said]
            ref_logprobs, _ = score_all(self.reference, batch.prompts, sampled.lists(), **self._budget)
        rollouts = assemble(batch, ref_logprobs, self.config)
        everything = collected.everything
        metrics = sampled_metrics(everything, self.config) | rollout_metrics(rollouts, self.config)
        if self.config.dynamic_sampling:
            metrics |= collected.metrics(self.config.samples_per_problem)
        scoring = time.perf_counter()

        order = [
            permutation(len(rollouts), self.seed, "ppo order", self.step, epoch) for epoch in range(self.config.epochs)
        ]
        with phase("updating"):
            metrics |= update(self.policy, rollouts, self.optimizer, self.config, order=order, **self._budget)
        if not self.rescore and metrics["ppo/first_ratio_error"] > RATIO_TOLERANCE:
            self.rescore = True
            notes.append(_says_rescoring(metrics["ppo/first_ratio_error"]))
        updating = time.perf_counter()

        tokens = int(rollouts.mask.sum())
        metrics |= {
            "time/rollout_seconds": everything.sampling,
            "time/judge_seconds": everything.judging,
            "time/score_seconds": scoring - judged,
            "time/update_seconds": updating - scoring,
            "time/rollout_tokens_per_second": everything.tokens / everything.sampling,
            "time/update_tokens_per_second": tokens * self.config.epochs / (updating - scoring),
        }
        self._beyond = (self._beyond[1], self._beyond[1] + collected.asked - self.questions_per_iteration)
        self.step += 1
        return Iteration(batch.questions, rollouts, metrics, notes, len(everything), everything.tokens)

    def ratios(self, rollouts: Rollouts, count: int) -> Tensor:
        """pi / pi_old of the tokens of the first `count` rollouts, for the policy as it is now.

        Costs one forward pass over them, and changes nothing.

        Returns:
            (count, T) in double precision, as wide as the longest of them; 1 beyond a response's end.
        """
        prompts, responses = rollouts.prompts[:count], rollouts.responses[:count]
        with phase("scoring"):
            logprobs, _ = score_all(self.policy, prompts, responses, **self._budget)
        return (logprobs.double() - rollouts.logprobs[:count, : logprobs.shape[1]].double()).exp()

    @property
    def _walked(self) -> int:
        """Questions asked so far, each time counted."""
        return self.step * self.questions_per_iteration + self._beyond[1]

    def _collect(self) -> Collected:
        """The responses of this iteration, and those that are learned from."""
        start, asked = self._walked, 0
        earlier: Counter[int] = Counter()  # a small training set may come round twice within one iteration

        def ask(count: int) -> Batch:
            nonlocal asked
            questions = self._questions(start + asked, count)
            asked += count
            keys = []
            for q in questions:
                keys.append(key(self.seed, "rollout", self.step, self.question_ids[q], earlier[q]))
                earlier[q] += 1
            return self.asking.ask(self.policy, questions, keys)

        wanted, config = self.questions_per_iteration, self.config
        if not config.dynamic_sampling:
            batch = ask(wanted)
            return Collected(batch, batch, wanted)
        group, rounds = config.samples_per_problem, config.dynamic_rounds
        return collect(ask, wanted, group=group, rounds=rounds, pad_id=self.pad_id)

    def _says(self, collected: Collected) -> list[str]:
        """A sentence where dynamic sampling did not find enough, the first time in a session."""
        if not (collected.filled and self._says_filled):
            return []
        self._says_filled = False
        return [
            f"dynamic sampling asked {collected.asked} questions in ppo.dynamic_rounds={self.config.dynamic_rounds} "
            f"rounds and {collected.filled} of the {self.questions_per_iteration} it wants are still missing, so "
            "questions whose responses all have the same reward fill up the batch; rollout/filled says how many."
        ]

    def _rescore(self, prompts: list[list[int]], sampled: Responses) -> tuple[Responses, list[str]]:
        """The rollouts with log-probabilities and values that the update agrees with."""
        if self.rescore is False:
            return sampled, []
        logprobs, values = score_all(self.policy, prompts, sampled.lists(), **self._budget)
        anew = replace(sampled, logprobs=logprobs, values=values)
        if self.rescore:
            return anew, []
        apart = float(((logprobs - sampled.logprobs).exp() - 1).abs().max())
        self.rescore = apart > RATIO_TOLERANCE
        return (anew, [_says_rescoring(apart)]) if self.rescore else (sampled, [])

    def _questions(self, start: int, count: int) -> list[int]:
        """The questions from place `start` on in an endless walk over the training set, epoch by epoch; each comes
        `samples_per_problem` times."""
        n = len(self.prompts)
        last = (start + count - 1) // n
        for epoch in range(start // n, last + 1):
            if epoch not in self._orders:
                self._orders[epoch] = permutation(n, self.seed, "question order", epoch)
        chosen = []
        for position in range(start, start + count):
            epoch, index = divmod(position, n)
            chosen += [self._orders[epoch][index]] * self.config.samples_per_problem
        self._orders = {last: self._orders[last]}  # a long one takes long to make, and the next iteration needs it
        return chosen


def _says_rescoring(apart: float) -> str:
    return (
        f"log-probabilities kept from sampling are off (a ratio differs from 1 by {apart:.1g}); from now on they are "
        "computed anew before each update, which costs one forward pass."
    )
