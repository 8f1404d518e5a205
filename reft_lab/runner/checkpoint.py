"""The full training state on disk: what a stage needs to go on where it stood."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from torch import Tensor

from reft_lab.algorithms.reft import ReFT
from reft_lab.algorithms.sft import SFT
from reft_lab.policy.saving import replaced

TENSORS, FACTS = "state.safetensors", "state.json"


def save(folder: Path, stage: SFT | ReFT, facts: dict[str, Any]) -> None:
    """Write weights, optimiser state and counters of `stage`, and `facts` about the run, to `folder`.

    All randomness is keyed by the counters, so there is none to save. ReFT's reference is not in it: the run keeps the
    policy after warm-up in checkpoints/warmup.
    """
    from safetensors.torch import save_file

    tensors = {f"policy.{name}": tensor for name, tensor in _weights(stage).items()}
    tensors |= {f"adamw.{name}": tensor for name, tensor in stage.optimizer.tensors().items()}
    counters = {"step": stage.step, "optimizer_steps": stage.optimizer.steps}
    with replaced(folder) as part:
        save_file({name: tensor.detach().contiguous() for name, tensor in tensors.items()}, part / TENSORS)
        (part / FACTS).write_text(json.dumps(counters | facts, indent=2) + "\n")


def load(folder: Path, stage: SFT | ReFT) -> dict[str, Any]:
    """Put what `save` wrote into a stage made from the same config; returns the counters and facts."""
    from safetensors.torch import load_file

    facts: dict[str, Any] = json.loads((folder / FACTS).read_text())
    tensors = load_file(folder / TENSORS)
    stage.policy.load_state_dict(_part(tensors, "policy."), strict=False)  # tied weights are stored once
    stage.optimizer.restore(_part(tensors, "adamw."), facts["optimizer_steps"])
    stage.step = facts["step"]
    return facts


def _weights(stage: SFT | ReFT) -> dict[str, Tensor]:
    """The policy's weights, a tensor that is shared under several names once."""
    seen: set[int] = set()
    return {
        name: tensor
        for name, tensor in stage.policy.state_dict().items()
        if tensor.data_ptr() not in seen and not seen.add(tensor.data_ptr())  # type: ignore[func-returns-value]
    }


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
