"""The order of a Llama head's numbers in which a rotation is a product of complex numbers."""

from __future__ import annotations

from torch import Tensor


def turning_pairs(weight: Tensor, size: int) -> Tensor:
    """Rows of each head of `size` reordered: the model turns row i with row i + size/2, the decoder 2i with 2i + 1.

    Scores do not change, since queries and keys are reordered alike.
    """
    return weight.unflatten(0, (-1, 2, size // 2)).transpose(1, 2).flatten(0, 2)
