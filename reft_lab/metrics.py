"""The catalogue of metrics: every number that a run records, and what it means.

To add one, log it where it is computed and write its entry here. It is then in docs/metrics.md (after `python -m
reft_lab.config.reference`) and in W&B's workspace, charts call it by its label and unit, and it can be the objective of
a sweep. Tests compare the catalogue with real runs, so a metric without an entry fails, and so does an entry without a
metric.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from reft_lab.answers.outcome import KINDS

TENTHS = tuple(f"{tenth:02d}" for tenth in range(1, 11))
# In the name of a family they stand for: the name of a supervised stage, an outcome, a tenth of a response.
STAGE, KIND, TENTH = "STAGE", "KIND", "TENTH"

SHARE = "share"  # the unit of fractions from 0 to 1
UP, DOWN = "up", "down"
CRITIC, GPU = "critic", "GPU"

# Which metrics are looked at together, as W&B's workspace and the notebooks do.
SUPERVISED, LEARNING, ROLLOUTS, UPDATE = "warm-up", "reward and outcomes", "rollouts", "PPO health"
KL, VALUE, ALARMS, SPEED, RERANKER, MACHINE = "KL", "value", "alarms", "speed", "reranker", "machine"
SAMPLED = "sampled_tokens"  # of a step, beside its seconds in result.json


@dataclass(frozen=True)
class Metric:
    """A number that runs record, or a family of them.

    Attributes:
        name: as in metrics.jsonl; that of a family has STAGE, KIND or TENTH in it.
        label: what a chart is called.
        unit: of a value, as the title of an axis; SHARE for a fraction from 0 to 1.
        meaning: what it is, in a few words.
        computed: from what, and over what.
        watch: which values say what.
        group: what it is looked at with.
        range: which values are possible, where the unit does not say.
        better: UP or DOWN where it should go that way, which is then the default of a sweep; None where it depends.
        along: recorded on the lines of the stages that record this section (see `recorded`); empty: its own section.
        needs: CRITIC where it is recorded only with a value model, GPU where only on one.
        switch: the option that makes it recorded, where not every run does: `ppo.dynamic_sampling`.
        headline: whether it is shown wherever runs are seen at a glance.
        terminal: what the terminal calls it, where it is watched there.
        log: drawn on a logarithmic axis.
        noisy: drawn with a running mean.
    """

    name: str
    label: str
    unit: str = ""
    meaning: str = ""
    computed: str = ""
    watch: str = ""
    group: str = ""
    range: str = ""
    better: str | None = None
    along: str = ""
    needs: str = ""
    switch: str = ""
    headline: bool = False
    terminal: str = ""
    log: bool = False
    noisy: bool = False

    @property
    def section(self) -> str:
        """The first part of its name."""
        return self.name.partition("/")[0]


@dataclass(frozen=True)
class Section:
    """Metrics whose names begin alike: a section of docs/metrics.md.

    Attributes:
        title: heading.
        about: what holds for all of them, in Markdown.
        metrics: the entries.
    """

    title: str
    about: str
    metrics: tuple[Metric, ...]


# fmt: off
SECTIONS = (
    Section("eval/: greedy evaluation", """\
Greedy decoding of the split that `selection` names (dev unless set otherwise), with the prompts of the stage that is
evaluated. While `method=reranker` trains its outcome model, it is what that one chooses among `reranker.k` candidates.
""", (
        Metric("eval/accuracy", "Accuracy of the greedy policy", SHARE, "right answers",
               "over the first `eval.dev_limit` problems, all if null",
               "with 200 problems the standard error is about 3.5 points", group=LEARNING, better=UP, headline=True),
        Metric("eval/best_accuracy", "Best accuracy so far", SHARE, "accuracy of the checkpoint in `checkpoints/best`",
               "largest `eval/accuracy` so far; not recorded in the warm-up, which keeps its last weights",
               "the largest of many noisy values is too high on dev: compare runs on test", group=LEARNING, better=UP),
        Metric("eval/test_accuracy", "Accuracy of the greedy policy on test", SHARE, "right answers on test",
               "over the first `eval.test_limit` problems, with `selection=dev`",
               "to be looked at, never to choose by: its largest value is too high by luck", group=LEARNING,
               switch="eval.both_rules"),
        Metric("eval/dev_accuracy", "Accuracy of the greedy policy on dev", SHARE, "right answers on dev",
               "over the first `eval.dev_limit` problems, with `selection=test`",
               "how far it is from `eval/accuracy`, which is then that on test", group=LEARNING,
               switch="selection"),
        Metric("eval/length", "Length of a greedy response", "tokens", "length of a response",
               "mean, end-of-sequence included", group=ROLLOUTS),
        Metric("eval/truncated_share", "Greedy responses cut at the length cap", SHARE,
               "responses cut at the length cap, or without room for one", "responses without end-of-sequence",
               "a greedy model that loops", group=ROLLOUTS, better=DOWN),
        Metric("eval/outcome/KIND", "Outcomes of the greedy responses", SHARE, "right, wrong and failed responses",
               "as `rollout/outcome/KIND`", group=LEARNING),
    )),
    Section("warmup/ and sft/: supervised fine-tuning", """\
One value an optimiser step. `warmup/` is stage 1 of `method=reft`; `sft/` is `method=sft` and the SFT baseline. They
are the same stage with different settings.
""", (
        Metric("STAGE/epoch", "Epochs", "epochs", "passes over the training problems so far",
               "steps divided by steps an epoch", range="> 0", group=SUPERVISED, terminal="epoch"),
        Metric("STAGE/loss", "Supervised loss", "nats a token", "cross-entropy of the gold reasoning",
               "mean over all completion tokens of the batch, end-of-sequence included, prompt tokens not",
               "still falling at the end of the warm-up: more epochs may help; near 0 in SFT: it learns the training "
               "set by heart, look at `eval/accuracy`",
               range=">= 0", group=SUPERVISED, better=DOWN, headline=True, terminal="loss", noisy=True),
        Metric("STAGE/grad_norm", "Norm of the gradient", "", "norm of the gradient",
               "over all weights, before clipping to `warmup.max_grad_norm` or `sft.max_grad_norm`",
               "spikes that keep coming back: lower the learning rate", range=">= 0", group=SUPERVISED, noisy=True),
        Metric("STAGE/lr", "Learning rate", "", "learning rate of the step", "the schedule at this step",
               range="> 0", group=SUPERVISED),
    )),
    Section("rollout/: what the policy sampled", """\
One value an iteration, over the `ppo.rollouts` responses sampled at temperature 1 from the full distribution, before
the update of that iteration. With `ppo.dynamic_sampling`, those that were thrown away count as well, but for
`rollout/value`.
""", (
        Metric("rollout/reward", "Reward", "reward of a response", "terminal reward",
               "mean over responses; the KL penalty is not in it",
               "what ReFT raises; noisy, and the more so the fewer responses there are",
               range="0 to 1 with the built-in functions", group=LEARNING, better=UP, headline=True,
               terminal="reward", noisy=True),
        Metric("rollout/accuracy", "Accuracy of the sampled responses", SHARE, "right answers",
               "outcomes that are `correct`; partial rewards do not count",
               "reward rising while this does not: the policy collects partial reward",
               group=LEARNING, better=UP, headline=True, noisy=True),
        Metric("rollout/length", "Length of a sampled response", "tokens", "length of a response",
               "mean, end-of-sequence included", "growth to the cap, or collapse to a few tokens",
               group=ROLLOUTS, headline=True, terminal="length"),
        Metric("rollout/truncated_share", "Sampled responses cut at the length cap", SHARE,
               "responses cut at `ppo.max_new_tokens` or `ppo.total_tokens`", "responses without end-of-sequence",
               "above a few per cent after the warm-up: raise the cap", group=ROLLOUTS, better=DOWN),
        Metric("rollout/unique_answers", "Different answers in a batch", SHARE, "variety",
               "different extracted answers in the batch, divided by responses",
               "a steep fall: the policy gives the same answer to different questions", group=ROLLOUTS),
        Metric("rollout/top_answer_share", "Most frequent answer in a batch", SHARE, "the most frequent answer",
               "responses with the most frequent extracted answer, divided by responses",
               "above the accuracy and rising: one answer for everything", group=ROLLOUTS),
        Metric("rollout/value", "Reward that the value model expects", "reward of a response",
               "what the value model expects", "mean of V over response tokens, at rollout time",
               "starts at 0 and should approach the reward", group=VALUE, needs=CRITIC, noisy=True),
        Metric("rollout/overlong_penalty", "Penalty of long responses", "reward of a response",
               "what responses near the length cap lose", "mean over responses; added to their rewards before credit",
               "near 0 where responses keep short", range="-1 to 0", group=ROLLOUTS, better=UP,
               switch="ppo.overlong_cache"),
        Metric("rollout/thrown_away", "Questions thrown away", SHARE, "questions that teach nothing",
               "questions asked whose responses all had the same reward and that were thrown away, divided by those "
               "asked", "near 1: the questions are too easy or too hard, and sampling costs many times what it yields",
               group=ROLLOUTS, better=DOWN, switch="ppo.dynamic_sampling"),
        Metric("rollout/filled", "Questions that fill up the batch", SHARE, "questions in the batch that teach nothing",
               "those that `ppo.dynamic_rounds` left no others for, divided by the questions of the batch",
               "above 0: raise `ppo.dynamic_rounds` or `ppo.samples_per_problem`", group=ROLLOUTS, better=DOWN,
               switch="ppo.dynamic_sampling"),
        Metric("rollout/sampled_tokens", "Tokens sampled", "tokens", "what sampling cost",
               "response tokens of an iteration, those thrown away among them", range="> 0", group=ROLLOUTS,
               better=DOWN, switch="ppo.dynamic_sampling"),
        Metric("rollout/outcome/KIND", "Outcomes of the sampled responses", SHARE, "right, wrong and failed responses",
               "one for each outcome kind of [answers.md](answers.md): "
               + ", ".join(f"`{kind}`" for kind in KINDS) + "; they sum to 1",
               "`forbidden`: programs that want what the sandbox does not give", group=LEARNING, noisy=True),
    )),
    Section("ppo/: the update", """\
One value an iteration. Those before the losses describe the rollouts before the update, the others the update itself,
over all its passes and mini-batches. In the iterations of a critic warm-up (`ppo.critic_warmup`), which leave the
policy alone, of the latter only those of the value model and `ppo/grad_norm` are recorded.
""", (
        Metric("ppo/kl_ref", "KL to the policy after warm-up", "nats a response",
               "distance from the policy after warm-up",
               "mean over responses of the sum of log pi - log pi_0 over its tokens (estimator k1, whatever "
               "`ppo.kl_estimator` is); may be slightly negative at first",
               "tens of nats: the policy has left the reference; raise `ppo.kl_coef` or lower `ppo.lr`",
               group=KL, better=DOWN, headline=True, terminal="kl"),
        Metric("ppo/kl_ref_token", "KL to the policy after warm-up, a token", "nats a token", "the same for a token",
               "sum over all tokens divided by their number", "tells a longer response from a stranger one",
               group=KL, better=DOWN),
        Metric("ppo/entropy", "Entropy of a token", "nats a token", "how undecided the policy is",
               "mean entropy of the distributions sampled from", "near 0: it explores no more, and learning stops",
               range=">= 0", group=ROLLOUTS),
        Metric("ppo/entropy_response", "Entropy of a response", "nats a response", "the same for a response",
               "sum over all tokens divided by the number of responses",
               "compares with `ppo/kl_ref`; below about 0.2 the policy samples nearly the same each time",
               range=">= 0", group=ROLLOUTS, headline=True),
        Metric("ppo/explained_variance", "Explained variance of the value model", "", "quality of the value model",
               "1 - var(R - V) / var(R) over response tokens, V at rollout time",
               "0: no better than a constant; below 0: worse than that",
               range="<= 1", group=VALUE, better=UP, headline=True, needs=CRITIC),
        Metric("ppo/lambda", "Lambda of the advantages", "", "GAE lambda that follows the length",
               "mean of 1 - 1 / (alpha n) over responses of n tokens, alpha `ppo.lam_length`, at least 0",
               "0: responses have less than 1 / alpha tokens, and advantages are TD errors; raise `ppo.lam_length`",
               range="0 to 1", group=VALUE, needs=CRITIC, switch="ppo.lam_length"),
        Metric("ppo/policy_loss", "Policy loss", "", "clipped policy loss",
               "mean over optimiser steps, with the weights of `ppo.loss_average`", "says little by itself",
               group=UPDATE, noisy=True),
        Metric("ppo/value_loss", "Value loss", "squared reward", "clipped value loss",
               "mean over optimiser steps, before `ppo.value_coef`", "a rise: the value head diverges",
               range=">= 0", group=VALUE, better=DOWN, needs=CRITIC, log=True),
        Metric("ppo/kl_loss", "KL in the loss", "nats a token", "KL to the policy after warm-up, as part of the loss",
               "mean over optimiser steps of `ppo.kl_estimator`, with the weights of `ppo.loss_average`, before "
               "`ppo.kl_coef`", "as `ppo/kl_ref_token`, while the update goes on", group=KL, better=DOWN,
               switch="ppo.kl_in"),
        Metric("ppo/entropy_bonus", "Entropy in the loss", "nats a token", "entropy as part of the loss",
               "mean over optimiser steps, with the weights of `ppo.loss_average`, before `ppo.entropy_coef`",
               "a steady rise: the bonus outweighs the reward", range=">= 0", group=ROLLOUTS,
               switch="ppo.entropy_coef"),
        Metric("ppo/kl_old", "KL of an update", "nats a token", "distance from the policy that sampled",
               "mean of r - 1 - log r, r = pi / pi_old, over all passes", "above about 0.05: the steps are too large",
               range=">= 0", group=UPDATE),
        Metric("ppo/clip_share", "Tokens outside the clip", SHARE,
               "tokens whose ratio is outside 1 ± `ppo.clip` (above: `ppo.clip_high`)",
               "over all passes, whether or not the clip was active for the sign of the advantage",
               "above 0.2 to 0.3: the steps are too large", group=UPDATE),
        Metric("ppo/clip_share_low", "Tokens below the clip", SHARE, "tokens whose ratio is below 1 - `ppo.clip`",
               "as `ppo/clip_share`", group=UPDATE, switch="ppo.clip_high"),
        Metric("ppo/clip_share_high", "Tokens above the clip", SHARE,
               "tokens whose ratio is above 1 + `ppo.clip_high`", "as `ppo/clip_share`",
               "far below `ppo/clip_share_low`: the wider clip is seldom what limits", group=UPDATE,
               switch="ppo.clip_high"),
        Metric("ppo/dual_clip_share", "Tokens beyond the dual clip", SHARE,
               "tokens of negative advantage whose ratio is above `ppo.dual_clip`", "over all passes",
               "more than a few in a thousand: the steps are too large", group=UPDATE, switch="ppo.dual_clip"),
        Metric("ppo/ratio_mean", "Mean ratio", "pi / pi_old", "how far the update moved",
               "mean over tokens of all passes", "should stay near 1", range="> 0", group=UPDATE),
        Metric("ppo/ratio_max", "Largest ratio", "pi / pi_old", "how far it moved a single token",
               "largest over tokens of all passes", "orders of magnitude above 1: the steps are too large",
               range="> 0", group=UPDATE, log=True),
        Metric("ppo/first_ratio_error", "Error of the first ratio", "abs(ratio - 1)", "agreement of sampler and update",
               "largest abs(ratio - 1) in the first mini-batch, before any step",
               "above 1e-4: log-probabilities kept from sampling are not those of the update's forward pass",
               range=">= 0", group=UPDATE, better=DOWN, log=True),
        Metric("ppo/grad_norm", "Norm of the gradient", "", "norm of the gradient",
               "mean over optimiser steps, before clipping to `ppo.max_grad_norm`",
               "far above the clip all the time: only the direction of the gradient counts",
               range=">= 0", group=UPDATE, noisy=True),
        Metric("ppo/policy_grad_norm", "Norm of the policy loss's gradient", "",
               "what the policy loss adds to the gradient",
               "norm over a whole mini-batch, before clipping, KL penalty and entropy bonus of the loss included; mean "
               "over optimiser steps. Where the value loss trains the policy's trunk (`ppo.value_grad_to_trunk=true`) "
               "and is clipped together with the policy loss, it takes passes of its own: it is that of the first "
               "mini-batch then, in iterations after which the model is evaluated",
               "far below `ppo/value_grad_norm` with clipping together: clipping leaves the policy next to nothing; "
               "set `ppo.clip_grads=apart`, or lower `ppo.value_coef`",
               range=">= 0", group=UPDATE, needs=CRITIC, noisy=True),
        Metric("ppo/value_grad_norm", "Norm of the value loss's gradient", "",
               "what the value loss adds to the gradient",
               "as `ppo/policy_grad_norm`, `ppo.value_coef` included", "see `ppo/policy_grad_norm`",
               range=">= 0", group=UPDATE, needs=CRITIC, noisy=True),
        Metric("ppo/lr", "Learning rate", "", "learning rate of the policy", "of the last optimiser step",
               range="> 0", group=UPDATE),
        Metric("ppo/value_lr", "Learning rate of the value model", "", "learning rate of the value model",
               "of the last optimiser step", range="> 0", group=UPDATE, needs=CRITIC, switch="ppo.value_lr"),
        Metric("ppo/importance_mean", "Mean importance weight", "pi / pi_sample", "agreement of sampler and update",
               "mean over response tokens of min(pi / pi_sample, `ppo.importance_cap`)",
               "clearly off 1: sampler and update disagree by more than rounding", range="> 0", group=UPDATE,
               switch="ppo.importance"),
        Metric("ppo/importance_capped", "Capped importance weights", SHARE, "tokens whose weight is capped",
               "over the response tokens", "above a few in a thousand: the correction is not one any more",
               group=UPDATE, better=DOWN, switch="ppo.importance"),
    )),
    Section("online/: self-training on what was just sampled", """\
One value an iteration of `method=online_st`, whose samples `rollout/` describes.
""", (
        Metric("online/loss", "Loss of self-training", "nats a token",
               "cross-entropy of right samples and gold reasoning",
               "mean over optimiser steps, with the weights of `online_st.loss_average`",
               "near 0: there is nothing left to learn from", range=">= 0", group=SUPERVISED, better=DOWN,
               terminal="loss", noisy=True),
        Metric("online/sampled_share", "Share of the policy's own tokens", SHARE,
               "how much of what is trained on comes from samples",
               "tokens of right samples divided by tokens trained on; the others are gold reasoning",
               "near 0: the policy gets nothing right, and this is supervised fine-tuning", group=ROLLOUTS),
        Metric("online/entropy", "Entropy of a token in self-training", "nats a token", "how undecided the policy is",
               "mean entropy of the distributions sampled from", "near 0: it samples the same each time",
               range=">= 0", group=ROLLOUTS),
        Metric("online/grad_norm", "Norm of the gradient of self-training", "", "norm of the gradient",
               "mean over optimiser steps, before clipping to `online_st.max_grad_norm`", range=">= 0",
               group=SUPERVISED, noisy=True),
        Metric("online/lr", "Learning rate of self-training", "", "learning rate", "of the last optimiser step",
               range="> 0", group=SUPERVISED),
    )),
    Section("pool/: what offline self-training samples", """\
On the first line of the second stage of `method=offline_st`: responses of the policy after warm-up to the training
questions.
""", (
        Metric("pool/sampled", "Samples of a question", "responses a question", "responses sampled",
               "mean over training questions", range=">= 1", group=ROLLOUTS),
        Metric("pool/right", "Right samples of a question", "responses a question", "right ones",
               "mean over training questions", range=">= 0", group=ROLLOUTS, better=UP),
        Metric("pool/distinct", "Different right samples of a question", "responses a question",
               "right ones that are not the gold reasoning and differ from each other",
               "in more than how they are written ([methods.md](methods.md#self-training)); mean over questions",
               range=">= 0", group=ROLLOUTS, better=UP),
        Metric("pool/kept", "Samples of a question that are trained on", "responses a question", "those trained on",
               "`offline_st.keep` at most, chosen at random; mean over training questions", "near 0: this is SFT",
               range=">= 0", group=ROLLOUTS, better=UP),
        Metric("pool/unsolved", "Questions without a right sample", SHARE, "questions that nothing was added to",
               "training questions none of whose samples is right", group=ROLLOUTS, better=DOWN),
    )),
    Section("reranker/: the outcome model", """\
Of `method=reranker` alone: a classifier of whole responses as right or wrong. One value an optimiser step, over the
responses of the batch, of which half are right on the average. Those called `eval_` are recorded with an evaluation,
over all `reranker.k` candidates for the questions of the split that `selection` names.
""", (
        Metric("reranker/epoch", "Epochs of the outcome model", "epochs", "passes over the graded responses so far",
               "steps divided by steps an epoch", range="> 0", group=RERANKER, terminal="epoch"),
        Metric("reranker/loss", "Loss of the outcome model", "nats a response", "binary cross-entropy",
               "mean over the batch of the loss after the last token",
               "0.69 is chance; near 0 while `reranker/eval_auc` falls: it learns the responses by heart",
               range=">= 0", group=RERANKER, better=DOWN, terminal="loss", noisy=True),
        Metric("reranker/accuracy", "Responses of the batch told right from wrong", SHARE,
               "responses that it takes for what they are", "P(right) above 0.5 for a right response, else not",
               group=RERANKER, better=UP, noisy=True),
        Metric("reranker/grad_norm", "Norm of the outcome model's gradient", "", "norm of the gradient",
               "over trunk and head, before clipping to `reranker.max_grad_norm`", range=">= 0", group=RERANKER,
               noisy=True),
        Metric("reranker/lr", "Learning rate of the outcome model", "", "learning rate of the step",
               "`reranker.lr`, after its warm-up", range="> 0", group=RERANKER),
        Metric("reranker/eval_auc", "Right candidates above wrong ones", SHARE,
               "probability that a right candidate is scored higher than a wrong one",
               "over all pairs, a tie counting half (area under the ROC curve); not recorded where one kind is missing",
               "0.5: it tells nothing; pairs of different questions count too, choosing takes pairs of one",
               group=RERANKER, better=UP),
        Metric("reranker/eval_accuracy", "Candidates told right from wrong", SHARE,
               "candidates that it takes for what they are", "P(right) above 0.5 for a right candidate, else not",
               group=RERANKER, better=UP),
    )),
    Section("position/: where in the response", """\
On the lines of iterations after which the model was evaluated. A response is cut into tenths of its length: its i-th of
n tokens, counted from 0, falls into the tenth in which (i + 1/2) / n lies. TENTH goes from `01`, the beginning, to
`10`, the end; a tenth into which no token of any rollout falls is left out.
""", (
        Metric("position/kl/TENTH", "KL by position", "nats a token", "distance from the policy after warm-up there",
               "mean of log pi - log pi_0 (k1) over the tokens of all rollouts in the tenth, before the update",
               "one tenth that stands out: the policy has changed how it begins, or how it ends", group=KL),
        Metric("position/value/TENTH", "Value by position", "expected reward", "what the value model expects there",
               "mean of V over the same tokens, at rollout time",
               "flat: the value model sees no difference between a good and a bad response before its end",
               group=VALUE, needs=CRITIC),
    )),
    Section("critic/: is the critic any good", """\
On the lines of every `audit.critic_every`-th iteration, and of the last. After the update, the policy answers
`audit.critic_problems` training questions, and from states along its responses goes on `audit.critic_continuations`
times; the mean return of these is the Monte-Carlo value of the state, which what the critic expects is held against
([methods.md](methods.md#is-the-critic-any-good)).
""", (
        Metric("critic/explained_variance", "Explained variance of Monte-Carlo values", "", "quality of the critic",
               "1 - var(MC - V) / var(MC) over states; 0 where MC is the same in all",
               "`critic/attainable` is as good as it gets; 0: no better than a constant; below 0: worse than that; the "
               "returns that `ppo/explained_variance` is measured against, the critic had a hand in",
               range="<= 1", group=VALUE, better=UP, needs=CRITIC, switch="audit.critic_every"),
        Metric("critic/attainable", "Explained variance of a perfect critic", "", "the best that could be measured",
               "1 - mean(s^2 / K) / var(MC), s^2 the variance of the K returns of a state",
               "near 0: raise `audit.critic_continuations`", range="0 to 1", group=VALUE, needs=CRITIC,
               switch="audit.critic_every"),
        Metric("critic/rank_correlation", "Rank correlation with Monte-Carlo values", "",
               "whether the critic puts states in the right order", "Spearman's, over states", range="-1 to 1",
               group=VALUE, better=UP, needs=CRITIC, switch="audit.critic_every"),
        Metric("critic/bias", "Bias of the critic", "reward of a response", "whether it expects too much",
               "mean of V - MC over states", "far from 0: the critic has not caught up with the policy", group=VALUE,
               needs=CRITIC, switch="audit.critic_every"),
    )),
    Section("alarm/: is the run healthy", """\
One value an iteration: 1 from the iteration in which an alarm begins to the last one before it is over, else 0. Alarms
that are turned off are not recorded. [alarms.md](alarms.md) says when each begins and what to do.
""", tuple(
        Metric(f"alarm/{name}", f"Alarm: {name}", "", meaning, computed, range="0 or 1", group=ALARMS)
        for name, meaning, computed in (
            ("kl", "the policy is far from the reference", "`ppo/kl_ref` is above `alarms.kl`"),
            ("negative_kl", "the KL to the reference is clearly below 0: responses are not drawn from what is scored",
             "`ppo/kl_ref` is below 0 by more than `alarms.negative_kl`"),
            ("first_ratio", "log-probabilities of the rollouts are not those of the update",
             "`ppo/first_ratio_error` is above `alarms.first_ratio`"),
            ("entropy", "the policy samples nearly the same response each time",
             "`ppo/entropy_response` is below `alarms.entropy`"),
            ("truncated", "many responses do not end before the length cap",
             "`rollout/truncated_share` is above `alarms.truncated`"),
            ("reward_hacking", "reward rises while accuracy falls",
             "`rollout/reward` rises and `rollout/accuracy` falls, both by more than `alarms.reward_hacking`"),
            ("top_answer", "one answer for everything",
             "`rollout/top_answer_share` is above `alarms.top_answer`, and most of those answers are wrong"),
        )
    )),
    Section("time/: where the time goes", """\
Evaluation, checkpoints and what `samples.jsonl` tells of tokens are in none of the seconds of an iteration;
`result.json` has the seconds of each stage as a whole.
""", (
        Metric("time/step_seconds", "Supervised steps", "s", "one optimiser step of supervised fine-tuning",
               "wall time", group=SPEED, better=DOWN, along=STAGE),
        Metric("time/step_tokens_per_second", "Speed of supervised steps", "gold tokens a second", "its speed",
               "completion tokens of the batch divided by `time/step_seconds`", group=SPEED, better=UP, along=STAGE),
        Metric("time/rollout_seconds", "Sampling", "s", "sampling the responses of an iteration",
               "wall time", group=SPEED, better=DOWN, along="rollout"),
        Metric("time/judge_seconds", "Judging", "s", "reading their answers, running programs included",
               "wall time", group=SPEED, better=DOWN, along="rollout"),
        Metric("time/score_seconds", "Scoring", "s",
               "log-probabilities under the reference, and what else is computed before the update",
               "wall time", group=SPEED, better=DOWN, along="ppo"),
        Metric("time/update_seconds", "Updates", "s", "the passes that train on them",
               "wall time", group=SPEED, better=DOWN, along="rollout"),
        Metric("time/rollout_tokens_per_second", "Speed of sampling", "response tokens a second", "speed of sampling",
               "response tokens divided by `time/rollout_seconds`", group=SPEED, better=UP, along="rollout"),
        Metric("time/update_tokens_per_second", "Speed of updates", "response tokens a second", "speed of the update",
               "response tokens times passes, divided by `time/update_seconds`",
               group=SPEED, better=UP, along="rollout"),
        Metric("time/audit_seconds", "Audit of the critic", "s", "Monte-Carlo values of `audit.critic_every`",
               "wall time; no part of the seconds of an iteration, nor of `budget.seconds`", group=SPEED, better=DOWN,
               along="critic", needs=CRITIC, switch="audit.critic_every"),
        Metric("time/waiting_seconds", "Waiting", "s", "a process waiting for the slowest of `trainer.devices`",
               "wall time of a step and its evaluation, mean over the processes; messages between them included",
               "much of the step: pieces of work differ too much, or there are too few for so many processes",
               group=SPEED, better=DOWN, along="eval", switch="trainer.devices"),
        Metric("time/eval_seconds", "Evaluation", "s", "an evaluation on the selection split",
               "wall time, judging included", group=SPEED, better=DOWN, along="eval"),
        Metric("time/eval_tokens_per_second", "Speed of evaluation", "response tokens a second", "its speed",
               "response tokens divided by `time/eval_seconds`", group=SPEED, better=UP, along="eval"),
    )),
    Section("machine/: how busy the machine is", """\
On the first step that a session records, and then at most once a second. The run is its process with its children: the
sandboxes, a baseline, W&B's service; of several processes that share a run, it is the one that leads. Evaluations, and
what else is done between two of these lines, are in the second.
""", (
        Metric("machine/cpu", "CPUs of the machine", SHARE, "CPUs that are busy, with whatever",
               "mean since the last value, over all that the machine has",
               "well above `machine/run_cpu`: something else runs there", group=MACHINE),
        Metric("machine/run_cpu", "CPUs at work for the run", SHARE, "CPUs that are busy with the run",
               "seconds of CPU divided by wall time and by the CPUs that the machine has",
               "`trainer.threads` CPUs and a few for the sandbox are all that a run uses", group=MACHINE),
        Metric("machine/memory", "RAM in use", SHARE, "memory that is taken, by whomever",
               "of the machine's, or of what its container may take, at the end of the step",
               "near 1: the system may kill the run", group=MACHINE),
        Metric("machine/run_memory", "RAM of the run", "GiB", "what the run holds",
               "resident, at the end of the step; what processes share counts in each",
               "growth without end", range="> 0", group=MACHINE),
        Metric("machine/gpu", "GPU", SHARE, "time in which the GPU works, for whomever",
               "mean of what the driver sampled since the last value, or in the last seconds that it keeps; with the "
               "package nvidia-ml-py (`reft_lab[gpu]`)",
               "low: the CPU or the sandbox holds it up, or batches are small", group=MACHINE, needs=GPU),
        Metric("machine/gpu_memory", "GPU memory in use", SHARE, "its memory that is taken, by whomever",
               "at the end of the step", group=MACHINE, needs=GPU),
        Metric("machine/run_gpu_memory", "GPU memory of the run", "GiB", "what torch holds of it",
               "at the end of the step, what it keeps for later included",
               "`result.json` has the peaks of each phase", range=">= 0", group=MACHINE, needs=GPU),
    )),
)
# fmt: on

CATALOGUE = {metric.name: metric for section in SECTIONS for metric in section.metrics}

_PLACES = {STAGE: r"\w+", KIND: "|".join(KINDS), TENTH: "|".join(TENTHS)}
_FAMILIES = [
    (re.compile(entry.name.replace(part, f"(?:{pattern})")), entry)
    for entry in CATALOGUE.values()
    for part, pattern in _PLACES.items()
    if part in entry.name
]


def find(name: str) -> Metric:
    """The entry of a metric, under that name; one that is not in the catalogue has its name for a label, no more."""
    entry = CATALOGUE.get(name) or next((entry for family, entry in _FAMILIES if family.fullmatch(name)), None)
    return replace(entry, name=name) if entry else Metric(name, name)


def is_measured(name: str) -> bool:
    """Whether a number of a step is told by a clock or the machine, and so another one when the step is repeated."""
    return name == "seconds" or name.startswith(("time/", "machine/"))


def part(name: str) -> str:
    """What people read of a part of a step, by its name in time/NAME_seconds: `sampling`, `updates`."""
    return find(f"time/{name}_seconds").label.lower()


def members(name: str, records: Collection[str] = ()) -> tuple[str, ...]:
    """The names that an entry stands for.

    Args:
        name: of the entry.
        records: as for `recorded`.
    """
    for part, words in ((STAGE, _supervised(records)), (KIND, KINDS), (TENTH, TENTHS)):
        if part in name:
            return tuple(name.replace(part, word) for word in words)
    return (name,)


def recorded(
    records: Collection[str], *, critic: bool = True, switches: Collection[str] | None = ()
) -> tuple[str, ...]:
    """Every name that a run may record.

    Args:
        records: the sections that its stages record: those of the catalogue, and the name of each supervised stage.
            `eval/` and `machine/` go without saying.
        critic: whether it has a value model.
        switches: the options that are on, of those that make metrics recorded, and GPU where there is one; None: all.
    """
    present = {"eval", "machine", *records, *([STAGE] if _supervised(records) else [])}
    return tuple(
        name
        for entry in CATALOGUE.values()
        if (entry.along or entry.section) in present
        and (critic or entry.needs != CRITIC)
        and (entry.needs != GPU or switches is None or GPU in switches)
        and (not entry.switch or switches is None or entry.switch in switches)
        for name in members(entry.name, records)
    )


def _supervised(records: Collection[str]) -> list[str]:
    known = {entry.section for entry in CATALOGUE.values()}
    return [section for section in records if section not in known]


def of_group(group: str) -> tuple[Metric, ...]:
    """The entries of a group."""
    return tuple(entry for entry in CATALOGUE.values() if entry.group == group)


def headlines() -> tuple[Metric, ...]:
    """The entries that are shown wherever runs are seen at a glance."""
    return tuple(entry for entry in CATALOGUE.values() if entry.headline)


def watched(record: Mapping[str, float]) -> dict[str, float]:
    """Of the metrics of a step, those that the terminal shows, under their short names."""
    entries = {name: find(name) for name in record}
    return {entry.terminal: record[name] for name, entry in entries.items() if entry.terminal}
