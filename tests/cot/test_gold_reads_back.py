"""Every gold chain of thought of the real data sets, written as the policy sees it, is judged correct."""

import ast
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import pytest

from reft_lab.answers.settings import AnswersConfig
from reft_lab.cot import make_format
from reft_lab.cot.settings import CotConfig
from reft_lab.data import Problem
from reft_lab.programs import ProgramRunner
from reft_lab.programs.settings import ProgramsConfig
from tests.real_data import REAL, Loaded, loaded

__all__ = ["loaded"]


@pytest.fixture(scope="module")
def runner() -> Iterator[ProgramRunner]:
    with ProgramRunner(ProgramsConfig()) as runner:
        yield runner


def train(loaded: Loaded, data: str, cot: CotConfig) -> list[Problem]:
    problems = [problem for problem in loaded(data, cot.name)[0].train if problem.cot is not None]
    assert len(problems) > 2000
    return problems


@pytest.mark.parametrize("data", REAL)
def test_natural(data: str, loaded: Loaded, runner: ProgramRunner) -> None:
    cot = CotConfig(name="natural")
    problems = train(loaded, data, cot)
    natural = make_format(cot, AnswersConfig(), runner)
    outcomes = natural.judge(problems, [natural.completion(problem, "rl") for problem in problems])
    assert Counter(outcome.kind for outcome in outcomes) == {"correct": len(problems)}


@pytest.mark.parametrize("data", REAL)
def test_program(data: str, loaded: Loaded, runner: ProgramRunner) -> None:
    cot = CotConfig(name="program", sft_trigger=False)
    problems = train(loaded, data, cot)
    plain = make_format(cot, AnswersConfig(), runner)
    slotted = make_format(replace(cot, number_slots=True), AnswersConfig(), runner)
    for format, stage in ((plain, "sft"), (plain, "rl"), (slotted, "rl")):
        completions = [format.completion(problem, stage) for problem in problems]
        outcomes = format.judge(problems, completions)
        assert Counter(outcome.kind for outcome in outcomes) == {"correct": len(problems)}
        for problem, completion in zip(problems[::20], completions[::20], strict=True):
            example = format.prompt(problem, stage) + completion
            ast.parse(example[example.index("def solution") :])
