"""What is too long: left out and counted, or cut as the released code cuts it."""

from __future__ import annotations

import pytest

from reft_lab.answers.settings import AnswersConfig
from reft_lab.config.schema import Config
from reft_lab.cot import NaturalFormat
from reft_lab.cot.settings import CotConfig
from reft_lab.data import Problem, Splits
from reft_lab.data.report import DataReport
from reft_lab.errors import BadInput
from reft_lab.methods.settings import PPOConfig, SFTConfig
from reft_lab.methods.stages.supervised import Example
from reft_lab.policy.model import Policy
from reft_lab.policy.tokenizer import Codec
from reft_lab.rewards import OfOutcome, partial
from reft_lab.runner.setup import Setup
from tests.small_models import make_model, make_tokenizer

PROBLEMS = [
    Problem(f"q{i}", f"How many? {'many ' * (9 * i)}", str(i), "It is so. " * (1 + i), "here") for i in range(8)
]


def setup_of(too_long: str, **ppo: int) -> Setup:
    texts = [f"{problem.question} {problem.cot}" for problem in PROBLEMS]
    codec = Codec(make_tokenizer(texts, 320, ["<pad>", "<eos>"], pad_token="<pad>", eos_token="<eos>"))
    config = Config(cot=CotConfig(name="natural", too_long=too_long), ppo=PPOConfig(**ppo), warmup=SFTConfig())
    splits = Splits(PROBLEMS, [], [], DataReport("here", {}, 8))
    policy = Policy(make_model("llama", len(codec.tokenizer)))
    form = NaturalFormat(AnswersConfig())
    prompts = [form.prompt(problem, "sft") for problem in PROBLEMS]
    written = codec.completions(prompts, [form.completion(problem, "sft") for problem in PROBLEMS])
    gold = [Example(p, c) for p, c in zip(codec.prompts(prompts), written, strict=True)]
    return Setup(config, "cpu", splits, form, codec, gold, policy, OfOutcome(partial), [])


def test_examples_are_left_out_or_cut_on_the_right() -> None:
    whole = setup_of("leave_out").examples(500)
    assert len(whole) == 8
    limit = len(whole[4])
    out = setup_of("leave_out")
    assert out.examples(limit) == whole[:5]
    assert out.notes == [f"left out 3 of 8 training problems: examples longer than max_tokens={limit}."]

    cut = setup_of("cut")
    found = cut.examples(limit)
    assert found[:5] == whole[:5]
    for short, long in zip(found[5:], whole[5:], strict=False):
        assert short.prompt + short.completion == (long.prompt + long.completion)[:limit]
    gone = sum(len(example.prompt) >= limit for example in whole)
    assert len(found) == 8 - gone
    assert cut.notes[0] == f"cut 3 of 8 training problems: examples longer than max_tokens={limit}."
    assert gone == 0 or "prompts that alone are longer" in cut.notes[1]


def test_prompts_are_left_out_or_cut_on_the_right() -> None:
    _, whole = setup_of("leave_out", max_prompt_tokens=400, max_new_tokens=50).questions()
    assert len(whole) == 8
    limit = len(whole[4])
    problems, out = setup_of("leave_out", max_prompt_tokens=limit).questions()
    assert (problems, out) == (PROBLEMS[:5], whole[:5])
    cut = setup_of("cut", max_prompt_tokens=limit)
    problems, found = cut.questions()
    assert (problems, found) == (PROBLEMS, [prompt[:limit] for prompt in whole])
    assert cut.notes == [f"cut 3 of 8 training problems: prompts longer than ppo.max_prompt_tokens={limit}."]


def test_with_a_length_in_all_a_prompt_need_not_leave_room_for_the_longest_response() -> None:
    """The model has 512 positions."""
    with pytest.raises(BadInput, match="less 510 for the response"):
        setup_of("leave_out", max_prompt_tokens=400, max_new_tokens=510).questions()
    _, prompts = setup_of("leave_out", max_prompt_tokens=400, max_new_tokens=510, total_tokens=700).questions()
    assert len(prompts) == 8


def test_an_evaluation_cuts_prompts_where_its_stage_does() -> None:
    setup = setup_of("cut", max_prompt_tokens=200)
    assert (setup.lengths("rl").cut_prompts_at, setup.lengths("sft").cut_prompts_at) == (200, 1024)
