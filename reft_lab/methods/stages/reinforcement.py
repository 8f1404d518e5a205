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
from reft_lab.evaluation.judging import Judge, Judging
from reft_lab.methods.base import StageKind, Step
from reft_lab.methods.settings import PPOConfig
from reft_lab.methods.stages.optimizer import Optimizer, constant
from reft_lab.methods.stages.rollouts import Rollouts, assemble, correct_sampler, position_metrics, rollout_metrics
from reft_lab.methods.stages.update import update
from reft_lab.policy.model import Policy
from reft_lab.policy.sampling import Responses, response_limits, sample
from reft_lab.policy.scoring import score_all
from reft_lab.randomness import key, permutation, uniforms

# Log-probabilities kept from sampling stand for the update's own while every ratio pi / pi_old is so close to 1.
RATIO_TOLERANCE = 1e-4


@dataclass(frozen=True)
class Iteration:
    """What one iteration did; `questions` are the places of the rollouts' questions among the stage's prompts."""

    questions: list[int]
    rollouts: Rollouts
    metrics: dict[str, float]
    notes: list[str]


class Reinforcement:
    """Reinforcement by PPO, one iteration at a time; methods.base.Stage describes what is not said here.

    Nothing but `step`, the weights and the optimiser's state changes while it runs. The order of questions is keyed
    by (seed, epoch), the draws of a response by (seed, iteration, question, sample).

    Attributes:
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
        records: what is kept of the responses of an iteration that is followed by an evaluation.
        """
        self.kind = kind
        self.policy = policy
        self.reference = reference
        self.prompts = prompts
        self.question_ids = question_ids
        self.judge = judge
        self.reward = reward
        self.config = config
        self.seed = seed
        self.eos_id = eos_id
        self.pad_id = pad_id
        self.decode_batch = decode_batch
        self.records = records
        self.step = 0
        self.tokens_per_micro_batch = tokens_per_micro_batch
        self._budget = {"pad_id": pad_id, "tokens_per_micro_batch": tokens_per_micro_batch}
        self._orders: dict[int, list[int]] = {}
        # Kernels of different shapes agree in fp32 only, and the sampler runs no separate value model.
        must_rescore = policy.precision != "fp32" or policy.value_trunk is not None or config.importance == "token"
        self.rescore = True if must_rescore else None
        self.questions_per_iteration = config.rollouts // config.samples_per_problem
        passes = math.ceil(config.data_epochs * len(prompts) / self.questions_per_iteration)
        self.total_steps = config.critic_warmup + (passes if config.iterations is None else config.iterations)
        self.optimizer = Optimizer(
            [p for p in policy.parameters() if p.requires_grad],
            lr=config.lr,
            weight_decay=config.weight_decay,
            undecayed=policy.undecayed(),
            second=policy.value_parameters(),
            second_lr=config.value_lr,
            max_grad_norm=config.max_grad_norm,
            schedule=constant(config.lr_warmup_steps),
        )

    @property
    def done(self) -> bool:
        return self.step >= self.total_steps

    @property
    def is_evaluated(self) -> bool:
        return self._is_evaluated_after(self.step)

    @property
    def moment(self) -> str:
        return f"iteration {self.step}"

    def counters(self) -> dict[str, Any]:
        return {"step": self.step, "rescore": self.rescore, "optimizer": self.optimizer.counters()}

    def restore(self, counters: dict[str, Any]) -> None:
        self.step, self.rescore = counters["step"], counters["rescore"]
        self.optimizer.restore_counters(counters["optimizer"])

    def advance(self) -> Step:
        """Do one iteration; where an evaluation follows, look at its responses more closely."""
        done = self.iterate()
        if not self.is_evaluated:
            return Step(done.metrics, notes=done.notes)
        samples = [] if self.records is None else self.records(self, done)
        return Step(done.metrics | position_metrics(done.rollouts), samples, done.notes)

    def iterate(self) -> Iteration:
        """Do one iteration; raises as `methods.base.Stage.advance` does."""
        is_critic_warmup = self.step < self.config.critic_warmup
        config = replace(self.config, lam=1.0) if is_critic_warmup else self.config
        started = time.perf_counter()
        questions = self._questions()
        prompts = [self.prompts[q] for q in questions]
        with Judging(self.judge, questions) as judging:
            with phase("sampling"):
                sampled = self._sample(questions, prompts, judging)
            sampling = time.perf_counter()
            outcomes = judging.outcomes()
        scores = [self.reward(outcome) for outcome in outcomes]
        judged = time.perf_counter()

        with phase("scoring"):
            sampled_logprobs = sampled.logprobs
            sampled, notes = self._rescore(prompts, sampled)
            ref_logprobs, _ = score_all(self.reference, prompts, sampled.lists(), **self._budget)
        rollouts = assemble(prompts, sampled, ref_logprobs, outcomes, scores, config)
        metrics = rollout_metrics(rollouts)
        if config.importance == "token":
            rollouts, more = correct_sampler(rollouts, sampled_logprobs, config.importance_cap)
            metrics |= more
        scoring = time.perf_counter()

        order = [
            permutation(len(rollouts), self.seed, "ppo order", self.step, epoch) for epoch in range(self.config.epochs)
        ]
        with phase("updating"):
            metrics |= update(
                self.policy,
                rollouts,
                self.optimizer,
                config,
                order=order,
                critic_only=is_critic_warmup,
                closely=self._is_evaluated_after(self.step + 1),
                **self._budget,
            )
        if self.step + 1 == config.critic_warmup:
            notes.append(_says_warmed_up(config.critic_warmup, metrics["ppo/explained_variance"]))
        if not self.rescore and metrics.get("ppo/first_ratio_error", 0.0) > RATIO_TOLERANCE:
            self.rescore = True
            notes.append(_says_rescoring(metrics["ppo/first_ratio_error"]))
        updating = time.perf_counter()

        tokens = int(rollouts.mask.sum())
        metrics |= {
            "time/rollout_seconds": sampling - started,
            "time/judge_seconds": judged - sampling,
            "time/score_seconds": scoring - judged,
            "time/update_seconds": updating - scoring,
            "time/rollout_tokens_per_second": tokens / (sampling - started),
            "time/update_tokens_per_second": tokens * self.config.epochs / (updating - scoring),
        }
        self.step += 1
        return Iteration(questions, rollouts, metrics, notes)

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

    def _is_evaluated_after(self, step: int) -> bool:
        if step >= self.total_steps:
            return True
        if self.config.eval_every_epochs is None:
            return step % self.config.eval_every == 0
        every = self.config.eval_every_epochs * len(self.prompts)  # questions
        seen = step * self.questions_per_iteration
        return seen // every > (seen - self.questions_per_iteration) // every

    def _sample(self, questions: list[int], prompts: list[list[int]], judging: Judging) -> Responses:
        earlier: Counter[int] = Counter()  # a small training set may come round twice within one iteration
        keys = []
        for q in questions:
            keys.append(key(self.seed, "rollout", self.step, self.question_ids[q], earlier[q]))
            earlier[q] += 1
        config = self.config
        limits = response_limits(prompts, config.max_new_tokens, config.total_tokens, self.policy.positions)
        return sample(
            self.policy,
            prompts,
            eos_id=self.eos_id,
            pad_id=self.pad_id,
            max_new_tokens=config.max_new_tokens,
            limits=limits,
            batch_size=self.decode_batch,
            uniforms=uniforms(keys, config.max_new_tokens),
            on_finished=judging.add,
        )

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

    def _questions(self) -> list[int]:
        """The questions of this iteration: the next ones in an endless walk over the training set, epoch by epoch."""
        n, count = len(self.prompts), self.questions_per_iteration
        start = self.step * count
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


def _says_warmed_up(iterations: int, explained: float) -> str:
    return (
        f"critic warm-up: after {iterations} iterations the value model explains {explained:.2f} of the variance of "
        "returns; from now on the policy is trained, too."
    )


def _says_rescoring(apart: float) -> str:
    return (
        f"log-probabilities kept from sampling are off (a ratio differs from 1 by {apart:.1g}); from now on they are "
        "computed anew before each update, which costs one forward pass."
    )
