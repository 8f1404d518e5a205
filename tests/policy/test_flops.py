"""The formula for floating-point operations against what torch counts while a model computes."""

from __future__ import annotations

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from reft_lab.policy.flops import Flops
from reft_lab.policy.model import Policy
from reft_lab.policy.sampling import sample
from reft_lab.policy.scoring import score
from tests.small_models import make_kind

PROMPT, RESPONSE, COUNT = 9, 14, 3
LENGTHS = [(PROMPT, RESPONSE)] * COUNT
TOLERANCE = 0.01
KINDS = ("llama", "llama, all biases and wide heads", "llama, one key head", "opt", "gpt2", "gemma", "codegen")


def policy_of(kind: str) -> Policy:
    lm = make_kind(kind, attn_implementation="eager")  # whose products torch sees one by one
    return Policy(lm, critic=False, fast_path=False)


def counted(policy: Policy, *, backward: bool) -> int:
    ids = torch.randint(3, 60, (COUNT, PROMPT + RESPONSE), generator=torch.Generator().manual_seed(0)).tolist()
    with FlopCounterMode(display=False) as counter, torch.set_grad_enabled(backward):
        scores = score(policy, [row[:PROMPT] for row in ids], [row[PROMPT:] for row in ids], pad_id=0)
        if backward:
            scores.logprobs.sum().backward()
    return counter.get_total_flops()


def after_a_token(flops: Flops) -> int:
    """What torch counts and nobody needs: the scores of what comes after a token."""
    tokens = PROMPT + RESPONSE - 1
    return COUNT * 4 * flops.width * (tokens * (tokens - 1) // 2)


@pytest.mark.parametrize("kind", KINDS)
def test_passes_take_what_torch_counts(kind: str) -> None:
    policy = policy_of(kind)
    flops = Flops.of(policy)
    assert flops.scoring(LENGTHS) + after_a_token(flops) == pytest.approx(
        counted(policy, backward=False), rel=TOLERANCE
    )
    assert flops.training(LENGTHS) + 3 * after_a_token(flops) == pytest.approx(
        counted(policy, backward=True), rel=TOLERANCE
    )


def test_of_experts_a_token_meets_a_part() -> None:
    policy = policy_of("mixtral")
    flops, config = Flops.of(policy), policy.lm.config
    expert = 3 * config.hidden_size * config.intermediate_size
    attention = 2 * config.hidden_size * (config.hidden_size + config.hidden_size // 2)
    router = config.hidden_size * config.num_local_experts
    assert flops.weights == config.num_hidden_layers * (attention + router + config.num_experts_per_tok * expert)


def test_sampling_with_a_cache_takes_one_forward_pass() -> None:
    """A batch whose prompts differ, so that none is read for two, and whose responses all end at the cap."""
    policy = policy_of("gpt2")
    prompts = [[7, 8, 9, 10], [11, 12, 13, 14]]
    with FlopCounterMode(display=False) as counter:
        responses = sample(policy, prompts, eos_id=60, pad_id=0, max_new_tokens=6, batch_size=2)
    assert [len(each) for each in responses.lists()] == [6, 6]
    assert Flops.of(policy).sampling([(4, 6)] * 2) == pytest.approx(counter.get_total_flops(), rel=0.05)


def test_a_separate_value_model_reads_all_that_is_scored() -> None:
    policy = Policy(make_kind("llama"), critic=True)
    shared = Flops.of(policy)
    policy.separate_values()
    apart = Flops.of(policy)
    head = 2 * shared.head * RESPONSE * COUNT
    assert apart.scoring(LENGTHS) - head == 2 * (shared.scoring(LENGTHS) - head)
    assert apart.sampling(LENGTHS) == shared.sampling(LENGTHS)
