"""AdamW with a learning rate that is a plain function of the step, decay where it belongs, and gradient clipping."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

Schedule = Callable[[int], float]


def linear_decay(total: int, warmup: int) -> Schedule:
    """Factor on the peak rate: up over `warmup` steps, then down to 0 at `total` steps."""

    def factor(step: int) -> float:
        if step < warmup:
            return (step + 1) / warmup
        return max(0.0, (total - step) / max(1, total - warmup))

    return factor


def constant(warmup: int) -> Schedule:
    """Factor on the peak rate: up over `warmup` steps, then 1."""
    return lambda step: min(1.0, (step + 1) / max(1, warmup))


class Optimizer:
    """One AdamW over fp32 master weights.

    The rate of a step depends on the number of that step and on `scale` alone, so these and AdamW's own state are all
    there is to save.

    Attributes:
        steps: steps done.
        scale: factor on the rate, lowered by an alarm.
    """

    def __init__(
        self,
        parameters: list[nn.Parameter],
        *,
        lr: float,
        weight_decay: float,
        undecayed: Iterable[nn.Parameter] = (),
        max_grad_norm: float,
        schedule: Schedule,
    ):
        """Args:
        parameters: what is trained.
        lr: peak learning rate.
        weight_decay: AdamW's, per step and unit of learning rate; spares the `undecayed` parameters.
        max_grad_norm: the gradient's norm is clipped to this.
        schedule: factor on the peak rate, by step.
        """
        self.parameters = parameters
        self.lr = lr
        self.max_grad_norm = max_grad_norm
        self.schedule = schedule
        self.steps = 0
        self.scale = 1.0
        spared = {id(parameter) for parameter in undecayed}
        groups = [
            {"params": [p for p in parameters if id(p) not in spared], "weight_decay": weight_decay},
            {"params": [p for p in parameters if id(p) in spared], "weight_decay": 0.0},
        ]
        self.adamw = torch.optim.AdamW([group for group in groups if group["params"]], lr=lr, fused=True)

    def step(self) -> tuple[float, float]:
        """Clip, update, clear the gradients.

        Returns:
            The gradient norm before clipping, and the learning rate that was used.

        Raises:
            FloatingPointError: the gradient is not finite; the weights are left as they were.
        """
        norm = torch.nn.utils.clip_grad_norm_(self.parameters, self.max_grad_norm).item()
        if not math.isfinite(norm):
            raise FloatingPointError(
                f"the gradient is {norm} at optimiser step {self.steps + 1}; lower the learning rate"
            )
        rate = self.lr * self.scale * self.schedule(self.steps)
        for group in self.adamw.param_groups:
            group["lr"] = rate
        self.steps += 1  # first, so that an interrupted caller can tell that the weights have changed
        self.adamw.step()
        self.adamw.zero_grad(set_to_none=True)
        return norm, rate

    def tensors(self) -> dict[str, Tensor]:
        """AdamW's own state, by parameter number and name."""
        state = self.adamw.state
        return {f"{i}.{name}": value for i, p in enumerate(self.parameters) for name, value in state[p].items()}

    def counters(self) -> dict[str, Any]:
        """What there is to save beside the tensors, as JSON."""
        return {"steps": self.steps, "scale": self.scale}

    def restore(self, tensors: dict[str, Tensor]) -> None:
        """Take over what `tensors` gave."""
        for key, value in tensors.items():
            number, name = key.split(".", 1)
            parameter = self.parameters[int(number)]
            self.adamw.state[parameter][name] = value.to(parameter.device)

    def restore_counters(self, counters: dict[str, Any]) -> None:
        """Take over what `counters` gave."""
        self.steps, self.scale = counters["steps"], counters["scale"]
