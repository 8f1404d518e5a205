"""What an audit of a run looks for, one function a finding. Each says in one sentence what it found."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from reft_lab.analysis.responses import Response
from reft_lab.analysis.reward_audit import pairs_at_odds
from reft_lab.answers.letters import option_letters
from reft_lab.answers.outcome import KINDS
from reft_lab.cot.natural import before_answer
from reft_lab.cot.slots import slot_question
from reft_lab.data.options import split_question
from reft_lab.evaluation.score import score
from reft_lab.numbers import interval, per_cent
from reft_lab.programs.shortcuts import IGNORES, SHORTCUTS, WRITTEN_DOWN, shortcut

EXAMPLES = 5
FEW_WORDS = 5
"""A letter after fewer words than these comes without reasoning."""


@dataclass(frozen=True)
class Finding:
    """One thing that an audit looked for.

    Attributes:
        name: key of it.
        title: heading.
        verdict: what was found, in one sentence.
        stands_out: whether one should look at it before believing the result.
        numbers: what the verdict says, as numbers; shares are fractions.
        examples: responses to read.
    """

    name: str
    title: str
    verdict: str
    stands_out: bool
    numbers: Mapping[str, Any] = field(default_factory=dict)
    examples: Sequence[Mapping[str, Any]] = ()


def outcomes(history: Iterable[Mapping[str, Any]]) -> Finding | None:
    """How the shares of the outcomes moved, from the metrics: rollouts where there are any, else evaluations.

    The first and the last tenth of the steps are compared, each at least one. It stands out where right answers became
    rarer, or another kind than a wrong answer grew by more than 5 points.
    """
    found: dict[str, list[Mapping[str, Any]]] = {"rollout": [], "eval": []}
    for line in history:
        for place, lines in found.items():
            if isinstance(line.get(f"{place}/outcome/correct"), int | float):
                lines.append(line)
    place, what = ("rollout", "the rollouts") if found["rollout"] else ("eval", "the evaluated problems")
    lines = found[place]
    if not lines:
        return None
    tenth = max(1, len(lines) // 10)
    first, last = (_mean_shares(part, place) for part in (lines[:tenth], lines[-tenth:]))
    grown = {kind: last[kind] - first[kind] for kind in KINDS[2:]}
    worst = max(grown, key=lambda kind: grown[kind])
    verdict = (
        f"Of {what}, {per_cent(first['correct'])} % were right at the beginning and {per_cent(last['correct'])} % at "
        f"the end"
    )
    if grown[worst] > 0.05:
        verdict += f", and {worst} grew from {per_cent(first[worst])} to {per_cent(last[worst])} %"
    stands_out = last["correct"] < first["correct"] or grown[worst] > 0.05
    numbers = {"of": place, "steps": len(lines), "first": first, "last": last}
    return Finding("outcomes", "Outcomes over time", f"{verdict}.", stands_out, numbers)


def partial_reward(samples: Sequence[Response]) -> Finding | None:
    """How much of the reward responses without the right answer earned (`from_wrong`), and in what share of the pairs
    of a right and another response of the same iteration the other earned at least as much (`disagreement`).

    Both are as in `reward_audit.wrongly_paid`, over the whole run; a reward below 0 pays nothing. It stands out where
    any pair is at odds, or more than half of the reward went to responses that are not right.
    """
    paid = [each for each in samples if each.reward is not None and math.isfinite(each.reward)]
    if not paid:
        return None
    steps = sorted({each.step or 0 for each in paid})
    middle = steps[len(steps) // 2]
    share = _from_wrong(paid)
    halves = [_from_wrong(half) for half in _parted(paid, lambda each: (each.step or 0) < middle)]
    odds = pairs = 0
    by_step: dict[int, tuple[list[Response], list[Response]]] = {}
    for each in paid:
        by_step.setdefault(each.step or 0, ([], []))[not each.is_right].append(each)
    for right, other in by_step.values():
        at_odds, of = pairs_at_odds([each.reward or 0 for each in right], [each.reward or 0 for each in other])
        odds, pairs = odds + at_odds, pairs + of
    numbers = {"samples": len(paid), "from_wrong": share, "from_wrong_halves": halves}
    numbers["disagreement"] = odds / pairs if pairs else None
    if share is None:
        verdict = f"No reward was paid in the {len(paid):,} sampled responses that were kept."
    else:
        early, late = halves
        moved = ""
        if early is not None and late is not None:
            moved = f" ({per_cent(early)} % in the first half, {per_cent(late)} % in the second)"
        verdict = f"{per_cent(share)} % of the reward went to responses without the right answer{moved}"
        if odds:
            verdict += (
                f"; in {per_cent(odds / pairs)} % of the pairs of a right and another response of one iteration, the "
                "other earned as much or more"
            )
        elif pairs:
            verdict += ", none of which earned as much as a right one of its iteration"
        verdict += "."
    greedy = sorted((each for each in paid if not each.is_right), key=lambda each: -(each.reward or 0))
    examples = [each.as_example() for each in greedy if (each.reward or 0) > 0]
    stands_out = bool(odds) or share is None or share > 0.5
    return Finding("partial_reward", "Reward without a right answer", verdict, stands_out, numbers, examples[:EXAMPLES])


def shortcuts(
    predictions: Sequence[Response], samples: Sequence[Response], program: Callable[[Response], str]
) -> Finding | None:
    """Right answers of programs that write the answer down or use none of the question's numbers.

    It stands out where they are more than 1 % of the right answers.

    Args:
        program: the program of a response.
    """
    counts: Counter[str] = Counter()
    examples: list[Mapping[str, Any]] = []
    right = [each for each in (*predictions, *samples) if each.is_right]
    if not right:
        return None
    for each in right:
        stem = split_question(each.problem.question)[0] if each.problem.is_choice else each.problem.question
        kind = shortcut(program(each), stem, slot_question(stem).numbers)
        if kind is not None:
            counts[kind] += 1
            examples.append(each.as_example(why=kind))
    total = sum(counts.values())
    numbers = {"right": len(right), **{kind: counts[kind] for kind in SHORTCUTS}}
    verdict = f"{_some(total, len(right), 'right answers')} come from programs that do not work it out"
    if total:
        verdict += f": {counts[WRITTEN_DOWN]} write the answer down, {counts[IGNORES]} use no number of the question"
    examples = _spread(examples, lambda each: each["why"])
    stands_out = total > 0.01 * len(right)
    title = "Right answers that were not worked out"
    return Finding("shortcuts", title, f"{verdict}.", stands_out, numbers, examples)


def bare_letters(predictions: Sequence[Response], samples: Sequence[Response]) -> Finding | None:
    """Right letters that come after fewer than FEW_WORDS words. It stands out where they are more than 5 %."""
    right = [each for each in (*predictions, *samples) if each.is_right and each.problem.is_choice]
    if not right:
        return None
    bare = [each for each in right if len(before_answer(each.text).split()) < FEW_WORDS]
    verdict = f"{_some(len(bare), len(right), 'right letters')} stand after fewer than {FEW_WORDS} words of reasoning."
    numbers = {"right": len(right), "bare": len(bare)}
    examples = [each.as_example() for each in bare[:EXAMPLES]]
    return Finding(
        "bare_letters", "Letters without reasoning", verdict, len(bare) > 0.05 * len(right), numbers, examples
    )


def letter_prior(predictions: Sequence[Response]) -> Finding | None:
    """Answered letters against gold ones, and what always answering one letter would give.

    `distance` is the total variation distance: the share of answers that would have to change for both to be alike. It
    stands out above 0.15, and where accuracy is not above the best constant letter beyond its interval.
    """
    choice = [each for each in predictions if each.problem.is_choice]
    if not choice:
        return None
    letters = option_letters(max(len(each.problem.options) for each in choice))
    gold = Counter(each.problem.answer for each in choice)
    said = Counter(each.answer for each in choice if each.answer in set(letters))
    answered = sum(said.values())
    of_gold = {letter: gold[letter] / len(choice) for letter in letters}
    of_said = {letter: said[letter] / answered if answered else 0.0 for letter in letters}
    distance = sum(abs(of_gold[letter] - of_said[letter]) for letter in letters) / 2 if answered else None
    best = max(letters, key=lambda letter: of_gold[letter])
    favourite = max(letters, key=lambda letter: of_said[letter])
    own = score(sum(each.is_right for each in choice), len(choice))
    numbers = {"problems": len(choice), "answered": answered, "gold": of_gold, "said": of_said, "distance": distance}
    numbers |= {"constant": of_gold[best], "constant_letter": best, "accuracy": own.as_json()}
    low, high = own.ci95
    says = (
        f"It answers {favourite} in {per_cent(of_said[favourite])} % where {per_cent(of_gold[favourite])} % of the "
        f"gold answers are {favourite}"
    )
    verdict = (
        f"{says if answered else 'It never answers a letter'}; always {best} would be right in "
        f"{per_cent(of_gold[best])} %, and it is in {per_cent(own.accuracy)} % (95 % interval {interval(low, high)})."
    )
    stands_out = (distance or 0) > 0.15 or low <= of_gold[best]
    return Finding("letter_prior", "The letters alone", verdict, stands_out, numbers)


def tolerance_hits(predictions: Sequence[Response], samples: Sequence[Response]) -> Finding | None:
    """Right numbers that are not the gold number but within the tolerance. It stands out above 5 % of right answers."""
    right = [
        (each, value, float(each.problem.answer))
        for each in (*predictions, *samples)
        if each.is_right and not each.problem.is_choice and (value := _number(each.answer)) is not None
    ]
    if not right:
        return None
    hits = [each for each, value, gold in right if abs(value - gold) > 1e-9 * max(1.0, abs(gold))]
    verdict = f"{_some(len(hits), len(right), 'right answers')} are right by the tolerance alone."
    numbers = {"right": len(right), "by_tolerance": len(hits)}
    examples = [each.as_example() for each in hits[:EXAMPLES]]
    return Finding("tolerance", "Right but for rounding", verdict, len(hits) > 0.05 * len(right), numbers, examples)


def second_reader(read: Sequence[tuple[Response, str | None, bool]], reader: str) -> Finding | None:
    """Where a second reader of answers disagrees with the lab's. It stands out where more than 1 % is judged otherwise.

    Args:
        read: each response with the answer that the second reader takes, and whether that is right.
        reader: what it is, in words.
    """
    if not read:
        return None
    other = [(each, answer) for each, answer, _ in read if answer != each.answer]
    otherwise = [(each, answer) for each, answer, is_right in read if is_right != each.is_right]
    verdict = (
        f"A second reader ({reader}) takes another answer in {len(other):,} of {len(read):,} responses and judges "
        f"{len(otherwise):,} of them otherwise."
    )
    shown = otherwise + [pair for pair in other if pair not in otherwise]
    examples = [each.as_example(second_answer=answer) for each, answer in shown[:EXAMPLES]]
    numbers = {"responses": len(read), "other_answer": len(other), "judged_otherwise": len(otherwise)}
    stands_out = len(otherwise) > 0.01 * len(read)
    return Finding("second_reader", "A second reader of answers", verdict, stands_out, numbers, examples)


def _mean_shares(lines: Sequence[Mapping[str, Any]], place: str) -> dict[str, float]:
    return {kind: sum(line.get(f"{place}/outcome/{kind}") or 0.0 for line in lines) / len(lines) for kind in KINDS}


def _from_wrong(samples: Sequence[Response]) -> float | None:
    paid, wrong = (
        sum(max(0.0, each.reward or 0.0) for each in samples if all_of_them or not each.is_right)
        for all_of_them in (True, False)
    )
    return wrong / paid if paid > 0 else None


def _parted(samples: Sequence[Response], is_first: Callable[[Response], bool]) -> tuple[list[Response], list[Response]]:
    first = [each for each in samples if is_first(each)]
    return first, [each for each in samples if not is_first(each)]


def _spread(
    examples: Sequence[Mapping[str, Any]], kind_of: Callable[[Mapping[str, Any]], str]
) -> list[Mapping[str, Any]]:
    """A handful of examples of which every kind has some."""
    place: Counter[str] = Counter()
    ranked = []
    for each in examples:
        place[kind_of(each)] += 1
        ranked.append((place[kind_of(each)], each))
    return [each for _, each in sorted(ranked, key=lambda pair: pair[0])[:EXAMPLES]]


def _some(count: int, of: int, what: str) -> str:
    return f"{count:,} of {of:,} {what} ({per_cent(count / of)} %)" if count else f"None of {of:,} {what}"


def _number(text: str | None) -> float | None:
    try:
        return float(text or "")
    except ValueError:
        return None
