"""Whether a model is computed right by what this package adds to transformers, found out by trying.

No list of families is kept: a new one works if it behaves, and is refused in a sentence if it does not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor
from transformers.cache_utils import DynamicLayer, LinearAttentionCacheLayerMixin

from reft_lab.errors import BadInput, first_sentence, foreign_errors
from reft_lab.policy.model import Policy
from reft_lab.policy.sampling.cache import block_cache
from reft_lab.policy.sampling.general import GeneralDecoder

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel

FAMILIES = "choose a model of the Llama, OPT, GPT-2 or CodeGen families"
TOKENS = 12  # in the texts that are tried
STEPS = 3  # of them decoded one by one
SIZE = 1000.0  # of the largest logit that is tried: beyond any cap that a model puts on its logits
TOLERANCE = 1e-3  # relative to the largest number; two ways to compute the same in fp32 differ by about 1e-5


@torch.no_grad()
def check_family(lm: PreTrainedModel) -> None:
    """See that the policy's head and its decoding with a cache give what the model itself gives.

    Raises:
        BadInput: the model scales or caps its logits, which the policy's own head would miss; or it remembers what it
            has read in another way than the decoder's cache, so it would be sampled without its memory.
    """
    lm.eval()
    check_memory(lm.config)
    ids = ordinary_ids(lm)
    _check_head(lm, ids)
    _check_cache(lm, ids)


def ordinary_ids(lm: PreTrainedModel) -> Tensor:
    """Ids from all over the vocabulary whose embeddings say something, no special ones (n,), n at most TOKENS.

    Raises:
        BadInput: there are none.
    """
    embeddings = cast(Tensor, lm.get_input_embeddings().weight)
    named = [getattr(lm.config, f"{kind}_token_id", None) for kind in ("bos", "eos", "pad", "unk")]
    special = {number for ids in named for number in (ids if isinstance(ids, list) else [ids])}
    # Few rows are looked at, since a vocabulary may have a quarter of a million.
    spread = torch.linspace(0, len(embeddings) - 1, min(len(embeddings), 32 * TOKENS)).long().unique()
    spread = spread[[int(number) not in special for number in spread]]
    telling = spread[embeddings[spread.to(embeddings.device)].abs().amax(1).cpu() > 0]
    if len(telling) < 2:
        raise BadInput(f"the input embeddings of this {lm.config.model_type} model are all zero, so it was never made.")
    chosen = torch.linspace(0, len(telling) - 1, min(len(telling), TOKENS, _positions(lm))).long()
    return telling[chosen].to(lm.device)


def check_memory(config: PreTrainedConfig) -> None:
    """See that all layers of a model remember keys and values; with small weights, trying would not show another state.

    Raises:
        BadInput: one has another state.
    """
    with foreign_errors(lambda error: f"{_forgets(config)} ({first_sentence(error)}); {FAMILIES}."):
        layers = block_cache(config).layers
    if any(
        isinstance(layer, LinearAttentionCacheLayerMixin) or not isinstance(layer, DynamicLayer) for layer in layers
    ):
        raise BadInput(f"{_forgets(config)}; {FAMILIES}.")


def _forgets(config: PreTrainedConfig) -> str:
    return (
        f"models of type {config.model_type} are not supported: what they remember of a text while they write is not "
        "kept in a cache of keys and values"
    )


def _check_head(lm: PreTrainedModel, ids: Tensor) -> None:
    """Compare logits, blown up to a size at which a cap shows whatever the size of the weights."""
    kind = lm.config.model_type
    rows = ids[None]
    mask = torch.ones_like(rows)
    with foreign_errors(
        lambda error: (
            f"models of type {kind} are not supported: they cannot be run ({first_sentence(error)}); {FAMILIES}."
        )
    ):
        head = lm.get_output_embeddings()
        hidden = lm.base_model(input_ids=rows, attention_mask=mask).last_hidden_state
        plain = head(hidden)
        largest = float(plain.abs().max())
    if not 0 < largest < float("inf"):
        raise BadInput(
            f"the logits of this {kind} model are all zero or not finite for ordinary tokens; its weights are damaged, "
            "or were never trained."
        )
    factor = SIZE / largest
    handle = head.register_forward_hook(lambda module, given, output: output * factor)
    try:
        whole = lm(input_ids=rows, attention_mask=mask).logits
    finally:
        handle.remove()
    if not _same(whole.float(), (plain * factor).float()):
        raise BadInput(
            f"models of type {kind} are not supported: their logits are not a linear map of the last hidden state "
            f"(they are scaled, capped or made otherwise); {FAMILIES}."
        )


def _check_cache(lm: PreTrainedModel, ids: Tensor) -> None:
    """Compare texts that are decoded token by token, beside others and padded, with each read as a whole."""
    texts = [ids.roll(shift)[: len(ids) - shift] for shift in range(min(STEPS, len(ids) - 1))]
    steps = min(STEPS, min(map(len, texts)) - 1)
    with foreign_errors(lambda error: f"{_forgets(lm.config)} ({first_sentence(error)}); {FAMILIES}."):
        decoded, whole = _decoded(lm, texts, steps), _whole(lm, texts)
    if not _same(decoded, whole):
        raise BadInput(f"{_forgets(lm.config)}, so each token would be sampled without what was before it; {FAMILIES}.")


def _decoded(lm: PreTrainedModel, texts: list[Tensor], steps: int) -> Tensor:
    """The last hidden state of each text (n, H), its last `steps` tokens read one by one, in a batch that changes."""
    policy = Policy(lm, fast_path=False).to(lm.device)
    decoder: Any = GeneralDecoder(policy)
    order = sorted(range(len(texts)), key=lambda number: len(texts[number]))
    hidden = decoder.start([texts[number][:-steps].tolist() for number in order], steps)
    turned = torch.tensor(order[::-1], device=lm.device)
    decoder.keep(torch.arange(len(order) - 1, -1, -1, device=lm.device))
    for step in range(steps, 0, -1):
        hidden = decoder.step(torch.stack([texts[number][-step] for number in turned.tolist()]))
    decoder.stop()
    return torch.empty_like(hidden).index_copy_(0, turned, hidden)


def _whole(lm: PreTrainedModel, texts: list[Tensor]) -> Tensor:
    """The last hidden state of each text (n, H), read at once and alone."""
    policy = Policy(lm, fast_path=False).to(lm.device)
    positions = [torch.arange(len(text), device=lm.device)[None] for text in texts]
    read = [policy.trunk(text[None], None, place)[0, -1] for text, place in zip(texts, positions, strict=True)]
    return torch.stack(read)


def _same(one: Tensor, other: Tensor) -> bool:
    if one.shape != other.shape or not bool(one.isfinite().all() & other.isfinite().all()):
        return False
    return float((one - other).abs().max()) <= TOLERANCE * float(other.abs().max())


def _positions(lm: PreTrainedModel) -> int:
    limit = getattr(lm.config, "max_position_embeddings", None)
    return limit if isinstance(limit, int) and limit > 1 else TOKENS
