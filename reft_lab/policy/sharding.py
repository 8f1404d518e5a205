"""The weights of a policy in parts, of which each of its ranks holds one: torch's `fully_shard` (FSDP2, 2304.11277).

The layers are gathered one after the other while a pass goes through them, forward and backward, and what is in no
layer for as long as a pass takes: embeddings, which may be tied, the last norm, and the value head. Gradients are added
up on the way back, so that each rank has that of its own part, and the optimiser keeps moments of that alone. Weights
are gathered in fp32: passes compute what they compute in one process.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor
from transformers.modeling_layers import GradientCheckpointingLayer

if TYPE_CHECKING:
    from reft_lab.policy.model import Policy
    from reft_lab.ranks import Ranks


class Sharding:
    """How the weights of a policy are parted, and come together again; all ranks do either at once."""

    def __init__(self, policy: Policy):
        """Part `policy` in place; its parameters are other ones from here on."""
        # What it is but for its weights, of which whole copies are made: torch refuses to copy what is in parts.
        self._blank = copy.deepcopy(policy, {id(p): _weightless(p) for p in policy.parameters()})
        mesh = init_device_mesh(policy.device.type, (policy.ranks.size,))
        layers = [module for module in policy.modules() if isinstance(module, GradientCheckpointingLayer)]
        for module in (*layers, policy):
            parted = fully_shard(module, mesh=mesh, reshard_after_forward=True)
            parted.set_gradient_divide_factor(1.0)  # a rank's is its part of a sum, not one of several means
            parted.set_force_sum_reduction_for_comms(True)
        for target in (policy, policy.lm, policy.value_head):  # what is loaded into
            if target is not None:
                target.register_load_state_dict_pre_hook(_take_own_parts)

    def whole(self, policy: Policy, matrices: torch.dtype = torch.float32) -> Policy:
        """A copy with all weights on each rank; the matrices between layers may be of a type of their own."""
        short = {id(weight) for weight in self._blank.matrices()}
        pairs = zip(self._blank.parameters(), policy.parameters(), strict=True)
        return self._with(gathered(p).to(matrices) if id(blank) in short else gathered(p) for blank, p in pairs)

    def collected(self, policy: Policy) -> Policy | None:
        """A copy with all weights in the own memory of the machine of the rank that leads; None on the others."""
        weights = on_leader(dict(policy.named_parameters()), policy.ranks)
        return self._with(weights.values()) if policy.ranks.leads else None

    def _with(self, weights: Iterable[Tensor]) -> Policy:
        memo: dict[int, Any] = {}
        for blank, weight in zip(self._blank.parameters(), weights, strict=True):
            memo[id(blank)] = nn.Parameter(weight.detach(), requires_grad=blank.requires_grad)
        return copy.deepcopy(self._blank, memo)


def gathered(tensor: Tensor) -> Tensor:
    """A tensor whose parts the ranks hold, as a whole on each of them; any other as it is."""
    return tensor.full_tensor().detach() if isinstance(tensor, DTensor) else tensor


def on_leader(tensors: Mapping[str, Tensor], ranks: Ranks) -> dict[str, Tensor]:
    """Tensors as wholes in the memory of the machine of the rank that leads, gathered one by one; none elsewhere."""
    found = {}
    for name, tensor in tensors.items():
        whole = gathered(tensor)
        if ranks.leads:
            found[name] = whole.cpu()
    return found


def parted_like(tensor: Tensor, parameter: Tensor) -> Tensor:
    """The part of a whole tensor that a rank holds of a parameter of its shape, on its device; nothing is exchanged."""
    moved = tensor.to(parameter.device)
    if not isinstance(parameter, DTensor) or isinstance(tensor, DTensor) or tensor.shape != parameter.shape:
        return moved
    return distribute_tensor(moved, parameter.device_mesh, parameter.placements, src_data_rank=None)


def _weightless(parameter: nn.Parameter) -> nn.Parameter:
    return nn.Parameter(torch.empty_like(parameter, device="meta"), requires_grad=parameter.requires_grad)


def _take_own_parts(module: nn.Module, state: dict[str, Any], prefix: str, *_: Any) -> None:
    """Of whole tensors that are loaded, let a rank take its own parts."""
    for name, parameter in module.named_parameters(remove_duplicate=False):
        if f"{prefix}{name}" in state:
            state[f"{prefix}{name}"] = parted_like(state[f"{prefix}{name}"], parameter)
