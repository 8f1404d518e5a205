"""What the data of an experiment looks like: answers, lengths, and questions that are nearly the same."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from reft_lab.data import Problem, Splits
from reft_lab.data.likeness import PAIRS, Seen
from reft_lab.data.near import NEAR, Near
from reft_lab.data.options import split_question

SPLITS = ("train", "dev", "test")
QUANTILES = (0.5, 0.9, 0.99, 1.0)
COMMON = 5  # answers that are listed


@dataclass(frozen=True)
class Pair:
    """Two questions that are nearly the same.

    Attributes:
        where: `train`, or `train/test`, where the second is the one of test.
        first, second: the questions, without options.
        share: of their pairs of neighbouring masked words, what both have; 1 at most.
    """

    where: str
    first: str
    second: str
    share: float


@dataclass(frozen=True)
class Lengths:
    """Lengths in tokens of one kind of text.

    Attributes:
        what: `train prompts`.
        each: the lengths.
    """

    what: str
    each: Sequence[int]

    @property
    def quantiles(self) -> list[int]:
        """By QUANTILES, each a length that occurs."""
        ordered = sorted(self.each)
        return [ordered[min(len(ordered) - 1, math.ceil(q * len(ordered)) - 1)] for q in QUANTILES]


@dataclass(frozen=True)
class TooLong:
    """What does not fit.

    Attributes:
        what: `examples of warm-up`.
        limit: `warmup.max_tokens=512`.
        count, of: how many are longer, of how many.
        done: what becomes of them.
    """

    what: str
    limit: str
    count: int
    of: int
    done: str


@dataclass(frozen=True)
class Answers:
    """The gold answers of a split.

    Attributes:
        split: which.
        count: of problems.
        common: the most frequent answers with their shares.
        whole, negative: shares of the numbers; nan for letters.
        largest: magnitude of the largest number; nan for letters.
        guess: share of the split that always giving the most frequent answer of train would answer right.
    """

    split: str
    count: int
    common: Sequence[tuple[str, float]]
    whole: float
    negative: float
    largest: float
    guess: float


@dataclass(frozen=True)
class DataAudit:
    """What was found.

    Attributes:
        name: of the data set.
        lines: what a run would say of its data.
        model: whose tokenizer counted the tokens.
        lengths, too_long, answers: as described there.
        unread: gold reasoning that the tokenizer does not give back as it was written; one line each.
        duplicates: by degree of likeness, `near` the loosest, then by split or pair of splits.
        pairs: questions that are near to each other, those across splits first.
    """

    name: str
    model: str
    lines: list[str]
    lengths: list[Lengths]
    too_long: list[TooLong]
    unread: list[str]
    answers: list[Answers]
    duplicates: dict[str, dict[str, int]]
    pairs: list[Pair]


def answers_of(splits: Splits) -> list[Answers]:
    """The gold answers of each split that has problems."""
    favourite = Counter(problem.answer for problem in splits.train).most_common(1)[0][0]
    return [_answers(split, problems, favourite) for split, problems in _by_split(splits).items() if problems]


def _answers(split: str, problems: Sequence[Problem], favourite: str) -> Answers:
    counts = Counter(problem.answer for problem in problems)
    common = [(answer, count / len(problems)) for answer, count in counts.most_common(COMMON)]
    if all(problem.is_choice for problem in problems):
        common = [(letter, counts[letter] / len(problems)) for letter in sorted(counts)]
    numbers = [float(problem.answer) for problem in problems if not problem.is_choice]
    whole = sum(number.is_integer() for number in numbers) / len(numbers) if numbers else math.nan
    negative = sum(number < 0 for number in numbers) / len(numbers) if numbers else math.nan
    largest = max(map(abs, numbers), default=math.nan)
    return Answers(split, len(problems), common, whole, negative, largest, counts[favourite] / len(problems))


def alike(splits: Splits) -> tuple[dict[str, dict[str, int]], list[Pair]]:
    """How many questions occur more than once, and pairs of those that are near to each other.

    Returns:
        As `likeness.duplicates` counts them, with one more degree, `near`, which takes in `masked`; and all pairs that
        are near but not equal when masked, those across splits first, the nearest first.
    """
    problems = _by_split(splits)
    index = {split: Near(each) for split, each in problems.items()}
    masked = {split: Seen(each) for split, each in problems.items()}
    counts: dict[str, int] = {}
    pairs: list[Pair] = []
    for first, second in PAIRS:
        found = 0
        for problem in problems[second]:
            nearest = index[first].nearest(problem)
            is_masked = masked[first].holds(problem, "masked")
            found += is_masked or nearest is not None
            if nearest is not None and not is_masked:
                place, share = nearest
                pairs.append(_pair(f"{first}/{second}", problems[first][place], problem, share))
        counts[f"{first}/{second}"] = found
    pairs.sort(key=lambda pair: -pair.share)
    within: list[Pair] = []
    for split in SPLITS:
        near = list(index[split].pairs())
        counts[split] = max(len(near), splits.report.duplicates["masked"][split])
        within += [
            _pair(split, problems[split][first], problems[split][second], share)
            for second, first, share in near
            if share < 1
        ]
    within.sort(key=lambda pair: -pair.share)
    return splits.report.duplicates | {NEAR: counts}, [*pairs, *within]


def _pair(where: str, first: Problem, second: Problem, share: float) -> Pair:
    return Pair(where, _stem(first), _stem(second), share)


def _stem(problem: Problem) -> str:
    return split_question(problem.question)[0] if problem.is_choice else problem.question


def _by_split(splits: Splits) -> Mapping[str, list[Problem]]:
    return {"train": splits.train, "dev": splits.dev, "test": splits.test}
