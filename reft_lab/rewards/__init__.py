"""The terminal reward: from a judged response to a number (paper, section 3.2). docs/rewards.md is its page."""

from reft_lab.rewards.base import Judged, OfOutcome, Reward, Scoring, scoring
from reft_lab.rewards.built_in import exact, inverted, partial, proximity, released
from reft_lab.rewards.choice import NAMES, choose
from reft_lab.rewards.settings import RewardConfig

__all__ = [
    "NAMES",
    "Judged",
    "OfOutcome",
    "Reward",
    "RewardConfig",
    "Scoring",
    "choose",
    "exact",
    "inverted",
    "partial",
    "proximity",
    "released",
    "scoring",
]
