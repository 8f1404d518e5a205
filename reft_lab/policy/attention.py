"""Packed attention: the tokens of a micro-batch go through a model as one row, without padding.

Whatever a model does token by token needs no more than each token's position in its sequence. Attention alone has to
know where one sequence ends and the next begins: the function that is registered here with transformers lays queries,
keys and values out as padded rows, hands them to transformers' own attention, and lays the result back. All else is the
model's own forward, so hooks, adapters, checkpointing and dropout work as they always do.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.masking_utils import create_masks_for_generate

from reft_lab.errors import BadInput, foreign_errors
from reft_lab.policy.packing import Packed, Rows, Sequences

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel

PLAIN = "sdpa"  # torch's attention, by transformers' name
NAME = "sdpa_over_packed_tokens"  # with "sdpa" in it, since transformers refuses such a name where torch's does not fit

LENGTHS = (7, 3, 9, 7)  # of the sequences that are tried
WINDOW = 4  # of attention while they are; shorter than they are, so that it shows
TOLERANCE = 1e-4  # relative to the largest number; two ways to compute the same in fp32 differ by about 1e-6


def pack_attention(lm: PreTrainedModel) -> bool:
    """Let `lm` attend to packed tokens, where that gives the same as its own forward for each sequence alone.

    No list of families is kept: the model is tried. It stays as it was where it does not go through transformers'
    attention interface, where torch has no function for its attention (attention sinks, capped scores), and where it
    mixes tokens elsewhere than in attention.

    Returns:
        Whether it does.
    """
    training = lm.training
    lm.eval()
    try:
        with foreign_errors(str):
            lm.set_attn_implementation(NAME)
        fits = _is_the_same(lm)
        if not fits:
            lm.set_attn_implementation(PLAIN)
    except BadInput:  # refused, so nothing has changed
        fits = False
    lm.train(training)
    return fits


def packed_states(trunk: nn.Module, batch: Packed) -> Tensor:
    """Last hidden states of all tokens (N, H) from the trunk of a model that `pack_attention` has accepted."""
    output = trunk(
        input_ids=batch.ids[None],
        position_ids=batch.positions[None],
        attention_mask=_masks(cast(Any, trunk).config, batch),
        use_cache=False,
        packed=batch.groups,  # transformers hands what it does not know on to the attention function
    )
    return cast(Tensor, output.last_hidden_state.squeeze(0))


_plain_attention = AttentionInterface()[PLAIN]


def _attend(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    packed: tuple[Rows, ...] | None = None,
    **options: Any,
) -> tuple[Tensor, None]:
    """transformers' own attention, over the rows that `packed` tokens are laid out in.

    Args:
        module: the attention layer.
        query: (1, heads, N, D).
        key: (1, kv_heads, N, D).
        value: (1, kv_heads, N, D).
        attention_mask: one of `_masks`.
        packed: where the tokens stand; None where they are rows already, as when a response is sampled.
        options: scaling, dropout and so on.

    Returns:
        What was attended to (1, N, heads, D).
    """
    if packed is None:
        return _plain_attention(module, query, key, value, attention_mask, **options)
    is_causal = attention_mask is None or attention_mask.numel() == 1
    sizes = [len(rows.place) for rows in packed]
    heads = [x.squeeze(0).transpose(0, 1).split(sizes) for x in (query, key, value)]
    parts = []
    for rows, *group in zip(packed, *heads, strict=True):
        width = rows.shape[1]
        mask = None if is_causal else attention_mask[..., :width, :width]
        attended, _ = _plain_attention(module, *(rows.spread(x).transpose(1, 2) for x in group), mask, **options)
        parts.append(rows.collect(attended))
    joined = torch.cat(parts) if len(parts) > 1 else parts[0]
    return joined.unsqueeze(0), None


AttentionInterface.register(NAME, _attend)
AttentionMaskInterface.register(NAME, AttentionMaskInterface()[PLAIN])


def _masks(config: PreTrainedConfig, batch: Packed) -> Any:
    """What the tokens of a row may look at, as transformers makes it for a model: (1, 1, W, W), or a dict with one for
    each type of layer. Where that is the causal order alone, for which torch needs no mask, a single number stands for
    it: four dimensions tell the model that it has been made."""
    like = batch.ids.new_empty((1, batch.rows.shape[1], 0), dtype=torch.float32)
    made = create_masks_for_generate(config, like, attention_mask=None, past_key_values=None)
    causal = like.new_zeros((1, 1, 1, 1))
    if isinstance(made, dict):
        return {kind: causal if mask is None else mask for kind, mask in made.items()}
    return causal if made is None else made


@torch.no_grad()
def _is_the_same(lm: PreTrainedModel) -> bool:
    """Compare some sequences in one row with each alone."""
    texts = torch.linspace(0, len(lm.get_input_embeddings().weight) - 1, sum(LENGTHS)).long().split(LENGTHS)
    batch = Sequences([text.tolist() for text in texts], [[0]] * len(texts), 0).packed(range(len(texts)), lm.device)
    try:
        with foreign_errors(str), _short_windows(lm.config):
            rows = [text[None].to(lm.device) for text in texts]
            alone = torch.cat([lm.base_model(input_ids=row, use_cache=False).last_hidden_state[0] for row in rows])
            packed = packed_states(lm.base_model, batch)
            return bool((packed - alone).abs().max() <= TOLERANCE * alone.abs().max())
    except BadInput:
        return False


@contextmanager
def _short_windows(config: PreTrainedConfig) -> Iterator[None]:
    """Inside, windows of attention are shorter than the sequences that are tried; their masks are made by the config."""
    before = {name: getattr(config, name, None) for name in ("sliding_window", "attention_chunk_size")}
    named = {name: size for name, size in before.items() if size is not None}
    for name in named:
        setattr(config, name, WINDOW)
    try:
        yield
    finally:
        for name, size in named.items():
            setattr(config, name, size)
