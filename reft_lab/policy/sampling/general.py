"""Decoding with any causal language model of transformers, through its own forward."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from reft_lab.policy.model import Policy
from reft_lab.policy.sampling.cache import block_cache


class GeneralDecoder:
    """A decoder (see decoder.py) on `Policy.trunk`: prompts are padded on the left, and masked there."""

    def __init__(self, policy: Policy):
        self._policy = policy

    def start(self, prompts: Sequence[Sequence[int]], cap: int) -> Tensor:
        """See Decoder."""
        device = self._policy.device
        lengths = torch.tensor([len(prompt) for prompt in prompts])
        width = int(lengths.max())
        mask = (torch.arange(width + cap) >= width - lengths[:, None]).long()
        ids = torch.zeros((len(prompts), width), dtype=torch.long)
        for row, prompt in zip(ids, prompts, strict=True):
            row[width - len(prompt) :] = torch.tensor(prompt)
        self._mask = mask.to(device)
        self._padded = bool(lengths.min() < width)
        self._length = width
        self._positions = lengths[:, None].to(device)
        self._cache = block_cache(self._policy.lm.config)
        positions = (mask[:, :width].cumsum(1) - 1).clamp_min(0).to(device)
        return self._read(ids.to(device), positions)

    def step(self, tokens: Tensor) -> Tensor:
        """See Decoder."""
        self._length += 1
        hidden = self._read(tokens[:, None], self._positions)
        self._positions = self._positions + 1
        return hidden

    def keep(self, order: Tensor) -> None:
        """See Decoder."""
        self._cache.batch_select_indices(order)
        self._mask, self._positions = self._mask[order], self._positions[order]

    def stop(self) -> None:
        """See Decoder."""
        del self._cache

    def close(self) -> None:
        """See Decoder."""

    def logits(self, hidden: Tensor) -> Tensor:
        """See Decoder."""
        return self._policy.logits(hidden)

    def _read(self, ids: Tensor, positions: Tensor) -> Tensor:
        mask = self._mask[:, : self._length] if self._padded else None
        return self._policy.trunk(ids, mask, positions, self._cache)[:, -1]
