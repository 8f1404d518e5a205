"""Causal attention over packed tokens, with its gradient.

Heads stand apart in padded rows while attention is computed. A place that only fills up a row holds some token's
content: causal attention never looks there from a real token, and what it sees itself is thrown away.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from reft_lab.policy.packing import Rows

# Up to this width a CPU is faster with the weights of attention in memory than with torch's fused kernel.
WIDTH_IN_MEMORY = 256

# From the gradient of what was attended to those of queries, keys and values, which it writes into the given tensors.
Gradient = Callable[[Tensor, Tensor, Tensor, Tensor], None]


# Sums of exponentials between which no row of attention weights has lost anything to fp32's range.
SAFE = (1e-30, 1e30)


@dataclass(frozen=True)
class Heads:
    """Places of the heads of packed tokens, (N, heads d) <-> one (B, count, width, d) for each group of heads.

    Attributes:
        shapes: (B, count, width) of each group.
        spread: for each place in the groups, one after the other, the one of the N heads that goes there.
        collect: for each of the N heads its place in the groups.
    """

    shapes: tuple[tuple[int, int, int], ...]
    spread: Tensor
    collect: Tensor

    @staticmethod
    def of(counts: tuple[int, ...], rows: Rows) -> Heads:
        """For tokens with `counts` heads of each group."""
        size, width = rows.tokens.shape
        head = torch.arange(sum(counts), device=rows.tokens.device)
        spread = rows.tokens * len(head)
        spreads, collects = [], []
        before = 0
        for count, heads in zip(counts, head.split(counts), strict=True):
            spreads.append((spread[:, None] + heads[:, None]).flatten())
            collects.append((rows.row * (count * width) + rows.column)[:, None] + (before + head[:count] * width))
            before += size * count * width
        return Heads(
            tuple((size, count, width) for count in counts),
            torch.cat(spreads),
            torch.cat(collects, dim=1).flatten(),
        )

    def split(self, x: Tensor, size: int) -> tuple[Tensor, ...]:
        """(N, heads size) -> (B, count, width, size) for each group."""
        return self._groups(x.view(-1, size).index_select(0, self.spread))

    def split_with_zeros(self, x: Tensor, size: int) -> tuple[Tensor, ...]:
        """The same with zeros where a place only fills up."""
        if len(self.spread) == len(self.collect):
            return self.split(x, size)
        return self._groups(x.new_zeros((len(self.spread), size)).index_copy_(0, self.collect, x.view(-1, size)))

    def join(self, places: Tensor) -> Tensor:
        """What the groups' places hold, one after the other -> (N, heads size)."""
        size = places.shape[-1]
        heads = sum(count for _, count, _ in self.shapes)
        return places.reshape(-1, size).index_select(0, self.collect).view(-1, heads * size)

    def empty(self, like: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Room for what the groups' places hold, and the groups in it, which are written to."""
        places = like.new_empty((len(self.spread), like.shape[-1]))
        return places, self._groups(places)

    def _groups(self, places: Tensor) -> tuple[Tensor, ...]:
        sizes = [rows * count * width for rows, count, width in self.shapes]
        return tuple(part.view(*shape, -1) for part, shape in zip(places.split(sizes), self.shapes, strict=True))


def attend(queries: Tensor, keys: Tensor, values: Tensor, sees: Tensor) -> tuple[Tensor, Gradient]:
    """softmax(queries keys^T) values over the keys that a query sees; queries are scaled already.

    Args:
        queries: (B, heads, Q, d).
        keys: (B, kv_heads, S, d); heads is a multiple of kv_heads.
        values: (B, kv_heads, S, d).
        sees: 1 where a query sees a key, else 0, (B, 1, Q, S), or the causal one (S, S); a query sees one at least.

    Returns:
        (B, heads, Q, d), and its gradient.
    """
    if queries.device.type == "cpu" and queries.dtype == torch.float32 and keys.shape[2] <= WIDTH_IN_MEMORY:
        return _in_memory(queries, keys, values, sees)
    return _fused(queries, keys, values, sees)


def _in_memory(queries: Tensor, keys: Tensor, values: Tensor, sees: Tensor) -> tuple[Tensor, Gradient]:
    width, size = keys.shape[2:]
    k, v = keys.view(-1, width, size), values.view(-1, width, size)
    q = queries.view(len(k), -1, size)  # query heads that share keys make one longer row
    weights, inverse = _weights(q, k, (*queries.shape[:3], width), sees)
    attended = torch.bmm(weights, v).mul_(inverse)

    def gradient(upstream: Tensor, by_queries: Tensor, by_keys: Tensor, by_values: Tensor) -> None:
        g = upstream.view(attended.shape) * inverse
        torch.bmm(weights.transpose(1, 2), g, out=by_values.view(v.shape))
        by_weights = torch.bmm(g, v.transpose(1, 2))
        # The softmax's gradient; sum(g * attended) is sum(by_weights * weights) in fewer steps.
        by_scores = by_weights.sub_((g * attended).sum(-1, keepdim=True)).mul_(weights)
        torch.bmm(by_scores, k, out=by_queries.view(q.shape))
        torch.bmm(by_scores.transpose(1, 2), q, out=by_keys.view(k.shape))

    return attended.view(queries.shape), gradient


def _weights(q: Tensor, k: Tensor, shape: tuple[int, ...], sees: Tensor) -> tuple[Tensor, Tensor]:
    """Weights of attention up to a factor for each query, and that factor.

    The plain exponentials are half the passes over memory that a softmax makes, which looks for the largest score of
    each query first; where they leave fp32's range, the softmax it is.
    """
    scores = torch.bmm(q, k.transpose(1, 2))
    weights = scores.exp_().view(shape).mul_(sees).view(scores.shape)
    total = weights.sum(-1, keepdim=True)
    smallest, largest = torch.aminmax(total)
    if SAFE[0] < smallest and largest < SAFE[1]:
        return weights, total.reciprocal_()
    scores = torch.bmm(q, k.transpose(1, 2)).view(shape).add_(sees.log())
    return torch.softmax(scores, dim=-1).view(weights.shape), torch.ones_like(total)


def _fused(queries: Tensor, keys: Tensor, values: Tensor, sees: Tensor) -> tuple[Tensor, Gradient]:
    inputs = [x.detach().requires_grad_() for x in (queries, keys, values)]
    groups = queries.shape[1] // keys.shape[1]
    causal = sees.dim() == 2  # torch has a kernel for it that reads no mask
    with torch.enable_grad():
        k, v = (x.repeat_interleave(groups, dim=1) if groups > 1 else x for x in inputs[1:])
        attended = functional.scaled_dot_product_attention(
            inputs[0], k, v, attn_mask=None if causal else sees.bool(), is_causal=causal, scale=1.0
        )

    def gradient(upstream: Tensor, by_queries: Tensor, by_keys: Tensor, by_values: Tensor) -> None:
        found = torch.autograd.grad(attended, inputs, upstream)
        for place, one in zip((by_queries, by_keys, by_values), found, strict=True):
            place.copy_(one)

    return attended.detach(), gradient
