"""The Llama family over whole sequences: transformers' own forward and its gradient, with less work.

Everything but attention runs on packed tokens, without padding, and the last layer is computed only for the tokens that
predict a response token.
"""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor, nn

from reft_lab.policy.attention import Heads
from reft_lab.policy.llama_layer import Backward, Tokens, decoder_layer, normed
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


def response_states(trunk: nn.Module, batch: Packed, dtype: torch.dtype) -> Tensor:
    """Last hidden states, behind the final norm, of the tokens that predict a response token (M, H).

    Args:
        trunk: a model that `understands` accepts.
        batch: the micro-batch.
        dtype: type of the products; weights, norms and the residual stream are fp32.
    """
    model = cast(Any, trunk)
    layers = list(model.layers[: model.config.num_hidden_layers])
    embedded = model.embed_tokens(batch.ids)
    states = _Layers.apply(
        embedded, layers, _tokens(model, batch, embedded), dtype, model.gradient_checkpointing, *_parameters(layers)
    )
    return cast(Tensor, model.norm(states))


def _parameters(layers: list[Any]) -> list[Tensor]:
    return [parameter for layer in layers for parameter in layer.parameters()]


def _tokens(model: Any, batch: Packed, embedded: Tensor) -> tuple[Tokens, Tokens]:
    """The micro-batch as all layers but the last see it, and as the last does."""
    config, block = model.config, model.layers[0].self_attn
    query_heads, heads = config.num_attention_heads, config.num_attention_heads // block.num_key_value_groups
    cos, sin = (part[0, :, None, : block.head_dim // 2].float() for part in model.rotary_emb(embedded, batch.position[None]))
    rotation = torch.complex(cos, sin)
    places = (batch.rows, batch.width, batch.sequence, batch.position)
    every = Tokens(
        heads=Heads.of((query_heads, heads, heads), *places),
        queries=Heads.of((query_heads,), *places),
        rotation=rotation,
    )
    sequence, position = batch.where_predicting()
    first = position.new_zeros(batch.rows).index_copy(0, sequence, position - batch.step)
    asks = first[:, None] + torch.arange(batch.response_width, device=first.device)
    sees = torch.arange(batch.width, device=first.device) <= asks[:, :, None]
    last = Tokens(
        heads=Heads.of((heads, heads), *places),
        queries=Heads.of((query_heads,), batch.rows, batch.response_width, sequence, batch.step),
        rotation=rotation,
        chosen=batch.predicting,
        mask=torch.zeros_like(sees, dtype=torch.float32).masked_fill_(~sees, float("-inf"))[:, None],
    )
    return every, last


class _Layers(torch.autograd.Function):
    """All decoder layers as one step of automatic differentiation."""

    @staticmethod
    def forward(
        ctx: Any,
        hidden: Tensor,
        layers: list[Any],
        tokens: tuple[Tokens, Tokens],
        dtype: torch.dtype,
        checkpointing: bool,
        *parameters: Tensor,
    ) -> Tensor:
        differentiated = any(ctx.needs_input_grad)
        ctx.layers, ctx.backwards = layers, []
        for layer in layers:
            seen = tokens[layer is layers[-1]]
            before = hidden
            hidden, backward = decoder_layer(layer, before, seen, dtype)
            if differentiated:
                ctx.backwards.append(_again(layer, before, seen, dtype) if checkpointing else backward)
        return hidden

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Any, ...]:
        """Last layer first; what a layer kept is let go as soon as it is done."""
        gradient = upstream[0]
        by_parameters: list[Tensor] = []
        for layer in reversed(ctx.layers):
            gradient, found = ctx.backwards.pop()(gradient)
            by_parameters = [found[name] for name, _ in layer.named_parameters()] + by_parameters
        return gradient, None, None, None, None, *by_parameters


def _again(layer: Any, hidden: Tensor, tokens: Tokens, dtype: torch.dtype) -> Backward:
    """A layer's gradient that computes the layer a second time instead of keeping what it needs."""
    return lambda upstream: decoder_layer(layer, hidden, tokens, dtype)[1](upstream)
