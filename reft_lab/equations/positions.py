"""Where in a response something happens: means over tenths of its length."""

from __future__ import annotations

import torch
from torch import Tensor

PARTS = 10


def position_means(x: Tensor, mask: Tensor, parts: int = PARTS) -> list[float | None]:
    """Means of a per-token quantity by relative position, over all tokens of all responses.

    The i-th of n tokens of a response (i from 0) stands at (i + 1/2) / n, and falls in part floor(parts (i + 1/2) / n),
    so a response of `parts` tokens has one in each. All tokens weigh the same.

    Args:
        x: what is averaged (B, T).
        mask: tokens that count, from the first column on, without gaps (B, T).
        parts: how many parts a response is cut into.

    Returns:
        One mean for each part, from the first; None for a part in which no token falls.
    """
    lengths = mask.sum(1, keepdim=True)
    twice = 2 * torch.arange(mask.shape[1], device=mask.device) + 1  # in integers, so that no rounding moves a token
    part = (parts * twice).expand_as(mask)[mask] // (2 * lengths).expand_as(mask)[mask]
    sums = torch.zeros(parts, dtype=torch.double, device=x.device).index_add_(0, part, x[mask].double())
    counts = torch.bincount(part, minlength=parts)
    return [total / count if count else None for total, count in zip(sums.tolist(), counts.tolist(), strict=True)]
