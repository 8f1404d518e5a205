"""The weights of a Llama, arranged for decoding."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from reft_lab.policy.adapters import merged_weight


@dataclass(frozen=True)
class Affine:
    """An affine map, or several that read the same input as one."""

    weight: Tensor
    bias: Tensor | None

    def __call__(self, x: Tensor) -> Tensor:
        """(..., in) -> (..., out), in the type of the weights."""
        return functional.linear(x.to(self.weight.dtype), self.weight, self.bias)

    def added_to(self, x: Tensor, y: Tensor) -> Tensor:
        """x + map(y): (n, out), (n, in) -> (n, out)."""
        if self.bias is None and x.dtype == self.weight.dtype:
            return torch.addmm(x, y, self.weight.t())
        return x + self(y)

    def part(self, start: int | None, end: int | None) -> Affine:
        """The map to outputs `start` to `end` alone."""
        return Affine(self.weight[start:end], None if self.bias is None else self.bias[start:end])


@dataclass(frozen=True)
class Layer:
    """One layer. Maps that follow a norm read `unit_rows` of the residual stream; the norm's weights are in them.

    Attributes:
        inward: to queries, keys and values, in this order, each head of the first two as `turning_pairs` lays it out.
        outward: from attention.
        gate_up: to the gate and what it lets through, in this order.
        down: from the MLP.
        floors: of the norms, see `norm_floor`.
    """

    inward: Affine
    outward: Affine
    gate_up: Affine
    down: Affine
    floors: tuple[Tensor, Tensor]

    def mlp(self, x: Tensor) -> Tensor:
        """The residual stream after the MLP: (n, H) -> (n, H)."""
        gate, up = self.gate_up(unit_rows(x, self.floors[1])).chunk(2, dim=-1)
        return self.down.added_to(x, functional.silu(gate).mul_(up))


def unit_rows(x: Tensor, floor: Tensor) -> Tensor:
    """RMS norm but for `norm_weight`, in fewer passes than torch's own takes on a CPU: (..., H) -> (..., H)."""
    return x / torch.linalg.vector_norm(x, dim=-1, keepdim=True).hypot_(floor)


def norm_floor(norm: Any) -> Tensor:
    """What keeps `unit_rows` from dividing by 0: the epsilon of a LlamaRMSNorm as a length."""
    size = len(norm.weight)
    floor: Tensor = norm.weight.new_tensor(math.sqrt(size * norm.variance_epsilon))
    return floor


def norm_weight(norm: Any) -> Tensor:
    """What `unit_rows` are to be multiplied by to make a LlamaRMSNorm's output (H,)."""
    weight: Tensor = norm.weight * math.sqrt(len(norm.weight))
    return weight


def turning_pairs(weight: Tensor, size: int) -> Tensor:
    """Rows of each head of `size` reordered: the model turns row i with row i + size/2, the decoder 2i with 2i + 1.

    Scores do not change, since queries and keys are reordered alike.
    """
    return weight.unflatten(0, (-1, 2, size // 2)).transpose(1, 2).flatten(0, 2)


def arrange(layer: Any, dtype: torch.dtype) -> Layer:
    """A LlamaDecoderLayer's weights, copied as `dtype`."""
    attention, mlp = layer.self_attn, layer.mlp
    before, between = layer.input_layernorm, layer.post_attention_layernorm
    return Layer(
        inward=_join([attention.q_proj, attention.k_proj, attention.v_proj], dtype, before, attention.head_dim),
        outward=_join([attention.o_proj], dtype),
        gate_up=_join([mlp.gate_proj, mlp.up_proj], dtype, between),
        down=_join([mlp.down_proj], dtype),
        floors=(norm_floor(before), norm_floor(between)),
    )


def _join(maps: list[nn.Linear], dtype: torch.dtype, norm: Any = None, head_size: int | None = None) -> Affine:
    """Several maps as one, after a norm if given; the first two turn by position if a `head_size` is given."""

    def joined(parts: Sequence[Tensor]) -> Tensor:
        if head_size is not None:
            parts = [turning_pairs(part, head_size) for part in parts[:2]] + list(parts[2:])
        return torch.cat(list(parts))

    weight = joined([merged_weight(part) for part in maps])
    biases = [part.bias for part in maps if part.bias is not None]
    return Affine(
        (weight if norm is None else weight * norm_weight(norm)).to(dtype), joined(biases).to(dtype) if biases else None
    )
