"""The policy network: a causal language model from transformers, and where it has a critic a value model beside it."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar, cast

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint
from transformers.modeling_layers import GradientCheckpointingLayer

from reft_lab.errors import BadInput
from reft_lab.policy.adapters import OWN, is_adapted, shared_weights, take_in
from reft_lab.policy.attention import pack_attention, packed_states
from reft_lab.policy.head import target_logprobs, target_logprobs_and_entropies
from reft_lab.policy.logits import logit_transform
from reft_lab.policy.packing import Packed
from reft_lab.ranks import ALONE, Ranks

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from reft_lab.policy.sharding import Sharding

T = TypeVar("T")


class Policy(nn.Module):
    """A causal language model, and a value model where there is a critic.

    The value head is a linear layer on the last hidden state. It reads the policy's own trunk (paper, section 3.2)
    or, after `separate_values`, that of a second copy of the model (paper's ablation). `value_grad_to_trunk` says
    whether the value loss trains the trunk as well. Weights are fp32; `precision="bf16"` computes the products of trunk
    and logits in bf16.

    Attributes:
        fast_path: whether what is faster than transformers' own forward on padded rows is used where it fits.
        is_adapted: whether an adapter is trained beside frozen weights, which copies of the policy share.
        is_packed: whether sequences are read as one row of packed tokens, see attention.py.
        logit_transform: what makes logits of what the output embedding gives, see logits.py.
        ranks: the processes that share what is computed with it; each has all of its weights, unless there is a
            `sharding`.
        sharding: how its weights are parted among the ranks, after `shard`; else None.
        value_head: the critic's head; None without a critic, which then has no values anywhere.
        value_trunk: the second copy, None while the head reads the policy's own trunk.
    """

    def __init__(
        self,
        lm: PreTrainedModel,
        *,
        critic: bool = True,
        value_grad_to_trunk: bool = True,
        value_seed: int | None = None,
        precision: str = "fp32",
        fast_path: bool = True,
        ranks: Ranks = ALONE,
    ):
        """Args:
        lm: the language model, trained in place.
        critic: whether there is a value head.
        value_grad_to_trunk: whether the value loss trains the trunk.
        value_seed: seed of a value head as torch initialises a linear layer, which is how TRL's starts; None makes
            it zero, so that every value is 0 before the first update.
        precision: fp32 or bf16.
        fast_path: allow packed attention and the lean decoder for Llama; false takes transformers' own forward on
            padded rows everywhere.
        ranks: the processes that share what is computed with it.
        """
        super().__init__()
        self.lm = lm
        self.ranks = ranks
        self.sharding: Sharding | None = None
        self.precision = precision
        hidden_size = lm.get_output_embeddings().weight.shape[1]
        self.value_head = _value_head(hidden_size, value_seed) if critic else None
        self.value_trunk: nn.Module | None = None
        self.value_grad_to_trunk = value_grad_to_trunk
        self.fast_path = fast_path
        self.is_adapted = is_adapted(lm)
        self.is_packed = fast_path and pack_attention(lm)
        self.logit_transform = logit_transform(lm)
        self._keeps_casts = False
        self._takes_positions = "position_ids" in inspect.signature(lm.base_model.forward).parameters

    def separate_values(self) -> None:
        """Let the value head read a copy of the trunk as it is now, with weights of its own from here on.

        Where weights are in parts, all parameters are other ones from here on, as after `shard`.
        """
        if self.sharding is None:
            self.value_trunk = copy.deepcopy(self.lm.base_model, self._shared())
        else:
            self.sharding.separate_values(self)

    def renew_value_head(self, seed: int) -> None:
        """Begin with a new value head, as torch initialises a linear layer. There must be a critic."""
        assert self.value_head is not None
        self.value_head.load_state_dict(_value_head(self.value_head.in_features, seed).state_dict())

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return cast(Tensor, self.lm.get_output_embeddings().weight).device

    @property
    def positions(self) -> int | None:
        """Longest sequence the model can take in tokens, None where its config names no limit."""
        limit: int | None = getattr(self.lm.config, "max_position_embeddings", None)
        return limit

    def trunk(self, ids: Tensor, mask: Tensor | None, positions: Tensor, cache: Any = None) -> Tensor:
        """Last hidden state.

        Args:
            ids: token ids (B, S).
            mask: 1 for tokens that count (B, S), or (B, past + S) with a cache; None where padding stands on the
                right, since causal attention never looks there.
            positions: position of each token in its own sequence, whatever the padding (B, S).
            cache: a transformers cache, extended in place; None runs without one.

        Returns:
            Hidden states (B, S, H).
        """
        return self._run(self.lm.base_model, ids, mask, positions, cache)

    def forward(
        self, batch: Packed, *, entropies: bool = False, critic_only: bool = False
    ) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        """A whole pass over a micro-batch.

        Returns:
            Of the response tokens their log-probabilities, values where there is a critic, and entropies of the
            distributions where they are wanted, (M,) each. With `critic_only` the values, with no gradient in the
            policy's own trunk, and nothing else.
        """
        return self.in_one_pass(self._scores, batch, entropies=entropies, critic_only=critic_only)

    def in_one_pass(self, work: Callable[..., T], *args: Any, **options: Any) -> T:
        """`work(*args, **options)`, which goes through the policy. Weights in parts are together within this alone."""
        return work(*args, **options) if self.sharding is None else self.sharding.run(work, *args, **options)

    def response_states(self, batch: Packed) -> Tensor:
        """Last hidden states of the tokens that predict a response token (M, H)."""
        return self._response_states(self.lm.base_model, batch)

    def states_for_values(self, states: Tensor, batch: Packed) -> Tensor:
        """What the value head reads: `states` themselves, detached from the trunk, or the second model's (M, H)."""
        if self.value_trunk is not None:
            return self._response_states(self.value_trunk, batch)
        return states if self.value_grad_to_trunk else states.detach()

    def own_states_for_values(self, batch: Packed) -> Tensor:
        """What the value head reads where the value model alone is trained: the policy's trunk gets no gradient."""
        if self.value_trunk is not None:
            return self._response_states(self.value_trunk, batch)
        with torch.no_grad():
            return self.response_states(batch)

    def target_logprobs(self, states: Tensor, targets: Tensor) -> Tensor:
        """Log-probabilities of `targets` in fp32: (M, H), (M) -> (M)."""
        return target_logprobs(states.to(self.dtype), *self._head(), targets, self.logit_transform)

    def target_logprobs_and_entropies(self, states: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """The same, and the entropies in nats of the whole distributions: (M, H), (M) -> (M), (M)."""
        return target_logprobs_and_entropies(states.to(self.dtype), *self._head(), targets, self.logit_transform)

    def logits(self, hidden: Tensor) -> Tensor:
        """Next-token logits in fp32 from hidden states of any leading shape: (..., H) -> (..., vocabulary)."""
        with self._autocast():
            return self.logit_transform(cast(Tensor, self.lm.get_output_embeddings()(hidden)).float())

    def values(self, hidden: Tensor) -> Tensor:
        """State values in fp32 from the states of `states_for_values`: (..., H) -> (...). There must be a critic."""
        assert self.value_head is not None
        return cast(Tensor, self.value_head(hidden.float())).squeeze(-1).clone()  # no view, see fully_shard

    def undecayed(self) -> list[nn.Parameter]:
        """What weight decay spares: norms, biases and embeddings, the output embedding among them. Decay is meant for
        the matrices between layers; it would shrink rare tokens, which get no gradient, step by step to nothing."""
        embeddings = [module for module in self.modules() if isinstance(module, nn.Embedding)]
        tables = {id(module.weight) for module in (*embeddings, self.lm.get_output_embeddings())}
        return [p for p in self.parameters() if p.ndim < 2 or id(p) in tables]

    def value_parameters(self) -> list[nn.Parameter]:
        """The weights that only the value model has: its head, and its trunk where that is its own."""
        parts = [part for part in (self.value_head, self.value_trunk) if part is not None]
        own = [parameter for part in parts for parameter in part.parameters()]
        return [parameter for parameter in own if parameter.requires_grad or not self.is_adapted]

    @property
    def value_trains_policy(self) -> bool:
        """Whether the value loss has a gradient in weights that the policy uses."""
        return self.value_head is not None and self.value_trunk is None and self.value_grad_to_trunk

    def reference(self) -> Policy:
        """A frozen copy of the policy as it is now, without its value model: the pi_0 of the paper."""
        if self.sharding is not None:
            return self.sharding.reference(self)
        lm = copy.deepcopy(self.lm, self._shared())
        frozen = Policy(lm, critic=False, precision=self.precision, fast_path=self.fast_path, ranks=self.ranks)
        return frozen.to(self.device).requires_grad_(False).eval()

    def shorten(self) -> None:
        """Keep the matrices of a frozen policy in the type that their products are computed in: with bf16 in half the
        room, and with the same products, which would round them anew each time. Those that others share stay."""
        if self.sharding is None:
            for weight in self.matrices():
                weight.data = weight.data.to(self.dtype)

    def matrices(self) -> list[Tensor]:
        """The weights that products in another type than theirs round first: those of layers without an adapter."""
        if self.is_adapted or self.precision != "bf16":
            return []
        tables = {id(module.weight) for module in self.lm.modules() if isinstance(module, nn.Embedding)}
        linear = [module for module in self.lm.modules() if isinstance(module, nn.Linear)]
        return [layer.weight for layer in linear if id(layer.weight) not in tables]

    def merged(self, dtype: torch.dtype | None = None) -> Policy:
        """The policy for reading alone, with its adapter in new weights and all others shared: a token then meets one
        matrix in a layer, not three. The policy itself where it has no adapter.

        Args:
            dtype: of the new weights; None: the one that their products are computed in.
        """
        if not self.is_adapted:
            return self
        copied = copy.deepcopy(self, {id(tensor): tensor for tensor in (*self.parameters(), *self.buffers())})
        for trunk in (copied.lm, copied.value_trunk):
            if trunk is not None:
                take_in(trunk, dtype or self.dtype)
        del copied.lm.peft_config
        copied.is_adapted = False
        return copied

    def shard(self) -> None:
        """Part the weights among the ranks; parameters are other ones from here on."""
        from reft_lab.policy.sharding import Sharding

        self.sharding = Sharding(self)

    @contextmanager
    def gathered(self) -> Iterator[Policy]:
        """Inside, the policy to sample from, which has all weights by itself: a copy, where they are in parts."""
        if self.sharding is None:
            yield self
            return
        with self.sharding.gathered(self) as whole:
            yield whole

    @contextmanager
    def collected(self) -> Iterator[Policy | None]:
        """Inside, the policy to be written, for the rank that leads; None for the others."""
        if self.sharding is None:
            yield self if self.ranks.leads else None
            return
        with self.sharding.collected(self) as whole:
            yield whole

    def in_step(self, groups: Mapping[int, list[int]], filler: int) -> Iterator[tuple[int | None, list[int]]]:
        """The micro-batches of this rank with their numbers.

        Where weights are in parts, ranks gather them for each pass together, so that all pass equally often: one with
        fewer micro-batches than others goes over the sequence `filler` again, which has no number and counts for
        nothing.
        """
        spare = 0 if self.sharding is None else max(self.ranks.gather(len(groups))) - len(groups)
        yield from groups.items()
        yield from ((None, [filler]) for _ in range(spare))

    @contextmanager
    def keeping_casts(self) -> Iterator[None]:
        """Inside, weights stay as they are, and each is rounded to bf16 once: for texts that are written token by
        token, where families other than Llama would spend as long on rounding their weights as on using them."""
        self._keeps_casts = True
        try:
            with torch.autocast(self.device.type, enabled=False):  # what is kept goes when the outermost context ends
                yield
        finally:
            self._keeps_casts = False

    def trained_parameters(self) -> list[nn.Parameter]:
        """The weights of the language model that are trained: all of them, or its adapter."""
        return [parameter for parameter in self.lm.parameters() if parameter.requires_grad or not self.is_adapted]

    def fingerprint(self) -> float:
        """A number that differs, as good as surely, from that of a policy whose training took another way."""
        smallest: Tensor = min(self.trained_parameters(), key=lambda p: p.numel())
        if self.sharding is not None:
            smallest = cast(Any, smallest).full_tensor()
        return float(smallest.detach().cpu().double().sum())

    def own_state(self) -> dict[str, Tensor]:
        """`state_dict`, less the frozen weights beside an adapter, which whoever loads the state has already."""
        state: dict[str, Tensor] = self.state_dict()
        if not self.is_adapted:
            return state
        return {name: tensor for name, tensor in state.items() if OWN in name or name.startswith("value_head.")}

    def _scores(
        self, batch: Packed, *, entropies: bool, critic_only: bool
    ) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        if critic_only:
            return None, self.values(self.own_states_for_values(batch)), None
        states = self.response_states(batch)
        values = None
        if self.value_head is not None:
            values = self.values(self.states_for_values(states, batch))
        if entropies:
            logprobs, spread = self.target_logprobs_and_entropies(states, batch.targets)
            return logprobs, values, spread
        return self.target_logprobs(states, batch.targets), values, None

    def _shared(self) -> dict[int, Any]:
        """What a deep copy has in common with the policy."""
        return shared_weights(self.lm) if self.is_adapted else {}

    @property
    def dtype(self) -> torch.dtype:
        """The type that the products of trunk and logits are computed in."""
        return torch.bfloat16 if self.precision == "bf16" else torch.float32

    def _head(self) -> tuple[Tensor, Tensor | None]:
        """Weight and bias of the output embedding, in the type that logits are computed in."""
        head = cast(nn.Linear, self.lm.get_output_embeddings())
        return head.weight.to(self.dtype), None if head.bias is None else head.bias.to(self.dtype)

    def _autocast(self) -> torch.autocast:
        # In a pass over whole texts each weight is used once: to keep what it is rounded to would only take room.
        is_bf16 = self.precision == "bf16"
        return torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=is_bf16, cache_enabled=self._keeps_casts)

    def _response_states(self, trunk: nn.Module, batch: Packed) -> Tensor:
        if self.is_packed:
            with self._autocast():
                return packed_states(trunk, batch)
        ids, positions = batch.padded()
        padded = self._run(trunk, ids, None, positions, None)
        return padded.flatten(0, 1).index_select(0, batch.rows.place[batch.predicting])

    def _run(self, trunk: nn.Module, ids: Tensor, mask: Tensor | None, positions: Tensor, cache: Any) -> Tensor:
        extra = {"position_ids": positions} if self._takes_positions else {}
        with self._autocast():
            output = trunk(
                input_ids=ids, attention_mask=mask, past_key_values=cache, use_cache=cache is not None, **extra
            )
        return cast(Tensor, output.last_hidden_state)


def checkpoint_layers(lm: PreTrainedModel) -> None:
    """Let each layer keep its input alone for the gradient, and compute the rest a second time when it is needed.

    transformers' own switch does so in training mode only, while PPO's updates run in evaluation mode, without dropout.

    Raises:
        BadInput: the model has no layers that transformers can checkpoint.
    """
    layers = [module for module in lm.modules() if isinstance(module, GradientCheckpointingLayer)]
    if not layers:
        raise BadInput(
            f"models of type {lm.config.model_type} cannot recompute their layers; leave out "
            "model.gradient_checkpointing=true."
        )
    for layer in layers:
        layer.forward = partial(_checkpointed, layer.forward)


def _checkpointed(forward: Callable[..., Any], *args: Any, **options: Any) -> Any:
    return (
        checkpoint(forward, *args, use_reentrant=False, **options)
        if torch.is_grad_enabled()
        else forward(*args, **options)
    )


def _value_head(hidden_size: int, seed: int | None) -> nn.Linear:
    head: nn.Linear = nn.utils.skip_init(nn.Linear, hidden_size, 1)
    bound = 0.0 if seed is None else hidden_size**-0.5  # as nn.Linear has it for weight and bias
    generator = torch.Generator().manual_seed(seed or 0)
    for parameter in head.parameters():
        nn.init.uniform_(parameter, -bound, bound, generator=generator)
    return head
