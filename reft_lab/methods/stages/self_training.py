"""What offline self-training learns from beside the gold reasoning: right samples that differ from each other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from reft_lab.data import Problem
from reft_lab.evaluation.samples import Sample
from reft_lab.methods.base import Cost, Step
from reft_lab.methods.settings import OfflineSTConfig
from reft_lab.methods.stages.supervised import Example
from reft_lab.numbers import per_cent
from reft_lab.policy.flops import Flops
from reft_lab.policy.model import Policy
from reft_lab.randomness import permutation

Read = Callable[[Sequence[Sequence[int]], Sequence[Sequence[int]]], list[str]]


@dataclass(frozen=True)
class Gathered:
    """What came of a pool of samples.

    Attributes:
        examples: those that are trained on.
        opening: the pool/ metrics, and what sampling took.
        sentence: the same for people.
    """

    examples: list[Example]
    opening: Step = field(default_factory=lambda: Step({}))
    sentence: str = ""


def gather(
    policy: Policy,
    problems: Sequence[Problem],
    gold: Sequence[Example],
    samples: Sequence[Sequence[Sample]],
    config: OfflineSTConfig,
    *,
    seed: int,
    read: Read,
    form: Callable[[Problem, str], str],
) -> Gathered:
    """Choose among the samples of each problem.

    Args:
        policy: who was sampled.
        problems: what was asked.
        gold: their prompts, and the gold reasoning.
        samples: the responses to each.
        config: keep, max_tokens.
        seed: of the choice, with the id of the problem.
        read: ids of responses to text, with the prompts before them.
        form: the normal form of a response to a problem.
    """
    examples: list[Example] = []
    right = distinct = unsolved = 0
    known = read([example.prompt for example in gold], [example.completion for example in gold])
    for problem, example, text, own in zip(problems, gold, known, samples, strict=True):
        correct = [sample for sample in own if sample.outcome.kind == "correct"]
        others = differing(correct, lambda text, problem=problem: form(problem, text), text)  # type: ignore[misc]
        fitting = [one for one in others if one.finished and len(example.prompt) + len(one.tokens) <= config.max_tokens]
        chosen = permutation(len(fitting), seed, "self-training", problem.id)[: config.keep]
        examples += [Example(example.prompt, fitting[i].tokens) for i in sorted(chosen)]
        right, distinct, unsolved = right + len(correct), distinct + len(others), unsolved + (not correct)
    n = len(problems)
    sampled = sum(map(len, samples))
    lengths = [(len(example.prompt), len(s.tokens)) for example, own in zip(gold, samples, strict=True) for s in own]
    asked = [each for each in lengths if each[1]]  # all but those whose prompt left no room
    metrics = {
        "pool/sampled": sampled / n,
        "pool/right": right / n,
        "pool/distinct": distinct / n,
        "pool/kept": len(examples) / n,
        "pool/unsolved": unsolved / n,
    }
    cost = Cost(questions=n, sampled_tokens=sum(tokens for _, tokens in asked), flops=Flops.of(policy).sampling(asked))
    sentence = (
        f"Offline-ST sampled {sampled} responses to {n} training questions; {right} were right, {distinct} of these "
        f"differed from the gold reasoning and from each other, and {len(examples)} were trained on "
        f"({len(examples) / n:.1f} a question, {config.keep} at most); {per_cent(unsolved / n)} % of the questions had "
        "no right response."
    )
    return Gathered(examples, Step(metrics, cost=cost), sentence)


def differing(samples: Sequence[Sample], form: Callable[[str], str], gold: str) -> list[Sample]:
    """The first sample of each normal form, in their order; those in that of the gold reasoning are left out."""
    first: dict[str, Sample] = {}
    for sample in samples:
        first.setdefault(form(sample.text), sample)
    first.pop(form(gold), None)
    return list(first.values())
