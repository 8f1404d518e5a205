"""The example computes what reft_lab computes: same losses, same credit, same weights, and it runs as a script."""

from __future__ import annotations

import re
import subprocess
import sys
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from reft_in_one_file import (
    Experiment,
    Optimizer,
    Policy,
    Rollouts,
    Settings,
    collate,
    forward,
    gae,
    learn,
    main,
    make_llama,
    policy_loss,
    sample,
    sft_step,
    total_rewards,
    value_loss,
    whiten,
)
from torch import nn

from reft_lab.answers.outcome import Outcome
from reft_lab.equations import credit as lab_credit
from reft_lab.equations import losses as lab_losses
from reft_lab.methods import STAGES
from reft_lab.methods.settings import PPOConfig, SFTConfig
from reft_lab.methods.stages.optimizer import linear_decay
from reft_lab.methods.stages.reinforcement import Reinforcement
from reft_lab.methods.stages.supervised import Example, SupervisedFineTuning
from reft_lab.policy import model as lab
from reft_lab.policy import sampling as lab_sampling
from reft_lab.policy.loading import make_llama as lab_llama
from reft_lab.policy.settings import ScratchConfig
from reft_lab.policy.tokenizer import train_tokenizer
from reft_lab.programs import ProgramRunner
from reft_lab.programs.settings import ProgramsConfig
from reft_lab.randomness import permutation
from reft_lab.rewards import partial
from tests.rewarding import EOS, PAD, make_asking
from tests.small_models import make_model

PROMPTS = [[7 + i] * (3 + i % 4) for i in range(8)]
SEED = 0
SETTINGS = Settings(rollouts=8, mini_batch=6, lr=1e-3, beta=0.1, longest=30)


def judge(questions: list[int], responses: list[list[int]]) -> list[Outcome]:
    """Some right, some a wrong number, some none."""
    kinds = (Outcome("correct", value=1.0), Outcome("wrong", value=2.0), Outcome("no_answer"))
    return [kinds[response[0] % 3] for response in responses]


def lab_stage(settings: Settings) -> Reinforcement:
    config = PPOConfig(
        iterations=3,
        rollouts=settings.rollouts,
        mini_batch=settings.mini_batch,
        epochs=settings.passes,
        lr=settings.lr,
        lr_warmup_steps=10,
        gamma=settings.gamma,
        lam=settings.lam,
        kl_coef=settings.beta,
        clip=settings.clip,
        value_clip=settings.clip,
        value_coef=settings.alpha,
        value_grad_to_trunk=settings.value_trains_trunk,
        max_new_tokens=settings.longest,
    )
    policy = lab.Policy(make_model("llama"), value_grad_to_trunk=settings.value_trains_trunk)
    return Reinforcement(
        policy,
        policy.reference(),
        make_asking(PROMPTS, judge, partial, config, seed=SEED),
        kind=STAGES["reft"],
        tokens_per_micro_batch=64,
    )


def assert_same_weights(ours: nn.Module, theirs: nn.Module) -> None:
    for name, parameter in theirs.named_parameters():
        torch.testing.assert_close(
            ours.get_parameter(name), parameter, rtol=1e-5, atol=2e-5, msg=lambda m, n=name: n + m
        )


@pytest.mark.parametrize(
    "settings", [SETTINGS, replace(SETTINGS, value_trains_trunk=True, gamma=0.95, lam=1.0, clip=0.05)]
)
def test_three_iterations_have_the_lab_s_losses_and_leave_its_weights(settings: Settings) -> None:
    stage = lab_stage(settings)
    policy = Policy(make_model("llama"))
    reference = deepcopy(policy)
    optimizer = Optimizer(policy.parameters(), settings.lr, lambda step: min(1.0, (step + 1) / 10))
    before = policy.lm.get_input_embeddings().weight.detach().clone()
    for number in range(3):  # in the second the policy is no longer its reference, and values are no longer 0
        done = stage.iterate()
        lab_rollouts = done.rollouts
        assert len({len(response) for response in lab_rollouts.responses}) > 1
        orders = [torch.tensor(permutation(8, SEED, "ppo order", number, epoch)) for epoch in range(settings.passes)]
        rollouts = Rollouts(*collate(lab_rollouts.prompts, lab_rollouts.responses), lab_rollouts.scores)
        policy_loss, value_loss, kl = learn(policy, reference, optimizer, rollouts, orders, settings)
        assert policy_loss == pytest.approx(done.metrics["ppo/policy_loss"], rel=1e-5, abs=1e-5)
        assert value_loss == pytest.approx(done.metrics["ppo/value_loss"], rel=1e-5, abs=1e-5)
        assert kl == pytest.approx(done.metrics["ppo/kl_ref"], rel=1e-5, abs=1e-4)
    assert abs(kl) > 1e-3
    assert (policy.lm.get_input_embeddings().weight - before).abs().max() > 1e-3
    assert_same_weights(policy, stage.policy)


def test_the_warm_up_has_the_lab_s_losses_and_leaves_its_weights() -> None:
    examples = [Example(prompt, [*[9 + i, 30, 11 + i][: 1 + i % 3], EOS]) for i, prompt in enumerate(PROMPTS)]
    config = SFTConfig(epochs=4, batch_size=3, lr=1e-3, schedule="linear", lr_warmup_fraction=0.1)
    stage = SupervisedFineTuning(
        lab.Policy(make_model("llama")),
        examples,
        config,
        kind=STAGES["warmup"],
        seed=SEED,
        pad_id=PAD,
        tokens_per_micro_batch=16,
    )
    policy = Policy(make_model("llama"))
    optimizer = Optimizer(policy.lm.parameters(), 1e-3, linear_decay(stage.total_steps, 1))
    for epoch in range(4):
        order = torch.tensor(permutation(len(examples), SEED, "warmup", "order", epoch))
        for rows in order.split(3):
            batch = collate([examples[i].prompt for i in rows], [examples[i].completion for i in rows])
            assert sft_step(policy, optimizer, *batch) == pytest.approx(
                stage.advance().metrics["warmup/loss"], rel=1e-5
            )
    assert stage.done
    assert_same_weights(policy.lm, stage.policy.lm)


def test_credit_is_that_of_the_lab_s_equations() -> None:
    torch.manual_seed(0)
    _, mask = collate([[1, 1], [1] * 4, [1]], [[2] * 5, [2], [2] * 3])
    scores, kl, values = torch.tensor([1.0, 0.1, 0.0]), torch.randn(mask.shape) * mask, torch.randn(mask.shape) * mask
    rewards = total_rewards(scores, kl, mask, 0.3)
    torch.testing.assert_close(rewards * mask, lab_credit.rewards(scores, kl, mask, 0.3))
    advantages = gae(rewards, values, mask, 0.9, 0.8)
    deltas = lab_credit.td_errors(rewards, values, mask, 0.9)
    torch.testing.assert_close(advantages, lab_credit.gae(deltas, mask, 0.9, 0.8))
    torch.testing.assert_close(whiten(advantages, mask), lab_credit.whiten(advantages, mask))


def test_losses_are_the_lab_s_where_the_clips_bite() -> None:
    torch.manual_seed(0)
    new, old, aim = torch.randn(3, 4, 50)
    torch.testing.assert_close(policy_loss(new, old, aim, 0.2), lab_losses.policy_loss(new, old, aim, 0.2))
    torch.testing.assert_close(value_loss(new, old, aim, 0.2), lab_losses.value_loss(new, old, aim, 0.2))


def test_greedy_responses_are_the_lab_s() -> None:
    lm = make_model("llama")
    greedy = lab_sampling.sample(lab.Policy(lm), PROMPTS, eos_id=EOS, pad_id=PAD, max_new_tokens=30, batch_size=100)
    assert sample(lm, PROMPTS, EOS, 30, None) == greedy.lists()


def test_samples_follow_the_policy_and_end_with_the_first_end_of_sequence() -> None:
    policy, draws = Policy(make_model("llama")), torch.Generator().manual_seed(0)
    alone = collate([PROMPTS[0]] * 61, [[token] for token in range(61)])
    probabilities = forward(policy, *alone)[0].sum(1).exp().detach()
    assert probabilities.sum().item() == pytest.approx(1, abs=1e-4)
    eos = int(probabilities.argmax())
    responses = sample(policy.lm, [PROMPTS[0]] * 4000, eos, 3, draws)
    assert {len(response) for response in responses} == {1, 2, 3}
    assert all(eos not in response[:-1] and (len(response) == 3 or response[-1] == eos) for response in responses)
    firsts = torch.bincount(torch.tensor([response[0] for response in responses]), minlength=61) / 4000
    torch.testing.assert_close(firsts, probabilities, rtol=0, atol=0.03)  # nearly four standard errors at the worst


def test_scores_are_1_for_the_right_answer_and_a_tenth_for_a_wrong_number() -> None:
    with ProgramRunner(ProgramsConfig()) as runner:
        experiment = Experiment(Settings(problems=20), runner)
        prompts, gold = experiment.prompts, experiment.gold
        assert experiment.scores(experiment.train, prompts, gold).tolist() == [1.0] * 20
        other = experiment.codec.completions(["\n"] * 20, ["    return 10 ** 6"] * 20)
        assert experiment.scores(experiment.train, prompts, other).tolist() == pytest.approx([0.1] * 20)
        broken = experiment.codec.completions(["\n"] * 20, ["    return 1 / 0"] * 20)
        assert experiment.scores(experiment.train, prompts, broken).tolist() == [0.0] * 20


def test_the_model_has_the_default_s_shape() -> None:
    theirs = lab_llama(ScratchConfig(), train_tokenizer([], ScratchConfig()), 0)
    ours = make_llama(theirs.config.vocab_size)
    assert {n: p.shape for n, p in ours.named_parameters()} == {n: p.shape for n, p in theirs.named_parameters()}
    assert ours.get_output_embeddings().weight is ours.get_input_embeddings().weight


def test_it_runs_to_its_end_as_a_script(repo: Path) -> None:
    small = {"problems": 24, "dev": 20, "test": 20, "epochs": 1, "iterations": 2, "rollouts": 8}
    options = [word for name, value in small.items() for word in (f"--{name}", str(value))]
    command = [sys.executable, repo / "examples" / "reft_in_one_file.py", *options]
    done = subprocess.run(command, cwd=repo, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert re.search(r"^warm-up +epoch +1 \|.*dev +\d+%.*loss \d", done.stdout, re.MULTILINE)
    assert re.search(r"^ReFT +iteration +2 \|.*reward of samples", done.stdout, re.MULTILINE)
    assert re.search(r"^Test accuracy: \d+\.\d% after warm-up, \d+\.\d% after ReFT", done.stdout, re.MULTILINE)


@pytest.mark.parametrize("arguments", [("--iterations", "0"), ("--problems", "9999999"), ("--seed", "-1")])
def test_bad_input_is_one_sentence(
    arguments: tuple[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["reft_in_one_file.py", *arguments])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 2
    assert capsys.readouterr().err.splitlines()[-1].startswith(f"reft_in_one_file.py: error: {arguments[0]} is ")
