"""ReFT in one file: "Reasoning with REinforced Fine-Tuning" (arXiv 2401.08967), to be read from top to bottom.

A tiny Llama learns to answer word problems with Python programs. Stage 1 shows it one gold program for each question;
stage 2 lets it try programs of its own on the same questions and tells it whether the answer was right:

    questions x --> policy pi --> programs e --> sandbox --> answers --> score: 1 right, 0.1 wrong, 0 none
                    ^   |             |                                    |
                    |   |             v                                    v
                    |   |     -beta (log pi - log pi_0)   +   the score at the last token   =   r_total
                    |   |     at every token; pi_0 is the policy after stage 1                     |
                    |   |                                                                          v
                    |   +--> value head V(s_t) ----------------------> GAE --> advantages A, returns R
                    |                                                                       |
                    +------ AdamW <-- L_policy(pi / pi_old, A) + alpha L_value(V, R) <------+   twice (U = 2)

    python examples/reft_in_one_file.py                  # 1.7 minutes of one core
    python examples/reft_in_one_file.py --seed 1 --iterations 60

reft_lab lends the questions, their prompts, the tokenizer and the sandbox with its reward; sampling, losses and PPO are
written out here. Sections (3.1, 3.2) and letters are the paper's. Tensors are (B, T): a row is a prompt with its
response, column t is the step from token t to the next one, and `mask` is true where that is a token of the response.
Left out of what `python run.py` does: choosing a checkpoint on dev, the SFT baseline, resuming, records, speed.
"""

from __future__ import annotations

import argparse
import copy
import itertools
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from transformers import DynamicCache, LlamaConfig, LlamaForCausalLM, PreTrainedModel

from reft_lab.answers.settings import AnswersConfig
from reft_lab.cot import ProgramFormat
from reft_lab.cot.settings import CotConfig
from reft_lab.data import Problem
from reft_lab.data.arithmetic import generate
from reft_lab.policy.settings import ScratchConfig
from reft_lab.policy.tokenizer import Codec, train_tokenizer
from reft_lab.programs import ProgramRunner
from reft_lab.programs.settings import ProgramsConfig
from reft_lab.rewards import partial


@dataclass(frozen=True)
class Settings:
    """Much as in `python run.py`, with fewer iterations."""

    seed: int = 0
    problems: int = 700  # to train on
    dev: int = 200  # problems to look at on the way
    test: int = 500  # problems to look at in the end
    epochs: int = 20  # of the warm-up; the paper has 2, from a model that can read and write
    batch: int = 16
    warmup_lr: float = 1.5e-3
    iterations: int = 25
    rollouts: int = 128  # responses in an iteration
    mini_batch: int = 64  # of them in an optimiser step
    passes: int = 2  # U
    lr: float = 2e-4
    beta: float = 0.01  # weight of the KL term in the reward
    gamma: float = 1.0  # gamma and lambda as the released code has them; the paper's text has other values
    lam: float = 0.95
    clip: float = 0.2  # epsilon, for the ratio and for the value
    alpha: float = 5.0  # weight of the value loss
    value_trains_trunk: bool = False  # true in the paper; the trunk of so small a model is better left to the policy
    longest: int = 60  # tokens of a response


# ---------------------------------------------------------------------------------------------------- the policy


class Policy(nn.Module):
    """pi(a_t | s_t), and V(s_t): a linear head on the last hidden state (section 3.2), 0 at the start."""

    def __init__(self, lm: PreTrainedModel):
        super().__init__()
        self.lm = lm
        self.value_head = nn.Linear(lm.config.hidden_size, 1)
        nn.init.zeros_(self.value_head.weight)
        nn.init.zeros_(self.value_head.bias)


def make_llama(vocabulary: int) -> PreTrainedModel:
    """The model of `python run.py`: about 200,000 random weights."""
    config = LlamaConfig(hidden_size=64, intermediate_size=192, num_hidden_layers=3, num_attention_heads=4)
    config.vocab_size, config.tie_word_embeddings = vocabulary, True
    return LlamaForCausalLM(config)


def collate(prompts: list[list[int]], responses: list[list[int]]) -> tuple[Tensor, Tensor]:
    """Whole sequences (B, T + 1) and their mask (B, T), filled up on the right, where a causal model never looks."""
    rows = [prompt + response for prompt, response in zip(prompts, responses, strict=True)]
    width = max(len(row) for row in rows)
    ids = torch.tensor([row + [0] * (width - len(row)) for row in rows])
    starts = torch.tensor([len(prompt) for prompt in prompts])[:, None]
    ends = torch.tensor([len(row) for row in rows])[:, None]
    columns = torch.arange(1, width)
    return ids, (columns >= starts) & (columns < ends)


def forward(policy: Policy, ids: Tensor, mask: Tensor, value_trains_trunk: bool = False) -> tuple[Tensor, Tensor]:
    """log pi(a_t | s_t) and V(s_t) where the mask is true, 0 elsewhere: both (B, T)."""
    states = policy.lm.base_model(input_ids=ids[:, :-1]).last_hidden_state[mask]  # s_t
    logprobs = policy.lm.get_output_embeddings()(states).log_softmax(-1).gather(1, ids[:, 1:][mask][:, None])[:, 0]
    values = policy.value_head(states if value_trains_trunk else states.detach())[:, 0]
    return torch.zeros(mask.shape).masked_scatter(mask, logprobs), torch.zeros(mask.shape).masked_scatter(mask, values)


@torch.no_grad()
def sample(
    lm: PreTrainedModel, prompts: list[list[int]], eos: int, longest: int, draws: torch.Generator | None
) -> list[list[int]]:
    """e ~ pi(. | x), token by token: temperature 1, the whole distribution; greedy without `draws`."""
    width = max(len(prompt) for prompt in prompts)  # filled up on the left here, so that all go on in the same column
    ids = torch.tensor([[0] * (width - len(prompt)) + prompt for prompt in prompts])
    attention = torch.tensor([[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in prompts])
    cache, finished, written = DynamicCache(), torch.zeros(len(prompts), dtype=torch.bool), list[Tensor]()
    while len(written) < longest and not finished.all():
        places = {"attention_mask": attention, "position_ids": (attention.cumsum(1) - 1).clamp(0)[:, -ids.shape[1] :]}
        logits = lm(input_ids=ids, past_key_values=cache, logits_to_keep=1, **places).logits[:, -1]
        ids = logits.argmax(-1, True) if draws is None else logits.softmax(-1).multinomial(1, generator=draws)
        written.append(ids)
        finished |= ids[:, 0] == eos
        attention = torch.cat([attention, torch.ones_like(ids)], 1)
    rows = torch.cat(written, 1).tolist()
    return [row[: row.index(eos) + 1] if eos in row else row for row in rows]


class Optimizer:
    """AdamW with gradients clipped to norm 1; `schedule` is a factor on the learning rate, by step."""

    def __init__(self, parameters: Iterator[nn.Parameter], lr: float, schedule: Callable[[int], float]):
        self.parameters = list(parameters)
        self.adamw = torch.optim.AdamW(self.parameters, lr=lr, weight_decay=0.0)
        self.rate = torch.optim.lr_scheduler.LambdaLR(self.adamw, schedule)

    def step(self, loss: Tensor) -> None:
        """One step down the gradient of `loss`."""
        self.adamw.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.parameters, 1.0)
        self.adamw.step()
        self.rate.step()


# ----------------------------------------------------------------------------------- stage 1: warm-up, section 3.1


def sft_step(policy: Policy, optimizer: Optimizer, ids: Tensor, mask: Tensor) -> float:
    """L_SFT = -E[sum_t log pi(a_t | s_t)] over the gold programs, here as the mean over their tokens."""
    logprobs, _ = forward(policy, ids, mask)
    loss = -logprobs.sum() / mask.sum()
    optimizer.step(loss)
    return loss.item()


# --------------------------------------------------------------------------------------- stage 2: PPO, section 3.2


def total_rewards(scores: Tensor, kl: Tensor, mask: Tensor, beta: float) -> Tensor:
    """r_total(s_t, a_t) = r(s_t, a_t) - beta KL(pi, pi_0); the last token of a response earns its score (B,)."""
    rewards = -beta * kl
    for row, score in enumerate(scores):
        rewards[row, mask[row].nonzero()[-1]] += score
    return rewards


def gae(rewards: Tensor, values: Tensor, mask: Tensor, gamma: float, lam: float) -> Tensor:
    """A_t = sum_l (gamma lambda)^l delta_{t+l}, delta_t = -V(s_t) + r_total(s_t, a_t) + gamma V(s_{t+1})."""
    advantages = torch.zeros_like(rewards)
    running = following = torch.zeros(len(rewards))  # A_{t+1} and V(s_{t+1}), both 0 after the last token
    for t in reversed(range(rewards.shape[1])):
        delta = -values[:, t] + rewards[:, t] + gamma * following
        running = (delta + gamma * lam * running) * mask[:, t]
        advantages[:, t], following = running, values[:, t]
    return advantages


def whiten(advantages: Tensor, mask: Tensor) -> Tensor:
    """Mean 0 and variance 1 over the response tokens of the batch (released code)."""
    counted = advantages[mask]
    return (advantages - counted.mean()) * torch.rsqrt(counted.var() + 1e-8) * mask


def policy_loss(logprobs: Tensor, old_logprobs: Tensor, advantages: Tensor, clip: float) -> Tensor:
    """-min(ratio A, clip(ratio, 1 - eps, 1 + eps) A), ratio = pi / pi_old: (B, T)."""
    ratio = (logprobs - old_logprobs).exp()
    return -torch.minimum(ratio * advantages, ratio.clamp(1 - clip, 1 + clip) * advantages)


def value_loss(values: Tensor, old_values: Tensor, returns: Tensor, clip: float) -> Tensor:
    """1/2 max((V - R)^2, (clip(V, V_old - eps, V_old + eps) - R)^2): (B, T)."""
    clipped = values.clamp(old_values - clip, old_values + clip)
    return 0.5 * torch.maximum((values - returns) ** 2, (clipped - returns) ** 2)


def mean(x: Tensor, mask: Tensor) -> Tensor:
    """Over the tokens of a response first, then over responses (released code)."""
    return ((x * mask).sum(1) / mask.sum(1)).mean()


class Rollouts(NamedTuple):
    """Questions with sampled responses, as `collate` gives them, and the scores of these (B,)."""

    ids: Tensor
    mask: Tensor
    scores: Tensor


def learn(
    policy: Policy,
    reference: Policy,
    optimizer: Optimizer,
    rollouts: Rollouts,
    orders: list[Tensor],
    settings: Settings,
) -> tuple[float, float, float]:
    """Credit for every token, then a pass over the rows in each of `orders`, a step for each mini-batch.

    Returns L_policy and L_value, each as the mean over its steps, and the KL to pi_0 of a response, in nats.
    """
    (ids, mask, scores), clip = rollouts, settings.clip
    with torch.no_grad():
        old_logprobs, old_values = forward(policy, ids, mask)
        kl = old_logprobs - forward(reference, ids, mask)[0]  # an estimate from the tokens that were sampled
        rewards = total_rewards(scores, kl, mask, settings.beta)
        advantages = gae(rewards, old_values, mask, settings.gamma, settings.lam)
        returns = advantages + old_values  # R_t = A_t + V(s_t), before the advantages are whitened
        advantages = whiten(advantages, mask)
    losses = []
    for rows in [rows for order in orders for rows in order.split(settings.mini_batch)]:
        logprobs, values = forward(policy, ids[rows], mask[rows], settings.value_trains_trunk)
        l_policy = mean(policy_loss(logprobs, old_logprobs[rows], advantages[rows], clip), mask[rows])
        l_value = mean(value_loss(values, old_values[rows], returns[rows], clip), mask[rows])
        optimizer.step(l_policy + settings.alpha * l_value)  # L_RL
        losses.append([l_policy.item(), l_value.item()])
    policy_mean, value_mean = torch.tensor(losses).mean(0).tolist()
    return policy_mean, value_mean, kl.sum(1).mean().item()


# ---------------------------------------------------------------------------------------------------- both stages


class Experiment:
    """The questions, the policy and the two stages."""

    def __init__(self, settings: Settings, runner: ProgramRunner):
        self.settings = settings
        sizes = settings.problems, settings.dev, settings.test
        self.train, self.dev, self.test = generate(*sizes, 0, "mixed", "program")
        self.form = ProgramFormat(CotConfig(number_slots=True), AnswersConfig(), runner)  # numbers are x0, x1, ...
        prompts = [self.form.prompt(problem, "rl") for problem in self.train]
        programs = [self.form.completion(problem, "rl") for problem in self.train]
        self.codec = Codec(train_tokenizer(prompts + programs, ScratchConfig()))
        self.prompts, self.gold = self.codec.prompts(prompts), self.codec.completions(prompts, programs)
        self.draws = torch.Generator().manual_seed(settings.seed)
        torch.manual_seed(settings.seed)
        self.policy = Policy(make_llama(len(self.codec.tokenizer)))

    def warm_up(self) -> None:
        """Stage 1. The learning rate rises in the first epoch and falls in the last two, which calms the last steps."""
        epochs, steps = self.settings.epochs, -(-len(self.train) // self.settings.batch)
        optimizer = Optimizer(
            self.policy.lm.parameters(),
            self.settings.warmup_lr,
            lambda step: min((step + 1) / steps, 1.0, (epochs * steps - step) / (2 * steps)),
        )
        for epoch in range(1, epochs + 1):
            loss = 0.0
            for rows in self.shuffled(len(self.train)).split(self.settings.batch):
                ids, mask = collate([self.prompts[i] for i in rows], [self.gold[i] for i in rows])
                loss += sft_step(self.policy, optimizer, ids, mask) / steps
            if epoch % 5 == 0 or epoch == epochs:
                show("warm-up", "epoch", epoch, self.accuracy(self.dev), f"loss {loss:.3f}")

    def reinforce(self) -> None:
        """Stage 2, algorithm 1: sample, judge, learn, again and again."""
        settings = self.settings
        reference = copy.deepcopy(self.policy).requires_grad_(False)  # pi_0
        optimizer = Optimizer(self.policy.parameters(), settings.lr, lambda step: min(1.0, (step + 1) / 10))
        questions = itertools.chain.from_iterable(self.shuffled(len(self.train)) for _ in itertools.count())
        for iteration in range(1, settings.iterations + 1):
            chosen = list(itertools.islice(questions, settings.rollouts))
            prompts = [self.prompts[i] for i in chosen]
            responses = sample(self.policy.lm, prompts, self.codec.eos_id, settings.longest, self.draws)
            scores = self.scores([self.train[i] for i in chosen], prompts, responses)
            rollouts = Rollouts(*collate(prompts, responses), scores)
            orders = [self.shuffled(len(chosen)) for _ in range(settings.passes)]
            *_, kl = learn(self.policy, reference, optimizer, rollouts, orders, settings)
            if iteration % 5 == 0 or iteration == settings.iterations:
                said = f"reward of samples {scores.mean():.2f}, KL to warm-up {kl:.2f}"
                show("ReFT", "iteration", iteration, self.accuracy(self.dev), said)

    def scores(self, problems: list[Problem], prompts: list[list[int]], responses: list[list[int]]) -> Tensor:
        """r(s_T, a_T): 1 if the program returns y, 0.1 if another number, 0 if none. The sandbox runs the programs."""
        outcomes = self.form.judge(problems, self.codec.read(prompts, responses))
        return torch.tensor([partial(outcome) for outcome in outcomes])

    def accuracy(self, problems: list[Problem]) -> float:
        """The share of problems whose greedy response has the right answer."""
        prompts = self.codec.prompts([self.form.prompt(problem, "rl") for problem in problems])
        responses = sample(self.policy.lm, prompts, self.codec.eos_id, self.settings.longest, None)
        return (self.scores(problems, prompts, responses) == 1).float().mean().item()

    def shuffled(self, n: int) -> Tensor:
        """range(n) in random order."""
        return torch.randperm(n, generator=self.draws)


def show(stage: str, unit: str, number: int, accuracy: float, said: str) -> None:
    """A line of the learning curve."""
    bar = "#" * round(40 * accuracy)
    print(f"{stage:8}{unit:>10} {number:3} | {bar:40} | dev {accuracy:4.0%}   {said}", flush=True)


def main() -> None:
    """Both stages, and the accuracy on test questions after each."""
    parser = argparse.ArgumentParser(description="ReFT on word problems, in one file.", allow_abbrev=False)
    options = ("seed", "problems", "dev", "test", "epochs", "iterations", "rollouts")
    for name in options:
        parser.add_argument(f"--{name}", type=int, default=getattr(Settings, name), help="default: %(default)s")
    settings = Settings(**vars(parser.parse_args()))
    for name in options:
        least, most = (0, 10**9) if name == "seed" else (1, 2000)
        if not least <= getattr(settings, name) <= most:
            parser.error(f"--{name} is {getattr(settings, name)}; give a number from {least} to {most}.")
    torch.set_num_threads(1)  # faster than two for a model this small
    started = time.perf_counter()
    with ProgramRunner(ProgramsConfig()) as runner:
        experiment = Experiment(settings, runner)
        experiment.warm_up()
        warmed_up = experiment.accuracy(experiment.test)
        experiment.reinforce()
        reinforced = experiment.accuracy(experiment.test)
    seconds = time.perf_counter() - started
    print(f"\nTest accuracy: {warmed_up:.1%} after warm-up, {reinforced:.1%} after ReFT. It took {seconds:.0f} s.")


if __name__ == "__main__":
    main()
