"""Rows of a batch that are left out, reordered or repeated while it is being decoded."""

from __future__ import annotations

import torch
from torch import Tensor


def close_gaps(running: Tensor) -> Tensor:
    """An order of the rows that are running (n,), in which as few as possible change place: the last fill the gaps."""
    count = int(running.sum())
    order = torch.arange(count, device=running.device)
    order[~running[:count]] = running[count:].nonzero()[:, 0] + count
    return order


def select_rows(storage: Tensor, order: Tensor, dim: int = 0) -> Tensor:
    """The rows `order` (m,) of `storage` along `dim`.

    In place where they are no more than there were: then only rows that change place are copied.
    """
    count = len(order)
    if count > storage.shape[dim]:
        return storage.index_select(dim, order)
    moved = (order != torch.arange(count, device=order.device)).nonzero()[:, 0]
    if len(moved):
        storage.index_copy_(dim, moved, storage.index_select(dim, order[moved]))
    return storage.narrow(dim, 0, count)
