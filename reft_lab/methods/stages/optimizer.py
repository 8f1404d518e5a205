"""AdamW with learning rates that are plain functions of the step, decay where it belongs, and gradient clipping."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from reft_lab.methods.settings import IterationsConfig, RerankerConfig, SFTConfig
from reft_lab.methods.stages import eight_bit
from reft_lab.methods.stages.eight_bit import SMALLEST
from reft_lab.policy.model import Policy
from reft_lab.ranks import Gradient

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
    there is to save. Where moments take 8 bits, they are those of the matrices between layers. Small ones keep 32, and
    so does what weight decay spares, embeddings among it: their gradients vary most, as some tokens are much rarer than
    others (2110.02861).

    Attributes:
        steps: steps done.
        scale: factor on all rates, lowered by an alarm.
        groups: one, and a second one where some parameters have a rate of their own.
        rates: learning rates of the groups at the last step.
        ranks: the processes that have a part of each gradient.
        is_sharded: whether each of them has a part of each weight.
        adamws: torch's AdamW, and that of bitsandbytes where moments take 8 bits.
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
        kind: str = "adamw",
    ):
        """Args:
        policy: whose parameters they are; it says which of them weight decay spares.
        parameters: what is trained.
        config: lr, the peak learning rate; weight_decay, AdamW's, per step and unit of learning rate; max_grad_norm, to
            which the gradient's norm is clipped.
        schedule: factor on the peak rates, by the steps of a group.
        second: those of the parameters that form a group of their own.
        second_lr: the peak learning rate of that group; None: the same.
        kind: adamw or adamw_8bit.
        """
        self.parameters = list(parameters)
        self.ranks, self.is_sharded = policy.ranks, policy.sharding is not None
        self.max_grad_norm = config.max_grad_norm
        self.schedule = schedule
        self.steps = 0
        self.scale = 1.0
        self._aside: dict[int, Gradient] = {}
        self._aside_apart: dict[int, Gradient] = {}
        own, spared = {id(parameter) for parameter in second}, {id(parameter) for parameter in policy.undecayed()}
        first = Group([p for p in self.parameters if id(p) not in own], config.lr)
        other = Group([p for p in self.parameters if id(p) in own], config.lr if second_lr is None else second_lr)
        self.groups = [group for group in (first, other) if group.parameters]
        self.rates = [0.0] * len(self.groups)
        parts: dict[bool, list[dict[str, Any]]] = {False: [], True: []}  # by whether moments take 8 bits
        for number, group in enumerate(self.groups):
            for decay, members in (
                (config.weight_decay, [p for p in group.parameters if id(p) not in spared]),
                (0.0, [p for p in group.parameters if id(p) in spared]),
            ):
                short = [p for p in members if kind == eight_bit.NAME and p.numel() >= SMALLEST and id(p) not in spared]
                taken = {id(parameter) for parameter in short}
                for is_short, some in ((False, [p for p in members if id(p) not in taken]), (True, short)):
                    if some:
                        parts[is_short].append({"params": some, "weight_decay": decay, "number": number})
        # By parameters in parts, those that stand for a rank's own parts: bitsandbytes knows no others.
        self._parts: dict[nn.Parameter, nn.Parameter] = {}
        if self.is_sharded:
            for owned in parts[True]:
                owned["params"] = [self._part(parameter) for parameter in owned["params"]]
        self.adamws: list[torch.optim.Optimizer] = []
        if parts[False]:
            self.adamws.append(torch.optim.AdamW(parts[False], lr=config.lr, fused=True))
        if parts[True]:
            self.adamws.append(eight_bit.adamw_8bit(parts[True], config.lr))

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
        for adamw in self.adamws:
            for own in adamw.param_groups:
                own["lr"] = self.rates[own["number"]]
        self.steps += 1  # first, so that an interrupted caller can tell that the weights have changed
        for group in self.groups:
            group.steps += any(parameter.grad is not None for parameter in group.parameters)
        self._hand_on_gradients()
        for adamw in self.adamws:
            adamw.step()
        self.clear()
        return norm, self.rates[0]

    def set_aside(self, number: int, apart: Gradient | None = None) -> None:
        """The micro-batch of this number is over: its gradient waits for its turn where ranks keep the order of one
        process, and stays where it is otherwise.

        Args:
            apart: another gradient than that which stands at the parameters.
        """
        if not self.ranks.keeps_order:
            return
        if apart is not None:
            self._aside_apart[number] = list(apart)
            apart[:] = [None] * len(apart)
            return
        self._aside[number] = self.gradient(self.parameters)
        self._put([None] * len(self.parameters))

    def add_up(self, apart: Gradient | None = None) -> None:
        """Let the gradient that stands at the parameters be the sum of what all ranks have there.

        Args:
            apart: another one, which is added up in its place.
        """
        if self.ranks.size == 1 or self.is_sharded:  # which adds up on the way back
            return
        if self.ranks.keeps_order:
            aside = self._aside if apart is None else self._aside_apart
            whole = self.ranks.add_in_order(self.parameters, aside)
            aside.clear()
        else:
            own = self.gradient(self.parameters) if apart is None else apart
            whole = self.ranks.add_gradient(self.parameters, own)
        if apart is None:
            self._put(whole)
        else:
            apart[:] = whole

    def _put(self, gradient: Gradient) -> None:
        """Let it stand at the parameters."""
        for parameter, grad in zip(self.parameters, gradient, strict=True):
            parameter.grad = grad

    def gradient(self, of: Iterable[nn.Parameter]) -> Gradient:
        """What stands at some of the parameters, as a gradient that has nothing for the others."""
        wanted = {id(parameter) for parameter in of}
        return [parameter.grad if id(parameter) in wanted else None for parameter in self.parameters]

    def clear(self) -> None:
        """Forget the gradients."""
        for parameter in (*self.parameters, *self._parts.values()):
            parameter.grad = None
        self._aside.clear()
        self._aside_apart.clear()

    def tensors(self) -> dict[str, Tensor]:
        """AdamW's own state, by parameter number and name."""
        state = {parameter: own for adamw in self.adamws for parameter, own in adamw.state.items()}
        return {
            f"{i}.{name}": self._together(value, p)
            for i, p in enumerate(self.parameters)
            for name, value in eight_bit.plain(state.get(self._parts.get(p, p), {})).items()
        }

    def counters(self) -> dict[str, Any]:
        """What there is to save beside the tensors, as JSON."""
        return {"steps": self.steps, "scale": self.scale, "groups": [group.steps for group in self.groups]}

    def places(self, saved: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Tensors to read what `tensors` gave into, which `restore` then takes: on the device of their parameter, and
        in parts where it is.

        Args:
            saved: their shapes and types.
        """
        found = {}
        for key, kind in saved.items():
            parameter = self.parameters[int(key.partition(".")[0])]
            if parameter in self._parts and kind.ndim:
                from reft_lab.policy.sharding import empty_parts

                found[key] = empty_parts(kind, parameter)
            elif kind.shape == parameter.shape:
                found[key] = torch.empty_like(parameter, dtype=kind.dtype)
            else:
                found[key] = torch.empty_like(kind, device=parameter.device)
        return found

    def restore(self, tensors: dict[str, Tensor]) -> None:
        """Take over what `tensors` gave."""
        saved: dict[nn.Parameter, dict[str, Tensor]] = {}
        for key, value in tensors.items():
            number, name = key.split(".", 1)
            saved.setdefault(self.parameters[int(number)], {})[name] = value
        whole = {own: parameter for parameter, own in self._parts.items()}
        for adamw in self.adamws:
            for at, group in enumerate(adamw.param_groups):
                for place, parameter in enumerate(group["params"]):
                    state = saved.get(whole.get(parameter, parameter))
                    if state is None:
                        continue
                    if isinstance(adamw, torch.optim.AdamW):
                        adamw.state[parameter] = state
                    else:
                        own = {
                            name: self._apart(value) if parameter in whole else value for name, value in state.items()
                        }
                        eight_bit.put(adamw, at, place, own)

    def restore_counters(self, counters: dict[str, Any]) -> None:
        """Take over what `counters` gave."""
        self.steps, self.scale = counters["steps"], counters["scale"]
        for group, steps in zip(self.groups, counters["groups"], strict=True):
            group.steps = steps

    def _part(self, parameter: nn.Parameter) -> nn.Parameter:
        """A parameter that stands for what this rank has of another, in the same memory."""
        from reft_lab.policy.sharding import own_part

        eight_bit.check_parts(parameter.shape, self.ranks.size)
        self._parts[parameter] = nn.Parameter(own_part(parameter.detach()))
        return self._parts[parameter]

    def _hand_on_gradients(self) -> None:
        """Let those that stand for parts have the gradients of these."""
        for parameter, own in self._parts.items():
            own.grad = None if parameter.grad is None else self._apart(parameter.grad)

    def _together(self, value: Tensor, parameter: nn.Parameter) -> Tensor:
        """A tensor of the state of a parameter, in parts where the parameter is and bitsandbytes has not seen that."""
        if parameter not in self._parts or not value.ndim:
            return value
        from reft_lab.policy.sharding import of_parts

        return of_parts(value, parameter)

    def _apart(self, value: Tensor) -> Tensor:
        """What this rank has of a tensor of a state or gradient; a number as it is."""
        if not value.ndim:
            return value
        from reft_lab.policy.sharding import own_part

        return own_part(value)

    def _clipped(self) -> float:
        return _whole(torch.nn.utils.clip_grad_norm_(self.parameters, self.max_grad_norm)).item()

    def _clipped_apart(self, parts: Sequence[Gradient]) -> float:
        pieces = [[grad for grad in at if grad is not None] for at in zip(*parts, strict=True)]
        norms = [torch.linalg.vector_norm(_total(piece)) for piece in pieces if piece]
        norm = _whole(torch.linalg.vector_norm(torch.stack(norms))).item()
        for part in parts:
            factor = (self.max_grad_norm / (norm_of(part) + 1e-6)).clamp_max(1.0)  # as torch's clip_grad_norm_
            for grad in part:
                if grad is not None:
                    grad.mul_(factor)
        for parameter, piece in zip(self.parameters, pieces, strict=True):
            parameter.grad = _total(piece) if piece else None
        return norm


def moment_bytes(policy: Policy, parameters: Iterable[nn.Parameter], kind: str) -> int:
    """What the moments of these parameters of `policy` take, of the optimiser of this kind."""
    spared = {id(parameter) for parameter in policy.undecayed()}
    return sum(
        eight_bit.moment_bytes(p) if kind == eight_bit.NAME and id(p) not in spared else 8 * p.numel()
        for p in parameters
    )


def norm_of(gradient: Iterable[Tensor | None]) -> Tensor:
    """The norm of a gradient, 0 where there is nothing, left on its device."""
    return _whole(torch.nn.utils.get_total_norm([grad for grad in gradient if grad is not None]))


def _whole(norm: Tensor) -> Tensor:
    """A norm of gradients in parts, of all parts together; any other as it is."""
    together: Callable[[], Tensor] | None = getattr(norm, "full_tensor", None)
    return norm if together is None else together()


def _total(gradients: list[Tensor]) -> Tensor:
    return gradients[0] if len(gradients) == 1 else torch.stack(gradients).sum(0)
