"""Stage 1: supervised fine-tuning on (question, chain of thought), paper section 3.1.

The same stage is the warm-up of ReFT and the SFT baseline; they differ in their settings.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from reft_lab.algorithms.examples import Example
from reft_lab.algorithms.losses import sft_loss
from reft_lab.algorithms.optimizer import Optimizer, constant, linear_decay
from reft_lab.config.training import SFTConfig
from reft_lab.policy.model import Policy
from reft_lab.policy.scoring import micro_batches, score
from reft_lab.randomness import permutation, torch_seed


class SFT:
    """Supervised fine-tuning, one optimiser step at a time.

    Nothing but `step`, the weights and the optimiser's state changes while it runs; the order of the examples and the
    dropout of a step are keyed by (seed, stage, epoch or step).

    Attributes:
        step: optimiser steps done.
        total_steps: optimiser steps of the whole stage.
        steps_per_epoch: optimiser steps of one pass over the examples; the last batch of an epoch may be smaller.
    """

    def __init__(
        self,
        policy: Policy,
        examples: Sequence[Example],
        config: SFTConfig,
        *,
        stage: str,
        seed: int,
        pad_id: int,
        tokens_per_micro_batch: int,
    ):
        """Args:
        policy: trained in place; its value model is left alone.
        examples: the training examples, at least one.
        config: settings of the stage.
        stage: name that keys the randomness (warmup, sft).
        seed: seed of the run.
        pad_id: token that fills up rows.
        tokens_per_micro_batch: token budget of one forward and backward pass.
        """
        self.policy = policy
        self.examples = examples
        self.config = config
        self.stage = stage
        self.seed = seed
        self.pad_id = pad_id
        self.tokens_per_micro_batch = tokens_per_micro_batch
        self.step = 0
        self.steps_per_epoch = -(-len(examples) // config.batch_size)
        self.total_steps = self.steps_per_epoch * config.epochs
        laid_out = self.steps_per_epoch * (config.schedule_epochs or config.epochs)
        warmup = round(config.lr_warmup_fraction * laid_out)
        self.optimizer = Optimizer(
            list(policy.lm.parameters()),
            lr=config.lr,
            weight_decay=config.weight_decay,
            max_grad_norm=config.max_grad_norm,
            schedule=linear_decay(laid_out, warmup) if config.schedule == "linear" else constant(warmup),
        )

    @property
    def epoch(self) -> int:
        """Whole passes over the examples that are done."""
        return self.step // self.steps_per_epoch

    @property
    def done(self) -> bool:
        """Whether all steps are done."""
        return self.step >= self.total_steps

    def advance(self) -> dict[str, float]:
        """Do one optimiser step: the mean loss over all completion tokens of a batch.

        Returns:
            loss (nats per token), grad_norm, lr and tokens (completion tokens of the batch).
        """
        epoch, index = divmod(self.step, self.steps_per_epoch)
        order = permutation(len(self.examples), self.seed, self.stage, "order", epoch)
        chosen = order[index * self.config.batch_size : (index + 1) * self.config.batch_size]
        batch = [self.examples[i] for i in chosen]
        total = sum(len(example.completion) for example in batch)

        self.policy.train()
        loss = 0.0
        for number, group in enumerate(micro_batches([len(e) for e in batch], self.tokens_per_micro_batch)):
            torch.manual_seed(torch_seed(self.seed, self.stage, "dropout", self.step, number))
            logprobs = score(
                self.policy, [batch[i].prompt for i in group], [batch[i].completion for i in group], self.pad_id
            ).logprobs
            part = sft_loss(logprobs).sum() / total
            part.backward()
            loss += part.item()
        norm, rate = self.optimizer.step()
        self.step += 1
        return {"loss": loss, "grad_norm": norm, "lr": rate, "tokens": total}
