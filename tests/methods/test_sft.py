"""Supervised fine-tuning: what it computes, and what it must not depend on."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace

import pytest
import torch

from reft_lab.methods import STAGES
from reft_lab.methods.base import Step
from reft_lab.methods.settings import SFTConfig
from reft_lab.methods.stages.supervised import Example, SupervisedFineTuning
from reft_lab.policy.model import Policy
from reft_lab.randomness import generator, permutation
from tests.small_models import FAMILIES, make_model

CONFIG = SFTConfig(epochs=3, batch_size=4, lr=1e-3)


def make_examples(n: int) -> list[Example]:
    draw = generator("examples", n)
    return [
        Example(
            draw.integers(6, 61, size=int(draw.integers(2, 20))).tolist(),
            [*draw.integers(6, 61, size=int(draw.integers(1, 15))).tolist(), 5],
        )
        for _ in range(n)
    ]


def make_stage(
    config: SFTConfig = CONFIG, family: str = "llama", tokens: int = 10_000, n: int = 10
) -> SupervisedFineTuning:
    return SupervisedFineTuning(
        Policy(make_model(family)),
        make_examples(n),
        config,
        kind=STAGES["warmup"],
        seed=0,
        pad_id=0,
        tokens_per_micro_batch=tokens,
    )


def tokens_of(step: Step) -> int:
    """Completion tokens of the batch."""
    return round(step.metrics["time/step_tokens_per_second"] * step.metrics["time/step_seconds"])


def weights(stage: SupervisedFineTuning) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in stage.policy.lm.parameters()])


def test_loss_is_the_mean_over_completion_tokens_of_the_batch():
    stage = make_stage(replace(CONFIG, batch_size=10, epochs=1))
    lm = deepcopy(stage.policy.lm)
    total, count = 0.0, 0
    with torch.no_grad():
        for example in stage.examples:
            logprobs = lm(torch.tensor([example.prompt + example.completion])).logits[0].log_softmax(-1)
            for t, token in enumerate(example.completion):
                total -= logprobs[len(example.prompt) - 1 + t, token].item()
                count += 1
    record = stage.advance()
    assert record.metrics["warmup/loss"] == pytest.approx(total / count, rel=1e-5)
    assert tokens_of(record) == count


def test_the_loss_of_groups_is_the_mean_of_what_each_of_them_comes_to():
    """As processes that average over the tokens of their own examples, and are then averaged."""
    config = replace(CONFIG, batch_size=10, epochs=1, loss_average="group", loss_group=3)
    stage = make_stage(config)
    order = permutation(10, 0, "warmup", "order", 0)
    groups = [order[i : i + 3] for i in range(0, 10, 3)]
    lm = deepcopy(stage.policy.lm)
    means = []
    for group in groups:
        losses = []
        for example in (stage.examples[i] for i in group):
            ids = torch.tensor([example.prompt + example.completion])
            labels = ids.clone()
            labels[:, : len(example.prompt)] = -100
            losses.append(lm(ids, labels=labels).loss * len(example.completion))
        means.append(sum(losses) / sum(len(stage.examples[i].completion) for i in group))
    loss = sum(means) / len(means)
    loss.backward()
    norm = torch.nn.utils.clip_grad_norm_(lm.parameters(), 1.0)
    record = stage.advance().metrics
    assert record["warmup/loss"] == pytest.approx(loss.item(), rel=1e-5)
    assert record["warmup/grad_norm"] == pytest.approx(norm.item(), rel=1e-4)
    other = make_stage(replace(CONFIG, batch_size=10)).advance().metrics
    assert record["warmup/loss"] != pytest.approx(other["warmup/loss"], rel=1e-4)


@pytest.mark.parametrize("average", ["token", "group"])
def test_micro_batches_change_nothing(average):
    config = replace(CONFIG, loss_average=average)
    whole, parts = make_stage(config), make_stage(config, tokens=40)
    for _ in range(4):
        one, other = (stage.advance().metrics["warmup/loss"] for stage in (whole, parts))
        assert one == pytest.approx(other, rel=1e-5)
    torch.testing.assert_close(weights(whole), weights(parts), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("family", ["llama", "gpt2"])  # gpt2 has dropout
def test_same_seed_same_weights_bit_for_bit(family):
    runs = [make_stage(family=family), make_stage(family=family)]
    for stage in runs:
        while not stage.done:
            stage.advance()
        torch.rand(3)  # what else draws numbers must not matter
    assert torch.equal(weights(runs[0]), weights(runs[1]))


def test_every_example_once_an_epoch_in_a_new_order_each_time():
    stage = make_stage()
    assert (stage.steps_per_epoch, stage.total_steps) == (3, 9)
    seen: list[int] = []
    while not stage.done:
        seen.append(tokens_of(stage.advance()))
    total = sum(len(e.completion) for e in stage.examples)
    epochs = [seen[i : i + 3] for i in range(0, 9, 3)]
    assert [sum(e) for e in epochs] == [total] * 3
    assert len({tuple(e) for e in epochs}) > 1


def test_learning_rate_rises_then_falls_to_zero_or_stays():
    def rates(config: SFTConfig) -> list[float]:
        stage = make_stage(config)
        return [stage.advance().metrics["warmup/lr"] for _ in range(stage.total_steps)]

    linear = rates(replace(CONFIG, epochs=10, lr_warmup_fraction=0.1))
    assert linear[:3] == pytest.approx([1e-3 / 3, 2e-3 / 3, 1e-3])
    assert linear[3:] == pytest.approx([1e-3 * (30 - step) / 27 for step in range(3, 30)])
    constant = rates(replace(CONFIG, epochs=10, lr_warmup_fraction=0.1, schedule="constant"))
    assert constant[2:] == pytest.approx([1e-3] * 28)
    # The released runs: a warm-up of 2 epochs laid out as the first 2 of 40.
    laid_out = rates(replace(CONFIG, epochs=2, schedule_epochs=40))
    assert laid_out == pytest.approx([1e-3 * (step + 1) / 12 for step in range(6)])


def test_the_value_model_is_left_alone():
    stage = make_stage()
    stage.advance()
    assert not any(p.any() for p in stage.policy.value_head.parameters())


@pytest.mark.parametrize("family", FAMILIES)
def test_weight_decay_spares_norms_biases_and_embeddings(family):
    plain, decayed = (make_stage(replace(CONFIG, weight_decay=decay), family) for decay in (0.0, 0.5))
    for stage in (plain, decayed):
        stage.advance()
    moved = {
        name
        for (name, one), other in zip(plain.policy.lm.named_parameters(), decayed.policy.lm.parameters(), strict=True)
        if not torch.equal(one, other)
    }
    matrices = {name for name, p in plain.policy.lm.named_parameters() if p.ndim == 2}
    embeddings = {name for name in matrices if any(word in name for word in ("embed", "wte", "wpe", "lm_head"))}
    assert embeddings
    assert moved == matrices - embeddings
