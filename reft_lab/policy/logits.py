"""What stands between a model's output embedding and its logits: nothing, a scale or a cap, found out by trying.

Granite and Cohere scale their logits, Gemma 2 caps them (2408.00118, section 2). A config says with which numbers,
under names that differ from family to family; what they do there is seen from the model's own forward.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor

from reft_lab.errors import BadInput, first_sentence, foreign_errors

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel

FAMILIES = "choose a model of the Llama, Qwen, Gemma, Mistral, Phi, OLMo, GPT-NeoX, OPT or GPT-2 families"
TOKENS = 12  # in the texts that are tried
# Of the largest logit that is tried, whatever the size of the weights: one at which a cap bends, one beyond any cap.
SIZES = (10.0, 1000.0)
TOLERANCE = 1e-3  # relative to the largest number; two ways to compute the same in fp32 differ by about 1e-5
NAMED = re.compile(r"logit|lm_head")  # numbers of a config that may be meant: logit_scale, final_logit_softcapping, ...


@dataclass(frozen=True)
class LogitTransform:
    """From what an output embedding gives to logits, number by number: c tanh(s x / c), or s x without a cap c.

    Attributes:
        scale: s.
        cap: c; None: no cap.
    """

    scale: float = 1.0
    cap: float | None = None

    def __call__(self, x: Tensor) -> Tensor:
        """Logits of the shape of `x`; `x` itself where nothing is done."""
        if self.scale != 1.0:
            x = x * self.scale
        return x if self.cap is None else torch.tanh(x / self.cap) * self.cap

    def backward(self, gradient: Tensor, logits: Tensor | None) -> Tensor:
        """From a gradient of logits to that of what they were made from, in place.

        Args:
            gradient: of the shape of the logits.
            logits: as `__call__` gave them; only read where there is a cap.
        """
        if self.cap is not None:
            assert logits is not None
            gradient = gradient.mul_((logits / self.cap).square_().neg_().add_(1.0))
        return gradient if self.scale == 1.0 else gradient.mul_(self.scale)


def logit_transform(lm: PreTrainedModel) -> LogitTransform:
    """What `lm` does to its logits; tried only where its config has a number that may do something.

    Raises:
        BadInput: as `tried_transform`.
    """
    return tried_transform(lm) if len(_candidates(lm.config)) > 1 else LogitTransform()


@torch.no_grad()
def tried_transform(lm: PreTrainedModel) -> LogitTransform:
    """What makes the logits of `lm` out of what its output embedding gives, tried on a text at several sizes.

    Raises:
        BadInput: the model cannot be run, its logits are no numbers, or they are made in another way.
    """
    kind = lm.config.model_type
    training = lm.training
    lm.eval()
    rows = ordinary_ids(lm)[None]
    with foreign_errors(
        lambda error: (
            f"models of type {kind} are not supported: they cannot be run ({first_sentence(error)}); {FAMILIES}."
        )
    ):
        head = lm.get_output_embeddings()
        plain = head(lm.base_model(input_ids=rows, attention_mask=torch.ones_like(rows)).last_hidden_state)
        largest = float(plain.abs().max())
    if not 0 < largest < float("inf"):
        raise BadInput(
            f"the logits of this {kind} model are all zero or not finite for ordinary tokens; its weights are damaged, "
            "or were never trained."
        )
    rows = rows.expand(len(SIZES), -1)
    factors = plain.new_tensor(SIZES)[:, None, None] / largest
    handle = head.register_forward_hook(lambda module, given, output: output * factors)
    try:
        whole = lm(input_ids=rows, attention_mask=torch.ones_like(rows)).logits.float()
    finally:
        handle.remove()
    lm.train(training)
    raw = (plain * factors).float()
    for candidate in _candidates(lm.config):
        if all(same(logits, candidate(x)) for logits, x in zip(whole, raw, strict=True)):
            return candidate
    raise BadInput(
        f"models of type {kind} are not supported: their logits are no linear map of the last hidden state, scaled or "
        f"capped by a number that their config names as such; {FAMILIES}."
    )


def _candidates(config: PreTrainedConfig) -> list[LogitTransform]:
    """What the numbers of a config may do to logits, nothing first."""
    content: dict[str, Any] = config.get_text_config().to_dict()
    numbers = [
        float(value)
        for name, value in content.items()
        if NAMED.search(name) and isinstance(value, int | float) and not isinstance(value, bool)
    ]
    named = [number for number in numbers if 0 < number < math.inf]
    scales = dict.fromkeys([1.0, *named, *(1 / number for number in named)])
    return [LogitTransform(scale, cap) for cap in (None, *dict.fromkeys(named)) for scale in scales]


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


def same(one: Tensor, other: Tensor) -> bool:
    """Whether two tensors are numbers of one shape, and the same up to what is lost in computing."""
    if one.shape != other.shape or not bool(one.isfinite().all() & other.isfinite().all()):
        return False
    return float((one - other).abs().max()) <= TOLERANCE * float(other.abs().max())


def _positions(lm: PreTrainedModel) -> int:
    limit = getattr(lm.config, "max_position_embeddings", None)
    return limit if isinstance(limit, int) and limit > 1 else TOKENS
