"""Every gold chain of thought of the real data sets, written as the policy sees it, is judged correct."""

import ast
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from reft_lab.answers.settings import AnswersConfig
from reft_lab.cot import make_format
from reft_lab.cot.settings import CotConfig
from reft_lab.data import Problem, load
from reft_lab.data.settings import DataConfig
from reft_lab.programs import ProgramRunner
from reft_lab.programs.settings import ProgramsConfig


@pytest.fixture(scope="module")
def runner() -> Iterator[ProgramRunner]:
    with ProgramRunner(ProgramsConfig()) as runner:
        yield runner


@pytest.fixture(scope="module", params=["svamp", "gsm8k", "mathqa", "mathqa_numeric"])
def data(request: pytest.FixtureRequest, shared_data: Path) -> DataConfig:
    return DataConfig(name=request.param, path=str(shared_data / request.param.removesuffix("_numeric")))


def train(data: DataConfig, cot: CotConfig, runner: ProgramRunner) -> list[Problem]:
    problems = [problem for problem in load(data, cot.name, runner).train if problem.cot is not None]
    assert len(problems) > 2000
    return problems


def test_natural(data: DataConfig, runner: ProgramRunner) -> None:
    cot = CotConfig(name="natural")
    problems = train(data, cot, runner)
    natural = make_format(cot, AnswersConfig(), runner)
    outcomes = natural.judge(problems, [natural.completion(problem, "rl") for problem in problems])
    assert Counter(outcome.kind for outcome in outcomes) == {"correct": len(problems)}


def test_program(data: DataConfig, runner: ProgramRunner) -> None:
    cot = CotConfig(name="program", sft_trigger=False)
    problems = train(data, cot, runner)
    plain = make_format(cot, AnswersConfig(), runner)
    slotted = make_format(replace(cot, number_slots=True), AnswersConfig(), runner)
    for format, stage in ((plain, "sft"), (plain, "rl"), (slotted, "rl")):
        completions = [format.completion(problem, stage) for problem in problems]
        outcomes = format.judge(problems, completions)
        assert Counter(outcome.kind for outcome in outcomes) == {"correct": len(problems)}
        for problem, completion in zip(problems[::20], completions[::20], strict=True):
            example = format.prompt(problem, stage) + completion
            ast.parse(example[example.index("def solution") :])
