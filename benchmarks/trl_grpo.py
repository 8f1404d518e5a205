"""TRL's GRPO trainer on a workload, in TRL's own environment (see trl_environment.py). It imports nothing of reft_lab.

.venv-trl-1.16/bin/python benchmarks/trl_grpo.py FOLDER [bf16]      # a side of turns.py
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

import torch
from datasets import Dataset
from transformers import AutoTokenizer
from trl import GRPOConfig, GRPOTrainer
from trl_turns import TakeTurns, program_rewards


def reward(completions: list[str], opening: list[str], answer: list[float], **_: Any) -> list[float]:
    """Terminal rewards of completions, by the other columns of the data."""
    return program_rewards(opening, completions, answer)


def main() -> None:
    torch.set_num_threads(1)
    folder = Path(sys.argv[1])
    stored = json.loads((folder / "tasks.json").read_text())
    grpo = SimpleNamespace(**stored["grpo"])
    turns = TakeTurns(grpo.rollouts)
    tokenizer = AutoTokenizer.from_pretrained(folder, padding_side="left")
    tasks = [task | {"prompt": tokenizer.decode(task["prompt"])} for task in stored["tasks"]]
    config = GRPOConfig(
        output_dir=tempfile.mkdtemp(),
        use_cpu=True,
        bf16="bf16" in sys.argv[2:],
        gradient_checkpointing=False,
        report_to="none",
        disable_tqdm=True,
        save_strategy="no",
        model_init_kwargs={"dtype": "float32"},
        max_steps=10**6,
        # All rollouts of an iteration in one batch and one optimiser step.
        per_device_train_batch_size=grpo.rollouts,
        gradient_accumulation_steps=1,
        num_generations=grpo.samples_per_problem,
        num_iterations=grpo.epochs,
        max_completion_length=grpo.max_new_tokens,
        temperature=1.0,
        top_k=0,
        loss_type="grpo",
        beta=grpo.kl_coef,
        epsilon=grpo.clip,
        learning_rate=grpo.lr,
        lr_scheduler_type="constant",
        weight_decay=grpo.weight_decay,
        max_grad_norm=grpo.max_grad_norm,
    )
    trainer = GRPOTrainer(
        model=str(folder),
        reward_funcs=reward,
        args=config,
        train_dataset=Dataset.from_list(tasks),
        processing_class=tokenizer,
        callbacks=[turns],
    )
    trainer.train()


if __name__ == "__main__":
    main()
