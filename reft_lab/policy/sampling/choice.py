"""How a token is chosen from next-token logits: greedily, or by inverting the cumulative distribution."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from reft_lab.errors import BadInput

# A cumulative sum runs through a row one number after the other; where rows are longer than this, whole blocks of
# BLOCK numbers are summed first, and only the block that is hit is gone through.
LONG_ROW, BLOCK = 4096, 64

# Largest uniform number whose product with a total stays below that total in floating point.
BELOW_ONE = 1 - 2**-51


@dataclass(frozen=True)
class Restriction:
    """What sampling is restricted to, applied in this order, as in transformers.

    Attributes:
        temperature: divides the logits; 1 leaves them.
        top_k: only the so many most probable tokens (and any as probable as the last of them); None: all.
        top_p: only the most probable tokens that together reach this probability; None: all.
    """

    temperature: float = 1.0
    top_k: int | None = None
    top_p: float | None = None

    def __post_init__(self) -> None:
        if not self.temperature > 0:
            raise BadInput(f"a sampling temperature of {self.temperature} is not above 0; decode greedily instead.")
        if self.top_k is not None and self.top_k < 1:
            raise BadInput(f"top_k={self.top_k} leaves no token to sample; give at least 1, or none for all tokens.")
        if self.top_p is not None and not 0 < self.top_p <= 1:
            raise BadInput(f"top_p={self.top_p} is not a probability; give a number above 0 and at most 1.")

    @property
    def is_none(self) -> bool:
        """Whether the full distribution is sampled."""
        return self == Restriction()

    def apply(self, logits: Tensor) -> Tensor:
        """Logits (n, V) with what is left out at minus infinity."""
        logits = logits / self.temperature
        if self.top_k is not None and self.top_k < logits.shape[-1]:
            least = logits.topk(self.top_k, -1).values[:, -1:]
            logits = logits.masked_fill(logits < least, -torch.inf)
        if self.top_p is not None and self.top_p < 1:
            ordered, order = logits.sort(-1)
            left_out = ordered.softmax(-1).cumsum(-1) <= 1 - self.top_p
            left_out[:, -1] = False
            logits = logits.masked_fill(torch.zeros_like(left_out).scatter(-1, order, left_out), -torch.inf)
        return logits


def choose(logits: Tensor, uniforms: Tensor | None, restriction: Restriction) -> tuple[Tensor, Tensor, Tensor]:
    """One token a row.

    Args:
        logits: fp32 (n, V).
        uniforms: float64 in [0, 1) (n,), which decide the draws; None chooses the most probable token.
        restriction: what is sampled from.

    Returns:
        Tokens, their log-probabilities under the full distribution at temperature 1, and its entropies in nats, (n,).
    """
    logprobs = logits.log_softmax(-1)
    probs = logprobs.exp()
    if uniforms is None:
        tokens = logits.max(-1).indices  # argmax takes twice as long on a CPU
    elif restriction.is_none:
        tokens = invert(probs, uniforms)
    else:
        tokens = invert(restriction.apply(logits).softmax(-1), uniforms)
    chosen = logprobs.gather(-1, tokens[:, None])[:, 0]
    return tokens, chosen, -torch.linalg.vecdot(probs, logprobs)


def invert(weights: Tensor, uniforms: Tensor) -> Tensor:
    """The token at which the cumulative weights pass each uniform number's share of their total.

    Sums are float64, so that what is drawn depends on the row alone and not on how a batch was laid out. A token of
    weight 0 is never drawn.

    Args:
        weights: not negative, fp32 (n, V).
        uniforms: float64 in [0, 1) (n,).

    Returns:
        Indices (n,).
    """
    uniforms = uniforms.clamp_max(BELOW_ONE)[:, None]
    last = weights.shape[1] - 1  # where weights that are not finite end up, so that the update can tell of them
    if last < LONG_ROW:
        cumulative = weights.cumsum(-1, dtype=torch.float64)
        return torch.searchsorted(cumulative, uniforms * cumulative[:, -1:], right=True)[:, 0].clamp_max(last)

    blocks = torch.nn.functional.pad(weights, (0, -len(weights[0]) % BLOCK)).unflatten(1, (-1, BLOCK))
    sums = blocks.sum(-1).cumsum(-1, dtype=torch.float64)
    wanted = uniforms * sums[:, -1:]
    block = torch.searchsorted(sums, wanted, right=True).clamp_max(blocks.shape[1] - 1)
    before = torch.nn.functional.pad(sums, (1, 0)).gather(1, block)
    hit = blocks[torch.arange(len(blocks), device=blocks.device), block[:, 0]].cumsum(-1, dtype=torch.float64)
    # Both sums round on their own: what is wanted from the block must not pass its total.
    within = torch.searchsorted(hit, torch.minimum(wanted - before, hit[:, -1:] * BELOW_ONE), right=True)
    return (block * BLOCK + within)[:, 0].clamp_max(last)
