"""A transformers cache that grows in blocks, so that a new token does not copy all that is remembered."""

from __future__ import annotations

from torch import Tensor
from transformers import Cache, DynamicCache, PreTrainedConfig
from transformers.cache_utils import DynamicLayer

from reft_lab.policy.sampling.rows import select_rows

BLOCK = 32


class BlockLayer(DynamicLayer):
    """Keys and values of one attention layer, (rows, heads, room, head size), filled up to `length`."""

    def __init__(self) -> None:
        super().__init__()
        self.length = 0

    def update(
        self, key_states: Tensor, value_states: Tensor, *args: object, **kwargs: object
    ) -> tuple[Tensor, Tensor]:
        """Remember the keys and values of new tokens, and give all there are."""
        start, self.length = self.length, self.length + key_states.shape[-2]
        if self.keys is None or self.values is None:
            self.dtype, self.device, self.is_initialized = key_states.dtype, key_states.device, True
            keys, values = self._room(key_states), self._room(value_states)
        elif self.length > self.keys.shape[-2]:
            keys, values = self._room(self.keys), self._room(self.values)
            keys[:, :, :start], values[:, :, :start] = self.keys, self.values
        else:
            keys, values = self.keys, self.values
        self.keys, self.values = keys, values
        keys[:, :, start : self.length] = key_states
        values[:, :, start : self.length] = value_states
        return keys[:, :, : self.length], values[:, :, : self.length]

    def get_seq_length(self) -> int:
        """Tokens remembered."""
        return self.length

    def batch_select_indices(self, indices: Tensor) -> None:
        """Go on with these rows, in this order."""
        if self.keys is not None and self.values is not None:
            self.keys, self.values = select_rows(self.keys, indices), select_rows(self.values, indices)

    def _room(self, like: Tensor) -> Tensor:
        rows, heads, _, size = like.shape
        return like.new_empty(rows, heads, self.length + BLOCK, size)


def block_cache(config: PreTrainedConfig) -> Cache:
    """The cache that a model's config asks for, with layers that grow in blocks where it asks for plain ones."""
    cache = DynamicCache(config=config)
    cache.layers = [BlockLayer() if type(layer) is DynamicLayer else layer for layer in cache.layers]
    return cache
