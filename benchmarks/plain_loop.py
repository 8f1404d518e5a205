"""The paper's loop, written plainly: what reft_lab is compared with. It imports nothing of reft_lab.

It does what the paper and its released code do, step by step: `generate` for rollouts, then forward passes over whole
padded sequences with all logits for the log-probabilities of policy and reference and for the values, programs in a
fresh pool, and PPO passes with all logits again. Sequences are padded to the longest of the batch. Where the released
code is wrong (position ids, attention to padding) this one is right, so that results can be compared.

    python benchmarks/plain_loop.py FOLDER [bf16] [--memory]      # a side of turns.py

In bf16 it computes under autocast, and `generate` gets a copy of the model in bf16.
"""

from __future__ import annotations

import copy
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

os.environ.setdefault("ONEDNN_MAX_CPU_ISA", "AVX512_CORE_BF16")  # as reft_lab does

import torch
from plain_programs import partial_reward, run_in_fresh_pool
from torch import Tensor, nn
from turns import serve


@dataclass(frozen=True)
class Batch:
    """Whole sequences, prompts padded on the left and responses on the right.

    Attributes:
        ids: (B, S).
        attention: 1 for tokens, 0 for padding (B, S).
        predicts: True where the next token belongs to the response (B, S - 1).
    """

    ids: Tensor
    attention: Tensor
    predicts: Tensor

    def rows(self, chosen: Tensor | list[int]) -> Batch:
        """Some of its sequences."""
        return Batch(self.ids[chosen], self.attention[chosen], self.predicts[chosen])


class PlainLoop:
    """The loop of algorithm 1, one iteration at a time."""

    def __init__(
        self, lm: Any, tokenizer: Any, tasks: list[dict[str, Any]], ppo: dict[str, Any], precision: str = "fp32"
    ):
        """Args:
        lm: a causal language model of transformers in fp32, trained in place; a copy of it is the reference.
        tokenizer: its tokenizer.
        tasks: see workloads.py.
        ppo: settings by reft_lab's names (`ppo.*`).
        precision: fp32 or bf16.
        """
        self.is_bf16 = precision == "bf16"
        self.lm = lm.eval()
        self.reference = copy.deepcopy(lm).eval()
        self.tokenizer = tokenizer
        self.tasks = tasks
        self.ppo = SimpleNamespace(**ppo)
        self.value_head = nn.Linear(lm.config.hidden_size, 1)
        nn.init.zeros_(self.value_head.weight)
        nn.init.zeros_(self.value_head.bias)
        self.parameters = [*lm.parameters(), *self.value_head.parameters()]
        self.optimizer = torch.optim.AdamW(self.parameters, lr=self.ppo.lr, weight_decay=self.ppo.weight_decay)
        self.scheduler = torch.optim.lr_scheduler.LambdaLR(
            self.optimizer, lambda step: min(1.0, (step + 1) / max(1, self.ppo.lr_warmup_steps))
        )

    def iteration(self) -> int:
        """One iteration; returns the number of responses."""
        tasks = [self.tasks[i] for i in torch.randperm(len(self.tasks))[: self.ppo.rollouts].tolist()]
        responses = self.sample([task["prompt"] for task in tasks])
        batch = self.collate([task["prompt"] for task in tasks], responses)
        scores = self.judge(tasks, responses)
        self.learn(batch, scores, [torch.randperm(len(tasks)).tolist() for _ in range(self.ppo.epochs)])
        return len(tasks)

    @torch.no_grad()
    def sample(self, prompts: Sequence[list[int]]) -> list[list[int]]:
        """Responses with `generate`, from the full distribution at temperature 1."""
        ids, attention = _pad_left(prompts, self.tokenizer.pad_token_id)
        lm = copy.deepcopy(self.lm).to(torch.bfloat16) if self.is_bf16 else self.lm
        generated = lm.generate(
            input_ids=ids,
            attention_mask=attention,
            do_sample=True,
            temperature=1.0,
            top_k=0,
            top_p=1.0,
            max_new_tokens=self.ppo.max_new_tokens,
            eos_token_id=self.tokenizer.eos_token_id,
            pad_token_id=self.tokenizer.pad_token_id,
        )
        return [_up_to(row, self.tokenizer.eos_token_id) for row in generated[:, ids.shape[1] :].tolist()]

    def collate(self, prompts: Sequence[list[int]], responses: Sequence[list[int]]) -> Batch:
        """Whole sequences, padded to the longest."""
        left, attention = _pad_left(prompts, self.tokenizer.pad_token_id)
        longest = max(len(response) for response in responses)
        right = torch.full((len(responses), longest), self.tokenizer.pad_token_id)
        counts = torch.zeros_like(right)
        for row, response in enumerate(responses):
            right[row, : len(response)] = torch.tensor(response)
            counts[row, : len(response)] = 1
        predicts = torch.cat([torch.zeros_like(attention), counts], 1)[:, 1:].bool()
        return Batch(torch.cat([left, right], 1), torch.cat([attention, counts], 1), predicts)

    def judge(self, tasks: Sequence[dict[str, Any]], responses: Sequence[list[int]]) -> Tensor:
        """Terminal rewards (B,)."""
        texts = self.tokenizer.batch_decode(responses, skip_special_tokens=True)
        values = run_in_fresh_pool([task["opening"] + text for task, text in zip(tasks, texts, strict=True)])
        return torch.tensor([partial_reward(v, task["answer"]) for v, task in zip(values, tasks, strict=True)])

    def forward(self, lm: Any, batch: Batch) -> tuple[Tensor, Tensor]:
        """Log-probability of every next token, and the value before it: both (B, S - 1), over all positions."""
        positions = (batch.attention.cumsum(1) - 1).clamp_min(0)
        with torch.autocast("cpu", torch.bfloat16, enabled=self.is_bf16):
            output = lm(
                input_ids=batch.ids, attention_mask=batch.attention, position_ids=positions, output_hidden_states=True
            )
        logprobs = torch.log_softmax(output.logits[:, :-1].float(), -1)
        hidden = output.hidden_states[-1][:, :-1].float()
        values = self.value_head(hidden if self.ppo.value_grad_to_trunk else hidden.detach())[..., 0]
        return logprobs.gather(-1, batch.ids[:, 1:, None])[..., 0], values

    def learn(self, batch: Batch, scores: Tensor, orders: list[list[int]]) -> list[tuple[float, float]]:
        """Everything after the rewards; returns (policy loss, value loss) of each mini-batch."""
        parts = torch.arange(len(batch.ids)).split(self.ppo.mini_batch)
        with torch.no_grad():
            passes = [(*self.forward(self.lm, p), self.forward(self.reference, p)[0]) for p in map(batch.rows, parts)]
        logprobs, values, ref_logprobs = (torch.cat(tensors) for tensors in zip(*passes, strict=True))
        mask = batch.predicts.float()
        rewards = -self.ppo.kl_coef * (logprobs - ref_logprobs) * mask
        last = mask.shape[1] - 1 - mask.flip(1).argmax(1)
        rewards[torch.arange(len(scores)), last] += scores
        advantages = self.advantages(rewards, values * mask, mask)
        returns = (advantages + values) * mask
        advantages = _whiten(advantages, mask)
        losses = []
        for order in orders:
            for start in range(0, len(order), self.ppo.mini_batch):
                rows = order[start : start + self.ppo.mini_batch]
                old = (x[rows] for x in (logprobs, values, advantages, returns))
                losses.append(self.step(batch.rows(rows), *old))
        return losses

    def advantages(self, rewards: Tensor, values: Tensor, mask: Tensor) -> Tensor:
        """Generalised advantage estimates (B, S - 1)."""
        advantages, running, following = torch.zeros_like(rewards), torch.zeros(len(rewards)), torch.zeros(len(rewards))
        for t in reversed(range(rewards.shape[1])):
            delta = rewards[:, t] + self.ppo.gamma * following - values[:, t]
            running = (delta + self.ppo.gamma * self.ppo.lam * running) * mask[:, t]
            following = values[:, t]
            advantages[:, t] = running
        return advantages

    def step(
        self, batch: Batch, old: Tensor, old_values: Tensor, advantages: Tensor, returns: Tensor
    ) -> tuple[float, float]:
        """One optimiser step over a mini-batch."""
        logprobs, values = self.forward(self.lm, batch)
        mask = batch.predicts.float()
        ratio = torch.exp((logprobs - old) * mask)
        clip, value_clip = self.ppo.clip, self.ppo.value_clip
        policy = -torch.minimum(ratio * advantages, ratio.clamp(1 - clip, 1 + clip) * advantages)
        clipped = torch.clamp(values, old_values - value_clip, old_values + value_clip)
        value = 0.5 * torch.maximum((values - returns) ** 2, (clipped - returns) ** 2)
        policy_loss, value_loss = (((x * mask).sum(1) / mask.sum(1)).mean() for x in (policy, value))
        (policy_loss + self.ppo.value_coef * value_loss).backward()
        nn.utils.clip_grad_norm_(self.parameters, self.ppo.max_grad_norm)
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.scheduler.step()
        return policy_loss.item(), value_loss.item()


def _pad_left(prompts: Sequence[list[int]], pad_id: int) -> tuple[Tensor, Tensor]:
    width = max(len(prompt) for prompt in prompts)
    ids = torch.tensor([[pad_id] * (width - len(prompt)) + prompt for prompt in prompts])
    attention = torch.tensor([[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in prompts])
    return ids, attention


def _up_to(row: list[int], eos_id: int) -> list[int]:
    return row[: row.index(eos_id) + 1] if eos_id in row else row


def _whiten(x: Tensor, mask: Tensor) -> Tensor:
    n = mask.sum()
    mean = (x * mask).sum() / n
    variance = (((x - mean) * mask) ** 2).sum() / (n - 1)
    return (x - mean) * torch.rsqrt(variance + 1e-8) * mask


def main() -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    torch.set_num_threads(1)
    torch.manual_seed(0)
    folder = Path(sys.argv[1])
    stored = json.loads((folder / "tasks.json").read_text())
    lm = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    precision = "bf16" if "bf16" in sys.argv[2:] else "fp32"
    loop = PlainLoop(lm, AutoTokenizer.from_pretrained(folder), stored["tasks"], stored["ppo"], precision)
    serve(loop.iteration)


if __name__ == "__main__":
    main()
