"""What things are called in charts, and their units."""

from __future__ import annotations

from dataclasses import dataclass

from reft_lab.answers.outcome import KINDS

OUTCOMES = {kind: kind.replace("_", " ") for kind in KINDS}
SHARE, POINTS = "share", "points"  # units that are written in per cent, and in percentage points
STEP = "step"


@dataclass(frozen=True)
class Metric:
    """What a chart says of a metric: a heading, and the title of its axis."""

    label: str
    unit: str = ""


_METRICS = {
    "loss": Metric("Supervised loss", "nats a token"),
    "grad_norm": Metric("Norm of the gradient", "before clipping"),
    "lr": Metric("Learning rate"),
    "eval/accuracy": Metric("Accuracy of the greedy policy", SHARE),
    "eval/length": Metric("Length of a greedy response", "tokens"),
    "rollout/accuracy": Metric("Accuracy of the sampled responses", SHARE),
    "rollout/reward": Metric("Reward", "mean of a response"),
    "rollout/value": Metric("Reward that the value model expects", "mean of a response"),
    "rollout/length": Metric("Length of a response", "tokens"),
    "rollout/truncated_share": Metric("Cut at the length cap", SHARE),
    "rollout/unique_answers": Metric("Different answers in a batch", SHARE),
    "rollout/top_answer_share": Metric("Most frequent answer in a batch", SHARE),
    "ppo/kl_ref": Metric("KL to the policy after warm-up", "nats a response"),
    "ppo/kl_old": Metric("KL of an update", "nats a token"),
    "ppo/entropy": Metric("Entropy of a token", "nats a token"),
    "ppo/entropy_response": Metric("Entropy", "nats a response"),
    "ppo/explained_variance": Metric("Explained variance of the value model", "1 is perfect"),
    "ppo/clip_share": Metric("Tokens beyond the clip", SHARE),
    "ppo/policy_loss": Metric("Policy loss", "loss"),
    "ppo/value_loss": Metric("Value loss", "loss"),
    "position/kl": Metric("KL by position", "nats a token"),
    "position/value": Metric("Value by position", "expected reward"),
    "from_wrong": Metric("Reward that responses without the right answer earned", SHARE),
    "disagreement": Metric("Pairs in which the right response did not earn more", SHARE),
}


def metric(name: str) -> Metric:
    """A metric by its name; metrics that the stages share, such as `sft/loss`, go by their last part."""
    return _METRICS.get(name) or _METRICS.get(name.rpartition("/")[2]) or Metric(name)
