"""Programs are put to the policy and read back; every program here runs in the real sandbox."""

import ast
from collections.abc import Iterator

import pytest

from reft_lab.answers.outcome import Outcome
from reft_lab.answers.settings import AnswersConfig
from reft_lab.cot import NaturalFormat, ProgramFormat, make_format
from reft_lab.cot.settings import CotConfig
from reft_lab.data.problem import Problem
from reft_lab.errors import BadInput
from reft_lab.programs import ProgramRunner
from reft_lab.programs.settings import ProgramsConfig

QUESTION = "Janet has 16 ducks and sells 3. How many are left?"
BODY = "    ducks = 16\n    sold = 3\n\n    result = ducks - sold\n    return result"
DUCKS = Problem(
    id="1",
    question=QUESTION,
    answer="13",
    cot=f'def solution():\n    """{QUESTION}"""\n{BODY}\n',
    source="ducks.json:1",
)
WAYS = Problem(
    id="2",
    question="in how many ways ?\na ) 24 , b ) 120 , c ) 625 , d ) none of these",
    answer="c",
    cot="def solution():\n    return 5 ** 4",
    source="ways.json:1",
    options=("24", "120", "625", "none of these"),
)
SLOTTED_BODY = BODY.replace("16", "x0").replace("= 3", "= x1")


@pytest.fixture(scope="module")
def runner() -> Iterator[ProgramRunner]:
    with ProgramRunner(ProgramsConfig()) as runner:
        yield runner


@pytest.fixture(scope="module")
def plain(runner: ProgramRunner) -> ProgramFormat:
    return ProgramFormat(CotConfig(), AnswersConfig(), runner)


@pytest.fixture(scope="module")
def slotted(runner: ProgramRunner) -> ProgramFormat:
    return ProgramFormat(CotConfig(number_slots=True), AnswersConfig(), runner)


@pytest.mark.parametrize("stage", ["sft", "rl"])
def test_with_a_trigger_the_completion_is_the_body(plain: ProgramFormat, stage) -> None:
    assert plain.prompt(DUCKS, stage) == (
        f'Question:\n{QUESTION}\nAnswer reasoning:\ndef solution():\n    """{QUESTION}"""\n'
    )
    assert plain.completion(DUCKS, stage) == BODY


def test_stages_may_differ_in_the_trigger_as_in_the_released_code(runner: ProgramRunner) -> None:
    released = ProgramFormat(CotConfig(sft_trigger=False), AnswersConfig(), runner)
    assert released.prompt(DUCKS, "sft") == f"Question:\n{QUESTION}\nAnswer reasoning:\n"
    assert released.completion(DUCKS, "sft") == DUCKS.cot.rstrip()
    assert released.prompt(DUCKS, "rl").endswith('left?"""\n')
    assert released.completion(DUCKS, "rl") == BODY
    both = [released.completion(DUCKS, "sft"), released.completion(DUCKS, "rl")]
    assert [outcome.kind for outcome in released.judge([DUCKS, DUCKS], both)] == ["correct", "correct"]


def test_slots_put_the_numbers_into_the_signature(slotted: ProgramFormat) -> None:
    for stage in ("sft", "rl"):
        assert slotted.prompt(DUCKS, stage) == (
            "Question:\nJanet has x0 ducks and sells x1. How many are left?\nAnswer reasoning:\n"
            "def solution(x0=16, x1=3):\n"
        )
        assert slotted.completion(DUCKS, stage) == SLOTTED_BODY


def test_slots_have_the_trigger_whatever_the_stage(runner: ProgramRunner) -> None:
    cot = CotConfig(sft_trigger=False, rl_trigger=False, number_slots=True)
    without = ProgramFormat(cot, AnswersConfig(), runner)
    assert without.prompt(DUCKS, "sft").endswith("def solution(x0=16, x1=3):\n")
    assert without.completion(DUCKS, "sft") == SLOTTED_BODY


@pytest.mark.parametrize("name", ["plain", "slotted"])
def test_prompt_and_completion_make_one_program(name: str, request: pytest.FixtureRequest) -> None:
    format = request.getfixturevalue(name)
    for problem in (DUCKS, WAYS):
        whole = format.prompt(problem, "rl") + format.completion(problem, "rl")
        tree = ast.parse(whole[whole.index("def solution") :])
        assert [node.name for node in tree.body] == ["solution"]
        assert format.judge([problem], [format.completion(problem, "rl")])[0].kind == "correct"


@pytest.mark.parametrize(
    ("response", "kind", "value"),
    [
        (BODY, "correct", 13),
        (BODY + "\n\nThis program returns 12.\n", "correct", 13),
        (BODY + "\n\ndef solution():\n    return 12\n", "correct", 13),
        ("    return '$13.00'", "correct", 13),
        ("    return 12", "wrong", 12),
        ("def solution():\n    return 13", "correct", 13),
        ("\ndef solution():\n    return 13\n\nprint(solution())", "correct", 13),
        ("```python\ndef solution():\n    return 13\n```\nDone.", "correct", 13),
        ("TEN = 10\n\ndef three():\n    return 3\n\n\ndef solution():\n    return TEN + three()\n", "correct", 13),
        ("The program:\n\ndef solution():\n    return 13\n", "correct", 13),
        ("    # def solution\n    return 13", "correct", 13),
        ("\n\n    return 13", "correct", 13),
        ("    return None", "no_answer", None),
        ("    return float('nan')", "no_answer", None),
        ("    return float('inf')", "no_answer", None),
        ("    return [13]", "no_answer", None),
        ("    return 'c'", "no_answer", None),
        ("    return 1 / 0", "runtime_error", None),
        ("    return ducks", "runtime_error", None),
        ("    return (((", "syntax_error", None),
        ("", "syntax_error", None),
        ("    while True:\n        pass", "timeout", None),
    ],
)
def test_numeric_answers(plain: ProgramFormat, response: str, kind: str, value: float | None) -> None:
    outcome = plain.judge([DUCKS], [response])[0]
    assert (outcome.kind, outcome.value, outcome.gold) == (kind, value, 13)
    assert (outcome.answer is not None) == (kind in ("correct", "wrong"))
    assert (outcome.detail == "") == (kind in ("correct", "wrong"))


@pytest.mark.parametrize(
    ("response", "kind", "answer", "value"),
    [
        ("    return 5 ** 4", "correct", "c", 625),
        ("    return 5 ** 4 + 0.4", "correct", "c", 625.4),
        ("    return 'c'", "correct", "c", None),
        ("    return 'C'", "correct", "c", None),
        ("    return 'b'", "wrong", "b", None),
        ("    return 120", "wrong", "b", 120),
        ("    return 77", "wrong", "77", 77),
        ("    return 'e'", "no_answer", None, None),
        ("    return None", "no_answer", None, None),
    ],
)
def test_choices(plain: ProgramFormat, response: str, kind: str, answer: str | None, value: float | None) -> None:
    outcome = plain.judge([WAYS], [response])[0]
    assert (outcome.kind, outcome.answer, outcome.value, outcome.gold) == (kind, answer, value, None)


def test_the_slots_of_a_response_take_the_values_of_its_own_question(slotted: ProgramFormat) -> None:
    other = Problem(id="9", question="Tom has 5 cats and gets 2 more.", answer="3", cot=None, source="cats.json:1")
    outcomes = slotted.judge([DUCKS, other, DUCKS], ["    return x0 - x1", "    return x0 - x1", "    return x0 - x2"])
    assert outcomes[0] == Outcome("correct", answer="13", value=13, gold=13)
    assert outcomes[1] == Outcome("correct", answer="3", value=3, gold=3)
    assert outcomes[2].kind == "runtime_error"


def test_the_papers_tolerance_is_a_switch(runner: ProgramRunner) -> None:
    small = Problem(id="5", question="what ?", answer="0.01", cot=None, source="small.json:1")
    for paper_tolerance, kind in ((False, "wrong"), (True, "correct")):
        format = ProgramFormat(CotConfig(), AnswersConfig(paper_tolerance=paper_tolerance), runner)
        assert format.judge([small], ["    return 0"])[0].kind == kind


def test_a_blank_line_cuts_where_the_config_says_so(runner: ProgramRunner) -> None:
    response = "    result = 12\n    return result\n\n    return 13"
    late = "    result = 13\n\n    return result"
    whole = ProgramFormat(CotConfig(), AnswersConfig(), runner)
    cut = ProgramFormat(CotConfig(cut_at_blank_line=True), AnswersConfig(), runner)
    assert [outcome.kind for outcome in whole.judge([DUCKS, DUCKS], [response, late])] == ["wrong", "correct"]
    assert [outcome.kind for outcome in cut.judge([DUCKS, DUCKS], [response, late])] == ["wrong", "no_answer"]


NEXT = '\n\nQuestion:\nTom has 5 cats.\nAnswer reasoning:\ndef solution():\n    """Tom has 5 cats."""\n    return 5'


@pytest.mark.parametrize(
    ("response", "first", "last"),
    [
        (BODY + NEXT, 13, 5),
        (f"def solution():\n{BODY}{NEXT}", 13, 5),
        ("I do not know." + NEXT, None, 5),
        (BODY + NEXT.rpartition("def solution")[0], 13, None),
        (BODY, 13, 13),
    ],
)
def test_a_made_up_next_question_changes_nothing_unless_the_last_statement_counts(
    runner: ProgramRunner, response: str, first: float | None, last: float | None
) -> None:
    for statement, value in (("first", first), ("last", last)):
        format = ProgramFormat(CotConfig(), AnswersConfig(statement=statement), runner)
        assert format.judge([DUCKS], [response])[0].value == value


@pytest.mark.parametrize("cot", [None, "def solution(:", "x = 5", "def solution(x):\n    return x"])
def test_an_unusable_gold_program_is_named(plain: ProgramFormat, slotted: ProgramFormat, cot: str | None) -> None:
    problem = Problem(id="1", question=QUESTION, answer="13", cot=cot, source="ducks.json:7")
    for format in (plain, slotted):
        with pytest.raises(BadInput, match=r"ducks\.json:7"):
            format.completion(problem, "sft")


def test_every_response_needs_its_problem(plain: ProgramFormat) -> None:
    with pytest.raises(ValueError, match="argument"):
        plain.judge([DUCKS], [])


def test_the_config_chooses_the_format(runner: ProgramRunner) -> None:
    natural = make_format(CotConfig(name="natural"), AnswersConfig(), runner)
    assert isinstance(natural, NaturalFormat)
    with_slots = make_format(CotConfig(name="program", number_slots=True), AnswersConfig(), runner)
    assert isinstance(with_slots, ProgramFormat)
    assert with_slots.cot.number_slots
    with pytest.raises(BadInput, match="number_slots"):
        make_format(CotConfig(name="natural", number_slots=True), AnswersConfig(), runner)
