"""A GPU computes what the CPU computes. Needs a CUDA GPU: `python -m pytest tests/gpu`."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace

import pytest
import torch

from reft_lab.config.running import TrainerConfig
from reft_lab.errors import is_memory
from reft_lab.methods.settings import SFTConfig
from reft_lab.methods.stages import eight_bit
from reft_lab.methods.stages.optimizer import Optimizer, constant
from reft_lab.methods.stages.reinforcement import RATIO_TOLERANCE, Reinforcement
from reft_lab.policy.model import Policy
from reft_lab.policy.packing import Sequences
from reft_lab.policy.parked import Parked
from reft_lab.policy.sampling import sample
from reft_lab.policy.scoring import score, score_all, score_packed
from reft_lab.randomness import key, uniforms
from reft_lab.runner import arithmetic
from tests.methods.test_reft import CONFIG, make_stage, weights
from tests.policy.test_sampling import CAP, EOS, PAD, make_prompts
from tests.policy.test_scoring import make_texts
from tests.small_models import FAMILIES, make_kind, make_model

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA GPU")
PATHS = [(family, fast_path) for family in FAMILIES for fast_path in (True, False)]


def twins(family: str, **options) -> tuple[Policy, Policy]:
    """The same policy on the CPU and on the GPU."""
    policy = Policy(make_model(family), **options)
    torch.nn.init.normal_(policy.value_head.weight)
    return policy, deepcopy(policy).cuda()


def on_gpu(stage: Reinforcement) -> Reinforcement:
    """The stage, moved."""
    stage.policy.cuda()
    stage.reference.cuda()
    return stage


@pytest.mark.parametrize("drawn", [True, False])
@pytest.mark.parametrize(("family", "fast_path"), PATHS)
def test_responses_are_those_of_the_cpu(family, fast_path, drawn):
    cpu, gpu = twins(family, fast_path=fast_path)
    prompts = make_prompts(40)
    draws = uniforms([key("row", i) for i in range(40)], CAP) if drawn else None
    options = {"eos_id": EOS, "pad_id": PAD, "max_new_tokens": CAP, "uniforms": draws}
    expected = sample(cpu, prompts, batch_size=40, **options)
    for batch_size in (40, 7):
        ours = sample(gpu, prompts, batch_size=batch_size, **options)
        assert ours.lists() == expected.lists()
        torch.testing.assert_close(ours.logprobs, expected.logprobs, atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(ours.values, expected.values, atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize(("family", "fast_path"), PATHS)
def test_scores_and_gradients_are_those_of_the_cpu(family, fast_path):
    cpu, gpu = twins(family, fast_path=fast_path)
    prompts, responses = make_texts(9)
    gradients = []
    for policy in (cpu, gpu):
        scores = score(policy, prompts, responses, pad_id=0)
        (scores.logprobs.sum() + scores.values.square().sum()).backward()
        gradients.append(torch.cat([p.grad.cpu().flatten() for p in policy.parameters() if p.grad is not None]))
    torch.testing.assert_close(gradients[1], gradients[0], atol=1e-3 * gradients[0].abs().max().item(), rtol=1e-3)


@pytest.mark.parametrize("kind", ["llama", "gpt2", "opt", "gemma3_text", "qwen2, windows in two layers", "mixtral"])
def test_packed_sequences_are_computed_without_a_wait_and_as_on_the_cpu(kind):
    cpu = Policy(make_kind(kind))
    gpu = deepcopy(cpu).cuda()
    prompts, responses = make_texts(9)
    sequences = Sequences(prompts, responses, pad_id=0)
    gradients = []
    for policy in (cpu, gpu):
        assert policy.is_packed
        batch = sequences.packed(range(len(sequences)), policy.device)
        if policy is gpu and kind != "mixtral":  # experts are chosen by what is on the device
            score_packed(policy, batch).logprobs.sum().backward()  # libraries set themselves up
            policy.zero_grad()
            torch.cuda.synchronize()
            torch.cuda.set_sync_debug_mode("error")
        try:
            score_packed(policy, batch).logprobs.sum().backward()
        finally:
            if policy is gpu:
                torch.cuda.set_sync_debug_mode("default")
        gradients.append(torch.cat([p.grad.cpu().flatten() for p in policy.lm.parameters() if p.grad is not None]))
    torch.testing.assert_close(gradients[1], gradients[0], atol=1e-3 * gradients[0].abs().max().item(), rtol=1e-3)


@pytest.mark.parametrize("fast_path", [True, False])
def test_iterations_are_those_of_the_cpu(fast_path):
    cpu, gpu = make_stage(fast_path=fast_path), on_gpu(make_stage(fast_path=fast_path))
    for _ in range(2):
        expected, ours = cpu.iterate(), gpu.iterate()
        assert ours.rollouts.responses == expected.rollouts.responses
        assert ours.metrics["ppo/first_ratio_error"] < RATIO_TOLERANCE
        for name in ("ppo/policy_loss", "ppo/value_loss", "ppo/grad_norm"):
            assert ours.metrics[name] == pytest.approx(expected.metrics[name], rel=1e-2, abs=1e-4)
    torch.testing.assert_close(weights(gpu).cpu(), weights(cpu), atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize(("family", "fast_path"), PATHS)
def test_bf16_is_near_fp32(family, fast_path):
    exact = Policy(make_model(family), fast_path=fast_path).cuda()
    rough = Policy(deepcopy(exact.lm), fast_path=fast_path, precision="bf16").cuda()
    prompts, responses = make_texts(9)
    options = {"pad_id": 0, "tokens_per_micro_batch": 200}
    expected, _ = score_all(exact, prompts, responses, **options)
    ours, _ = score_all(rough, prompts, responses, **options)
    assert (ours - expected).abs().mean() < 0.05
    draws = uniforms([key("row", i) for i in range(len(prompts))], CAP)
    sampled = sample(
        rough, prompts, eos_id=EOS, pad_id=PAD, max_new_tokens=CAP, batch_size=4, uniforms=draws, temperature=1.0
    )
    again, _ = score_all(rough, prompts, sampled.lists(), **options)
    assert ((again - sampled.logprobs)[sampled.mask.bool()]).abs().mean() < 0.05


def test_bf16_iterations_move_fp32_weights():
    stage = make_stage(replace(CONFIG, lr=3e-7))
    stage.policy.precision = stage.reference.precision = "bf16"
    stage.rescore = True
    on_gpu(stage)
    before = weights(stage).clone()
    metrics = stage.advance().metrics
    assert metrics["ppo/first_ratio_error"] < RATIO_TOLERANCE
    moved = (weights(stage) - before).abs()
    assert 0 < moved.max() < 1e-5
    assert (moved > 0).float().mean() > 0.5


def test_too_little_memory_is_known_for_what_it_is():
    with pytest.raises(RuntimeError) as caught:
        torch.empty(1 << 60, device="cuda")
    assert is_memory(caught.value)


def test_a_parked_reference_leaves_its_room_and_scores_the_same():
    reference = Policy(make_model("llama", vocabulary=200_000), critic=False).cuda().reference()
    texts = make_texts(5)
    expected = score(reference, *texts, pad_id=0).logprobs
    full = torch.cuda.memory_allocated()
    parked = Parked(reference, is_wanted=True)
    weights = sum(parameter.numel() * 4 for parameter in reference.parameters())
    assert full - torch.cuda.memory_allocated() > 0.9 * weights
    assert reference.device.type == "cpu"
    for _ in range(2):
        with parked.fetched() as fetched:
            assert fetched.device.type == "cuda"
            assert torch.equal(score(fetched, *texts, pad_id=0).logprobs, expected)
    assert torch.equal(score(parked.fetch(), *texts, pad_id=0).logprobs, expected)


def test_a_stage_whose_reference_is_parked_learns_the_same():
    stages = [on_gpu(make_stage(CONFIG)) for _ in range(2)]
    stages[1].parked = Parked(stages[1].reference, is_wanted=True)
    for _ in range(2):
        expected, found = (stage.iterate().metrics for stage in stages)
        assert found["ppo/kl_ref"] == pytest.approx(expected["ppo/kl_ref"], abs=1e-4)
    torch.testing.assert_close(weights(stages[1]), weights(stages[0]), atol=1e-4, rtol=1e-3)


def test_a_large_model_is_computed_in_bf16(monkeypatch):
    monkeypatch.setattr(arithmetic, "SMALL", 0)
    policy = Policy(make_model("llama")).cuda()
    policy.lm.model.layers[0].mlp.up_proj = torch.nn.Linear(4096, 4096, bias=False, device="cuda")
    found = arithmetic.arithmetic(policy, TrainerConfig(device="cuda"))
    expected = "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    assert (found.precision, found.threads, policy.precision) == (expected, None, expected)


def test_moments_of_8_bits_learn_as_those_of_32_do():
    pytest.importorskip("bitsandbytes", reason="it comes with the extra `bitsandbytes`")
    eight_bit.try_on("cuda")
    losses = []
    for optimizer in ("adamw", "adamw_8bit"):
        policy = Policy(make_kind("llama", hidden_size=64, intermediate_size=96), critic=False).cuda()
        rows = torch.arange(7, 39, device="cuda").view(4, 8)
        trainer = Optimizer(policy, policy.trained_parameters(), SFTConfig(lr=1e-3), constant(0), kind=optimizer)
        for _ in range(30):
            loss = -score(policy, rows[:, :4].tolist(), rows[:, 4:].tolist(), pad_id=0).logprobs.mean()
            loss.backward()
            trainer.step()
            losses.append(loss.item())
    assert losses[29] < 0.5 * losses[0]
    assert losses[30:] == pytest.approx(losses[:30], rel=0.1)
