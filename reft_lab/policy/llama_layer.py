"""One Llama decoder layer with its gradient, written out.

On a small model passes over memory and calls cost as much as products, and differentiating transformers' layer
automatically makes many more of them. The result is the same up to rounding. What is done differently:

- projections that read the same normed input are one product, and the norm's weight is part of its matrix;
- query and key dimensions are laid out in pairs, so that a rotation is a complex multiplication, and the scale of
  attention is part of the queries' rotation;
- a layer may be computed for some tokens only: keys and values of all, queries and what follows of those.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from reft_lab.policy.attention import Heads, attend
from reft_lab.policy.llama_folded import Folded

Backward = Callable[[Tensor], tuple[Tensor, list[Tensor]]]
# The first two are the gradients of the residual stream and of the normed input.
AttentionBackward = Callable[[Tensor], tuple[Tensor, Tensor, list[Tensor]]]


@dataclass(frozen=True)
class Rotation:
    """Complex factors of the rotated heads of some tokens (N, heads d / 2), and their conjugates for the gradient."""

    forth: Tensor
    back: Tensor

    def narrowed(self, start: int, stop: int) -> Rotation:
        """Those of some heads."""
        return Rotation(self.forth[:, start:stop], self.back[:, start:stop])

    def of(self, chosen: Tensor) -> Rotation:
        """Those of some tokens."""
        return Rotation(self.forth.index_select(0, chosen), self.back.index_select(0, chosen))


@dataclass(frozen=True)
class AllTokens:
    """The N tokens of a micro-batch, as a layer sees them that is computed for all.

    Attributes:
        heads: places of their query, key and value heads.
        queries: places of their query heads.
        rotation: of their query heads, scaled for attention, and key heads.
        sees: 1 where a token sees another, else 0, (S, S).
    """

    heads: Heads
    queries: Heads
    rotation: Rotation
    sees: Tensor


@dataclass(frozen=True)
class ChosenTokens:
    """The tokens of a micro-batch, as a layer sees them that is computed for M of them.

    Attributes:
        chosen: which of the N tokens (M,).
        heads: places of all tokens' key and value heads.
        queries: places of the chosen tokens' query heads.
        key_rotation: of all tokens' key heads.
        query_rotation: of the chosen tokens' query heads, scaled for attention.
        sees: 1 where a chosen token sees another, else 0, (B, 1, Q, S).
    """

    chosen: Tensor
    heads: Heads
    queries: Heads
    key_rotation: Rotation
    query_rotation: Rotation
    sees: Tensor


class Layer:
    """A decoder layer.

    Attributes:
        parameters: the parameters of transformers' layer, in the order in which gradients come out.
    """

    def __init__(self, layer: Any, last: bool):
        """Args:
        layer: transformers' LlamaDecoderLayer, whose parameters are used as they are at each call.
        last: whether the layer is computed for some tokens only.
        """
        block, mlp = layer.self_attn, layer.mlp
        self._size: int = block.head_dim
        self._out, self._down = block.o_proj, mlp.down_proj
        norm = layer.input_layernorm.weight
        self._eps = (layer.input_layernorm.variance_epsilon, layer.post_attention_layernorm.variance_epsilon)
        query, key, value = block.q_proj, block.k_proj, block.v_proj
        # The last layer asks for some tokens only, so its queries are a product of their own.
        self._ask = Folded(norm, [query], [self._size]) if last else None
        read = [key, value] if last else [query, key, value]
        self._read = Folded(norm, read, [self._size] * (len(read) - 1) + [None])
        self._open = Folded(layer.post_attention_layernorm.weight, [mlp.gate_proj, mlp.up_proj], [None, None])
        self.parameters = [
            *_parameters(self._down),
            *self._open.parameters,
            *_parameters(self._out),
            *self._read.parameters,
            *(self._ask.parameters[1:] if self._ask else ()),
        ]

    def __call__(self, hidden: Tensor, tokens: AllTokens | ChosenTokens, dtype: torch.dtype) -> tuple[Tensor, Backward]:
        """Args:
            hidden: residual stream in fp32 (N, H).
            tokens: what is computed.
            dtype: type of the products.

        Returns:
            The residual stream behind the layer, (N, H) or (M, H), and the function from its gradient to those of
            `hidden` and of `parameters`.
        """
        x, norm_gradient = normed(hidden, self._eps[0])
        if isinstance(tokens, AllTokens):
            attended, attention_gradient = self._for_all(hidden, x.to(dtype), tokens)
        else:
            attended, attention_gradient = self._for_chosen(hidden, x.to(dtype), tokens)
        result, mlp_gradient = self._mlp(attended, dtype)

        def gradient(upstream: Tensor) -> tuple[Tensor, list[Tensor]]:
            by_attended, found = mlp_gradient(upstream)
            by_hidden, by_x, more = attention_gradient(by_attended)
            return norm_gradient(by_x.float()).add_(by_hidden), found + more

        return result, gradient

    def _for_all(self, hidden: Tensor, x: Tensor, tokens: AllTokens) -> tuple[Tensor, AttentionBackward]:
        """hidden + attention(x)."""
        projected, read_gradient = self._read(x)
        _rotate(projected, tokens.rotation.forth)
        queries, keys, values = tokens.heads.split(projected, self._size)
        attended, attend_gradient = attend(queries, keys, values, tokens.sees)
        result, out_gradient = _add_projected(hidden, tokens.queries.join(attended), self._out)

        def gradient(upstream: Tensor) -> tuple[Tensor, Tensor, list[Tensor]]:
            by_joined, found = out_gradient(upstream)
            (by_attended,) = tokens.queries.split_with_zeros(by_joined, self._size)
            places, (by_queries, by_keys, by_values) = tokens.heads.empty(by_attended)
            attend_gradient(by_attended, by_queries, by_keys, by_values)
            by_projected = tokens.heads.join(places)
            _rotate(by_projected, tokens.rotation.back)
            by_x, more = read_gradient(by_projected)
            return upstream, by_x, found + more

        return result, gradient

    def _for_chosen(self, hidden: Tensor, x: Tensor, tokens: ChosenTokens) -> tuple[Tensor, AttentionBackward]:
        """hidden + attention(x) for the chosen tokens."""
        assert self._ask is not None
        projected, read_gradient = self._read(x)
        asked, ask_gradient = self._ask(x.index_select(0, tokens.chosen))
        _rotate(projected, tokens.key_rotation.forth)
        _rotate(asked, tokens.query_rotation.forth)
        (queries,) = tokens.queries.split(asked, self._size)
        keys, values = tokens.heads.split(projected, self._size)
        attended, attend_gradient = attend(queries, keys, values, tokens.sees)
        residual = hidden.index_select(0, tokens.chosen)
        result, out_gradient = _add_projected(residual, tokens.queries.join(attended), self._out)

        def gradient(upstream: Tensor) -> tuple[Tensor, Tensor, list[Tensor]]:
            by_joined, found = out_gradient(upstream)
            (by_attended,) = tokens.queries.split_with_zeros(by_joined, self._size)
            places, (by_keys, by_values) = tokens.heads.empty(by_attended)
            by_queries = torch.empty_like(by_attended)
            attend_gradient(by_attended, by_queries, by_keys, by_values)
            by_projected, by_asked = tokens.heads.join(places), tokens.queries.join(by_queries)
            _rotate(by_projected, tokens.key_rotation.back)
            _rotate(by_asked, tokens.query_rotation.back)
            by_x, more = read_gradient(by_projected)
            by_chosen, yet_more = ask_gradient(by_asked)
            more[0] += yet_more[0]  # both read behind the same norm
            by_x.index_add_(0, tokens.chosen, by_chosen)
            by_hidden = torch.zeros_like(hidden).index_copy_(0, tokens.chosen, upstream)
            return by_hidden, by_x, found + more + yet_more[1:]

        return result, gradient

    def _mlp(self, hidden: Tensor, dtype: torch.dtype) -> tuple[Tensor, Backward]:
        """hidden + down(silu(gate) * up)."""
        x, norm_gradient = normed(hidden, self._eps[1])
        both, open_gradient = self._open(x.to(dtype))
        gate, up = both.chunk(2, dim=1)
        opened = functional.silu(gate)
        result, down_gradient = _add_projected(hidden, opened * up, self._down)

        def gradient(upstream: Tensor) -> tuple[Tensor, list[Tensor]]:
            by_product, found = down_gradient(upstream)
            by_both = torch.empty_like(both)
            by_gate, by_up = by_both.chunk(2, dim=1)
            torch.mul(by_product, opened, out=by_up)
            torch.ops.aten.silu_backward.grad_input(by_product.mul_(up), gate, grad_input=by_gate)
            by_x, more = open_gradient(by_both)
            return norm_gradient(by_x.float()).add_(upstream), found + more

        return result, gradient


def normed(x: Tensor, eps: float) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
    """x / sqrt(mean(x^2) + eps) along the last dimension, without the norm's weight, and its gradient."""
    mean = x.new_full((x.shape[-1], 1), 1 / x.shape[-1])  # a product with it is faster than mean()
    factor = (x.square() @ mean).add_(eps).rsqrt_()
    result = x * factor

    def gradient(upstream: Tensor) -> Tensor:
        along = (upstream * result) @ mean
        return torch.addcmul(upstream, result, along, value=-1).mul_(factor)

    return result, gradient


def _parameters(linear: nn.Linear) -> list[Tensor]:
    return [linear.weight] if linear.bias is None else [linear.weight, linear.bias]


def _add_projected(residual: Tensor, x: Tensor, linear: nn.Linear) -> tuple[Tensor, Backward]:
    """residual + linear(x); the gradient of the residual is the upstream one and left to the caller."""
    weight, bias = linear.weight, linear.bias
    if x.dtype == residual.dtype:
        result = torch.addmm(residual, x, weight.t())
    else:
        result = residual + x @ weight.to(x.dtype).t()
    if bias is not None:
        result += bias

    def gradient(upstream: Tensor) -> tuple[Tensor, list[Tensor]]:
        g = upstream.to(x.dtype)
        found = [(g.t() @ x).to(weight.dtype)]
        if bias is not None:
            found.append(upstream.sum(0))
        return g @ weight.to(x.dtype), found

    return result, gradient


def _rotate(x: Tensor, rotation: Tensor) -> None:
    """Multiply the leading pairs of columns of (N, K) by complex numbers (N, pairs), in place."""
    count = rotation.shape[1]
    pairs = x[:, : 2 * count].unflatten(1, (count, 2))
    if x.dtype == torch.float32:
        torch.view_as_complex(pairs).mul_(rotation)
    else:
        pairs.copy_(torch.view_as_real(torch.view_as_complex(pairs.float()) * rotation))
