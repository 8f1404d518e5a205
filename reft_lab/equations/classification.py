"""An outcome model as a classifier of whole responses: its loss, and how well it tells right from wrong."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def outcome_loss(logits: Tensor, right: Tensor) -> Tensor:
    """-[y log sigmoid(z) + (1 - y) log(1 - sigmoid(z))] per response: binary cross-entropy, in nats.

    The outcome-supervised reward model of 2110.14168, with one prediction a response, after its last token.

    Args:
        logits: z (B,).
        right: y, 1 for a right response and 0 for a wrong one (B,).
    """
    return torch.nn.functional.binary_cross_entropy_with_logits(logits, right, reduction="none")


def area_under_curve(right: Sequence[float], wrong: Sequence[float]) -> float | None:
    """The probability that a right response scores higher than a wrong one, a tie counting half (area under ROC).

    Args:
        right: scores of right responses.
        wrong: scores of wrong ones.

    Returns:
        From 0 to 1, 0.5 for scores that say nothing; None where one kind is missing.
    """
    if not (len(right) and len(wrong)):
        return None
    from scipy.stats import mannwhitneyu

    return float(mannwhitneyu(right, wrong).statistic) / (len(right) * len(wrong))
