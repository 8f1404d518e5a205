"""The same policy, asked with the options of multiple choice in another order: does it read them?"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from reft_lab.analysis.findings import EXAMPLES, Finding
from reft_lab.analysis.statistics import compare_problems
from reft_lab.answers.letters import option_letters
from reft_lab.cot import Prompts
from reft_lab.data import Problem
from reft_lab.data.options import split_question, with_options
from reft_lab.errors import BadInput, phase
from reft_lab.evaluation.greedy import Evaluation, evaluate
from reft_lab.numbers import interval_in_points, p_in_words, per_cent, points
from reft_lab.randomness import key
from reft_lab.runner.setup import Setup
from reft_lab.tracking.display import Display

# Options that mean another one by its place.
_BY_PLACE = re.compile(r"\babove\b|\bboth\b|\b[a-h] and [a-h]\b|\beither\b|\bneither\b", re.IGNORECASE)


def rotated(problem: Problem, seed: int) -> Problem:
    """A multiple-choice problem with its options moved on by a seeded number of places, so that each has a new letter.

    Raises:
        ValueError: its question does not hold its options.
    """
    stem, options = split_question(problem.question)
    if len(options) < 2 or len(options) != len(problem.options):
        raise ValueError(f"{problem.id} has no options to move")
    places = 1 + key(seed, "shuffled options", problem.id) % (len(options) - 1)
    letters = option_letters(len(options))
    moved = tuple(options[(place - places) % len(options)] for place in range(len(options)))
    answer = letters[(letters.index(problem.answer) + places) % len(options)]
    return replace(problem, question=with_options(stem, moved), answer=answer, options=moved)


def shuffle_test(setup: Setup, prompts: Prompts, display: Display, problems: int) -> Finding:
    """Greedy answers of the setup's policy to test problems, as they are and with rotated options, problem by problem.

    Args:
        prompts: the kind of prompts that the policy knows.
        problems: how many of the test problems that can be rotated, the first ones.

    Raises:
        BadInput: the data set is not multiple choice.
    """
    able = [
        problem
        for problem in setup.splits.test[: setup.config.eval.test_limit]
        if problem.is_choice and not any(_BY_PLACE.search(option) for option in problem.options)
    ]
    able = [problem for problem in able if split_question(problem.question)[1] == problem.options][:problems]
    if not able:
        raise BadInput(
            f"--shuffle changes the order of options, and data={setup.config.data.name} is not multiple choice; "
            "leave it out."
        )
    moved = [rotated(problem, setup.config.seed) for problem in able]
    before, after = (
        _answers(setup, prompts, display, asked, title) for asked, title in ((able, "as asked"), (moved, "shuffled"))
    )
    pair = ([outcome.kind == "correct" for outcome in each.outcomes] for each in (after, before))
    found = compare_problems(*pair)
    same = sum(
        a.answer is not None and a.answer == b.answer for a, b in zip(before.outcomes, after.outcomes, strict=True)
    )
    verdict = (
        f"With the options in another order {per_cent(after.score.accuracy)} % of {len(able):,} test problems are "
        f"right instead of {per_cent(before.score.accuracy)} %: {points(found.difference)} points (95 % interval "
        f"{interval_in_points(found.low, found.high)}, McNemar p {p_in_words(found.p)}); the letter stays, though its "
        f"option moved, in {per_cent(same / len(able))} %."
    )
    lost = [i for i in range(len(able)) if before.outcomes[i].kind == "correct" != after.outcomes[i].kind]
    examples = [
        {
            "id": able[i].id,
            "question": moved[i].question,
            "response": after.responses[i],
            "answer": after.outcomes[i].answer,
            "gold": moved[i].answer,
            "outcome": after.outcomes[i].kind,
            "answer_before": before.outcomes[i].answer,
            "gold_before": able[i].answer,
        }
        for i in lost[:EXAMPLES]
    ]
    numbers = {"problems": len(able), "before": before.score.as_json(), "after": after.score.as_json()}
    numbers |= {"difference": found.difference, "ci95": [found.low, found.high], "p": found.p, "letter_stays": same}
    stands_out = found.p < 0.05 and found.difference < 0
    return Finding("option_shuffle", "Options in another order", verdict, stands_out, numbers, examples)


def _answers(setup: Setup, prompts: Prompts, display: Display, problems: Sequence[Problem], title: str) -> Evaluation:
    with display.stage(title, len(problems), "problems") as bar, phase("evaluating"):
        return evaluate(
            setup.policy,
            problems,
            setup.form,
            setup.codec,
            stage=prompts,
            lengths=setup.lengths(prompts),
            batch_size=setup.config.trainer.decode_batch,
            on_progress=bar.update,
        )
