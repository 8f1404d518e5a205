"""The weights of a policy in parts, of which each of its ranks holds one: torch's `fully_shard` (FSDP2, 2304.11277).

The layers are gathered one after the other while a pass goes through them, forward and backward, and what is in no
layer for as long as a pass takes: embeddings, which may be tied, the last norm, and the value head. Gradients are added
up on the way back, so that each rank has that of its own part, and the optimiser keeps moments of that alone. Weights
are gathered in fp32: passes compute what they compute in one process.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor, empty
from transformers.modeling_layers import GradientCheckpointingLayer

from reft_lab.policy.adapters import OWN, adapted_layers, merged_layer

if TYPE_CHECKING:
    from reft_lab.policy.model import Policy
    from reft_lab.ranks import Ranks

T = TypeVar("T")


class Sharding:
    """How the weights of a policy are parted, and come together again; all ranks do either at once."""

    def __init__(self, policy: Policy, mesh: DeviceMesh | None = None):
        """Part `policy` in place; its parameters are other ones from here on.

        `mesh` is that of a policy on the same ranks; None makes one.
        """
        # What it is but for its weights, of which copies are made: torch refuses to copy what is in parts.
        self._blank = copy.deepcopy(policy, {id(p): _weightless(p) for p in policy.parameters()})
        self._mesh = mesh or init_device_mesh(policy.device.type, (policy.ranks.size,))
        self._pass = _Pass(policy)
        layers = [module for module in policy.modules() if isinstance(module, GradientCheckpointingLayer)]
        for module in (*layers, self._pass):
            parted = fully_shard(module, mesh=self._mesh, reshard_after_forward=True)
            parted.set_gradient_divide_factor(1.0)  # a rank's is its part of a sum, not one of several means
            parted.set_force_sum_reduction_for_comms(True)
        for target in policy.children():  # what is loaded into
            target.register_load_state_dict_pre_hook(_take_own_parts)

    def run(self, work: Callable[..., T], *args: Any, **options: Any) -> T:
        """`work(*args, **options)`, one pass: what it needs is gathered while it goes on, and on the way back."""
        found: T = self._pass(work, *args, **options)
        return found

    def reference(self, policy: Policy) -> Policy:
        """A frozen copy of the policy in parts, without its value model; nothing is exchanged.

        The weights beneath an adapter stay those of the policy.
        """
        frozen = copy.deepcopy(self._blank)
        frozen.value_head = frozen.value_trunk = None
        frozen.requires_grad_(False).eval()
        frozen.sharding = Sharding(frozen, self._mesh)
        _put(frozen, {name: _copied(policy, name, weight) for name, weight in policy.named_parameters()})
        return frozen

    def separate_values(self, policy: Policy) -> None:
        """Let the value head of the policy read a copy of its trunk, in parts; nothing is exchanged.

        The weights beneath an adapter stay those of the policy. All parameters are other ones from here on.
        """
        blank = copy.deepcopy(self._blank)
        blank.value_trunk = copy.deepcopy(blank.lm.base_model)
        weights = {name: weight.detach() for name, weight in policy.named_parameters()}
        for name, weight in policy.lm.base_model.named_parameters():
            weights[f"value_trunk.{name}"] = _copied(policy, name, weight)
        policy.lm, policy.value_head, policy.value_trunk = blank.lm, blank.value_head, blank.value_trunk
        policy.logit_transform, policy.sharding = blank.logit_transform, None
        policy.sharding = Sharding(policy, self._mesh)
        _put(policy, weights)

    @contextmanager
    def gathered(self, policy: Policy) -> Iterator[Policy]:
        """Inside, a copy with all weights on each rank to sample from.

        The matrices between layers are in the type of their products, and an adapter is merged into them, layer by
        layer. No sampler reads a value trunk, which has no weights.
        """
        blanks, weights = dict(self._blank.named_parameters()), dict(policy.named_parameters())
        short = {id(weight) for weight in self._blank.matrices()}
        adapted = adapted_layers(self._blank.lm)
        left_out = ("value_trunk.", *(f"lm.{name}." for name in adapted))
        memo: dict[int, Any] = {}
        for name, blank in blanks.items():
            if not name.startswith(left_out):
                whole = gathered(weights[name])
                memo[id(blank)] = _parameter(whole.to(policy.dtype) if id(blank) in short else whole, blank)
        copied = copy.deepcopy(self._blank, memo)
        for name, layer in adapted.items():
            of_layer = {
                id(p): _parameter(gathered(weights[f"lm.{name}.{own}"]), p) for own, p in layer.named_parameters()
            }
            copied.lm.set_submodule(name, merged_layer(copy.deepcopy(layer, of_layer), policy.dtype))
        if adapted:
            del copied.lm.peft_config
            copied.is_adapted = False
        with _dropped(copied):
            yield copied

    @contextmanager
    def collected(self, policy: Policy) -> Iterator[Policy | None]:
        """Inside, a copy with all weights in the memory of the machine of the rank that leads; None on the others."""
        weights = on_leader(dict(policy.named_parameters()), policy.ranks)
        if not policy.ranks.leads:
            yield None
            return
        pairs = zip(self._blank.parameters(), weights.values(), strict=True)
        memo: dict[int, Any] = {id(blank): _parameter(weight, blank) for blank, weight in pairs}
        del weights, pairs
        with _dropped(copy.deepcopy(self._blank, memo)) as copied:
            memo.clear()
            yield copied


class _Pass(nn.Module):
    """What a pass goes through, as one module: fully_shard gathers when a module is called. A policy keeps its own
    class and hooks, so that what it is made of can be parted anew."""

    def __init__(self, policy: Policy):
        super().__init__()
        self.parts = nn.ModuleList(policy.children())

    def forward(self, work: Callable[..., Any], *args: Any, **options: Any) -> Any:
        return work(*args, **options)


@contextmanager
def _dropped(policy: Policy) -> Iterator[Policy]:
    """Afterwards the weights of a policy are gone. Modules refer to themselves, so that Python would keep them until it
    collects its garbage, which may be an update later."""
    try:
        yield policy
    finally:
        for parameter in policy.parameters():
            parameter.data = parameter.data.new_empty(0)


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


def own_part(tensor: Tensor) -> Tensor:
    """What this rank has of a tensor in parts, in the same memory."""
    assert isinstance(tensor, DTensor)
    return tensor.to_local()


def of_parts(own: Tensor, parameter: Tensor) -> Tensor:
    """The tensor that the ranks have equal parts of, as of a parameter; this one's is `own`, in the same memory."""
    assert isinstance(parameter, DTensor)
    return DTensor.from_local(own, parameter.device_mesh, parameter.placements, run_check=False)


def empty_parts(kind: Tensor, parameter: Tensor) -> Tensor:
    """A tensor with the shape and type of `kind` in parts like those of a parameter, without numbers."""
    assert isinstance(parameter, DTensor)
    mesh, placements = parameter.device_mesh, parameter.placements
    return empty(*kind.shape, dtype=kind.dtype, device_mesh=mesh, placements=placements)


def _copied(policy: Policy, name: str, weight: Tensor) -> Tensor:
    """A rank's part of a weight of the policy for a copy of it; beneath an adapter that part itself."""
    is_shared = policy.is_adapted and OWN not in name
    return weight.detach() if is_shared else weight.detach().clone()


def _put(policy: Policy, weights: Mapping[str, Tensor]) -> None:
    """Give a policy that was parted without weights a rank's parts of them; those that are tied stay so."""
    new = {id(blank): _parameter(weights[name], blank) for name, blank in policy.named_parameters()}
    for module in policy.modules():
        for name, blank in list(module.named_parameters(recurse=False, remove_duplicate=False)):
            setattr(module, name, new[id(blank)])


def _parameter(weight: Tensor, like: Tensor) -> nn.Parameter:
    return nn.Parameter(weight.detach(), requires_grad=like.requires_grad)


def _weightless(parameter: nn.Parameter) -> nn.Parameter:
    return _parameter(torch.empty_like(parameter, device="meta"), parameter)


def _take_own_parts(module: nn.Module, state: dict[str, Any], prefix: str, *_: Any) -> None:
    """Of whole tensors that are loaded, let a rank take its own parts."""
    for name, parameter in module.named_parameters(remove_duplicate=False):
        if f"{prefix}{name}" in state:
            state[f"{prefix}{name}"] = parted_like(state[f"{prefix}{name}"], parameter)
