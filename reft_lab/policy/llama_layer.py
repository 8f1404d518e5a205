"""One Llama decoder layer with its gradient, written out.

On a small model passes over memory cost as much as products, and differentiating transformers' layer automatically
makes three times as many of them. The result is the same up to rounding. What is done differently:

- projections that read the same normed input are one product, and the norm's weight is part of its matrix;
- query and key dimensions are laid out in pairs, so that a rotation is a complex multiplication, and the scale of
  attention is part of the queries' matrix;
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
from reft_lab.policy.llama_folded import Folded, Gradients, Projection

Backward = Callable[[Tensor], tuple[Tensor, Gradients]]


@dataclass(frozen=True)
class Tokens:
    """The tokens of a micro-batch as a layer sees them: the N it reads, and the M it is computed for.

    Attributes:
        heads: places of the query, key and value heads of the tokens read, or, with `chosen`, of key and value heads.
        queries: places of the query heads of the tokens computed.
        rotation: cos + i sin of the tokens read (N, 1, d / 2).
        chosen: which of the tokens read are computed (M,); None: all, M = N.
        mask: 0 or -inf (B, 1, Q, S); None: causal.
    """

    heads: Heads
    queries: Heads
    rotation: Tensor
    chosen: Tensor | None = None
    mask: Tensor | None = None


def decoder_layer(layer: Any, hidden: Tensor, tokens: Tokens, dtype: torch.dtype) -> tuple[Tensor, Backward]:
    """A decoder layer.

    Args:
        layer: transformers' LlamaDecoderLayer, whose weights are read.
        hidden: residual stream in fp32 (N, H).
        tokens: what is computed.
        dtype: type of the products.

    Returns:
        The residual stream behind the layer (M, H), and the function from its gradient to that of `hidden` and those of
        the layer's parameters by name.
    """
    attended, attention_gradient = _attention(layer, hidden, tokens, dtype)
    result, mlp_gradient = _mlp(layer, attended, dtype)

    def gradient(upstream: Tensor) -> tuple[Tensor, Gradients]:
        by_attended, found = mlp_gradient(upstream)
        by_hidden, more = attention_gradient(by_attended)
        return by_hidden, found | more

    return result, gradient


def normed(x: Tensor, eps: float) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
    """x / sqrt(mean(x^2) + eps) along the last dimension, without the norm's weight, and its gradient."""
    factor = x.square().mean(-1, keepdim=True).add_(eps).rsqrt_()
    result = x * factor

    def gradient(upstream: Tensor) -> Tensor:
        along = (upstream * result).mean(-1, keepdim=True)
        return torch.addcmul(upstream, result, along, value=-1).mul_(factor)

    return result, gradient


def _attention(layer: Any, hidden: Tensor, tokens: Tokens, dtype: torch.dtype) -> tuple[Tensor, Backward]:
    """hidden + attention(norm(hidden))."""
    block, norm, chosen = layer.self_attn, layer.input_layernorm, tokens.chosen
    size: int = block.head_dim
    query = Projection("self_attn.q_proj", block.q_proj, size, block.scaling)
    key, value = Projection("self_attn.k_proj", block.k_proj, size), Projection("self_attn.v_proj", block.v_proj)
    query_width, key_width = block.q_proj.out_features, block.k_proj.out_features

    x, norm_gradient = normed(hidden, norm.variance_epsilon)
    x = x.to(dtype)
    if chosen is None:
        project = Folded("input_layernorm.weight", norm.weight, (query, key, value))
        projected, project_gradient = project(x)
        rotated = query_width + key_width
        _rotate(projected[:, :rotated], tokens.rotation)
        q, k, v = tokens.heads.split(projected, size)
        residual = hidden
    else:
        project = Folded("input_layernorm.weight", norm.weight, (key, value))
        projected, project_gradient = project(x)
        rotated = key_width
        _rotate(projected[:, :rotated], tokens.rotation)
        k, v = tokens.heads.split(projected, size)
        ask = Folded("input_layernorm.weight", norm.weight, (query,))
        asked, ask_gradient = ask(x.index_select(0, chosen))
        _rotate(asked, tokens.rotation.index_select(0, chosen))
        (q,) = tokens.queries.split(asked, size)
        residual = hidden.index_select(0, chosen)
    del projected

    attended, attend_gradient = attend(q, k, v, tokens.mask)
    result, out_gradient = _add_projected(residual, tokens.queries.join(attended), "self_attn.o_proj", block.o_proj)

    def gradient(upstream: Tensor) -> tuple[Tensor, Gradients]:
        by_joined, found = out_gradient(upstream)
        (by_attended,) = tokens.queries.split_with_zeros(by_joined, size)
        places = by_attended.new_empty((len(tokens.heads.spread), size))
        if chosen is None:
            attend_gradient(by_attended, *tokens.heads.views(places))
        else:
            by_queries = torch.empty_like(by_attended)
            attend_gradient(by_attended, by_queries, *tokens.heads.views(places))
        by_projected = tokens.heads.join(places)
        _rotate(by_projected[:, :rotated], tokens.rotation.conj())
        by_x, more = project_gradient(by_projected)
        found |= more
        if chosen is None:
            return upstream + norm_gradient(by_x.float()), found
        by_asked = tokens.queries.join(by_queries)
        _rotate(by_asked, tokens.rotation.index_select(0, chosen).conj())
        by_chosen, more = ask_gradient(by_asked)
        found |= more | {"input_layernorm.weight": found["input_layernorm.weight"] + more["input_layernorm.weight"]}
        by_x.index_add_(0, chosen, by_chosen)
        return norm_gradient(by_x.float()).index_add_(0, chosen, upstream), found

    return result, gradient


def _mlp(layer: Any, hidden: Tensor, dtype: torch.dtype) -> tuple[Tensor, Backward]:
    """hidden + down(silu(gate(norm(hidden))) * up(norm(hidden)))."""
    block, norm = layer.mlp, layer.post_attention_layernorm
    project = Folded(
        "post_attention_layernorm.weight",
        norm.weight,
        (Projection("mlp.gate_proj", block.gate_proj), Projection("mlp.up_proj", block.up_proj)),
    )
    x, norm_gradient = normed(hidden, norm.variance_epsilon)
    both, project_gradient = project(x.to(dtype))
    gate, up = both.chunk(2, dim=1)
    opened = functional.silu(gate)
    result, down_gradient = _add_projected(hidden, opened * up, "mlp.down_proj", block.down_proj)

    def gradient(upstream: Tensor) -> tuple[Tensor, Gradients]:
        by_product, found = down_gradient(upstream)
        by_both = torch.empty_like(both)
        by_gate, by_up = by_both.chunk(2, dim=1)
        torch.mul(by_product, opened, out=by_up)
        torch.ops.aten.silu_backward.grad_input(by_product.mul_(up), gate, grad_input=by_gate)
        by_x, more = project_gradient(by_both)
        return upstream + norm_gradient(by_x.float()), found | more

    return result, gradient


def _add_projected(residual: Tensor, x: Tensor, name: str, linear: nn.Linear) -> tuple[Tensor, Backward]:
    """residual + linear(x); the gradient of the residual is the upstream one and left to the caller."""
    weight = linear.weight
    if x.dtype == residual.dtype:
        result = torch.addmm(residual, x, weight.t())
    else:
        result = residual + x @ weight.to(x.dtype).t()
    if linear.bias is not None:
        result += linear.bias

    def gradient(upstream: Tensor) -> tuple[Tensor, Gradients]:
        g = upstream.to(x.dtype)
        found = {f"{name}.weight": (g.t() @ x).to(weight.dtype)}
        if linear.bias is not None:
            found[f"{name}.bias"] = upstream.sum(0)
        return g @ weight.to(x.dtype), found

    return result, gradient


def _rotate(x: Tensor, rotation: Tensor) -> None:
    """Multiply pairs of (N, K) by complex numbers (N, 1, d / 2), in place."""
    pairs = torch.view_as_complex(x.float().unflatten(1, (-1, rotation.shape[-1], 2))).mul_(rotation)
    if x.dtype != torch.float32:
        x.copy_(torch.view_as_real(pairs).flatten(1))
