"""Natural-language reasoning is written and read back."""

import pytest

from reft_lab.answers.outcome import Outcome
from reft_lab.answers.settings import AnswersConfig
from reft_lab.cot.natural import NaturalFormat, stated_answer
from reft_lab.data.problem import Problem
from reft_lab.errors import BadInput

NATURAL = NaturalFormat(AnswersConfig())
DUCKS = Problem(
    id="1",
    question="Janet has 16 ducks and sells 3. How many are left?",
    answer="13",
    cot="She has 16 - 3 = 13.\nTherefore, the answer is: 13\n",
    source="ducks.json:1",
)
WAYS = Problem(
    id="2",
    question="in how many ways ?\na ) 24 , b ) 120 , c ) 625",
    answer="c",
    cot="5 * 5 * 5 * 5\nTherefore, the answer is: c",
    source="ways.json:1",
    options=("24", "120", "625"),
)


def judge(problem: Problem, response: str, answers: AnswersConfig | None = None) -> Outcome:
    return NaturalFormat(answers or AnswersConfig()).judge([problem], [response])[0]


@pytest.mark.parametrize("stage", ["sft", "rl"])
def test_prompt_and_completion_are_the_papers(stage) -> None:
    assert NATURAL.prompt(DUCKS, stage) == (
        "Question:\nJanet has 16 ducks and sells 3. How many are left?\nAnswer reasoning:\n"
    )
    assert NATURAL.completion(DUCKS, stage) == "She has 16 - 3 = 13.\nTherefore, the answer is: 13"


def test_a_problem_without_reasoning_has_no_completion() -> None:
    without = Problem(id="3", question="?", answer="1", cot=None, source="test.json:7")
    with pytest.raises(BadInput, match=r"test\.json:7"):
        NATURAL.completion(without, "sft")


def test_gold_reads_back_as_correct() -> None:
    completions = [NATURAL.completion(problem, "rl") for problem in (DUCKS, WAYS)]
    assert NATURAL.judge([DUCKS, WAYS], completions) == [
        Outcome("correct", answer="13", value=13, gold=13),
        Outcome("correct", answer="c"),
    ]


@pytest.mark.parametrize(
    ("response", "kind", "value"),
    [
        ("Therefore, the answer is: 13", "correct", 13),
        ("so\nTherefore, the answer is: $13.00 per day.\nMore", "correct", 13),
        ("so\nTherefore, the answer is <13>.", "correct", 13),
        ("therefore the answer is 13 ducks", "correct", 13),
        ("Therefore, the answer is: 12\nNo.\nTherefore, the answer is: 13", "wrong", 12),
        ("Therefore, the answer is: 13\nNo.\nTherefore, the answer is: 12", "correct", 13),
        (r"Therefore, the answer is: $\boxed{\text{13 ducks}}$.", "correct", 13),
        (r"Therefore, the answer is: \(\frac{26}{2}\)", "correct", 13),
        (r"Therefore, the answer is: 13\sqrt{2}", "no_answer", None),
        (r"So it is \boxed{12}, no, \boxed{13}.", "correct", 13),
        ("She sells 3. The final answer is 13.", "correct", 13),
        ("Therefore, the final answer is 13", "correct", 13),
        ("Therefore, the answer is: 16 - 3 = 13", "correct", 13),
        ("Therefore, the answer is: nan", "no_answer", None),
        ("Therefore, the answer is: inf", "no_answer", None),
        ("Therefore, the answer is: 16 - 3", "no_answer", None),
        ("Therefore, the answer is:\n13", "no_answer", None),
        ("Therefore, the answer is:", "no_answer", None),
        ("Therefore, she has 13 ducks.", "no_answer", None),
        ("13", "no_answer", None),
        ("", "no_answer", None),
    ],
)
def test_numeric_answers(response: str, kind: str, value: float | None) -> None:
    outcome = judge(DUCKS, response)
    assert (outcome.kind, outcome.value, outcome.gold) == (kind, value, 13)
    assert (outcome.answer is None) == (kind == "no_answer")


@pytest.mark.parametrize(
    ("stated", "kind", "answer"),
    [
        ("c", "correct", "c"),
        ("(C)", "correct", "c"),
        ("c ) 625", "correct", "c"),
        ("b", "wrong", "b"),
        (r"\boxed{\text{C}}", "correct", "c"),
        ("the final answer is c", "correct", "c"),
        ("b, c", "no_answer", None),
        ("d", "no_answer", None),
        ("625", "no_answer", None),
        ("none", "no_answer", None),
    ],
)
def test_choices_compare_the_letter_only(stated: str, kind: str, answer: str | None) -> None:
    assert judge(WAYS, f"5 ^ 4\nTherefore, the answer is: {stated}") == Outcome(kind, answer=answer)


@pytest.mark.parametrize(("stated", "value", "kind"), [("50%", 0.5, "correct"), ("40%", 0.4, "wrong")])
def test_a_percent_may_mean_a_fraction(stated: str, value: float, kind: str) -> None:
    half = Problem(id="4", question="what share ?", answer="0.5", cot=None, source="share.json:1")
    assert judge(half, f"Therefore, the answer is: {stated}") == Outcome(
        kind, answer=f"{value:g}", value=value, gold=0.5
    )


def test_the_papers_tolerance_is_a_switch() -> None:
    small = Problem(id="5", question="what ?", answer="0.01", cot=None, source="small.json:1")
    response = "Therefore, the answer is: 0"
    assert judge(small, response).kind == "wrong"
    assert judge(small, response, AnswersConfig(paper_tolerance=True)).kind == "correct"


GOES_ON = (
    "16 - 3 = 13.\nTherefore, the answer is: 13\n\nQuestion:\nTom has 5 cats.\nAnswer reasoning:\n5.\n"
    "Therefore, the answer is: 5"
)


@pytest.mark.parametrize(
    ("response", "first", "last"),
    [
        (GOES_ON, 13, 5),
        (GOES_ON.removesuffix("Therefore, the answer is: 5"), 13, None),
        (GOES_ON.replace("\nTherefore, the answer is: 13", ""), None, 5),
        (GOES_ON.replace("Therefore, the answer is: 13", r"\boxed{13}"), 13, 5),
        ("Therefore, the answer is: 13\nTom has 5 cats. Therefore, the answer is: 5", 13, 5),
        ("Question: what is left?\n16 - 3.\nTherefore, the answer is: 13", 13, 13),
        (r"So it is \boxed{13}.", 13, None),
        ("Therefore, the answer is: 13", 13, 13),
    ],
)
def test_the_first_statement_counts_or_the_last_as_in_the_released_code(response: str, first, last) -> None:
    for statement, value in (("first", first), ("last", last)):
        assert judge(DUCKS, response, AnswersConfig(statement=statement)).value == value


def test_every_response_needs_its_problem() -> None:
    with pytest.raises(ValueError, match="argument"):
        NATURAL.judge([DUCKS], [])


def test_the_stated_answer_is_one_line() -> None:
    assert stated_answer("Therefore, the answer is: 13 \nTherefore, more.") == "13"
    assert stated_answer("no") == ""


def test_a_box_below_the_closing_sentence_is_what_it_states() -> None:
    response = "16 - 3 = 13\nTherefore, the answer is:\n\\[\n\\boxed{13}\n\\]"
    assert judge(DUCKS, response).value == 13
    assert judge(DUCKS, response, AnswersConfig(statement="last")).value is None
