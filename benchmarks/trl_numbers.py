"""GRPO, RLOO and the averages of the loss next to TRL's numbers on the same batch.

    python benchmarks/trl_numbers.py      # exit 1 where a number is off by more than 1e-5

TRL runs in an environment of its own, which is made first (minutes, the first time). Advantages are compared each by
itself, losses as numbers, gradients by their distance over their norm.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("ONEDNN_MAX_CPU_ISA", "AVX512_CORE_BF16")  # as the runner does

import torch
import trl_environment
import workloads
from rich.console import Console
from rich.table import Table
from torch import Tensor
from transformers import AutoModelForCausalLM

from reft_lab.answers.outcome import Outcome
from reft_lab.equations.credit import CREDITS, Experience
from reft_lab.methods.settings import PPOConfig
from reft_lab.methods.stages.rollouts import Rollouts
from reft_lab.methods.stages.update import MiniBatches
from reft_lab.policy.model import Policy

TOLERANCE = 1e-5
# For each case of trl_record.py; of RLOO the advantages alone, as TRL's ratio is that of the whole response.
OURS: dict[str, dict[str, Any]] = {
    "grpo": {"credit": "group"},
    "grpo, KL and clips": {
        "credit": "group",
        "kl_in": "loss",
        "kl_estimator": "k3",
        "kl_coef": 0.04,
        "clip_high": 0.28,
        "dual_clip": 1.3,
    },
    "bnpo, entropy": {"credit": "group", "loss_average": "token", "entropy_coef": 0.01},
    "dapo, clips": {"credit": "group", "loss_average": "token", "clip_high": 0.28, "dual_clip": 1.3},
    "dr_grpo": {"credit": "group_centred", "loss_average": "constant"},
    "rloo": {"credit": "leave_one_out"},
}


def main() -> int:
    console = Console()
    with tempfile.TemporaryDirectory(prefix="reft-trl-") as place:
        folder, out = workloads.ready("tiny", Path(place), console.print), Path(place) / "recorded.pt"
        python = trl_environment.python(console.print, trl_environment.NEWEST)
        console.print("TRL trains")
        script = Path(__file__).resolve().parent / "trl_record.py"
        done = subprocess.run([python, str(script), str(folder), str(out)], capture_output=True, text=True, check=False)
        if done.returncode:
            console.print(done.stderr.strip()[-2000:])
            return 1
        recorded = torch.load(out, weights_only=True)
        rows = [(case, *row) for case, kept in recorded.items() for row in compare(folder, case, kept)]
    table = Table("case", "what", "reft_lab", f"TRL {trl_environment.NEWEST}", "difference")
    for case, what, ours, theirs, apart in rows:
        table.add_row(case, what, f"{ours:.7f}", f"{theirs:.7f}", f"{apart:.1e}")
    console.print(table)
    return int(any(apart > TOLERANCE for *_, apart in rows))


def compare(folder: Path, case: str, kept: dict[str, Any]) -> Iterator[tuple[str, float, float, float]]:
    """What is compared, our number, TRL's, and how far they are apart."""
    settings = kept["settings"]
    config = PPOConfig(**{"kl_coef": 0.0, "max_new_tokens": settings["max_completion_length"], **OURS[case]})
    batch = _rollouts(kept, config, settings["num_generations"])
    ours, theirs = batch.advantages[:, 0], kept["advantages"][_order(kept)]
    yield "advantages (norm)", ours.norm().item(), theirs.norm().item(), (ours - theirs).abs().max().item()
    if case == "rloo":
        return
    lm = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    lm.load_state_dict(kept["weights"], strict=False)  # tied weights have one name there
    policy = Policy(lm, critic=False)
    total = torch.zeros(())
    for one in MiniBatches(policy, batch, config, 0, 512).losses(range(len(batch))):
        one.whole.backward()
        total = total + one.whole.detach()
    loss = kept["loss"]
    yield "loss", total.item(), loss.item(), abs(total - loss).item()
    grads = dict(lm.named_parameters())
    ours, theirs = (
        torch.cat([grad.flatten() for grad in found])
        for found in ((grads[name].grad for name in kept["gradient"]), kept["gradient"].values())
    )
    apart = (ours - theirs).norm() / theirs.norm()
    yield "gradient (norm)", ours.norm().item(), theirs.norm().item(), apart.item()


def _order(kept: dict[str, Any]) -> list[int]:
    """The rows of the batch, which TRL shuffles, with those of a prompt side by side."""
    return sorted(range(len(kept["prompt_ids"])), key=lambda row: kept["prompt_ids"][row].tolist())


def _rollouts(kept: dict[str, Any], config: PPOConfig, group: int) -> Rollouts:
    order = _order(kept)
    mask = kept["completion_mask"][order].bool()
    prompts = [_where(kept["prompt_ids"][row], kept["prompt_mask"][row]) for row in order]
    responses = [_where(kept["completion_ids"][row], kept["completion_mask"][row]) for row in order]
    scores = torch.tensor([(sum(ids) % 7) / 7 for ids in responses])
    rewards = torch.zeros(mask.shape)
    rewards[range(len(order)), mask.sum(1) - 1] = scores
    old = kept["old_per_token_logps"][order] if "old_per_token_logps" in kept else torch.zeros(mask.shape)
    ref = kept["ref_per_token_logps"][order] if "ref_per_token_logps" in kept else old
    return Rollouts(
        prompts=prompts,
        responses=responses,
        finished=torch.ones(len(order), dtype=torch.bool),
        outcomes=[Outcome("wrong")] * len(order),
        scores=scores,
        mask=mask,
        logprobs=old,
        ref_logprobs=ref,
        entropies=torch.zeros(mask.shape),
        values=None,
        kl=old - ref,
        advantages=CREDITS[config.credit].advantages(Experience(rewards, mask, group=group)),
        returns=None,
    )


def _where(ids: Tensor, mask: Tensor) -> list[int]:
    found: list[int] = ids[mask.bool()].tolist()
    return found


if __name__ == "__main__":
    sys.exit(main())
