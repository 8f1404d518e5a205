"""Projections that read the same normed input, folded with the norm's weight into one matrix."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from reft_lab.policy.llama_pairs import turning_pairs


class Folded:
    """Linear layers behind a norm as one matrix (K, H) that reads what the norm gives before its weight.

    The matrix is made anew for each micro-batch, and for its gradient again unless it is smaller than what it reads:
    kept, it would be a second copy of a large model.

    Attributes:
        parameters: the norm's weight, the layers' weights, and their biases where they have them.
    """

    def __init__(self, norm: Tensor, linears: Sequence[nn.Linear], head_sizes: Sequence[int | None]):
        """Args:
        norm: weight of the norm (H,).
        linears: the layers; all have a bias or none has.
        head_sizes: for each layer the size of heads whose halves are rotated against each other, None where they are
            not. Their outputs come out in pairs that a complex number holds.
        """
        weights = [linear.weight for linear in linears]
        biases = [linear.bias for linear in linears if linear.bias is not None]
        self.parameters = [norm, *weights, *biases]
        self._count = len(linears)
        self._sizes = [len(weight) for weight in weights]
        self._order = _paired(self._sizes, head_sizes) if any(head_sizes) else None
        self._back = None if self._order is None else self._order.argsort()

    def __call__(self, x: Tensor) -> tuple[Tensor, Callable[[Tensor], tuple[Tensor, list[Tensor]]]]:
        """(N, H) -> (N, K) in the type of `x`, and the function from its gradient to those of `x` and `parameters`."""
        norm, weights, matrix = self._matrix(x)
        kept = (norm, weights, matrix) if len(matrix) <= len(x) else None
        bias = self.parameters[1 + self._count :]
        result = functional.linear(x, matrix, self._ordered(bias).to(x.dtype) if bias else None)

        def gradient(upstream: Tensor) -> tuple[Tensor, list[Tensor]]:
            norm, weights, matrix = kept or self._matrix(x)
            by_matrix = (upstream.t() @ x).to(weights.dtype)
            found = [(by_matrix * weights).sum(0), *self._apart(by_matrix.mul_(norm))]
            if bias:
                found += self._apart(upstream.sum(0, dtype=weights.dtype))
            return upstream @ matrix, found

        return result, gradient

    def _matrix(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        if self._order is not None and self._back is not None:
            self._order, self._back = self._order.to(x.device), self._back.to(x.device)  # the model may have moved
        norm = self.parameters[0]
        weights = self._ordered(self.parameters[1 : 1 + self._count])
        return norm, weights, (weights * norm).to(x.dtype)

    def _ordered(self, parts: list[Tensor]) -> Tensor:
        whole = torch.cat(parts)
        return whole if self._order is None else whole.index_select(0, self._order)

    def _apart(self, whole: Tensor) -> tuple[Tensor, ...]:
        return (whole if self._back is None else whole.index_select(0, self._back)).split(self._sizes)


def _paired(sizes: Sequence[int], head_sizes: Sequence[int | None]) -> Tensor:
    """The order of outputs in which the two halves of a rotated head alternate."""
    parts, start = [], 0
    for size, head in zip(sizes, head_sizes, strict=True):
        part = torch.arange(start, start + size)
        parts.append(part if head is None else turning_pairs(part, head))
        start += size
    return torch.cat(parts)
