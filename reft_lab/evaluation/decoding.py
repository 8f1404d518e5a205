"""From samples to accuracies: curves over k with bands, all from one set of samples."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from reft_lab.answers.compare import numbers_match
from reft_lab.answers.outcome import Outcome
from reft_lab.equations.decoding import NO_VOTE, pass_at_k, rerank_at_k, vote, vote_at_k
from reft_lab.evaluation.score import LEVEL, Score, score
from reft_lab.randomness import generator

if TYPE_CHECKING:
    import numpy as np

CHOICES = 200  # random choices of k samples of a question, for votes
RESAMPLES = 2000  # of the questions, for a band

# Accuracies of a way to decode, by k.
Curve = dict[int, Score]


def steps(k: int) -> list[int]:
    """Where a curve has its points: 1, 2, 4, ..., and `k` itself."""
    return [*(2**i for i in range((k - 1).bit_length())), k]


def pooled(outcomes: Sequence[Outcome], paper_tolerance: bool) -> list[int]:
    """A number for each outcome, the same where the answers are one: 0.5, 1/2 and 50 % where that is what was meant.

    Numbers are the same as an answer is right: up to the tolerance of the run. It does not carry over from one to the
    next, so the most frequent values come first, and each takes in those near it.

    Returns:
        NO_VOTE for an outcome without an answer.
    """
    named: dict[object, int] = {}
    values = Counter(outcome.value for outcome in outcomes if _is_number(outcome))
    centres: list[float] = []
    for value, _ in values.most_common():
        assert value is not None
        near = next((centre for centre in centres if numbers_match(value, centre, paper_tolerance)), None)
        if near is None:
            centres.append(value)
        named[value] = len(named) if near is None else named[near]
    found = []
    for outcome in outcomes:
        answer = outcome.value if _is_number(outcome) else outcome.answer
        found.append(NO_VOTE if answer is None else named.setdefault(answer, len(named)))
    return found


def majority(outcomes: Sequence[Outcome], paper_tolerance: bool) -> Outcome | None:
    """The outcome that the vote of all samples of a question comes to; None where none has an answer."""
    winner = vote(pooled(outcomes, paper_tolerance))
    return None if winner is None else outcomes[winner]


def curves(
    outcomes: Sequence[Sequence[Outcome]],
    ways: Sequence[str],
    names: Sequence[str],
    *,
    seed: int,
    paper_tolerance: bool,
    scores: Sequence[Sequence[float]] | None = None,
) -> dict[str, Curve]:
    """Accuracy by k for each way to decode: means over choices of k samples of every question, then over questions.

    Bands are 95 % percentile intervals of a bootstrap over the questions, which the samples of a question stay with:
    they say what other questions of this kind would give, not other samples or another training seed.

    Args:
        outcomes: of the samples of each question, as many for each.
        ways: `vote`, `pass`, `rerank`.
        names: what the questions are called, which keys the random choices.
        seed: of the run.
        paper_tolerance: when two answers are the same, as in AnswersConfig.
        scores: of the samples of each question, for `rerank`.
    """
    import numpy as np

    n = len(outcomes[0])
    right = [[outcome.kind == "correct" for outcome in of_one] for of_one in outcomes]
    places = steps(n)
    table: dict[str, list[list[float]]] = {}
    if "vote" in ways:
        table["vote"] = []
        for name, of_one, is_right in zip(names, outcomes, right, strict=True):
            dice = generator(seed, "vote", name)
            orders = dice.permuted(np.tile(np.arange(n), (CHOICES, 1)), axis=1)
            answers = pooled(of_one, paper_tolerance)
            table["vote"].append([vote_at_k(answers, is_right, k, orders) for k in places])
    if "pass" in ways:
        table["pass"] = [[pass_at_k(n, sum(is_right), k) for k in places] for is_right in right]
    if "rerank" in ways:
        assert scores is not None
        scored = zip(scores, right, strict=True)
        table["rerank"] = [[rerank_at_k(of_one, is_right, k) for k in places] for of_one, is_right in scored]
    found = with_bands({way: np.array(rows) for way, rows in table.items()}, seed)
    return {way: dict(zip(places, found[way], strict=True)) for way in ways}


def with_bands(tables: Mapping[str, np.ndarray], seed: int) -> dict[str, list[Score]]:
    """Means over questions with their bands, from the shares of each question (questions, points), by name.

    All points take the same resamples of the questions.
    """
    import numpy as np

    count = len(next(iter(tables.values())))
    drawn = generator(seed, "bands").multinomial(count, np.full(count, 1 / count), RESAMPLES)
    tails = [(1 - LEVEL) / 2, (1 + LEVEL) / 2]
    scores: dict[str, list[Score]] = {}
    for name, table in tables.items():
        low, high = np.quantile(drawn @ table / count, tails, axis=0)
        points = zip(table.mean(0).tolist(), low.tolist(), high.tolist(), strict=True)
        scores[name] = [_score(share, count, bounds) for share, *bounds in points]
    return scores


def _score(share: float, count: int, bounds: Sequence[float]) -> Score:
    if share in (0.0, 1.0):  # resampling questions that all came out the same shows no spread: Wilson's interval does
        return score(round(share * count), count)
    low, high = bounds
    return Score(share, count, (min(low, share), max(high, share)))


def _is_number(outcome: Outcome) -> bool:
    """Whether the answer is a number by itself, not the letter of an option."""
    return outcome.value is not None and outcome.gold is not None
