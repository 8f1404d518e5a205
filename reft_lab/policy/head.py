"""Log-probabilities of given tokens from hidden states, without ever holding all logits of a large vocabulary."""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor

# Logits that are held at once, where the head's own weight is not larger: 16 MiB in fp32.
LOGITS = 2**22


def chunk_rows(vocabulary: int, hidden_size: int) -> int:
    """How many tokens' logits are held at once.

    As many as make LOGITS numbers, or as many numbers as the head's weight has where that is more: the gradient of
    the weight takes that room anyway, and smaller pieces would go over it more often than they compute with it.
    """
    return max(1, LOGITS // vocabulary, hidden_size)


def target_logprobs(hidden: Tensor, weight: Tensor, bias: Tensor | None, targets: Tensor) -> Tensor:
    """log softmax(hidden weight^T + bias) at `targets`, in fp32: (M, H), (V, H), (V), (M) -> (M).

    Beyond one chunk the logits are computed a second time for the gradient, so that no more than a chunk is held.

    Args:
        hidden: hidden states; products are computed in their type.
        weight: weight of the head, of the same type.
        bias: bias of the head or None.
        targets: token ids.
    """
    return cast(Tensor, _TargetLogprobs.apply(hidden, weight, bias, targets))


def _log_softmax(hidden: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    return torch.log_softmax(torch.nn.functional.linear(hidden, weight, bias).float(), dim=-1)


class _TargetLogprobs(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, hidden: Tensor, weight: Tensor, bias: Tensor | None, targets: Tensor) -> Tensor:
        with torch.autocast(hidden.device.type, enabled=False):
            rows = chunk_rows(*weight.shape)
            chosen = []
            whole = None
            for part, wanted in zip(hidden.split(rows), targets.split(rows), strict=True):
                whole = None  # let go of the chunk before
                whole = _log_softmax(part, weight, bias)
                chosen.append(whole.gather(1, wanted[:, None])[:, 0])
        ctx.rows = rows
        ctx.save_for_backward(hidden, weight, bias, targets, whole if len(chosen) == 1 else None)
        return torch.cat(chosen)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor | None, ...]:
        """d log p(y) / d logits = onehot(y) - p."""
        hidden, weight, bias, targets, whole = ctx.saved_tensors
        by_hidden, by_weight, by_bias, _ = ctx.needs_input_grad
        parts = list(zip(*(x.split(ctx.rows) for x in (hidden, targets, upstream[0])), strict=True))
        by_parts, weight_grad, bias_grad = [], None, None
        for part, wanted, factor in parts:
            probs = (_log_softmax(part, weight, bias) if whole is None else whole).exp()
            grad = probs.mul_(-factor[:, None]).scatter_add_(1, wanted[:, None], factor[:, None])
            if by_bias:
                bias_grad = grad.sum(0) if bias_grad is None else bias_grad.add_(grad.sum(0))
            grad = grad.to(weight.dtype)
            if by_weight:
                weight_grad = _accumulated(weight_grad, grad.t(), part)
            if by_hidden:
                by_parts.append(grad @ weight)
        return (
            torch.cat(by_parts) if by_hidden else None,
            None if weight_grad is None else weight_grad.to(weight.dtype),
            None if bias_grad is None else bias_grad.to(bias.dtype),
            None,
        )


def _accumulated(total: Tensor | None, a: Tensor, b: Tensor) -> Tensor:
    """total + a b, the sum in fp32 whatever the type of the product."""
    if total is None:
        return (a @ b).float()
    return total.addmm_(a, b) if a.dtype == total.dtype else total.add_(a @ b)
