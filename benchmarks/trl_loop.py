"""TRL's PPO trainer on a workload, in TRL's own environment (see trl_environment.py). It imports nothing of reft_lab.

The trainer asks a reward model for rewards; ours reads the response, runs the program and hands the score over.

    .venv-trl-1.12/bin/python benchmarks/trl_loop.py FOLDER      # a side of turns.py
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

os.environ.setdefault("ONEDNN_MAX_CPU_ISA", "AVX512_CORE_BF16")  # as reft_lab does
os.environ["TRL_EXPERIMENTAL_SILENCE"] = "1"

import torch
from datasets import Dataset
from torch import Tensor, nn
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer
from trl.experimental.ppo import PPOConfig, PPOTrainer
from trl_turns import TakeTurns, program_rewards


class ProgramReward(nn.Module):
    """A reward model in the trainer's eyes: its "hidden state" at every position is the score of the response."""

    base_model_prefix = "backbone"

    def __init__(self, tokenizer: Any, tasks: list[dict[str, Any]]):
        super().__init__()
        self.tokenizer = tokenizer
        self.by_prompt = {tuple(task["prompt"]): task for task in tasks}
        self.lengths = sorted({len(task["prompt"]) for task in tasks})
        self.score = nn.Identity()

    def backbone(self, input_ids: Tensor, attention_mask: Tensor, **_: Any) -> SimpleNamespace:
        """Scores of sequences of prompt and response (B, S) as a hidden state (B, S, 1)."""
        pairs = [self._split(ids[kept].tolist()) for ids, kept in zip(input_ids, attention_mask.bool(), strict=True)]
        texts = self.tokenizer.batch_decode([response for _, response in pairs], skip_special_tokens=True)
        tasks = [task for task, _ in pairs]
        scores = program_rewards([task["opening"] for task in tasks], texts, [task["answer"] for task in tasks])
        return SimpleNamespace(hidden_states=[torch.tensor(scores)[:, None, None].expand(*input_ids.shape, 1)])

    def _split(self, ids: list[int]) -> tuple[dict[str, Any], list[int]]:
        for length in self.lengths:
            task = self.by_prompt.get(tuple(ids[:length]))
            if task is not None:
                return task, ids[length:]
        raise ValueError("a sequence that starts with none of the prompts")


def main() -> None:
    torch.set_num_threads(1)
    folder = Path(sys.argv[1])
    stored = json.loads((folder / "tasks.json").read_text())
    ppo = SimpleNamespace(**stored["ppo"])
    turns = TakeTurns(ppo.rollouts)
    tokenizer = AutoTokenizer.from_pretrained(folder, padding_side="left")
    policy, reference = (AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32) for _ in range(2))
    values = AutoModelForSequenceClassification.from_pretrained(folder, dtype=torch.float32, num_labels=1)
    config = PPOConfig(
        output_dir=tempfile.mkdtemp(),
        use_cpu=True,
        bf16=False,
        gradient_checkpointing=False,
        report_to="none",
        disable_tqdm=True,
        save_strategy="no",
        num_sample_generations=0,
        total_episodes=10**6,
        # One optimiser step for each mini-batch, and everything else in batches as large as they can be.
        per_device_train_batch_size=ppo.rollouts,
        gradient_accumulation_steps=1,
        num_mini_batches=ppo.rollouts // ppo.mini_batch,
        local_rollout_forward_batch_size=ppo.rollouts,
        num_ppo_epochs=ppo.epochs,
        response_length=ppo.max_new_tokens,
        stop_token="eos",
        temperature=1.0,
        learning_rate=ppo.lr,
        lr_scheduler_type="constant_with_warmup",
        warmup_steps=ppo.lr_warmup_steps // (ppo.epochs * ppo.rollouts // ppo.mini_batch),
        kl_coef=ppo.kl_coef,
        gamma=ppo.gamma,
        lam=ppo.lam,
        cliprange=ppo.clip,
        cliprange_value=ppo.value_clip,
        vf_coef=ppo.value_coef,
    )
    trainer = PPOTrainer(
        args=config,
        processing_class=tokenizer,
        model=policy,
        ref_model=reference,
        reward_model=ProgramReward(tokenizer, stored["tasks"]),
        value_model=values,
        train_dataset=Dataset.from_list([{"input_ids": task["prompt"]} for task in stored["tasks"]]),
        # The trainer makes a loader for it even where it never generates samples.
        eval_dataset=Dataset.from_list([{"input_ids": stored["tasks"][0]["prompt"]}]),
        callbacks=[turns],
    )
    trainer.train()


if __name__ == "__main__":
    main()
