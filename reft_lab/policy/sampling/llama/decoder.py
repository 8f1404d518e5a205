"""A lean decoder for Llama models: what the model's own forward computes, in fewer operations.

At small sizes a decoding step costs what its operations cost to start, at large ones what it reads. So projections that
read the same input are one matrix; a turn by position is one product of complex numbers; prompts are read in groups of
similar length, padded on the right, and their last layer at their last token only.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from reft_lab.policy.model import Policy
from reft_lab.policy.sampling.llama.cache import LlamaCache, RecordedLlamaCache
from reft_lab.policy.sampling.llama.recording import Recording
from reft_lab.policy.sampling.llama.weights import Affine, arrange, norm_floor, norm_weight, unit_rows

# Prompts are read in groups of at most so many tokens, padding included, so that what is in the works stays small.
GROUP_TOKENS = 2048


class LlamaDecoder:
    """A decoder (see decoder.py) on a copy of the policy's matrices, made for one call of `sample`.

    The copy takes the room of the gradients, which are not there while responses are sampled. With
    `policy.precision == "bf16"` it is bf16; norms and the residual stream stay fp32, as under autocast.
    """

    def __init__(self, policy: Policy):
        trunk: Any = policy.lm.base_model
        attention = trunk.layers[0].self_attn
        self._dtype = torch.bfloat16 if policy.precision == "bf16" else torch.float32
        self._size: int = attention.head_dim
        self._scale: float = attention.scaling
        self._heads: int = trunk.config.num_key_value_heads
        self._query_heads: int = trunk.config.num_attention_heads
        self._rotary = trunk.rotary_emb
        self._embedding: Tensor = trunk.embed_tokens.weight
        self._layers = [arrange(layer, self._dtype) for layer in trunk.layers[: trunk.config.num_hidden_layers]]
        self._norm_weight, self._norm_floor = norm_weight(trunk.norm), norm_floor(trunk.norm)
        self._head = Affine(policy.lm.lm_head.weight.to(self._dtype), policy.lm.lm_head.bias)
        self._transform = policy.logit_transform
        self._recording = Recording() if policy.device.type == "cuda" else None

    def start(self, prompts: Sequence[Sequence[int]], cap: int) -> Tensor:
        """See Decoder."""
        device = self._embedding.device
        lengths = [len(prompt) for prompt in prompts]
        self._positions = torch.tensor(lengths, device=device)
        self._turns = self._turns_up_to(max(lengths) + cap)
        kind = LlamaCache if self._recording is None else RecordedLlamaCache
        self._cache = kind(
            len(self._layers), self._heads, self._size, self._scale, self._positions.clone(), max(lengths), self._dtype
        )
        return torch.cat([self._read(prompts[rows], rows) for rows in groups(lengths)])

    def step(self, tokens: Tensor) -> Tensor:
        """See Decoder."""
        has_moved = self._cache.extend()
        if self._recording is None:
            return self._step(tokens)
        if has_moved:
            self._recording.forget()
        return self._recording(self._step, tokens)

    def _step(self, tokens: Tensor) -> Tensor:
        x = functional.embedding(tokens, self._embedding)
        turn = self._turns.index_select(0, self._positions)
        if isinstance(self._cache, RecordedLlamaCache):
            self._cache.open_column()
        turning = self._query_heads + self._heads
        for number, layer in enumerate(self._layers):
            heads = layer.inward(unit_rows(x, layer.floors[0])).view(len(x), -1, self._size)
            turned = _turn(heads[:, :turning], turn)
            attended = self._cache.attend(
                number, turned[:, : self._query_heads], turned[:, self._query_heads :], heads[:, turning:]
            )
            x = layer.mlp(layer.outward.added_to(x, attended))
        self._positions += 1
        if isinstance(self._cache, RecordedLlamaCache):
            self._cache.close_column()
        return unit_rows(x, self._norm_floor) * self._norm_weight

    def keep(self, order: Tensor) -> None:
        """See Decoder."""
        self._cache.keep(order)
        self._positions = self._positions[order]
        if self._recording is not None:
            self._recording.forget()

    def stop(self) -> None:
        """See Decoder."""
        del self._cache
        if self._recording is not None:
            self._recording.forget()

    def close(self) -> None:
        """See Decoder."""
        if self._recording is not None:
            self._recording.release()

    def logits(self, hidden: Tensor) -> Tensor:
        """See Decoder."""
        return self._transform(self._head(hidden).float())

    def _read(self, prompts: Sequence[Sequence[int]], rows: slice) -> Tensor:
        """Read prompts of similar length into `rows` of the cache; their last hidden states (n, H)."""
        device = self._embedding.device
        n, width = len(prompts), max(len(prompt) for prompt in prompts)
        ids = torch.tensor([[*prompt, *[0] * (width - len(prompt))] for prompt in prompts], device=device)
        last = torch.tensor([len(prompt) - 1 for prompt in prompts], device=device)
        each = torch.arange(n, device=device)
        x = functional.embedding(ids, self._embedding)
        turn, query_size = self._turns[:width], self._query_heads * self._size
        mask = None
        for number, layer in enumerate(self._layers):
            normed = unit_rows(x, layer.floors[0])
            keys, values = (
                layer.inward.part(query_size, None)(normed).view(n, width, -1, self._size).split(self._heads, dim=2)
            )
            keys = _turn(keys, turn)
            self._cache.put_prompts(number, rows, keys, values)
            if layer is self._layers[-1]:  # nothing reads its other outputs
                x, normed, turn = x[each, last][:, None], normed[each, last][:, None], turn[last][:, None]
                mask = (torch.arange(width, device=device) <= last[:, None])[:, None, None]
            queries = _turn(
                layer.inward.part(None, query_size)(normed).view(n, -1, self._query_heads, self._size), turn
            )
            attended = functional.scaled_dot_product_attention(
                queries.transpose(1, 2),
                keys.transpose(1, 2),
                values.transpose(1, 2),
                attn_mask=mask,
                is_causal=mask is None,
                scale=self._scale,
                enable_gqa=self._query_heads != self._heads,
            )
            attended = attended.transpose(1, 2).reshape(-1, query_size)
            x = layer.mlp(layer.outward.added_to(x.flatten(0, 1), attended)).view(x.shape)
        return unit_rows(x[:, 0], self._norm_floor) * self._norm_weight

    def _turns_up_to(self, length: int) -> Tensor:
        """The turn of each position as complex numbers, (length, 1, size / 2)."""
        positions = torch.arange(length, device=self._embedding.device)
        cos, sin = self._rotary(self._embedding[:1].float(), positions[None])
        half = self._size // 2
        return torch.complex(cos[0, :, :half].float(), sin[0, :, :half].float())[:, None]


def groups(lengths: Sequence[int]) -> Iterator[slice]:
    """Ranges of prompts, which are sorted by length, of at most GROUP_TOKENS with padding, or of one prompt."""
    start = 0
    for end in range(1, len(lengths) + 1):
        if end == len(lengths) or lengths[end] * (end + 1 - start) > GROUP_TOKENS:
            yield slice(start, end)
            start = end


def _turn(heads: Tensor, turn: Tensor) -> Tensor:
    """Turn pairs of numbers of (..., heads, size) by complex (..., 1, size / 2), in place where they are fp32."""
    pairs = torch.view_as_complex(heads.float().unflatten(-1, (-1, 2))).mul_(turn)
    return torch.view_as_real(pairs).flatten(-2).to(heads.dtype)
