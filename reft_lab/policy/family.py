"""Whether a model is computed right by what this package adds to transformers, found out by trying.

No list of families is kept: a new one works if it behaves, and is refused in a sentence if it does not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from transformers.cache_utils import DynamicLayer, LinearAttentionCacheLayerMixin

from reft_lab.errors import BadInput, first_sentence, foreign_errors
from reft_lab.policy.attention import short_windows
from reft_lab.policy.logits import FAMILIES, ordinary_ids, same, tried_transform
from reft_lab.policy.model import Policy
from reft_lab.policy.sampling.cache import block_cache
from reft_lab.policy.sampling.general import GeneralDecoder

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel

STEPS = 3  # tokens of the texts that are tried which are decoded one by one


@torch.no_grad()
def check_family(lm: PreTrainedModel) -> None:
    """See that the policy's head and its decoding with a cache give what the model itself gives.

    Raises:
        BadInput: the model makes its logits in a way that the policy's own head does not know; or it remembers what it
            has read in another way than the decoder's cache, so it would be sampled without its memory.
    """
    lm.eval()
    check_memory(lm.config)
    tried_transform(lm)
    _check_cache(lm, ordinary_ids(lm))


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


def _check_cache(lm: PreTrainedModel, ids: Tensor) -> None:
    """Compare texts that are decoded token by token, beside others and padded, with each read as a whole; all of them
    longer than the windows of attention, where a model has some."""
    texts = [ids.roll(shift)[: len(ids) - shift] for shift in range(min(STEPS, len(ids) - 1))]
    steps = min(STEPS, min(map(len, texts)) - 1)
    forgets = _forgets(lm.config)
    with foreign_errors(lambda error: f"{forgets} ({first_sentence(error)}); {FAMILIES}."), short_windows(lm.config):
        decoded, whole = _decoded(lm, texts, steps), _whole(lm, texts)
    if not same(decoded, whole):
        raise BadInput(f"{forgets}, so each token would be sampled without what was before it; {FAMILIES}.")


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
