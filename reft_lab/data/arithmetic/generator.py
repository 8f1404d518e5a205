"""The embedded data set: seeded arithmetic word problems for a model small enough to train in minutes."""

from __future__ import annotations

import hashlib
from collections import defaultdict

from reft_lab.data.arithmetic.gold import write_natural, write_program
from reft_lab.data.arithmetic.question import Draws, Question, compute, draw_numbers, draw_question
from reft_lab.data.likeness import masked
from reft_lab.data.problem import Problem
from reft_lab.errors import BadInput

ANNOTATIONS = ("mixed", "clean")
COTS = ("program", "natural")

_SPLIT_OF_BUCKET = ("train", "dev", "train", "test")
_MOST_TRIES = 500
_ANY_NUMBER: defaultdict[str, int] = defaultdict(lambda: 2)  # once masked, all numbers are alike


def generate(
    count_train: int, count_dev: int, count_test: int, seed: int, annotation: str, cot: str
) -> tuple[list[Problem], list[Problem], list[Problem]]:
    """Word problems of one to three steps with numbers up to 30, distractors and inconsistent wordings.

    No wording (the question with its numbers blanked out) occurs twice, and no two splits share one with other names: a
    hash of the wording without numbers and names says which split it belongs to, for every seed. Problem i of a split
    depends on the seed, the split and i alone, whatever the counts, so a smaller split is the beginning of a larger
    one; questions and numbers are the same for every annotation and kind of reasoning.

    Args:
        count_train, count_dev, count_test: problems in each split.
        seed: of every choice.
        annotation: "mixed" (the styles of many annotators) or "clean" (one style).
        cot: kind of the gold reasoning, "program" or "natural"; all three splits carry it.

    Raises:
        BadInput: an unknown annotation or cot, a negative count, or more problems than there are wordings.
    """
    if annotation not in ANNOTATIONS:
        raise BadInput(f"data.annotation={annotation} is not known to the arithmetic data; use mixed or clean.")
    if cot not in COTS:
        raise BadInput(f"cot={cot} is not known to the arithmetic data; use program or natural.")
    counts = {"train": count_train, "dev": count_dev, "test": count_test}
    for split, count in counts.items():
        if count < 0:
            raise BadInput(f"The arithmetic data cannot have {count} {split} problems; ask for 0 or more.")
    train, dev, test = (_generate_split(split, count, seed, annotation, cot) for split, count in counts.items())
    return train, dev, test


def _generate_split(split: str, count: int, seed: int, annotation: str, cot: str) -> list[Problem]:
    seen: set[str] = set()
    problems = []
    for index in range(count):
        draws = Draws(seed, "arithmetic", split, index)
        question = _draw_new_question(split, index, seen, draws)
        seen.add(question.wording)
        numbers = draw_numbers(question.template, question.roles, draws)
        write = write_program if cot == "program" else write_natural
        problems.append(
            Problem(
                id=f"arithmetic-{split}-{index}",
                question=question.text.format_map(numbers),
                answer=str(_answer(question, numbers)),
                cot=write(question, numbers, annotation, draws),
                source=f"arithmetic generator, seed {seed}, {split} problem {index}",
            )
        )
    return problems


def _draw_new_question(split: str, index: int, seen: set[str], draws: Draws) -> Question:
    for _ in range(_MOST_TRIES):
        question = draw_question(draws)
        if _split_of(masked(question.text.format_map(_ANY_NUMBER))) == split and question.wording not in seen:
            return question
    raise BadInput(f"The arithmetic data ran out of new wordings after {index} {split} problems; ask for fewer.")


def _split_of(family: str) -> str:
    return _SPLIT_OF_BUCKET[hashlib.blake2b(family.encode(), digest_size=1).digest()[0] % len(_SPLIT_OF_BUCKET)]


def _answer(question: Question, numbers: dict[str, int]) -> int:
    values = compute(question.template.steps, numbers)
    assert values is not None, "draw_numbers keeps only numbers that work out"
    return values[question.template.steps[-1].result]
