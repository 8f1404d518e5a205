"""Log-probabilities of given tokens and entropies from hidden states, without ever holding all logits of a large
vocabulary."""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor

from reft_lab.policy.logits import LogitTransform

# Logits whose softmax is taken at once on a CPU: 16 MiB in fp32, which stay in its cache. On a GPU, where calls cost
# most, it is that of a whole chunk.
LOGITS = 2**22


def chunk_rows(vocabulary: int, hidden_size: int) -> int:
    """How many tokens' logits are held at once, in the type that they are computed in.

    As many as make LOGITS numbers, or as many numbers as the head's weight has where that is more: the gradient of
    the weight takes that room anyway, and smaller pieces would go over it more often than they compute with it.
    """
    return max(1, LOGITS // vocabulary, hidden_size)


PLAIN = LogitTransform()


def target_logprobs(
    hidden: Tensor, weight: Tensor, bias: Tensor | None, targets: Tensor, transform: LogitTransform = PLAIN
) -> Tensor:
    """log softmax(transform(hidden weight^T + bias)) at `targets`, in fp32: (M, H), (V, H), (V), (M) -> (M).

    Where they are more than LOGITS, the logits are computed a second time for the gradient, so that no more than a
    chunk is held; where they are capped always, since the gradient needs them themselves.

    Args:
        hidden: hidden states; products are computed in their type.
        weight: weight of the head, of the same type.
        bias: bias of the head or None.
        targets: token ids.
        transform: what makes logits of what the head gives, in fp32.
    """
    chosen, _ = _Head.apply(hidden, weight, bias, targets, transform, False)
    return cast(Tensor, chosen)


def target_logprobs_and_entropies(
    hidden: Tensor, weight: Tensor, bias: Tensor | None, targets: Tensor, transform: LogitTransform = PLAIN
) -> tuple[Tensor, Tensor]:
    """The same, and the entropies of the whole distributions in nats, both with gradients and in fp32 (M)."""
    return cast(tuple[Tensor, Tensor], _Head.apply(hidden, weight, bias, targets, transform, True))


class _Head(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        hidden: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        targets: Tensor,
        transform: LogitTransform,
        wants_entropy: bool,
    ) -> tuple[Tensor, Tensor | None]:
        with torch.autocast(hidden.device.type, enabled=False):
            rows = chunk_rows(*weight.shape)
            few = max(1, LOGITS // len(weight)) if hidden.device.type == "cpu" else rows
            chosen, entropies = [], []
            whole = None
            for part, targets_of_part in zip(hidden.split(rows), targets.split(rows), strict=True):
                pieces = torch.nn.functional.linear(part, weight, bias).split(few)
                for piece, wanted in zip(pieces, targets_of_part.split(few), strict=True):
                    whole = None  # let go of the piece before
                    whole = transform(piece.float()).log_softmax(-1)
                    chosen.append(whole.gather(1, wanted[:, None])[:, 0])
                    if wants_entropy:
                        entropies.append(torch.special.entr(whole.exp()).sum(1))
                del pieces, piece
        ctx.rows, ctx.few, ctx.transform = rows, few, transform
        is_enough = len(chosen) == 1 and transform.cap is None
        ctx.save_for_backward(hidden, weight, bias, targets, whole if is_enough else None)
        return torch.cat(chosen), torch.cat(entropies) if wants_entropy else None

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *upstream: Tensor | None) -> tuple[Tensor | None, ...]:
        """The gradient of a chunk takes the place of what the head gave, piece by piece; two products make the rest."""
        hidden, weight, bias, targets, whole = ctx.saved_tensors
        by_hidden, by_weight, by_bias, *_ = ctx.needs_input_grad
        by_logprob, by_entropy = upstream
        assert by_logprob is not None
        by_parts, weight_grad, bias_grad = [], None, None
        for start in range(0, len(hidden), ctx.rows):
            part = hidden[start : start + ctx.rows]
            chunk = None if whole is not None else torch.nn.functional.linear(part, weight, bias)
            for first in range(0, len(part), ctx.few):
                within = slice(first, first + ctx.few)
                there = slice(start + first, min(start + first + ctx.few, start + len(part)))
                logits = None if chunk is None else ctx.transform(chunk[within].float())
                logprobs = whole if logits is None else logits.log_softmax(-1)
                if ctx.transform.cap is None:
                    logits = None  # let go of what nothing reads any more
                entropy = None if by_entropy is None else by_entropy[there]
                grad = _of_logits(logprobs, targets[there], by_logprob[there], entropy)
                grad = ctx.transform.backward(grad, logits)
                if by_bias:
                    bias_grad = grad.sum(0) if bias_grad is None else bias_grad.add_(grad.sum(0))
                if chunk is None or len(grad) == len(part):
                    chunk = grad.to(weight.dtype)
                else:
                    chunk[within] = grad
            assert chunk is not None
            if by_weight:
                weight_grad = _accumulated(weight_grad, chunk.t(), part)
            if by_hidden:
                by_parts.append(chunk @ weight)
        return (
            torch.cat(by_parts) if by_hidden else None,
            None if weight_grad is None else weight_grad.to(weight.dtype),
            None if bias_grad is None else bias_grad.to(bias.dtype),
            None,
            None,
            None,
        )


def _of_logits(logprobs: Tensor, targets: Tensor, by_logprob: Tensor, by_entropy: Tensor | None) -> Tensor:
    """The gradient of logits (n, V): d log p(y) / d logits = onehot(y) - p, and d H / d logits = -p (log p + H)."""
    probs = logprobs.exp()
    if by_entropy is None:
        grad = probs.mul_(-by_logprob[:, None])
    else:
        grad = _of_entropy(logprobs, probs, by_entropy, by_logprob)
    return grad.scatter_add_(1, targets[:, None], by_logprob[:, None])


def _of_entropy(logprobs: Tensor, probs: Tensor, by_entropy: Tensor, by_logprob: Tensor) -> Tensor:
    """-p (b (log p + H) + a) per logit, for gradients a of the log-probability and b of the entropy."""
    surprise = torch.special.entr(probs)  # -p log p, 0 where p is
    entropy = surprise.sum(1)
    return surprise.mul_(by_entropy[:, None]).sub_(probs * (by_entropy * entropy + by_logprob)[:, None])


def _accumulated(total: Tensor | None, a: Tensor, b: Tensor) -> Tensor:
    """total + a b, the sum in fp32 whatever the type of the product."""
    if total is None:
        return (a @ b).float()
    return total.addmm_(a, b) if a.dtype == total.dtype else total.add_(a @ b)
