"""The workspace: which panels stand where. docs/metrics.md says what each metric means and what to watch for."""

from __future__ import annotations

from reft_lab.dashboard.panels import (
    Bars,
    Differences,
    Importance,
    Lines,
    Parallel,
    Scatter,
    Section,
    Table,
    Text,
    outcomes,
    tenths,
)
from reft_lab.tracking.wandb_artifacts import SAMPLES

TEST_ACCURACY = "result/final/test_accuracy"
TEST_ACCURACIES = (TEST_ACCURACY, "result/warmup/test_accuracy", "result/baseline_sft/test_accuracy")
BEST_ACCURACY = "eval/best_accuracy"
FAILURES = ("no_answer", "syntax_error", "runtime_error", "timeout", "memory", "forbidden")
SEARCHED = ("warmup.epochs", "ppo.lr", "ppo.kl_coef", "ppo.gamma", "ppo.lam", "seed")

OVERVIEW = Section(
    "overview",
    (
        Lines("Greedy accuracy on dev", ("eval/accuracy",), "share right"),
        Lines("Greedy accuracy, mean and range of a study", ("eval/accuracy",), "share right", by_group=True),
        Bars("Test accuracy: ReFT, warm-up, best SFT", TEST_ACCURACIES, "share right"),
        Lines("Best accuracy so far", (BEST_ACCURACY,), "share right"),
        Lines("Reward of the rollouts", ("rollout/reward",), "reward", smoothing=0.8),
        Lines("KL to the warm-up policy", ("ppo/kl_ref",), "nats a response"),
        Lines(
            "Alarms (1 while one lasts)",
            tuple(
                f"alarm/{name}"
                for name in (
                    "kl",
                    "negative_kl",
                    "first_ratio",
                    "entropy",
                    "truncated",
                    "reward_hacking",
                    "top_answer",
                )
            ),
            top=1,
        ),
    ),
    is_open=True,
)

WARMUP = Section(
    "warm-up",
    (
        Lines("Loss on gold reasoning", ("warmup/loss", "sft/loss"), "nats a token", smoothing=0.6),
        Lines("Gradient norm, before clipping", ("warmup/grad_norm", "sft/grad_norm"), smoothing=0.6),
        Lines("Learning rate", ("warmup/lr", "sft/lr")),
        Lines("Epoch", ("warmup/epoch", "sft/epoch"), "epochs"),
    ),
)

ROLLOUTS = Section(
    "rollouts",
    (
        Lines("Length of a response: sampled, greedy", ("rollout/length", "eval/length"), "tokens"),
        Lines("Responses that were cut", ("rollout/truncated_share", "eval/truncated_share"), "share", top=1),
        Lines("Different answers in the batch", ("rollout/unique_answers",), "share", top=1),
        Lines("Most frequent answer", ("rollout/top_answer_share",), "share", top=1),
        Lines("Entropy of the policy, a token", ("ppo/entropy",), "nats a token"),
        Lines("Entropy of the policy, a response", ("ppo/entropy_response",), "nats a response"),
    ),
)

REWARD = Section(
    "reward and outcomes",
    (
        Lines("Reward", ("rollout/reward",), "reward", smoothing=0.8),
        Lines("Right answers, sampled", ("rollout/accuracy",), "share", smoothing=0.8),
        Lines("Reward, mean and range of a study", ("rollout/reward",), "reward", smoothing=0.8, by_group=True),
        Lines("Outcomes of the rollouts, first run shown", outcomes("rollout/outcome"), "share", shares=True),
        Lines("Outcomes of greedy responses, first run shown", outcomes("eval/outcome"), "share", shares=True),
        Lines("Rollouts: right and wrong", outcomes("rollout/outcome", "correct", "wrong"), "share", smoothing=0.8),
        Lines("Rollouts without an answer, by cause", outcomes("rollout/outcome", *FAILURES), "share", smoothing=0.8),
        Lines("Greedy responses without an answer, by cause", outcomes("eval/outcome", *FAILURES), "share"),
    ),
)

PPO = Section(
    "PPO health",
    (
        Lines("Tokens outside the clip", ("ppo/clip_share",), "share"),
        Lines("Distance from the sampling policy", ("ppo/kl_old",), "nats a token"),
        Lines("Mean ratio (should stay near 1)", ("ppo/ratio_mean",), "pi / pi_old"),
        Lines("Largest ratio", ("ppo/ratio_max",), "pi / pi_old", log=True),
        Lines("Error of the first ratio (below 1e-4)", ("ppo/first_ratio_error",), "abs(ratio - 1)", log=True),
        Lines("Gradient norm, before clipping", ("ppo/grad_norm",), smoothing=0.6),
        Lines("Policy loss", ("ppo/policy_loss",), smoothing=0.6),
        Lines("Learning rate", ("ppo/lr",)),
    ),
)

KL = Section(
    "KL",
    (
        Lines("KL to the warm-up policy, a response", ("ppo/kl_ref",), "nats a response"),
        Lines("KL to the warm-up policy, a token", ("ppo/kl_ref_token",), "nats a token"),
        Lines("KL, mean and range of a study", ("ppo/kl_ref",), "nats a response", by_group=True),
        Lines("KL by tenth of the response", tenths("position/kl"), "nats a token"),
        Scatter("Accuracy bought with KL", "ppo/kl_ref", BEST_ACCURACY),
    ),
)

VALUE = Section(
    "value",
    (
        Lines("Explained variance", ("ppo/explained_variance",), "1: perfect, 0: a constant"),
        Lines("Value and reward of the rollouts", ("rollout/value", "rollout/reward"), "reward", smoothing=0.6),
        Lines("Value loss", ("ppo/value_loss",), "squared reward", log=True),
        Lines("Value by tenth of the response", tenths("position/value"), "reward"),
    ),
)

SAMPLED = Section(
    "samples",
    (
        Table(SAMPLES),
        Text(
            "Responses that the policy sampled, as each run last recorded them. For those of all steps, change the "
            f'query of the table to `runs.history.concat["{SAMPLES}"]`.'
        ),
    ),
)

SPEED = Section(
    "speed",
    (
        Lines(
            "Where an iteration's time goes",
            ("time/rollout_seconds", "time/judge_seconds", "time/score_seconds", "time/update_seconds"),
            "s",
        ),
        Lines("Sampling", ("time/rollout_tokens_per_second",), "response tokens a second"),
        Lines("Update", ("time/update_tokens_per_second",), "response tokens a second"),
        Lines("Evaluation", ("time/eval_tokens_per_second",), "response tokens a second"),
        Lines("Supervised fine-tuning", ("time/step_tokens_per_second",), "gold tokens a second"),
        Lines("Seconds of a step and of an evaluation", ("time/step_seconds", "time/eval_seconds"), "s", log=True),
        Lines("Wall time so far", ("seconds",), "s"),
    ),
)

SWEEP = Section(
    "sweep",
    (
        Parallel("Settings and test accuracy", SEARCHED, TEST_ACCURACY, "test accuracy"),
        Importance(BEST_ACCURACY),
        Bars("Test accuracy of a study, mean and range", (TEST_ACCURACY,), "share right", by_group=True),
        Scatter("Dev and test", BEST_ACCURACY, TEST_ACCURACY),
        Differences(),
        Text(
            "Runs of a study share a W&B group. To see the seeds of one setting as a band, group the runs by the "
            "options of the study; `reft dashboard ENTITY/PROJECT --study NAME` makes a report that does."
        ),
    ),
)

SECTIONS = (OVERVIEW, WARMUP, ROLLOUTS, REWARD, PPO, KL, VALUE, SAMPLED, SPEED, SWEEP)
