"""The Llama family over whole sequences: transformers' own forward and its gradient, with less work.

Everything but attention runs on packed tokens, without padding, and the last layer is computed only for the tokens that
predict a response token.
"""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor, nn

from reft_lab.policy.attention import Heads
from reft_lab.policy.llama_layer import Backward, Everyone, Layer, Rotation, Some
from reft_lab.policy.packing import Packed


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
        parameters = [parameter for layer in self._layers for parameter in layer.parameters]
        states = _Layers.apply(embedded, self._layers, tokens, dtype, self._model.gradient_checkpointing, *parameters)
        return cast(Tensor, self._model.norm(states))

    def _tokens(self, batch: Packed, embedded: Tensor) -> tuple[Everyone, Some]:
        """The micro-batch as the layers see it that are computed for all tokens, and as the last one does."""
        counts = self._heads, self._kv_heads, self._kv_heads
        places = batch.rows, batch.width, batch.sequence, batch.position
        sequence, position = batch.where_predicting()
        rotation, half = self._rotation(batch, embedded), self._heads * self._size // 2
        columns = torch.arange(batch.width, device=embedded.device)
        infinity = embedded.new_tensor(float("-inf"))
        # Queries that only fill up stand behind the real ones, and see what those see and more.
        first = position.new_zeros(batch.rows).index_copy(0, sequence, position - batch.step)
        asks = first[:, None, None] + columns[: batch.response_width, None]
        every = Everyone(
            heads=Heads.of(counts, *places),
            queries=Heads.of(counts[:1], *places),
            rotation=rotation,
            mask=torch.where(columns <= columns[:, None], 0.0, infinity),
        )
        last = Some(
            chosen=batch.predicting,
            heads=Heads.of(counts[1:], *places),
            queries=Heads.of(counts[:1], batch.rows, batch.response_width, sequence, batch.step),
            key_rotation=rotation.narrowed(half, rotation.forth.shape[1]),
            query_rotation=rotation.narrowed(0, half).of(batch.predicting),
            mask=torch.where(columns <= asks, 0.0, infinity)[:, None],
        )
        return every, last

    def _rotation(self, batch: Packed, embedded: Tensor) -> Rotation:
        cos, sin = (
            part[0, :, : self._size // 2].float() for part in self._model.rotary_emb(embedded, batch.position[None])
        )
        key = torch.complex(cos, sin)
        forth = torch.cat([(key * self._scale).repeat(1, self._heads), key.repeat(1, self._kv_heads)], dim=1)
        return Rotation(forth, forth.conj().resolve_conj())


class _Layers(torch.autograd.Function):
    """All decoder layers as one step of automatic differentiation."""

    @staticmethod
    def forward(
        ctx: Any,
        hidden: Tensor,
        layers: list[Layer],
        tokens: list[Everyone | Some],
        dtype: torch.dtype,
        checkpointing: bool,
        *parameters: Tensor,
    ) -> Tensor:
        differentiated = any(ctx.needs_input_grad)
        ctx.backwards = []
        for layer, seen in zip(layers, tokens, strict=True):
            before = hidden
            hidden, backward = layer(before, seen, dtype)
            if differentiated:
                ctx.backwards.append(_again(layer, before, seen, dtype) if checkpointing else backward)
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


def _again(layer: Layer, hidden: Tensor, tokens: Everyone | Some, dtype: torch.dtype) -> Backward:
    """A layer's gradient that computes the layer a second time instead of keeping what it needs."""
    return lambda upstream: layer(hidden, tokens, dtype)[1](upstream)
