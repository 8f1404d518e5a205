"""Floating-point operations that a policy's passes take, from the shapes of its weights and the lengths of sequences.

A multiplication and an addition are two operations. Each weight of a matrix is met once by a token that goes forward,
so a token takes 2 N of them, and 4 d for each token that it attends to in each layer, itself among them: a product of
query and key, and one of weight and value (2001.08361, section 2.1; 2204.02311, appendix B, which counts what comes
after a token too, though causal attention need not look there). Logits are counted where they are computed: at the
tokens that predict one of a response. A backward pass takes twice the forward pass, and through weights that are
frozen beside an adapter as much as it, since these have no gradient of their own. What is computed a second time to
save memory (`model.gradient_checkpointing`) is not counted, nor are embeddings, norms and softmax.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import nn

if TYPE_CHECKING:
    from reft_lab.policy.model import Policy

Lengths = Iterable[tuple[int, int]]  # tokens of a prompt, and of the response to it


@dataclass(frozen=True)
class Flops:
    """What the passes of one policy take.

    Attributes:
        weights: those of the trunk's matrices that a token meets, N.
        head: those of the output head.
        width: of the queries of all heads and layers together, d times layers.
        trunks: 2 where the values have a trunk of their own, which reads all that is scored; else 1.
        frozen: those of `weights` that are not trained; the head is not, either, where there are any.
    """

    weights: int
    head: int
    width: int
    trunks: int = 1
    frozen: int = 0

    @classmethod
    def of(cls, policy: Policy) -> Flops:
        """By its weights as they are now."""
        config = policy.lm.config.get_text_config()
        heads = config.num_attention_heads
        head_width = getattr(config, "head_dim", None) or config.hidden_size // heads
        experts = getattr(config, "num_experts_per_tok", None)
        frozen = [] if not policy.is_adapted else [p for p in policy.lm.parameters() if not p.requires_grad]
        return cls(
            _weights(policy.lm.base_model, experts),
            policy.lm.get_output_embeddings().weight.numel(),
            config.num_hidden_layers * heads * head_width,
            1 if policy.value_trunk is None else 2,
            _weights(policy.lm.base_model, experts, {id(p) for p in frozen}),
        )

    def sampling(self, lengths: Lengths) -> float:
        """Of sampling responses of these lengths, each after its own prompt; the values have no part in it."""
        return sum((self._trunk(*each) + 2 * self.head * each[1] for each in lengths), 0.0)

    def scoring(self, lengths: Lengths) -> float:
        """Of one forward pass over prompts and responses."""
        return sum((self.trunks * self._trunk(*each) + 2 * self.head * each[1] for each in lengths), 0.0)

    def training(self, lengths: Lengths) -> float:
        """Of one forward and one backward pass over prompts and responses."""
        lengths = list(lengths)
        head = self.head if self.frozen else 0
        spared = sum(self.trunks * self._spared(*each) + 2 * head * each[1] for each in lengths)
        return 3 * self.scoring(lengths) - spared

    def values(self, lengths: Lengths) -> float:
        """Of one forward pass for the values alone, without logits."""
        return sum((self._trunk(*each) for each in lengths), 0.0)

    def training_values(self, lengths: Lengths) -> float:
        """Of training the values alone, which goes back no further than the head where they share the trunk."""
        if self.trunks == 1:
            return self.values(lengths)
        lengths = list(lengths)
        return 3 * self.values(lengths) - sum(self._spared(*each) for each in lengths)

    def _trunk(self, prompt: int, response: int) -> float:
        tokens = prompt + response - 1  # nothing is predicted from the last
        attended = tokens * (tokens + 1) // 2
        return float(2 * self.weights * tokens + 4 * self.width * attended)

    def _spared(self, prompt: int, response: int) -> float:
        """What a backward pass need not do, since nobody asks for the gradient of frozen weights."""
        return float(2 * self.frozen * (prompt + response - 1))


def _weights(trunk: nn.Module, experts: int | None, among: Collection[int] | None = None) -> int:
    """Of the matrices that a token meets, those `among` these where told; of experts, which stand in one tensor, it
    meets so many."""
    tables = {id(module.weight) for module in trunk.modules() if isinstance(module, nn.Embedding)}
    matrices = [p for p in trunk.parameters() if p.ndim > 1 and id(p) not in tables]
    matrices = [p for p in matrices if among is None or id(p) in among]
    return sum(p.numel() if p.ndim == 2 or not experts else p.numel() * experts // len(p) for p in matrices)
