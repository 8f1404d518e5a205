"""Projections that read the same normed input, folded with the norm's weight into one matrix."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

Gradients = dict[str, Tensor]


@dataclass(frozen=True)
class Projection:
    """A linear layer, and how its outputs are laid out and scaled in the folded matrix.

    Attributes:
        name: its name within the decoder layer.
        linear: the layer.
        head_size: size of the heads whose halves are rotated against each other: their outputs come out in pairs that
            a complex number holds; None leaves the order.
        scale: factor on the outputs.
    """

    name: str
    linear: nn.Linear
    head_size: int | None = None
    scale: float = 1.0

    def laid_out(self, x: Tensor) -> Tensor:
        """Weight (K, H) or bias (K) as it goes into the folded matrix."""
        if self.head_size is None:
            return x
        return x.view(-1, 2, self.head_size // 2, *x.shape[1:]).transpose(1, 2).reshape(x.shape) * self.scale

    def put_back(self, x: Tensor) -> Tensor:
        """The gradient of a weight or bias from that of `laid_out`."""
        if self.head_size is None:
            return x
        return x.view(-1, self.head_size // 2, 2, *x.shape[1:]).transpose(1, 2).reshape(x.shape) * self.scale


@dataclass(frozen=True)
class Folded:
    """Projections behind a norm as one matrix (K, H) that reads what the norm gives before its weight.

    The matrix is made anew in each direction: it is small beside the tokens, and keeping it would hold a second copy of
    the model between them.

    Attributes:
        norm_name: name of the norm's weight within the decoder layer.
        norm_weight: that weight (H,).
        projections: the layers, in the order of their outputs.
    """

    norm_name: str
    norm_weight: Tensor
    projections: tuple[Projection, ...]

    def __call__(self, x: Tensor) -> tuple[Tensor, Callable[[Tensor], tuple[Tensor, Gradients]]]:
        """(N, H) -> (N, K) in the type of `x`, and the function from its gradient to those of `x` and the weights."""
        matrix = (self._weights() * self.norm_weight).to(x.dtype)
        result = functional.linear(x, matrix, self._biases(x.dtype))

        def gradient(upstream: Tensor) -> tuple[Tensor, Gradients]:
            weights = self._weights()
            by_matrix = (upstream.t() @ x).to(weights.dtype)
            found = {self.norm_name: (by_matrix * weights).sum(0)}
            sizes = [p.linear.out_features for p in self.projections]
            for p, part in zip(self.projections, (by_matrix * self.norm_weight).split(sizes), strict=True):
                found[f"{p.name}.weight"] = p.put_back(part)
            if self.projections[0].linear.bias is not None:
                by_bias = upstream.sum(0, dtype=weights.dtype)
                for p, part in zip(self.projections, by_bias.split(sizes), strict=True):
                    found[f"{p.name}.bias"] = p.put_back(part)
            return upstream @ (weights * self.norm_weight).to(x.dtype), found

        return result, gradient

    def _weights(self) -> Tensor:
        return torch.cat([p.laid_out(p.linear.weight) for p in self.projections])

    def _biases(self, dtype: torch.dtype) -> Tensor | None:
        if self.projections[0].linear.bias is None:
            return None
        return torch.cat([p.laid_out(p.linear.bias) for p in self.projections]).to(dtype)
