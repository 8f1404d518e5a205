"""A causal language model in the numbers that its memory depends on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn

from reft_lab.policy.adapters import NAME, OWN, is_adapted, plain_modules
from reft_lab.policy.packing import Sequences

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from reft_lab.policy.model import Policy

MLP = ("intermediate_size", "ffn_dim", "n_inner")  # what configs call it
NOTICEABLE = 0.02  # of what tokens keep; less is what a row of another width happens to differ by
WIDTH = 16  # tokens of the sequences by which activations are told


@dataclass(frozen=True)
class Shape:
    """Numbers are counts, not bytes.

    Attributes:
        weights: of the language model, each once, without an adapter.
        trunk: those that all but the output head has.
        matrices: those of the matrices in the trunk's layers, which a decoder may copy.
        adapted: of an adapter of rank 1 on all linear layers but the head.
        rank: of the adapter that is trained; 0: all weights are.
        adapter: of that adapter.
        vocabulary: rows of the output head.
        width: of the hidden state.
        layers: of the trunk.
        keys: of a token in one layer's cache, values not among them.
        mlp: width of a layer's MLP, for a guess.
    """

    weights: int
    trunk: int
    matrices: int
    adapted: int
    rank: int
    adapter: int
    vocabulary: int
    width: int
    layers: int
    keys: int
    mlp: int

    @classmethod
    def of(cls, lm: PreTrainedModel) -> Shape:
        """That of a model, which may be on the meta device."""
        from transformers.pytorch_utils import Conv1D

        config = lm.config.get_text_config()
        head, trunk = lm.get_output_embeddings(), lm.base_model
        heads = config.num_attention_heads
        of_head = getattr(config, "head_dim", None) or config.hidden_size // heads
        named = dict(lm.named_parameters())
        adapter = sum(p.numel() for name, p in named.items() if OWN in name)
        tables = {id(module.weight) for module in lm.modules() if isinstance(module, nn.Embedding)}
        inside = [(name, p) for name, p in trunk.named_parameters() if OWN not in name]
        linear = [m for m in plain_modules(lm) if isinstance(m, nn.Linear | Conv1D) and m is not head]
        return cls(
            weights=sum(p.numel() for p in named.values()) - adapter,
            trunk=sum(p.numel() for _, p in inside),
            matrices=sum(p.numel() for _, p in inside if p.ndim > 1 and id(p) not in tables),
            adapted=sum(sum(cast(Any, layer).weight.shape) for layer in linear),
            rank=cast(Any, lm).peft_config[NAME].r if is_adapted(lm) else 0,
            adapter=adapter,
            vocabulary=head.weight.shape[0],
            width=head.weight.shape[1],
            layers=config.num_hidden_layers,
            keys=(getattr(config, "num_key_value_heads", None) or heads) * of_head,
            mlp=next((size for name in MLP if (size := getattr(config, name, None))), 4 * head.weight.shape[1]),
        )

    @property
    def head(self) -> int:
        """Weights of the output head."""
        return self.vocabulary * self.width

    @property
    def all(self) -> int:
        """Weights with those of the adapter."""
        return self.weights + self.adapter

    @property
    def trained(self) -> int:
        """Weights that an optimiser moves, those of a value model not among them."""
        return self.adapter if self.rank else self.weights

    def with_adapter(self, rank: int) -> Shape:
        """The same with an adapter of that rank on every linear layer but the head."""
        return replace(self, rank=rank, adapter=rank * self.adapted)


@dataclass(frozen=True)
class Kept:
    """What a forward pass through the trunk keeps for its gradient, in bytes.

    Attributes:
        token: for each token.
        once: whatever their number, such as weights in the type that products are computed in.
        square: for each token and each of the width of its row, where attention keeps a number for each pair of tokens.
    """

    token: float
    once: float
    square: float = 0.0

    def of(self, tokens: int, width: int) -> float:
        """Bytes of so many tokens in rows of that width."""
        return (self.token + self.square * width) * tokens + self.once

    @classmethod
    def by(cls, policy: Policy, share: float, *, dropout: bool = False) -> Kept:
        """As a few short sequences show it, of which the `share` are tokens of responses; the policy stays as it is.

        Nothing of it depends on the device, on a seed or on the weights. Sequences of two lengths are laid out in rows
        with some padding, as real ones are. With `dropout` the pass is one of supervised training, in which models that
        have dropout keep its masks and may take another attention.
        """

        def look(*widths: int) -> tuple[int, int]:
            return _kept(policy, widths, share, dropout)

        few, more = look(WIDTH, WIDTH - 1), look(WIDTH, WIDTH - 1, WIDTH, WIDTH - 1)
        token = (more[1] - few[1]) / (more[0] - few[0])
        once = max(0.0, few[1] - token * few[0])
        tokens, wide = look(2 * WIDTH, 2 * WIDTH - 2)
        square = ((wide - once) / tokens - token) / WIDTH
        if square * WIDTH < NOTICEABLE * token:
            return cls(token, once)
        return cls(token - square * WIDTH, once, square)

    def in_training(self, policy: Policy, share: float) -> Kept:
        """The same of supervised training: itself where a pass shows that nothing is different."""
        tokens, there = _kept(policy, (WIDTH, WIDTH - 1), share, dropout=True)
        return self if there <= (1 + NOTICEABLE) * self.of(tokens, WIDTH) else Kept.by(policy, share, dropout=True)

    @classmethod
    def supposed(cls, shape: Shape, precision: str) -> Kept:
        """As it is with most families to about a fifth, for a model that is not there to be tried."""
        numbers = shape.layers * (10 * shape.width + 4 * shape.mlp + 6 * shape.keys)
        size = 2 if precision == "bf16" else 4
        return cls(numbers * size * (1.4 if size == 2 else 1.0), shape.matrices * 2.0 if size == 2 else 0.0)


def _kept(policy: Policy, widths: Sequence[int], share: float, dropout: bool) -> tuple[int, int]:
    """Tokens of sequences of these widths, and bytes that a forward pass over them keeps, weights not among them."""
    own = {parameter.untyped_storage().data_ptr() for parameter in policy.parameters()}
    seen: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            seen[storage.data_ptr()] = storage.nbytes()
        return tensor.detach()  # the output of an operation would hold itself, and never go

    responses = [min(width - 1, max(1, round(share * width))) for width in widths]
    sequences = Sequences(
        [[0] * (width - response) for width, response in zip(widths, responses, strict=True)],
        [[0] * (response + 1) for response in responses],  # from the last nothing is predicted
        pad_id=0,
    )
    modes = {module: module.training for module in policy.modules()}
    policy.train(dropout)
    try:
        with (
            torch.random.fork_rng([policy.device] if policy.device.type == "cuda" else []),  # dropout draws
            torch.enable_grad(),
            torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor),
        ):
            batch = sequences.packed(range(len(sequences)), policy.device)
            policy.response_states(batch)
    finally:
        for module, mode in modes.items():
            module.training = mode
    return sum(widths), sum(seen.values())
