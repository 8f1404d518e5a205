"""Rewards of one's own: they get what they ask for by name, and what they give is looked at before a run begins."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import pytest

from reft_lab.answers.outcome import Outcome
from reft_lab.errors import BadInput, RewardFailed
from reft_lab.rewards import Reward, RewardConfig, choose
from tests.rewarding import judged

BATCH = judged(("three", Outcome("correct", "3", 3.0, 3.0)), ("", Outcome("no_answer")), step=5)
_numbers = itertools.count()


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Makes the reward `function` of a module with the given text."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)

    def make(text: str) -> Reward:
        module = f"own_rewards_{next(_numbers)}"
        (tmp_path / f"{module}.py").write_text(text)
        return choose(RewardConfig(f"{module}.function"))

    return make


def test_it_gets_what_it_asks_for(own) -> None:
    reward = own(
        "def function(length, gold, question, reasoning, step, response, outcome, weight=0.5):\n"
        "    told = [question, gold, reasoning, response, length, step, outcome.kind]\n"
        "    if question.startswith('Question'):\n"
        "        seen.append(told)\n"
        "    return weight\n"
        "seen = []\n"
    )
    assert reward.scores(BATCH) == [0.5, 0.5]
    assert reward.function.__globals__["seen"] == [
        ["Question 0?", "0", "reasoning 0", "three", 5, 5, "correct"],
        ["Question 1?", "1", "reasoning 1", "", 0, 5, "no_answer"],
    ]


@pytest.mark.parametrize(
    "text",
    [
        "def function(response):\n    return len(response)",
        "def function(responses, step):\n    return [len(response) for response in responses]",
        "import numpy\ndef function(lengths):\n    return numpy.array(lengths, dtype=numpy.float32)",
        "import numpy\ndef function(length, /):\n    return numpy.float32(length)",
        "class Length:\n    def __call__(self, length):\n        return length\nfunction = Length()",
        "import functools\ndef times(length, factor):\n    return factor * length\n"
        "function = functools.partial(times, factor=1)",
        "import functools\ndef same(f):\n    @functools.wraps(f)\n    def call(*a, **k):\n        return f(*a, **k)\n"
        "    return call\n@same\ndef function(length):\n    return length",
        "function = lambda length: True if length == 1 else length",
    ],
    ids=["one", "batch", "array", "scalar by place", "object", "partial", "wrapped", "lambda"],
)
def test_it_may_be_written_in_many_ways(own, text: str) -> None:
    assert own(text).scores(BATCH) == [5.0, 0.0]


def test_a_batch_of_none_earns_nothing(own) -> None:
    assert own("def function(lengths):\n    return lengths").scores(judged()) == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("def function(outcome):\n    pass", r":1\) gave None for a made-up response \(outcome correct, answer 18,"),
        ("def function(outcome):\n    return 'much'", r"gave 'much', a str for a made-up response"),
        ("def function(outcome):\n    return '1.0'", r"gave '1.0', a str for"),
        ("def function(outcome):\n    return [1.0]", r"gave \[1.0\], a list for"),
        ("import numpy\ndef function(outcome):\n    return numpy.ones(1)", r":2\) gave array\(\[1.\]\), a ndarray for"),
        ("def function(outcome):\n    return float('nan')", r"gave nan for"),
        ("def function(outcome):\n    return 10 ** 400", r"gave 10+ for"),
        ("def function(outcome):\n    return 1j", r"gave 1j, a complex for"),
        (
            "def function(outcome):\n    return -1 / (outcome.value or 1)\n",
            None,
        ),
        (
            "def function(outcome):\n    x = 1\n    return x / outcome.value\n",
            r":1\) raised ZeroDivisionError: float division by zero in line 3 for a made-up response \(outcome wrong, "
            r"answer 0, gold 18, text \".*\"\); a reward must be a finite number, whatever the response: mend it\.$",
        ),
        (
            "def function(outcome):\n    return outcome.value",
            r"gave None for .* \(outcome wrong, answer many, ",
        ),
        ("def function(gold):\n    return float(gold)", r"raised ValueError: .* \(outcome correct, answer c, gold c,"),
        (
            "def function(response):\n    return float('inf') if len(response) > 5000 else 0",
            r"gave inf for .*and and\.\.\.",
        ),
        ("def function(response):\n    return 1 / len(response)", r"raised ZeroDivisionError: .*, text \"\"\)"),
        ("import sys\ndef function(outcome):\n    sys.exit(3)", r"raised SystemExit: 3 in line 3"),
        ("def function(outcome):\n    return function(outcome)", r"raised RecursionError"),
        (
            "def function(outcomes):\n    return 1.0",
            r"gave 1.0, not a list of numbers, for a batch of \d+ made-up",
        ),
        (
            "def function(outcomes):\n    return [0.0] * 20",
            r"gave 20 numbers for 1 responses, for a batch of 1",
        ),
        (
            "def function(outcomes):\n    return [o.value for o in outcomes]",
            r"gave None for .* \(outcome wrong, answer m",
        ),
        ("def function(outcomes):\n    return (0.0 for o in outcomes)", r"gave <generator .*, not a list of numbers"),
        (
            "def function(responses):\n    return [1 / len(r) for r in responses]",
            r"raised ZeroDivisionError: .* in line 2 for a made-up response \(.*, text \"\"\)",
        ),
        ("def function(outcome, lenght):\n    return 0", r":1\) asks for lenght; did you mean length\?; it may ask"),
        ("def function(outcome, lenght=3):\n    return 0", r"did you mean length\?"),
        ("def function(x):\n    return 0", r"asks for x; it may ask by name for outcome, question, response, gold,"),
        (
            "def function(outcome, responses):\n    return 0",
            r"asks for outcome, of one response, and for responses,",
        ),
        ("def function():\n    return 0", r"asks for nothing that tells responses apart"),
        ("def function(step):\n    return 0", r"asks for nothing that tells responses apart"),
        ("def function(**facts):\n    return 0", r"asks for nothing that tells responses apart"),
        ("function = 3", r"'own_rewards_\d+.function' must be a function, and is 3\."),
    ],
)
def test_it_is_tried_with_made_up_responses(own, text: str, said: str | None) -> None:
    if said is None:
        own(text)
        return
    with pytest.raises(BadInput, match=said) as caught:
        own(text)
    sentence = str(caught.value)
    assert "\n" not in sentence
    assert sentence.endswith(".")
    if "must be a function" not in sentence:
        assert re.match(r"the reward own_rewards_\d+.function \(own_rewards_\d+\.py:\d+\) ", sentence)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "def function(response, step):\n    return None if step == 5 and response else 1.0",
            r':1\) gave None for a response to question q0 \(outcome correct, answer 3, gold 0, text "three"\); a ',
        ),
        (
            "def function(responses, step):\n    return [1 / (step - 5 + len(r)) for r in responses]",
            r"raised ZeroDivisionError: .* in line 2 for a response to question q1 \(outcome no_answer, no answer, ",
        ),
        (
            "def function(outcomes, step):\n    return [1.0] * (3 if step == 5 else len(outcomes))",
            r"gave 3 numbers for 2 responses, for a batch of 2 responses; ",
        ),
        (
            "def function(outcomes, step):\n    assert step != 5 or len(outcomes) == 1, 'too many'\n"
            "    return [1.0] * len(outcomes)",
            r"raised AssertionError: too many in line 2 for a batch of 2 responses; ",
        ),
    ],
)
def test_later_it_is_said_which_response_did_it(own, text: str, said: str) -> None:
    reward = own(text)
    with pytest.raises(RewardFailed, match=said) as caught:
        reward.scores(BATCH)
    assert "\n" not in str(caught.value)
    if "raised" in said:
        assert caught.value.__cause__ is not None


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("partail", ["partail", "did you mean partial?", "exact, partial, proximity"]),
        ("invreted", ["did you mean inverted?"]),
        ("zzz", ["zzz", "module.function"]),
        ("no_such_module_here.reward", ["no_such_module_here", "cannot be imported"]),
        ("broken_rewards.reward", ["broken_rewards", "SyntaxError"]),
        ("bad_rewards.hafl", ["hafl", "did you mean half?"]),
        (".half", [".half"]),
        ("half.", ["half."]),
        ("outcome_model", ["reward=outcome_model needs reward.reranker=RUN_DIR"]),
    ],
)
def test_a_reward_that_cannot_be_had_gets_one_sentence(
    name: str, words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken_rewards.py").write_text("def reward(:\n")
    (tmp_path / "bad_rewards.py").write_text("def half(outcome):\n    return 0.5\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(BadInput) as caught:
        choose(RewardConfig(name))
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert word in message
