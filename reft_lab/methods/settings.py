"""Settings of the stages that methods are made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Optional

from reft_lab.equations.credit import CREDITS
from reft_lab.errors import BadInput
from reft_lab.fields import STRICT, OneOf, doc

# Options of every stage that trains, whatever else it has.
WeightDecay = Annotated[float, doc("AdamW weight decay; norms, biases and embeddings are spared", ge=0)]
MaxGradNorm = Annotated[float, doc("gradient-norm clip", gt=0)]
# Of those whose learning rate stays where it is.
ConstantRate = Annotated[float, doc("learning rate, constant after its warm-up", gt=0, le=1)]
WarmupSteps = Annotated[int, doc("optimiser steps over which the rate rises", unit="steps", ge=0)]


@dataclass
class SFTConfig:
    """Supervised fine-tuning on gold reasoning (paper, section 3.1): the warm-up, and the SFT baseline."""

    __pydantic_config__ = STRICT
    epochs: Annotated[int, doc("passes over the training problems; 0 skips the stage", unit="epochs", ge=0)] = 2
    batch_size: Annotated[int, doc("problems per optimiser step", unit="problems", ge=1)] = 48
    lr: Annotated[float, doc("peak learning rate", gt=0, le=1)] = 1e-5
    schedule: Annotated[
        str, doc("learning rate after its warm-up: down to zero, or constant"), OneOf("linear", "constant")
    ] = "linear"
    schedule_epochs: Annotated[
        Optional[int], doc("epochs the schedule is laid out for; null: as many as are trained", unit="epochs", ge=1)
    ] = None
    lr_warmup_fraction: Annotated[float, doc("share of the schedule over which the rate rises", ge=0, le=1)] = 0.1
    weight_decay: WeightDecay = 0.0
    max_grad_norm: MaxGradNorm = 1.0
    loss_average: Annotated[
        str,
        doc(
            "the loss averages over all tokens of a batch (token), or over those of each `loss_group` problems first "
            "and then over these groups (group: the released code, whose processes average on their own)"
        ),
        OneOf("token", "group"),
    ] = "token"
    loss_group: Annotated[int, doc("problems in a group, for loss_average=group", unit="problems", ge=1)] = 3
    max_tokens: Annotated[
        int,
        doc("longest prompt plus gold reasoning; cot.too_long says what becomes of others", unit="tokens", ge=16),
    ] = 1024
    eval_every: Annotated[int, doc("evaluate on dev every so many epochs (and after the last)", ge=1)] = 1

    def check(self, section: str) -> None:
        """Raise BadInput where the options do not agree with each other; `section` is what the config calls them."""
        if self.schedule_epochs is not None and self.schedule_epochs < self.epochs:
            raise BadInput(
                f"{section}.schedule_epochs={self.schedule_epochs} is less than {section}.epochs={self.epochs}, so the "
                "learning rate would end too early; raise it, or leave it null."
            )


@dataclass
class OfflineSTConfig(SFTConfig):
    """Offline self-training (2401.08967, section 4.2): supervised fine-tuning of the base model on the gold reasoning
    and on right samples of the policy after warm-up."""

    epochs: Annotated[int, doc("passes over gold reasoning and samples", unit="epochs", ge=0)] = 20
    samples: Annotated[
        int, doc("responses sampled to each training question, of which the right ones count", unit="responses", ge=1)
    ] = 100
    keep: Annotated[
        int,
        doc(
            "most samples of a question that are trained on: chosen at random among its right ones that differ from "
            "each other and from the gold reasoning by more than how they are written",
            unit="responses",
            ge=1,
        ),
    ] = 10


@dataclass
class IterationsConfig:
    """What all stages have that sample responses and learn from them in turn."""

    __pydantic_config__ = STRICT
    data_epochs: Annotated[float, doc("passes over the training problems", unit="epochs", gt=0)] = 300
    iterations: Annotated[
        Optional[int], doc("iterations of sampling and training; null: as many as `data_epochs` takes", ge=0)
    ] = None
    rollouts: Annotated[int, doc("responses sampled per iteration (the paper's batch)", ge=1)] = 32
    samples_per_problem: Annotated[int, doc("responses per problem within an iteration", ge=1)] = 1
    mini_batch: Annotated[int, doc("responses per optimiser step", ge=1)] = 32
    lr: ConstantRate = 3e-7
    lr_warmup_steps: WarmupSteps = 0
    weight_decay: WeightDecay = 0.0
    max_grad_norm: MaxGradNorm = 1.0
    eval_every: Annotated[int, doc("evaluate on dev every so many iterations (and after the last)", ge=1)] = 20
    eval_every_epochs: Annotated[
        Optional[float],
        doc("evaluate every so many passes over the training problems instead; null: as `eval_every` says", gt=0),
    ] = None

    def check(self, section: str) -> None:
        """Raise BadInput where the options do not agree with each other; `section` is what the config calls them."""
        if self.mini_batch > self.rollouts:
            raise BadInput(
                f"{section}.mini_batch={self.mini_batch} is more than {section}.rollouts={self.rollouts}; lower it."
            )
        self._check_groups(section, "rollouts")

    def _check_groups(self, section: str, name: str) -> None:
        """Raise BadInput where the option `name` would tear the responses to a question apart."""
        if getattr(self, name) % self.samples_per_problem:
            raise BadInput(
                f"{section}.{name}={getattr(self, name)} must be a multiple of "
                f"{section}.samples_per_problem={self.samples_per_problem}."
            )


@dataclass
class OnlineSTConfig(IterationsConfig):
    """Online self-training (2401.08967, section 4.2): the loss of supervised fine-tuning on right samples of the policy
    as it is, and on the gold reasoning. The length caps of its samples stand in `ppo`."""

    mini_batch: Annotated[
        int, doc("responses per optimiser step, to which the gold reasoning of their questions comes", ge=1)
    ] = 32
    loss_average: Annotated[
        str,
        doc(
            "the loss averages over all tokens that are trained on (token), or within each response first, gold ones "
            "included, and then over these (sequence)"
        ),
        OneOf("token", "sequence"),
    ] = "token"

    def check(self, section: str) -> None:
        super().check(section)
        self._check_groups(section, "mini_batch")


@dataclass
class PPOConfig(IterationsConfig):
    """Reinforcement by PPO (paper, section 3.2)."""

    dynamic_sampling: Annotated[
        bool,
        doc(
            "throw away questions whose responses all have the same reward, and ask the next ones until the batch is "
            "full (DAPO)"
        ),
    ] = False
    dynamic_rounds: Annotated[
        int,
        doc(
            "most rounds of questions in an iteration with dynamic_sampling; after them the batch is filled up with "
            "questions that were thrown away",
            unit="rounds",
            ge=1,
        ),
    ] = 10
    overlong_cache: Annotated[
        Optional[float],
        doc(
            "share of a response's length cap over whose last tokens its reward falls linearly, by 1 at the cap "
            "(DAPO: 0.2); null: no such penalty",
            gt=0,
            le=1,
        ),
    ] = None
    epochs: Annotated[int, doc("optimiser passes over each batch of rollouts (U in the paper)", ge=1)] = 2
    value_lr: Annotated[
        Optional[float],
        doc("learning rate of the value head, and of a separate value model; null: as `lr`", gt=0, le=1),
    ] = None
    clip_grads: Annotated[
        str,
        doc(
            "clip the gradient of policy and value loss together (paper), or that of each on its own before they are "
            "added (apart); apart takes a second backward pass and room for a second gradient where the value loss "
            "trains the shared trunk"
        ),
        OneOf("together", "apart"),
    ] = "together"
    critic_warmup: Annotated[
        int,
        doc(
            "iterations, on top of the others and before them, that train the value model alone, on returns (lambda 1) "
            "of the policy after warm-up, which does not change",
            unit="iterations",
            ge=0,
        ),
    ] = 0
    credit: Annotated[
        str,
        doc(
            "where the advantage of a token comes from (docs/methods.md): gae takes a critic; the others have no value "
            "model and compare responses to the same question (group, group_centred, leave_one_out)"
        ),
        OneOf(*CREDITS),
    ] = "gae"
    gamma: Annotated[float, doc("discount on V(s_{t+1}), for credit=gae", ge=0, le=1)] = 1.0
    lam: Annotated[float, doc("GAE lambda, for credit=gae", ge=0, le=1)] = 0.95
    lam_value: Annotated[
        Optional[float],
        doc("GAE lambda of what the critic learns (VC-PPO: 1); null: as `lam`", ge=0, le=1),
    ] = None
    lam_length: Annotated[
        Optional[float],
        doc(
            "alpha: GAE lambda of the advantages of a response of n tokens is 1 - 1/(alpha n), at least 0, instead of "
            "`lam` (VAPO: 0.05); null: `lam` for all",
            gt=0,
        ),
    ] = None
    kl_coef: Annotated[float, doc("beta: weight of the KL penalty (paper: 0.01 programs, 0.05 natural)", ge=0)] = 0.01
    kl_in: Annotated[
        str,
        doc(
            "the KL penalty is part of the reward (paper) or of the loss (GRPO); docs/methods.md says which gradient "
            "each has with each estimator"
        ),
        OneOf("reward", "loss"),
    ] = "reward"
    kl_estimator: Annotated[
        str,
        doc("per-token KL estimate: k1 = log ratio (paper), k2 = half its square, k3 = r - 1 - log r"),
        OneOf("k1", "k2", "k3"),
    ] = "k1"
    clip: Annotated[float, doc("epsilon of the policy-ratio clip", gt=0)] = 0.2
    clip_high: Annotated[Optional[float], doc("epsilon above a ratio of 1 (DAPO: 0.28); null: as `clip`", gt=0)] = None
    dual_clip: Annotated[
        Optional[float],
        doc("largest ratio that counts where the advantage is negative (3 in the source); null: none", gt=1),
    ] = None
    entropy_coef: Annotated[
        float, doc("weight of the entropy bonus in the loss, per nat a token; 0 costs nothing", ge=0)
    ] = 0.0
    importance: Annotated[
        str,
        doc(
            "what becomes of a sampler that does not quite agree with the update, as in bf16: log-probabilities are "
            "computed anew and taken for those that were sampled from (rescore), or, moreover, the loss of each token "
            "is weighted by min(pi / pi_sample, `importance_cap`), pi as computed anew and pi_sample as the sampler "
            "had it (token); the ratio that is clipped is to pi either way"
        ),
        OneOf("rescore", "token"),
    ] = "rescore"
    importance_cap: Annotated[float, doc("largest weight of a token, for importance=token", gt=0)] = 2.0
    value_clip: Annotated[Optional[float], doc("epsilon of the value clip; null: no clip", gt=0)] = 0.2
    value_coef: Annotated[float, doc("alpha: weight of the value loss", ge=0)] = 5.0
    value_grad_to_trunk: Annotated[
        bool, doc("the value loss also trains the shared trunk (paper: true; too much for a tiny model)")
    ] = True
    value_init: Annotated[
        str,
        doc(
            "value head at the start: all zero, so that every value is 0 (zero), or torch's own for a linear layer "
            "(random: uniform within 1/sqrt(width), as TRL's head, which the released code takes)"
        ),
        OneOf("zero", "random"),
    ] = "zero"
    whiten: Annotated[bool, doc("advantages to mean 0, variance 1 over the batch's response tokens")] = True
    loss_average: Annotated[
        str,
        doc(
            "losses average within a response first, then over responses (sequence), over all tokens (token: DAPO), or "
            "sum a response, divide by `loss_length`, then average over responses (constant: Dr. GRPO)"
        ),
        OneOf("sequence", "token", "constant"),
    ] = "sequence"
    loss_length: Annotated[
        Optional[int],
        doc("the length for loss_average=constant; null: `max_new_tokens`", unit="tokens", ge=1),
    ] = None
    max_prompt_tokens: Annotated[
        int, doc("longest prompt; cot.too_long says what becomes of others", unit="tokens", ge=8)
    ] = 300
    max_new_tokens: Annotated[int, doc("longest response", unit="tokens", ge=1)] = 400
    total_tokens: Annotated[
        Optional[int],
        doc(
            "longest prompt plus response, in rollouts and evaluation; null: no limit of this kind",
            unit="tokens",
            ge=16,
        ),
    ] = None

    def check(self, section: str) -> None:
        super().check(section)
        if self.total_tokens is not None and self.total_tokens <= self.max_prompt_tokens:
            raise BadInput(
                f"{section}.total_tokens={self.total_tokens} leaves no room for an answer after a prompt of "
                f"{section}.max_prompt_tokens={self.max_prompt_tokens}; raise the one or lower the other."
            )
        if self.critic_warmup and not CREDITS[self.credit].needs_critic:
            raise BadInput(
                f"{section}.critic_warmup={self.critic_warmup} trains a value model, and "
                f"{section}.credit={self.credit} has none; leave it 0, or take {section}.credit=gae."
            )
        if self.loss_length is not None and self.loss_average != "constant":
            raise BadInput(
                f"{section}.loss_length={self.loss_length} is for {section}.loss_average=constant, and it is "
                f"{self.loss_average}; leave it null, or take constant."
            )
        if self.dynamic_sampling and self.samples_per_problem < 2:
            raise BadInput(
                f"{section}.dynamic_sampling=true looks for questions whose responses differ in reward, and "
                f"{section}.samples_per_problem={self.samples_per_problem} leaves nothing to differ; raise it to 2 or "
                "more."
            )
        if CREDITS[self.credit].needs_group and self.samples_per_problem < 2:
            raise BadInput(
                f"{section}.credit={self.credit} compares the responses to a question with each other, and "
                f"{section}.samples_per_problem={self.samples_per_problem} leaves nothing to compare; raise it to 2 or "
                "more."
            )


@dataclass
class RerankerConfig:
    """The outcome model of method=reranker (paper, section 4): a classifier of whole responses."""

    __pydantic_config__ = STRICT
    samples: Annotated[
        int, doc("responses sampled per training question, of which the distinct ones are graded", ge=2)
    ] = 100
    k: Annotated[int, doc("candidates per dev and test question, of which the most likely is the answer", ge=1)] = 100
    pairs: Annotated[
        Optional[int], doc("most right responses per training question, and as many wrong ones; null: all", ge=1)
    ] = None
    gold: Annotated[bool, doc("the gold reasoning of a training question counts among its right responses")] = False
    epochs: Annotated[int, doc("passes over the graded responses", unit="epochs", ge=1)] = 3
    batch_size: Annotated[int, doc("responses per optimiser step", ge=1)] = 24
    lr: ConstantRate = 1e-6
    lr_warmup_steps: WarmupSteps = 0
    weight_decay: WeightDecay = 0.0
    max_grad_norm: MaxGradNorm = 1.0
    eval_every: Annotated[int, doc("evaluate on dev every so many epochs (and after the last)", ge=1)] = 1

    def check(self, section: str) -> None:
        """Raise BadInput where the options do not agree with each other; there are none that could disagree."""
