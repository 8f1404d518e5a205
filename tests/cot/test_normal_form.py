"""When two responses are the same but for how they are written."""

from __future__ import annotations

import pytest

from reft_lab.answers.settings import AnswersConfig
from reft_lab.cot import make_format
from reft_lab.cot.settings import CotConfig
from reft_lab.data.problem import Problem
from reft_lab.programs import ProgramRunner
from reft_lab.programs.settings import ProgramsConfig

PROBLEM = Problem("p", "Ann has 3 pens and gets 4. How many?", "7", "3 + 4 = 7", "here")
BODY = "    a = 3\n    b = 4\n    return a + b"


@pytest.fixture(scope="module")
def programs() -> ProgramRunner:
    with ProgramRunner(ProgramsConfig()) as runner:
        yield runner


@pytest.mark.parametrize(
    "other",
    [
        "    a=3\n\n    b  =  4\n    return (a+b)\n",
        '    """Adds."""\n    a = 3  # pens\n    # more of them\n    b = 4\n    return a + b',
        "def solution():\n    a = 3\n    b = 4\n    return a + b",
        BODY + "\n\nQuestion:\nWhat else?\nAnswer reasoning:\ndef solution():\n    return 1",
    ],
)
def test_programs_are_what_python_sees(programs: ProgramRunner, other: str) -> None:
    form = make_format(CotConfig("program"), AnswersConfig(), programs)
    assert form.normal_form(PROBLEM, other) == form.normal_form(PROBLEM, BODY)


@pytest.mark.parametrize(
    "other", ["    b = 4\n    a = 3\n    return a + b", "    a = 3\n    b = 4\n    return b + a", "    return 3 + 4"]
)
def test_programs_that_compute_otherwise_are_others(programs: ProgramRunner, other: str) -> None:
    form = make_format(CotConfig("program"), AnswersConfig(), programs)
    assert form.normal_form(PROBLEM, other) != form.normal_form(PROBLEM, BODY)


def test_what_is_no_program_is_told_by_its_words(programs: ProgramRunner) -> None:
    form = make_format(CotConfig("program"), AnswersConfig(), programs)
    assert form.normal_form(PROBLEM, "    a = = 3") == form.normal_form(PROBLEM, "    a  =  = 3\n")
    assert form.normal_form(PROBLEM, "    a = = 3") != form.normal_form(PROBLEM, "    a = = 4")


def test_prose_is_its_words(programs: ProgramRunner) -> None:
    form = make_format(CotConfig("natural"), AnswersConfig(), programs)
    gold = "3 + 4 = 7.\nTherefore, the answer is: 7"
    assert form.normal_form(PROBLEM, " 3 + 4 = 7. Therefore,  the answer is: 7\n") == form.normal_form(PROBLEM, gold)
    assert form.normal_form(PROBLEM, gold + "\nQuestion: And then?") == form.normal_form(PROBLEM, gold)
    assert form.normal_form(PROBLEM, "3 + 4 is 7.\nTherefore, the answer is: 7") != form.normal_form(PROBLEM, gold)
