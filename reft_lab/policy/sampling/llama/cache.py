"""Keys and values of a batch of Llama rows, in the shapes that single-token attention reads fastest."""

from __future__ import annotations

import torch
from torch import Tensor

from reft_lab.policy.sampling.rows import select_rows

BLOCK = 32
RECORDED_BLOCK = 128  # each block is a recording of its own


class LlamaCache:
    """Keys and values of all layers; it grows in blocks.

    All rows have the same number of columns. Prompts stand in the first ones, and what is beyond a prompt is masked.
    Keys (layers, rows, heads, size, room) lie transposed, so that scores are a plain matrix product; values are
    (layers, rows, heads, room, size).
    """

    block = BLOCK

    def __init__(
        self, layers: int, heads: int, size: int, scale: float, prompts: Tensor, width: int, dtype: torch.dtype
    ):
        """Args:
        layers: of the model.
        heads: of keys and values.
        size: numbers in a head.
        scale: of scores.
        prompts: their lengths (rows,).
        width: the longest of them.
        dtype: of keys and values.
        """
        self._scale, self._prompts, self._width, self._length = scale, prompts, width, width
        self._padded = bool((prompts < width).any())
        shape = (layers, len(prompts), heads)
        # Masked columns are multiplied by 0, so they must be finite.
        self._keys = torch.zeros((*shape, size, width + self.block), dtype=dtype, device=prompts.device)
        self._values = torch.zeros((*shape, width + self.block, size), dtype=dtype, device=prompts.device)
        self._look()

    def put_prompts(self, layer: int, rows: slice, keys: Tensor, values: Tensor) -> None:
        """Keys and values of some rows' prompts (n, S, heads, size)."""
        width = keys.shape[1]
        self._keys[layer, rows, :, :, :width] = keys.permute(0, 2, 3, 1)
        self._values[layer, rows, :, :width] = values.transpose(1, 2)

    def extend(self) -> bool:
        """Take one more column into use, which every layer's `attend` fills; returns whether storage has moved."""
        is_full = self._length == self._keys.shape[-1]
        if is_full:
            keys, values, room = self._keys, self._values, self._length + self.block
            self._keys = keys.new_zeros((*keys.shape[:-1], room))
            self._values = values.new_zeros((*values.shape[:-2], room, values.shape[-1]))
            self._keys[..., : self._length], self._values[..., : self._length, :] = keys, values
            self._look()
        self._length += 1
        return is_full

    def attend(self, layer: int, queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        """Attention of one new token a row to all columns.

        Args:
            layer: which.
            queries: (n, query heads, size).
            keys: of the new tokens (n, heads, size).
            values: of the new tokens (n, heads, size).

        Returns:
            (n, query heads * size).
        """
        n, heads, size = keys.shape
        self._keys[layer, ..., self._length - 1] = keys
        self._values[layer, :, :, self._length - 1] = values
        all_keys, all_values = self._layers[layer]
        scores = torch.baddbmm(
            self._mask[:, :, : self._length],
            queries.reshape(n * heads, -1, size),  # heads that share keys are rows of one product
            all_keys[:, :, : self._length],
            beta=int(self._padded),
            alpha=self._scale,
        )
        shares = scores.softmax(-1, dtype=torch.float32).to(values.dtype)
        return torch.bmm(shares, all_values[:, : self._length]).view(n, -1)

    def keep(self, order: Tensor) -> None:
        """Go on with these rows, in this order."""
        self._keys, self._values = select_rows(self._keys, order, 1), select_rows(self._values, order, 1)
        self._prompts = self._prompts[order]
        self._look()

    def _look(self) -> None:
        """Views for `attend`, and the mask, which change with rows and room only."""
        n, heads, size, room = self._keys.shape[1:]
        self._layers = [
            (keys.view(n * heads, size, room), values.view(n * heads, room, size))
            for keys, values in zip(self._keys, self._values, strict=True)
        ]
        masked = self._masked(torch.arange(room, device=self._prompts.device))
        mask = torch.zeros(masked.shape, dtype=self._keys.dtype, device=masked.device).masked_fill_(masked, -torch.inf)
        self._mask = mask.repeat_interleave(heads, 0)[:, None]

    def _masked(self, column: Tensor) -> Tensor:
        """Which of the columns (room,) a row does not look at (n, room)."""
        return (column >= self._prompts[:, None]) & (column < self._width)


class RecordedLlamaCache(LlamaCache):
    """For steps that are recorded: the device knows which column is next, and attention reads the whole room."""

    block = RECORDED_BLOCK

    def open_column(self) -> None:
        """Let rows look at the column that `attend` is about to fill; part of the step."""
        self._mask.index_fill_(2, self._column, 0)

    def close_column(self) -> None:
        """Go on to the next column; part of the step."""
        self._column += 1

    def attend(self, layer: int, queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        """See LlamaCache."""
        n, heads, size = keys.shape
        all_keys, all_values = self._layers[layer]
        all_keys.index_copy_(2, self._column, keys.reshape(n * heads, size, 1))
        all_values.index_copy_(1, self._column, values.reshape(n * heads, 1, size))
        scores = torch.baddbmm(self._mask, queries.reshape(n * heads, -1, size), all_keys, alpha=self._scale)
        shares = scores.softmax(-1, dtype=torch.float32).to(values.dtype)
        return torch.bmm(shares, all_values).view(n, -1)

    def _look(self) -> None:
        self._column = torch.full((1,), self._length, device=self._prompts.device)
        super()._look()

    def _masked(self, column: Tensor) -> Tensor:
        return super()._masked(column) | (column >= self._length)
