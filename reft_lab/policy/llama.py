"""The Llama family over whole sequences: transformers' own forward and its gradient, with less work.

Everything but attention runs on packed tokens, without padding, and the last layer is computed only for the tokens that
predict a response token.
"""

from __future__ import annotations

from enum import Enum
from typing import Any, cast

import torch
from torch import Tensor, nn

from reft_lab.policy.attention import Heads
from reft_lab.policy.llama_layer import AllTokens, Backward, ChosenTokens, Layer, Rotation
from reft_lab.policy.packing import Packed

# Numbers in the gradients that a step of automatic differentiation hands over at once, unless one layer has more. Those
# of a whole large model would stand beside the sums they are added to.
GRADIENTS = 2**22


def understands(trunk: nn.Module) -> bool:
    """Whether `trunk` is a LlamaModel made of nothing but the parts this file knows.

    Other activations, adapters, quantised layers and hooks make it another model.
    """
    from transformers.activations import SiLUActivation
    from transformers.models.llama import modeling_llama as parts

    known = {
        parts.LlamaModel,
        parts.LlamaDecoderLayer,
        parts.LlamaAttention,
        parts.LlamaMLP,
        parts.LlamaRMSNorm,
        parts.LlamaRotaryEmbedding,
        SiLUActivation,
        nn.SiLU,
        nn.Linear,
        nn.Embedding,
        nn.ModuleList,
    }
    return (
        type(trunk) is parts.LlamaModel
        and all(type(module) in known and not module._forward_hooks for module in trunk.modules())
        and not cast(Any, trunk).config.attention_dropout
    )


class Llama:
    """The layers of a LlamaModel, read once; its parameters are used as they are at each call."""

    def __init__(self, trunk: nn.Module):
        """`trunk` is one that `understands` accepts."""
        self._model = cast(Any, trunk)
        config = self._model.config
        blocks = list(self._model.layers[: config.num_hidden_layers])
        self._layers = [Layer(block, last=block is blocks[-1]) for block in blocks]
        self._heads = config.num_attention_heads
        self._kv_heads = config.num_key_value_heads
        self._size: int = blocks[0].self_attn.head_dim
        self._scale: float = blocks[0].self_attn.scaling

    def response_states(self, batch: Packed, dtype: torch.dtype) -> Tensor:
        """Last hidden states, behind the final norm, of the tokens that predict a response token (M, H).

        Args:
            batch: the micro-batch.
            dtype: type of the products; weights, norms and the residual stream are fp32.
        """
        embedded = self._model.embed_tokens(batch.ids)
        every, last = self._tokens(batch, embedded)
        tokens = [every] * (len(self._layers) - 1) + [last]
        keeping = _Keeping.NOTHING
        if torch.is_grad_enabled() and any(x.requires_grad for x in (embedded, *_parameters(self._layers))):
            keeping = _Keeping.INPUTS if self._model.gradient_checkpointing else _Keeping.ALL
        states, size = embedded, max(1, GRADIENTS // sum(x.numel() for x in self._layers[-1].parameters))
        for start in range(0, len(self._layers), size):
            layers, seen = self._layers[start : start + size], tokens[start : start + size]
            states = _Layers.apply(states, layers, seen, dtype, keeping, *_parameters(layers))
        return cast(Tensor, self._model.norm(states))

    def _tokens(self, batch: Packed, embedded: Tensor) -> tuple[AllTokens, ChosenTokens]:
        """The micro-batch as the layers see it that are computed for all tokens, and as the last one does."""
        counts = self._heads, self._kv_heads, self._kv_heads
        rotation, half = self._rotation(batch, embedded), self._heads * self._size // 2
        columns = torch.arange(batch.rows.tokens.shape[1], device=embedded.device)
        steps = columns[: batch.predicting_rows.tokens.shape[1], None]
        every = AllTokens(
            heads=Heads.of(counts, batch.rows),
            queries=Heads.of(counts[:1], batch.rows),
            rotation=rotation,
            sees=(columns <= columns[:, None]).to(embedded.dtype),
        )
        last = ChosenTokens(
            chosen=batch.predicting,
            heads=Heads.of(counts[1:], batch.rows),
            queries=Heads.of(counts[:1], batch.predicting_rows),
            key_rotation=rotation.narrowed(half, rotation.forth.shape[1]),
            query_rotation=rotation.narrowed(0, half).of(batch.predicting),
            sees=(columns <= batch.starts[:, None, None, None] + steps).to(embedded.dtype),
        )
        return every, last

    def _rotation(self, batch: Packed, embedded: Tensor) -> Rotation:
        cos, sin = (
            part[0, :, : self._size // 2].float() for part in self._model.rotary_emb(embedded, batch.rows.column[None])
        )
        scales = cos.new_tensor([self._scale] * self._heads + [1.0] * self._kv_heads)
        forth = (torch.complex(cos, sin)[:, None] * scales[:, None]).flatten(1)
        return Rotation(forth, forth.conj().resolve_conj())


def _parameters(layers: list[Layer]) -> list[Tensor]:
    return [parameter for layer in layers for parameter in layer.parameters]


class _Keeping(Enum):
    """What is kept of each layer for its gradient: with inputs alone the layer is computed a second time."""

    NOTHING = 0
    INPUTS = 1
    ALL = 2


class _Layers(torch.autograd.Function):
    """Some decoder layers as one step of automatic differentiation."""

    @staticmethod
    def forward(
        ctx: Any,
        hidden: Tensor,
        layers: list[Layer],
        tokens: list[AllTokens | ChosenTokens],
        dtype: torch.dtype,
        keeping: _Keeping,
        *parameters: Tensor,
    ) -> Tensor:
        ctx.backwards = []
        for layer, seen in zip(layers, tokens, strict=True):
            before = hidden
            hidden, backward = layer(before, seen, dtype)
            if keeping is _Keeping.ALL:
                ctx.backwards.append(backward)
            elif keeping is _Keeping.INPUTS:
                ctx.backwards.append(_again(layer, before, seen, dtype))
        return hidden

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Any, ...]:
        """Last layer first; what a layer kept is let go as soon as it is done."""
        gradient = upstream[0]
        by_parameters: list[Tensor] = []
        while ctx.backwards:
            gradient, found = ctx.backwards.pop()(gradient)
            by_parameters = found + by_parameters
        return gradient, None, None, None, None, *by_parameters


def _again(layer: Layer, hidden: Tensor, tokens: AllTokens | ChosenTokens, dtype: torch.dtype) -> Backward:
    """A layer's gradient that computes the layer a second time."""
    return lambda upstream: layer(hidden, tokens, dtype)[1](upstream)
