"""Training an outcome model on sampled right and wrong responses, and answering by it (paper, section 4, reranking)."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from reft_lab.data import Problem
from reft_lab.equations.classification import area_under_curve, outcome_loss
from reft_lab.errors import RunFailed, phase
from reft_lab.evaluation.greedy import Evaluation
from reft_lab.evaluation.outcome_model import outcome_logits, probabilities, whole_sequences
from reft_lab.evaluation.samples import Sample
from reft_lab.methods.base import Cost, StageKind, Step
from reft_lab.methods.settings import RerankerConfig
from reft_lab.methods.stages.epochs import Epochs
from reft_lab.methods.stages.optimizer import Optimizer, constant
from reft_lab.policy.flops import Flops
from reft_lab.policy.model import Policy
from reft_lab.randomness import permutation


@dataclass(frozen=True)
class Graded:
    """A response to a question, as ids, and whether it is right."""

    prompt: list[int]
    response: list[int]
    is_right: bool


@dataclass(frozen=True)
class Candidates:
    """Sampled responses to problems, in their order: how each was asked, as ids, and what was answered."""

    prompts: list[list[int]]
    samples: list[list[Sample]]


def balanced(
    problems: Sequence[Problem],
    candidates: Candidates,
    *,
    seed: int,
    pairs: int | None = None,
    gold: Mapping[str, list[int]] | None = None,
) -> list[Graded]:
    """As many right as wrong responses to each question, no two of them the same.

    So the model cannot earn anything by telling easy questions from hard ones, which would not help it to choose among
    the responses to one. Where there are more of one kind, a choice is made that is keyed by (seed, question, kind).

    Args:
        problems: the training questions.
        candidates: what was sampled for them.
        pairs: most responses of a kind for a question; None: no limit.
        gold: ids of the gold reasoning by the questions' ids, to count as right; None: sampled responses alone.

    Raises:
        RunFailed: no question has both.
    """
    chosen: list[Graded] = []
    for problem, prompt, samples in zip(problems, candidates.prompts, candidates.samples, strict=True):
        distinct = {tuple(sample.tokens): sample.outcome.kind == "correct" for sample in samples if sample.tokens}
        by_kind = {
            kind: [Graded(prompt, list(ids), kind) for ids, is_right in distinct.items() if is_right is kind]
            for kind in (True, False)
        }
        if gold is not None and tuple(gold[problem.id]) not in distinct:
            by_kind[True].append(Graded(prompt, gold[problem.id], True))
        count = min(map(len, by_kind.values()))
        count = count if pairs is None else min(count, pairs)
        for kind, graded in by_kind.items():
            order = permutation(len(graded), seed, "reranker", problem.id, "right" if kind else "wrong")
            chosen += [graded[i] for i in order[:count]]
    if not chosen:
        raise RunFailed(
            "no training question has both right and wrong responses among its samples, so there is nothing to tell "
            "apart; train the policy that is sampled longer, raise reranker.samples, or let the gold reasoning count "
            "as right (reranker.gold=true)."
        )
    return chosen


def sampling_cost(generator: Policy, candidates: Candidates) -> Cost:
    """What it took to sample these from `generator`, whether or not a pool had them already."""
    lengths = [
        (len(prompt), len(sample.tokens))
        for prompt, samples in zip(candidates.prompts, candidates.samples, strict=True)
        for sample in samples
        if sample.tokens
    ]
    return Cost(
        questions=len(candidates.prompts),
        sampled_tokens=sum(response for _, response in lengths),
        flops=Flops.of(generator).sampling(lengths),
    )


class RerankerTraining(Epochs):
    """Training of an outcome model, one optimiser step at a time; methods.base.Stage describes what is not said here.

    The whole trunk is trained, and the value head after the last token. It answers a problem with the one of sampled
    candidates that it finds most likely to be right.
    """

    def __init__(
        self,
        policy: Policy,
        examples: Sequence[Graded],
        candidates: Callable[[Sequence[Problem]], Candidates],
        config: RerankerConfig,
        *,
        kind: StageKind,
        seed: int,
        tokens_per_micro_batch: int,
        optimizer: str = "adamw",
        sampling: Cost | None = None,
    ):
        """Args:
        policy: trained in place; it has a value head.
        examples: graded responses, at least one.
        candidates: sampled responses to problems, among which the model chooses.
        sampling: what it took to sample the examples, which the first step's cost has in it.
        tokens_per_micro_batch: token budget of one forward and backward pass.
        optimizer: adamw or adamw_8bit.
        """
        super().__init__(
            policy, len(examples), config, kind=kind, seed=seed, tokens_per_micro_batch=tokens_per_micro_batch
        )
        assert policy.value_head is not None
        self._candidates = candidates
        self._asked: dict[tuple[str, ...], Candidates] = {}
        self._sampling = sampling
        self._responses = [len(example.response) for example in examples]
        self._sequences = whole_sequences(policy, [e.prompt for e in examples], [e.response for e in examples])
        self._right = torch.tensor([float(e.is_right) for e in examples])
        parameters = [*policy.trained_parameters(), *policy.value_head.parameters()]
        self.optimizer = Optimizer(policy, parameters, config, constant(config.lr_warmup_steps), kind=optimizer)

    def advance(self) -> Step:
        """Do one optimiser step on the mean loss of a batch of responses."""
        started = time.perf_counter()
        chosen = self.batch()
        lengths = self._sequences.lengths[chosen].tolist()
        with phase("training"):
            loss, right, norm, rate = self._descend(chosen, lengths)
        self.step += 1
        took = time.perf_counter() - started
        cost = Cost(
            questions=len(chosen),
            trained_tokens=sum(self._responses[i] for i in chosen),
            optimizer_steps=1,
            flops=self._flops.training((length, 1) for length in lengths),
        )
        speed = cost.trained_tokens / took
        if self.step == 1 and self._sampling is not None:
            cost += self._sampling
        return Step(
            {
                "reranker/epoch": self.step / self.steps_per_epoch,
                "reranker/loss": loss,
                "reranker/accuracy": right,
                "reranker/grad_norm": norm,
                "reranker/lr": rate,
                "time/step_seconds": took,
                "time/step_tokens_per_second": speed,
            },
            cost=cost,
        )

    def answer(self, problems: Sequence[Problem]) -> Evaluation:
        """The candidate for each problem that is most likely to be right; the first of several that are equally so.

        Two more metrics say how well all candidates are told apart.
        """
        found = self.candidates_for(problems)
        counts = [len(samples) for samples in found.samples]
        prompts = [prompt for prompt, count in zip(found.prompts, counts, strict=True) for _ in range(count)]
        every = [sample for samples in found.samples for sample in samples]
        read = [i for i, sample in enumerate(every) if sample.tokens]  # where the prompt left room for an answer
        scores = [-math.inf] * len(every)
        budget = self.tokens_per_micro_batch
        found_right = probabilities(self.policy, [prompts[i] for i in read], [every[i].tokens for i in read], budget)
        for i, score in zip(read, found_right, strict=True):
            scores[i] = score
        right = [scores[i] for i in read if every[i].outcome.kind == "correct"]
        wrong = [scores[i] for i in read if every[i].outcome.kind != "correct"]
        told = sum(score > 0.5 for score in right) + sum(score <= 0.5 for score in wrong)
        metrics = {"reranker/eval_accuracy": told / max(1, len(read))}
        if (area := area_under_curve(right, wrong)) is not None:
            metrics["reranker/eval_auc"] = area
        chosen, start = [], 0
        for count in counts:
            chosen.append(every[max(range(start, start + count), key=scores.__getitem__)])
            start += count
        return Evaluation(
            problems,
            [sample.text for sample in chosen],
            [sample.outcome for sample in chosen],
            [len(sample.tokens) for sample in chosen],
            [sample.finished for sample in chosen],
            0,
            metrics,
        )

    def _descend(self, chosen: list[int], lengths: list[int]) -> tuple[float, float, float, float]:
        """One optimiser step: loss (nats a response), share told right, gradient norm, learning rate."""

        def share(group: list[int]) -> tuple[Tensor, Tensor]:
            members = [chosen[i] for i in group]
            logits = outcome_logits(self.policy, self._sequences.packed(members, self.policy.device))
            right = self._right[members].to(logits.device)
            told = (logits > 0) == (right > 0)
            return outcome_loss(logits, right).sum() / len(chosen), told.sum() / len(chosen)

        (loss, told), norm, rate = self.descend(lengths, share)
        return loss, told, norm, rate

    def candidates_for(self, problems: Sequence[Problem]) -> Candidates:
        """Candidates for the problems, which are kept: dev and test may be asked for at every evaluation."""
        names = tuple(problem.id for problem in problems)
        if names not in self._asked:
            self._asked[names] = self._candidates(problems)
        return self._asked[names]
