"""Packed attention: the tokens of a micro-batch go through a model as one row, without padding.

Whatever a model does token by token needs no more than each token's position in its sequence. Attention alone has to
know where one sequence ends and the next begins: the function that is registered here with transformers lays queries,
keys and values out as padded rows, hands them to transformers' own attention, and lays the result back. All else is the
model's own forward, so hooks, adapters, checkpointing and dropout work as they always do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import accumulate
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.masking_utils import create_masks_for_generate
from transformers.modeling_layers import GradientCheckpointingLayer

from reft_lab.errors import BadInput, foreign_errors
from reft_lab.policy.packing import Packed, Sequences

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel

PLAIN = "sdpa"  # torch's attention, by transformers' name
NAME = "sdpa_over_packed_tokens"  # with "sdpa" in it, since transformers refuses such a name where torch's does not fit

LENGTHS = (7, 3, 9, 7)  # of the sequences that are tried
PROMPT = 2  # tokens of them that are taken for a prompt
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
        elif (mlp := _narrow_last_mlp(lm.base_model)) is not None and not _is_the_same(lm):
            del mlp.forward
    except BadInput:  # refused, so nothing has changed
        fits = False
    lm.train(training)
    return fits


def packed_states(trunk: nn.Module, batch: Packed) -> Tensor:
    """Last hidden states of the tokens that predict a response token (M, H).

    Args:
        trunk: of a model that `pack_attention` has accepted.
        batch: the micro-batch.
    """
    output = trunk(
        input_ids=batch.ids[None],
        position_ids=batch.positions[None],
        attention_mask=_masks(cast(Any, trunk).config, batch),
        use_cache=False,
        packed=batch,  # transformers hands what it does not know on to the attention function
    )
    return cast(Tensor, output.last_hidden_state).squeeze(0).index_select(0, batch.predicting)


_plain_attention = AttentionInterface()[PLAIN]


def _attend(
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    packed: Packed | None = None,
    **options: Any,
) -> tuple[Tensor, None]:
    """transformers' own attention over rows, which packed tokens are laid out in.

    Args:
        module: the attention layer.
        query: (1, heads, N, D).
        key: (1, kv_heads, N, D).
        value: (1, kv_heads, N, D).
        attention_mask: one of `_masks`.
        packed: the micro-batch; None where there are rows already, as when a response is sampled.
        options: scaling, dropout and so on.

    Returns:
        What was attended to (1, N, heads, D).
    """
    module.packed = packed  # for the MLP that follows in the last layer
    if packed is None:
        return _plain_attention(module, query, key, value, attention_mask, **options)
    if attention_mask is not None and attention_mask.numel() == 1:
        attention_mask = None
    in_fp32 = query.device.type == "cpu" and torch.is_autocast_enabled("cpu")
    attend: Callable[..., tuple[Tensor, Any]] = _attend_in_fp32 if in_fp32 else _plain_attention
    sizes = [len(rows.place) for rows in packed.groups]
    heads = [x.squeeze(0).transpose(0, 1).split(sizes) for x in (query, key, value)]
    parts = []
    for rows, *group in zip(packed.groups, *heads, strict=True):
        width = rows.shape[1]
        mask = None if attention_mask is None else attention_mask[..., :width, :width]
        attended, _ = attend(module, *(rows.spread(x).transpose(1, 2) for x in group), mask, **options)
        parts.append(rows.collect(attended))
    joined = torch.cat(parts) if len(parts) > 1 else parts[0]
    return joined.unsqueeze(0), None


def _attend_in_fp32(
    module: Any, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, **options: Any
) -> tuple[Tensor, None]:
    """The same under autocast on a CPU, where torch would attend in bf16: its gradient takes two to three times as long
    there as in fp32, and loses three times as much in rounding."""
    with torch.autocast("cpu", enabled=False):
        attended, _ = _plain_attention(module, query.float(), key.float(), value.float(), mask, **options)
    return attended.to(torch.bfloat16), None


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


def _narrow_last_mlp(trunk: nn.Module) -> Any:
    """Let the MLP of the last layer compute only the tokens that predict a response token, since nothing reads what it
    makes of the others: a tenth of a small model's update.

    Returns:
        The MLP, which is as before once its instance's own `forward` is deleted; None where nothing was changed.
    """
    layers = [module for module in trunk.modules() if isinstance(module, GradientCheckpointingLayer)]
    mlp: Any = getattr(layers[-1], "mlp", None) if layers else None
    attention = [module for module in layers[-1].modules() if hasattr(module, "packed")] if layers else []
    if mlp is None or "forward" in vars(mlp) or len(attention) != 1:
        return None
    mlp.forward = partial(_for_predicting, mlp.forward, attention[0])
    return mlp


def _for_predicting(forward: Callable[[Tensor], Tensor], attention: Any, hidden: Tensor) -> Tensor:
    """forward(hidden) (1, N, H), zeros where a token predicts none of a response."""
    if attention.packed is None:
        return forward(hidden)
    chosen = attention.packed.predicting
    result = forward(hidden.index_select(1, chosen))
    return result.new_zeros(hidden.shape).index_copy_(1, chosen, result)


@torch.no_grad()
def _is_the_same(lm: PreTrainedModel) -> bool:
    """Compare some sequences in one row with each alone."""
    vocabulary = lm.get_output_embeddings().weight.shape[0]
    ids = [number * (vocabulary - 1) // sum(LENGTHS) for number in range(sum(LENGTHS))]
    texts = [ids[end - length : end] for length, end in zip(LENGTHS, accumulate(LENGTHS), strict=True)]
    sequences = Sequences([text[:PROMPT] for text in texts], [[*text[PROMPT:], 0] for text in texts], pad_id=0)
    batch = sequences.packed(range(len(texts)), lm.device)
    try:
        with foreign_errors(str), short_windows(lm.config):
            rows = [torch.tensor([text], device=lm.device) for text in texts]
            own = [lm.base_model(input_ids=row, use_cache=False).last_hidden_state[0, PROMPT - 1 :] for row in rows]
            alone = torch.cat(own)
            packed = packed_states(lm.base_model, batch)
            return bool((packed - alone).abs().max() <= TOLERANCE * alone.abs().max())
    except BadInput:
        return False


@contextmanager
def short_windows(config: PreTrainedConfig) -> Iterator[None]:
    """Inside, windows of attention are shorter than the sequences that are tried. Masks and caches are made by the
    config."""
    before = {name: getattr(config, name, None) for name in ("sliding_window", "attention_chunk_size")}
    named = {name: size for name, size in before.items() if size is not None}
    for name in named:
        setattr(config, name, WINDOW)
    try:
        yield
    finally:
        for name, size in named.items():
            setattr(config, name, size)
