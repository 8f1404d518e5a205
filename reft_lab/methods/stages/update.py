"""The PPO update over one batch of rollouts (paper, section 3.2)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from reft_lab.equations.losses import token_weights
from reft_lab.methods.settings import PPOConfig
from reft_lab.methods.stages.objective import Facts, Loss, loss, loss_of_critic
from reft_lab.methods.stages.optimizer import Optimizer, norm_of
from reft_lab.methods.stages.rollouts import Rollouts
from reft_lab.policy.model import Policy
from reft_lab.policy.packing import Sequences, own_micro_batches
from reft_lab.ranks import Gradient, Ranks


def update(
    policy: Policy,
    rollouts: Rollouts,
    optimizer: Optimizer,
    config: PPOConfig,
    *,
    order: list[list[int]],
    pad_id: int,
    tokens_per_micro_batch: int,
    critic_only: bool = False,
    closely: bool = False,
) -> dict[str, float]:
    """U passes over the rollouts in mini-batches, one optimiser step each. Dropout is off.

    The policy's ranks share each mini-batch.

    Args:
        policy: updated in place.
        config: what `objective.loss` reads, mini_batch, loss_average and clip_grads; `order` has `epochs` entries.
        order: one permutation of range(len(rollouts)) for each pass.
        tokens_per_micro_batch: token budget of one forward and backward pass.
        critic_only: train the value model alone; nothing that the policy uses changes.
        closely: measure the gradients of policy and value loss even where it takes passes of its own. These are two
            over the first mini-batch, and change nothing.

    Returns:
        The ppo/... metrics of docs/metrics.md. first_ratio_error is the largest |ratio - 1| before the first step: how
        far the log-probabilities kept from sampling are from those of the update's own forward pass.
    """
    policy.eval()
    batches = MiniBatches(policy, rollouts, config, pad_id, tokens_per_micro_batch)
    gradients = _Gradients(policy, optimizer, config, critic_only=critic_only)
    tally = _Tally()
    for permutation in order:
        for start in range(0, len(permutation), config.mini_batch):
            chosen = permutation[start : start + config.mini_batch]
            if closely and gradients.is_blended and not tally.norms:
                tally.norms.append(_measured(batches, chosen, optimizer))
            for number, one in batches.losses(chosen, critic_only=critic_only):
                gradients.add(one, number)
                if number is not None:
                    tally.passes.append(one.facts)
            gradients.add_up()
            parts = gradients.parts()
            if parts:
                tally.norms.append({name: norm_of(part) for name, part in parts.items()})
            tally.step(optimizer.step(list(parts.values()) if config.clip_grads == "apart" else ())[0])
    return tally.metrics(policy.ranks) | _rates(optimizer, config, critic_only=critic_only)


class MiniBatches:
    """The losses of mini-batches of rollouts, which are computed in micro-batches."""

    def __init__(self, policy: Policy, rollouts: Rollouts, config: PPOConfig, pad_id: int, tokens_per_micro_batch: int):
        self.policy, self.config = policy, config
        self.sequences = Sequences(rollouts.prompts, rollouts.responses, pad_id)
        self.tokens_per_micro_batch = tokens_per_micro_batch
        names = ("logprobs", "ref_logprobs", "advantages", "values", "returns", "importance")
        tensors = {name: tensor for name in names if (tensor := getattr(rollouts, name)) is not None}
        self.rollouts = replace(rollouts, **{name: tensor.to(policy.device) for name, tensor in tensors.items()})

    def losses(self, chosen: Sequence[int], *, critic_only: bool = False) -> Iterator[tuple[int | None, Loss]]:
        """The losses of each micro-batch that this rank computes, to be added up, with its number; without one where
        they count for nothing.

        Args:
            chosen: numbers of the rollouts of the whole mini-batch, on which the weight of a token depends.
            critic_only: the value loss alone.
        """
        config, responses = self.config, self.sequences.responses[list(chosen)].tolist()
        weights = torch.zeros(len(self.rollouts))
        weights[list(chosen)] = torch.tensor(
            token_weights(responses, config.loss_average, config.loss_length or config.max_new_tokens)
        )
        weights = weights.to(self.policy.device)  # of a token in each response
        of_micro_batch = loss_of_critic if critic_only else loss
        lengths = self.sequences.lengths[list(chosen)].tolist()
        groups = own_micro_batches(self.policy.ranks, lengths, self.tokens_per_micro_batch)
        shortest = min(range(len(chosen)), key=lengths.__getitem__)
        for number, group in self.policy.in_step(groups, shortest):
            batch = self.sequences.packed([chosen[i] for i in group], self.policy.device)
            one = of_micro_batch(self.policy, batch, self.rollouts, weights, config)
            yield number, one if number is not None else one.for_nothing()


class _Gradients:
    """The gradients of policy and value loss, as far as each can be told from the other.

    Attributes:
        is_blended: whether they add up in weights that both losses train, so that their norms are unknown.
    """

    def __init__(self, policy: Policy, optimizer: Optimizer, config: PPOConfig, *, critic_only: bool):
        self.optimizer = optimizer
        self._has_critic = policy.value_head is not None
        shares_weights = policy.value_trains_policy and not critic_only
        self.is_blended = shares_weights and config.clip_grads == "together"
        self._of_value: Gradient | None = None
        if shares_weights and config.clip_grads == "apart":
            self._of_value = [None] * len(optimizer.parameters)
        own = {id(parameter) for parameter in policy.value_parameters()}
        self._owners = {
            "policy": [parameter for parameter in optimizer.parameters if id(parameter) not in own],
            "value": [parameter for parameter in optimizer.parameters if id(parameter) in own],
        }

    def add(self, loss: Loss, number: int | None) -> None:
        """Add those of a micro-batch; without a number, of one that counts for nothing."""
        if self._of_value is None or loss.value is None or loss.policy is None:
            loss.whole.backward()
        else:
            self._swap()
            loss.value.backward(retain_graph=True)
            self._swap()
            loss.policy.backward()
        if number is not None:
            self.optimizer.set_aside(number)
            if self._of_value is not None:
                self.optimizer.set_aside(number, self._of_value)

    def add_up(self) -> None:
        """Add up what all ranks have computed; the mini-batch ends here."""
        self.optimizer.add_up()
        if self._of_value is not None:
            self.optimizer.add_up(self._of_value)

    def parts(self) -> dict[str, Gradient]:
        """That of each loss in the mini-batch that ends here; empty where there is one alone, or they are blended."""
        if not self._has_critic or self.is_blended:
            return {}
        if self._of_value is not None:
            found = {"policy": self.optimizer.gradient(self.optimizer.parameters), "value": self._of_value}
            self._of_value = [None] * len(self._of_value)
            return found
        found = {name: self.optimizer.gradient(parameters) for name, parameters in self._owners.items()}
        return {name: part for name, part in found.items() if any(grad is not None for grad in part)}

    def _swap(self) -> None:
        """Set the gradient aside that stands at the parameters, and have the other one there."""
        assert self._of_value is not None
        for number, parameter in enumerate(self.optimizer.parameters):
            parameter.grad, self._of_value[number] = self._of_value[number], parameter.grad


def _measured(batches: MiniBatches, chosen: Sequence[int], optimizer: Optimizer) -> dict[str, Tensor]:
    """Norm of the gradient of each loss over a mini-batch, by a pass for each: it takes time, but no memory."""
    norms = {}
    for name in ("policy", "value"):
        for number, one in batches.losses(chosen):
            part = getattr(one, name)
            assert part is not None
            part.backward()
            if number is not None:
                optimizer.set_aside(number)
        optimizer.add_up()
        norms[name] = norm_of(optimizer.gradient(optimizer.parameters))
        optimizer.clear()
    return norms


def _rates(optimizer: Optimizer, config: PPOConfig, *, critic_only: bool) -> dict[str, float]:
    rates = {} if critic_only else {"ppo/lr": optimizer.rates[0]}
    return (
        rates if config.value_lr is None or len(optimizer.rates) == 1 else rates | {"ppo/value_lr": optimizer.rates[1]}
    )


class _Tally:
    """What the optimiser steps of one update came to; token means weigh all tokens of all passes the same.

    Attributes:
        passes: facts of all micro-batches.
        norms: gradient norms of policy and value loss, by these words, of the mini-batches where they are known.
    """

    def __init__(self) -> None:
        self.passes: list[Facts] = []
        self.norms: list[Mapping[str, Tensor]] = []
        self._first: int | None = None  # micro-batches before the first step
        self._whole_norms: list[float] = []

    def step(self, norm: float) -> None:
        """An optimiser step was done, with this gradient norm."""
        self._first = len(self.passes) if self._first is None else self._first
        self._whole_norms.append(norm)

    def metrics(self, ranks: Ranks) -> dict[str, float]:
        """The metrics of the update; the one place that waits for the device. `ranks` have passed over parts of it."""
        steps = len(self._whole_norms)
        found = [part for part in ranks.gather(self._added()) if part.tokens]
        tokens = sum(part.tokens for part in found)
        metrics = {name: sum(part.terms[name] for part in found) / steps for name in found[0].terms}
        metrics |= {name: sum(part.sums[name] for part in found) / tokens for name in found[0].sums}
        for part in found:
            for name, value in part.largest.items():
                metrics[name] = max(metrics.get(name, value), value)
        metrics["ppo/grad_norm"] = sum(self._whole_norms) / steps
        for name in self.norms[0] if self.norms else ():
            metrics[f"ppo/{name}_grad_norm"] = torch.stack([norms[name] for norms in self.norms]).mean().item()
        return metrics

    def _added(self) -> _Added:
        """What the micro-batches of this rank come to."""
        if not self.passes:
            return _Added()
        terms, sums = list(self.passes[0].terms), list(self.passes[0].sums)
        added = torch.stack([torch.stack([*facts.terms.values(), *facts.sums.values()]) for facts in self.passes])
        totals = dict(zip(terms + sums, added.cpu().double().sum(0).tolist(), strict=True))
        largest = {}
        for name in self.passes[0].largest:
            looked_at = self.passes[: self._first] if name == "ppo/first_ratio_error" else self.passes
            if looked_at:  # a small first mini-batch has nothing for some ranks
                largest[name] = torch.stack([facts.largest[name] for facts in looked_at]).max().item()
        return _Added(
            sum(facts.tokens for facts in self.passes),
            {name: totals[name] for name in terms},
            {name: totals[name] for name in sums},
            largest,
        )


@dataclass(frozen=True)
class _Added:
    """Facts of several micro-batches, added up; without any tokens, of none."""

    tokens: int = 0
    terms: Mapping[str, float] = field(default_factory=dict)
    sums: Mapping[str, float] = field(default_factory=dict)
    largest: Mapping[str, float] = field(default_factory=dict)
