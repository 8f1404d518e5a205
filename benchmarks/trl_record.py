"""What TRL's GRPO and RLOO trainers compute on a batch, in TRL's own environment. It imports nothing of reft_lab.

Each trainer makes two optimiser steps on one batch of responses. Of the second, whose policy is no longer the one that
sampled, everything is kept: the batch, log-probabilities, advantages, loss, gradient, and the weights they are of.

    .venv-trl-1.16/bin/python benchmarks/trl_record.py MODEL_FOLDER OUT      # trl_numbers.py does so
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

os.environ["TRL_EXPERIMENTAL_SILENCE"] = "1"

import torch
from datasets import Dataset
from torch import Tensor
from transformers import AutoTokenizer
from trl import GRPOConfig, GRPOTrainer, RLOOConfig, RLOOTrainer

# Settings of each case beyond COMMON; trl_numbers.py has ours.
GRPO: dict[str, dict[str, Any]] = {
    "grpo": {"loss_type": "grpo"},
    "grpo, KL and clips": {
        "loss_type": "grpo",
        "beta": 0.04,
        "use_bias_correction_kl": False,
        "epsilon_high": 0.28,
        "delta": 1.3,
    },
    "bnpo, entropy": {"loss_type": "bnpo", "entropy_coef": 0.01},
    "dapo, clips": {"loss_type": "dapo", "epsilon_high": 0.28, "delta": 1.3},
    "dr_grpo": {"loss_type": "dr_grpo", "scale_rewards": "none"},
}
COMMON: dict[str, Any] = {
    "use_cpu": True,
    "bf16": False,
    "gradient_checkpointing": False,
    "report_to": "none",
    "disable_tqdm": True,
    "save_strategy": "no",
    "model_init_kwargs": {"dtype": "float32"},
    "per_device_train_batch_size": 32,
    "gradient_accumulation_steps": 1,
    "num_generations": 8,
    "num_iterations": 2,
    "max_steps": 2,
    "max_completion_length": 48,
    "temperature": 1.0,
    "top_k": 0,
    "learning_rate": 5e-4,
    "lr_scheduler_type": "constant",
    "seed": 0,
}


def reward(completion_ids: list[list[int]], **_: Any) -> list[float]:
    """Something of which both sides are sure."""
    return [(sum(ids) % 7) / 7 for ids in completion_ids]


class Recording:
    """Keeps the inputs, the loss and the gradient of the last time that the loss was computed."""

    kept: dict[str, Any]

    def compute_loss(self, model: Any, inputs: dict[str, Any], *args: Any, **options: Any) -> Tensor:
        """The trainer's own."""
        loss: Tensor = super().compute_loss(model, inputs, *args, **options)  # type: ignore[misc]
        named = [(name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad]
        gradient = torch.autograd.grad(loss, [parameter for _, parameter in named], retain_graph=True)
        self.kept = {name: value for name, value in inputs.items() if isinstance(value, Tensor)} | {
            "loss": loss.detach(),
            "gradient": {name: grad for (name, _), grad in zip(named, gradient, strict=True)},
            "weights": {name: parameter.detach().clone() for name, parameter in named},
        }
        return loss


class RecordingGRPO(Recording, GRPOTrainer):
    """GRPO."""


class RecordingRLOO(Recording, RLOOTrainer):
    """RLOO."""


def main() -> None:
    torch.set_num_threads(1)
    folder, out = Path(sys.argv[1]), Path(sys.argv[2])
    tokenizer = AutoTokenizer.from_pretrained(folder, padding_side="left")
    tasks = json.loads((folder / "tasks.json").read_text())["tasks"][:4]
    prompts = Dataset.from_list([{"prompt": tokenizer.decode(task["prompt"])} for task in tasks])
    cases: list[tuple[str, Any, Any, dict[str, Any]]] = [
        (name, RecordingGRPO, GRPOConfig, {"beta": 0.0} | own) for name, own in GRPO.items()
    ]
    cases.append(("rloo", RecordingRLOO, RLOOConfig, {"beta": 0.0}))
    kept = {}
    for name, trainer_class, config_class, own in cases:
        trainer = trainer_class(
            model=str(folder),
            reward_funcs=reward,
            args=config_class(output_dir=tempfile.mkdtemp(), **(COMMON | own)),
            train_dataset=prompts,
            processing_class=tokenizer,
        )
        trainer.train()
        kept[name] = trainer.kept | {"settings": COMMON | own}
    torch.save(kept, out)


if __name__ == "__main__":
    main()
