"""AdamW with learning rates that are plain functions of the step, decay where it belongs, and gradient clipping."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from reft_lab.methods.settings import IterationsConfig, RerankerConfig, SFTConfig
from reft_lab.policy.model import Policy

Schedule = Callable[[int], float]
Gradient = list[Tensor | None]  # of each parameter of an optimiser, in their order


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


@dataclass
class Group:
    """Parameters that share a learning rate.

    Attributes:
        parameters: what is trained.
        lr: peak learning rate.
        steps: optimiser steps that it took part in. Without any gradient it sits a step out: neither its weights nor
            its schedule move on.
    """

    parameters: list[nn.Parameter]
    lr: float
    steps: int = 0


class Optimizer:
    """One AdamW over fp32 master weights.

    The rate of a step depends on the number of that step and on `scale` alone, so these and AdamW's own state are all
    there is to save.

    Attributes:
        steps: steps done.
        scale: factor on all rates, lowered by an alarm.
        groups: one, and a second one where some parameters have a rate of their own.
        rates: learning rates of the groups at the last step.
    """

    def __init__(
        self,
        policy: Policy,
        parameters: Iterable[nn.Parameter],
        config: SFTConfig | IterationsConfig | RerankerConfig,
        schedule: Schedule,
        *,
        second: Iterable[nn.Parameter] = (),
        second_lr: float | None = None,
    ):
        """Args:
        policy: whose parameters they are; it says which of them weight decay spares.
        parameters: what is trained.
        config: lr, the peak learning rate; weight_decay, AdamW's, per step and unit of learning rate; max_grad_norm, to
            which the gradient's norm is clipped.
        schedule: factor on the peak rates, by the steps of a group.
        second: those of the parameters that form a group of their own.
        second_lr: the peak learning rate of that group; None: the same.
        """
        self.parameters = list(parameters)
        self.max_grad_norm = config.max_grad_norm
        self.schedule = schedule
        self.steps = 0
        self.scale = 1.0
        own, spared = {id(parameter) for parameter in second}, {id(parameter) for parameter in policy.undecayed()}
        first = Group([p for p in self.parameters if id(p) not in own], config.lr)
        other = Group([p for p in self.parameters if id(p) in own], config.lr if second_lr is None else second_lr)
        self.groups = [group for group in (first, other) if group.parameters]
        self.rates = [0.0] * len(self.groups)
        of_adamw = [
            {"params": members, "weight_decay": decay, "number": number}
            for number, group in enumerate(self.groups)
            for decay, members in (
                (config.weight_decay, [p for p in group.parameters if id(p) not in spared]),
                (0.0, [p for p in group.parameters if id(p) in spared]),
            )
            if members
        ]
        self.adamw = torch.optim.AdamW(of_adamw, lr=config.lr, fused=True)

    def step(self, parts: Sequence[Gradient] = ()) -> tuple[float, float]:
        """Clip, update, clear the gradients.

        Args:
            parts: gradients to clip each on its own and then add up, in place of that which stands at the parameters.
                They are changed.

        Returns:
            The norm of the whole gradient before clipping, and the learning rate that was used for the first group.

        Raises:
            FloatingPointError: the gradient is not finite; the weights are left as they were.
        """
        norm = self._clipped_apart(parts) if parts else self._clipped()
        if not math.isfinite(norm):
            raise FloatingPointError(
                f"the gradient is {norm} at optimiser step {self.steps + 1}; lower the learning rate"
            )
        self.rates = [group.lr * self.scale * self.schedule(group.steps) for group in self.groups]
        for own in self.adamw.param_groups:
            own["lr"] = self.rates[own["number"]]
        self.steps += 1  # first, so that an interrupted caller can tell that the weights have changed
        for group in self.groups:
            group.steps += any(parameter.grad is not None for parameter in group.parameters)
        self.adamw.step()
        self.clear()
        return norm, self.rates[0]

    def gradient(self, of: Iterable[nn.Parameter]) -> Gradient:
        """What stands at some of the parameters, as a gradient that has nothing for the others."""
        wanted = {id(parameter) for parameter in of}
        return [parameter.grad if id(parameter) in wanted else None for parameter in self.parameters]

    def clear(self) -> None:
        """Forget the gradients."""
        self.adamw.zero_grad(set_to_none=True)

    def tensors(self) -> dict[str, Tensor]:
        """AdamW's own state, by parameter number and name."""
        state = self.adamw.state
        return {f"{i}.{name}": value for i, p in enumerate(self.parameters) for name, value in state[p].items()}

    def counters(self) -> dict[str, Any]:
        """What there is to save beside the tensors, as JSON."""
        return {"steps": self.steps, "scale": self.scale, "groups": [group.steps for group in self.groups]}

    def restore(self, tensors: dict[str, Tensor]) -> None:
        """Take over what `tensors` gave."""
        for key, value in tensors.items():
            number, name = key.split(".", 1)
            parameter = self.parameters[int(number)]
            self.adamw.state[parameter][name] = value.to(parameter.device)

    def restore_counters(self, counters: dict[str, Any]) -> None:
        """Take over what `counters` gave."""
        self.steps, self.scale = counters["steps"], counters["scale"]
        for group, steps in zip(self.groups, counters["groups"], strict=True):
            group.steps = steps

    def _clipped(self) -> float:
        return torch.nn.utils.clip_grad_norm_(self.parameters, self.max_grad_norm).item()

    def _clipped_apart(self, parts: Sequence[Gradient]) -> float:
        pieces = [[grad for grad in at if grad is not None] for at in zip(*parts, strict=True)]
        norm = torch.stack([torch.linalg.vector_norm(_total(piece)) for piece in pieces if piece]).norm().item()
        for part in parts:
            factor = (self.max_grad_norm / (norm_of(part) + 1e-6)).clamp_max(1.0)  # as torch's clip_grad_norm_
            for grad in part:
                if grad is not None:
                    grad.mul_(factor)
        for parameter, piece in zip(self.parameters, pieces, strict=True):
            parameter.grad = _total(piece) if piece else None
        return norm


def norm_of(gradient: Iterable[Tensor | None]) -> Tensor:
    """The norm of a gradient, 0 where there is nothing, left on its device."""
    return torch.nn.utils.get_total_norm([grad for grad in gradient if grad is not None])


def _total(gradients: list[Tensor]) -> Tensor:
    return gradients[0] if len(gradients) == 1 else torch.stack(gradients).sum(0)
